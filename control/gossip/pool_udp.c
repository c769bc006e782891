// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets in and out. */
#include "pool_internal.h"

#define RECORD_CAP 8192
#define NOW_PACE 4096 /* packets a second with records that cannot wait */

/* So many a second, at most one second's worth at once: how many are left. */
static uint32_t left_of(struct pool_pace *k, uint32_t pace)
{
	uint64_t now = pool_ms(), more = (now - k->at) * pace / 1000;

	if (more) {
		more += k->left;
		k->left = more < pace ? (uint32_t)more : pace;
		k->at = now;
	}
	return k->left;
}

static void wrong(struct gsp_pool *p, int err)
{
	uint64_t *counter = err == -EPERM	   ? &p->stats.udp_label
			    : err == -EKEYREJECTED ? &p->stats.udp_key
						   : &p->stats.udp_bad;

	if (p->wrong.left)
		p->wrong.left--;
	pool_refused(p, &p->from, err, counter);
}

static void on_message(void *arg, const uint8_t *msg, size_t n)
{
	struct gsp_pool *p = arg;

	swim_message(p->swim, pool_ms(), &p->from, msg, n);
}

void pool_udp_packet(struct gsp_pool *p, const uint8_t *data, size_t n)
{
	int err;

	p->stats.udp_in++;
	p->stats.udp_in_bytes += n;
	if (!pool_allowed(p, &p->from.ip)) {
		pool_refused(p, &p->from, -EACCES, &p->stats.source);
		return;
	}
	/* What cannot be opened costs as much as what can: strangers only have so much of it. */
	if (!left_of(&p->wrong, p->conf.strangers) && !pool_is_member(p, &p->from.ip)) {
		p->stats.udp_flood++;
		return;
	}
	err = gsp_packet_open(&p->layers, &p->scratch, data, n, on_message, p);
	if (err)
		wrong(p, err);
	pool_after(p);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	struct gsp_pool *p = h->data;

	(void)hint;
	*buf = uv_buf_init((char *)p->rx, p->conf.datagram_in);
}

static void on_recv(uv_udp_t *h, ssize_t n, const uv_buf_t *buf, const struct sockaddr *sa,
		    unsigned flags)
{
	struct gsp_pool *p = h->data;

	if (n <= 0 || !sa || p->gone)
		return;
	p->from = pool_from_sockaddr(sa);
	if (flags & UV_UDP_PARTIAL) {
		pool_refused(p, &p->from, -E2BIG, &p->stats.udp_big);
		return;
	}
	pool_udp_packet(p, (const uint8_t *)buf->base, (size_t)n);
}

/* Sealed, in p->tx: its length. */
static int seal(struct gsp_pool *p, const uint8_t *msg, size_t n)
{
	uint8_t nonce[GSP_NONCE_LEN];
	int err = pool_nonce(p, nonce);

	return err ? err : gsp_packet_seal(&p->layers, nonce, false, msg, n, p->tx, sizeof(p->tx));
}

static void send_sealed(struct gsp_pool *p, const struct swim_addr *to, int n)
{
	uv_buf_t buf = uv_buf_init((char *)p->tx, (unsigned)n);
	struct sockaddr_storage sa;

	/* lost like any other packet when there is no room */
	if (n <= 0 || pool_to_sockaddr(p, to, &sa) ||
	    uv_udp_try_send(&p->udp, &buf, 1, (const struct sockaddr *)&sa) < 0) {
		p->stats.udp_dropped++;
		return;
	}
	p->stats.udp_out++;
	p->stats.udp_out_bytes += (unsigned)n;
}

void pool_udp_send(void *arg, const struct swim_addr *to, const uint8_t *msg, size_t n)
{
	struct gsp_pool *p = arg;

	send_sealed(p, to, seal(p, msg, n));
}

static bool wants_records(const struct swim *s, unsigned i, struct swim_view *v)
{
	swim_view(s, swim_at(s, i), v);
	return v->ours && !v->self &&
	       (v->state == GSP_STATE_ALIVE || v->state == GSP_STATE_SUSPECT);
}

/* One text for all: the same packet, sealed once, says nothing more to anybody. */
int gsp_pool_record_now(struct gsp_pool *p, uint64_t key, struct gsp_bytes record)
{
	uint8_t msg[RECORD_CAP] = { GSP_USER, GSP_SERF_OURS }, random[GSP_NONCE_LEN] = { 0 };
	unsigned count, start, left = left_of(&p->now, NOW_PACE);
	struct swim_view v;
	int err, n;

	if (p->gone)
		return -ESHUTDOWN;
	err = gsp_pool_record(p, key, record, true);
	if ((err && err != -ENOBUFS) || record.n + 2 > sizeof(msg))
		return err;
	memcpy(msg + 2, record.p, record.n);
	left = left < GSP_POOL_NOW_MAX ? left : GSP_POOL_NOW_MAX;
	n = left ? seal(p, msg, record.n + 2) : 0;
	count = swim_count(p->swim);
	pool_nonce(p, random);
	start = (random[0] << 8 | random[1]) % count;
	for (unsigned i = 0; i < count && left; i++) {
		if (!wants_records(p->swim, (start + i) % count, &v))
			continue;
		send_sealed(p, &v.addr, n);
		p->stats.records_now++;
		p->now.left--;
		left--;
	}
	return err;
}

int gsp_pool_tell(struct gsp_pool *p, const struct swim_addr *to, struct gsp_bytes record)
{
	uint8_t msg[RECORD_CAP] = { GSP_USER, GSP_SERF_OURS };

	if (p->gone)
		return -ESHUTDOWN;
	if (record.n + 2 > sizeof(msg))
		return -EMSGSIZE;
	if (!left_of(&p->now, NOW_PACE))
		return -EAGAIN;
	memcpy(msg + 2, record.p, record.n);
	send_sealed(p, to, seal(p, msg, record.n + 2));
	p->now.left--;
	return 0;
}

int pool_udp_start(struct gsp_pool *p, int fd)
{
	int err = uv_udp_init(p->conf.loop, &p->udp);

	if (err) {
		close(fd);
		return err;
	}
	p->handles++;
	p->udp.data = p;
	err = uv_udp_open(&p->udp, fd);
	if (err) {
		close(fd);
		return err;
	}
	return uv_udp_recv_start(&p->udp, on_alloc, on_recv);
}
