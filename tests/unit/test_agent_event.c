/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <patchbay/addr.h>
#include <patchbay/reasons.h>

#include "control/agent/event_json.h"
#include "control/util.h"

static struct pb_event_rec sample(void)
{
	struct pb_event_rec r = { .app = "cli", .peer = "web" };

	r.ev.time_ns = 1500000000;
	r.ev.app = 0x2a;
	r.ev.cookie = 77;
	r.ev.virt = pb_addr_v4(htonl(0x0a090001));
	r.ev.vport = htons(80);
	r.ev.reason = PB_R_DENY_GROUP;
	r.ev.op = PB_OP_CONNECT;
	r.ev.proto = PB_PROTO_TCP;
	r.ev.err = -EACCES;
	r.ev.pid = 4711;
	strcpy(r.ev.comm, "curl");
	return r;
}

static char *dump(const struct pb_event_rec *r, int64_t wall_ns)
{
	json_t *j = pb_event_json(r, wall_ns);
	char *text = json_dumps(j, JSON_COMPACT);

	cr_assert(ne(ptr, text, NULL));
	json_decref(j);
	return text;
}

Test(event, a_refusal)
{
	struct pb_event_rec r = sample();
	char *text = dump(&r, 1000000000000000000LL);

	cr_expect(
		eq(str, text,
		   "{\"time\":\"2001-09-09T01:46:41.500000Z\",\"app\":\"cli\",\"ref\":\"2a\","
		   "\"peer\":\"web\",\"op\":\"connect\",\"proto\":\"tcp\",\"dest\":\"10.9.0.1:80\","
		   "\"real\":null,\"reason\":\"no-group\",\"verdict\":\"refuse\","
		   "\"errno\":\"EACCES\",\"pid\":4711,\"comm\":\"curl\",\"cookie\":77}"));
	free(text);
}

Test(event, unknown_parts_are_null)
{
	struct pb_event_rec r = { .ev = { .reason = PB_R_NO_ADMIT, .proto = PB_PROTO_TCP } };
	char *text = dump(&r, 0);

	cr_expect(ne(ptr, strstr(text, "\"app\":null,\"ref\":null,\"peer\":null"), NULL));
	cr_expect(ne(ptr, strstr(text, "\"dest\":null,\"real\":null"), NULL));
	cr_expect(ne(ptr, strstr(text, "\"errno\":null,\"pid\":null,\"comm\":\"\""), NULL));
	free(text);
}

Test(event, ipv6_and_real)
{
	struct pb_event_rec r = sample();
	char *text;

	r.ev.virt = pb_addr_loopback(0);
	r.ev.real = pb_addr_loopback(1);
	r.ev.rport = htons(40000);
	r.ev.reason = PB_R_ALLOW_GROUP;
	r.ev.err = 0;
	text = dump(&r, 0);
	cr_expect(
		ne(ptr, strstr(text, "\"dest\":\"[::1]:80\",\"real\":\"127.0.0.1:40000\""), NULL));
	cr_expect(ne(ptr, strstr(text, "\"verdict\":\"allow\",\"errno\":null"), NULL));
	free(text);
}

/* What a newer kernel side may send, and names that are not text. */
Test(event, foreign_values)
{
	struct pb_event_rec r = sample();
	char *text;

	r.ev.reason = 60000;
	r.ev.op = 200;
	r.ev.proto = 132;
	r.ev.err = -4000;
	memset(r.ev.comm, 0xff, sizeof(r.ev.comm));
	text = dump(&r, 0);
	cr_expect(ne(ptr, strstr(text, "\"op\":\"?\",\"proto\":\"132\""), NULL));
	cr_expect(ne(ptr, strstr(text, "\"reason\":\"?\",\"verdict\":\"note\",\"errno\":\"4000\""),
		     NULL));
	cr_expect(ne(ptr, strstr(text, "\"comm\":\"???????????????\""), NULL));
	free(text);
}

Test(event, every_reason_has_a_verdict_of_the_evaluator)
{
	for (unsigned i = 0; i < _PB_R_MAX; i++) {
		cr_expect(eq(int, !strcmp(pb_verdict_name(i), "refuse"), pb_reason_refuses(i)),
			  "%s", pb_reason_name(i));
		cr_expect(ne(ptr, (void *)pb_reason_text(i), NULL));
	}
}

Test(event, filters)
{
	struct pb_event_rec r = sample();
	struct pb_event_filter f = { .refused = false };

	cr_expect(pb_event_wanted(&f, &r));
	f.refused = true;
	cr_expect(pb_event_wanted(&f, &r));
	r.ev.reason = PB_R_BIND;
	cr_expect(not(pb_event_wanted(&f, &r)));
	f = (struct pb_event_filter){ .by_app = true, .ref = 0x2a };
	cr_expect(pb_event_wanted(&f, &r));
	f.ref = 0x2b;
	cr_expect(not(pb_event_wanted(&f, &r)));
	strcpy(f.name, "web");
	cr_expect(pb_event_wanted(&f, &r));
	strcpy(f.name, "db");
	cr_expect(not(pb_event_wanted(&f, &r)));
}
