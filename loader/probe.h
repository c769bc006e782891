/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The questions probe.c asks, and the list that says which matter (probe_list.c). */
#ifndef PB_LOADER_PROBE_H
#define PB_LOADER_PROBE_H

#include <stddef.h>

#include "loader.h"

struct pb_probe_row {
	const char *id;
	const char *what;
	const char *lost;
	bool required;
	/* 0: there; negative errno: why not.  a, b: numbers of the kernel, as the question needs. */
	int (*ask)(int a, int b);
	int a, b;
};

extern const struct pb_probe_row pb_probe_rows[];
extern const size_t pb_probe_rows_n;

int pb_ask_prog(int type, int attach_type);
/* Both address families of one hook. */
int pb_ask_addr(int attach4, int attach6);
int pb_ask_bind_done(int attach4, int attach6);
int pb_ask_skb(int attach_a, int attach_b);
int pb_ask_type(int type, int unused);
int pb_ask_map(int type, int unused);
int pb_ask_helper(int type, int helper);
/* Links, asked with a target that does not exist: nothing is attached. */
int pb_ask_link(int type, int attach_type);
int pb_ask_link_update(int a, int b);
int pb_ask_device_link(int type, int attach_type);
int pb_ask_btf(int a, int b);
int pb_ask_destroy(int a, int b);
int pb_ask_lsm(int a, int b);
/* probe_splice.c */
int pb_ask_splice_pair(int a, int b);
/* Does FIONREAD count bytes that were spliced?  -EAGAIN: could not be tried. */
int pb_ask_fionread(int a, int b);

#endif /* PB_LOADER_PROBE_H */
