/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy rules: text to selectors, selectors to the bitmaps the evaluator reads. */
#include <arpa/inet.h>

#include "../util.h"
#include "internal.h"
#include "registry.h"

#define RULE_TEXT_MAX 255
#define RULE_FORM "allow|deny from SEL to SEL[:PORT][/tcp|/udp]"

/* The next word of *@p, cut out in place; NULL at the end. */
static char *next_word(char **p)
{
	char *word;

	do
		word = strsep(p, " \t");
	while (word && !*word);
	return word;
}

static int parse_selector(const char *text, struct selector *ret, char err[PB_ERR_LEN])
{
	struct selector s = { 0 };

	if (!strcmp(text, "*")) {
		s.kind = SEL_ANY;
	} else if (strchr(text, '=')) {
		s.kind = SEL_TAG;
		if (pb_tag_check(text, err))
			return -EINVAL;
		snprintf(s.text, sizeof(s.text), "%s", text);
	} else {
		s.kind = SEL_NAME;
		if (!pb_name_valid(text))
			return pb_fail(err, -EINVAL, "'%s' is not a name, a tag key=value or '*'",
				       text);
		pb_name_lower(text, s.text);
	}
	*ret = s;
	return 0;
}

/* Takes "/tcp" or "/udp" off the end of the server's selector. */
static uint8_t cut_proto(char *sel)
{
	char *slash = strrchr(sel, '/');
	uint8_t proto;

	if (!slash)
		return 0;
	proto = !strcmp(slash, "/tcp") ? PB_PROTO_TCP : !strcmp(slash, "/udp") ? PB_PROTO_UDP : 0;
	if (proto)
		*slash = '\0';
	return proto;
}

/* Takes ":PORT" off; ":*" is any port, for a tag whose value itself ends in ":80". */
static int cut_port(char *sel, __be16 *ret, char err[PB_ERR_LEN])
{
	char *colon = strrchr(sel, ':');
	uint32_t port = 0;
	int e = 0;

	if (!colon)
		return 0;
	if (strcmp(colon, ":*"))
		e = pb_number_parse(colon + 1, 65535, &port);
	if (e == -EINVAL && strchr(sel, '='))
		return 0; /* part of the tag's value */
	if (e || (!port && strcmp(colon, ":*")))
		return pb_fail(err, -EINVAL, "port '%s' is not a number from 1 to 65535, or '*'",
			       colon + 1);
	*colon = '\0';
	*ret = htons((uint16_t)port);
	return 0;
}

static int parse_rule(const char *text, struct rule *ret, char err[PB_ERR_LEN])
{
	struct rule rule = { .pub.used = 1 };
	char copy[RULE_TEXT_MAX + 1], *p = copy;
	char *verb, *from, *client, *to, *server;

	if (strnlen(text, sizeof(copy)) > RULE_TEXT_MAX)
		return pb_fail(err, -EINVAL, "the rule is longer than %d characters",
			       RULE_TEXT_MAX);
	snprintf(copy, sizeof(copy), "%s", text);
	verb = next_word(&p);
	from = next_word(&p);
	client = next_word(&p);
	to = next_word(&p);
	server = next_word(&p);
	if (!server || strcmp(from, "from") || strcmp(to, "to") || next_word(&p))
		return pb_fail(err, -EINVAL, "'%.80s' does not have the form: " RULE_FORM, text);
	if (strcmp(verb, "allow") && strcmp(verb, "deny"))
		return pb_fail(err, -EINVAL, "a rule begins with 'allow' or 'deny', not '%.40s'",
			       verb);
	rule.pub.allow = !strcmp(verb, "allow");
	rule.pub.proto = cut_proto(server);
	if (cut_port(server, &rule.pub.port, err) || parse_selector(client, &rule.from, err) ||
	    parse_selector(server, &rule.to, err))
		return -EINVAL;
	*ret = rule;
	return 0;
}

