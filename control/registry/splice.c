/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose local connections are spliced: the application's own word, else the node's. */
#include "../util.h"
#include "internal.h"
#include "registry.h"

static const char *const names[_PB_SPLICE_MAX] = {
	[PB_SPLICE_UNSET] = "unset", [PB_SPLICE_ON] = "on",	  [PB_SPLICE_OFF] = "off",
	[PB_SPLICE_ALL] = "all",     [PB_SPLICE_NEVER] = "never",
};

const char *pb_splice_name(unsigned splice)
{
	return splice < _PB_SPLICE_MAX ? names[splice] : "?";
}

int pb_splice_parse(const char *text, bool node)
{
	for (int i = PB_SPLICE_ON; i < (node ? _PB_SPLICE_MAX : PB_SPLICE_NEVER); i++)
		if (!strcmp(text, names[i]))
			return i;
	return -EINVAL;
}

unsigned pb_splice_of(uint32_t app_flags)
{
	if (!(app_flags & PB_APP_SPLICE))
		return PB_SPLICE_OFF;
	return app_flags & PB_APP_SPLICE_ALL ? PB_SPLICE_ALL : PB_SPLICE_ON;
}

void splice_apply(const struct pb_registry *r, struct rec *rec)
{
	static const uint32_t flags[_PB_SPLICE_MAX] = {
		[PB_SPLICE_ON] = PB_APP_SPLICE,
		[PB_SPLICE_ALL] = PB_APP_SPLICE_ANY,
	};
	unsigned node = r->conf.splice, own = node == PB_SPLICE_NEVER ? node : rec->pub.splice;

	rec->pub.app.flags &= ~PB_APP_SPLICE_ANY;
	rec->pub.app.flags |= flags[own ? own : node];
}

void pb_registry_set_splice(struct pb_registry *r, unsigned splice)
{
	r->conf.splice = (uint8_t)splice;
	for (size_t i = 0; i < r->n_recs; i++)
		splice_apply(r, r->recs[i]);
}
