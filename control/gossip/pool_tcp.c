// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections: one message from the dialler, at most one back.  Whoever connects can hold memory
 * and a slot for a while: both are bounded, in all and for those who are no members.
 */
#include "pool_internal.h"

#define SWEEP 250	     /* ms */
#define DRAIN_MAX (64 << 10) /* bytes after the message */

/* ---- the end of one -------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	struct gsp_conn *c = h->data;
	struct gsp_pool *p = c->p;

	gsp_stream_fini(&c->in);
	free(c->out);
	free(c);
	pool_closed(p);
}

static void count_bytes(struct gsp_conn *c, size_t now)
{
	if (c->kind != CONN_IN)
		return;
	c->p->in_bytes += now - c->counted;
	if (!c->member)
		c->p->in_bytes_strangers += now - c->counted;
	c->counted = now;
}

void pool_conn_close(struct gsp_conn *c, int err)
{
	struct gsp_pool *p = c->p;

	if (c->closing)
		return;
	c->closing = true;
	count_bytes(c, 0);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	if (c->kind == CONN_IN) {
		p->n_in--;
		p->n_in_strangers -= !c->member;
	} else {
		p->n_out--;
		p->n_asks -= c->kind == CONN_ASK;
	}
	uv_close((uv_handle_t *)&c->tcp, on_closed);
	if (c->kind != CONN_IN && !c->has_msg)
		pool_dialled_end(c, err, NULL, 0);
}

void pool_conns_close(struct gsp_pool *p, int err)
{
	while (p->conns)
		pool_conn_close(p->conns, err);
}

void pool_conn_refuse(struct gsp_conn *c, int err, uint64_t *counter)
{
	if (c->kind == CONN_IN)
		pool_refused(c->p, &c->peer, err, counter);
	pool_conn_close(c, err);
}

static void on_sweep(uv_timer_t *t)
{
	struct gsp_pool *p = t->data;
	uint64_t now = pool_ms();
	struct gsp_conn *c, *next;

	for (c = p->conns; c; c = next) {
		uint64_t total = c->kind == CONN_EXCHANGE ? p->conf.exchange_ms : p->conf.total_ms;

		size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);

		next = c->next;
		if (left != c->unsent)
			c->moved = now;
		c->unsent = left;
		if (now - c->moved >= p->conf.idle_ms || now - c->began >= total)
			pool_conn_refuse(c, -ETIMEDOUT, &p->stats.tcp_slow);
	}
	if (!p->conns)
		uv_timer_stop(t);
	pool_after(p);
}

/* ---- what both directions do ----------------------------------------------------------------- */

struct gsp_conn *pool_conn_new(struct gsp_pool *p, enum conn_kind kind,
			       const struct swim_addr *peer)
{
	struct gsp_conn *c = calloc(1, sizeof(*c));

	if (!c || uv_tcp_init(p->conf.loop, &c->tcp)) {
		free(c);
		return NULL;
	}
	p->handles++;
	c->tcp.data = c;
	c->p = p;
	c->kind = kind;
	c->peer = *peer;
	c->began = c->moved = pool_ms();
	gsp_stream_init(&c->in, &p->layers, kind != CONN_IN);
	c->next = p->conns;
	c->link = &p->conns;
	if (c->next)
		c->next->link = &c->next;
	p->conns = c;
	if (kind == CONN_IN)
		p->n_in++;
	else
		p->n_out++;
	p->n_asks += kind == CONN_ASK;
	if (!uv_is_active((uv_handle_t *)&p->sweep))
		uv_timer_start(&p->sweep, on_sweep, SWEEP, SWEEP);
	return c;
}

int pool_conn_seal(struct gsp_conn *c, const uint8_t *msg, size_t n)
{
	const struct gsp_layers *layers = &c->p->layers;
	bool dialled = c->kind != CONN_IN;
	size_t cap = n + gsp_stream_overhead(layers, dialled);
	uint8_t nonce[GSP_NONCE_LEN];
	int len = pool_nonce(c->p, nonce);

	if (len)
		return len;
	c->out = malloc(cap);
	if (!c->out)
		return -ENOMEM;
	len = gsp_stream_seal(layers, nonce, dialled, msg, n, c->out, cap);
	if (len < 0)
		return len;
	c->out_n = (size_t)len;
	return 0;
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	(void)req;
	(void)status; /* the peer closes, or the time is over */
}

static void on_written(uv_write_t *req, int status)
{
	struct gsp_conn *c = req->data;

	c->moved = pool_ms();
	if (c->closing)
		return;
	c->p->stats.tcp_out_bytes += status ? 0 : c->out_n;
	if (status)
		pool_conn_close(c, status);
	else if (c->kind == CONN_IN &&
		 uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown))
		pool_conn_close(c, 0);
}

