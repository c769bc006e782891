/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Typed map access of the agent's resolver and heartbeat, and of readers by pin. */
#include <bpf/bpf.h>

#include <patchbay/addr.h>

#include "control/maps.h"
#include "private.h"

#define VIP pb_addr_v4(htonl(0x0a090001))

static struct pb_loader *loader;
static struct pb_maps *maps;

static void setup(void)
{
	place_init();
	loader = must_open();
	cr_assert_eq(pb_maps_from_loader(&maps, loader), 0);
}

static void teardown(void)
{
	pb_maps_free(maps);
	pb_loader_free(loader);
	place_fini();
}

TestSuite(maps_agent, .init = setup, .fini = teardown, .timeout = 60);

Test(maps_agent, dns_ports_are_cleared_and_no_others)
{
	struct pb_port_key k = { .port = htons(4053), .proto = PB_PROTO_UDP, .v6 = 1 };
	struct pb_port p = { .app = 7, .refs = 1 };
	int fd = pb_maps_fd(maps, "pb_ports");

	cr_assert_eq(pb_maps_clear_dns_ports(maps), 0);
	for (uint16_t port = 1; port <= 300; port++)
		cr_assert_eq(pb_maps_put_dns_port(maps, htons(port), PB_PROTO_TCP, 0, 5), 0);
	cr_assert_eq(pb_maps_put_dns_port(maps, k.port, k.proto, k.v6, 31), 0);
	cr_assert_eq(bpf_map_lookup_elem(fd, &k, &p), 0);
	cr_assert(p.flags == PB_PORT_DNS && p.ep == 31, "the kernel side finds the resolver by it");
	k.v6 = 0;
	p.flags = 0;
	cr_assert_eq(bpf_map_update_elem(fd, &k, &p, 0), 0);
	cr_assert_eq(pb_maps_clear_dns_ports(maps), 301);
	cr_assert_eq(bpf_map_lookup_elem(fd, &k, &p), 0, "a program's port stays");
	cr_assert_eq(pb_maps_clear_dns_ports(maps), 0);
}

Test(maps_agent, who_asks_is_found)
{
	struct pb_udp_key u = { .addr = VIP, .port = htons(1000) };
	struct pb_flow_key f = { .laddr = VIP, .raddr = VIP, .lport = 1, .rport = 2 };
	struct pb_udp_src src = { .app = 5 };
	struct pb_admit admit = { .app = 6 };

	cr_assert_eq(pb_maps_get_udp_src(maps, &u, &src), -ENOENT);
	cr_assert_eq(pb_maps_get_admit(maps, &f, &admit), -ENOENT);
	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_udp_src"), &u, &src, 0), 0);
	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_admit"), &f, &admit, 0), 0);
	src.app = admit.app = 0;
	cr_assert_eq(pb_maps_get_udp_src(maps, &u, &src), 0);
	cr_assert_eq(pb_maps_get_admit(maps, &f, &admit), 0);
	cr_assert(src.app == 5 && admit.app == 6);
}

Test(maps_agent, the_heartbeat_ends)
{
	struct pb_beat b;

	cr_assert_eq(pb_maps_beat(maps, 4711), 0);
	cr_assert_eq(pb_maps_get_beat(maps, &b), 0);
	cr_assert(b.pid == 4711 && b.time_ns);
	cr_assert_eq(pb_maps_rest(maps), 0);
	cr_assert_eq(pb_maps_get_beat(maps, &b), 0);
	cr_assert(!b.pid && !b.time_ns);
}

Test(maps_agent, one_map_by_its_pin)
{
	struct pb_port_key k = { .port = htons(80), .proto = PB_PROTO_TCP };
	struct pb_port p = { .app = 7 };
	uint32_t zero = 0;
	struct pb_beat b;

	cr_assert_eq(pb_maps_put_dns_port(maps, k.port, k.proto, 0, 0), 0);
	cr_assert_eq(pb_pin_lookup(place.bpffs, "pb_ports", &k, &p), 0);
	cr_assert_eq(p.flags, PB_PORT_DNS);
	cr_assert_eq(pb_pin_lookup(place.bpffs, "pb_beat", &zero, &b), 0);
	k.v6 = 1;
	cr_assert_eq(pb_pin_lookup(place.bpffs, "pb_ports", &k, &p), -ENOENT);
	cr_assert_eq(pb_pin_lookup("/nowhere", "pb_ports", &k, &p), -ENOENT);
	cr_assert_eq(pb_pin_each(place.bpffs, "pb_ports", sizeof(k), sizeof(p) + 1, NULL, NULL),
		     -EPROTO);
}
