/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP connections of clients (RFC 7766): any number of messages each, answers
 * in the order they are ready, each written whole.  Nothing is read from a
 * client that does not take its answers.
 */
#include <errno.h>
#include <ldns/ldns.h>

#include "../util.h"
#include "stream.h"

#define BACKLOG 128

/* ---- writing ------------------------------------------------------------- */

struct write_req {
	uv_write_t req;
	uint8_t data[]; /* length, then the message */
};

int pb_stream_write(uv_tcp_t *tcp, const uint8_t *data, size_t len, uv_write_cb cb, void *arg)
{
	_cleanup_free_ struct write_req *w = malloc(sizeof(*w) + PB_FRAME_HEAD + len);
	uv_buf_t buf;
	int err;

	if (!w)
		return -ENOMEM;
	ldns_write_uint16(w->data, (uint16_t)len);
	memcpy(w->data + PB_FRAME_HEAD, data, len);
	w->req.data = arg;
	buf = uv_buf_init((char *)w->data, (unsigned)(PB_FRAME_HEAD + len));
	err = uv_write(&w->req, (uv_stream_t *)tcp, &buf, 1, cb);
	if (err < 0)
		return err;
	TAKE_PTR(w);
	return 0;
}

static void start_reading(struct pb_client *c);

bool pb_client_congested(const struct pb_client *c)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp) > PB_STREAM_QUEUE_MAX;
}

static void on_written(uv_write_t *req, int status)
{
	struct pb_client *c = req->data;

	free(req);
	if (c->closing)
		return;
	if (status < 0) {
		pb_client_close(c);
		return;
	}
	c->active_ms = uv_now(c->names->loop);
	if (!pb_client_congested(c)) {
		if (c->paused)
			start_reading(c);
		pb_upstream_resume(c);
	}
	pb_client_settle(c);
}

void pb_client_send(struct pb_client *c, const uint8_t *data, size_t len)
{
	if (c->closing)
		return;
	if (pb_stream_write(&c->tcp, data, len, on_written, c) < 0) {
		c->names->stats.unsent++;
		pb_client_close(c);
	}
}

void pb_client_error(struct pb_client *c, const struct pb_msg_query *q, unsigned rcode)
{
	uint8_t msg[PB_MSG_ERROR_MAX];

	pb_client_send(c, msg, pb_msg_error(q, rcode, msg));
}

void pb_client_fail(struct pb_client *c, const struct pb_msg_query *q)
{
	pb_client_error(c, q, LDNS_RCODE_SERVFAIL);
}

/* ---- end of a connection ------------------------------------------------- */

static void on_client_closed(uv_handle_t *handle)
{
	struct pb_client *c = handle->data;

	if (--c->handles)
		return;
	pb_names_drop(c->names);
	free(c);
}

void pb_client_close(struct pb_client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	TAILQ_REMOVE(&c->names->clients, c, link);
	c->names->stats.clients--;
	pb_upstream_close(c);
	pb_frame_reset(&c->in);
	uv_close((uv_handle_t *)&c->tcp, on_client_closed);
	uv_close((uv_handle_t *)&c->timer, on_client_closed);
}

static void on_timer(uv_timer_t *timer)
{
	pb_client_settle(timer->data);
}

void pb_client_settle(struct pb_client *c)
{
	uint64_t now = uv_now(c->names->loop), next, idle;
	bool unsent;

	if (c->closing)
		return;
	next = pb_upstream_expire(c, now);
	if (c->closing)
		return;
	unsent = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) > 0;
	if (c->eof && !unsent && !pb_upstream_busy(c)) {
		pb_client_close(c);
		return;
	}
	idle = c->active_ms + c->names->limits.idle_ms;
	if (idle <= now) {
		c->names->stats.clients_idle++;
		pb_client_close(c);
		return;
	}
	if (idle < next)
		next = idle;
	uv_timer_start(&c->timer, on_timer, next - now, 0);
}

/* ---- reading ------------------------------------------------------------- */

/* Asked at each query: the program's record may have changed since it connected. */
static bool may_forward(struct pb_client *c)
{
	struct sockaddr_storage peer;
	int len = sizeof(peer);

	return !uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &len) &&
	       pb_names_may_forward(c->names, c->listener->index, (struct sockaddr *)&peer, true);
}

