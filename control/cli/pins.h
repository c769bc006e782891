/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel side looks like without the agent: read-only, by the pins. */
#ifndef PB_CLI_PINS_H
#define PB_CLI_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <patchbay/maps.h>

struct pins_state {
	bool config, beat; /* could be read */
	struct pb_config conf;
	struct pb_beat last;
	size_t links, dead, old; /* old: alive, of another build */
	int err;		 /* of the links; 0 when they could be listed */
};

/* Never fails: what cannot be read is left empty. */
void pins_look(const char *bpffs, struct pins_state *ret);
/* Decisions are still made: links are there, all of them alive, and the maps with them. */
bool pins_alive(const struct pins_state *s);
const char *pins_mode(uint32_t mode);

#endif /* PB_CLI_PINS_H */
