// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * memcached: a switch for memcached's datagrams.
 *
 *   XDP          what can be done with the packet as it is; the rest it leaves, untouched, to
 *   tc ingress   which does all of it, or leaves it to the host's stack, where the agent's own socket
 *                listens at the address (the slow path)
 *   pb_mc_do     run by the agent: the steps of the token protocol for what takes the slow path
 *
 * One code for both, a function a stage, each verified by itself; what they know of the packet is in
 * a per-CPU record (struct pb_mc_job).  Kernel 6.1.  docs/decisions/0023-memcached-switch.md.
 */
#include "lib/mc_answer.bpf.h"
#include "lib/mc_do.bpf.h"
#include "lib/mc_fast.bpf.h"
#include "lib/mc_get.bpf.h"
#include "lib/mc_multi.bpf.h"
#include "lib/mc_reply.bpf.h"
#include "lib/mc_request.bpf.h"

#define MC_LINEAR 54u /* Ethernet and IPv6: what must be near for a first look */

/* ---- the stages: global functions, of which the verifier walks each once ------ */

#define MC_DATA(ctx) ((void *)(long)(ctx)->data), ((void *)(long)(ctx)->data_end)
#define MC_STAGE(name, ctx_t, call) \
	__noinline int name(struct ctx_t *ctx) \
	{ \
		return (int)(call); \
	}
