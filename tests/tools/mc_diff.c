// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The parser of include/patchbay/mc_parse.h against a real memcached:
 *	mc_diff PORT LOG COUNT [SEED]
 * memcached runs on 127.0.0.1 with -U PORT -t 1 -vvv, its standard error goes to LOG, where it names
 * every key that it looks up.  Each random message goes to it by TCP and by UDP; the keys, in order,
 * and the kind of answer must be what the parser said.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/tools/mc_diff.h"

static void show(const char *what, const uint8_t *p, size_t n)
{
	printf("  %s (%zu): ", what, n);
	for (size_t i = 0; i < n && i < 400; i++)
		printf(p[i] < ' ' || p[i] > '~' || p[i] == '\\' ? "\\x%02x" : "%c", p[i]);
	printf("\n");
}

static int differs(const struct mc_diff *d, const struct mc_expect *e, const char *how,
		   const char *why)
{
	printf("%s: %s\n", how, why);
	show("message", d->gen.buf, d->gen.len);
	for (int i = 0; i < e->n; i++)
		printf("  request %d: kind %u error %u flags %x step %u key %u+%u next %u\n", i,
		       e->req[i].kind, e->req[i].error, e->req[i].flags, e->req[i].step,
		       e->req[i].key_off, e->req[i].key_len, e->req[i].next);
	for (int i = 0; i < e->keys; i++)
		show("expected key", e->key[i].p, e->key[i].n);
	show("answer", d->answer, d->answer_len);
	show("log", d->log, d->log_len);
	return 1;
}

static int one(struct mc_diff *d)
{
	struct mc_expect e;
	const char *why;

	mc_gen_message(&d->gen);
	if (!d->gen.len)
		return 0;
	mc_expect(&d->gen, &e);
	if (mc_diff_tcp(d))
		return differs(d, &e, "tcp", "no connection");
	why = mc_expect_compare(d, &e, 0);
	if (why)
		return differs(d, &e, "tcp", why);
	if (e.stalls || e.quits)
		return 0;
	if (mc_diff_udp(d))
		return differs(d, &e, "udp", "no answer to mn");
	d->udp++;
	why = mc_expect_compare(d, &e, 1);
	return why ? differs(d, &e, "udp", why) : 0;
}

int main(int argc, char **argv)
{
	static struct mc_diff d;
	unsigned long count, bad = 0, i;

	if (argc < 4) {
		fprintf(stderr, "usage: mc_diff PORT LOG COUNT [SEED]\n");
		return 2;
	}
	d.gen.state = argc > 4 ? strtoull(argv[4], NULL, 0) : 1;
	count = strtoul(argv[3], NULL, 0);
	if (mc_diff_open(&d, (uint16_t)atoi(argv[1]), argv[2])) {
		printf("cannot reach memcached: %s\n", strerror(errno));
		return 1;
	}
	for (i = 0; i < count && bad < 5; i++)
		bad += (unsigned long)one(&d);
	printf("%lu messages, %lu by datagram too, %lu differ\n", i, d.udp, bad);
	for (int k = 0; k < PB_MC_ERRORS; k++)
		printf("error %d: %lu\n", k, d.errors[k]);
	for (int k = 0; k < PB_MC_KINDS; k++)
		printf("kind %d: %lu\n", k, d.kinds[k]);
	for (int k = 0; k <= PB_MC_R_OTHER; k++)
		printf("reply %d: %lu\n", k, d.replies[k]);
	return bad ? 1 : 0;
}
