// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Replies of memcached: what they say, every truncation, and which of them may fill a cache. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <patchbay/mc_reply.h>

static struct pb_mc_work work;

static struct pb_mc_rep reply(const void *p, size_t n, int *ret_fill)
{
	const struct pb_mc_udp one = { .total = 1 };
	uint8_t *copy = malloc(n ? n : 1);
	struct pb_mc_scan s = pb_mc_scan_init(copy, copy + n, (__u32)n, &work);

	cr_assert_not_null(copy);
	memcpy(copy, p, n);
	if (ret_fill)
		*ret_fill = pb_mc_fill(&s, &one);
	pb_mc_reply(&s, 0, pb_mc_reply_proto(&s));
	free(copy);
	return work.rep;
}

struct want {
	const char *text;
	unsigned int kind, error;
	const char *key, *value; /* NULL: none */
	unsigned int item_flags;
	unsigned long cas;
	int ttl;
	int fill;
	unsigned int more; /* bytes behind it */
};

#define NO_TTL PB_MC_TTL_NONE

static const struct want wants[] = {
	{ "VALUE a 7 3\r\nabc\r\nEND\r\n", PB_MC_R_VALUE, 0, "a", "abc", 7, 0, NO_TTL, 1, 5 },
	{ "VALUE a 7 3 99\r\nabc\r\nEND\r\n", PB_MC_R_VALUE, 0, "a", "abc", 7, 99, NO_TTL, 1, 5 },
	{ "VALUE a 0 0\r\n\r\nEND\r\n", PB_MC_R_VALUE, 0, "a", "", 0, 0, NO_TTL, 1, 5 },
	{ "VALUE a 0 7\r\n\r\nEND\r\n\r\nEND\r\n", PB_MC_R_VALUE, 0, "a", "\r\nEND\r\n", 0, 0,
	  NO_TTL, 1, 5 },
	{ "VALUE a 7 3\r\nabc\r\n", PB_MC_R_VALUE, 0, "a", "abc", 7, 0, NO_TTL, 0, 0 },
	{ "VALUE a 7 3\r\nabc\r\nEND\r\nx", PB_MC_R_VALUE, 0, "a", "abc", 7, 0, NO_TTL, 0, 6 },
	{ "VALUE a 7 3\r\nabc\r\nVALUE b 0 1\r\nx\r\nEND\r\n", PB_MC_R_VALUE, 0, "a", "abc", 7, 0,
	  NO_TTL, 0, 21 },
	{ "VALUE a 7 3\r\nabcd\r\nEND\r\n", PB_MC_R_VALUE, PB_MC_E_CHUNK, "a", "abc", 7, 0, NO_TTL,
	  0, 6 },
	{ "END\r\n", PB_MC_R_END, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "STORED\r\n", PB_MC_R_DONE, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "NOT_STORED\r\n", PB_MC_R_REFUSED, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "EXISTS\r\n", PB_MC_R_REFUSED, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "NOT_FOUND\r\n", PB_MC_R_MISS, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "DELETED\r\n", PB_MC_R_DONE, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "TOUCHED\r\n", PB_MC_R_DONE, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "OK\r\n", PB_MC_R_DONE, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "5\r\n", PB_MC_R_DONE, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "18446744073709551615\r\n", PB_MC_R_DONE, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "ERROR\r\n", PB_MC_R_ERROR, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "CLIENT_ERROR bad data chunk\r\n", PB_MC_R_ERROR, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "SERVER_ERROR out of memory\r\n", PB_MC_R_ERROR, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "VERSION 1.6.18\r\n", PB_MC_R_OTHER, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "MN\r\n", PB_MC_R_OTHER, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "EN\r\n", PB_MC_R_MISS, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "HD c5 kab\r\n", PB_MC_R_DONE, 0, "ab", NULL, 0, 5, NO_TTL, 0, 0 },
	{ "NF O1\r\n", PB_MC_R_MISS, 0, NULL, NULL, 0, 0, NO_TTL, 0, 0 },
	{ "VA 2 f3 c4 t-1 kab\r\nxy\r\n", PB_MC_R_VALUE, 0, "ab", "xy", 3, 4, -1, 1, 0 },
	{ "VA 2 t30\r\nxy\r\n", PB_MC_R_VALUE, 0, NULL, "xy", 0, 0, 30, 1, 0 },
	{ "VA 2 t30 W X\r\nxy\r\n", PB_MC_R_VALUE, 0, NULL, "xy", 0, 0, 30, 0, 0 },
	{ "VA 2 Z\r\nxy\r\n", PB_MC_R_VALUE, 0, NULL, "xy", 0, 0, NO_TTL, 0, 0 },
	{ "HELLO\r\n", PB_MC_R_NONE, PB_MC_E_VERB, NULL, NULL, 0, 0, NO_TTL, 0, 8 },
};

