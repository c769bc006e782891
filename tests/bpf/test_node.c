/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* pb_node: written by the agent, never read half-written. */
#include <pthread.h>
#include <stdatomic.h>

#include <bpf/bpf.h>

#include <patchbay/addr.h>

#include "control/maps.h"
#include "private.h"

#define TURNS 100000

static struct pb_loader *loader;
static struct pb_maps *maps;
static const struct pb_addr none;

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

TestSuite(node, .init = setup, .fini = teardown, .timeout = 60);

static struct pb_addr v6(uint32_t word)
{
	struct pb_addr a = { .w = { word, word, word, word } };

	return a;
}

Test(node, is_written_and_taken_back)
{
	struct pb_addr a4 = pb_addr_v4(htonl(0xc0000201)), a6 = v6(1);
	struct pb_node n;
	uint32_t zero = 0;

	cr_assert_eq(pb_maps_get_node(maps, &n), 0);
	cr_assert(pb_addr_is_zero(&n.addr4) && pb_addr_is_zero(&n.addr6) && !n.gen);
	cr_assert_eq(pb_maps_set_node(maps, &a4, &a6), 0);
	cr_assert_eq(pb_maps_get_node(maps, &n), 0);
	cr_assert(pb_addr_eq(&n.addr4, &a4) && pb_addr_eq(&n.addr6, &a6) && n.gen == 2);
	/* An agent that died in the middle left it odd: the next one's write makes it valid. */
	n.gen++;
	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_node"), &zero, &n, 0), 0);
	cr_assert_eq(pb_maps_set_node(maps, &none, &a6), 0);
	cr_assert_eq(pb_maps_get_node(maps, &n), 0);
	cr_assert(pb_addr_is_zero(&n.addr4) && pb_addr_eq(&n.addr6, &a6) && n.gen == 4);
}

static atomic_bool over;

static void *change(void *arg)
{
	const struct pb_addr a = v6(0x11111111), b = v6(0x22222222);
	int *err = arg;

	for (int i = 0; !*err && i < TURNS; i++)
		*err = pb_maps_set_node(maps, &none, i % 2 ? &a : &b);
	atomic_store(&over, true);
	return NULL;
}

/* A reader as pb_node_addr() in bpf/lib/service.bpf.h: gen before and after.  User space reads the
 * map by copies, so both reads of gen are copies of their own. */
Test(node, a_reader_sees_one_address_or_none)
{
	struct pb_node before, n, after, last = { .gen = 1 };
	unsigned whole = 0;
	pthread_t thread;
	int err = 0;

	cr_assert_eq(pthread_create(&thread, NULL, change, &err), 0);
	while (!atomic_load(&over)) {
		cr_assert(!pb_maps_get_node(maps, &before) && !pb_maps_get_node(maps, &n) &&
			  !pb_maps_get_node(maps, &after));
		if ((before.gen & 1) || before.gen != after.gen)
			continue;
		whole++;
		for (int i = 1; i < 4; i++)
			cr_assert_eq(n.addr6.w[i], n.addr6.w[0], "half an address at %u", whole);
		/* An even gen stands for one pair of addresses and no other. */
		cr_assert(n.gen != last.gen || pb_addr_eq(&n.addr6, &last.addr6));
		last = n;
	}
	pthread_join(thread, NULL);
	cr_assert_eq(err, 0);
	cr_assert_gt(whole, 0, "the reader never met a quiet moment");
}
