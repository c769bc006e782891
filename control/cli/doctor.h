/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checks of `patchbay doctor`.  A check reports one or more lines and changes nothing. */
#ifndef PB_CLI_DOCTOR_H
#define PB_CLI_DOCTOR_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "cli.h"

enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor {
	const struct cli *c;
	json_t *lines;
	unsigned warned, failed;
	/* What earlier checks found out. */
	char cgroup2[PATH_MAX]; /* mount point; empty: none */
	char managed[PATH_MAX]; /* Patchbay's cgroup; empty: unknown */
	pid_t agent;		/* 0: does not answer */
	bool pinned;		/* maps are there */
};

/* @todo NULL: nothing to do. */
void doctor_say(struct doctor *d, const char *id, enum doctor_state state, const char *todo,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* First line of a file without its newline; 0 or a negative errno. */
int doctor_read_line(const char *path, char *buf, size_t len);

/* doctor_kernel.c */
void doctor_kernel(struct doctor *d);
void doctor_probes(struct doctor *d);
void doctor_lockdown(struct doctor *d);
void doctor_unprivileged_bpf(struct doctor *d);
void doctor_ipv6(struct doctor *d);
void doctor_bindv6only(struct doctor *d);

/* doctor_place.c */
void doctor_cgroup2(struct doctor *d);
void doctor_bpffs(struct doctor *d);
void doctor_pins(struct doctor *d);
void doctor_links(struct doctor *d);
void doctor_agent(struct doctor *d);
void doctor_memory(struct doctor *d);

/* doctor_others.c */
void doctor_foreign(struct doctor *d);
void doctor_names(struct doctor *d);

/* doctor_hosts.c */
void doctor_hosts(struct doctor *d);

/* doctor_memcached.c */
void doctor_memcached(struct doctor *d);

/* doctor_procs.c */
void doctor_procs(struct doctor *d);

/* doctor_device.c: in place of all the others */
void doctor_device(struct doctor *d, const struct cli_args *a);

#endif /* PB_CLI_DOCTOR_H */
