/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "util.h"

#include <time.h>

static enum pb_log_level level_max = PB_LOG_INFO;

void pb_log_set_level(enum pb_log_level level)
{
	level_max = level;
}

enum pb_log_level pb_log_get_level(void)
{
	return level_max;
}

static void vlog(enum pb_log_level level, int err, const char *fmt, va_list ap)
{
	char text[1024];

	if (level > level_max)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>", level);
	if (err)
		fprintf(stderr, "%s: %s\n", text, strerror(-err));
	else
		fprintf(stderr, "%s\n", text);
}

void pb_log(enum pb_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(level, 0, fmt, ap);
	va_end(ap);
}

int log_err(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(PB_LOG_ERR, err, fmt, ap);
	va_end(ap);
	return err;
}

uint64_t pb_now_ns(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}
