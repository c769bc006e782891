/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* libbpf's messages: one level lower in our log, and kept whole while objects load. */
#include <stdlib.h>
#include <sys/stat.h>

#include "control/util.h"
#include "internal.h"

#define LINES_SHOWN 40

/* libbpf has one printer a process, so there is one capture. */
static FILE *capture;
static char *captured;
static size_t captured_len;

__attribute__((format(printf, 2, 0))) static int print(enum libbpf_print_level level,
						       const char *fmt, va_list ap)
{
	enum pb_log_level to = level == LIBBPF_WARN ? PB_LOG_INFO : PB_LOG_DEBUG;
	char text[512];
	va_list again;
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	if (capture) {
		va_copy(again, ap);
		vfprintf(capture, fmt, again);
		va_end(again);
		to = PB_LOG_DEBUG; /* a failure shows it once more */
	}
	if (to > pb_log_get_level())
		return 0;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		return 0; /* a verifier log: pb_bpf_log_finish() shows its end */
	text[strcspn(text, "\n")] = '\0';
	pb_log(to, "%s", text);
	return 0;
}

void pb_bpf_log_init(void)
{
	libbpf_set_print(print);
}

void pb_bpf_log_capture(void)
{
	pb_bpf_log_finish(false, NULL);
	capture = open_memstream(&captured, &captured_len);
}

static int save(const char *dir, char *ret_path, size_t size)
{
	_cleanup_fclose_ FILE *f = NULL;
	const char *in = dir ? dir : getenv("TMPDIR");
	int fd;

	snprintf(ret_path, size, "%s/patchbay-verifier-XXXXXX", in ? in : "/tmp");
	fd = mkstemp(ret_path);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	if (fwrite(captured, 1, captured_len, f) != captured_len || fflush(f))
		return -EIO;
	return 0;
}

static void show_tail(void)
{
	char *at = captured + captured_len;
	unsigned lines = 0;

	while (at > captured && lines <= LINES_SHOWN)
		lines += *--at == '\n';
	if (at > captured || *at == '\n')
		at++;
	for (char *end; (end = strchr(at, '\n')); at = end + 1)
		pb_log(PB_LOG_ERR, "  %.*s", (int)(end - at), at);
}

void pb_bpf_log_finish(bool failed, const char *dir)
{
	char path[4096];

	if (!capture)
		return;
	fclose(capture);
	capture = NULL;
	if (failed && captured_len) {
		show_tail();
		if (!save(dir, path, sizeof(path)))
			pb_log(PB_LOG_ERR, "the whole log of the load is in %s", path);
	}
	free(captured);
	captured = NULL;
	captured_len = 0;
}
