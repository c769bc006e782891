/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One file: inih splits the lines, this tells what is wrong with them.  inih cuts
 * section names at 49 characters and says only the number of a bad line, so the
 * reader that feeds it looks at section headers and at the length of lines itself.
 */
#include <ini.h>
#include <stdarg.h>

#include "../util.h"
#include "config_internal.h"

#define SPACE " \t\r\n"
#define BOM "\xef\xbb\xbf"
#define NEAR_MAX 64 /* longer words get no suggestion */

int cfg_fail_at(char err[PB_CONFIG_ERR_LEN], const struct pb_config_src *src, int code,
		const char *fmt, ...)
{
	char text[PB_ERR_LEN + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(err, PB_CONFIG_ERR_LEN, "%.400s:%u: %s", src->file, src->line, text);
	pb_printable(err);
	return code;
}

int cfg_fail(struct cfg_parser *p, unsigned line, int code, const char *fmt, ...)
{
	const struct pb_config_src src = { p->file, line };
	char text[PB_ERR_LEN + 64];
	va_list ap;

	if (p->code)
		return p->code;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->code = cfg_fail_at(p->err, &src, code, "%s", text);
	return code;
}

/* Edit distance (Levenshtein), one row at a time. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAR_MAX + 1], n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diag = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diag + (a[i - 1] != b[j - 1]);

			diag = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

/* Keeps the nearer of *best and @word; more than a third of the letters wrong is not near. */
static void nearer(const char *wanted, const char *word, const char **best, size_t *best_d)
{
	size_t d;

	if (strnlen(wanted, NEAR_MAX) == NEAR_MAX)
		return;
	d = distance(wanted, word);
	if (d < *best_d && d <= 1 + strlen(word) / 3) {
		*best = word;
		*best_d = d;
	}
}

static bool section_allowed(enum cfg_kind kind, enum cfg_section s)
{
	return s != CFG_NONE && (kind == CFG_IDENTITY) == (s == CFG_GRANT);
}

static int unknown_section(struct cfg_parser *p, const char *word)
{
	const char *best = NULL;
	size_t d = SIZE_MAX;

	for (enum cfg_section s = CFG_AGENT; s < _CFG_MAX; s++)
		if (section_allowed(p->kind, s))
			nearer(word, cfg_sections[s], &best, &d);
	return cfg_fail(p, p->line, -EINVAL, "unknown section [%.60s]%s%s%s", word,
			best ? "; did you mean [" : "", best ? best : "", best ? "]?" : "");
}

static int unknown_key(struct cfg_parser *p, const char *word)
{
	const char *best = NULL;
	size_t d = SIZE_MAX;

	for (size_t i = 0; i < cfg_n_keys; i++)
		if (cfg_keys[i].section == p->section)
			nearer(word, cfg_keys[i].name, &best, &d);
	return cfg_fail(p, p->line, -EINVAL, "unknown key '%.60s' in [%s%s%s]%s%s%s", word,
			cfg_sections[p->section], *p->label ? " " : "", p->label,
			best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
}

static int new_scope(struct cfg_parser *p)
{
	struct pb_config_file *c = p->c;
	struct pb_config_scope *s;

	for (size_t i = 0; i < c->n_scopes; i++)
		if (!strcmp(c->scopes[i].label, p->label))
			return cfg_fail(p, p->line, -EEXIST, "[scope %s] is already at %.200s:%u",
					p->label, c->scopes[i].src.file, c->scopes[i].src.line);
	if (c->n_scopes == PB_CONFIG_SCOPES_MAX)
		return cfg_fail(p, p->line, -ENOSPC, "more than %d scopes", PB_CONFIG_SCOPES_MAX);
	s = reallocarray(c->scopes, c->n_scopes + 1, sizeof(*s));
	if (!s)
		return cfg_fail(p, p->line, -ENOMEM, "no memory");
	c->scopes = s;
	s += c->n_scopes;
	memset(s, 0, sizeof(*s));
	memcpy(s->label, p->label, sizeof(s->label));
	s->src = (struct pb_config_src){ p->file, p->line };
	cfg_defaults(s, CFG_SCOPE);
	p->owner = c->n_scopes++;
	return 0;
}

static int new_grant(struct cfg_parser *p)
{
	struct pb_config_file *c = p->c;
	struct pb_config_src *src;
	struct pb_grant *g;

	if (c->n_grants == PB_CONFIG_GRANTS_MAX)
		return cfg_fail(p, p->line, -ENOSPC, "more than %d grants", PB_CONFIG_GRANTS_MAX);
	g = reallocarray(c->grants, c->n_grants + 1, sizeof(*g));
	if (!g)
		return cfg_fail(p, p->line, -ENOMEM, "no memory");
	c->grants = g;
	src = reallocarray(c->grant_src, c->n_grants + 1, sizeof(*src));
	if (!src)
		return cfg_fail(p, p->line, -ENOMEM, "no memory");
	c->grant_src = src;
	memset(&g[c->n_grants], 0, sizeof(*g));
	src[c->n_grants] = (struct pb_config_src){ p->file, p->line };
	p->owner = c->n_grants++;
	return 0;
}

/* @text: what stands between the brackets. */
static int begin_section(struct cfg_parser *p, char *text)
{
	char *label = text + strcspn(text, SPACE);
	bool labelled;

	if (*label)
		*label++ = '\0';
	label += strspn(label, SPACE);
	p->section = CFG_NONE;
	for (enum cfg_section s = CFG_AGENT; s < _CFG_MAX; s++)
		if (!strcmp(text, cfg_sections[s]) && section_allowed(p->kind, s))
			p->section = s;
	if (p->section == CFG_NONE)
		return unknown_section(p, text);
	labelled = p->section == CFG_SCOPE || p->section == CFG_ANNOUNCE || p->section == CFG_GRANT;
	if (labelled != !!*label)
		return cfg_fail(p, p->line, -EINVAL,
				labelled ? "[%s] needs a name: [%s NAME]" : "[%s] takes no name",
				text, text);
	for (const char *c = label; *c; c++)
		if (*c <= ' ' || *c > '~')
			return cfg_fail(p, p->line, -EINVAL,
					"the name of a section is one word of "
					"printable ASCII");
	if (strlen(label) >= sizeof(p->label))
		return cfg_fail(p, p->line, -EINVAL,
				"the name of the section is longer than %zu "
				"characters",
				sizeof(p->label) - 1);
	snprintf(p->label, sizeof(p->label), "%s", label);
	p->section_line = p->line;
	p->owner = 0;
	if (p->section == CFG_SCOPE)
		return new_scope(p);
	if (p->section == CFG_ANNOUNCE)
		return cfg_new_announce(p);
	return p->section == CFG_GRANT ? new_grant(p) : 0;
}

static int look_at_line(struct cfg_parser *p, const char *line, size_t len)
{
	char text[PB_CONFIG_LINE_MAX + 1], *start, *end;

	if (len > PB_CONFIG_LINE_MAX)
		return cfg_fail(p, p->line, -EINVAL, "the line is longer than %d characters",
				PB_CONFIG_LINE_MAX);
	memcpy(text, line, len);
	text[len] = '\0';
	start = text + strspn(text, SPACE);
	if (*start != '[')
		return 0;
	end = strchr(++start, ']');
	if (!end)
		return cfg_fail(p, p->line, -EINVAL, "a section header without ']'");
	*end++ = '\0';
	end += strspn(end, SPACE);
	if (*end && *end != ';' && *end != '#')
		return cfg_fail(p, p->line, -EINVAL, "text behind the section header");
	start += strspn(start, SPACE);
	for (end = start + strlen(start); end > start && strchr(SPACE, end[-1]);)
		*--end = '\0';
	return begin_section(p, start);
}

/* ini_reader: the next line, or NULL at the end or after an error. */
static char *next_line(char *buf, int size, void *arg)
{
	struct cfg_parser *p = arg;
	size_t len;

	if (p->code || !*p->at)
		return NULL;
	p->line++;
	len = strcspn(p->at, "\n");
	if (look_at_line(p, p->at, len) || len + 2 > (size_t)size)
		return NULL;
	memcpy(buf, p->at, len);
	p->at += len;
	if (*p->at) {
		p->at++;
		buf[len++] = '\n';
	}
	buf[len] = '\0';
	return buf;
}

static int add_value(struct cfg_parser *p, const struct cfg_key *key, const char *text)
{
	struct pb_config_file *c = p->c;
	struct pb_config_value *v = reallocarray(c->values, c->n_values + 1, sizeof(*v));

	if (!v)
		return cfg_fail(p, p->line, -ENOMEM, "no memory");
	c->values = v;
	v += c->n_values;
	v->text = strdup(text);
	if (!v->text)
		return cfg_fail(p, p->line, -ENOMEM, "no memory");
	v->key = key;
	v->owner = p->owner;
	v->src = (struct pb_config_src){ p->file, p->line };
	c->n_values++;
	return 0;
}

static int set_value(struct cfg_parser *p, const struct cfg_key *key, const char *text)
{
	const struct pb_config_value *had = cfg_value(p->c, key->section, p->owner, key->name);
	size_t n_rules = p->c->n_rules, n_services = p->c->n_services;
	char why[PB_ERR_LEN];
	int e;

	if (had && !(key->flags & KEY_REPEAT) && had->src.file == p->file)
		return cfg_fail(p, p->line, -EEXIST, "'%s' is already set at line %u", key->name,
				had->src.line);
	e = key->parse(cfg_object(p->c, key->section, p->owner), key, text, why);
	if (e)
		return cfg_fail(p, p->line, e, "%s: %s", key->name, why);
	if (p->c->n_rules > n_rules)
		p->c->rule_src[n_rules] = (struct pb_config_src){ p->file, p->line };
	if (p->c->n_services > n_services)
		p->c->services[n_services].src = (struct pb_config_src){ p->file, p->line };
	return add_value(p, key, text);
}

/* ini_handler: not zero goes on. */
static int on_value(void *arg, const char *section, const char *name, const char *value)
{
	struct cfg_parser *p = arg;

	(void)section; /* cut at 49 characters; see the top */
	if (p->code)
		return 0;
	if (p->section == CFG_NONE)
		return !cfg_fail(p, p->line, -EINVAL, "'%.60s' stands before the first section",
				 name);
	for (size_t i = 0; i < cfg_n_keys; i++)
		if (cfg_keys[i].section == p->section && !strcmp(cfg_keys[i].name, name))
			return !set_value(p, &cfg_keys[i], value);
	return !unknown_key(p, name);
}

int cfg_parse_text(struct cfg_parser *p, const char *text)
{
	int line;

	p->at = strncmp(text, BOM, strlen(BOM)) ? text : text + strlen(BOM);
	p->line = 0;
	p->section = CFG_NONE;
	p->label[0] = '\0';
	ini_allow_multiline = false;
	ini_allow_bom = false;
	ini_use_stack = true;
	ini_stop_on_first_error = true;
	ini_max_line = PB_CONFIG_LINE_MAX + 3;
	line = ini_parse_stream(next_line, p, on_value, p);
	if (line > 0)
		cfg_fail(p, (unsigned)line, -EINVAL, "neither [section] nor key = value");
	else if (line < 0)
		cfg_fail(p, p->line, -ENOMEM, "no memory");
	return p->code;
}
