/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one version of agent, CLI and helper. */
#ifndef PB_VERSION_H
#define PB_VERSION_H

#define PB_VERSION "0.1.0"

#endif /* PB_VERSION_H */
