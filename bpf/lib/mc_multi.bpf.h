/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A get of several keys, answered when all of them are cached.  First every key is looked up as that of
 * a single get is, and where its value lies is written down; only when all are there, and fit into one
 * datagram, does the packet become the answer.  Each value's sequence number is looked at again when its
 * bytes are copied: what is sent of a key was its value when it was found, and that was after the
 * request came.  Of different keys that may be different moments, as with memcached itself.
 *
 * Else nothing has changed, and the request goes where it went without a cache; a key that was missed
 * often enough is fetched.
 */
#ifndef PB_MC_MULTI_BPF_H
#define PB_MC_MULTI_BPF_H

#include "mc_answer.bpf.h"
#include "mc_request.bpf.h"

/* The verifier does not count the turns of bpf_loop(), so the bound is one of time: a CPU looks at a
 * datagram that long before it knows that the last key is missing. */
#define MC_MULTI_KEYS 32u
#define MC_MULTI_MISSES 4u /* keys that may be fetched: the first one that is missing, and so on */

struct mc_multi_place {
	__u32 idx;
	__u32 seq;
	__u32 len;
	__u32 pad;
};

/* The keys of one request. */
struct mc_multi {
	__u64 sum;
	__u32 keys;	/* found so far */
	__u32 len;	/* of their values */
	__u32 missed;	/* a key is not there */
	__u32 miss_off; /* of the key to be fetched */
	__u32 miss_len;
	__u32 pad;
	struct mc_multi_place hit[MC_MULTI_KEYS];
};
PB_MC_MAP(pb_mc_multi, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct mc_multi, 0);

static __always_inline struct mc_multi *mc_multi_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&pb_mc_multi, &zero);
}

/* ---- are they all there? ------------------------------------------------------------ */

struct mc_multi_walk {
	struct pb_mc_scan s; /* first */
	struct pb_mc_job *j;
	const struct pb_mc_service *svc;
	struct mc_multi *m;
};

/* The value that was found is a part of the answer.  1: no room for it. */
static __always_inline long mc_multi_found(struct pb_mc_job *j, struct mc_multi *m)
{
	__u32 at = m->keys, sum = j->value_sum;

	if (at >= MC_MULTI_KEYS || m->len + j->value_len > PB_MC_DATA_MAX - MC_END_LEN)
		return 1;
	m->hit[at & (MC_MULTI_KEYS - 1)] = (struct mc_multi_place){ .idx = j->value_idx,
								    .seq = j->value_seq,
								    .len = j->value_len };
	m->sum += m->len & 1 ? (sum << 8 | sum >> 8) & 0xffff : sum;
	m->len += j->value_len;
	m->keys = at + 1;
	mc_top_count(j, j->value_len, 0);
	return 0;
}

/* A function of its own: stacks are 512 bytes, and frames of functions that follow each other share them. */
pb_mc_fn int mc_multi_there(struct pb_mc_job *j)
{
	return mc_cache_look(j);
}

/* The next key, up to the first one that is missing: behind it no value matters any more. */
static long mc_multi_step(__u32 i, struct mc_multi_walk *w)
{
	struct pb_mc_job *j = w->j;
	__u32 n;

	(void)i;
	n = pb_mc_next_key(&w->s);
	if (!n || !mc_cache_key(j, w->svc, &w->s, j->work.off, n))
		return 1;
	if (mc_multi_there(j))
		return mc_multi_found(j, w->m);
	w->m->missed = 1;
	return 1;
}

/* The key that was looked at last is missing: is it to be fetched?  Else on to the next one. */
static long mc_multi_miss_step(__u32 i, struct mc_multi_walk *w)
{
	struct pb_mc_job *j = w->j;
	__u32 n;

	if (i) {
		n = pb_mc_next_key(&w->s);
		if (!n || !mc_cache_key(j, w->svc, &w->s, j->work.off, n))
			return 1;
		if (mc_multi_there(j))
			return 0;
	}
	w->m->miss_off = j->work.off;
	w->m->miss_len = j->seek.key_len;
	mc_cache_miss(j, w->svc);
	return j->want_fetch != 0;
}

