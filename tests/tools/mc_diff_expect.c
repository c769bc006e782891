// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/tools/mc_diff.h"

static void add_key(struct mc_expect *e, const uint8_t *p, size_t n, int optional)
{
	if (e->keys == MC_DIFF_KEYS) {
		e->open = 1;
		return;
	}
	e->key[e->keys].p = p;
	e->key[e->keys].n = n;
	e->key[e->keys++].optional = optional;
}

static int too_large(const struct pb_mc_req *r)
{
	return r->error == PB_MC_E_SHORT && r->flags & PB_MC_F_VALUE && r->val_len > 1 << 19;
}

/* An opaque too long, and nothing else: mg and ma are done before it is noticed. */
static int noticed_late(struct pb_mc_scan *s, const struct pb_mc_req *r)
{
	const struct pb_mc_meta *m = &s->w->meta;

	if (r->error != PB_MC_E_FORMAT || (r->kind != PB_MC_MGET && r->kind != PB_MC_MARITH))
		return 0;
	return m->opaque && !m->wrong && !m->bad && m->words <= PB_MC_WORDS_MAX &&
	       pb_mc_meta_mode(r, m->mode) && (!(r->flags & PB_MC_F_B64) || pb_mc_b64_key(s));
}

/* The keys that memcached looks up for this request. */
static void add_keys(struct mc_expect *e, struct pb_mc_scan *s, const struct pb_mc_req *r)
{
	int numeric = r->kind == PB_MC_INCR || r->kind == PB_MC_DECR || r->kind == PB_MC_MARITH;
	int many = r->kind <= PB_MC_GATS && r->proto == PB_MC_TEXT;
	int late = noticed_late(s, r);
	/* a value too large is refused, and the old one deleted, before the value is there */
	int large = too_large(r);
	const uint8_t *p = s->data + r->key_off;
	__u32 n = r->key_len;

	if (r->error && !late && !large && !(many && r->error == PB_MC_E_KEY))
		return;
	if (!n)
		return;
	if (r->flags & PB_MC_F_B64) {
		n = pb_mc_b64_key(s);
		memcpy(e->decoded[e->n], s->w->key, sizeof(s->w->key));
		p = e->decoded[e->n];
	}
	add_key(e, p, n, large);
	e->key[e->keys - 1].twice = numeric;
	if (!many)
		return;
	pb_mc_more_keys(s);
	while ((n = pb_mc_next_key(s)) && n <= PB_MC_KEY_MAX)
		add_key(e, s->data + s->w->off, n, 0);
}

void mc_expect(const struct mc_gen *g, struct mc_expect *e)
{
	struct pb_mc_work w;
	struct pb_mc_scan s = pb_mc_scan_init(g->buf, g->buf + g->len, (__u32)g->len, &w);
	__u32 proto = pb_mc_proto_of(&s), at = 0;

	e->n = e->keys = e->stalls = e->quits = e->open = 0;
	while (at < g->len && e->n < MC_DIFF_REQS) {
		struct pb_mc_req r;

		pb_mc_parse(&s, at, proto);
		r = w.req;
		add_keys(e, &s, &r);
		e->req[e->n++] = r;
		e->stalls |= r.error == PB_MC_E_SHORT &&
			     (r.flags & PB_MC_F_VALUE ||
			      (proto == PB_MC_BINARY && g->len - at >= PB_MC_BIN_HDR));
		e->quits |= r.kind == PB_MC_QUIT || r.error == PB_MC_E_MAGIC ||
			    r.error == PB_MC_E_BINARY ||
			    (proto == PB_MC_BINARY && r.error == PB_MC_E_KEY);
		if (e->quits || !r.next)
			return;
		at = r.next;
	}
	e->open |= at < g->len;
}

static int starts(const struct mc_diff *d, const char *with)
{
	size_t n = strlen(with);

	return d->answer_len >= n && !memcmp(d->answer, with, n);
}

/* It closes, or waits, for a later request of the message before it has sent what it said so far; a
 * get of a key too long throws away all answers that wait. */
static int lost(const struct mc_expect *e)
{
	int get = 0;

	for (int i = 1; i < e->n; i++)
		get |= e->req[i].kind <= PB_MC_GATS && e->req[i].error == PB_MC_E_KEY;
	return e->n > 1 && (e->quits || e->stalls || get);
}

