/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PB_MEMCACHED_APPLY_INTERNAL_H
#define PB_MEMCACHED_APPLY_INTERNAL_H

#include "control/memcached/apply.h"

/* Of a map of the loader's, which stays its own; an error is logged. */
int mca_map_fd(struct pb_mcl *m, const char *name);

/* Names the list: another list, another number. */
uint64_t mca_allow_name(const struct mca *s);
int mca_put_allow(struct pb_mcl *m, const struct mca *s);
/* Takes networks of the service away that @s (NULL: none) does not have; @fd: of pb_mc_allow. */
int mca_trim_allow(int fd, unsigned index, const struct mca *s);

#endif /* PB_MEMCACHED_APPLY_INTERNAL_H */
