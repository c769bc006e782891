/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "depth.h"

bool pb_json_deeper(const char *text, size_t len, int max)
{
	bool quoted = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!quoted && (text[i] == '}' || text[i] == ']'))
			depth--;
		if (depth > max)
			return true;
	}
	return false;
}
