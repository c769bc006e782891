/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoints of other nodes as the readers see them. */
#include <limits.h>
#include <stdlib.h>

#include "cluster.h"
#include "util.h"
#include "view.h"

void pb_view_self(struct pb_agent *a, char *buf, size_t len)
{
	struct pb_cluster_status s = { .state = PB_CLUSTER_ALONE };
	char host[HOST_NAME_MAX + 1] = "";

	pb_cluster_status(a, &s);
	if (!s.node[0])
		gethostname(host, sizeof(host) - 1);
	snprintf(buf, len, "%s", s.node[0] ? s.node : host);
}

const char *pb_view_node_of(struct pb_agent *a, uint32_t index, const struct pb_endpoint *ep)
{
	const char *name = index & PB_EP_REMOTE ? pb_cluster_node_name(a, ep->cookie) : NULL;

	return name ? name : "?";
}

const char *pb_view_remote_state(struct pb_agent *a, uint32_t index, const struct pb_endpoint *ep)
{
	struct pb_eject e;

	if (!pb_maps_get_eject(a->maps, index & ~PB_EP_REMOTE, &e) && e.gen == ep->gen &&
	    e.until_ns > pb_now_ns())
		return "ejected";
	if (ep->hints & PB_EP_SUSPECT)
		return "suspect";
	return ep->state == PB_EP_DRAIN ? "drain" : "up";
}

static int compare(const void *x, const void *y)
{
	const uint32_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

int pb_view_remotes_of(struct pb_agent *a, const struct pb_svc_key *k, const struct pb_rservice *s,
		       int (*fn)(uint32_t index, const struct pb_endpoint *ep, void *arg),
		       void *arg)
{
	uint32_t index[PB_RSLOTS], n = s->n < PB_RSLOTS ? s->n : PB_RSLOTS;

	memcpy(index, s->index, sizeof(index));
	qsort(index, n, sizeof(index[0]), compare);
	for (uint32_t i = 0; i < n; i++) {
		struct pb_endpoint ep;
		int err;

		if ((i && index[i] == index[i - 1]) || pb_maps_get_remote(a->maps, index[i], &ep))
			continue;
		if (ep.state == PB_EP_FREE || ep.port != k->port || ep.proto != k->proto)
			continue;
		err = fn(index[i] | PB_EP_REMOTE, &ep, arg);
		if (err)
			return err;
	}
	return 0;
}
