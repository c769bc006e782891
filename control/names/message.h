/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DNS messages as bytes: what a query asks, and whether an answer may be passed on.  Pure. */
#ifndef PB_NAMES_MESSAGE_H
#define PB_NAMES_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <patchbay/types.h>

#define PB_MSG_MAX 65535 /* RFC 1035 4.2.2 */
#define PB_MSG_HEADER 12
#define PB_MSG_NAME_MAX 255 /* RFC 1035 2.3.4 */
#define PB_MSG_QUESTION_MAX (PB_MSG_NAME_MAX + 4)
#define PB_MSG_OPT_LEN 11
#define PB_MSG_ERROR_MAX (PB_MSG_HEADER + PB_MSG_QUESTION_MAX + PB_MSG_OPT_LEN)
#define PB_MSG_UDP_MIN 512
#define PB_MSG_UDP_MAX 1232 /* fits every path without fragments */

/* A query without its tail: all that is needed to answer it or to know its answer. */
struct pb_msg_query {
	uint8_t question[PB_MSG_QUESTION_MAX]; /* name, type, class: as received */
	uint16_t question_len;		       /* 0: none, or not readable */
	uint16_t id;
	uint16_t flags;
	uint16_t type;
	uint16_t class;
	uint16_t udp_size; /* of EDNS */
	uint8_t edns_version;
	bool edns;
	bool dnssec_ok;
	bool bad_question; /* not exactly one, or not readable */
	bool bad_tail;	   /* what follows the question is not readable */
};

/* -ENOMSG: nothing one could answer (no whole header, or itself a response). */
int pb_msg_read_query(const uint8_t *data, size_t len, struct pb_msg_query *ret);

unsigned pb_msg_opcode(const struct pb_msg_query *q);
/* Largest UDP answer the client takes. */
size_t pb_msg_udp_limit(const struct pb_msg_query *q);
/* The name as text in lower case without trailing dot; a byte other than a letter, digit, '-' or
 * '_' becomes '\\', so that no odd label is taken for a name of ours. */
void pb_msg_name(const struct pb_msg_query *q, char ret[PB_MSG_NAME_MAX + 1]);

/* An answer without records, rcode up to 12 bits; never fails.  Returns its length. */
size_t pb_msg_error(const struct pb_msg_query *q, unsigned rcode, uint8_t out[PB_MSG_ERROR_MAX]);

enum pb_msg_reply {
	PB_MSG_REPLY_OK,    /* pass it on */
	PB_MSG_REPLY_OTHER, /* not the answer to that query */
	PB_MSG_REPLY_POOL,  /* holds an address of the pool */
	PB_MSG_REPLY_ZONE,  /* holds records of our own domain */
	PB_MSG_REPLY_BAD,   /* cannot be decoded, so cannot be checked */
};

struct pb_msg_guard {
	const char *domain; /* lower case, no trailing dot */
	int (*pool_contains)(void *arg, const struct pb_addr *addr);
	void *arg;
	bool more; /* a further message of a zone transfer: may lack the question */
};

enum pb_msg_reply pb_msg_check_reply(const struct pb_msg_guard *g, const struct pb_msg_query *q,
				     const uint8_t *data, size_t len);

#endif /* PB_NAMES_MESSAGE_H */
