// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tort fill MAP N   puts N keys nobody else uses into a pinned hash map, or as many as it takes
 * tort fill MAP 0   takes them out again
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tort.h"

static void make_key(uint8_t *key, size_t size, uint64_t i)
{
	memset(key, 0xee, size);
	memcpy(key, &i, sizeof(i));
}

int tt_fill(int argc, char **argv)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	uint64_t n = argc == 3 ? strtoull(argv[2], NULL, 10) : 0, i = 0;
	uint8_t *key, *value;
	int fd, err = 0;

	if (argc != 3)
		return TT_USAGE;
	fd = bpf_obj_get(argv[1]);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || info.key_size < 8) {
		printf("FAIL fill: %s: %s\n", argv[1], tt_errname(errno));
		return TT_FAILED;
	}
	key = calloc(1, info.key_size);
	value = calloc(1, info.value_size);
	if (!key || !value)
		return TT_FAILED;
	for (; n ? i < n : i < info.max_entries; i++) {
		make_key(key, info.key_size, i);
		err = n ? bpf_map_update_elem(fd, key, value, BPF_NOEXIST)
			: bpf_map_delete_elem(fd, key);
		if (err && (n || errno != ENOENT))
			break;
	}
	printf("ok fill %s=%llu of %u, then %s\n", n ? "added" : "looked-at", (unsigned long long)i,
	       info.max_entries, n && err ? tt_errname(errno) : "none");
	free(key);
	free(value);
	return TT_OK;
}