/* 1: every key has its place in @m.  Else j->want_fetch may say that one is to be fetched. */
static __always_inline int mc_multi_seek(void *data, void *end, struct pb_mc_job *j,
					 const struct pb_mc_service *svc, struct mc_multi *m)
{
	struct mc_frame *f = mc_frame_of(data, end, j, 1);
	struct mc_multi_walk w = { .j = j, .svc = svc, .m = m };

	if (!f)
		return 0;
	m->sum = 0;
	m->keys = m->len = m->missed = 0;
	w.s = mc_message(f, end, j);
	pb_mc_line(&w.s, j->work.req.key_off);
	pb_loop(MC_MULTI_KEYS, mc_multi_step, &w);
	if (m->missed)
		pb_loop(MC_MULTI_MISSES, mc_multi_miss_step, &w);
	return !m->missed && m->keys == j->work.req.keys;
}

/* A request of several keys: PB_MC_TODO_ALL, or PB_MC_TODO_MULTI, and it goes on. */
static __always_inline __u32 mc_multi(void *data, void *end, int is_tc)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct mc_multi *m = mc_multi_of();

	if (!svc || !m)
		return PB_MC_TODO_LEAVE;
	if (!(svc->flags & PB_MC_S_CACHE) || j->work.req.kind != PB_MC_GET ||
	    j->work.req.proto != PB_MC_TEXT || j->work.req.keys > MC_MULTI_KEYS)
		return PB_MC_TODO_MULTI;
	j->token.good = 0;
	j->want_fetch = 0;
	if (mc_multi_seek(data, end, j, svc, m))
		return PB_MC_TODO_ALL;
	/* what was found out of the key to be fetched must not be overwritten */
	j->named = j->want_fetch;
	return j->want_fetch && !is_tc ? PB_MC_TODO_LEAVE : PB_MC_TODO_MULTI;
}

/* ---- the answer --------------------------------------------------------------------- */

struct mc_multi_copy {
	void *ctx;
	struct pb_mc_job *j;
	struct mc_multi *m;
	__u32 at;   /* of the packet */
	__u32 done; /* values copied */
	__u32 torn;
};

/* The value that comes next, and its bytes; 0: there is none. */
static __always_inline struct pb_mc_value *mc_multi_next(struct mc_multi_copy *c, __u32 i,
							 __u32 *len)
{
	const struct mc_multi_place *h;

	if (i >= c->m->keys || i >= MC_MULTI_KEYS)
		return 0;
	h = &c->m->hit[i];
	*len = mc_bounded(h->len, PB_MC_DATA_MAX);
	c->j->value_seq = h->seq;
	return *len ? mc_value_at(c->j->service, h->idx) : 0;
}

/* It has been copied. */
static __always_inline long mc_multi_copied(struct mc_multi_copy *c, struct pb_mc_value *v,
					    __u32 len)
{
	c->at += len;
	c->done++;
	c->torn = mc_cache_torn(c->j, v);
	return c->torn;
}

static long mc_multi_copy_xdp(__u32 i, struct mc_multi_copy *c)
{
	__u32 len = 0;
	struct pb_mc_value *v = mc_multi_next(c, i, &len);

	if (!v || bpf_xdp_store_bytes(c->ctx, c->at, v->data, len))
		return 1;
	return mc_multi_copied(c, v, len);
}

static long mc_multi_copy_tc(__u32 i, struct mc_multi_copy *c)
{
	__u32 len = 0;
	struct pb_mc_value *v = mc_multi_next(c, i, &len);

	if (!v || bpf_skb_store_bytes(c->ctx, c->at, v->data, len, BPF_F_RECOMPUTE_CSUM))
		return 1;
	return mc_multi_copied(c, v, len);
}

/* All values, behind the headers; 0: done. */
static __always_inline __u32 mc_multi_values(void *ctx, int is_tc, struct pb_mc_job *j,
					     struct mc_multi *m)
{
	struct mc_multi_copy c = { .ctx = ctx, .j = j, .m = m, .at = j->l4 + MC_HEADS };

	pb_loop(MC_MULTI_KEYS, is_tc ? mc_multi_copy_tc : mc_multi_copy_xdp, &c);
	if (c.torn)
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_TORN);
	return c.done == m->keys ? 0 : mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD);
}

