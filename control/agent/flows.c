/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "flows.h"

#include <patchbay/addr.h>

#include "event_json.h"
#include "util.h"

/* ---- join ---- */

/* Where @side of a connection really is, as the record of either end tells. */
static const struct pb_addr *real_addr(const struct pb_flow *f, unsigned side)
{
	return f->role == side ? &f->local : &f->remote;
}

static __be16 real_port(const struct pb_flow *f, unsigned side)
{
	return f->role == side ? f->lport : f->rport;
}

/* 0: the same connection. */
static int compare_names(const struct pb_flow *a, const struct pb_flow *b)
{
	for (unsigned side = 0; side < _PB_SPL_SIDES; side++) {
		int d = memcmp(real_addr(a, side), real_addr(b, side), sizeof(struct pb_addr));

		if (!d)
			d = ntohs(real_port(a, side)) - ntohs(real_port(b, side));
		if (d)
			return d;
	}
	return a->netns < b->netns ? -1 : a->netns > b->netns;
}

static int compare(const void *x, const void *y)
{
	const struct pb_flow *a = x, *b = y;
	int d = compare_names(a, b);

	if (!d)
		d = a->role - b->role;
	if (!d)
		d = a->cookie < b->cookie ? -1 : a->cookie > b->cookie;
	return d;
}

void pb_flow_shown(const struct pb_flow_pair *p, enum pb_spl_side side, struct pb_addr *ret_addr,
		   __be16 *ret_port)
{
	const struct pb_flow *own = p->end[side], *other = p->end[!side];

	if (own && (own->flags & PB_FLOW_VLOCAL)) {
		*ret_addr = own->vlocal;
		*ret_port = own->vlport;
	} else if (other && (other->flags & PB_FLOW_VPEER)) {
		*ret_addr = other->vpeer;
		*ret_port = other->vpport;
	} else {
		*ret_addr = *real_addr(own ? own : other, side);
		*ret_port = real_port(own ? own : other, side);
	}
}

/* For people: by servers, then by clients. */
static int compare_shown(const void *x, const void *y)
{
	for (unsigned side = _PB_SPL_SIDES; side-- > 0;) {
		struct pb_addr a, b;
		__be16 ap, bp;
		int d;

		pb_flow_shown(x, side, &a, &ap);
		pb_flow_shown(y, side, &b, &bp);
		d = memcmp(&a, &b, sizeof(a));
		if (!d)
			d = ntohs(ap) - ntohs(bp);
		if (d)
			return d;
	}
	return 0;
}

int pb_flows_join(struct pb_flow *recs, size_t n, struct pb_flow_pair **ret, size_t *ret_n)
{
	struct pb_flow_pair *list = calloc(n + 1, sizeof(*list));
	size_t k = 0;

	if (!list)
		return -ENOMEM;
	if (n)
		qsort(recs, n, sizeof(*recs), compare);
	for (size_t i = 0; i < n; i++) {
		const struct pb_flow *f = &recs[i], *last = i ? f - 1 : NULL;
		unsigned side = f->role & 1;

		if (last && last->cookie == f->cookie && last->role == f->role)
			continue;
		if (!k || list[k - 1].end[side] || compare_names(last, f))
			k++;
		list[k - 1].end[side] = f;
	}
	qsort(list, k, sizeof(*list), compare_shown);
	*ret = list;
	*ret_n = k;
	return 0;
}

/* ---- judge ---- */

static bool in_states(const struct pb_flow *f, unsigned states)
{
	return f && (states >> f->state & 1);
}

/* Sends that side no more?  Its own state tells, and that of its peer. */
static bool has_closed(const struct pb_flow_pair *p, unsigned side)
{
	return in_states(p->end[side], 1u << PB_FLOW_FIN_WAIT1 | 1u << PB_FLOW_FIN_WAIT2 |
					       1u << PB_FLOW_CLOSING | 1u << PB_FLOW_LAST_ACK) ||
	       in_states(p->end[!side],
			 1u << PB_FLOW_CLOSE_WAIT | 1u << PB_FLOW_CLOSING | 1u << PB_FLOW_LAST_ACK);
}

