/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A node and whatever comes: steps of a byte what, two bytes length, and that many bytes.  The codec
 * has targets of its own; here it is about the order of things.
 */
#include <stdlib.h>

#include "control/gossip/swim_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(x) ((x) ? (void)0 : abort())

static uint64_t exchange;

static void on_send(void *arg, const struct swim_addr *to, const uint8_t *p, size_t n)
{
	(void)arg;
	(void)p;
	REQUIRE(to->ip.len && n && n <= SWIM_PACKET_CAP);
}

static int on_exchange(void *arg, uint64_t id, const struct swim_addr *to, const uint8_t *p,
		       size_t n)
{
	(void)arg;
	(void)to;
	REQUIRE(p && n);
	exchange = id;
	return 0;
}

static void on_record(void *arg, const struct swim_addr *from, struct gsp_bytes record)
{
	(void)from;
	swim_record(*(struct swim **)arg, record.n, record, false);
}

static const struct swim_ops ops = { .send = on_send,
				     .exchange = on_exchange,
				     .record = on_record };

static void step(struct swim *s, uint64_t *now, uint8_t what, const uint8_t *p, size_t n)
{
	struct swim_addr from = { { { 10, 0, 0, what >> 3 }, 4 }, 7946 };
	uint8_t *answer;
	size_t answer_n;

	switch (what & 7) {
	case 0: *now += n * 10; break;
	case 1: *now += n * 100000 % 7777777; break;
	case 2:
		swim_request(s, *now, &from, p, n, &answer, &answer_n);
		free(answer);
		break;
	case 3: swim_exchange_end(s, *now, exchange, n ? p : NULL, n); break;
	case 4: swim_seed(s, *now, &from); break;
	case 5: n ? swim_set_meta(s, *now, (struct gsp_bytes){ p, (uint32_t)n }) : 0; break;
	case 6: n > 200 ? swim_leave(s, *now) : (void)0; break;
	default: swim_message(s, *now, &from, p, n);
	}
	swim_tick(s, *now);
	REQUIRE(s->n <= s->conf.members && s->n_live <= s->n && s->n_ours <= s->n_live);
	REQUIRE(s->heap.n <= s->n + 6 + SWIM_PROBES + SWIM_RELAYS);
	REQUIRE(s->q_member.n <= s->conf.members && swim_next(s) > *now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct swim *s = NULL;
	struct swim_conf c;
	uint64_t now = 1000;

	swim_conf_default(&c, SWIM_LAN);
	c.name = GSP_TEXT("n0");
	c.addr = (struct swim_addr){ { { 10, 0, 0, 9 }, 4 }, 7946 };
	c.meta = GSP_TEXT("\xff\x81\xa8patchbay\xa1"
			  "1");
	c.unix_s = 1790000000;
	c.members = 8;
	c.queue_bytes = 4096;
	c.ops = &ops;
	c.arg = &s;
	REQUIRE(!swim_new(&s, &c, now));
	while (size >= 3) {
		size_t n = (size_t)data[1] << 8 | data[2];

		n = n < size - 3 ? n : size - 3;
		step(s, &now, data[0], data + 3, n);
		data += 3 + n;
		size -= 3 + n;
	}
	swim_free(s);
	return 0;
}
