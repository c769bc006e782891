/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What goes to the user: JSON, errors, clean text. */
#include "cli.h"

#include "../util.h"

void cli_clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		/* U+0080..U+009F: control characters some terminals obey */
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			*p = p[1] = '?';
	}
}

int cli_oom(const struct cli *c)
{
	return cli_error(c, CLI_NO, ENOMEM, "out of memory");
}

int cli_print_json(const struct cli *c, const json_t *obj)
{
	json_auto_t *out = json_pack("{s:s}", "schema", CLI_SCHEMA);

	if (!out || json_object_update_missing(out, (json_t *)obj))
		return cli_oom(c);
	json_object_del(out, "ok");
	if (json_dumpf(out, stdout, JSON_COMPACT))
		return CLI_NO; /* main() reports what stdout does not take */
	putchar('\n');
	return CLI_OK;
}

static void print_json_error(const struct cli *c, int err, const char *text)
{
	const char *name = strerrorname_np(err);
	json_auto_t *e =
		json_pack("{s:{s:s,s:s}}", "error", "errno", name ? name : "EIO", "message", text);

	if (e)
		cli_print_json(c, e);
}

int cli_error(const struct cli *c, int code, int err, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cli_clean(text);
	fflush(stdout);
	fprintf(stderr, "patchbay: %s\n", text);
	if (c->json)
		print_json_error(c, err, text);
	return c->verb && c->verb->fail && code != CLI_RUN_NOEXEC && code != CLI_RUN_NOTFOUND
		       ? c->verb->fail
		       : code;
}
