/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PB_AGENT_CAPS_H
#define PB_AGENT_CAPS_H

/* Keeps CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON only, also in the bounding set, and sets
 * no_new_privs.  -EPERM and a logged sentence when one of the three is missing. */
int pb_caps_drop(void);

#endif /* PB_AGENT_CAPS_H */
