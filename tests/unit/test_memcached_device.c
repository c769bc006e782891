// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Judgements about devices: each thing that loses datagrams silently is named when it is there, and
 * only then.  tests/e2e/doctor_device.sh does the same on real devices. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/memcached/device.h"

static struct pb_mcd_facts dev, peer;
static struct pb_mcd_case c;
static struct pb_mcd_finding found[PB_MCD_FINDINGS_MAX];

/* A veth and a far end at which XDP loses nothing. */
static void begin(void)
{
	dev = (struct pb_mcd_facts){ .name = "sw0",
				     .driver = "veth",
				     .kind = "veth",
				     .mtu = 1500,
				     .up = true,
				     .ethernet = true,
				     .rx_queues = 1,
				     .tx_queues = 1,
				     .max_queues = 1,
				     .peer_netns = 0,
				     .can_native = PB_MCD_ON,
				     .can_redirect = PB_MCD_ON,
				     .tx_csum = PB_MCD_ON,
				     .gro = PB_MCD_OFF,
				     .threaded = PB_MCD_ON };
	peer = dev;
	snprintf(peer.name, sizeof(peer.name), "far0");
	peer.xdp_native = true;
	peer.tx_csum = PB_MCD_OFF;
	c = (struct pb_mcd_case){ .dev = &dev, .peer = &peer, .xdp = true, .cpus = 4 };
}

/* A network card. */
static void begin_card(void)
{
	begin();
	snprintf(dev.driver, sizeof(dev.driver), "ixgbe");
	dev.kind[0] = '\0';
	dev.peer_netns = PB_MCD_NO_PEER;
	dev.rx_queues = dev.max_queues = 8;
	dev.rx_ring = dev.max_rx_ring = 4096;
	c.peer = NULL;
}

/* The finding, or NULL; *ret_n of all but tso, which every veth under XDP has. */
static const struct pb_mcd_finding *judge(const char *id, size_t *ret_n)
{
	const struct pb_mcd_finding *hit = NULL;
	size_t n = pb_mcd_judge(&c, found);

	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		cr_expect_neq(found[i].todo[0], '\0', "%s: nothing to do", found[i].id);
		cr_expect(strchr(found[i].seen, '%') == NULL);
		*ret_n += strcmp(found[i].id, "tso") != 0;
		if (!strcmp(found[i].id, id))
			hit = &found[i];
	}
	return hit;
}

/* That one is found, and no other. */
static void expect_only(const char *id, enum pb_mcd_grade grade)
{
	size_t n;
	const struct pb_mcd_finding *f = judge(id, &n);

	cr_assert_not_null(f, "%s is not found", id);
	cr_expect_eq(f->grade, grade, "%s", id);
	cr_expect_eq(n, 1, "%s: %zu findings", id, n);
}

#define expect_none() \
	do { \
		size_t _n; \
		judge("", &_n); \
		cr_expect_eq(_n, 0, "found %s: %s", found[0].id, found[0].seen); \
	} while (0)

/* One fact changes, one thing is found. */
#define CASE(which, grade, change) \
	do { \
		begin(); \
		change; \
		expect_only(which, grade); \
	} while (0)
#define CARD(which, grade, change) \
	do { \
		begin_card(); \
		change; \
		expect_only(which, grade); \
	} while (0)

Test(memcached_device, nothing_wrong)
{
	size_t n;

	begin();
	expect_none();
	cr_expect_not_null(judge("tso", &n), "XDP on a veth takes TSO");
	c.xdp = false;
	peer.xdp_native = false;
	peer.tx_csum = PB_MCD_ON;
	dev.threaded = PB_MCD_OFF;
	expect_none();
	cr_expect_null(judge("tso", &n));
	begin_card();
	expect_none();
}

Test(memcached_device, of_the_device)
{
	CASE("down", PB_MCD_FAIL, dev.up = false);
	CASE("mtu-small", PB_MCD_WARN, (dev.mtu = 1427, peer.mtu = 1427));
	CASE("gro", PB_MCD_FAIL, dev.gro_list = PB_MCD_ON);
	CASE("gro", PB_MCD_FAIL, dev.udp_gro_fwd = PB_MCD_ON);
	CASE("lro", PB_MCD_WARN, dev.lro = PB_MCD_ON);
	CASE("rp-filter", PB_MCD_WARN, dev.rp_filter = 1);
	CASE("lost", PB_MCD_WARN, dev.xdp_lost = 1);
	begin();
	dev.rp_filter = 2;
	dev.mtu = peer.mtu = 1428;
	expect_none();
	c.vip = "fd09::9";
	expect_only("mtu-small", PB_MCD_WARN);
}

