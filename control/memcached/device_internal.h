/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PB_MEMCACHED_DEVICE_INTERNAL_H
#define PB_MEMCACHED_DEVICE_INTERNAL_H

#include "device.h"

/* device_ethtool.c: what ethtool(8) would show; what cannot be read stays unknown. */
void pb_mcd_ethtool(struct pb_mcd_facts *f);

#endif /* PB_MEMCACHED_DEVICE_INTERNAL_H */
