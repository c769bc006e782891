/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading pinned links, and removing those whose target is gone. */
#include <bpf/bpf.h>

#include "control/util.h"
#include "internal.h"

#define PB_LINK_TYPE_TCX 11	/* BPF_LINK_TYPE_TCX, Linux 6.6 */
#define PB_LINK_TYPE_SOCKMAP 14 /* BPF_LINK_TYPE_SOCKMAP, Linux 6.10 */

int pb_link_look(int fd, struct pb_link_look *ret)
{
	struct bpf_link_info info = { 0 };
	struct pb_link_look look = { 0 };
	uint32_t len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	if (err)
		return err;
	look.prog_id = info.prog_id;
	if (info.type == BPF_LINK_TYPE_CGROUP) {
		look.target = info.cgroup.cgroup_id;
		look.attach_type = info.cgroup.attach_type;
	} else if (info.type == BPF_LINK_TYPE_NETNS) {
		look.target = info.netns.netns_ino;
		look.attach_type = info.netns.attach_type;
	} else if (info.type == PB_LINK_TYPE_SOCKMAP || info.type == PB_LINK_TYPE_TCX) {
		/* struct { __u32 map_id or ifindex; __u32 attach_type; }, unknown to older headers */
		look.target = info.netns.netns_ino;
		look.attach_type = info.netns.attach_type;
	} else if (info.type == BPF_LINK_TYPE_XDP) {
		look.target = info.xdp.ifindex;
		look.attach_type = BPF_XDP;
	} else {
		return -EMEDIUMTYPE;
	}
	*ret = look;
	return 0;
}

/* A device without links: its filter is what lives. */
static int look_at_device(const char *name, struct pb_link_look *ret)
{
	struct pb_link_look look = { 0 };
	struct pb_tc_place at;
	int err;

	if (!pb_tc_place(name, &at))
		return -EMEDIUMTYPE;
	err = pb_tc_look(&at, &look.prog_id);
	if (err && err != -ENODEV)
		return err;
	look.target = look.prog_id ? at.ifindex : 0;
	*ret = look;
	return 0;
}

static int open_link(const char *bpffs, const char *name, struct pb_link_look *ret)
{
	_cleanup_free_ char *path = pb_pin_path(bpffs, PB_LINK_DIR, name);
	_cleanup_close_ int fd = -1;

	if (!path)
		return -ENOMEM;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	return pb_is_prog(fd) ? look_at_device(name, ret) : pb_link_look(fd, ret);
}

/* 1: removed, 0: the target lives (or the link cannot be read: left alone). */
static int sweep_one(const char *bpffs, const char *name)
{
	_cleanup_free_ char *path = pb_pin_path(bpffs, PB_LINK_DIR, name);
	struct pb_link_look look;

	if (!path)
		return -ENOMEM;
	if (open_link(bpffs, name, &look) || look.target)
		return 0;
	if (unlink(path))
		return errno == ENOENT ? 0 : -errno;
	return 1;
}

int pb_loader_sweep(struct pb_loader *l)
{
	char **names;
	size_t n;
	int gone = 0;
	int err = pb_folder_list(l->bpffs, PB_LINK_DIR, &names, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		int r = sweep_one(l->bpffs, names[i]);

		if (r < 0)
			err = r;
		else
			gone += r;
	}
	pb_pin_names_free(names, n);
	return err ? err : gone;
}

/* One program a link: "current" is the very program this loader loaded.  Reading the tag of another
 * would need CAP_SYS_ADMIN (BPF_PROG_GET_FD_BY_ID), which the agent lacks. */
static bool is_current(struct pb_loader *l, const char *name, uint32_t prog_id)
{
	char prog[64];
	struct bpf_program *p;
	uint32_t id;

	/* those of memcached.h have a loader of their own */
	if (!l || !strncmp(name, "pb_mc_", 6))
		return true;
	snprintf(prog, sizeof(prog), "%.*s", (int)strcspn(name, "@"), name);
	p = pb_loader_prog(l, prog);
	return p && !pb_prog_id(p, &id) && id == prog_id;
}

static int read_state(struct pb_loader *l, const char *bpffs, const char *name,
		      struct pb_link_state *ret)
{
	struct pb_link_look look = { 0 };
	int err = open_link(bpffs, name, &look);

	if (err && err != -ENOENT)
		return err;
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->prog_id = look.prog_id;
	ret->target = look.target;
	ret->alive = look.target != 0;
	ret->current = ret->alive && is_current(l, name, look.prog_id);
	return 0;
}

/* The links of the main cgroup are listed even when missing; then those of further cgroups and of
 * devices. */
static int read_states(struct pb_loader *l, const char *bpffs, char *const *names, size_t n,
		       struct pb_link_state **ret, size_t *ret_n)
{
	_cleanup_free_ struct pb_link_state *st = calloc(pb_prog_rows_n + n, sizeof(*st));
	size_t k = 0;
	int err = 0;

	if (!st)
		return -ENOMEM;
	for (size_t i = 0; !err && i < pb_prog_rows_n; i++) {
		if (strchr(PB_WHERE_DEVICE, pb_prog_rows[i].where))
			continue;
		err = read_state(l, bpffs, pb_prog_rows[i].name, &st[k]);
		k += st[k].alive || pb_prog_rows[i].where != 'M';
	}
	for (size_t i = 0; !err && i < n; i++)
		if (strchr(names[i], '@'))
			err = read_state(l, bpffs, names[i], &st[k++]);
	if (err)
		return err;
	*ret = TAKE_PTR(st);
	*ret_n = k;
	return 0;
}

static int list(struct pb_loader *l, const char *bpffs, struct pb_link_state **ret, size_t *ret_n)
{
	char **names;
	size_t n;
	int err = pb_folder_list(bpffs, PB_LINK_DIR, &names, &n);

	if (err)
		return err;
	err = read_states(l, bpffs, names, n, ret, ret_n);
	pb_pin_names_free(names, n);
	return err;
}

int pb_loader_links(const char *bpffs, struct pb_link_state **ret, size_t *ret_n)
{
	return list(NULL, bpffs, ret, ret_n);
}

int pb_loader_links_of(struct pb_loader *l, struct pb_link_state **ret, size_t *ret_n)
{
	return list(l, l->bpffs, ret, ret_n);
}
