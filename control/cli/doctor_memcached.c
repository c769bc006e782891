/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached services, where an agent says what there are. */
#include "ctl.h"
#include "doctor.h"

#include "../util.h"

static unsigned away(const json_t *service)
{
	const json_t *s;
	unsigned n = 0;
	size_t i;

	json_array_foreach (json_object_get(service, "servers"), i, s)
		n += !cli_is_word(cli_str(s, "state"), "up suspect");
	return n;
}

static void look(struct doctor *d, const json_t *s)
{
	const json_t *cache = json_object_get(s, "cache"), *tcp = json_object_get(s, "tcp");
	const char *name = cli_str(s, "name");
	unsigned gone = away(s);
	const json_t *left;
	size_t i;

	if (strcmp(cli_str(s, "state"), "on") != 0)
		doctor_say(d, "memcached", DOCTOR_FAIL, "patchbay memcached show", "%s: %s", name,
			   cli_str(s, "why"));
	else if (gone)
		doctor_say(d, "memcached", DOCTOR_WARN,
			   "start the servers; they must take datagrams (memcached -U PORT)",
			   "%s: %u of %zu servers are away", name, gone,
			   json_array_size(json_object_get(s, "servers")));
	else
		doctor_say(d, "memcached", DOCTOR_OK, NULL, "%s: %zu servers", name,
			   json_array_size(json_object_get(s, "servers")));
	json_array_foreach (json_object_get(s, "left_out"), i, left)
		doctor_say(d, "memcached-left-out", DOCTOR_WARN, "patchbay memcached show",
			   "%s: %s of %s: %s", name, cli_str(left, "server"), cli_str(left, "app"),
			   cli_str(left, "why"));
	if (json_is_true(json_object_get(tcp, "wanted")) &&
	    !json_is_true(json_object_get(tcp, "on")))
		doctor_say(d, "memcached-tcp", DOCTOR_FAIL, "see the agent's log, or set tcp=off",
			   "%s: TCP is not served: %s", name, cli_str(tcp, "why"));
	if (cli_int(cache, "size") > 0 && !json_is_true(json_object_get(cache, "on")))
		doctor_say(
			d, "memcached-cache", DOCTOR_WARN,
			"set writers=switch if that is so, or cache_unsafe_ttl, or take the key cache away",
			"%s: %s", name, cli_str(cache, "why"));
	if (!json_array_size(json_object_get(s, "allow")))
		doctor_say(d, "memcached-allow", DOCTOR_WARN,
			   "patchbay memcached set NAME allow=NETWORK",
			   "%s: nobody is allowed: its devices have no network", name);
	if (!json_is_true(json_object_get(s, "proxy")))
		doctor_say(d, "memcached-slow-path", DOCTOR_WARN, "see the agent's log",
			   "%s: fragments and several requests in one datagram are not answered",
			   name);
}

void doctor_memcached(struct doctor *d)
{
	json_auto_t *req = json_pack("{s:s}", "op", "memcached"), *answer = NULL;
	const json_t *s;
	size_t i;

	if (ctl_ask(d->c->run_dir, req, -1, &answer)) /* doctor_agent() has said so */
		return;
	json_array_foreach (json_object_get(answer, "services"), i, s)
		look(d, s);
}
