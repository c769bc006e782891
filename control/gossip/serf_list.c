/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "serf.h"

#include <errno.h>

#include "fields.h"

/* ---- one element ----------------------------------------------------------------------------- */

static const struct gsp_field event_id_fields[] = {
	GSP_FIELD(gsp_serf_event_id, name, "Name", TEXT, .max = GSP_EVENT_NAME_MAX),
	GSP_FIELD(gsp_serf_event_id, payload, "Payload", BYTES, .max = GSP_PAYLOAD_MAX),
};
static const struct gsp_schema event_id_schema = GSP_SCHEMA(event_id_fields);

static const struct gsp_field events_fields[] = {
	GSP_FIELD(gsp_serf_events, events, "Events", ARRAY),
	GSP_FIELD(gsp_serf_events, ltime, "LTime", U64),
};
static const struct gsp_schema events_schema = GSP_SCHEMA(events_fields);

static struct gsp_bytes read_name(struct gsp_rd *r)
{
	struct gsp_bytes name = gsp_rd_raw(r, GSP_NAME_MAX);

	if (!gsp_name_ok(name))
		gsp_rd_fail(r, -EBADMSG);
	return name;
}

static struct gsp_serf_tag read_tag(struct gsp_rd *r)
{
	struct gsp_serf_tag tag = { .key = gsp_rd_raw(r, GSP_META_MAX) };

	tag.value = gsp_rd_raw(r, GSP_META_MAX);
	return tag;
}

static struct gsp_serf_status read_status(struct gsp_rd *r)
{
	struct gsp_serf_status status = { .node = read_name(r) };

	status.ltime = gsp_rd_uint(r, UINT64_MAX);
	return status;
}

static struct gsp_serf_events read_events(struct gsp_rd *r)
{
	struct gsp_serf_events events = { .nil = r->p < r->end && *r->p == 0xc0 };

	gsp_fields_read(r, &events_schema, &events);
	return events;
}

static struct gsp_serf_event_id read_event(struct gsp_rd *r)
{
	struct gsp_serf_event_id id = { .name = { 0 } };

	gsp_fields_read(r, &event_id_schema, &id);
	return id;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* One element out of its bounds is no reason to refuse the others. */
static void pass_over(struct gsp_list *rest, unsigned each)
{
	struct gsp_rd r = GSP_RD(rest->p, rest->n);
	uint64_t values = each;

	gsp_rd_pass(&r, &values);
	if (r.err) { /* not a list that was decoded or built */
		*rest = (struct gsp_list){ 0 };
		return;
	}
	rest->n -= (uint32_t)(r.p - rest->p);
	rest->p += r.p - rest->p;
	rest->count--;
}

/* @each: values an element consists of */
#define GSP_TAKE(kind, ctype, each, read) \
	bool gsp_list_take_##kind(struct gsp_list *rest, ctype *ret) \
	{ \
		while (rest->count) { \
			struct gsp_rd r = GSP_RD(rest->p, rest->n); \
			ctype v = read; \
\
			pass_over(rest, each); \
			if (!r.err) { \
				*ret = v; \
				return true; \
			} \
		} \
		return false; \
	}

GSP_TAKE(bytes, struct gsp_bytes, 1, gsp_rd_raw(&r, GSP_TEXT_MAX))
GSP_TAKE(name, struct gsp_bytes, 1, read_name(&r))
GSP_TAKE(tag, struct gsp_serf_tag, 2, read_tag(&r))
GSP_TAKE(status, struct gsp_serf_status, 2, read_status(&r))
GSP_TAKE(events, struct gsp_serf_events, 1, read_events(&r))
GSP_TAKE(event, struct gsp_serf_event_id, 1, read_event(&r))

/* ---- writing --------------------------------------------------------------------------------- */

/* Decoded lists have no room: they lie in somebody's message. */
static struct gsp_wr begin(const struct gsp_list *l)
{
	if (!l->p || l->cap <= l->n)
		return (struct gsp_wr){ .err = -ENOBUFS };
	return GSP_WR(l->p + l->n, l->cap - l->n);
}

static int finish(struct gsp_list *l, const struct gsp_wr *w)
{
	if (w->err)
		return w->err;
	l->n = (uint32_t)(w->p - l->p);
	l->count++;
	return 0;
}

int gsp_list_add_bytes(struct gsp_list *l, struct gsp_bytes v)
{
	struct gsp_wr w = begin(l);

	if (v.n > GSP_TEXT_MAX)
		return -EINVAL;
	gsp_wr_raw(&w, v.p, v.n);
	return finish(l, &w);
}

int gsp_list_add_tag(struct gsp_list *l, const struct gsp_serf_tag *v)
{
	struct gsp_wr w = begin(l);

	if (v->key.n > GSP_META_MAX || v->value.n > GSP_META_MAX)
		return -EINVAL;
	gsp_wr_raw(&w, v->key.p, v->key.n);
	gsp_wr_raw(&w, v->value.p, v->value.n);
	return finish(l, &w);
}

int gsp_list_add_status(struct gsp_list *l, const struct gsp_serf_status *v)
{
	struct gsp_wr w = begin(l);

	if (!gsp_name_ok(v->node))
		return -EINVAL;
	gsp_wr_raw(&w, v->node.p, v->node.n);
	gsp_wr_uint(&w, v->ltime);
	return finish(l, &w);
}

int gsp_list_add_events(struct gsp_list *l, const struct gsp_serf_events *v)
{
	struct gsp_wr w = begin(l);

	if (v->nil)
		gsp_wr_nil(&w);
	else
		gsp_fields_write(&w, &events_schema, v);
	return finish(l, &w);
}

int gsp_list_add_event(struct gsp_list *l, const struct gsp_serf_event_id *v)
{
	struct gsp_wr w = begin(l);

	gsp_fields_write(&w, &event_id_schema, v);
	return finish(l, &w);
}
