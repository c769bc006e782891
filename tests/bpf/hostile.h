/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the hostile tests share: the real port behind a service, waiting reads, narrow port ranges. */
#ifndef PB_TEST_HOSTILE_H
#define PB_TEST_HOSTILE_H

#include "world.h"

/* The published endpoint of @s at @port; 0 real: none. */
static inline struct pb_endpoint endpoint_of(const struct pb_addr *vip, int port, int proto)
{
	struct pb_svc_key k = { .addr = *vip, .port = htons(port), .proto = proto };
	struct pb_endpoint ep = { 0 };
	struct pb_service svc;

	if (pb_maps_get_service(maps, &k, &svc) || !svc.live[0])
		return ep;
	cr_assert(!pb_maps_get_endpoint(maps, svc.slot[__builtin_ctzll(svc.live[0])], &ep));
	return ep;
}

static inline int real_of(const struct pb_addr *vip, int port, int proto)
{
	int real = ntohs(endpoint_of(vip, port, proto).real);

	cr_assert(real, "nothing is published at port %d", port);
	return real;
}

static inline bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* The next datagram's sender, "nothing" if none comes. */
static inline const char *sender_at(int fd, struct any_addr *ret)
{
	struct any_addr from = { .len = sizeof(struct sockaddr_in6) };
	char buf[64];

	if (!readable(fd, 2000))
		return "nothing";
	if (recvfrom(fd, buf, sizeof(buf), 0, &from.sa, &from.len) < 0)
		return strerror(errno);
	if (ret)
		*ret = from;
	return show(&from);
}

static inline int send_to(int fd, int family, const char *ip, int port)
{
	struct any_addr to = sa_of(family, ip, port);

	return sendto(fd, "x", 1, 0, &to.sa, to.len) == 1 ? 0 : -errno;
}

static inline void set_int(int fd, int level, int name, int on)
{
	cr_assert(!setsockopt(fd, level, name, &on, sizeof(on)), "setsockopt %d: %m", name);
}

/* A sysctl of this network namespace. */
static inline void sysctl_set(const char *path, const char *value)
{
	char file[128];
	FILE *f;

	snprintf(file, sizeof(file), "/proc/sys/net/%s", path);
	f = fopen(file, "we");
	cr_assert_not_null(f, "%s: %m", file);
	fprintf(f, "%s\n", value);
	cr_assert(!fclose(f), "%s: %m", file);
}

static inline uint32_t used_in(const char *map)
{
	uint32_t used = 0, max;

	cr_assert(!pb_maps_usage(maps, map, &used, &max), "%s", map);
	return used;
}

#endif /* PB_TEST_HOSTILE_H */
