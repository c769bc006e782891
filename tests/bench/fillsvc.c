// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * usage: fillsvc BPFFS COUNT: makes exactly COUNT invented services in pb_services, so that the
 * price of a full table can be measured.  They name endpoint 0, which never exists.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include <patchbay/addr.h>
#include <patchbay/maps.h>
#include <patchbay/names.h>

#include "control/util.h"

#define COUNT_MAX 60000u
#define FILL_NET 0x0afa0000u /* 10.250.0.0/16 */

static int fill(int fd, unsigned count)
{
	struct pb_service s = { .taken = { 1 }, .live = { 1 } };

	for (unsigned i = 0; i < COUNT_MAX; i++) {
		struct pb_svc_key k = { .addr = pb_addr_v4(pb_htonl(FILL_NET + i)),
					.port = pb_htons(80),
					.proto = PB_PROTO_UDP };
		int err = i < count ? bpf_map_update_elem(fd, &k, &s, BPF_ANY) :
				      bpf_map_delete_elem(fd, &k);

		if (err && i < count)
			return -errno;
		if (err) /* the first that is not there: none behind it either */
			return 0;
	}
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_close_ int fd = -1;
	unsigned count = argc == 3 ? strtoul(argv[2], NULL, 10) : COUNT_MAX + 1;
	char path[4096];
	int err;

	if (argc != 3 || count > COUNT_MAX) {
		fprintf(stderr, "usage: fillsvc BPFFS COUNT (at most %u)\n", COUNT_MAX);
		return 2;
	}
	snprintf(path, sizeof(path), "%s/%s/v%d/pb_services", argv[1], PB_PIN_DIR, PB_ABI_VERSION);
	fd = bpf_obj_get(path);
	if (fd < 0) {
		fprintf(stderr, "fillsvc: %s: %s\n", path, strerror(errno));
		return 1;
	}
	err = fill(fd, count);
	if (err)
		fprintf(stderr, "fillsvc: %s\n", strerror(-err));
	return err ? 1 : 0;
}
