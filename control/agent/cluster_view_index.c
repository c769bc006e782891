/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Indices of pb_remotes.  Programs may hold one a moment longer than it is in use: it rests. */
#include <errno.h>
#include <stdlib.h>

#include "cluster_view_internal.h"

static bool adopted(const struct pb_view *v, uint32_t index)
{
	return v->adopted[index / 64] >> (index % 64) & 1;
}

static void wait_until(struct pb_view *v, uint64_t ns)
{
	if (!v->next_ns || ns < v->next_ns)
		v->next_ns = ns;
}

int vindex_take(struct pb_view *v, uint32_t *ret)
{
	uint64_t now = v->ops->now_ns(v->arg);
	const struct vrest *first = v->rest_n ? &v->rest[v->rest_at] : NULL;

	if (now < v->not_before_ns) {
		wait_until(v, v->not_before_ns);
		return -EAGAIN;
	}
	if (first && now - first->since_ns >= PB_REMOTE_REST_NS) {
		*ret = first->index;
		v->rest_at = (v->rest_at + 1) % v->rest_room;
		v->rest_n--;
		return 0;
	}
	while (v->fresh < v->indices && adopted(v, v->fresh))
		v->fresh++;
	if (v->fresh < v->indices) {
		*ret = v->fresh++;
		return 0;
	}
	if (!first)
		return -ENOSPC;
	wait_until(v, first->since_ns + PB_REMOTE_REST_NS);
	return -EAGAIN;
}

static int grow(struct pb_view *v)
{
	uint32_t room = v->rest_room ? v->rest_room * 2 : 64;
	struct vrest *rest;

	if (v->rest_n < v->rest_room)
		return 0;
	rest = calloc(room, sizeof(*rest));
	if (!rest)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->rest_n; i++)
		rest[i] = v->rest[(v->rest_at + i) % v->rest_room];
	free(v->rest);
	v->rest = rest;
	v->rest_at = 0;
	v->rest_room = room;
	return 0;
}

/* Without memory the index is lost until the next start. */
void vindex_give(struct pb_view *v, uint32_t index)
{
	if (grow(v))
		return;
	v->rest[(v->rest_at + v->rest_n++) % v->rest_room] = (struct vrest){
		.index = index,
		.since_ns = v->ops->now_ns(v->arg),
	};
}

void vindex_adopt(struct pb_view *v, uint32_t index)
{
	v->adopted[index / 64] |= 1ULL << (index % 64);
}
