/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rules, grants and egress lists. */
#include "test_registry.h"

static void begin(void)
{
	start("10.9.0.0/16", NULL);
}

TestSuite(rules, .init = begin, .fini = stop);

static void set(unsigned bank, const char *const *text, size_t n)
{
	size_t line;

	cr_assert_eq(pb_registry_set_rules(reg, text, n, bank, &line, err), 0, "%s", err);
}

Test(rules, selectors)
{
	static const char *const text[] = { "allow from web to db:5432", "deny from env=test to *",
					    "allow from * to env=test:53/udp",
					    " allow  from\tWEB to db/tcp " };
	const struct pb_app_rec *web = claim(1, "web", "env=test"), *db = claim(2, "db", ""), *none;

	set(0, text, 4);
	none = claim(3, NULL, "");
	cr_assert_eq(web->app.from[0][0], 0xf);
	cr_assert_eq(web->app.to[0][0], 0x6);
	cr_assert_eq(db->app.from[0][0], 0x4);
	cr_assert_eq(db->app.to[0][0], 0xb);
	cr_assert_eq(none->app.from[0][0], 0x4, "claimed later, and * is everybody");
	cr_assert_eq(none->app.to[0][0], 0x2);
	cr_assert_eq(web->app.from[1][0], 0, "the other bank is untouched");
	cr_assert_eq(pb_registry_rules(reg, 0)[0].port, htons(5432));
	cr_assert_eq(pb_registry_rules(reg, 0)[1].allow, 0);
	cr_assert_eq(pb_registry_rules(reg, 0)[2].proto, PB_PROTO_UDP);
	cr_assert_eq(pb_registry_rules(reg, 0)[3].proto, PB_PROTO_TCP);
	cr_assert_eq(pb_registry_rules(reg, 0)[4].used, 0);
	cr_assert_str_eq(pb_registry_rule_text(reg, 0, 0), text[0]);
	cr_assert_null(pb_registry_rule_text(reg, 0, 4));
	cr_assert_null(pb_registry_rule_text(reg, 2, 0));
}

Test(rules, tag_values_with_colons)
{
	static const char *const text[] = { "allow from img=a/b:c to img=x:80:*",
					    "allow from * to v=1:80",
					    "allow from * to v=a/tcp/udp" };

	set(1, text, 3);
	cr_assert_eq(claim(1, "a", "img=a/b:c")->app.from[1][0], 7);
	cr_assert_eq(claim(2, "b", "img=x:80")->app.to[1][0], 1);
	cr_assert_eq(pb_registry_rules(reg, 1)[0].port, 0);
	cr_assert_eq(claim(3, "c", "v=1")->app.to[1][0], 2);
	cr_assert_eq(pb_registry_rules(reg, 1)[1].port, htons(80));
	cr_assert_eq(claim(4, "d", "v=a/tcp")->app.to[1][0], 4);
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "form" },
	{ "allow", "form" },
	{ "allow from a to", "form" },
	{ "allow to a from b", "form" },
	{ "allow from a to b c", "form" },
	{ "permit from a to b", "'permit'" },
	{ "allow from a to b:0", "port" },
	{ "allow from a to b:65536", "port" },
	{ "allow from a to b:http", "port" },
	{ "allow from a to b:", "port" },
	{ "allow from a to b/sctp", "'b/sctp'" },
	{ "allow from a:80 to b", "'a:80'" },
	{ "allow from a to ~12", "'~12'" },
	{ "allow from A=1 to b", "a key" },
	{ "allow from a to :80", "''" },
	{ "allow from k= to b", "key=value" },
};

Test(rules, all_or_nothing)
{
	static const char *const good[] = { "allow from web to db" };
	const struct pb_app_rec *web = claim(1, "web", "");

	set(0, good, 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *text[] = { "deny from * to *", bad[i].text };
		size_t line = 9;

		cr_assert_eq(pb_registry_set_rules(reg, text, 2, 0, &line, err), -EINVAL, "%s",
			     bad[i].text);
		cr_assert_eq(line, 1);
		cr_assert(strstr(err, bad[i].says), "%s", err);
		cr_assert_eq(web->app.from[0][0], 1);
		cr_assert_str_eq(pb_registry_rule_text(reg, 0, 0), good[0]);
	}
}

