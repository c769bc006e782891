/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One map by its pin. */
#include <bpf/bpf.h>

#include "loader/loader.h"
#include "maps_internal.h"
#include "util.h"

#define STR_(x) #x
#define STR(x) STR_(x)

int pb_pin_lookup(const char *bpffs, const char *map, const void *key, void *ret)
{
	_cleanup_close_ int fd = pb_map_open(bpffs, map);

	return fd < 0 ? fd : bpf_map_lookup_elem(fd, key, ret);
}

int pb_pin_each(const char *bpffs, const char *map, size_t key_size, size_t value_size,
		int (*fn)(const void *key, const void *value, void *arg), void *arg)
{
	_cleanup_close_ int fd = pb_map_open(bpffs, map);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int err = fd < 0 ? fd : bpf_obj_get_info_by_fd(fd, &info, &len);

	if (err)
		return err;
	/* Another ABI under our path: reading it would overrun. */
	if (info.key_size != key_size || info.value_size != value_size)
		return -EPROTO;
	return pb_map_walk(fd, fn, arg);
}

int pb_pin_splice_off(const char *bpffs)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info), zero = 0;
	struct pb_config conf;
	int err;

	if (asprintf(&path, "%s/" PB_PIN_DIR "/v" STR(PB_ABI_VERSION) "/pb_config", bpffs) < 0)
		return -ENOMEM;
	fd = bpf_obj_get(path);
	err = fd < 0 ? fd : bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err)
		return err;
	if (info.value_size != sizeof(conf))
		return -EPROTO;
	err = bpf_map_lookup_elem(fd, &zero, &conf);
	if (err || !(conf.flags & PB_CFG_SPLICE))
		return err;
	conf.flags &= ~PB_CFG_SPLICE;
	conf.gen++;
	return pb_map_put(fd, &zero, &conf, BPF_ANY);
}