/* Nobody asked at the handshake, or the answer is not remembered: what the settings say. */
static uint32_t unconsidered(const struct pb_flow *own, const struct pb_flow *other)
{
	if (!(own->flags & PB_FLOW_ON) || !(own->flags & PB_FLOW_WANTS))
		return PB_R_SPLICE_OFF;
	if (!other || !(other->flags & PB_FLOW_WANTS))
		return PB_R_SPLICE_PEER;
	return PB_R_SPLICE_LATE;
}

/* By the rule of the kernel side, without what depends on the message: what becomes of the next? */
static uint32_t open_reason(const struct pb_flow *f)
{
	struct pb_spl_in in = {
		.enabled = f->flags & PB_FLOW_ON, .flags = f->pair, .why = f->why, .side = f->role
	};
	uint32_t r = pb_spl_decide(&in);

	/* A side that has not sent yet may wait for these two. */
	if (!f->msgs && (r == PB_R_SPLICE_EARLY || r == PB_R_SPLICE_SERVER_FIRST))
		return PB_R_SPLICED;
	return r;
}

static uint32_t left_reason(const struct pb_flow *f)
{
	if (f->reason != PB_R_NONE && f->reason != PB_R_SPLICED)
		return f->reason;
	return f->why ? f->why : PB_R_SPLICE_LEFT;
}

/* Never in the splice.  "Not the peer" is the peer's own reason, where that is known. */
static uint32_t outside_reason(const struct pb_flow *own, const struct pb_flow *other)
{
	if (own->reason == PB_R_NONE || own->reason == PB_R_SPLICED)
		return unconsidered(own, other);
	if (own->reason == PB_R_SPLICE_PEER && other && (other->flags & PB_FLOW_TAKEN) &&
	    other->spl == PB_SPL_NONE && other->reason != PB_R_NONE &&
	    other->reason != PB_R_SPLICED)
		return other->reason;
	return own->reason;
}

static uint32_t reason_of(const struct pb_flow *own, const struct pb_flow *other)
{
	if (!(own->flags & PB_FLOW_TAKEN))
		return unconsidered(own, other);
	switch (own->spl) {
	case PB_SPL_OPEN: return open_reason(own);
	case PB_SPL_LEFT: return left_reason(own);
	case PB_SPL_TCP: return own->reason;
	case PB_SPL_WAIT: return PB_R_NONE;
	default: return outside_reason(own, other);
	}
}

/* The sender is not here: all that is known is what the other end remembers. */
static uint32_t absent_reason(const struct pb_flow *other)
{
	bool was_in = (other->flags & PB_FLOW_TAKEN) && other->spl != PB_SPL_NONE;

	return was_in ? PB_R_SPLICE_GONE : PB_R_SPLICE_OFF;
}

/* In the splice, and nothing was sent: what is said of that side. */
static void unused(struct pb_flow_way *w, bool closed)
{
	w->reason = PB_R_NONE;
	w->ready = !closed;
	w->text = closed ? "it sent nothing and sends no more"
			 : "nothing was sent yet: the first message decides";
}

struct pb_flow_way pb_flow_way(const struct pb_flow_pair *p, enum pb_spl_side from)
{
	const struct pb_flow *own = p->end[from], *other = p->end[!from];
	struct pb_flow_way w = { .known = own != NULL };

	w.reason = own ? reason_of(own, other) : absent_reason(other);
	w.text = pb_reason_text(w.reason);
	if (!own)
		return w;
	w.bytes = own->bytes;
	w.msgs = own->msgs;
	if (w.reason == PB_R_SPLICE_LATE && !(own->flags & PB_FLOW_TAKEN))
		w.text = "the connection is older than the setting";
	if (w.reason != PB_R_SPLICED)
		return w;
	w.spliced = w.msgs != 0;
	if (!w.spliced)
		unused(&w, has_closed(p, from));
	return w;
}

