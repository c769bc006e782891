/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Random memcached requests, good, odd and hostile; the same ones for the same seed. */
#ifndef PB_TEST_MC_GEN_H
#define PB_TEST_MC_GEN_H

#include <stddef.h>
#include <stdint.h>

#define MC_GEN_MAX 3000

struct mc_gen {
	uint64_t state;
	uint8_t buf[MC_GEN_MAX];
	size_t len;
};

uint32_t mc_gen_below(struct mc_gen *g, uint32_t n);
/* One message into g->buf: mostly one request, at times several. */
void mc_gen_message(struct mc_gen *g);
void mc_gen_binary(struct mc_gen *g);

#endif /* PB_TEST_MC_GEN_H */
