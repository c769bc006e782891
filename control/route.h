/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The unreachable route of a pool: an unmanaged client that dials a virtual address fails at once.
 * Its high metric leaves a real route for the same prefix in charge, its protocol number tells it
 * from routes of others.
 */
#ifndef PB_ROUTE_H
#define PB_ROUTE_H

#include <stdint.h>

#include <patchbay/types.h>

/* @bits: of 128.  There already: no error. */
int pb_route_add(const struct pb_addr *net, uint32_t bits);
/* 1: removed, 0: there was none of ours. */
int pb_route_remove(const struct pb_addr *net, uint32_t bits);

#endif /* PB_ROUTE_H */
