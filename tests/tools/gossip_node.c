// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A node of a pool that does nothing else, for the tests against Serf's agents.
 *
 * gossip_node [-k KEY]... [-l LABEL] [-t KEY=VALUE]... [-j ADDRESS]... [-i FIFO] [-f] [-s] NAME
 *		ADDRESS
 *	-k: the bytes of a key, 16, 24 or 32 characters; none: plain text.  -s: a pool of Serf's,
 *	whose agents may change keys.  -f: the fast profile.  ADDRESS: 1.2.3.4:5 or [::1]:5.
 *
 * Says what happens on standard output, and takes commands, a line each, from the FIFO:
 *	join ADDRESS, leave, force-leave NAME, event NAME TEXT, record TEXT, now TEXT,
 *	ask ADDRESS BYTES, tag KEY=VALUE, install KEY, use ID, remove ID, id KEY,
 *	state FILE (members, keys and counters)
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>

#include "control/gossip/pool.h"
#include "control/util.h"

#define LINE 8192

static struct node {
	uv_loop_t loop;
	uv_pipe_t in;
	int fd; /* of the FIFO */
	struct gsp_pool *pool;
	struct gsp_pool_tag tags[GSP_POOL_TAGS_MAX];
	char line[LINE];
	size_t line_n;
	uint64_t records;
} node;

static void die(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static struct swim_addr address(char *text)
{
	char *port = strrchr(text, ':'), *host = text;
	struct gsp_addr ip = { 0 };

	if (!port)
		die(text, EINVAL);
	*port++ = 0;
	if (*host == '[') {
		host++;
		host[strcspn(host, "]")] = 0;
		ip.len = inet_pton(AF_INET6, host, ip.ip) == 1 ? 16 : 0;
	} else {
		ip.len = inet_pton(AF_INET, host, ip.ip) == 1 ? 4 : 0;
	}
	if (!ip.len)
		die(host, EINVAL);
	return swim_addr(&ip, (uint16_t)atoi(port));
}

static const char *const states[] = { "alive", "suspect", "failed", "left" };

static void print_member(FILE *f, const struct swim_view *v)
{
	struct gsp_serf_tag tag;
	struct gsp_list tags;

	fprintf(f, "member %.*s %s", (int)v->name.n, v->name.p,
		v->leaving && v->state == GSP_STATE_ALIVE ? "leaving" : states[v->state]);
	if (v->meta.n && gsp_serf_tags_decode(&tags, v->meta.p, v->meta.n) >= 0) {
		while (gsp_list_take_tag(&tags, &tag))
			fprintf(f, " %.*s=%.*s", (int)tag.key.n, tag.key.p, (int)tag.value.n,
				tag.value.p);
	}
	fprintf(f, "\n");
}

static void print_state(FILE *f)
{
	const struct swim *s = gsp_pool_swim(node.pool);
	char ids[GSP_KEYS_MAX][GSP_KEY_ID_LEN + 1];
	unsigned n = gsp_pool_key_ids(node.pool, ids);
	struct gsp_pool_stats st;
	struct swim_stats core;
	struct swim_view v;

	for (unsigned i = 0; i < swim_count(s); i++) {
		swim_view(s, swim_at(s, i), &v);
		print_member(f, &v);
	}
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "key %s\n", ids[i]);
	gsp_pool_stats(node.pool, &st);
	swim_stats(s, &core);
#define X(name, text) fprintf(f, "%s %llu\n", #name, (unsigned long long)st.name);
	GSP_POOL_COUNTERS(X)
#undef X
#define X(name, text) fprintf(f, "core_%s %llu\n", #name, (unsigned long long)core.name);
	SWIM_COUNTERS(X)
#undef X
}

