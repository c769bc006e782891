// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "control/memcached/health.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <patchbay/addr.h>

#include "control/sockaddr.h"
#include "control/util.h"
#include "control/uvpoll.h"

#define FRAME 8
#define NS_PER_MS 1000000ull
#define READS 512 /* datagrams taken at once */

/* What a server was asked last. */
struct asked {
	bool open;
	bool flush;
	uint16_t id;
	uint64_t sent;
	uint64_t replies; /* that the kernel had seen at the last look */
};

struct mch {
	struct mca *m;
	const struct mch_ops *ops;
	void *arg;
	uv_poll_t poll;
	uv_timer_t timer;
	int fd;
	unsigned handles;
	bool held;
	uint64_t next; /* round of questions */
	struct asked asked[PB_MC_SERVERS_MAX];
};

static int find(const struct mca *m, const struct sockaddr_storage *from)
{
	for (unsigned i = 0; i < m->n_servers; i++) {
		struct sockaddr_storage s;
		socklen_t len = pb_to_sockaddr(&m->server[i].addr, m->server[i].port, &s);

		if (!m->server[i].used || s.ss_family != from->ss_family)
			continue;
		if (s.ss_family == AF_INET6) {
			const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&s;
			const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)from;

			if (a->sin6_port == b->sin6_port &&
			    !memcmp(&a->sin6_addr, &b->sin6_addr, sizeof(a->sin6_addr)))
				return (int)i;
		} else if (!memcmp(&s, from, len)) {
			return (int)i;
		}
	}
	return -ENOENT;
}

/* ---- asking -------------------------------------------------------------- */

static void ask(struct mch *h, unsigned i, bool flush, uint64_t now)
{
	const char *text = flush ? "flush_all\r\n" : "version\r\n";
	struct asked *q = &h->asked[i];
	unsigned char msg[FRAME + 16] = { 0 };
	struct sockaddr_storage to;
	socklen_t len = pb_to_sockaddr(&h->m->server[i].addr, h->m->server[i].port, &to);
	size_t n = strlen(text);

	if (getrandom(&q->id, sizeof(q->id), GRND_NONBLOCK) != sizeof(q->id))
		q->id++;
	memcpy(msg, &q->id, sizeof(q->id));
	msg[5] = 1; /* one datagram in all */
	memcpy(msg + FRAME, text, n);
	q->open = true;
	q->flush = flush;
	q->sent = now;
	/* not sent is not answered */
	if (sendto(h->fd, msg, FRAME + n, MSG_DONTWAIT, (struct sockaddr *)&to, len) < 0)
		log_debug("memcached: server %u cannot be asked: %s", i, strerror(errno));
}

static void tell(struct mch *h, unsigned did)
{
	if (did)
		h->ops->did(h->arg, did);
}

/* A server whose replies pass lives, whatever became of the question. */
static bool talks(struct mch *h, unsigned i)
{
	uint64_t n = h->ops->replies(h->arg, i), was = h->asked[i].replies;

	h->asked[i].replies = n;
	return n > was;
}

static void look(struct mch *h, unsigned i, uint64_t now, bool round)
{
	struct mcf *f = &h->m->fence;
	struct asked *q = &h->asked[i];
	bool late = q->open && now - q->sent > h->m->conf->probe_timeout * NS_PER_MS;

	if (late) {
		q->open = false;
		if (talks(h, i) && mcf_serves(f, i))
			tell(h, mcf_answered(f, i, now));
		else
			tell(h, mcf_missed(f, i, now));
	}
	if (q->open)
		return;
	if (!h->held && mcf_wants_flush(f, i, now) && (late || round || !f->s[i].flushes))
		ask(h, i, true, now);
	else if (round)
		ask(h, i, false, now);
}

static void on_timer(uv_timer_t *t)
{
	struct mch *h = t->data;
	uint64_t now = pb_now_ns();
	bool round = now >= h->next;

	if (round)
		h->next = now + h->m->conf->probe_interval * NS_PER_MS;
	for (unsigned i = 0; i < h->m->n_servers; i++) {
		if (h->m->server[i].used && h->m->fence.s[i].state != MCF_FREE)
			look(h, i, now, round);
		else
			h->asked[i].open = false;
	}
	tell(h, mcf_settle(&h->m->fence, now));
}

/* ---- answers ------------------------------------------------------------- */

static void answered(struct mch *h, unsigned i, const unsigned char *msg, size_t n, uint64_t now)
{
	struct asked *q = &h->asked[i];
	const char *want = q->flush ? "OK\r\n" : "VERSION ";
	unsigned did;

	if (!q->open || n < FRAME + strlen(want) || memcmp(msg, &q->id, sizeof(q->id)) != 0 ||
	    msg[4] || msg[5] != 1 || memcmp(msg + FRAME, want, strlen(want)) != 0)
		return;
	q->open = false;
	did = mcf_answered(&h->m->fence, i, now);
	if (q->flush && !h->held)
		did |= mcf_flushed(&h->m->fence, i, q->sent, now);
	tell(h, did);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
	struct mch *h = p->data;
	uint64_t now = pb_now_ns();

	(void)events;
	if (status < 0)
		pb_poll_again(p, UV_READABLE, on_readable);
	for (int k = 0; k < READS; k++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		unsigned char msg[256];
		ssize_t n = recvfrom(h->fd, msg, sizeof(msg), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &len);
		int i;

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) /* what ICMP had to say */
			continue;
		i = find(h->m, &from);
		if (i >= 0)
			answered(h, (unsigned)i, msg, (size_t)n, now);
	}
}

/* ---- life ---------------------------------------------------------------- */

static int open_socket(const struct mca *m)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage at;
	socklen_t len = pb_to_sockaddr(&m->place.source, 0, &at);

	fd = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len))
		return -errno;
	return TAKE_FD(fd);
}

int mch_start(struct mch **ret, uv_loop_t *loop, struct mca *m, const struct mch_ops *ops,
	      void *arg)
{
	struct mch *h = calloc(1, sizeof(*h));
	uint64_t every;
	int err;

	if (!h)
		return -ENOMEM;
	h->m = m;
	h->ops = ops;
	h->arg = arg;
	h->fd = open_socket(m);
	err = h->fd < 0 ? h->fd : uv_poll_init(loop, &h->poll, h->fd);
	if (err) {
		pb_closep(&h->fd);
		free(h);
		return err;
	}
	uv_timer_init(loop, &h->timer);
	h->poll.data = h->timer.data = h;
	h->handles = 2;
	uv_poll_start(&h->poll, UV_READABLE, on_readable);
	every = m->conf->probe_timeout < m->conf->probe_interval ? m->conf->probe_timeout
								 : m->conf->probe_interval;
	every = every / 2 > 10 ? every / 2 : 10;
	uv_timer_start(&h->timer, on_timer, 0, every);
	*ret = h;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	struct mch *h = handle->data;

	if (--h->handles)
		return;
	pb_closep(&h->fd);
	free(h);
}

void mch_stop(struct mch *h)
{
	if (!h)
		return;
	uv_timer_stop(&h->timer);
	uv_poll_stop(&h->poll);
	h->m = NULL;
	uv_close((uv_handle_t *)&h->poll, closed);
	uv_close((uv_handle_t *)&h->timer, closed);
}

void mch_hold(struct mch *h, bool on)
{
	h->held = on;
}

int mch_fd(const struct mch *h)
{
	return h->fd;
}
