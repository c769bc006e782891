// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections of ours: push/pull and ping for the core, and requests to other nodes of ours.
 *
 * A request is a user message of a stream: our type byte, a version, the sender's name (its length
 * first), the body; so is its answer.
 * Both versions are ours to change, Serf's agents are never sent one.
 */
#include "pool_internal.h"

#define HEAD 3
#define USER_HEAD 64 /* of a user message, with its length */

bool pool_ask_open(const uint8_t *msg, size_t n, struct gsp_bytes *name, struct gsp_bytes *ret)
{
	struct gsp_bytes data;

	if (!n || msg[0] != GSP_USER || gsp_user_decode(&data, msg, n) < 0 || data.n < HEAD ||
	    data.p[0] != GSP_SERF_OURS || data.p[1] != POOL_ASK_VERSION ||
	    data.n < HEAD + (uint32_t)data.p[2])
		return false;
	*name = (struct gsp_bytes){ data.p + HEAD, data.p[2] };
	*ret = (struct gsp_bytes){ name->p + name->n, data.n - HEAD - name->n };
	return true;
}

static struct gsp_bytes my_name(const struct gsp_pool *p)
{
	struct swim_view v = { 0 };

	for (unsigned i = 0; !v.self; i++)
		swim_view(p->swim, swim_at(p->swim, i), &v);
	return v.name;
}

int pool_ask_encode(const struct gsp_pool *p, struct gsp_bytes body, uint8_t **ret, size_t *ret_n)
{
	struct gsp_bytes name = my_name(p);
	size_t n = HEAD + (size_t)name.n + body.n;
	_cleanup_free_ uint8_t *data = malloc(n), *msg = malloc(n + USER_HEAD);
	struct gsp_bytes user = { data, (uint32_t)n };
	int len;

	if (!data || !msg)
		return -ENOMEM;
	data[0] = GSP_SERF_OURS;
	data[1] = POOL_ASK_VERSION;
	data[2] = (uint8_t)name.n;
	memcpy(data + HEAD, name.p, name.n);
	if (body.n)
		memcpy(data + HEAD + name.n, body.p, body.n);
	len = gsp_user_encode(&user, msg, n + USER_HEAD);
	if (len < 0)
		return len;
	*ret = TAKE_PTR(msg);
	*ret_n = (size_t)len;
	return 0;
}

static void on_connected(uv_connect_t *req, int status)
{
	struct gsp_conn *c = req->data;
	struct gsp_pool *p = c->p;

	if (c->closing)
		return;
	c->moved = pool_ms();
	if (!status)
		status = pool_conn_write(c);
	if (!status)
		status = pool_conn_read(c);
	if (status)
		pool_conn_close(c, status);
	pool_after(p);
}

/* From the address others know us by, so that they know whom they talk to. */
static int bind_source(struct gsp_conn *c)
{
	struct swim_addr from = c->p->conf.bind;
	struct sockaddr_storage sa;
	int err;

	if (pool_is_any(&from.ip))
		return 0;
	from.port = 1; /* any, but 0 is refused */
	err = pool_to_sockaddr(c->p, &from, &sa);
	if (err)
		return err;
	((struct sockaddr_in *)&sa)->sin_port = 0; /* the same place as sin6_port */
	return uv_tcp_bind(&c->tcp, (struct sockaddr *)&sa, 0);
}

/* c is closed without a word when that fails. */
static int dial(struct gsp_conn *c, const uint8_t *msg, size_t n)
{
	struct gsp_pool *p = c->p;
	struct sockaddr_storage sa;
	int err = pool_to_sockaddr(p, &c->peer, &sa);

	c->connect.data = c;
	err = err ? err : pool_conn_seal(c, msg, n);
	err = err ? err : bind_source(c);
	err = err ? err
		  : uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&sa, on_connected);
	if (err) {
		c->has_msg = true;
		pool_conn_close(c, err);
		p->stats.dials_failed++;
		return err;
	}
	p->stats.dials++;
	return 0;
}

int pool_exchange(void *arg, uint64_t id, const struct swim_addr *to, const uint8_t *msg, size_t n)
{
	struct gsp_pool *p = arg;
	struct gsp_conn *c = p->gone ? NULL : pool_conn_new(p, CONN_EXCHANGE, to);

	if (!c)
		return -ENOMEM;
	c->id = id;
	return dial(c, msg, n);
}

int gsp_pool_ask(struct gsp_pool *p, const struct swim_addr *to, struct gsp_bytes request,
		 gsp_pool_answer_fn *cb, void *arg)
{
	_cleanup_free_ uint8_t *msg = NULL;
	struct gsp_conn *c;
	size_t n;
	int err;

	if (p->gone)
		return -ESHUTDOWN;
	if (request.n > GSP_POOL_ASK_MAX)
		return -EMSGSIZE;
	if (p->n_asks >= POOL_ASKS)
		return -EAGAIN;
	err = pool_ask_encode(p, request, &msg, &n);
	if (err)
		return err;
	c = pool_conn_new(p, CONN_ASK, to);
	if (!c)
		return -ENOMEM;
	c->cb = cb;
	c->cb_arg = arg;
	err = dial(c, msg, n);
	p->stats.asks_out += !err;
	return err;
}

void pool_dialled_end(struct gsp_conn *c, int err, const uint8_t *msg, size_t n)
{
	struct gsp_pool *p = c->p;
	struct gsp_bytes body = { 0 }, name;

	if (!err && c->kind == CONN_ASK && !pool_ask_open(msg, n, &name, &body))
		err = -EPROTO;
	if (!err && body.n > GSP_POOL_ASK_MAX)
		err = -E2BIG;
	p->stats.dials_failed += !!err;
	if (c->kind == CONN_ASK) {
		p->stats.asks_failed += !!err;
		if (err)
			body = (struct gsp_bytes){ 0 };
		c->cb(c->cb_arg, err, body);
	} else if (!p->freed) {
		swim_exchange_end(p->swim, pool_ms(), c->id, err ? NULL : msg, n);
	}
}
