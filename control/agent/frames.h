/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * patchbay-frames, the process that serves the TCP half of services: found again or started, told what
 * there is, started again when it ends.  It outlives the agent as the kernel's programs do.
 * docs/decisions/0024-frames.md; control/frames/frames_wire.h has the words.
 */
#ifndef PB_AGENT_FRAMES_H
#define PB_AGENT_FRAMES_H

#include "agent.h"

#include "frames/frames_wire.h"

/* Looks for one that an earlier agent left; starts none. */
void pb_frames_start(struct pb_agent *a);
/* Takes away what this node has no more; one that serves nothing ends. */
void pb_frames_sweep(struct pb_agent *a);
void pb_frames_stop(struct pb_agent *a); /* it goes on */
void pb_frames_free(struct pb_agent *a);

/* The service is in force there when this returns 0; else @why says what it lacks, and it is tried again
 * by pb_memcached_frames(), after each start of the process.  @ring NULL: the table that it has. */
int pb_frames_put(struct pb_agent *a, const struct frw_service *s, const struct pb_mc_ring *ring,
		  int do_fd, char why[PB_ERR_LEN]);
void pb_frames_remove(struct pb_agent *a, const char *name);

/* {"state","why","pid","build","starts","old"}: of `status` and `doctor`. */
json_t *pb_frames_status(struct pb_agent *a);
/* What it says of its services; NULL: nothing. */
json_t *pb_frames_stats(struct pb_agent *a);

#endif /* PB_AGENT_FRAMES_H */
