/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which answers from outside are passed on, and messages on a stream. */
#include "test_names.h"

#include <criterion/parameterized.h>

#include "control/names/frame.h"

static uint8_t query[PB_MSG_MAX], answer[PB_MSG_MAX];
static size_t query_len, answer_len;
static struct pb_msg_query q;
static struct pb_msg_guard guard = {
	.domain = "patchbay.internal",
	.pool_contains = t_pool_contains,
};

static void build(const char *name, unsigned type, const char *const *records)
{
	query_len = make_query(query, name, type, 0);
	cr_assert(!pb_msg_read_query(query, query_len, &q));
	answer_len = make_answer(answer, query, query_len, records);
	guard.more = false;
}

static void setup(void)
{
	static const char *const records[] = { "example.com. 60 IN A 192.0.2.1", NULL };

	build("example.com", LDNS_RR_TYPE_A, records);
}

static enum pb_msg_reply check(void)
{
	uint8_t *exact = malloc(answer_len); /* a read past the end is seen */
	enum pb_msg_reply v;

	memcpy(exact, answer, answer_len);
	v = pb_msg_check_reply(&guard, &q, exact, answer_len);
	free(exact);
	return v;
}

TestSuite(reply, .init = setup);

Test(reply, plain)
{
	cr_expect_eq(check(), PB_MSG_REPLY_OK);
	for (size_t i = PB_MSG_HEADER; i < query_len; i++)
		if (answer[i] >= 'a' && answer[i] <= 'z')
			answer[i] -= 32;
	cr_expect_eq(check(), PB_MSG_REPLY_OK, "case of the question does not count");
}

Test(reply, not_ours)
{
	answer[1] ^= 1;
	cr_expect_eq(check(), PB_MSG_REPLY_OTHER, "id");
	answer[1] ^= 1;
	answer[2] &= 0x7f;
	cr_expect_eq(check(), PB_MSG_REPLY_OTHER, "no response");
	answer[2] |= 0x80 | 4 << 3;
	cr_expect_eq(check(), PB_MSG_REPLY_OTHER, "opcode");
	answer[2] &= 0x87;
	answer[PB_MSG_HEADER + 1] ^= 1;
	cr_expect_eq(check(), PB_MSG_REPLY_OTHER, "name");
	answer[PB_MSG_HEADER + 1] ^= 1;
	answer[query_len - 3] ^= 1;
	cr_expect_eq(check(), PB_MSG_REPLY_OTHER, "type");
	answer[query_len - 3] ^= 1;
	for (size_t n = 0; n < query_len; n++) {
		answer_len = n;
		cr_expect_eq(check(), PB_MSG_REPLY_OTHER, "cut at %zu", n);
	}
}

Test(reply, error_without_question)
{
	answer_len = PB_MSG_HEADER;
	memset(answer + 4, 0, 8);
	cr_expect_eq(check(), PB_MSG_REPLY_OTHER, "not without error");
	answer[3] |= LDNS_RCODE_FORMERR;
	cr_expect_eq(check(), PB_MSG_REPLY_OK);
	answer[3] &= 0xf0;
	guard.more = true;
	cr_expect_eq(check(), PB_MSG_REPLY_OK, "further message of a transfer");
}

Test(reply, cut_short)
{
	for (size_t n = query_len; n < answer_len; n++) {
		size_t whole = answer_len;

		answer_len = n;
		answer[2] &= ~0x02;
		cr_expect_eq(check(), PB_MSG_REPLY_BAD, "cut at %zu", n);
		answer[2] |= 0x02;
		cr_expect_eq(check(), PB_MSG_REPLY_OK, "truncated at %zu", n);
		answer_len = whole;
	}
}

Test(reply, name_loop)
{
	answer[query_len] = 0xc0; /* the record's name points to itself */
	answer[query_len + 1] = (uint8_t)query_len;
	cr_expect_eq(check(), PB_MSG_REPLY_BAD);
}

struct content {
	char record[128];
	int verdict;
};