/* ---- show ---- */

const char *pb_flow_state(const struct pb_flow_pair *p)
{
	bool client = has_closed(p, PB_SPL_CLIENT), server = has_closed(p, PB_SPL_SERVER);

	if (client && server)
		return "closing";
	if (client || server)
		return client ? "client-closed" : "server-closed";
	return "established";
}

uint64_t pb_flow_ref(const struct pb_flow_pair *p, enum pb_spl_side side)
{
	return p->end[side] ? p->end[side]->app : p->end[!side]->peer;
}

static const char *state_name(const struct pb_flow *f)
{
	switch (f->state) {
	case PB_FLOW_ESTABLISHED: return "established";
	case PB_FLOW_FIN_WAIT1: return "fin-wait-1";
	case PB_FLOW_FIN_WAIT2: return "fin-wait-2";
	case PB_FLOW_CLOSE_WAIT: return "close-wait";
	case PB_FLOW_LAST_ACK: return "last-ack";
	case PB_FLOW_CLOSING: return "closing";
	default: return "?";
	}
}

static const char *family_name(const struct pb_flow *f)
{
	if (f->family == PB_AF_INET)
		return "ipv4";
	return pb_addr_is_v4(&f->remote) ? "mapped" : "ipv6";
}

static json_t *end_json(const struct pb_flow_pair *p, enum pb_spl_side side,
			const struct pb_registry *reg)
{
	const struct pb_flow *own = p->end[side], *any = own ? own : p->end[!side];
	uint64_t ref = pb_flow_ref(p, side);
	const struct pb_app_rec *app = ref ? pb_registry_by_ref(reg, ref) : NULL;
	char shown[64], real[64], hex[20];
	struct pb_addr addr;
	__be16 port;

	pb_flow_shown(p, side, &addr, &port);
	pb_addr_port_format(&addr, port, shown, sizeof(shown));
	pb_addr_port_format(real_addr(any, side), real_port(any, side), real, sizeof(real));
	snprintf(hex, sizeof(hex), "%llx", (unsigned long long)ref);
	return json_pack("{s:s?, s:s?, s:s, s:s, s:s?, s:s?, s:o}", "app",
			 app ? app->app.name : NULL, "ref", ref ? hex : NULL, "address", shown,
			 "real", real, "family", own ? family_name(own) : NULL, "state",
			 own ? state_name(own) : NULL, "cookie",
			 own ? json_integer((json_int_t)own->cookie) : json_null());
}

static json_t *way_json(const struct pb_flow_way *w)
{
	return json_pack("{s:b, s:b, s:s, s:s, s:o, s:o}", "spliced", w->spliced, "ready", w->ready,
			 "reason", pb_reason_name(w->reason), "text", w->text, "bytes",
			 w->known ? json_integer((json_int_t)w->bytes) : json_null(), "msgs",
			 w->known ? json_integer((json_int_t)w->msgs) : json_null());
}

json_t *pb_flow_json(const struct pb_flow_pair *p, const struct pb_registry *reg)
{
	const struct pb_flow *any =
		p->end[PB_SPL_CLIENT] ? p->end[PB_SPL_CLIENT] : p->end[PB_SPL_SERVER];
	struct pb_flow_way up = pb_flow_way(p, PB_SPL_CLIENT);
	struct pb_flow_way down = pb_flow_way(p, PB_SPL_SERVER);

	return json_pack("{s:o, s:o, s:s, s:b, s:o, s:o, s:I}", "client",
			 end_json(p, PB_SPL_CLIENT, reg), "server", end_json(p, PB_SPL_SERVER, reg),
			 "state", pb_flow_state(p), "spliced", up.spliced || down.spliced,
			 "to_server", way_json(&up), "to_client", way_json(&down), "netns",
			 (json_int_t)any->netns);
}
