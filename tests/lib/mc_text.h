/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The language of memcached_cases.txt and memcached_tcp_cases.txt, as both clients read it. */
#ifndef PB_TEST_MC_TEXT_H
#define PB_TEST_MC_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* The byte behind a backslash; *p moves on to its last character. */
uint8_t mc_text_escape(const char **p);
/* @want bytes of a value ('v'), or of the key, whose end differs most ('k'). */
void mc_text_fill(char what, const char *key, uint8_t *out, size_t want);

#endif /* PB_TEST_MC_TEXT_H */
