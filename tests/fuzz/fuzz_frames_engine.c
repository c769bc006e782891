// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The frame engine, with clients that send and take as they like and servers that answer, stall and end
 * as they like.  What a client was told is what a model says: every request has its own answer, in
 * its turn; or, when something broke, its error; a reset only in the middle of an answer.  A server sees
 * the requests of one client in their order.  Memory is bounded, and given back.
 *
 * Input: pairs of bytes, what happens and to whom.
 */
#include <stdint.h>

#include "tests/fuzz/frames_model.h"
#include "tests/lib/frames_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENTS 5
#define MEMORY (16u << 20)
#define BODY 100000u

static struct {
	struct wsock *s;
	struct buf say, must; /* to be sent; what the answers are made of: "kind server text\n" */
	unsigned seq;
	bool eof, over, lost;
} cl[CLIENTS];

static struct {
	struct buf say;
	size_t body;
} sv[WORLD_SOCKS];

static uint64_t ids = 10;
static unsigned last_seq[16][CLIENTS]; /* by server, of this life */
/* ---- servers ------------------------------------------------------------------- */

/* "... CLIENT SEQ\n" */
static void in_order(const struct wsock *s, const char *line)
{
	const char *c = strchr(line, '@');
	unsigned who = (unsigned)(c[1] - '0'), seq = (unsigned)atoi(c + 2);

	REQUIRE(who < CLIENTS);
	REQUIRE(seq >= last_seq[s->server][who]);
	last_seq[s->server][who] = seq;
}

/* The requests that are all there. */
static void serve(unsigned i)
{
	struct wsock *s = &wsocks[i];

	while (s->open && s->at < s->len) {
		char *line = s->out + s->at, *end;
		size_t n = s->len - s->at;

		if (sv[i].body) {
			n = n < sv[i].body ? n : sv[i].body;
			s->at += n;
			sv[i].body -= n;
			continue;
		}
		end = memchr(line, '\n', n);
		if (!end)
			return;
		if (s->id >= ids - 3) /* not one of before a reload */
			in_order(s, line);
		s->at += (size_t)(end + 1 - line);
		if (*line == '#')
			sv[i].body = line_number((__u8 *)line + 3);
		if (*line != 'm')
			reply(&sv[i].say, s->server, line, true);
	}
}

static void answer(unsigned i, size_t n)
{
	struct wsock *s = &wsocks[i];
	struct buf *b = &sv[i].say;

	serve(i);
	while (n && s->open && s->read && b->at < b->len) {
		size_t k = b->len - b->at < n ? b->len - b->at : n;

		b->at += k;
		n -= k;
		w_data(s, b->p + b->at - k, k);
	}
}

/* ---- clients --------------------------------------------------------------------- */

/* One more request, and what comes of it. */
static void ask(unsigned c, unsigned kind)
{
	unsigned a = kind / 8 % 3, b = kind / 24 % 3, seq = cl[c].seq++;
	char line[64];

	switch (kind % 8) {
	case 0: snprintf(line, sizeof(line), "*x@%u%u\n", c, seq); break;
	case 1: snprintf(line, sizeof(line), "+%u%u @%u%u\n", a, b, c, seq); break;
	case 2: snprintf(line, sizeof(line), "!a%u\n", seq); break;
	case 3:
		snprintf(line, sizeof(line), "#%u %u @%u%u\n", a, b ? kind * 7 : BODY, c, seq);
		break;
	case 4: snprintf(line, sizeof(line), "w%u @%u%u\n", a, c, seq); break;
	case 5: snprintf(line, sizeof(line), b ? "-%u\n" : "m%u @%u%u\n", a, c, seq); break;
	default: snprintf(line, sizeof(line), "%u k@%u%u\n", a, c, seq); break;
	}
	adds(&cl[c].say, line);
	adds(&cl[c].must, line);
	if (*line == '#')
		add(&cl[c].say, body(), b ? kind * 7 : BODY);
}

static void send_some(unsigned c, size_t n)
{
	struct buf *b = &cl[c].say;

	while (n && b->at < b->len && cl[c].s->open && cl[c].s->read) {
		size_t k = b->len - b->at < n ? b->len - b->at : n;

		k = k < 65536 ? k : 65536;
		b->at += k;
		n -= k;
		w_data(cl[c].s, b->p + b->at - k, k);
		if (n)
			w_turn();
	}
}

/* ---- the model ------------------------------------------------------------------- */

/* @all: everything must have been answered. */
static void check_client(unsigned c)
{
	const char *at = cl[c].s->out ? cl[c].s->out : "", *line = cl[c].must.p;
	bool cut = !cl[c].s->open && cl[c].s->how == FE_RESET;
	bool all = !cl[c].lost && !cut && !cl[c].eof;

	REQUIRE(!cut || faults || cl[c].lost);
	for (; line && *line; line = strchr(line, '\n') + 1)
		if (!check(&at, line)) {
			REQUIRE(!all);
			break;
		}
	if (!line || !*line)
		REQUIRE(!*at);
}

