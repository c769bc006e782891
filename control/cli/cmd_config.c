/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include <libgen.h>

#include "../agent/config.h"
#include "../util.h"

#define DEFAULT_FILE "/etc/patchbay/patchbay.conf"

static void config_freep(struct pb_config_file **f)
{
	pb_config_free(*f);
}

/* identity.d lies beside the file, as with patchbayd --config; NULL when out of memory. */
static char *identity_dir(const char *file)
{
	_cleanup_free_ char *copy = strdup(file);
	char *dir = NULL;

	return !copy || asprintf(&dir, "%s/identity.d", dirname(copy)) < 0 ? NULL : dir;
}

static json_t *file_list(const struct pb_config_file *conf)
{
	json_t *list = json_array();

	for (size_t i = 0; i < conf->n_files; i++)
		json_array_append_new(list, json_string(conf->files[i]));
	return list;
}

static int check(const struct cli *c, const struct pb_config_file *conf)
{
	json_auto_t *out = NULL;

	if (c->json) {
		out = json_pack("{s:b,s:o}", "valid", 1, "files", file_list(conf));
		return out ? cli_print_json(c, out) : cli_oom(c);
	}
	for (size_t i = 0; i < conf->n_files; i++)
		printf("%s: valid\n", conf->files[i]);
	if (!conf->n_files)
		puts("no file: the defaults hold");
	return CLI_OK;
}

static int show(const struct cli *c, const struct pb_config_file *conf)
{
	_cleanup_free_ char *text = NULL;
	json_auto_t *out = NULL;
	size_t len = 0;
	FILE *f;

	if (!c->json) {
		pb_config_print(stdout, conf, true);
		return CLI_OK;
	}
	f = open_memstream(&text, &len);
	if (!f)
		return cli_oom(c);
	pb_config_print(f, conf, false);
	if (fclose(f))
		return cli_oom(c);
	out = json_pack("{s:s,s:o}", "config", text, "files", file_list(conf));
	return out ? cli_print_json(c, out) : cli_oom(c);
}

int cmd_config(const struct cli *c, const struct cli_args *a)
{
	const char *file = a->n_pos > 1 ? a->pos[1] : DEFAULT_FILE;
	_cleanup_(config_freep) struct pb_config_file *conf = NULL;
	_cleanup_free_ char *dir = identity_dir(file);
	char err[PB_CONFIG_ERR_LEN] = "";
	int ret;

	/* The defaults stand in for a missing file only where nobody named it. */
	if (!dir)
		return cli_oom(c);
	if (a->n_pos > 1 && access(file, R_OK))
		return cli_error(c, CLI_NO, errno, "cannot read '%.200s': %s", file,
				 strerror(errno));
	ret = pb_config_load(file, dir, &conf, err);
	if (!ret)
		ret = pb_services_load_for(conf, file, err);
	if (ret)
		return cli_error(c, CLI_NO, -ret, "%s", *err ? err : strerror(-ret));
	return strcmp(a->pos[0], "check") ? show(c, conf) : check(c, conf);
}
