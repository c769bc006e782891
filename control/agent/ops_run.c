/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `run`: a new scope with an identity, and a process moved into it.  Each step
 * is taken back when a later one fails.
 */
#include <sys/random.h>
#include <time.h>

#include "cgroup.h"
#include "cluster.h"
#include "ops.h"
#include "peer.h"
#include "scope.h"
#include "util.h"
#include "view.h"

struct run {
	struct pb_op_ctx *c;
	struct pb_claim_req req;
	int pidfd;
	pid_t pid;
	char scope[PB_SCOPE_NAME_LEN];
	const struct pb_app_rec *rec;
};

static int parse_ips(struct run *r)
{
	const char *text[PB_APP_IPS];
	unsigned n = 0;

	if (pb_request_strings(r->c->req, "ips", text, PB_APP_IPS, &n))
		return pb_op_fail(r->c, -EINVAL,
				  "an application has at most %d addresses, one of each family",
				  PB_APP_IPS);
	for (unsigned i = 0; i < n; i++)
		if (pb_addr_parse(text[i], &r->req.ips[i]))
			return pb_op_fail(r->c, -EINVAL, "\"%.64s\" is not an IP address", text[i]);
	r->req.n_ips = n;
	return 0;
}

static int parse(struct run *r)
{
	const struct pb_request *q = r->c->req;
	const char *local = pb_request_string(q, "local"), *mode = pb_request_string(q, "mode");
	const char *splice = pb_request_string(q, "splice");
	const struct pb_caller *peer = pb_conn_peer(r->c->conn);
	int err = parse_ips(r);

	if (err)
		return err;
	if (pb_request_strings(q, "tags", r->req.tags, PB_TAGS_MAX, &r->req.n_tags))
		return pb_op_fail(r->c, -EINVAL, "an application has at most %d tags", PB_TAGS_MAX);
	r->req.name = pb_request_string(q, "name");
	r->req.egress = pb_request_string(q, "egress");
	if (local && strcmp(local, "allow") && strcmp(local, "deny"))
		return pb_op_fail(r->c, -EINVAL, "local is \"%.40s\", but must be allow or deny",
				  local);
	r->req.local_deny = local && !strcmp(local, "deny");
	r->req.mode = mode ? pb_mode_parse(mode) : PB_MODE_ENFORCE;
	if (r->req.mode < 0)
		return pb_op_fail(r->c, -EINVAL,
				  "mode is \"%.40s\", but must be enforce, audit or off", mode);
	/* to a laxer mode than configured only root may go */
	if (r->req.mode > (int)r->c->agent->kernel.mode && peer->uid)
		return pb_op_fail(r->c, -EPERM,
				  "mode %s is laxer than the agent's: only root may ask", mode);
	r->req.splice = splice ? pb_splice_parse(splice, false) : PB_SPLICE_UNSET;
	if (r->req.splice < 0)
		return pb_op_fail(r->c, -EINVAL, "splice is \"%.40s\", but must be on, all or off",
				  splice);
	r->req.uid = peer->uid;
	r->req.gids = peer->gids;
	r->req.n_gids = peer->n_gids;
	return 0;
}

/* The process to move must be the peer's own, or the peer root. */
static int check_process(struct run *r)
{
	const struct pb_caller *peer = pb_conn_peer(r->c->conn);
	uid_t uid;
	int err;

	if (r->pidfd < 0)
		return pb_op_fail(r->c, -EINVAL, "a pidfd of the process to move must come along");
	err = pb_pidfd_pid(r->pidfd, &r->pid);
	if (err == -EBADF)
		return pb_op_fail(r->c, -EINVAL, "the file descriptor that came along is no pidfd");
	if (!err)
		err = pb_pid_real_uid(r->pid, &uid);
	if (err || !pb_pidfd_alive(r->pidfd))
		return pb_op_fail(r->c, -ESRCH,
				  "the process has ended, or is of another pid namespace");
	if (peer->uid && uid != peer->uid)
		return pb_op_fail(r->c, -EPERM, "process %d is not yours", r->pid);
	return 0;
}

