/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values of the tag grp become bits; a bit is given away again only when no record has it. */
#include <patchbay/bits.h>

#include "internal.h"
#include "registry.h"

#define GRP "grp="

static bool grp_get(const __u64 *grp, unsigned bit)
{
	return grp[bit / 64] >> (bit % 64) & 1;
}

static struct group *group_find(const struct pb_registry *r, const char *value)
{
	pb_htab_each(h, &r->by_group, pb_reg_hash(r, value, strlen(value)))
	{
		struct group *g = pb_container_of(h, struct group, by_value);

		if (!strcmp(g->value, value))
			return g;
	}
	return NULL;
}

static void group_free(struct pb_registry *r, struct group *g)
{
	pb_htab_del(&r->by_group, &g->by_value);
	memset(g, 0, sizeof(*g));
}

static void group_name(struct pb_registry *r, struct group *g, const char *value)
{
	snprintf(g->value, sizeof(g->value), "%s", value);
	pb_htab_add(&r->by_group, &g->by_value, pb_reg_hash(r, value, strlen(value)));
}

/* A free bit; else one that was adopted at a restart and that no record has. */
static struct group *group_take(struct pb_registry *r)
{
	struct group *idle = NULL;

	for (unsigned bit = 0; bit < PB_GROUPS_MAX; bit++) {
		struct group *g = &r->group[bit];

		if (!g->value[0])
			return g;
		if (!g->refs && !idle)
			idle = g;
	}
	if (idle)
		group_free(r, idle);
	return idle;
}

int groups_get(struct pb_registry *r, const struct pb_tags *t, __u64 grp[PB_GROUP_WORDS],
	       char err[PB_ERR_LEN])
{
	__u64 got[PB_GROUP_WORDS] = { 0 };

	for (unsigned i = 0; i < t->n; i++) {
		const char *value = t->tag[i] + strlen(GRP);
		struct group *g;
		unsigned bit;

		if (strncmp(t->tag[i], GRP, strlen(GRP)))
			continue;
		g = group_find(r, value);
		if (!g) {
			g = group_take(r);
			if (!g) {
				groups_put(r, got);
				return pb_fail(err, -ENOSPC,
					       "no room for group '%s': all %d groups are in use",
					       value, PB_GROUPS_MAX);
			}
			group_name(r, g, value);
		}
		bit = (unsigned)(g - r->group);
		if (grp_get(got, bit))
			continue;
		g->refs++;
		got[bit / 64] |= 1ULL << (bit % 64);
	}
	memcpy(grp, got, sizeof(got));
	return 0;
}

void groups_put(struct pb_registry *r, const __u64 grp[PB_GROUP_WORDS])
{
	for (unsigned w = 0; w < PB_GROUP_WORDS; w++) {
		for (__u64 left = grp[w]; left; left &= left - 1) {
			struct group *g = &r->group[w * 64 + pb_ctz64(left)];

			if (g->refs && !--g->refs)
				group_free(r, g);
		}
	}
}

int pb_registry_adopt_group(struct pb_registry *r, unsigned bit, const char *name)
{
	char tag[PB_TAG_LEN + sizeof(GRP)];
	struct group *g;

	if (bit >= PB_GROUPS_MAX || strnlen(name, PB_TAG_LEN) >= PB_TAG_LEN)
		return -EINVAL;
	snprintf(tag, sizeof(tag), GRP "%s", name);
	if (pb_tag_check(tag, NULL))
		return -EINVAL;
	g = group_find(r, name);
	if (g)
		return g == &r->group[bit] ? 0 : -EEXIST;
	if (r->group[bit].value[0])
		return -EEXIST;
	group_name(r, &r->group[bit], name);
	return 0;
}

const char *pb_registry_group(const struct pb_registry *r, unsigned bit)
{
	return bit < PB_GROUPS_MAX && r->group[bit].value[0] ? r->group[bit].value : NULL;
}
