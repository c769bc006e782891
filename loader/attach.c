/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Links: update in place what is alive, attach anew what is dead or missing.
 * No fd of a link is kept: the pin alone holds it, so that removing the pin
 * removes the hook.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "control/util.h"
#include "internal.h"

#define ATTACH_TCX_INGRESS 46 /* BPF_TCX_INGRESS, Linux 6.6 */
#define ATTACH_TCX_EGRESS 47
#define ATTACH_FIRST (1u << 3) /* BPF_F_BEFORE, and before nobody in particular */

struct target {
	int fd;	     /* a device: its index */
	uint64_t id; /* cgroup id, netns inode, ifindex or map id */
	bool main;
	char where; /* as in PB_PROGS */
};

static bool is_device(const struct target *t)
{
	return strchr(PB_WHERE_DEVICE, t->where) != NULL;
}

static struct pb_tc_place place_of(const struct target *t)
{
	return (struct pb_tc_place){ .ifindex = (unsigned)t->id, .egress = t->where == 'E' };
}

static char *link_path(const struct pb_loader *l, const char *prog, const struct target *t)
{
	char name[64];

	if (t->main)
		snprintf(name, sizeof(name), "%s", prog);
	else if (is_device(t)) /* as `ip link` shows it */
		snprintf(name, sizeof(name), "%s@%llu", prog, (unsigned long long)t->id);
	else
		snprintf(name, sizeof(name), "%s@%llx", prog, (unsigned long long)t->id);
	return pb_pin_path(l->bpffs, PB_LINK_DIR, name);
}

/* A removed cgroup keeps its links for a moment (the kernel releases them later). */
static bool other_gone(const struct target *t, uint64_t id)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} u = { .h = { .handle_bytes = sizeof(id), .handle_type = 0xfe /* FILEID_KERNFS */ } };
	_cleanup_close_ int fd = -1;

	if (is_device(t)) /* it came to another namespace, where it is another's */
		return true;
	if (t->where != 'C')
		return false;
	memcpy(u.room + sizeof(u.h), &id, sizeof(id));
	fd = open_by_handle_at(t->fd, &u.h, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 && errno == ESTALE;
}

static const char *target_word(const struct target *t)
{
	switch (t->where) {
	case 'C': return "cgroup";
	case 'M': return "map";
	case 'D':
	case 'E': return "device";
	default: return "network namespace";
	}
}

/* The oldest headers we build with know no links to devices: the program's type says nothing. */
static uint32_t attach_type(const struct bpf_program *prog, const struct target *t)
{
	switch (t->where) {
	case 'D': return ATTACH_TCX_INGRESS;
	case 'E': return ATTACH_TCX_EGRESS;
	default: return bpf_program__expected_attach_type(prog);
	}
}

/* 1: updated, 0: was current, -ENOLINK: dead. */
static int update(int fd, const struct bpf_program *prog, const struct target *t, const char *path)
{
	struct pb_tc_place at = place_of(t);
	struct pb_link_look look;
	uint32_t id;
	int err;

	if (pb_is_prog(fd))
		return pb_tc_update(fd, prog, &at, path);
	err = pb_link_look(fd, &look);
	if (err)
		return log_err(err, "cannot look at link %s", path);
	if (!look.target || (look.target != t->id && other_gone(t, look.target)))
		return -ENOLINK;
	if (look.target != t->id) {
		pb_log(PB_LOG_ERR, "link %s holds another %s (id %llu): run patchbay detach --all",
		       path, target_word(t), (unsigned long long)look.target);
		return -EXDEV;
	}
	if (look.attach_type != attach_type(prog, t)) {
		pb_log(PB_LOG_ERR, "link %s is of another kind: run patchbay detach --all", path);
		return -EUCLEAN;
	}
	err = pb_prog_id(prog, &id);
	if (err)
		return err;
	if (look.prog_id == id)
		return 0;
	err = bpf_link_update(fd, bpf_program__fd(prog), NULL);
	if (err == -ENOLINK)
		return err;
	if (err)
		return log_err(err, "cannot update link %s", path);
	return 1;
}

