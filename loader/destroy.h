/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The iterator of bpf/destroy.bpf.c: sockets that hang on endpoints that are gone. */
#ifndef PB_LOADER_DESTROY_H
#define PB_LOADER_DESTROY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <patchbay/stuck.h>

#include "loader.h"

/* All: -EOPNOTSUPP where this kernel did not take the object. */

/* Those endpoints are looked for from now on / no more.  -ENOSPC: more than PB_GONE_MAX. */
int pb_loader_gone_add(struct pb_loader *l, const struct pb_gone_key *k, uint32_t flags);
int pb_loader_gone_del(struct pb_loader *l, const struct pb_gone_key *k);

/* A walk over all managed sockets: a file that hands out whole struct pb_stuck, as many as there is
 * room for; end of file ends it.  The count of the spared begins anew. */
int pb_loader_stuck_open(struct pb_loader *l);
/* Connected sockets whose server may be talking on (patchbay/stuck.h), in the walk so far. */
uint64_t pb_loader_stuck_spared(struct pb_loader *l);

#endif /* PB_LOADER_DESTROY_H */
