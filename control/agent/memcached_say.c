/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What of a memcached service is told: events and the log. */
#include "events.h"
#include "memcached_internal.h"
#include "util.h"

static void tell(const struct mc_run *r, enum pb_reason reason, const struct mct_server *v)
{
	const struct mcs_service *c = r->m->conf;
	struct pb_event ev = { .time_ns = pb_now_ns(),
			       .virt = c->vip,
			       .vport = c->port,
			       .reason = reason,
			       .proto = PB_PROTO_UDP };

	if (v) {
		ev.real = v->addr;
		ev.rport = v->port;
	}
	snprintf(ev.comm, sizeof(ev.comm), "%.*s", PB_COMM_LEN - 1, c->name);
	pb_events_note(r->all->agent, &ev);
}

void mc_say_cache(const struct mc_run *r)
{
	const char *why = mcs_cache_why_not(r->m->conf);

	if (!why)
		return;
	log_warn("memcached %s: the cache is off: %s", r->m->conf->name, why);
	tell(r, PB_R_MC_WRITERS, NULL);
}

void mc_say_states(struct mc_run *r)
{
	for (unsigned i = 0; i < r->m->n_servers; i++) {
		const struct mct_server *v = &r->m->server[i];
		char text[64];

		uint8_t was = r->said[i], is = r->m->fence.s[i].state;

		if (!v->used || was == is)
			continue;
		r->said[i] = is;
		if (is == MCF_DOWN)
			tell(r, PB_R_MC_AWAY, v);
		else if (is == MCF_UP && (was == MCF_DOWN || was == MCF_EMPTYING))
			tell(r, PB_R_MC_BACK, v);
		log_info("memcached %s: server %s is %s", r->m->conf->name,
			 pb_addr_port_format(&v->addr, v->port, text, sizeof(text)),
			 mcf_state_name(r->said[i]));
	}
}
