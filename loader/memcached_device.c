/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The memcached switch's programs at devices: tc ingress always, native XDP where asked for. */
#include "memcached.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <linux/if_link.h>

#include "control/util.h"
#include "internal.h"
#include "memcached_internal.h"

#define ATTACH_TCX_INGRESS 46 /* BPF_TCX_INGRESS, Linux 6.6 */
#define ATTACH_FIRST (1u << 3)
#define XDP_PROG "pb_mc_xdp"

static char *pin_path(const struct pb_mcl *m, const char *prog, unsigned ifindex)
{
	char name[64];

	snprintf(name, sizeof(name), "%s@%u", prog, ifindex);
	return pb_pin_path(m->bpffs, PB_LINK_DIR, name);
}

/* The programs read an Ethernet header. */
static int check_device(unsigned ifindex)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { .ifr_ifindex = (int)ifindex };

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFNAME, &r) || ioctl(fd, SIOCGIFHWADDR, &r))
		return errno == ENXIO ? -ENODEV : -errno;
	return r.ifr_hwaddr.sa_family == ARPHRD_ETHER ? 0 : -EMEDIUMTYPE;
}

/* 0: it runs our program now; -ENOLINK: dead; -ENOENT: no pin. */
static int update(const struct bpf_program *prog, unsigned ifindex, const char *path)
{
	struct pb_tc_place at = { .ifindex = ifindex, .memcached = true };
	_cleanup_close_ int fd = bpf_obj_get(path);
	struct pb_link_look look;
	uint32_t id;
	int err;

	if (fd < 0)
		return fd;
	if (pb_is_prog(fd)) {
		err = pb_tc_update(fd, prog, &at, path);
		return err < 0 ? err : 0;
	}
	err = pb_link_look(fd, &look);
	if (!err)
		err = pb_prog_id(prog, &id);
	if (err)
		return err;
	if (look.target != ifindex)
		return -ENOLINK;
	return look.prog_id == id ? 0 : bpf_link_update(fd, bpf_program__fd(prog), NULL);
}

static int create_tc(struct pb_mcl *m, const struct bpf_program *prog, unsigned ifindex,
		     const char *path)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = ATTACH_FIRST);
	struct pb_tc_place at = { .ifindex = ifindex, .memcached = true };
	_cleanup_close_ int fd = -1;

	if (!m->clsact)
		fd = bpf_link_create(bpf_program__fd(prog), (int)ifindex, ATTACH_TCX_INGRESS,
				     &opts);
	if (fd == -EINVAL)
		m->clsact = true;
	if (m->clsact)
		return pb_tc_create(prog, &at, path);
	return fd < 0 ? fd : bpf_obj_pin(fd, path);
}

static int create_xdp(struct pb_mcl *m, const struct bpf_program *prog, unsigned ifindex,
		      const char *path)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	_cleanup_close_ int fd =
		bpf_link_create(bpf_program__fd(prog), (int)ifindex, BPF_XDP, &opts);

	(void)m;
	return fd < 0 ? fd : bpf_obj_pin(fd, path);
}

typedef int (*create_fn)(struct pb_mcl *m, const struct bpf_program *prog, unsigned ifindex,
			 const char *path);

static int attach(struct pb_mcl *m, const char *name, unsigned ifindex, create_fn create)
{
	const struct bpf_program *prog = pb_mcl_prog(m, name);
	_cleanup_free_ char *path = pin_path(m, name, ifindex);
	int err;

	if (!path || !prog)
		return path ? -ENOENT : -ENOMEM;
	err = update(prog, ifindex, path);
	if (err == -ENOLINK && unlink(path) && errno != ENOENT)
		return log_err(-errno, "cannot remove dead link %s", path);
	if (err == -ENOLINK || err == -ENOENT)
		err = create(m, prog, ifindex, path);
	return err;
}

static int detach(struct pb_mcl *m, const char *name, unsigned ifindex)
{
	_cleanup_free_ char *path = pin_path(m, name, ifindex);
	int err = path ? pb_link_remove(path) : -ENOMEM;

	return err == -ENOENT ? 0 : err;
}