Test(rules, how_many)
{
	const char *text[PB_RULES_MAX + 1];
	const struct pb_app_rec *web = claim(1, "web", "");
	size_t line = 0;

	for (size_t i = 0; i <= PB_RULES_MAX; i++)
		text[i] = "allow from web to *";
	set(0, text, PB_RULES_MAX);
	cr_assert_eq(web->app.from[0][PB_RULE_WORDS - 1], ~0ULL);
	cr_assert_eq(pb_registry_set_rules(reg, text, PB_RULES_MAX + 1, 0, &line, err), -ENOSPC);
	cr_assert_eq(pb_registry_set_rules(reg, text, 1, PB_BANKS, &line, err), -EINVAL);
	set(0, text, 0);
	cr_assert_eq(web->app.from[0][0], 0);
}

TestSuite(grants, .init = begin, .fini = stop);

static int try_as(uid_t uid, gid_t gid, const char *name, const char *list, int mode)
{
	struct pb_claim_req req = request(1, name, list);
	const struct pb_app_rec *rec;
	int e;

	req.uid = uid;
	req.gids = &gid;
	req.n_gids = 1;
	req.mode = mode;
	e = pb_registry_claim(reg, &req, &rec, err);
	if (!e)
		pb_registry_release(reg, 1);
	return e;
}

Test(grants, who_may_what)
{
	struct pb_grant g[2] = {
		{ .id = 1000,
		  .names = { "web", "dev-*" },
		  .n_names = 2,
		  .tags = { "grp=front", "env=*" },
		  .n_tags = 2 },
		{ .is_gid = true, .id = 50, .names = { "db" }, .n_names = 1, .n_ips = 1 },
	};

	cr_assert_eq(pb_cidr_parse("10.9.7.0/24", &g[1].ips[0].net, &g[1].ips[0].bits), 0);
	cr_assert_eq(pb_registry_set_grants(reg, g, 2), 0);
	cr_assert_eq(try_as(0, 0, "any", "10.9.0.9 grp=any", PB_MODE_OFF), 0, "root: %s", err);
	cr_assert_eq(try_as(1000, 1, NULL, "", 0), 0);
	cr_assert_eq(try_as(1000, 1, "web", "grp=front env=x", 0), 0, "%s", err);
	cr_assert_eq(try_as(1000, 1, "Dev-1", "", 0), 0, "%s", err);
	cr_assert_eq(try_as(1000, 1, "db", "", 0), -EPERM);
	cr_assert(strstr(err, "uid 1000") && strstr(err, "'db'"), "%s", err);
	cr_assert_eq(try_as(1000, 1, "web", "grp=back", 0), -EPERM);
	cr_assert(strstr(err, "grp=back"), "%s", err);
	cr_assert_eq(try_as(1000, 1, "web", "10.9.7.1", 0), -EPERM);
	cr_assert_eq(try_as(1000, 50, "web", "10.9.7.1", 0), 0, "grants add up: %s", err);
	cr_assert_eq(try_as(1000, 50, "db", "10.9.8.1", 0), -EPERM);
	cr_assert_eq(try_as(1000, 1, "web", "", PB_MODE_AUDIT), -EPERM);
	cr_assert_eq(try_as(50, 1000, "web", "", 0), -EPERM, "a gid is not a uid");
	cr_assert_eq(try_as(1001, 1, NULL, "grp=front", 0), -EPERM, "no grant, no tags");
	cr_assert_eq(try_as(1001, 1, NULL, "", 0), 0);
	cr_assert_eq(pb_registry_set_grants(reg, NULL, 0), 0);
	cr_assert_eq(try_as(1000, 1, "web", "", 0), -EPERM);
}

static int egress(const char *text, struct pb_app_rec *rec)
{
	memset(rec, 0, sizeof(*rec));
	rec->ref = 0x100000002ULL;
	return pb_egress_parse(text, rec->egress, &rec->n_egress, &rec->app.egress, err);
}

