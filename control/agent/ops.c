/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a line to its answer. */
#include "ops.h"

#include "cluster.h"
#include "events.h"
#include "memcached.h"
#include "util.h"

static pb_op_fn *const handlers[_PB_REQ_MAX] = {
	[PB_REQ_HELLO] = pb_op_hello,
	[PB_REQ_RUN] = pb_op_run,
	[PB_REQ_APPS] = pb_op_apps,
	[PB_REQ_SERVICES] = pb_op_services,
	[PB_REQ_ENDPOINTS] = pb_op_endpoints,
	[PB_REQ_STATUS] = pb_op_status,
	[PB_REQ_FLOWS] = pb_op_flows,
	[PB_REQ_EVENTS] = pb_op_events,
	[PB_REQ_WHY] = pb_op_why,
	[PB_REQ_CHECK] = pb_op_check,
	[PB_REQ_POLICY] = pb_op_policy,
	[PB_REQ_RELOAD] = pb_op_reload,
	[PB_REQ_RELEASE] = pb_op_release,
	[PB_REQ_NODES] = pb_op_nodes,
	[PB_REQ_CLUSTER] = pb_op_cluster,
	[PB_REQ_CLUSTER_INIT] = pb_op_cluster_init,
	[PB_REQ_CLUSTER_JOIN] = pb_op_cluster_join,
	[PB_REQ_CLUSTER_TOKEN] = pb_op_cluster_token,
	[PB_REQ_CLUSTER_LEAVE] = pb_op_cluster_leave,
	[PB_REQ_KEYS] = pb_op_keys,
	[PB_REQ_KEY] = pb_op_key,
	[PB_REQ_DRAIN] = pb_op_drain,
	[PB_REQ_MEMCACHED] = pb_op_memcached,
	[PB_REQ_MEMCACHED_STATS] = pb_op_memcached_stats,
	[PB_REQ_MEMCACHED_TOP] = pb_op_memcached_top,
	[PB_REQ_MEMCACHED_ADD] = pb_op_memcached_add,
	[PB_REQ_MEMCACHED_SET] = pb_op_memcached_set,
	[PB_REQ_MEMCACHED_REMOVE] = pb_op_memcached_remove,
	[PB_REQ_MEMCACHED_DRAIN] = pb_op_memcached_drain,
};

int pb_op_fail(struct pb_op_ctx *c, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->err, sizeof(c->err), fmt, ap);
	va_end(ap);
	return err;
}

json_t *pb_ops_error(int err, const char *text)
{
	const char *name = strerrorname_np(-err);

	return json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "errno", name ? name : "EIO",
			 "message", text[0] ? text : strerror(-err));
}

static void send_or_finish(struct pb_conn *c, json_t *answer)
{
	if (!answer || pb_conn_send(c, answer))
		pb_conn_finish(c); /* out of memory: an end of file is all that can be said */
	json_decref(answer);
}

static int serve(struct pb_op_ctx *c)
{
	if (c->req->root_only && pb_conn_peer(c->conn)->uid)
		return pb_op_fail(c, -EPERM, "only root may do that");
	c->out = json_pack("{s:b}", "ok", 1);
	if (!c->out)
		return pb_op_fail(c, -ENOMEM, "the agent is out of memory");
	return handlers[c->req->op](c);
}

static void line(void *arg, struct pb_conn *conn, const char *text, size_t len)
{
	struct pb_request req = { .json = NULL };
	struct pb_op_ctx c = { .agent = arg, .conn = conn, .req = &req };
	int err = pb_request_parse(text, len, &req, c.err);

	if (!err)
		err = serve(&c);
	if (err)
		send_or_finish(conn, pb_ops_error(err, c.err));
	else if (!c.streaming)
		send_or_finish(conn, json_incref(c.out));
	json_decref(c.out);
	pb_request_fini(&req);
}

static void closed(void *arg, struct pb_conn *conn)
{
	pb_events_unfollow(arg, conn);
	pb_cluster_unheard(arg, conn);
	pb_memcached_unwait(arg, conn);
}

const struct pb_server_ops pb_ops = { .line = line, .closed = closed };
