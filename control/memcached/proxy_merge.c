/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slow path: one answer of what several servers say, and errors of our own. */
#include <arpa/inet.h>

#include <patchbay/mc_reply.h>

#include "../util.h"
#include "proxy_internal.h"

#define TEMPORARY 0x0086
#define END "END\r\n"
#define END_LEN 5

void pxy_say(struct pxy_req *r, const char *text)
{
	pxy_put(&r->answer, text, strlen(text));
	pxy_put(&r->answer, "\r\n", 2);
}

void pxy_say_binary(struct pxy_req *r, uint16_t status, const char *text)
{
	uint8_t head[PB_MC_BIN_HDR] = { PB_MC_BIN_RES, r->r.opcode };
	uint32_t body = htonl((uint32_t)strlen(text)), opaque = htonl(r->r.opaque);

	head[6] = (uint8_t)(status >> 8);
	head[7] = (uint8_t)status;
	memcpy(head + 8, &body, sizeof(body));
	memcpy(head + 12, &opaque, sizeof(opaque));
	pxy_put(&r->answer, head, sizeof(head));
	pxy_put(&r->answer, text, strlen(text));
}

static void say_failed(struct pxy_req *r)
{
	char line[96];

	if (r->r.proto == PB_MC_BINARY) {
		pxy_say_binary(r, TEMPORARY, "Temporary failure");
		return;
	}
	snprintf(line, sizeof(line), "SERVER_ERROR %s", r->failed);
	pxy_say(r, line);
}

static bool begins(const struct pxy_buf *b, const char *text)
{
	size_t n = strlen(text);

	return b->len >= n && !memcmp(b->p, text, n);
}

static uint32_t status_of(const struct pxy_buf *b)
{
	return b->len >= PB_MC_BIN_HDR ? (uint32_t)b->p[6] << 8 | b->p[7] : 0;
}

/* Would memcached have kept this back? */
static bool hidden(const struct pxy_req *r, const struct pxy_buf *b)
{
	bool binary = r->r.proto == PB_MC_BINARY;

	switch (r->hide) {
	case PXY_HIDE_MISS: return binary ? status_of(b) == 1 : begins(b, "EN\r\n");
	case PXY_HIDE_DONE: return binary ? !status_of(b) : begins(b, "HD") || begins(b, "VA ");
	case PXY_HIDE_ALL:
	case PXY_SILENT: return true;
	}
	return false;
}

static void take_reply(struct pxy_req *r, struct pxy_buf *b)
{
	if (hidden(r, b))
		return;
	if (r->r.proto == PB_MC_BINARY && r->r.flags & PB_MC_F_QUIET)
		b->p[1] = r->r.opcode;
	pxy_drop_buf(&r->answer);
	r->answer = *b;
	*b = (struct pxy_buf){ 0 };
}

/* The values in the order of the keys; an error takes the place of all. */
static void merge_keys(struct pxy_req *r)
{
	for (uint32_t i = 0; i < r->n_calls; i++) {
		struct pxy_buf *b = &r->calls[i].reply;

		if (b->len < END_LEN || memcmp(b->p + b->len - END_LEN, END, END_LEN) ||
		    (b->len > END_LEN && !begins(b, "VALUE "))) {
			take_reply(r, b);
			return;
		}
		pxy_put(&r->answer, b->p, b->len - END_LEN);
		pxy_drop_buf(b);
	}
	pxy_put(&r->answer, END, END_LEN);
}

static bool good(const struct pxy_req *r, const struct pxy_buf *b)
{
	if (r->r.proto == PB_MC_BINARY)
		return !status_of(b);
	return begins(b, "OK") || begins(b, "RESET");
}

/* All say the same, or the first that does not say that it is done. */
static void merge_all(struct pxy_req *r)
{
	struct pxy_buf sum = { 0 };

	if (r->sum && pxy_sum(r, &sum)) {
		take_reply(r, &sum);
		pxy_drop_buf(&sum);
		return;
	}
	pxy_drop_buf(&sum);
	for (uint32_t i = 1; i < r->n_calls; i++)
		if (!good(r, &r->calls[i].reply)) {
			take_reply(r, &r->calls[good(r, &r->calls[0].reply) ? i : 0].reply);
			return;
		}
	take_reply(r, &r->calls[0].reply);
}

void pxy_merge(struct pxy *p, struct pxy_query *q, struct pxy_req *r)
{
	(void)p;
	(void)q;
	if (r->failed) {
		if (r->hide != PXY_HIDE_ALL && r->hide != PXY_SILENT)
			say_failed(r);
		return;
	}
	if (r->hide == PXY_SILENT)
		return;
	switch (r->how) {
	case PXY_ONE: take_reply(r, &r->calls[0].reply); break;
	case PXY_KEYS: merge_keys(r); break;
	case PXY_ALL: merge_all(r); break;
	}
}
