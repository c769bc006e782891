/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TABLE_NET_INTERNAL_H
#define TABLE_NET_INTERNAL_H

#include "table_net.h"

enum { DELTA, REQUEST, ANSWER };

void tnet_mirror_change(void *arg, const struct tbl_owner *o, enum tbl_change what,
			const struct tbl_record *r, const struct tbl_record *was);

#endif /* TABLE_NET_INTERNAL_H */
