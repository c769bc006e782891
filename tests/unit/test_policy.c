/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The policy evaluator, case by case and against a second one written the plain way. */
#include <criterion/criterion.h>
#include <string.h>

#include <patchbay/policy.h>

static struct pb_rule rules[PB_BANKS * PB_RULES_MAX];

pb_inline const struct pb_rule *pb_rule_at(__u32 index)
{
	return index < PB_BANKS * PB_RULES_MAX ? &rules[index] : NULL;
}

static struct pb_app app(unsigned group)
{
	struct pb_app a;

	memset(&a, 0, sizeof(a));
	a.flags = PB_APP_NAMED | PB_APP_TAGGED;
	a.grp[group / 64] |= 1ULL << (group % 64);
	return a;
}

static void rule(unsigned i, unsigned bank, int allow, int port, int proto, struct pb_app *c,
		 struct pb_app *s)
{
	rules[bank * PB_RULES_MAX + i] = (struct pb_rule){
		.used = 1, .allow = (__u8)allow, .proto = (__u8)proto, .port = htons((__u16)port)
	};
	c->from[bank][i / 64] |= 1ULL << (i % 64);
	s->to[bank][i / 64] |= 1ULL << (i % 64);
}

static unsigned ask(const struct pb_app *c, const struct pb_app *s, int port, int proto)
{
	struct pb_policy_in in = {
		.client = c, .server = s, .port = htons((__u16)port), .proto = (__u8)proto
	};

	return pb_policy(&in);
}

Test(policy, groups)
{
	struct pb_app a = app(3), b = app(3), c = app(1023), d = app(1023), none = app(0);

	memset(none.grp, 0, sizeof(none.grp));
	cr_assert_eq(ask(&a, &b, 80, PB_PROTO_TCP), PB_R_ALLOW_GROUP);
	cr_assert_eq(ask(&c, &d, 80, PB_PROTO_TCP), PB_R_ALLOW_GROUP);
	cr_assert_eq(ask(&a, &c, 80, PB_PROTO_TCP), PB_R_DENY_GROUP);
	cr_assert_eq(ask(&a, &none, 80, PB_PROTO_TCP), PB_R_DENY_GROUP, "tags, but no grp");
	cr_assert_eq(ask(&none, &none, 80, PB_PROTO_TCP), PB_R_DENY_GROUP);
	a.grp[1023 / 64] |= 1ULL << 63;
	cr_assert_eq(ask(&a, &c, 80, PB_PROTO_TCP), PB_R_ALLOW_GROUP, "several groups");
}

Test(policy, untagged_reaches_nothing)
{
	struct pb_app a = app(3), b = app(3);

	b.flags &= ~PB_APP_TAGGED;
	cr_assert_eq(ask(&a, &b, 80, PB_PROTO_TCP), PB_R_DENY_UNTAGGED);
	cr_assert_eq(ask(&b, &a, 80, PB_PROTO_TCP), PB_R_DENY_UNTAGGED);
	cr_assert_eq(ask(&b, &b, 80, PB_PROTO_TCP), PB_R_DENY_UNTAGGED);
}

Test(policy, deny_beats_allow_beats_group)
{
	struct pb_app a = app(1), b = app(2), c = app(1);

	rule(0, 0, 1, 0, 0, &a, &b);
	cr_assert_eq(ask(&a, &b, 80, PB_PROTO_TCP), PB_R_ALLOW_RULE, "no group needed");
	cr_assert_eq(ask(&b, &a, 80, PB_PROTO_TCP), PB_R_DENY_GROUP, "one direction");
	rule(1, 0, 0, 0, 0, &a, &b);
	cr_assert_eq(ask(&a, &b, 80, PB_PROTO_TCP), PB_R_DENY_RULE, "deny after allow");
	rule(2, 0, 1, 0, 0, &a, &b);
	cr_assert_eq(ask(&a, &b, 80, PB_PROTO_TCP), PB_R_DENY_RULE, "deny before allow");
	cr_assert_eq(ask(&a, &c, 80, PB_PROTO_TCP), PB_R_ALLOW_GROUP);
	rule(255, 0, 0, 0, 0, &a, &c);
	cr_assert_eq(ask(&a, &c, 80, PB_PROTO_TCP), PB_R_DENY_RULE, "the last rule counts");
}

Test(policy, rules_reach_the_untagged)
{
	struct pb_app a = app(1), b = app(2);

	a.flags = 0;
	rule(7, 0, 1, 0, 0, &a, &b);
	cr_assert_eq(ask(&a, &b, 80, PB_PROTO_TCP), PB_R_ALLOW_RULE);
}

Test(policy, port_and_protocol)
{
	struct pb_app a = app(1), b = app(2);

	rule(0, 0, 1, 80, PB_PROTO_TCP, &a, &b);
	rule(64, 0, 1, 53, 0, &a, &b);
	rule(128, 0, 0, 0, PB_PROTO_UDP, &a, &b);
	cr_assert_eq(ask(&a, &b, 80, PB_PROTO_TCP), PB_R_ALLOW_RULE);
	cr_assert_eq(ask(&a, &b, 81, PB_PROTO_TCP), PB_R_DENY_GROUP);
	cr_assert_eq(ask(&a, &b, 53, PB_PROTO_TCP), PB_R_ALLOW_RULE);
	cr_assert_eq(ask(&a, &b, 53, PB_PROTO_UDP), PB_R_DENY_RULE);
	cr_assert_eq(ask(&a, &b, 80, PB_PROTO_UDP), PB_R_DENY_RULE);
}

