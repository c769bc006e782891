/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ops for root. */
#include "memcached.h"
#include "ops.h"
#include "scope.h"
#include "util.h"

int pb_op_reload(struct pb_op_ctx *c)
{
	json_t *changed = NULL;
	int err = pb_reload(c->agent, &changed, c->err);

	if (err)
		return err;
	if (json_object_set_new(c->out, "changed", changed))
		return -ENOMEM;
	c->streaming = pb_memcached_loading(c->agent);
	return c->streaming ? pb_memcached_wait(c->agent, "", false, c->conn, c->out) : 0;
}

int pb_op_release(struct pb_op_ctx *c)
{
	const char *text = pb_request_string(c->req, "ref");
	unsigned long long ref;
	int err;

	if (pb_ref_parse(text, &ref))
		return pb_op_fail(c, -EINVAL, "\"%.40s\" is not a ref in hex", text);
	err = pb_scope_release(c->agent, ref);
	switch (err) {
	case 0: return 0;
	case -ENOENT: return pb_op_fail(c, err, "no scope has the ref %llx", ref);
	case -EBUSY: return pb_op_fail(c, err, "scope %llx still holds a process", ref);
	case -EPERM:
		return pb_op_fail(c, err, "scope %llx belongs to a [scope] section: remove that",
				  ref);
	default: return pb_op_fail(c, err, "scope %llx cannot be removed: %s", ref, strerror(-err));
	}
}
