/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The control socket with a made-up service behind it: lines, limits, passed descriptors. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "control/agent/request.h"
#include "control/agent/server.h"
#include "control/util.h"

static struct {
	uv_loop_t loop;
	struct pb_server *server;
	char dir[64], path[96];
	unsigned lines, closed, fds;
	size_t last_len;
	bool follow;
} t;

/* Answers {"n":<line number>,"pad":"..."}: as much padding as the line's first number says. */
static void on_line(void *arg, struct pb_conn *c, const char *line, size_t len)
{
	int fd = pb_conn_take_fd(c);
	char *pad = calloc(1, 1 << 20), number[8] = "";
	long n;
	json_t *j;

	(void)arg;
	t.lines++;
	t.last_len = len;
	if (fd >= 0) {
		t.fds++;
		close(fd);
	}
	memcpy(number, line, len < sizeof(number) ? len : 0);
	n = strtol(number, NULL, 10);
	memset(pad, 'x', (size_t)(n < 0 || n >= 1 << 20 ? 0 : n));
	j = json_pack("{s:i, s:s}", "n", (int)t.lines, "pad", pad);
	cr_assert(eq(int, pb_conn_send(c, j), 0));
	json_decref(j);
	free(pad);
	if (t.follow)
		pb_conn_follow(c);
}

static void on_closed(void *arg, struct pb_conn *c)
{
	(void)arg;
	(void)c;
	t.closed++;
}

static const struct pb_server_ops ops = { on_line, on_closed };

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	strcpy(t.dir, "/tmp/pb-server-XXXXXX");
	cr_assert(ne(ptr, mkdtemp(t.dir), NULL));
	snprintf(t.path, sizeof(t.path), "%s/control.sock", t.dir);
	uv_loop_init(&t.loop);
	cr_assert(eq(int, pb_server_start(&t.server, &t.loop, t.path, 0, &ops, NULL), 0));
}

static void teardown(void)
{
	pb_server_stop(t.server);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	cr_expect(eq(int, uv_loop_close(&t.loop), 0));
	cr_expect(eq(int, access(t.path, F_OK), -1));
	rmdir(t.dir);
}

TestSuite(server, .init = setup, .fini = teardown);

static int dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, t.path);
	cr_assert(eq(int, connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void spin(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
}

/* Reads until @lines newlines or end of file; returns the bytes. */
static size_t slurp(int fd, unsigned lines, unsigned *ret_lines)
{
	uint64_t deadline = pb_now_ns() + 5000000000ULL;
	size_t total = 0;
	unsigned got = 0;
	char buf[4096];

	while (got < lines && pb_now_ns() < deadline) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (!n)
			break;
		for (ssize_t i = 0; i < n; i++)
			got += buf[i] == '\n';
		total += n > 0 ? (size_t)n : 0;
		uv_run(&t.loop, UV_RUN_NOWAIT);
	}
	*ret_lines = got;
	return total;
}

Test(server, socket_is_for_owner_and_group)
{
	struct stat st;

	cr_assert(eq(int, stat(t.path, &st), 0));
	cr_expect(eq(u32, st.st_mode & 0777, 0660));
}

Test(server, several_requests_in_pieces)
{
	int fd = dial();
	unsigned got;

	cr_assert(eq(int, (int)write(fd, "0\n0\n0", 5), 5));
	slurp(fd, 2, &got);
	cr_expect(eq(u32, got, 2));
	spin();
	cr_expect(eq(u32, t.lines, 2));
	cr_assert(eq(int, (int)write(fd, "\n", 1), 1));
	slurp(fd, 1, &got);
	cr_expect(eq(u32, t.lines, 3));
	cr_expect(eq(sz, t.last_len, 1));
	close(fd);
	spin();
	cr_expect(eq(u32, t.closed, 1));
}

/* The answer to the first is far larger than the socket takes: the second waits for it. */
Test(server, a_request_waits_until_the_answer_before_was_taken)
{
	int fd = dial();
	unsigned got;

	cr_assert(eq(int, (int)write(fd, "1000000\n0\n", 10), 10));
	spin();
	cr_expect(eq(u32, t.lines, 1));
	cr_expect(gt(sz, slurp(fd, 2, &got), 1000000));
	cr_expect(eq(u32, got, 2));
	cr_expect(eq(u32, t.lines, 2));
	close(fd);
}

Test(server, too_long_a_line_is_handed_over_once_and_ends_the_connection)
{
	static char big[PB_REQ_MAX + 10];
	size_t sent = 0;
	int fd = dial();
	unsigned got;

	memset(big, ' ', sizeof(big));
	while (sent < PB_REQ_MAX) {
		ssize_t n = write(fd, big + sent, PB_REQ_MAX - sent);

		sent += n > 0 ? (size_t)n : 0;
		spin();
	}
	slurp(fd, 99, &got);
	cr_expect(eq(u32, got, 1));
	cr_expect(eq(u32, t.lines, 1));
	cr_expect(eq(sz, t.last_len, PB_REQ_MAX));
	cr_expect(eq(u32, t.closed, 1));
	close(fd);
}

static void send_fds(int fd, const char *text, int n)
{
	char room[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = room,
			      .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	for (int i = 0; i < n; i++)
		memcpy(CMSG_DATA(cm) + (size_t)i * sizeof(int), &null, sizeof(null));
	cr_assert(eq(int, (int)sendmsg(fd, &msg, 0), (int)strlen(text)));
	close(null);
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* One descriptor a request; the others, and those nobody takes, are closed. */
Test(server, passed_descriptors_do_not_pile_up)
{
	int fd = dial();
	unsigned before, got;

	spin();
	before = open_fds();
	for (int i = 1; i <= 8; i++) {
		send_fds(fd, "0\n", i);
		slurp(fd, 1, &got);
		cr_expect(eq(u32, got, 1));
	}
	cr_expect(eq(u32, t.fds, 8));
	send_fds(fd, "0", 3); /* never completed */
	spin();
	close(fd);
	spin();
	cr_expect(eq(u32, open_fds(), before - 2));
}

Test(server, input_ends_a_follower)
{
	int fd = dial();
	unsigned got;

	t.follow = true;
	cr_assert(eq(int, (int)write(fd, "0\n", 2), 2));
	slurp(fd, 1, &got);
	cr_expect(eq(u32, t.closed, 0));
	cr_assert(eq(int, (int)write(fd, "0\n", 2), 2));
	spin();
	cr_expect(eq(u32, t.closed, 1));
	cr_expect(eq(u32, t.lines, 1));
	close(fd);
}

Test(server, a_peer_that_vanishes_with_output_queued)
{
	int fd = dial();

	cr_assert(eq(int, (int)write(fd, "1000000\n", 8), 8));
	spin();
	close(fd);
	spin();
	cr_expect(eq(u32, t.closed, 1));
}
