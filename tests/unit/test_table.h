/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of the table share. */
#ifndef PB_TEST_TABLE_H
#define PB_TEST_TABLE_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "table_net.h"

#include "control/table/wire.h"
#include "control/util.h"

#define _cleanup_net_ _cleanup_(tnet_fini)

/* The last messages that were sent, oldest first. */
#define KEPT 512
struct kept {
	uint8_t *p[KEPT];
	size_t n[KEPT];
	unsigned from[KEPT];
	unsigned count;
};

static struct kept kept;

static inline void keep(struct tnet_node *k, const uint8_t *p, size_t n, enum tbl_how how)
{
	if (kept.count == KEPT || how == TBL_RELAY)
		return;
	kept.p[kept.count] = malloc(n);
	memcpy(kept.p[kept.count], p, n);
	kept.from[kept.count] = k->i;
	kept.n[kept.count++] = n;
}

static inline void kept_clear(void)
{
	while (kept.count)
		free(kept.p[--kept.count]);
}

/* @n nodes that are up and have said who they are. */
static inline void begin(struct tnet *net, unsigned n)
{
	tnet_init(net, n, 1);
	for (unsigned i = 0; i < n; i++) {
		tnet_start(net, i);
		tnet_put(net, i, tnet_node_rec(i));
		tnet_put(net, i, tnet_app(i, 1, 3));
	}
	cr_assert(tnet_settle(net, 20000));
}

static inline void check_same(struct tnet *net)
{
	const char *why;

	cr_assert(tnet_same(net, &why), "%s", why);
}

static inline struct tbl_stats stats(struct tnet *net, unsigned i)
{
	struct tbl_stats s;

	tbl_stats(net->node[i].t, &s);
	return s;
}

static inline struct tbl_owner owner(struct tnet *net, unsigned i, unsigned j)
{
	struct tbl_id id = tnet_id(j);
	struct tbl_owner o = { .epoch = 0 };

	tbl_owner(net->node[i].t, &id, &o);
	return o;
}

static inline void member(struct tnet *net, unsigned i, unsigned j, enum tbl_state state)
{
	struct tbl_id id = tnet_id(j);

	cr_assert_eq(tbl_member(net->node[i].t, &id, NULL, state, net->now), 0);
}

static inline int delta_in(struct tnet *net, unsigned i, const uint8_t *p, size_t n)
{
	_cleanup_free_ uint8_t *copy = malloc(n ? n : 1); /* a read past the end is seen */

	memcpy(copy, p, n);
	return tbl_delta_in(net->node[i].t, copy, n, net->now);
}

/* A delta made by hand: items in order of their versions. */
static inline int forge(struct tnet *net, unsigned to, struct tbl_id id, uint64_t epoch,
			uint64_t base, uint64_t ver, const struct wire_item *items, unsigned n)
{
	static uint8_t list[1 << 17], buf[1 << 17];
	struct wire_part m = { .type = WIRE_DELTA,
			       .owner = id,
			       .epoch = epoch,
			       .base = base,
			       .ver = ver,
			       .items = GSP_LIST(list, sizeof(list)) };
	int len;

	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(wire_add(&m.items, base, &items[i]), 0);
	len = wire_part_encode(&m, buf, sizeof(buf));
	cr_assert_gt(len, 0);
	return delta_in(net, to, buf, (size_t)len);
}

static inline struct wire_item item(const struct tbl_record *r, uint64_t ver, uint8_t *buf)
{
	int n = tbl_record_encode(r, buf, TBL_RECORD_MAX);

	cr_assert_gt(n, 0);
	return (struct wire_item){ r->kind, r->id, ver, { buf, (uint32_t)n } };
}

#endif /* PB_TEST_TABLE_H */