/* May other devices' XDP send frames out here? */
static int takes_frames(struct pb_mcl *m, unsigned ifindex, bool yes)
{
	uint32_t key = ifindex, one = 1;
	int map = pb_mcl_map_fd(m, "pb_mc_devs"), err;

	if (map < 0)
		return map;
	err = yes ? bpf_map_update_elem(map, &key, &one, BPF_ANY) : bpf_map_delete_elem(map, &key);
	return err == -ENOENT ? 0 : err;
}

static int detach_xdp(struct pb_mcl *m, unsigned ifindex)
{
	int err = takes_frames(m, ifindex, false), e = detach(m, XDP_PROG, ifindex);

	return e ? e : err;
}

int pb_mcl_attach(struct pb_mcl *m, unsigned ifindex, enum pb_mcl_mode mode)
{
	int err = check_device(ifindex);

	if (err)
		return err;
	err = attach(m, PB_MCL_TC_PROG, ifindex, create_tc);
	if (err)
		return err == -ENODEV ? err : log_err(err, "cannot attach to device %u", ifindex);
	if (mode != PB_MCL_XDP)
		return detach_xdp(m, ifindex);
	err = attach(m, XDP_PROG, ifindex, create_xdp);
	if (!err)
		return takes_frames(m, ifindex, true);
	takes_frames(m, ifindex, false);
	return err;
}

int pb_mcl_detach(struct pb_mcl *m, unsigned ifindex)
{
	/* XDP first: what it leaves, tc must be there for */
	int err = detach_xdp(m, ifindex), e = detach(m, PB_MCL_TC_PROG, ifindex);

	return err ? err : e;
}

static bool is_listed(const unsigned *ifindex, size_t n, unsigned i)
{
	for (size_t k = 0; k < n; k++)
		if (ifindex[k] == i)
			return true;
	return false;
}

/* The device of a pin of ours; 0: it is another's. */
static unsigned device_of(const char *pin)
{
	const char *at = strchr(pin, '@');

	if (!at || strncmp(pin, "pb_mc_", 6))
		return 0;
	return (unsigned)strtoul(at + 1, NULL, 10);
}

int pb_mcl_detach_others(struct pb_mcl *m, const unsigned *ifindex, size_t n)
{
	char **names;
	size_t n_names;
	int err = pb_folder_list(m->bpffs, PB_LINK_DIR, &names, &n_names);

	if (err)
		return err;
	for (size_t i = 0; i < n_names; i++) {
		unsigned d = device_of(names[i]);
		int e = d && !is_listed(ifindex, n, d) ? pb_mcl_detach(m, d) : 0;

		if (e)
			err = log_err(e, "cannot remove link %s", names[i]);
	}
	pb_pin_names_free(names, n_names);
	return err;
}

/* Does the pin's hook live at the device, and with this build's program? */
static int look(struct pb_mcl *m, const char *name, unsigned ifindex, bool *ret_current)
{
	struct pb_tc_place at = { .ifindex = ifindex, .memcached = true };
	_cleanup_free_ char *path = pin_path(m, name, ifindex);
	_cleanup_close_ int fd = path ? bpf_obj_get(path) : -ENOMEM;
	struct pb_link_look l = { 0 };
	uint32_t id = 0;
	int err;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (pb_is_prog(fd)) {
		err = pb_tc_look(&at, &l.prog_id);
		l.target = l.prog_id ? ifindex : 0;
	} else {
		err = pb_link_look(fd, &l);
	}
	if (!err)
		err = pb_prog_id(pb_mcl_prog(m, name), &id);
	if (err)
		return err;
	*ret_current &= id == l.prog_id;
	return l.target == ifindex;
}

int pb_mcl_look(struct pb_mcl *m, unsigned ifindex, unsigned *ret_at, bool *ret_current)
{
	int tc, xdp;

	*ret_current = true;
	tc = look(m, PB_MCL_TC_PROG, ifindex, ret_current);
	xdp = look(m, XDP_PROG, ifindex, ret_current);
	if (tc < 0 || xdp < 0)
		return tc < 0 ? tc : xdp;
	*ret_at = (tc ? PB_MCL_AT_TC : 0) | (xdp ? PB_MCL_AT_XDP : 0);
	return 0;
}
