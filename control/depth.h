/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PB_DEPTH_H
#define PB_DEPTH_H

#include <stdbool.h>
#include <stddef.h>

/* Is JSON text nested deeper than @max?  Asked before a recursive decoder sees what a stranger wrote. */
bool pb_json_deeper(const char *text, size_t len, int max);

#endif /* PB_DEPTH_H */
