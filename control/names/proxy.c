/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * UDP queries on their way to the original resolver.  Each has a connected
 * socket of its own: the source port is random, nobody else's datagram gets
 * in, and a dead resolver's ECONNREFUSED is known at once.
 */
#include <errno.h>
#include <ldns/ldns.h>
#include <sys/socket.h>

#include "../util.h"
#include "internal.h"

struct pb_udp_query {
	TAILQ_ENTRY(pb_udp_query) link;
	struct pb_names *names;
	uv_udp_t *listener; /* the client is answered from the address it asked */
	uv_udp_t udp;
	uint64_t deadline_ms;
	struct sockaddr_storage client;
	struct pb_msg_query query;
};

static void on_closed(uv_handle_t *handle)
{
	struct pb_udp_query *p = handle->data;

	pb_names_drop(p->names);
	free(p);
}

static void finish(struct pb_udp_query *p)
{
	TAILQ_REMOVE(&p->names->queries, p, link);
	p->names->stats.udp_pending--;
	uv_close((uv_handle_t *)&p->udp, on_closed);
}

static void send_error(uv_udp_t *listener, const struct sockaddr *to, const struct pb_msg_query *q,
		       unsigned code)
{
	uint8_t msg[PB_MSG_ERROR_MAX];

	pb_udp_reply(listener, to, msg, pb_msg_error(q, code, msg));
}

static void send_servfail(uv_udp_t *listener, const struct sockaddr *to,
			  const struct pb_msg_query *q)
{
	send_error(listener, to, q, LDNS_RCODE_SERVFAIL);
}

static void fail(struct pb_udp_query *p, uint64_t *counter)
{
	(*counter)++;
	send_servfail(p->listener, (struct sockaddr *)&p->client, &p->query);
	finish(p);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	struct pb_udp_query *p = handle->data;

	(void)size;
	*ret = uv_buf_init(p->names->buf, sizeof(p->names->buf));
}

static void on_answer(uv_udp_t *udp, ssize_t nread, const uv_buf_t *buf,
		      const struct sockaddr *from, unsigned flags)
{
	struct pb_udp_query *p = udp->data;
	struct pb_names *n = p->names;
	const uint8_t *data = (const uint8_t *)buf->base;

	if (nread < 0) {
		fail(p, &n->stats.unreachable);
		return;
	}
	if (!from || flags & UV_UDP_PARTIAL)
		return;
	switch (pb_names_check(n, &p->query, false, data, (size_t)nread)) {
	case PB_RELAY_IGNORE: n->stats.mismatched++; return;
	case PB_RELAY_REFUSE:
		send_servfail(p->listener, (struct sockaddr *)&p->client, &p->query);
		break;
	case PB_RELAY_PASS:
		n->stats.relayed++;
		pb_udp_reply(p->listener, (struct sockaddr *)&p->client, data, (size_t)nread);
		break;
	}
	finish(p);
}

/* All wait equally long, so the list's head is due first. */
static void arm(struct pb_names *n)
{
	const struct pb_udp_query *p = TAILQ_FIRST(&n->queries);
	uint64_t now = uv_now(n->loop);

	if (!p)
		uv_timer_stop(&n->deadline);
	else if (!uv_is_active((uv_handle_t *)&n->deadline))
		uv_timer_start(&n->deadline, pb_proxy_deadline,
			       p->deadline_ms > now ? p->deadline_ms - now : 0, 0);
}

void pb_proxy_deadline(uv_timer_t *timer)
{
	struct pb_names *n = timer->data;
	struct pb_udp_query *p;

	while ((p = TAILQ_FIRST(&n->queries)) && p->deadline_ms <= uv_now(n->loop))
		fail(p, &n->stats.timeouts);
	arm(n);
}

static int start(struct pb_udp_query *p, const struct sockaddr *resolver, const uint8_t *data,
		 size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
	int err = uv_udp_connect(&p->udp, resolver);

	if (err >= 0)
		err = uv_udp_recv_start(&p->udp, on_alloc, on_answer);
	if (err >= 0)
		err = uv_udp_try_send(&p->udp, &buf, 1, NULL);
	return err < 0 ? err : 0;
}

/* NULL: no memory */
static struct pb_udp_query *query_new(uv_udp_t *listener, const struct sockaddr *from,
				      const struct pb_msg_query *q)
{
	const struct pb_listener *l = listener->data;
	_cleanup_free_ struct pb_udp_query *p = calloc(1, sizeof(*p));
	struct pb_names *n = l->names;

	if (!p || uv_udp_init(n->loop, &p->udp) < 0)
		return NULL;
	pb_names_hold(n);
	p->udp.data = p;
	p->names = n;
	p->listener = listener;
	p->query = *q;
	p->deadline_ms = uv_now(n->loop) + n->limits.answer_ms;
	memcpy(&p->client, from,
	       from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					   : sizeof(struct sockaddr_in));
	TAILQ_INSERT_TAIL(&n->queries, p, link);
	n->stats.udp_pending++;
	return TAKE_PTR(p);
}

void pb_proxy_forward(uv_udp_t *listener, const struct sockaddr *from, const struct pb_msg_query *q,
		      const uint8_t *data, size_t len)
{
	const struct pb_listener *l = listener->data;
	struct pb_names *n = l->names;
	struct sockaddr_storage resolver;
	struct pb_udp_query *p = NULL;

	if (!pb_names_may_forward(n, l->index, from, false)) {
		send_error(listener, from, q, LDNS_RCODE_REFUSED);
		return;
	}
	if (pb_names_resolver(n, l->index, &resolver) < 0) {
		send_servfail(listener, from, q);
		return;
	}
	if (n->stats.udp_pending < n->limits.udp_pending)
		p = query_new(listener, from, q);
	if (!p) {
		n->stats.overflow++;
		send_servfail(listener, from, q);
		return;
	}
	n->stats.forwarded++;
	if (start(p, (struct sockaddr *)&resolver, data, len) < 0)
		fail(p, &n->stats.unreachable);
	arm(n);
}

void pb_proxy_close(struct pb_names *n, const struct pb_listener *l)
{
	struct pb_udp_query *p = TAILQ_FIRST(&n->queries), *next;

	for (; p; p = next) {
		next = TAILQ_NEXT(p, link);
		if (!l || p->listener->data == l)
			finish(p);
	}
}