int pb_rule_check(const char *text, char err[PB_ERR_LEN])
{
	struct rule rule;

	return parse_rule(text, &rule, err);
}

static bool selects(const struct selector *s, const struct rec *rec)
{
	switch (s->kind) {
	case SEL_ANY: return true;
	case SEL_NAME: return !strcmp(s->text, rec->pub.app.name);
	case SEL_TAG:
		for (unsigned i = 0; i < rec->pub.tags.n; i++)
			if (!strcmp(s->text, rec->pub.tags.tag[i]))
				return true;
		return false;
	}
	return false;
}

void rules_apply(const struct pb_registry *r, struct rec *rec, unsigned bank)
{
	__u64 *from = rec->pub.app.from[bank], *to = rec->pub.app.to[bank];

	memset(from, 0, PB_RULE_WORDS * sizeof(*from));
	memset(to, 0, PB_RULE_WORDS * sizeof(*to));
	for (size_t i = 0; i < r->n_rules[bank]; i++) {
		uint64_t bit = 1ULL << (i % 64);

		if (selects(&r->rule[bank][i].from, rec))
			from[i / 64] |= bit;
		if (selects(&r->rule[bank][i].to, rec))
			to[i / 64] |= bit;
	}
}

static void free_texts(char **text, size_t n)
{
	for (size_t i = 0; text && i < n; i++)
		free(text[i]);
	free(text);
}

void rules_free(struct pb_registry *r, unsigned bank)
{
	free_texts(r->rule_text[bank], r->n_rules[bank]);
	free(r->rule[bank]);
	r->rule_text[bank] = NULL;
	r->rule[bank] = NULL;
	r->n_rules[bank] = 0;
}

static int copy_texts(const char *const *text, size_t n, char ***ret)
{
	char **copy = calloc(n + 1, sizeof(*copy));

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(text[i]);
		if (!copy[i]) {
			free_texts(copy, i);
			return -ENOMEM;
		}
	}
	*ret = copy;
	return copy ? 0 : -ENOMEM;
}

int pb_registry_set_rules(struct pb_registry *r, const char *const *text, size_t n, unsigned bank,
			  size_t *ret_line, char err[PB_ERR_LEN])
{
	_cleanup_free_ struct rule *rules = NULL;
	char **copy;

	if (bank >= PB_BANKS)
		return pb_fail(err, -EINVAL, "there is no rule bank %u", bank);
	if (n > PB_RULES_MAX) {
		*ret_line = PB_RULES_MAX;
		return pb_fail(err, -ENOSPC, "%zu rules: at most %d are possible", n, PB_RULES_MAX);
	}
	rules = calloc(n + 1, sizeof(*rules));
	if (!rules)
		return pb_fail(err, -ENOMEM, "no memory for %zu rules", n);
	for (size_t i = 0; i < n; i++) {
		int e = parse_rule(text[i], &rules[i], err);

		if (e) {
			*ret_line = i;
			return e;
		}
	}
	if (copy_texts(text, n, &copy))
		return pb_fail(err, -ENOMEM, "no memory for %zu rules", n);
	rules_free(r, bank);
	r->rule_text[bank] = copy;
	r->n_rules[bank] = n;
	memset(r->rule_pub[bank], 0, sizeof(r->rule_pub[bank]));
	for (size_t i = 0; i < n; i++)
		r->rule_pub[bank][i] = rules[i].pub;
	r->rule[bank] = TAKE_PTR(rules);
	for (size_t i = 0; i < r->n_recs; i++)
		rules_apply(r, r->recs[i], bank);
	return 0;
}

const struct pb_rule *pb_registry_rules(const struct pb_registry *r, unsigned bank)
{
	return bank < PB_BANKS ? r->rule_pub[bank] : NULL;
}

const char *pb_registry_rule_text(const struct pb_registry *r, unsigned bank, unsigned i)
{
	return bank < PB_BANKS && i < r->n_rules[bank] ? r->rule_text[bank][i] : NULL;
}
