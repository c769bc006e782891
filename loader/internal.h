/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of the loader share among themselves. */
#ifndef PB_LOADER_INTERNAL_H
#define PB_LOADER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <bpf/libbpf.h>

#include <patchbay/names.h>
#include <patchbay/types.h>

#include "loader.h"

/* X(stem, need): bpf/STEM.bpf.c, loader/STEM.c.  Loaded in this order.  need M: must load; O: an
 * older kernel may do without it. */
#define PB_OBJECTS(X) \
	X(identity, M) \
	X(handshake, M) \
	X(guard, M) \
	X(splice, O) \
	X(flows, O) \
	X(destroy, O) \
	X(peer, O) \
	X(hello, O)

enum {
#define PB_X(stem, need) PB_OBJ_##stem,
	PB_OBJECTS(PB_X)
#undef PB_X
		_PB_OBJ_MAX,
};

struct pb_loader {
	char *bpffs;
	int lock_fd; /* BPFFS/patchbay, held by flock(2) */
	bool adopted;
	bool splice;			     /* pb_skmsg is attached */
	bool clsact;			     /* no links to devices here (before Linux 6.6) */
	struct bpf_object *obj[_PB_OBJ_MAX]; /* NULL: an optional one that does not load here */
};

/* The embedded ELF image of each object. */
#define PB_X(stem, need) const void *pb_elf_##stem(size_t *ret_size);
PB_OBJECTS(PB_X)
#undef PB_X

/* A row of PB_PROGS: 'C' managed cgroup, 'N' guarded network namespace, 'D' its devices, on the way
 * in, 'E' on the way out, 'M' the map pb_splice. */
#define PB_WHERE_DEVICE "DE"
struct pb_prog_row {
	const char *name;
	char where;
};
extern const struct pb_prog_row pb_prog_rows[];
extern const size_t pb_prog_rows_n;

/* loader.c */
struct bpf_program *pb_loader_prog(struct pb_loader *l, const char *name);
int pb_prog_id(const struct bpf_program *prog, uint32_t *ret);
/* Is what is pinned there laid out as @map is?  0 also where nothing is.  -EUCLEAN: it is not. */
int pb_map_check_layout(const struct bpf_map *map, const char *path);

/* attach.c: the programs that go on a map.  -EINVAL: no links to maps here. */
int pb_loader_attach_map(struct pb_loader *l, int fd, uint64_t id, struct pb_loader_report *report);

/* ... and those that go on a device of this network namespace.  -ENODEV: there is none. */
int pb_loader_attach_device(struct pb_loader *l, unsigned ifindex, struct pb_loader_report *report);

/* tc.c: devices without links.  The pin is the program's own, and says that we attached it. */
#define PB_MCL_TC_PROG "pb_mc_tc" /* of another loader (memcached.h), on devices of its own */
struct pb_tc_place {
	unsigned ifindex;
	bool egress;
	bool memcached; /* a filter beside ours */
};
bool pb_is_prog(int fd);
/* Of the pin "PROGRAM@IFINDEX", a path before it or not; false: it is none of a device. */
bool pb_tc_place(const char *pin, struct pb_tc_place *ret);
int pb_tc_look(const struct pb_tc_place *at, uint32_t *ret_id); /* what runs there; 0: nothing */
int pb_tc_create(const struct bpf_program *prog, const struct pb_tc_place *at, const char *path);
/* 1: updated, 0: was current, -ENOLINK: it is gone, but for the pin @fd. */
int pb_tc_update(int fd, const struct bpf_program *prog, const struct pb_tc_place *at,
		 const char *path);
int pb_tc_remove(int fd, const struct pb_tc_place *at);

/* detach.c: one pin of a hook, and the hook. */
int pb_link_remove(const char *path);

/* folder.c: BPFFS/patchbay[/SUB[/NAME]]; sub and name may be NULL. */
#define PB_BPFFS_DEFAULT "/sys/fs/bpf"
#define PB_LINK_DIR "links"
char *pb_pin_path(const char *bpffs, const char *sub, const char *name);
const char *pb_map_dir(void); /* "v<PB_ABI_VERSION>" */
int pb_bpffs_check(const char *bpffs);
/* Makes the folders with their modes and takes the lock. */
int pb_folder_open(const char *bpffs, gid_t group, int *ret_lock_fd, pid_t *ret_pid);
int pb_folder_maps_mode(const char *bpffs, gid_t group);
/* Names in BPFFS/patchbay/SUB (SUB NULL: the folder itself), sorted; none if it does not exist. */
int pb_folder_list(const char *bpffs, const char *sub, char ***ret, size_t *ret_n);
void pb_pin_names_free(char **names, size_t n);

/* links.c */
struct pb_link_look {
	uint32_t prog_id;
	uint32_t attach_type;
	uint64_t target; /* cgroup id, netns inode, ifindex or map id; 0: the target is gone */
};
int pb_link_look(int fd, struct pb_link_look *ret);

/* log.c: libbpf's messages go to pb_log(), one level lower. */
void pb_bpf_log_init(void);
void pb_bpf_log_capture(void);
/* Ends the capture; failed: shows the last lines and saves all of it in dir. */
void pb_bpf_log_finish(bool failed, const char *dir);

#endif /* PB_LOADER_INTERNAL_H */
