/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay memcached`: services of memcached servers behind one address. */
#include "cmd_memcached.h"

#include <netdb.h>
#include <sys/socket.h>

#include "../memcached/service.h"
#include "../registry/registry.h"
#include "../util.h"

/* ---- what the options say ------------------------------------------------ */

/* Option and key of the service; those with a list may be given many times. */
static const struct {
	const char *opt, *key;
	bool list;
} options[] = {
	{ "vip", "vip", false },
	{ "backend", "backends", true },
	{ "gutter", "gutter", true },
	{ "dev", "devices", true },
	{ "tag", "tags", true },
	{ "dsr", "dsr", false },
	{ "source", "source", false },
	{ "hash", "hash", false },
	{ "dialect", "dialect", false },
	{ "key-hash", "key_hash", false },
	{ "hash-tag", "hash_tag", false },
	{ "tcp", "tcp", false },
	{ "writers", "writers", false },
	{ "cache", "cache", false },
	{ "cache-unsafe-ttl", "cache_unsafe_ttl", false },
	{ "admit", "admit", false },
	{ "max-age", "max_age", false },
	{ "allow", "allow", true },
	{ "rate", "rate", false },
	{ "failover", "failover", false },
	{ "probe-interval", "probe_interval", false },
	{ "probe-timeout", "probe_timeout", false },
	{ "probe-threshold", "probe_threshold", false },
};

static void of_sockaddr(const struct sockaddr *s, struct pb_addr *ret)
{
	char text[64];

	if (!getnameinfo(s,
			 s->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						 : sizeof(struct sockaddr_in6),
			 text, sizeof(text), NULL, 0, NI_NUMERICHOST))
		pb_addr_parse(text, ret);
}

/* "HOST:PORT[*WEIGHT]" with a name in the place of the address: the name stays the server's in the
 * ring. */
static int resolve(const char *text, char ret[MCS_BACKEND_TEXT])
{
	size_t host = strcspn(text, ":*=");
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *list;
	char name[MCS_HOST_LEN], at[64];
	struct pb_addr a = { .w = { 0 } };

	if (!host || host >= sizeof(name) || text[host] != ':' || strchr(text, '='))
		return -EINVAL;
	snprintf(name, sizeof(name), "%.*s", (int)host, text);
	if (getaddrinfo(name, NULL, &hints, &list))
		return -ENOENT;
	of_sockaddr(list->ai_addr, &a);
	freeaddrinfo(list);
	pb_addr_format(&a, at, sizeof(at));
	snprintf(ret, MCS_BACKEND_TEXT, strchr(at, ':') ? "[%s]%s=%s" : "%s%s=%s", at, text + host,
		 name);
	return 0;
}

static json_t *server_word(const char *text)
{
	char err[PB_ERR_LEN], resolved[MCS_BACKEND_TEXT];
	struct mcs_backend b;

	if (!mcs_backend_parse(text, &b, err) || resolve(text, resolved))
		return json_string(text); /* the check to come says what is wrong */
	return json_string(resolved);
}

static int add_option(const struct cli *c, const struct cli_args *a, size_t i, json_t *service)
{
	const char *opt = options[i].opt, *v;
	bool server = !strcmp(opt, "backend") || !strcmp(opt, "gutter");
	char err[PB_ERR_LEN];
	json_t *list;

	if (!options[i].list) {
		v = cli_value(a, opt);
		if (v && mcs_set_word(service, options[i].key, v, err))
			return cli_error(c, CLI_USAGE, EINVAL, "--%s: %s", opt, err);
		return CLI_OK;
	}
	if (!cli_given(a, opt))
		return CLI_OK;
	list = json_array();
	for (unsigned k = 0; (v = cli_nth(a, opt, k)); k++)
		json_array_append_new(list, server ? server_word(v) : json_string(v));
	json_object_set_new(service, options[i].key, list);
	return CLI_OK;
}

static int no_options(const struct cli *c, const struct cli_args *a, const char *action)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (cli_given(a, options[i].opt))
			return cli_error(c, CLI_USAGE, EINVAL, "'memcached %s' takes no --%s",
					 action, options[i].opt);
	return CLI_OK;
}

/* ---- actions ------------------------------------------------------------- */

static int done(const struct cli *c, json_t *req, const char *text, const char *name)
{
	json_auto_t *answer = NULL;
	int code = cli_ask(c, req, &answer);

	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	printf("%s %s\n", text, name);
	return CLI_OK;
}

static int add(const struct cli *c, const struct cli_args *a)
{
	_cleanup_(mcs_freep) struct mcs_service *s = NULL;
	json_auto_t *service = json_object();
	char err[PB_ERR_LEN];

	json_object_set_new(service, "name", json_string(a->pos[1]));
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (add_option(c, a, i, service))
			return CLI_USAGE;
	s = mcs_from_json(service, err);
	if (!s)
		return cli_error(c, CLI_USAGE, EINVAL, "%s", err);
	if (mcs_cache_why_not(s))
		fprintf(stderr, "patchbay: the cache stays off: %s\n", mcs_cache_why_not(s));
	return done(c, json_pack("{s:s, s:O}", "op", "memcached-add", "service", service), "added",
		    s->name);
}

static int set(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *answer = NULL;
	json_t *words = json_array();
	const json_t *line;
	size_t i;
	int code;

	for (unsigned k = 2; k < a->n_pos; k++)
		json_array_append_new(words, json_string(a->pos[k]));
	code = cli_ask(c,
		       json_pack("{s:s, s:s, s:o}", "op", "memcached-set", "name", a->pos[1], "set",
				 words),
		       &answer);
	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	json_array_foreach (json_object_get(answer, "changed"), i, line)
		puts(json_string_value(line));
	if (!json_array_size(json_object_get(answer, "changed")))
		puts("nothing changed");
	return CLI_OK;
}

static int drain(const struct cli *c, const struct cli_args *a)
{
	bool undo = cli_given(a, "undo");

	return done(c,
		    json_pack("{s:s, s:s, s:s, s:b}", "op", "memcached-drain", "name", a->pos[1],
			      "server", a->pos[2], "undo", undo),
		    undo ? "takes keys again:" : "drained", a->pos[2]);
}

static int take_away(const struct cli *c, const struct cli_args *a)
{
	return done(c, json_pack("{s:s, s:s}", "op", "memcached-remove", "name", a->pos[1]),
		    "removed", a->pos[1]);
}

/* ---- table --------------------------------------------------------------- */

static const struct action {
	const char *name, *usage;
	unsigned min, max; /* operands behind it */
	bool options;
	int (*run)(const struct cli *c, const struct cli_args *a);
} actions[] = {
	{ "show", "show [NAME]", 0, 1, false, mc_show },
	{ "stats", "stats [NAME]", 0, 1, false, mc_stats },
	{ "top", "top [NAME]", 0, 1, false, mc_top },
	{ "add", "add NAME --vip ADDRESS:PORT --backend SERVER... --dev DEVICE...", 1, 1, true,
	  add },
	{ "set", "set NAME KEY=VALUE...", 2, CLI_POS_MAX - 1, false, set },
	{ "drain", "drain NAME SERVER", 2, 2, false, drain },
	{ "remove", "remove NAME", 1, 1, false, take_away },
	{ "verify-ring", "verify-ring NAME FILE", 2, 2, false, mc_verify_ring },
};

static int only_with(const struct cli *c, const struct cli_args *a, const char *opt,
		     const char *action)
{
	if (!cli_given(a, opt) || !strcmp(action, !strcmp(opt, "undo") ? "drain" : "top"))
		return CLI_OK;
	return cli_error(c, CLI_USAGE, EINVAL, "'memcached %s' takes no --%s", action, opt);
}

int cmd_memcached(const struct cli *c, const struct cli_args *a)
{
	const char *word = a->n_pos ? a->pos[0] : "show";

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		const struct action *t = &actions[i];
		unsigned n = a->n_pos ? a->n_pos - 1 : 0;

		if (strcmp(t->name, word) != 0)
			continue;
		if (n < t->min || n > t->max)
			return cli_error(c, CLI_USAGE, EINVAL, "usage: patchbay memcached %s",
					 t->usage);
		if ((!t->options && no_options(c, a, word)) || only_with(c, a, "undo", word) ||
		    only_with(c, a, "sort", word) || only_with(c, a, "limit", word))
			return CLI_USAGE;
		return t->run(c, a);
	}
	return cli_error(c, CLI_USAGE, EINVAL, "'memcached %.40s' is not an action", word);
}
