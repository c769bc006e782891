/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table the names tests ask, and queries to ask it. */
#ifndef TEST_NAMES_H
#define TEST_NAMES_H

#include <stdbool.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/names/zone.h"

#define UNUSED __attribute__((unused))
#define POOL4 0x0a090000 /* 10.9.0.0/16 */

static struct pb_addr v4(uint32_t host)
{
	return pb_addr_v4(htonl(host));
}

UNUSED static struct pb_addr v6(uint32_t last)
{
	return (struct pb_addr){ .w = { htonl(0xfd000000), 0, 0, htonl(last) } };
}

static int t_lookup_name(void *arg, const char *name, struct pb_names_rec *ret)
{
	static const struct {
		const char *name;
		uint32_t vip4, vip6;
	} apps[] = { { "web", POOL4 + 1, 1 },
		     { "cache", POOL4 + 2, 0 },
		     { "six", 0, 6 },
		     { "db.prod", POOL4 + 3, 0 },
		     { "bare", 0, 0 },
		     { "a23456789-123456789-123456789-123456789-123456789-123456789-123", POOL4 + 9,
		       9 } };

	if (!strcmp(name, "broken"))
		return -EIO;
	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++) {
		if (strcmp(name, apps[i].name))
			continue;
		memset(ret, 0, sizeof(*ret));
		if (apps[i].vip4)
			ret->vip4 = v4(apps[i].vip4);
		if (apps[i].vip6)
			ret->vip6 = v6(apps[i].vip6);
		ret->n_svc = 4;
		ret->svc[0] = (struct pb_names_svc){ htons(80), PB_PROTO_TCP };
		ret->svc[1] = (struct pb_names_svc){ htons(80), PB_PROTO_TCP };
		ret->svc[2] = (struct pb_names_svc){ htons(8081), PB_PROTO_TCP };
		ret->svc[3] = (struct pb_names_svc){ htons(53), PB_PROTO_UDP };
		return 0;
	}
	(void)arg;
	return -ENOENT;
}

static int t_lookup_addr(void *arg, const struct pb_addr *a, char ret[PB_NAME_LEN])
{
	struct pb_addr web4 = v4(POOL4 + 1), web6 = v6(1), anon = v4(0xa9fe0001);

	(void)arg;
	if (pb_addr_eq(a, &web4) || pb_addr_eq(a, &web6))
		strcpy(ret, "web");
	else if (pb_addr_eq(a, &anon))
		strcpy(ret, "~17");
	else
		return -ENOENT;
	return 0;
}

static int t_pool_contains(void *arg, const struct pb_addr *a)
{
	struct pb_addr net4 = v4(POOL4), net6 = v6(0);

	(void)arg;
	return pb_addr_in(a, &net4, 96 + 16) || pb_addr_in(a, &net6, 64);
}

UNUSED static const struct pb_names_ops t_ops = {
	.lookup_name = t_lookup_name,
	.lookup_addr = t_lookup_addr,
	.pool_contains = t_pool_contains,
};

/* edns: its UDP size, 0 for none.  Returns the length. */
UNUSED static size_t make_query(uint8_t *out, const char *name, unsigned type, unsigned edns)
{
	ldns_pkt *pkt =
		ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_RD);
	uint8_t *wire = NULL;
	size_t len = 0;

	cr_assert(pkt);
	ldns_pkt_set_id(pkt, 0xbeef);
	if (edns)
		ldns_pkt_set_edns_udp_size(pkt, (uint16_t)edns);
	cr_assert(!ldns_pkt2wire(&wire, pkt, &len));
	memcpy(out, wire, len);
	free(wire);
	ldns_pkt_free(pkt);
	return len;
}

/* An answer to @query with the records in zone file syntax, NULL at the end; tc marks it. */
UNUSED static size_t make_answer(uint8_t *out, const uint8_t *query, size_t len,
				 const char *const *records)
{
	ldns_pkt *pkt = NULL;
	uint8_t *wire = NULL;
	size_t n = 0;

	cr_assert(!ldns_wire2pkt(&pkt, query, len));
	ldns_pkt_set_qr(pkt, true);
	for (; *records; records++) {
		ldns_rr *rr = NULL;

		cr_assert(!ldns_rr_new_frm_str(&rr, *records, 60, NULL, NULL), "%s", *records);
		ldns_pkt_push_rr(pkt, LDNS_SECTION_ANSWER, rr);
	}
	cr_assert(!ldns_pkt2wire(&wire, pkt, &n));
	memcpy(out, wire, n);
	free(wire);
	ldns_pkt_free(pkt);
	return n;
}

#endif /* TEST_NAMES_H */
