/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Datagrams with a body of the switch's own: answers from the cache, and fetches.  The packet of a
 * request becomes them; what is not written here stays as it came (options of IPv4, the VLAN tag).
 */
#ifndef PB_MC_ANSWER_BPF_H
#define PB_MC_ANSWER_BPF_H

#include "mc_fetch.bpf.h"
#include "mc_limit.bpf.h"
#include "mc_steer.bpf.h"
#include "mc_top.bpf.h"

#define MC_END_LEN 5u /* "END\r\n" */
#define MC_HEADS 16u  /* UDP's header and memcached's */
#define MC_TTL 64
#define MC_WORDS_MAX 16u  /* of a value that is copied without a helper */
#define MC_MTU_SURE 1280u /* the least of IPv6 */

struct mc_both {
	struct mc_udp udp;
	struct mc_frame frame;
};

/* Sum of "END\r\n" that begins at an even place, or at an odd one. */
static __always_inline __u32 mc_end_sum(__u32 odd)
{
	__u32 sum = pb_htons('E' << 8 | 'N') + pb_htons('D' << 8 | '\r') + pb_htons('\n' << 8);

	sum = pb_csum_fold(sum);
	return odd ? (sum << 8 | sum >> 8) & 0xffff : sum;
}

/* What follows the IP header, of a body of @len bytes whose sum is @sum.  @partial: the device or the
 * receiver's kernel adds the rest. */
static __always_inline void mc_make_both(struct mc_both *b, const struct mc_heads *h, __u32 v6,
					 __u32 len, __u64 sum, int partial)
{
	__u32 n = len + MC_HEADS;
	__u64 pseudo = pb_csum_pseudo_sum(&h->saddr, &h->daddr, v6, n);

	sum += pseudo + h->sport + h->dport + pb_htons((__u16)n) + h->id + pb_htons(1);
	b->udp.sport = h->sport;
	b->udp.dport = h->dport;
	b->udp.len = pb_htons((__u16)n);
	b->frame.id = h->id;
	b->frame.seq = 0;
	b->frame.total = pb_htons(1);
	b->frame.reserved = 0;
	b->udp.check = partial ? (__u16)pb_csum_fold(pseudo) : pb_csum_check(sum);
}

/* Link and IP headers; @n bytes follow the IP header.  0: done. */
static __always_inline int mc_make_ip(void *data, void *end, const struct pb_mc_job *j,
				      const struct mc_heads *h, __u32 n)
{
	__u32 l3 = j->l3 & 31;
	struct mc_eth *eth = data;

	if ((void *)(eth + 1) > end)
		return -1;
	mc_copy_mac(eth->dmac, h->dmac);
	mc_copy_mac(eth->smac, h->smac);
	if (j->v6) {
		struct mc_ip6 *ip = data + l3;

		if ((void *)(ip + 1) > end)
			return -1;
		ip->saddr = h->saddr;
		ip->daddr = h->daddr;
		ip->len = pb_htons((__u16)n);
		ip->ttl = MC_TTL;
	} else {
		struct mc_ip4 *ip = data + l3;
		__u64 diff = pb_csum_diff_addr(&j->saddr, &h->saddr, 0) +
			     pb_csum_diff_addr(&j->daddr, &h->daddr, 0);
		__be16 len = pb_htons((__u16)(j->l4 - l3 + n));

		if ((void *)(ip + 1) > end)
			return -1;
		diff += pb_csum_diff2(ip->len, len) +
			pb_csum_diff2(pb_htons((__u16)(ip->ttl << 8)), pb_htons(MC_TTL << 8));
		ip->saddr = h->saddr.w[3];
		ip->daddr = h->daddr.w[3];
		ip->len = len;
		ip->ttl = MC_TTL;
		ip->check = pb_csum_update(ip->check, diff);
	}
	return 0;
}

/* Back to where it came from. */
static __always_inline void mc_heads_turned(struct mc_heads *h, const struct pb_mc_job *j)
{
	h->saddr = j->daddr;
	h->daddr = j->saddr;
	h->sport = j->dport;
	h->dport = j->sport;
	h->id = j->id;
	mc_copy_mac(h->dmac, j->smac);
	mc_copy_mac(h->smac, j->dmac);
}

static __always_inline void mc_count_hit(const struct pb_mc_job *j, __u32 len)
{
	mc_count(j->service, PB_MC_C_REQUESTS);
	mc_count(j->service, PB_MC_C_HITS);
	mc_count_n(j->service, PB_MC_C_HIT_BYTES, len);
}

/* ---- by XDP ---------------------------------------------------------------------- */

/* The last eight bytes of the value, which has so many. */
static __always_inline int mc_xdp_tail(void *data, void *end, struct pb_mc_value *v, __u32 at,
				       __u32 len)
{
	__u32 from = len - 8;
	__u8 *p;

	at += from;
	pb_mc_opaque(at);
	pb_mc_opaque(from);
	if (from > PB_MC_VALUE_SIZE - 8 || at > 0x1000)
		return -1;
	p = data + at;
	if ((void *)(p + 8) > end)
		return -1;
	mc_word_at(p) = mc_word_at(v->data + from);
	return 0;
}