static struct content contents[] = {
	{ "example.com. 60 IN A 10.9.0.1", PB_MSG_REPLY_POOL },
	{ "example.com. 60 IN A 10.10.0.1", PB_MSG_REPLY_OK },
	{ "example.com. 60 IN AAAA fd00::5", PB_MSG_REPLY_POOL },
	{ "example.com. 60 IN AAAA ::ffff:10.9.0.1", PB_MSG_REPLY_POOL },
	{ "example.com. 60 IN AAAA 2001:db8::1", PB_MSG_REPLY_OK },
	{ "other.example. 60 IN A 10.9.3.4", PB_MSG_REPLY_POOL },
	{ "web.patchbay.internal. 60 IN A 192.0.2.1", PB_MSG_REPLY_ZONE },
	{ "WEB.Patchbay.INTERNAL. 60 IN A 192.0.2.1", PB_MSG_REPLY_ZONE },
	{ "patchbay.internal. 60 IN NS ns.example.", PB_MSG_REPLY_ZONE },
	{ "xpatchbay.internal. 60 IN A 192.0.2.1", PB_MSG_REPLY_OK },
	{ "example.com. 60 IN CNAME web.patchbay.internal.", PB_MSG_REPLY_OK },
	{ "example.com. 60 IN TXT \"10.9.0.1\"", PB_MSG_REPLY_OK },
	/* HTTPS 1 . ipv4hint=192.0.2.1,10.9.0.1; then ipv6hint=fd00::1; then a plain one */
	{ "example.com. 60 IN TYPE65 \\# 15 00010000040008c00002010a090001", PB_MSG_REPLY_POOL },
	{ "example.com. 60 IN TYPE64 \\# 23 00010000060010fd000000000000000000000000000001",
	  PB_MSG_REPLY_POOL },
	{ "example.com. 60 IN TYPE65 \\# 11 00010000040004c0000201", PB_MSG_REPLY_OK },
	{ "example.com. 60 IN TYPE65 \\# 9 0001000004ffffc000", PB_MSG_REPLY_OK },
	{ "example.com. 60 IN TYPE65 \\# 3 000100", PB_MSG_REPLY_OK },
};

ParameterizedTestParameters(reply, content)
{
	return cr_make_param_array(struct content, contents,
				   sizeof(contents) / sizeof(contents[0]));
}

ParameterizedTest(struct content *c, reply, content, .init = setup)
{
	const char *const records[] = { "example.com. 60 IN TXT \"first\"", c->record, NULL };

	build("example.com", LDNS_RR_TYPE_ANY, records);
	cr_expect_eq((int)check(), c->verdict, "%s", c->record);
}

/* ---- stream -------------------------------------------------------------- */

/* Feeds @data in reads of at most @step bytes; counts whole messages, sums their bytes. */
static unsigned feed(const uint8_t *data, size_t len, size_t step, size_t *ret_bytes)
{
	struct pb_frame f = { 0 };
	unsigned whole = 0;

	for (*ret_bytes = 0; len;) {
		char *to;
		size_t n, want;
		int r;

		pb_frame_want(&f, &to, &want);
		cr_assert_gt(want, 0);
		n = want < step ? want : step;
		n = n < len ? n : len;
		memcpy(to, data, n);
		data += n;
		len -= n;
		r = pb_frame_took(&f, n);
		cr_assert_geq(r, 0);
		if (r) {
			whole++;
			*ret_bytes += f.len;
			pb_frame_reset(&f);
		}
	}
	pb_frame_reset(&f);
	return whole;
}

Test(frame, any_split)
{
	static const uint8_t two[] = { 0, 3, 1, 2, 3, 0, 0, 0, 1, 9, 0, 5, 1, 2 };
	size_t bytes;

	for (size_t step = 1; step <= sizeof(two); step++) {
		cr_expect_eq(feed(two, sizeof(two), step, &bytes), 3, "step %zu", step);
		cr_expect_eq(bytes, 4);
	}
}

Test(frame, largest)
{
	static uint8_t big[2 + PB_MSG_MAX] = { 0xff, 0xff };
	size_t bytes;

	cr_expect_eq(feed(big, sizeof(big), 4096, &bytes), 1);
	cr_expect_eq(bytes, PB_MSG_MAX);
}
