// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What each program costs the verifier, compared with what was agreed on.
 * usage: budget [--update]; BUILD names the build folder.
 *
 * tests/budget/MAJOR.MINOR.csv holds the figures of one kernel series: the same object costs
 * other numbers elsewhere.  Loads without pinning or attaching anything.
 */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "control/util.h"

#define PROGS_MAX 128
#define LOG_SIZE (1u << 20)
#define LOG_STATS 4 /* BPF_LOG_STATS: no instructions, only the summary */
#define VERIFIER_LIMIT 1000000u
#define GROWTH_PERCENT 10u

struct cost {
	char object[32];
	char prog[32];
	unsigned insns; /* as verified */
	unsigned jited; /* bytes */
	unsigned stack; /* bytes, of all frames */
};

struct costs {
	unsigned n;
	struct cost c[PROGS_MAX];
};

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

/* "stack depth 312+0+48": one figure a subprogram */
static unsigned stack_of(const char *log)
{
	const char *p = strstr(log, "stack depth ");
	unsigned sum = 0;

	if (!p)
		return 0;
	p += strlen("stack depth ");
	while (isdigit((unsigned char)*p)) {
		char *end;

		sum += strtoul(p, &end, 10);
		p = *end == '+' ? end + 1 : end;
	}
	return sum;
}

static int measure(const struct bpf_program *prog, const char *object, const char *log,
		   struct costs *all)
{
	struct bpf_prog_info info = { 0 };
	unsigned len = sizeof(info);
	struct cost *c;

	if (all->n == PROGS_MAX)
		return -E2BIG;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		return -errno;
	c = &all->c[all->n++];
	snprintf(c->object, sizeof(c->object), "%s", object);
	snprintf(c->prog, sizeof(c->prog), "%s", bpf_program__name(prog));
	c->insns = info.verified_insns;
	c->jited = info.jited_prog_len;
	c->stack = stack_of(log);
	return 0;
}

/* Maps stay private to this process, whatever pinning the object asks for. */
static int prepare(struct bpf_object *obj, char **logs)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	unsigned i = 0;

	bpf_object__for_each_map (map, obj) {
		int err = bpf_map__set_pin_path(map, NULL);

		if (err)
			return err;
	}
	bpf_object__for_each_program (prog, obj) {
		if (i == PROGS_MAX)
			return -E2BIG;
		logs[i] = calloc(1, LOG_SIZE);
		if (!logs[i])
			return -ENOMEM;
		bpf_program__set_log_buf(prog, logs[i++], LOG_SIZE);
		bpf_program__set_log_level(prog, LOG_STATS);
	}
	return 0;
}

static int measure_object(const char *path, struct costs *all)
{
	_cleanup_free_ char *copy = strdup(path);
	char *logs[PROGS_MAX] = { NULL };
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	char *name = copy ? basename(copy) : NULL;
	unsigned i = 0;
	int err;

	if (!obj || !name)
		return obj ? -ENOMEM : -errno;
	name[strcspn(name, ".")] = '\0';
	err = prepare(obj, logs);
	if (!err)
		err = bpf_object__load(obj);
	bpf_object__for_each_program (prog, obj) {
		if (!err && bpf_program__autoload(prog))
			err = measure(prog, name, logs[i], all);
		i++;
	}
	if (err)
		fprintf(stderr, "%s: %s\n", path, strerror(-err));
	bpf_object__close(obj);
	for (i = 0; i < PROGS_MAX; i++)
		free(logs[i]);
	return err;
}

static int measure_all(const char *build, struct costs *all)
{
	char pattern[4096];
	glob_t g = { 0 };
	int err = 0;

	snprintf(pattern, sizeof(pattern), "%s/bpf/*.bpf.o", build);
	if (glob(pattern, 0, NULL, &g)) {
		fprintf(stderr, "no objects match %s\n", pattern);
		return -ENOENT;
	}
	for (size_t i = 0; i < g.gl_pathc && !err; i++)
		err = measure_object(g.gl_pathv[i], all);
	globfree(&g);
	return err;
}

static void csv_path(char *buf, size_t len)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	snprintf(buf, len, "tests/budget/%u.%u.csv", major, minor);
}

