// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A pool's life: start, timers, good-bye, the end. */
#include "pool_internal.h"

#include <sys/random.h>
#include <time.h>

void gsp_pool_conf_default(struct gsp_pool_conf *conf)
{
	*conf = (struct gsp_pool_conf){
		.datagram = 1200,
		.datagram_in = 16384,
		.strangers = 1000,
		.conns = 128,
		.conns_source = 16,
		.idle_ms = 10000,
		.total_ms = 30000,
		.exchange_ms = 10000,
		.stranger_bytes = 4 << 20,
		.stream_bytes = 64 << 20,
	};
}

uint64_t pool_ms(void)
{
	return uv_hrtime() / 1000000;
}

static uint32_t unix_s(const struct gsp_pool *p)
{
	return p->ops.unix_s ? p->ops.unix_s(p->conf.arg) : (uint32_t)time(NULL);
}

int pool_nonce(struct gsp_pool *p, uint8_t nonce[GSP_NONCE_LEN])
{
	if (p->random_left < GSP_NONCE_LEN) {
		if (getrandom(p->random, sizeof(p->random), 0) != sizeof(p->random))
			return -EIO;
		p->random_left = sizeof(p->random);
	}
	p->random_left -= GSP_NONCE_LEN;
	memcpy(nonce, p->random + p->random_left, GSP_NONCE_LEN);
	return 0;
}

void pool_refused(struct gsp_pool *p, const struct swim_addr *from, int err, uint64_t *counter)
{
	uint64_t now = pool_ms();

	++*counter;
	if (!p->ops.refused || now < p->refused_at)
		return;
	p->refused_at = now + 1000;
	p->ops.refused(p->conf.arg, from, err);
}

/* ---- what the core asks for ------------------------------------------------------------------ */

static void on_event(void *arg, const struct swim_event *ev)
{
	struct gsp_pool *p = arg;

	if (ev->type == SWIM_EV_GONE)
		p->gone = true;
	if (p->ops.event)
		p->ops.event(p->conf.arg, ev);
}

static void on_record(void *arg, const struct swim_addr *from, struct gsp_bytes record)
{
	struct gsp_pool *p = arg;

	if (p->ops.record)
		p->ops.record(p->conf.arg, from, record);
}

static size_t on_digest(void *arg, uint8_t *buf, size_t cap)
{
	struct gsp_pool *p = arg;

	return p->ops.digest ? p->ops.digest(p->conf.arg, buf, cap) : 0;
}

static void on_merge(void *arg, const struct swim_addr *from, struct gsp_bytes digest)
{
	struct gsp_pool *p = arg;

	if (p->ops.merge)
		p->ops.merge(p->conf.arg, from, digest);
}

static size_t on_hash(void *arg, uint8_t *buf, size_t cap)
{
	struct gsp_pool *p = arg;

	return p->ops.hash ? p->ops.hash(p->conf.arg, buf, cap) : 0;
}

static void on_hash_seen(void *arg, const struct swim_member *m, struct gsp_bytes hash)
{
	struct gsp_pool *p = arg;

	if (p->ops.hash_seen)
		p->ops.hash_seen(p->conf.arg, m, hash);
}

#define CORE_OPS \
	.send = pool_udp_send, .exchange = pool_exchange, .event = on_event, .record = on_record, \
	.digest = on_digest, .merge = on_merge, .hash = on_hash, .hash_seen = on_hash_seen

static const struct swim_ops core_ops = { CORE_OPS };
static const struct swim_ops core_ops_keys = { CORE_OPS, .keys = pool_serf_keys };

static void retag(struct gsp_pool *p)
{
	uint8_t meta[GSP_META_MAX];
	int n = pool_meta(p, meta);

	p->retag = false;
	if (n > 0) /* else the tags leave no room for the keys: others do not hear of them */
		swim_set_meta(p->swim, pool_ms(), (struct gsp_bytes){ meta, (uint32_t)n });
}

static void on_gone(uv_timer_t *t)
{
	struct gsp_pool *p = t->data;
	void (*left)(void *arg) = p->left;

	p->left = NULL;
	if (left)
		left(p->left_arg); /* may have freed the pool */
}

static void on_timer(uv_timer_t *t)
{
	struct gsp_pool *p = t->data;
	uint64_t now = pool_ms();

	p->armed = UINT64_MAX;
	swim_set_unix(p->swim, now, unix_s(p));
	swim_tick(p->swim, now);
	pool_accept_retry(p);
	pool_after(p);
}

static void silence(struct gsp_pool *p)
{
	if (p->silent)
		return;
	p->silent = true;
	uv_udp_recv_stop(&p->udp);
	pool_conns_close(p, -ESHUTDOWN);
	uv_timer_start(&p->timer, on_gone, 0, 0);
}

void pool_after(struct gsp_pool *p)
{
	uint64_t next, now;

	if (p->freed)
		return;
	if (p->retag && !p->gone)
		retag(p);
	if (p->gone) {
		silence(p);
		return;
	}
	next = swim_next(p->swim);
	if (next == p->armed)
		return;
	p->armed = next;
	if (next == UINT64_MAX) {
		uv_timer_stop(&p->timer);
		return;
	}
	now = pool_ms();
	uv_update_time(p->conf.loop);
	uv_timer_start(&p->timer, on_timer, next > now ? next - now : 0, 0);
}

/* ---- start ----------------------------------------------------------------------------------- */

