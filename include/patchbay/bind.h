/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a bind() of a managed program means.  Pure.
 *
 * The model is a private host: its addresses are the application's virtual
 * addresses, 127/8 and ::1, and all of its ports are its own.  The kernel port
 * is any free one.
 */
#ifndef PATCHBAY_BIND_H
#define PATCHBAY_BIND_H

#include "addr.h"
#include "errnos.h"
#include "maps.h"
#include "reasons.h"

enum pb_bind_kind {
	PB_BIND_SERVICE, /* claims a virtual port */
	PB_BIND_SOURCE,	 /* names no service: port 0, or a client's datagram port */
	PB_BIND_PASS,	 /* left to the kernel as it is */
	PB_BIND_REFUSE,
};

struct pb_bind_in {
	const struct pb_app *app;
	struct pb_addr addr; /* as asked; IPv4 mapped, also for AF_INET sockets */
	__be16 port;
	__u8 proto;
	__u8 sock_v6; /* an AF_INET6 socket */
	__u8 v6only;
	__u8 in_pool; /* addr lies in the virtual pool or belongs to an application */
	__u8 pad[2];
};

struct pb_bind_out {
	struct pb_addr kaddr; /* for the kernel */
	__u32 kind;	      /* enum pb_bind_kind */
	__u32 cls;	      /* PB_CLS_* covered */
	__u32 reason;	      /* enum pb_reason */
	__s32 err;	      /* 0 or negative errno */
};

/* Classes an address stands for on the private host of @in->app; 0: not its own. */
pb_inline __u32 pb_bind_cls(const struct pb_bind_in *in)
{
	const struct pb_addr *a = &in->addr;
	const struct pb_app *app = in->app;

	if (pb_addr_is_zero(a) && in->sock_v6)
		return in->v6only ? PB_CLS_V6 : PB_CLS_V4 | PB_CLS_V6;
	if (pb_addr_is_any(a))
		return PB_CLS_V4;
	if (pb_addr_is_loopback(a))
		return pb_addr_is_v4(a) ? PB_CLS_V4_LOOP : PB_CLS_V6_LOOP;
	if (pb_addr_eq(a, &app->vip4) || pb_addr_eq(a, &app->ll4))
		return PB_CLS_V4_VIP;
	if (pb_addr_eq(a, &app->vip6) || pb_addr_eq(a, &app->ll6))
		return PB_CLS_V6_VIP;
	return 0;
}

pb_inline void pb_bind_refuse(struct pb_bind_out *out, __u32 reason, int err)
{
	out->kind = PB_BIND_REFUSE;
	out->reason = reason;
	out->err = -err;
}

/* A program without a name has its loopback, and ports of its own as a source. */
pb_inline void pb_bind_unnamed(const struct pb_bind_in *in, struct pb_bind_out *out)
{
	if (!(out->cls & (PB_CLS_V4_VIP | PB_CLS_V6_VIP)))
		return;
	if (in->proto == PB_PROTO_UDP)
		out->kind = PB_BIND_SOURCE;
	else
		pb_bind_refuse(out, PB_R_NO_NAME, PB_EACCES);
}

pb_inline void pb_bind_classify(const struct pb_bind_in *in, struct pb_bind_out *out)
{
	struct pb_addr any6 = { .w = { 0, 0, 0, 0 } };

	out->kaddr = in->addr;
	out->cls = pb_bind_cls(in);
	out->err = 0;
	out->reason = PB_R_BIND;
	out->kind = PB_BIND_SERVICE;
	if (!out->cls) {
		if (in->port || in->in_pool) {
			pb_bind_refuse(out, PB_R_NOT_OWN, PB_EADDRNOTAVAIL);
			return;
		}
		out->kind = PB_BIND_PASS;
		out->reason = PB_R_BIND_SOURCE;
		return;
	}
	if (!(out->cls & (PB_CLS_V4_LOOP | PB_CLS_V6_LOOP)))
		out->kaddr = out->cls & PB_CLS_V4_VIP ? pb_addr_v4(0) : any6;
	else if (!(out->cls & (PB_CLS_V4_VIP | PB_CLS_V6_VIP)))
		out->kaddr = pb_addr_loopback(out->cls & PB_CLS_V4_LOOP);
	if (!in->port)
		out->kind = PB_BIND_SOURCE;
	else if (!(in->app->flags & PB_APP_NAMED))
		pb_bind_unnamed(in, out);
	if (out->kind == PB_BIND_SOURCE)
		out->reason = PB_R_BIND_SOURCE;
}

#endif /* PATCHBAY_BIND_H */
