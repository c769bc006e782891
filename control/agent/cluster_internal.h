/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the cluster*.c files of the agent share. */
#ifndef PB_AGENT_CLUSTER_INTERNAL_H
#define PB_AGENT_CLUSTER_INTERNAL_H

#include <sys/queue.h>

#include <time.h>

#include "agent.h"
#include "cluster.h"
#include "cluster_cert.h"
#include "cluster_state.h"
#include "cluster_view.h"
#include "destroy.h"
#include "events.h"
#include "gossip/pool.h"
#include "util.h"

#define SCAN_MS 2000   /* everything of this node is looked at again */
#define HEALTH_MS 1000 /* the failure detector's score, the size of a packet */
#define SOON_MS 5      /* own changes wait so long for others */
#define APPLY_SHARE 10
#define APPLY_MAX_MS 100
#define HURRY_PER_S 16 /* withdrawals that do not wait for gossip */
#define ADOPT_MS 30000 /* what an earlier agent knew is in force so long, if anybody is heard */
#define SAVE_MS 5000   /* members on disk are at most so old */
#define TAG_ID "id"

struct pb_member_node {
	char name[PB_NODE_NAME_LEN];
	struct tbl_id id;
	bool has_id;	    /* one of ours */
	bool refused;	    /* claims somebody else's id */
	bool looking;	    /* its host is being asked */
	bool held;	    /* dead by gossip, but its host may live */
	bool told;	    /* ... which was logged */
	bool sure;	    /* its host was asked enough */
	bool answers;	    /* ... and lives, but nobody waits for its agent any longer */
	uint64_t looked_ns; /* the last look was over */
	uint64_t silent_ns; /* ... and nobody answered; 0: somebody did */
	struct swim_addr addr;
	enum pb_node_state state;
	uint64_t since_ns;
	unsigned deaf; /* so often did it not say in time that it heard */
	uint64_t deaf_ns;
	char keys[PB_CLUSTER_KEYS * PB_KEY_ID_LEN];
};

struct pb_announced {
	uint32_t *id; /* sorted */
	size_t n, room;
};

/* Of an earlier agent: pb_members, sorted by ref. */
struct pb_adopt_member {
	uint64_t ref;
	struct pb_member_key key;
	bool taken;
};

/* cluster_heard.c: one datagram of gossip; also the answer. */
struct pb_heard_msg {
	uint8_t type, pad[3];
	uint32_t token; /* of who asks */
	struct tbl_id id;
	uint64_t epoch, ver; /* big endian */
};

struct pb_heard_ask {
	struct swim_addr from;
	struct pb_heard_msg msg;
	uint64_t until_ns;
};

struct pb_cluster {
	struct pb_agent *agent;
	struct pb_cluster_file file;
	bool on;      /* file is valid */
	bool handles; /* timers are initialised */
	bool heard;   /* some other member was alive since the start */
	bool held;    /* the maps of an earlier agent are in force */
	bool kept;    /* ... still, of nodes not heard of yet */
	bool file_stale;
	enum pb_cluster_state state;
	char error[PB_ERR_LEN];
	char label[64];
	uint64_t start_ns;

	struct gsp_pool *pool;
	struct tbl *table;
	struct pb_view *view;
	uv_timer_t tick, apply, scan, health;
	uv_fs_event_t keyfile;	      /* the folder it is in */
	char keyfile_err[PB_ERR_LEN]; /* said last */
	bool worn;		      /* the key in use */
	unsigned worn_at;	      /* ring_look: messages since the file was written */

	unsigned looks;		       /* under way */
	struct pb_member_node *member; /* without this node */
	size_t n_member, room_member;

	struct pb_announced apps, eps;
	unsigned gone_n;
	struct pb_gone gone[256];

	bool apply_due;	     /* what changed is not in the kernel yet */
	uint64_t apply_ns;   /* the last one took */
	uint64_t applied_ns; /* when it was over */
	uint64_t hurry_ms;   /* since when hurries are counted */
	unsigned hurries;
	uint64_t saved_ns;
	uint64_t refused, conflicts;
	bool said;	    /* the table has all of this node's */
	uint64_t warned_ns; /* notes are bounded */
	unsigned warned;

	unsigned device[8];
	unsigned n_device;
	bool attached;

	TAILQ_HEAD(, pb_heard_wait) waits; /* answers to `run` that others hold up */
	unsigned n_waits;
	uint32_t token;
	struct pb_heard_ask asked[64]; /* what cannot be answered yet */
	unsigned n_asked;

	struct pb_signing signing;
	uint64_t signing_stamp; /* of its files */
	bool unsigned_told;	/* others sign, this node does not */

	struct pb_adopt_member *adopt;
	size_t n_adopt, room_adopt;
};

static inline uint64_t pb_cluster_ms(void)
{
	return pb_now_ns() / 1000000;
}

