/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A client's stream for the memcached plugin: what servers are asked and what the client hears do not
 * depend on how the stream is cut.  The first byte says whether there is a cache, and which servers are
 * up; no server answers. */
#include <stdint.h>
#include <stdlib.h>

#include "control/memcached/ring.h"
/* tools of tests are not linked here */
#include "tests/lib/frame_drive.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool to_server(void *arg, uint32_t server, const void *data, size_t n)
{
	struct fdr_buf *asked = arg;

	fdr_put(asked, &server, sizeof(server));
	fdr_put(asked, data, n);
	return true;
}

static ssize_t from_server(void *arg, uint32_t server, void *data, size_t cap)
{
	(void)arg;
	(void)server;
	(void)data;
	(void)cap;
	return -1;
}

static const struct fdr_ops ops = { to_server, from_server, NULL, NULL };

static struct pb_mc_ring *ring_of(void)
{
	static const struct mcr_server list[] = { { .host = "a", .weight = 1 },
						  { .host = "b", .weight = 1 },
						  { .host = "c", .weight = 1 } };
	static struct pb_mc_ring ring;
	const __u64 key[2] = { 1, 2 };

	if (!ring.n && mcr_build_maglev(&ring, key, list, 3))
		abort();
	return &ring;
}

static void run(struct fdr *d, struct fdr_buf *asked, uint64_t seed, const uint8_t *data,
		size_t size)
{
	fdr_init(d, &pb_frame_memcached, &ops, asked, 3, ring_of());
	d->seed = seed;
	d->ens.flags = data[0] & PB_FRAME_E_CACHE;
	for (uint32_t i = 0; i < 3; i++)
		d->server[i].flags = data[0] >> (i + 1) & PB_FRAME_S_UP;
	fdr_feed(d, data + 1, size - 1);
	if (d->wrong[0])
		abort();
}

static void same(const struct fdr_buf *a, const struct fdr_buf *b)
{
	if (a->len != b->len || (a->len && memcmp(a->p, b->p, a->len)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fdr_buf asked[2] = { 0 };
	static struct fdr d[2];

	if (size < 2 || size > 65536)
		return 0;
	run(&d[0], &asked[0], 0, data, size);
	run(&d[1], &asked[1], size * 77 + data[size - 1] + 1, data, size);
	same(&asked[0], &asked[1]);
	same(&d[0].out, &d[1].out);
	if (d[0].frames != d[1].frames || d[0].ended != d[1].ended)
		abort();
	for (int i = 0; i < 2; i++) {
		fdr_free(&d[i]);
		free(asked[i].p);
	}
	return 0;
}
