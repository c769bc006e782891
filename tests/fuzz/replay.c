// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Stands in for libFuzzer: runs one fuzz target over the files given, so that the corpora are
 * replayed by gcc's sanitizers in every `make check`. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1u << 20)

static int replay(const char *path)
{
	_cleanup_free_ uint8_t *data = NULL;
	_cleanup_fclose_ FILE *f = fopen(path, "rb");
	_cleanup_free_ uint8_t *buf = malloc(INPUT_MAX);
	size_t n;

	if (!f)
		return -errno;
	if (!buf)
		return -ENOMEM;
	n = fread(buf, 1, INPUT_MAX, f);
	if (ferror(f))
		return -EIO;
	/* exact size, so that a read past the end is seen */
	data = malloc(n ? n : 1);
	if (!data)
		return -ENOMEM;
	memcpy(data, buf, n);
	LLVMFuzzerTestOneInput(data, n);
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int err = replay(argv[i]);

		if (err) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-err));
			return 1;
		}
	}
	printf("replayed %d inputs\n", argc - 1);
	return 0;
}
