// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "tests/lib/mc_gen.h"

/* Left out on purpose: watch and metadump take the connection away, a verbosity that is taken changes
 * what a real server logs (it is at most 2 then). */
static const char *const verbs[] = {
	"get",
	"gets",
	"gat",
	"gats",
	"set",
	"add",
	"replace",
	"append",
	"prepend",
	"cas",
	"touch",
	"incr",
	"decr",
	"delete",
	"mg",
	"ms",
	"md",
	"ma",
	"me",
	"mn",
	"flush_all",
	"version",
	"verbosity",
	"bget",
	"lru",
	"quit",
	"SET",
	"ge",
	"getx",
	"replacex",
	"flush_al",
	"flush_allx",
	"g",
	"m",
	"mx",
	"prependprepend",
	"cache_memlimit",
};
static const char *const keys[] = {
	"a",
	"key",
	"counter",
	"noreply",
	"0",
	"5",
	"a-longer-key:with.some/more=bytes",
	"b",
	"\x10\x10\x10\x10\x10\x10\x10\x10k",
	"tab\there",
	"cr\rhere",
	"\xc3\xa9t\xc3\xa9",
	"\x7f",
	"\r",
	"Zm9v",
	"a2V5",
	"YQ==",
	"YWI=",
	"Zm9",
	"Zm9v=",
	"====",
	"A=BC",
	"Zm-9v",
	"Zm9vYmFyYmF6",
};
static const char *const numbers[] = {
	"0",
	"1",
	"5",
	"3",
	"-1",
	"+4",
	"-0",
	"007",
	"4294967296",
	"4294967301",
	"2147483648",
	"60",
	"9223372036854775807",
	"9223372036854775808",
	"18446744073709551615",
	"18446744073709551616",
	"-18446744073709551615",
	"-9223372036854775808",
	"-9223372036854775809",
	"x",
	"5x",
	"5\t",
	"\t5",
	"\v\f5\r",
	"5 ",
	"- 5",
	"--5",
	"-",
	"",
	"0x5",
	"5\t-",
	"18446744073709551615\t-",
	"0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000003",
};
static const char *const flags[] = {
	"v",
	"k",
	"f",
	"s",
	"t",
	"c",
	"q",
	"b",
	"h",
	"l",
	"u",
	"O123",
	"T30",
	"T-1",
	"Tx",
	"N30",
	"N",
	"R30",
	"I",
	"MS",
	"MA",
	"ME",
	"MI",
	"MD",
	"M+",
	"M-",
	"MX",
	"M",
	"MSS",
	"F5",
	"Fx",
	"C1",
	"C",
	"J7",
	"D2",
	"Dx",
	"P",
	"L",
	"E5",
	"x",
	"\xff",
	"~",
	"S9",
	"B",
	"vv",
	"kx",
	"b64",
	"O1234567890123456789012345678901",
	"O12345678901234567890123456789012",
};
static const char *const wrong_verbosity[] = { "verbosity\r\n", "verbosity x\r\n",
					       "verbosity x noreply\r\n", "verbosity 1 2 3 4\r\n" };
static const char *const ends[] = { "\r\n",  "\r\n", "\r\n", "\n", "\r\r\n",
				    " \r\n", "  \n", "\r",   "" };

#define PICK(g, of) of[mc_gen_below(g, sizeof(of) / sizeof(*of))]

uint32_t mc_gen_below(struct mc_gen *g, uint32_t n)
{
	/* splitmix64 */
	uint64_t z = g->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (uint32_t)((z ^ z >> 31) % n);
}

static void put(struct mc_gen *g, const void *p, size_t n)
{
	if (n > MC_GEN_MAX - g->len)
		n = MC_GEN_MAX - g->len;
	memcpy(g->buf + g->len, p, n);
	g->len += n;
}

static void puts_(struct mc_gen *g, const char *s)
{
	put(g, s, strlen(s));
}

static void fill(struct mc_gen *g, char c, size_t n)
{
	while (n--)
		put(g, &c, 1);
}

static void space(struct mc_gen *g)
{
	fill(g, ' ', mc_gen_below(g, 8) ? 1 : mc_gen_below(g, 12));
}

static void put_key(struct mc_gen *g)
{
	space(g);
	if (mc_gen_below(g, 12))
		puts_(g, PICK(g, keys));
	else
		fill(g, 'k', 246 + mc_gen_below(g, 8));
}

static void put_number(struct mc_gen *g)
{
	space(g);
	puts_(g, numbers[mc_gen_below(g, mc_gen_below(g, 3) ? 4
							    : sizeof(numbers) / sizeof(*numbers))]);
}

static void put_end(struct mc_gen *g)
{
	if (!mc_gen_below(g, 20)) {
		fill(g, 0, 1);
		puts_(g, "behind nul");
	}
	puts_(g, PICK(g, ends));
}

static void put_value(struct mc_gen *g, uint32_t n)
{
	static const char value[] = "12END\r\nVALUE a 0 1\r\n1\n\r\n";

	put(g, value, n < sizeof(value) - 1 ? n : sizeof(value) - 1);
	if (n >= sizeof(value))
		fill(g, 'v', n - sizeof(value) + 1);
}

