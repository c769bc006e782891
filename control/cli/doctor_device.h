/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay doctor --dev`: a device and its other end. */
#ifndef PB_CLI_DOCTOR_DEVICE_H
#define PB_CLI_DOCTOR_DEVICE_H

#include <limits.h>

#include <patchbay/types.h>

#include "../memcached/device.h"

struct doctor_device {
	struct pb_mcd_facts dev;
	struct pb_mcd_facts peer;
	bool peer_seen;
	bool xdp;
	const char *unseen;   /* why not */
	char where[PATH_MAX]; /* the other end's namespace, as a file; empty: this one */
};

/* Is it an address of this namespace, or of @dev there? */
enum pb_mcd_tri doctor_has_addr(const struct pb_addr *want, const char *dev);

/* doctor_device_peer.c: looks at the other end of a veth, in its namespace if that is found; with
 * @addr only whether it is an address of that namespace. */
void doctor_device_peer(struct doctor_device *v, const struct pb_addr *addr,
			enum pb_mcd_tri *ret_has);

#endif /* PB_CLI_DOCTOR_DEVICE_H */
