/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Answers about names inside, built with ldns. */
#include "zone.h"

#include <errno.h>
#include <ldns/ldns.h> /* after stdbool.h, or it makes bool a char */
#include <string.h>

#include <patchbay/addr.h>

#include "../util.h"

static void pkt_freep(ldns_pkt **p)
{
	ldns_pkt_free(*p);
}

static void rdf_freep(ldns_rdf **p)
{
	ldns_rdf_deep_free(*p);
}

#define _cleanup_pkt_ _cleanup_(pkt_freep)
#define _cleanup_rdf_ _cleanup_(rdf_freep)

struct reply {
	const struct pb_zone *zone;
	const struct pb_msg_query *query;
	const struct pb_zone_name *name;
	ldns_pkt *pkt;
	ldns_rdf *owner;  /* the question's name, as it was spelt */
	ldns_rdf *target; /* NAME.DOMAIN, where there is an application */
};

static bool wanted(const struct reply *r, ldns_rr_type type)
{
	return r->query->type == type || r->query->type == LDNS_RR_TYPE_ANY;
}

/* Takes the @n fields over, also on failure; a field that is NULL is a failed allocation. */
static int add_record(struct reply *r, ldns_pkt_section section, const ldns_rdf *owner,
		      ldns_rr_type type, uint32_t ttl, ldns_rdf **field, size_t n)
{
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *name = ldns_rdf_clone(owner);
	bool ok = rr && name;

	if (rr) {
		ldns_rr_set_owner(rr, name);
		ldns_rr_set_type(rr, type);
		ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
		ldns_rr_set_ttl(rr, ttl);
	} else {
		ldns_rdf_deep_free(name);
	}
	for (size_t i = 0; i < n; i++) {
		ok = ok && field[i] && ldns_rr_push_rdf(rr, field[i]);
		if (!ok)
			ldns_rdf_deep_free(field[i]);
	}
	if (ok && ldns_pkt_push_rr(r->pkt, section, rr))
		return 0;
	ldns_rr_free(rr);
	return -ENOMEM;
}

static int add_question(struct reply *r)
{
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *name = ldns_rdf_clone(r->owner);

	if (!rr || !name) {
		ldns_rr_free(rr);
		ldns_rdf_deep_free(name);
		return -ENOMEM;
	}
	ldns_rr_set_question(rr, true);
	ldns_rr_set_owner(rr, name);
	ldns_rr_set_type(rr, r->query->type);
	ldns_rr_set_class(rr, r->query->class);
	if (ldns_pkt_push_rr(r->pkt, LDNS_SECTION_QUESTION, rr))
		return 0;
	ldns_rr_free(rr);
	return -ENOMEM;
}

static int add_address(struct reply *r, ldns_pkt_section section, const ldns_rdf *owner,
		       const struct pb_addr *a, bool v6)
{
	ldns_rdf *rdf;

	if (pb_addr_is_zero(a))
		return 0;
	rdf = v6 ? ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA, 16, a->w)
		 : ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, 4, &a->w[3]);
	return add_record(r, section, owner, v6 ? LDNS_RR_TYPE_AAAA : LDNS_RR_TYPE_A,
			  r->zone->ttl_s, &rdf, 1);
}

static int add_host(struct reply *r)
{
	int err = 0;

	if (wanted(r, LDNS_RR_TYPE_A))
		err = add_address(r, LDNS_SECTION_ANSWER, r->owner, &r->name->rec.vip4, false);
	if (!err && wanted(r, LDNS_RR_TYPE_AAAA))
		err = add_address(r, LDNS_SECTION_ANSWER, r->owner, &r->name->rec.vip6, true);
	return err;
}

static int add_pointer(struct reply *r)
{
	ldns_rdf *rdf;

	if (!wanted(r, LDNS_RR_TYPE_PTR))
		return 0;
	rdf = ldns_rdf_clone(r->target);
	return add_record(r, LDNS_SECTION_ANSWER, r->owner, LDNS_RR_TYPE_PTR, r->zone->ttl_s, &rdf,
			  1);
}

/* RFC 2782, with the addresses of the target beside it.  The same service may be listed once a
 * family, hence one record at most: the port was asked for. */
static int add_service(struct reply *r)
{
	const struct pb_names_rec *rec = &r->name->rec;
	bool found = false;
	int err;

	for (unsigned i = 0; i < rec->n_svc; i++)
		found |= rec->svc[i].proto == r->name->proto && rec->svc[i].port == r->name->port;
	if (!found || !r->name->port || !wanted(r, LDNS_RR_TYPE_SRV))
		return 0;
	ldns_rdf *field[] = {
		ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 0),
		ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 0),
		ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, ntohs(r->name->port)),
		ldns_rdf_clone(r->target),
	};
	err = add_record(r, LDNS_SECTION_ANSWER, r->owner, LDNS_RR_TYPE_SRV, r->zone->ttl_s, field,
			 ARRAY_SIZE(field));
	if (!err)
		err = add_address(r, LDNS_SECTION_ADDITIONAL, r->target, &rec->vip4, false);
	if (!err)
		err = add_address(r, LDNS_SECTION_ADDITIONAL, r->target, &rec->vip6, true);
	return err;
}

