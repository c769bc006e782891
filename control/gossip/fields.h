/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Structs as msgpack maps, by tables: one row a key, in the order in which they are sent (sorted by
 * name, as Go does).  Internal to the codec.
 */
#ifndef PB_GOSSIP_FIELDS_H
#define PB_GOSSIP_FIELDS_H

#include "msgpack.h"
#include "serf.h"

#define GSP_KEYS_IN_MAP 64

struct gsp_schema;

enum gsp_kind {
	GSP_K_BOOL,
	GSP_K_U8,
	GSP_K_U16,
	GSP_K_U32,
	GSP_K_U64,
	GSP_K_I64,
	GSP_K_NAME,  /* gsp_bytes: up to GSP_NAME_MAX, no control characters */
	GSP_K_TEXT,  /* gsp_bytes */
	GSP_K_BYTES, /* gsp_bytes; nil when p is NULL */
	GSP_K_ADDR,  /* gsp_addr; nil when its len is 0 */
	GSP_K_VSN,   /* gsp_vsn as six bytes */
	GSP_K_ARRAY, /* gsp_list; nil when p is NULL */
	GSP_K_MAP,
	GSP_K_INNER, /* a map whose members are those of the same struct */
};

enum gsp_flag {
	GSP_F_NEEDED = 1,     /* NAME: may not be empty */
	GSP_F_OMIT_EMPTY = 2, /* not sent when 0 or empty */
	GSP_F_OMIT_NULL = 4,  /* not sent when p is NULL */
};

struct gsp_field {
	const char *key;
	uint8_t kind;
	uint8_t flags;
	uint16_t offset;
	uint64_t max;			/* TEXT, BYTES: length; U8: value; 0: as the type has it */
	const struct gsp_schema *inner; /* INNER */
};

#define GSP_T_BOOL bool
#define GSP_T_U8 uint8_t
#define GSP_T_U16 uint16_t
#define GSP_T_U32 uint32_t
#define GSP_T_U64 uint64_t
#define GSP_T_I64 int64_t
#define GSP_T_NAME struct gsp_bytes
#define GSP_T_TEXT struct gsp_bytes
#define GSP_T_BYTES struct gsp_bytes
#define GSP_T_ADDR struct gsp_addr
#define GSP_T_VSN struct gsp_vsn
#define GSP_T_ARRAY struct gsp_list
#define GSP_T_MAP struct gsp_list

/* 0, or an error of the compiler when the member does not have the type of the kind. */
#define GSP_CHECK_TYPE(type, member, ctype) \
	(0 * sizeof(struct { \
		 int x; \
		 _Static_assert(__builtin_types_compatible_p( \
					__typeof__(((struct type *)0)->member), ctype), \
				"type of " #member); \
	 }))

#define GSP_FIELD(type, member, name, kind_, ...) \
	{ \
		.key = (name), .kind = GSP_K_##kind_, \
		.offset = offsetof(struct type, member) + \
			  GSP_CHECK_TYPE(type, member, GSP_T_##kind_), \
		__VA_ARGS__ \
	}

struct gsp_schema {
	const struct gsp_field *fields;
	unsigned n;
	uint32_t skip; /* budget for unknown keys; 0: GSP_SKIP_MAX */
};

#define GSP_SCHEMA(table, ...) \
	{ \
		.fields = (table), .n = sizeof(table) / sizeof((table)[0]), __VA_ARGS__ \
	}

void gsp_fields_write(struct gsp_wr *w, const struct gsp_schema *s, const void *obj);
/* *obj is zeroed by the caller. */
void gsp_fields_read(struct gsp_rd *r, const struct gsp_schema *s, void *obj);
/* One value that is an ARRAY or a MAP. */
void gsp_list_write(struct gsp_wr *w, const struct gsp_field *f, const struct gsp_list *l);
void gsp_list_read(struct gsp_rd *r, const struct gsp_field *f, struct gsp_list *ret);
bool gsp_name_ok(struct gsp_bytes name);

/* With a type byte in front, and the results that message.h promises. */
int gsp_typed_encode(uint8_t type, const struct gsp_schema *s, const void *obj, uint8_t *buf,
		     size_t cap);
int gsp_typed_decode(uint8_t type, const struct gsp_schema *s, void *obj, const uint8_t *p,
		     size_t n);
int gsp_wr_done(const struct gsp_wr *w, const uint8_t *start);
int gsp_rd_done(const struct gsp_rd *r, const uint8_t *start);

/* Both functions of a message whose rows are name_fields[]; more of its schema may follow. */
#define GSP_CODEC(name, type, ...) \
	static const struct gsp_schema name##_schema = GSP_SCHEMA(name##_fields, __VA_ARGS__); \
	int gsp_##name##_encode(const struct gsp_##name *m, uint8_t *buf, size_t cap) \
	{ \
		return gsp_typed_encode(type, &name##_schema, m, buf, cap); \
	} \
	int gsp_##name##_decode(struct gsp_##name *ret, const uint8_t *p, size_t n) \
	{ \
		struct gsp_##name m = { 0 }; \
		int used = gsp_typed_decode(type, &name##_schema, &m, p, n); \
\
		if (used > 0) \
			*ret = m; \
		return used; \
	}

#endif /* PB_GOSSIP_FIELDS_H */
