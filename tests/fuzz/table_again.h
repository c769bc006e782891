/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A table for the fuzz targets: this node is TABLE_ME, TABLE_PEER is a member, everybody else a
 * stranger.  An input is a list of messages, each after its length in two bytes, big endian.
 */
#ifndef PB_FUZZ_TABLE_AGAIN_H
#define PB_FUZZ_TABLE_AGAIN_H

#include <stdlib.h>
#include <string.h>

#include "control/table/table.h"
#include "control/table/wire.h"

#define REQUIRE(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

#define TABLE_UNIX 1790000000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tbl_id TABLE_ME = { { 1, 2, 3, 4, 5, 6, 7, 8, 9 } };
static const struct tbl_id TABLE_PEER = { { 2, 2, 3, 4, 5, 6, 7, 8, 9 } };

struct table_sums {
	uint64_t records, bytes, shown;
};

static uint32_t table_asked;

static int table_send(void *arg, uint64_t key, const uint8_t *p, size_t n, enum tbl_how how)
{
	struct wire_part m;

	(void)arg;
	(void)how;
	REQUIRE(key);
	REQUIRE(wire_part_decode(&m, p, n) > 0); /* what is passed on can be read */
	return 0;
}

static int table_ask(void *arg, uint32_t id, const struct tbl_id *to, const uint8_t *p, size_t n)
{
	(void)arg;
	(void)to;
	REQUIRE(wire_type(p, n) > 0);
	table_asked = id;
	return 0;
}

static void table_change(void *arg, const struct tbl_owner *o, enum tbl_change what,
			 const struct tbl_record *r, const struct tbl_record *was)
{
	uint8_t buf[TBL_RECORD_MAX];

	(void)arg;
	REQUIRE(!o->self && (what == TBL_CHANGED) == !!was);
	REQUIRE(tbl_record_encode(r, buf, sizeof(buf)) > 0);
}

static inline struct tbl *table_begin(void)
{
	static const struct tbl_ops ops = { .send = table_send,
					    .ask = table_ask,
					    .change = table_change };
	struct tbl_record node;
	struct tbl_conf conf;
	struct tbl *t;

	tbl_conf_default(&conf);
	conf.id = TABLE_ME;
	conf.unix_ms = TABLE_UNIX;
	conf.epoch = tbl_epoch(0, TABLE_UNIX);
	conf.ops = &ops;
	conf.records_owner = 20;
	conf.parked_bytes = 500;
	conf.owners_max = 8;
	conf.deletes = 4;
	REQUIRE(!tbl_new(&t, &conf, 1000));
	REQUIRE(!tbl_member(t, &TABLE_PEER, "peer", TBL_ALIVE, 1000));
	memset(&node, 0, sizeof(node));
	node.kind = TBL_NODE;
	REQUIRE(!tbl_put(t, &node, 1000));
	tbl_flush(t, TBL_OWN, 1000);
	return t;
}

static bool table_add(void *arg, const struct tbl_owner *o)
{
	struct table_sums *s = arg;

	s->records += o->records;
	s->bytes += o->bytes;
	s->shown += o->self ? 0 : o->shown;
	REQUIRE(o->records <= 20);
	return true;
}

/* Nothing was lost count of; and the end of it all. */
static inline void table_end(struct tbl *t, uint64_t now)
{
	struct table_sums s = { 0, 0, 0 };
	struct tbl_stats stats;

	tbl_tick(t, now + 2000);
	tbl_member(t, &TABLE_PEER, NULL, TBL_LEFT, now + 3000);
	tbl_tick(t, now + 800000);
	tbl_each_owner(t, table_add, &s);
	tbl_stats(t, &stats);
	REQUIRE(s.records == stats.records && s.bytes == stats.bytes && s.shown == stats.shown);
	REQUIRE(!s.shown && stats.parked_now <= 500);
	tbl_free(t);
}

/* The next message, as a copy of exactly its length, to be freed; NULL: none. */
static inline uint8_t *table_message(const uint8_t **p, size_t *left, size_t *ret_n)
{
	uint8_t *copy;
	size_t n;

	if (*left < 2)
		return NULL;
	n = (size_t)(*p)[0] << 8 | (*p)[1];
	*p += 2;
	*left -= 2;
	n = n < *left ? n : *left;
	copy = malloc(n ? n : 1);
	REQUIRE(copy);
	memcpy(copy, *p, n);
	*p += n;
	*left -= n;
	*ret_n = n;
	return copy;
}

#endif /* PB_FUZZ_TABLE_AGAIN_H */
