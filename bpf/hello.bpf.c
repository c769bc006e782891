// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * hello: tells other nodes whose datagrams these are, ahead of them (patchbay/hello.h).
 *
 *   tc egress   a datagram from the registered source of a managed socket to another node, of a
 *               flow that has not been spoken for in the last seconds: a copy of it is sent first,
 *               which becomes the hello when it comes by here itself.  The datagram is not touched.
 *
 * Made from a copy, for that goes the same way: device, headers of the link, next hop, queue.  Its
 * own turn in this program is the only place where its length can be changed.
 *
 * Kernel 6.1.  docs/decisions/0018-datagrams-across-hosts.md.
 */
#include "lib/dgram.bpf.h"

#define PB_LINK_MAX 64 /* bytes of a header of the link */

/* A copy under way on this CPU: nothing else is sent by it meanwhile. */
struct pb_copy {
	struct pb_dgram d;
	struct pb_hello m;
	__u64 mac;
	__u32 size; /* of the packet that was copied; 0: none is under way */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pb_copy);
} pb_copies SEC(".maps");

/* ---- the copy becomes a hello --------------------------------------------- */

static __always_inline __u32 fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 & 0xffff) + (sum >> 48);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* One's complement sum of the pseudo header. */
static __always_inline __u64 pseudo(const struct pb_dgram *d)
{
	__u64 sum = pb_htons(PB_HELLO_UDP) + pb_htons(PB_PROTO_UDP);

	for (int i = 0; i < 4; i++) {
		/* the first three words of IPv4 are not on the wire */
		if (!d->v6 && i < 3)
			continue;
		sum += (__u64)d->saddr.w[i] + d->daddr.w[i];
	}
	return sum;
}

struct hello_packet {
	struct pb_udp_head udp;
	struct pb_hello_msg msg;
} __attribute__((packed, aligned(4)));

/*
 * UDP's checksum, which the device may have been left to compute: then it wants the sum of the
 * pseudo header in its place.  Whether it has been shows by what the kernel does when told of a
 * change: nothing, where the device will see to it.
 */
static __noinline int sum_up(struct __sk_buff *skb, const struct pb_copy *c,
			     const struct hello_packet *h, __u32 at)
{
	__u32 off = at + offsetof(struct pb_udp_head, sum), sum;
	__u64 all = pseudo(&c->d);
	__be16 was = 0, now = 0;

	if (bpf_l4_csum_replace(skb, off, 0, pb_htons(1), 2) ||
	    bpf_skb_load_bytes(skb, off, &now, sizeof(now)))
		return -1;
	if (now == was) {
		now = fold(all);
	} else {
		for (__u32 i = 0; i < sizeof(*h) / 4; i++)
			all += ((const __u32 *)h)[i];
		sum = ~fold(all) & 0xffff;
		now = sum ? sum : 0xffff;
	}
	return bpf_skb_store_bytes(skb, off, &now, sizeof(now), 0) ? -1 : 0;
}

static __always_inline int write_v4(struct __sk_buff *skb, __u32 link, __u32 head)
{
	struct pb_ip4_head ip;
	__be16 len = pb_htons(head + PB_HELLO_UDP), none = 0;
	__u32 sum = link + 10;

	if (bpf_skb_load_bytes(skb, link, &ip, sizeof(ip)) ||
	    bpf_l3_csum_replace(skb, sum, ip.len, len, 2) ||
	    bpf_skb_store_bytes(skb, link + 2, &len, sizeof(len), 0))
		return -1;
	if (!(ip.frag & pb_htons(PB_IP_FRAGMENT)))
		return 0;
	return bpf_l3_csum_replace(skb, sum, ip.frag, none, 2) ||
			       bpf_skb_store_bytes(skb, link + 6, &none, sizeof(none), 0)
		       ? -1
		       : 0;
}

static __always_inline int write_v6(struct __sk_buff *skb, __u32 link)
{
	__be16 len = pb_htons(PB_HELLO_UDP);
	__u8 next = PB_PROTO_UDP;

	return bpf_skb_store_bytes(skb, link + 4, &len, sizeof(len), 0) ||
			       bpf_skb_store_bytes(skb, link + 6, &next, sizeof(next), 0)
		       ? -1
		       : 0;
}

