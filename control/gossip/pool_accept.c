// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who may connect: limits in all, for one source, and for those who are no members. */
#include "pool_internal.h"

#define BACKLOG 128

/* A member's connection is worth more than a stranger's. */
static bool evict_stranger(struct gsp_pool *p)
{
	struct gsp_conn *oldest = NULL;

	for (struct gsp_conn *c = p->conns; c; c = c->next) {
		if (c->kind == CONN_IN && !c->member && !c->has_msg)
			oldest = c; /* they are in order, the newest first */
	}
	if (!oldest)
		return false;
	pool_conn_refuse(oldest, -EUSERS, &p->stats.tcp_many);
	return true;
}

/* c is among those counted. */
static bool has_room(struct gsp_pool *p, const struct gsp_conn *c)
{
	unsigned same = 0;

	for (const struct gsp_conn *o = p->conns; o; o = o->next)
		same += o->kind == CONN_IN &&
			pool_same_source(&o->peer.ip, &c->peer.ip, !c->member);
	if (same > p->conf.conns_source)
		return false;
	if (!c->member && p->n_in_strangers > (p->conf.conns + 1) / 2)
		return false;
	return p->n_in <= p->conf.conns || (c->member && evict_stranger(p));
}

static void accepted(struct gsp_conn *c)
{
	struct gsp_pool *p = c->p;
	struct sockaddr_storage sa;
	int n = sizeof(sa);

	if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&sa, &n)) {
		pool_conn_close(c, -ENOTCONN);
		return;
	}
	c->peer = pool_from_sockaddr((struct sockaddr *)&sa);
	c->member = pool_is_member(p, &c->peer.ip);
	p->n_in_strangers -= c->member;
	if (!pool_allowed(p, &c->peer.ip)) {
		pool_conn_refuse(c, -EACCES, &p->stats.source);
	} else if (!has_room(p, c)) {
		pool_conn_refuse(c, -EUSERS, &p->stats.tcp_many);
	} else {
		p->stats.tcp_in++;
		if (pool_conn_read(c))
			pool_conn_close(c, -EIO);
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct gsp_pool *p = listener->data;
	const struct swim_addr nobody = { 0 };
	struct gsp_conn *c;

	if (status)
		return;
	c = pool_conn_new(p, CONN_IN, &nobody);
	p->unaccepted = !c;
	if (!c)
		return; /* out of memory; libuv waits for it to be accepted */
	p->n_in_strangers++;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp))
		pool_conn_close(c, -EIO);
	else
		accepted(c);
	pool_after(p);
}

void pool_accept_retry(struct gsp_pool *p)
{
	if (p->unaccepted && !p->gone)
		on_connection((uv_stream_t *)&p->listener, 0);
}

int pool_accept_start(struct gsp_pool *p, int fd)
{
	int err = uv_tcp_init(p->conf.loop, &p->listener);

	if (err) {
		close(fd);
		return err;
	}
	p->handles++;
	p->listener.data = p;
	err = uv_tcp_open(&p->listener, fd);
	if (err) {
		close(fd);
		return err;
	}
	return uv_listen((uv_stream_t *)&p->listener, BACKLOG, on_connection);
}