Test(egress, forms)
{
	static const struct {
		const char *text;
		int err;
		unsigned mode, n, bits, port;
	} t[] = {
		{ NULL, 0, PB_EGRESS_ALL, 0, 0, 0 },
		{ "all", 0, PB_EGRESS_ALL, 0, 0, 0 },
		{ "none", 0, PB_EGRESS_NONE, 0, 0, 0 },
		{ "10.0.0.0/8", 0, PB_EGRESS_LIST, 1, 104, 0 },
		{ "10.0.0.0/8:443", 0, PB_EGRESS_LIST, 1, 104, 443 },
		{ "1.2.3.4:1", 0, PB_EGRESS_LIST, 1, 128, 1 },
		{ "fd00::/8", 0, PB_EGRESS_LIST, 1, 8, 0 },
		{ "[fd00::/8]:443", 0, PB_EGRESS_LIST, 1, 8, 443 },
		{ "[::1]", 0, PB_EGRESS_LIST, 1, 128, 0 },
		{ "fd00::1:443", 0, PB_EGRESS_LIST, 1, 128, 0 },
		{ "1.1.1.1,8.8.8.8:53", 0, PB_EGRESS_LIST, 2, 128, 0 },
		{ "", -EINVAL, 0, 0, 0, 0 },
		{ ",", -EINVAL, 0, 0, 0, 0 },
		{ "1.1.1.1,", -EINVAL, 0, 0, 0, 0 },
		{ "10.0.0.1/8", -EINVAL, 0, 0, 0, 0 },
		{ "1.1.1.1:0", -EINVAL, 0, 0, 0, 0 },
		{ "1.1.1.1:65536", -EINVAL, 0, 0, 0, 0 },
		{ "[fd00::1", -EINVAL, 0, 0, 0, 0 },
		{ "[fd00::1]x", -EINVAL, 0, 0, 0, 0 },
		{ "web", -EINVAL, 0, 0, 0, 0 },
		{ "fd00::/8:443", -EINVAL, 0, 0, 0, 0 },
		{ "None", -EINVAL, 0, 0, 0, 0 },
		{ "1.1.1.1 ", -EINVAL, 0, 0, 0, 0 },
	};
	struct pb_app_rec rec;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		cr_assert_eq(egress(t[i].text, &rec), t[i].err, "%s", t[i].text);
		cr_assert_eq(rec.app.egress, t[i].mode);
		cr_assert_eq(rec.n_egress, t[i].n, "%s", t[i].text);
		cr_assert_eq(rec.egress[0].bits, t[i].bits, "%s", t[i].text);
		cr_assert_eq(rec.egress[0].port, htons((uint16_t)t[i].port), "%s", t[i].text);
	}
}

Test(egress, limits)
{
	char text[4096] = "1.1.1.1:1";
	struct pb_app_rec rec;

	for (unsigned i = 2; i <= PB_EGRESS_PORTS; i++)
		sprintf(text + strlen(text), ",1.1.1.1:%u", i);
	cr_assert_eq(egress(text, &rec), 0);
	strcat(text, ",1.1.1.0/24:99");
	cr_assert_eq(egress(text, &rec), -EINVAL, "inherited ports count");
	cr_assert(strstr(err, "16 ports"), "%s", err);
	strcat(text, ",1.0.0.0/8");
	cr_assert_eq(egress(text, &rec), 0, "any port swallows them: %s", err);
	*text = '\0';
	for (unsigned i = 0; i <= PB_EGRESS_ITEMS; i++)
		sprintf(text + strlen(text), "%s1.1.1.%u", i ? "," : "", i);
	cr_assert_eq(egress(text, &rec), -EINVAL);
}

Test(egress, longer_prefixes_inherit_ports)
{
	struct pb_egress_entry e[PB_EGRESS_ITEMS + 1];
	struct pb_app_rec rec;

	cr_assert_eq(egress("10.0.0.0/8:80,10.1.0.0/16:443,10.1.2.3,10.0.0.0/8:81,10.0.0.0/8:80",
			    &rec),
		     0);
	cr_assert_eq(pb_egress_compile(&rec, e), 3);
	cr_assert_eq(e[0].key.prefixlen, 64 + 104);
	cr_assert_eq(e[0].key.ref[0], 2);
	cr_assert_eq(e[0].key.ref[1], 1);
	cr_assert_eq(e[0].val.n, 2);
	cr_assert_eq(e[1].val.n, 3);
	cr_assert_eq(e[2].val.any_port, 1);
	cr_assert_eq(e[2].val.n, 0);
}

Test(egress, all_of_ipv6_does_not_open_ipv4)
{
	struct pb_egress_entry e[PB_EGRESS_ITEMS + 1];
	struct pb_addr mapped = A("0.0.0.0");
	struct pb_app_rec rec;

	cr_assert_eq(egress("::/0,10.0.0.0/8:80", &rec), 0);
	cr_assert_eq(pb_egress_compile(&rec, e), 3);
	cr_assert_eq(e[1].val.any_port, 0, "IPv4 does not inherit from ::/0");
	cr_assert_eq(e[2].key.prefixlen, 64 + 96);
	cr_assert_eq(memcmp(&e[2].key.addr, &mapped, 16), 0);
	cr_assert(!e[2].val.any_port && !e[2].val.n);
	cr_assert_eq(egress("::/0,0.0.0.0/0", &rec), 0);
	cr_assert_eq(pb_egress_compile(&rec, e), 2);
}
