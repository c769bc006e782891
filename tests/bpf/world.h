/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel programs with records put in by hand: no agent, no registry.
 * A test makes scopes and runs functions inside them.
 */
#ifndef PB_TEST_WORLD_H
#define PB_TEST_WORLD_H

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <patchbay/addr.h>

#include "control/maps.h"
#include "private.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

struct scope {
	uint64_t ref;
	char path[352];
	struct pb_app app;
};

static struct pb_loader *loader;
static struct pb_maps *maps;
static unsigned scopes;

static inline void lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert(!ioctl(fd, SIOCSIFFLAGS, &ifr), "lo up: %m");
	close(fd);
}

static inline struct pb_addr addr_of(const char *text)
{
	struct pb_addr a;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return pb_addr_v4(v4.s_addr);
	cr_assert(inet_pton(AF_INET6, text, &a) == 1, "%s", text);
	return a;
}

static inline void world_init(void)
{
	struct pb_config cfg = { .abi = PB_ABI_VERSION, .flags = PB_CFG_GUARD };
	struct pb_loader_report r = { 0 };
	socklen_t len = sizeof(cfg.netns);
	uint64_t id;
	int cg, ns, fd;

	place_init();
	lo_up();
	loader = must_open();
	cr_assert(!pb_maps_from_loader(&maps, loader));
	cr_assert(!pb_maps_init(maps));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert(!getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cfg.netns, &len));
	close(fd);
	cfg.pool4 = addr_of("10.9.0.0");
	cfg.pool4_bits = 96 + 16;
	cg = make_cgroup("", place.cgroup, sizeof(place.cgroup), &id);
	ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cr_assert(!pb_loader_attach_cgroup(loader, cg, id, true, &r));
	cr_assert(!pb_loader_attach_netns(loader, ns, &r));
	cr_assert(!pb_maps_set_config(maps, &cfg));
}

static inline void world_fini(void)
{
	unsigned removed;

	pb_maps_free(maps);
	pb_loader_free(loader);
	pb_loader_detach_all(place.bpffs, &removed);
	for (unsigned i = 0; i < scopes; i++) {
		char path[400];

		snprintf(path, sizeof(path), "%s/s%u", place.cgroup, i);
		rmdir(path);
	}
	place_fini();
}

static inline void put_app(const struct scope *s)
{
	struct pb_tags none = { 0 };

	cr_assert(!pb_maps_put_app(maps, s->ref, &s->app, &none));
}

/* A scope with a name, addresses (NULL: none) and groups (bits of word 0). */
static inline struct scope scope_new(const char *name, const char *v4, const char *v6, uint64_t grp)
{
	struct scope s = { 0 };
	struct pb_vip vip = { 0 };
	struct stat st;

	snprintf(s.path, sizeof(s.path), "%s/s%u", place.cgroup, scopes);
	cr_assert(!mkdir(s.path, 0755) && !stat(s.path, &st));
	s.ref = st.st_ino;
	snprintf(s.app.name, sizeof(s.app.name), "%s", name ? name : "~");
	s.app.ll4 = addr_of("169.254.1.1");
	s.app.ll4.w[3] = htonl(ntohl(s.app.ll4.w[3]) + scopes);
	s.app.ll6 = addr_of("fe80::1");
	s.app.ns = s.ref | 1ULL << 63;
	if (name)
		s.app.flags |= PB_APP_NAMED;
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
	s.app.grp[0] = grp;
	if (grp)
		s.app.flags |= PB_APP_TAGGED;
	put_app(&s);
	scopes++;
	return s;
}

/* Moves the calling process. */
static inline void join(const char *cgroup)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "we");
	cr_assert_not_null(f, "%s: %m", path);
	fprintf(f, "%d\n", getpid());
	cr_assert(!fclose(f), "%s: %m", path);
}

/* A socket made by a process of that scope, handed over: it keeps the identity. */
#define IN_SCOPE(scope, expr) \
	({ \
		__typeof__(expr) _r; \
		join((scope)->path); \
		_r = (expr); \
		join(place.root); \
		_r; \
	})

struct any_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

/* @family AF_INET6 with an IPv4 text gives the mapped form. */
static inline struct any_addr sa_of(int family, const char *text, int port)
{
	struct any_addr a = { 0 };
	struct pb_addr p = addr_of(text);

	if (family == AF_INET) {
		a.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		a.in.sin_addr.s_addr = p.w[3];
		a.len = sizeof(a.in);
		return a;
	}
	a.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	memcpy(&a.in6.sin6_addr, &p, sizeof(p));
	if (!strcmp(text, "0.0.0.0"))
		a.in6.sin6_addr = in6addr_any;
	a.len = sizeof(a.in6);
	return a;
}

static inline const char *show(const struct any_addr *a)
{
	static char buf[8][80];
	static unsigned i;
	char ip[64], *out = buf[i++ % 8];
	int v6 = a->sa.sa_family == AF_INET6;

	inet_ntop(a->sa.sa_family, v6 ? (void *)&a->in6.sin6_addr : (void *)&a->in.sin_addr, ip,
		  sizeof(ip));
	snprintf(out, 80, v6 ? "[%s]:%d" : "%s:%d", ip, ntohs(v6 ? a->in6.sin6_port : a->in.sin_port));
	return out;
}

static inline const char *peer_of(int fd)
{
	struct any_addr a = { .len = sizeof(a) - sizeof(a.len) };

	return getpeername(fd, &a.sa, &a.len) ? strerror(errno) : show(&a);
}

static inline const char *name_of(int fd)
{
	struct any_addr a = { .len = sizeof(a) - sizeof(a.len) };

	return getsockname(fd, &a.sa, &a.len) ? strerror(errno) : show(&a);
}

static inline int port_of(int fd)
{
	struct any_addr a = { .len = sizeof(a) - sizeof(a.len) };

	cr_assert(!getsockname(fd, &a.sa, &a.len));
	return ntohs(a.in.sin_port);
}

static inline int sock_in(const struct scope *s, int family, int type)
{
	int fd = s ? IN_SCOPE(s, socket(family, type, 0)) : socket(family, type, 0);

	cr_assert(fd >= 0, "socket: %m");
	return fd;
}

/* Bound (and listening) socket, or -errno. */
static inline int serve(const struct scope *s, int family, int type, const char *ip, int port)
{
	int fd = sock_in(s, family, type), err;
	struct any_addr a = sa_of(family, ip, port);

	if (bind(fd, &a.sa, a.len) || (type == SOCK_STREAM && listen(fd, 16))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* Connected socket, or -errno. */
static inline int dial(const struct scope *s, int family, int type, const char *ip, int port)
{
	int fd = sock_in(s, family, type), err;
	struct any_addr a = sa_of(family, ip, port);

	if (connect(fd, &a.sa, a.len)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static inline int taken(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	cr_assert(poll(&p, 1, 5000) == 1, "no connection came");
	return accept(listener, NULL, NULL);
}

#endif /* PB_TEST_WORLD_H */
