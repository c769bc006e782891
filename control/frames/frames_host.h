/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * patchbay-frames as a part of the node: its control socket (frames_wire.h), services as the agent
 * describes them, their listeners, and the steps of the cache (docs/decisions/0022, 0024).
 */
#ifndef PB_FRAMES_HOST_H
#define PB_FRAMES_HOST_H

/* The process: `patchbay-frames --run-dir DIR [--control-fd N]`.  Its exit code. */
int frames_host_main(int argc, char **argv);

#endif /* PB_FRAMES_HOST_H */