static void on_event(void *arg, const struct swim_event *ev)
{
	static const char *const names[] = {
		[SWIM_EV_JOIN] = "join",	[SWIM_EV_UPDATE] = "update",
		[SWIM_EV_SUSPECT] = "suspect",	[SWIM_EV_REFUTED] = "refuted",
		[SWIM_EV_DEAD] = "failed",	[SWIM_EV_LEFT] = "left",
		[SWIM_EV_FORGOTTEN] = "reaped", [SWIM_EV_CONFLICT] = "conflict",
		[SWIM_EV_FORGED] = "forged",	[SWIM_EV_FULL] = "full",
		[SWIM_EV_PAUSE] = "pause",	[SWIM_EV_GONE] = "gone",
		[SWIM_EV_USER] = "event",
	};
	struct gsp_bytes name = ev->name;
	struct swim_view v;

	(void)arg;
	if (ev->member && node.pool) {
		swim_view(gsp_pool_swim(node.pool), ev->member, &v);
		name = v.name;
	}
	printf("%s %.*s %.*s\n", names[ev->type], (int)name.n, (const char *)name.p,
	       (int)ev->payload.n, ev->payload.n ? (const char *)ev->payload.p : "");
}

static void on_record(void *arg, const struct swim_addr *from, struct gsp_bytes record)
{
	(void)arg;
	(void)from;
	printf("record %.*s\n", (int)record.n, (const char *)record.p);
}

static int on_answer(void *arg, const struct swim_addr *from, struct gsp_bytes request,
		     uint8_t **ret, size_t *ret_n)
{
	(void)arg;
	(void)from;
	printf("asked %u\n", request.n);
	*ret = malloc(request.n + 1);
	memset(*ret, 'a', request.n);
	*ret_n = request.n;
	return 0;
}

static void on_answered(void *arg, int err, struct gsp_bytes answer)
{
	(void)arg;
	printf("answered %d %u\n", err, answer.n);
}

static void on_keys_changed(void *arg)
{
	(void)arg;
	printf("keys changed\n");
}

static void on_refused(void *arg, const struct swim_addr *from, int err)
{
	(void)arg;
	(void)from;
	printf("refused %s\n", strerror(-err));
}

static const struct gsp_pool_ops ops = {
	.event = on_event,
	.record = on_record,
	.answer = on_answer,
	.keys_changed = on_keys_changed,
	.refused = on_refused,
};

static void on_left(void *arg)
{
	(void)arg;
	gsp_pool_free(node.pool);
	node.pool = NULL;
	uv_close((uv_handle_t *)&node.in, NULL);
}

static int ask(char *text)
{
	char *n = strchr(text, ' ');
	struct gsp_bytes request = { 0 };
	_cleanup_free_ uint8_t *p = NULL;
	struct swim_addr to;

	if (!n)
		return -EINVAL;
	*n++ = 0;
	to = address(text);
	request.n = (uint32_t)atoi(n);
	request.p = p = calloc(1, request.n + 1);
	return gsp_pool_ask(node.pool, &to, request, on_answered, NULL);
}

static int set_tag(char *text)
{
	node.tags[0] = (struct gsp_pool_tag){ text, "" };
	text[strcspn(text, "=")] = 0;
	node.tags[0].value = text + strlen(text) + 1;
	return gsp_pool_set_tags(node.pool, node.tags, 1);
}

static int show(const char *file)
{
	_cleanup_fclose_ FILE *f = NULL;
	char tmp[LINE + 8];

	snprintf(tmp, sizeof(tmp), "%s.new", file);
	f = fopen(tmp, "w");
	if (!f)
		return -errno;
	print_state(f);
	fflush(f);
	return rename(tmp, file) ? -errno : 0;
}

static int event(char *text)
{
	char *payload = text + strcspn(text, " ");

	if (*payload)
		*payload++ = 0;
	return gsp_pool_user_event(node.pool, text, GSP_TEXT(payload));
}

static int show_id(const char *key)
{
	char id[GSP_KEY_ID_LEN + 1];

	gsp_key_id((const uint8_t *)key, strlen(key), id);
	printf("id %s\n", id);
	return 0;
}

