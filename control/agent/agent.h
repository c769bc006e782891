/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent's state, shared by the files of this folder. */
#ifndef PB_AGENT_AGENT_H
#define PB_AGENT_AGENT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "config.h"
#include "loader.h"
#include "maps.h"
#include "names/names.h"
#include "privsep.h"
#include "ratelimit.h"
#include "registry/registry.h"
#include "server.h"
#include "version.h"

#define PB_RUN_PER_S 20 /* `run` requests of one uid other than root */
#define PB_RUN_BURST 100
#define PB_BEAT_MS 500
#define PB_HEAL_MS 5000
#define PB_COLLECT_S 600      /* services without endpoints go at least this often */
#define PB_COLLECT_PERCENT 50 /* ... and when the map is that full */

struct pb_cluster;
struct pb_loader;
struct pb_frames;
struct pb_memcached;
struct pb_destroyer;
struct pb_history;
struct pb_scopes;

/* From the command line; NULL or empty: the default or what the configuration says. */
struct pb_agent_opts {
	const char *config;
	const char *run_dir;
	const char *bpffs;
	const char *cgroup;
	const char *helper;
	const char *frames;
};

/* What is wrong now, for `patchbay status`; one bit each, text in agent.c. */
#define PB_WARNINGS(X) \
	X(HELPER, "helper", "patchbay-helper has ended and cannot be started again: run fails") \
	X(CGROUP, "cgroup", "the managed cgroup is gone and cannot be made again") \
	X(LINKS, "links", "a hook is not attached and cannot be attached") \
	X(GUARD, "guard", "admission is not attached: programs cannot listen") \
	X(DNS, "dns", "the resolver is off: names inside are not found") \
	X(RESOLVERS, "resolvers-full", \
	  "the table of resolvers is full: by one not yet in it names inside are not found") \
	X(ROUTE, "route", \
	  "no unreachable route for the pool: unmanaged clients may wait for a timeout") \
	X(NODE, "node-address", \
	  "node-address is not an address of this host: clients in other namespaces are refused") \
	X(SCOPE, "scope", "a [scope] of the configuration could not be applied, see the log") \
	X(WATCH, "watch", "cgroups cannot be watched: scopes are released with a delay") \
	X(CLUSTER, "cluster", \
	  "the sockets of the cluster are not open: other nodes are not heard") \
	X(CERT, "certificate", \
	  "the certificate of this node runs out within 14 days, or has: renew it") \
	X(KEY_WORN, "key-worn", \
	  "the key of the cluster has encrypted 2^31 messages: change it, see 'patchbay keys'") \
	X(KEY_FILE, "key-file", \
	  "the key in use is not the one that key-file has first: see the log") \
	X(PEERS, "peers", \
	  "identities from other nodes cannot be verified: nobody there is let in, or reached") \
	X(MEMCACHED, "memcached", \
	  "the memcached switch cannot be loaded, see the log: its services are not served") \
	X(FRAMES, "frames", \
	  "patchbay-frames does not run: no service is served by TCP, see 'patchbay memcached'") \
	X(EVENTS, "events", "the event ring cannot be read: why and events show nothing")

enum pb_warning {
#define PB_X(sym, code, text) PB_W_##sym,
	PB_WARNINGS(PB_X)
#undef PB_X
		_PB_W_MAX,
};

struct pb_agent {
	const struct pb_agent_opts *opts;
	struct pb_config_file *conf;
	char run_dir[PATH_MAX];
	char bpffs[PATH_MAX];
	char cgroup[PATH_MAX]; /* the managed cgroup */
	char helper_path[PATH_MAX];
	char frames_path[PATH_MAX];
	gid_t gid; /* may use the control socket and read the maps */
	int cgroup_fd;
	uint64_t cgroup_id;

	uv_loop_t loop;
	uv_timer_t beat, heal, resolvers;
	uv_signal_t sigterm, sigint, sighup;

	struct pb_loader *loader;
	struct pb_maps *maps;
	struct pb_registry *registry;
	struct pb_privsep helper;
	struct pb_scopes *scopes;
	struct pb_history *history;
	struct pb_destroyer *destroyer; /* NULL: cannot destroy sockets here */
	struct pb_cluster *cluster;
	struct pb_memcached *memcached;
	struct pb_frames *frames; /* the process for the TCP half of services */
	struct pb_names *names;
	struct pb_server *server;
	struct pb_ratelimit run_rate;

	struct pb_config kernel; /* pb_config[0] as last written */
	int fionread;		 /* enum pb_probe_state of splice-fionread; -1: not asked */
	const char *splice_said; /* why nothing is spliced, as last logged */
	uint64_t start_ns;
	uint64_t collected_ns;
	uint32_t warnings; /* bits of enum pb_warning */
	bool stopping;
	int exit_code;
};

