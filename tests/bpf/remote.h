/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Another host: a second network namespace, joined by a veth pair.  What the agent would know of it
 * is written into the maps by hand; its servers are plain programs, which see SYNs as they come.
 *
 *   here   192.0.2.1  2001:db8::1
 *   there  192.0.2.2  2001:db8::2   and .3, ::3, as if they were two nodes
 */
#ifndef PB_TEST_REMOTE_H
#define PB_TEST_REMOTE_H

#include <stdarg.h>

#include <patchbay/peer.h>
#include <patchbay/syn.h>

#include "hostile.h"

#define THERE4 "192.0.2.2"
#define THERE6 "2001:db8::2"
#define KIND_AT 20 /* options begin behind the fixed TCP header */

static int ns_here, ns_there;

static inline void sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	cr_assert(!system(cmd), "%s", cmd);
}

/* @expr is run over there. */
#define THERE(expr) \
	({ \
		__typeof__(expr) _there; \
		cr_assert(!setns(ns_there, CLONE_NEWNET), "setns: %m"); \
		_there = (expr); \
		cr_assert(!setns(ns_here, CLONE_NEWNET), "setns: %m"); \
		_there; \
	})

static inline int sh_there(const char *cmd)
{
	return THERE(system(cmd));
}

static inline void config_flags(uint32_t set, uint32_t clear)
{
	struct pb_config cfg;

	cr_assert(!pb_maps_get_config(maps, &cfg));
	cfg.flags = (cfg.flags & ~clear) | set;
	cr_assert(!pb_maps_set_config(maps, &cfg));
}

static inline struct pb_peer peer_key(uint64_t node)
{
	return (struct pb_peer){ .node = node, .out = { node * 0x1111, node * 0x2222 } };
}

static inline void peer_put(const char *loc, uint64_t node)
{
	struct pb_addr a = addr_of(loc);
	struct pb_peer p = peer_key(node);

	cr_assert(!pb_maps_put_peer(maps, &a, &p));
}

static inline void remote_init(void)
{
	world_init();
	ns_here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cr_assert(!unshare(CLONE_NEWNET));
	ns_there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	lo_up();
	cr_assert(!setns(ns_here, CLONE_NEWNET));
	sh("ip link add va type veth peer name vb netns /proc/%d/fd/%d", getpid(), ns_there);
	sh("ip link set va up && ip addr add 192.0.2.1/24 dev va && "
	   "ip addr add 2001:db8::1/64 dev va nodad");
	cr_assert(!sh_there("ip link set vb up && ip addr add 192.0.2.2/24 dev vb && "
			    "ip addr add 192.0.2.3/24 dev vb && "
			    "ip addr add 2001:db8::2/64 dev vb nodad && "
			    "ip addr add 2001:db8::3/64 dev vb nodad"));
	config_flags(PB_CFG_PEERS, 0);
	peer_put("192.0.2.2", 2);
	peer_put("2001:db8::2", 2);
	peer_put("192.0.2.3", 3);
	peer_put("2001:db8::3", 3);
}

/* ---- records of the other host -------------------------------------------- */

/* An application over there; @v4 and @v6 as for scope_new(). */
static inline struct scope far_app(const char *name, uint64_t ref, const char *v4, const char *v6,
				   uint64_t grp)
{
	struct scope s = { .ref = ref | PB_REF_REMOTE };
	struct pb_vip vip = { 0 };

	snprintf(s.app.name, sizeof(s.app.name), "%s", name);
	s.app.id = ref * 0x0101010101010101ULL;
	s.app.flags = PB_APP_NAMED | PB_APP_TAGGED;
	s.app.grp[0] = grp;
	if (v4) {
		s.app.vip4 = addr_of(v4);
		s.app.ns = vip.ns = ntohl(s.app.vip4.w[3]);
		cr_assert(!pb_maps_put_addr(maps, &s.app.vip4, &vip));
	}
	if (v6) {
		s.app.vip6 = addr_of(v6);
		s.app.ns = vip.ns = v4 ? s.app.ns : ntohl(s.app.vip6.w[3]);
		cr_assert(!pb_maps_put_addr(maps, &s.app.vip6, &vip));
	}
	put_app(&s);
	return s;
}

