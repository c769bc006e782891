/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* errno numbers for code that compiles for BPF, which has no errno.h (asm-generic/errno*.h). */
#ifndef PATCHBAY_ERRNOS_H
#define PATCHBAY_ERRNOS_H

#define PB_EPERM 1
#define PB_ENOENT 2
#define PB_ENOMEM 12
#define PB_EACCES 13
#define PB_EINVAL 22
#define PB_ENOSPC 28
#define PB_EPROTONOSUPPORT 93
#define PB_EOPNOTSUPP 95
#define PB_EADDRINUSE 98
#define PB_EADDRNOTAVAIL 99
#define PB_ENOBUFS 105
#define PB_ENETUNREACH 101
#define PB_ETIMEDOUT 110
#define PB_ECONNREFUSED 111
#define PB_EHOSTUNREACH 113

#endif /* PATCHBAY_ERRNOS_H */
