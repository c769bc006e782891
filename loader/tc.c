/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs at network devices of kernels without links to them (before 6.6): a filter of clsact, in
 * a place of its own.  The pin is the program's: it says where one was attached, and which.
 *
 * libbpf asks in the network namespace of the caller.  The queueing discipline stays when the
 * filter goes: others may have come to use it.
 */
#include <stdlib.h>

#include <bpf/bpf.h>

#include "control/util.h"
#include "internal.h"

#define TC_PLACE 0x5bc0 /* handle and priority of our filter */

/* The memcached switch has a filter of its own beside it. */
static uint32_t number(const struct pb_tc_place *at)
{
	return TC_PLACE + at->memcached;
}

#define PLACE(at, hook, opts, ...) \
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)(at)->ifindex, \
		    .attach_point = (at)->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS); \
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = number(at), .priority = number(at), ##__VA_ARGS__)

bool pb_is_prog(int fd)
{
	char path[32], what[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, what, sizeof(what) - 1);
	if (n < 0)
		return false;
	what[n] = '\0';
	return strstr(what, "bpf-prog") != NULL;
}

/* Where the program of that name goes; 0: there is none, or it goes on no device. */
static char device_prog(const char *name, size_t len)
{
	if (len == strlen(PB_MCL_TC_PROG) && !strncmp(PB_MCL_TC_PROG, name, len))
		return 'D';
	for (size_t i = 0; i < pb_prog_rows_n; i++)
		if (!strncmp(pb_prog_rows[i].name, name, len) && !pb_prog_rows[i].name[len] &&
		    strchr(PB_WHERE_DEVICE, pb_prog_rows[i].where))
			return pb_prog_rows[i].where;
	return 0;
}

bool pb_tc_place(const char *pin, struct pb_tc_place *ret)
{
	const char *slash = strrchr(pin, '/'), *name = slash ? slash + 1 : pin;
	const char *at = strchr(name, '@');
	char where = at ? device_prog(name, at - name) : 0;
	unsigned long n;
	char *end;

	if (!where || at[1] < '0' || at[1] > '9')
		return false;
	errno = 0;
	n = strtoul(at + 1, &end, 10);
	if (errno || *end || n > INT32_MAX)
		return false;
	*ret = (struct pb_tc_place){ .ifindex = (unsigned)n, .egress = where == 'E' };
	ret->memcached = !strncmp(name, PB_MCL_TC_PROG "@", sizeof(PB_MCL_TC_PROG));
	return true;
}

/* Is the program @id one of ours?  false also where we may not ask. */
static bool is_ours(uint32_t id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       device_prog(info.name, strlen(info.name));
}

static int id_of(int fd, uint32_t *ret)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	*ret = info.id;
	return err;
}

static int say_nothing(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

int pb_tc_look(const struct pb_tc_place *at, uint32_t *ret_id)
{
	PLACE(at, hook, opts);
	/* What is not there is no news. */
	libbpf_print_fn_t was = libbpf_set_print(say_nothing);
	int err = bpf_tc_query(&hook, &opts);

	libbpf_set_print(was);
	*ret_id = err ? 0 : opts.prog_id;
	/* EINVAL: the device has no place for filters */
	return err == -ENOENT || err == -EINVAL ? 0 : err;
}

static int put(const struct bpf_program *prog, const struct pb_tc_place *at)
{
	PLACE(at, hook, opts, .prog_fd = bpf_program__fd(prog), .flags = BPF_TC_F_REPLACE);
	libbpf_print_fn_t was = libbpf_set_print(say_nothing);
	int err = bpf_tc_hook_create(&hook);

	libbpf_set_print(was);
	if (err && err != -EEXIST)
		return err;
	return bpf_tc_attach(&hook, &opts);
}

static int pin(const struct bpf_program *prog, const char *path)
{
	int err = bpf_obj_pin(bpf_program__fd(prog), path);

	return err ? log_err(err, "cannot pin program %s", path) : 0;
}

int pb_tc_create(const struct bpf_program *prog, const struct pb_tc_place *at, const char *path)
{
	uint32_t id;
	int err = pb_tc_look(at, &id);

	if (err)
		return err;
	if (id && !is_ours(id)) {
		pb_log(PB_LOG_ERR, "device %u: filter 0x%x is another program's", at->ifindex,
		       number(at));
		return -EBUSY;
	}
	/* The pin first: a filter without one would not be found again. */
	err = pin(prog, path);
	if (err)
		return err;
	err = put(prog, at);
	if (err)
		unlink(path);
	return err;
}

int pb_tc_update(int fd, const struct bpf_program *prog, const struct pb_tc_place *at,
		 const char *path)
{
	uint32_t old, now, id;
	int err = pb_tc_look(at, &id);

	if (!err)
		err = pb_prog_id(prog, &now);
	if (!err)
		err = id_of(fd, &old);
	if (err || !id)
		return err ? err : -ENOLINK;
	if (id == now && old == now)
		return 0;
	err = id == now ? 0 : put(prog, at);
	if (err)
		return log_err(err, "cannot update the program of device %u", at->ifindex);
	if (unlink(path) && errno != ENOENT)
		return log_err(-errno, "cannot remove %s", path);
	err = pin(prog, path);
	return err ? err : 1;
}

int pb_tc_remove(int fd, const struct pb_tc_place *at)
{
	PLACE(at, hook, opts);
	uint32_t old, id;
	int err = pb_tc_look(at, &id);

	if (!err)
		err = id_of(fd, &old);
	if (err || !id)
		return err;
	if (id != old && !is_ours(id))
		return -EBUSY;
	return bpf_tc_detach(&hook, &opts);
}