Test(memcached_device, of_the_other_end)
{
	size_t n;

	begin();
	peer.xdp_native = false;
	cr_expect_not_null(judge("peer-napi", &n));
	cr_expect_not_null(judge("peer-xdp", &n));
	cr_expect_eq(n, 2);
	CASE("peer-xdp", PB_MCD_FAIL, (peer.xdp_native = false, peer.gro = PB_MCD_ON));
	CASE("checksum", PB_MCD_WARN, peer.tx_csum = PB_MCD_ON);
	CASE("queues", PB_MCD_FAIL, peer.tx_queues = 2);
	CASE("mtu-peer", PB_MCD_FAIL, peer.mtu = 1499);
	CASE("mtu", PB_MCD_FAIL, dev.mtu = peer.mtu = 3501);
	CASE("threaded", PB_MCD_NOTE, dev.threaded = PB_MCD_OFF);
	CASE("peer", PB_MCD_WARN, c.peer = NULL);
	begin();
	c.peer = NULL;
	c.unseen = "nobody shows it";
	cr_expect(strstr(judge("peer", &n)->seen, c.unseen) != NULL);
}

Test(memcached_device, of_a_card)
{
	CARD("driver", PB_MCD_FAIL, dev.can_native = PB_MCD_OFF);
	CARD("driver", PB_MCD_FAIL, dev.can_redirect = PB_MCD_OFF);
	CARD("generic", PB_MCD_WARN, dev.xdp_generic = true);
	CARD("mtu", PB_MCD_FAIL, dev.mtu = 9000);
	CARD("rings", PB_MCD_WARN, dev.rx_ring = 512);
	CARD("queues", PB_MCD_WARN, dev.rx_queues = 2);
	begin_card();
	dev.mtu = 9000;
	dev.rx_ring = 64;
	dev.can_native = PB_MCD_OFF;
	c.xdp = false;
	expect_none();
	begin_card();
	dev.rx_ring = dev.max_rx_ring = 256; /* it has no more */
	expect_none();
}

Test(memcached_device, of_addresses)
{
	begin();
	c.vip = "10.9.0.9";
	c.vip_is_v4 = true;
	c.vip_here = c.vip_on_dev = PB_MCD_OFF;
	expect_only("vip", PB_MCD_FAIL);
	c.vip_here = PB_MCD_ON;
	expect_none();
	dev.arp_ignore = 1;
	expect_only("arp", PB_MCD_FAIL);
	c.vip_on_dev = PB_MCD_ON;
	expect_none();
	/* the servers' side counts only where they answer the clients */
	c.vip_at_peer = PB_MCD_OFF;
	expect_none();
	c.l2 = true;
	expect_only("lo-vip", PB_MCD_FAIL);
	c.vip_at_peer = PB_MCD_ON;
	expect_only("arp-server", PB_MCD_FAIL);
	peer.arp_ignore = 1;
	expect_none();
	peer.rp_filter = 1;
	expect_only("rp-filter-server", PB_MCD_FAIL);
	dev.peer_netns = PB_MCD_SAME_NETNS;
	expect_none();
}

Test(memcached_device, which_hook)
{
	char why[PB_MCD_WHY];

	begin();
	cr_expect_not(pb_mcd_choose(&dev, why));
	cr_expect(strstr(why, "TSO") != NULL);
	begin_card();
	cr_expect(pb_mcd_choose(&dev, why));
	cr_expect_str_eq(why, "ixgbe has native XDP with redirect");
	dev.can_by_name = true;
	cr_expect(pb_mcd_choose(&dev, why));
	cr_expect_str_eq(why, "ixgbe has native XDP with redirect (known by its name)");
	dev.mtu = 9000;
	cr_expect_not(pb_mcd_choose(&dev, why));
	cr_expect_str_eq(why, "an MTU of 9000 is too large for XDP");
	dev.can_redirect = PB_MCD_UNKNOWN;
	cr_expect_not(pb_mcd_choose(&dev, why));
	dev.can_native = PB_MCD_UNKNOWN;
	cr_expect_not(pb_mcd_choose(&dev, why));
	cr_expect_str_eq(why, "ixgbe has no native XDP");
	dev.ethernet = false;
	cr_expect_not(pb_mcd_choose(&dev, why));
}

/* All at once fits. */
Test(memcached_device, many_findings)
{
	begin();
	dev = (struct pb_mcd_facts){ .name = "fifteen-letters",
				     .kind = "veth",
				     .rp_filter = 1,
				     .arp_ignore = 2,
				     .xdp_generic = true,
				     .can_native = PB_MCD_OFF,
				     .lro = PB_MCD_ON,
				     .gro_list = PB_MCD_ON,
				     .threaded = PB_MCD_OFF,
				     .xdp_lost = ~0ULL,
				     .rx_ring = 1,
				     .max_rx_ring = 2,
				     .rx_queues = 1 };
	peer = (struct pb_mcd_facts){
		.mtu = 9000, .gro = PB_MCD_OFF, .tx_csum = PB_MCD_ON, .rp_filter = 1, .tx_queues = 9
	};
	c = (struct pb_mcd_case){ .dev = &dev,
				  .peer = &peer,
				  .xdp = true,
				  .l2 = true,
				  .vip = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
				  .vip_here = PB_MCD_OFF,
				  .vip_at_peer = PB_MCD_OFF,
				  .cpus = 64 };
	cr_expect_geq(pb_mcd_judge(&c, found), 18);
}