int pool_conn_write(struct gsp_conn *c)
{
	uv_buf_t buf = uv_buf_init((char *)c->out, (unsigned)c->out_n);

	c->write.data = c;
	return uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
}

/* ---- what comes in --------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	struct gsp_conn *c = h->data;
	uint8_t *at = c->p->drain;
	size_t n = sizeof(c->p->drain);

	(void)hint;
	if (!c->has_msg && gsp_stream_want(&c->in, &at, &n))
		n = 0; /* read as UV_ENOBUFS */
	*buf = uv_buf_init((char *)at, (unsigned)n);
}

static int ask_request(struct gsp_conn *c, struct gsp_bytes name, struct gsp_bytes body,
		       uint8_t **ret, size_t *ret_n)
{
	struct gsp_pool *p = c->p;
	_cleanup_free_ uint8_t *answer = NULL;
	struct swim_addr from = c->peer;
	struct gsp_bytes b;
	size_t n = 0;
	int err;

	if (!p->ops.answer)
		return -EOPNOTSUPP;
	if (body.n > GSP_POOL_ASK_MAX)
		return -E2BIG;
	swim_sender(p->swim, name, &from);
	err = p->ops.answer(p->conf.arg, &from, body, &answer, &n);
	if (err)
		return err;
	if (n > GSP_POOL_ASK_MAX)
		return -EMSGSIZE;
	p->stats.asks_in++;
	b = (struct gsp_bytes){ answer, (uint32_t)n };
	return pool_ask_encode(p, b, ret, ret_n);
}

static void on_request(struct gsp_conn *c)
{
	struct gsp_pool *p = c->p;
	_cleanup_free_ uint8_t *answer = NULL;
	struct gsp_bytes name, body;
	size_t n = 0;
	int err;

	if (pool_ask_open(c->in.msg, c->in.msg_len, &name, &body))
		err = ask_request(c, name, body, &answer, &n);
	else
		err = swim_request(p->swim, pool_ms(), &c->peer, c->in.msg, c->in.msg_len, &answer,
				   &n);
	if (!err && answer) {
		err = pool_conn_seal(c, answer, n);
		err = err ? err : pool_conn_write(c);
	} else if (!err) {
		pool_conn_close(c, 0);
	}
	if (err) {
		p->stats.tcp_refused++;
		pool_conn_close(c, err);
	}
}

static uint64_t *reason(struct gsp_pool *p, int err)
{
	switch (err) {
	case -EPERM: return &p->stats.tcp_label;
	case -EKEYREJECTED: return &p->stats.tcp_key;
	case -E2BIG: return &p->stats.tcp_big;
	default: return &p->stats.tcp_bad;
	}
}

static bool too_much(const struct gsp_conn *c)
{
	const struct gsp_pool *p = c->p;

	if (c->kind != CONN_IN)
		return false;
	if (!c->member && (c->counted > p->conf.stranger_bytes ||
			   p->in_bytes_strangers > p->conf.stream_bytes / 2))
		return true;
	return p->in_bytes > p->conf.stream_bytes;
}

void pool_conn_took(struct gsp_conn *c, size_t n)
{
	int r;

	count_bytes(c, c->in.len + n);
	r = too_much(c) ? -E2BIG : gsp_stream_took(&c->in, n);
	if (r < 0) {
		pool_conn_refuse(c, r, reason(c->p, r));
		return;
	}
	if (!r)
		return;
	c->has_msg = true;
	if (c->kind == CONN_IN) {
		on_request(c);
		if (!c->closing) { /* who is slow to take the answer holds no more than that */
			count_bytes(c, 0);
			gsp_stream_fini(&c->in);
		}
		return;
	}
	pool_dialled_end(c, 0, c->in.msg, c->in.msg_len);
	pool_conn_close(c, 0);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
	struct gsp_conn *c = h->data;
	struct gsp_pool *p = c->p;

	(void)buf;
	if (!n || c->closing)
		return;
	if (n < 0) {
		/* ended before there was a whole message */
		int err = n == UV_EOF ? -EPROTO : n == UV_ENOBUFS ? -E2BIG : (int)n;

		if (c->kind == CONN_IN && !c->has_msg && n != UV_ECONNRESET)
			pool_conn_refuse(c, err, reason(p, err));
		else
			pool_conn_close(c, err);
	} else {
		c->moved = pool_ms();
		p->stats.tcp_in_bytes += (size_t)n;
		if (!c->has_msg)
			pool_conn_took(c, (size_t)n);
		else if ((c->drained += (size_t)n) > DRAIN_MAX)
			pool_conn_close(c, -E2BIG);
	}
	pool_after(p);
}

int pool_conn_read(struct gsp_conn *c)
{
	return uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}
