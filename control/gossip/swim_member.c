// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table of members: bounded, by name, and in arrays to choose from at random. */
#include "swim_internal.h"

#include <patchbay/siphash.h>

#define FULL_RETRY 1000 /* ms */

struct swim_addr swim_addr(const struct gsp_addr *ip, uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct swim_addr a = { *ip, port };

	if (ip->len == 16 && !memcmp(ip->ip, mapped, sizeof(mapped))) {
		a.ip = (struct gsp_addr){ .len = 4 };
		memcpy(a.ip.ip, ip->ip + sizeof(mapped), 4);
	}
	return a;
}

bool swim_addr_eq(const struct swim_addr *a, const struct swim_addr *b)
{
	return a->port == b->port && a->ip.len == b->ip.len &&
	       !memcmp(a->ip.ip, b->ip.ip, a->ip.len);
}

uint64_t swim_hash(const struct swim *s, struct gsp_bytes b)
{
	uint64_t h = pb_siphash24(s->hash_key, b.n ? (const void *)b.p : "", b.n);

	return h ? h : 1; /* 0 stands for no key */
}

struct swim_member *swim_get(const struct swim *s, struct gsp_bytes name)
{
	pb_htab_each(h, &s->names, swim_hash(s, name))
	{
		struct swim_member *m = pb_container_of(h, struct swim_member, node);

		if (gsp_bytes_eq(swim_name(m), name))
			return m;
	}
	return NULL;
}

static int grow(struct swim *s)
{
	uint32_t cap = s->cap ? s->cap * 2 : 64;
	struct swim_member **all, **order;

	/* members, six ticks, probes and relays have a timer each */
	if (swim_heap_reserve(&s->heap, s->n + 1 + 6 + SWIM_PROBES + SWIM_RELAYS))
		return -ENOMEM;
	if (s->n < s->cap)
		return 0;
	all = realloc(s->all, cap * sizeof(struct swim_member *));
	if (!all)
		return -ENOMEM;
	s->all = all;
	order = realloc(s->order, cap * sizeof(struct swim_member *));
	if (!order)
		return -ENOMEM;
	s->order = order;
	s->cap = cap;
	return 0;
}

/* The one dead or gone for longest makes room, if it is not news any more.  Nobody to be found now:
 * not looked for again at once, since somebody may invent names by the thousand. */
static bool make_room(struct swim *s)
{
	struct swim_member *oldest = NULL;

	if (s->now < s->full_until)
		return false;
	for (uint32_t i = 0; i < s->n; i++) {
		struct swim_member *m = s->all[i];

		if (!swim_is_live(m) && m->since + s->conf.gossip_dead <= s->now &&
		    (!oldest || m->since < oldest->since))
			oldest = m;
	}
	if (!oldest) {
		s->full_until = s->now + FULL_RETRY;
		return false;
	}
	swim_emit(s, SWIM_EV_FORGOTTEN, oldest);
	swim_member_remove(s, oldest);
	return true;
}

struct swim_member *swim_member_add(struct swim *s, struct gsp_bytes name)
{
	struct swim_member *m;

	if (!name.n || name.n > GSP_NAME_MAX)
		return NULL;
	if (s->n >= s->conf.members && !make_room(s))
		return NULL;
	if (grow(s))
		return NULL;
	m = calloc(1, sizeof(*m) + name.n);
	if (!m)
		return NULL;
	m->name_len = (uint8_t)name.n;
	memcpy(m->name, name.p, name.n);
	m->state = GSP_STATE_DEAD;
	m->since = s->now;
	m->timer.kind = SWIM_T_MEMBER;
	m->pos = s->n;
	s->all[s->n++] = m;
	pb_htab_add(&s->names, &m->node, swim_hash(s, name));
	return m;
}

void swim_member_remove(struct swim *s, struct swim_member *m)
{
	if (swim_is_live(m))
		swim_member_state(s, m, GSP_STATE_DEAD);
	swim_timer_stop(&s->heap, &m->timer);
	swim_probe_forget(s, m);
	swim_queue_drop(&s->q_member, m->node.hash);
	for (uint32_t i = 0; i < s->order_n; i++) {
		if (s->order[i] == m)
			s->order[i] = NULL;
	}
	s->all[m->pos] = s->all[--s->n];
	s->all[m->pos]->pos = m->pos;
	pb_htab_del(&s->names, &m->node);
	free(m->meta);
	free(m);
}

