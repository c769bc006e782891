/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is inside and what is answered, read back with ldns. */
#include "test_names.h"

#include <criterion/parameterized.h>

#define LONGNAME "a23456789-123456789-123456789-123456789-123456789-123456789-123"

static struct pb_zone zone;
static struct pb_names_stats stats;
static uint8_t query[PB_MSG_MAX + 1];

static void setup(void)
{
	cr_assert(!pb_zone_init(&zone, "Patchbay.Internal.", &t_ops, NULL, 0));
	memset(&stats, 0, sizeof(stats));
}

TestSuite(names, .init = setup);

/* The answer, or NULL with *ret saying why there is none. */
static ldns_pkt *ask_bytes(size_t len, bool tcp, enum pb_zone_verdict *ret)
{
	uint8_t *reply = NULL;
	struct pb_msg_query q;
	ldns_pkt *pkt = NULL;
	size_t n = 0;

	*ret = pb_zone_handle(&zone, query, len, tcp, &stats, &q, &reply, &n);
	if (*ret != PB_ZONE_REPLY)
		return NULL;
	cr_assert(tcp || n <= pb_msg_udp_limit(&q));
	cr_assert(!ldns_wire2pkt(&pkt, reply, n), "what we build, ldns reads");
	cr_assert_eq(ldns_pkt_id(pkt), 0xbeef);
	cr_assert(ldns_pkt_qr(pkt) && ldns_pkt_ra(pkt) && ldns_pkt_rd(pkt));
	if (ldns_pkt_qdcount(pkt)) /* byte for byte, case included */
		cr_assert_arr_eq(reply + PB_MSG_HEADER, query + PB_MSG_HEADER, q.question_len);
	free(reply);
	return pkt;
}

static ldns_pkt *ask(const char *name, unsigned type, unsigned edns)
{
	enum pb_zone_verdict verdict;

	return ask_bytes(make_query(query, name, type, edns), false, &verdict);
}

static char *rdata_text(const ldns_rr *rr, size_t i)
{
	char *text = ldns_rdf2str(ldns_rr_rdf(rr, i));
	size_t n = strlen(text);

	if (n && text[n - 1] == '.')
		text[n - 1] = '\0';
	return text;
}

struct rule {
	char name[128];
	int type;
	int rcode; /* -1: forwarded */
	int answers;
	char first[64]; /* last field of the first answer */
};