static inline uint64_t pb_cluster_unix_ms(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Logs at most a few a second. */
void pb_cluster_warn(struct pb_cluster *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* An event about a node; @id NULL: this one. */
void pb_cluster_tell(struct pb_cluster *c, enum pb_reason reason, const char *node,
		     const struct tbl_id *id);
int pb_cluster_save(struct pb_cluster *c);
const char *pb_cluster_dir(const struct pb_cluster *c);
/* Opens what is decided; -> sockets, announcements, devices. */
int pb_cluster_run(struct pb_cluster *c, char err[PB_ERR_LEN]);
void pb_cluster_stop_timers(struct pb_cluster *c);

/* ---- cluster_net.c: sockets and members ---- */
int pb_cluster_open(struct pb_cluster *c, char err[PB_ERR_LEN]);
void pb_cluster_close(struct pb_cluster *c);
struct pb_member_node *pb_cluster_member(struct pb_cluster *c, const struct tbl_id *id);
struct pb_member_node *pb_cluster_member_at(struct pb_cluster *c, const struct swim_addr *addr);
struct swim_addr pb_cluster_swim_addr(const struct pb_addr *ip, uint16_t port);
void pb_cluster_tell_table(struct pb_cluster *c, struct pb_member_node *m);
bool pb_cluster_pb_addr(const struct swim_addr *a, struct pb_addr *ret);

/* ---- cluster_member.c ---- */
void pb_cluster_on_event(void *arg, const struct swim_event *ev);
void pb_cluster_update_member(struct pb_cluster *c, const struct swim_view *v);

/* ---- cluster_look.c ---- */
/* Gossip says that it is dead.  false: nothing can be found out, so it is; else it is told later. */
bool pb_cluster_look(struct pb_cluster *c, struct pb_member_node *m);
/* Gossip suspects it: what it will be told then is found out now. */
void pb_cluster_look_early(struct pb_cluster *c, struct pb_member_node *m);
void pb_cluster_look_again(struct pb_cluster *c);

/* ---- cluster_table.c ---- */
int pb_cluster_table_new(struct pb_cluster *c);
/* When the table wants to be called next; after each call into it. */
void pb_cluster_schedule(struct pb_cluster *c);
void pb_cluster_apply_soon(struct pb_cluster *c);
void pb_cluster_apply(struct pb_cluster *c);
enum tbl_state pb_cluster_tbl_state(enum pb_node_state s);

/* ---- cluster_heard.c ---- */
/* false: it is none of its messages. */
bool pb_cluster_heard_in(struct pb_cluster *c, const struct swim_addr *from, struct gsp_bytes msg);
void pb_cluster_heard_flush(struct pb_cluster *c);
void pb_cluster_heard_end(struct pb_cluster *c);

/* ---- cluster_nat.c ---- */
/* Before p is written, after its keys are in it. */
int pb_cluster_nat_peer(struct pb_cluster *c, const struct pb_addr *loc, struct pb_peer *p);
void pb_cluster_nat_peer_off(struct pb_cluster *c, const struct pb_addr *loc);
int pb_cluster_nat_member(struct pb_cluster *c, const struct pb_member_key *k, uint64_t ref);
int pb_cluster_nat_member_off(struct pb_cluster *c, const struct pb_member_key *k);

/* ---- cluster_policy.c ---- */
/* tbl_ops.allowed */
const char *pb_cluster_allowed(void *arg, const struct tbl_owner *o, const struct tbl_record *r);

/* ---- cluster_sign.c ---- */
/* A node that is about to be one of that cluster, @ca its CA if that is known: may it?  Its id is
 * that of its certificate. */
int pb_cluster_sign_enter(struct pb_cluster *c, struct pb_cluster_file *f, const uint8_t *ca,
			  char err[PB_ERR_LEN]);
int pb_cluster_sign_open(struct pb_cluster *c, char err[PB_ERR_LEN]);
void pb_cluster_sign_conf(const struct pb_cluster *c, struct tbl_conf *conf);
/* Has the certificate been renewed, does it run out? */
void pb_cluster_sign_look(struct pb_cluster *c);
void pb_cluster_sign_status(const struct pb_cluster *c, struct pb_cluster_status *s);

/* ---- cluster_ring.c ---- */
/* Counts messages, drops what was kept long enough. */
void pb_cluster_ring_look(struct pb_cluster *c);
/* Both also write it to disk, and tell the kernel programs. */
int pb_cluster_ring_add(struct pb_cluster *c, const struct pb_secret *s, char err[PB_ERR_LEN]);
int pb_cluster_ring_use(struct pb_cluster *c, const char *id, bool force, char err[PB_ERR_LEN]);
/* Names of members that are alive and do not list it, and how many. */
unsigned pb_cluster_ring_missing(struct pb_cluster *c, const char *id, char *ret, size_t cap);

/* ---- cluster_keyfile.c ---- */
void pb_cluster_keyfile_start(struct pb_cluster *c); /* it is watched from here on */
void pb_cluster_keyfile_stop(struct pb_cluster *c);
void pb_cluster_keyfile_look(struct pb_cluster *c);
/* Keys of a cluster that begins; none configured: nothing happens. */
int pb_cluster_keyfile_first(struct pb_cluster *c, struct pb_cluster_file *f, char err[PB_ERR_LEN]);

/* ---- cluster_sink.c ---- */
extern const struct pb_view_ops pb_cluster_sink;
void pb_cluster_gone_flush(struct pb_cluster *c);

/* ---- cluster_announce.c ---- */
/* What is new goes out soon, what is gone is taken back. */
void pb_cluster_announce(struct pb_cluster *c);
/* New applications, before this returns. */
void pb_cluster_announce_apps(struct pb_cluster *c);
void pb_cluster_announced_free(struct pb_cluster *c);

/* ---- cluster_adopt.c ---- */
/* The maps of others without an agent that knows them: everything goes. */
int pb_cluster_wipe(struct pb_agent *a);

/* ---- cluster_device.c ---- */
/* Where SYNs are verified, and PB_CFG_PEERS with it. */
void pb_cluster_devices(struct pb_cluster *c);
void pb_cluster_devices_off(struct pb_cluster *c);

#endif /* PB_AGENT_CLUSTER_INTERNAL_H */
