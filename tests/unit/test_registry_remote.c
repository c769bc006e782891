/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Applications of other nodes in the registry. */
#include <patchbay/addr.h>

#include "test_registry.h"

#define R(n) (PB_REF_REMOTE | (n))

static void begin(void)
{
	start("10.9.0.0/24", NULL);
}

TestSuite(registry_remote, .init = begin, .fini = stop);

static struct pb_remote_app app(uint64_t ref, const char *name, const char *ip, const char *tag)
{
	struct pb_remote_app a = { .ref = R(ref), .node = "h2", .name = name };

	a.id = name ? pb_registry_id(reg, name) : 77;
	if (ip)
		a.ips[a.n_ips++] = A(ip);
	if (tag)
		a.tags[a.n_tags++] = tag;
	return a;
}

static int put(const struct pb_remote_app *a, const struct pb_app_rec **rec, bool *changed)
{
	err[0] = '\0';
	return pb_registry_remote_put(reg, a, rec, changed, err);
}

static const struct pb_app_rec *must(uint64_t ref, const char *name, const char *ip,
				     const char *tag)
{
	struct pb_remote_app a = app(ref, name, ip, tag);
	const struct pb_app_rec *rec = NULL;
	bool changed;

	cr_assert_eq(put(&a, &rec, &changed), 0, "%s", err);
	cr_assert(changed);
	return rec;
}

Test(registry_remote, is_found_by_name_and_address)
{
	const struct pb_app_rec *rec = must(1, "web", "10.9.0.7", "grp=a");
	struct pb_addr ip = A("10.9.0.7");

	cr_assert_eq(rec->ref, R(1));
	cr_assert(pb_registry_by_name(reg, "web") == rec);
	cr_assert(pb_registry_by_addr(reg, &ip) == rec);
	cr_assert_eq(pb_registry_ns_of(reg, &ip), rec->app.ns);
	cr_assert_str_eq(pb_registry_node(reg, R(1)), "h2");
	cr_assert_eq(pb_registry_remotes(reg), 1);
	cr_assert_eq(rec->app.flags & PB_APP_NAMED, PB_APP_NAMED);
	cr_assert_neq(rec->app.grp[0], 0, "groups mean the same everywhere");
	cr_assert_eq(pb_registry_release(reg, R(1)), 0);
	cr_assert_null(pb_registry_by_name(reg, "web"));
	cr_assert_eq(pb_registry_remotes(reg), 0);
}

Test(registry_remote, ns_is_that_of_a_local_one)
{
	uint64_t ns = must(1, "web", "10.9.0.7", NULL)->app.ns;

	cr_assert_eq(pb_registry_release(reg, R(1)), 0);
	cr_assert_eq(claim(5, "web", "10.9.0.7")->app.ns, ns);
}

Test(registry_remote, local_and_remote_share_a_name)
{
	const struct pb_app_rec *far = must(1, "web", "10.9.0.7", NULL), *near;

	near = claim(5, "web", "");
	cr_assert(pb_addr_eq(&near->app.vip4, &far->app.vip4), "the name has one address");
	cr_assert_eq(near->app.ns, far->app.ns);
	cr_assert(pb_registry_by_name(reg, "web") == near, "this node's comes first");
	cr_assert_eq(pb_registry_release(reg, 5), 0);
	cr_assert(pb_registry_by_name(reg, "web") == far);
}

Test(registry_remote, names_share_an_address)
{
	uint64_t ns = must(1, "web", "10.9.0.7", NULL)->app.ns;

	cr_assert_eq(must(2, "db", "10.9.0.7", NULL)->app.ns, ns);
	cr_assert_eq(claim(5, "app", "10.9.0.7")->app.ns, ns);
}

Test(registry_remote, a_local_claim_that_clashes_is_told_where)
{
	must(1, "web", "10.9.0.7", NULL);
	cr_assert_eq(try(5, "web", "10.9.0.8"), -EADDRINUSE);
	cr_assert(strstr(err, "on node 'h2'"), "%s", err);
	cr_assert_eq(try(6, "db", "10.9.0.7 fd00::7"), -EADDRINUSE);
	cr_assert(strstr(err, "on node 'h2'"), "%s", err);
}

Test(registry_remote, one_that_clashes_here_is_not_taken)
{
	const struct pb_app_rec *rec;
	struct pb_remote_app a;
	bool changed;

	claim(5, "web", "10.9.0.7");
	a = app(1, "web", "10.9.0.8", NULL);
	cr_assert_eq(put(&a, &rec, &changed), -EADDRINUSE);
	cr_assert_null(pb_registry_by_ref(reg, R(1)));
	cr_assert_eq(pb_registry_remotes(reg), 0);
}

Test(registry_remote, nothing_new_is_no_change)
{
	struct pb_remote_app a = app(1, "web", "10.9.0.7", "grp=a");
	const struct pb_app_rec *rec;
	bool changed;

	cr_assert_eq(put(&a, &rec, &changed), 0);
	cr_assert(changed);
	cr_assert_eq(put(&a, &rec, &changed), 0);
	cr_assert_not(changed);
	a.tags[0] = "grp=b";
	cr_assert_eq(put(&a, &rec, &changed), 0);
	cr_assert(changed);
	cr_assert_str_eq(rec->tags.tag[0], "grp=b");
	a.ips[0] = A("10.9.0.9");
	cr_assert_eq(put(&a, &rec, &changed), 0);
	cr_assert(changed);
	cr_assert(pb_addr_eq(&rec->app.vip4, &a.ips[0]));
	cr_assert_eq(pb_registry_remotes(reg), 1);
}

