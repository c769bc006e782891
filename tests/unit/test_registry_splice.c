/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose connections are spliced: the application's own word, else the node's. */
#include "test_registry.h"

static void begin(void)
{
	start("10.9.0.0/16", NULL);
}

TestSuite(registry_splice, .init = begin, .fini = stop);

static const struct pb_app_rec *claim_with(uint64_t ref, const char *name, int splice)
{
	struct pb_claim_req req = request(ref, name, "");
	const struct pb_app_rec *rec;

	req.splice = splice;
	cr_assert_eq(pb_registry_claim(reg, &req, &rec, err), 0, "%s", err);
	return rec;
}

/* What the kernel side is told: off, on or all. */
static unsigned told(uint64_t ref)
{
	uint32_t flags = pb_registry_by_ref(reg, ref)->app.flags & PB_APP_SPLICE_ANY;

	if (!flags)
		return PB_SPLICE_OFF;
	cr_assert(flags & PB_APP_SPLICE, "all means nothing by itself");
	return flags & PB_APP_SPLICE_ALL ? PB_SPLICE_ALL : PB_SPLICE_ON;
}

#define OWN PB_SPLICE_NEVER /* an application's own words, unset too */

Test(registry_splice, own_word_else_the_nodes)
{
	enum { OFF = PB_SPLICE_OFF, ON = PB_SPLICE_ON, ALL = PB_SPLICE_ALL };
	/* by the node's word; of an application: unset, on, off, all */
	static const uint8_t want[_PB_SPLICE_MAX][OWN] = {
		[PB_SPLICE_UNSET] = { OFF, ON, OFF, ALL },  [PB_SPLICE_ON] = { ON, ON, OFF, ALL },
		[PB_SPLICE_OFF] = { OFF, ON, OFF, ALL },    [PB_SPLICE_ALL] = { ALL, ON, OFF, ALL },
		[PB_SPLICE_NEVER] = { OFF, OFF, OFF, OFF },
	};

	for (uint64_t own = PB_SPLICE_UNSET; own < OWN; own++) {
		claim_with(1 + own, "web", (int)own);
		claim_with(11 + own, NULL, (int)own);
	}
	for (unsigned node = 0; node < _PB_SPLICE_MAX; node++) {
		pb_registry_set_splice(reg, node);
		for (uint64_t own = PB_SPLICE_UNSET; own < OWN; own++) {
			cr_assert_eq(told(1 + own), want[node][own], "%u %lu", node, own);
			cr_assert_eq(told(11 + own), want[node][own], "unnamed %u %lu", node, own);
			cr_assert_eq(pb_registry_by_ref(reg, 1 + own)->splice, own);
			cr_assert_eq(pb_splice_of(pb_registry_by_ref(reg, 1 + own)->app.flags),
				     want[node][own]);
		}
		claim_with(21 + node, NULL, PB_SPLICE_UNSET);
		cr_assert_eq(told(21 + node), want[node][PB_SPLICE_UNSET], "claimed later");
	}
}

Test(registry_splice, other_flags_stay)
{
	struct pb_claim_req req = request(1, "web", "grp=a");
	const struct pb_app_rec *rec;
	uint32_t flags;

	req.local_deny = 1;
	cr_assert_eq(pb_registry_claim(reg, &req, &rec, err), 0, "%s", err);
	flags = rec->app.flags;
	pb_registry_set_splice(reg, PB_SPLICE_ALL);
	cr_assert_eq(rec->app.flags, flags | PB_APP_SPLICE | PB_APP_SPLICE_ALL);
	pb_registry_set_splice(reg, PB_SPLICE_ON);
	cr_assert_eq(rec->app.flags, flags | PB_APP_SPLICE);
	pb_registry_set_splice(reg, PB_SPLICE_NEVER);
	cr_assert_eq(rec->app.flags, flags);
}

Test(registry_splice, never_is_the_nodes_word_only)
{
	struct pb_claim_req req = request(1, "web", "");
	const struct pb_app_rec *rec;

	req.splice = PB_SPLICE_NEVER;
	cr_assert_eq(pb_registry_claim(reg, &req, &rec, err), -EINVAL);
	cr_assert_str_eq(err, "an application's splice is on, all or off");
	cr_assert_null(pb_registry_by_name(reg, "web"));
}

/* A restart may come with another word of the node: it holds for those that said nothing. */
Test(registry_splice, adoption)
{
	struct pb_app_rec old[OWN];

	for (unsigned own = PB_SPLICE_UNSET; own < OWN; own++)
		old[own] = *claim_with(1 + own, "web", (int)own);
	for (unsigned own = PB_SPLICE_UNSET; own < OWN; own++)
		pb_registry_release(reg, 1 + own);
	pb_registry_set_splice(reg, PB_SPLICE_ON);
	for (unsigned own = PB_SPLICE_UNSET; own < OWN; own++) {
		cr_assert_eq(pb_registry_adopt(reg, &old[own]), 0);
		cr_assert_eq(pb_registry_by_ref(reg, 1 + own)->splice, own);
	}
	cr_assert_eq(told(1 + PB_SPLICE_UNSET), PB_SPLICE_ON);
	for (unsigned own = PB_SPLICE_ON; own < OWN; own++)
		cr_assert_eq(told(1 + own), own);
	pb_registry_release(reg, 1);
	old[0].splice = PB_SPLICE_NEVER;
	cr_assert_eq(pb_registry_adopt(reg, &old[0]), -EINVAL);
}

Test(registry_splice, ids_are_those_of_the_claims)
{
	cr_assert_eq(pb_registry_id(reg, "web"), claim(1, "web", "")->app.id);
	cr_assert_eq(pb_registry_id(reg, "WEB"), pb_registry_id(reg, "web"));
	cr_assert_neq(pb_registry_id(reg, "db"), pb_registry_id(reg, "web"));
}

Test(registry_splice, words)
{
	for (int i = PB_SPLICE_ON; i < _PB_SPLICE_MAX; i++) {
		const char *word = pb_splice_name((unsigned)i);

		cr_assert_eq(pb_splice_parse(word, true), i);
		cr_assert_eq(pb_splice_parse(word, false), i < OWN ? i : -EINVAL, "%s", word);
	}
	cr_assert_eq(pb_splice_parse("unset", true), -EINVAL, "no word of a configuration");
	cr_assert_eq(pb_splice_parse("", true), -EINVAL);
	cr_assert_eq(pb_splice_parse("ON", true), -EINVAL);
	cr_assert_str_eq(pb_splice_name(99), "?");
}
