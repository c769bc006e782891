/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the names inside are, and the answers about them.  No sockets. */
#ifndef PB_NAMES_ZONE_H
#define PB_NAMES_ZONE_H

#include "message.h"
#include "names.h"

struct pb_zone {
	char domain[PB_MSG_NAME_MAX + 1]; /* lower case, no trailing dot */
	const struct pb_names_ops *ops;
	void *arg;
	uint32_t ttl_s;
};

/* -EINVAL: @domain is no domain name made of letters, digits, '-' and '_', or too long. */
int pb_zone_init(struct pb_zone *z, const char *domain, const struct pb_names_ops *ops, void *arg,
		 uint32_t ttl_s);

enum pb_zone_kind {
	PB_ZONE_NXDOMAIN, /* inside, and nothing has that name */
	PB_ZONE_EMPTY,	  /* exists, without records of its own */
	PB_ZONE_APEX,	  /* the domain itself */
	PB_ZONE_HOST,	  /* an application */
	PB_ZONE_SERVICE,  /* _SERVICE._PROTO.NAME */
	PB_ZONE_POINTER,  /* reverse name of an application's address */
};

struct pb_zone_name {
	enum pb_zone_kind kind;
	bool in_domain;
	char name[PB_NAME_LEN]; /* of the application */
	uint8_t proto;		/* PB_ZONE_SERVICE */
	__be16 port;		/* PB_ZONE_SERVICE; 0: no such service is known */
	struct pb_names_rec rec;
};

/* 0: inside, *ret says what; -ENOENT: outside; another negative errno: the table failed. */
int pb_zone_find(const struct pb_zone *z, const struct pb_msg_query *q, struct pb_zone_name *ret);

/* The answer in at most @limit bytes, shortened and marked (TC) if need be; 0 or -ENOMEM. */
int pb_zone_answer(const struct pb_zone *z, const struct pb_msg_query *q,
		   const struct pb_zone_name *name, size_t limit, uint8_t **ret, size_t *ret_len);

enum pb_zone_verdict {
	PB_ZONE_DROP,
	PB_ZONE_FORWARD, /* unchanged to the original resolver */
	PB_ZONE_REPLY,	 /* *ret is the answer */
};

/* All that is decided about one message of a client.  @tcp lifts the size limit. */
enum pb_zone_verdict pb_zone_handle(const struct pb_zone *z, const uint8_t *data, size_t len,
				    bool tcp, struct pb_names_stats *stats,
				    struct pb_msg_query *ret_query, uint8_t **ret, size_t *ret_len);

#endif /* PB_NAMES_ZONE_H */