/* The value to @at (at most MC_L4_MAX + MC_HEADS). */
static __always_inline int mc_xdp_value(struct xdp_md *ctx, struct pb_mc_value *v, __u32 at,
					__u32 len)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 *p = data + at;

	if (len > MC_WORDS_MAX * 8 || len < 8)
		return (int)bpf_xdp_store_bytes(ctx, at, v->data, len);
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < MC_WORDS_MAX; i++) {
		if (8 * i + 8 > len)
			break;
		if ((void *)(p + 8 * i + 8) > end)
			return -1;
		mc_word_at(p + 8 * i) = mc_word_at(v->data + 8 * i);
	}
	return mc_xdp_tail(data, end, v, at, len);
}

/* The headers behind IP's, to the client, and END behind the value. */
static __always_inline int mc_xdp_ends(struct xdp_md *ctx, const struct pb_mc_job *j,
				       const struct mc_heads *h, __u32 len)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 sum = (__u64)j->value_sum + mc_end_sum(len & 1);
	__u32 l4 = j->l4, at = l4 + MC_HEADS + len;
	__u8 *p;

	if (l4 > MC_L4_MAX)
		return -1;
	p = data + l4;
	if ((void *)(p + sizeof(struct mc_both)) > end)
		return -1;
	mc_make_both((struct mc_both *)p, h, j->v6, len + MC_END_LEN, sum, 0);
	pb_mc_opaque(at);
	if (at > 0x1000)
		return -1;
	p = data + at;
	if ((void *)(p + MC_END_LEN) > end)
		return -1;
	*(__u32 *)p = pb_htonl('E' << 24 | 'N' << 16 | 'D' << 8 | '\r');
	p[4] = '\n';
	return mc_make_ip(data, end, j, h, len + MC_END_LEN + MC_HEADS);
}

static __always_inline __u32 mc_hit_xdp(struct xdp_md *ctx, struct pb_mc_job *j,
					struct pb_mc_service *svc, struct pb_mc_value *v, __u32 len)
{
	__u32 n = len + MC_END_LEN, frame = j->l4 + MC_HEADS + n;
	__s64 have = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	struct mc_heads h = { .same = 0 };

	pb_mc_opaque(have);
	if (bpf_xdp_adjust_tail(ctx, (int)(frame - have)))
		return PB_MC_TODO_LEAVE;
	if (!mc_limit_take(svc, &j->saddr, n, j->now))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_RATE);
	if (j->l4 > MC_L4_MAX || mc_xdp_value(ctx, v, j->l4 + MC_HEADS, len))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD);
	if (mc_cache_torn(j, v))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_TORN);
	mc_heads_turned(&h, j);
	if (mc_xdp_ends(ctx, j, &h, len))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD);
	mc_count_hit(j, n);
	j->verdict = verdict_to_xdp_back();
	return PB_MC_TODO_SENT;
}

/* ---- by tc ------------------------------------------------------------------------ */

/* Does the checksum's field hold a part that somebody else completes?  Only the kernel knows: such a
 * field takes no notice of a change of the body.  Spoils the field. */
static __always_inline int mc_tc_partial(struct __sk_buff *skb, const struct pb_mc_job *j)
{
	__u32 was = mc_check_of(skb, j->l4);

	return !bpf_l4_csum_replace(skb, j->l4 + 6, 0, 1, 0) && was == mc_check_of(skb, j->l4);
}

/* All but the body of @len bytes, for which the packet has just the room.  The flag keeps the kernel's
 * own sum of the packet right, where the device gave it one. */
static __always_inline int mc_tc_heads(struct __sk_buff *skb, struct pb_mc_job *j,
				       const struct mc_heads *h, __u32 len, __u64 sum)
{
	struct mc_both b;

	mc_make_both(&b, h, j->v6, len, sum, mc_tc_partial(skb, j));
	if (bpf_skb_store_bytes(skb, j->l4, &b, sizeof(b), BPF_F_RECOMPUTE_CSUM))
		return -1;
	return mc_make_ip((void *)(long)skb->data, (void *)(long)skb->data_end, j, h,
			  len + MC_HEADS);
}

static __always_inline __u32 mc_hit_tc(struct __sk_buff *skb, struct pb_mc_job *j,
				       struct pb_mc_service *svc, struct pb_mc_value *v, __u32 len)
{
	__u32 n = len + MC_END_LEN, at = j->l4 + MC_HEADS;
	struct mc_heads h = { .same = 0 };
	__u64 end_text = PB_MC_W('E', 'N', 'D', '\r', '\n', 0, 0, 0);

