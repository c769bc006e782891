/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* [announce NODE]: what other nodes may say of themselves. */
#include <fnmatch.h>

#include "../util.h"
#include "config_internal.h"

int cfg_new_announce(struct cfg_parser *p)
{
	struct pb_config_file *c = p->c;
	struct pb_config_announce *a;

	if (c->n_announces == PB_CONFIG_ANNOUNCES_MAX)
		return cfg_fail(p, p->line, -ENOSPC, "more than %d sections [announce]",
				PB_CONFIG_ANNOUNCES_MAX);
	a = reallocarray(c->announces, c->n_announces + 1, sizeof(*a));
	if (!a)
		return cfg_fail(p, p->line, -ENOMEM, "no memory");
	c->announces = a;
	a += c->n_announces;
	memset(a, 0, sizeof(*a));
	snprintf(a->node, sizeof(a->node), "%s", p->label);
	p->owner = c->n_announces++;
	return 0;
}

static bool same_grant(const struct pb_grant *a, const struct pb_grant *b)
{
	bool same = a->n_names == b->n_names && a->n_ips == b->n_ips && a->n_tags == b->n_tags;

	for (unsigned i = 0; same && i < a->n_names; i++)
		same = !strcmp(a->names[i], b->names[i]);
	for (unsigned i = 0; same && i < a->n_ips; i++)
		same = a->ips[i].bits == b->ips[i].bits &&
		       !memcmp(&a->ips[i].net, &b->ips[i].net, sizeof(a->ips[i].net));
	for (unsigned i = 0; same && i < a->n_tags; i++)
		same = !strcmp(a->tags[i], b->tags[i]);
	return same;
}

bool pb_config_same_announces(const struct pb_config_file *a, const struct pb_config_file *b)
{
	if (a->n_announces != b->n_announces)
		return false;
	for (size_t i = 0; i < a->n_announces; i++)
		if (strcmp(a->announces[i].node, b->announces[i].node) ||
		    !same_grant(&a->announces[i].grant, &b->announces[i].grant))
			return false;
	return true;
}

static bool granted(const struct pb_config_file *c, const char *node,
		    bool (*has)(const struct pb_grant *, const void *), const void *what)
{
	for (size_t i = 0; i < c->n_announces; i++)
		if (!fnmatch(c->announces[i].node, node, FNM_CASEFOLD) &&
		    has(&c->announces[i].grant, what))
			return true;
	return false;
}

const char *pb_config_announce_why_not(const struct pb_config_file *c, const char *node,
				       const char *name, const struct pb_addr *ips, unsigned n_ips,
				       const struct pb_tags *tags)
{
	if (!c->n_announces)
		return NULL;
	if (name && !granted(c, node, pb_grant_has_name, name))
		return "no [announce] gives its node an application of that name";
	for (unsigned i = 0; i < n_ips; i++)
		if (!granted(c, node, pb_grant_has_ip, &ips[i]))
			return "no [announce] gives its node an application's address";
	for (unsigned i = 0; i < tags->n; i++)
		if (!granted(c, node, pb_grant_has_tag, tags->tag[i]))
			return "no [announce] gives its node an application's tag";
	return NULL;
}
