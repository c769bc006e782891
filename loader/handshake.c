/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object of bpf/handshake.bpf.c, embedded. */
#include "internal.h"

#include "handshake.skel.h"

const void *pb_elf_handshake(size_t *ret_size)
{
	return handshake__elf_bytes(ret_size);
}
