/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the token and cluster.json have in common. */
#ifndef PB_AGENT_CLUSTER_JSON_H
#define PB_AGENT_CLUSTER_JSON_H

#include <jansson.h>

#include "cluster_state.h"

int cj_addrs(const json_t *list, struct pb_cluster_addr *ret, unsigned *ret_n, unsigned max);
json_t *cj_addrs_json(const struct pb_cluster_addr *a, unsigned n);
int cj_keys(const json_t *list, struct pb_secret *ret, unsigned *ret_n);
json_t *cj_keys_json(const struct pb_secret *keys, unsigned n);
/* ---- cluster_keys.c: how long they are kept, what was encrypted with them; NULL: nothing said */
int cj_ages(const json_t *o, struct pb_secret *keys, unsigned n);
json_t *cj_ages_json(const struct pb_secret *keys, unsigned n);

#endif /* PB_AGENT_CLUSTER_JSON_H */
