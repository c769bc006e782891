/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Typed access to the pinned maps: opening, and values that go in or out one by one. */
#include "maps.h"

#include <sys/mman.h>

#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "loader/loader.h"
#include "maps_internal.h"
#include "util.h"

static const struct {
	const char *name;
	uint32_t max;
} rows[_PB_M_MAX] = {
#define PB_X(name, max) { #name, max },
	PB_MAPS(PB_X)
#undef PB_X
};

int pb_map_put(int fd, const void *key, const void *value, uint64_t flags)
{
	int err = bpf_map_update_elem(fd, key, value, flags);

	return err == -E2BIG ? -ENOSPC : err;
}

int pb_map_del(int fd, const void *key)
{
	int err = bpf_map_delete_elem(fd, key);

	return err == -ENOENT ? 0 : err;
}

/* ---- opening ------------------------------------------------------------- */

void pb_maps_free(struct pb_maps *m)
{
	if (!m)
		return;
	if (m->endpoints)
		munmap(m->endpoints, rows[PB_M_pb_endpoints].max * sizeof(*m->endpoints));
	if (m->resolvers)
		munmap(m->resolvers, rows[PB_M_pb_resolvers].max * sizeof(*m->resolvers));
	if (m->remotes)
		munmap(m->remotes, rows[PB_M_pb_remotes].max * sizeof(*m->remotes));
	if (m->ejects)
		munmap(m->ejects, rows[PB_M_pb_eject].max * sizeof(*m->ejects));
	for (size_t i = 0; m->own && i < _PB_M_MAX; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	free(m);
}

static void maps_freep(struct pb_maps **m)
{
	pb_maps_free(*m);
}

static struct pb_maps *maps_new(bool own)
{
	struct pb_maps *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->own = own;
	for (size_t i = 0; i < _PB_M_MAX; i++)
		m->fd[i] = -1;
	return m;
}

int pb_map_array(int fd, size_t size, void *ret)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*(void **)ret = at;
	return 0;
}

int pb_maps_from_loader(struct pb_maps **ret, struct pb_loader *l)
{
	_cleanup_(maps_freep) struct pb_maps *m = maps_new(false);
	int err;

	if (!m)
		return -ENOMEM;
	for (size_t i = 0; i < _PB_M_MAX; i++) {
		m->fd[i] = pb_loader_map_fd(l, rows[i].name);
		if (m->fd[i] < 0)
			return m->fd[i];
	}
	err = pb_map_array(PB_FD(m, pb_endpoints),
			   rows[PB_M_pb_endpoints].max * sizeof(*m->endpoints), &m->endpoints);
	if (!err)
		err = pb_map_array(PB_FD(m, pb_resolvers),
				   rows[PB_M_pb_resolvers].max * sizeof(*m->resolvers),
				   &m->resolvers);
	if (err)
		return log_err(err, "pb_endpoints and pb_resolvers need BPF_F_MMAPABLE");
	*ret = TAKE_PTR(m);
	return 0;
}

int pb_maps_open_readonly(struct pb_maps **ret, const char *bpffs)
{
	_cleanup_(maps_freep) struct pb_maps *m = maps_new(true);

	if (!m)
		return -ENOMEM;
	for (size_t i = 0; i < _PB_M_MAX; i++) {
		m->fd[i] = pb_map_open(bpffs, rows[i].name);
		/* It holds keys: root's alone, and no reader needs it. */
		if (i == PB_M_pb_peers && m->fd[i] == -EACCES)
			continue;
		if (m->fd[i] < 0)
			return m->fd[i];
	}
	*ret = TAKE_PTR(m);
	return 0;
}

int pb_maps_fd(const struct pb_maps *m, const char *name)
{
	for (size_t i = 0; i < _PB_M_MAX; i++)
		if (!strcmp(rows[i].name, name))
			return m->fd[i];
	return -ENOENT;
}

/* ---- configuration and life ---------------------------------------------- */

int pb_maps_get_config(struct pb_maps *m, struct pb_config *ret)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(PB_FD(m, pb_config), &zero, ret);
}

/* abi is pb_maps_init()'s mark: no caller sets or clears it. */
int pb_maps_set_config(struct pb_maps *m, const struct pb_config *c)
{
	struct pb_config now, next = *c;
	uint32_t zero = 0;
	int err = pb_maps_get_config(m, &now);

	if (err)
		return err;
	next.abi = now.abi;
	return pb_map_put(PB_FD(m, pb_config), &zero, &next, BPF_ANY);
}

/*
 * abi in pb_config is set last: a start that died half-way is done again, from
 * an empty list, and no index is ever on it twice.  Nothing is attached before.
 */
int pb_maps_init(struct pb_maps *m)
{
	int fd = PB_FD(m, pb_ep_free);
	struct pb_config c;
	uint32_t index, zero = 0;
	int err = pb_maps_get_config(m, &c);

	if (err || c.abi == PB_ABI_VERSION)
		return err;
	while (!(err = bpf_map_lookup_and_delete_elem(fd, NULL, &index)))
		;
	if (err != -ENOENT)
		return err;
	for (index = 1; index < rows[PB_M_pb_endpoints].max; index++) {
		err = pb_map_put(fd, NULL, &index, 0);
		if (err)
			return err;
	}
	c.abi = PB_ABI_VERSION;
	return pb_map_put(PB_FD(m, pb_config), &zero, &c, BPF_ANY);
}