static int read_csv(const char *path, struct costs *ret)
{
	_cleanup_fclose_ FILE *f = fopen(path, "r");
	char line[256];

	if (!f)
		return -errno;
	while (ret->n < PROGS_MAX && fgets(line, sizeof(line), f)) {
		struct cost *c = &ret->c[ret->n];

		if (sscanf(line, "%31[^,],%31[^,],%u,%u,%u", c->object, c->prog, &c->insns,
			   &c->jited, &c->stack) == 5)
			ret->n++;
	}
	return 0;
}

static int write_csv(const char *path, const struct costs *all)
{
	_cleanup_fclose_ FILE *f = fopen(path, "w");

	if (!f)
		return -errno;
	fprintf(f, "object,program,verified_insns,jited_bytes,stack_bytes\n");
	for (unsigned i = 0; i < all->n; i++) {
		const struct cost *c = &all->c[i];

		fprintf(f, "%s,%s,%u,%u,%u\n", c->object, c->prog, c->insns, c->jited, c->stack);
	}
	return fflush(f) ? -errno : 0;
}

static const struct cost *find(const struct costs *all, const struct cost *c)
{
	for (unsigned i = 0; i < all->n; i++) {
		const struct cost *o = &all->c[i];

		if (!strcmp(o->object, c->object) && !strcmp(o->prog, c->prog))
			return o;
	}
	return NULL;
}

static bool within(const struct cost *c, const struct cost *agreed, bool recorded)
{
	if (c->insns > VERIFIER_LIMIT / 2) {
		printf("FAIL %s/%s: %u verified instructions, more than half of the kernel's %u\n",
		       c->object, c->prog, c->insns, VERIFIER_LIMIT);
		return false;
	}
	if (!recorded) {
		printf("ok %s/%s\n", c->object, c->prog);
		return true;
	}
	if (!agreed) {
		printf("FAIL %s/%s: no recorded figure\n", c->object, c->prog);
		return false;
	}
	if ((unsigned long long)c->insns * 100 > agreed->insns * (100ull + GROWTH_PERCENT)) {
		printf("FAIL %s/%s: %u verified instructions, recorded %u, more than %u %% growth\n",
		       c->object, c->prog, c->insns, agreed->insns, GROWTH_PERCENT);
		return false;
	}
	printf("ok %s/%s\n", c->object, c->prog);
	return true;
}

static int compare(const char *path, const struct costs *all)
{
	_cleanup_free_ struct costs *agreed = calloc(1, sizeof(*agreed));
	bool ok = true, recorded;

	if (!agreed)
		return -ENOMEM;
	recorded = !read_csv(path, agreed);
	if (!recorded)
		printf("%s cannot be read: nobody recorded this kernel, half the limit is the bar\n",
		       path);
	printf("%-12s %-16s %10s %10s %8s %8s\n", "object", "program", "verified", "recorded",
	       "jited", "stack");
	for (unsigned i = 0; i < all->n; i++) {
		const struct cost *c = &all->c[i], *a = find(agreed, c);

		printf("%-12s %-16s %10u %10u %8u %8u\n", c->object, c->prog, c->insns,
		       a ? a->insns : 0, c->jited, c->stack);
	}
	for (unsigned i = 0; i < all->n; i++)
		ok &= within(&all->c[i], find(agreed, &all->c[i]), recorded);
	if (!ok)
		printf("To accept: make budget UPDATE=1, and say in the commit why it grew.\n");
	return ok ? 0 : -ERANGE;
}

int main(int argc, char **argv)
{
	_cleanup_free_ struct costs *all = calloc(1, sizeof(*all));
	const char *build = getenv("BUILD");
	bool update = argc == 2 && !strcmp(argv[1], "--update");
	char path[64];
	int err;

	if (!all || (argc > 1 && !update)) {
		fprintf(stderr, "usage: budget [--update]\n");
		return 2;
	}
	libbpf_set_print(quiet);
	err = measure_all(build ? build : "build", all);
	if (err)
		return 1;
	csv_path(path, sizeof(path));
	if (!update)
		return compare(path, all) ? 1 : 0;
	err = write_csv(path, all);
	printf("%s: %u programs recorded%s%s\n", path, all->n, err ? ": " : "",
	       err ? strerror(-err) : "");
	return err ? 1 : 0;
}
