/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The memcached switch in the kernel: bpf/memcached.bpf.c, its maps (patchbay/mc_switch.h), and its
 * place on devices.  An object of its own that is loaded when there is a service, not before.
 *
 *   BPFFS/patchbay/v1/pb_mc_*           maps, 0640 root:GROUP
 *   BPFFS/patchbay/links/pb_mc_tc@N     device N, tc ingress: tcx, or clsact before Linux 6.6
 *   BPFFS/patchbay/links/pb_mc_xdp@N    device N, native XDP: a link
 * What is found there is adopted and updated in place.  pb_loader_detach_all() removes all of it,
 * pb_loader_sweep() what belonged to devices that are gone; pb_loader_attach_devices() leaves it alone.
 */
#ifndef PB_LOADER_MEMCACHED_H
#define PB_LOADER_MEMCACHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <patchbay/mc_switch.h>

struct pb_mcl;

struct pb_mcl_opts { /* as struct pb_loader_opts */
	const char *bpffs;
	gid_t group;
	const char *log_dir;
};

/* Are there maps of an earlier run?  Then services may be at work without an agent. */
bool pb_mcl_found(const char *bpffs);

/* Loads the object (about a second), adopts or creates and pins its maps; attaches nothing.
 * BPFFS/patchbay must be there, and its lock be the caller's (pb_loader_open()).  Maps that were
 * adopted keep their services, rings and values.  -EUCLEAN: pinned maps of another layout;
 * -EOPNOTSUPP: this kernel does not take the programs. */
int pb_mcl_open(struct pb_mcl **ret, const struct pb_mcl_opts *opts);
void pb_mcl_free(struct pb_mcl *m); /* pins, links and services stay */
bool pb_mcl_adopted(const struct pb_mcl *m);

/* fd of a map by name ("pb_mc_addrs"), owned by @m; -ENOENT. */
int pb_mcl_map_fd(const struct pb_mcl *m, const char *name);

/* ... of a program ("pb_mc_xdp"), for tests. */
int pb_mcl_prog_fd(const struct pb_mcl *m, const char *name);

/*
 * Puts (or updates) the programs on a device of this network namespace.  PB_MCL_TC: tc alone, XDP is
 * taken away if it was ours.  PB_MCL_XDP: both; -EOPNOTSUPP: the driver has no native XDP (tc is
 * attached nevertheless, and does all), -EBUSY: another program is there.  -ENODEV: no such device,
 * -EMEDIUMTYPE: it has no Ethernet header.  Idempotent.
 */
enum pb_mcl_mode { PB_MCL_TC, PB_MCL_XDP };
int pb_mcl_attach(struct pb_mcl *m, unsigned ifindex, enum pb_mcl_mode mode);
int pb_mcl_detach(struct pb_mcl *m, unsigned ifindex); /* 0 also if nothing was there */
/* Takes them from all devices but these; n 0: from all. */
int pb_mcl_detach_others(struct pb_mcl *m, const unsigned *ifindex, size_t n);
/* What is at the device: 0 nothing, else these bits; *ret_current: all of it is this build's. */
#define PB_MCL_AT_TC 1u
#define PB_MCL_AT_XDP 2u
int pb_mcl_look(struct pb_mcl *m, unsigned ifindex, unsigned *ret_at, bool *ret_current);

/* A new table for the service, in the place of the old one at once; NULL: none (nothing is steered).
 * The cache's values of the old table end with it: PB_MC_DO_WRITE_ALL first and after is the caller's
 * part (docs/decisions/0022-memcached-tokens.md). */
int pb_mcl_ring(struct pb_mcl *m, unsigned service, const struct pb_mc_ring *ring);

/* An empty cache of so many sets (PB_MC_WAYS values each) in the place of the old one; 0: none.  Set
 * PB_MC_S_CACHE and `sets` of the service's record after it, clear them before.  -E2BIG. */
#define PB_MCL_SETS_MAX (1u << 20)
int pb_mcl_cache(struct pb_mcl *m, unsigned service, unsigned sets);
/* Bytes of kernel memory that takes, and the most sets that fit into so many bytes (0: none do). */
uint64_t pb_mcl_cache_bytes(unsigned sets);
unsigned pb_mcl_cache_sets(uint64_t bytes);

/* Takes a step of the token protocol (PB_MC_DO_*) under the locks of the kernel's own path. */
int pb_mcl_do(struct pb_mcl *m, const struct pb_mc_cmd *cmd);

#endif /* PB_LOADER_MEMCACHED_H */