int pb_maps_get_node(struct pb_maps *m, struct pb_node *ret)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(PB_FD(m, pb_node), &zero, ret);
}

/* An update is no more atomic than memcpy(): gen is odd before it and even, and another, after. */
int pb_maps_set_node(struct pb_maps *m, const struct pb_addr *addr4, const struct pb_addr *addr6)
{
	uint32_t zero = 0;
	struct pb_node n;
	int err = pb_maps_get_node(m, &n);

	if (err)
		return err;
	n.gen |= 1; /* it is already, if an agent died in here */
	err = pb_map_put(PB_FD(m, pb_node), &zero, &n, BPF_ANY);
	n.addr4 = *addr4;
	n.addr6 = *addr6;
	if (!err)
		err = pb_map_put(PB_FD(m, pb_node), &zero, &n, BPF_ANY);
	n.gen++;
	return err ? err : pb_map_put(PB_FD(m, pb_node), &zero, &n, BPF_ANY);
}

int pb_maps_beat(struct pb_maps *m, pid_t pid)
{
	struct pb_beat b = { .time_ns = pb_now_ns(), .pid = pid };
	uint32_t zero = 0;

	return pb_map_put(PB_FD(m, pb_beat), &zero, &b, BPF_ANY);
}

int pb_maps_get_beat(struct pb_maps *m, struct pb_beat *ret)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(PB_FD(m, pb_beat), &zero, ret);
}

int pb_maps_rest(struct pb_maps *m)
{
	static const struct pb_beat none;
	uint32_t zero = 0;

	return pb_map_put(PB_FD(m, pb_beat), &zero, &none, BPF_ANY);
}

/* ---- applications -------------------------------------------------------- */

/* Tags first: whoever finds the application finds its tags. */
int pb_maps_put_app(struct pb_maps *m, uint64_t ref, const struct pb_app *a,
		    const struct pb_tags *t)
{
	int err = pb_map_put(PB_FD(m, pb_tags), &ref, t, BPF_ANY);

	if (err)
		return err;
	err = pb_map_put(PB_FD(m, pb_apps), &ref, a, BPF_ANY);
	if (err == -ENOSPC)
		pb_map_del(PB_FD(m, pb_tags), &ref);
	return err;
}

int pb_maps_del_app(struct pb_maps *m, uint64_t ref)
{
	int err = pb_map_del(PB_FD(m, pb_apps), &ref);

	return err ? err : pb_map_del(PB_FD(m, pb_tags), &ref);
}

int pb_maps_put_addr(struct pb_maps *m, const struct pb_addr *a, const struct pb_vip *v)
{
	return pb_map_put(PB_FD(m, pb_addrs), a, v, BPF_ANY);
}

int pb_maps_del_addr(struct pb_maps *m, const struct pb_addr *a)
{
	return pb_map_del(PB_FD(m, pb_addrs), a);
}

int pb_maps_put_group(struct pb_maps *m, uint32_t bit, const struct pb_group *g)
{
	return pb_map_put(PB_FD(m, pb_groups), &bit, g, BPF_ANY);
}

int pb_maps_put_rule(struct pb_maps *m, uint32_t index, const struct pb_rule *r)
{
	return pb_map_put(PB_FD(m, pb_rules), &index, r, BPF_ANY);
}

int pb_maps_put_egress(struct pb_maps *m, const struct pb_egress_key *k,
		       const struct pb_egress_val *v)
{
	return pb_map_put(PB_FD(m, pb_egress), k, v, BPF_ANY);
}

int pb_maps_del_egress(struct pb_maps *m, const struct pb_egress_key *k)
{
	return pb_map_del(PB_FD(m, pb_egress), k);
}

int pb_maps_put_spl_rule(struct pb_maps *m, uint64_t id, __be16 port, int on)
{
	struct pb_spl_rule_key k = { .id = id, .port = port };
	struct pb_spl_rule rule = { .on = !!on };

	return pb_map_put(PB_FD(m, pb_spl_rules), &k, &rule, BPF_ANY);
}

/* ---- who asks the resolver ------------------------------------------------ */

int pb_maps_get_udp_src(struct pb_maps *m, const struct pb_udp_key *k, struct pb_udp_src *ret)
{
	return bpf_map_lookup_elem(PB_FD(m, pb_udp_src), k, ret);
}

int pb_maps_get_admit(struct pb_maps *m, const struct pb_flow_key *k, struct pb_admit *ret)
{
	return bpf_map_lookup_elem(PB_FD(m, pb_admit), k, ret);
}

/* ---- counters ------------------------------------------------------------ */

int pb_maps_stats(struct pb_maps *m, uint64_t ret[_PB_R_MAX])
{
	_cleanup_free_ uint64_t *cpu = NULL;
	uint64_t sum[_PB_R_MAX] = { 0 };
	int n = libbpf_num_possible_cpus();

	if (n < 0)
		return n;
	cpu = calloc(n, sizeof(*cpu));
	if (!cpu)
		return -ENOMEM;
	for (uint32_t r = 0; r < _PB_R_MAX; r++) {
		int err = bpf_map_lookup_elem(PB_FD(m, pb_stats), &r, cpu);

		if (err)
			return err;
		for (int i = 0; i < n; i++)
			sum[r] += cpu[i];
	}
	memcpy(ret, sum, sizeof(sum));
	return 0;
}

_Static_assert(_PB_R_MAX <= 128, "pb_stats holds every reason");
