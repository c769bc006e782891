/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * [cluster] nat: nodes that address translation is on the way to.  What this node sends there, and
 * takes from there, covers the node instead of the addresses (include/patchbay/syn.h).  Their keys are
 * in pb_peers a second time, under their number (pb_nat_addr), and their applications in pb_members,
 * under what their SYNs say.
 */
#include <patchbay/addr.h>
#include <patchbay/peer.h>
#include <patchbay/syn.h>

#include "cluster_internal.h"

static bool is_nat(const struct pb_cluster *c, const struct pb_addr *loc)
{
	const struct pb_config_nat *n = c->agent->conf->cluster.nat;

	for (unsigned i = 0; i < c->agent->conf->cluster.n_nat; i++)
		if (pb_cidr_has(&n[i].net, n[i].bits, loc))
			return true;
	return false;
}

static int gone(int err)
{
	return err == -ENOENT ? 0 : err;
}

int pb_cluster_nat_peer(struct pb_cluster *c, const struct pb_addr *loc, struct pb_peer *p)
{
	struct pb_addr at = pb_nat_addr(p->node, !pb_addr_is_v4(loc));
	struct tbl_id self;

	p->nat = 0;
	if (!is_nat(c, loc)) /* it may have been, with other settings */
		return gone(pb_maps_del_peer(c->agent->maps, &at));
	memcpy(self.b, c->file.id, sizeof(self.b));
	p->nat = tbl_number(&self);
	return pb_maps_put_peer(c->agent->maps, &at, p);
}

void pb_cluster_nat_peer_off(struct pb_cluster *c, const struct pb_addr *loc)
{
	struct pb_addr at;
	struct pb_peer p;

	if (pb_maps_get_peer(c->agent->maps, loc, &p))
		return;
	at = pb_nat_addr(p.node, !pb_addr_is_v4(loc));
	pb_maps_del_peer(c->agent->maps, &at);
}

int pb_cluster_nat_member(struct pb_cluster *c, const struct pb_member_key *k, uint64_t ref)
{
	struct pb_member_key tag = { .node = 0, .id = pb_syn_nat_tag(k->id, k->node) };

	if (!c->agent->conf->cluster.n_nat)
		return 0;
	return pb_maps_put_member(c->agent->maps, &tag, ref);
}

int pb_cluster_nat_member_off(struct pb_cluster *c, const struct pb_member_key *k)
{
	struct pb_member_key tag = { .node = 0, .id = pb_syn_nat_tag(k->id, k->node) };

	return gone(pb_maps_del_member(c->agent->maps, &tag));
}
