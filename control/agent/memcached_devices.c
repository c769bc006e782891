/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the programs are: on the devices of all services, by XDP where that is the better place. */
#include "loader/memcached.h"
#include "memcached_internal.h"
#include "util.h"

struct spot {
	unsigned ifindex;
	unsigned mode; /* enum pb_mcl_mode */
	bool tc_only;  /* whatever others want */
	int err;
};

/* What the configuration says, or else what suits the device. */
static unsigned mode_of(struct mc_run *r, unsigned i)
{
	struct pb_mcd_facts facts;
	char *why = r->device_why[i];

	snprintf(why, PB_MCD_WHY,
		 r->far ? "servers of other nodes: XDP does not say whose datagrams these are"
			: "as configured");
	if (r->far)
		return PB_MCL_TC;
	if (r->m->conf->device[i].mode != MCS_AUTO)
		return r->m->conf->device[i].mode == MCS_XDP ? PB_MCL_XDP : PB_MCL_TC;
	if (pb_mcd_look(r->m->place.ifindex[i], &facts)) {
		snprintf(why, PB_MCD_WHY, "what the device can do is not known");
		return PB_MCL_TC;
	}
	return pb_mcd_choose(&facts, why) ? PB_MCL_XDP : PB_MCL_TC;
}

/* Services may differ: then the mode that can do more, if all can do with it. */
static void add(struct spot *list, size_t *n, unsigned ifindex, unsigned mode, bool tc_only)
{
	size_t i = 0;

	while (i < *n && list[i].ifindex != ifindex)
		i++;
	if (i == *n)
		list[(*n)++] = (struct spot){ .ifindex = ifindex, .mode = mode };
	list[i].tc_only |= tc_only;
	if (list[i].tc_only)
		list[i].mode = PB_MCL_TC;
	else if (mode == PB_MCL_XDP)
		list[i].mode = mode;
}

static void say(struct pb_memcached *all, const struct spot *at)
{
	for (unsigned s = 0; s < PB_MC_SERVICES; s++) {
		struct mc_run *r = all->run[s];

		for (unsigned i = 0; r && r->put && i < r->m->place.n_devices; i++)
			if (r->m->place.ifindex[i] == at->ifindex)
				snprintf(r->device_why[i], PB_MCD_WHY,
					 at->mode == PB_MCL_XDP ? "XDP is not possible: %s"
								: "cannot be attached: %s",
					 at->err == -EBUSY	  ? "another program is there"
					 : at->err == -EOPNOTSUPP ? "the driver has none"
								  : strerror(-at->err));
	}
}

void mc_devices(struct pb_memcached *all)
{
	struct spot list[PB_MC_SERVICES * MCS_DEVICES_MAX];
	unsigned keep[ARRAY_SIZE(list)];
	size_t n = 0;

	if (!all->mcl)
		return;
	for (unsigned s = 0; s < PB_MC_SERVICES; s++) {
		struct mc_run *r = all->run[s];

		for (unsigned i = 0; r && r->put && i < r->m->place.n_devices; i++)
			add(list, &n, r->m->place.ifindex[i], mode_of(r, i), r->far);
	}
	for (size_t i = 0; i < n; i++) {
		keep[i] = list[i].ifindex;
		list[i].err =
			pb_mcl_attach(all->mcl, list[i].ifindex, (enum pb_mcl_mode)list[i].mode);
		if (!list[i].err)
			continue;
		say(all, &list[i]);
		log_info("memcached: device %u: %s", list[i].ifindex, strerror(-list[i].err));
	}
	pb_mcl_detach_others(all->mcl, keep, n);
}
