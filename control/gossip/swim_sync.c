// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Push/pull: now and then two nodes exchange all they know; it is also how one joins. */
#include "swim_internal.h"

#define HEADER_CAP 128
#define NODE_CAP 160	/* of a node state, besides name and meta */
#define SPREAD_MAX 2000 /* ms in which the alleged dead of one exchange are told */

/* memberlist forgets its dead soon, and would take a later word of them for news. */
static bool worth_saying(const struct swim *s, const struct swim_member *m, bool all)
{
	return all || swim_is_live(m) || m->since + s->conf.gossip_dead > s->now;
}

static int encode_nodes(const struct swim *s, bool all, uint8_t *buf, size_t cap)
{
	size_t used = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct swim_member *m = s->all[i];
		struct gsp_node_state st = { .name = swim_name(m),
					     .addr = m->addr.ip,
					     .port = m->addr.port,
					     .meta = { m->meta, m->meta_len },
					     .incarnation = m->inc,
					     .state = m->state,
					     .vsn = m->vsn };
		int n;

		if (!worth_saying(s, m, all))
			continue;
		n = gsp_node_state_encode(&st, buf + used, cap - used);
		if (n < 0)
			return n;
		used += (size_t)n;
	}
	return (int)used;
}

int swim_sync_build(struct swim *s, bool join, bool all, uint8_t **ret, size_t *ret_n)
{
	struct gsp_sync_header head = { .join = join };
	_cleanup_free_ uint8_t *user = NULL, *buf = NULL;
	size_t user_n = 0, cap = HEADER_CAP;
	int err = swim_serf_state(s, &user, &user_n), h, n;

	if (err)
		return err;
	for (uint32_t i = 0; i < s->n; i++) {
		if (!worth_saying(s, s->all[i], all))
			continue;
		head.nodes++;
		cap += NODE_CAP + s->all[i]->name_len + s->all[i]->meta_len;
	}
	head.user_len = (uint32_t)user_n;
	buf = malloc(cap + user_n);
	if (!buf)
		return -ENOMEM;
	h = gsp_sync_header_encode(&head, buf, cap);
	if (h < 0)
		return h;
	n = encode_nodes(s, all, buf + h, cap - (size_t)h);
	if (n < 0)
		return n;
	if (user_n)
		memcpy(buf + h + n, user, user_n);
	*ret = TAKE_PTR(buf);
	*ret_n = (size_t)h + (size_t)n + user_n;
	s->stats.sync_bytes += *ret_n;
	return 0;
}

int swim_sync_with(struct swim *s, const struct swim_addr *to, bool join, bool again)
{
	const struct swim_member *m = swim_by_addr(s, to);
	_cleanup_free_ uint8_t *buf = NULL;
	uint64_t id;
	size_t n;
	int err = swim_sync_build(s, join, m && m->ours, &buf, &n);

	if (err)
		return err;
	id = swim_exchange_begin(s, SWIM_X_SYNC, to, buf, n);
	if (!id) {
		s->stats.sync_failed++;
		return -EAGAIN;
	}
	swim_exchange_get(s, id)->again = again;
	s->stats.sync_out++;
	return 0;
}

static bool partner(const struct swim *s, const struct swim_member *m, const void *arg)
{
	(void)s;
	(void)arg;
	return m->state == GSP_STATE_ALIVE;
}

void swim_sync_tick(struct swim *s)
{
	struct swim_member *m;

	swim_at_in(s, &s->t_sync, swim_sync_time(s->conf.sync_interval, s->n_live));
	if (s->stage == SWIM_STAYS && swim_pick(s, 1, partner, NULL, &m))
		swim_sync_with(s, &m->addr, false, false);
}

/* ---- the way back ---------------------------------------------------------------------------- */

static bool wants(const struct swim *s, const struct swim_addr *a)
{
	const struct swim_member *m = swim_by_addr(s, a);

	return !m || (m != s->me && !swim_is_live(m));
}

