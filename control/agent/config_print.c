/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The configuration in force, as a file that loads to the same. */
#include "../util.h"
#include "config_internal.h"

static void print_value(FILE *f, const char *name, const char *text,
			const struct pb_config_src *src, bool with_source)
{
	fprintf(f, "%s = %s", name, text);
	if (with_source && src)
		fprintf(f, "  ; %s:%u", src->file, src->line);
	else if (with_source)
		fprintf(f, "  ; default");
	fputc('\n', f);
}

static void print_key(FILE *f, const struct pb_config_file *c, const struct cfg_key *key,
		      size_t owner, bool with_source)
{
	const struct pb_config_value *v = cfg_value(c, key->section, owner, key->name);

	if (!(key->flags & KEY_REPEAT)) {
		if (v)
			print_value(f, key->name, v->text, &v->src, with_source);
		else if (key->def)
			print_value(f, key->name, key->def, NULL, with_source);
		return;
	}
	for (size_t i = 0; i < c->n_values; i++) {
		v = &c->values[i];
		if (v->key == key && v->owner == owner)
			print_value(f, key->name, v->text, &v->src, with_source);
	}
}

static void print_section(FILE *f, const struct pb_config_file *c, enum cfg_section s, size_t owner,
			  bool with_source)
{
	for (size_t i = 0; i < cfg_n_keys; i++)
		if (cfg_keys[i].section == s)
			print_key(f, c, &cfg_keys[i], owner, with_source);
}

void pb_config_print(FILE *f, const struct pb_config_file *c, bool with_source)
{
	fprintf(f, "[agent]\n");
	print_section(f, c, CFG_AGENT, 0, with_source);
	fprintf(f, "\n[cluster]\n");
	print_section(f, c, CFG_CLUSTER, 0, with_source);
	fprintf(f, "\n[policy]\n");
	print_section(f, c, CFG_POLICY, 0, with_source);
	if (c->n_services) {
		fprintf(f, "\n[splice]\n");
		print_section(f, c, CFG_SPLICE, 0, with_source);
	}
	for (size_t i = 0; i < c->n_scopes; i++) {
		fprintf(f, "\n[scope %s]\n", c->scopes[i].label);
		print_section(f, c, CFG_SCOPE, i, with_source);
	}
	for (size_t i = 0; i < c->n_announces; i++) {
		fprintf(f, "\n[announce %s]\n", c->announces[i].node);
		print_section(f, c, CFG_ANNOUNCE, i, with_source);
	}
}
