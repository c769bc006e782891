/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"

static bool is(const json_t *flow, const char *way, const char *field)
{
	return json_is_true(json_object_get(json_object_get(flow, way), field));
}

/* "web@10.9.0.1:80", "web@[fd00::1]:80"; without the name where there is none. */
static char *end_text(const json_t *flow, const char *field)
{
	const json_t *end = json_object_get(flow, field);
	const char *app = json_string_value(json_object_get(end, "app"));
	char *text = NULL;

	return asprintf(&text, "%s%s%s", app ? app : "", app ? "@" : "", cli_str(end, "address")) <
			       0
		       ? NULL
		       : text;
}

/* Of both directions. */
static char *splice_text(const json_t *flow, const char *field)
{
	bool up = is(flow, "to_server", "spliced"), down = is(flow, "to_client", "spliced");
	bool up_ready = is(flow, "to_server", "ready"), down_ready = is(flow, "to_client", "ready");

	(void)field;
	if ((up && (down || down_ready)) || (down && up_ready))
		return strdup("yes");
	if (up || down)
		return strdup("part");
	return strdup(up_ready || down_ready ? "ready" : "no");
}

static const char *reason(const json_t *flow, const char *way)
{
	return is(flow, way, "ready") ? "ready" : cli_str(json_object_get(flow, way), "reason");
}

static char *reason_text(const json_t *flow, const char *field)
{
	return strdup(reason(flow, field));
}

/* Missing where the sender's socket is not here. */
static char *bytes_text(const json_t *flow, const char *field)
{
	const json_t *v = json_object_get(json_object_get(flow, field), "bytes");
	char *text = NULL;

	return !json_is_integer(v) || asprintf(&text, "%lld", (long long)json_integer_value(v)) < 0
		       ? NULL
		       : text;
}

void cli_print_flow(const json_t *flow)
{
	_cleanup_free_ char *client = end_text(flow, "client"), *server = end_text(flow, "server");
	char *line = NULL;

	if (!client || !server ||
	    asprintf(&line, "live: %s -> %s %s, -> %s (%s), <- %s (%s)", client, server,
		     cli_str(flow, "state"), reason(flow, "to_server"),
		     cli_str(json_object_get(flow, "to_server"), "text"), reason(flow, "to_client"),
		     cli_str(json_object_get(flow, "to_client"), "text")) < 0)
		return;
	cli_clean(line);
	puts(line);
	free(line);
}

static json_t *request(const struct cli_args *a, unsigned long limit)
{
	json_t *req = json_pack("{s:s}", "op", "flows");

	if (req && a->n_pos)
		json_object_set_new(req, "app", json_string(a->pos[0]));
	if (req && cli_given(a, "spliced"))
		json_object_set_new(req, "spliced", json_true());
	if (req && limit)
		json_object_set_new(req, "limit", json_integer((json_int_t)limit));
	return req;
}

static void say_more(size_t shown, long long total)
{
	fflush(stdout);
	if ((long long)shown < total)
		fprintf(stderr, "patchbay: %zu of %lld connections are shown: see --limit\n", shown,
			total);
	else
		fputs("patchbay: there are more connections than the agent reads at once\n",
		      stderr);
}

static int print(const struct cli *c, const json_t *answer)
{
	static const struct cli_col cols[] = {
		{ "CLIENT", "client", end_text },   { "SERVER", "server", end_text },
		{ "STATE", "state", NULL },	    { "SPLICE", NULL, splice_text },
		{ "->", "to_server", reason_text }, { "BYTES", "to_server", bytes_text },
		{ "<-", "to_client", reason_text }, { "BYTES", "to_client", bytes_text },
	};
	const json_t *flows = json_object_get(answer, "flows");
	int code = cli_print_list(c, flows, cols, ARRAY_SIZE(cols));

	if (!code && json_is_true(json_object_get(answer, "truncated")))
		say_more(json_array_size(flows), cli_int(answer, "total"));
	return code;
}

int cmd_flows(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *answer = NULL;
	unsigned long limit = 0;
	int code;

	if (a->n_pos && !cli_app_valid(a->pos[0]))
		return cli_error(c, CLI_USAGE, EINVAL, "'%.80s' is neither a name nor a ref",
				 a->pos[0]);
	if (cli_given(a, "limit") && cli_number(cli_value(a, "limit"), 1, 10000, &limit))
		return cli_error(c, CLI_USAGE, EINVAL, "'%.80s' is not a number from 1 to 10000",
				 cli_value(a, "limit"));
	code = cli_ask(c, request(a, limit), &answer);
	if (code)
		return code;
	return c->json ? cli_print_json(c, answer) : print(c, answer);
}
