/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this kernel can do: asked by trying, never by version.  No hook of the system is attached. */
#include "probe.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "control/util.h"

#define NO_DEVICE 0x7fffffff

/* r0 = 1; exit: what every hook below takes for "go on". */
static int load(int type, int attach_type, __u32 btf_id)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = type == BPF_PROG_TYPE_LSM ? 0 : 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach_type,
		    .attach_btf_id = btf_id);

	return bpf_prog_load(type, "pb_probe", "Dual BSD/GPL", insns, ARRAY_SIZE(insns), &opts);
}

int pb_ask_prog(int type, int attach_type)
{
	_cleanup_close_ int fd = load(type, attach_type, 0);

	return fd < 0 ? fd : 0;
}

static int both(int type, int a, int b)
{
	int err = pb_ask_prog(type, a);

	return err ? err : pb_ask_prog(type, b);
}

int pb_ask_addr(int attach4, int attach6)
{
	return both(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attach4, attach6);
}

int pb_ask_bind_done(int attach4, int attach6)
{
	return both(BPF_PROG_TYPE_CGROUP_SOCK, attach4, attach6);
}

int pb_ask_skb(int attach_a, int attach_b)
{
	return both(BPF_PROG_TYPE_CGROUP_SKB, attach_a, attach_b);
}

/* libbpf's probes know what each type needs; they answer 1, 0 or an errno. */
static int from_libbpf(int r)
{
	return r < 0 ? r : r ? 0 : -EOPNOTSUPP;
}

int pb_ask_type(int type, int unused)
{
	(void)unused;
	return from_libbpf(libbpf_probe_bpf_prog_type(type, NULL));
}

int pb_ask_map(int type, int unused)
{
	(void)unused;
	return from_libbpf(libbpf_probe_bpf_map_type(type, NULL));
}

int pb_ask_helper(int type, int helper)
{
	return from_libbpf(libbpf_probe_bpf_helper(type, helper, NULL));
}

int pb_ask_link(int type, int attach_type)
{
	_cleanup_close_ int prog = load(type, attach_type, 0);
	_cleanup_close_ int fd = -1;

	if (prog < 0)
		return prog;
	fd = bpf_link_create(prog, -1, attach_type, NULL);
	return fd == -EBADF ? 0 : fd < 0 ? fd : -EPROTO;
}

int pb_ask_link_update(int a, int b)
{
	int err = bpf_link_update(-1, -1, NULL);

	(void)a;
	(void)b;
	return err == -EBADF ? 0 : err ? err : -EPROTO;
}

int pb_ask_device_link(int type, int attach_type)
{
	_cleanup_close_ int prog = load(type, 0, 0);
	_cleanup_close_ int fd = -1;

	if (prog < 0)
		return prog;
	fd = bpf_link_create(prog, NO_DEVICE, attach_type, NULL);
	return fd == -ENODEV ? 0 : fd < 0 ? fd : -EPROTO;
}

int pb_ask_btf(int a, int b)
{
	(void)a;
	(void)b;
	return access("/sys/kernel/btf/vmlinux", R_OK) ? -errno : 0;
}

/* Asks for the end of a socket that cannot be: cookie and ports name none. */
int pb_ask_destroy(int a, int b)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} req = {
		.h = { .nlmsg_len = sizeof(req),
		       .nlmsg_type = SOCK_DESTROY,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.r = { .sdiag_family = AF_INET,
		       .sdiag_protocol = IPPROTO_TCP,
		       .id = { .idiag_cookie = { 0, 0xffffffff } } },
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[sizeof(req)];
	} ans = { 0 };
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct timeval second = { .tv_sec = 1 };

	(void)a;
	(void)b;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) ||
	    send(fd, &req, sizeof(req), 0) < 0 || recv(fd, &ans, sizeof(ans), 0) < 0)
		return -errno;
	if (ans.h.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return ans.e.error == -ENOENT || ans.e.error == -ESTALE ? 0 : ans.e.error;
}

/* Is "bpf" in the comma-separated list of active security modules? */
static int lsm_active(void)
{
	_cleanup_fclose_ FILE *f = fopen("/sys/kernel/security/lsm", "re");
	char line[512];

	if (!f)
		return -errno;
	if (!fgets(line, sizeof(line), f))
		return -EIO;
	for (char *save, *w = strtok_r(line, ",\n", &save); w; w = strtok_r(NULL, ",\n", &save))
		if (!strcmp(w, "bpf"))
			return 0;
	return -EOPNOTSUPP;
}

int pb_ask_lsm(int a, int b)
{
	_cleanup_close_ int fd = -1;
	int id = libbpf_find_vmlinux_btf_id("socket_create", BPF_LSM_MAC);

	(void)a;
	(void)b;
	if (id <= 0)
		return id ? id : -ENOENT;
	fd = load(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, id);
	return fd < 0 ? fd : lsm_active();
}

/* Without the right to ask, "missing" would be a guess. */
static enum pb_probe_state state_of(int err)
{
	if (!err)
		return PB_PROBE_OK;
	switch (err) {
	case -EPERM:
	case -EACCES:
	case -ENOMEM:
	case -EAGAIN: return PB_PROBE_ERROR;
	default: return PB_PROBE_MISSING;
	}
}

static const char *why(int err)
{
	switch (err) {
	case -EPERM:
	case -EACCES: return "not permitted: no privilege, or the kernel forbids it";
	case -EAGAIN: return "could not be tried here";
	case -EINVAL:
	case -EOPNOTSUPP:
	case -524: /* ENOTSUPP, which libc does not know */ return "this kernel does not have it";
	default: return strerror(-err);
	}
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

size_t pb_probe_all(struct pb_probe **ret)
{
	static struct pb_probe all[64];
	libbpf_print_fn_t was = libbpf_set_print(quiet);
	size_t n = pb_probe_rows_n < ARRAY_SIZE(all) ? pb_probe_rows_n : ARRAY_SIZE(all);

	for (size_t i = 0; i < n; i++) {
		const struct pb_probe_row *r = &pb_probe_rows[i];
		int err = r->ask(r->a, r->b);

		all[i] = (struct pb_probe){ .id = r->id,
					    .what = r->what,
					    .lost = r->lost,
					    .required = r->required,
					    .state = state_of(err) };
		if (err)
			snprintf(all[i].detail, sizeof(all[i].detail), "%s", why(err));
	}
	libbpf_set_print(was);
	*ret = all;
	return n;
}

enum pb_probe_state pb_probe_one(const char *id)
{
	libbpf_print_fn_t was = libbpf_set_print(quiet);
	enum pb_probe_state state = PB_PROBE_ERROR;

	for (size_t i = 0; i < pb_probe_rows_n; i++)
		if (!strcmp(pb_probe_rows[i].id, id))
			state = state_of(
				pb_probe_rows[i].ask(pb_probe_rows[i].a, pb_probe_rows[i].b));
	libbpf_set_print(was);
	return state;
}
