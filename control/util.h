/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ownership and logging for user space.  Owning locals carry a cleanup
 * attribute and are set at their declaration; ownership leaves a function by
 * TAKE_PTR()/TAKE_FD() only.  Functions return 0 or a negative errno.
 */
#ifndef PB_UTIL_H
#define PB_UTIL_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void pb_freep(void *p)
{
	free(*(void **)p);
}

static inline void pb_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void pb_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_ _cleanup_(pb_freep)
#define _cleanup_close_ _cleanup_(pb_closep)
#define _cleanup_fclose_ _cleanup_(pb_fclosep)

#define TAKE_PTR(p) \
	({ \
		__typeof__(p) _p = (p); \
		(p) = NULL; \
		_p; \
	})
#define TAKE_FD(fd) \
	({ \
		int _fd = (fd); \
		(fd) = -1; \
		_fd; \
	})
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Severity as in syslog(3), so that journald understands the "<N>" prefix. */
enum pb_log_level { PB_LOG_ERR = 3, PB_LOG_WARN = 4, PB_LOG_INFO = 6, PB_LOG_DEBUG = 7 };

/* Messages above this level are dropped; default PB_LOG_INFO. */
void pb_log_set_level(enum pb_log_level level);
enum pb_log_level pb_log_get_level(void);

void pb_log(enum pb_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Logs "TEXT: strerror(-err)" and returns err: return log_err(err, "cannot attach %s", name); */
int log_err(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_warn(...) pb_log(PB_LOG_WARN, __VA_ARGS__)
#define log_info(...) pb_log(PB_LOG_INFO, __VA_ARGS__)
#define log_debug(...) pb_log(PB_LOG_DEBUG, __VA_ARGS__)

/* CLOCK_MONOTONIC in ns: the clock of every time in maps and events. */
uint64_t pb_now_ns(void);

#endif /* PB_UTIL_H */
