// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the kernel counted for a service. */
#include <errno.h>
#include <string.h>

#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <patchbay/addr.h>

#include "control/memcached/apply.h"
#include "control/util.h"
#include "loader/memcached.h"

#define TOP_WALK 262144u

int mca_stats(struct pb_mcl *m, unsigned index, uint64_t ret[_PB_MC_C_MAX])
{
	int fd = pb_mcl_map_fd(m, "pb_mc_stats"), cpus = libbpf_num_possible_cpus();
	_cleanup_free_ __u64 *v = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*v));

	memset(ret, 0, _PB_MC_C_MAX * sizeof(*ret));
	if (fd < 0 || cpus < 0 || !v)
		return fd < 0 ? fd : cpus < 0 ? cpus : -ENOMEM;
	for (unsigned c = 0; c < _PB_MC_C_MAX; c++) {
		__u32 key = index * PB_MC_COUNTERS_MAX + c;
		int err = bpf_map_lookup_elem(fd, &key, v);

		if (err)
			return err;
		for (int i = 0; i < cpus; i++)
			ret[c] += v[i];
	}
	return 0;
}

int mca_bstats(struct pb_mcl *m, unsigned index, unsigned server, struct pb_mc_bstats *ret)
{
	int fd = pb_mcl_map_fd(m, "pb_mc_bstats"), cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct pb_mc_bstats *v = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*v));
	__u32 key = index * PB_MC_SERVERS_MAX + server;
	int err;

	memset(ret, 0, sizeof(*ret));
	if (fd < 0 || cpus < 0 || !v)
		return fd < 0 ? fd : cpus < 0 ? cpus : -ENOMEM;
	err = bpf_map_lookup_elem(fd, &key, v);
	for (int i = 0; !err && i < cpus; i++) {
		ret->sent += v[i].sent;
		ret->replies += v[i].replies;
		ret->bytes += v[i].bytes;
		if (v[i].last > ret->last)
			ret->last = v[i].last;
	}
	return err;
}

int mca_top(struct pb_mcl *m, unsigned index, int (*fn)(const struct pb_mc_top *top, void *arg),
	    void *arg)
{
	int fd = pb_mcl_map_fd(m, "pb_mc_top"), r = 0;
	struct pb_mc_top_key key, next;
	struct pb_mc_top top;
	unsigned left = TOP_WALK; /* keys that go meanwhile begin the walk anew */
	bool more;

	if (fd < 0)
		return fd;
	more = !bpf_map_get_next_key(fd, NULL, &next);
	while (more && !r && left--) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (key.service == index && !bpf_map_lookup_elem(fd, &key, &top))
			r = fn(&top, arg);
	}
	return r;
}