static void expect(const struct want *w)
{
	size_t n = strlen(w->text);
	int fill;
	struct pb_mc_rep r = reply(w->text, n, &fill);

	cr_expect_eq(r.kind, w->kind, "%s: kind %u", w->text, r.kind);
	cr_expect_eq(r.error, w->error, "%s: error %u", w->text, r.error);
	cr_expect_eq(fill, w->fill, "%s: fill %d", w->text, fill);
	cr_expect_eq(n - r.next, r.next ? w->more : n, "%s: next %u", w->text, r.next);
	cr_expect_eq(r.key_len, w->key ? strlen(w->key) : 0, "%s", w->text);
	cr_expect_eq(r.val_len, w->value ? strlen(w->value) : 0, "%s", w->text);
	if (w->key)
		cr_expect_eq(memcmp(w->text + r.key_off, w->key, r.key_len), 0, "%s", w->text);
	if (w->value)
		cr_expect_eq(memcmp(w->text + r.val_off, w->value, r.val_len), 0, "%s", w->text);
	cr_expect_eq(r.item_flags, w->item_flags, "%s", w->text);
	cr_expect_eq(r.cas, w->cas, "%s", w->text);
	cr_expect_eq(r.ttl, w->ttl, "%s", w->text);
}

Test(memcached_reply, replies)
{
	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++)
		expect(&wants[i]);
}

/* Nothing that was cut fills a cache. */
Test(memcached_reply, truncations)
{
	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		const struct want *w = &wants[i];
		size_t n = strlen(w->text);

		for (size_t cut = 0; cut < n; cut++) {
			int fill;
			struct pb_mc_rep r = reply(w->text, cut, &fill);

			/* more than 5: another good answer may remain */
			cr_expect(!fill || w->more > 5, "%s cut to %zu", w->text, cut);
			if (!w->error && cut < n - w->more)
				cr_expect_eq(r.error, PB_MC_E_SHORT, "%s cut to %zu: %u", w->text,
					     cut, r.error);
		}
	}
}

static const uint8_t getk[] = { 0x81, 0x0c, 0, 2, 4, 0, 0, 0, 0, 0, 0, 9,   1,	 2,   3,   4,  0,
				0,    0,    0, 0, 0, 1, 2, 0, 0, 0, 7, 'a', 'b', 'x', 'y', 'z' };

Test(memcached_reply, binary)
{
	int fill;
	struct pb_mc_rep r = reply(getk, sizeof(getk), &fill);

	cr_expect_eq(r.kind, PB_MC_R_VALUE);
	cr_expect_eq(fill, 1);
	cr_expect_eq(r.item_flags, 7);
	cr_expect_eq(r.cas, 0x102);
	cr_expect_eq(r.opaque, 0x1020304);
	cr_expect_eq(r.key_off, 28);
	cr_expect_eq(r.key_len, 2);
	cr_expect_eq(r.val_off, 30);
	cr_expect_eq(r.val_len, 3);
	cr_expect_eq(r.next, sizeof(getk));
	for (size_t cut = 0; cut < sizeof(getk); cut++) {
		r = reply(getk, cut, &fill);
		cr_expect_eq(r.error, PB_MC_E_SHORT);
		cr_expect(!fill);
	}
}

Test(memcached_reply, binary_status)
{
	static const unsigned int kinds[] = { PB_MC_R_VALUE, PB_MC_R_MISS,  PB_MC_R_REFUSED,
					      PB_MC_R_ERROR, PB_MC_R_ERROR, PB_MC_R_REFUSED };
	uint8_t buf[sizeof(getk)];
	int fill;

	memcpy(buf, getk, sizeof(buf));
	for (unsigned int i = 0; i < 6; i++) {
		buf[7] = (uint8_t)i;
		cr_expect_eq(reply(buf, sizeof(buf), &fill).kind, kinds[i]);
		cr_expect_eq(fill, !i);
	}
	buf[7] = 0;
	buf[11] = 5; /* shorter than its parts */
	cr_expect_eq(reply(buf, sizeof(buf), &fill).error, PB_MC_E_BINARY);
	cr_expect(!fill);
}

/* One of several datagrams fills nothing. */
Test(memcached_reply, labels)
{
	static const char text[] = "VALUE a 7 3\r\nabc\r\nEND\r\n";
	struct pb_mc_scan s =
		pb_mc_scan_init(text, text + sizeof(text) - 1, sizeof(text) - 1, &work);
	struct pb_mc_udp label = { .total = 1 };

	cr_expect(pb_mc_fill(&s, &label));
	label.total = 2;
	cr_expect(!pb_mc_fill(&s, &label));
	label.seq = 1;
	cr_expect(!pb_mc_fill(&s, &label));
}
