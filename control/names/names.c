/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <patchbay/addr.h>
#include <patchbay/maps.h>

#include "../util.h"
#include "internal.h"

#define WARN_EVERY_MS 10000 /* an outsider decides how often there is something to warn of */

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
		err = pb_listener_open(n, i, &n->listener[i]);
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

void pb_names_free(struct pb_names *n)
{
	if (!n || n->closing)
		return;
	n->closing = true;
	pb_proxy_close(n, NULL);
	pb_tcp_close(n, NULL);
	for (unsigned i = 0; i < n->n_listeners; i++)
		pb_listener_close(TAKE_PTR(n->listener[i]));
	uv_close((uv_handle_t *)&n->deadline, on_deadline_closed);
}

__be16 pb_names_port(const struct pb_names *n, unsigned index)
{
	return index < n->n_listeners ? n->listener[index]->port : 0;
}

uint64_t pb_names_used_ms(const struct pb_names *n, unsigned index)
{
	return index < n->n_listeners ? n->listener[index]->used_ms : 0;
}

int pb_names_renew(struct pb_names *n, unsigned index)
{
	struct pb_listener *fresh = NULL, *old;
	int err = index < n->n_listeners ? pb_listener_open(n, index, &fresh) : -EINVAL;

	if (err < 0)
		return err;
	old = n->listener[index];
	n->listener[index] = fresh;
	pb_proxy_close(n, old);
	pb_tcp_close(n, old);
	pb_listener_close(old);
	return 0;
}

int pb_names_has_v6(const struct pb_names *n)
{
	return n->v6;
}

void pb_names_stats(const struct pb_names *n, struct pb_names_stats *ret)
{
	*ret = n->stats;
}
