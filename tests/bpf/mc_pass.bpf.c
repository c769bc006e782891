// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An XDP program that passes everything. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "lib/verdict.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int pb_mc_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return verdict_to_xdp(0);
}
