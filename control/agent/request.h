/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One request of the control protocol (docs/control-protocol.md), from bytes to
 * a checked object.  Pure: no socket, no agent; unit tests and the fuzzer drive it.
 */
#ifndef PB_AGENT_REQUEST_H
#define PB_AGENT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define PB_REQ_MAX 65536 /* bytes, with the newline */
#define PB_REQ_DEPTH 8
#define PB_REQ_STRING 1024 /* longest string field */
#define PB_REQ_TOKEN 2048  /* longest field of type token */
#define PB_REQ_ITEMS 64	   /* longest array field */
#define PB_REQ_ERR 256	   /* same as PB_ERR_LEN */

enum pb_req_op {
	PB_REQ_HELLO,
	PB_REQ_RUN,
	PB_REQ_APPS,
	PB_REQ_SERVICES,
	PB_REQ_ENDPOINTS,
	PB_REQ_STATUS,
	PB_REQ_FLOWS,
	PB_REQ_EVENTS,
	PB_REQ_WHY,
	PB_REQ_CHECK,
	PB_REQ_POLICY,
	PB_REQ_RELOAD,
	PB_REQ_RELEASE,
	PB_REQ_NODES,
	PB_REQ_CLUSTER,
	PB_REQ_CLUSTER_INIT,
	PB_REQ_CLUSTER_JOIN,
	PB_REQ_CLUSTER_TOKEN,
	PB_REQ_CLUSTER_LEAVE,
	PB_REQ_KEYS,
	PB_REQ_KEY,
	PB_REQ_DRAIN,
	PB_REQ_MEMCACHED,
	PB_REQ_MEMCACHED_STATS,
	PB_REQ_MEMCACHED_TOP,
	PB_REQ_MEMCACHED_ADD,
	PB_REQ_MEMCACHED_SET,
	PB_REQ_MEMCACHED_REMOVE,
	PB_REQ_MEMCACHED_DRAIN,
	_PB_REQ_MAX,
};

struct pb_request {
	enum pb_req_op op;
	bool root_only;
	json_t *json; /* owned; every field is known and has the right type */
};

/*
 * Parse one line without its newline.  -EINVAL: err is one clear sentence;
 * -EMSGSIZE: too long; -ENOSYS: unknown op.
 */
int pb_request_parse(const char *line, size_t len, struct pb_request *ret, char err[PB_REQ_ERR]);
void pb_request_fini(struct pb_request *q);

/* Fields of a parsed request; the string is borrowed, NULL when absent. */
const char *pb_request_string(const struct pb_request *q, const char *field);
bool pb_request_bool(const struct pb_request *q, const char *field);
/* Absent: @dflt. */
long pb_request_int(const struct pb_request *q, const char *field, long dflt);
/* Fills @ret with at most @max borrowed strings; -E2BIG when there are more. */
int pb_request_strings(const struct pb_request *q, const char *field, const char **ret,
		       unsigned max, unsigned *ret_n);

/* "0x1f" or "1f" in hex: a ref.  0 or -EINVAL. */
int pb_ref_parse(const char *text, unsigned long long *ret);

#endif /* PB_AGENT_REQUEST_H */
