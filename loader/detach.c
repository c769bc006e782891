/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Taking everything away again, without the agent. */
#include <ctype.h>

#include <bpf/bpf.h>

#include "control/util.h"
#include "internal.h"

/* A filter that we cannot take away must be known: its pin was all that told of it. */
static void remove_filter(int fd, const char *path)
{
	struct pb_tc_place at;
	int err = pb_tc_place(path, &at) ? pb_tc_remove(fd, &at) : -EMEDIUMTYPE;

	if (err && err != -ENODEV)
		log_warn("%s: its filter stays: %s", path, strerror(-err));
}

static int remove_pin(const char *path, bool is_link)
{
	/* Detached by force: an fd held elsewhere must not keep the hook in place. */
	_cleanup_close_ int fd = is_link ? bpf_obj_get(path) : -1;
	int err = 0;

	if (fd >= 0 && pb_is_prog(fd))
		remove_filter(fd, path);
	else if (fd >= 0)
		err = bpf_link_detach(fd);
	/* The target may be gone already; whatever the cause, the pin goes. */
	if (err)
		log_debug("%s: %s", path, strerror(-err));
	return unlink(path) ? -errno : 0;
}

int pb_link_remove(const char *path)
{
	return remove_pin(path, true);
}

/* Empties and removes BPFFS/patchbay/SUB. */
static int remove_sub(const char *bpffs, const char *sub, bool links, unsigned *removed)
{
	_cleanup_free_ char *dir = pb_pin_path(bpffs, sub, NULL);
	char **names;
	size_t n;
	int err = dir ? pb_folder_list(bpffs, sub, &names, &n) : -ENOMEM;

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *path = pb_pin_path(bpffs, sub, names[i]);
		int e = path ? remove_pin(path, links) : -ENOMEM;

		if (e && e != -ENOENT)
			err = log_err(e, "cannot remove %s", path ? path : names[i]);
		else if (!e)
			(*removed)++;
	}
	pb_pin_names_free(names, n);
	if (!err && rmdir(dir) && errno != ENOENT)
		err = log_err(-errno, "cannot remove %s", dir);
	return err;
}

/* "v1", "v2"...: also the maps of other versions. */
static bool is_map_dir(const char *name)
{
	return name[0] == 'v' && isdigit((unsigned char)name[1]);
}

int pb_loader_detach_all(const char *bpffs, unsigned *ret_removed)
{
	_cleanup_free_ char *top = pb_pin_path(bpffs, NULL, NULL);
	unsigned removed = 0;
	char **names;
	size_t n;
	int err = top ? pb_bpffs_check(bpffs) : -ENOMEM;

	if (!err)
		err = pb_folder_list(bpffs, NULL, &names, &n);
	if (err)
		return err;
	/* Links first: no program may run while its maps lose their names. */
	err = remove_sub(bpffs, PB_LINK_DIR, true, &removed);
	for (size_t i = 0; !err && i < n; i++)
		if (is_map_dir(names[i]))
			err = remove_sub(bpffs, names[i], false, &removed);
	pb_pin_names_free(names, n);
	if (!err && rmdir(top) && errno != ENOENT)
		err = log_err(-errno, "cannot remove %s", top);
	if (err)
		return err;
	*ret_removed = removed;
	return 0;
}
