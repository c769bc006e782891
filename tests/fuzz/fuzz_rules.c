/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines of text as policy rules, and each as a name, tag, address and egress list of a claim. */
#include <stdlib.h>
#include <string.h>

#include "control/registry/registry.h"
#include "control/util.h"

#define LINES 300 /* more than PB_RULES_MAX */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void claim(struct pb_registry *r, uint64_t ref, char *const *line, size_t n, char *err)
{
	struct pb_claim_req req = { .ref = ref, .name = line[0] };
	const struct pb_app_rec *rec;
	struct pb_egress_entry entries[PB_EGRESS_ITEMS + 1];

	if (n > 1)
		req.egress = line[1];
	if (n > 2 && !pb_addr_parse(line[2], &req.ips[0]))
		req.n_ips = 1;
	for (size_t i = 3; i < n && req.n_tags < 3; i++)
		req.tags[req.n_tags++] = line[i];
	*err = '\0';
	if (pb_registry_claim(r, &req, &rec, err)) {
		if (!*err)
			abort();
		return;
	}
	if (pb_egress_compile(rec, entries) > PB_EGRESS_ITEMS + 1 ||
	    pb_registry_by_name(r, line[0]) == NULL || pb_registry_by_ref(r, ref) != rec)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_reg_conf conf = { .pool4_bits = 124 };
	_cleanup_free_ char *text = calloc(1, size + 1);
	char *line[LINES], *p = text, *s, err[PB_ERR_LEN];
	struct pb_registry *r = NULL;
	size_t n = 0, bad = 0;

	pb_addr_parse("10.9.0.0", &conf.pool4);
	if (!text || size > 65536 || pb_registry_new(&r, &conf))
		return 0;
	memcpy(text, data, size);
	while (n < LINES && (s = strsep(&p, "\n")))
		line[n++] = s;
	for (size_t i = 0; i < n; i += 4)
		claim(r, i + 1, line + i, n - i, err);
	if (pb_registry_set_rules(r, (const char *const *)line, n, 0, &bad, err) && bad > n)
		abort();
	for (size_t i = 0; i < n; i++)
		pb_registry_set_rules(r, (const char *const *)line + i, 1, 1, &bad, err);
	for (size_t i = 0; i < n; i += 8)
		pb_registry_release(r, i + 1);
	pb_registry_free(r);
	return 0;
}