static int run(const char *verb, char *arg)
{
	struct gsp_pool *p = node.pool;

	if (!strcmp(verb, "join")) {
		struct swim_addr a = address(arg);

		return gsp_pool_seed(p, &a);
	}
	if (!strcmp(verb, "leave")) {
		gsp_pool_leave(p, on_left, NULL);
		return 0;
	}
	if (!strcmp(verb, "force-leave"))
		return gsp_pool_force_leave(p, arg, false);
	if (!strcmp(verb, "event"))
		return event(arg);
	if (!strcmp(verb, "record"))
		return gsp_pool_record(p, ++node.records, GSP_TEXT(arg), true);
	if (!strcmp(verb, "now"))
		return gsp_pool_record_now(p, ++node.records, GSP_TEXT(arg));
	if (!strcmp(verb, "ask"))
		return ask(arg);
	if (!strcmp(verb, "tag"))
		return set_tag(arg);
	if (!strcmp(verb, "install"))
		return gsp_pool_key_install(p, (const uint8_t *)arg, strlen(arg));
	if (!strcmp(verb, "use"))
		return gsp_pool_key_use(p, arg);
	if (!strcmp(verb, "remove"))
		return gsp_pool_key_remove(p, arg);
	if (!strcmp(verb, "id"))
		return show_id(arg);
	return strcmp(verb, "state") ? -EINVAL : show(arg);
}

static void on_line(char *line)
{
	char *arg = line + strcspn(line, " ");
	int err;

	if (!node.pool)
		return;
	if (*arg)
		*arg++ = 0;
	err = run(line, arg);
	printf("did %s: %s\n", line, err ? strerror(-err) : "ok");
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	(void)h;
	(void)hint;
	*buf = uv_buf_init(node.line + node.line_n, (unsigned)(LINE - 1 - node.line_n));
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
	char *end;

	(void)buf;
	if (n < 0) {
		uv_read_stop(h);
		return;
	}
	node.line_n += (size_t)n;
	node.line[node.line_n] = 0;
	while ((end = strchr(node.line, '\n'))) {
		*end = 0;
		on_line(node.line);
		node.line_n -= (size_t)(end + 1 - node.line);
		memmove(node.line, end + 1, node.line_n + 1);
	}
}

static void option(struct gsp_pool_conf *c, int opt, char *arg, struct swim_addr *seeds,
		   unsigned *n_seeds)
{
	switch (opt) {
	case 'k':
		if (strlen(arg) > GSP_KEY_LEN_MAX || c->n_keys == GSP_KEYS_MAX)
			die("key", EINVAL);
		memcpy(c->keys[c->n_keys].bytes, arg, strlen(arg));
		c->keys[c->n_keys++].len = (uint8_t)strlen(arg);
		break;
	case 'l': c->label = arg; break;
	case 't':
		node.tags[c->n_tags].key = arg;
		arg[strcspn(arg, "=")] = 0;
		node.tags[c->n_tags++].value = arg + strlen(arg) + 1;
		break;
	case 'j': seeds[(*n_seeds)++ % 8] = address(arg); break;
	case 'i':
		node.fd = open(arg, O_RDWR | O_CLOEXEC);
		if (node.fd < 0)
			die(arg, errno);
		break;
	case 'f': c->profile = SWIM_FAST; break;
	case 's': c->serf = c->serf_keys = true; break;
	default:
		fprintf(stderr, "usage: gossip_node [-k KEY]... [-l LABEL] [-t KEY=VALUE]... "
				"[-j ADDRESS]... [-i FIFO] [-f] [-s] NAME ADDRESS\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct gsp_pool_conf c;
	struct swim_addr seeds[8];
	unsigned n_seeds = 0;
	int opt, err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	gsp_pool_conf_default(&c);
	while ((opt = getopt(argc, argv, "k:l:t:j:i:fs")) != -1)
		option(&c, opt, optarg, seeds, &n_seeds);
	if (argc - optind != 2)
		option(&c, '?', NULL, seeds, &n_seeds);
	uv_loop_init(&node.loop);
	c.loop = &node.loop;
	c.name = argv[optind];
	c.bind = address(argv[optind + 1]);
	c.insecure = true;
	c.tags = node.tags;
	c.ops = &ops;
	err = gsp_pool_start(&node.pool, &c);
	if (err)
		die("start", err);
	for (unsigned i = 0; i < n_seeds && i < 8; i++)
		gsp_pool_seed(node.pool, &seeds[i]);
	uv_pipe_init(&node.loop, &node.in, 0);
	if (node.fd)
		err = uv_pipe_open(&node.in, node.fd);
	if (node.fd && !err)
		err = uv_read_start((uv_stream_t *)&node.in, on_alloc, on_read);
	if (err)
		die("fifo", err);
	printf("ready\n");
	uv_run(&node.loop, UV_RUN_DEFAULT);
	return 0;
}
