/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * usage: gossip_probe [-k KEY] ADDRESS PORT NAME
 * A foreign node that shows itself once: push/pull with the member at that address as a node called
 * NAME, which has the same address; a ping in a packet of its own, a user event and a CRC in
 * another.  Prints "member NAME STATE" for each in the answer, "tags KEY=VALUE...", "status NAME
 * LTIME", and "ack".  KEY: as text.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "control/gossip/serf.h"
#include "control/gossip/stream.h"
#include "control/util.h"

#define WAIT_S 5

struct probe {
	struct gsp_layers pool;
	struct addrinfo *to;
	struct gsp_addr addr;
	const char *name;
	uint16_t port;
};

static int die(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void random_nonce(uint8_t nonce[GSP_NONCE_LEN])
{
	if (getrandom(nonce, GSP_NONCE_LEN, 0) != GSP_NONCE_LEN)
		die("getrandom", errno);
}

/* Of the right kind, connected; waits at most WAIT_S for an answer. */
static int dial(const struct probe *p, int type)
{
	struct timeval limit = { .tv_sec = WAIT_S };
	int fd = socket(p->to->ai_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, p->to->ai_addr, p->to->ai_addrlen))
		die("connect", errno);
	return fd;
}

/* Tags, Serf's clocks of one member, one key that Serf does not know. */
static int make_sync(const struct probe *p, uint8_t *buf, size_t cap)
{
	uint8_t tags[64], meta[64], status[300], user[600];
	struct gsp_list list = GSP_LIST(tags, sizeof(tags));
	struct gsp_serf_sync serf = { .ltime = 1,
				      .status = GSP_LIST(status, sizeof(status)),
				      .left = GSP_LIST(user, sizeof(user)),
				      .events = GSP_LIST(user, sizeof(user)),
				      .digest = GSP_TEXT("nothing yet") };
	struct gsp_node_state node = { .name = GSP_TEXT(p->name),
				       .addr = p->addr,
				       .port = p->port,
				       .incarnation = 1,
				       .vsn = GSP_VSN_OURS };
	struct gsp_sync_header header = { .nodes = 1, .join = true };
	int n, user_len, len;

	gsp_list_add_tag(&list, &(struct gsp_serf_tag){ GSP_TEXT("patchbay"), GSP_TEXT("1") });
	n = gsp_serf_tags_encode(&list, meta, sizeof(meta));
	node.meta = (struct gsp_bytes){ meta, (uint32_t)n };
	gsp_list_add_status(&serf.status, &(struct gsp_serf_status){ node.name, 1 });
	user_len = gsp_serf_sync_encode(&serf, user, sizeof(user));
	header.user_len = (uint32_t)user_len;
	len = gsp_sync_header_encode(&header, buf, cap);
	n = len < 0 ? len : gsp_node_state_encode(&node, buf + len, cap - (size_t)len);
	if (n < 0 || user_len < 0)
		die("encode", n < 0 ? n : user_len);
	memcpy(buf + len + n, user, (size_t)user_len);
	return len + n + user_len;
}

static void show_node(const struct gsp_node_state *node)
{
	static const char *const states[] = { "alive", "suspect", "dead", "left" };
	struct gsp_serf_tag tag;
	struct gsp_list tags;

	printf("member %.*s %s\n", (int)node->name.n, (const char *)node->name.p,
	       states[node->state]);
	if (gsp_serf_tags_decode(&tags, node->meta.p, node->meta.n) < 0)
		return;
	printf("tags");
	while (gsp_list_take_tag(&tags, &tag))
		printf(" %.*s=%.*s", (int)tag.key.n, (const char *)tag.key.p, (int)tag.value.n,
		       (const char *)tag.value.p);
	printf("\n");
}

static void show_sync(const uint8_t *p, size_t n)
{
	struct gsp_serf_status status;
	struct gsp_node_state node;
	struct gsp_serf_sync serf;
	struct gsp_sync sync;
	int err = gsp_sync_decode(&sync, p, n);

	if (err < 0)
		die("push/pull", err);
	for (struct gsp_bytes rest = sync.nodes; gsp_sync_next(&rest, &node);)
		show_node(&node);
	err = gsp_serf_sync_decode(&serf, sync.user.p, sync.user.n);
	if (err < 0)
		die("user state", err);
	while (gsp_list_take_status(&serf.status, &status))
		printf("status %.*s %llu\n", (int)status.node.n, (const char *)status.node.p,
		       (unsigned long long)status.ltime);
}

static void receive(struct gsp_stream *s, int fd)
{
	uint8_t *to;
	size_t room;
	ssize_t n;
	int r;

	do {
		r = gsp_stream_want(s, &to, &room);
		if (r)
			die("want", r);
		n = recv(fd, to, room, 0);
		if (n <= 0)
			die("no answer", n ? errno : EPIPE);
		r = gsp_stream_took(s, (size_t)n);
	} while (!r);
	if (r < 0)
		die("answer", r);
}

