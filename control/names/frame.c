/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pb_frame_want(struct pb_frame *f, char **ret, size_t *ret_len)
{
	if (f->have < PB_FRAME_HEAD) {
		*ret = (char *)f->head + f->have;
		*ret_len = PB_FRAME_HEAD - f->have;
		return;
	}
	*ret = (char *)f->msg + (f->have - PB_FRAME_HEAD);
	*ret_len = f->len + PB_FRAME_HEAD - f->have;
}

int pb_frame_took(struct pb_frame *f, size_t n)
{
	f->have += n;
	if (f->have < PB_FRAME_HEAD)
		return 0;
	if (f->msg)
		return f->have == f->len + PB_FRAME_HEAD;
	f->len = (size_t)f->head[0] << 8 | f->head[1];
	if (!f->len)
		return 1;
	f->msg = malloc(f->len);
	return f->msg ? 0 : -ENOMEM;
}

void pb_frame_reset(struct pb_frame *f)
{
	free(f->msg);
	memset(f, 0, sizeof(*f));
}
