/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "destroy_list.h"

#include <patchbay/peer.h>

#include "loader/destroy.h"
#include "util.h"

/* ---- endpoints ---- */

int pb_gone_list_add(struct pb_gone_list *l, const struct pb_gone *list, size_t n, uint64_t now)
{
	struct pb_gone_item *more;

	if (n > PB_GONE_MAX || l->n + n > PB_GONE_MAX)
		return -ENOSPC;
	for (size_t i = 0; i < n; i++)
		if (!(list[i].ep & ~PB_EP_REMOTE))
			return -EINVAL;
	more = reallocarray(l->item, l->n + n, sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->item = more;
	for (size_t i = 0; i < n; i++)
		more[l->n++] =
			(struct pb_gone_item){ .gone = list[i], .until_ns = now + PB_GONE_LATE_NS };
	return 0;
}

static struct pb_gone_key key_of(const struct pb_gone_item *i)
{
	return (struct pb_gone_key){ .ep = i->gone.ep, .gen = i->gone.gen };
}

int pb_gone_list_begin(const struct pb_gone_list *l, struct pb_loader *loader)
{
	int err = 0;

	for (size_t i = 0; !err && i < l->n; i++) {
		struct pb_gone_key k = key_of(&l->item[i]);
		bool node = l->item[i].gone.what == PB_GONE_NODE;

		err = pb_loader_gone_add(loader, &k, node ? PB_GONE_F_TCP : 0);
	}
	return err;
}

void pb_gone_list_end(struct pb_gone_list *l, struct pb_loader *loader, uint64_t began)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct pb_gone_key k = key_of(&l->item[i]);

		if (l->item[i].until_ns <= began)
			pb_loader_gone_del(loader, &k);
		else
			l->item[kept++] = l->item[i];
	}
	l->n = kept;
}

void pb_gone_list_free(struct pb_gone_list *l)
{
	free(l->item);
	memset(l, 0, sizeof(*l));
}

/* ---- sockets ---- */

void *pb_stuck_list_room(struct pb_stuck_list *l, size_t bytes)
{
	size_t need = l->n + bytes / sizeof(*l->rec) + 1;

	if (need > l->max) {
		size_t max = need > l->max * 2 ? need : l->max * 2;
		struct pb_stuck *p = reallocarray(l->rec, max, sizeof(*p));

		if (!p)
			return NULL;
		l->rec = p;
		l->max = max;
	}
	return l->rec + l->n;
}

static int compare(const void *x, const void *y, void *arg)
{
	const struct pb_stuck *a = x, *b = y;
	uint64_t home = *(const uint64_t *)arg;

	if ((a->netns == home) != (b->netns == home))
		return a->netns == home ? -1 : 1;
	if (a->netns != b->netns)
		return a->netns < b->netns ? -1 : 1;
	return a->cookie < b->cookie ? -1 : a->cookie > b->cookie;
}

void pb_stuck_list_sort(struct pb_stuck_list *l, uint64_t home)
{
	size_t kept = 0;

	if (!l->n)
		return;
	qsort_r(l->rec, l->n, sizeof(*l->rec), compare, &home);
	for (size_t i = 0; i < l->n; i++)
		if (!kept || l->rec[kept - 1].cookie != l->rec[i].cookie)
			l->rec[kept++] = l->rec[i];
	l->n = kept;
}

void pb_stuck_list_free(struct pb_stuck_list *l)
{
	free(l->rec);
	memset(l, 0, sizeof(*l));
}
