/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the two files of the memcached switch's loader share. */
#ifndef PB_LOADER_MEMCACHED_INTERNAL_H
#define PB_LOADER_MEMCACHED_INTERNAL_H

#include <stdbool.h>

struct pb_mcl {
	char *bpffs;
	bool adopted;
	bool clsact; /* no tcx links here (before Linux 6.6) */
	struct memcached *skel;
};

struct bpf_program;
struct bpf_program *pb_mcl_prog(const struct pb_mcl *m, const char *name);

#endif /* PB_LOADER_MEMCACHED_INTERNAL_H */
