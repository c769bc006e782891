/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What requests about memcached services do. */
#include "memcached.h"
#include "memcached/service.h"
#include "ops.h"
#include "util.h"

#define WORDS_MAX 32
#define TOP_DEFAULT 20

int pb_op_memcached(struct pb_op_ctx *c)
{
	const char *name = pb_request_string(c->req, "name");
	json_t *list = pb_view_memcached(c->agent, name);

	if (name && !json_array_size(list)) {
		json_decref(list);
		return pb_op_fail(c, -ENOENT, "there is no memcached service %.60s", name);
	}
	return json_object_set_new(c->out, "services", list) ? -ENOMEM : 0;
}

int pb_op_memcached_stats(struct pb_op_ctx *c)
{
	const char *name = pb_request_string(c->req, "name");
	json_t *list = pb_view_memcached_stats(c->agent, name);

	if (name && !json_array_size(list)) {
		json_decref(list);
		return pb_op_fail(c, -ENOENT, "there is no memcached service %.60s", name);
	}
	return json_object_set_new(c->out, "services", list) ? -ENOMEM : 0;
}

int pb_op_memcached_top(struct pb_op_ctx *c)
{
	const char *name = pb_request_string(c->req, "name");
	const char *sort = pb_request_string(c->req, "sort");
	long limit = pb_request_int(c->req, "limit", TOP_DEFAULT);
	bool by_bytes = sort && !strcmp(sort, "bytes");
	json_t *list;

	if (sort && !by_bytes && strcmp(sort, "requests") != 0)
		return pb_op_fail(c, -EINVAL, "sort is requests or bytes");
	if (limit < 1 || limit > 10000)
		return pb_op_fail(c, -EINVAL, "limit is a number from 1 to 10000");
	list = pb_view_memcached_top(c->agent, name, (unsigned)limit, by_bytes);
	if (!list)
		return pb_op_fail(c, -ENOENT, "there is no memcached service%s%.60s",
				  name ? " " : "", name ? name : "");
	return json_object_set_new(c->out, "keys", list) ? -ENOMEM : 0;
}

int pb_op_memcached_add(struct pb_op_ctx *c)
{
	const json_t *service = json_object_get(c->req->json, "service");
	int err = pb_memcached_add(c->agent, service, c->err);
	char name[PB_NAME_LEN];

	if (err != -EINPROGRESS)
		return err;
	mcs_lower(json_string_value(json_object_get(service, "name")), name);
	c->streaming = true;
	return pb_memcached_wait(c->agent, name, true, c->conn, c->out);
}

int pb_op_memcached_set(struct pb_op_ctx *c)
{
	const char *name = pb_request_string(c->req, "name");
	const char *words[WORDS_MAX];
	json_t *lines = json_array();
	unsigned n = 0;
	int err;

	if (pb_request_strings(c->req, "set", words, WORDS_MAX, &n) || !n) {
		json_decref(lines);
		return pb_op_fail(c, -EINVAL, "set takes 1 to %d words KEY=VALUE", WORDS_MAX);
	}
	err = pb_memcached_set(c->agent, name, words, n, lines, c->err);
	if (err && err != -EINPROGRESS) {
		json_decref(lines);
		return err;
	}
	if (json_object_set_new(c->out, "changed", lines))
		return -ENOMEM;
	c->streaming = err != 0;
	return err ? pb_memcached_wait(c->agent, name, false, c->conn, c->out) : 0;
}

int pb_op_memcached_remove(struct pb_op_ctx *c)
{
	return pb_memcached_remove(c->agent, pb_request_string(c->req, "name"), c->err);
}

int pb_op_memcached_drain(struct pb_op_ctx *c)
{
	return pb_memcached_drain(c->agent, pb_request_string(c->req, "name"),
				  pb_request_string(c->req, "server"),
				  !pb_request_bool(c->req, "undo"), c->err);
}
