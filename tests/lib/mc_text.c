/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "mc_text.h"

#include <stdlib.h>
#include <string.h>

uint8_t mc_text_escape(const char **p)
{
	char hex[3] = "";

	switch (*++*p) {
	case 'r': return '\r';
	case 'n': return '\n';
	case 't': return '\t';
	case '0': return 0;
	case 'x':
		memcpy(hex, *p + 1, 2);
		*p += 2;
		return (uint8_t)strtoul(hex, NULL, 16);
	}
	return (uint8_t) * *p;
}

void mc_text_fill(char what, const char *key, uint8_t *out, size_t want)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < want; i++)
		out[i] = what == 'v' ? (uint8_t)('a' + (i + i / 26) % 26)
			 : i < n     ? (uint8_t)key[n - 1 - i]
				     : 'k';
}
