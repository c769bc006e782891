/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the registry tests share: a registry, and claims in one line. */
#ifndef TEST_REGISTRY_H
#define TEST_REGISTRY_H

#include <criterion/criterion.h>

#include "control/util.h"
#include "control/registry/registry.h"

static struct pb_registry *reg;
static char err[PB_ERR_LEN];

__attribute__((unused)) static void start(const char *pool4, const char *pool6)
{
	struct pb_reg_conf conf = { .cluster = "test" };

	pb_reg_key_derive(conf.cluster, conf.key);
	if (pool4)
		cr_assert_eq(pb_cidr_parse(pool4, &conf.pool4, &conf.pool4_bits), 0);
	if (pool6)
		cr_assert_eq(pb_cidr_parse(pool6, &conf.pool6, &conf.pool6_bits), 0);
	cr_assert_eq(pb_registry_new(&reg, &conf), 0);
}

__attribute__((unused)) static void stop(void)
{
	pb_registry_free(reg);
	reg = NULL;
}

__attribute__((unused)) static struct pb_addr A(const char *text) {
	struct pb_addr a = { 0 };

	cr_assert_eq(pb_addr_parse(text, &a), 0, "%s", text);
	return a;
}

/* @list: items separated by spaces, addresses and tags alike */
__attribute__((unused)) static struct pb_claim_req
request(uint64_t ref, const char *name, const char *list)
{
	static char copy[16][64];
	static unsigned next;
	struct pb_claim_req req = { .ref = ref, .name = name };
	char text[512], *save, *p;

	snprintf(text, sizeof(text), "%s", list);
	for (p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
		if (strchr(p, '=')) {
			snprintf(copy[next % 16], 64, "%s", p);
			req.tags[req.n_tags++] = copy[next++ % 16];
		} else {
			req.ips[req.n_ips++] = A(p);
		}
	}
	return req;
}

__attribute__((unused)) static int try(uint64_t ref, const char *name, const char *list)
{
	struct pb_claim_req req = request(ref, name, list);
	const struct pb_app_rec *rec;

	*err = '\0';
	return pb_registry_claim(reg, &req, &rec, err);
}

__attribute__((unused)) static const struct pb_app_rec *claim(uint64_t ref, const char *name,
							      const char *list)
{
	cr_assert_eq(try(ref, name, list), 0, "%s", err);
	return pb_registry_by_ref(reg, ref);
}

__attribute__((unused)) static const char *vip4(const struct pb_app_rec *rec)
{
	static char buf[46];

	return pb_addr_format(&rec->app.vip4, buf, sizeof(buf));
}

#endif /* TEST_REGISTRY_H */
