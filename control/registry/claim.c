/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a claim asks for: is it well formed, and which application and addresses does it mean? */
#include <arpa/inet.h>

#include <patchbay/addr.h>
#include <patchbay/siphash.h>

#include "../util.h"
#include "internal.h"
#include "registry.h"

static int check_name(const char *text, char ret[PB_NAME_LEN], char err[PB_ERR_LEN])
{
	char name[PB_NAME_LEN];

	if (!pb_name_valid(text))
		return pb_fail(
			err, -EINVAL,
			"'%.70s' is not a name: letters, digits and '-' (not at an end), parts "
			"joined by '.', at most %d characters, nothing that reads as an address",
			text, PB_NAME_LEN - 1);
	pb_name_lower(text, name);
	if (!strcmp(name, "localhost"))
		return pb_fail(err, -EINVAL, "the name 'localhost' is every program's own");
	memcpy(ret, name, sizeof(name));
	return 0;
}

static int check_ips(const struct pb_registry *r, const struct pb_claim_req *req,
		     char err[PB_ERR_LEN])
{
	char text[INET6_ADDRSTRLEN];

	if (req->n_ips && !req->name)
		return pb_fail(err, -EINVAL,
			       "an address needs a name: a program without one is a "
			       "client only");
	if (req->n_ips > PB_APP_IPS)
		return pb_fail(err, -EINVAL,
			       "at most one address of each family is possible, %u were "
			       "given",
			       req->n_ips);
	for (unsigned i = 0; i < req->n_ips; i++) {
		const char *why = pb_addr_unfit(&req->ips[i]);

		if (!why)
			why = pool_unfit(r, &req->ips[i]);
		if (why)
			return pb_fail(err, -EINVAL, "%s %s: no application can have it",
				       pb_addr_format(&req->ips[i], text, sizeof(text)), why);
	}
	if (req->n_ips == 2 && pb_addr_is_v4(&req->ips[0]) == pb_addr_is_v4(&req->ips[1]))
		return pb_fail(err, -EINVAL,
			       "two addresses of one family: at most one IPv4 and one "
			       "IPv6 address are possible");
	return 0;
}

static int check_tags(const struct pb_claim_req *req, struct pb_tags *ret, char err[PB_ERR_LEN])
{
	struct pb_tags t = { 0 };

	if (req->n_tags > PB_TAGS_MAX)
		return pb_fail(err, -EINVAL, "%u tags: at most %d are possible", req->n_tags,
			       PB_TAGS_MAX);
	for (unsigned i = 0; i < req->n_tags; i++) {
		unsigned same = 0;

		if (pb_tag_check(req->tags[i], err))
			return -EINVAL;
		while (same < t.n && strcmp(t.tag[same], req->tags[i]))
			same++;
		if (same == t.n)
			snprintf(t.tag[t.n++], PB_TAG_LEN, "%s", req->tags[i]);
	}
	*ret = t;
	return 0;
}

static uint64_t id_of(const struct pb_registry *r, const char *name)
{
	uint64_t id = pb_siphash24(r->conf.key, name, (uint32_t)strlen(name));

	return id ? id : 1;
}

/* What claims of this node and records of others have in common; fills @n. */
static int check_all(struct pb_registry *r, const struct pb_claim_req *req, char name[PB_NAME_LEN],
		     struct rec *n, char err[PB_ERR_LEN])
{
	struct pb_app_rec *p = &n->pub;
	int e = req->name ? check_name(req->name, name, err) : 0;

	if (!e)
		e = check_ips(r, req, err);
	if (!e)
		e = check_tags(req, &p->tags, err);
	if (!e)
		e = pb_egress_parse(req->egress, p->egress, &p->n_egress, &p->app.egress, err);
	if (e)
		return e;
	p->ref = req->ref;
	p->uid = req->uid;
	p->splice = (uint8_t)req->splice;
	p->app.mode = (uint8_t)req->mode;
	p->app.flags = (req->name ? PB_APP_NAMED : 0) | (p->tags.n ? PB_APP_TAGGED : 0) |
		       (req->local_deny ? PB_APP_LOCAL_DENY : 0);
	return 0;
}

