/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "pins.h"

#include <bpf/bpf.h>

#include "../../loader/loader.h"
#include "../util.h"

int pins_lookup(const char *bpffs, const char *map, const void *key, void *ret)
{
	_cleanup_close_ int fd = pb_map_open(bpffs, map);

	if (fd < 0)
		return fd;
	return bpf_map_lookup_elem(fd, key, ret) ? -errno : 0;
}

/* A walk over a hash that changes may start again; the limit keeps it finite. */
static int walk(int fd, uint32_t limit, void *key, void *next, void *value,
		int (*fn)(const void *, const void *, void *), void *arg, size_t key_size)
{
	void *from = NULL;

	for (uint32_t i = 0; i < limit && !bpf_map_get_next_key(fd, from, next); i++) {
		int ret = bpf_map_lookup_elem(fd, next, value) ? 0 : fn(next, value, arg);

		if (ret)
			return ret;
		memcpy(key, next, key_size);
		from = key;
	}
	return 0;
}

int pins_each(const char *bpffs, const char *map, size_t key_size, size_t value_size,
	      int (*fn)(const void *key, const void *value, void *arg), void *arg)
{
	_cleanup_close_ int fd = pb_map_open(bpffs, map);
	_cleanup_free_ void *key = calloc(1, key_size), *next = calloc(1, key_size);
	_cleanup_free_ void *value = calloc(1, value_size);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd < 0)
		return fd;
	if (!key || !next || !value)
		return -ENOMEM;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	/* Another ABI under our path: reading it would overrun. */
	if (info.key_size != key_size || info.value_size != value_size)
		return -EPROTO;
	return walk(fd, info.max_entries * 2, key, next, value, fn, arg, key_size);
}

static void look_at_links(const char *bpffs, struct pins_state *s)
{
	_cleanup_free_ struct pb_link_state *links = NULL;
	size_t n = 0;

	s->err = pb_loader_links(bpffs, &links, &n);
	for (size_t i = 0; !s->err && i < n; i++) {
		s->links++;
		s->dead += !links[i].alive;
		s->old += links[i].alive && !links[i].current;
	}
	/* Every program is listed, also where nothing was ever loaded. */
	if (!s->config && s->dead == s->links)
		s->links = s->dead = 0;
}

void pins_look(const char *bpffs, struct pins_state *ret)
{
	struct pins_state s = { 0 };
	uint32_t zero = 0;

	s.config = !pins_lookup(bpffs, "pb_config", &zero, &s.conf);
	s.beat = !pins_lookup(bpffs, "pb_beat", &zero, &s.last);
	look_at_links(bpffs, &s);
	*ret = s;
}

bool pins_alive(const struct pins_state *s)
{
	return s->config && !s->err && s->links && !s->dead;
}

const char *pins_mode(uint32_t mode)
{
	static const char *const names[_PB_MODE_MAX] = { "enforce", "audit", "off" };

	return mode < _PB_MODE_MAX ? names[mode] : "unknown";
}
