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
	X(flows, O)

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
	struct bpf_object *obj[_PB_OBJ_MAX]; /* NULL: an optional one that does not load here */
};

/* The embedded ELF image of each object. */
#define PB_X(stem, need) const void *pb_elf_##stem(size_t *ret_size);
PB_OBJECTS(PB_X)
#undef PB_X

/* A row of PB_PROGS: 'C' managed cgroup, 'N' guarded network namespace, 'M' the map pb_splice. */
struct pb_prog_row {
	const char *name;
	char where;
};
extern const struct pb_prog_row pb_prog_rows[];
extern const size_t pb_prog_rows_n;

/* loader.c */
struct bpf_program *pb_loader_prog(struct pb_loader *l, const char *name);
int pb_prog_id(const struct bpf_program *prog, uint32_t *ret);

/* attach.c: the programs that go on a map.  -EINVAL: no links to maps here. */
int pb_loader_attach_map(struct pb_loader *l, int fd, uint64_t id, struct pb_loader_report *report);

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
	uint64_t target; /* cgroup id, netns inode or map id; 0: the target is gone */
};
int pb_link_look(int fd, struct pb_link_look *ret);

/* log.c: libbpf's messages go to pb_log(), one level lower. */
void pb_bpf_log_init(void);
void pb_bpf_log_capture(void);
/* Ends the capture; failed: shows the last lines and saves all of it in dir. */
void pb_bpf_log_finish(bool failed, const char *dir);

#endif /* PB_LOADER_INTERNAL_H */
