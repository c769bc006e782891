/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path's sockets.  A loop's turn takes a few datagrams of each, so that a flood leaves the
 * agent its time. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <patchbay/addr.h>

#include "../sockaddr.h"
#include "../util.h"
#include "../uvpoll.h"
#include "proxy_udp.h"

#define RCVBUF (4 << 20)
#define CLIENTS_A_TURN 16
#define SERVERS_A_TURN 64
#define ANSWERS_A_TURN 256
#define BIND_TRIES 16
#define NS_PER_MS 1000000ULL

struct port {
	uv_poll_t poll;
	int fd;
	int events; /* that are polled */
	struct pb_mcp *m;
};

struct pb_mcp {
	struct pxy *pxy;
	struct port front; /* the service's address */
	struct port back;  /* towards the servers */
	uv_timer_t timer;
	unsigned handles; /* open ones; the last one frees this */
	struct pb_addr vip;
	__be16 vport;
	int (*token)(void *arg, const struct pb_mc_cmd *cmd);
	void *arg;
	uint8_t buf[65536];
};

/* ---- addresses ------------------------------------------------------------- */

static void from_sockaddr(const struct sockaddr_storage *s, struct pb_addr *ret, __be16 *ret_port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)s;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)s;

	if (s->ss_family == AF_INET) {
		*ret = pb_addr_v4(v4->sin_addr.s_addr);
		*ret_port = v4->sin_port;
		return;
	}
	memcpy(ret, &v6->sin6_addr, sizeof(*ret));
	*ret_port = v6->sin6_port;
}

/* ---- what the core asks for ------------------------------------------------ */

static int send_to(int fd, const struct pb_addr *to, __be16 port, const void *data, size_t len)
{
	struct sockaddr_storage s;
	socklen_t n = pb_to_sockaddr(to, port, &s);

	if (sendto(fd, data, len, MSG_DONTWAIT, (struct sockaddr *)&s, n) >= 0)
		return 0;
	return errno == EWOULDBLOCK || errno == ENOBUFS ? -EAGAIN : -errno;
}

static int to_client(void *arg, const struct pb_addr *to, __be16 port, const void *data, size_t len)
{
	struct pb_mcp *m = arg;

	return send_to(m->front.fd, to, port, data, len);
}

static int to_server(void *arg, const struct pb_addr *to, __be16 port, const void *data, size_t len)
{
	struct pb_mcp *m = arg;

	return send_to(m->back.fd, to, port, data, len);
}

static int token(void *arg, const struct pb_mc_cmd *cmd)
{
	struct pb_mcp *m = arg;

	return m->token ? m->token(m->arg, cmd) : 0;
}

static uint64_t wall(void *arg)
{
	(void)arg;
	return (uint64_t)time(NULL);
}

static const struct pxy_ops ops = {
	.to_client = to_client, .to_server = to_server, .token = token, .wall = wall
};

/* ---- the loop -------------------------------------------------------------- */

static void on_front(uv_poll_t *poll, int status, int events);
static void on_back(uv_poll_t *poll, int status, int events);
static void settle(struct pb_mcp *m);

static void on_timer(uv_timer_t *timer)
{
	settle(timer->data);
}

/* What cannot be had now is tried again with the next event of the other port. */
static void watch(struct port *p, int events, uv_poll_cb cb)
{
	if (events != p->events && !pb_poll_again(&p->poll, events, cb))
		p->events = events;
}

/* Sends what is ready, and says when to be woken again. */
static void settle(struct pb_mcp *m)
{
	uint64_t now = pb_now_ns(), next = pxy_tick(m->pxy, now);
	int events = UV_READABLE;

	if (pxy_flush(m->pxy, ANSWERS_A_TURN))
		events |= UV_WRITABLE;
	watch(&m->front, events, on_front);
	watch(&m->back, UV_READABLE, on_back);
	if (next)
		uv_timer_start(&m->timer, on_timer, next > now ? (next - now) / NS_PER_MS + 1 : 1,
			       0);
	else
		uv_timer_stop(&m->timer);
}

static ssize_t take(struct port *p, struct pb_addr *ret_from, __be16 *ret_port)
{
	struct pb_mcp *m = p->m;
	struct sockaddr_storage from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(p->fd, m->buf, sizeof(m->buf), MSG_DONTWAIT, (struct sockaddr *)&from,
			     &from_len);

	if (n >= 0)
		from_sockaddr(&from, ret_from, ret_port);
	return n;
}

static void on_front(uv_poll_t *poll, int status, int events)
{
	struct pb_mcp *m = poll->data;
	struct pb_addr from;
	__be16 port;
	ssize_t n;

	if (status < 0)
		m->front.events = 0; /* settle() polls it again */
	for (int i = 0; events & UV_READABLE && i < CLIENTS_A_TURN; i++) {
		n = take(&m->front, &from, &port);
		if (n < 0)
			break;
		pxy_client(m->pxy, &from, port, m->buf, (size_t)n, pb_now_ns());
	}
	settle(m);
}

static void on_back(uv_poll_t *poll, int status, int events)
{
	struct pb_mcp *m = poll->data;
	struct pb_addr from;
	__be16 port;
	ssize_t n;

	(void)events;
	if (status < 0)
		m->back.events = 0;
	for (int i = 0; i < SERVERS_A_TURN; i++) {
		n = take(&m->back, &from, &port);
		if (n < 0)
			break;
		pxy_server(m->pxy, &from, port, m->buf, (size_t)n, pb_now_ns());
	}
	settle(m);
}