/* What came back for the first request. */
static const char *judge_text(const struct mc_diff *d, const struct mc_expect *e)
{
	const struct pb_mc_req *r = &e->req[0];
	int numeric = r->kind == PB_MC_INCR || r->kind == PB_MC_DECR || r->kind == PB_MC_MARITH;
	int silent = r->flags & PB_MC_F_MUTE || (!r->error && r->flags & PB_MC_F_QUIET);

	if (lost(e))
		return NULL;
	if (silent)
		return e->n == 1 && d->answer_len && !(r->flags & PB_MC_F_META)
			       ? "an answer to noreply"
			       : NULL;
	if (too_large(r))
		return NULL;
	if (r->error == PB_MC_E_SHORT || r->kind == PB_MC_QUIT)
		return r->error && d->answer_len ? "an answer to half a request" : NULL;
	if (r->kind == PB_MC_ADMIN)
		return NULL;
	if (!d->answer_len)
		return "no answer";
	if (r->error == PB_MC_E_VERB || r->error == PB_MC_E_ARGS)
		return starts(d, "ERROR\r\n") ? NULL : "not ERROR";
	if (r->error == PB_MC_OK && !numeric && starts(d, "CLIENT_ERROR"))
		return "refused";
	if (r->error == PB_MC_OK)
		return starts(d, "ERROR") ? "unknown" : NULL;
	return starts(d, "CLIENT_ERROR") ? NULL : "not CLIENT_ERROR";
}

static const char *judge_binary(const struct mc_diff *d, const struct mc_expect *e)
{
	const struct pb_mc_req *r = &e->req[0];
	uint32_t status;

	if (too_large(r))
		return NULL;
	if (r->error == PB_MC_E_SHORT || r->error == PB_MC_E_MAGIC)
		return d->answer_len ? "an answer to half a request" : NULL;
	if (!d->answer_len)
		return r->flags & PB_MC_F_QUIET || lost(e) ? NULL : "no answer";
	if (d->answer[0] != PB_MC_BIN_RES)
		return "no binary answer";
	if (r->flags & PB_MC_F_QUIET && e->n > 1)
		return NULL; /* whose answer it is, is not known */
	status = (uint32_t)d->answer[6] << 8 | d->answer[7];
	if (r->error == PB_MC_OK && d->answer[1] == r->opcode)
		return status == 4 || (status == 0x81 && r->kind != PB_MC_SASL) ? "refused" : NULL;
	if (r->error == PB_MC_OK)
		return NULL;
	return status == 4 || status == 0x81 ? NULL : "not refused";
}

static const uint8_t *find(const uint8_t *p, const uint8_t *end, const char *what)
{
	size_t n = strlen(what);

	for (; p + n <= end; p++)
		if (!memcmp(p, what, n))
			return p;
	return NULL;
}

/* The next key that the log names. */
static const uint8_t *next_key(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *a = find(p, end, "> FOUND KEY "), *b = find(p, end, "> NOT FOUND ");

	return !a || (b && b < a) ? b : a;
}

#define KEY_PREFIX 12

static int is_key(const uint8_t *p, const uint8_t *end, const struct mc_key *k)
{
	return (size_t)(end - p) > KEY_PREFIX + k->n && !memcmp(p + KEY_PREFIX, k->p, k->n) &&
	       (p[KEY_PREFIX + k->n] == '\n' || p[KEY_PREFIX + k->n] == ' ');
}

/* incr and decr look a key up that is not there a second time, to make it. */
static const char *compare_keys(const struct mc_diff *d, const struct mc_expect *e, int udp)
{
	const uint8_t *end = d->log + d->log_len, *p = next_key(d->log, end);
	const struct mc_key *twice = NULL;

	for (int i = 0; i < e->keys; i++) {
		const struct mc_key *k = &e->key[i];

		while (p && !is_key(p, end, k) && twice && is_key(p, end, twice))
			p = next_key(p + KEY_PREFIX, end);
		if (p && is_key(p, end, k))
			p = next_key(p + KEY_PREFIX + k->n, end);
		else if (!k->optional)
			return p ? "another key" : "a key less";
		if (k->twice)
			twice = k;
	}
	while (p && twice && is_key(p, end, twice))
		p = next_key(p + KEY_PREFIX, end);
	return p && !e->open && !(udp && e->quits) ? "a key more" : NULL;
}

/* Everything that memcached says is understood, and cut where it is cut. */
static const char *judge_replies(struct mc_diff *d)
{
	struct pb_mc_work w;
	struct pb_mc_scan s =
		pb_mc_scan_init(d->answer, d->answer + d->answer_len, (__u32)d->answer_len, &w);
	__u32 proto = pb_mc_reply_proto(&s), at = 0;

	while (at < d->answer_len) {
		pb_mc_reply(&s, at, proto);
		if (w.rep.error || !w.rep.next)
			return "a reply not understood";
		d->replies[w.rep.kind]++;
		at = w.rep.next;
	}
	return NULL;
}

const char *mc_expect_compare(struct mc_diff *d, const struct mc_expect *e, int udp)
{
	const char *why = compare_keys(d, e, udp);

	for (int i = 0; !udp && i < e->n; i++) {
		d->errors[e->req[i].error]++;
		d->kinds[e->req[i].kind]++;
	}
	why = why ?: judge_replies(d);
	if (why || !e->n)
		return why;
	return e->req[0].proto == PB_MC_BINARY ? judge_binary(d, e) : judge_text(d, e);
}
