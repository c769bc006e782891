/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Restart: records and groups come back from the maps as they were; broken ones do not. */
#include "test_registry.h"

static void begin(void)
{
	start("10.9.0.0/16", NULL);
}

TestSuite(adopt, .init = begin, .fini = stop);

Test(adopt, a_restart_changes_nothing)
{
	struct pb_app_rec old[4];
	struct pb_registry *before = reg;
	struct pb_reg_conf conf = { .cluster = "test" };

	old[0] = *claim(1, "web", "grp=a grp=b");
	old[1] = *claim(2, "db", "grp=b env=x");
	old[2] = *claim(3, "web", "grp=c");
	old[3] = *claim(4, NULL, "grp=a");
	pb_reg_key_derive(conf.cluster, conf.key);
	cr_assert_eq(pb_cidr_parse("10.9.0.0/16", &conf.pool4, &conf.pool4_bits), 0);
	cr_assert_eq(pb_registry_new(&reg, &conf), 0);
	for (unsigned bit = 0; bit < PB_GROUPS_MAX; bit++)
		if (pb_registry_group(before, bit))
			cr_assert_eq(pb_registry_adopt_group(reg, bit,
							     pb_registry_group(before, bit)),
				     0);
	for (int i = 3; i >= 0; i--)
		cr_assert_eq(pb_registry_adopt(reg, &old[i]), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_arr_eq(&pb_registry_by_ref(reg, old[i].ref)->app, &old[i].app,
				 sizeof(old[i].app), "%d", i);
	cr_assert_str_eq(vip4(claim(5, "new", "")), "10.9.0.3");
	pb_registry_free(before);
}

Test(adopt, broken_records)
{
	struct pb_app_rec good = *claim(1, "web", "grp=a"), rec;

	cr_assert_eq(pb_registry_adopt(reg, &good), -EEXIST);
	pb_registry_release(reg, 1);
#define BROKEN(change) \
	rec = good; \
	change; \
	cr_assert_eq(pb_registry_adopt(reg, &rec), -EINVAL, #change)
	BROKEN(rec.ref = 0);
	BROKEN(rec.ref |= 1ULL << 63);
	BROKEN(rec.app.id = 0);
	BROKEN(rec.app.ns = 0);
	BROKEN(rec.app.mode = 9);
	BROKEN(rec.app.egress = 9);
	BROKEN(rec.n_egress = PB_EGRESS_ITEMS + 1);
	BROKEN(rec.tags.n = PB_TAGS_MAX + 1);
	BROKEN(memset(rec.tags.tag[0], 'x', PB_TAG_LEN));
	BROKEN(strcpy(rec.tags.tag[0], "no"));
	BROKEN(memset(rec.app.name, 'x', PB_NAME_LEN));
	BROKEN(strcpy(rec.app.name, "we b"));
	BROKEN(memset(&rec.app.vip4, 0, 16));
	BROKEN(rec.app.vip4 = A("127.0.0.1"));
	BROKEN(rec.app.vip4 = A("fd00::1"));
	BROKEN(rec.app.vip6 = A("10.9.0.1"));
	BROKEN(rec.app.flags &= ~PB_APP_NAMED);
	cr_assert_eq(pb_registry_adopt(reg, &good), 0);
}

Test(adopt, contradictions)
{
	struct pb_app_rec web = *claim(1, "web", ""), rec = web;

	rec.ref = 2;
	rec.app.id++;
	cr_assert_eq(pb_registry_adopt(reg, &rec), -EADDRINUSE, "same name, other id");
	rec = web;
	rec.ref = 2;
	strcpy(rec.app.name, "db");
	rec.app.ns++;
	cr_assert_eq(pb_registry_adopt(reg, &rec), -EADDRINUSE, "same address, other ns");
	rec = web;
	rec.ref = 2;
	rec.app.vip4 = A("10.9.0.9");
	cr_assert_eq(pb_registry_adopt(reg, &rec), -EADDRINUSE, "same name, other address");
	cr_assert_null(pb_registry_by_ref(reg, 2));
}

Test(adopt, an_id_clash_quarantines_the_newer)
{
	struct pb_app_rec rec = *claim(1, "old", "grp=a");
	const struct pb_app_rec *clash;
	uint64_t id = claim(2, "new", "")->app.id;

	pb_registry_release(reg, 1);
	pb_registry_release(reg, 2);
	rec.app.id = id; /* as if "old" hashed to the id of "new" */
	cr_assert_eq(pb_registry_adopt(reg, &rec), 0);
	clash = claim(2, "new", "grp=a");
	cr_assert(clash->app.flags & PB_APP_QUARANTINED);
	cr_assert_not(pb_registry_by_ref(reg, 1)->app.flags & PB_APP_QUARANTINED);
	cr_assert(claim(3, "new", "")->app.flags & PB_APP_QUARANTINED, "its instances too");
	pb_registry_release(reg, 2);
	pb_registry_release(reg, 3);
	pb_registry_release(reg, 1);
	cr_assert_not(claim(4, "new", "")->app.flags & PB_APP_QUARANTINED);
}

Test(adopt, groups)
{
	cr_assert_eq(pb_registry_adopt_group(reg, 7, "a"), 0);
	cr_assert_eq(pb_registry_adopt_group(reg, 7, "a"), 0);
	cr_assert_eq(pb_registry_adopt_group(reg, 8, "a"), -EEXIST);
	cr_assert_eq(pb_registry_adopt_group(reg, 7, "b"), -EEXIST);
	cr_assert_eq(pb_registry_adopt_group(reg, PB_GROUPS_MAX, "b"), -EINVAL);
	cr_assert_eq(pb_registry_adopt_group(reg, 9, ""), -EINVAL);
	cr_assert_eq(pb_registry_adopt_group(reg, 9, "a b"), -EINVAL);
	cr_assert_eq(claim(1, "x", "grp=a")->app.grp[0], 1ULL << 7);
	cr_assert_eq(claim(2, "y", "grp=b")->app.grp[0], 1ULL << 0);
}

Test(adopt, group_bits_are_counted)
{
	claim(1, "a", "grp=x");
	claim(2, "b", "grp=x grp=y");
	cr_assert_str_eq(pb_registry_group(reg, 0), "x");
	pb_registry_release(reg, 1);
	cr_assert_str_eq(pb_registry_group(reg, 0), "x", "b has it still");
	pb_registry_release(reg, 2);
	cr_assert_null(pb_registry_group(reg, 0));
	cr_assert_eq(claim(3, "c", "grp=z")->app.grp[0], 1);
}

Test(adopt, all_groups_in_use)
{
	char tag[40];

	for (unsigned i = 0; i < PB_GROUPS_MAX; i++) {
		snprintf(tag, sizeof(tag), "grp=g%u", i);
		claim(i + 1, NULL, tag);
	}
	cr_assert_eq(try(5000, NULL, "grp=g0 grp=more"), -ENOSPC);
	cr_assert(strstr(err, "'more'") && strstr(err, "1024"), "%s", err);
	pb_registry_release(reg, 1);
	cr_assert_null(pb_registry_group(reg, 0), "the refused claim holds none");
	claim(5000, NULL, "grp=more");
}