/* Runs until SIGTERM or SIGINT; the process's exit code. */
int pb_agent_run(const struct pb_agent_opts *opts);
/* Reads and checks the configuration; exit code 0 or 2. */
int pb_agent_check_config(const struct pb_agent_opts *opts);

/* Logs a sentence that needs no errno behind it; returns err. */
int pb_refuse(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Starts patchbay-helper again; it needs no capability where the agent's user owns the cgroup. */
int pb_agent_helper(struct pb_agent *a);
void pb_agent_warn(struct pb_agent *a, enum pb_warning w, bool on);
const char *pb_warning_code(unsigned w);
const char *pb_warning_text(unsigned w);

/* ---- kernel.c: maps, configuration and hooks in the kernel ---- */
int pb_kernel_open(struct pb_agent *a);
/* Rules of the configuration into the other bank, which then becomes the one in force. */
int pb_kernel_set_rules(struct pb_agent *a, char err[PB_ERR_LEN]);
int pb_kernel_attach(struct pb_agent *a);
/* PB_CFG_SPLICE: may connections be spliced, by the configuration, the hooks and the kernel? */
int pb_kernel_splice(struct pb_agent *a);
/* Attaches again what is missing; drops links of cgroups that are gone. */
void pb_kernel_heal(struct pb_agent *a);
void pb_kernel_collect(struct pb_agent *a);
/* Sets or clears one of PB_CFG_*. */
int pb_kernel_flag(struct pb_agent *a, uint32_t flag, bool on);
/* At a clean exit: ends the heartbeat. */
void pb_kernel_rest(struct pb_agent *a);

/* ---- adopt.c: what an earlier agent left ---- */
/* Fills the registry from the maps; how many applications came back, or -errno. */
int pb_adopt(struct pb_agent *a);

/* ---- publish.c: registry records into the maps ---- */
/* All of it or nothing. */
int pb_publish(struct pb_agent *a, const struct pb_app_rec *rec);
int pb_publish_all(struct pb_agent *a);
/* Takes @ref out of the maps, then out of the registry. */
void pb_withdraw(struct pb_agent *a, uint64_t ref);

void pb_unpublish_egress(struct pb_agent *a, const struct pb_app_rec *rec);
/* After @old went from the registry or was replaced: addresses and groups that nobody has now. */
void pb_unpublish_rest(struct pb_agent *a, const struct pb_app *old);

/* ---- splice.c ---- */
/* Why nothing at all is spliced on this node; NULL: what both ends want is.  attached: pb_skmsg is;
 * fionread: what the probe of that name said. */
const char *pb_splice_why_not(const struct pb_config_agent *c, bool attached,
			      enum pb_probe_state fionread);
/* The same of the agent as it is.  Tries FIONREAD when it has to know, once. */
const char *pb_splice_why_not_now(struct pb_agent *a);
/* [splice] of the configuration into the kernel; what else was there goes. */
int pb_splice_services(struct pb_agent *a);
/* May connections of that application be spliced, by its setting or by that of a service of it? */
bool pb_splice_expected(const struct pb_agent *a, const struct pb_app_rec *rec);

/* ---- resolver.c: the DNS proxy ---- */
int pb_resolver_start(struct pb_agent *a);

/* ---- resolver_table.c: the resolvers that programs ask ---- */
/* Names the agent's ports to the kernel. */
int pb_resolver_publish(struct pb_agent *a);
/* Seeds those of resolv.conf, evicts those at rest where room is short; then on by itself. */
void pb_resolver_look(struct pb_agent *a);

/* ---- settings.c: where things are ---- */
int pb_agent_load_config(const struct pb_agent_opts *opts, struct pb_config_file **ret,
			 char err[PB_CONFIG_ERR_LEN]);
/* Options win over the configuration; fills the paths of @a. */
int pb_agent_paths(struct pb_agent *a);

/* ---- routes.c ---- */
/* Those of the configuration's pools, and no more those of the pools in @old. */
void pb_routes(struct pb_agent *a, const struct pb_config *old);

/* ---- node.c: clients in other network namespaces ---- */
/* Those addresses of node-address that this host has now go into pb_node. */
void pb_node_look(struct pb_agent *a);
/* "- node-address X" and "+ node-address X". */
void pb_node_changes(json_t *list, const struct pb_config_agent *o,
		     const struct pb_config_agent *n);

/* ---- reload.c ---- */
/* Reads the configuration again; on error the old one stays.  *ret_changed, unless NULL: array of
 * "+ rule" and "- rule". */
int pb_reload(struct pb_agent *a, json_t **ret_changed, char err[PB_ERR_LEN]);

/* ---- notify.c ---- */
/* Tells the service manager, if there is one: "READY=1", "STOPPING=1". */
void pb_notify(const char *state);

/* ---- ops.c ---- */
extern const struct pb_server_ops pb_ops;

#endif /* PB_AGENT_AGENT_H */
