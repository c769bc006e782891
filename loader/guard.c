/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object of bpf/guard.bpf.c, embedded. */
#include "internal.h"

#include "guard.skel.h"

const void *pb_elf_guard(size_t *ret_size)
{
	return guard__elf_bytes(ret_size);
}
