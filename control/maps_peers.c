/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Other nodes in the maps: peer.h says who reads what, and in which order it may change. */
#include <linux/bpf.h>
#include <bpf/bpf.h>

#include "maps_internal.h"
#include "util.h"

#define PB_X(name, max) max_##name = max,
enum { PB_MAPS(PB_X) };
#undef PB_X

uint32_t pb_maps_remotes_max(void)
{
	return max_pb_remotes;
}

/* ---- pb_remotes: the kernel counts in it, so it is written in place ------- */

static int map_remotes(struct pb_maps *m)
{
	int err = 0;

	if (m->own)
		return -EPERM;
	if (!m->remotes)
		err = pb_map_array(PB_FD(m, pb_remotes), max_pb_remotes * sizeof(*m->remotes),
				   &m->remotes);
	if (!err && !m->ejects)
		err = pb_map_array(PB_FD(m, pb_eject), max_pb_eject * sizeof(*m->ejects),
				   &m->ejects);
	return err;
}

static int remote_at(struct pb_maps *m, uint32_t index, struct pb_endpoint **ret)
{
	int err = index && index < max_pb_remotes ? map_remotes(m) : -EINVAL;

	if (!err)
		*ret = &m->remotes[index];
	return err;
}

static uint8_t state_of(const struct pb_endpoint *ep)
{
	return __atomic_load_n(&ep->state, __ATOMIC_ACQUIRE);
}

int pb_maps_get_remote(struct pb_maps *m, uint32_t index, struct pb_endpoint *ret)
{
	if (!index || index >= max_pb_remotes)
		return -EINVAL;
	return bpf_map_lookup_elem(PB_FD(m, pb_remotes), &index, ret);
}

int pb_maps_get_eject(struct pb_maps *m, uint32_t index, struct pb_eject *ret)
{
	return bpf_map_lookup_elem(PB_FD(m, pb_eject), &index, ret);
}

