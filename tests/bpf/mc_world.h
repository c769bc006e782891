/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A switch with one service, three servers and two devices, in a namespace of its own; its programs run
 * by BPF_PROG_TEST_RUN. */
#ifndef PB_TEST_MC_WORLD_H
#define PB_TEST_MC_WORLD_H

#include <net/if.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "control/memcached/ring.h"
#include "loader/memcached.h"
#include "mc_frame.h"
#include "private.h"

#define SERVERS 3u
#define SOURCE_PORT 20000
#define SAID_PASS 1 /* what a program said */
#define SAID_DROP 2
#define SAID_SENT 3

static struct {
	struct pb_mcl *mcl;
	unsigned ifindex, other;
	uint8_t mac[6];
	struct pb_mc_service svc;
	struct pb_mc_ring ring;
	int tc, v6;
	uint8_t out[FRAME_MAX];
	uint32_t out_len;
	uint32_t retval;
	uint64_t hops; /* when they were forgotten */
	bool keep_hops;
	size_t hop_size;
} w;

static const uint8_t own_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t server_mac[6] = { 2, 0, 0, 0, 0, 0x11 };
static const uint8_t client_mac[6] = { 2, 0, 0, 0, 0, 0x22 };

static inline void sh(const char *cmd)
{
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

static inline struct pb_addr addr_of(int net, int host)
{
	struct pb_addr a6 = { .b = { 0xfd, 7, 0, (uint8_t)net, [15] = (uint8_t)host } };

	return w.v6 ? a6 : pb_addr_v4(htonl(0x0a070000u | (uint32_t)net << 8 | (uint32_t)host));
}

static inline void update(const char *map, const void *key, const void *value)
{
	int err = bpf_map_update_elem(pb_mcl_map_fd(w.mcl, map), key, value, BPF_ANY);

	cr_assert_eq(err, 0, "%s: %d", map, err);
}

static inline void world_service(uint32_t flags)
{
	uint32_t zero = 0;

	w.svc.flags = flags;
	update("pb_mc_services", &zero, &w.svc);
}

static inline void world_addresses(void)
{
	struct pb_mc_addr_key k = { .addr = w.svc.vip, .port = w.svc.port };
	struct pb_mc_addr a = { .role = PB_MC_ROLE_VIP };

	update("pb_mc_addrs", &k, &a);
	k.addr = w.svc.source;
	a.role = PB_MC_ROLE_SOURCE;
	for (uint16_t i = 0; i < PB_MC_PORTS; i++) {
		k.port = htons((uint16_t)(SOURCE_PORT + i));
		a.port = i;
		update("pb_mc_addrs", &k, &a);
	}
}

static inline void world_ring(void)
{
	static const __u64 secret[2] = { 1, 2 };
	static const char *const names[SERVERS] = { "a", "b", "c" };
	struct mcr_server s[SERVERS];

	for (uint32_t i = 0; i < SERVERS; i++) {
		struct pb_mc_backend b = { .addr = addr_of(1, 11 + (int)i),
					   .port = htons(11211),
					   .flags = PB_MC_B_UP };

		update("pb_mc_backends", &i, &b);
		s[i] = (struct mcr_server){ .host = names[i], .port = 11211, .weight = 1 };
	}
	cr_assert_eq(mcr_build_maglev(&w.ring, secret, s, SERVERS), 0);
	cr_assert_eq(pb_mcl_ring(w.mcl, 0, &w.ring), 0);
}

/* The same service with the other kind of addresses. */
static inline void world_family(int v6)
{
	w.v6 = v6;
	w.svc.vip = addr_of(0, 9);
	w.svc.source = addr_of(1, 1);
	world_service(w.svc.flags);
	world_addresses();
	world_ring();
}

static inline void world_devices(void)
{
	sh("ip link set lo up; ip link add d0 type veth peer name d1; ip link set d0 address 02:00:00:00:00:01; ip link set d0 up; "
	   "ip link set d1 up; ip addr add 10.7.1.1/24 dev d0; "
	   "ip addr add fd07:0:100::1/64 dev d0 nodad 2>/dev/null; "
	   "ip addr add fd07:1::1/64 dev d0 nodad; ip link add e0 type veth peer name e1; "
	   "ip link set e0 address 02:00:00:00:00:01; ip link set e0 up; "
	   "echo 1 > /proc/sys/net/ipv4/ip_forward; "
	   "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
	for (int i = 11; i < 14; i++) {
		char cmd[200];

		snprintf(cmd, sizeof(cmd),
			 "ip neigh add 10.7.1.%d lladdr 02:00:00:00:00:11 dev d0 nud permanent; "
			 "ip neigh add fd07:1::%x lladdr 02:00:00:00:00:11 dev d0 nud permanent",
			 i, i);
		sh(cmd);
	}
	w.ifindex = if_nametoindex("d0");
	w.other = if_nametoindex("e0");
	memcpy(w.mac, own_mac, 6);
}

/* Where the loader of the agent would have made its folders. */
static inline struct pb_mcl *world_open(void)
{
	struct pb_mcl_opts opts = { .bpffs = place.bpffs };
	struct pb_mcl *m = NULL;
	char dir[128];
	int err;

	snprintf(dir, sizeof(dir), "%s/patchbay", place.bpffs);
	mkdir(dir, 0710);
	snprintf(dir, sizeof(dir), "%s/patchbay/v1", place.bpffs);
	mkdir(dir, 0710);
	snprintf(dir, sizeof(dir), "%s/patchbay/links", place.bpffs);
	mkdir(dir, 0700);
	err = pb_mcl_open(&m, &opts);
	cr_assert_eq(err, 0, "pb_mcl_open: %s", strerror(-err));
	return m;
}

static inline size_t world_value_size(const char *map)
{
	struct bpf_map_info info = { .type = 0 };
	__u32 len = sizeof(info);

	cr_assert_eq(bpf_obj_get_info_by_fd(pb_mcl_map_fd(w.mcl, map), &info, &len), 0);
	return info.value_size;
}

static inline void world_init(void)
{
	struct pb_mc_all_rec all = { .all.life = PB_MC_LIFE_NS };
	uint32_t zero = 0;

	place_init();
	world_devices();
	w.mcl = world_open();
	/* XDP on both: only then has a device the queues that a test run names */
	cr_assert_eq(pb_mcl_attach(w.mcl, w.ifindex, PB_MCL_XDP), 0);
	cr_assert_eq(pb_mcl_attach(w.mcl, w.other, PB_MCL_XDP), 0);
	w.hop_size = (world_value_size("pb_mc_hops") + 7) & ~7u;
	update("pb_mc_alls", &zero, &all);
	w.svc = (struct pb_mc_service){ .flags = PB_MC_S_UP,
					.port = htons(11211),
					.source_port = htons(SOURCE_PORT),
					.key = { 5, 7 },
					.admit = 1,
					.max_age = 60000000000ULL,
					.name = "t" };
	world_family(0);
}

static inline void world_fini(void)
{
	pb_mcl_free(w.mcl);
	place_fini();
}

/* ---- runs -------------------------------------------------------------------------- */

static inline int said(void)
{
	if (w.tc)
		return w.retval == 7 ? SAID_SENT : w.retval == 2 ? SAID_DROP : SAID_PASS;
	return w.retval == 3 || w.retval == 4 ? SAID_SENT : w.retval == 1 ? SAID_DROP : SAID_PASS;
}

/* The ways to the servers are forgotten, or (@stale) were found too long ago. */
static inline void world_hops(bool stale)
{
	static uint64_t v[256][64 / 8]; /* of each CPU: until, fresh... */
	int map = pb_mcl_map_fd(w.mcl, "pb_mc_hops");

	for (uint32_t i = 0; i < SERVERS; i++) {
		cr_assert_eq(bpf_map_lookup_elem(map, &i, v), 0);
		for (size_t k = 0; k < sizeof(v) / 8; k++)
			(&v[0][0])[k] = stale && k % (w.hop_size / 8) > 1 ? (&v[0][0])[k] : 0;
		cr_assert_eq(bpf_map_update_elem(map, &i, v, BPF_ANY), 0);
	}
	w.hops = pb_now_ns();
}

/* Runs w.tc's program on @len bytes that came in by device @ifindex. */
static inline int run_bytes(const uint8_t *p, size_t len, unsigned ifindex)
{
	struct __sk_buff skb = { .ifindex = ifindex };
	struct xdp_md md = { .ingress_ifindex = ifindex, .data_end = (uint32_t)len };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = p, .data_size_in = (uint32_t)len,
		    .data_out = w.out, .data_size_out = sizeof(w.out), .repeat = 1);
	int fd = pb_mcl_prog_fd(w.mcl, w.tc ? "pb_mc_tc" : "pb_mc_xdp");

	o.ctx_in = w.tc ? (void *)&skb : (void *)&md;
	o.ctx_size_in = w.tc ? sizeof(skb) : sizeof(md);
	/* once a second tc has the kernel write the link header, which a test run does not do */
	if (pb_now_ns() - w.hops > 300000000ULL && !w.keep_hops)
		world_hops(false);
	cr_assert_eq(bpf_prog_test_run_opts(fd, &o), 0, "run of %zu bytes, tc %d: %m", len, w.tc);
	w.out_len = o.data_size_out;
	w.retval = o.retval;
	return said();
}

static inline int run(const struct frame *f)
{
	uint8_t p[FRAME_MAX];

	return run_bytes(p, frame_write(f, p), w.ifindex);
}

static inline struct frame request(const char *msg)
{
	struct frame f = { .saddr = addr_of(1, 77),
			   .daddr = w.svc.vip,
			   .sport = 40000,
			   .dport = 11211,
			   .ttl = 61,
			   .id = 0x4321,
			   .total = 1,
			   .msg = msg,
			   .len = strlen(msg) };

	memcpy(f.dmac, w.mac, 6);
	memcpy(f.smac, client_mac, 6);
	return f;
}

/* What came out; it must be whole, and its sums what a full computation gives. */
static inline struct frame result(void)
{
	struct frame f;
	const char *bad = frame_read(&f, w.out, w.out_len);

	cr_assert_null(bad, "%s", bad);
	return f;
}

/* The server's reply to the request that came out. */
static inline struct frame reply_to(const struct frame *req, const char *msg)
{
	struct frame f = { .saddr = req->daddr,
			   .daddr = req->saddr,
			   .sport = req->dport,
			   .dport = req->sport,
			   .ttl = 64,
			   .id = req->id,
			   .total = 1,
			   .msg = msg,
			   .len = strlen(msg) };

	memcpy(f.dmac, w.mac, 6);
	memcpy(f.smac, server_mac, 6);
	return f;
}

static inline uint64_t counter(enum pb_mc_counter c)
{
	uint64_t v[256], sum = 0;
	uint32_t at = c;

	cr_assert_eq(bpf_map_lookup_elem(pb_mcl_map_fd(w.mcl, "pb_mc_stats"), &at, v), 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += v[i];
	return sum;
}

#endif /* PB_TEST_MC_WORLD_H */
