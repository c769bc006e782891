/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The devices other nodes' SYNs come in by.  Only while they are verified there may anybody outside
 * reach a program of this node: PB_CFG_PEERS says so to the kernel programs. */
#include <net/if.h>

#include "cluster_internal.h"
#include "loader.h"

static void add(struct pb_cluster *c, unsigned *list, unsigned *n, unsigned index)
{
	for (unsigned i = 0; i < *n; i++)
		if (list[i] == index)
			return;
	if (index && *n < ARRAY_SIZE(c->device))
		list[(*n)++] = index;
}

static unsigned find(struct pb_cluster *c, unsigned list[ARRAY_SIZE(c->device)])
{
	const char *p = c->agent->conf->cluster.device;
	unsigned n = 0, index;

	if (!strcmp(p, "auto")) {
		for (unsigned i = 0; i < c->file.n_addresses; i++)
			if (pb_addr_here(&c->file.address[i], &index))
				add(c, list, &n, index);
		return n;
	}
	while (*p) {
		size_t len = strcspn(p, ",");
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "%.*s", (int)len, p);
		add(c, list, &n, if_nametoindex(name));
		p += len + (p[len] == ',');
	}
	return n;
}

static void say(struct pb_cluster *c, int err)
{
	char name[IF_NAMESIZE];

	if (err)
		log_warn("other nodes' identities cannot be verified: %s; nobody there reaches "
			 "programs of this node, or is reached",
			 err == -EOPNOTSUPP ? "this kernel did not take the program"
			 : err == -ENODEV   ? "none of the devices is there"
					    : strerror(-err));
	for (unsigned i = 0; !err && i < c->n_device; i++)
		log_info("identities in SYNs are verified on %s",
			 if_indextoname(c->device[i], name) ? name : "?");
}

void pb_cluster_devices(struct pb_cluster *c)
{
	unsigned list[ARRAY_SIZE(c->device)] = { 0 };
	unsigned n = find(c, list);
	bool same = n == c->n_device && !memcmp(list, c->device, sizeof(list));
	int err = n ? pb_loader_attach_devices(c->agent->loader, list, n, NULL) : -ENODEV;

	memcpy(c->device, list, sizeof(list));
	c->n_device = n;
	if (!same || c->attached != !err)
		say(c, err);
	c->attached = !err;
	pb_agent_warn(c->agent, PB_W_PEERS, err != 0);
	err = pb_kernel_flag(c->agent, PB_CFG_PEERS, c->attached);
	if (!err)
		err = pb_kernel_flag(c->agent, PB_CFG_PEERS_UDP,
				     c->attached && pb_loader_datagrams(c->agent->loader));
	if (err)
		log_err(err, "pb_config cannot be written");
}

void pb_cluster_devices_off(struct pb_cluster *c)
{
	int err = pb_kernel_flag(c->agent, PB_CFG_PEERS_UDP, false);

	if (!err)
		err = pb_kernel_flag(c->agent, PB_CFG_PEERS, false);
	if (!err)
		err = pb_loader_attach_devices(c->agent->loader, NULL, 0, NULL);
	if (err && err != -EOPNOTSUPP)
		log_err(err, "the devices cannot be left alone");
	memset(c->device, 0, sizeof(c->device));
	c->n_device = 0;
	c->attached = false;
	pb_agent_warn(c->agent, PB_W_PEERS, false);
}
