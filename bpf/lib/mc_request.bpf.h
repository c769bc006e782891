/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a request says, and which way it goes: docs/decisions/0023-memcached-switch.md has the list. */
#ifndef PB_MC_REQUEST_BPF_H
#define PB_MC_REQUEST_BPF_H

#include "mc_key.bpf.h"
#include "mc_steer.bpf.h"
#include "mc_top.bpf.h"

#define MC_KEYS_MAX 128u /* of one multiget; more: the slow path */

static __always_inline int mc_allowed(const struct pb_mc_job *j, const struct pb_mc_service *svc)
{
	struct pb_mc_allow_key k = { .prefixlen = 32 + 128 };
	/* before the list is looked at: then it is no newer than the list */
	__u64 allow = pb_mc_once(svc->allow);
	__u32 at = mc_fold_addr(&j->saddr) * 0x9e3779b1u >> 24;
	struct pb_mc_known *known;

	if (!(svc->flags & PB_MC_S_ALLOW))
		return 1;
	/* the list is a tree, which costs several times this */
	known = bpf_map_lookup_elem(&pb_mc_known, &at);
	if (known && known->allow == allow && known->service == j->service &&
	    pb_addr_eq(&known->addr, &j->saddr))
		return 1;
	k.service = pb_htonl(j->service);
	k.addr = j->saddr;
	if (!bpf_map_lookup_elem(&pb_mc_allow, &k))
		return 0;
	if (known)
		*known = (struct pb_mc_known){ .addr = k.addr,
					       .allow = allow,
					       .service = j->service };
	return 1;
}

/* Requests without a key that any one server may answer: that of the empty key does. */
static __always_inline int mc_any_server(const struct pb_mc_req *r)
{
	switch (r->kind) {
	case PB_MC_VERSION:
	case PB_MC_STATS:
	case PB_MC_NOOP:
	case PB_MC_QUIT:
	case PB_MC_UNKNOWN:
	case PB_MC_NONE: return 1;
	case PB_MC_FLUSH:
	case PB_MC_VERBOSITY:
	case PB_MC_SASL:
	case PB_MC_ADMIN: return 0; /* concern all of them, or none that a client has a say in */
	}
	return r->error != PB_MC_OK; /* a wrong command: any server says so */
}

/* The request in j->work.req: PB_MC_TODO_*. */
static __always_inline __u32 mc_judge(struct pb_mc_job *j, const struct pb_mc_service *svc)
{
	const struct pb_mc_req *r = &j->work.req;

	/* Memcached would wait for the rest, and take other clients' datagrams for it. */
	if (r->error == PB_MC_E_SHORT)
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_SHORT);
	if (r->flags & (PB_MC_F_MORE | PB_MC_F_B64) || !r->next)
		return PB_MC_TODO_PASS;
	if (r->error == PB_MC_E_LONG || r->error == PB_MC_E_MAGIC || r->error == PB_MC_E_BINARY)
		return PB_MC_TODO_PASS;
	if (r->keys > 1) {
		if (r->step != PB_MC_STEP_READ && svc->flags & PB_MC_S_CACHE)
			return PB_MC_TODO_PASS; /* a write to each of them */
		return r->error ? PB_MC_TODO_PASS : PB_MC_TODO_MULTI;
	}
	if (r->key_len)
		return PB_MC_TODO_STEER;
	return mc_any_server(r) ? PB_MC_TODO_STEER : PB_MC_TODO_PASS;
}

/* May the cache be asked still?  A get and nothing else, of one key that is to be had. */
static __always_inline int mc_may_seek(const struct pb_mc_job *j)
{
	const struct pb_mc_service *svc = mc_service(j->service);
	const struct pb_mc_req *r = &j->work.req;

	return svc && !j->named && svc->flags & PB_MC_S_CACHE && r->kind == PB_MC_GET &&
	       r->proto == PB_MC_TEXT && r->keys == 1 && !r->error;
}

/* The value is not here: the request goes on. */
static __always_inline __u32 mc_missed(struct pb_mc_job *j, const struct pb_mc_service *svc,
				       int is_tc)
{
	j->token.good = 0;
	j->want_fetch = 0;
	mc_cache_miss(j, svc);
	/* a fetch takes a second packet, which XDP cannot make */
	return j->want_fetch && !is_tc ? PB_MC_TODO_LEAVE : PB_MC_TODO_STEER;
}

/* The key has its name: is its value here? */
static __always_inline __u32 mc_ask(struct pb_mc_job *j, const struct pb_mc_service *svc, int is_tc)
{
	return mc_cache_find(j) ? PB_MC_TODO_ANSWER : mc_missed(j, svc, is_tc);
}

/* Who asks, and is there a request?  The most frequent one is read here, in one pass with the name of its
 * key, and is to be answered if there is a cache; others by mc_read(). */
