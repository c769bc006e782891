// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sums of headers that change: every result is what a full computation gives. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <patchbay/addr.h>
#include <patchbay/mc_csum.h>

/* RFC 1071, byte by byte; network order. */
static uint16_t full(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++) {
		sum += (uint32_t)(i & 1 ? p[i] : p[i] << 8);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static uint16_t check_of(const uint8_t *p, size_t n)
{
	return htons((uint16_t)~full(p, n, 0));
}

Test(memcached_csum, folds)
{
	static const uint64_t sums[] = { 0,
					 1,
					 0xffff,
					 0x10000,
					 0x1ffff,
					 0xffffffff,
					 0x1fffeffff,
					 0xfffffffffULL,
					 ~0ULL,
					 0xffff0000ULL,
					 0xfffeffffULL };

	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
		uint32_t got = pb_csum_fold(sums[i]);

		cr_assert_leq(got, 0xffff, "%llx", (unsigned long long)sums[i]);
		cr_assert_eq(got % 0xffff, sums[i] % 0xffff, "%llx", (unsigned long long)sums[i]);
		cr_assert_eq(!got, !sums[i]);
	}
}

/* Words of 16 and 32 bits, and addresses, change at random; many are 0 or all ones. */
Test(memcached_csum, updates)
{
	union {
		uint8_t b[64];
		uint16_t h[32];
		uint32_t w[16];
		struct pb_addr a[4];
	} p, q;

	srandom(11);
	for (int i = 0; i < 200000; i++) {
		uint64_t diff;
		uint16_t was, now;

		for (size_t k = 0; k < sizeof(p); k++)
			p.b[k] = q.b[k] = (uint8_t)(random() & 3 ? random() : -(random() & 1));
		for (size_t k = 0; k < 24; k++)
			q.b[k] = (uint8_t)(random() & 3 ? random() : -(random() & 1));
		for (size_t k = 32; k < 64; k++)
			q.b[k] = (uint8_t)random();
		diff = pb_csum_diff2(p.h[0], q.h[0]) + pb_csum_diff2(p.h[1], q.h[1]);
		for (int k = 1; k < 6; k++)
			diff += pb_csum_diff4(p.w[k], q.w[k]);
		diff += pb_csum_diff_addr(&p.a[2], &q.a[2], 1);
		diff += pb_csum_diff_addr(&p.a[3], &q.a[3], 1);
		was = check_of(p.b, sizeof(p));
		now = pb_csum_update(was, diff);
		/* 0 and 0xffff are the same sum */
		cr_assert_eq(ntohs(now) % 0xffff, ntohs(check_of(q.b, sizeof(q))) % 0xffff);
		cr_assert_eq(full((uint8_t *)&now, 2, full(q.b, sizeof(q), 0)), 0xffff);
		cr_assert_eq(pb_csum_update_udp(0, diff, 0), 0, "none stays none");
		cr_assert_neq(pb_csum_update_udp(was ? was : 1, diff, 0), 0);
	}
}

Test(memcached_csum, pseudo_header)
{
	struct pb_addr a = pb_addr_v4(htonl(0x0a000001)), b = pb_addr_v4(htonl(0x0a000002)), c, d;
	uint8_t v4[12] = { 10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 1, 44 };
	uint8_t v6[40] = { [33] = 17, [35] = 44, [34] = 1 };

	cr_assert_eq(pb_csum_pseudo(&a, &b, 0, 300), htons(full(v4, sizeof(v4), 0)));
	for (int i = 0; i < 16; i++) {
		v6[i] = c.b[i] = (uint8_t)(i * 17 + 3);
		v6[16 + i] = d.b[i] = (uint8_t)(200 - i);
	}
	cr_assert_eq(pb_csum_pseudo(&c, &d, 1, 300), htons(full(v6, sizeof(v6), 0)));
	cr_assert_eq(pb_csum_check(0xffff), 0xffff, "0 is written as all ones");
}
