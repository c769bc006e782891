/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How values come into the cache: the switch asks for them itself, "mg KEY k v f t", and keeps what
 * the reply brings as "VALUE KEY FLAGS BYTES", the way memcached answers a get.
 *
 * A fill owns its way while way.seq is odd, which changes under the set's lock only; so the bytes
 * can be copied without it.  Programs run to their end: nobody else takes such a way.  The token is
 * looked at when the bytes are there.
 */
#ifndef PB_MC_FETCH_BPF_H
#define PB_MC_FETCH_BPF_H

#include <patchbay/mc_csum.h>

#include "mc_cache.bpf.h"

#define PB_MC_FETCH_UNFIT_NS 1000000000ULL /* pause after a reply that cannot be kept */
#define PB_MC_FETCH_MISS_NS 10000000ULL	   /* ... after the server had no value */
#define PB_MC_END_LEN 5u		   /* "END\r\n" */

enum pb_mc_filled { PB_MC_FILL_UNFIT, PB_MC_FILL_MISS, PB_MC_FILL_LATE, PB_MC_FILL_KEPT };

/* A value on its way from the reply to its way. */
struct mc_filling {
	const struct pb_mc_scan *s;
	struct pb_mc_job *job;
	struct pb_mc_value *v;
	__u32 src;   /* of the message, where data begins: its head is another one */
	__u32 head;  /* bytes of "VALUE KEY FLAGS BYTES\r\n", in seek.text */
	__u32 total; /* of data */
};

/* Text behind seek.text[seek.at]. */
static __always_inline void mc_text_put(struct pb_mc_job *job, __u32 c)
{
	__u32 at = pb_mc_once(job->seek.at);

	job->seek.at = at + 1;
	pb_mc_opaque(at);
	if (at < PB_MC_TEXT_SIZE)
		job->seek.text[at] = c;
}

pb_mc_fn int mc_text_number(struct pb_mc_job *job, __u32 v)
{
	__u32 unit = 1000000000;

	for (int i = 0; i < 9; i++) {
		if (v >= unit)
			break;
		unit /= 10;
	}
	pb_mc_once(job->seek.unit) = unit; /* through memory: ten ways become one */
	unit = pb_mc_once(job->seek.unit);
	for (int i = 0; i < 10; i++) {
		if (!unit)
			break;
		mc_text_put(job, '0' + v / unit % 10);
		unit /= 10;
	}
	return 0;
}

/* The key at seek.text[@at], which is 3 or 6. */
static __always_inline void mc_text_key(struct pb_mc_job *job, __u32 at)
{
	__u32 n = job->seek.key_len;

	for (__u32 i = 0; i < PB_MC_KEY_WORDS; i++) {
		if (8 * i >= n)
			break;
		mc_word_at(job->seek.text + at + 8 * i) = job->seek.key[i];
	}
	job->seek.at = at + pb_mc_once(job->seek.key_len);
}

/* Claims the fetch for the set of a miss: one at a time.  0: somebody else's is on its way. */
pb_mc_fn int mc_fetch_claim(const struct pb_mc_job *job)
{
	struct pb_mc_set *set = mc_set(job->service, job->set);
	struct pb_mc_lock *lock = mc_lock(job->set);
	__u64 now = job->now;
	int mine;

	if (!set || !lock)
		return 0;
	bpf_spin_lock(&lock->lock);
	mine = set->fetching <= now;
	if (mine)
		set->fetching = now + PB_MC_FETCH_NS;
	bpf_spin_unlock(&lock->lock);
	return mine;
}

/* After a miss with want_fetch: the request is in seek.text, has that many bytes, and must be sent.
 * 0: there is nothing to send. */
pb_mc_fn __u32 mc_fetch_build(struct pb_mc_job *job)
{
	__u32 at;

	if (!job->want_fetch || !job->token.good || !mc_fetch_claim(job))
		return 0;
	mc_word_at(job->seek.text) = PB_MC_W('m', 'g', ' ', 0, 0, 0, 0, 0);
	mc_text_key(job, sizeof("mg ") - 1);
	at = pb_mc_once(job->seek.at);
	pb_mc_opaque(at);
	if (at > PB_MC_TEXT_SIZE - 16)
		return 0;
	mc_word_at(job->seek.text + at) = PB_MC_W(' ', 'k', ' ', 'v', ' ', 'f', ' ', 't');
	mc_word_at(job->seek.text + at + 8) = PB_MC_W('\r', '\n', 0, 0, 0, 0, 0, 0);
	mc_count(job->service, PB_MC_C_FETCHES);
	return at + 10;
}

