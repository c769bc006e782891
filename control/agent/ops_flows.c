/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The op that lists connections. */
#include "check.h"
#include "ops.h"
#include "util.h"
#include "view.h"

/* A flow is up to 1 KiB of answer, and six times that while the answer is made. */
#define LIMIT 1000
#define LIMIT_MAX 10000

int pb_op_flows(struct pb_op_ctx *c)
{
	const char *app = pb_request_string(c->req, "app");
	long limit = pb_request_int(c->req, "limit", LIMIT);
	struct pb_flow_ask q = { .spliced = pb_request_bool(c->req, "spliced") };
	const struct pb_app_rec *r = app ? pb_check_source(c->agent, app) : NULL;
	int err;

	if (app && !r)
		return pb_op_fail(c, -ENOENT, "no application has the name or ref \"%.64s\"", app);
	if (limit < 1 || limit > LIMIT_MAX)
		return pb_op_fail(c, -EINVAL, "limit is %ld, but must be 1 to %d", limit,
				  LIMIT_MAX);
	q.limit = (size_t)limit;
	if (r && !strcmp(r->app.name, app))
		q.name = app;
	else if (r)
		q.ref = r->ref;
	err = pb_view_flows(c->agent, &q, c->out);
	if (err == -EOPNOTSUPP)
		return pb_op_fail(
			c, err,
			"connections cannot be listed: the kernel did not take the iterator (the agent's log says why)");
	return err ? pb_op_fail(c, err, "connections cannot be read: %s", strerror(-err)) : 0;
}
