/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "caps.h"

#include <cap-ng.h>
#include <sys/prctl.h>

#include "util.h"

static const unsigned keep[] = { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON };

int pb_caps_drop(void)
{
	capng_select_t set = CAPNG_SELECT_CAPS;

	if (capng_get_caps_process())
		return log_err(-EPERM, "cannot read the own capabilities");
	for (unsigned i = 0; i < ARRAY_SIZE(keep); i++)
		if (!capng_have_capability(CAPNG_PERMITTED, keep[i]))
			return log_err(-EPERM, "capability %s is missing",
				       capng_capability_to_name(keep[i]));
	/* the bounding set can be narrowed only while CAP_SETPCAP is there */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		set = CAPNG_SELECT_BOTH;
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned i = 0; i < ARRAY_SIZE(keep); i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			     keep[i]);
	if (capng_apply(set))
		return log_err(-EPERM, "cannot drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return log_err(-errno, "cannot set no_new_privs");
	return 0;
}
