/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The same in network namespaces that are not the agent's: by patchbay-helper. */
#include "destroy.h"

TestSuite(destroy_netns, .init = up, .fini = down, .timeout = 120);

static void send_fd(int sock, int fd)
{
	char c = 'f', room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	if (sendmsg(sock, &m, 0) != 1)
		_exit(20);
}

static int take_fd(int sock)
{
	char c, room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	int fd;

	cr_assert(recvmsg(sock, &m, 0) == 1 && CMSG_FIRSTHDR(&m));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/* A program in a namespace of its own that waits in recv(), and ends with what that said. */
static pid_t apart(const struct how *h, int *ret_fd)
{
	int pair[2];
	pid_t pid;

	cr_assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = fork();
	if (!pid) {
		int server, fd;
		char c;

		if (unshare(CLONE_NEWNET))
			_exit(21);
		lo_up();
		fd = client_of(h, &server);
		send_fd(pair[1], fd);
		_exit(recv(fd, &c, 1, 0) < 0 ? errno : 22);
	}
	*ret_fd = take_fd(pair[0]);
	close(pair[0]);
	close(pair[1]);
	return pid;
}

static int end_of(pid_t pid)
{
	int status = 0;

	cr_assert(eventually(waitpid(pid, &status, WNOHANG) == pid), "still waits in recv()");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

Test(destroy_netns, other_namespaces)
{
	int fd[ARRAY_SIZE(hows)], here, server;
	pid_t pid[ARRAY_SIZE(hows)], stays;
	int other;

	for (unsigned i = 0; i < ARRAY_SIZE(hows); i++) {
		pid[i] = apart(&hows[i], &fd[i]);
		hang(fd[i], EP, GEN);
	}
	stays = apart(&hows[0], &other);
	here = client_of(&hows[0], &server);
	hang(here, EP, GEN);
	gone(EP, GEN, PB_GONE_NODE);
	for (unsigned i = 0; i < ARRAY_SIZE(hows); i++)
		cr_expect_eq(end_of(pid[i]), ECONNABORTED, "%u", i);
	cr_expect_eq(error_of(here), ECONNABORTED);
	cr_expect_eq(waitpid(stays, NULL, WNOHANG), 0, "ended, which was none of ours");
	cr_expect_eq(counted(), ARRAY_SIZE(hows) + 1);
	kill(stays, SIGKILL);
	waitpid(stays, NULL, 0);
}

/* The helper trusts nobody: only what is named in full, and where it is said to be. */
Test(destroy_netns, helper_checks)
{
	int server, fd = client_of(&hows[0], &server), there;
	struct pb_sockdiag_id id = { .local = addr_of("127.0.0.1"),
				     .remote = addr_of("127.0.0.1"),
				     .proto = PB_PROTO_TCP,
				     .family = PB_AF_INET },
			      bad;
	uint64_t done[PB_HELPER_SOCKS / 64] = { 0 }, here = agent.kernel.netns;
	socklen_t len = sizeof(id.cookie);
	pid_t pid = apart(&hows[0], &there);

	cr_assert(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &id.cookie, &len));
	id.lport = htons(port_of(fd));
	id.rport = htons(port_of(server));
	cr_expect_eq(pb_privsep_destroy(&agent.helper, here + 1000000, &id, 1, done), -ENOENT);
	cr_expect_eq(pb_privsep_destroy(&agent.helper, 0, &id, 1, done), -EINVAL);
	cr_expect_eq(pb_privsep_destroy(&agent.helper, here, &id, 0, done), -EINVAL);
	cr_expect_eq(pb_privsep_destroy(&agent.helper, storage_of(there).netns, &id, 1, done), 0);
	cr_expect_eq(done[0], 0, "a socket of another namespace");
	bad = id;
	bad.cookie++;
	cr_expect_eq(pb_privsep_destroy(&agent.helper, here, &bad, 1, done), 0);
	cr_expect_eq(done[0], 0, "another cookie");
	cr_assert(!getsockopt(server, SOL_SOCKET, SO_COOKIE, &bad.cookie, &len));
	bad.lport = id.rport;
	bad.rport = 0;
	bad.remote = addr_of("0.0.0.0");
	cr_expect_eq(pb_privsep_destroy(&agent.helper, here, &bad, 1, done), 0);
	cr_expect_eq(done[0], 0, "a listener");
	cr_expect_eq(error_of(fd), 0);
	cr_expect_eq(pb_privsep_destroy(&agent.helper, here, &id, 1, done), 0);
	cr_expect_eq(done[0], 1);
	cr_expect_eq(error_of(fd), ECONNABORTED);
	cr_expect(pb_privsep_alive(&agent.helper));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