Test(policy, unused_slots_do_not_count)
{
	struct pb_app a = app(1), b = app(2);

	rule(0, 0, 0, 0, 0, &a, &b);
	rules[0].used = 0;
	cr_assert_eq(ask(&a, &b, 80, PB_PROTO_TCP), PB_R_DENY_GROUP);
}

Test(policy, banks_are_apart)
{
	struct pb_app a = app(1), b = app(2);
	struct pb_policy_in in = { .client = &a, .server = &b, .proto = PB_PROTO_TCP };

	rule(5, 1, 1, 0, 0, &a, &b);
	cr_assert_eq(pb_policy(&in), PB_R_DENY_GROUP);
	in.bank = 1;
	cr_assert_eq(pb_policy(&in), PB_R_ALLOW_RULE);
	in.bank = 3;
	cr_assert_eq(pb_policy(&in), PB_R_ALLOW_RULE,
		     "an odd number is bank 1, never out of bounds");
}

Test(policy, self_and_quarantine)
{
	struct pb_app a = app(1), q = app(1);
	struct pb_policy_in in = { .client = &a, .server = &a, .self = 1, .proto = PB_PROTO_TCP };

	rule(0, 0, 0, 0, 0, &a, &a);
	cr_assert_eq(pb_policy(&in), PB_R_ALLOW_SELF);
	q.flags |= PB_APP_QUARANTINED;
	cr_assert_eq(ask(&a, &q, 80, PB_PROTO_TCP), PB_R_QUARANTINED);
	cr_assert_eq(ask(&q, &a, 80, PB_PROTO_TCP), PB_R_QUARANTINED);
	in.client = in.server = &q;
	for (in.mode = PB_MODE_ENFORCE; in.mode <= PB_MODE_OFF; in.mode++)
		cr_assert_eq(pb_policy(&in), PB_R_QUARANTINED);
}

Test(policy, modes)
{
	static const struct {
		int client, server, global;
		unsigned reason;
	} t[] = {
		{ PB_MODE_ENFORCE, PB_MODE_ENFORCE, PB_MODE_ENFORCE, PB_R_DENY_GROUP },
		{ PB_MODE_ENFORCE, PB_MODE_AUDIT, PB_MODE_ENFORCE, PB_R_AUDIT },
		{ PB_MODE_ENFORCE, PB_MODE_ENFORCE, PB_MODE_AUDIT, PB_R_AUDIT },
		{ PB_MODE_ENFORCE, PB_MODE_OFF, PB_MODE_ENFORCE, PB_R_ALLOW_MODE_OFF },
		{ PB_MODE_ENFORCE, PB_MODE_ENFORCE, PB_MODE_OFF, PB_R_ALLOW_MODE_OFF },
		{ PB_MODE_ENFORCE, PB_MODE_AUDIT, PB_MODE_OFF, PB_R_ALLOW_MODE_OFF },
		{ PB_MODE_OFF, PB_MODE_ENFORCE, PB_MODE_ENFORCE, PB_R_DENY_GROUP },
		{ PB_MODE_AUDIT, PB_MODE_ENFORCE, PB_MODE_ENFORCE, PB_R_DENY_GROUP },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct pb_app c = app(1), s = app(2);
		struct pb_policy_in in = { .client = &c, .server = &s, .mode = (__u32)t[i].global };

		c.mode = (__u8)t[i].client;
		s.mode = (__u8)t[i].server;
		cr_assert_eq(pb_policy(&in), t[i].reason, "case %zu", i);
		cr_assert_eq(pb_policy_allows(pb_policy(&in)), t[i].reason != PB_R_DENY_GROUP);
	}
}

Test(policy, audit_keeps_the_reason_of_what_is_allowed)
{
	struct pb_app a = app(1), b = app(1);
	struct pb_policy_in in = { .client = &a, .server = &b, .mode = PB_MODE_AUDIT };

	cr_assert_eq(pb_policy(&in), PB_R_ALLOW_GROUP);
}

Test(policy, unknown_reasons_refuse)
{
	cr_assert(pb_reason_refuses(_PB_R_MAX));
	cr_assert_not(pb_policy_allows(~0u));
	cr_assert(pb_policy_allows(PB_R_ALLOW_GROUP));
	cr_assert(pb_policy_allows(PB_R_AUDIT));
	cr_assert(pb_reason_refuses(PB_R_QUARANTINED));
}

/* ---- the same by the book: lists of names and numbers, no bitmaps --------- */

#define N_APPS 6
#define N_RULES 12

struct plain_rule {
	int slot, bank, allow, port, proto, from, to;
};

static __u64 next(__u64 *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 0x2545f4914f6cdd1dULL >> 20;
}

