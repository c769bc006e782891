/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <patchbay/addr.h>
#include <patchbay/maps.h>

#include "../util.h"
#include "internal.h"

#define PORT_TRIES 64	    /* a number free in one of four spaces is nearly always free in all */
#define WARN_EVERY_MS 10000 /* an outsider decides how often there is something to warn of */

enum { SOCK_UDP4, SOCK_TCP4, SOCK_UDP6, SOCK_TCP6, _SOCK_MAX };

void pb_names_hold(struct pb_names *n)
{
	n->handles++;
}

void pb_names_drop(struct pb_names *n)
{
	if (--n->handles)
		return;
	free(n->listener);
	free(n);
}

int pb_names_resolver(struct pb_names *n, unsigned index, struct sockaddr_storage *ret)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *sin = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&ss;
	struct pb_addr a;
	__be16 port;
	int err = n->zone.ops->resolver(n->zone.arg, index, &a, &port);

	if (err < 0 || pb_addr_is_any(&a) || !port) {
		n->stats.no_resolver++;
		return err < 0 ? err : -ENOENT;
	}
	if (pb_addr_is_v4(&a)) {
		sin->sin_family = AF_INET;
		sin->sin_port = port;
		sin->sin_addr.s_addr = a.w[3];
	} else {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = port;
		memcpy(&sin6->sin6_addr, a.w, sizeof(a.w));
	}
	*ret = ss;
	return 0;
}

bool pb_names_may_forward(struct pb_names *n, unsigned index, const struct sockaddr *client,
			  bool tcp)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)client;
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)client;
	enum pb_names_may may = PB_NAMES_MAY_NOT;
	struct pb_addr a;
	__be16 port;

	if (client->sa_family == AF_INET) {
		a = pb_addr_v4(sin->sin_addr.s_addr);
		port = sin->sin_port;
	} else {
		memcpy(a.w, &sin6->sin6_addr, sizeof(a.w));
		port = sin6->sin6_port;
	}
	if (n->zone.ops->may_forward)
		may = n->zone.ops->may_forward(n->zone.arg, &a, port, tcp, index);
	n->stats.egress_refused += may == PB_NAMES_MAY_NOT;
	n->stats.egress_audited += may == PB_NAMES_MAY_AUDIT;
	return may != PB_NAMES_MAY_NOT;
}

static void warn_refused(struct pb_names *n, const struct pb_msg_query *q, const char *why)
{
	uint64_t now = uv_now(n->loop);
	char name[PB_MSG_NAME_MAX + 1];

	if (n->warned_ms && now - n->warned_ms < WARN_EVERY_MS) {
		n->unwarned++;
		return;
	}
	pb_msg_name(q, name);
	log_warn("DNS answer for \"%s\" from outside refused: %s (%llu like it not shown)", name,
		 why, (unsigned long long)n->unwarned);
	n->warned_ms = now ? now : 1;
	n->unwarned = 0;
}

enum pb_relay pb_names_check(struct pb_names *n, const struct pb_msg_query *q, bool more,
			     const uint8_t *data, size_t len)
{
	const struct pb_msg_guard guard = {
		.domain = n->zone.domain,
		.pool_contains = n->zone.ops->pool_contains,
		.arg = n->zone.arg,
		.more = more,
	};

	switch (pb_msg_check_reply(&guard, q, data, len)) {
	case PB_MSG_REPLY_OK: return PB_RELAY_PASS;
	case PB_MSG_REPLY_POOL:
		n->stats.pool_answers++;
		warn_refused(n, q, "it holds an address of the pool");
		return PB_RELAY_REFUSE;
	case PB_MSG_REPLY_ZONE:
		n->stats.zone_answers++;
		warn_refused(n, q, "it holds records of our own domain");
		return PB_RELAY_REFUSE;
	case PB_MSG_REPLY_BAD:
		n->stats.bad_answers++;
		warn_refused(n, q, "it cannot be decoded");
		return PB_RELAY_REFUSE;
	case PB_MSG_REPLY_OTHER: break;
	}
	return PB_RELAY_IGNORE;
}

/* ---- ports --------------------------------------------------------------- */