	if (bpf_skb_change_tail(skb, at + n, 0))
		return PB_MC_TODO_STEER;
	if (!mc_limit_take(svc, &j->saddr, n, j->now))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_RATE);
	mc_heads_turned(&h, j);
	if (mc_tc_heads(skb, j, &h, n, (__u64)j->value_sum + mc_end_sum(len & 1)) ||
	    bpf_skb_store_bytes(skb, at, v->data, len, BPF_F_RECOMPUTE_CSUM) ||
	    bpf_skb_store_bytes(skb, at + len, &end_text, MC_END_LEN, BPF_F_RECOMPUTE_CSUM))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD);
	if (mc_cache_torn(j, v))
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_TORN);
	mc_count_hit(j, n);
	mc_count(j->service, PB_MC_C_HITS_TC);
	j->verdict = bpf_redirect(j->ifindex, 0);
	return PB_MC_TODO_SENT;
}

/* ---- a fetch, by tc ----------------------------------------------------------------- */

static __always_inline __u32 mc_gone(struct pb_mc_job *j)
{
	j->verdict = verdict_to_tc(1);
	return PB_MC_TODO_SENT;
}

/* Sum of the text, behind which there are zeros. */
static __always_inline __s64 mc_text_sum(struct pb_mc_job *j, __u32 n)
{
	n = (n + 3) & ~3u;
	pb_mc_opaque(n);
	if (n > PB_MC_TEXT_SIZE)
		return -1;
	return bpf_csum_diff(0, 0, (__be32 *)j->seek.text, n, 0);
}

/* The request as a copy: on its way, or, where only bpf_redirect_neigh() knows the way, in at its device
 * once more, where it finds that the key is being fetched. */
static __always_inline long mc_copy_on(struct __sk_buff *skb, struct pb_mc_job *j)
{
	if (!j->again)
		return bpf_clone_redirect(skb, j->out, 0);
	return bpf_clone_redirect(skb, j->ifindex, BPF_F_INGRESS) || mc_untag(skb, j);
}

/* The packet itself becomes a fetch of its key, to the same server. */
static __always_inline __u32 mc_fetch_send(struct __sk_buff *skb)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	__u32 at = j ? j->service * PB_MC_SERVERS_MAX + (j->owner & (PB_MC_SERVERS_MAX - 1)) : 0, n;
	struct pb_mc_backend *b = bpf_map_lookup_elem(&pb_mc_backends, &at);
	struct mc_heads h = { .same = 0 };
	struct pb_mc_call *c;
	__s64 sum;

	if (!svc || !b || mc_copy_on(skb, j))
		return j ? mc_gone(j) : PB_MC_TODO_LEAVE;
	n = mc_bounded(mc_fetch_build(j), PB_MC_TEXT_SIZE);
	if (!n)
		return mc_gone(j);
	c = mc_call_new(j);
	if (!c)
		return mc_gone(j);
	mc_call_fill(c, j, b);
	c->kind = PB_MC_CALL_FETCH;
	c->out = j->out;
	c->set = j->set;
	c->digest = j->digest;
	c->token = j->token;
	mc_call_ready(c, j->tag);
	mc_heads_nat(&h, j, svc, b);
	mc_copy_mac(h.dmac, j->dmac);
	mc_copy_mac(h.smac, j->smac);
	sum = mc_text_sum(j, n);
	if (sum < 0 || bpf_skb_change_tail(skb, j->l4 + MC_HEADS + n, 0) ||
	    mc_tc_heads(skb, j, &h, n, (__u32)sum) ||
	    bpf_skb_store_bytes(skb, j->l4 + MC_HEADS, j->seek.text, n, BPF_F_RECOMPUTE_CSUM))
		return mc_gone(j);
	j->verdict = j->again ? bpf_redirect_neigh(j->out, 0, 0, 0) : bpf_redirect(j->out, 0);
	return PB_MC_TODO_SENT;
}

/* ---- a get of one key -------------------------------------------------------------- */

/* Does the device take so long an answer?  Else the server sees to it. */
static __always_inline int mc_fits(void *ctx, const struct pb_mc_job *j, __u32 len)
{
	__u32 n = j->l4 - j->l3 + MC_HEADS + len + MC_END_LEN;

	return n <= MC_MTU_SURE || !bpf_check_mtu(ctx, 0, &n, 0, 0);
}

/* The value that was found. */
static __always_inline __u32 mc_hit_value(void *ctx, int is_tc, struct pb_mc_job *j,
					  struct pb_mc_service *svc, struct pb_mc_value *v)
{
	__u32 len;

	if (j->l4 > MC_L4_MAX)
		return PB_MC_TODO_LEAVE;
	len = mc_bounded(j->value_len, PB_MC_DATA_MAX - MC_END_LEN);
	if (!len || !mc_fits(ctx, j, len))
		return PB_MC_TODO_STEER;
	mc_top_count(j, len, 0);
	return is_tc ? mc_hit_tc(ctx, j, svc, v, len) : mc_hit_xdp(ctx, j, svc, v, len);
}

/* The answer of mc_ask(). */
static __always_inline __u32 mc_hit(void *ctx, int is_tc)
{
	struct pb_mc_job *j = mc_job();
	struct pb_mc_service *svc = j ? mc_service(j->service) : 0;
	struct pb_mc_value *v = j ? mc_value(j) : 0;

	return svc && v ? mc_hit_value(ctx, is_tc, j, svc, v) : PB_MC_TODO_LEAVE;
}

#endif /* PB_MC_ANSWER_BPF_H */