/* One of the failed members and of the addresses to join by where no live member is. */
static bool choose(struct swim *s, struct swim_addr *ret)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		if (s->all[i]->state == GSP_STATE_DEAD && !swim_below(&s->rng, ++n))
			*ret = s->all[i]->addr;
	}
	for (unsigned i = 0; i < s->n_seeds; i++) {
		if (wants(s, &s->seed[i]) && !swim_below(&s->rng, ++n))
			*ret = s->seed[i];
	}
	return n;
}

/* For ever, since what is cut off has no other way back; alone, soon at first. */
void swim_rejoin_tick(struct swim *s)
{
	uint64_t wait = s->conf.rejoin_min +
			swim_below(&s->rng, s->conf.rejoin_max - s->conf.rejoin_min + 1);
	struct swim_addr to;

	if (s->n_live < 2 && s->tries < 5) {
		uint64_t soon = 1000ull << s->tries++;

		soon += swim_below(&s->rng, (uint32_t)soon);
		wait = soon < wait ? soon : wait;
	}
	swim_at_in(s, &s->t_rejoin, wait);
	if (s->stage == SWIM_STAYS && choose(s, &to))
		swim_sync_with(s, &to, true, false);
}

int swim_seed(struct swim *s, uint64_t now, const struct swim_addr *addr)
{
	swim_clock(s, now);
	if (!addr->ip.len || !addr->port)
		return -EINVAL;
	if (swim_addr_eq(addr, &s->me->addr))
		return 0;
	for (unsigned i = 0; i < s->n_seeds; i++) {
		if (swim_addr_eq(addr, &s->seed[i]))
			return 0;
	}
	if (s->n_seeds == SWIM_SEEDS)
		return -ENOSPC;
	s->seed[s->n_seeds++] = *addr;
	s->tries = 0;
	if (s->stage != SWIM_STAYS || !wants(s, addr))
		return 0;
	swim_sync_with(s, addr, true, false);
	if (s->n_live < 2)
		swim_at_in(s, &s->t_rejoin, 1000 + swim_below(&s->rng, 1000));
	return 0;
}

/* ---- merge ----------------------------------------------------------------------------------- */

static void merge_dead(struct swim *s, const struct gsp_node_state *st, uint32_t spread)
{
	struct gsp_suspect a = { st->incarnation, st->name, swim_name(s->me) };
	struct swim_member *m = swim_get(s, st->name);

	if (!m || st->incarnation < m->inc)
		return;
	if (m != s->me && m->state == GSP_STATE_ALIVE)
		swim_verify_begin(s, m, st->incarnation, spread);
	else
		swim_suspect(s, &a);
}

static void merge_node(struct swim *s, const struct gsp_node_state *st, uint32_t spread)
{
	struct gsp_suspect suspect = { st->incarnation, st->name, swim_name(s->me) };
	struct gsp_dead left = { st->incarnation, st->name, st->name };
	struct gsp_alive alive = { .incarnation = st->incarnation,
				   .node = st->name,
				   .addr = st->addr,
				   .port = st->port,
				   .meta = st->meta,
				   .vsn = st->vsn };

	switch ((enum gsp_state)st->state) {
	case GSP_STATE_ALIVE: swim_alive(s, &alive); break;
	case GSP_STATE_SUSPECT: swim_suspect(s, &suspect); break;
	case GSP_STATE_DEAD: merge_dead(s, st, spread); break;
	case GSP_STATE_LEFT: swim_dead(s, &left); break;
	}
}

int swim_sync_merge(struct swim *s, const struct swim_addr *from, const uint8_t *p, size_t n,
		    bool *ret_ours)
{
	struct gsp_node_state st;
	struct gsp_sync sync;
	struct gsp_bytes rest;
	uint32_t dead = 0;

	*ret_ours = false;
	if (gsp_sync_decode(&sync, p, n) < 0 || sync.header.nodes > SWIM_SYNC_NODES(s))
		return -EBADMSG;
	for (rest = sync.nodes; gsp_sync_next(&rest, &st);)
		dead += st.state == GSP_STATE_DEAD;
	dead = dead * 10 < SPREAD_MAX ? dead * 10 : SPREAD_MAX;
	for (rest = sync.nodes; gsp_sync_next(&rest, &st);)
		merge_node(s, &st, dead);
	if (sync.user.n)
		swim_serf_merge(s, from, sync.user, ret_ours);
	return 0;
}
