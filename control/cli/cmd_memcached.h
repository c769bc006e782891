/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the files of `patchbay memcached`. */
#ifndef PB_CLI_CMD_MEMCACHED_H
#define PB_CLI_CMD_MEMCACHED_H

#include "cli.h"

int mc_show(const struct cli *c, const struct cli_args *a);	   /* cmd_memcached_show.c */
int mc_stats(const struct cli *c, const struct cli_args *a);	   /* cmd_memcached_show.c */
int mc_top(const struct cli *c, const struct cli_args *a);	   /* cmd_memcached_show.c */
int mc_verify_ring(const struct cli *c, const struct cli_args *a); /* cmd_memcached_ring.c */

#endif /* PB_CLI_CMD_MEMCACHED_H */