static __always_inline __u32 mc_plain(void *data, void *end, struct pb_mc_job *j,
				      const struct pb_mc_service *svc)
{
	struct pb_mc_scan s;
	struct mc_frame *f;

	if (!mc_allowed(j, svc))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_SOURCE);
	f = mc_frame_of(data, end, j, 1);
	/* as memcached does, which then says nothing */
	if (!f || f->total != pb_htons(1))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD);
	j->id = f->id;
	s = mc_message(f, end, j);
	j->named = mc_key_plain(j, svc, &s);
	if (!j->named)
		return PB_MC_TODO_READ;
	if (svc->flags & PB_MC_S_CACHE)
		return PB_MC_TODO_ANSWER;
	mc_key_request(j);
	return PB_MC_TODO_STEER;
}

/* Any request. */
static __always_inline __u32 mc_read(void *data, void *end)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct mc_frame *f = j ? mc_frame_of(data, end, j, 1) : 0;
	struct pb_mc_scan s;

	if (!svc || !f)
		return PB_MC_TODO_LEAVE;
	s = mc_message(f, end, j);
	pb_mc_parse_any(&s, 0, pb_mc_proto_of(&s));
	return mc_judge(j, svc);
}

/* The same for a get that was written in another way. */
static __always_inline __u32 mc_seek(void *data, void *end, int is_tc)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct mc_frame *f = j ? mc_frame_of(data, end, j, 1) : 0;
	struct pb_mc_scan s;

	if (!svc || !f)
		return PB_MC_TODO_LEAVE;
	s = mc_message(f, end, j);
	j->named = mc_cache_key(j, svc, &s, j->work.req.key_off, j->work.req.key_len);
	return j->named ? mc_ask(j, svc, is_tc) : PB_MC_TODO_STEER;
}

static __always_inline const struct pb_mc_ring *mc_ring_of(__u32 service)
{
	void *rows = bpf_map_lookup_elem(&pb_mc_rings, &service);
	__u32 zero = 0;

	return rows ? bpf_map_lookup_elem(rows, &zero) : 0;
}

/* The cache's and the top list's name of the key, if it has none yet. */
static __always_inline void mc_name_key(struct pb_mc_job *j, const struct pb_mc_service *svc,
					const struct pb_mc_scan *s)
{
	const struct pb_mc_req *r = &j->work.req;
	__u32 write = r->step == PB_MC_STEP_WRITE || r->step == PB_MC_STEP_MUTE;

	if (!r->key_len)
		return;
	if (!j->named)
		mc_cache_key(j, svc, s, r->key_off, r->key_len);
	mc_top_count(j, write ? r->val_len : 0, write);
}

/* Who owns the request's first key, into j->owner. */
static __always_inline __u32 mc_owner(void *data, void *end)
{
	struct pb_mc_job *j = mc_job();
	const struct pb_mc_ring *ring = j ? mc_ring_of(j->service) : 0;
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct mc_frame *f = j ? mc_frame_of(data, end, j, 1) : 0;
	struct pb_mc_scan s;

	if (!ring || !svc || !f)
		return j ? mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_OWNER) : PB_MC_TODO_LEAVE;
	s = mc_message(f, end, j);
	j->owner = pb_mc_owner(&s, ring, j->work.req.key_off, j->work.req.key_len);
	mc_name_key(j, svc, &s);
	return PB_MC_TODO_STEER;
}

struct mc_owners {
	struct pb_mc_scan s; /* first */
	const struct pb_mc_ring *ring;
	struct pb_mc_job *j;
	__u32 keys;
	__u32 others; /* a key of another server, or none that memcached takes */
};

static long mc_owners_step(__u32 i, struct mc_owners *o)
{
	__u32 off, n;

	(void)i;
	n = pb_mc_next_key(&o->s);
	if (!n)
		return 1;
	o->keys++;
	off = o->s.w->off;
	if (n <= PB_MC_KEY_MAX && pb_mc_owner(&o->s, o->ring, off, n) == o->j->owner)
		return 0;
	o->others = 1;
	return 1;
}

/* Do all keys of a multiget belong to one server?  The first one's is in j->owner. */
static __always_inline __u32 mc_owners(void *data, void *end)
{
	struct pb_mc_job *j = mc_job();
	const struct pb_mc_ring *ring = j ? mc_ring_of(j->service) : 0;
	struct mc_frame *f = j ? mc_frame_of(data, end, j, 1) : 0;
	struct mc_owners o = { .ring = ring, .j = j };

	if (!ring || !f)
		return PB_MC_TODO_PASS;
	o.s = mc_message(f, end, j);
	pb_mc_more_keys(&o.s);
	pb_loop(MC_KEYS_MAX, mc_owners_step, &o);
	if (o.others || o.keys + 1 != j->work.req.keys)
		return PB_MC_TODO_PASS;
	return PB_MC_TODO_STEER;
}

#endif /* PB_MC_REQUEST_BPF_H */
