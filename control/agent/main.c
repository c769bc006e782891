/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* patchbayd: the agent of one node.  docs/man/patchbayd.8.rst */
#include <getopt.h>

#include "agent.h"
#include "util.h"

static const char help[] =
	"Usage: patchbayd [OPTION]...\n"
	"The agent of Patchbay: gives programs identities and keeps the kernel's tables.\n"
	"\n"
	"  --config FILE    configuration (/etc/patchbay/patchbay.conf)\n"
	"  --run-dir DIR    control socket and pid file (/run/patchbay)\n"
	"  --bpffs DIR      bpf file system for maps and links (/sys/fs/bpf)\n"
	"  --cgroup DIR     the managed cgroup (\"patchbay\" below the cgroup2 mount)\n"
	"  --helper FILE    patchbay-helper (beside patchbayd)\n"
	"  --frames FILE    patchbay-frames (beside patchbayd)\n"
	"  --check-config   check the configuration and exit: 0 valid, 2 not\n"
	"  --print-config   print the configuration with the source of each value and exit\n"
	"  --version        print the version and exit\n"
	"  --help           print this text and exit\n";

enum {
	OPT_CONFIG = 256,
	OPT_RUN_DIR,
	OPT_BPFFS,
	OPT_CGROUP,
	OPT_HELPER,
	OPT_FRAMES,
	OPT_CHECK,
	OPT_PRINT,
	OPT_VERSION,
	OPT_HELP
};

static const struct option options[] = { { "config", required_argument, NULL, OPT_CONFIG },
					 { "run-dir", required_argument, NULL, OPT_RUN_DIR },
					 { "bpffs", required_argument, NULL, OPT_BPFFS },
					 { "cgroup", required_argument, NULL, OPT_CGROUP },
					 { "helper", required_argument, NULL, OPT_HELPER },
					 { "frames", required_argument, NULL, OPT_FRAMES },
					 { "check-config", no_argument, NULL, OPT_CHECK },
					 { "print-config", no_argument, NULL, OPT_PRINT },
					 { "version", no_argument, NULL, OPT_VERSION },
					 { "help", no_argument, NULL, OPT_HELP },
					 { NULL, 0, NULL, 0 } };

static int print_config(const struct pb_agent_opts *o)
{
	char err[PB_CONFIG_ERR_LEN] = "";
	struct pb_config_file *c = NULL;

	if (pb_agent_load_config(o, &c, err)) {
		pb_log(PB_LOG_ERR, "%s", err);
		return 2;
	}
	pb_config_print(stdout, c, true);
	pb_config_free(c);
	return 0;
}

int main(int argc, char **argv)
{
	struct pb_agent_opts o = { 0 };
	int (*act)(const struct pb_agent_opts *) = pb_agent_run;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case OPT_CONFIG: o.config = optarg; break;
		case OPT_RUN_DIR: o.run_dir = optarg; break;
		case OPT_BPFFS: o.bpffs = optarg; break;
		case OPT_CGROUP: o.cgroup = optarg; break;
		case OPT_HELPER: o.helper = optarg; break;
		case OPT_FRAMES: o.frames = optarg; break;
		case OPT_CHECK: act = pb_agent_check_config; break;
		case OPT_PRINT: act = print_config; break;
		case OPT_VERSION:
			printf("patchbayd %s (ABI %d)\n", PB_VERSION, PB_ABI_VERSION);
			return 0;
		case OPT_HELP: fputs(help, stdout); return 0;
		default: fputs("Try 'patchbayd --help'.\n", stderr); return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "patchbayd: unexpected argument \"%s\"; try --help\n",
			argv[optind]);
		return 2;
	}
	return act(&o);
}
