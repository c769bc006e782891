/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object of bpf/hello.bpf.c, embedded. */
#include "internal.h"

#include "hello.skel.h"

const void *pb_elf_hello(size_t *ret_size)
{
	return hello__elf_bytes(ret_size);
}

bool pb_loader_datagrams(const struct pb_loader *l)
{
	return l->obj[PB_OBJ_hello] != NULL && l->obj[PB_OBJ_peer] != NULL;
}
