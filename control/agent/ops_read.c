/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ops that show state. */
#include "ops.h"
#include "util.h"
#include "view.h"

/* Adds @list under @key; NULL is out of memory or an unreadable map. */
static int answer_list(struct pb_op_ctx *c, const char *key, json_t *list)
{
	if (!list)
		return pb_op_fail(c, -EIO, "the %s cannot be read", key);
	return json_object_set_new(c->out, key, list) ? -ENOMEM : 0;
}

int pb_op_hello(struct pb_op_ctx *c)
{
	json_object_set_new(c->out, "version", json_string(PB_VERSION));
	json_object_set_new(c->out, "abi", json_integer(PB_ABI_VERSION));
	json_object_set_new(c->out, "pid", json_integer(getpid()));
	return 0;
}

int pb_op_apps(struct pb_op_ctx *c)
{
	return answer_list(c, "apps", pb_view_apps(c->agent));
}

int pb_op_services(struct pb_op_ctx *c)
{
	return answer_list(c, "services", pb_view_services(c->agent));
}

int pb_op_endpoints(struct pb_op_ctx *c)
{
	const char *text = pb_request_string(c->req, "service");
	struct pb_target t;

	if (text && pb_target_parse(text, &t))
		return pb_op_fail(c, -EINVAL, "\"%.80s\" is not NAME, ADDRESS or either with :PORT",
				  text);
	if (text && t.name[0] && !pb_registry_by_name(c->agent->registry, t.name))
		return pb_op_fail(c, -ENOENT, "no application has the name \"%s\"", t.name);
	return answer_list(c, "endpoints", pb_view_service_endpoints(c->agent, text ? &t : NULL));
}

int pb_op_status(struct pb_op_ctx *c)
{
	json_t *status = pb_view_status(c->agent);
	int err = status ? json_object_update(c->out, status) : -1;

	json_decref(status);
	return err ? pb_op_fail(c, -ENOMEM, "the agent is out of memory") : 0;
}

int pb_op_policy(struct pb_op_ctx *c)
{
	const struct pb_config_file *conf = c->agent->conf;
	json_t *rules = json_array();

	for (size_t i = 0; rules && i < conf->n_rules; i++)
		json_array_append_new(rules, json_string(conf->rule[i]));
	json_object_set_new(c->out, "mode", json_string(pb_mode_name(c->agent->kernel.mode)));
	return answer_list(c, "rules", rules);
}
