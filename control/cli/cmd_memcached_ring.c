/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay memcached verify-ring`: do a client's owners agree with the switch's? */
#include "cmd_memcached.h"

#include <errno.h>

#include <patchbay/mc_ring.h>

#include "../memcached/table.h"
#include "../util.h"

#define SHOWN 10 /* differences that are printed */

struct ring {
	struct pb_mc_ring table;
	struct pb_mc_work work;
	struct mcf fence;
	struct mct_server server[PB_MC_SERVERS_MAX];
	char text[PB_MC_SERVERS_MAX][64]; /* "10.0.0.1:11211" */
	unsigned n;
};

static int add_server(struct ring *r, const json_t *o)
{
	long long n = cli_int(o, "n");
	struct mcs_backend b;
	char err[PB_ERR_LEN];

	if (n < 0 || n >= (long long)PB_MC_SERVERS_MAX ||
	    mcs_backend_parse(cli_str(o, "server"), &b, err))
		return -EPROTO;
	r->server[n] = (struct mct_server){
		.used = true,
		.gutter = json_is_true(json_object_get(o, "gutter")),
		.weight = (uint16_t)cli_int(o, "weight"),
		.addr = b.addr,
		.port = b.port,
	};
	if (json_is_string(json_object_get(o, "name")))
		snprintf(r->server[n].name, sizeof(r->server[n].name), "%s", cli_str(o, "name"));
	snprintf(r->text[n], sizeof(r->text[n]), "%s", cli_str(o, "server"));
	r->fence.s[n].joined = true;
	if ((unsigned)n >= r->n)
		r->n = (unsigned)n + 1;
	return 0;
}

static int build(struct ring *r, const json_t *service)
{
	_cleanup_(mcs_freep) struct mcs_service *s = NULL;
	const json_t *list = json_object_get(service, "servers"), *key, *o;
	char err[PB_ERR_LEN];
	__u64 k[2] = { 0 };
	size_t i;

	json_array_foreach (list, i, o)
		if (add_server(r, o))
			return -EPROTO;
	key = json_object_get(service, "ring_key");
	for (i = 0; i < 2; i++)
		k[i] = strtoull(json_string_value(json_array_get(key, i))
					? json_string_value(json_array_get(key, i))
					: "0",
				NULL, 16);
	s = mcs_from_json(json_object_get(service, "service"), err);
	return s ? mct_home(&r->table, s, k, r->server, r->n, &r->fence) : -EPROTO;
}

static unsigned owner(struct ring *r, const char *key)
{
	size_t n = strlen(key);
	struct pb_mc_scan s = pb_mc_scan_init(key, (const uint8_t *)key + n, (__u32)n, &r->work);

	return pb_mc_owner(&s, &r->table, 0, (__u32)n);
}

/* A client may call it by its address, with or without the port, or by its name. */
static bool is_called(const struct ring *r, unsigned i, const char *word)
{
	const char *name = r->server[i].name;
	size_t n = strlen(word), host = strlen(r->text[i]);
	const char *port = strrchr(r->text[i], ':');

	if (!strcmp(word, r->text[i]) || (*name && !strcmp(word, name)))
		return true;
	if (port && n == (size_t)(port - r->text[i]) && !strncmp(word, r->text[i], n))
		return true;
	host = strlen(name);
	return host && port && !strncmp(word, name, host) && !strcmp(word + host, port);
}

struct result {
	unsigned long long keys, agree, bad;
	json_t *differ;
};

static void compare(struct ring *r, char *text, struct result *ret)
{
	char *save = NULL, *key = strtok_r(text, " \t\r\n", &save);
	const char *server = strtok_r(NULL, " \t\r\n", &save);
	unsigned who;

	if (!key)
		return;
	if (!server || strlen(key) > PB_MC_KEY_MAX) {
		ret->bad++;
		return;
	}
	ret->keys++;
	who = owner(r, key);
	if (who < r->n && is_called(r, who, server)) {
		ret->agree++;
		return;
	}
	if (json_array_size(ret->differ) < SHOWN)
		json_array_append_new(ret->differ,
				      json_pack("{s:s, s:s, s:s}", "key", key, "client", server,
						"ring", who < r->n ? r->text[who] : "-"));
}

static int print(const struct cli *c, const struct result *v)
{
	const json_t *d;
	size_t i;

	if (c->json) {
		json_auto_t *out = json_pack("{s:I, s:I, s:I, s:O}", "keys", (json_int_t)v->keys,
					     "agree", (json_int_t)v->agree, "unreadable",
					     (json_int_t)v->bad, "differ", v->differ);

		cli_print_json(c, out);
	} else {
		printf("%llu of %llu keys agree (%.2f%%)%s\n", v->agree, v->keys,
		       v->keys ? 100.0 * (double)v->agree / (double)v->keys : 0,
		       v->bad ? "; some lines are not KEY SERVER" : "");
		json_array_foreach (v->differ, i, d)
			printf("%s: the file says %s, the ring %s\n", cli_str(d, "key"),
			       cli_str(d, "client"), cli_str(d, "ring"));
	}
	return v->keys && v->agree == v->keys && !v->bad ? CLI_OK : CLI_NO;
}

static int read_file(const struct cli *c, struct ring *r, const char *path)
{
	_cleanup_fclose_ FILE *f = strcmp(path, "-") ? fopen(path, "re") : fdopen(dup(0), "re");
	struct result v = { .keys = 0 };
	_cleanup_free_ char *text = NULL;
	size_t room = 0;
	int code;

	if (!f)
		return cli_error(c, CLI_NO, errno, "%s: %s", path, strerror(errno));
	v.differ = json_array();
	while (getline(&text, &room, f) > 0)
		compare(r, text, &v);
	code = print(c, &v);
	json_decref(v.differ);
	return code;
}

int mc_verify_ring(const struct cli *c, const struct cli_args *a)
{
	_cleanup_free_ struct ring *r = calloc(1, sizeof(*r));
	json_auto_t *answer = NULL;
	int code =
		cli_ask(c, json_pack("{s:s, s:s}", "op", "memcached", "name", a->pos[1]), &answer);

	if (code)
		return code;
	if (!r)
		return cli_oom(c);
	if (build(r, json_array_get(json_object_get(answer, "services"), 0)))
		return cli_error(c, CLI_AGENT, EPROTO, "the agent's answer describes no ring");
	return read_file(c, r, a->pos[2]);
}
