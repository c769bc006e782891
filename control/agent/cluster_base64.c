/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cluster_state.h"

#include "../util.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void pb_base64_write(const uint8_t *p, size_t n, bool url, char *ret)
{
	size_t i, at = 0;

	for (i = 0; i < n; i += 3) {
		uint32_t w = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);
		unsigned have = n - i < 3 ? (unsigned)(n - i) + 1 : 4;

		for (unsigned k = 0; k < 4; k++) {
			char c = k < have ? letters[w >> (18 - 6 * k) & 63] : '=';

			if (url && c == '=')
				break;
			ret[at++] = url && c == '+' ? '-' : url && c == '/' ? '_' : c;
		}
	}
	ret[at] = '\0';
}

static int value(char c)
{
	const char *p;

	if (c == '-')
		c = '+';
	if (c == '_')
		c = '/';
	p = c ? strchr(letters, c) : NULL;
	return p ? (int)(p - letters) : -1;
}

int pb_base64_read(const char *text, size_t len, uint8_t *ret, size_t cap)
{
	uint32_t w = 0;
	unsigned bits = 0;
	size_t n = 0, pad = 0;

	while (pad < 2 && pad < len && text[len - pad - 1] == '=')
		pad++;
	if ((pad && len % 4) || (len - pad) % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < len - pad; i++) {
		int v = value(text[i]);

		if (v < 0)
			return -EINVAL;
		w = w << 6 | (uint32_t)v;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (n == cap)
			return -ENOBUFS;
		ret[n++] = (uint8_t)(w >> bits);
	}
	/* what is left over was zero when it was written: one text for one value */
	return w & ((1u << bits) - 1) ? -EINVAL : (int)n;
}

void pb_hex_write(const uint8_t *p, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		snprintf(ret + 2 * i, 3, "%02x", p[i]);
}

int pb_hex_read(const char *text, uint8_t *ret, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	if (strnlen(text, 2 * n + 1) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const char *h = strchr(digits, text[2 * i]), *l = strchr(digits, text[2 * i + 1]);

		if (!h || !l)
			return -EINVAL;
		ret[i] = (uint8_t)((h - digits) << 4 | (l - digits));
	}
	return 0;
}
