// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What arrives, and the streams of ours that are open. */
#include "swim_internal.h"

void swim_on_user(struct swim *s, const struct swim_addr *from, struct gsp_bytes data)
{
	if (!data.n) {
		s->stats.bad++;
		return;
	}
	if (data.p[0] != GSP_SERF_OURS) {
		swim_serf_message(s, from, data);
		return;
	}
	s->stats.records_in++;
	if (s->conf.ops->record)
		s->conf.ops->record(s->conf.arg, from,
				    (struct gsp_bytes){ data.p + 1, data.n - 1 });
}

/* Gossip about members; false: cannot be read. */
static bool on_gossip(struct swim *s, const uint8_t *p, size_t n)
{
	struct gsp_suspect suspect;
	struct gsp_alive alive;
	struct gsp_dead dead;

	switch (p[0]) {
	case GSP_ALIVE:
		if (gsp_alive_decode(&alive, p, n) < 0)
			return false;
		swim_alive(s, &alive);
		return true;
	case GSP_SUSPECT:
		if (gsp_suspect_decode(&suspect, p, n) < 0)
			return false;
		swim_suspect(s, &suspect);
		return true;
	default:
		if (gsp_dead_decode(&dead, p, n) < 0)
			return false;
		swim_dead(s, &dead);
		return true;
	}
}

void swim_message(struct swim *s, uint64_t now, const struct swim_addr *from, const uint8_t *p,
		  size_t n)
{
	swim_clock(s, now);
	if (swim_is_gone(s) || !n)
		return;
	s->stats.messages_in++;
	switch (p[0]) {
	case GSP_PING: swim_on_ping(s, from, p, n); break;
	case GSP_INDIRECT_PING: swim_on_indirect(s, from, p, n); break;
	case GSP_ACK: swim_on_ack(s, p, n); break;
	case GSP_NACK: swim_on_nack(s, p, n); break;
	case GSP_ALIVE:
	case GSP_SUSPECT:
	case GSP_DEAD:
		if (!on_gossip(s, p, n))
			s->stats.bad++;
		break;
	case GSP_USER: swim_on_user(s, from, (struct gsp_bytes){ p + 1, (uint32_t)n - 1 }); break;
	default: s->stats.unknown++;
	}
}

/* ---- streams others opened ------------------------------------------------------------------- */

static int give(const uint8_t *buf, int n, uint8_t **ret, size_t *ret_n)
{
	uint8_t *copy;

	if (n <= 0)
		return n ? n : -EBADMSG;
	copy = malloc((size_t)n);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, buf, (size_t)n);
	*ret = copy;
	*ret_n = (size_t)n;
	return 0;
}

static int request_ping(struct swim *s, const uint8_t *p, size_t n, uint8_t **ret, size_t *ret_n)
{
	struct gsp_ack ack = { 0 };
	struct gsp_ping ping;
	uint8_t buf[64];

	if (gsp_ping_decode(&ping, p, n) < 0)
		return -EBADMSG;
	if (ping.node.n && !gsp_bytes_eq(ping.node, swim_name(s->me)))
		return -EHOSTUNREACH;
	ack.seq = ping.seq;
	return give(buf, gsp_ack_encode(&ack, buf, sizeof(buf)), ret, ret_n);
}

/* Merged before it is answered: the answer already refutes what the dialler thought of us. */
static int request_sync(struct swim *s, const struct swim_addr *from, const uint8_t *p, size_t n,
			uint8_t **ret, size_t *ret_n)
{
	bool ours = false;
	int err = swim_sync_merge(s, from, p, n, &ours);

	if (err)
		return err;
	s->stats.sync_in++;
	return swim_sync_build(s, false, ours, ret, ret_n);
}

int swim_request(struct swim *s, uint64_t now, const struct swim_addr *from, const uint8_t *p,
		 size_t n, uint8_t **ret, size_t *ret_n)
{
	struct gsp_bytes data;
	int err = -EPROTO;

	*ret = NULL;
	*ret_n = 0;
	swim_clock(s, now);
	if (swim_is_gone(s) || !n)
		return -ESHUTDOWN;
	if (p[0] == GSP_PUSH_PULL) {
		err = request_sync(s, from, p, n, ret, ret_n);
	} else if (p[0] == GSP_PING) {
		err = request_ping(s, p, n, ret, ret_n);
	} else if (p[0] == GSP_USER) {
		err = gsp_user_decode(&data, p, n) < 0 ? -EBADMSG : 0;
		if (!err)
			swim_on_user(s, from, data);
	}
	if (err == -EBADMSG)
		s->stats.bad++;
	else if (err == -EPROTO)
		s->stats.unknown++;
	return err;
}

/* ---- streams of ours ------------------------------------------------------------------------- */

struct swim_exchange *swim_exchange_get(struct swim *s, uint64_t id)
{
	struct swim_exchange *x = &s->exchange[id % SWIM_EXCHANGES];

	return x->kind != SWIM_X_FREE && x->id == id ? x : NULL;
}

uint64_t swim_exchange_begin(struct swim *s, enum swim_exchange_kind kind,
			     const struct swim_addr *to, const uint8_t *p, size_t n)
{
	for (unsigned i = 0; i < SWIM_EXCHANGES; i++) {
		uint64_t id = s->exchange_next++;
		struct swim_exchange *x = &s->exchange[id % SWIM_EXCHANGES];

		if (x->kind != SWIM_X_FREE)
			continue;
		*x = (struct swim_exchange){ .id = id, .kind = (uint8_t)kind, .to = *to };
		if (!s->conf.ops->exchange(s->conf.arg, id, to, p, n))
			return id;
		x->kind = SWIM_X_FREE;
		return 0;
	}
	return 0;
}

static void ping_end(struct swim *s, uint64_t id, uint32_t seq, const uint8_t *p, size_t n)
{
	struct gsp_ack ack;

	swim_probe_tcp(s, id, p && gsp_ack_decode(&ack, p, n) >= 0 && ack.seq == seq);
}

/* Who came while we did may have been missed by the table we were given, and by the gossip about
 * it, which ends some time: soon another one is asked. */
static void joined(struct swim *s)
{
	uint64_t soon = s->conf.probe_interval + swim_below(&s->rng, 2 * s->conf.probe_interval);

	swim_say_join(s);
	if (s->t_sync.pos && s->t_sync.at > s->now + soon)
		swim_at_in(s, &s->t_sync, soon);
}

static void sync_end(struct swim *s, const struct swim_exchange *x, const uint8_t *p, size_t n)
{
	bool ours, alone = s->n_live < 2;

	if (!p) {
		s->stats.sync_failed++;
		return;
	}
	s->refuted = false;
	s->quiet = alone && !s->joined;
	if (!swim_sync_merge(s, &x->to, p, n, &ours) && s->n_live > 1) {
		s->tries = 0;
		if (!s->joined || alone)
			joined(s);
		s->joined = true;
	}
	s->quiet = false;
	/* It thought us dead: memberlist answers before it merges, and has buried us still. */
	if (s->refuted && !x->again)
		swim_sync_with(s, &x->to, true, true);
}

void swim_exchange_end(struct swim *s, uint64_t now, uint64_t id, const uint8_t *p, size_t n)
{
	struct swim_exchange *x, copy;

	swim_clock(s, now);
	x = swim_exchange_get(s, id);
	if (!x)
		return;
	copy = *x;
	x->kind = SWIM_X_FREE;
	if (swim_is_gone(s))
		return;
	if (copy.kind == SWIM_X_PING)
		ping_end(s, id, copy.seq, p, n);
	else
		sync_end(s, &copy, p, n);
}
