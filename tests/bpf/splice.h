/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Two applications whose connections are spliced, and what their sockets' states are. */
#ifndef PB_TEST_SPLICE_H
#define PB_TEST_SPLICE_H

#include <bpf/bpf.h>

#include <patchbay/splice.h>

#include "world.h"

#define SPLICE_PORT 80

struct pair {
	int client, server;
};

static struct scope app_c, app_s;

static inline int map_fd(const char *name)
{
	int fd = pb_loader_map_fd(loader, name);

	cr_assert(fd >= 0, "%s", name);
	return fd;
}

static inline void set_splice_allowed(bool on)
{
	struct pb_config cfg;

	cr_assert(!pb_maps_get_config(maps, &cfg));
	cfg.flags = on ? cfg.flags | PB_CFG_SPLICE : cfg.flags & ~PB_CFG_SPLICE;
	cr_assert(!pb_maps_set_config(maps, &cfg));
}

static inline void splice_init(void)
{
	world_init();
	cr_assert(!pb_loader_attach_splice(loader, NULL));
	cr_assert(pb_loader_splice(loader));
	set_splice_allowed(true);
	app_s = scope_new("s", "10.9.0.1", "fd09::1", 1);
	app_c = scope_new("c", "10.9.0.2", "fd09::2", 1);
	app_s.app.id = 11;
	app_c.app.id = 12;
	app_s.app.flags |= PB_APP_SPLICE | PB_APP_SPLICE_ALL;
	app_c.app.flags |= PB_APP_SPLICE | PB_APP_SPLICE_ALL;
	put_app(&app_s);
	put_app(&app_c);
}

/* The storage of a socket; false: it has none. */
static inline bool state_of(int fd, struct pb_spl_sock *ret)
{
	return !bpf_map_lookup_elem(map_fd("pb_spl_socks"), &fd, ret);
}

static inline uint32_t reason_of(int fd)
{
	struct pb_spl_sock s;

	return state_of(fd, &s) ? s.reason : PB_R_NONE;
}

static inline uint64_t count_of(uint32_t reason)
{
	uint64_t values[256] = { 0 }, sum = 0;

	cr_assert(!bpf_map_lookup_elem(map_fd("pb_stats"), &reason, values));
	for (unsigned i = 0; i < 256; i++)
		sum += values[i];
	return sum;
}

static inline struct pair pair_via(int listener, int family, const char *ip)
{
	struct pair p = { .client = dial(&app_c, family, SOCK_STREAM, ip, SPLICE_PORT) };

	cr_assert(p.client >= 0, "connect: %s", strerror(-p.client));
	p.server = taken(listener);
	cr_assert(p.server >= 0);
	return p;
}

static inline struct pair pair_new(void)
{
	int l = serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT);
	struct pair p;

	cr_assert(l >= 0, "listen: %s", strerror(-l));
	p = pair_via(l, AF_INET, "10.9.0.1");
	close(l);
	return p;
}

static inline void pair_close(struct pair *p)
{
	close(p->client);
	close(p->server);
}

/* Reads all @n bytes, within a generous deadline. */
static inline void must_read(int fd, char *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t r;

		cr_assert(poll(&p, 1, 10000) == 1, "after %zu of %zu bytes nothing more comes", got,
			  n);
		r = read(fd, buf + got, n - got);
		cr_assert(r > 0, "read after %zu of %zu: %zd %m", got, n, r);
		got += (size_t)r;
	}
}

static inline void must_send(int fd, const char *text)
{
	cr_assert(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text), "send: %m");
}

static inline void must_get(int fd, const char *text)
{
	char buf[256] = { 0 };

	must_read(fd, buf, strlen(text));
	cr_assert(!strcmp(buf, text), "got '%s', not '%s'", buf, text);
}

/* One request and its answer. */
static inline void exchange(const struct pair *p)
{
	must_send(p->client, "question");
	must_get(p->server, "question");
	must_send(p->server, "answer");
	must_get(p->client, "answer");
}

static inline void expect_state(int fd, uint32_t state, uint32_t reason)
{
	struct pb_spl_sock s;

	cr_assert(state_of(fd, &s), "no storage");
	cr_assert(s.state == state && s.reason == reason, "state %u reason %u, not %u and %u",
		  s.state, s.reason, state, reason);
}

/* Its sends go by TCP; the socket may be a plain one again already. */
static inline void expect_tcp(int fd, uint32_t reason)
{
	struct pb_spl_sock s;

	cr_assert(state_of(fd, &s), "no storage");
	cr_assert((s.state == PB_SPL_TCP || s.state == PB_SPL_LEFT) && s.reason == reason,
		  "state %u reason %u, not TCP and %u", s.state, s.reason, reason);
}

static inline void expect_spliced(const struct pair *p)
{
	expect_state(p->client, PB_SPL_OPEN, PB_R_SPLICED);
	expect_state(p->server, PB_SPL_OPEN, PB_R_SPLICED);
}

#endif /* PB_TEST_SPLICE_H */
