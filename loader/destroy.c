/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object of bpf/destroy.bpf.c, embedded, its own maps and its walk. */
#include "destroy.h"

#include <bpf/bpf.h>

#include "control/util.h"
#include "internal.h"

#include "destroy.skel.h"

const void *pb_elf_destroy(size_t *ret_size)
{
	return destroy__elf_bytes(ret_size);
}

/* A map of this object alone. */
static int own_map(struct pb_loader *l, const char *name)
{
	int fd = -ENOENT;

	if (l->obj[PB_OBJ_destroy])
		fd = bpf_object__find_map_fd_by_name(l->obj[PB_OBJ_destroy], name);
	return fd < 0 ? -EOPNOTSUPP : fd;
}

int pb_loader_gone_add(struct pb_loader *l, const struct pb_gone_key *k, uint32_t flags)
{
	struct pb_gone_val v = { .flags = flags };
	int map = own_map(l, "pb_gone"), err;

	if (map < 0)
		return map;
	err = bpf_map_update_elem(map, k, &v, BPF_ANY);
	return err == -E2BIG ? -ENOSPC : err;
}

int pb_loader_gone_del(struct pb_loader *l, const struct pb_gone_key *k)
{
	int map = own_map(l, "pb_gone"), err;

	if (map < 0)
		return map;
	err = bpf_map_delete_elem(map, k);
	return err == -ENOENT ? 0 : err;
}

/* The iterator's link lives as long as the file that is read. */
int pb_loader_stuck_open(struct pb_loader *l)
{
	const struct bpf_program *prog = pb_loader_prog(l, "pb_stuck");
	union bpf_iter_link_info info = { 0 };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	int spared = own_map(l, "pb_spared"), map = pb_loader_map_fd(l, "pb_socks");
	_cleanup_close_ int link = -1;
	uint64_t none = 0;
	uint32_t zero = 0;

	if (!prog || spared < 0)
		return -EOPNOTSUPP;
	if (map < 0)
		return map;
	bpf_map_update_elem(spared, &zero, &none, BPF_ANY);
	info.map.map_fd = (__u32)map;
	link = bpf_link_create(bpf_program__fd(prog), 0, BPF_TRACE_ITER, &opts);
	return link < 0 ? link : bpf_iter_create(link);
}

uint64_t pb_loader_stuck_spared(struct pb_loader *l)
{
	int map = own_map(l, "pb_spared");
	uint64_t n = 0;
	uint32_t zero = 0;

	return map < 0 || bpf_map_lookup_elem(map, &zero, &n) ? 0 : n;
}
