/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages of the table.  The first byte is the version: another high half is incompatible, a
 * higher low half only adds.  Then a type, then a msgpack map with keys of one letter, of which
 * unknown ones are skipped.  Pure; what is decoded points into the message.
 *
 *   DELTA     records and deletions of one owner with versions in (base, ver], by version
 *   SNAPSHOT  all records of one owner as of ver: what is not in it is deleted
 *   DIGEST    what versions the sender has, of owners in some or all buckets
 *   BUCKETS   256 sums over owners by the first byte of their id
 *   WANT      versions of single owners: their successors are asked for
 *   ANSWER    deltas and snapshots, and what the sender wants in turn
 */
#ifndef PB_TABLE_WIRE_H
#define PB_TABLE_WIRE_H

#include "gossip/msgpack.h"
#include "gossip/serf.h"
#include "record.h"

#define WIRE_VERSION 0x10
#define WIRE_BUCKETS 256
#define WIRE_ENTRY 20	 /* number 8, epoch 6, version 6 bytes, big endian */
#define WIRE_HEAD_MAX 96 /* of a delta or snapshot, without its items and signature */
#define WIRE_SIG_MAX 72
#define WIRE_ITEM_MAX (TBL_RECORD_MAX + 32)
#define WIRE_NUMBER_MAX ((1ULL << 48) - 1) /* epochs and versions */
#define WIRE_ENTRIES_MAX 65536

enum wire_type {
	WIRE_DELTA = 1,
	WIRE_SNAPSHOT,
	WIRE_DIGEST,
	WIRE_BUCKETS_SUM,
	WIRE_WANT,
	WIRE_ANSWER,
};

#define WIRE_MORE 1u   /* of a part: the owner's news do not end with it */
#define WIRE_MUTUAL 1u /* of a digest: the other side sends its own, so ask for nothing */

struct wire_part {
	uint8_t type;
	struct tbl_id owner;
	uint64_t epoch, base, ver; /* base: 0 in a snapshot */
	uint32_t flags;
	struct gsp_list items; /* wire_take() */
	struct gsp_bytes sig;  /* of the state as of ver: n 0 or 64 */
};

struct wire_item {
	uint8_t kind;
	uint32_t id;
	uint64_t ver;
	struct gsp_bytes data; /* p NULL: deleted */
};

struct wire_entry {
	uint64_t number, epoch, ver;
};

struct wire_digest {
	uint32_t flags;
	struct gsp_bytes mask; /* 32 bytes, bit b of byte b / 8; n 0: all buckets */
	struct gsp_bytes entries;
};

struct wire_answer {
	struct gsp_list parts; /* wire_take_part() */
	struct gsp_bytes wants;
	uint32_t more; /* there was no room for the rest */
};

/* The type, or -EPROTONOSUPPORT, -ENODATA, -EBADMSG. */
int wire_type(const uint8_t *p, size_t n);

/* As those of message.h; part decoding checks all items, so that taking them cannot fail. */
int wire_part_encode(const struct wire_part *m, uint8_t *buf, size_t cap);
int wire_part_decode(struct wire_part *ret, const uint8_t *p, size_t n);
int wire_digest_encode(const struct wire_digest *m, uint8_t *buf, size_t cap);
int wire_digest_decode(struct wire_digest *ret, const uint8_t *p, size_t n);
int wire_answer_encode(const struct wire_answer *m, uint8_t *buf, size_t cap);
int wire_answer_decode(struct wire_answer *ret, const uint8_t *p, size_t n);
int wire_want_encode(struct gsp_bytes entries, uint8_t *buf, size_t cap);
int wire_want_decode(struct gsp_bytes *ret, const uint8_t *p, size_t n);
int wire_buckets_encode(const uint64_t sums[WIRE_BUCKETS], uint8_t *buf, size_t cap);
int wire_buckets_decode(uint64_t ret[WIRE_BUCKETS], const uint8_t *p, size_t n);

/* 0 or -ENOBUFS: the list has not room for it. */
int wire_add(struct gsp_list *l, uint64_t base, const struct wire_item *it);
bool wire_take(struct gsp_list *l, uint64_t base, struct wire_item *ret);
int wire_add_part(struct gsp_list *l, const uint8_t *p, size_t n);
bool wire_take_part(struct gsp_list *l, struct gsp_bytes *ret);

void wire_put_entry(uint8_t to[WIRE_ENTRY], const struct wire_entry *e);
struct wire_entry wire_get_entry(const uint8_t from[WIRE_ENTRY]);

#endif /* PB_TABLE_WIRE_H */
