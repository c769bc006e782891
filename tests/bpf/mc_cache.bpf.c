// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bpf/lib/mc_{cache,fetch,sketch,limit,top}.bpf.h, for tests only: test_memcached_cache.c runs every
 * function by BPF_PROG_TEST_RUN.  The packet begins with struct mc_ask, the message follows.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "lib/mc_do.bpf.h"
#include "lib/mc_fetch.bpf.h"
#include "lib/mc_limit.bpf.h"
#include "lib/mc_top.bpf.h"

#include "mc_ask.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* clang 14 describes the types of nested maps only if something else names them. */
const struct pb_mc_ring *mc_names_ring __attribute__((unused));
const struct pb_mc_set *mc_names_set __attribute__((unused));
const struct pb_mc_value *mc_names_value __attribute__((unused));

PB_MC_MAP(pb_mc_said, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct mc_said, 0);

struct asked {
	struct mc_ask *ask;
	struct mc_said *said;
	struct pb_mc_job *job;
	struct pb_mc_service *svc;
	struct pb_mc_scan s;
	__u32 ask_bytes;
};

static __always_inline int asked(struct xdp_md *ctx, struct asked *ret)
{
	void *end = (void *)(long)ctx->data_end;
	__u32 zero = 0;

	ret->ask = (void *)(long)ctx->data;
	ret->said = bpf_map_lookup_elem(&pb_mc_said, &zero);
	ret->job = mc_job();
	if (!ret->said || !ret->job || (void *)(ret->ask + 1) > end)
		return 0;
	ret->job->now = ret->ask->now ? ret->ask->now : bpf_ktime_get_ns();
	ret->job->exact = 1;
	ret->job->service = ret->ask->service;
	ret->svc = mc_service(ret->ask->service);
	ret->s = pb_mc_scan_init(ret->ask + 1, end, ret->ask->len, &ret->job->work);
	return !!ret->svc;
}

static long copy_word(__u32 i, void *arg)
{
	struct mc_said *said = *(struct mc_said **)arg;
	struct pb_mc_value *v = ((struct pb_mc_value **)arg)[1];

	if (i >= PB_MC_VALUE_SIZE / 8)
		return 1;
	mc_word_at(said->data + 8 * i) = mc_word_at(v->data + 8 * i);
	return 0;
}

static __always_inline int plain_get(struct asked *a)
{
	int key = mc_cache_plain(a->job, a->svc, &a->s) ||
		  mc_cache_key(a->job, a->svc, &a->s, a->ask->key_off, a->ask->key_len);

	return key ? mc_cache_get(a->job, a->svc) : 0;
}

/* A hit's bytes into said.data. */
static __always_inline int copied(struct asked *a)
{
	struct pb_mc_value *v = mc_value(a->job);
	void *copy[2] = { a->said, v };

	if (!v)
		return 0;
	a->said->value_len = a->job->value_len;
	a->said->value_sum = a->job->value_sum;
	bpf_loop((a->said->value_len + 7) / 8, copy_word, copy, 0);
	a->said->torn = mc_cache_torn(a->job, v);
	return 1;
}

SEC("xdp")
int pb_mct_get(struct xdp_md *ctx)
{
	struct asked a;

	if (!asked(ctx, &a))
		return MC_ASK_BAD;
	a.said->hit = plain_get(&a);
	a.said->torn = 0;
	a.said->digest = a.job->digest;
	a.said->set = a.job->set;
	a.said->token = a.job->token;
	a.said->want_fetch = a.job->want_fetch;
	return a.said->hit && !copied(&a) ? MC_ASK_BAD : 0;
}

/* The fast parser alone. */
SEC("xdp")
int pb_mct_plain(struct xdp_md *ctx)
{
	struct asked a;

	if (!asked(ctx, &a))
		return MC_ASK_BAD;
	__builtin_memset(&a.job->work.req, 0xff, sizeof(a.job->work.req));
	a.said->hit = mc_cache_plain(a.job, a.svc, &a.s);
	a.said->digest = a.job->digest;
	a.said->req = a.job->work.req;
	return 0;
}

/* Are all letters of the value the same?  It is as long as ask.bytes, a multiple of 8. */
static long same_letter(__u32 i, void *arg)
{
	struct asked *a = arg;
	__u32 at = a->said->value_len - 2 - a->ask_bytes + 8 * i;

	if (8 * i >= a->ask_bytes || at > PB_MC_VALUE_SIZE - 8)
		return 1;
	if (mc_word_at(a->said->data + at) != a->said->letter)
		a->said->mixed++;
	return 0;
}