static int make_scope(struct run *r)
{
	struct pb_agent *a = r->c->agent;
	uint32_t salt;
	int err;

	if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
		return -errno;
	/* a bad name is refused by the registry later; here it only must not break the path */
	snprintf(r->scope, sizeof(r->scope), "%s-%08x",
		 r->req.name && pb_name_valid(r->req.name) ? r->req.name : "anon", salt);
	err = pb_privsep_mkdir(&a->helper, r->scope);
	if (err == -EPIPE && !pb_agent_helper(a))
		err = pb_privsep_mkdir(&a->helper, r->scope);
	if (err == -EPIPE)
		return pb_op_fail(r->c, err,
				  "patchbay-helper cannot be started: restart patchbayd");
	if (err)
		return pb_op_fail(r->c, err, "the scope's cgroup cannot be made: %s",
				  strerror(-err));
	err = pb_cgroup_id(a->cgroup_fd, r->scope, &r->req.ref);
	if (!err)
		return 0;
	pb_privsep_rmdir(&a->helper, r->scope);
	return pb_op_fail(r->c, err, "the scope's cgroup cannot be read: %s", strerror(-err));
}

static int publish(struct run *r)
{
	struct pb_agent *a = r->c->agent;
	int64_t now = time(NULL);
	int err = pb_registry_claim(a->registry, &r->req, &r->rec, r->c->err);

	if (err)
		return err;
	err = pb_publish(a, r->rec);
	if (err == -ENOSPC)
		return pb_op_fail(r->c, err, "a kernel map is full: see patchbay status");
	if (err)
		return pb_op_fail(r->c, err, "the kernel maps cannot be written: %s",
				  strerror(-err));
	err = pb_scope_add(a, r->req.ref, r->scope, false, now);
	if (err)
		return pb_op_fail(r->c, err, "the agent is out of memory");
	if (pb_cgroup_save(a->cgroup_fd, r->scope, r->rec, now))
		log_debug("scope %s: a restart will not know who started it", r->scope);
	/* other nodes shall know it before its program runs */
	pb_cluster_changed(a, true);
	return 0;
}

static int move(struct run *r)
{
	int err = pb_privsep_move(&r->c->agent->helper, r->scope, r->pid);

	if (err)
		return pb_op_fail(r->c, err, "process %d cannot be moved into its scope: %s",
				  r->pid, strerror(-err));
	/* while the pidfd says so, the pid was not reused in between */
	if (!pb_pidfd_alive(r->pidfd))
		return pb_op_fail(r->c, -ESRCH, "the process ended while it was moved");
	return 0;
}

static int answer(struct run *r)
{
	char ref[20];
	json_t *o = r->c->out;

	json_object_set_new(o, "scope", json_string(r->scope));
	json_object_set_new(o, "ref", json_string(pb_ref_format(r->req.ref, ref)));
	json_object_set_new(o, "name", json_string(r->rec->app.name));
	json_object_set_new(o, "ips", pb_view_ips(&r->rec->app));
	json_object_set_new(o, "splice", json_boolean(pb_splice_expected(r->c->agent, r->rec)));
	/* the program goes on when this has come */
	if (!pb_request_bool(r->c->req, "no_wait"))
		r->c->streaming = pb_cluster_heard(r->c->agent, r->c->conn, o);
	return 0;
}

int pb_op_run(struct pb_op_ctx *c)
{
	_cleanup_close_ int pidfd = pb_conn_take_fd(c->conn);
	struct pb_agent *a = c->agent;
	uid_t uid = pb_conn_peer(c->conn)->uid;
	struct run r = { .c = c, .pidfd = pidfd };
	int err;

	if (uid && !pb_ratelimit_take(&a->run_rate, uid, pb_now_ns()))
		return pb_op_fail(
			c, -EAGAIN,
			"your user starts programs too fast: at most %d a second, %d at once",
			PB_RUN_PER_S, PB_RUN_BURST);
	err = parse(&r);
	if (!err)
		err = check_process(&r);
	if (!err)
		err = make_scope(&r);
	if (err)
		return err;
	err = publish(&r);
	if (!err)
		err = move(&r);
	if (!err)
		return answer(&r);
	pb_scope_forget(a, r.req.ref);
	if (pb_privsep_rmdir(&a->helper, r.scope))
		log_warn("scope %s of a failed run is not empty: left in place", r.scope);
	return err;
}
