/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object of bpf/flows.bpf.c, embedded, and reading what it writes. */
#include <bpf/bpf.h>

#include <patchbay/flow.h>

#include "control/util.h"
#include "internal.h"

#include "flows.skel.h"

#define READ_MAX 262144				  /* records */
#define READ_NS 1000000000ULL			  /* the agent does nothing else meanwhile */
#define READ_BYTES (512 * sizeof(struct pb_flow)) /* the kernel hands out 32 KiB at once */

const void *pb_elf_flows(size_t *ret_size)
{
	return flows__elf_bytes(ret_size);
}

/* The iterator's link lives as long as the file that is read. */
static int open_iterator(const struct bpf_program *prog, int map)
{
	union bpf_iter_link_info info = { .map.map_fd = (__u32)map };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	_cleanup_close_ int link = -1;

	link = bpf_link_create(bpf_program__fd(prog), 0, BPF_TRACE_ITER, &opts);
	return link < 0 ? link : bpf_iter_create(link);
}

struct room {
	char *data;
	size_t bytes, max;
};

static int reserve(struct room *r)
{
	size_t max = r->max ? r->max * 2 : READ_BYTES;
	char *p;

	if (r->max - r->bytes >= READ_BYTES)
		return 0;
	p = realloc(r->data, max);
	if (!p)
		return -ENOMEM;
	r->data = p;
	r->max = max;
	return 0;
}

/* 1: there is more than is read here. */
static int read_all(int fd, struct room *r)
{
	uint64_t end = pb_now_ns() + READ_NS;

	while (r->bytes < READ_MAX * sizeof(struct pb_flow) && pb_now_ns() < end) {
		ssize_t n;
		int err = reserve(r);

		if (err)
			return err;
		n = read(fd, r->data + r->bytes, READ_BYTES);
		/* EAGAIN: a million sockets without a record, it goes on from there */
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0)
			r->bytes += (size_t)n;
	}
	return 1;
}

int pb_loader_flows(struct pb_loader *l, struct pb_flow **ret, size_t *ret_n)
{
	const struct bpf_program *prog = pb_loader_prog(l, "pb_flows");
	int cut, map = pb_loader_map_fd(l, "pb_socks");
	_cleanup_close_ int fd = -1;
	struct room r = { 0 };

	if (!prog)
		return -EOPNOTSUPP;
	fd = map < 0 ? map : open_iterator(prog, map);
	if (fd < 0)
		return fd;
	cut = read_all(fd, &r);
	if (cut < 0) {
		free(r.data);
		return cut;
	}
	*ret = (struct pb_flow *)r.data;
	*ret_n = r.bytes / sizeof(struct pb_flow);
	return cut;
}