/* The next fetch for the set is made from @when on. */
pb_mc_fn int mc_fetch_over(const struct pb_mc_call *call, __u64 when)
{
	struct pb_mc_set *set = mc_set(call->service, call->set);
	struct pb_mc_lock *lock = mc_lock(call->set);

	if (!set || !lock)
		return 0;
	bpf_spin_lock(&lock->lock);
	set->fetching = when;
	bpf_spin_unlock(&lock->lock);
	return 0;
}

/* Reads the reply: is it the key's value, and of a size that one datagram answers? */
pb_mc_fn int mc_fetch_read(struct pb_mc_job *job, const struct pb_mc_service *svc,
			   const struct pb_mc_call *call, struct pb_mc_scan *s)
{
	const __u32 want = PB_MC_F_META | PB_MC_F_KEYED | PB_MC_F_VALUE;
	const __u32 not = PB_MC_F_MORE | PB_MC_F_STALE | PB_MC_F_WON | PB_MC_F_B64;
	const struct pb_mc_rep *r = &s->w->rep;

	pb_mc_reply(s, 0, PB_MC_TEXT);
	if (!r->error && r->kind == PB_MC_R_MISS)
		return PB_MC_FILL_MISS;
	if (r->error || r->kind != PB_MC_R_VALUE || (r->flags & want) != want || r->flags & not )
		return PB_MC_FILL_UNFIT;
	if (r->ttl == PB_MC_TTL_NONE || r->val_len > PB_MC_DATA_MAX)
		return PB_MC_FILL_UNFIT;
	if (!mc_cache_key(job, svc, s, r->key_off, r->key_len) || job->digest != call->digest ||
	    job->set != call->set)
		return PB_MC_FILL_UNFIT;
	return PB_MC_FILL_KEPT;
}

/* "VALUE KEY FLAGS BYTES\r\n" */
pb_mc_fn int mc_fetch_head(struct pb_mc_job *job)
{
	mc_word_at(job->seek.text) = PB_MC_W('V', 'A', 'L', 'U', 'E', ' ', 0, 0);
	mc_text_key(job, sizeof("VALUE ") - 1);
	mc_text_put(job, ' ');
	mc_text_number(job, job->work.rep.item_flags);
	mc_text_put(job, ' ');
	mc_text_number(job, job->work.rep.val_len);
	mc_text_put(job, '\r');
	mc_text_put(job, '\n');
	return job->seek.at;
}

/* Takes a way for the value, which is then nobody else's; what was in it is gone. */
pb_mc_fn __u32 mc_fetch_take(const struct pb_mc_job *job, const struct pb_mc_call *call)
{
	struct pb_mc_all_rec *rec = mc_all(call->service);
	struct pb_mc_set *set = mc_set(call->service, call->set);
	struct pb_mc_lock *lock = mc_lock(call->set);
	__u64 now = job->now, digest = call->digest;
	struct pb_mc_token token = call->token;
	__u32 w = PB_MC_WAYS, evicted = 0;

	if (!rec || !set || !lock)
		return PB_MC_WAYS;
	bpf_spin_lock(&lock->lock);
	if (pb_mc_same(&set->gen, &token) && pb_mc_same_all(&rec->all, &token, now))
		w = mc_cache_room(set, &rec->all, digest, now);
	if (w < PB_MC_WAYS) {
		struct pb_mc_way *way = &set->way[w & (PB_MC_WAYS - 1)];

		evicted = way->digest != digest && pb_mc_fresh(&way->keep, &rec->all, now);
		if (evicted)
			mc_cache_turn(set, w);
		pb_mc_drop(&way->keep);
		way->digest = 0;
		way->seq++;
	}
	bpf_spin_unlock(&lock->lock);
	if (evicted)
		mc_count(call->service, PB_MC_C_EVICTED);
	return w;
}

/* Eight bytes of data, and of its sum. */
static long mc_fetch_word(__u32 i, void *arg)
{
	const struct mc_filling *f = arg;
	struct pb_mc_seek *seek = &f->job->seek;
	__u32 at = 8 * i;
	__u64 x, own = 0;

	if (at >= f->total || i >= PB_MC_VALUE_SIZE / 8)
		return 1;
	x = pb_mc_load8(f->s, f->src + at);
	if (at < f->head) {
		own = f->head - at < 8 ? (1ULL << (8 * (f->head - at))) - 1 : ~0ULL;
		pb_mc_opaque(i);
		if (i >= PB_MC_TEXT_SIZE / 8)
			return 1;
		x = (x & ~own) | (mc_word_at(seek->text + 8 * i) & own);
	}
	mc_word_at(f->v->data + 8 * i) = x;
	x += seek->sum;
	seek->sum = x + (x < seek->sum);
	return 0;
}

