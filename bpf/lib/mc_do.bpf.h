/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The steps of the tokens for what passes by the agent: struct pb_mc_cmd. */
#ifndef PB_MC_DO_BPF_H
#define PB_MC_DO_BPF_H

#include <patchbay/errnos.h>

#include "mc_cache.bpf.h"

static __always_inline int mc_do(const struct pb_mc_cmd *cmd)
{
	__u32 service = cmd->service, set;
	struct pb_mc_service *svc = mc_service(service);
	__u64 now = bpf_ktime_get_ns();

	if (!svc)
		return -PB_ENOENT;
	set = pb_mc_set_of(cmd->digest, svc->sets);
	switch (cmd->what) {
	case PB_MC_DO_WRITE: mc_cache_step(service, set, cmd->digest, cmd->tag, now); return 0;
	case PB_MC_DO_WRITTEN: mc_cache_written(service, set, cmd->digest, cmd->tag); return 0;
	case PB_MC_DO_WRITE_ALL: mc_cache_write_all(service, cmd->tag, now); return 0;
	case PB_MC_DO_WRITTEN_ALL: mc_cache_written_all(service, cmd->tag); return 0;
	case PB_MC_DO_FLUSH_AT: mc_cache_flush_at(service, cmd->when); return 0;
	}
	return -PB_EOPNOTSUPP;
}

#endif /* PB_MC_DO_BPF_H */