static int check(const struct gsp_pool_conf *c)
{
	const struct gsp_addr *ip = c->advertise.ip.len ? &c->advertise.ip : &c->bind.ip;

	if (!c->loop || !c->name || !*c->name || !c->bind.ip.len || pool_is_any(ip) ||
	    c->n_keys > GSP_KEYS_MAX || c->n_allow > GSP_POOL_ALLOW_MAX || !c->conns ||
	    !c->conns_source || c->datagram_in < c->datagram || c->datagram_in > GSP_DATAGRAM_MAX ||
	    !c->idle_ms || !c->total_ms || !c->exchange_ms || !c->strangers)
		return -EINVAL;
	for (unsigned i = 0; i < c->n_allow; i++) {
		if (c->allow[i].bits > c->allow[i].ip.len * 8)
			return -EINVAL;
	}
	if (c->serf && c->label && *c->label)
		return -EINVAL;
	return c->n_keys || c->insecure ? 0 : -ENOKEY;
}

static int init_layers(struct gsp_pool *p)
{
	const struct gsp_pool_conf *c = &p->conf;
	int err = c->label ? gsp_layers_set_label(&p->layers, c->label) : 0;

	for (unsigned i = 0; i < c->n_keys && !err; i++)
		err = gsp_keyring_add(&p->layers.keys, c->keys[i].bytes, c->keys[i].len);
	explicit_bzero(p->conf.keys, sizeof(p->conf.keys));
	return err;
}

static int start_core(struct gsp_pool *p)
{
	struct swim_conf c;
	uint8_t meta[GSP_META_MAX];
	int n = pool_meta(p, meta);

	if (n < 0)
		return n;
	swim_conf_default(&c, p->conf.profile);
	c.name = GSP_TEXT(p->conf.name);
	c.addr = p->addr;
	c.meta = (struct gsp_bytes){ meta, (uint32_t)n };
	c.unix_s = unix_s(p);
	c.ops = p->conf.serf_keys ? &core_ops_keys : &core_ops;
	c.arg = p;
	if (getrandom(&c.seed, sizeof(c.seed), 0) != sizeof(c.seed))
		return -EIO;
	c.packet_max = p->conf.datagram - (uint32_t)gsp_packet_overhead(&p->layers, false);
	if (c.packet_max > p->conf.datagram)
		return -EINVAL;
	return swim_new(&p->swim, &c, pool_ms());
}

static int start_handles(struct gsp_pool *p, int tcp, int udp)
{
	int err = pool_udp_start(p, udp);

	if (err) {
		close(tcp);
		return err;
	}
	uv_timer_init(p->conf.loop, &p->timer);
	uv_timer_init(p->conf.loop, &p->sweep);
	p->handles += 2;
	p->timer.data = p->sweep.data = p;
	return pool_accept_start(p, tcp);
}

static void destroy(struct gsp_pool *p)
{
	swim_free(p->swim);
	pool_tags_free(p);
	gsp_keyring_fini(&p->layers.keys);
	explicit_bzero(p, sizeof(*p));
	free(p);
}

static int start(struct gsp_pool *p)
{
	int tcp = -1, udp = -1, err = init_layers(p);

	err = err ? err : pool_tags_copy(p, p->conf.tags, p->conf.n_tags);
	err = err ? err : pool_sockets(&p->conf.bind, &tcp, &udp);
	if (err)
		return err;
	p->family = p->conf.bind.ip.len == 4 ? AF_INET : AF_INET6;
	p->addr = p->conf.advertise.ip.len ? p->conf.advertise : p->conf.bind;
	if (!p->addr.port)
		p->addr.port = p->conf.bind.port;
	err = start_core(p);
	if (err) {
		close(tcp);
		close(udp);
		return err;
	}
	return start_handles(p, tcp, udp);
}

int gsp_pool_start(struct gsp_pool **ret, const struct gsp_pool_conf *conf)
{
	struct gsp_pool *p;
	int err = check(conf);

	if (err)
		return err;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->conf = *conf;
	if (conf->ops)
		p->ops = *conf->ops;
	p->armed = UINT64_MAX;
	err = start(p);
	if (err) {
		gsp_pool_free(p);
		return err;
	}
	p->conf.name = p->conf.label = NULL; /* the caller's */
	p->conf.tags = NULL;
	pool_after(p);
	*ret = p;
	return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

void gsp_pool_leave(struct gsp_pool *p, void (*cb)(void *arg), void *arg)
{
	p->left = cb;
	p->left_arg = arg;
	if (p->silent)
		uv_timer_start(&p->timer, on_gone, 0, 0);
	swim_leave(p->swim, pool_ms());
	pool_after(p);
}

void pool_closed(struct gsp_pool *p)
{
	if (!--p->handles && p->freed)
		destroy(p);
}

static void on_closed(uv_handle_t *h)
{
	pool_closed(h->data);
}

static void close_handle(struct gsp_pool *p, uv_handle_t *h)
{
	if (h->data == p && !uv_is_closing(h))
		uv_close(h, on_closed);
}

void gsp_pool_free(struct gsp_pool *p)
{
	if (!p || p->freed)
		return;
	p->freed = true;
	p->ops = (struct gsp_pool_ops){ 0 };
	if (!p->handles) {
		destroy(p);
		return;
	}
	p->handles++; /* until everything is told to close */
	pool_conns_close(p, -ECANCELED);
	close_handle(p, (uv_handle_t *)&p->udp);
	close_handle(p, (uv_handle_t *)&p->listener);
	close_handle(p, (uv_handle_t *)&p->timer);
	close_handle(p, (uv_handle_t *)&p->sweep);
	pool_closed(p);
}