/* A get whose value, if it is taken, must be all one letter, and one of the key's own. */
SEC("xdp")
int pb_mct_hammer(struct xdp_md *ctx)
{
	struct asked a;
	__u32 at;

	if (!asked(ctx, &a))
		return MC_ASK_BAD;
	a.said->gets++;
	if (!plain_get(&a) || !copied(&a))
		return 0;
	a.ask_bytes = a.ask->bytes;
	at = a.said->value_len - 2 - a.ask_bytes;
	if (at > PB_MC_VALUE_SIZE - 8)
		return MC_ASK_BAD;
	if (a.said->torn) {
		a.said->tears++;
		return 0;
	}
	a.said->taken++;
	a.said->letter = mc_word_at(a.said->data + at);
	if ((a.said->letter & 0xf0) != a.ask->tag)
		a.said->alien++;
	bpf_loop(PB_MC_VALUE_SIZE / 8, same_letter, &a, 0);
	return 0;
}

/* A hit and no more: its cost. */
SEC("xdp")
int pb_mct_hit(struct xdp_md *ctx)
{
	struct asked a;

	if (!asked(ctx, &a))
		return MC_ASK_BAD;
	return plain_get(&a);
}

/* Nothing: what a run costs by itself. */
SEC("xdp")
int pb_mct_bare(struct xdp_md *ctx)
{
	struct asked a;

	return asked(ctx, &a) ? 0 : MC_ASK_BAD;
}

SEC("xdp")
int pb_mct_set(struct xdp_md *ctx)
{
	struct asked a;

	if (!asked(ctx, &a) || !mc_cache_key(a.job, a.svc, &a.s, a.ask->key_off, a.ask->key_len))
		return MC_ASK_BAD;
	a.said->digest = a.job->digest;
	a.said->set = a.job->set;
	mc_cache_write(a.job, a.svc, a.ask->tag);
	return 0;
}

/* The fetch that the last miss of this CPU wants. */
SEC("xdp")
int pb_mct_ask(struct xdp_md *ctx)
{
	struct asked a;

	if (!asked(ctx, &a))
		return MC_ASK_BAD;
	if (!mc_cache_hit(a.job, a.svc, &a.s, a.ask->key_off, a.ask->key_len))
		a.said->text_len = mc_fetch_build(a.job);
	else
		a.said->text_len = 0;
	a.said->token = a.job->token;
	a.said->digest = a.job->digest;
	a.said->set = a.job->set;
	__builtin_memcpy(a.said->data, a.job->seek.text, PB_MC_TEXT_SIZE);
	return 0;
}

/* The message is a reply to the fetch mc_ask.call. */
SEC("xdp")
int pb_mct_fill_it(struct xdp_md *ctx)
{
	struct asked a;

	if (!asked(ctx, &a))
		return MC_ASK_BAD;
	a.job->call = a.ask->call;
	a.said->filled = mc_fetch_fill(a.job, a.svc, &a.job->call, &a.s, a.ask->whole);
	return 0;
}

SEC("xdp")
int pb_mct_rest(struct xdp_md *ctx)
{
	struct asked a;

	if (!asked(ctx, &a))
		return MC_ASK_BAD;
	switch (a.ask->what) {
	case MC_ASK_WRITTEN:
		mc_cache_written(a.ask->service, a.ask->call.set, a.ask->call.digest, a.ask->tag);
		break;
	case MC_ASK_WRITE_ALL: mc_cache_write_all(a.ask->service, a.ask->tag, a.job->now); break;
	case MC_ASK_WRITTEN_ALL: mc_cache_written_all(a.ask->service, a.ask->tag); break;
	case MC_ASK_FLUSH_AT: mc_cache_flush_at(a.ask->service, a.ask->when); break;
	case MC_ASK_LIMIT:
		a.said->hit = mc_limit_take(a.svc, &a.ask->addr, a.ask->bytes, a.job->now);
		break;
	case MC_ASK_SKETCH: a.said->hit = mc_sketch(a.ask->tag, a.job->now, a.ask->bytes); break;
	case MC_ASK_TOP:
		if (mc_cache_key(a.job, a.svc, &a.s, a.ask->key_off, a.ask->key_len))
			mc_top_count(a.job, a.ask->bytes, a.ask->whole);
		break;
	case MC_ASK_BUILD: a.said->text_len = mc_fetch_build(a.job); break;
	case MC_ASK_B64:
		pb_mc_parse(&a.s, 0, PB_MC_TEXT);
		a.said->hit = mc_cache_key_b64(a.job, a.svc, pb_mc_b64_key(&a.s));
		a.said->digest = a.job->digest;
		break;
	}
	return 0;
}

SEC("xdp")
int pb_mct_cmd(struct xdp_md *ctx)
{
	struct pb_mc_cmd *cmd = (void *)(long)ctx->data;

	if ((void *)(cmd + 1) > (void *)(long)ctx->data_end)
		return MC_ASK_BAD;
	return -mc_do(cmd);
}
