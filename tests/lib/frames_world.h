/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets that are arrays, and a clock of our own, for the frame engine. */
#ifndef PB_TEST_FRAMES_WORLD_H
#define PB_TEST_FRAMES_WORLD_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/frames/engine.h"
#include "tests/lib/frames_line.h"

#define WORLD_SOCKS 16384
#define MS 1000000ULL

struct wsock {
	bool used, link, up, open, read, write, broken;
	enum fe_end how;
	uint32_t server;
	uint64_t id;
	struct fe_client *client;
	struct fe_link *of;
	char *out; /* what the engine sent, and was not looked at */
	size_t len, cap, at;
	size_t room; /* how much more it takes */
	unsigned sends, wants;
};

static struct wsock wsocks[WORLD_SOCKS];
static unsigned n_wsocks;
static struct fe_proc *wproc;
static struct fe *wfe;
static uint64_t wnow = 1;
static int wconnect_err, wtouch_err;
static unsigned wtouches, wends, wseen;
static const char *wcached;   /* the value of every key */
static bool wcommands = true; /* links connect by themselves */

static inline int w_connect(void *arg, struct fe_link *l, uint32_t server, uint64_t id, void **sock)
{
	struct wsock *s = &wsocks[n_wsocks];

	(void)arg;
	if (wconnect_err)
		return wconnect_err;
	if (n_wsocks == WORLD_SOCKS)
		abort();
	n_wsocks++;
	*s = (struct wsock){ .used = true, .link = true, .open = true, .server = server };
	s->id = id;
	s->of = l;
	s->room = SIZE_MAX;
	*sock = s;
	return 0;
}

static inline ssize_t w_send(void *sock, const struct iovec *iov, int n)
{
	struct wsock *s = sock;
	size_t total = 0;

	if (!s->open)
		abort();
	s->sends++;
	if (s->broken)
		return -EPIPE;
	for (int i = 0; i < n; i++) {
		size_t k = iov[i].iov_len < s->room ? iov[i].iov_len : s->room;

		if (s->len + k + 1 > s->cap) {
			s->cap = (s->len + k + 1) * 2;
			s->out = realloc(s->out, s->cap);
		}
		memcpy(s->out + s->len, iov[i].iov_base, k);
		s->len += k;
		s->out[s->len] = '\0';
		total += k;
		if (s->room != SIZE_MAX)
			s->room -= k;
		if (k < iov[i].iov_len)
			break;
	}
	return total ? (ssize_t)total : -EAGAIN;
}

static inline void w_want(void *sock, bool read, bool write)
{
	struct wsock *s = sock;

	if (!s->open || (s->read == read && s->write == write))
		abort();
	s->wants++;
	s->read = read;
	s->write = write;
}

static inline void w_close(void *sock, enum fe_end how)
{
	struct wsock *s = sock;

	if (!s->open)
		abort();
	s->open = s->read = s->write = false;
	s->how = how;
}

static inline int w_touch_begin(void *arg, const struct pb_frame_send *send, uint32_t server,
				uint64_t *handle)
{
	(void)arg;
	(void)send;
	(void)server;
	if (wtouch_err)
		return wtouch_err;
	*handle = ++wtouches;
	return 0;
}

static inline void w_touch_end(void *arg, uint64_t handle, bool seen)
{
	(void)arg;
	if (!handle || handle > wtouches)
		abort();
	wends++;
	wseen += seen;
}

static inline bool w_lookup(void *arg, const void *key, uint32_t key_len, struct pb_frame_view *ret)
{
	(void)arg;
	(void)key;
	(void)key_len;
	if (!wcached)
		return false;
	ret->data = (const __u8 *)wcached;
	ret->end = ret->data + strlen(wcached);
	return true;
}

static inline void w_servers(unsigned n, unsigned down, uint64_t first_id)
{
	struct fe_server s[PB_FRAME_SERVERS_MAX];

	for (unsigned i = 0; i < n; i++)
		s[i] = (struct fe_server){ .id = first_id + i, .up = !(down >> i & 1) };
	if (fe_set_servers(wfe, s, n, NULL, wcached != NULL))
		abort();
}

static inline void w_new(const struct fe_limits *lim, uint64_t memory)
{
	static const struct fe_ops ops = { w_connect,	  w_send,      w_want,	w_close,
					   w_touch_begin, w_touch_end, w_lookup };

	if (fe_proc_new(&wproc, memory) || fe_new(&wfe, wproc, &line_plugin, &ops, NULL, lim))
		abort();
	fe_proc_time(wproc, wnow);
	w_servers(3, 0, 1);
}

/* All that was counted was given back. */
static inline void w_free(void)
{
	fe_free(wfe);
	if (fe_proc_memory(wproc) || wends != wtouches || line_conns)
		abort();
	fe_proc_free(wproc);
	for (unsigned i = 0; i < n_wsocks; i++) {
		if (wsocks[i].open && !wsocks[i].link && wsocks[i].client)
			abort();
		free(wsocks[i].out);
	}
	memset(wsocks, 0, n_wsocks * sizeof(*wsocks));
	n_wsocks = 0;
	wtouches = wends = wseen = 0;
	wconnect_err = wtouch_err = 0;
	wcached = NULL;
	wcommands = true;
}

/* Rounds, until nothing moves; new links connect. */
static inline void w_turn(void)
{
	for (bool more = true; more;) {
		more = fe_turn(wproc);
		for (unsigned i = 0; i < n_wsocks && wcommands; i++) {
			struct wsock *s = &wsocks[i];

			if (!s->link || s->up || !s->open)
				continue;
			s->up = true;
			fe_link_connected(s->of);
			more = true;
		}
	}
}

static inline struct wsock *w_client(void)
{
	struct wsock *s = &wsocks[n_wsocks++];

	*s = (struct wsock){ .used = true, .up = true, .open = true, .room = SIZE_MAX };
	if (fe_client_new(wfe, s, &s->client))
		s->client = NULL;
	return s;
}

static inline void w_data(struct wsock *s, const char *data, size_t len)
{
	if (!s->open)
		return;
	if (s->link)
		fe_link_data(s->of, data, len);
	else
		fe_client_data(s->client, data, len);
}

static inline void w_tick(uint64_t ms)
{
	wnow += ms * MS;
	fe_proc_time(wproc, wnow);
	fe_tick(wproc);
	w_turn();
}

/* It takes @n more bytes. */
static inline void w_room(struct wsock *s, size_t n)
{
	s->room = n;
	if (n && s->open && s->write) {
		if (s->link)
			fe_link_writable(s->of);
		else
			fe_client_writable(s->client);
	}
	w_turn();
}

#endif /* PB_TEST_FRAMES_WORLD_H */
