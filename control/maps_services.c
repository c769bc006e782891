/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services and endpoints: the kernel programs write them too, at any moment. */
#include <linux/bpf.h>
#include <bpf/bpf.h>

#include "maps_internal.h"
#include "util.h"

#define PUT_BACK_TRIES 8

int pb_maps_get_service(struct pb_maps *m, const struct pb_svc_key *k, struct pb_service *ret)
{
	return bpf_map_lookup_elem(PB_FD(m, pb_services), k, ret);
}

int pb_maps_get_endpoint(struct pb_maps *m, uint32_t index, struct pb_endpoint *ret)
{
	return bpf_map_lookup_elem(PB_FD(m, pb_endpoints), &index, ret);
}

#define PB_X(name, max) max_##name = max,
enum { PB_MAPS(PB_X) };
#undef PB_X

/* Between UP and DRAIN only: a withdrawn endpoint must not come back. */
int pb_maps_set_endpoint_state(struct pb_maps *m, uint32_t index, uint8_t state)
{
	uint8_t *at, was;

	if (!index || index >= max_pb_endpoints || (state != PB_EP_UP && state != PB_EP_DRAIN))
		return -EINVAL;
	if (!m->endpoints)
		return -EPERM;
	at = &m->endpoints[index].state;
	was = __atomic_load_n(at, __ATOMIC_RELAXED);
	do {
		if (was == PB_EP_FREE)
			return -ENOENT;
	} while (!__atomic_compare_exchange_n(at, &was, state, false, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	return 0;
}

/* ---- removal of empty services ------------------------------------------- */

bool pb_service_empty(const struct pb_service *s)
{
	uint64_t any = 0;

	for (unsigned w = 0; w < PB_SLOT_WORDS; w++)
		any |= s->taken[w] | s->live[w];
	return !any;
}

unsigned pb_service_merge(struct pb_service *to, const struct pb_service *from)
{
	unsigned clashes = 0;

	for (unsigned i = 0; i < PB_SLOTS; i++) {
		uint64_t bit = 1ULL << (i % 64);

		if (!(from->live[i / 64] & bit))
			continue;
		if (to->taken[i / 64] & bit) {
			clashes++;
			continue;
		}
		to->slot[i] = from->slot[i];
		to->taken[i / 64] |= bit;
		to->live[i / 64] |= bit;
	}
	return clashes;
}

/*
 * @held was taken out although it has slots by now.  A slot that is taken but
 * not yet readable is not put back: its owner looks again and starts over
 * (pb_slot_add() in bpf/lib/service.bpf.h).
 */
static int put_back(int fd, const struct pb_svc_key *k, struct pb_service *held)
{
	for (unsigned i = 0; i < PUT_BACK_TRIES; i++) {
		struct pb_service now = { 0 }, all = { 0 };
		int err;

		pb_service_merge(&all, held);
		if (pb_service_empty(&all))
			return 0;
		err = pb_map_put(fd, k, &all, BPF_NOEXIST);
		if (err != -EEXIST)
			return err;
		/* The kernel made a new one meanwhile: both become one. */
		err = bpf_map_lookup_and_delete_elem(fd, k, &now);
		if (err && err != -ENOENT)
			return err;
		if (pb_service_merge(&all, &now))
			log_warn("service of port %u: two endpoints claimed one slot, one is lost",
				 ntohs(k->port));
		*held = all;
	}
	return -EAGAIN;
}

struct collect {
	struct pb_maps *m;
	int removed;
};

static int collect_one(const void *key, const void *value, void *arg)
{
	struct collect *c = arg;
	int fd = PB_FD(c->m, pb_services);
	struct pb_service s;
	int err;

	/* Looked at again: the batch may be old, and the less is put back the better. */
	if (!pb_service_empty(value) || bpf_map_lookup_elem(fd, key, &s) || !pb_service_empty(&s))
		return 0;
	err = bpf_map_lookup_and_delete_elem(fd, key, &s);
	if (err)
		return err == -ENOENT ? 0 : err;
	if (pb_service_empty(&s)) {
		c->removed++;
		return 0;
	}
	return put_back(fd, key, &s);
}

int pb_maps_collect_services(struct pb_maps *m)
{
	struct collect c = { .m = m };
	int err = pb_map_walk(PB_FD(m, pb_services), collect_one, &c);

	return err ? err : c.removed;
}
