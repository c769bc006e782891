/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who may claim what.  The grants of a user and of its groups add up. */
#include <fnmatch.h>

#include "../util.h"
#include "internal.h"
#include "registry.h"

int pb_registry_set_grants(struct pb_registry *r, const struct pb_grant *g, size_t n)
{
	struct pb_grant *copy = calloc(n + 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, g, n * sizeof(*copy));
	free(r->grants);
	r->grants = copy;
	r->n_grants = n;
	return 0;
}

static bool grant_is_for(const struct pb_grant *g, const struct pb_claim_req *req)
{
	if (!g->is_gid)
		return g->id == req->uid;
	for (unsigned i = 0; i < req->n_gids; i++)
		if (g->id == req->gids[i])
			return true;
	return false;
}

bool pb_grant_has_name(const struct pb_grant *g, const void *what)
{
	for (unsigned i = 0; i < g->n_names; i++)
		if (!fnmatch(g->names[i], what, FNM_CASEFOLD))
			return true;
	return false;
}

bool pb_grant_has_tag(const struct pb_grant *g, const void *what)
{
	for (unsigned i = 0; i < g->n_tags; i++)
		if (!fnmatch(g->tags[i], what, 0))
			return true;
	return false;
}

bool pb_grant_has_ip(const struct pb_grant *g, const void *what)
{
	for (unsigned i = 0; i < g->n_ips; i++)
		if (pb_cidr_has(&g->ips[i].net, g->ips[i].bits, what))
			return true;
	return false;
}

static bool granted(const struct pb_registry *r, const struct pb_claim_req *req,
		    bool (*has)(const struct pb_grant *, const void *), const void *what)
{
	for (size_t i = 0; i < r->n_grants; i++)
		if (grant_is_for(&r->grants[i], req) && has(&r->grants[i], what))
			return true;
	return false;
}

int grants_check(const struct pb_registry *r, const struct pb_claim_req *req, const char *name,
		 const struct pb_tags *tags, char err[PB_ERR_LEN])
{
	char text[INET6_ADDRSTRLEN];

	if (req->uid == 0)
		return 0;
	if (name && !granted(r, req, pb_grant_has_name, name))
		return pb_fail(err, -EPERM,
			       "uid %u may not claim the name '%s': no grant in identity.d "
			       "gives it",
			       req->uid, name);
	for (unsigned i = 0; i < req->n_ips; i++)
		if (!granted(r, req, pb_grant_has_ip, &req->ips[i]))
			return pb_fail(err, -EPERM,
				       "uid %u may not claim the address %s: no grant in "
				       "identity.d gives it",
				       req->uid, pb_addr_format(&req->ips[i], text, sizeof(text)));
	for (unsigned i = 0; i < tags->n; i++)
		if (!granted(r, req, pb_grant_has_tag, tags->tag[i]))
			return pb_fail(err, -EPERM,
				       "uid %u may not use the tag '%s': no grant in "
				       "identity.d gives it",
				       req->uid, tags->tag[i]);
	if (req->mode > r->conf.mode)
		return pb_fail(err, -EPERM,
			       "only root may give an application a laxer mode than "
			       "the node's");
	return 0;
}