static struct rule rules[] = {
	{ "web", LDNS_RR_TYPE_A, 0, 1, "10.9.0.1" },
	{ "WeB", LDNS_RR_TYPE_A, 0, 1, "10.9.0.1" },
	{ "web.", LDNS_RR_TYPE_A, 0, 1, "10.9.0.1" },
	{ "web.patchbay.internal", LDNS_RR_TYPE_A, 0, 1, "10.9.0.1" },
	{ "WEB.PATCHBAY.Internal.", LDNS_RR_TYPE_AAAA, 0, 1, "fd00::1" },
	{ "web", LDNS_RR_TYPE_ANY, 0, 2, "10.9.0.1" },
	{ "db.prod", LDNS_RR_TYPE_A, 0, 1, "10.9.0.3" },
	{ "db.prod.patchbay.internal", LDNS_RR_TYPE_A, 0, 1, "10.9.0.3" },
	{ "cache", LDNS_RR_TYPE_AAAA, 0, 0, "" },
	{ "six", LDNS_RR_TYPE_A, 0, 0, "" },
	{ "six", LDNS_RR_TYPE_AAAA, 0, 1, "fd00::6" },
	{ "bare", LDNS_RR_TYPE_A, 0, 0, "" },
	{ "web", LDNS_RR_TYPE_TXT, 0, 0, "" },
	{ "web", LDNS_RR_TYPE_SRV, 0, 0, "" },
	{ "web", 65, 0, 0, "" },
	{ "web", LDNS_RR_TYPE_AXFR, LDNS_RCODE_REFUSED, 0, "" },
	{ "patchbay.internal", LDNS_RR_TYPE_A, 0, 0, "" },
	{ "patchbay.internal", LDNS_RR_TYPE_SOA, 0, 1, "0" },
	{ "nobody.patchbay.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, 0, "" },
	{ "a.web.patchbay.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, 0, "" },
	{ "broken", LDNS_RR_TYPE_A, LDNS_RCODE_SERVFAIL, 0, "" },
	{ "broken.patchbay.internal", LDNS_RR_TYPE_A, LDNS_RCODE_SERVFAIL, 0, "" },
	{ "nobody", LDNS_RR_TYPE_A, -1, 0, "" },
	{ ".", LDNS_RR_TYPE_NS, -1, 0, "" },
	{ "a.web", LDNS_RR_TYPE_A, -1, 0, "" },
	{ "web.example.com", LDNS_RR_TYPE_A, -1, 0, "" },
	{ "xpatchbay.internal", LDNS_RR_TYPE_A, -1, 0, "" },
	{ "internal", LDNS_RR_TYPE_A, -1, 0, "" },
	{ "web.patchbay.internal.example.com", LDNS_RR_TYPE_A, -1, 0, "" },
	{ "web\\.patchbay.internal", LDNS_RR_TYPE_A, -1, 0, "" },
	{ "db\\.prod", LDNS_RR_TYPE_A, -1, 0, "" },
	{ "w\\000b.patchbay.internal", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN, 0, "" },
	/* SRV */
	{ "_80._tcp.web", LDNS_RR_TYPE_SRV, 0, 1, "web.patchbay.internal" },
	{ "_HTTP._tcp.Web.patchbay.internal", LDNS_RR_TYPE_SRV, 0, 1, "web.patchbay.internal" },
	{ "_http._tcp.web", LDNS_RR_TYPE_ANY, 0, 1, "web.patchbay.internal" },
	{ "_53._udp.db.prod", LDNS_RR_TYPE_SRV, 0, 1, "db.prod.patchbay.internal" },
	{ "_53._tcp.web", LDNS_RR_TYPE_SRV, 0, 0, "" },
	{ "_99999._tcp.web", LDNS_RR_TYPE_SRV, 0, 0, "" },
	{ "_0._tcp.web", LDNS_RR_TYPE_SRV, 0, 0, "" },
	{ "_nosuchservice._tcp.web", LDNS_RR_TYPE_SRV, 0, 0, "" },
	{ "_80._tcp.web", LDNS_RR_TYPE_A, 0, 0, "" },
	{ "_tcp.web", LDNS_RR_TYPE_A, 0, 0, "" },
	{ "_80._sctp.web.patchbay.internal", LDNS_RR_TYPE_SRV, LDNS_RCODE_NXDOMAIN, 0, "" },
	{ "_80._tcp.nobody.patchbay.internal", LDNS_RR_TYPE_SRV, LDNS_RCODE_NXDOMAIN, 0, "" },
	{ "_80._tcp.nobody", LDNS_RR_TYPE_SRV, -1, 0, "" },
	{ "_ldap._tcp.example.com", LDNS_RR_TYPE_SRV, -1, 0, "" },
	/* PTR */
	{ "1.0.9.10.in-addr.arpa", LDNS_RR_TYPE_PTR, 0, 1, "web.patchbay.internal" },
	{ "1.0.9.10.IN-ADDR.ARPA", LDNS_RR_TYPE_PTR, 0, 1, "web.patchbay.internal" },
	{ "1.0.9.10.in-addr.arpa", LDNS_RR_TYPE_A, 0, 0, "" },
	{ "77.0.9.10.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_NXDOMAIN, 0, "" },
	{ "1.0.254.169.in-addr.arpa", LDNS_RR_TYPE_PTR, LDNS_RCODE_NXDOMAIN, 0, "" },
	{ "8.8.8.8.in-addr.arpa", LDNS_RR_TYPE_PTR, -1, 0, "" },
	{ "9.10.in-addr.arpa", LDNS_RR_TYPE_PTR, -1, 0, "" },
	{ "1.0.9.999.in-addr.arpa", LDNS_RR_TYPE_PTR, -1, 0, "" },
	{ "1.1.0.9.10.in-addr.arpa", LDNS_RR_TYPE_PTR, -1, 0, "" },
	{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
	  LDNS_RR_TYPE_PTR, 0, 1, "web.patchbay.internal" },
	{ "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
	  LDNS_RR_TYPE_PTR, LDNS_RCODE_NXDOMAIN, 0, "" },
	{ "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.ip6.arpa",
	  LDNS_RR_TYPE_PTR, -1, 0, "" },
	{ "g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
	  LDNS_RR_TYPE_PTR, -1, 0, "" },
};

ParameterizedTestParameters(names, rule)
{
	return cr_make_param_array(struct rule, rules, sizeof(rules) / sizeof(rules[0]));
}

ParameterizedTest(struct rule *r, names, rule, .init = setup)
{
	ldns_pkt *pkt = ask(r->name, (unsigned)r->type, 0);
	ldns_rr_list *authority;
	ldns_rr *first;
	char *text;

	if (r->rcode < 0) {
		cr_assert_null(pkt, "%s must be forwarded", r->name);
		return;
	}
	cr_assert(pkt, "%s must be answered", r->name);
	cr_expect_eq((int)ldns_pkt_get_rcode(pkt), r->rcode, "%s", r->name);
	cr_expect_eq(ldns_pkt_ancount(pkt), r->answers, "%s", r->name);
	cr_expect(!ldns_pkt_edns(pkt), "no EDNS where none was asked");
	if (r->answers) {
		first = ldns_rr_list_rr(ldns_pkt_answer(pkt), 0);
		text = rdata_text(first, ldns_rr_rd_count(first) - 1);
		cr_expect_str_eq(text, r->first, "%s", r->name);
		free(text);
		cr_expect_eq(ldns_rr_ttl(first), r->type == LDNS_RR_TYPE_SOA ? 0 : 1);
		cr_expect(ldns_pkt_aa(pkt));
	} else if (r->rcode == LDNS_RCODE_NOERROR || r->rcode == LDNS_RCODE_NXDOMAIN) {
		authority = ldns_pkt_authority(pkt);
		cr_assert_eq(ldns_rr_list_rr_count(authority), 1, "%s", r->name);
		first = ldns_rr_list_rr(authority, 0);
		cr_expect_eq(ldns_rr_get_type(first), LDNS_RR_TYPE_SOA);
		cr_expect_eq(ldns_rr_ttl(first), 0);
		cr_expect_eq(ldns_rdf2native_int32(ldns_rr_rdf(first, 6)), 0);
		cr_expect(ldns_pkt_aa(pkt));
	}
	ldns_pkt_free(pkt);
}

Test(names, srv_fields_and_additional)
{
	ldns_pkt *pkt = ask("_80._tcp.web", LDNS_RR_TYPE_SRV, 0);
	ldns_rr *srv = ldns_rr_list_rr(ldns_pkt_answer(pkt), 0);

	cr_expect_eq(ldns_rdf2native_int16(ldns_rr_rdf(srv, 2)), 80);
	cr_expect_eq(ldns_pkt_arcount(pkt), 2, "A and AAAA of the target");
	ldns_pkt_free(pkt);
}

Test(names, edns)
{
	ldns_pkt *pkt = ask("web", LDNS_RR_TYPE_A, 4096);

	cr_expect(ldns_pkt_edns(pkt));
	cr_expect_eq(ldns_pkt_edns_udp_size(pkt), 1232);
	cr_expect_eq(stats.answered, 1);
	ldns_pkt_free(pkt);
	/* a size of 0 is one of 512, and no reason to leave OPT out */
	size_t len = make_query(query, "web", LDNS_RR_TYPE_A, 512);
	enum pb_zone_verdict verdict;

	query[len - 8] = query[len - 7] = 0;
	pkt = ask_bytes(len, false, &verdict);
	cr_expect(ldns_pkt_edns(pkt));
	ldns_pkt_free(pkt);
}

Test(names, edns_version)
{
	size_t len = make_query(query, "web", LDNS_RR_TYPE_A, 1232);
	enum pb_zone_verdict verdict;
	ldns_pkt *pkt;

	query[len - 5] = 1;
	pkt = ask_bytes(len, false, &verdict);
	cr_expect_eq(ldns_pkt_edns_extended_rcode(pkt) << 4 | ldns_pkt_get_rcode(pkt), 16);
	cr_expect_eq(ldns_pkt_edns_version(pkt), 0);
	cr_expect_eq(stats.badvers, 1);
	ldns_pkt_free(pkt);
}

static void edns_twice(bool inside)
{
	size_t len = make_query(query, inside ? "web" : "example.com", LDNS_RR_TYPE_A, 1232);
	enum pb_zone_verdict verdict;
	ldns_pkt *pkt;

	memcpy(query + len, query + len - PB_MSG_OPT_LEN, PB_MSG_OPT_LEN);
	query[11] = 2;
	pkt = ask_bytes(len + PB_MSG_OPT_LEN, false, &verdict);
	if (inside)
		cr_expect_eq(ldns_pkt_get_rcode(pkt), LDNS_RCODE_FORMERR);
	else
		cr_expect_eq(verdict, PB_ZONE_FORWARD, "its own resolver decides");
	ldns_pkt_free(pkt);
}

Test(names, edns_twice_is_formerr_inside)
{
	edns_twice(true);
	edns_twice(false);
}

Test(names, truncation)
{
	static const char domain[] = "a23456789.123456789.123456789.123456789.123456789.123456789."
				     "a23456789.123456789.123456789.123456789.123456789.123456789."
				     "a23456789.123456789.123456789.123456789.123456789.12345";
	static const char name[] = "_80._tcp." LONGNAME;
	enum pb_zone_verdict verdict;
	ldns_pkt *pkt;

	cr_assert(!pb_zone_init(&zone, domain, &t_ops, NULL, 0));
	pkt = ask(name, LDNS_RR_TYPE_SRV, 0);
	cr_expect(!ldns_pkt_tc(pkt));
	cr_expect_lt(ldns_pkt_arcount(pkt), 2, "additional records go silently");
	cr_expect_eq(ldns_pkt_ancount(pkt), 1);
	ldns_pkt_free(pkt);
	char full[512];

	snprintf(full, sizeof(full), "_80._tcp.%s.%s", LONGNAME + 20, domain);
	pkt = ask(full, LDNS_RR_TYPE_SRV, 0);
	cr_expect_eq(ldns_pkt_get_rcode(pkt), LDNS_RCODE_NXDOMAIN);
	cr_expect(!pkt || ldns_pkt_size(pkt) <= 512 || ldns_pkt_tc(pkt));
	ldns_pkt_free(pkt);
	pkt = ask_bytes(make_query(query, name, LDNS_RR_TYPE_SRV, 0), true, &verdict);
	cr_expect_eq(ldns_pkt_arcount(pkt), 2, "TCP has room for all");
	ldns_pkt_free(pkt);
}

Test(names, truncated_answer_is_marked)
{
	struct pb_zone_name name = { 0 };
	struct pb_msg_query q;
	uint8_t *reply = NULL;
	ldns_pkt *pkt = NULL;
	size_t n = 0, len = make_query(query, "web", LDNS_RR_TYPE_ANY, 0);

	cr_assert(!pb_msg_read_query(query, len, &q));
	cr_assert(!pb_zone_find(&zone, &q, &name));
	cr_assert(!pb_zone_answer(&zone, &q, &name, len + 16, &reply, &n));
	cr_assert(!ldns_wire2pkt(&pkt, reply, n));
	cr_expect(ldns_pkt_tc(pkt));
	cr_expect_eq(ldns_pkt_ancount(pkt), 1, "what fits is kept");
	ldns_pkt_free(pkt);
	free(reply);
	cr_expect_eq(pb_zone_answer(&zone, &q, &name, len - 1, &reply, &n), -EMSGSIZE);
}

Test(names, other_opcode_and_class_are_forwarded)
{
	size_t len = make_query(query, "web", LDNS_RR_TYPE_A, 0);
	enum pb_zone_verdict verdict;

	query[2] |= 5 << 3; /* UPDATE */
	cr_expect_null(ask_bytes(len, false, &verdict));
	cr_expect_eq(verdict, PB_ZONE_FORWARD);
	query[2] &= 0x87;
	query[len - 1] = LDNS_RR_CLASS_CH;
	cr_expect_null(ask_bytes(len, false, &verdict));
	cr_expect_eq(verdict, PB_ZONE_FORWARD);
}

Test(names, response_and_stub_are_dropped)
{
	size_t len = make_query(query, "web", LDNS_RR_TYPE_A, 0);
	enum pb_zone_verdict verdict;

	for (size_t n = 0; n < PB_MSG_HEADER; n++) {
		cr_expect_null(ask_bytes(n, false, &verdict));
		cr_expect_eq(verdict, PB_ZONE_DROP);
	}
	query[2] |= 0x80;
	cr_expect_null(ask_bytes(len, false, &verdict));
	cr_expect_eq(verdict, PB_ZONE_DROP);
	cr_expect_eq(stats.dropped, PB_MSG_HEADER + 1);
}

static void expect_formerr(size_t len, const char *what)
{
	enum pb_zone_verdict verdict;
	ldns_pkt *pkt = ask_bytes(len, false, &verdict);

	cr_assert(pkt, "%s", what);
	cr_expect_eq(ldns_pkt_get_rcode(pkt), LDNS_RCODE_FORMERR, "%s", what);
	ldns_pkt_free(pkt);
}

Test(names, malformed_is_formerr)
{
	size_t len = make_query(query, "web", LDNS_RR_TYPE_A, 0);

	for (size_t n = PB_MSG_HEADER; n < len; n++)
		expect_formerr(n, "cut short");
	query[5] = 0;
	expect_formerr(len, "no question");
	query[5] = 2;
	expect_formerr(len, "two questions");
	query[5] = 1;
	query[11] = 1;
	expect_formerr(len, "announced record missing");
	query[11] = 0;
	query[PB_MSG_HEADER] = 0xc0;
	expect_formerr(len, "compressed question");
	query[PB_MSG_HEADER] = 64;
	expect_formerr(len, "label over 63 bytes");
	memset(query + PB_MSG_HEADER, 1, 400);
	expect_formerr(400, "name over 255 bytes");
}

Test(names, error_without_question)
{
	struct pb_msg_query q = { .id = 7, .flags = 0x0110 };
	uint8_t out[PB_MSG_ERROR_MAX];

	cr_assert_eq(pb_msg_error(&q, LDNS_RCODE_SERVFAIL, out), PB_MSG_HEADER);
	cr_expect_eq(out[2], 0x81);
	cr_expect_eq(out[3], 0x92, "RA, CD, SERVFAIL");
}

Test(names, bad_domains)
{
	static const char *const bad[] = {
		"", ".", "a..b", ".a", "a b", "a\\b", "\xc3\xa9", LONGNAME "4",
	};
	char big[400];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(pb_zone_init(&zone, bad[i], &t_ops, NULL, 0), -EINVAL, "%s", bad[i]);
	for (size_t i = 0; i < sizeof(big) - 1; i++)
		big[i] = i % 10 == 9 ? '.' : 'a';
	big[sizeof(big) - 1] = '\0';
	cr_expect_eq(pb_zone_init(&zone, big, &t_ops, NULL, 0), -EINVAL);
}
