/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay memcached show`, `stats` and `top`. */
#include "cmd_memcached.h"

#include "../util.h"
#include "table.h"

static json_t *request(const char *op, const struct cli_args *a)
{
	json_t *req = json_pack("{s:s}", "op", op);

	if (req && a->n_pos > 1)
		json_object_set_new(req, "name", json_string(a->pos[1]));
	return req;
}

/* ---- show ---------------------------------------------------------------- */

static char *percent(const json_t *item, const char *field)
{
	char *text = NULL;

	return asprintf(&text, "%.1f%%", json_real_value(json_object_get(item, field))) < 0 ? NULL
											    : text;
}

static char *state(const json_t *item, const char *field)
{
	char *text = NULL;

	return asprintf(&text, "%s%s%s", cli_str(item, field),
			json_is_true(json_object_get(item, "cleaning")) ? ",emptying" : "",
			json_is_true(json_object_get(item, "gutter")) ? ",gutter" : "") < 0
		       ? NULL
		       : text;
}

static const struct cli_col server_cols[] = {
	{ "N", "n", NULL },	      { "SERVER", "server", NULL },
	{ "NAME", "name", NULL },     { "APP", "app", NULL },
	{ "WEIGHT", "weight", NULL }, { "STATE", "state", state },
	{ "KEYS", "keys", percent },  { "HOME", "home", percent },
	{ "SENT", "sent", NULL },     { "REPLIES", "replies", NULL },
};

static void print_hash(const json_t *conf)
{
	const char *tag = json_string_value(json_object_get(conf, "hash_tag"));

	if (!tag)
		tag = "";

	if (!strcmp(cli_str(conf, "hash"), "ketama"))
		cli_line("hash", "ketama as %s, %s%s%s", cli_str(conf, "dialect"),
			 cli_str(conf, "key_hash"), *tag ? ", tag " : "", tag);
	else
		cli_line("hash", "maglev%s%s", *tag ? ", tag " : "", tag);
}

static void print_devices(const json_t *list)
{
	const json_t *d;
	size_t i;

	json_array_foreach (list, i, d) {
		bool tc = json_is_true(json_object_get(d, "tc"));
		bool xdp = json_is_true(json_object_get(d, "xdp"));
		bool old = tc && !json_is_true(json_object_get(d, "current"));

		cli_line("device", "%s: %s%s%s (%s)", cli_str(d, "name"),
			 tc ? "tc" : "not attached", xdp ? " and XDP" : "",
			 old ? ", of another build" : "", cli_str(d, "why"));
	}
}

static void print_cache(const json_t *c)
{
	if (json_is_true(json_object_get(c, "on")))
		cli_line("cache", "on: %lld values in %lld MB, at most %lld ms old",
			 cli_int(c, "values"), cli_int(c, "bytes") >> 20, cli_int(c, "max_age"));
	else
		cli_line("cache", "off: %s", cli_str(c, "why"));
}

static void print_tcp(const json_t *t)
{
	if (json_is_true(json_object_get(t, "on")))
		cli_line("tcp", "on: patchbay-frames, process %lld",
			 cli_int(json_object_get(t, "process"), "pid"));
	else
		cli_line("tcp", "off: %s", cli_str(t, "why"));
}

static void print_allow(const json_t *list)
{
	const json_t *v;
	char text[400] = "";
	size_t i, n = 0;

	json_array_foreach (list, i, v)
		if (n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
					      json_string_value(v));
	cli_line("allowed", "%s",
		 *text ? text : "nobody: the devices have no network, see --allow");
}

static int print_service(const struct cli *c, const json_t *s)
{
	const json_t *conf = json_object_get(s, "config");
	const char *on = cli_str(s, "state");
	const json_t *left;
	size_t i;

	cli_line("service", "%s at %s, from %s", cli_str(s, "name"), cli_str(s, "vip"),
		 cli_str(s, "from"));
	if (strcmp(on, "on") != 0)
		cli_line("state", "%s: %s", !strcmp(on, "old") ? "as it was before" : "not served",
			 cli_str(s, "why"));
	cli_line("servers by", "%s, from %s port %lld on", cli_str(conf, "dsr"),
		 cli_str(s, "source"), cli_int(s, "source_port"));
	print_hash(conf);
	cli_line("failover", "%s", cli_str(conf, "failover"));
	print_tcp(json_object_get(s, "tcp"));
	print_cache(json_object_get(s, "cache"));
	print_allow(json_object_get(s, "allow"));
	print_devices(json_object_get(s, "devices"));
	json_array_foreach (json_object_get(s, "left_out"), i, left)
		cli_line("left out", "%s of %s: %s", cli_str(left, "server"), cli_str(left, "app"),
			 cli_str(left, "why"));
	return cli_print_list(c, json_object_get(s, "servers"), server_cols,
			      ARRAY_SIZE(server_cols));
}

int mc_show(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *answer = NULL;
	const json_t *s;
	size_t i;
	int code = cli_ask(c, request("memcached", a), &answer);

	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	json_array_foreach (json_object_get(answer, "services"), i, s) {
		if (i)
			putchar('\n');
		code = print_service(c, s);
		if (code)
			return code;
	}
	if (!json_array_size(json_object_get(answer, "services")))
		puts("no memcached services");
	return CLI_OK;
}

/* ---- stats --------------------------------------------------------------- */

int mc_stats(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *answer = NULL;
	const json_t *s;
	size_t i;
	int code = cli_ask(c, request("memcached-stats", a), &answer);

	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	json_array_foreach (json_object_get(answer, "services"), i, s) {
		if (i)
			putchar('\n');
		cli_line("service", "%s", cli_str(s, "name"));
		code = cli_print_counts(c, "COUNTER", json_object_get(s, "counters"));
		if (!code)
			code = cli_print_counts(c, "SLOW PATH", json_object_get(s, "slow"));
		if (!code)
			code = cli_print_counts(c, "TCP", json_object_get(s, "tcp"));
		if (!code)
			code = cli_print_list(c, json_object_get(s, "servers"), server_cols,
					      ARRAY_SIZE(server_cols));
		if (code)
			return code;
	}
	return CLI_OK;
}

/* ---- top ----------------------------------------------------------------- */

static char *rate(const json_t *item, const char *field)
{
	double age = json_real_value(json_object_get(item, "age_s"));
	char *text = NULL;

	return asprintf(&text, "%.0f", (double)cli_int(item, field) / (age > 1 ? age : 1)) < 0
		       ? NULL
		       : text;
}

int mc_top(const struct cli *c, const struct cli_args *a)
{
	static const struct cli_col cols[] = {
		{ "SERVICE", "service", NULL },	  { "KEY", "key", NULL },
		{ "REQUESTS", "requests", NULL }, { "/S", "requests", rate },
		{ "BYTES", "bytes", NULL },	  { "BYTES/S", "bytes", rate },
		{ "WRITES", "writes", NULL },
	};
	json_t *req = request("memcached-top", a);
	unsigned long n;

	if (req && cli_given(a, "sort"))
		json_object_set_new(req, "sort", json_string(cli_value(a, "sort")));
	if (req && cli_given(a, "limit")) {
		if (cli_number(cli_value(a, "limit"), 1, 10000, &n)) {
			json_decref(req);
			return cli_error(c, CLI_USAGE, EINVAL,
					 "'--limit %.40s' is not a number from 1 to 10000",
					 cli_value(a, "limit"));
		}
		json_object_set_new(req, "limit", json_integer((json_int_t)n));
	}
	return cli_list(c, req, "keys", cols, ARRAY_SIZE(cols));
}