static inline struct pb_endpoint far_ep(const struct scope *s, const char *loc4, const char *loc6,
					int port, int real)
{
	struct pb_endpoint ep = { .app = s->ref,
				  .ns = s->app.ns,
				  .port = htons(port),
				  .real = htons(real),
				  .proto = IPPROTO_TCP,
				  .cls = PB_CLS_V4 | PB_CLS_V6,
				  .weight = 100,
				  .sockets = 1,
				  .state = PB_EP_UP,
				  .vip4 = s->app.vip4,
				  .vip6 = s->app.vip6 };

	if (loc4)
		ep.loc4 = addr_of(loc4);
	if (loc6)
		ep.loc6 = addr_of(loc6);
	return ep;
}

static inline void far_put(uint32_t index, const struct pb_endpoint *ep)
{
	int err = pb_maps_put_remote(maps, index, ep);

	cr_assert(!err, "endpoint %u: %s", index, strerror(-err));
}

static inline void far_set(uint32_t index, uint8_t state, uint32_t hints)
{
	struct pb_endpoint ep;

	cr_assert(!pb_maps_get_remote(maps, index, &ep));
	ep.state = state;
	ep.hints = hints;
	cr_assert(!pb_maps_set_remote(maps, index, &ep));
}

/* The service @ip:@port (loopback: of application @ns) is entries @index[0..n). */
static inline void far_service_of(const char *ip, uint64_t ns, int port, int proto, unsigned n,
				  const uint32_t *index)
{
	struct pb_svc_key k = {
		.addr = addr_of(ip), .ns = ns, .port = htons(port), .proto = proto
	};
	struct pb_rservice svc = { .n = n };

	memcpy(svc.index, index, n * sizeof(*index));
	cr_assert(!pb_maps_put_rservice(maps, &k, &svc));
}

#define far_service(ip, port, ...) \
	({ \
		const uint32_t _index[] = { __VA_ARGS__ }; \
		far_service_of(ip, 0, port, IPPROTO_TCP, sizeof(_index) / sizeof(_index[0]), \
			       _index); \
	})

static inline struct pb_endpoint far_get(uint32_t index)
{
	struct pb_endpoint ep;

	cr_assert(!pb_maps_get_remote(maps, index, &ep));
	return ep;
}

static inline struct pb_eject eject_of(uint32_t index)
{
	struct pb_eject e;

	cr_assert(!pb_maps_get_eject(maps, index, &e));
	return e;
}

static inline uint64_t stat_of(uint32_t reason)
{
	uint64_t n[_PB_R_MAX];

	cr_assert(!pb_maps_stats(maps, n));
	return n[reason];
}

/* ---- servers over there --------------------------------------------------- */

/* A plain listener over there, which keeps the SYNs. */
static inline int listen_there(int family, const char *ip, int port)
{
	int fd = THERE(serve(NULL, family, SOCK_STREAM, ip, port));

	cr_assert(fd >= 0, "%s", strerror(-fd));
	set_int(fd, IPPROTO_TCP, TCP_SAVE_SYN, 1);
	return fd;
}

struct syn_seen {
	struct pb_syn syn;
	__u64 mac;
	unsigned options; /* how many are ours */
	bool is_syn;	  /* and not SYN-ACK */
	unsigned payload;
};

/* The packet, from its IP header on. */
static inline struct syn_seen parse_tcp(const uint8_t *p, unsigned len)
{
	struct syn_seen s = { 0 };
	unsigned v6 = p[0] >> 4 == 6, off = v6 ? 40 : (p[0] & 15) * 4, end;
	const uint8_t *th = p + off;

	if (v6) {
		memcpy(&s.syn.saddr, p + 8, 16);
		memcpy(&s.syn.daddr, p + 24, 16);
	} else {
		memcpy(&s.syn.saddr.w[3], p + 12, 4);
		memcpy(&s.syn.daddr.w[3], p + 16, 4);
		s.syn.saddr.w[2] = s.syn.daddr.w[2] = PB_V4MAP_W2;
		if (len > (unsigned)(p[2] << 8 | p[3]))
			len = p[2] << 8 | p[3];
	}
	memcpy(&s.syn.sport, th, 2);
	memcpy(&s.syn.dport, th + 2, 2);
	memcpy(&s.syn.isn, th + 4, 4);
	s.syn.isn = ntohl(s.syn.isn);
	s.is_syn = (th[13] & 0x12) == 2;
	end = (th[12] >> 4) * 4;
	s.payload = len > off + end ? len - off - end : 0;
	for (unsigned at = KIND_AT; at < end && th[at];) {
		if (th[at] == 1) {
			at++;
			continue;
		}
		if (th[at] == PB_SYN_KIND && at + PB_SYN_LEN <= end &&
		    pb_syn_read((const void *)(th + at), &s.syn, &s.mac))
			s.options++;
		at += th[at + 1] ? th[at + 1] : 1;
	}
	return s;
}

