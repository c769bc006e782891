/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ops of the cluster: cluster.h does it, here is what goes in and what comes out. */
#include "cluster.h"
#include "ops.h"
#include "util.h"
#include "view.h"

/* Adds the fields of @o, which becomes ours. */
static int answer_object(struct pb_op_ctx *c, json_t *o)
{
	int err = o ? json_object_update(c->out, o) : -1;

	json_decref(o);
	return err ? pb_op_fail(c, -ENOMEM, "the agent is out of memory") : 0;
}

static int answer_list(struct pb_op_ctx *c, const char *key, json_t *list)
{
	if (!list || json_object_set_new(c->out, key, list))
		return pb_op_fail(c, -ENOMEM, "the agent is out of memory");
	return 0;
}

int pb_op_nodes(struct pb_op_ctx *c)
{
	return answer_list(c, "nodes", pb_view_nodes(c->agent));
}

int pb_op_cluster(struct pb_op_ctx *c)
{
	return answer_object(c, pb_view_cluster(c->agent));
}

int pb_op_keys(struct pb_op_ctx *c)
{
	return answer_list(c, "keys", pb_view_keys(c->agent));
}

/* ---- in and out ---- */

/* Fields of the request; strings stay its own. */
static int options(struct pb_op_ctx *c, struct pb_cluster_opts *o)
{
	long port = pb_request_int(c->req, "port", 0);

	*o = (struct pb_cluster_opts){ .cluster = pb_request_string(c->req, "name"),
				       .node = pb_request_string(c->req, "node"),
				       .insecure = pb_request_bool(c->req, "insecure") };
	if (port > 65535)
		return pb_op_fail(c, -EINVAL, "port is %ld, but must be at most 65535", port);
	o->port = (uint16_t)port;
	if (pb_request_strings(c->req, "addresses", o->address, PB_APP_IPS, &o->n_addresses))
		return pb_op_fail(c, -EINVAL, "a node has at most one address of each family");
	return 0;
}

/* "token" and "encrypted" */
static int answer_token(struct pb_op_ctx *c, char *token)
{
	struct pb_cluster_status s = { .state = PB_CLUSTER_ALONE };
	json_t *text = json_string(token);

	explicit_bzero(token, strlen(token));
	free(token);
	if (!text || json_object_set_new(c->out, "token", text))
		return pb_op_fail(c, -ENOMEM, "the agent is out of memory");
	pb_cluster_status(c->agent, &s);
	json_object_set_new(c->out, "cluster", json_string(s.cluster));
	return json_object_set_new(c->out, "encrypted", json_boolean(s.encrypted)) ? -ENOMEM : 0;
}

int pb_op_cluster_init(struct pb_op_ctx *c)
{
	struct pb_cluster_opts o;
	char *token = NULL;
	int err = options(c, &o);

	if (!err)
		err = pb_cluster_init(c->agent, &o, &token, c->err);
	return err ? err : answer_token(c, token);
}

int pb_op_cluster_token(struct pb_op_ctx *c)
{
	char *token = NULL;
	int err = pb_cluster_token(c->agent, &token, c->err);

	return err ? err : answer_token(c, token);
}

int pb_op_cluster_join(struct pb_op_ctx *c)
{
	struct pb_cluster_opts o;
	int err = options(c, &o);

	if (!err)
		err = pb_cluster_join(c->agent, pb_request_string(c->req, "token"), &o, c->err);
	return err ? err : pb_op_cluster(c);
}

int pb_op_cluster_leave(struct pb_op_ctx *c)
{
	int err = pb_cluster_leave(c->agent, c->err);

	return err ? err : pb_op_cluster(c);
}

/* ---- keys ---- */

int pb_op_key(struct pb_op_ctx *c)
{
	const char *action = pb_request_string(c->req, "action");
	const char *key = pb_request_string(c->req, "key"), *id = pb_request_string(c->req, "id");
	char made[PB_KEY_ID_LEN] = "";
	int err;

	if (!strcmp(action, "install") && key && !id) {
		err = pb_cluster_key_install(c->agent, key, made, c->err);
		id = made;
	} else if (!strcmp(action, "use") && id && !key) {
		err = pb_cluster_key_use(c->agent, id, pb_request_bool(c->req, "force"), c->err);
	} else if (!strcmp(action, "remove") && id && !key) {
		err = pb_cluster_key_remove(c->agent, id, c->err);
	} else {
		return pb_op_fail(c, -EINVAL,
				  "action must be install with a key, or use or remove with an id");
	}
	if (err)
		return err;
	return json_object_set_new(c->out, "id", json_string(id)) ? -ENOMEM : 0;
}
