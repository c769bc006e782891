/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From embedded objects to pinned, attached programs.
 *
 * Layout on the bpffs (modes: docs/SECURITY.md):
 *   BPFFS/patchbay/            0710 root:GROUP
 *   BPFFS/patchbay/v1/pb_*     maps, 0640 root:GROUP (v1 = PB_ABI_VERSION); pb_peers, which holds
 *                              keys, 0600
 *   BPFFS/patchbay/links/NAME  links, 0600; NAME is the program, for a further
 *                              managed cgroup "NAME@ID" with ID its cgroup id in hex, for a
 *                              device "NAME@IFINDEX" in decimal.  Before Linux 6.6 there are no
 *                              links to devices: the pin is the program's, and the hook a filter
 *                              of clsact (handle and priority 0x5bc0)
 * Maps found there are adopted; links found there are updated in place
 * (bpf_link__update_program), never detached and attached again.
 */
#ifndef PB_LOADER_H
#define PB_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pb_loader;

struct pb_loader_opts {
	const char *bpffs;   /* mount point of a bpffs; NULL: /sys/fs/bpf */
	gid_t group;	     /* may read the maps; 0: root only */
	const char *log_dir; /* the verifier's log after a failed load; NULL: $TMPDIR or /tmp */
};

/* What happened at load, for the log and for `patchbay status`.  Attach calls add to the counts. */
struct pb_loader_report {
	bool adopted;	   /* maps of an earlier run were found */
	unsigned updated;  /* links updated in place */
	unsigned attached; /* links made anew */
	unsigned healed;   /* links that were dead or missing although the maps were there */
};

/* Takes the lock on the folder (another agent: -EBUSY, *ret_pid its pid or 0 if unknown), loads,
 * adopts or creates and pins the maps.  Attaches nothing.  -EUCLEAN: pinned maps of another layout.
 * Other errors are logged.  A failed first load leaves no map behind. */
int pb_loader_open(struct pb_loader **ret, const struct pb_loader_opts *opts, pid_t *ret_pid);
void pb_loader_free(struct pb_loader *l); /* pins and links stay */

bool pb_loader_adopted(const struct pb_loader *l);
/* Pid of the agent that holds the lock; 0: none (or not seen from here). */
pid_t pb_loader_owner(const char *bpffs);

/* fd of a pinned map by name ("pb_apps"), owned by the loader; -ENOENT. */
int pb_loader_map_fd(struct pb_loader *l, const char *name);

/* Attach (or update in place) every cgroup program to the cgroup / every netns program to the
 * namespace.  main: links named without "@ID".  Idempotent.
 * -EXDEV: a link holds another cgroup or namespace that still exists. report may be NULL. */
int pb_loader_attach_cgroup(struct pb_loader *l, int cgroup_fd, uint64_t cgroup_id, bool main,
			    struct pb_loader_report *report);
int pb_loader_attach_netns(struct pb_loader *l, int netns_fd, struct pb_loader_report *report);

/* Puts (or updates) the device programs on exactly these devices of the caller's network namespace,
 * and takes them from all others: n 0 from all.  A device that is gone is left out, silently; it
 * needs no sweep, its link goes with it.  Each is tried; the last error is returned.  -EOPNOTSUPP:
 * this kernel did not take the programs. */
int pb_loader_attach_devices(struct pb_loader *l, const unsigned *ifindex, size_t n,
			     struct pb_loader_report *report);

/* Did this kernel take the program that tells other nodes who sends them datagrams?  It goes on the
 * devices with the others; without it PB_CFG_PEERS_UDP must stay off. */
bool pb_loader_datagrams(const struct pb_loader *l);

/* Attaches (or updates) pb_skmsg to the map pb_splice: by a link where the kernel has it (6.10),
 * else the map itself keeps the program.  0 also where this kernel cannot splice at all: ask
 * pb_loader_splice(), which is true from here on if connections can be spliced. */
int pb_loader_attach_splice(struct pb_loader *l, struct pb_loader_report *report);
bool pb_loader_splice(const struct pb_loader *l);

/* One record for each end of a managed TCP connection (patchbay/flow.h); free(*ret).  1: there are
 * more than 262,144, or it took more than a second: the rest is left out.  -EOPNOTSUPP: this kernel
 * did not take the object. */
struct pb_flow;
int pb_loader_flows(struct pb_loader *l, struct pb_flow **ret, size_t *ret_n);

/* Links whose target is gone (cgroup or device removed) are unpinned; returns how many, or -errno. */
int pb_loader_sweep(struct pb_loader *l);

/* Are all links pinned, alive and running this build's programs?  The links of PB_PROGS come first
 * and are listed when missing too (alive false, prog_id 0), but for that of pb_splice, which older
 * kernels do without, and those of devices, of which any number may be; free(*ret). */
struct pb_link_state {
	char name[64];
	uint32_t prog_id;
	uint64_t target; /* cgroup id, netns inode, ifindex, or map id */
	bool alive;
	bool current; /* alive, and runs the program this loader loaded (no loader: any) */
};
int pb_loader_links(const char *bpffs, struct pb_link_state **ret, size_t *ret_n);
int pb_loader_links_of(struct pb_loader *l, struct pb_link_state **ret, size_t *ret_n);

/* Works without the agent: removes links and pins below BPFFS/patchbay. *ret_removed counts.  Filters
 * of clsact (before Linux 6.6) are found in the caller's network namespace only. */
int pb_loader_detach_all(const char *bpffs, unsigned *ret_removed);

/* Read-only use by other processes: fd of a pinned map, opened BPF_F_RDONLY.  pb_peers: -EACCES for
 * all but root. */
int pb_map_open(const char *bpffs, const char *name);

/* ---- what this kernel can do (probe.c) ---- */
enum pb_probe_state { PB_PROBE_OK, PB_PROBE_MISSING, PB_PROBE_ERROR };
struct pb_probe {
	const char *id;	  /* "cgroup-link", "sk-lookup", "getpeername"... */
	const char *what; /* plain words */
	const char *lost; /* what the user loses without it */
	bool required;
	enum pb_probe_state state;
	char detail[128];
};
/* Probes by loading, not by version.  Array is static; valid until the next call. */
size_t pb_probe_all(struct pb_probe **ret);
/* The one of that id; an id that there is not: PB_PROBE_ERROR. */
enum pb_probe_state pb_probe_one(const char *id);

#endif /* PB_LOADER_H */
