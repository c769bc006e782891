/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"
#include "doctor.h"

static const char *const state_names[] = { "ok", "warn", "fail" };

/* Later checks use what earlier ones found. */
static void (*const checks[])(struct doctor *d) = {
	doctor_kernel,	   doctor_probes, doctor_lockdown, doctor_unprivileged_bpf,
	doctor_cgroup2,	   doctor_bpffs,  doctor_pins,	   doctor_links,
	doctor_agent,	   doctor_memory, doctor_foreign,  doctor_ipv6,
	doctor_bindv6only, doctor_names,  doctor_hosts,	   doctor_procs,
	doctor_memcached,
};

int doctor_read_line(const char *path, char *buf, size_t len)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	if (!fgets(buf, (int)len, f))
		return -ENODATA;
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

void doctor_say(struct doctor *d, const char *id, enum doctor_state state, const char *todo,
		const char *fmt, ...)
{
	char seen[512];
	json_t *line;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(seen, sizeof(seen), fmt, ap);
	va_end(ap);
	d->warned += state == DOCTOR_WARN;
	d->failed += state == DOCTOR_FAIL;
	cli_clean(seen);
	line = json_pack("{s:s,s:s,s:s,s:s?}", "id", id, "state", state_names[state], "seen", seen,
			 "todo", todo);
	/* File names need not be UTF-8; the line must not vanish for that. */
	if (!line)
		line = json_pack("{s:s,s:s,s:s,s:s?}", "id", id, "state", state_names[state],
				 "seen", "(not UTF-8)", "todo", todo);
	json_array_append_new(d->lines, line);
}

int cmd_doctor(const struct cli *c, const struct cli_args *a)
{
	static const struct cli_col cols[] = {
		{ "CHECK", "id", NULL },
		{ "STATE", "state", NULL },
		{ "SEEN", "seen", NULL },
		{ "TO DO", "todo", NULL },
	};
	json_auto_t *lines = json_array(), *out = NULL;
	struct doctor d = { .c = c, .lines = lines };
	int code;

	if (!lines)
		return cli_oom(c);
	if (cli_value(a, "dev"))
		doctor_device(&d, a);
	for (size_t i = 0; !cli_value(a, "dev") && i < ARRAY_SIZE(checks); i++)
		checks[i](&d);
	if (c->json) {
		out = json_pack("{s:O,s:i,s:i}", "checks", lines, "warned", (int)d.warned, "failed",
				(int)d.failed);
		code = out ? cli_print_json(c, out) : cli_oom(c);
	} else {
		code = cli_print_list(c, lines, cols, ARRAY_SIZE(cols));
	}
	return code ? code : d.failed ? CLI_NO : CLI_OK;
}
