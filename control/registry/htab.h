/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small intrusive chained hash table.  The caller hashes and compares; nodes
 * live inside the objects, so adding one cannot fail once the table is made.
 */
#ifndef PB_HTAB_H
#define PB_HTAB_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define PB_HTAB_MIN 64 /* buckets to begin with; a power of two */

struct pb_hnode {
	struct pb_hnode *next;
	uint64_t hash;
};

struct pb_htab {
	struct pb_hnode **bucket;
	size_t n_buckets;
	size_t n;
};

#define pb_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline int pb_htab_init(struct pb_htab *t)
{
	t->bucket = calloc(PB_HTAB_MIN, sizeof(*t->bucket));
	t->n_buckets = t->bucket ? PB_HTAB_MIN : 0;
	t->n = 0;
	return t->bucket ? 0 : -ENOMEM;
}

static inline void pb_htab_fini(struct pb_htab *t)
{
	free(t->bucket);
	t->bucket = NULL;
}

/* Without memory for more buckets the chains get longer: slower, still right. */
static inline void pb_htab_grow(struct pb_htab *t)
{
	size_t n = t->n_buckets * 2;
	struct pb_hnode **bucket = calloc(n, sizeof(*bucket));

	if (!bucket)
		return;
	for (size_t i = 0; i < t->n_buckets; i++) {
		for (struct pb_hnode *h = t->bucket[i], *next; h; h = next) {
			next = h->next;
			h->next = bucket[h->hash & (n - 1)];
			bucket[h->hash & (n - 1)] = h;
		}
	}
	free(t->bucket);
	t->bucket = bucket;
	t->n_buckets = n;
}

static inline void pb_htab_add(struct pb_htab *t, struct pb_hnode *h, uint64_t hash)
{
	if (t->n >= t->n_buckets)
		pb_htab_grow(t);
	h->hash = hash;
	h->next = t->bucket[hash & (t->n_buckets - 1)];
	t->bucket[hash & (t->n_buckets - 1)] = h;
	t->n++;
}

static inline void pb_htab_del(struct pb_htab *t, struct pb_hnode *h)
{
	struct pb_hnode **at = &t->bucket[h->hash & (t->n_buckets - 1)];

	while (*at && *at != h)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = h->next;
	t->n--;
}

/* Nodes of exactly that hash, one after the other; NULL ends. */
static inline struct pb_hnode *pb_htab_same(struct pb_hnode *h, uint64_t hash)
{
	while (h && h->hash != hash)
		h = h->next;
	return h;
}

static inline struct pb_hnode *pb_htab_first(const struct pb_htab *t, uint64_t hash)
{
	return pb_htab_same(t->bucket[hash & (t->n_buckets - 1)], hash);
}

#define pb_htab_each(h, t, key) \
	for (struct pb_hnode *h = pb_htab_first(t, key); h; h = pb_htab_same(h->next, key))

#endif /* PB_HTAB_H */
