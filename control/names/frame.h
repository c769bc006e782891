/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS messages on a stream: two bytes of length, then the message (RFC 1035
 * 4.2.2).  Asks for exactly the bytes that the current message lacks, so a
 * reader that stops after a message has nothing left over to keep.  Pure.
 */
#ifndef PB_NAMES_FRAME_H
#define PB_NAMES_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define PB_FRAME_HEAD 2

struct pb_frame {
	uint8_t head[PB_FRAME_HEAD];
	uint8_t *msg; /* allocated when the length is known */
	size_t len;
	size_t have; /* bytes so far, length included */
};

/* Where the next bytes go; never 0 bytes. */
void pb_frame_want(struct pb_frame *f, char **ret, size_t *ret_len);
/* @n of them came.  1: msg and len are a whole message, reset before going on; 0: not yet; -ENOMEM. */
int pb_frame_took(struct pb_frame *f, size_t n);
void pb_frame_reset(struct pb_frame *f);

#endif /* PB_NAMES_FRAME_H */
