/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pure functions over struct pb_addr.  Source: RFC 4291, RFC 1122 3.2.1.3. */
#ifndef PATCHBAY_ADDR_H
#define PATCHBAY_ADDR_H

#include "types.h"

#define PB_V4MAP_W2 pb_htonl(0x0000ffff)

pb_inline struct pb_addr pb_addr_v4(__be32 ip)
{
	struct pb_addr a = { .w = { 0, 0, PB_V4MAP_W2, ip } };

	return a;
}

pb_inline int pb_addr_eq(const struct pb_addr *a, const struct pb_addr *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1] && a->w[2] == b->w[2] && a->w[3] == b->w[3];
}

pb_inline int pb_addr_is_v4(const struct pb_addr *a)
{
	return !a->w[0] && !a->w[1] && a->w[2] == PB_V4MAP_W2;
}

/* Never set: all zero, also as "::"; see pb_addr_is_any() for the mapped wildcard. */
pb_inline int pb_addr_is_zero(const struct pb_addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

/* :: or ::ffff:0.0.0.0 */
pb_inline int pb_addr_is_any(const struct pb_addr *a)
{
	return pb_addr_is_zero(a) || (pb_addr_is_v4(a) && !a->w[3]);
}

/* 127/8 (all eight bits of the first octet: 255.x is not loopback) or ::1 */
pb_inline int pb_addr_is_loopback(const struct pb_addr *a)
{
	if (pb_addr_is_v4(a))
		return (a->w[3] & pb_htonl(0xff000000)) == pb_htonl(0x7f000000);
	return !a->w[0] && !a->w[1] && !a->w[2] && a->w[3] == pb_htonl(1);
}

pb_inline struct pb_addr pb_addr_loopback(int v4)
{
	struct pb_addr a6 = { .w = { 0, 0, 0, pb_htonl(1) } };

	return v4 ? pb_addr_v4(pb_htonl(0x7f000001)) : a6;
}

/* Is @a in @net/@bits?  @bits counts from the 128-bit form: 96 + n for an IPv4 /n. */
pb_inline int pb_addr_in(const struct pb_addr *a, const struct pb_addr *net, __u32 bits)
{
	for (int i = 0; i < 4; i++) {
		__u32 n = bits >= 32u * (i + 1) ? 32 : bits > 32u * i ? bits - 32u * i : 0;
		__u32 mask = n ? ~0u << (32 - n) : 0;

		if ((a->w[i] ^ net->w[i]) & pb_htonl(mask))
			return 0;
	}
	return 1;
}

#endif /* PATCHBAY_ADDR_H */