static int create(struct pb_loader *l, const struct bpf_program *prog, const struct target *t,
		  const char *path)
{
	/* At a device before others, which may end the walk; ours never does. */
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = is_device(t) ? ATTACH_FIRST : 0);
	struct pb_tc_place at = place_of(t);
	_cleanup_close_ int fd = -1;
	int err;

	if (!is_device(t) || !l->clsact)
		fd = bpf_link_create(bpf_program__fd(prog), t->fd, attach_type(prog, t), &opts);
	if (fd == -EINVAL && is_device(t))
		l->clsact = true;
	if (is_device(t) && l->clsact) {
		err = pb_tc_create(prog, &at, path);
		return err && err != -ENODEV ? log_err(err, "cannot attach to device %d", t->fd)
					     : err;
	}
	if (fd < 0 && (t->where == 'M' || (is_device(t) && fd == -ENODEV)))
		return fd;
	if (fd < 0)
		return log_err(fd, "cannot attach program %s", bpf_program__name(prog));
	err = bpf_obj_pin(fd, path);
	if (err)
		return log_err(err, "cannot pin link %s", path);
	return 0;
}

static int attach_one(struct pb_loader *l, const char *name, const struct target *t,
		      struct pb_loader_report *report)
{
	const struct bpf_program *prog = pb_loader_prog(l, name);
	_cleanup_free_ char *path = link_path(l, name, t);
	_cleanup_close_ int fd = -1;
	bool healed = l->adopted && t->main;
	int err;

	if (!path || !prog)
		return path ? -ENOENT : -ENOMEM;
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		err = update(fd, prog, t, path);
		if (err >= 0)
			report->updated += err;
		if (err != -ENOLINK)
			return err < 0 ? err : 0;
		healed = true;
		if (unlink(path) && errno != ENOENT)
			return log_err(-errno, "cannot remove dead link %s", path);
	} else if (fd != -ENOENT) {
		return log_err(fd, "cannot open link %s", path);
	}
	err = create(l, prog, t, path);
	if (err)
		return err;
	if (healed)
		report->healed++;
	else
		report->attached++;
	return 0;
}

static int attach_all(struct pb_loader *l, const struct target *t, struct pb_loader_report *report)
{
	struct pb_loader_report none = { 0 };
	int err = 0;

	if (!report)
		report = &none;
	report->adopted = l->adopted;
	for (size_t i = 0; !err && i < pb_prog_rows_n; i++)
		if (pb_prog_rows[i].where == t->where)
			err = attach_one(l, pb_prog_rows[i].name, t, report);
	return err;
}

int pb_loader_attach_cgroup(struct pb_loader *l, int cgroup_fd, uint64_t cgroup_id, bool main,
			    struct pb_loader_report *report)
{
	struct target t = { .fd = cgroup_fd, .id = cgroup_id, .main = main, .where = 'C' };

	return attach_all(l, &t, report);
}

int pb_loader_attach_netns(struct pb_loader *l, int netns_fd, struct pb_loader_report *report)
{
	struct target t = { .fd = netns_fd, .main = true, .where = 'N' };
	struct stat st;

	if (fstat(netns_fd, &st))
		return -errno;
	t.id = st.st_ino;
	return attach_all(l, &t, report);
}

int pb_loader_attach_map(struct pb_loader *l, int fd, uint64_t id, struct pb_loader_report *report)
{
	struct target t = { .fd = fd, .id = id, .main = true, .where = 'M' };

	return attach_all(l, &t, report);
}

int pb_loader_attach_device(struct pb_loader *l, unsigned ifindex, struct pb_loader_report *report)
{
	struct target t = { .fd = (int)ifindex, .id = ifindex, .where = 'D' };
	int err = attach_all(l, &t, report);

	if (err || !pb_loader_datagrams(l))
		return err;
	t.where = 'E';
	return attach_all(l, &t, report);
}