#define MC_STAGES(x, is_tc, ctx_t) \
	MC_STAGE(mc_##x##_fast, ctx_t, mc_fast(ctx, MC_DATA(ctx), is_tc)) \
	MC_STAGE(mc_##x##_read, ctx_t, mc_read(MC_DATA(ctx))) \
	MC_STAGE(mc_##x##_seek, ctx_t, mc_seek(MC_DATA(ctx), is_tc)) \
	MC_STAGE(mc_##x##_hit, ctx_t, mc_hit(ctx, is_tc)) \
	MC_STAGE(mc_##x##_multi, ctx_t, mc_multi(MC_DATA(ctx), is_tc)) \
	MC_STAGE(mc_##x##_multi_hit, ctx_t, mc_multi_hit(ctx, is_tc)) \
	MC_STAGE(mc_##x##_owner, ctx_t, mc_owner(MC_DATA(ctx))) \
	MC_STAGE(mc_##x##_owners, ctx_t, mc_owners(MC_DATA(ctx))) \
	MC_STAGE(mc_##x##_steer, ctx_t, mc_steer(ctx, is_tc)) \
	MC_STAGE(mc_##x##_answer, ctx_t, mc_answer(MC_DATA(ctx))) \
	MC_STAGE(mc_##x##_reply, ctx_t, mc_reply(ctx, is_tc))

MC_STAGES(x, 0, xdp_md)
MC_STAGES(t, 1, __sk_buff)
MC_STAGE(mc_t_fetch, __sk_buff, mc_fetch_send(ctx))
MC_STAGE(mc_t_aim, __sk_buff, mc_multi_aim(MC_DATA(ctx)))

#define MC_RUN(is_tc, stage, ctx) ((__u32)((is_tc) ? mc_t_##stage(ctx) : mc_x_##stage(ctx)))

/* ---- a datagram of ours -------------------------------------------------------- */

/* A get of several servers takes the slow path, as a copy; the packet is wanted for the fetch. */
static __always_inline __u32 mc_split_fetch(void *ctx, struct pb_mc_job *j)
{
	__u32 todo = (__u32)mc_t_aim(ctx);

	if (todo == PB_MC_TODO_STEER)
		todo = (__u32)mc_t_steer(ctx);
	j->split = 0;
	return todo == PB_MC_TODO_FETCH ? todo : PB_MC_TODO_PASS;
}

static __always_inline __u32 mc_to_vip(void *ctx, int is_tc, struct pb_mc_job *j)
{
	__u32 todo = MC_RUN(is_tc, fast, ctx), owner;

	if (todo == PB_MC_TODO_READ)
		todo = MC_RUN(is_tc, read, ctx);
	if (todo == PB_MC_TODO_STEER && mc_may_seek(j))
		todo = MC_RUN(is_tc, seek, ctx);
	if (todo == PB_MC_TODO_ANSWER)
		todo = MC_RUN(is_tc, hit, ctx);
	if (todo == PB_MC_TODO_MULTI)
		todo = MC_RUN(is_tc, multi, ctx);
	if (todo == PB_MC_TODO_ALL)
		todo = MC_RUN(is_tc, multi_hit, ctx);
	if (todo != PB_MC_TODO_STEER && todo != PB_MC_TODO_MULTI)
		return todo;
	owner = MC_RUN(is_tc, owner, ctx);
	if (owner == PB_MC_TODO_STEER && todo == PB_MC_TODO_MULTI)
		owner = MC_RUN(is_tc, owners, ctx);
	if (is_tc && owner == PB_MC_TODO_PASS && j && j->want_fetch)
		return mc_split_fetch(ctx, j);
	return owner == PB_MC_TODO_STEER ? MC_RUN(is_tc, steer, ctx) : owner;
}

static __always_inline __u32 mc_to_source(void *ctx, int is_tc)
{
	__u32 todo = MC_RUN(is_tc, answer, ctx);

	return todo == PB_MC_TODO_STEER ? MC_RUN(is_tc, reply, ctx) : todo;
}

/* Whose is the address?  NULL: nobody's of ours. */
static __always_inline struct pb_mc_service *mc_whose(struct pb_mc_job *j)
{
	struct pb_mc_service *svc = mc_hinted(j);
	struct pb_mc_addr *addr;

	j->role = PB_MC_ROLE_VIP;
	j->exact = 0;
	if (svc)
		return svc;
	addr = mc_addr_of(j);
	svc = addr ? mc_service(addr->service) : 0;
	if (!svc)
		return 0;
	j->service = addr->service;
	j->role = addr->role;
	j->tag = (__u32)addr->port << 16;
	if (j->role == PB_MC_ROLE_VIP) {
		if (!(svc->flags & PB_MC_S_UP))
			return 0;
		mc_hint(j);
	}
	return svc;
}

/* What the headers say: is it for one of our addresses, and whole? */
static __always_inline __u32 mc_look(struct pb_mc_job *j, __u32 seen)
{
	if (seen == MC_SEEN_OTHER || !mc_whose(j))
		return PB_MC_TODO_PASS;
	j->ours = 1;
	j->want_fetch = 0;
	if (j->role == PB_MC_ROLE_VIP)
		mc_about_now(j);
	else
		mc_exact_now(j);
	if (seen == MC_SEEN_UDP)
		return PB_MC_TODO_STEER;
	/* pieces of a reply: none of ours is that long */
	if (j->role == PB_MC_ROLE_SOURCE)
		return mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_REPLY_STRAY);
	return seen == MC_SEEN_BAD ? mc_give_up(j, PB_MC_TODO_DROP, PB_MC_C_DROP_BAD)
				   : PB_MC_TODO_PASS;
}

/* What is dropped is counted where it is, what the slow path gets by tc: XDP only left it. */
static __always_inline void mc_count_end(const struct pb_mc_job *j, __u32 todo, int is_tc)
{
	if (todo == PB_MC_TODO_DROP) {
		if (j->role == PB_MC_ROLE_VIP)
			mc_count(j->service, PB_MC_C_REQUESTS);
		if (j->counter < _PB_MC_C_MAX)
			mc_count(j->service, j->counter);
	} else if (is_tc && j->role == PB_MC_ROLE_VIP) {
		mc_count(j->service, PB_MC_C_REQUESTS);
		mc_count(j->service, PB_MC_C_PASSED);
	}
}

SEC("xdp")
int pb_mc_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct pb_mc_job *j = mc_job();
	__u32 todo;

	if (!j)
		return verdict_to_xdp(0);
	j->ours = 0;
	todo = mc_look(j, mc_packet(data, end, j, (__u32)(end - data), 0, 0));
	if (!j->ours)
		return verdict_to_xdp(0);
	j->ifindex = ctx->ingress_ifindex;
	if (todo == PB_MC_TODO_STEER && j->role == PB_MC_ROLE_VIP)
		todo = mc_to_vip(ctx, 0, j);
	else if (todo == PB_MC_TODO_STEER)
		todo = mc_to_source(ctx, 0);
	if (todo == PB_MC_TODO_SENT)
		return (int)j->verdict;
	mc_count_end(j, todo, 0);
	return verdict_to_xdp(todo == PB_MC_TODO_DROP);
}

/* Several datagrams in one, or not for this host's link address: none of ours. */
static __always_inline int mc_tc_odd(const struct __sk_buff *skb)
{
	return skb->gso_segs > 1 || skb->pkt_type == 3;
}

SEC("tc")
int pb_mc_tc(struct __sk_buff *skb)
{
	struct pb_mc_job *j = mc_job();
	__u32 len = skb->len, near = skb->data_end - skb->data, todo;

	if (!j || mc_tc_odd(skb))
		return verdict_to_tc(0);
	if (near < MC_LINEAR && near < len)
		bpf_skb_pull_data(skb, len < MC_LINEAR ? len : MC_LINEAR);
	j->ours = 0;
	todo = mc_look(j, mc_packet(MC_DATA(skb), j, len, pb_htons((__u16)skb->vlan_tci),
				    skb->vlan_present));
	if (!j->ours)
		return verdict_to_tc(0);
	j->ifindex = skb->ifindex;
	if (todo == PB_MC_TODO_STEER && bpf_skb_pull_data(skb, len))
		todo = PB_MC_TODO_PASS;
	if (todo == PB_MC_TODO_STEER && j->role == PB_MC_ROLE_VIP)
		todo = mc_to_vip(skb, 1, j);
	else if (todo == PB_MC_TODO_STEER)
		todo = mc_to_source(skb, 1);
	if (todo == PB_MC_TODO_FETCH)
		todo = (__u32)mc_t_fetch(skb);
	if (todo == PB_MC_TODO_SENT)
		return (int)j->verdict;
	mc_count_end(j, todo, 1);
	return verdict_to_tc(todo == PB_MC_TODO_DROP);
}

/* Not attached: the agent runs it, with a struct pb_mc_cmd for a packet.  Not of the type syscall, whose
 * programs may take no spin lock before Linux 6.7. */
SEC("xdp")
int pb_mc_do(struct xdp_md *ctx)
{
	const struct pb_mc_cmd *cmd = (void *)(long)ctx->data;

	if ((void *)(cmd + 1) > (void *)(long)ctx->data_end)
		return -PB_EINVAL;
	return cmd->what == PB_MC_DO_GET ? mc_do_get(ctx) : mc_do(cmd);
}

char _license[] SEC("license") = "Dual BSD/GPL";