static bool has_our_tag(struct gsp_bytes meta)
{
	struct gsp_serf_tag tag;
	struct gsp_list tags;

	if (!meta.n || gsp_serf_tags_decode(&tags, meta.p, meta.n) < 0)
		return false;
	while (gsp_list_take_tag(&tags, &tag)) {
		if (gsp_bytes_eq(tag.key, GSP_TEXT("patchbay")))
			return true;
	}
	return false;
}

int swim_member_set_meta(struct swim *s, struct swim_member *m, struct gsp_bytes meta)
{
	uint8_t *copy = NULL;
	bool ours;

	if (meta.n > GSP_META_MAX)
		return -E2BIG;
	if (meta.n) {
		copy = malloc(meta.n);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, meta.p, meta.n);
	}
	free(m->meta);
	m->meta = copy;
	m->meta_len = (uint16_t)meta.n;
	ours = has_our_tag(meta);
	if (swim_is_live(m) && m != s->me)
		s->n_ours = s->n_ours - m->ours + ours;
	m->ours = ours;
	return 0;
}

/* A newcomer is probed at a random time of the rest of this turn. */
static void into_order(struct swim *s, struct swim_member *m)
{
	uint32_t at;

	if (s->order_n >= s->cap)
		return; /* came and went often; the next turn has it */
	at = s->order_at + swim_below(&s->rng, s->order_n - s->order_at + 1);
	s->order[s->order_n++] = s->order[at];
	s->order[at] = m;
}

void swim_member_state(struct swim *s, struct swim_member *m, enum gsp_state state)
{
	bool was = swim_is_live(m), is;

	if (m->state != state)
		m->since = s->now;
	m->state = (uint8_t)state;
	is = swim_is_live(m);
	if (was == is)
		return;
	s->n_live += is ? 1u : -1u;
	if (m == s->me)
		return;
	if (m->ours)
		s->n_ours += is ? 1u : -1u;
	if (is)
		into_order(s, m);
}

static bool picked(struct swim_member **list, unsigned n, const struct swim_member *m)
{
	for (unsigned i = 0; i < n; i++) {
		if (list[i] == m)
			return true;
	}
	return false;
}

unsigned swim_pick(struct swim *s, unsigned n, swim_pick_fn *pick, const void *arg,
		   struct swim_member **ret)
{
	uint32_t start = swim_below(&s->rng, s->n);
	unsigned found = 0;

	/* Most are fit, mostly: guess.  Otherwise look at all of them. */
	for (unsigned i = 0; i < 8 * n && found < n; i++) {
		struct swim_member *m = s->all[swim_below(&s->rng, s->n)];

		if (m != s->me && pick(s, m, arg) && !picked(ret, found, m))
			ret[found++] = m;
	}
	for (uint32_t i = 0; i < s->n && found < n; i++) {
		struct swim_member *m = s->all[(start + i) % s->n];

		if (m != s->me && pick(s, m, arg) && !picked(ret, found, m))
			ret[found++] = m;
	}
	return found;
}

static void shuffle(struct swim *s)
{
	s->order_n = s->order_at = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->all[i] != s->me && swim_is_live(s->all[i]))
			s->order[s->order_n++] = s->all[i];
	}
	for (uint32_t i = s->order_n; i > 1; i--) {
		uint32_t j = swim_below(&s->rng, i);
		struct swim_member *m = s->order[i - 1];

		s->order[i - 1] = s->order[j];
		s->order[j] = m;
	}
}

struct swim_member *swim_next_target(struct swim *s)
{
	for (int turn = 0; turn < 2; turn++) {
		while (s->order_at < s->order_n) {
			struct swim_member *m = s->order[s->order_at++];

			if (m && swim_is_live(m))
				return m;
		}
		shuffle(s);
	}
	return NULL;
}

struct swim_member *swim_by_addr(const struct swim *s, const struct swim_addr *a)
{
	struct swim_member *dead = NULL;

	for (uint32_t i = 0; i < s->n; i++) {
		if (!swim_addr_eq(&s->all[i]->addr, a))
			continue;
		if (swim_is_live(s->all[i]))
			return s->all[i];
		dead = s->all[i];
	}
	return dead;
}

/* An isolated node forgets nobody: those addresses are its way back. */
void swim_reap(struct swim *s)
{
	if (s->n_live < 2)
		return;
	for (uint32_t i = 0; i < s->n;) {
		struct swim_member *m = s->all[i];

		if (!swim_is_live(m) && m->since + s->conf.keep <= s->now) {
			swim_emit(s, SWIM_EV_FORGOTTEN, m);
			swim_member_remove(s, m);
		} else {
			i++;
		}
	}
}