Test(registry_remote, a_change_that_clashes_leaves_what_was)
{
	const struct pb_app_rec *rec;
	struct pb_remote_app a;
	bool changed;

	claim(5, "db", "10.9.0.5");
	must(1, "web", "10.9.0.7", "grp=a");
	a = app(1, "db", "10.9.0.7", "grp=a");
	cr_assert_eq(put(&a, &rec, &changed), -EADDRINUSE);
	rec = pb_registry_by_ref(reg, R(1));
	cr_assert(rec);
	cr_assert_str_eq(rec->app.name, "web");
	cr_assert_str_eq(pb_registry_node(reg, R(1)), "h2");
	cr_assert_eq(rec->tags.n, 1);
}

Test(registry_remote, hostile_ones_are_refused)
{
	const struct pb_app_rec *rec;
	struct pb_remote_app a;
	bool changed;

	a = app(1, "web", "10.9.0.7", NULL);
	a.ref &= ~PB_REF_REMOTE;
	cr_assert_eq(put(&a, &rec, &changed), -EINVAL, "no ref of others");
	a = app(1, "web", "10.9.0.7", NULL);
	a.id++;
	cr_assert_eq(put(&a, &rec, &changed), -EINVAL, "id of another name");
	a = app(1, "web", NULL, NULL);
	cr_assert_eq(put(&a, &rec, &changed), -EINVAL, "no address");
	a = app(1, "we b", "10.9.0.7", NULL);
	cr_assert_eq(put(&a, &rec, &changed), -EINVAL, "name");
	a = app(1, "localhost", "10.9.0.7", NULL);
	cr_assert_eq(put(&a, &rec, &changed), -EINVAL, "localhost");
	a = app(1, "web", "127.0.0.1", NULL);
	cr_assert_eq(put(&a, &rec, &changed), -EINVAL, "loopback");
	a = app(1, "web", "10.9.0.255", NULL);
	cr_assert_eq(put(&a, &rec, &changed), -EINVAL, "broadcast");
	a = app(1, "web", "10.9.0.7", "nonsense");
	cr_assert_eq(put(&a, &rec, &changed), -EINVAL, "tag");
	cr_assert_eq(pb_registry_remotes(reg), 0);
}

Test(registry_remote, unnamed_ones_of_two_nodes_may_have_one_id)
{
	struct pb_remote_app a = app(1ULL << 40, NULL, NULL, "grp=a");
	const struct pb_app_rec *x, *y;
	bool changed;

	cr_assert_eq(put(&a, &x, &changed), 0, "%s", err);
	a.ref = R(2ULL << 40);
	a.node = "h3";
	cr_assert_eq(put(&a, &y, &changed), 0, "%s", err);
	cr_assert_eq(x->app.id, y->app.id);
	cr_assert_eq(x->app.flags & PB_APP_QUARANTINED, 0);
	cr_assert_eq(y->app.flags & PB_APP_QUARANTINED, 0);
	cr_assert_neq(x->app.ns, y->app.ns);
	cr_assert_not(pb_addr_eq(&x->app.ll4, &y->app.ll4), "servers tell them apart");
	cr_assert_not(pb_addr_eq(&x->app.ll6, &y->app.ll6));
	cr_assert(strstr(y->app.name, "@h3"), "%s", y->app.name);
}

Test(registry_remote, their_addresses_are_not_given_away)
{
	struct pb_addr taken = A("10.9.0.1");
	const struct pb_app_rec *rec;

	must(1, "web", "10.9.0.1", NULL);
	rec = claim(5, "db", "");
	cr_assert_not(pb_addr_eq(&rec->app.vip4, &taken));
	cr_assert_eq(rec->app.flags & PB_APP_GIVEN, PB_APP_GIVEN);
	cr_assert_eq(claim(6, "asked", "10.9.0.99")->app.flags & PB_APP_GIVEN, 0);
}

Test(registry_remote, spread_addresses_follow_from_the_name)
{
	struct pb_addr first;

	pb_registry_set_spread(reg, true);
	first = claim(5, "web", "")->app.vip4;
	stop();
	begin();
	pb_registry_set_spread(reg, true);
	claim(9, "db", "");
	cr_assert(pb_addr_eq(&claim(5, "web", "")->app.vip4, &first));
}

Test(registry_remote, rules_and_adoption_know_them)
{
	static const char *const rule[] = { "deny from web to *" };
	const struct pb_app_rec *rec = must(1, "web", "10.9.0.7", "grp=a");
	struct pb_app_rec copy;
	size_t line;

	cr_assert_eq(pb_registry_set_rules(reg, rule, 1, 0, &line, err), 0);
	cr_assert_eq(rec->app.from[0][0], 1);
	copy = *rec;
	stop();
	begin();
	cr_assert_eq(pb_registry_adopt(reg, &copy), -EINVAL, "not this node's");
	cr_assert_eq(pb_registry_remote_adopt(reg, &copy, "h9"), 0);
	cr_assert_str_eq(pb_registry_node(reg, R(1)), "h9");
	cr_assert(pb_registry_by_name(reg, "web"));
}