static void on_message(struct pb_client *c, const uint8_t *data, size_t len)
{
	struct pb_names *n = c->names;
	_cleanup_free_ uint8_t *reply = NULL;
	struct pb_msg_query q;
	size_t reply_len = 0;

	c->listener->used_ms = uv_now(n->loop);
	n->stats.queries_tcp++;
	switch (pb_zone_handle(&n->zone, data, len, true, &n->stats, &q, &reply, &reply_len)) {
	case PB_ZONE_DROP: break;
	case PB_ZONE_REPLY: pb_client_send(c, reply, reply_len); break;
	case PB_ZONE_FORWARD:
		if (may_forward(c))
			pb_upstream_forward(c, &q, data, len);
		else
			pb_client_error(c, &q, LDNS_RCODE_REFUSED);
		break;
	}
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	struct pb_client *c = handle->data;
	size_t len;

	(void)size;
	pb_frame_want(&c->in, &ret->base, &len);
	ret->len = len;
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct pb_client *c = stream->data;
	int whole;

	(void)buf;
	if (nread == UV_EOF) {
		uv_read_stop(stream);
		c->eof = true;
		pb_client_settle(c);
		return;
	}
	whole = nread < 0 ? (int)nread : pb_frame_took(&c->in, (size_t)nread);
	if (whole < 0) {
		pb_client_close(c);
		return;
	}
	if (!whole)
		return;
	c->active_ms = uv_now(c->names->loop);
	on_message(c, c->in.msg, c->in.len);
	if (c->closing)
		return;
	pb_frame_reset(&c->in);
	if (pb_client_congested(c)) {
		c->paused = true;
		uv_read_stop(stream);
	}
	pb_client_settle(c);
}

static void start_reading(struct pb_client *c)
{
	c->paused = false;
	if (!c->eof && uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
		pb_client_close(c);
}

/* ---- accepting ----------------------------------------------------------- */

/* NULL: no memory */
static struct pb_client *client_new(struct pb_listener *l)
{
	struct pb_client *c = calloc(1, sizeof(*c));
	struct pb_names *n = l->names;

	if (!c)
		return NULL;
	if (uv_tcp_init(n->loop, &c->tcp) < 0) {
		free(c);
		return NULL;
	}
	uv_timer_init(n->loop, &c->timer);
	pb_names_hold(n);
	c->handles = 2;
	c->tcp.data = c;
	c->timer.data = c;
	c->names = n;
	c->listener = l;
	c->active_ms = uv_now(n->loop);
	TAILQ_INIT(&c->pending);
	TAILQ_INSERT_TAIL(&n->clients, c, link);
	n->stats.clients++;
	return c;
}

static void on_connection(uv_stream_t *server, int status)
{
	struct pb_listener *l = server->data;
	struct pb_names *n = l->names;
	/* libuv waits until it is accepted, so also what is refused is taken first */
	bool refused = n->stats.clients >= n->limits.clients;
	struct pb_client *c = status < 0 ? NULL : client_new(l);

	if (!c)
		return;
	if (uv_accept(server, (uv_stream_t *)&c->tcp) < 0) {
		pb_client_close(c);
		return;
	}
	if (refused) {
		n->stats.clients_refused++;
		pb_client_close(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	start_reading(c);
	pb_client_settle(c);
}

int pb_tcp_listen(struct pb_listener *l, unsigned family, int fd)
{
	_cleanup_close_ int owned = fd;
	uv_tcp_t *tcp = &l->tcp[family];
	int err = uv_tcp_init(l->names->loop, tcp);

	if (err < 0)
		return err;
	tcp->data = l;
	pb_listener_hold(l);
	err = uv_tcp_open(tcp, owned);
	if (err < 0)
		return err;
	TAKE_FD(owned);
	return uv_listen((uv_stream_t *)tcp, BACKLOG, on_connection);
}

void pb_tcp_close(struct pb_names *n, const struct pb_listener *l)
{
	struct pb_client *c = TAILQ_FIRST(&n->clients), *next;

	for (; c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!l || c->listener == l)
			pb_client_close(c);
	}
}
