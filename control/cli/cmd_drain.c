/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay drain`: no new connections to an endpoint; those it has live on. */
#include "cli.h"

#include <poll.h>

#include "../registry/registry.h"
#include "../util.h"

#define DRAIN_POLL_MS 200

/* What is meant, into @req.  0: go on; else the exit code. */
static int add_what(const struct cli *c, const struct cli_args *a, json_t *req)
{
	const char *node = cli_value(a, "node"), *app = cli_value(a, "app");
	unsigned long id;

	if (!!node + !!app + !!a->n_pos != 1)
		return cli_error(c, CLI_USAGE, EINVAL,
				 "'drain' needs one of --node NAME, --app NAME and ENDPOINT-ID");
	if (node && !pb_name_valid(node))
		return cli_error(c, CLI_USAGE, EINVAL, "'--node %.80s' is not a name", node);
	if (app && !cli_app_valid(app))
		return cli_error(c, CLI_USAGE, EINVAL, "'--app %.80s' is neither a name nor a ref",
				 app);
	if (node)
		json_object_set_new(req, "node", json_string(node));
	if (app)
		json_object_set_new(req, "app", json_string(app));
	if (node || app)
		return CLI_OK;
	if (cli_number(a->pos[0], 1, 1000000, &id))
		return cli_error(c, CLI_USAGE, EINVAL,
				 "'%.40s' is not the id of an endpoint: 'patchbay endpoints' shows "
				 "them in its column ID",
				 a->pos[0]);
	json_object_set_new(req, "endpoint", json_integer((json_int_t)id));
	return CLI_OK;
}

static int print(const struct cli *c, const json_t *answer, bool undo)
{
	long long n = cli_int(answer, "endpoints"), live = cli_int(answer, "live");

	if (c->json)
		return cli_print_json(c, answer);
	if (undo)
		printf("%lld endpoint%s new connections again\n", n, n == 1 ? " takes" : "s take");
	else
		printf("%lld endpoint%s no new connections; %lld live on\n", n,
		       n == 1 ? " takes" : "s take", live);
	return CLI_OK;
}

/* The same question again, which changes nothing more, until nothing lives on. */
static int wait_drained(const struct cli *c, const json_t *req, json_t **answer, unsigned long secs)
{
	unsigned long long until = pb_now_ns() + secs * 1000000000ULL;

	while (cli_int(*answer, "live") && pb_now_ns() < until) {
		int code;

		poll(NULL, 0, DRAIN_POLL_MS);
		json_decref(*answer);
		*answer = NULL;
		code = cli_ask(c, json_incref((json_t *)req), answer);
		if (code)
			return code;
	}
	if (cli_int(*answer, "live"))
		return cli_error(c, CLI_PARTLY, ETIMEDOUT,
				 "after %lu seconds %lld connections live on", secs,
				 cli_int(*answer, "live"));
	return CLI_OK;
}

int cmd_drain(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *req = json_pack("{s:s}", "op", "drain"), *answer = NULL;
	bool undo = cli_given(a, "undo");
	unsigned long secs = 0;
	int code;

	if (!req)
		return cli_oom(c);
	if (cli_given(a, "wait") && cli_number(cli_value(a, "wait"), 1, 86400, &secs))
		return cli_error(c, CLI_USAGE, EINVAL,
				 "'--wait %.40s' is not a number from 1 to 86400",
				 cli_value(a, "wait"));
	if (undo && secs)
		return cli_error(c, CLI_USAGE, EINVAL, "--undo and --wait exclude each other");
	code = add_what(c, a, req);
	if (code)
		return code;
	if (undo)
		json_object_set_new(req, "undo", json_true());
	code = cli_ask(c, json_incref(req), &answer);
	if (!code && secs)
		code = wait_drained(c, req, &answer, secs);
	return code ? code : print(c, answer, undo);
}
