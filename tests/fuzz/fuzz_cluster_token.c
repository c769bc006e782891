/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A token as somebody may paste it; what is taken comes back the same. */
#include <stdlib.h>
#include <string.h>

#include "control/agent/cluster_state.h"
#include "control/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try(const char *text)
{
	struct pb_token t = { .n_keys = 0 }, again = { .n_keys = 0 };
	char err[PB_ERR_LEN] = "";
	_cleanup_free_ char *out = NULL;

	if (pb_token_parse(text, &t, err)) {
		if (!*err)
			abort();
		return;
	}
	out = pb_token_format(&t);
	if (!out || (strlen(out) <= PB_TOKEN_MAX && pb_token_parse(out, &again, err)))
		abort();
	if (strlen(out) <= PB_TOKEN_MAX && memcmp(&t, &again, sizeof(t)))
		abort();
}

/* Once as it is, once as what is inside. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = calloc(1, size * 2 + 16);

	if (!text)
		return 0;
	memcpy(text, data, size);
	try(text);
	strcpy(text, PB_TOKEN_PREFIX);
	pb_base64_write(data, size, true, text + strlen(PB_TOKEN_PREFIX));
	try(text);
	return 0;
}
