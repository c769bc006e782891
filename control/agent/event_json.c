/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "event_json.h"

#include <time.h>

#include <patchbay/addr.h>
#include <patchbay/reasons.h>

#include "registry/registry.h"
#include "util.h"

static const struct {
	const char *name, *text;
	char class;
} reasons[_PB_R_MAX] = {
#define PB_X(sym, name, class, help) [PB_R_##sym] = { name, help, #class[0] },
	PB_REASONS(PB_X)
#undef PB_X
};

static const char *const op_names[_PB_OP_MAX] = {
#define PB_X(sym, name) [PB_OP_##sym] = name,
	PB_OPS(PB_X)
#undef PB_X
};

const char *pb_reason_name(unsigned reason)
{
	return reason < _PB_R_MAX ? reasons[reason].name : "?";
}

const char *pb_reason_text(unsigned reason)
{
	return reason < _PB_R_MAX ? reasons[reason].text : "a reason this agent does not know";
}

const char *pb_verdict_name(unsigned reason)
{
	switch (reason < _PB_R_MAX ? reasons[reason].class : 'N') {
	case 'A': return "allow";
	case 'R': return "refuse";
	default: return "note";
	}
}

const char *pb_op_name(unsigned op)
{
	return op < _PB_OP_MAX ? op_names[op] : "?";
}

const char *pb_proto_name(unsigned proto)
{
	static char number[12];

	switch (proto) {
	case PB_PROTO_TCP: return "tcp";
	case PB_PROTO_UDP: return "udp";
	default: snprintf(number, sizeof(number), "%u", proto); return number;
	}
}

char *pb_time_format(int64_t ns, char *buf, size_t len)
{
	time_t s = ns / 1000000000;
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(buf, len, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, len - n, ".%06ldZ", (long)(ns % 1000000000 / 1000));
	return buf;
}

static json_t *addr_json(const struct pb_addr *a, __be16 port)
{
	char text[64];

	if (pb_addr_is_zero(a) && !port)
		return json_null();
	return json_string(pb_addr_port_format(a, port, text, sizeof(text)));
}

static json_t *name_json(const char *name)
{
	return name[0] ? json_string(name) : json_null();
}

/* The kernel's comm need not be UTF-8. */
static json_t *comm_json(const char comm[PB_COMM_LEN])
{
	char text[PB_COMM_LEN];
	size_t n = strnlen(comm, PB_COMM_LEN - 1);

	for (size_t i = 0; i < n; i++)
		text[i] = comm[i] >= ' ' && comm[i] < 127 ? comm[i] : '?';
	text[n] = '\0';
	return json_string(text);
}

static json_t *errno_json(int err)
{
	const char *name = err ? strerrorname_np(-err) : NULL;
	char number[16];

	if (!err)
		return json_null();
	if (name)
		return json_string(name);
	snprintf(number, sizeof(number), "%d", -err);
	return json_string(number);
}

json_t *pb_event_json(const struct pb_event_rec *r, int64_t wall_ns)
{
	const struct pb_event *e = &r->ev;
	char time_text[40], ref[20];

	pb_time_format((int64_t)e->time_ns + wall_ns, time_text, sizeof(time_text));
	snprintf(ref, sizeof(ref), "%llx", (unsigned long long)e->app);
	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:I}",
			 "time", time_text, "app", name_json(r->app), "ref",
			 e->app ? json_string(ref) : json_null(), "peer", name_json(r->peer), "op",
			 pb_op_name(e->op), "proto", pb_proto_name(e->proto), "dest",
			 addr_json(&e->virt, e->vport), "real", addr_json(&e->real, e->rport),
			 "reason", pb_reason_name(e->reason), "verdict", pb_verdict_name(e->reason),
			 "errno", errno_json(e->err), "pid",
			 e->pid ? json_integer(e->pid) : json_null(), "comm", comm_json(e->comm),
			 "cookie", (json_int_t)e->cookie);
}

bool pb_event_wanted(const struct pb_event_filter *f, const struct pb_event_rec *r)
{
	if (f->refused && strcmp(pb_verdict_name(r->ev.reason), "refuse"))
		return false;
	if (!f->by_app)
		return true;
	if (f->name[0])
		return !strcmp(f->name, r->app) || !strcmp(f->name, r->peer);
	return r->ev.app == f->ref || r->ev.peer == f->ref;
}