static void put_store(struct mc_gen *g, const char *verb)
{
	char len[16] = { 0 };
	uint32_t n = mc_gen_below(g, mc_gen_below(g, 8) ? 12 : 1200), lie = mc_gen_below(g, 8);

	puts_(g, verb);
	put_key(g);
	if (strcmp(verb, "ms")) {
		put_number(g);
		put_number(g);
	}
	space(g);
	for (uint32_t v = n, i = 4; i--; v /= 10)
		len[i] = (char)('0' + v % 10);
	puts_(g, lie ? len : PICK(g, numbers));
	if (!strcmp(verb, "cas"))
		put_number(g);
	if (!strcmp(verb, "ms"))
		for (uint32_t i = mc_gen_below(g, 4); i--;) {
			space(g);
			puts_(g, PICK(g, flags));
		}
	if (!mc_gen_below(g, 3))
		puts_(g, " noreply");
	put_end(g);
	put_value(g, n - (lie == 1 && n) + (lie == 2));
	puts_(g, mc_gen_below(g, 10) ? "\r\n" : "\n");
}

/* Flags that differ, about as many as a command may have. */
static void put_many_flags(struct mc_gen *g)
{
	static const char *const differ[] = { "v",  "k",  "f",	"s",  "t",  "c", "h",
					      "l",  "u",  "P",	"L",  "I",  "q", "O1",
					      "T0", "N0", "R0", "F5", "C1", "D1" };
	uint32_t n = 15 + mc_gen_below(g, 5);

	puts_(g, mc_gen_below(g, 2) ? "mg a" : "md a");
	for (uint32_t i = 0; i < n; i++) {
		space(g);
		puts_(g, differ[i]);
	}
	put_end(g);
}

static void put_line(struct mc_gen *g, const char *verb)
{
	uint32_t many = mc_gen_below(g, 12) ? 4 : 30;

	if (!mc_gen_below(g, 10))
		space(g);
	puts_(g, verb);
	if (mc_gen_below(g, 20))
		put_key(g);
	for (uint32_t n = mc_gen_below(g, many); n--;) {
		uint32_t what = mc_gen_below(g, 4);

		if (*verb == 'm' ? what : !what) {
			space(g);
			puts_(g, PICK(g, flags));
		} else if (what == 1) {
			put_key(g);
		} else {
			put_number(g);
		}
	}
	if (!mc_gen_below(g, 4))
		puts_(g, " noreply");
	put_end(g);
}

static void put_text(struct mc_gen *g)
{
	const char *verb = PICK(g, verbs);
	uint32_t store = !strcmp(verb, "ms") || !strcmp(verb, "set") || !strcmp(verb, "cas") ||
			 !strcmp(verb, "add") || !strcmp(verb, "append") ||
			 !strcmp(verb, "replace") || !strcmp(verb, "prepend");

	if (!strcmp(verb, "verbosity"))
		puts_(g, PICK(g, wrong_verbosity));
	else if (!strcmp(verb, "cache_memlimit"))
		puts_(g, "cache_memlimit 64 noreply\r\n");
	else if (*verb == 'm' && !mc_gen_below(g, 8))
		put_many_flags(g);
	else if (store && mc_gen_below(g, 8))
		put_store(g, verb);
	else
		put_line(g, verb);
}

static void change(struct mc_gen *g)
{
	static const char bytes[] = " \r\n\0\t0-bq5\x80";
	size_t at = g->len ? mc_gen_below(g, (uint32_t)g->len) : 0;

	if (!g->len)
		return;
	switch (mc_gen_below(g, 3)) {
	case 0: g->buf[at] = (uint8_t)bytes[mc_gen_below(g, sizeof(bytes) - 1)]; break;
	case 1: g->len = at; break;
	default: memmove(g->buf + at, g->buf + at + 1, --g->len - at);
	}
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* One binary request: the lengths its opcode wants, or others. */
void mc_gen_binary(struct mc_gen *g)
{
	static const uint8_t ext_of[0x25] = {
		[1] = 8,    [2] = 8,	[3] = 8,    [5] = 20,	 [6] = 20,
		[0x11] = 8, [0x12] = 8, [0x13] = 8, [0x15] = 20, [0x16] = 20,
		[0x1c] = 4, [0x1d] = 4, [0x1e] = 4, [0x23] = 4,	 [0x24] = 4
	};
	uint8_t h[24] = { 0x80 };
	uint32_t op = mc_gen_below(g, 0x28), odd = mc_gen_below(g, 6), ext, key, value;
	const char *name = PICK(g, keys);

	ext = op < 0x25 ? ext_of[op] : 0;
	value = ext == 8 || (op & 0xf) == 0xe || op == 0xf || op == 0x19 || op == 0x1a
			? mc_gen_below(g, 40)
			: 0;
	key = (uint32_t)strlen(name);
	if (op == 7 || op == 8 || op == 0xa || op == 0xb || op == 0x17 || op == 0x18 || op == 0x20)
		key = 0;
	h[1] = (uint8_t)op;
	put16(h + 2, odd == 1 ? key + 1 : key);
	h[4] = (uint8_t)(odd == 2 ? ext + 1 : ext);
	put16(h + 10, key + ext + value + (odd == 3));
	h[15] = (uint8_t)mc_gen_below(g, 256);
	h[23] = !mc_gen_below(g, 8);
	put(g, h, sizeof(h));
	fill(g, 0, ext);
	put(g, name, key);
	put_value(g, value);
	if (odd == 4)
		fill(g, 'x', mc_gen_below(g, 12));
}

void mc_gen_message(struct mc_gen *g)
{
	uint32_t more = mc_gen_below(g, 6) ? 1 : 1 + mc_gen_below(g, 3);

	g->len = 0;
	if (!mc_gen_below(g, 4)) {
		while (more--)
			mc_gen_binary(g);
		return;
	}
	while (more--)
		put_text(g);
	if (memmem(g->buf, g->len, "verbosity", 9) || memmem(g->buf, g->len, "cache_memlimit", 14))
		return;
	for (uint32_t n = mc_gen_below(g, 4) ? 0 : 1 + mc_gen_below(g, 3); n--;)
		change(g);
}
