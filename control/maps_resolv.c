/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of resolvers.  The kernel learns one by taking a row (used 0 -> 1), then writes the
 * row, then the key that refers to it.  The agent takes one back in the opposite order, the key
 * first and `used` last, so that a row the kernel can take is one that nothing refers to.
 */
#include <linux/bpf.h>
#include <bpf/bpf.h>

#include <patchbay/addr.h>

#include "maps_internal.h"
#include "util.h"

static struct pb_resolv_key key_of(const struct pb_resolver *r)
{
	return (struct pb_resolv_key){ .addr = r->addr, .port = r->port };
}

static int check(const struct pb_maps *m, uint32_t index)
{
	if (index >= PB_RESOLVERS)
		return -EINVAL;
	return m->resolvers ? 0 : -EPERM;
}

/* ---- ports of the agent ---------------------------------------------------- */

int pb_maps_put_dns_port(struct pb_maps *m, __be16 port, uint8_t proto, int v6, uint32_t index)
{
	struct pb_port_key k = { .port = port, .proto = proto, .v6 = v6 != 0 };
	/* at loopback: whoever has that port at another address is not ours to refuse */
	struct pb_port p = { .flags = PB_PORT_DNS | PB_PORT_LOOP, .refs = 1, .ep = index };

	return pb_map_put(PB_FD(m, pb_ports), &k, &p, BPF_ANY);
}

int pb_maps_del_dns_port(struct pb_maps *m, __be16 port, uint8_t proto, int v6)
{
	struct pb_port_key k = { .port = port, .proto = proto, .v6 = v6 != 0 };

	return pb_map_del(PB_FD(m, pb_ports), &k);
}

int pb_maps_set_resolver_port(struct pb_maps *m, uint32_t index, __be16 port)
{
	int err = check(m, index);

	if (!err)
		__atomic_store_n(&m->resolvers[index].agent_port, port, __ATOMIC_RELEASE);
	return err;
}

/* ---- rows ------------------------------------------------------------------ */

int pb_maps_get_resolver(struct pb_maps *m, uint32_t index, struct pb_resolver *ret)
{
	return bpf_map_lookup_elem(PB_FD(m, pb_resolvers), &index, ret);
}

int pb_maps_resolver_known(struct pb_maps *m, uint32_t index, const struct pb_resolver *r)
{
	struct pb_resolv_key k = key_of(r);
	struct pb_resolv_ref ref;
	int err = bpf_map_lookup_elem(PB_FD(m, pb_resolv), &k, &ref);

	if (err)
		return err == -ENOENT ? 0 : err;
	return ref.index == index;
}

/* As pb_resolver_index() of bpf/lib/dns.bpf.h does it. */
int pb_maps_learn_resolver(struct pb_maps *m, const struct pb_addr *addr, __be16 port)
{
	struct pb_resolv_key k = { .addr = *addr, .port = port };
	struct pb_resolv_ref ref;
	int err = check(m, 0);

	if (err)
		return err;
	if (!bpf_map_lookup_elem(PB_FD(m, pb_resolv), &k, &ref))
		return 0;
	for (uint32_t i = 0; i < PB_RESOLVERS; i++) {
		struct pb_resolver *r = &m->resolvers[i];
		uint32_t none = 0;

		if (!__atomic_compare_exchange_n(&r->used, &none, 1, false, __ATOMIC_ACQ_REL,
						 __ATOMIC_RELAXED))
			continue;
		r->addr = *addr;
		r->port = port;
		ref.index = i;
		err = pb_map_put(PB_FD(m, pb_resolv), &k, &ref, BPF_NOEXIST);
		if (err)
			__atomic_store_n(&r->used, 0, __ATOMIC_RELEASE);
		return err == -EEXIST ? 0 : err; /* a program was first */
	}
	return -ENOSPC;
}

int pb_maps_forget_resolver(struct pb_maps *m, const struct pb_resolver *r)
{
	struct pb_resolv_key k = key_of(r);

	return pb_map_del(PB_FD(m, pb_resolv), &k);
}

int pb_maps_free_resolver(struct pb_maps *m, uint32_t index)
{
	int err = check(m, index);

	if (!err)
		__atomic_store_n(&m->resolvers[index].used, 0, __ATOMIC_RELEASE);
	return err;
}

/* ---- keys without a row ---------------------------------------------------- */

struct stray {
	struct pb_maps *maps;
	struct pb_resolver list[2 * PB_RESOLVERS]; /* pb_resolv holds no more */
	size_t n;
};

static int add_stray(const void *key, const void *value, void *arg)
{
	const struct pb_resolv_ref *ref = value;
	const struct pb_resolv_key *k = key;
	struct stray *s = arg;
	struct pb_resolver r;
	int err = pb_maps_get_resolver(s->maps, ref->index, &r);

	if (!err && r.used && r.port == k->port && pb_addr_eq(&r.addr, &k->addr))
		return 0;
	if (s->n < ARRAY_SIZE(s->list))
		s->list[s->n++] = (struct pb_resolver){ .addr = k->addr, .port = k->port };
	return 0;
}

int pb_maps_sweep_resolvers(struct pb_maps *m)
{
	struct stray s = { .maps = m };
	int err = pb_map_walk(PB_FD(m, pb_resolv), add_stray, &s);

	for (size_t i = 0; !err && i < s.n; i++)
		err = pb_maps_forget_resolver(m, &s.list[i]);
	return err ? err : (int)s.n;
}
