/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "request.h"

#include <ctype.h>
#include <stdlib.h>

#include "depth.h"
#include "util.h"

enum field_type { F_STRING, F_STRINGS, F_TOKEN, F_BOOL, F_INT, F_OBJECT };

struct field {
	const char *name;
	enum field_type type;
	bool required;
};

#define FIELDS_MAX 8

static const struct {
	const char *name;
	bool root_only;
	struct field fields[FIELDS_MAX + 1];
} ops[_PB_REQ_MAX] = {
	[PB_REQ_HELLO] = { "hello", false, { { 0 } } },
	[PB_REQ_RUN] = { "run",
			 false,
			 { { "name", F_STRING, false },
			   { "ips", F_STRINGS, false },
			   { "tags", F_STRINGS, false },
			   { "egress", F_STRING, false },
			   { "local", F_STRING, false },
			   { "mode", F_STRING, false },
			   { "splice", F_STRING, false },
			   { "no_wait", F_BOOL, false } } },
	[PB_REQ_APPS] = { "apps", false, { { 0 } } },
	[PB_REQ_SERVICES] = { "services", false, { { 0 } } },
	[PB_REQ_ENDPOINTS] = { "endpoints", false, { { "service", F_STRING, false } } },
	[PB_REQ_STATUS] = { "status", false, { { 0 } } },
	[PB_REQ_FLOWS] = { "flows",
			   false,
			   { { "app", F_STRING, false },
			     { "spliced", F_BOOL, false },
			     { "limit", F_INT, false } } },
	[PB_REQ_EVENTS] = { "events",
			    false,
			    { { "follow", F_BOOL, false },
			      { "last", F_INT, false },
			      { "app", F_STRING, false },
			      { "refused", F_BOOL, false } } },
	[PB_REQ_WHY] = { "why", false, { { "app", F_STRING, true }, { "dest", F_STRING, true } } },
	[PB_REQ_CHECK] = { "check",
			   false,
			   { { "src", F_STRING, true },
			     { "dest", F_STRING, true },
			     { "proto", F_STRING, false } } },
	[PB_REQ_POLICY] = { "policy", false, { { 0 } } },
	[PB_REQ_RELOAD] = { "reload", true, { { 0 } } },
	[PB_REQ_RELEASE] = { "release", true, { { "ref", F_STRING, true } } },
	[PB_REQ_NODES] = { "nodes", false, { { 0 } } },
	[PB_REQ_CLUSTER] = { "cluster", false, { { 0 } } },
	[PB_REQ_CLUSTER_INIT] = { "cluster-init",
				  true,
				  { { "name", F_STRING, false },
				    { "node", F_STRING, false },
				    { "addresses", F_STRINGS, false },
				    { "port", F_INT, false },
				    { "insecure", F_BOOL, false } } },
	[PB_REQ_CLUSTER_JOIN] = { "cluster-join",
				  true,
				  { { "token", F_TOKEN, true },
				    { "node", F_STRING, false },
				    { "addresses", F_STRINGS, false },
				    { "port", F_INT, false } } },
	[PB_REQ_CLUSTER_TOKEN] = { "cluster-token", true, { { 0 } } },
	[PB_REQ_CLUSTER_LEAVE] = { "cluster-leave", true, { { 0 } } },
	[PB_REQ_KEYS] = { "keys", false, { { 0 } } },
	[PB_REQ_KEY] = { "key",
			 true,
			 { { "action", F_STRING, true },
			   { "key", F_STRING, false },
			   { "id", F_STRING, false },
			   { "force", F_BOOL, false } } },
	[PB_REQ_DRAIN] = { "drain",
			   true,
			   { { "node", F_STRING, false },
			     { "app", F_STRING, false },
			     { "endpoint", F_INT, false },
			     { "undo", F_BOOL, false } } },
	[PB_REQ_MEMCACHED] = { "memcached", false, { { "name", F_STRING, false } } },
	[PB_REQ_MEMCACHED_STATS] = { "memcached-stats", false, { { "name", F_STRING, false } } },
	[PB_REQ_MEMCACHED_TOP] = { "memcached-top",
				   true,
				   { { "name", F_STRING, false },
				     { "sort", F_STRING, false },
				     { "limit", F_INT, false } } },
	[PB_REQ_MEMCACHED_ADD] = { "memcached-add", true, { { "service", F_OBJECT, true } } },
	[PB_REQ_MEMCACHED_SET] = { "memcached-set",
				   true,
				   { { "name", F_STRING, true }, { "set", F_STRINGS, true } } },
	[PB_REQ_MEMCACHED_REMOVE] = { "memcached-remove", true, { { "name", F_STRING, true } } },
	[PB_REQ_MEMCACHED_DRAIN] = { "memcached-drain",
				     true,
				     { { "name", F_STRING, true },
				       { "server", F_STRING, true },
				       { "undo", F_BOOL, false } } },
};

static const char *const type_text[] = {
	[F_STRING] = "a string of at most 1024 bytes without control characters",
	[F_STRINGS] =
		"an array of at most 64 strings of at most 1024 bytes without control characters",
	[F_TOKEN] = "a token of at most 2048 bytes",
	[F_BOOL] = "true or false",
	[F_INT] = "a whole number from 0 to 1000000",
	[F_OBJECT] = "an object",
};

__attribute__((format(printf, 3, 4))) static int fail(char err[PB_REQ_ERR], int code,
						      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, PB_REQ_ERR, fmt, ap);
	va_end(ap);
	return code;
}

