/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object of bpf/identity.bpf.c, embedded. */
#include "internal.h"

#include "identity.skel.h"

const void *pb_elf_identity(size_t *ret_size)
{
	return identity__elf_bytes(ret_size);
}
