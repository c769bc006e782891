/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ops that explain: events, why, check. */
#include <patchbay/addr.h>

#include "check.h"
#include "events.h"
#include "memcached.h"
#include "ops.h"
#include "util.h"
#include "view.h"

#define WHY_MAX 32 /* decisions, and connections, shown by `why` */

/* A name or a ref; the name need not be alive: its events may be remembered. */
static int parse_filter(struct pb_op_ctx *c, struct pb_event_filter *f)
{
	const char *app = pb_request_string(c->req, "app");
	unsigned long long ref = 0;

	*f = (struct pb_event_filter){ .refused = pb_request_bool(c->req, "refused") };
	if (!app)
		return 0;
	f->by_app = true;
	if (!pb_ref_parse(app, &ref) && pb_registry_by_ref(c->agent->registry, ref)) {
		f->ref = ref;
		return 0;
	}
	if (strlen(app) >= sizeof(f->name) || !app[0])
		return pb_op_fail(c, -EINVAL, "\"%.64s\" is neither a name nor a ref", app);
	strcpy(f->name, app);
	return 0;
}

static int send_event(struct pb_conn *conn, const struct pb_event_rec *r)
{
	json_t *j = json_pack("{s:o}", "event", pb_event_json(r, pb_wall_offset_ns()));
	int err = j ? pb_conn_send(conn, j) : -ENOMEM;

	json_decref(j);
	return err;
}

/* How far back the @last wanted events reach. */
static unsigned reach(const struct pb_agent *a, const struct pb_event_filter *f, unsigned last)
{
	const struct pb_event_rec *r;
	unsigned back = 0;

	while (last && (r = pb_events_at(a, back))) {
		last -= pb_event_wanted(f, r);
		back++;
	}
	return back;
}

int pb_op_events(struct pb_op_ctx *c)
{
	bool follow = pb_request_bool(c->req, "follow");
	/* a follower wants what comes, unless it asks for more */
	long last = pb_request_int(c->req, "last", follow ? 0 : PB_HISTORY);
	struct pb_event_filter f;
	int err = parse_filter(c, &f);

	if (err)
		return err;
	pb_events_drain(c->agent);
	for (unsigned back = reach(c->agent, &f, (unsigned)last); back && !err; back--) {
		const struct pb_event_rec *r = pb_events_at(c->agent, back - 1);

		if (pb_event_wanted(&f, r))
			err = send_event(c->conn, r);
	}
	if (err)
		return pb_op_fail(c, err, "the agent is out of memory");
	if (!follow)
		return 0; /* the last line is {"ok":true} */
	c->streaming = true;
	err = pb_events_follow(c->agent, c->conn, &f);
	return err ? pb_op_fail(c, err, "the event ring cannot be read") : 0;
}

static bool about(const struct pb_agent *a, const struct pb_target *t, const struct pb_event_rec *r)
{
	if (t->port && t->port != r->ev.vport)
		return false;
	if (t->name[0] && !strcmp(t->name, r->peer))
		return true;
	return pb_target_has(a, t, &r->ev.virt);
}

/* What @app itself did towards the target; newest last. */
static json_t *decisions(struct pb_op_ctx *c, const struct pb_target *t, const char *name,
			 uint64_t ref)
{
	json_t *list = json_array();
	const struct pb_event_rec *r;

	for (unsigned back = 0;
	     json_array_size(list) < WHY_MAX && (r = pb_events_at(c->agent, back)); back++) {
		bool mine = ref ? r->ev.app == ref : !strcmp(r->app, name);

		if (mine && about(c->agent, t, r))
			json_array_insert_new(list, 0, pb_event_json(r, pb_wall_offset_ns()));
	}
	return list;
}

/* Live connections of @app to the target, as "flows"; where they cannot be listed, without. */
static void live_flows(struct pb_op_ctx *c, const struct pb_target *t, const char *name,
		       uint64_t ref)
{
	struct pb_flow_ask q = { .name = name, .ref = ref, .dest = t, .limit = WHY_MAX };
	json_t *o = json_object();

	if (o && !pb_view_flows(c->agent, &q, o)) {
		json_object_set(c->out, "flows", json_object_get(o, "flows"));
		json_object_set(c->out, "flows_total", json_object_get(o, "total"));
	}
	json_decref(o);
}

int pb_op_why(struct pb_op_ctx *c)
{
	const char *app = pb_request_string(c->req, "app");
	const char *dest = pb_request_string(c->req, "dest");
	const struct pb_app_rec *src = pb_check_source(c->agent, app);
	unsigned long long ref = 0;
	struct pb_target t;
	json_t *answer;
	int err;

	if (pb_target_parse(dest, &t))
		return pb_op_fail(c, -EINVAL, "\"%.80s\" is not NAME, ADDRESS or either with :PORT",
				  dest);
	if (!src || strcmp(src->app.name, app))
		pb_ref_parse(app, &ref);
	pb_events_drain(c->agent);
	json_object_set_new(c->out, "decisions", decisions(c, &t, app, ref));
	live_flows(c, &t, app, ref);
	json_object_set_new(c->out, "memcached", pb_view_memcached_at(c->agent, &t));
	answer = json_object();
	err = pb_check_json(c->agent, app, dest, PB_PROTO_TCP, answer, c->err);
	if (!err)
		return json_object_set_new(c->out, "answer", answer) ? -ENOMEM : 0;
	json_decref(answer);
	/* a program that has ended can still be asked about */
	if (!json_array_size(json_object_get(c->out, "decisions")))
		return err;
	return json_object_set_new(c->out, "answer", json_null()) ? -ENOMEM : 0;
}

int pb_op_check(struct pb_op_ctx *c)
{
	const char *proto = pb_request_string(c->req, "proto");
	uint8_t number = PB_PROTO_TCP;

	if (proto && !strcmp(proto, "udp"))
		number = PB_PROTO_UDP;
	else if (proto && strcmp(proto, "tcp"))
		return pb_op_fail(c, -EINVAL, "proto is \"%.40s\", but must be tcp or udp", proto);
	return pb_check_json(c->agent, pb_request_string(c->req, "src"),
			     pb_request_string(c->req, "dest"), number, c->out, c->err);
}