/* The bytes.  Readers who see a part of them see that seq is odd, or another one than before. */
static __always_inline void mc_fetch_write(const struct mc_filling *f)
{
	struct pb_mc_seek *seek = &f->job->seek;
	struct pb_mc_value *v = f->v;

	pb_mc_once(v->seq) = v->seq + 1;
	pb_mc_fence();
	seek->sum = 0;
	bpf_loop(PB_MC_VALUE_SIZE / 8, mc_fetch_word, (void *)f, 0);
	v->key_len = seek->key_len;
	v->len = f->total;
	v->sum = pb_csum_fold(seek->sum);
	pb_mc_fence();
	pb_mc_once(v->seq) = v->seq + 1;
}

/* The way is a way again; with the value in it if the token is still good. */
pb_mc_fn int mc_fetch_give(const struct pb_mc_job *job, const struct pb_mc_call *call, __u32 w,
			   __u64 expires)
{
	struct pb_mc_all_rec *rec = mc_all(call->service);
	struct pb_mc_set *set = mc_set(call->service, call->set);
	struct pb_mc_lock *lock = mc_lock(call->set);
	__u64 now = job->now, digest = call->digest;
	struct pb_mc_token token = call->token;
	struct pb_mc_way *way;
	int kept;

	if (!rec || !set || !lock || w >= PB_MC_WAYS)
		return 0;
	way = &set->way[w];
	bpf_spin_lock(&lock->lock);
	kept = expires && pb_mc_keep(&set->gen, &way->keep, &rec->all, &token, expires, now);
	if (kept) {
		way->digest = digest;
		way->used = 0; /* until somebody asks for it */
	}
	way->seq++;
	set->fetching = 0;
	bpf_spin_unlock(&lock->lock);
	return kept;
}

static __always_inline int mc_fetch_keep(struct pb_mc_job *job, const struct pb_mc_service *svc,
					 const struct pb_mc_call *call, const struct pb_mc_scan *s)
{
	const struct pb_mc_rep *r = &s->w->rep;
	struct mc_filling f = { .s = s, .job = job, .head = mc_fetch_head(job) };
	__u64 expires = pb_mc_expiry(r->ttl, svc->max_age, call->born);
	__u32 w;

	f.total = f.head + r->val_len + 2;
	f.src = r->val_off - f.head;
	if (r->val_off < f.head || f.total > PB_MC_DATA_MAX - PB_MC_END_LEN || expires <= job->now)
		return PB_MC_FILL_UNFIT;
	w = mc_fetch_take(job, call);
	if (w >= PB_MC_WAYS)
		return PB_MC_FILL_LATE;
	f.v = mc_value_at(call->service, call->set * PB_MC_WAYS + w);
	if (f.v)
		mc_fetch_write(&f);
	else
		expires = 0;
	return mc_fetch_give(job, call, w, expires) ? PB_MC_FILL_KEPT : PB_MC_FILL_LATE;
}

/*
 * The reply to a fetch; @s is behind its frame header, which said that it is @whole (sequence number
 * 0, total 1).  What became of it: PB_MC_FILL_*.  Changes the key, digest and set of the job.
 */
static __always_inline int mc_fetch_fill(struct pb_mc_job *job, const struct pb_mc_service *svc,
					 const struct pb_mc_call *call, struct pb_mc_scan *s,
					 int whole)
{
	int done = whole ? mc_fetch_read(job, svc, call, s) : PB_MC_FILL_UNFIT;

	if (done == PB_MC_FILL_KEPT)
		done = mc_fetch_keep(job, svc, call, s);
	if (done == PB_MC_FILL_UNFIT)
		mc_fetch_over(call, job->now + PB_MC_FETCH_UNFIT_NS);
	else if (done == PB_MC_FILL_MISS)
		mc_fetch_over(call, job->now + PB_MC_FETCH_MISS_NS);
	else if (done == PB_MC_FILL_LATE)
		mc_fetch_over(call, 0);
	if (done != PB_MC_FILL_MISS)
		mc_count(call->service, done == PB_MC_FILL_KEPT	  ? PB_MC_C_FILLS
					: done == PB_MC_FILL_LATE ? PB_MC_C_FILLS_LATE
								  : PB_MC_C_FILLS_UNFIT);
	return done;
}

#endif /* PB_MC_FETCH_BPF_H */