/* Says how long "no" holds (RFC 2308): not at all, an application may come up at any time. */
static int add_soa(struct reply *r, ldns_pkt_section section)
{
	_cleanup_rdf_ ldns_rdf *domain = ldns_dname_new_frm_str(r->zone->domain);
	ldns_rdf *field[] = {
		domain ? ldns_rdf_clone(domain) : NULL,
		domain ? ldns_rdf_clone(domain) : NULL,
		ldns_native2rdf_int32(LDNS_RDF_TYPE_INT32, 1),	   /* serial */
		ldns_native2rdf_int32(LDNS_RDF_TYPE_PERIOD, 3600), /* refresh */
		ldns_native2rdf_int32(LDNS_RDF_TYPE_PERIOD, 600),  /* retry */
		ldns_native2rdf_int32(LDNS_RDF_TYPE_PERIOD, 3600), /* expire */
		ldns_native2rdf_int32(LDNS_RDF_TYPE_PERIOD, 0),	   /* minimum */
	};
	const ldns_rdf *owner = r->name->in_domain && domain ? domain : r->owner;

	return add_record(r, section, owner, LDNS_RR_TYPE_SOA, 0, field, ARRAY_SIZE(field));
}

static int add_answer(struct reply *r)
{
	int err = 0;

	switch (r->name->kind) {
	case PB_ZONE_NXDOMAIN: ldns_pkt_set_rcode(r->pkt, LDNS_RCODE_NXDOMAIN); break;
	case PB_ZONE_EMPTY: break;
	case PB_ZONE_APEX:
		if (wanted(r, LDNS_RR_TYPE_SOA))
			return add_soa(r, LDNS_SECTION_ANSWER);
		break;
	case PB_ZONE_HOST: err = add_host(r); break;
	case PB_ZONE_SERVICE: err = add_service(r); break;
	case PB_ZONE_POINTER: err = add_pointer(r); break;
	}
	if (err < 0 || ldns_pkt_ancount(r->pkt))
		return err;
	return add_soa(r, LDNS_SECTION_AUTHORITY);
}

static int set_names(struct reply *r, ldns_rdf **owner, ldns_rdf **target)
{
	const struct pb_msg_query *q = r->query;
	char text[PB_NAME_LEN + PB_MSG_NAME_MAX + 2];
	size_t pos = 0;

	if (ldns_wire2dname(owner, q->question, q->question_len, &pos) != LDNS_STATUS_OK)
		return -ENOMEM;
	r->owner = *owner;
	if (!r->name->name[0])
		return 0;
	snprintf(text, sizeof(text), "%s.%s", r->name->name, r->zone->domain);
	*target = ldns_dname_new_frm_str(text);
	r->target = *target;
	return *target ? 0 : -ENOMEM;
}

static void set_header(const struct reply *r)
{
	const struct pb_msg_query *q = r->query;

	ldns_pkt_set_id(r->pkt, q->id);
	ldns_pkt_set_qr(r->pkt, true);
	ldns_pkt_set_aa(r->pkt, true);
	ldns_pkt_set_ra(r->pkt, true);
	ldns_pkt_set_rd(r->pkt, q->flags & 0x0100);
	ldns_pkt_set_cd(r->pkt, q->flags & 0x0010);
	if (q->edns) {
		ldns_pkt_set_edns_udp_size(r->pkt, PB_MSG_UDP_MAX);
		ldns_pkt_set_edns_do(r->pkt, q->dnssec_ok);
	}
}

static void drop_last(ldns_pkt *pkt, ldns_pkt_section section)
{
	ldns_rr_list *list = section == LDNS_SECTION_ANSWER	 ? ldns_pkt_answer(pkt)
			     : section == LDNS_SECTION_AUTHORITY ? ldns_pkt_authority(pkt)
								 : ldns_pkt_additional(pkt);

	ldns_rr_free(ldns_rr_list_pop_rr(list));
	ldns_pkt_set_section_count(pkt, section, (uint16_t)ldns_rr_list_rr_count(list));
}

/* Additional records may go without notice, the others not (RFC 2181 9). */
static int encode(ldns_pkt *pkt, size_t limit, uint8_t **ret, size_t *ret_len)
{
	for (;;) {
		_cleanup_free_ uint8_t *msg = NULL;
		size_t len = 0;

		if (ldns_pkt2wire(&msg, pkt, &len) != LDNS_STATUS_OK)
			return -ENOMEM;
		if (len <= limit) {
			*ret = TAKE_PTR(msg);
			*ret_len = len;
			return 0;
		}
		if (ldns_pkt_arcount(pkt)) {
			drop_last(pkt, LDNS_SECTION_ADDITIONAL);
			continue;
		}
		ldns_pkt_set_tc(pkt, true);
		if (ldns_pkt_nscount(pkt))
			drop_last(pkt, LDNS_SECTION_AUTHORITY);
		else if (ldns_pkt_ancount(pkt))
			drop_last(pkt, LDNS_SECTION_ANSWER);
		else
			return -EMSGSIZE;
	}
}

int pb_zone_answer(const struct pb_zone *z, const struct pb_msg_query *q,
		   const struct pb_zone_name *name, size_t limit, uint8_t **ret, size_t *ret_len)
{
	_cleanup_pkt_ ldns_pkt *pkt = ldns_pkt_new();
	_cleanup_rdf_ ldns_rdf *owner = NULL, *target = NULL;
	struct reply r = { .zone = z, .query = q, .name = name, .pkt = pkt };
	int err;

	if (!pkt)
		return -ENOMEM;
	err = set_names(&r, &owner, &target);
	if (err < 0)
		return err;
	set_header(&r);
	err = add_question(&r);
	if (err < 0)
		return err;
	err = add_answer(&r);
	if (err < 0)
		return err;
	return encode(pkt, limit, ret, ret_len);
}
