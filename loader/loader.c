/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Open, configure, load; adopt or pin the maps.  Attaching is in attach.c. */
#include "loader.h"

#include <bpf/bpf.h>

#include "control/util.h"
#include "internal.h"

static const struct {
	const char *stem;
	const void *(*elf)(size_t *ret_size);
	char need;
} objects[_PB_OBJ_MAX] = {
#define PB_X(stem, need) { #stem, pb_elf_##stem, #need[0] },
	PB_OBJECTS(PB_X)
#undef PB_X
};

static const struct {
	const char *name;
	uint32_t max_entries;
} map_rows[] = {
#define PB_X(name, max) { #name, max },
	PB_MAPS(PB_X)
#undef PB_X
};

const struct pb_prog_row pb_prog_rows[] = {
#define PB_X(name, where) { #name, #where[0] },
	PB_PROGS(PB_X)
#undef PB_X
};
const size_t pb_prog_rows_n = ARRAY_SIZE(pb_prog_rows);

struct bpf_program *pb_loader_prog(struct pb_loader *l, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->obj); i++) {
		struct bpf_program *p = NULL;

		if (l->obj[i])
			p = bpf_object__find_program_by_name(l->obj[i], name);
		if (p)
			return p;
	}
	return NULL;
}

int pb_prog_id(const struct bpf_program *prog, uint32_t *ret)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len);

	if (err)
		return err;
	*ret = info.id;
	return 0;
}

/* Is there a map of an earlier run? */
static bool maps_found(const char *bpffs)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_rows); i++) {
		_cleanup_free_ char *path = pb_pin_path(bpffs, pb_map_dir(), map_rows[i].name);

		if (path && !access(path, F_OK))
			return true;
	}
	return false;
}

/* libbpf would refuse too, but in words that help nobody. */
int pb_map_check_layout(const struct bpf_map *map, const char *path)
{
	_cleanup_close_ int fd = bpf_obj_get(path);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int err;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return log_err(fd, "cannot open pinned map %s", path);
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err)
		return log_err(err, "cannot look at pinned map %s", path);
	if (info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
	    info.value_size == bpf_map__value_size(map) &&
	    info.max_entries == bpf_map__max_entries(map) &&
	    info.map_flags == bpf_map__map_flags(map))
		return 0;
	pb_log(PB_LOG_ERR, "pinned map %s has another layout: run patchbay detach --all",
	       bpf_map__name(map));
	return -EUCLEAN;
}

static int configure_maps(struct pb_loader *l, struct bpf_object *obj, const char *stem)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_rows); i++) {
		_cleanup_free_ char *path = pb_pin_path(l->bpffs, pb_map_dir(), map_rows[i].name);
		struct bpf_map *map = bpf_object__find_map_by_name(obj, map_rows[i].name);
		int err;

		if (!path)
			return -ENOMEM;
		if (!map)
			return log_err(-ENOENT, "object %s lacks map %s", stem, map_rows[i].name);
		err = bpf_map__set_max_entries(map, map_rows[i].max_entries);
		if (!err)
			err = bpf_map__set_pin_path(map, path);
		if (err)
			return log_err(err, "cannot configure map %s", map_rows[i].name);
		err = pb_map_check_layout(map, path);
		if (err)
			return err;
	}
	return 0;
}

static int load_object(struct pb_loader *l, size_t i, const char *log_dir)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = objects[i].stem);
	struct bpf_object *obj;
	const void *elf;
	size_t size;
	int err;

	elf = objects[i].elf(&size);
	obj = bpf_object__open_mem(elf, size, &opts);
	if (!obj)
		return log_err(-errno, "cannot open object %s", objects[i].stem);
	l->obj[i] = obj;
	err = configure_maps(l, obj, objects[i].stem);
	if (err)
		return err;
	pb_bpf_log_capture();
	err = bpf_object__load(obj);
	pb_bpf_log_finish(err != 0, log_dir);
	if (err)
		return log_err(err, "cannot load object %s", objects[i].stem);
	return 0;
}

/* The one object an older kernel may refuse is left out: its feature is lost, nothing else. */
static int load_or_skip(struct pb_loader *l, size_t i, const char *log_dir)
{
	int err = load_object(l, i, log_dir);

	if (!err || objects[i].need == 'M' || err == -EUCLEAN)
		return err;
	log_warn("this kernel does not take the programs of %s: that feature is off",
		 objects[i].stem);
	bpf_object__close(TAKE_PTR(l->obj[i]));
	return 0;
}

static int check_programs(struct pb_loader *l)
{
	for (size_t i = 0; i < pb_prog_rows_n; i++)
		if (!strchr("M" PB_WHERE_DEVICE, pb_prog_rows[i].where) &&
		    !pb_loader_prog(l, pb_prog_rows[i].name))
			return log_err(-ENOENT, "program %s is in no object", pb_prog_rows[i].name);
	return 0;
}

/* Nothing was there and the load failed: leave nothing. */
static void unpin_maps(const char *bpffs)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_rows); i++) {
		_cleanup_free_ char *path = pb_pin_path(bpffs, pb_map_dir(), map_rows[i].name);

		if (path)
			unlink(path);
	}
}

static int load_all(struct pb_loader *l, const struct pb_loader_opts *opts)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(objects); i++)
		err = load_or_skip(l, i, opts->log_dir);
	if (!err)
		err = check_programs(l);
	if (!err)
		err = pb_folder_maps_mode(l->bpffs, opts->group);
	if (err && !l->adopted)
		unpin_maps(l->bpffs);
	return err;
}

static void loader_freep(struct pb_loader **l)
{
	pb_loader_free(*l);
}

int pb_loader_open(struct pb_loader **ret, const struct pb_loader_opts *opts, pid_t *ret_pid)
{
	_cleanup_(loader_freep) struct pb_loader *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->lock_fd = -1;
	l->bpffs = strdup(opts->bpffs ? opts->bpffs : PB_BPFFS_DEFAULT);
	if (!l->bpffs)
		return -ENOMEM;
	pb_bpf_log_init();
	err = pb_bpffs_check(l->bpffs);
	if (!err)
		err = pb_folder_open(l->bpffs, opts->group, &l->lock_fd, ret_pid);
	if (err)
		return err;
	l->adopted = maps_found(l->bpffs);
	err = load_all(l, opts);
	if (err)
		return err;
	*ret = TAKE_PTR(l);
	return 0;
}

void pb_loader_free(struct pb_loader *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(l->obj); i++)
		bpf_object__close(l->obj[i]); /* takes NULL */
	if (l->lock_fd >= 0)
		close(l->lock_fd);
	free(l->bpffs);
	free(l);
}

bool pb_loader_adopted(const struct pb_loader *l)
{
	return l->adopted;
}

int pb_loader_map_fd(struct pb_loader *l, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(l->obj[0], name);

	return fd < 0 ? -ENOENT : fd;
}

int pb_map_open(const char *bpffs, const char *name)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	_cleanup_free_ char *path = pb_pin_path(bpffs, pb_map_dir(), name);

	return path ? bpf_obj_get_opts(path, &opts) : -ENOMEM;
}