_Static_assert(PB_REQ_STRING == 1024 && PB_REQ_TOKEN == 2048 && PB_REQ_ITEMS == 64,
	       "type_text names the limits");

/* A string that may be shown in a message and a log as it is. */
static bool string_ok(const json_t *v, size_t max)
{
	const char *s = json_string_value(v);

	if (!s || json_string_length(v) > max)
		return false;
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			return false;
	return true;
}

static bool type_ok(const json_t *v, enum field_type type)
{
	size_t i;
	json_t *item;

	switch (type) {
	case F_STRING: return string_ok(v, PB_REQ_STRING);
	case F_TOKEN: return string_ok(v, PB_REQ_TOKEN);
	case F_STRINGS:
		if (!json_is_array(v) || json_array_size(v) > PB_REQ_ITEMS)
			return false;
		json_array_foreach ((json_t *)v, i, item)
			if (!string_ok(item, PB_REQ_STRING))
				return false;
		return true;
	case F_BOOL: return json_is_boolean(v);
	case F_INT:
		return json_is_integer(v) && json_integer_value(v) >= 0 &&
		       json_integer_value(v) <= 1000000;
	case F_OBJECT: return json_is_object(v); /* who takes it checks what is inside */
	}
	return false;
}

static const struct field *field_of(enum pb_req_op op, const char *name)
{
	for (const struct field *f = ops[op].fields; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

/* Client text in a message: printable ASCII only, at most 40 characters. */
static const char *shown(const char *s, char buf[44])
{
	size_t n = 0;

	for (; n < 40 && s[n]; n++)
		buf[n] = isprint((unsigned char)s[n]) ? s[n] : '?';
	memcpy(buf + n, s[n] ? "..." : "", s[n] ? 4 : 1);
	return buf;
}

static int check_fields(json_t *o, enum pb_req_op op, char err[PB_REQ_ERR])
{
	char buf[44];
	const char *key;
	json_t *v;

	json_object_foreach (o, key, v) {
		const struct field *f = field_of(op, key);

		if (!strcmp(key, "op"))
			continue;
		if (!f)
			return fail(err, -EINVAL, "unknown field \"%s\" in a %s request",
				    shown(key, buf), ops[op].name);
		if (!type_ok(v, f->type))
			return fail(err, -EINVAL, "field \"%s\" must be %s", f->name,
				    type_text[f->type]);
	}
	for (const struct field *f = ops[op].fields; f->name; f++)
		if (f->required && !json_object_get(o, f->name))
			return fail(err, -EINVAL, "field \"%s\" is missing in a %s request",
				    f->name, ops[op].name);
	return 0;
}

static int find_op(const char *name)
{
	for (int i = 0; i < _PB_REQ_MAX; i++)
		if (!strcmp(ops[i].name, name))
			return i;
	return -ENOSYS;
}

static void decrefp(json_t **j)
{
	json_decref(*j);
}

int pb_request_parse(const char *line, size_t len, struct pb_request *ret, char err[PB_REQ_ERR])
{
	_cleanup_(decrefp) json_t *o = NULL;
	json_error_t je;
	const char *name;
	char buf[44];
	int op, r;

	if (len >= PB_REQ_MAX)
		return fail(err, -EMSGSIZE, "the request is longer than %d bytes", PB_REQ_MAX);
	if (pb_json_deeper(line, len, PB_REQ_DEPTH))
		return fail(err, -EINVAL, "the request is nested deeper than %d levels",
			    PB_REQ_DEPTH);
	o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &je);
	if (!o)
		return fail(err, -EINVAL, "the request is not valid JSON: %s (byte %d)",
			    shown(je.text, buf), je.position);
	if (!json_is_object(o))
		return fail(err, -EINVAL, "the request is not a JSON object");
	name = json_string_value(json_object_get(o, "op"));
	if (!name)
		return fail(err, -EINVAL, "field \"op\" is missing or not a string");
	op = find_op(name);
	if (op < 0)
		return fail(err, op, "unknown op \"%s\"", shown(name, buf));
	r = check_fields(o, (enum pb_req_op)op, err);
	if (r)
		return r;
	ret->op = (enum pb_req_op)op;
	ret->root_only = ops[op].root_only;
	ret->json = TAKE_PTR(o);
	return 0;
}

void pb_request_fini(struct pb_request *q)
{
	json_decref(q->json);
	q->json = NULL;
}

const char *pb_request_string(const struct pb_request *q, const char *field)
{
	return json_string_value(json_object_get(q->json, field));
}

bool pb_request_bool(const struct pb_request *q, const char *field)
{
	return json_is_true(json_object_get(q->json, field));
}

long pb_request_int(const struct pb_request *q, const char *field, long dflt)
{
	json_t *v = json_object_get(q->json, field);

	return v ? (long)json_integer_value(v) : dflt;
}

int pb_request_strings(const struct pb_request *q, const char *field, const char **ret,
		       unsigned max, unsigned *ret_n)
{
	json_t *a = json_object_get(q->json, field), *v;
	size_t i;

	if (json_array_size(a) > max)
		return -E2BIG;
	json_array_foreach (a, i, v)
		ret[i] = json_string_value(v);
	*ret_n = (unsigned)json_array_size(a);
	return 0;
}

int pb_ref_parse(const char *text, unsigned long long *ret)
{
	unsigned long long v;
	char *end;

	if (!strncmp(text, "0x", 2))
		text += 2;
	if (!isxdigit((unsigned char)*text) || strlen(text) > 16)
		return -EINVAL;
	v = strtoull(text, &end, 16);
	if (*end)
		return -EINVAL;
	*ret = v;
	return 0;
}
