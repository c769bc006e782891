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

static bool on(uint64_t ref)
{
	return pb_registry_by_ref(reg, ref)->app.flags & PB_APP_SPLICE;
}

Test(registry_splice, own_word_else_the_nodes)
{
	/* by the node's word: unset, on, off, never; of an application: unset, on, off */
	static const bool want[_PB_SPLICE_MAX][3] = {
		[PB_SPLICE_UNSET] = { false, true, false },
		[PB_SPLICE_ON] = { true, true, false },
		[PB_SPLICE_OFF] = { false, true, false },
		[PB_SPLICE_NEVER] = { false, false, false },
	};

	for (uint64_t own = PB_SPLICE_UNSET; own <= PB_SPLICE_OFF; own++) {
		claim_with(1 + own, "web", (int)own);
		claim_with(11 + own, NULL, (int)own);
	}
	for (unsigned node = 0; node < _PB_SPLICE_MAX; node++) {
		pb_registry_set_splice(reg, node);
		for (uint64_t own = PB_SPLICE_UNSET; own <= PB_SPLICE_OFF; own++) {
			cr_assert_eq(on(1 + own), want[node][own], "%u %lu", node, own);
			cr_assert_eq(on(11 + own), want[node][own], "unnamed %u %lu", node, own);
			cr_assert_eq(pb_registry_by_ref(reg, 1 + own)->splice, own);
		}
		claim_with(21 + node, NULL, PB_SPLICE_UNSET);
		cr_assert_eq(on(21 + node), want[node][PB_SPLICE_UNSET], "claimed later");
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
	cr_assert_str_eq(err, "an application's splice is on or off");
	cr_assert_null(pb_registry_by_name(reg, "web"));
}

/* A restart may come with another word of the node: it holds for those that said nothing. */
Test(registry_splice, adoption)
{
	struct pb_app_rec old[3];

	for (unsigned own = PB_SPLICE_UNSET; own <= PB_SPLICE_OFF; own++)
		old[own] = *claim_with(1 + own, "web", (int)own);
	for (unsigned own = PB_SPLICE_UNSET; own <= PB_SPLICE_OFF; own++)
		pb_registry_release(reg, 1 + own);
	pb_registry_set_splice(reg, PB_SPLICE_ON);
	for (unsigned own = PB_SPLICE_UNSET; own <= PB_SPLICE_OFF; own++) {
		cr_assert_eq(pb_registry_adopt(reg, &old[own]), 0);
		cr_assert_eq(pb_registry_by_ref(reg, 1 + own)->splice, own);
	}
	cr_assert(on(1 + PB_SPLICE_UNSET) && on(1 + PB_SPLICE_ON) && !on(1 + PB_SPLICE_OFF));
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
	for (int i = PB_SPLICE_ON; i < _PB_SPLICE_MAX; i++)
		cr_assert_eq(pb_splice_parse(pb_splice_name((unsigned)i)), i);
	cr_assert_eq(pb_splice_parse("unset"), -EINVAL, "that is no word of a configuration");
	cr_assert_eq(pb_splice_parse(""), -EINVAL);
	cr_assert_eq(pb_splice_parse("ON"), -EINVAL);
	cr_assert_str_eq(pb_splice_name(99), "?");
}