/* Port 0: any free one. */
static int bind_loopback(int which, __be16 port, int *ret_fd)
{
	bool v6 = which == SOCK_UDP6 || which == SOCK_TCP6;
	bool tcp = which == SOCK_TCP4 || which == SOCK_TCP6;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = port,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = port,
				     .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	_cleanup_close_ int fd =
		socket(v6 ? AF_INET6 : AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return -errno;
	if (bind(fd, v6 ? (void *)&sin6 : (void *)&sin, v6 ? sizeof(sin6) : sizeof(sin)) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static bool lacks_v6(int err)
{
	return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL || err == -EPROTONOSUPPORT;
}

static void close_all(int fd[_SOCK_MAX])
{
	for (int i = 0; i < _SOCK_MAX; i++) {
		pb_closep(&fd[i]);
		fd[i] = -1;
	}
}

/* One number in all four spaces. */
static int bind_same(bool *v6, int fd[_SOCK_MAX], __be16 *ret_port)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);
	int err = bind_loopback(SOCK_UDP4, 0, &fd[SOCK_UDP4]);

	if (err < 0)
		return err;
	if (getsockname(fd[SOCK_UDP4], (struct sockaddr *)&sin, &len) < 0)
		return -errno;
	for (int i = SOCK_TCP4; i < _SOCK_MAX; i++) {
		if (i >= SOCK_UDP6 && !*v6)
			break;
		err = bind_loopback(i, sin.sin_port, &fd[i]);
		if (i == SOCK_UDP6 && lacks_v6(err))
			*v6 = false;
		else if (err < 0)
			return err;
	}
	*ret_port = sin.sin_port;
	return 0;
}

static int open_listener(struct pb_names *n, unsigned index)
{
	struct pb_listener *l = &n->listener[index];
	int fd[_SOCK_MAX] = { -1, -1, -1, -1 };
	int err = -EADDRINUSE;

	l->names = n;
	l->index = index;
	for (int try = 0; try < PORT_TRIES && err == -EADDRINUSE; try++) {
		close_all(fd);
		err = bind_same(&n->v6, fd, &l->port);
	}
	if (!err)
		err = pb_udp_listen(l, PB_LOOP4, TAKE_FD(fd[SOCK_UDP4]));
	if (!err)
		err = pb_tcp_listen(l, PB_LOOP4, TAKE_FD(fd[SOCK_TCP4]));
	if (!err && n->v6)
		err = pb_udp_listen(l, PB_LOOP6, TAKE_FD(fd[SOCK_UDP6]));
	if (!err && n->v6)
		err = pb_tcp_listen(l, PB_LOOP6, TAKE_FD(fd[SOCK_TCP6]));
	close_all(fd);
	return err;
}

/* ---- life ---------------------------------------------------------------- */

static void set_default(uint32_t *value, uint32_t def)
{
	if (!*value)
		*value = def;
}

static int init(struct pb_names *n, uv_loop_t *loop, const struct pb_names_conf *conf)
{
	int err = pb_zone_init(&n->zone, conf->domain ? conf->domain : PB_NAMES_DOMAIN, conf->ops,
			       conf->arg, conf->ttl_s);

	if (err < 0)
		return err;
	n->loop = loop;
	n->v6 = true;
	n->n_listeners = conf->n_resolvers ? conf->n_resolvers : PB_RESOLVERS;
	n->limits = conf->limits;
	set_default(&n->limits.answer_ms, 5000);
	set_default(&n->limits.idle_ms, 30000);
	set_default(&n->limits.clients, 256);
	set_default(&n->limits.udp_pending, 1024);
	set_default(&n->limits.tcp_pending, 128);
	TAILQ_INIT(&n->queries);
	TAILQ_INIT(&n->clients);
	n->listener = calloc(n->n_listeners, sizeof(*n->listener));
	return n->listener ? 0 : -ENOMEM;
}

int pb_names_new(struct pb_names **ret, uv_loop_t *loop, const struct pb_names_conf *conf)
{
	struct pb_names *n = calloc(1, sizeof(*n));
	int err = n ? init(n, loop, conf) : -ENOMEM;

	if (err < 0) {
		free(n);
		return err;
	}
	uv_timer_init(loop, &n->deadline);
	n->deadline.data = n;
	pb_names_hold(n);
	for (unsigned i = 0; i < n->n_listeners && !err; i++)
		err = open_listener(n, i);
	if (err < 0) {
		pb_names_free(n);
		return err;
	}
	*ret = n;
	return 0;
}

static void on_deadline_closed(uv_handle_t *handle)
{
	pb_names_drop(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct pb_listener *l = handle->data;

	pb_names_drop(l->names);
}

/* data is set only once the handle was initialised */
static void close_handle(uv_handle_t *handle)
{
	if (handle->data && !uv_is_closing(handle))
		uv_close(handle, on_listener_closed);
}

void pb_names_free(struct pb_names *n)
{
	if (!n || n->closing)
		return;
	n->closing = true;
	for (unsigned i = 0; i < n->n_listeners; i++) {
		for (int f = 0; f < _PB_LOOP_MAX; f++) {
			close_handle((uv_handle_t *)&n->listener[i].udp[f]);
			close_handle((uv_handle_t *)&n->listener[i].tcp[f]);
		}
	}
	pb_proxy_close(n);
	pb_tcp_close(n);
	uv_close((uv_handle_t *)&n->deadline, on_deadline_closed);
}

__be16 pb_names_port(const struct pb_names *n, unsigned index)
{
	return index < n->n_listeners ? n->listener[index].port : 0;
}

int pb_names_has_v6(const struct pb_names *n)
{
	return n->v6;
}

void pb_names_stats(const struct pb_names *n, struct pb_names_stats *ret)
{
	*ret = n->stats;
}
