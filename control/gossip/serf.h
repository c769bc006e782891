/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The messages of Serf, which lie in memberlist's user messages, in the user state of a push/pull
 * (gsp_serf_sync only) and in the meta of a node (tags).  message.h has the rules of the functions;
 * these messages, too, include their first byte.
 */
#ifndef PB_GOSSIP_SERF_H
#define PB_GOSSIP_SERF_H

#include "message.h"

enum gsp_serf_type {
	GSP_SERF_LEAVE = 0,
	GSP_SERF_JOIN = 1,
	GSP_SERF_SYNC = 2, /* its push/pull: user state */
	GSP_SERF_EVENT = 3,
	GSP_SERF_QUERY = 4,
	GSP_SERF_RESPONSE = 5,
	GSP_SERF_CONFLICT = 6, /* payload of the response to _serf_conflict */
	GSP_SERF_KEY = 7,      /* payload of the queries _serf_{install,use,remove}-key */
	GSP_SERF_KEYS = 8,     /* payload of the responses to those and to _serf_list-keys */
	GSP_SERF_RELAY = 9,
	GSP_SERF_OURS = 0xa5, /* not Serf's: our records, to members tagged "patchbay" only */
	GSP_SERF_TAGS = 0xff, /* first byte of a node's meta */
};

#define GSP_EVENT_NAME_MAX 512 /* of events and queries, too */
#define GSP_FILTER_MAX 4096    /* one filter of a query */
#define GSP_KEY_MAX 32

/*
 * A list or map as the bytes of its elements, the same way in and out.  Decoded ones lie in the
 * message.  To read, take elements off a copy with the gsp_list_take function of the kind; one that
 * is not of the kind, or out of its bounds, is passed over: an odd event that a foreign member keeps
 * must not cost us the rest (compare count).  To write, begin with GSP_LIST(buffer, size) and use
 * the gsp_list_add functions: 0, or -ENOBUFS, or -EINVAL.
 */
struct gsp_list {
	uint8_t *p; /* elements; NULL: the key was missing or nil */
	uint32_t n; /* bytes */
	uint32_t count;
	uint32_t cap; /* writing only */
};

#define GSP_LIST(buf, size) ((struct gsp_list){ .p = (buf), .cap = (size) })

struct gsp_serf_leave {
	uint64_t ltime;
	struct gsp_bytes node;
	bool prune;
};

struct gsp_serf_join {
	uint64_t ltime;
	struct gsp_bytes node;
};

struct gsp_serf_event {
	uint64_t ltime;
	struct gsp_bytes name;
	struct gsp_bytes payload;
	bool coalesce;
};

#define GSP_QUERY_ACK 1u	  /* flag: acknowledge it */
#define GSP_QUERY_NO_BROADCAST 2u /* flag: do not spread it */

struct gsp_serf_query {
	uint64_t ltime;
	uint32_t id;
	struct gsp_addr addr; /* where responses go */
	uint16_t port;
	struct gsp_bytes source_node; /* omitted when p is NULL: 0.9.4 and before do not know it */
	struct gsp_list filters;      /* gsp_list_take_bytes, then gsp_filter_decode */
	uint32_t flags;
	uint8_t relay_factor;
	int64_t timeout_ns;
	struct gsp_bytes name;
	struct gsp_bytes payload;
};

struct gsp_serf_response {
	uint64_t ltime;
	uint32_t id;
	struct gsp_bytes from;
	uint32_t flags; /* GSP_QUERY_ACK: this is the acknowledgement */
	struct gsp_bytes payload;
};

/* The member that the responder has under the name asked for. */
struct gsp_serf_conflict {
	struct gsp_bytes name;
	struct gsp_addr addr;
	uint16_t port;
	struct gsp_list tags; /* gsp_list_take_tag */
	uint8_t status;	      /* Serf's: 0 none, 1 alive, 2 leaving, 3 left, 4 failed */
	struct gsp_vsn vsn;
};

struct gsp_serf_key {
	struct gsp_bytes key; /* 16, 24 or 32 bytes; may be empty */
};

struct gsp_serf_keys {
	bool result;
	struct gsp_bytes message;
	struct gsp_list keys; /* base64, gsp_list_take_bytes */
	struct gsp_bytes primary_key;
};

/* The rest of the message, type byte first, is for somebody else. */
struct gsp_serf_relay {
	struct gsp_addr addr;
	uint16_t port;
	struct gsp_bytes zone;
	struct gsp_bytes node;
	struct gsp_bytes message; /* what follows the header */
};

/* User state of a push/pull. */
struct gsp_serf_sync {
	uint64_t ltime;
	uint64_t event_ltime;
	uint64_t query_ltime;
	struct gsp_list status; /* of each member: gsp_list_take_status */
	struct gsp_list left;	/* names: gsp_list_take_name */
	struct gsp_list events; /* gsp_list_take_events; most are nil */
	struct gsp_bytes
		digest; /* not Serf's, which ignores it: our key "Patchbay"; omitted when p is NULL */
};

