/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the agent counts itself, and what it concludes from several maps. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "maps_internal.h"
#include "util.h"

int pb_maps_count(struct pb_maps *m, uint32_t reason, uint64_t n)
{
	_cleanup_free_ uint64_t *cpu = NULL;
	int cpus = libbpf_num_possible_cpus(), err;

	if (cpus < 0)
		return cpus;
	cpu = calloc((size_t)cpus, sizeof(*cpu));
	if (!cpu)
		return -ENOMEM;
	err = bpf_map_lookup_elem(PB_FD(m, pb_stats), &reason, cpu);
	if (err)
		return err;
	cpu[0] += n;
	return bpf_map_update_elem(PB_FD(m, pb_stats), &reason, cpu, BPF_ANY);
}

int pb_maps_endpoint_talks(struct pb_maps *m, uint32_t index, struct pb_endpoint *ret)
{
	int err = pb_maps_get_endpoint(m, index, ret);

	if (err || ret->state != PB_EP_FREE || ret->proto != PB_PROTO_UDP)
		return 0;
	for (uint8_t v6 = 0; v6 < 2; v6++) {
		struct pb_port_key k = { .port = ret->real, .proto = ret->proto, .v6 = v6 };
		struct pb_port p;

		if (!bpf_map_lookup_elem(PB_FD(m, pb_ports), &k, &p) && !p.ep &&
		    p.cookie == ret->cookie)
			return 1;
	}
	return 0;
}
