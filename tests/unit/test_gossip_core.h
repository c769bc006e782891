/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One node whose network is this file: what it sends is kept, what it hears is made up. */
#ifndef TEST_GOSSIP_CORE_H
#define TEST_GOSSIP_CORE_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "control/gossip/swim_internal.h"

#define UNIX 1790000000u
#define DAY 86400u
#define KEEP 4096 /* messages sent */
#define OURS \
	"\xff\x81\xa8patchbay\xa1" \
	"1"

struct sent {
	struct swim_addr to;
	uint8_t type; /* of the message, or GSP_SERF_OURS for a record */
	uint16_t n;
	uint8_t data[1200];
};

static struct {
	struct swim *s;
	uint64_t now;
	struct sent sent[KEEP];
	unsigned n_sent, packets;
	size_t packet_n[KEEP]; /* sizes */
	unsigned events[16];
	struct swim_event last;
	uint8_t exchange[65536]; /* the last one begun */
	size_t exchange_n;
	struct swim_addr exchange_to;
	uint64_t exchange_id;
	unsigned exchanges;
	bool refuse; /* to begin one */
	struct gsp_packet_scratch scratch;
} t;

__attribute__((unused)) static struct swim_addr at(unsigned i)
{
	return (struct swim_addr){ .ip = { { 10, 0, (uint8_t)(i >> 8), (uint8_t)i }, 4 },
				   .port = 7946 };
}

static struct swim_addr sent_to;

static void keep(void *arg, const uint8_t *msg, size_t n)
{
	struct sent *k = &t.sent[t.n_sent++];

	(void)arg;
	cr_assert_lt(t.n_sent, KEEP);
	cr_assert_leq(n, sizeof(k->data));
	k->to = sent_to;
	k->type = msg[0];
	k->n = (uint16_t)n;
	memcpy(k->data, msg, n);
}

static void on_send(void *arg, const struct swim_addr *to, const uint8_t *p, size_t n)
{
	static const struct gsp_layers pool;

	(void)arg;
	cr_assert_lt(t.packets, KEEP);
	t.packet_n[t.packets++] = n;
	sent_to = *to;
	cr_assert_eq(gsp_packet_open(&pool, &t.scratch, p, n, keep, NULL), 0);
}

static int on_exchange(void *arg, uint64_t id, const struct swim_addr *to, const uint8_t *p,
		       size_t n)
{
	(void)arg;
	if (t.refuse)
		return -EHOSTUNREACH;
	cr_assert_leq(n, sizeof(t.exchange));
	memcpy(t.exchange, p, n);
	t.exchange_n = n;
	t.exchange_to = *to;
	t.exchange_id = id;
	t.exchanges++;
	return 0;
}

static void on_event(void *arg, const struct swim_event *ev)
{
	(void)arg;
	t.events[ev->type]++;
	t.last = *ev;
}

static struct swim_ops ops = { .send = on_send, .exchange = on_exchange, .event = on_event };

/* "me", with everything periodic far away: what happens is what the test makes happen. */
__attribute__((unused)) static struct swim_conf quiet(void)
{
	struct swim_conf c;

	swim_conf_default(&c, SWIM_LAN);
	c.name = GSP_TEXT("me");
	c.addr = at(0);
	c.meta = GSP_TEXT(OURS);
	c.unix_s = UNIX;
	c.seed = 1;
	c.ops = &ops;
	return c;
}

static void forget(void)
{
	t.n_sent = t.packets = t.exchanges = 0;
	memset(t.events, 0, sizeof(t.events));
}

__attribute__((unused)) static void start(const struct swim_conf *c)
{
	memset(&t, 0, sizeof(t));
	t.now = 5000;
	cr_assert_eq(swim_new(&t.s, c, t.now), 0);
	swim_timer_stop(&t.s->heap, &t.s->t_probe);
	swim_timer_stop(&t.s->heap, &t.s->t_gossip);
	swim_timer_stop(&t.s->heap, &t.s->t_sync);
	swim_timer_stop(&t.s->heap, &t.s->t_rejoin);
}

__attribute__((unused)) static void stop(void)
{
	swim_free(t.s);
	t.s = NULL;
}

__attribute__((unused)) static void hear(unsigned from, const uint8_t *p, int n)
{
	struct swim_addr a = at(from);

	cr_assert_gt(n, 0);
	swim_message(t.s, t.now, &a, p, (size_t)n);
}

/* Goes on for ms, with every timer in its time. */
__attribute__((unused)) static void wait_ms(uint64_t ms)
{
	uint64_t until = t.now + ms, next;

	while ((next = swim_next(t.s)) <= until) {
		t.now = next > t.now ? next : t.now;
		swim_tick(t.s, t.now);
	}
	t.now = until;
	swim_tick(t.s, t.now);
}

static const char *name_of(unsigned i)
{
	static char text[4][16];
	static unsigned turn;
	char *p = text[turn++ % 4];

	snprintf(p, 16, i ? "n%u" : "me", i);
	return p;
}

__attribute__((unused)) static void alive_at(unsigned i, uint32_t inc, struct swim_addr a,
					     const char *meta)
{
	struct gsp_alive m = {
		inc, GSP_TEXT(name_of(i)), a.ip, a.port, GSP_TEXT(meta), GSP_VSN_OURS
	};
	uint8_t buf[1024];

	hear(1, buf, gsp_alive_encode(&m, buf, sizeof(buf)));
}

__attribute__((unused)) static void alive(unsigned i, uint32_t inc)
{
	alive_at(i, inc, at(i), OURS);
}

__attribute__((unused)) static void suspect(unsigned i, uint32_t inc, unsigned from)
{
	struct gsp_suspect m = { inc, GSP_TEXT(name_of(i)), GSP_TEXT(name_of(from)) };
	uint8_t buf[1024];

	hear(from, buf, gsp_suspect_encode(&m, buf, sizeof(buf)));
}

__attribute__((unused)) static void dead(unsigned i, uint32_t inc, unsigned from)
{
	struct gsp_dead m = { inc, GSP_TEXT(name_of(i)), GSP_TEXT(name_of(from)) };
	uint8_t buf[1024];

	hear(from, buf, gsp_dead_encode(&m, buf, sizeof(buf)));
}

static struct swim_member *member(unsigned i)
{
	return swim_get(t.s, GSP_TEXT(name_of(i)));
}

__attribute__((unused)) static int state(unsigned i)
{
	return member(i) ? member(i)->state : -1;
}

/* The first message of that type in what was sent, from *at on; NULL: none. */
__attribute__((unused)) static const struct sent *said(uint8_t type, unsigned *from)
{
	for (unsigned i = from ? *from : 0; i < t.n_sent; i++) {
		if (t.sent[i].type == type) {
			if (from)
				*from = i + 1;
			return &t.sent[i];
		}
	}
	return NULL;
}

__attribute__((unused)) static unsigned times_said(uint8_t type)
{
	unsigned from = 0, n = 0;

	while (said(type, &from))
		n++;
	return n;
}

/* What is queued about members: drops it, and says whether something was. */
__attribute__((unused)) static bool spread(unsigned i)
{
	uint64_t key = swim_hash(t.s, GSP_TEXT(name_of(i)));
	bool had = swim_queue_has(&t.s->q_member, key);

	swim_queue_drop(&t.s->q_member, key);
	return had;
}

#endif /* TEST_GOSSIP_CORE_H */