/* ---- what happens ------------------------------------------------------------------ */

static void reload(unsigned who)
{
	faults = true;
	if (who % 2) {
		ids += 3;
		memset(last_seq, 0, sizeof(last_seq));
	}
	w_servers(3, who / 2 % 8 == 7 ? 0 : who / 2 % 8, ids - 3);
}

static void on_link(unsigned what, unsigned i, size_t n)
{
	struct wsock *s = &wsocks[i];

	if (!s->open)
		return;
	switch (what) {
	case 0: answer(i, n); break;
	case 1: w_room(s, n % 3 ? n * 16 : SIZE_MAX); break;
	case 2:
		faults = true;
		if (n % 2)
			fe_link_eof(s->of);
		else
			fe_link_error(s->of);
		break;
	default:
		faults = true;
		s->broken = n % 4 == 0;
		break;
	}
}

static void on_client(unsigned what, unsigned c, size_t n)
{
	struct wsock *s = cl[c].s;

	if (!s->open || cl[c].lost)
		return;
	switch (what) {
	case 0:
		if (!cl[c].eof)
			send_some(c, n);
		break;
	case 1: w_room(s, n % 3 ? n * 16 : SIZE_MAX); break;
	case 2:
		if (cl[c].eof || n % 4)
			break;
		cl[c].eof = true;
		fe_client_eof(s->client);
		break;
	default:
		if (n % 8)
			break;
		cl[c].lost = true;
		if (n % 16)
			fe_client_error(s->client);
		else
			s->broken = true;
		break;
	}
}

static void happens(unsigned what, unsigned who)
{
	static const size_t some[] = { 1, 2, 3, 7, 20, 300, 5000, 200000 };
	size_t n = some[who >> 5];
	unsigned c = who % CLIENTS;

	switch (what % 16) {
	case 0:
	case 1:
	case 2:
	case 3: ask(c, what >> 4 | (who >> 3) << 4); break;
	case 4:
	case 5:
	case 6: on_client(0, c, n); break;
	case 7: on_client(1 + what / 16 % 3, c, who / CLIENTS); break;
	case 8:
	case 9:
	case 10:
	case 11:
		for (unsigned i = 0, k = who % 8; i < n_wsocks; i++)
			if (wsocks[i].link && wsocks[i].open && !k--)
				on_link(what % 16 == 11 ? 1 + what / 16 % 3 : 0, i, n);
		break;
	case 12:
		if (what / 16 % 4)
			break;
		faults = true;
		w_tick(who * 10);
		break;
	case 13:
		if (what / 16 % 4 == 0)
			reload(who);
		break;
	default: w_turn(); break;
	}
	REQUIRE(fe_proc_memory(wproc) < MEMORY);
}

/* Everybody goes on until nothing moves. */
static void settle(void)
{
	w_servers(3, 0, ids - 3);
	for (unsigned round = 0; round < 2000; round++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < n_wsocks; i++) {
			if (wsocks[i].open)
				w_room(&wsocks[i], SIZE_MAX);
			if (wsocks[i].link)
				answer(i, 200000);
			sum += wsocks[i].len + wsocks[i].at + sv[i].say.at;
		}
		for (unsigned c = 0; c < CLIENTS; c++) {
			if (!cl[c].eof && !cl[c].lost)
				send_some(c, 200000);
			sum += cl[c].say.at;
		}
		w_turn();
		for (unsigned i = 0; i < n_wsocks; i++)
			sum -= wsocks[i].len + wsocks[i].at + sv[i].say.at;
		for (unsigned c = 0; c < CLIENTS; c++)
			sum -= cl[c].say.at;
		if (!sum && round > 3)
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fe_limits lim = { .calls = 8, .flood = 1u << 30 };

	faults = false;
	ids = 10;
	memset(last_seq, 0, sizeof(last_seq));
	line_tells = 1;
	w_new(&lim, 64 << 20);
	w_servers(3, 0, ids - 3);
	for (unsigned c = 0; c < CLIENTS; c++)
		cl[c].s = w_client();
	for (size_t i = 0; i + 1 < size && i < 1000; i += 2)
		happens(data[i], data[i + 1]);
	settle();
	for (unsigned c = 0; c < CLIENTS; c++) {
		check_client(c);
		free(cl[c].say.p);
		free(cl[c].must.p);
	}
	for (unsigned i = 0; i < n_wsocks; i++)
		free(sv[i].say.p);
	memset(sv, 0, n_wsocks * sizeof(*sv));
	memset(cl, 0, sizeof(cl));
	w_free();
	return 0;
}
