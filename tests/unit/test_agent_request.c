/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>

#include "control/agent/request.h"
#include "control/util.h"

struct bad {
	char line[160];
	int err;
	char says[80]; /* part of the sentence */
};

ParameterizedTestParameters(request, refused)
{
	static struct bad cases[] = {
		{ "", -EINVAL, "not valid JSON" },
		{ "{", -EINVAL, "not valid JSON" },
		{ "[]", -EINVAL, "not a JSON object" },
		{ "{\"op\":\"hello\"} x", -EINVAL, "not valid JSON" },
		{ "{}", -EINVAL, "\"op\" is missing" },
		{ "{\"op\":7}", -EINVAL, "\"op\" is missing or not a string" },
		{ "{\"op\":\"hell\"}", -ENOSYS, "unknown op \"hell\"" },
		{ "{\"op\":\"HELLO\"}", -ENOSYS, "unknown op" },
		{ "{\"op\":\"hello\",\"op\":\"run\"}", -EINVAL, "duplicate" },
		{ "{\"op\":\"hello\",\"name\":\"x\"}", -EINVAL,
		  "unknown field \"name\" in a hello request" },
		{ "{\"op\":\"run\",\"name\":1}", -EINVAL, "\"name\" must be a string" },
		{ "{\"op\":\"run\",\"name\":\"a\\u0000b\"}", -EINVAL, "not valid JSON" },
		{ "{\"op\":\"run\",\"name\":\"a\\nb\"}", -EINVAL, "without control characters" },
		{ "{\"op\":\"run\",\"splice\":true}", -EINVAL, "\"splice\" must be a string" },
		{ "{\"op\":\"run\",\"ips\":\"10.0.0.1\"}", -EINVAL, "\"ips\" must be an array" },
		{ "{\"op\":\"run\",\"tags\":[\"a=b\",1]}", -EINVAL, "\"tags\" must be an array" },
		{ "{\"op\":\"events\",\"follow\":1}", -EINVAL, "\"follow\" must be true or false" },
		{ "{\"op\":\"events\",\"last\":-1}", -EINVAL, "\"last\" must be a whole number" },
		{ "{\"op\":\"events\",\"last\":1.5}", -EINVAL, "\"last\" must be a whole number" },
		{ "{\"op\":\"events\",\"last\":1000001}", -EINVAL, "\"last\" must be" },
		{ "{\"op\":\"check\",\"src\":\"a\"}", -EINVAL, "\"dest\" is missing" },
		{ "{\"op\":\"flows\",\"spliced\":1}", -EINVAL,
		  "\"spliced\" must be true or false" },
		{ "{\"op\":\"flows\",\"dest\":\"a\"}", -EINVAL,
		  "unknown field \"dest\" in a flows" },
		{ "{\"op\":\"release\"}", -EINVAL, "\"ref\" is missing" },
		{ "{\"op\":\"nodes\",\"node\":\"h1\"}", -EINVAL, "unknown field \"node\"" },
		{ "{\"op\":\"cluster-init\",\"token\":\"x\"}", -EINVAL, "unknown field \"token\"" },
		{ "{\"op\":\"cluster-init\",\"addresses\":\"10.0.0.1\"}", -EINVAL,
		  "\"addresses\" must be an array" },
		{ "{\"op\":\"cluster-join\"}", -EINVAL, "\"token\" is missing" },
		{ "{\"op\":\"cluster-join\",\"token\":7}", -EINVAL,
		  "\"token\" must be a token of at most 2048" },
		{ "{\"op\":\"key\",\"id\":\"00\"}", -EINVAL, "\"action\" is missing" },
		{ "{\"op\":\"drain\",\"endpoint\":\"7\"}", -EINVAL,
		  "\"endpoint\" must be a whole number" },
		{ "[[[[[[[[[1]]]]]]]]]", -EINVAL, "deeper than 8" },
		{ "{\"a\":[[[[[[[[", -EINVAL, "deeper than 8" },
		{ "{\"op\":\"hello\",\"\\u001b[2J\":1}", -EINVAL, "unknown field \"?[2J\"" },
	};

	return cr_make_param_array(struct bad, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct bad *b, request, refused)
{
	struct pb_request q = { .json = NULL };
	char err[PB_REQ_ERR] = "";

	cr_assert(eq(int, pb_request_parse(b->line, strlen(b->line), &q, err), b->err), "%s: %s",
		  b->line, err);
	cr_expect(ne(ptr, strstr(err, b->says), NULL), "%s: \"%s\"", b->line, err);
	cr_expect(eq(ptr, q.json, NULL));
}

Test(request, brackets_in_strings_are_no_nesting)
{
	static const char line[] =
		"{\"op\":\"check\",\"src\":\"[[[[[[[[[[{{{{{\",\"dest\":\"\\\"[[[[[[[[\"}";
	struct pb_request q;
	char err[PB_REQ_ERR];

	cr_assert(eq(int, pb_request_parse(line, strlen(line), &q, err), 0), "%s", err);
	cr_expect(eq(str, (char *)pb_request_string(&q, "dest"), "\"[[[[[[[["));
	pb_request_fini(&q);
}

Test(request, run_with_everything)
{
	static const char line[] =
		"{\"op\":\"run\",\"name\":\"web\",\"ips\":[\"10.9.0.1\",\"fd00::1\"],"
		"\"tags\":[\"grp=a\"],\"egress\":\"none\",\"local\":\"deny\",\"mode\":\"audit\","
		"\"splice\":\"on\"}";
	struct pb_request q;
	char err[PB_REQ_ERR];
	const char *ips[2];
	unsigned n = 9;

	cr_assert(eq(int, pb_request_parse(line, strlen(line), &q, err), 0), "%s", err);
	cr_expect(eq(int, q.op, PB_REQ_RUN));
	cr_expect(not(q.root_only));
	cr_expect(eq(int, pb_request_strings(&q, "ips", ips, 2, &n), 0));
	cr_expect(eq(u32, n, 2));
	cr_expect(eq(str, (char *)ips[1], "fd00::1"));
	cr_expect(eq(int, pb_request_strings(&q, "ips", ips, 1, &n), -E2BIG));
	cr_expect(eq(u32, n, 2));
	cr_expect(eq(str, (char *)pb_request_string(&q, "local"), "deny"));
	cr_expect(eq(str, (char *)pb_request_string(&q, "splice"), "on"));
	cr_expect(eq(ptr, (void *)pb_request_string(&q, "nothing"), NULL));
	pb_request_fini(&q);
}

Test(request, defaults_of_absent_fields)
{
	struct pb_request q;
	char err[PB_REQ_ERR];
	unsigned n = 7;

	cr_assert(eq(int, pb_request_parse("{\"op\":\"events\"}", 15, &q, err), 0));
	cr_expect(not(pb_request_bool(&q, "follow")));
	cr_expect(eq(long, pb_request_int(&q, "last", 42), 42));
	cr_expect(eq(int, pb_request_strings(&q, "tags", NULL, 0, &n), 0));
	cr_expect(eq(u32, n, 0));
	pb_request_fini(&q);
}

Test(request, only_root_reloads_and_releases)
{
	struct pb_request q;
	char err[PB_REQ_ERR];

	cr_assert(eq(int, pb_request_parse("{\"op\":\"reload\"}", 15, &q, err), 0));
	cr_expect(q.root_only);
	pb_request_fini(&q);
}

Test(request, too_long)
{
	static char line[PB_REQ_MAX];
	struct pb_request q;
	char err[PB_REQ_ERR];

	memset(line, ' ', sizeof(line));
	cr_expect(eq(int, pb_request_parse(line, sizeof(line), &q, err), -EMSGSIZE));
	memcpy(line, "{\"op\":\"hello\"}", 14);
	cr_assert(eq(int, pb_request_parse(line, sizeof(line) - 1, &q, err), 0), "%s", err);
	pb_request_fini(&q);
}

Test(request, refs)
{
	unsigned long long v = 5;

	cr_expect(eq(int, pb_ref_parse("1f", &v), 0));
	cr_expect(eq(ullong, v, 0x1f));
	cr_expect(eq(int, pb_ref_parse("0xFFFFFFFFFFFFFFFF", &v), 0));
	cr_expect(eq(ullong, v, ~0ULL));
	cr_expect(eq(int, pb_ref_parse("", &v), -EINVAL));
	cr_expect(eq(int, pb_ref_parse("0x", &v), -EINVAL));
	cr_expect(eq(int, pb_ref_parse("-1", &v), -EINVAL));
	cr_expect(eq(int, pb_ref_parse(" 1", &v), -EINVAL));
	cr_expect(eq(int, pb_ref_parse("1g", &v), -EINVAL));
	cr_expect(eq(int, pb_ref_parse("10000000000000000", &v), -EINVAL));
	cr_expect(eq(ullong, v, ~0ULL));
}

Test(request, a_token_is_longer_than_other_strings)
{
	char line[PB_REQ_TOKEN + 64], err[PB_REQ_ERR];
	struct pb_request q = { .json = NULL };

	snprintf(line, sizeof(line), "{\"op\":\"cluster-join\",\"token\":\"%0*d\"}", PB_REQ_TOKEN,
		 0);
	cr_assert(eq(int, pb_request_parse(line, strlen(line), &q, err), 0), "%s", err);
	cr_expect(eq(sz, strlen(pb_request_string(&q, "token")), PB_REQ_TOKEN));
	cr_expect(q.root_only);
	pb_request_fini(&q);
	snprintf(line, sizeof(line), "{\"op\":\"cluster-join\",\"token\":\"%0*d\"}",
		 PB_REQ_TOKEN + 1, 0);
	cr_expect(eq(int, pb_request_parse(line, strlen(line), &q, err), -EINVAL));
	snprintf(line, sizeof(line), "{\"op\":\"cluster-init\",\"name\":\"%0*d\"}",
		 PB_REQ_STRING + 1, 0);
	cr_expect(eq(int, pb_request_parse(line, strlen(line), &q, err), -EINVAL));
}

Test(request, what_changes_the_cluster_is_for_root)
{
	static const struct {
		const char *line;
		bool root;
	} ops[] = {
		{ "{\"op\":\"nodes\"}", false },
		{ "{\"op\":\"cluster\"}", false },
		{ "{\"op\":\"keys\"}", false },
		{ "{\"op\":\"cluster-init\"}", true },
		{ "{\"op\":\"cluster-join\",\"token\":\"x\"}", true },
		{ "{\"op\":\"cluster-token\"}", true },
		{ "{\"op\":\"cluster-leave\"}", true },
		{ "{\"op\":\"key\",\"action\":\"use\"}", true },
		{ "{\"op\":\"drain\"}", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct pb_request q = { .json = NULL };
		char err[PB_REQ_ERR] = "";

		cr_assert(eq(int, pb_request_parse(ops[i].line, strlen(ops[i].line), &q, err), 0),
			  "%s: %s", ops[i].line, err);
		cr_expect(eq(int, q.root_only, ops[i].root), "%s", ops[i].line);
		pb_request_fini(&q);
	}
}
