// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Queries of Serf: spread, and answered where they are Serf's own. */
#include "swim_internal.h"

#define ANSWER_CAP 1024

enum serf_status { SERF_ALIVE = 1, SERF_LEAVING, SERF_LEFT, SERF_FAILED };

static uint8_t status(const struct swim_member *m)
{
	if (swim_is_live(m))
		return m->leaving ? SERF_LEAVING : SERF_ALIVE;
	return m->state == GSP_STATE_LEFT ? SERF_LEFT : SERF_FAILED;
}

/* Filters by tag hold a regular expression of Go's, which nobody can be asked to match here: those
 * are for others. */
static bool passes(const struct swim *s, struct gsp_list filters)
{
	struct gsp_bytes raw, name;
	struct gsp_filter f;

	while (gsp_list_take_bytes(&filters, &raw)) {
		bool in = false;

		if (gsp_filter_decode(&f, raw.p, raw.n) < 0 || f.type != GSP_FILTER_NODE)
			return false;
		while (gsp_list_take_bytes(&f.nodes, &name))
			in = in || gsp_bytes_eq(name, swim_name(s->me));
		if (!in)
			return false;
	}
	return true;
}

/* To members only: the address is whatever the asker wrote there. */
static void respond(struct swim *s, const struct gsp_serf_query *q, uint32_t flags,
		    struct gsp_bytes payload)
{
	struct gsp_serf_response r = { .ltime = q->ltime,
				       .id = q->id,
				       .from = swim_name(s->me),
				       .flags = flags,
				       .payload = payload };
	struct swim_addr to = swim_addr(&q->addr, q->port);
	const struct swim_member *m = swim_by_addr(s, &to);
	uint8_t buf[2 * ANSWER_CAP];
	int n;

	if (!m || m == s->me)
		return;
	buf[0] = GSP_USER;
	n = gsp_serf_response_encode(&r, buf + 1, sizeof(buf) - 1);
	if (n > 0 && (size_t)n < s->conf.packet_max) {
		s->stats.answers++;
		swim_send(s, &to, m->ours, buf, (size_t)n + 1);
	}
}

/* Who has the name?  The one in question does not vote. */
static void answer_conflict(struct swim *s, const struct gsp_serf_query *q)
{
	const struct swim_member *m = swim_get(s, q->payload);
	struct gsp_serf_conflict c;
	uint8_t buf[ANSWER_CAP];
	int n;

	if (!m || m == s->me)
		return;
	c = (struct gsp_serf_conflict){ .name = swim_name(m),
					.addr = m->addr.ip,
					.port = m->addr.port,
					.status = status(m),
					.vsn = m->vsn };
	if (!m->meta_len || gsp_serf_tags_decode(&c.tags, m->meta, m->meta_len) < 0)
		c.tags = (struct gsp_list){ 0 };
	n = gsp_serf_conflict_encode(&c, buf, sizeof(buf));
	if (n > 0)
		respond(s, q, 0, (struct gsp_bytes){ buf, (uint32_t)n });
}

static bool is_key_query(struct gsp_bytes name)
{
	return gsp_bytes_eq(name, GSP_TEXT("_serf_install-key")) ||
	       gsp_bytes_eq(name, GSP_TEXT("_serf_use-key")) ||
	       gsp_bytes_eq(name, GSP_TEXT("_serf_remove-key")) ||
	       gsp_bytes_eq(name, GSP_TEXT("_serf_list-keys"));
}

static void answer_key(struct swim *s, const struct gsp_serf_query *q)
{
	uint8_t buf[ANSWER_CAP];
	int n;

	if (!s->conf.ops->keys)
		return;
	n = s->conf.ops->keys(s->conf.arg, q->name, q->payload, buf, sizeof(buf));
	if (n >= 0)
		respond(s, q, 0, (struct gsp_bytes){ buf, (uint32_t)n });
}

void swim_on_query(struct swim *s, struct gsp_bytes raw)
{
	struct gsp_serf_query q;
	bool keys;

	if (gsp_serf_query_decode(&q, raw.p, raw.n) < 0) {
		s->stats.bad++;
		return;
	}
	if (!swim_witness(&s->serf.query_clock, q.ltime) ||
	    !swim_seen_add(s, &s->serf.queries, s->serf.query_clock, q.ltime, q.id + 1ULL))
		return;
	s->stats.queries++;
	if (!(q.flags & GSP_QUERY_NO_BROADCAST))
		swim_broadcast_serf(s, 0, raw.p, raw.n);
	keys = is_key_query(q.name);
	if (!passes(s, q.filters) || (keys && !s->conf.ops->keys))
		return;
	if (q.flags & GSP_QUERY_ACK)
		respond(s, &q, GSP_QUERY_ACK, (struct gsp_bytes){ 0 });
	if (keys)
		answer_key(s, &q);
	else if (gsp_bytes_eq(q.name, GSP_TEXT("_serf_conflict")))
		answer_conflict(s, &q);
}
