// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/mc_text.h"
#include "tests/tools/mc_udp.h"

long long mcu_ask(const char *command)
{
	long long n = -1;
	FILE *f = popen(command, "re");

	if (!f)
		return -1;
	if (fscanf(f, "%lld", &n) != 1)
		n = -1;
	pclose(f);
	return n;
}

int mcu_pids(char *text, int *pids)
{
	int n = 0;

	for (char *p = strtok(text, ","); p && n < MCU_PIDS; p = strtok(NULL, ","))
		pids[n++] = atoi(p);
	return n;
}

void mcu_print(const char *what, const uint8_t *p, size_t len)
{
	printf("    %s (%zu): ", what, len);
	for (size_t i = 0; i < len && i < 300; i++)
		printf(p[i] < ' ' || p[i] > '~' || p[i] == '\\' ? "\\x%02x" : "%c", p[i]);
	printf("\n");
}

/* {NAME}: the key, cut or filled to a length, a value of a length, or the last cas. */
static size_t expand_word(const char *w, const char *key, const char *cas, uint8_t *out,
			  size_t room)
{
	size_t want = (size_t)atoi(w + 1);

	if (!strncmp(w, "cas}", 4))
		return (size_t)snprintf((char *)out, room, "%s", cas);
	if (*w == 'k' && w[1] == '}')
		want = strlen(key);
	want = want < room ? want : room;
	mc_text_fill(*w, key, out, want);
	return want;
}

size_t mcu_expand(const char *text, const char *key, const char *cas, uint8_t *out, size_t room)
{
	size_t n = 0;

	for (const char *p = text; *p && n < room; p++) {
		if (*p == '\\' && p[1]) {
			out[n++] = mc_text_escape(&p);
		} else if (*p == '{' && strchr("kvc", p[1]) && strchr(p, '}')) {
			n += expand_word(p + 1, key, cas, out + n, room - n);
			p = strchr(p, '}');
		} else {
			out[n++] = (uint8_t)*p;
		}
	}
	return n;
}

/* Sends each request and prints the answer as it is. */
int mcu_ask_all(int argc, char **argv)
{
	static struct mcu_reply r;
	static uint8_t req[MCU_MAX];
	struct mcu_target t = { 0 };
	int answers = 1, i = 2, none = 0;

	if (argc < 3 || mcu_target(&t, argv[1]))
		return 2;
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--none"))
			none = 1;
		else if (!strcmp(argv[i], "--answers") && i + 1 < argc)
			answers = atoi(argv[++i]);
		else
			return 2;
	}
	for (; i < argc; i++) {
		size_t n = mcu_expand(argv[i], "key", "0", req, sizeof(req) - MCU_FRAME);
		int rc = mcu_send(&t, req, n);

		if (!rc)
			rc = mcu_recv(&t, &r, answers, none ? 300 : 2000);
		fwrite(r.buf, 1, r.len, stdout);
		if (none ? !rc : rc) {
			printf("%s\n", none ? "an answer came" : strerror(-rc));
			return 1;
		}
	}
	return 0;
}
