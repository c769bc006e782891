// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the agent tells patchbay-frames: a message's text, and the service in it; written and read again it
 * is the same. */
#include <string.h>

#include "control/frames/frames_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frw_service a, b;
	json_t *o = frw_parse((const char *)data, size), *again;
	char err[PB_ERR_LEN] = "";
	const char *text;

	if (!o)
		return 0;
	frw_answer(o, &text);
	if (!frw_service_parse(json_object_get(o, "service"), &a, err)) {
		again = frw_service_json(&a);
		if (!again || frw_service_parse(again, &b, err) || memcmp(&a, &b, sizeof(a)) != 0)
			__builtin_trap();
		json_decref(again);
	}
	json_decref(o);
	return 0;
}
