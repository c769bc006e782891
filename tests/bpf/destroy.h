/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that hang on an endpoint that is gone: found, destroyed, and no others.  Which endpoint a
 * socket went to is written into its storage by hand; the agent is a loop with what destroy.c needs.
 */
#ifndef PB_TEST_DESTROY_H
#define PB_TEST_DESTROY_H

#include <linux/bpf.h>
#include <bpf/bpf.h>

#include <patchbay/peer.h>

#include "control/agent/agent.h"
#include "control/agent/destroy.h"
#include "control/agent/destroy_list.h"
#include "world.h"

#define EP (PB_EP_REMOTE | 7)
#define GEN 3

static struct pb_agent agent = { .helper = { .fd = -1 } };
static struct scope web;
static char helper[PATH_MAX + 32];

static inline void up(void)
{
	char exe[PATH_MAX] = "";
	int cg;

	world_init();
	web = scope_new("web", "10.9.0.1", NULL, 1);
	agent.loader = loader;
	agent.maps = maps;
	cr_assert(!pb_maps_get_config(maps, &agent.kernel));
	cr_assert(!uv_loop_init(&agent.loop));
	/* BUILD/tests/bpf/test_destroy */
	cr_assert(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	for (int i = 0; i < 3; i++)
		*strrchr(exe, '/') = '\0';
	snprintf(helper, sizeof(helper), "%s/patchbay-helper", exe);
	cg = open(place.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert(!pb_privsep_start(&agent.helper, helper, place.cgroup, cg), "%s: %m", helper);
	close(cg);
	cr_assert(!pb_destroy_start(&agent));
}

static inline void down(void)
{
	pb_destroy_stop(&agent);
	uv_run(&agent.loop, UV_RUN_DEFAULT);
	uv_loop_close(&agent.loop);
	pb_privsep_stop(&agent.helper);
	world_fini();
}

static inline struct pb_sock storage_of(int fd)
{
	struct pb_sock s;

	cr_assert(!bpf_map_lookup_elem(pb_loader_map_fd(loader, "pb_socks"), &fd, &s), "%m");
	return s;
}

/* As if connect() had gone to that endpoint. */
static inline void hang(int fd, uint32_t ep, uint32_t gen)
{
	struct pb_sock s = storage_of(fd);

	s.flags |= PB_SK_INSIDE;
	s.dest = ep;
	s.dest_gen = gen;
	cr_assert(!bpf_map_update_elem(pb_loader_map_fd(loader, "pb_socks"), &fd, &s, BPF_EXIST),
		  "%m");
}

/* Runs the loop until both rounds are over, or only the first ones. */
static inline void settle(bool late)
{
	uint64_t end = pb_now_ns() + DEADLINE_NS;

	while (uv_run(&agent.loop, late ? UV_RUN_ONCE : UV_RUN_NOWAIT))
		if (pb_now_ns() > end || (!late && uv_backend_timeout(&agent.loop) > 1))
			break;
	cr_assert(pb_now_ns() < end, "the rounds do not end");
}

static inline void gone(uint32_t ep, uint32_t gen, enum pb_gone_what what)
{
	struct pb_gone g = { .ep = ep, .gen = gen, .what = what };

	cr_assert(!pb_destroy_for(&agent, &g, 1));
	settle(false);
}

static inline uint64_t counted(void)
{
	uint64_t stats[_PB_R_MAX];

	cr_assert(!pb_maps_stats(maps, stats));
	return stats[PB_R_DESTROYED];
}

/* What a recv() says now; 0: nothing to say. */
static inline int error_of(int fd)
{
	char c;

	if (recv(fd, &c, 1, MSG_DONTWAIT) >= 0)
		return -1;
	return errno == EAGAIN ? 0 : errno;
}

static const struct how {
	int family, type;
	const char *ip;
} hows[] = {
	{ AF_INET, SOCK_STREAM, "127.0.0.1" },	{ AF_INET6, SOCK_STREAM, "::1" },
	{ AF_INET6, SOCK_STREAM, "127.0.0.1" }, { AF_INET, SOCK_DGRAM, "127.0.0.1" },
	{ AF_INET6, SOCK_DGRAM, "::1" },	{ AF_INET6, SOCK_DGRAM, "127.0.0.1" },
};

/* An unmanaged server, and a managed client that is connected to it. */
static inline int client_of(const struct how *h, int *ret_server)
{
	bool v6 = strchr(h->ip, ':');
	int fd;

	*ret_server = serve(NULL, v6 ? AF_INET6 : AF_INET, h->type, h->ip, 0);
	cr_assert(*ret_server >= 0);
	fd = dial(&web, h->family, h->type, h->ip, port_of(*ret_server));
	cr_assert(fd >= 0, "%s", strerror(-fd));
	return fd;
}

#endif /* PB_TEST_DESTROY_H */
