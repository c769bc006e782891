/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * usage: gossip_replay [-k KEY]... < RECORD
 * Decodes what gossip_record.py recorded and encodes it again.  One line a message: where it came
 * from (udp, dial, reply), what it is, and "same", "differs" or the error.  KEY: as text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/gossip/serf.h"
#include "control/gossip/stream.h"
#include "control/util.h"

#define LINE_MAX_BYTES (1u << 20)
#define STEP 7 /* bytes that a stream gets at once */

static uint8_t out[LINE_MAX_BYTES];

static void say(const char *from, const char *what, int used, int len, const uint8_t *p, size_t n)
{
	const char *verdict = "differs";

	if (used < 0 || len < 0)
		verdict = strerror(used < 0 ? -used : -len);
	else if ((size_t)used == n && (size_t)len == n && !memcmp(p, out, n))
		verdict = "same";
	printf("%s %s %s\n", from, what, verdict);
}

#define AGAIN(name) \
	do { \
		struct gsp_##name m; \
		int used = gsp_##name##_decode(&m, p, n); \
		int len = used < 0 ? used : gsp_##name##_encode(&m, out, sizeof(out)); \
\
		say(from, #name, used, len, p, n); \
	} while (0)

static void serf(const char *from, const uint8_t *p, size_t n);

static void filters(const char *from, struct gsp_list rest)
{
	struct gsp_bytes b;

	while (gsp_list_take_bytes(&rest, &b)) {
		const uint8_t *p = b.p;
		size_t n = b.n;

		AGAIN(filter);
	}
}

/* What is in the payloads of Serf's own queries, in their responses and in relays. */
static void inside(const char *from, const uint8_t *p, size_t n)
{
	struct gsp_serf_query query;
	struct gsp_serf_response response;
	struct gsp_serf_relay relay;

	if (*p == GSP_SERF_QUERY && gsp_serf_query_decode(&query, p, n) > 0) {
		filters(from, query.filters);
		if (query.payload.n && *query.payload.p == GSP_SERF_KEY)
			serf(from, query.payload.p, query.payload.n);
	}
	if (*p == GSP_SERF_RESPONSE && gsp_serf_response_decode(&response, p, n) > 0 &&
	    response.payload.n)
		serf(from, response.payload.p, response.payload.n);
	if (*p == GSP_SERF_RELAY && gsp_serf_relay_decode(&relay, p, n) > 0)
		serf(from, relay.message.p, relay.message.n);
}

static void serf(const char *from, const uint8_t *p, size_t n)
{
	if (!n)
		return;
	switch (*p) {
	case GSP_SERF_LEAVE: AGAIN(serf_leave); break;
	case GSP_SERF_JOIN: AGAIN(serf_join); break;
	case GSP_SERF_SYNC: AGAIN(serf_sync); break;
	case GSP_SERF_EVENT: AGAIN(serf_event); break;
	case GSP_SERF_QUERY: AGAIN(serf_query); break;
	case GSP_SERF_RESPONSE: AGAIN(serf_response); break;
	case GSP_SERF_CONFLICT: AGAIN(serf_conflict); break;
	case GSP_SERF_KEY: AGAIN(serf_key); break;
	case GSP_SERF_KEYS: AGAIN(serf_keys); break;
	case GSP_SERF_RELAY: AGAIN(serf_relay); break;
	default: printf("%s serf_%u unknown\n", from, *p); return;
	}
	inside(from, p, n);
}

static void meta(const char *from, struct gsp_bytes b)
{
	struct gsp_list tags;
	int used = gsp_serf_tags_decode(&tags, b.p, b.n);
	int len = used < 0 ? used : gsp_serf_tags_encode(&tags, out, sizeof(out));

	say(from, "tags", used, len, b.p, b.n);
}

static void sync_again(const char *from, const uint8_t *p, size_t n)
{
	struct gsp_node_state node;
	struct gsp_sync sync;
	int used = gsp_sync_decode(&sync, p, n);
	int len = used < 0 ? used : gsp_sync_header_encode(&sync.header, out, sizeof(out));
	struct gsp_bytes rest = sync.nodes;

	while (len > 0 && gsp_sync_next(&rest, &node))
		len += gsp_node_state_encode(&node, out + len, sizeof(out) - (size_t)len);
	if (len > 0) {
		memcpy(out + len, sync.user.p, sync.user.n);
		len += (int)sync.user.n;
	}
	say(from, "sync", used, len, p, n);
	if (used < 0)
		return;
	for (rest = sync.nodes; gsp_sync_next(&rest, &node);)
		meta(from, node.meta);
	serf(from, sync.user.p, sync.user.n);
}

static void message(void *arg, const uint8_t *p, size_t n)
{
	const char *from = arg;
	struct gsp_alive alive;

	switch (*p) {
	case GSP_PING: AGAIN(ping); break;
	case GSP_INDIRECT_PING: AGAIN(indirect_ping); break;
	case GSP_ACK: AGAIN(ack); break;
	case GSP_SUSPECT: AGAIN(suspect); break;
	case GSP_ALIVE:
		AGAIN(alive);
		if (gsp_alive_decode(&alive, p, n) > 0)
			meta(from, alive.meta);
		break;
	case GSP_DEAD: AGAIN(dead); break;
	case GSP_PUSH_PULL: sync_again(from, p, n); break;
	case GSP_USER: serf(from, p + 1, n - 1); break;
	case GSP_NACK: AGAIN(nack); break;
	case GSP_ERR: AGAIN(err); break;
	default: printf("%s message_%u unknown\n", from, *p);
	}
}

/* STEP bytes at a time, so that every stage of the parser waits for more at some point. */
static void stream(const struct gsp_layers *pool, char *from, const uint8_t *p, size_t n)
{
	struct gsp_stream s;
	uint8_t *to;
	size_t room;
	int r = 0;

	gsp_stream_init(&s, pool, !strcmp(from, "reply"));
	while (!r && n && !gsp_stream_want(&s, &to, &room)) {
		size_t len = n < STEP ? n : STEP;

		if (len > room)
			len = room;
		memcpy(to, p, len);
		p += len;
		n -= len;
		r = gsp_stream_took(&s, len);
	}
	if (r == 1)
		message(from, s.msg, s.msg_len);
	else
		printf("%s stream %s\n", from, r ? strerror(-r) : "ends too early");
	gsp_stream_fini(&s);
}

static int unhex(const char *text, uint8_t *ret)
{
	unsigned byte;
	int n = 0;

	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		ret[n++] = (uint8_t)byte;
	return n;
}

static void line(const struct gsp_layers *pool, struct gsp_packet_scratch *scratch, char *text)
{
	_cleanup_free_ uint8_t *data = malloc(strlen(text));
	char *hex = strrchr(text, ' ');
	int n, err;

	if (!data || !hex)
		return;
	n = unhex(hex + 1, data);
	*strchr(text, ' ') = '\0';
	if (strcmp(text, "udp")) {
		stream(pool, text, data, (size_t)n);
		return;
	}
	err = gsp_packet_open(pool, scratch, data, (size_t)n, message, text);
	if (err)
		printf("udp packet %s\n", strerror(-err));
}

int main(int argc, char **argv)
{
	static struct gsp_packet_scratch scratch;
	static char text[2 * LINE_MAX_BYTES];
	struct gsp_layers pool = { .label_len = 0 };

	for (int i = 1; i + 1 < argc && !strcmp(argv[i], "-k"); i += 2) {
		int err = gsp_keyring_add(&pool.keys, (const uint8_t *)argv[i + 1],
					  strlen(argv[i + 1]));
		if (err)
			return fprintf(stderr, "key: %s\n", strerror(-err)), 2;
	}
	while (fgets(text, sizeof(text), stdin))
		line(&pool, &scratch, text);
	gsp_keyring_fini(&pool.keys);
	return 0;
}
