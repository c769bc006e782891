// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The slow path alone, without the kernel's half:
 *	mc_proxy ADDRESS:PORT SERVER:PORT...
 * Says "listening", and at SIGTERM how many token steps of each kind were taken, and its counters.
 * SIGUSR1: the ring gets another table.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/memcached/proxy_udp.h"
#include "control/memcached/ring.h"
#include "control/util.h"

static uv_loop_t loop;
static struct pb_mcp *proxy;
static struct pb_mcp_conf conf;
static struct pb_mc_service service = { .key = { 1, 2 } };
static struct pb_mc_ring rings[2];
static struct pb_mc_backend backends[PB_MC_SERVERS_MAX];
static struct mcr_server servers[PB_MC_SERVERS_MAX];
static unsigned n_servers, table;
static uint64_t steps[PB_MC_DO_FLUSH_AT + 1];
static uv_signal_t term, usr1;

static bool read_addr(char *text, struct pb_addr *addr, __be16 *port)
{
	char *colon = strrchr(text, ':');
	struct in_addr v4;

	if (!colon)
		return false;
	*colon = 0;
	*port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, text, &v4) == 1) {
		*addr = pb_addr_v4(v4.s_addr);
		return true;
	}
	return inet_pton(AF_INET6, text, addr) == 1;
}

static int token(void *arg, const struct pb_mc_cmd *cmd)
{
	(void)arg;
	/* what is mute and wrong has no tag, and no end */
	steps[cmd->what] += cmd->tag || cmd->what == PB_MC_DO_FLUSH_AT;
	return 0;
}

static int make_table(unsigned epoch)
{
	__u64 key[2] = { 3 + epoch, 4 };
	int err = mcr_build_maglev(&rings[epoch % 2], key, servers, n_servers);

	conf.ring = &rings[epoch % 2];
	return err;
}

static void on_term(uv_signal_t *s, int number)
{
	struct pxy_stats st;

	(void)number;
	pb_mcp_stats(proxy, &st);
	for (unsigned i = 0; i <= PB_MC_DO_FLUSH_AT; i++)
		printf("step %u %" PRIu64 "\n", i, steps[i]);
#define PB_X(field, help) printf("%s %" PRIu64 "\n", #field, st.field);
	PXY_COUNTERS(PB_X)
#undef PB_X
	pb_mcp_stop(proxy);
	uv_close((uv_handle_t *)s, NULL);
	uv_close((uv_handle_t *)&usr1, NULL);
}

static void on_usr1(uv_signal_t *s, int number)
{
	(void)s;
	(void)number;
	if (make_table(++table) || pb_mcp_update(proxy, &conf))
		abort();
	printf("table %u\n", table);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int err;

	if (argc < 3 || argc - 2 > (int)PB_MC_SERVERS_MAX ||
	    !read_addr(argv[1], &service.vip, &service.port))
		return 2;
	service.source = pb_addr_is_v4(&service.vip) ? pb_addr_v4(0) : (struct pb_addr){ 0 };
	n_servers = (unsigned)argc - 2;
	for (unsigned i = 0; i < n_servers; i++) {
		if (!read_addr(argv[i + 2], &backends[i].addr, &backends[i].port))
			return 2;
		backends[i].flags = PB_MC_B_UP;
		servers[i] = (struct mcr_server){ .host = argv[i + 2],
						  .port = ntohs(backends[i].port),
						  .weight = 1 };
	}
	conf = (struct pb_mcp_conf){
		.svc = &service, .backends = backends, .n = n_servers, .token = token
	};
	uv_loop_init(&loop);
	err = make_table(0);
	if (!err)
		err = pb_mcp_start(&proxy, &loop, &conf);
	if (err)
		return fprintf(stderr, "cannot start: %s\n", strerror(-err)), 1;
	uv_signal_init(&loop, &term);
	uv_signal_init(&loop, &usr1);
	uv_signal_start(&term, on_term, SIGTERM);
	uv_signal_start(&usr1, on_usr1, SIGUSR1);
	printf("listening\n");
	fflush(stdout);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) ? 1 : 0;
}
