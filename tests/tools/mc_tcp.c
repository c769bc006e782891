// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A client of memcached by TCP: what it does is its first argument, its verdicts are lines. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/tools/mc_tcp.h"

struct mct_opt mct = { .name = "",
		       .conns = 50,
		       .ms = 2000,
		       .keys = 100,
		       .value = 32,
		       .count = 20000,
		       .window = 1,
		       .bound = 512,
		       .threads = 2,
		       .patience = 20000,
		       .seed = 1 };
static unsigned passed, failed;

static const struct {
	const char *name;
	int (*run)(void);
	const char *usage;
} verbs[] = {
	{ "functional", mct_functional,
	  "--vip A --twin A --script FILE [--cut bytes|random] [--tail] [--only CASE]" },
	{ "random", mct_random,
	  "--vip A --twin A [--seed N] [--count PIPELINES] [--threads N] [--binary]" },
	{ "pipeline", mct_pipeline, "--vip A [--count REQUESTS]" },
	{ "large", mct_large, "--vip A [--count ROUNDS] [--keys N] [--value BYTES]" },
	{ "ends", mct_ends, "--vip A" },
	{ "idle", mct_idle, "--vip A --conns N [--pid PROXY --bound MB]" },
	{ "busy", mct_busy, "--vip A --conns N --ms N" },
	{ "slow", mct_slow_reader, "--vip A [--conns SLOW] [--ms N]" },
	{ "hoard", mct_hoard, "--vip A --conns N --pid PROXY --bound MB" },
	{ "stalled", mct_stalled, "--vip A --server A --pid SERVER [--ms N]" },
	{ "killed", mct_killed, "--vip A --server A --pid SERVER [--ends]" },
	{ "judge", mct_judge, "--vip A [--conns N] [--window N] [--ms N]" },
	{ "fake", mct_fake, "--vip LISTEN --script right|bytes|half|garbage|late|extra" },
};

bool mct_verdict(bool good, const char *name, const char *format, ...)
{
	va_list args;

	if (good) {
		passed++;
		printf("ok %s%s\n", mct.name, name);
		return true;
	}
	failed++;
	printf("FAIL %s%s: ", mct.name, name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	return false;
}

int mct_result(void)
{
	printf("# %u right, %u wrong\n", passed, failed);
	return failed || !passed;
}

static int flag(const char *o)
{
	if (!strcmp(o, "--tail"))
		return mct.tail = true;
	if (!strcmp(o, "--binary"))
		return mct.binary = true;
	if (!strcmp(o, "--fast"))
		return mct.fast = true;
	if (!strcmp(o, "--ends"))
		return mct.ends = true;
	return 0;
}

static int text_option(const char *o, const char *v)
{
	if (!strcmp(o, "--vip"))
		return mct.vip_text = v, mcu_addr(v, &mct.vip);
	if (!strcmp(o, "--twin"))
		return mcu_addr(v, &mct.twin);
	if (!strcmp(o, "--server"))
		return mcu_addr(v, &mct.server);
	if (!strcmp(o, "--name"))
		return mct.name = v, 0;
	if (!strcmp(o, "--script"))
		return mct.script = v, 0;
	if (!strcmp(o, "--only"))
		return mct.only = v, 0;
	if (!strcmp(o, "--seed"))
		return mct.seed = strtoull(v, NULL, 0), 0;
	if (!strcmp(o, "--cut"))
		return mct.cut = !strcmp(v, "bytes")	? MCT_BYTES
				 : !strcmp(v, "random") ? MCT_RANDOM
							: MCT_WHOLE,
		       0;
	return 1;
}

static int options(int argc, char **argv)
{
	const struct {
		const char *name;
		int *to;
	} o[] = { { "--conns", &mct.conns },	 { "--ms", &mct.ms },
		  { "--keys", &mct.keys },	 { "--value", &mct.value },
		  { "--count", &mct.count },	 { "--window", &mct.window },
		  { "--bound", &mct.bound },	 { "--pid", &mct.pid },
		  { "--threads", &mct.threads }, { "--patience", &mct.patience } };

	for (int i = 2; i < argc; i++) {
		size_t k = 0;

		if (flag(argv[i]))
			continue;
		if (i + 1 == argc)
			return 2;
		while (k < sizeof(o) / sizeof(o[0]) && strcmp(argv[i], o[k].name))
			k++;
		if (k < sizeof(o) / sizeof(o[0]))
			*o[k].to = atoi(argv[++i]);
		else if (text_option(argv[i], argv[i + 1]))
			return 2;
		else
			i++;
	}
	return mct.vip.len ? 0 : 2;
}

int main(int argc, char **argv)
{
	struct rlimit files;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max = files.rlim_max > 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name)) {
			if (!options(argc, argv))
				return verbs[i].run();
			fprintf(stderr, "usage: mc_tcp %s %s\n", verbs[i].name, verbs[i].usage);
			return 2;
		}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(stderr, "usage: mc_tcp %s %s\n", verbs[i].name, verbs[i].usage);
	return 2;
}
