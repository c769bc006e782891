/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PB_TEST_PLUGIN_TWIN_H
#define PB_TEST_PLUGIN_TWIN_H

#include "tests/lib/frame_drive.h"
#include "tests/lib/mc_gen.h"

struct twin_gen {
	struct mc_gen gen;
	struct fdr_buf stream;
	uint64_t frames;
};

/* The requests of one client, to g->stream. */
void twin_stream(struct twin_gen *g);
/* Takes from an answer what may differ between two memcacheds: times; of several servers also CAS. */
void twin_level(struct twin_gen *g, struct fdr_buf *answer, bool cas);

#endif /* PB_TEST_PLUGIN_TWIN_H */