/* Whoever still held the index sees another gen before it sees another endpoint. */
int pb_maps_put_remote(struct pb_maps *m, uint32_t index, const struct pb_endpoint *ep)
{
	struct pb_endpoint *at, next = *ep;
	int err = remote_at(m, index, &at);

	if (err)
		return err;
	if (state_of(at) != PB_EP_FREE)
		return -EBUSY;
	next.gen = at->gen + 1;
	next.state = PB_EP_FREE;
	next.total = 0;
	next.live = 0;
	__atomic_store_n(&at->gen, next.gen, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*at = next;
	memset(&m->ejects[index], 0, sizeof(m->ejects[index]));
	m->ejects[index].gen = next.gen;
	__atomic_store_n(&at->state, ep->state, __ATOMIC_RELEASE);
	return 0;
}

int pb_maps_set_remote(struct pb_maps *m, uint32_t index, const struct pb_endpoint *ep)
{
	struct pb_endpoint *at;
	int err = remote_at(m, index, &at);

	if (err)
		return err;
	if (state_of(at) == PB_EP_FREE)
		return -ENOENT;
	__atomic_store_n(&at->weight, ep->weight, __ATOMIC_RELAXED);
	__atomic_store_n(&at->sockets, ep->sockets, __ATOMIC_RELAXED);
	__atomic_store_n(&at->hints, ep->hints, __ATOMIC_RELAXED);
	__atomic_store_n(&at->state, ep->state, __ATOMIC_RELEASE);
	return 0;
}

int pb_maps_free_remote(struct pb_maps *m, uint32_t index)
{
	struct pb_endpoint *at;
	int err = remote_at(m, index, &at);

	if (!err)
		__atomic_store_n(&at->state, PB_EP_FREE, __ATOMIC_RELEASE);
	return err;
}

struct remote_walk {
	int (*fn)(uint32_t index, const struct pb_endpoint *, void *);
	void *arg;
};

static int each_remote(const void *key, const void *value, void *arg)
{
	uint32_t index = *(const uint32_t *)key;
	struct pb_endpoint ep;
	struct remote_walk *w = arg;

	memcpy(&ep, value, sizeof(ep));
	return index && ep.state != PB_EP_FREE ? w->fn(index, &ep, w->arg) : 0;
}

int pb_maps_each_remote(struct pb_maps *m,
			int (*fn)(uint32_t index, const struct pb_endpoint *, void *), void *arg)
{
	struct remote_walk w = { fn, arg };
	int r = 0;

	if (!m->remotes)
		return pb_map_walk(PB_FD(m, pb_remotes), each_remote, &w);
	for (uint32_t i = 1; !r && i < max_pb_remotes; i++)
		if (m->remotes[i].state != PB_EP_FREE)
			r = each_remote(&i, &m->remotes[i], &w);
	return r;
}

int pb_maps_each_endpoint(struct pb_maps *m,
			  int (*fn)(uint32_t index, const struct pb_endpoint *, void *), void *arg)
{
	struct remote_walk w = { fn, arg };
	int r = 0;

	if (!m->endpoints)
		return pb_map_walk(PB_FD(m, pb_endpoints), each_remote, &w);
	for (uint32_t i = 1; !r && i < max_pb_endpoints; i++)
		if (m->endpoints[i].state != PB_EP_FREE)
			r = each_remote(&i, &m->endpoints[i], &w);
	return r;
}

/* ---- hashes: replaced as a whole ------------------------------------------ */

int pb_maps_put_rservice(struct pb_maps *m, const struct pb_svc_key *k, const struct pb_rservice *s)
{
	return pb_map_put(PB_FD(m, pb_rservices), k, s, BPF_ANY);
}

int pb_maps_del_rservice(struct pb_maps *m, const struct pb_svc_key *k)
{
	return pb_map_del(PB_FD(m, pb_rservices), k);
}

int pb_maps_get_rservice(struct pb_maps *m, const struct pb_svc_key *k, struct pb_rservice *ret)
{
	return bpf_map_lookup_elem(PB_FD(m, pb_rservices), k, ret);
}

int pb_maps_put_peer(struct pb_maps *m, const struct pb_addr *loc, const struct pb_peer *p)
{
	return pb_map_put(PB_FD(m, pb_peers), loc, p, BPF_ANY);
}

int pb_maps_del_peer(struct pb_maps *m, const struct pb_addr *loc)
{
	return pb_map_del(PB_FD(m, pb_peers), loc);
}

int pb_maps_get_peer(struct pb_maps *m, const struct pb_addr *loc, struct pb_peer *ret)
{
	return bpf_map_lookup_elem(PB_FD(m, pb_peers), loc, ret);
}

int pb_maps_put_member(struct pb_maps *m, const struct pb_member_key *k, uint64_t ref)
{
	struct pb_member v = { .ref = ref };

	return pb_map_put(PB_FD(m, pb_members), k, &v, BPF_ANY);
}

int pb_maps_del_member(struct pb_maps *m, const struct pb_member_key *k)
{
	return pb_map_del(PB_FD(m, pb_members), k);
}

struct rservice_walk {
	int (*fn)(const struct pb_svc_key *, const struct pb_rservice *, void *);
	void *arg;
};

static int each_rservice(const void *key, const void *value, void *arg)
{
	struct rservice_walk *w = arg;

	return w->fn(key, value, w->arg);
}

int pb_maps_each_rservice(struct pb_maps *m,
			  int (*fn)(const struct pb_svc_key *, const struct pb_rservice *, void *),
			  void *arg)
{
	struct rservice_walk w = { .fn = fn, .arg = arg };

	return pb_map_walk(PB_FD(m, pb_rservices), each_rservice, &w);
}

struct peer_walk {
	int (*fn)(const struct pb_addr *, const struct pb_peer *, void *);
	void *arg;
};

static int each_peer(const void *key, const void *value, void *arg)
{
	struct peer_walk *w = arg;

	return w->fn(key, value, w->arg);
}

int pb_maps_each_peer(struct pb_maps *m,
		      int (*fn)(const struct pb_addr *, const struct pb_peer *, void *), void *arg)
{
	struct peer_walk w = { .fn = fn, .arg = arg };

	return pb_map_walk(PB_FD(m, pb_peers), each_peer, &w);
}

struct member_walk {
	int (*fn)(const struct pb_member_key *, const struct pb_member *, void *);
	void *arg;
};

static int each_member(const void *key, const void *value, void *arg)
{
	struct member_walk *w = arg;

	return w->fn(key, value, w->arg);
}

int pb_maps_each_member(struct pb_maps *m,
			int (*fn)(const struct pb_member_key *, const struct pb_member *, void *),
			void *arg)
{
	struct member_walk w = { .fn = fn, .arg = arg };

	return pb_map_walk(PB_FD(m, pb_members), each_member, &w);
}
