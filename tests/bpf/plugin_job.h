/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What test_plugin.c and plugin.bpf.c tell each other: all that a plugin is given, but the bytes. */
#ifndef PB_TEST_PLUGIN_JOB_H
#define PB_TEST_PLUGIN_JOB_H

#include "../../bpf/plugins/counter.h"
#include "../../bpf/plugins/memcached.h"

#define PLUGIN_BAD 0x7fff /* the program had not what it needs */
#define PLUGIN_OFF 14	  /* in place of an Ethernet header */

struct plugin_job {
	struct pb_fmc_work work;
	struct pb_frame_conn conn;
	struct pb_frame frame; /* in: of redirect(), split(); out: of parse(), reply() */
	struct pb_frame_send send;
	struct pb_frame_rtx rtx; /* of reply() */
	struct pb_frame_cut cut;
	struct pb_frame_server server[PB_FRAME_SERVERS_MAX];
	__u32 servers;
	__u32 flags; /* PB_FRAME_E_* */
};

#endif /* PB_TEST_PLUGIN_JOB_H */
