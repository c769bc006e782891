/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Typed access to the maps of other nodes. */
#include <bpf/bpf.h>

#include <patchbay/addr.h>

#include "control/maps.h"
#include "private.h"

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

TestSuite(maps_peers, .init = setup, .fini = teardown, .timeout = 60);

static struct pb_endpoint endpoint(uint16_t port)
{
	struct pb_endpoint e = { .app = PB_REF_REMOTE | 5,
				 .cookie = 9,
				 .weight = 100,
				 .port = htons(port),
				 .real = htons(30000),
				 .state = PB_EP_UP,
				 .proto = PB_PROTO_TCP,
				 .total = 77,
				 .live = 7 };

	return e;
}

/* As the kernel programs do: in place. */
static void kernel_counts(uint32_t index, int live)
{
	struct pb_endpoint ep;

	cr_assert_eq(pb_maps_get_remote(maps, index, &ep), 0);
	ep.live = live;
	ep.total++;
	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_remotes"), &index, &ep, 0), 0);
}

Test(maps_peers, an_index_is_written_anew_only_when_free)
{
	struct pb_eject bad = { .fails = 3, .until_ns = 5 }, now;
	struct pb_endpoint e = endpoint(80), got;
	uint32_t index = 3;

	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_eject"), &index, &bad, 0), 0);
	cr_assert_eq(pb_maps_put_remote(maps, 0, &e), -EINVAL);
	cr_assert_eq(pb_maps_put_remote(maps, pb_maps_remotes_max(), &e), -EINVAL);
	cr_assert_eq(pb_maps_put_remote(maps, index, &e), 0);
	cr_assert_eq(pb_maps_get_remote(maps, index, &got), 0);
	cr_assert(got.gen == 1 && got.state == PB_EP_UP && got.port == htons(80));
	cr_assert(!got.live && !got.total, "the kernel counts, from nothing");
	cr_assert_eq(pb_maps_get_eject(maps, index, &now), 0);
	cr_assert(!now.fails && !now.until_ns && now.gen == 1);
	cr_assert_eq(pb_maps_put_remote(maps, index, &e), -EBUSY);
	cr_assert_eq(pb_maps_free_remote(maps, index), 0);
	cr_assert_eq(pb_maps_put_remote(maps, index, &e), 0);
	cr_assert_eq(pb_maps_get_remote(maps, index, &got), 0);
	cr_assert_eq(got.gen, 2);
}

Test(maps_peers, a_change_leaves_what_the_kernel_counts)
{
	struct pb_endpoint e = endpoint(80), got;

	cr_assert_eq(pb_maps_set_remote(maps, 4, &e), -ENOENT);
	cr_assert_eq(pb_maps_put_remote(maps, 4, &e), 0);
	kernel_counts(4, 12);
	e.state = PB_EP_DRAIN;
	e.hints = PB_EP_SUSPECT;
	e.weight = 3;
	e.port = htons(81); /* not to be changed while it is chosen */
	cr_assert_eq(pb_maps_set_remote(maps, 4, &e), 0);
	cr_assert_eq(pb_maps_get_remote(maps, 4, &got), 0);
	cr_assert(got.state == PB_EP_DRAIN && got.hints == PB_EP_SUSPECT && got.weight == 3);
	cr_assert(got.live == 12 && got.total == 1 && got.port == htons(80));
}

static int count(uint32_t index, const struct pb_endpoint *ep, void *arg)
{
	uint64_t *sum = arg;

	cr_assert_neq(ep->state, PB_EP_FREE);
	*sum += index;
	return 0;
}

