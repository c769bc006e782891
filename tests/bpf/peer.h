/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Another node, made by hand: a TUN or TAP device whose far side is this test.  It writes SYNs as a
 * client's kernel would, right ones and wrong ones, and finishes handshakes.
 */
#ifndef PB_TEST_PEER_H
#define PB_TEST_PEER_H

#include <bpf/bpf.h>
#include <linux/if_tun.h>

#include <patchbay/peer.h>

#include "frames.h"
#include "world.h"

#define NODE 0x1122334455667788ULL
#define ID 0xaabbccddeeff0011ULL
#define REF (PB_REF_REMOTE | 77)
#define GRP 4ULL
#define PORT 8080
#define HERE4 "192.0.2.1"
#define HERE6 "2001:db8::1"
#define THERE4 "192.0.2.2"
#define THERE6 "2001:db8::2"

static const __u64 key_now[2] = { 0x0101010101010101, 0x1202020202020202 };
static const __u64 key_old[2] = { 0x0303030303030303, 0x1404040404040404 };

static int far_fd = -1;
static unsigned far_index;
static short far_extra; /* IFF_* of the device */
static struct scope server;
static struct pb_app client_app;

static inline void sh(const char *cmd)
{
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

static inline int map_of(const char *name)
{
	int fd = pb_loader_map_fd(loader, name);

	cr_assert(fd >= 0, "%s", name);
	return fd;
}

static inline void send_syn(const struct syn *s, forge_fn forge)
{
	uint8_t p[256];
	size_t n = put_syn(p, s, forge);

	cr_assert_eq(write(far_fd, p, n), (ssize_t)n, "%m");
}

static inline void send_seg(const struct syn *s, uint8_t flags, uint32_t seq, uint32_t ack,
			    const char *data)
{
	uint8_t p[256], tcp[100] = { 0 };
	struct syn plain = *s;
	size_t n = data ? strlen(data) : 0, link;
	struct tcphdr t = { .source = s->sport,
			    .dest = s->dport,
			    .seq = htonl(seq),
			    .ack_seq = htonl(ack),
			    .doff = 5,
			    .window = htons(64000) };

	plain.with = 0;
	t.th_flags = flags;
	memcpy(tcp, &t, sizeof(t));
	memcpy(tcp + 20, data ? data : "", n);
	link = put_eth(p, s);
	n = link + put_ip(p + link, &plain, tcp, 20 + n);
	cr_assert_eq(write(far_fd, p, n), (ssize_t)n, "%m");
}

/* The next TCP packet that comes out. */
static inline struct tcp_seg next_seg(void)
{
	struct pollfd pfd = { .fd = far_fd, .events = POLLIN };
	uint64_t end = pb_now_ns() + DEADLINE_NS;
	struct tcp_seg seg = { 0 };
	uint8_t p[2048];

	while (pb_now_ns() < end && poll(&pfd, 1, 1000) >= 0) {
		ssize_t n = read(far_fd, p, sizeof(p)), at = far_link;
		struct tcphdr t;

		if (n < at + 40 || p[at + (p[at] >> 4 == 6 ? 6 : 9)] != IPPROTO_TCP)
			continue;
		at += p[at] >> 4 == 6 ? 40 : (p[at] & 15) * 4;
		memcpy(&t, p + at, sizeof(t));
		at += t.doff * 4;
		seg = (struct tcp_seg){ .sport = t.source,
					.dport = t.dest,
					.seq = ntohl(t.seq),
					.ack = ntohl(t.ack_seq),
					.flags = t.th_flags };
		seg.n = n - at < (ssize_t)sizeof(seg.data) ? (size_t)(n - at) : sizeof(seg.data);
		memcpy(seg.data, p + at, seg.n);
		return seg;
	}
	cr_assert_fail("nothing came out");
	return seg;
}

/* The answer to @s: another connection's packets must not come before it. */
static inline struct tcp_seg answer(const struct syn *s)
{
	struct tcp_seg a = next_seg();

	cr_assert(a.dport == s->sport && a.sport == s->dport, "an answer to port %d",
		  ntohs(a.dport));
	return a;
}

static inline bool is_reset(const struct tcp_seg *a)
{
	return a->flags & TH_RST;
}

static inline bool is_synack(const struct tcp_seg *a)
{
	return (a->flags & (TH_SYN | TH_ACK | TH_RST)) == (TH_SYN | TH_ACK);
}

/* ---- the node ------------------------------------------------------------ */

static inline void set_config(uint32_t flags, uint32_t mode)
{
	struct pb_config c;

	cr_assert(!pb_maps_get_config(maps, &c));
	c.flags = flags;
	c.mode = mode;
	cr_assert(!pb_maps_set_config(maps, &c));
}

static inline void put_peer(const char *addr, uint64_t node, const __u64 *now, const __u64 *before)
{
	struct pb_peer p = { .node = node };
	struct pb_addr a = addr_of(addr);

	if (now)
		memcpy(p.in[0], now, 16);
	if (before)
		memcpy(p.in[1], before, 16);
	cr_assert(!bpf_map_update_elem(map_of("pb_peers"), &a, &p, BPF_ANY));
}

static inline void put_member(uint64_t node, uint64_t id, uint64_t ref)
{
	struct pb_member_key k = { .node = node, .id = id };
	struct pb_member m = { .ref = ref };

	cr_assert(!bpf_map_update_elem(map_of("pb_members"), &k, &m, BPF_ANY));
}

static inline void put_client(uint64_t grp)
{
	struct pb_tags none = { 0 };

	client_app.id = ID;
	snprintf(client_app.name, sizeof(client_app.name), "far");
	client_app.flags = PB_APP_NAMED | (grp ? PB_APP_TAGGED : 0);
	client_app.grp[0] = grp;
	client_app.vip4 = addr_of("10.9.1.2");
	client_app.vip6 = addr_of("fd00::2");
	if (!client_app.ns)
		client_app.ns = 4711;
	cr_assert(!pb_maps_put_app(maps, REF, &client_app, &none));
}

static inline void attach(bool on)
{
	int err = pb_loader_attach_devices(loader, &far_index, on, NULL);

	cr_assert_eq(err, 0, "%s", strerror(-err));
}

static inline void far_open(bool eth)
{
	struct ifreq ifr = { .ifr_name = "far0" };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	ifr.ifr_flags = (eth ? IFF_TAP : IFF_TUN) | IFF_NO_PI | far_extra;
	far_fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	cr_assert(far_fd >= 0 && !ioctl(far_fd, TUNSETIFF, &ifr), "tun: %m");
	far_link = eth ? 14 : 0;
	if (eth) {
		cr_assert(!ioctl(s, SIOCGIFHWADDR, &ifr));
		memcpy(far_mac, ifr.ifr_hwaddr.sa_data, 6);
	}
	far_index = if_nametoindex("far0");
	/* Without ARP: whatever we are asked for is at the far side. */
	sh("ip link set far0 arp off && ip link set far0 up &&"
	   " ip addr add " HERE4 "/24 dev far0 && ip addr add " HERE6 "/64 dev far0 nodad");
	close(s);
}

/* One application on this node, and one on another, which may call it. */
static inline void far_world(bool eth)
{
	world_init();
	set_config(PB_CFG_GUARD | PB_CFG_PEERS, PB_MODE_ENFORCE);
	far_open(eth);
	server = scope_new("srv", "10.9.0.1", "fd00::1", GRP);
	put_client(GRP);
	put_peer(THERE4, NODE, key_now, NULL);
	put_peer(THERE6, NODE, key_now, NULL);
	put_member(NODE, ID, REF);
	attach(true);
}

static inline void far_init(void)
{
	far_world(false);
}

static inline void far_init_eth(void)
{
	far_world(true);
}

/* The endpoint of the listener; its index. */
static inline uint32_t endpoint(struct pb_endpoint *ret)
{
	for (uint32_t i = 1; i < 4096; i++)
		if (!bpf_map_lookup_elem(map_of("pb_endpoints"), &i, ret) &&
		    ret->state == PB_EP_UP && ret->app == server.ref)
			return i;
	cr_assert_fail("nothing is published");
	return 0;
}

/* A SYN that is all right, to what the server listens on. */
static inline struct syn good_syn(int family)
{
	static uint16_t port = 40000;
	struct pb_endpoint ep;

	endpoint(&ep);
	return (struct syn){ .src = addr_of(family == AF_INET ? THERE4 : THERE6),
			     .dst = addr_of(family == AF_INET ? HERE4 : HERE6),
			     .sport = htons(port++),
			     .dport = ep.real,
			     .isn = 0xfffffff0u + port,
			     .id = ID,
			     .with = WITH_ID | WITH_TS,
			     .key = key_now };
}

static inline uint64_t counted(uint32_t reason)
{
	uint64_t stats[_PB_R_MAX];

	cr_assert(!pb_maps_stats(maps, stats));
	return stats[reason];
}

static inline struct pb_flow_key flow_of(const struct syn *s)
{
	return (struct pb_flow_key){
		.laddr = s->dst, .raddr = s->src, .lport = s->dport, .rport = s->sport
	};
}

static inline bool radmit(const struct syn *s, struct pb_admit *ret)
{
	struct pb_flow_key k = flow_of(s);

	return !bpf_map_lookup_elem(map_of("pb_radmit"), &k, ret);
}

/* SYN, answer, ACK.  The server's next number. */
static inline uint32_t shake(const struct syn *s)
{
	struct tcp_seg a;

	send_syn(s, NULL);
	a = answer(s);
	cr_assert(is_synack(&a) && a.ack == s->isn + 1, "flags %#x", a.flags);
	send_seg(s, TH_ACK, s->isn + 1, a.seq + 1, NULL);
	return a.seq + 1;
}

static inline void reset(const struct syn *s)
{
	send_seg(s, TH_RST, s->isn + 1, 0, NULL);
}

static inline void expect_reset(const struct syn *s, forge_fn forge, uint32_t reason)
{
	uint64_t before = counted(reason);
	struct tcp_seg a;

	send_syn(s, forge);
	a = answer(s);
	cr_assert(is_reset(&a), "flags %#x", a.flags);
	cr_assert_eq(counted(reason), before + 1, "reason %u", reason);
}

#endif /* PB_TEST_PEER_H */