/* What the SYN of accepted connection @fd said. */
static inline struct syn_seen syn_of(int fd)
{
	uint8_t buf[256];
	socklen_t len = sizeof(buf);

	cr_assert(!getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, buf, &len), "saved SYN: %m");
	cr_assert(len >= 40);
	return parse_tcp(buf, len);
}

/* It is @app's, by the key for @node. */
static inline void check_syn(const struct syn_seen *s, const struct scope *app, uint64_t node,
			     uint32_t flags)
{
	struct pb_peer p = peer_key(node);

	cr_assert_eq(s->options, 1, "%u options", s->options);
	cr_assert_eq(s->syn.id, app->app.id);
	cr_assert_eq(s->syn.flags, flags);
	cr_assert_eq(s->mac, pb_syn_mac(p.out, &s->syn));
}

/* ---- a client and two servers --------------------------------------------- */

static inline struct scope client_new(const char *name, const char *v4, const char *v6)
{
	struct scope c = scope_new(name, v4, v6, 1);

	c.app.id = 0x1122334455667788ULL + c.ref;
	put_app(&c);
	return c;
}

/* Endpoint 1: application w over there, port 80, at real port 5080. */
static inline struct scope web_there(void)
{
	struct scope w = far_app("w", 7, "10.9.0.1", "fd09::1", 1);
	struct pb_endpoint ep = far_ep(&w, THERE4, THERE6, 80, 5080);

	far_put(1, &ep);
	far_service("10.9.0.1", 80, 1);
	far_service("fd09::1", 80, 1);
	return w;
}

/* Endpoints 1 and 2, on two nodes. */
static inline struct scope pair_there(int *l1, int *l2)
{
	struct scope w = far_app("w", 7, "10.9.0.1", NULL, 1);
	struct pb_endpoint a = far_ep(&w, "192.0.2.2", NULL, 80, 5080),
			   b = far_ep(&w, "192.0.2.3", NULL, 80, 5081);

	*l1 = listen_there(AF_INET, "192.0.2.2", 5080);
	*l2 = listen_there(AF_INET, "192.0.2.3", 5081);
	far_put(1, &a);
	far_put(2, &b);
	far_service("10.9.0.1", 80, 1, 2);
	return w;
}

/* The listener that the connection came to: 1 or 2; both are accepted from. */
static inline int which(int l1, int l2)
{
	struct pollfd p[2] = { { .fd = l1, .events = POLLIN }, { .fd = l2, .events = POLLIN } };

	cr_assert(poll(p, 2, 5000) == 1, "no connection came, or two");
	close(accept(p[0].revents ? l1 : l2, NULL, NULL));
	return p[0].revents ? 1 : 2;
}

/* Connects @n times and says how many of them listener @l1 got. */
static inline unsigned share_of(const struct scope *c, int l1, int l2, unsigned n)
{
	unsigned got = 0;

	for (unsigned i = 0; i < n; i++) {
		int fd = dial(c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);

		cr_assert(fd >= 0, "%u: %s", i, strerror(-fd));
		got += which(l1, l2) == 1;
		close(fd);
	}
	return got;
}

/* 0, or why it failed. */
static inline int attempt(const struct scope *c, const char *ip, int port)
{
	int fd = dial(c, AF_INET, SOCK_STREAM, ip, port);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* A connect() under way. */
static inline int begin(const struct scope *c, const char *ip, int port)
{
	struct any_addr to = sa_of(AF_INET, ip, port);
	int fd = IN_SCOPE(c, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));

	cr_assert(fd >= 0);
	cr_assert(connect(fd, &to.sa, to.len) && errno == EINPROGRESS, "%m");
	return fd;
}

#endif /* PB_TEST_REMOTE_H */
