// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/util.h"
#include "tests/tools/mc_diff.h"

static int dial(uint16_t port, int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 10 };
	_cleanup_close_ int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return -errno;
	return TAKE_FD(fd);
}

/* All it wrote since the last call. */
static void read_log(struct mc_diff *d)
{
	ssize_t n;

	d->log_len = 0;
	while (d->log_len < sizeof(d->log) &&
	       (n = read(d->log_fd, d->log + d->log_len, sizeof(d->log) - d->log_len)) > 0)
		d->log_len += (size_t)n;
}

/* One thread serves all: the answer to this comes after everything that was sent before. */
static int settle(struct mc_diff *d)
{
	static const char noop[] = "mn\r\n";
	char mn[4];

	if (send(d->tcp, noop, sizeof(noop) - 1, MSG_NOSIGNAL) != sizeof(noop) - 1 ||
	    recv(d->tcp, mn, sizeof(mn), MSG_WAITALL) != sizeof(mn))
		return -EIO;
	read_log(d);
	return 0;
}

int mc_diff_open(struct mc_diff *d, uint16_t port, const char *log)
{
	d->port = port;
	d->tcp = dial(port, SOCK_STREAM);
	d->udp_fd = dial(port, SOCK_DGRAM);
	d->log_fd = open(log, O_RDONLY | O_CLOEXEC);
	if (d->tcp < 0 || d->udp_fd < 0 || d->log_fd < 0)
		return -1;
	if (settle(d))
		return -1;
	/* what earlier runs left there */
	return lseek(d->log_fd, 0, SEEK_END) < 0 ? -1 : 0;
}

/* A connection of its own: the end of what we say is the end of the message. */
int mc_diff_tcp(struct mc_diff *d)
{
	_cleanup_close_ int fd = dial(d->port, SOCK_STREAM);
	ssize_t n;

	d->answer_len = 0;
	if (fd < 0 || send(fd, d->gen.buf, d->gen.len, MSG_NOSIGNAL) != (ssize_t)d->gen.len)
		return -1;
	shutdown(fd, SHUT_WR);
	while ((n = recv(fd, d->answer + d->answer_len, sizeof(d->answer) - d->answer_len, 0)) > 0)
		d->answer_len += (size_t)n;
	/* reset: it closed with bytes of ours unread */
	if (n < 0 && errno != ECONNRESET)
		return -1;
	return settle(d);
}

static int send_frame(struct mc_diff *d, const void *msg, size_t len, uint16_t id)
{
	/* seq and reserved are not looked at */
	uint8_t buf[8 + MC_GEN_MAX] = {
		(uint8_t)(id >> 8), (uint8_t)id, 0x12, 0x34, 0, 1, 0x56, 0x78
	};

	memcpy(buf + 8, msg, len);
	return send(d->udp_fd, buf, 8 + len, 0) == (ssize_t)(8 + len) ? 0 : -1;
}

int mc_diff_udp(struct mc_diff *d)
{
	uint16_t id = d->id += 2, last = id + 1;
	uint8_t buf[65536];
	ssize_t n;

	d->answer_len = 0;
	if (send_frame(d, d->gen.buf, d->gen.len, id) || send_frame(d, "mn\r\n", 4, last))
		return -1;
	for (;;) {
		n = recv(d->udp_fd, buf, sizeof(buf), 0);
		if (n < 8)
			return -1;
		if ((buf[0] << 8 | buf[1]) == last)
			return settle(d);
		if ((size_t)n - 8 > sizeof(d->answer) - d->answer_len)
			return -1;
		memcpy(d->answer + d->answer_len, buf + 8, (size_t)n - 8);
		d->answer_len += (size_t)n - 8;
	}
}
