/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object of bpf/peer.bpf.c, embedded, and its place on the network devices. */
#include "control/util.h"
#include "internal.h"

#include "peer.skel.h"

const void *pb_elf_peer(size_t *ret_size)
{
	return peer__elf_bytes(ret_size);
}

static bool is_listed(const unsigned *ifindex, size_t n, unsigned i)
{
	for (size_t k = 0; k < n; k++)
		if (ifindex[k] == i)
			return true;
	return false;
}

/* Takes the programs from devices that are not listed (any more). */
static int detach_others(struct pb_loader *l, const unsigned *ifindex, size_t n)
{
	char **names;
	size_t n_names;
	int err = pb_folder_list(l->bpffs, PB_LINK_DIR, &names, &n_names);

	if (err)
		return err;
	for (size_t i = 0; i < n_names; i++) {
		_cleanup_free_ char *path = pb_pin_path(l->bpffs, PB_LINK_DIR, names[i]);
		struct pb_tc_place at;
		int e = path ? 0 : -ENOMEM;

		if (!e && pb_tc_place(names[i], &at) && !at.memcached &&
		    !is_listed(ifindex, n, at.ifindex))
			e = pb_link_remove(path);
		if (e && e != -ENOENT)
			err = log_err(e, "cannot remove %s", path ? path : names[i]);
	}
	pb_pin_names_free(names, n_names);
	return err;
}

int pb_loader_attach_devices(struct pb_loader *l, const unsigned *ifindex, size_t n,
			     struct pb_loader_report *report)
{
	int err = detach_others(l, ifindex, n);

	if (!l->obj[PB_OBJ_peer])
		return -EOPNOTSUPP;
	for (size_t i = 0; i < n; i++) {
		int e = pb_loader_attach_device(l, ifindex[i], report);

		/* It went while we looked: whoever lists devices hears of it. */
		if (e && e != -ENODEV)
			err = e;
	}
	return err;
}
