/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object of bpf/splice.bpf.c, embedded, and its place on the map pb_splice. */
#include <bpf/bpf.h>

#include "control/util.h"
#include "internal.h"

#include "splice.skel.h"

const void *pb_elf_splice(size_t *ret_size)
{
	return splice__elf_bytes(ret_size);
}

static int map_id(int fd, uint64_t *ret)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	*ret = info.id;
	return err;
}

int pb_loader_attach_splice(struct pb_loader *l, struct pb_loader_report *report)
{
	const struct bpf_program *prog = pb_loader_prog(l, "pb_skmsg");
	int err, map = pb_loader_map_fd(l, "pb_splice");
	uint64_t id;

	if (!prog)
		return 0;
	if (map < 0)
		return map;
	err = map_id(map, &id);
	if (err)
		return err;
	err = pb_loader_attach_map(l, map, id, report);
	if (err == -EINVAL || err == -EOPNOTSUPP)
		err = bpf_prog_attach(bpf_program__fd(prog), map, BPF_SK_MSG_VERDICT, 0);
	if (err)
		return log_err(err, "cannot attach program pb_skmsg");
	l->splice = true;
	return 0;
}

bool pb_loader_splice(const struct pb_loader *l)
{
	return l->splice;
}
