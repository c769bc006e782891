/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The policy evaluator: the same code decides in the kernel, answers
 * `patchbay check` and is driven by the unit tests.  Pure.
 *
 * Order (docs/ARCHITECTURE.md, "Policy"): quarantine, mode off, self, explicit
 * deny, explicit allow, tags, shared grp.  The server's mode holds for a
 * connection inside: a client cannot relax what a server asks for.
 *
 * The includer defines pb_rule_at(): a map look-up in BPF, an array on the host.
 */
#ifndef PATCHBAY_POLICY_H
#define PATCHBAY_POLICY_H

#include "bits.h"
#include "maps.h"
#include "reasons.h"

pb_inline const struct pb_rule *pb_rule_at(__u32 index);

/* The laxer of the application's mode and the global one (both enum pb_mode). */
pb_inline __u32 pb_mode_of(const struct pb_app *app, __u32 global)
{
	return app->mode > global ? app->mode : global;
}

/* One walk over the rules that name both sides. */
struct pb_rule_walk {
	const struct pb_app *client;
	const struct pb_app *server;
	__u64 hits; /* rules of word w still to look at */
	__u32 w;
	__u32 found; /* reason so far, 0 none */
	__u32 bank;
	__be16 port;
	__u8 proto;
	__u8 pad;
};

/* Looks at the next rule; 1 when the walk is over. */
static inline __attribute__((unused)) long pb_rule_step(__u32 i, void *arg)
{
	struct pb_rule_walk *walk = arg;
	const struct pb_rule *rule;
	__u32 w = walk->w & (PB_RULE_WORDS - 1), bank = walk->bank & (PB_BANKS - 1);
	__u64 hits = walk->hits;

	(void)i;
	if (!hits) {
		if (++w == PB_RULE_WORDS)
			return 1;
		walk->w = w;
		walk->hits = walk->client->from[bank][w] & walk->server->to[bank][w];
		return 0;
	}
	walk->hits = hits & (hits - 1);
	rule = pb_rule_at(bank * PB_RULES_MAX + w * 64 + (pb_ctz64(hits) & 63));
	if (!rule || !rule->used || (rule->port && rule->port != walk->port) ||
	    (rule->proto && rule->proto != walk->proto))
		return 0;
	walk->found = rule->allow ? PB_R_ALLOW_RULE : PB_R_DENY_RULE;
	return !rule->allow;
}

/* What the explicit rules of @bank say: 0 nothing, else a reason.  Deny wins. */
pb_inline __u32 pb_policy_rules(const struct pb_app *c, const struct pb_app *s, __be16 port,
				__u8 proto, __u32 bank)
{
	struct pb_rule_walk walk = { .client = c, .server = s, .port = port, .proto = proto };
	__u64 any = 0;

	walk.bank = bank & (PB_BANKS - 1);
	for (__u32 w = 0; w < PB_RULE_WORDS; w++)
		any |= c->from[walk.bank][w] & s->to[walk.bank][w];
	if (!any)
		return 0;
	walk.hits = c->from[walk.bank][0] & s->to[walk.bank][0];
	pb_loop(PB_RULES_MAX + PB_RULE_WORDS, pb_rule_step, &walk);
	return walk.found;
}

pb_inline int pb_share_group(const struct pb_app *c, const struct pb_app *s)
{
	__u64 any = 0;

	for (__u32 i = 0; i < PB_GROUP_WORDS; i++)
		any |= c->grp[i] & s->grp[i];
	return any != 0;
}

/* Without regard to mode and quarantine: the reason for which @c may or may not reach @s. */
pb_inline __u32 pb_policy_strict(const struct pb_app *c, const struct pb_app *s, int self,
				 __be16 port, __u8 proto, __u32 bank)
{
	__u32 r;

	if (self)
		return PB_R_ALLOW_SELF;
	r = pb_policy_rules(c, s, port, proto, bank);
	if (r)
		return r;
	if (!(c->flags & s->flags & PB_APP_TAGGED))
		return PB_R_DENY_UNTAGGED;
	return pb_share_group(c, s) ? PB_R_ALLOW_GROUP : PB_R_DENY_GROUP;
}

struct pb_policy_in {
	const struct pb_app *client;
	const struct pb_app *server;
	__u32 self; /* same scope */
	__u32 mode; /* global, enum pb_mode */
	__u32 bank;
	__be16 port; /* virtual */
	__u8 proto;
	__u8 pad;
};

/* May the client reach the server?  Returns a reason; pb_policy_allows() reads it. */
pb_inline __u32 pb_policy(const struct pb_policy_in *in)
{
	__u32 mode = pb_mode_of(in->server, in->mode);
	__u32 r;

	/* No mode relaxes this: who they are is what is in doubt. */
	if ((in->client->flags | in->server->flags) & PB_APP_QUARANTINED)
		return PB_R_QUARANTINED;
	if (mode == PB_MODE_OFF)
		return PB_R_ALLOW_MODE_OFF;
	r = pb_policy_strict(in->client, in->server, in->self, in->port, in->proto, in->bank);
	if (mode == PB_MODE_AUDIT && pb_reason_refuses(r))
		return PB_R_AUDIT;
	return r;
}

pb_inline int pb_policy_allows(__u32 reason)
{
	return !pb_reason_refuses(reason);
}

#endif /* PATCHBAY_POLICY_H */