struct gsp_serf_status {
	struct gsp_bytes node;
	uint64_t ltime;
};

/* The events that share one Lamport time. */
struct gsp_serf_events {
	bool nil;
	uint64_t ltime;
	struct gsp_list events; /* gsp_list_take_event */
};

struct gsp_serf_event_id {
	struct gsp_bytes name;
	struct gsp_bytes payload;
};

struct gsp_serf_tag {
	struct gsp_bytes key;
	struct gsp_bytes value;
};

int gsp_serf_leave_encode(const struct gsp_serf_leave *m, uint8_t *buf, size_t cap);
int gsp_serf_leave_decode(struct gsp_serf_leave *ret, const uint8_t *p, size_t n);
int gsp_serf_join_encode(const struct gsp_serf_join *m, uint8_t *buf, size_t cap);
int gsp_serf_join_decode(struct gsp_serf_join *ret, const uint8_t *p, size_t n);
int gsp_serf_event_encode(const struct gsp_serf_event *m, uint8_t *buf, size_t cap);
int gsp_serf_event_decode(struct gsp_serf_event *ret, const uint8_t *p, size_t n);
int gsp_serf_query_encode(const struct gsp_serf_query *m, uint8_t *buf, size_t cap);
int gsp_serf_query_decode(struct gsp_serf_query *ret, const uint8_t *p, size_t n);
int gsp_serf_response_encode(const struct gsp_serf_response *m, uint8_t *buf, size_t cap);
int gsp_serf_response_decode(struct gsp_serf_response *ret, const uint8_t *p, size_t n);
int gsp_serf_conflict_encode(const struct gsp_serf_conflict *m, uint8_t *buf, size_t cap);
int gsp_serf_conflict_decode(struct gsp_serf_conflict *ret, const uint8_t *p, size_t n);
int gsp_serf_key_encode(const struct gsp_serf_key *m, uint8_t *buf, size_t cap);
int gsp_serf_key_decode(struct gsp_serf_key *ret, const uint8_t *p, size_t n);
int gsp_serf_keys_encode(const struct gsp_serf_keys *m, uint8_t *buf, size_t cap);
int gsp_serf_keys_decode(struct gsp_serf_keys *ret, const uint8_t *p, size_t n);
int gsp_serf_relay_encode(const struct gsp_serf_relay *m, uint8_t *buf, size_t cap);
int gsp_serf_relay_decode(struct gsp_serf_relay *ret, const uint8_t *p, size_t n);
int gsp_serf_sync_encode(const struct gsp_serf_sync *m, uint8_t *buf, size_t cap);
int gsp_serf_sync_decode(struct gsp_serf_sync *ret, const uint8_t *p, size_t n);

/* Meta of a node: at most GSP_META_MAX bytes. */
int gsp_serf_tags_encode(const struct gsp_list *tags, uint8_t *buf, size_t cap);
int gsp_serf_tags_decode(struct gsp_list *ret, const uint8_t *p, size_t n);

/* One filter of a query: who may answer. */
enum gsp_filter_type { GSP_FILTER_NODE = 0, GSP_FILTER_TAG = 1 };

struct gsp_filter {
	uint8_t type;
	struct gsp_list nodes; /* GSP_FILTER_NODE: one of these; gsp_list_take_name */
	struct gsp_bytes tag;  /* GSP_FILTER_TAG: this tag matches expr, a regular expression */
	struct gsp_bytes expr;
};

int gsp_filter_encode(const struct gsp_filter *m, uint8_t *buf, size_t cap);
int gsp_filter_decode(struct gsp_filter *ret, const uint8_t *p, size_t n);

/* False after the last element. */
bool gsp_list_take_bytes(struct gsp_list *rest, struct gsp_bytes *ret);
bool gsp_list_take_name(struct gsp_list *rest, struct gsp_bytes *ret);
bool gsp_list_take_tag(struct gsp_list *rest, struct gsp_serf_tag *ret);
bool gsp_list_take_status(struct gsp_list *rest, struct gsp_serf_status *ret);
bool gsp_list_take_events(struct gsp_list *rest, struct gsp_serf_events *ret);
bool gsp_list_take_event(struct gsp_list *rest, struct gsp_serf_event_id *ret);

int gsp_list_add_bytes(struct gsp_list *l, struct gsp_bytes v);
int gsp_list_add_tag(struct gsp_list *l, const struct gsp_serf_tag *v);
int gsp_list_add_status(struct gsp_list *l, const struct gsp_serf_status *v);
int gsp_list_add_events(struct gsp_list *l, const struct gsp_serf_events *v);
int gsp_list_add_event(struct gsp_list *l, const struct gsp_serf_event_id *v);

#endif /* PB_GOSSIP_SERF_H */