/* Headers and END, for which the packet has just the room; 0: done. */
static __always_inline int mc_multi_xdp(struct xdp_md *ctx, struct pb_mc_job *j,
					const struct mc_heads *h, __u32 len, __u64 sum)
{
	__u64 end_text = PB_MC_W('E', 'N', 'D', '\r', '\n', 0, 0, 0);
	__u32 n = len + MC_END_LEN;
	struct mc_both b;

	mc_make_both(&b, h, j->v6, n, sum, 0);
	if (bpf_xdp_store_bytes(ctx, j->l4, &b, sizeof(b)) ||
	    bpf_xdp_store_bytes(ctx, j->l4 + MC_HEADS + len, &end_text, MC_END_LEN))
		return -1;
	return mc_make_ip((void *)(long)ctx->data, (void *)(long)ctx->data_end, j, h, n + MC_HEADS);
}

static __always_inline int mc_multi_tc(struct __sk_buff *skb, struct pb_mc_job *j,
				       const struct mc_heads *h, __u32 len, __u64 sum)
{
	__u64 end_text = PB_MC_W('E', 'N', 'D', '\r', '\n', 0, 0, 0);

	return mc_tc_heads(skb, j, h, len + MC_END_LEN, sum) ||
	       bpf_skb_store_bytes(skb, j->l4 + MC_HEADS + len, &end_text, MC_END_LEN,
				   BPF_F_RECOMPUTE_CSUM);
}

/* A packet of @frame bytes; 0: it is one. */
static __always_inline long mc_multi_room(void *ctx, int is_tc, __u32 frame)
{
	struct xdp_md *md = ctx;
	__s64 have;

	if (is_tc)
		return bpf_skb_change_tail(ctx, frame, 0);
	have = (void *)(long)md->data_end - (void *)(long)md->data;
	pb_mc_opaque(have);
	return bpf_xdp_adjust_tail(md, (int)(frame - have));
}

/* The answer of mc_multi(). */
static __always_inline __u32 mc_multi_hit(void *ctx, int is_tc)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct mc_multi *m = mc_multi_of();
	struct mc_heads h = { .same = 0 };
	__u32 len, n, todo;
	__u64 sum;

	if (!svc || !m || j->l4 > MC_L4_MAX)
		return PB_MC_TODO_LEAVE;
	len = mc_bounded(m->len, PB_MC_DATA_MAX - MC_END_LEN);
	n = len + MC_END_LEN;
	sum = m->sum + mc_end_sum(len & 1);
	if (!len || !mc_fits(ctx, j, len))
		return PB_MC_TODO_MULTI;
	if (mc_multi_room(ctx, is_tc, j->l4 + MC_HEADS + n))
		return is_tc ? PB_MC_TODO_MULTI : PB_MC_TODO_LEAVE;
	if (!mc_limit_take(svc, &j->saddr, n, j->now))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_RATE);
	mc_heads_turned(&h, j);
	if (is_tc ? mc_multi_tc(ctx, j, &h, len, sum) : mc_multi_xdp(ctx, j, &h, len, sum))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD);
	todo = mc_multi_values(ctx, is_tc, j, m);
	if (todo)
		return todo;
	mc_count_hit(j, n);
	mc_count(j->service, PB_MC_C_HITS_MULTI);
	if (is_tc)
		mc_count(j->service, PB_MC_C_HITS_TC);
	j->verdict = is_tc ? bpf_redirect(j->ifindex, 0) : verdict_to_xdp_back();
	return PB_MC_TODO_SENT;
}

/* ---- a fetch beside what takes the slow path ------------------------------------------ */

/* Who owns the missing key, into j->owner. */
static __always_inline __u32 mc_multi_aim(void *data, void *end)
{
	struct pb_mc_job *j = mc_job();
	const struct pb_mc_ring *ring = j ? mc_ring_of(j->service) : 0;
	struct mc_frame *f = j ? mc_frame_of(data, end, j, 1) : 0;
	struct mc_multi *m = mc_multi_of();
	struct pb_mc_scan s;

	if (!ring || !f || !m)
		return PB_MC_TODO_PASS;
	s = mc_message(f, end, j);
	j->owner = pb_mc_owner(&s, ring, m->miss_off, m->miss_len);
	j->split = 1;
	return PB_MC_TODO_STEER;
}

#endif /* PB_MC_MULTI_BPF_H */
