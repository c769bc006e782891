// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A client of memcached by datagrams: what it does is its first argument. */
#include <stdio.h>
#include <string.h>

#include "tests/tools/mc_udp.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} verbs[] = {
	{ "ask", mcu_ask_all, "ADDR [--answers N] [--none] REQUEST..." },
	{ "functional", mcu_functional, "--vip ADDR --twin ADDR --script FILE [--hits COMMAND]" },
	{ "stale", mcu_stale,
	  "--vip ADDR [--tcp ADDR] [--verb V] [--writes N] [--keys N] [--writers N] [--readers N]\n"
	  "\t\t[--pids P,P --pause N] [--secs N] [--loss 1] [--multi N] [--hits COMMAND] [--name PREFIX]" },
	{ "flood", mcu_flood,
	  "--vip ADDR --from ADDR --to ADDR --ports N --key KEY [--secs N] [--ids N]" },
	{ "load", mcu_load,
	  "ADDR [--tcp] [--conns N] [--window N] [--ms N] [--keys N] [--value BYTES]\n"
	  "\t\t[--cold N --misses PERCENT] [--rate N] [--fill]" },
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name)) {
			int rc = verbs[i].run(argc - 1, argv + 1);

			if (rc == 2)
				fprintf(stderr, "usage: mc_udp %s %s\n", verbs[i].name,
					verbs[i].usage);
			return rc;
		}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(stderr, "usage: mc_udp %s %s\n", verbs[i].name, verbs[i].usage);
	return 2;
}
