/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One file, read as the main file and as one of identity.d.  What loads must print and load again. */
#include <stdlib.h>
#include <string.h>

#include "control/agent/config_internal.h"
#include "control/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int find_any(const char *name, uint32_t *ret)
{
	*ret = (uint32_t)strlen(name);
	return *name == 'x' ? -ENOENT : 0;
}

static const struct pb_config_lookup lookup = { find_any, find_any };

static struct pb_config_file *load(const char *text, enum cfg_kind kind, char *err)
{
	struct pb_config_file *c = calloc(1, sizeof(*c));
	struct cfg_parser p = { .c = c, .kind = kind, .file = "fuzz", .err = err };

	if (!c)
		abort();
	*err = '\0';
	cfg_defaults(&c->agent, CFG_AGENT);
	if (!cfg_parse_text(&p, text) && !cfg_resolve(c, &lookup, err) && !cfg_check(c, err))
		return c;
	if (!*err) /* refused without a word */
		abort();
	pb_config_free(c);
	return NULL;
}

static void print_and_load(const struct pb_config_file *c)
{
	char err[PB_CONFIG_ERR_LEN], *text = NULL;
	struct pb_config_file *again;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	pb_config_print(f, c, false);
	fclose(f);
	again = load(text, CFG_MAIN, err);
	if (!again || again->n_scopes != c->n_scopes || again->n_rules != c->n_rules)
		abort();
	pb_config_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = calloc(1, size + 1);
	char err[PB_CONFIG_ERR_LEN];
	struct pb_config_file *c;

	if (!text || size > PB_CONFIG_BYTES_MAX)
		return 0;
	memcpy(text, data, size); /* a zero byte ends it: the loader refuses such files */
	c = load(text, CFG_MAIN, err);
	if (c)
		print_and_load(c);
	pb_config_free(c);
	pb_config_free(load(text, CFG_IDENTITY, err));
	return 0;
}
