/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Typed map access of the agent's resolver and heartbeat, and of readers by pin. */
#include <bpf/bpf.h>

#include <patchbay/addr.h>

#include "control/maps.h"
#include "private.h"

static struct pb_addr vip;
static struct pb_loader *loader;
static struct pb_maps *maps;

static void setup(void)
{
	vip = pb_addr_v4(htonl(0x0a090001));
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
	cr_assert(p.flags == (PB_PORT_DNS | PB_PORT_LOOP) && p.ep == 31,
		  "the kernel side finds the resolver by it");
	k.v6 = 0;
	p.flags = 0;
	cr_assert_eq(bpf_map_update_elem(fd, &k, &p, 0), 0);
	cr_assert_eq(pb_maps_clear_dns_ports(maps), 301);
	cr_assert_eq(bpf_map_lookup_elem(fd, &k, &p), 0, "a program's port stays");
	cr_assert_eq(pb_maps_clear_dns_ports(maps), 0);
}

Test(maps_agent, who_asks_is_found)
{
	struct pb_udp_key u = { .addr = vip, .port = htons(1000) };
	struct pb_flow_key f = { .laddr = vip, .raddr = vip, .lport = 1, .rport = 2 };
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

static int known(uint32_t index)
{
	struct pb_resolver r;

	cr_assert_eq(pb_maps_get_resolver(maps, index, &r), 0);
	return pb_maps_resolver_known(maps, index, &r);
}

Test(maps_agent, resolver_is_learnt_once_and_given_back)
{
	struct pb_addr second = pb_addr_v4(htonl(0x0a090002));
	struct pb_resolver r;

	cr_assert_eq(pb_maps_set_resolver_port(maps, 0, htons(4053)), 0);
	cr_assert_eq(pb_maps_learn_resolver(maps, &vip, htons(53)), 0);
	cr_assert_eq(pb_maps_learn_resolver(maps, &vip, htons(53)), 0);
	cr_assert_eq(pb_maps_learn_resolver(maps, &second, htons(53)), 0);
	cr_assert_eq(known(0), 1);
	cr_assert_eq(known(1), 1);
	cr_assert_eq(known(2), 0);
	cr_assert_eq(pb_maps_get_resolver(maps, 0, &r), 0);
	cr_assert(r.used && r.port == htons(53) && pb_addr_eq(&r.addr, &vip));
	cr_assert_eq(pb_maps_forget_resolver(maps, &r), 0);
	cr_assert_eq(known(0), 0);
	cr_assert_eq(pb_maps_learn_resolver(maps, &vip, htons(53)), 0);
	cr_assert_eq(known(2), 1, "a forgotten row is not taken before it is free");
	cr_assert_eq(known(0), 0);
	cr_assert_eq(pb_maps_free_resolver(maps, 0), 0);
	cr_assert_eq(pb_maps_get_resolver(maps, 0, &r), 0);
	cr_assert(!r.used && r.agent_port == htons(4053), "the agent's part stays");
	cr_assert_eq(pb_maps_free_resolver(maps, PB_RESOLVERS), -EINVAL);
}

Test(maps_agent, a_full_table_and_keys_that_lead_astray)
{
	struct pb_resolv_key stray = { .addr = vip, .port = htons(54) };
	struct pb_resolv_ref ref = { .index = 3 };

	for (uint32_t i = 0; i < PB_RESOLVERS; i++) {
		struct pb_addr a = pb_addr_v4(htonl(0x0a090001 + i));

		cr_assert_eq(pb_maps_learn_resolver(maps, &a, htons(53)), 0);
	}
	cr_assert_eq(pb_maps_learn_resolver(maps, &vip, htons(54)), -ENOSPC);
	cr_assert_eq(pb_maps_learn_resolver(maps, &vip, htons(53)), 0);
	cr_assert_eq(pb_maps_sweep_resolvers(maps), 0);
	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_resolv"), &stray, &ref, 0), 0);
	cr_assert_eq(pb_maps_free_resolver(maps, 5), 0);
	cr_assert_eq(pb_maps_sweep_resolvers(maps), 2, "another's row, and a row that is free");
	cr_assert_eq(pb_maps_sweep_resolvers(maps), 0);
	cr_assert_eq(known(3), 1);
	cr_assert_eq(known(5), 0);
	cr_assert_eq(pb_maps_learn_resolver(maps, &vip, htons(54)), 0);
	cr_assert_eq(known(5), 1);
}

Test(maps_agent, one_map_by_its_pin)
{
	struct pb_port_key k = { .port = htons(80), .proto = PB_PROTO_TCP };
	struct pb_port p = { .app = 7 };
	uint32_t zero = 0;
	struct pb_beat b;

	cr_assert_eq(pb_maps_put_dns_port(maps, k.port, k.proto, 0, 0), 0);
	cr_assert_eq(pb_pin_lookup(place.bpffs, "pb_ports", &k, &p), 0);
	cr_assert_eq(p.flags, PB_PORT_DNS | PB_PORT_LOOP);
	cr_assert_eq(pb_pin_lookup(place.bpffs, "pb_beat", &zero, &b), 0);
	k.v6 = 1;
	cr_assert_eq(pb_pin_lookup(place.bpffs, "pb_ports", &k, &p), -ENOENT);
	cr_assert_eq(pb_pin_lookup("/nowhere", "pb_ports", &k, &p), -ENOENT);
	cr_assert_eq(pb_pin_each(place.bpffs, "pb_ports", sizeof(k), sizeof(p) + 1, NULL, NULL),
		     -EPROTO);
}

Test(maps_agent, rules_of_services_that_are_not_kept_go)
{
	struct pb_spl_rule_key keep[] = { { .id = 7, .port = htons(7) },
					  { .id = 300, .port = htons(300) } };
	struct pb_spl_rule_key other = { .id = 8, .port = htons(8) };
	int fd = pb_maps_fd(maps, "pb_spl_rules");
	struct pb_spl_rule rule;

	cr_assert_eq(pb_maps_keep_spl_rules(maps, NULL, 0), 0);
	for (uint16_t i = 1; i <= 300; i++)
		cr_assert_eq(pb_maps_put_spl_rule(maps, i, htons(i), i == 7), 0);
	cr_assert_eq(pb_maps_keep_spl_rules(maps, keep, 2), 298);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(bpf_map_lookup_elem(fd, &keep[i], &rule), 0);
		cr_assert_eq(rule.on, keep[i].id == 7);
	}
	cr_assert_eq(bpf_map_lookup_elem(fd, &other, &rule), -ENOENT);
	cr_assert_eq(pb_maps_keep_spl_rules(maps, NULL, 0), 2);
}

Test(maps_agent, splices_are_switched_off_without_the_agent)
{
	struct pb_config c = { .flags = PB_CFG_GUARD | PB_CFG_SPLICE, .gen = 5, .mode = 2 };

	cr_assert_eq(pb_maps_set_config(maps, &c), 0);
	cr_assert_eq(pb_pin_splice_off("/nowhere"), -ENOENT);
	cr_assert_eq(pb_pin_splice_off(place.bpffs), 0);
	cr_assert_eq(pb_maps_get_config(maps, &c), 0);
	cr_assert_eq(c.flags, PB_CFG_GUARD);
	cr_assert_eq(c.gen, 6);
	cr_assert_eq(c.mode, 2);
	cr_assert_eq(pb_pin_splice_off(place.bpffs), 0);
	cr_assert_eq(pb_maps_get_config(maps, &c), 0);
	cr_assert_eq(c.gen, 6, "nothing to do, nothing written");
}