static void push_pull(const struct probe *p)
{
	uint8_t plain[1200], sealed[1500], nonce[GSP_NONCE_LEN];
	_cleanup_close_ int fd = dial(p, SOCK_STREAM);
	int n = make_sync(p, plain, sizeof(plain));
	struct gsp_stream s;

	random_nonce(nonce);
	n = gsp_stream_seal(&p->pool, nonce, true, plain, (size_t)n, sealed, sizeof(sealed));
	if (n < 0 || send(fd, sealed, (size_t)n, MSG_NOSIGNAL) != n)
		die("send", n < 0 ? n : errno);
	gsp_stream_init(&s, &p->pool, true);
	receive(&s, fd);
	if (*s.msg != GSP_PUSH_PULL)
		die("another answer than a push/pull", EBADMSG);
	show_sync(s.msg, s.msg_len);
	gsp_stream_fini(&s);
}

static void send_packet(const struct probe *p, int fd, bool crc, const uint8_t *msg, int n)
{
	uint8_t out[1400], nonce[GSP_NONCE_LEN];

	random_nonce(nonce);
	n = n < 0 ? n : gsp_packet_seal(&p->pool, nonce, crc, msg, (size_t)n, out, sizeof(out));
	if (n < 0 || send(fd, out, (size_t)n, 0) != n)
		die("send", n < 0 ? n : errno);
}

static void see_ack(void *arg, const uint8_t *msg, size_t n)
{
	struct gsp_ack ack;

	*(bool *)arg |= gsp_ack_decode(&ack, msg, n) > 0 && ack.seq == 4711;
}

/* The ack need not be the first that comes: to them we are a member. */
static void ping_and_event(const struct probe *p)
{
	static struct gsp_packet_scratch scratch;
	struct gsp_ping ping = { .seq = 4711 };
	struct gsp_serf_event event = { .ltime = 5, .name = GSP_TEXT("hello") };
	struct gsp_serf_join join = { .ltime = 2, .node = GSP_TEXT(p->name) };
	uint8_t a[200] = { GSP_USER }, b[400] = { GSP_USER }, both[700], in[2000];
	_cleanup_close_ int fd = dial(p, SOCK_DGRAM);
	struct gsp_bytes msgs[2] = { { a, 0 }, { b, 0 } };
	bool acked = false;

	event.payload = GSP_TEXT(p->name);
	msgs[0].n = 1 + (uint32_t)gsp_serf_event_encode(&event, a + 1, sizeof(a) - 1);
	msgs[1].n = 1 + (uint32_t)gsp_serf_join_encode(&join, b + 1, sizeof(b) - 1);
	send_packet(p, fd, true, both, gsp_compound_encode(msgs, 2, both, sizeof(both)));
	send_packet(p, fd, false, a, gsp_ping_encode(&ping, a, sizeof(a)));
	while (!acked) {
		ssize_t n = recv(fd, in, sizeof(in), 0);
		int err;

		if (n < 0)
			die("no ack", errno);
		err = gsp_packet_open(&p->pool, &scratch, in, (size_t)n, see_ack, &acked);
		if (err)
			die("packet", err);
	}
	printf("ack\n");
}

static void resolve(struct probe *p, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM };
	int err = getaddrinfo(host, port, &hints, &p->to);

	if (err) {
		fprintf(stderr, "%s: %s\n", host, gai_strerror(err));
		exit(2);
	}
	p->port = (uint16_t)atoi(port);
	if (p->to->ai_family == AF_INET6) {
		p->addr.len = 16;
		memcpy(p->addr.ip, &((struct sockaddr_in6 *)(void *)p->to->ai_addr)->sin6_addr, 16);
	} else {
		p->addr.len = 4;
		memcpy(p->addr.ip, &((struct sockaddr_in *)(void *)p->to->ai_addr)->sin_addr, 4);
	}
}

int main(int argc, char **argv)
{
	struct probe p = { .to = NULL };
	int at = 1, err = 0;

	if (argc > 2 && !strcmp(argv[1], "-k")) {
		err = gsp_keyring_add(&p.pool.keys, (const uint8_t *)argv[2], strlen(argv[2]));
		at = 3;
	}
	if (err || argc - at != 3) {
		fprintf(stderr, "usage: gossip_probe [-k KEY] ADDRESS PORT NAME\n");
		return 2;
	}
	resolve(&p, argv[at], argv[at + 1]);
	p.name = argv[at + 2];
	push_pull(&p);
	ping_and_event(&p);
	freeaddrinfo(p.to);
	gsp_keyring_fini(&p.pool.keys);
	return 0;
}
