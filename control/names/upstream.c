/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP queries on their way to the original resolver: one connection behind each
 * connection of a client, opened by its first query for outside.
 */
#include <errno.h>
#include <ldns/ldns.h>

#include "../util.h"
#include "stream.h"

struct pb_upstream {
	struct pb_names *names;
	struct pb_client *client; /* NULL once closed */
	uv_tcp_t tcp;
	uv_connect_t connect;
	struct pb_frame in;
	bool connected;
	bool paused; /* until the client takes its answers */
};

static void on_closed(uv_handle_t *handle)
{
	struct pb_upstream *u = handle->data;

	pb_names_drop(u->names);
	free(u);
}

static void disconnect(struct pb_client *c)
{
	struct pb_upstream *u = c->up;

	if (!u)
		return;
	c->up = NULL;
	u->client = NULL;
	pb_frame_reset(&u->in);
	uv_close((uv_handle_t *)&u->tcp, on_closed);
}

static void forget(struct pb_client *c, struct pb_pending *p)
{
	TAILQ_REMOVE(&c->pending, p, link);
	c->n_pending--;
	free(p);
}

void pb_upstream_close(struct pb_client *c)
{
	struct pb_pending *p;

	disconnect(c);
	while ((p = TAILQ_FIRST(&c->pending)))
		forget(c, p);
}

/* The resolver is gone.  Who waits hears it at once; half a zone transfer cannot be mended. */
static void lost(struct pb_client *c)
{
	struct pb_pending *p;

	disconnect(c);
	while ((p = TAILQ_FIRST(&c->pending))) {
		struct pb_msg_query q = p->query;

		if (p->started) {
			pb_client_close(c);
			return;
		}
		forget(c, p);
		c->names->stats.unreachable++;
		pb_client_fail(c, &q);
	}
	pb_client_settle(c);
}

/* ---- answers ------------------------------------------------------------- */

static void relay(struct pb_client *c, struct pb_pending *p, const uint8_t *data, size_t len)
{
	p->started = true;
	c->names->stats.relayed++;
	if (p->transfer)
		p->deadline_ms = UINT64_MAX;
	else
		forget(c, p);
	c->active_ms = uv_now(c->names->loop);
	pb_client_send(c, data, len);
}

/* Which query it answers: two may have one id, and only the question tells them apart. */
static struct pb_pending *find_pending(struct pb_client *c, const uint8_t *data, size_t len,
				       enum pb_relay *ret)
{
	struct pb_pending *p;

	TAILQ_FOREACH(p, &c->pending, link)
	{
		if (len < PB_MSG_HEADER || LDNS_ID_WIRE(data) != p->query.id)
			continue;
		*ret = pb_names_check(c->names, &p->query, p->started, data, len);
		if (*ret != PB_RELAY_IGNORE)
			return p;
	}
	return NULL;
}

static void on_answer(struct pb_client *c, const uint8_t *data, size_t len)
{
	enum pb_relay verdict = PB_RELAY_IGNORE;
	struct pb_pending *p = find_pending(c, data, len, &verdict);

	if (!p) {
		c->names->stats.mismatched++;
		return;
	}
	if (verdict == PB_RELAY_PASS) {
		relay(c, p, data, len);
		return;
	}
	if (p->started) {
		pb_client_close(c);
		return;
	}
	pb_client_fail(c, &p->query);
	if (!c->closing)
		forget(c, p);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	struct pb_upstream *u = handle->data;
	size_t len;

	(void)size;
	pb_frame_want(&u->in, &ret->base, &len);
	ret->len = len;
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct pb_upstream *u = stream->data;
	struct pb_client *c = u->client;
	int whole = nread < 0 ? (int)nread : pb_frame_took(&u->in, (size_t)nread);

	(void)buf;
	if (whole < 0) {
		lost(c);
		return;
	}
	if (!whole)
		return;
	on_answer(c, u->in.msg, u->in.len);
	if (!u->client)
		return;
	pb_frame_reset(&u->in);
	if (pb_client_congested(c)) {
		u->paused = true;
		uv_read_stop(stream);
	}
	pb_client_settle(c);
}