Test(maps_peers, walks_show_what_is_in_use)
{
	struct pb_endpoint e = endpoint(80);
	struct pb_maps *readers;
	uint64_t sum = 0;

	for (uint32_t i = 1; i <= 5; i++)
		cr_assert_eq(pb_maps_put_remote(maps, i, &e), 0);
	cr_assert_eq(pb_maps_put_remote(maps, pb_maps_remotes_max() - 1, &e), 0);
	cr_assert_eq(pb_maps_free_remote(maps, 2), 0);
	cr_assert_eq(pb_maps_each_remote(maps, count, &sum), 0);
	cr_assert_eq(sum, 13 + pb_maps_remotes_max() - 1);
	cr_assert_eq(pb_maps_open_readonly(&readers, place.bpffs), 0);
	sum = 0;
	cr_assert_eq(pb_maps_each_remote(readers, count, &sum), 0);
	cr_assert_eq(sum, 13 + pb_maps_remotes_max() - 1);
	cr_assert_eq(pb_maps_put_remote(readers, 9, &e), -EPERM);
	pb_maps_free(readers);
}

static int same_service(const struct pb_svc_key *k, const struct pb_rservice *s, void *arg)
{
	cr_assert_eq(k->port, htons(80));
	cr_assert_eq(s->index[s->n - 1], 42);
	++*(unsigned *)arg;
	return 0;
}

static int same_peer(const struct pb_addr *loc, const struct pb_peer *p, void *arg)
{
	cr_assert(pb_addr_is_v4(loc));
	cr_assert_eq(p->in[1][1], 4);
	++*(unsigned *)arg;
	return 0;
}

static int same_member(const struct pb_member_key *k, const struct pb_member *m, void *arg)
{
	cr_assert(k->node == 9 && k->id == 8);
	cr_assert_eq(m->ref, PB_REF_REMOTE | 7);
	++*(unsigned *)arg;
	return 0;
}

Test(maps_peers, services_peers_and_members_come_and_go)
{
	struct pb_addr loc = pb_addr_v4(htonl(0x0a4d0001));
	struct pb_svc_key k = { .addr = loc, .port = htons(80), .proto = PB_PROTO_TCP };
	struct pb_rservice s = { .n = 2, .endpoints = 2, .index = { 41, 42 } }, got;
	struct pb_peer p = { .node = 9, .in[1][1] = 4 }, back;
	struct pb_member_key m = { .node = 9, .id = 8 };
	unsigned n = 0;

	cr_assert_eq(pb_maps_put_rservice(maps, &k, &s), 0);
	cr_assert_eq(pb_maps_get_rservice(maps, &k, &got), 0);
	cr_assert_eq(got.endpoints, 2);
	cr_assert_eq(pb_maps_put_peer(maps, &loc, &p), 0);
	cr_assert_eq(pb_maps_get_peer(maps, &loc, &back), 0);
	cr_assert_eq(back.node, 9);
	cr_assert_eq(pb_maps_put_member(maps, &m, PB_REF_REMOTE | 7), 0);
	cr_assert_eq(pb_maps_each_rservice(maps, same_service, &n), 0);
	cr_assert_eq(pb_maps_each_peer(maps, same_peer, &n), 0);
	cr_assert_eq(pb_maps_each_member(maps, same_member, &n), 0);
	cr_assert_eq(n, 3);
	cr_assert_eq(pb_maps_del_rservice(maps, &k), 0);
	cr_assert_eq(pb_maps_del_peer(maps, &loc), 0);
	cr_assert_eq(pb_maps_del_member(maps, &m), 0);
	cr_assert_eq(pb_maps_del_member(maps, &m), 0, "not there is no error");
	cr_assert_eq(pb_maps_get_rservice(maps, &k, &got), -ENOENT);
	cr_assert_eq(pb_maps_each_member(maps, same_member, &n), 0);
	cr_assert_eq(n, 3);
}

Test(maps_peers, own_endpoints_are_walked_where_they_are_up)
{
	struct pb_endpoint e = endpoint(80);
	uint32_t index = 6, free = 7;
	uint64_t sum = 0;

	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_endpoints"), &index, &e, 0), 0);
	e.state = PB_EP_FREE;
	cr_assert_eq(bpf_map_update_elem(pb_maps_fd(maps, "pb_endpoints"), &free, &e, 0), 0);
	cr_assert_eq(pb_maps_each_endpoint(maps, count, &sum), 0);
	cr_assert_eq(sum, 6);
}
