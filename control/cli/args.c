/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Words to options and operands.  getopt_long(3) is not used because it takes
 * every unambiguous beginning of an option for the option; here only the exact
 * word counts, so that a script keeps its meaning when options are added.
 */
#include "cli.h"

#include "../util.h"

#define NEAR_LEN 24 /* longer words are not compared */

struct parser {
	struct cli *c;
	struct cli_args *a;
	int argc, at;
	char **argv;
	char *err;
};

void cli_init(struct cli *c, const char *env_run_dir, const char *env_bpffs)
{
	*c = (struct cli){
		.run_dir = env_run_dir && *env_run_dir ? env_run_dir : "/run/patchbay",
		.bpffs = env_bpffs && *env_bpffs ? env_bpffs : "/sys/fs/bpf",
	};
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edits (insert, remove, replace, swap of neighbours) between two short words. */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[NEAR_LEN + 1][NEAR_LEN + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > NEAR_LEN || m > NEAR_LEN)
		return NEAR_LEN;
	for (unsigned i = 0; i <= n; i++)
		d[i][0] = i;
	for (unsigned j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			d[i][j] = least(d[i - 1][j] + 1, d[i][j - 1] + 1,
					d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[n][m];
}

const char *cli_nearest(const char *word, const char *const *list, size_t n)
{
	unsigned best = 1 + (unsigned)strlen(word) / 3;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		bool begins = *word && !strncmp(list[i], word, strlen(word));
		unsigned d = begins ? 1 : distance(word, list[i]);

		if (d < best || (d == best && !found)) {
			best = d;
			found = list[i];
		}
	}
	return found;
}

bool cli_is_word(const char *word, const char *words)
{
	size_t len = strlen(word);

	for (const char *w = words; *w;) {
		size_t n = strcspn(w, " ");

		if (n == len && !memcmp(w, word, n))
			return true;
		w += n;
		w += strspn(w, " ");
	}
	return false;
}

bool cli_given(const struct cli_args *a, const char *name)
{
	for (unsigned i = 0; i < a->n_opts; i++)
		if (!strcmp(a->opts[i].opt->name, name))
			return true;
	return false;
}

const char *cli_nth(const struct cli_args *a, const char *name, unsigned n)
{
	for (unsigned i = 0; i < a->n_opts; i++)
		if (!strcmp(a->opts[i].opt->name, name) && n-- == 0)
			return a->opts[i].value;
	return NULL;
}

const char *cli_value(const struct cli_args *a, const char *name)
{
	return cli_nth(a, name, 0);
}

static int bad_verb(struct parser *p, const char *word)
{
	const char *list[CLI_OPTS_MAX], *near;
	size_t n = 0;

	for (const struct cli_verb *v = cli_verbs; v->name && n < ARRAY_SIZE(list); v++)
		list[n++] = v->name;
	near = cli_nearest(word, list, n);
	if (near)
		snprintf(p->err, CLI_ERR_LEN, "there is no verb '%.60s'; did you mean '%s'?", word,
			 near);
	else
		snprintf(p->err, CLI_ERR_LEN,
			 "there is no verb '%.60s'; 'patchbay help' lists them", word);
	return -EINVAL;
}

static int bad_option(struct parser *p, const char *word, size_t len)
{
	const char *list[CLI_OPTS_MAX], *near = NULL, *of = p->c->verb ? p->c->verb->name : "";
	_cleanup_free_ char *name = strndup(word, len);
	size_t n = 0;

	for (const struct cli_opt *o = p->c->verb ? p->c->verb->opts : NULL;
	     o && o->name && n < ARRAY_SIZE(list); o++)
		list[n++] = o->name;
	for (const struct cli_opt *o = cli_globals; o->name && n < ARRAY_SIZE(list); o++)
		list[n++] = o->name;
	if (name && !strncmp(name, "--", 2))
		near = cli_nearest(name + 2, list, n);
	if (near)
		snprintf(p->err, CLI_ERR_LEN, "there is no option '%.60s'; did you mean '--%s'?",
			 name, near);
	else
		snprintf(p->err, CLI_ERR_LEN,
			 "there is no option '%.60s'; 'patchbay help%s%s' lists them",
			 name ? name : "", *of ? " " : "", of);
	return -EINVAL;
}

static const struct cli_opt *find_in(const struct cli_opt *o, const char *word, size_t len)
{
	for (; o && o->name; o++) {
		if (len > 2 && !strncmp(word, "--", 2) && strlen(o->name) == len - 2 &&
		    !memcmp(o->name, word + 2, len - 2))
			return o;
		if (o->key && len >= 2 && word[0] == '-' && word[1] == o->key &&
		    (len == 2 || o->arg))
			return o;
	}
	return NULL;
}

static const struct cli_opt *find_option(const struct parser *p, const char *word, size_t len)
{
	const struct cli_opt *o = p->c->verb ? find_in(p->c->verb->opts, word, len) : NULL;

	return o ? o : find_in(cli_globals, word, len);
}

/* The options every verb has. */
static void note_global(struct cli *c, struct cli_args *a, const struct cli_opt *o,
			const char *value)
{
	if (!strcmp(o->name, "run-dir"))
		c->run_dir = value;
	else if (!strcmp(o->name, "bpffs"))
		c->bpffs = value;
	else if (!strcmp(o->name, "json"))
		c->json = true;
	else if (!strcmp(o->name, "output"))
		c->json = !strcmp(value, "json");
	else if (!strcmp(o->name, "help"))
		a->help = true;
	else if (!strcmp(o->name, "version"))
		a->version = true;
}

static int note_option(struct parser *p, const struct cli_opt *o, const char *value)
{
	struct cli_args *a = p->a;

	if (o->arg && !*value) {
		snprintf(p->err, CLI_ERR_LEN, "option '--%s' has an empty value", o->name);
		return -EINVAL;
	}
	if (o->words && !cli_is_word(value, o->words)) {
		snprintf(p->err, CLI_ERR_LEN,
			 "'%.60s' is not a value of '--%s'; it takes one of: %s", value, o->name,
			 o->words);
		return -EINVAL;
	}
	if (!(o->how & CLI_MANY) && cli_given(a, o->name)) {
		snprintf(p->err, CLI_ERR_LEN, "option '--%s' is given twice", o->name);
		return -EINVAL;
	}
	if (a->n_opts == ARRAY_SIZE(a->opts)) {
		snprintf(p->err, CLI_ERR_LEN, "more than %d options are given", CLI_OPTS_MAX);
		return -EINVAL;
	}
	a->opts[a->n_opts].opt = o;
	a->opts[a->n_opts++].value = value;
	note_global(p->c, a, o, value);
	return 0;
}

bool cli_takes_next(const struct cli_opt *o)
{
	return o->arg && !(o->how & CLI_BARE);
}

/* --name, --name VALUE, --name=VALUE, -k, -k VALUE, -kVALUE */
static int parse_option(struct parser *p)
{
	const char *word = p->argv[p->at++], *value = NULL;
	bool is_long = word[1] == '-';
	size_t len = is_long ? strcspn(word, "=") : strlen(word);
	const struct cli_opt *o = find_option(p, word, len);

	if (!o)
		return bad_option(p, word, len);
	if (is_long && word[len] == '=')
		value = word + len + 1;
	else if (!is_long && word[2])
		value = word + 2;
	if (value && !o->arg) {
		snprintf(p->err, CLI_ERR_LEN, "option '--%s' takes no value", o->name);
		return -EINVAL;
	}
	if (!value && !cli_takes_next(o))
		value = o->arg;
	if (o->arg && !value) {
		if (p->at >= p->argc) {
			snprintf(p->err, CLI_ERR_LEN, "option '--%s' needs a value: %s", o->name,
				 o->arg);
			return -EINVAL;
		}
		value = p->argv[p->at++];
	}
	return note_option(p, o, value);
}

static int parse_operand(struct parser *p)
{
	struct cli_args *a = p->a;
	const struct cli_verb *v;

	if (!p->c->verb) {
		for (v = cli_verbs; v->name; v++)
			if (!strcmp(v->name, p->argv[p->at]))
				break;
		if (!v->name)
			return bad_verb(p, p->argv[p->at]);
		p->c->verb = v;
	} else if (p->c->verb->command) {
		a->command = p->argv + p->at;
		p->at = p->argc;
		return 0;
	} else if (a->n_pos >= p->c->verb->max_pos || a->n_pos >= CLI_POS_MAX) {
		snprintf(p->err, CLI_ERR_LEN, "'%s' takes %s, so '%.60s' is one word too many",
			 p->c->verb->name, *p->c->verb->args ? p->c->verb->args : "no operand",
			 p->argv[p->at]);
		return -EINVAL;
	} else {
		a->pos[a->n_pos++] = p->argv[p->at];
	}
	p->at++;
	return 0;
}

static int check_operands(struct parser *p)
{
	const struct cli_verb *v = p->c->verb;

	if (p->a->help || p->a->version)
		return 0;
	if (!v) {
		snprintf(p->err, CLI_ERR_LEN, "a verb is missing; 'patchbay help' lists them");
		return -EINVAL;
	}
	if (p->a->n_pos < v->min_pos || (v->command && !p->a->command)) {
		snprintf(p->err, CLI_ERR_LEN, "'%s' needs %s", v->name, v->args);
		return -EINVAL;
	}
	if (v->words && p->a->n_pos && !cli_is_word(p->a->pos[0], v->words)) {
		snprintf(p->err, CLI_ERR_LEN, "'%s %.60s' is unknown; there is: %s", v->name,
			 p->a->pos[0], v->words);
		return -EINVAL;
	}
	return 0;
}

int cli_parse(struct cli *c, struct cli_args *a, int argc, char **argv, char err[CLI_ERR_LEN])
{
	struct parser p = { .c = c, .a = a, .argc = argc, .argv = argv, .at = 1, .err = err };
	bool only_operands = false;

	*a = (struct cli_args){ 0 };
	while (p.at < argc) {
		const char *word = argv[p.at];
		int ret;

		if (!only_operands && !strcmp(word, "--")) {
			only_operands = true;
			p.at++;
			continue;
		}
		if (!only_operands && word[0] == '-' && word[1])
			ret = parse_option(&p);
		else
			ret = parse_operand(&p);
		if (ret)
			return ret;
	}
	return check_operands(&p);
}
