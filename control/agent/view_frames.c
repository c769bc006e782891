/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TCP half of memcached services, as the readers see it. */
#include "frames.h"
#include "memcached_internal.h"

json_t *mc_tcp_json(const struct mc_run *r)
{
	json_t *process = pb_frames_status(r->all->agent), *o;
	const char *why = json_string_value(json_object_get(process, "why"));
	bool on = r->m->conf->tcp && r->tcp.put && !*r->tcp.why;

	if (on)
		why = NULL;
	else if (!r->m->conf->tcp)
		why = "not asked for";
	else if (!why)
		why = *r->tcp.why ? r->tcp.why : "the service is not served";
	o = json_pack("{s:b, s:b, s:s?, s:O}", "on", on, "wanted", r->m->conf->tcp, "why", why,
		      "process", process);
	json_decref(process);
	return o;
}

json_t *mc_tcp_stats(const json_t *frames, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach (json_object_get(frames, "services"), i, v) {
		const char *n = json_string_value(json_object_get(v, "name"));

		if (n && !strcmp(n, name))
			return json_incref(json_object_get(v, "counters"));
	}
	return json_object();
}
