/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of the gossip codec share. */
#ifndef PB_TEST_GOSSIP_H
#define PB_TEST_GOSSIP_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "control/gossip/packet.h"
#include "control/util.h"

/* Exactly as large as its content, so that a read past the end is seen.  Never freed by hand:
 * _cleanup_blob_. */
struct blob {
	uint8_t *p;
	size_t n;
};

static inline void blob_fini(struct blob *b)
{
	free(b->p);
}

#define _cleanup_blob_ _cleanup_(blob_fini)

static inline struct blob blob_copy(const void *p, size_t n)
{
	struct blob b = { malloc(n ? n : 1), n };

	cr_assert(b.p);
	memcpy(b.p, p, n);
	return b;
}

/* Blanks are allowed. */
static inline struct blob unhex(const char *text)
{
	struct blob b = { malloc(strlen(text) / 2 + 1), 0 };
	unsigned byte;
	int used;

	cr_assert(b.p);
	for (; sscanf(text, " %2x%n", &byte, &used) == 1; text += used)
		b.p[b.n++] = (uint8_t)byte;
	return b;
}

static inline void hex(const uint8_t *p, size_t n, char *ret)
{
	*ret = '\0';
	for (size_t i = 0; i < n; i++)
		sprintf(ret + 2 * i, "%02x", p[i]);
}

static inline struct gsp_layers make_pool(const char *key, const char *label)
{
	struct gsp_layers pool = { .label_len = 0 };

	if (key)
		cr_assert_eq(gsp_keyring_add(&pool.keys, (const uint8_t *)key, strlen(key)), 0);
	cr_assert_eq(gsp_layers_set_label(&pool, label ? label : ""), 0);
	return pool;
}

static inline void pool_fini(struct gsp_layers *pool)
{
	gsp_keyring_fini(&pool->keys);
}

#define _cleanup_pool_ _cleanup_(pool_fini)

#define KEY16 "0123456789abcdef"
#define KEY24 "0123456789abcdef01234567"
#define KEY32 "0123456789abcdef0123456789ABCDEF"

#endif /* PB_TEST_GOSSIP_H */