/* ---- sockets --------------------------------------------------------------- */

static int open_socket(const struct pb_addr *a, __be16 port)
{
	struct sockaddr_storage s;
	socklen_t n = pb_to_sockaddr(a, port, &s);
	_cleanup_close_ int fd = -1;
	int one = 1, size = RCVBUF;

	fd = socket(s.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (s.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	/* also for IPv6; the address may come later than the agent */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&s, n))
		return -errno;
	return TAKE_FD(fd);
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage s = { 0 };
	socklen_t n = sizeof(s);
	struct pb_addr a;
	__be16 port = 0;

	if (!getsockname(fd, (struct sockaddr *)&s, &n))
		from_sockaddr(&s, &a, &port);
	return ntohs(port);
}

/*
 * A port of its own: replies to the source ports are the kernel programs'.  It is asked for by its
 * number, for a socket keeps only such a port when somebody destroys it.
 */
static int open_back(const struct pb_mc_service *svc)
{
	unsigned first = ntohs(svc->source_port), port;
	int fd = -EADDRINUSE;

	for (int i = 0; i < BIND_TRIES && fd == -EADDRINUSE; i++) {
		fd = open_socket(&svc->source, 0);
		if (fd < 0)
			break;
		port = port_of(fd);
		close(fd);
		fd = -EADDRINUSE;
		if (!first || port < first || port >= first + PB_MC_PORTS)
			fd = open_socket(&svc->source, htons((uint16_t)port));
	}
	return fd;
}

/* ---- life ------------------------------------------------------------------ */

static void on_closed(uv_handle_t *handle)
{
	struct pb_mcp *m = handle->data;

	if (--m->handles)
		return;
	if (m->front.fd >= 0)
		close(m->front.fd);
	if (m->back.fd >= 0)
		close(m->back.fd);
	pxy_free(m->pxy);
	free(m);
}

void pb_mcp_stop(struct pb_mcp *m)
{
	if (!m)
		return;
	uv_poll_stop(&m->front.poll);
	uv_poll_stop(&m->back.poll);
	close(m->front.fd);
	close(m->back.fd);
	m->front.fd = m->back.fd = -1;
	uv_close((uv_handle_t *)&m->front.poll, on_closed);
	uv_close((uv_handle_t *)&m->back.poll, on_closed);
	uv_close((uv_handle_t *)&m->timer, on_closed);
}

static int poll_port(struct pb_mcp *m, uv_loop_t *loop, struct port *p, uv_poll_cb cb)
{
	int err = uv_poll_init(loop, &p->poll, p->fd);

	if (err)
		return err;
	p->m = m;
	p->poll.data = m;
	m->handles++;
	p->events = UV_READABLE;
	return uv_poll_start(&p->poll, UV_READABLE, cb);
}

static int configure(struct pb_mcp *m, const struct pb_mcp_conf *c)
{
	int err = pxy_set_service(m->pxy, c->service, c->svc, c->allow, c->n_allow);

	if (err)
		return err;
	pxy_set_ring(m->pxy, c->ring, c->backends, c->n);
	m->token = c->token;
	m->arg = c->arg;
	return 0;
}

/* Before the first handle: nothing but memory and descriptors. */
static int prepare(struct pb_mcp *m, const struct pb_mcp_conf *c)
{
	int err = pxy_new(&m->pxy, &ops, m, c->limits, pb_now_ns());

	if (!err)
		err = configure(m, c);
	if (err)
		return err;
	m->front.fd = open_socket(&c->svc->vip, c->svc->port);
	if (m->front.fd < 0)
		return m->front.fd;
	m->back.fd = open_back(c->svc);
	return m->back.fd < 0 ? m->back.fd : 0;
}

static void give_up(struct pb_mcp *m)
{
	if (m->front.fd >= 0)
		close(m->front.fd);
	if (m->back.fd >= 0)
		close(m->back.fd);
	pxy_free(m->pxy);
	free(m);
}

int pb_mcp_start(struct pb_mcp **ret, uv_loop_t *loop, const struct pb_mcp_conf *conf)
{
	struct pb_mcp *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->front.fd = m->back.fd = -1;
	m->vip = conf->svc->vip;
	m->vport = conf->svc->port;
	err = prepare(m, conf);
	if (err) {
		give_up(m);
		return err;
	}
	uv_timer_init(loop, &m->timer);
	m->timer.data = m;
	m->handles = 1;
	err = poll_port(m, loop, &m->front, on_front);
	if (!err)
		err = poll_port(m, loop, &m->back, on_back);
	if (!err) {
		*ret = m;
		return 0;
	}
	uv_close((uv_handle_t *)&m->timer, on_closed);
	if (m->front.m)
		uv_close((uv_handle_t *)&m->front.poll, on_closed);
	if (m->back.m)
		uv_close((uv_handle_t *)&m->back.poll, on_closed);
	return err;
}

int pb_mcp_update(struct pb_mcp *m, const struct pb_mcp_conf *conf)
{
	if (!pb_addr_eq(&m->vip, &conf->svc->vip) || m->vport != conf->svc->port)
		return -EINVAL;
	return configure(m, conf);
}

void pb_mcp_stats(const struct pb_mcp *m, struct pxy_stats *ret)
{
	pxy_get_stats(m->pxy, ret);
}

int pb_mcp_back(const struct pb_mcp *m)
{
	return m->back.fd;
}
