/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting and telling: each decision is a counted reason and, room given, an event. */
#ifndef PB_EVENT_BPF_H
#define PB_EVENT_BPF_H

#include "maps.bpf.h"
#include <patchbay/policy.h>

/* What an event says beyond its reason; unused members are zero. */
struct pb_note {
	__u64 app;
	__u64 peer;
	__u64 cookie;
	struct pb_addr virt;
	struct pb_addr real;
	__be16 vport;
	__be16 rport;
	__u8 op;
	__u8 proto;
	__u8 task; /* runs in the program's own task: comm and pid are its */
	__u8 pad;
	__u32 reason;
	__s32 err;
};

static __always_inline void pb_count(__u32 reason)
{
	__u64 *n = bpf_map_lookup_elem(&pb_stats, &reason);

	if (n)
		(*n)++;
}

static __always_inline void pb_tell(const struct pb_note *n)
{
	struct pb_event *ev;

	pb_count(n->reason);
	ev = bpf_ringbuf_reserve(&pb_events, sizeof(*ev), 0);
	if (!ev) {
		pb_count(PB_R_EVENT_LOST);
		return;
	}
	ev->time_ns = bpf_ktime_get_ns();
	ev->app = n->app;
	ev->peer = n->peer;
	ev->cookie = n->cookie;
	ev->virt = n->virt;
	ev->real = n->real;
	ev->vport = n->vport;
	ev->rport = n->rport;
	ev->reason = n->reason;
	ev->op = n->op;
	ev->proto = n->proto;
	ev->err = n->err;
	ev->pid = 0;
	__builtin_memset(ev->comm, 0, sizeof(ev->comm));
	if (n->task) {
		ev->pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(ev->comm, sizeof(ev->comm));
	}
	/*
	 * The agent reads every 50 ms; waking it for each connect() would cost more than the connect.
	 * Clients of an endpoint that is gone wait for it: it wakes also when others lie before it.
	 */
	bpf_ringbuf_submit(ev, n->reason == PB_R_WITHDRAW     ? BPF_RB_FORCE_WAKEUP
			       : pb_reason_refuses(n->reason) ? 0
							      : BPF_RB_NO_WAKEUP);
}

#endif /* PB_EVENT_BPF_H */
