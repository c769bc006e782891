/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared by the files memcached*.c of this folder. */
#ifndef PB_AGENT_MEMCACHED_INTERNAL_H
#define PB_AGENT_MEMCACHED_INTERNAL_H

#include "memcached.h"
#include "memcached/apply.h"
#include "memcached/device.h"
#include "memcached/health.h"
#include "memcached/proxy_udp.h"

#define PB_MC_FILE "memcached.json" /* in the state dir */
#define PB_MC_WHY 256

struct pb_mcl;
struct waiting;

/* Where a service sends from, and how its peers see that. */
#define MC_SOURCES (PB_MC_PORTS + 2) /* beside the ports: slow path, health */
struct mc_source {
	struct pb_udp_key real, shown;
};

/* One running service. */
struct mc_run {
	struct pb_memcached *all;
	struct mca *m;
	struct mch *health;
	struct pb_mcp *proxy;				 /* the slow path; NULL: not open */
	struct pb_mc_backend backend[PB_MC_SERVERS_MAX]; /* the slow path's */
	int port[PB_MC_PORTS]; /* bound, never read: nobody else gets these ports; -1: not open */
	bool put;	       /* it is in the kernel */
	bool looked;	       /* whether the kernel has it already */
	bool moving;	       /* servers are emptied before keys go to them */
	bool fresh;	       /* it begins: what its servers hold is right */
	uint8_t said[PB_MC_SERVERS_MAX]; /* state of a server, as last logged */
	bool unsaved;	/* the state could not be stored: the table may not change */
	bool slow_said; /* ... is logged */
	uint64_t found; /* sum of what the service table had */
	json_t *left;	/* [{server, app, why}]: what it has, and may not be used */
	bool waits;	/* it has none (yet) that may be used, and nothing else is wrong */
	bool far;	/* servers of other nodes are in it */
	struct {
		uint64_t ref; /* 0: it is no application */
		unsigned n;
		struct mc_source source[MC_SOURCES];
	} self;
	struct pb_addr slow_source; /* of the slow path as it is open */
	struct {
		bool put;	      /* patchbay-frames has it, as it is */
		bool cache;	      /* ... and takes token steps */
		char why[PB_ERR_LEN]; /* why it has not */
	} tcp;
	char device_why[MCS_DEVICES_MAX][PB_MCD_WHY]; /* why by tc, or by XDP */
	char why[PB_MC_WHY];			      /* why it is not served; empty: it is */
};

struct pb_memcached {
	struct pb_agent *agent;
	struct pb_mcl *mcl; /* NULL: not loaded */
	struct mc_run *run[PB_MC_SERVICES];
	int err; /* of loading */
	bool loading;
	bool swept;	   /* what nobody wants any more is out of the kernel */
	uint64_t reserved; /* numbers of services that the state file knows */
	uv_work_t work;
	struct pb_mcl *loaded; /* the thread's */
	int loaded_err;
	struct waiting *waiting; /* memcached_load.c */
	uv_timer_t timer;
	bool timing;
};

/* ---- memcached_place.c ---- */
/* Devices, source, networks and ports of the node; -errno with r->why. */
int mc_place(struct mc_run *r);
void mc_ports_close(struct mc_run *r);

/* ---- memcached_run.c ---- */
/* Takes @conf.  @was: what the state file says of it, or NULL. */
int mc_begin(struct pb_memcached *all, struct mcs_service *conf, bool from_file, const json_t *was,
	     char err[PB_ERR_LEN]);
int mc_change(struct mc_run *r, struct mcs_service *conf, char err[PB_ERR_LEN]);
void mc_end(struct mc_run *r);	/* out of the kernel, too */
void mc_drop(struct mc_run *r); /* the kernel goes on */
/* Endpoints, addresses, devices: what changed is put into force. */
int mc_refresh(struct mc_run *r);
/* What the fence says must be done: MCF_* bits. */
void mc_carry_out(struct mc_run *r, unsigned did);
struct mc_run *mc_find(const struct pb_agent *a, const char *name);
int mc_load(struct pb_memcached *all);
/* The programs are on the devices of all services, and on no others. */
void mc_devices(struct pb_memcached *all);

/* ---- memcached_load.c ---- */
/* -EINPROGRESS: not yet; all services are refreshed when it is. */
int mc_load(struct pb_memcached *all);
int mc_load_now(struct pb_memcached *all);

/* ---- memcached_devices.c ---- */
/* The programs are on the devices of all services, and on no others. */
void mc_devices(struct pb_memcached *all);

/* ---- memcached.c ---- */
/* Services of an earlier run that nobody wants any more go. */
void mc_sweep(struct pb_memcached *all);

/* ---- memcached_hops.c ---- */
/* Looks by which devices the servers are reached; true: it changed. */
bool mc_hops(struct mc_run *r);

/* ---- memcached_slow.c ---- */
/* Opens the slow path, or tells it what is now.  What cannot be is logged: the rest goes on. */
void mc_slow(struct mc_run *r);
void mc_slow_stop(struct mc_run *r);

/* ---- memcached_state.c ---- */
int mc_save(struct pb_memcached *all);
/* NULL: there is none, or it cannot be read (logged). */
json_t *mc_state_load(struct pb_agent *a);
/* Servers' numbers, the fence, epoch: out of what mc_save() wrote. */
int mc_state_restore(struct mca *m, const json_t *o, uint64_t now);

/* ---- memcached_say.c ---- */
/* Why the cache is off; which servers came and went. */
void mc_say_cache(const struct mc_run *r);
void mc_say_states(struct mc_run *r);

/* ---- memcached_self.c ---- */
/* It is an application, with the tags of its configuration; -errno with r->why. */
int mc_self(struct mc_run *r);
const struct pb_app_rec *mc_self_rec(const struct mc_run *r); /* NULL: it is none */
/* What is open now is where it sends from. */
void mc_self_sources(struct mc_run *r);
void mc_self_end(struct mc_run *r);
/* What an earlier agent left, and nobody wants any more. */
void mc_self_sweep(struct pb_memcached *all);

/* ---- memcached_tcp.c ---- */
/* Before the cache begins: writes by TCP are told to it from now on. */
void mc_tcp_before(struct mc_run *r);
/* The TCP half as the service is now. */
void mc_tcp(struct mc_run *r);

/* ---- view_frames.c ---- */
json_t *mc_tcp_json(const struct mc_run *r);
/* The service's counters, out of what pb_frames_stats() said. */
json_t *mc_tcp_stats(const json_t *frames, const char *name);

/* ---- memcached_found.c ---- */
/* Servers of the service table that the service asks for; how many. */
unsigned mc_found(struct mc_run *r, struct mct_server *ret, unsigned max);
/* Is that another answer than the last one that counted? */
bool mc_found_changed(struct mc_run *r);

#endif /* PB_AGENT_MEMCACHED_INTERNAL_H */