static __noinline int become_hello(struct __sk_buff *skb, const struct pb_copy *c)
{
	__u32 link = skb->len - c->d.total, head = c->d.v6 ? sizeof(struct pb_ip6_head) : c->d.at;
	struct hello_packet h = {
		.udp = { .sport = c->d.sport, .dport = c->d.dport, .len = pb_htons(PB_HELLO_UDP) }
	};

	if (link > PB_LINK_MAX || head > 60)
		return -PB_EACCES;
	pb_hello_write(&h.msg, &c->m, c->mac);
	if (bpf_skb_change_tail(skb, link + head + PB_HELLO_UDP, 0) ||
	    (c->d.v6 ? write_v6(skb, link) : write_v4(skb, link, head)) ||
	    bpf_skb_store_bytes(skb, link + head, &h, sizeof(h), 0) ||
	    sum_up(skb, c, &h, link + head))
		return -PB_EACCES;
	return 0;
}

/* ---- is one due? ----------------------------------------------------------- */

/* How many, now: the first is said twice, for if it is lost the datagram is refused. */
static __noinline int hellos_due(const struct pb_dgram *d)
{
	struct pb_flow_key k = {
		.laddr = d->saddr, .raddr = d->daddr, .lport = d->sport, .rport = d->dport
	};
	struct pb_hello_said *said = bpf_map_lookup_elem(&pb_hellos, &k), first = { .n = 1 };
	__u64 now = bpf_ktime_get_ns();

	if (!said) {
		first.last_ns = now;
		bpf_map_update_elem(&pb_hellos, &k, &first, BPF_ANY);
		return 2;
	}
	if (said->n >= PB_HELLO_FIRST && now - said->last_ns < PB_HELLO_AGAIN_NS)
		return 0;
	if (now - said->last_ns > PB_HELLO_HOLDS_NS)
		said->n = 0;
	said->last_ns = now;
	said->n++;
	return 1;
}

/*
 * Sources of PB_REF_SWITCH outlive the agent, whose sockets hold those ports: another program that took
 * one meanwhile speaks for itself.  Datagrams that pass through this host have no socket here, or, on
 * veth, that of the client, at its own port.
 */
static __always_inline int is_taken(struct __sk_buff *skb, const struct pb_udp_src *src,
				    __be16 sport)
{
	struct bpf_sock *sk = skb->sk;
	struct pb_sock *s;

	if (!(src->app & PB_REF_SWITCH) || !sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->src_port != pb_ntohs(sport))
		return 0;
	s = pb_sock_of(sk);
	return !s || s->app != src->app;
}

/* Who sends it, if it is one of ours that goes to another node: fills what is to be said. */
static __noinline int speak_for(struct __sk_buff *skb, struct pb_copy *c)
{
	struct pb_udp_key k = { .addr = c->d.saddr, .port = c->d.sport };
	struct pb_udp_src *src = bpf_map_lookup_elem(&pb_udp_src, &k);
	struct pb_addr to = c->d.daddr;
	struct pb_peer *peer;
	struct pb_app *app;
	__u64 key[2];

	if (!src || is_taken(skb, src, k.port))
		return 0;
	peer = bpf_map_lookup_elem(&pb_peers, &to);
	app = pb_app_at(src->app);
	if (!peer || !app)
		return 0;
	key[0] = peer->out[0];
	key[1] = peer->out[1];
	if (!(key[0] | key[1]))
		return 0;
	c->m.saddr = c->d.saddr;
	c->m.daddr = to;
	c->m.sport = c->d.sport;
	c->m.dport = c->d.dport;
	c->m.vport = src->port;
	c->m.pad = 0;
	c->m.id = app->id;
	c->m.time = bpf_ktime_get_tai_ns();
	c->mac = pb_hello_mac(key, &c->m);
	return 1;
}

static __always_inline int do_hello(struct __sk_buff *skb)
{
	struct pb_config *cfg = pb_cfg();
	struct pb_copy *c;
	__u32 zero = 0;
	int n;

	if (!cfg || !(cfg->flags & PB_CFG_PEERS_UDP))
		return 0;
	c = bpf_map_lookup_elem(&pb_copies, &zero);
	if (!c)
		return 0;
	if (c->size == skb->len) {
		c->size = 0;
		return become_hello(skb, c);
	}
	if (!pb_dgram_of(skb, &c->d) || c->d.total < PB_HELLO_UDP - PB_HELLO_LEN ||
	    skb->len < c->d.total || !speak_for(skb, c))
		return 0;
	n = hellos_due(&c->d);
	for (int i = 0; i < 2; i++) {
		if (i >= n)
			break;
		c->size = skb->len;
		if (bpf_clone_redirect(skb, skb->ifindex, 0))
			pb_count(PB_R_NO_ROOM);
		c->size = 0;
	}
	return 0;
}

SEC("tc")
int pb_hello_out(struct __sk_buff *ctx)
{
	return verdict_to_tc(do_hello(ctx));
}

char _license[] SEC("license") = "Dual BSD/GPL";
