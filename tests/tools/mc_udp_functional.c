// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A script of requests, each sent to the switch and to a plain memcached: the answers must be the
 * same, byte by byte.  tests/lib/memcached_cases.txt says what the letters mean.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/mc_udp.h"

#define ANSWER_MS 3000
#define HIT_MS 15000
#define EQUAL_MS 8000

static struct {
	struct mcu_target vip, twin;
	struct mcu_reply got, want;
	uint8_t req[2][MCU_MAX]; /* they differ by {cas} only */
	size_t len[2];
	uint8_t flat[2][1 << 20]; /* what of the answers is compared */
	const char *hits;
	char name[64], key[80], why[200];
	unsigned passed, failed, proven;
	int answers;
} f;

static bool multiget(void)
{
	return mcu_multiget(f.req[0], f.len[0]);
}

/* What comes in one datagram is in the order of the keys, too (with cas uniques: not looked at). */
static bool any_order(void)
{
	return multiget() && (memcmp(f.req[0], "get ", 4) || f.got.parts > 1 || f.want.parts > 1);
}

static bool same(void)
{
	size_t a = mcu_flat(&f.got, any_order(), f.flat[0], f.vip.cas),
	       b = mcu_flat(&f.want, any_order(), f.flat[1], f.twin.cas);

	if (a != b || memcmp(f.flat[0], f.flat[1], a))
		return snprintf(f.why, sizeof(f.why), "other bytes"), false;
	if (f.got.wrong)
		return snprintf(f.why, sizeof(f.why), "%s", f.got.wrong), false;
	if (f.answers > 1 || multiget())
		return true;
	if (f.got.parts != f.want.parts)
		return snprintf(f.why, sizeof(f.why), "%d datagrams instead of %d", f.got.parts,
				f.want.parts),
		       false;
	for (int i = 0; i < f.got.parts; i++)
		if (f.got.part[i].total != f.want.part[0].total)
			return snprintf(f.why, sizeof(f.why), "datagram %d of %u instead of %u", i,
					f.got.part[i].total, f.want.part[0].total),
			       false;
	return true;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool both(void)
{
	int rc;

	f.got.keep = f.want.keep = false;
	if (mcu_send(&f.twin, f.req[1], f.len[1]) || mcu_send(&f.vip, f.req[0], f.len[0]))
		return snprintf(f.why, sizeof(f.why), "cannot send: %s", strerror(errno)), false;
	if (mcu_recv(&f.twin, &f.want, f.answers, ANSWER_MS))
		return snprintf(f.why, sizeof(f.why), "no answer from the plain memcached"), false;
	rc = mcu_recv(&f.vip, &f.got, f.answers, ANSWER_MS);
	/* of several servers: each ends its part by itself */
	for (int n = 2; !rc && multiget() && n < 16 && !same(); n++) {
		f.got.keep = true;
		if (mcu_recv(&f.vip, &f.got, n, ANSWER_MS))
			break;
	}
	return rc ? snprintf(f.why, sizeof(f.why), "no answer"), false : true;
}

static bool step_same(void)
{
	return both() && same();
}

static bool step_hit(void)
{
	uint64_t end = mcu_now_us() + HIT_MS * 1000 * mcu_slow();
	long long before;

	if (!f.hits)
		return step_same();
	do {
		before = mcu_ask(f.hits);
		if (!step_same())
			return false;
		if (before >= 0 && mcu_ask(f.hits) > before)
			return f.proven++, true;
		/* it is fetched when it was asked for often */
		for (int i = 0; i < 20; i++)
			if (!step_same())
				return false;
		mcu_wait_ms(20);
	} while (mcu_now_us() < end);
	return snprintf(f.why, sizeof(f.why), "never answered from the cache"), false;
}

static bool step_equal(void)
{
	uint64_t end = mcu_now_us() + EQUAL_MS * 1000 * mcu_slow();

	while (!step_same()) {
		if (mcu_now_us() > end)
			return false;
		mcu_wait_ms(20);
	}
	return true;
}

static bool miss(const struct mcu_reply *r)
{
	return (r->len == 5 && !memcmp(r->buf, "END\r\n", 5)) ||
	       (r->len == 4 && !memcmp(r->buf, "EN\r\n", 4));
}

/* Until it has expired there and here; both clocks count seconds, each from its own start. */
static bool step_gone(void)
{
	uint64_t end = mcu_now_us() + 10000000, gone = 0;

	for (;;) {
		if (!both())
			return false;
		if (!gone && miss(&f.want))
			gone = mcu_now_us();
		if (gone && miss(&f.got))
			return true;
		if (mcu_now_us() > (gone ? gone + 2100000 : end))
			return snprintf(f.why, sizeof(f.why), "still there"), false;
		mcu_wait_ms(20);
	}
}

static bool step_silent(bool twin)
{
	if (twin && mcu_send(&f.twin, f.req[1], f.len[1]))
		return false;
	if (mcu_send(&f.vip, f.req[0], f.len[0]))
		return false;
	f.got.keep = false;
	return mcu_recv(&f.vip, &f.got, 1, 150) ||
	       (snprintf(f.why, sizeof(f.why), "an answer came"), false);
}

static void put(uint8_t *p, uint64_t v, int bytes)
{
	while (bytes--) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

/* "OPCODE KEY EXTRAS VALUE", - for nothing there: a binary request. */
static void binary(int who, const char *text)
{
	char word[4][256] = { "", "", "", "" };
	uint8_t *q = f.req[who], *p = q + 24;

	if (sscanf(text, "%255s %255s %255s %255s", word[0], word[1], word[2], word[3]) < 2)
		word[1][0] = '-';
	memset(q, 0, 24);
	q[0] = 0x80;
	q[1] = (uint8_t)strtoul(word[0], NULL, 16);
	if (word[2][0] != '-')
		for (size_t i = 0; i + 1 < strlen(word[2]); i += 2) {
			char hex[3] = { word[2][i], word[2][i + 1], 0 };

			*p++ = (uint8_t)strtoul(hex, NULL, 16);
		}
	q[4] = (uint8_t)(p - q - 24);
	if (word[1][0] != '-') {
		size_t n = mcu_expand(word[1], f.key, "", p, 250);

		p += n;
		put(q + 2, n, 2);
	}
	if (word[3][0] && word[3][0] != '-')
		p += mcu_expand(word[3], f.key, "", p, 8192);
	put(q + 8, (uint64_t)(p - q - 24), 4);
	memcpy(q + 12, "\1\2\3\4", 4);
	f.len[who] = (size_t)(p - q);
}

static bool step(const char *line)
{
	const char *text = strchr(line, ' ');
	bool bin = line[0] == 'b';

	if (!text)
		return snprintf(f.why, sizeof(f.why), "no such step"), false;
	f.answers = line[1] >= '1' && line[1] <= '9' ? line[1] - '0' : 1;
	for (int who = 0; who < 2; who++)
		if (bin)
			binary(who, text + 1);
		else
			f.len[who] = mcu_expand(text + 1, f.key, who ? f.twin.cas : f.vip.cas,
						f.req[who], MCU_MAX - MCU_FRAME);
	switch (line[bin]) {
	case ' ':
	case 'S': return step_same();
	case 'H': return step_hit();
	case 'E': return step_equal();
	case 'G': return step_gone();
	case 'N': return step_silent(true);
	case 'P': return step_silent(false);
	case 'A': return both();
	case 'W': return mcu_wait_ms(atoi(text)), true;
	}
	return snprintf(f.why, sizeof(f.why), "no such step"), false;
}

/* ---- the script ------------------------------------------------------------------------------ */

static void verdict(const char *line, bool good)
{
	if (good) {
		f.passed++;
		printf("ok %s\n", f.name);
		return;
	}
	f.failed++;
	printf("FAIL %s: %s at: %s\n", f.name, f.why, line);
	mcu_print("request", f.req[0], f.len[0]);
	mcu_print("answer", f.got.buf, f.got.len);
	mcu_print("memcached's", f.want.buf, f.want.len);
}

static void script(FILE *in, const char *prefix, const char *only)
{
	static char line[8192];
	static unsigned number;
	bool bad = true;

	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = 0;
		if (!line[0] || line[0] == '#')
			continue;
		if (!strncmp(line, "case ", 5)) {
			if (!bad)
				verdict("", true);
			snprintf(f.name, sizeof(f.name), "%s%.40s", prefix, line + 5);
			snprintf(f.key, sizeof(f.key), "%d-yek-%u%s", getpid(), number++, prefix);
			bad = only && strcmp(only, line + 5);
			continue;
		}
		f.why[0] = 0;
		if (!bad && !step(line)) {
			bad = true;
			verdict(line, false);
		}
	}
	if (!bad)
		verdict("", true);
}

int mcu_functional(int argc, char **argv)
{
	const char *vip = NULL, *twin = NULL, *file = NULL, *prefix = "", *only = NULL;
	FILE *in;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--vip"))
			vip = argv[i + 1];
		else if (!strcmp(argv[i], "--twin"))
			twin = argv[i + 1];
		else if (!strcmp(argv[i], "--script"))
			file = argv[i + 1];
		else if (!strcmp(argv[i], "--hits"))
			f.hits = argv[i + 1];
		else if (!strcmp(argv[i], "--name"))
			prefix = argv[i + 1];
		else if (!strcmp(argv[i], "--only"))
			only = argv[i + 1];
		else
			return 2;
	}
	if (!vip || !twin || !file || mcu_target(&f.vip, vip) || mcu_target(&f.twin, twin))
		return 2;
	in = fopen(file, "re");
	if (!in)
		return 2;
	script(in, prefix, only);
	fclose(in);
	printf("# %u cases right, %u wrong, %u hits proven\n", f.passed, f.failed, f.proven);
	return f.failed || !f.passed;
}
