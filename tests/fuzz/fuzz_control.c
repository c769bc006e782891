/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One request of the control socket: refused with a sentence, or every field is readable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/agent/request.h"
#include "control/agent/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

static void read_fields(const struct pb_request *q)
{
	static const char *const text[] = { "name", "egress", "local", "mode",	"service",
					    "app",  "dest",   "src",   "proto", "ref" };
	const char *list[PB_REQ_ITEMS];
	unsigned long long ref;
	struct pb_target t;
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		const char *s = pb_request_string(q, text[i]);

		if (!s)
			continue;
		REQUIRE(strlen(s) <= PB_REQ_STRING);
		pb_ref_parse(s, &ref);
		if (!pb_target_parse(s, &t))
			REQUIRE(memchr(t.name, 0, sizeof(t.name)));
	}
	REQUIRE(!pb_request_strings(q, "ips", list, PB_REQ_ITEMS, &n));
	for (unsigned i = 0; i < n; i++)
		REQUIRE(list[i]);
	REQUIRE(!pb_request_strings(q, "tags", list, PB_REQ_ITEMS, &n));
	REQUIRE(pb_request_int(q, "last", 0) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_request q = { .json = NULL };
	char err[PB_REQ_ERR] = "";

	if (pb_request_parse((const char *)data, size, &q, err)) {
		REQUIRE(err[0] && !q.json);
		return 0;
	}
	REQUIRE(q.op < _PB_REQ_MAX);
	read_fields(&q);
	pb_request_fini(&q);
	return 0;
}