int claim_remote(struct pb_registry *r, const struct pb_remote_app *app, struct pb_claim_req *req,
		 char name[PB_NAME_LEN], struct rec *n, char err[PB_ERR_LEN])
{
	int e;

	if (!(app->ref & PB_REF_REMOTE) || !app->id || app->mode < 0 || app->mode >= _PB_MODE_MAX)
		return pb_fail(err, -EINVAL, "a record that no application can have");
	if (app->name && !app->n_ips)
		return pb_fail(err, -EINVAL, "'%.63s' has no address", app->name);
	*req = (struct pb_claim_req){ .ref = app->ref,
				      .name = app->name,
				      .n_ips = app->n_ips,
				      .n_tags = app->n_tags,
				      .mode = app->mode,
				      .local_deny = app->local_deny };
	memcpy(req->ips, app->ips, sizeof(req->ips));
	memcpy(req->tags, app->tags, sizeof(req->tags));
	snprintf(name, PB_NAME_LEN, "~%llx@%.44s",
		 (unsigned long long)(app->ref & ~PB_REF_REMOTE) >> 31, app->node);
	e = check_all(r, req, name, n, err);
	if (!e && app->name && app->id != id_of(r, name))
		e = pb_fail(err, -EINVAL, "the id of '%s' was made for another cluster", name);
	return e;
}

int claim_check(struct pb_registry *r, const struct pb_claim_req *req, char name[PB_NAME_LEN],
		struct rec *n, char err[PB_ERR_LEN])
{
	int e;

	if (!req->ref || req->ref >> 63)
		return pb_fail(err, -EINVAL, "%#llx is not the id of a local scope",
			       (unsigned long long)req->ref);
	if (pb_registry_by_ref(r, req->ref))
		return pb_fail(err, -EEXIST, "the scope already has an identity: '%s'",
			       pb_registry_by_ref(r, req->ref)->app.name);
	if (req->mode < 0 || req->mode >= _PB_MODE_MAX)
		return pb_fail(err, -EINVAL, "there is no mode %d", req->mode);
	if (req->splice < 0 || req->splice >= PB_SPLICE_NEVER)
		return pb_fail(err, -EINVAL, "an application's splice is on, all or off");
	if (req->label)
		snprintf(name, PB_NAME_LEN, "~%.*s", PB_NAME_LEN - 2, req->label);
	else
		snprintf(name, PB_NAME_LEN, "~%llx", (unsigned long long)req->ref);
	e = check_all(r, req, name, n, err);
	return e ? e : grants_check(r, req, req->name ? name : NULL, &n->pub.tags, err);
}

/* ns of a named one: of its primary address, never with the bit of the unnamed. */
static uint64_t ns_of(const struct pb_registry *r, const struct pb_addr *vip4,
		      const struct pb_addr *vip6)
{
	char text[INET6_ADDRSTRLEN];
	uint64_t ns;

	pb_addr_format(pb_addr_is_zero(vip4) ? vip6 : vip4, text, sizeof(text));
	ns = pb_siphash24(r->conf.key, text, (uint32_t)strlen(text)) & ~PB_NS_UNNAMED;
	return ns ? ns : 1;
}

uint64_t pb_registry_id(const struct pb_registry *r, const char *name)
{
	char lower[PB_NAME_LEN];

	pb_name_lower(name, lower);
	return id_of(r, lower);
}

/* The distributed application that has all of the addresses; NULL: all are free. */
static int dist_for_ips(const struct pb_registry *r, const struct pb_claim_req *req,
			const char *name, struct dist **ret, char err[PB_ERR_LEN])
{
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN], where[WHERE_LEN];
	struct dist *d[PB_APP_IPS] = { NULL };

	for (unsigned i = 0; i < req->n_ips; i++) {
		struct addr_node *n = addr_find(r, &req->ips[i]);

		d[i] = n ? n->dist : NULL;
	}
	if (req->n_ips == 2 && d[0] != d[1]) {
		unsigned at = d[0] ? 0 : 1;

		return pb_fail(err, -EADDRINUSE,
			       "'%s' cannot have both %s and %s: %s belongs to '%s'%s, "
			       "the other does not",
			       name, pb_addr_format(&req->ips[0], a, sizeof(a)),
			       pb_addr_format(&req->ips[1], b, sizeof(b)), at ? b : a,
			       TAILQ_FIRST(&d[at]->idents)->name,
			       ident_where(TAILQ_FIRST(&d[at]->idents), where));
	}
	*ret = d[0];
	return 0;
}

