/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is decoded must encode, and what that gives must decode to the same: for all messages of
 * gossip.  Each decoder gets a copy of exactly the bytes, so that a read past the end is seen.
 */
#ifndef PB_FUZZ_GOSSIP_AGAIN_H
#define PB_FUZZ_GOSSIP_AGAIN_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/gossip/packet.h"
#include "control/gossip/serf.h"

#define REQUIRE(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

#define AGAIN(name, p, n) \
	do { \
		struct gsp_##name first_, second_; \
		size_t n_ = (n), room_ = 2 * n_ + 1024; \
		uint8_t *copy_ = gossip_copy(p, n_), *a_, *b_; \
		int used_ = gsp_##name##_decode(&first_, copy_, n_), len_; \
\
		REQUIRE(used_ <= (int)n_); \
		if (used_ > 0) { \
			a_ = gossip_copy(NULL, room_); \
			b_ = gossip_copy(NULL, room_); \
			len_ = gsp_##name##_encode(&first_, a_, room_); \
			REQUIRE(len_ > 0); \
			REQUIRE(gsp_##name##_encode(&first_, b_, (size_t)len_ - 1) == -ENOBUFS); \
			REQUIRE(gsp_##name##_decode(&second_, a_, (size_t)len_) == len_); \
			REQUIRE(gsp_##name##_encode(&second_, b_, room_) == len_ && \
				!memcmp(a_, b_, (size_t)len_)); \
			free(a_); \
			free(b_); \
		} \
		free(copy_); \
	} while (0)

static inline uint8_t *gossip_copy(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	REQUIRE(copy);
	if (p && n)
		memcpy(copy, p, n);
	return copy;
}

static inline void gossip_filters(struct gsp_list rest)
{
	struct gsp_filter f;
	struct gsp_bytes b;
	uint32_t n = 0;

	for (uint32_t count = rest.count; gsp_list_take_bytes(&rest, &b); n++) {
		REQUIRE(n < count);
		/* near its bound the encoded one may be too long: old raw has no str8 */
		if (b.n < GSP_FILTER_MAX / 2 && gsp_filter_decode(&f, b.p, b.n) > 0)
			AGAIN(filter, b.p, b.n);
	}
	REQUIRE(!rest.count && !rest.n);
}

static inline void gossip_tags(struct gsp_list rest)
{
	struct gsp_serf_tag tag;

	while (gsp_list_take_tag(&rest, &tag))
		REQUIRE(tag.key.n + tag.value.n <= 2 * GSP_META_MAX);
	REQUIRE(!rest.count && !rest.n);
}

static inline void gossip_user_state(const uint8_t *p, size_t n)
{
	struct gsp_serf_events events;
	struct gsp_serf_event_id id;
	struct gsp_serf_status status;
	struct gsp_serf_sync sync;
	struct gsp_bytes b;

	if (gsp_serf_sync_decode(&sync, p, n) <= 0)
		return;
	AGAIN(serf_sync, p, n);
	while (gsp_list_take_name(&sync.left, &b))
		REQUIRE(b.n <= GSP_NAME_MAX);
	while (gsp_list_take_status(&sync.status, &status))
		REQUIRE(status.node.n <= GSP_NAME_MAX);
	while (gsp_list_take_events(&sync.events, &events)) {
		while (gsp_list_take_event(&events.events, &id))
			REQUIRE(id.name.n <= GSP_EVENT_NAME_MAX);
		REQUIRE(!events.events.count && !events.events.n);
	}
	REQUIRE(!sync.left.n && !sync.status.n && !sync.events.n && !sync.events.count);
}

static inline void gossip_serf(const uint8_t *p, size_t n)
{
	struct gsp_serf_conflict conflict;
	struct gsp_serf_query query;

	AGAIN(serf_leave, p, n);
	AGAIN(serf_join, p, n);
	AGAIN(serf_event, p, n);
	AGAIN(serf_query, p, n);
	AGAIN(serf_response, p, n);
	AGAIN(serf_conflict, p, n);
	AGAIN(serf_key, p, n);
	AGAIN(serf_keys, p, n);
	AGAIN(serf_relay, p, n);
	gossip_user_state(p, n);
	if (gsp_serf_query_decode(&query, p, n) > 0)
		gossip_filters(query.filters);
	if (gsp_serf_conflict_decode(&conflict, p, n) > 0)
		gossip_tags(conflict.tags);
}

static inline void gossip_meta(struct gsp_bytes meta)
{
	struct gsp_list tags;

	if (gsp_serf_tags_decode(&tags, meta.p, meta.n) > 0)
		gossip_tags(tags);
}

static inline void gossip_sync(const uint8_t *p, size_t n)
{
	struct gsp_node_state node;
	struct gsp_sync sync;
	uint32_t nodes = 0;

	AGAIN(sync_header, p, n);
	if (gsp_sync_decode(&sync, p, n) <= 0)
		return;
	for (struct gsp_bytes rest = sync.nodes, at = rest; gsp_sync_next(&rest, &node);
	     at = rest) {
		AGAIN(node_state, at.p, (size_t)(rest.p - at.p));
		gossip_meta(node.meta);
		nodes++;
	}
	REQUIRE(nodes <= sync.header.nodes);
	gossip_user_state(sync.user.p, sync.user.n);
}

/* A message of a packet or of a stream. */
static inline void gossip_message(const uint8_t *p, size_t n)
{
	struct gsp_alive alive;

	AGAIN(ping, p, n);
	AGAIN(indirect_ping, p, n);
	AGAIN(ack, p, n);
	AGAIN(nack, p, n);
	AGAIN(suspect, p, n);
	AGAIN(alive, p, n);
	AGAIN(dead, p, n);
	AGAIN(err, p, n);
	gossip_sync(p, n);
	if (gsp_alive_decode(&alive, p, n) > 0)
		gossip_meta(alive.meta);
	if (n > 1 && *p == GSP_USER)
		gossip_serf(p + 1, n - 1);
}

#endif /* PB_FUZZ_GOSSIP_AGAIN_H */
