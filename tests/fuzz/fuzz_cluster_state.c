/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cluster.json as a disk may give it back; what is taken is written as it was read. */
#include <stdlib.h>
#include <string.h>

#include "control/agent/cluster_state.h"
#include "control/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ struct pb_cluster_file *f = calloc(2, sizeof(*f));
	_cleanup_free_ char *text = NULL;
	char err[PB_ERR_LEN] = "";

	if (!f)
		return 0;
	if (pb_cluster_file_parse((const char *)data, size, &f[0], err)) {
		if (!*err)
			abort();
		return 0;
	}
	text = pb_cluster_file_format(&f[0]);
	if (!text || pb_cluster_file_parse(text, strlen(text), &f[1], err) ||
	    memcmp(&f[0], &f[1], sizeof(f[0])))
		abort();
	return 0;
}
