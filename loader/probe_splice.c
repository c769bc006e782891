/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Questions about splices.  One is asked of a connection of our own on loopback, which ends with
 * the answer; the map it is put into belongs to nobody else. */
#include "probe.h"

#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "control/util.h"

#define PAIR_KFUNC "bpf_sock_splice_pair"

static void btf_freep(struct btf **b)
{
	btf__free(*b);
}

int pb_ask_splice_pair(int a, int b)
{
	_cleanup_(btf_freep) struct btf *btf = btf__load_vmlinux_btf();

	(void)a;
	(void)b;
	if (!btf)
		return -errno;
	return btf__find_by_name_kind(btf, PAIR_KFUNC, BTF_KIND_FUNC) > 0 ? 0 : -EOPNOTSUPP;
}

/* ---- FIONREAD -------------------------------------------------------------- */

enum { SENDER, READER };

/* An sk_msg program that puts every message into the queue of the map's READER. */
static int load_redirect(int map)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_LD | BPF_DW, /* BPF_IMM is 0 */
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = READER },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = BPF_F_INGRESS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_msg_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SK_MSG, "pb_probe", "Dual BSD/GPL", insns,
			     ARRAY_SIZE(insns), NULL);
}

static int connect_self(int ret[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	_cleanup_close_ int lis = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval second = { .tv_sec = 1 };
	socklen_t len = sizeof(sin);

	if (lis < 0 || fd < 0 || bind(lis, (struct sockaddr *)&sin, len) || listen(lis, 1) ||
	    getsockname(lis, (struct sockaddr *)&sin, &len) ||
	    setsockopt(lis, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second)) ||
	    connect(fd, (struct sockaddr *)&sin, len))
		return -errno;
	ret[READER] = accept4(lis, NULL, NULL, SOCK_CLOEXEC);
	if (ret[READER] < 0)
		return -errno;
	ret[SENDER] = TAKE_FD(fd);
	return 0;
}

static int splice_to_reader(const int sk[2], int map, int prog)
{
	int err = bpf_prog_attach(prog, map, BPF_SK_MSG_VERDICT, 0);

	for (__u32 i = SENDER; !err && i <= READER; i++)
		err = bpf_map_update_elem(map, &i, &sk[i], BPF_ANY);
	return err;
}

/* -EAGAIN: the byte did not come as a spliced one, so that nothing was learned. */
static int look(const int sk[2])
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int seen = 0;
	char byte;

	if (send(sk[SENDER], "x", 1, MSG_NOSIGNAL) != 1 ||
	    getsockopt(sk[SENDER], IPPROTO_TCP, TCP_INFO, &info, &len) ||
	    ioctl(sk[READER], FIONREAD, &seen))
		return -errno;
	if (info.tcpi_bytes_sent || recv(sk[READER], &byte, 1, MSG_DONTWAIT) != 1)
		return -EAGAIN;
	return seen ? 0 : -EOPNOTSUPP;
}

int pb_ask_fionread(int a, int b)
{
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_SOCKMAP, "pb_probe", sizeof(__u32),
						 sizeof(__u32), READER + 1, NULL);
	_cleanup_close_ int prog = map < 0 ? -1 : load_redirect(map);
	int sk[2] = { -1, -1 }, err;

	(void)a;
	(void)b;
	if (map < 0 || prog < 0)
		return map < 0 ? map : prog;
	err = connect_self(sk);
	/* no way to ask, which says nothing about the kernel */
	if (err)
		return err == -EPERM || err == -EACCES ? err : -EAGAIN;
	err = splice_to_reader(sk, map, prog);
	if (!err)
		err = look(sk);
	close(sk[SENDER]);
	close(sk[READER]);
	return err;
}