static unsigned plain(const struct plain_rule *r, int n, const struct pb_app *apps, int c, int s,
		      int self, int mode, int bank, int port, int proto)
{
	int lax = apps[s].mode > mode ? apps[s].mode : mode;
	unsigned reason = PB_R_DENY_GROUP;
	int allow = 0, deny = 0;

	for (int i = 0; i < n; i++) {
		if (r[i].bank != bank || r[i].from != c || r[i].to != s ||
		    (r[i].port && r[i].port != port) || (r[i].proto && r[i].proto != proto))
			continue;
		allow |= r[i].allow;
		deny |= !r[i].allow;
	}
	for (int g = 0; g < PB_GROUPS_MAX; g++)
		if (apps[c].grp[g / 64] >> (g % 64) & apps[s].grp[g / 64] >> (g % 64) & 1)
			reason = PB_R_ALLOW_GROUP;
	if (!(apps[c].flags & PB_APP_TAGGED) || !(apps[s].flags & PB_APP_TAGGED))
		reason = PB_R_DENY_UNTAGGED;
	if (allow)
		reason = PB_R_ALLOW_RULE;
	if (deny)
		reason = PB_R_DENY_RULE;
	if (self)
		reason = PB_R_ALLOW_SELF;
	if ((apps[c].flags | apps[s].flags) & PB_APP_QUARANTINED)
		return PB_R_QUARANTINED;
	if (lax == PB_MODE_OFF)
		return PB_R_ALLOW_MODE_OFF;
	if (lax == PB_MODE_AUDIT && reason != PB_R_ALLOW_GROUP && reason != PB_R_ALLOW_RULE &&
	    reason != PB_R_ALLOW_SELF)
		return PB_R_AUDIT;
	return reason;
}

static void random_world(__u64 *seed, struct pb_app *apps, struct plain_rule *r)
{
	memset(rules, 0, sizeof(rules));
	for (int i = 0; i < N_APPS; i++) {
		apps[i] = app(next(seed) % 4 * 300);
		apps[i].grp[next(seed) % PB_GROUP_WORDS] |= 1ULL << (next(seed) % 64);
		apps[i].mode =
			next(seed) % 8 < _PB_MODE_MAX ? (__u8)(next(seed) % _PB_MODE_MAX) : 0;
		if (next(seed) % 6 == 0)
			apps[i].flags &= ~PB_APP_TAGGED;
		if (next(seed) % 12 == 0)
			apps[i].flags |= PB_APP_QUARANTINED;
	}
	for (int i = 0; i < N_RULES; i++) {
		static const int protos[] = { 0, PB_PROTO_TCP, PB_PROTO_UDP };

		r[i] = (struct plain_rule){
			(int)(next(seed) % 21) * 12 + i, (int)(next(seed) % 2),
			(int)(next(seed) % 3 > 0),	 (int)(next(seed) % 3 * 80),
			protos[next(seed) % 3],		 (int)(next(seed) % N_APPS),
			(int)(next(seed) % N_APPS)
		};
		rule((unsigned)r[i].slot, (unsigned)r[i].bank, r[i].allow, r[i].port, r[i].proto,
		     &apps[r[i].from], &apps[r[i].to]);
	}
}

Test(policy, agrees_with_the_plain_evaluator)
{
	struct plain_rule r[N_RULES];
	struct pb_app apps[N_APPS];
	unsigned seen[_PB_R_MAX] = { 0 };
	__u64 seed = 20240611;

	for (int world = 0; world < 4000; world++) {
		random_world(&seed, apps, r);
		for (int q = 0; q < 40; q++) {
			int c = (int)(next(&seed) % N_APPS), s = (int)(next(&seed) % N_APPS);
			int self = c == s && next(&seed) % 2, bank = (int)(next(&seed) % 2);
			int mode = next(&seed) % 8 == 0 ? (int)(next(&seed) % _PB_MODE_MAX) : 0;
			int port = (int)(next(&seed) % 3 * 80);
			int proto = next(&seed) % 2 ? PB_PROTO_TCP : PB_PROTO_UDP;
			struct pb_policy_in in = { &apps[c],	&apps[s],
						   (__u32)self, (__u32)mode,
						   (__u32)bank, htons((__u16)port),
						   (__u8)proto, 0 };
			unsigned want =
				plain(r, N_RULES, apps, c, s, self, mode, bank, port, proto);
			unsigned got = pb_policy(&in);

			cr_assert_eq(got, want, "world %d question %d: %u, not %u", world, q, got,
				     want);
			seen[got]++;
		}
	}
	cr_assert(seen[PB_R_ALLOW_GROUP] && seen[PB_R_ALLOW_RULE] && seen[PB_R_DENY_RULE] &&
			  seen[PB_R_DENY_GROUP] && seen[PB_R_DENY_UNTAGGED] &&
			  seen[PB_R_QUARANTINED] && seen[PB_R_ALLOW_SELF] && seen[PB_R_AUDIT] &&
			  seen[PB_R_ALLOW_MODE_OFF],
		  "every outcome is exercised");
}