/* ---- queries ------------------------------------------------------------- */

static void start_reading(struct pb_upstream *u)
{
	u->paused = false;
	if (uv_read_start((uv_stream_t *)&u->tcp, on_alloc, on_read) < 0)
		lost(u->client);
}

void pb_upstream_resume(struct pb_client *c)
{
	if (c->up && c->up->paused)
		start_reading(c->up);
}

static void on_connected(uv_connect_t *req, int status)
{
	struct pb_upstream *u = req->data;

	if (!u->client)
		return;
	if (status < 0) {
		lost(u->client);
		return;
	}
	u->connected = true;
	start_reading(u);
}

static void on_written(uv_write_t *req, int status)
{
	struct pb_upstream *u = req->data;

	free(req);
	if (status < 0 && u->client && u->connected)
		lost(u->client);
}

static int connect_upstream(struct pb_client *c)
{
	struct pb_names *n = c->names;
	struct sockaddr_storage resolver;
	struct pb_upstream *u;
	int err = pb_names_resolver(n, c->listener->index, &resolver);

	if (err < 0)
		return err;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	err = uv_tcp_init(n->loop, &u->tcp);
	if (err < 0) {
		free(u);
		return err;
	}
	pb_names_hold(n);
	u->tcp.data = u;
	u->connect.data = u;
	u->names = n;
	u->client = c;
	c->up = u;
	uv_tcp_nodelay(&u->tcp, 1);
	err = uv_tcp_connect(&u->connect, &u->tcp, (struct sockaddr *)&resolver, on_connected);
	if (err < 0) {
		n->stats.unreachable++;
		disconnect(c);
	}
	return err;
}

static struct pb_pending *pending_new(struct pb_client *c, const struct pb_msg_query *q)
{
	struct pb_pending *p;

	if (c->n_pending >= c->names->limits.tcp_pending ||
	    (c->up &&
	     uv_stream_get_write_queue_size((uv_stream_t *)&c->up->tcp) > PB_STREAM_QUEUE_MAX))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->query = *q;
	p->transfer = q->type == LDNS_RR_TYPE_AXFR || q->type == LDNS_RR_TYPE_IXFR;
	p->deadline_ms = uv_now(c->names->loop) + c->names->limits.answer_ms;
	TAILQ_INSERT_TAIL(&c->pending, p, link);
	c->n_pending++;
	return p;
}

void pb_upstream_forward(struct pb_client *c, const struct pb_msg_query *q, const uint8_t *data,
			 size_t len)
{
	struct pb_pending *p;

	if (!c->up && connect_upstream(c) < 0) {
		pb_client_fail(c, q);
		return;
	}
	p = pending_new(c, q);
	if (!p) {
		c->names->stats.overflow++;
		pb_client_fail(c, q);
		return;
	}
	c->names->stats.forwarded++;
	if (pb_stream_write(&c->up->tcp, data, len, on_written, c->up) < 0)
		lost(c);
}

uint64_t pb_upstream_expire(struct pb_client *c, uint64_t now)
{
	uint64_t next = UINT64_MAX;
	struct pb_pending *p, *after;

	for (p = TAILQ_FIRST(&c->pending); p; p = after) {
		struct pb_msg_query q = p->query;

		after = TAILQ_NEXT(p, link);
		if (p->deadline_ms > now) {
			next = p->deadline_ms < next ? p->deadline_ms : next;
			continue;
		}
		forget(c, p);
		c->names->stats.timeouts++;
		pb_client_fail(c, &q);
		if (c->closing)
			break;
	}
	return next;
}

bool pb_upstream_busy(const struct pb_client *c)
{
	return !TAILQ_EMPTY(&c->pending);
}