static int check_existing(const struct ident *i, const struct pb_claim_req *req,
			  char err[PB_ERR_LEN])
{
	char has[INET6_ADDRSTRLEN], wants[INET6_ADDRSTRLEN], where[WHERE_LEN];
	const struct dist *d = i->dist;

	for (unsigned k = 0; k < req->n_ips; k++) {
		const struct pb_addr *a = &req->ips[k];
		const struct pb_addr *own =
			pb_addr_is_zero(&d->vip4.addr) ? &d->vip6.addr : &d->vip4.addr;

		if (pb_addr_eq(a, &d->vip4.addr) || pb_addr_eq(a, &d->vip6.addr))
			continue;
		if (!pb_addr_is_v4(a) && !pb_addr_is_zero(&d->vip6.addr))
			own = &d->vip6.addr;
		return pb_fail(err, -EADDRINUSE,
			       "'%s'%s already has the address %s, it cannot have %s "
			       "too",
			       i->name, ident_where(i, where),
			       pb_addr_format(own, has, sizeof(has)),
			       pb_addr_format(a, wants, sizeof(wants)));
	}
	return 0;
}

/* The distributed application a new name belongs to: joined, or made. */
static int dist_for(struct pb_registry *r, const struct pb_claim_req *req, const char *name,
		    struct dist **ret, bool *ret_given, char err[PB_ERR_LEN])
{
	struct pb_addr vip4 = { 0 }, vip6 = { 0 };
	struct addr_node *had;
	struct dist *d = NULL;
	uint64_t ns;
	int e;

	if (req->n_ips)
		e = dist_for_ips(r, req, name, &d, err);
	else
		e = pool_pick(r, name, &vip4, &vip6, err);
	if (e)
		return e;
	for (unsigned i = 0; i < req->n_ips; i++)
		*(pb_addr_is_v4(&req->ips[i]) ? &vip4 : &vip6) = req->ips[i];
	if (!req->n_ips) { /* the name comes back to an address it shared */
		had = addr_find(r, &vip4);
		had = had ? had : addr_find(r, &vip6);
		d = had ? had->dist : NULL;
	}
	*ret_given = !req->n_ips && !d;
	if (d) {
		*ret = d;
		return 0;
	}
	ns = ns_of(r, &vip4, &vip6);
	if (dist_find(r, ns))
		return pb_fail(err, -EADDRINUSE,
			       "the namespace id of '%s' clashes with the one of '%s': "
			       "take another address",
			       name, TAILQ_FIRST(&dist_find(r, ns)->idents)->name);
	return dist_new(r, ns, &vip4, &vip6, ret);
}

int ident_for(struct pb_registry *r, const struct pb_claim_req *req, const char *name, uint64_t id,
	      struct ident **ret, char err[PB_ERR_LEN])
{
	static const struct pb_addr none;
	struct ident *i = ident_find(r, name);
	struct dist *d = NULL;
	bool given = false;
	uint64_t ref_ns;
	int e;

	if (i) {
		e = check_existing(i, req, err);
		if (!e)
			*ret = i;
		return e;
	}
	if (req->name) {
		e = dist_for(r, req, name, &d, &given, err);
	} else {
		ref_ns = pb_siphash24(r->conf.key, &req->ref, sizeof(req->ref)) | PB_NS_UNNAMED;
		e = dist_find(r, ref_ns) ? -EEXIST : dist_new(r, ref_ns, &none, &none, &d);
	}
	if (e == -ENOMEM || e == -EEXIST)
		return pb_fail(err, e, "cannot keep the record of '%s': %s", name, strerror(-e));
	if (e)
		return e;
	e = ident_new(r, name, !!req->name, id ? id : id_of(r, name), d, NULL, ret);
	if (e) {
		dist_put(r, d);
		return pb_fail(err, e, "cannot keep the record of '%s': %s", name, strerror(-e));
	}
	(*ret)->given = given;
	return 0;
}
