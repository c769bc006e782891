/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Walking whole maps. */
#include <linux/bpf.h>
#include <bpf/bpf.h>

#include "maps_internal.h"
#include "util.h"

#define BATCH 128

struct walk {
	int fd;
	struct bpf_map_info info;
	uint32_t room; /* entries the buffers hold */
	char *keys, *values;
	int (*fn)(const void *key, const void *value, void *arg);
	void *arg;
};

static int map_info(int fd, struct bpf_map_info *ret)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	if (err)
		return err;
	*ret = info;
	return 0;
}

static int make_room(struct walk *w, uint32_t room)
{
	char *keys = reallocarray(w->keys, room, w->info.key_size);
	char *values;

	if (keys)
		w->keys = keys;
	values = reallocarray(w->values, room, w->info.value_size);
	if (values)
		w->values = values;
	if (!keys || !values)
		return -ENOMEM;
	w->room = room;
	return 0;
}

static int hand_out(struct walk *w, uint32_t n)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < n; i++)
		r = w->fn(w->keys + (size_t)i * w->info.key_size,
			  w->values + (size_t)i * w->info.value_size, w->arg);
	return r;
}

/* The cursor of a hash map is a bucket (a u32), not a key that may vanish. */
static int walk_batches(struct walk *w)
{
	uint32_t cursor, n;
	bool first = true;

	for (;;) {
		int err, r;

		n = w->room;
		err = bpf_map_lookup_batch(w->fd, first ? NULL : &cursor, &cursor, w->keys,
					   w->values, &n, NULL);
		if (err == -ENOSPC) { /* a bucket larger than the room */
			if (w->room >= w->info.max_entries)
				return err;
			err = make_room(w, w->room * 2);
			if (err)
				return err;
			continue;
		}
		if (err && err != -ENOENT)
			return err;
		r = hand_out(w, n);
		if (r || err)
			return r;
		first = false;
	}
}

int pb_map_walk(int fd, int (*fn)(const void *key, const void *value, void *arg), void *arg)
{
	struct walk w = { .fd = fd, .fn = fn, .arg = arg };
	int r = map_info(fd, &w.info);

	if (!r)
		r = make_room(&w, BATCH);
	if (!r)
		r = walk_batches(&w);
	free(w.keys);
	free(w.values);
	return r;
}

/* ---- typed walks --------------------------------------------------------- */

struct app_walk {
	struct pb_maps *m;
	int (*fn)(uint64_t ref, const struct pb_app *, const struct pb_tags *, void *);
	void *arg;
};

static int each_app(const void *key, const void *value, void *arg)
{
	struct app_walk *w = arg;
	struct pb_tags tags = { 0 };
	uint64_t ref = *(const uint64_t *)key;
	int err = bpf_map_lookup_elem(PB_FD(w->m, pb_tags), &ref, &tags);

	if (err && err != -ENOENT)
		return err;
	return w->fn(ref, value, &tags, w->arg);
}

int pb_maps_each_app(struct pb_maps *m,
		     int (*fn)(uint64_t ref, const struct pb_app *, const struct pb_tags *, void *),
		     void *arg)
{
	struct app_walk w = { .m = m, .fn = fn, .arg = arg };

	return pb_map_walk(PB_FD(m, pb_apps), each_app, &w);
}

int pb_maps_each_group(struct pb_maps *m, int (*fn)(uint32_t bit, const struct pb_group *, void *),
		       void *arg)
{
	int r = 0;

	for (uint32_t bit = 0; !r && bit < PB_GROUPS_MAX; bit++) {
		struct pb_group g;

		r = bpf_map_lookup_elem(PB_FD(m, pb_groups), &bit, &g);
		if (!r && g.name[0])
			r = fn(bit, &g, arg);
	}
	return r;
}

struct svc_walk {
	int (*fn)(const struct pb_svc_key *, const struct pb_service *, void *);
	void *arg;
};

static int each_service(const void *key, const void *value, void *arg)
{
	struct svc_walk *w = arg;

	return w->fn(key, value, w->arg);
}

int pb_maps_each_service(struct pb_maps *m,
			 int (*fn)(const struct pb_svc_key *, const struct pb_service *, void *),
			 void *arg)
{
	struct svc_walk w = { .fn = fn, .arg = arg };

	return pb_map_walk(PB_FD(m, pb_services), each_service, &w);
}

struct addr_walk {
	int (*fn)(const struct pb_addr *, const struct pb_vip *, void *);
	void *arg;
};

static int each_addr(const void *key, const void *value, void *arg)
{
	struct addr_walk *w = arg;

	return w->fn(key, value, w->arg);
}

int pb_maps_each_addr(struct pb_maps *m,
		      int (*fn)(const struct pb_addr *, const struct pb_vip *, void *), void *arg)
{
	struct addr_walk w = { .fn = fn, .arg = arg };

	return pb_map_walk(PB_FD(m, pb_addrs), each_addr, &w);
}

/* ---- egress -------------------------------------------------------------- */

static int by_ref(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

/* Keys of those refs; the agent alone writes this map, so that none vanishes during the walk. */
static int egress_keys(int fd, const uint64_t *refs, size_t n_refs, struct pb_egress_key **keys,
		       size_t *n)
{
	struct pb_egress_key k, *prev = NULL;
	int err;

	while (!(err = bpf_map_get_next_key(fd, prev, &k))) {
		uint64_t ref = k.ref[0] | (uint64_t)k.ref[1] << 32;
		struct pb_egress_key *more;

		prev = &k;
		if (!bsearch(&ref, refs, n_refs, sizeof(ref), by_ref))
			continue;
		more = reallocarray(*keys, *n + 1, sizeof(k));
		if (!more)
			return -ENOMEM;
		*keys = more;
		more[(*n)++] = k;
	}
	return err == -ENOENT ? 0 : err;
}

int pb_maps_clear_egress(struct pb_maps *m, const uint64_t *refs, size_t n_refs)
{
	_cleanup_free_ struct pb_egress_key *keys = NULL;
	int fd = PB_FD(m, pb_egress);
	size_t n = 0;
	int err = n_refs ? egress_keys(fd, refs, n_refs, &keys, &n) : 0;

	for (size_t i = 0; !err && i < n; i++)
		err = pb_map_del(fd, &keys[i]);
	return err;
}

/* ---- services that are spliced or not ------------------------------------- */

struct spl_rules {
	const struct pb_spl_rule_key *keep;
	size_t n_keep;
	struct pb_spl_rule_key *stale;
	size_t n_stale;
};

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pb_spl_rule_key));
}

static int spl_rule(const void *key, const void *value, void *arg)
{
	struct spl_rules *l = arg;
	struct pb_spl_rule_key *more;

	(void)value;
	if (l->n_keep && bsearch(key, l->keep, l->n_keep, sizeof(*l->keep), by_key))
		return 0;
	more = reallocarray(l->stale, l->n_stale + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->stale = more;
	memcpy(&more[l->n_stale++], key, sizeof(*more));
	return 0;
}

int pb_maps_keep_spl_rules(struct pb_maps *m, const struct pb_spl_rule_key *keep, size_t n)
{
	struct spl_rules l = { .keep = keep, .n_keep = n };
	int fd = PB_FD(m, pb_spl_rules);
	int err = pb_map_walk(fd, spl_rule, &l);

	for (size_t i = 0; !err && i < l.n_stale; i++)
		err = pb_map_del(fd, &l.stale[i]);
	free(l.stale);
	return err ? err : (int)l.n_stale;
}

/* ---- ports of the resolver ------------------------------------------------- */

struct port_keys {
	struct pb_port_key *key;
	size_t n;
};

static int dns_port(const void *key, const void *value, void *arg)
{
	const struct pb_port *p = value;
	struct port_keys *l = arg;
	struct pb_port_key *more;

	if (!(p->flags & PB_PORT_DNS))
		return 0;
	more = reallocarray(l->key, l->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->key = more;
	memcpy(&more[l->n++], key, sizeof(*more));
	return 0;
}

int pb_maps_clear_dns_ports(struct pb_maps *m)
{
	struct port_keys l = { 0 };
	int fd = PB_FD(m, pb_ports);
	int err = pb_map_walk(fd, dns_port, &l);

	for (size_t i = 0; !err && i < l.n; i++)
		err = pb_map_del(fd, &l.key[i]);
	free(l.key);
	return err ? err : (int)l.n;
}

/* ---- usage --------------------------------------------------------------- */

static int count_one(const void *key, const void *value, void *arg)
{
	(void)key;
	(void)value;
	++*(uint32_t *)arg;
	return 0;
}

/* An array has no absent entries: one of only zeroes is free. */
static int count_array(int fd, const struct bpf_map_info *info, uint32_t *n)
{
	_cleanup_free_ char *value = malloc(info->value_size);
	int err = value ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < info->max_entries; i++) {
		err = bpf_map_lookup_elem(fd, &i, value);
		if (!err && (value[0] || memcmp(value, value + 1, info->value_size - 1)))
			++*n;
	}
	return err;
}

static int count_endpoints(struct pb_maps *m, const struct bpf_map_info *info, uint32_t *n)
{
	int err = 0;

	for (uint32_t i = 1; !err && i < info->max_entries; i++) {
		struct pb_endpoint e;

		err = pb_maps_get_endpoint(m, i, &e);
		*n += !err && e.state != PB_EP_FREE;
	}
	return err;
}

static int count_keys(int fd, const struct bpf_map_info *info, uint32_t *n)
{
	_cleanup_free_ char *key = malloc(info->key_size);
	void *prev = NULL;
	int err = key ? 0 : -ENOMEM;

	while (!err && *n < info->max_entries) {
		err = bpf_map_get_next_key(fd, prev, key);
		prev = key;
		*n += !err;
	}
	return err == -ENOENT ? 0 : err;
}

int pb_maps_usage(struct pb_maps *m, const char *name, uint32_t *ret_entries, uint32_t *ret_max)
{
	struct bpf_map_info info;
	int fd = pb_maps_fd(m, name);
	uint32_t n = 0;
	int err = fd < 0 ? fd : map_info(fd, &info);

	if (err)
		return err;
	if (fd == PB_FD(m, pb_endpoints))
		err = count_endpoints(m, &info, &n);
	else if (info.type == BPF_MAP_TYPE_HASH || info.type == BPF_MAP_TYPE_LRU_HASH)
		err = pb_map_walk(fd, count_one, &n);
	else if (info.type == BPF_MAP_TYPE_ARRAY)
		err = count_array(fd, &info, &n);
	else if (info.type == BPF_MAP_TYPE_LPM_TRIE)
		err = count_keys(fd, &info, &n);
	else
		err = -EOPNOTSUPP; /* queue, ring, socket storage, counters: not countable */
	if (err)
		return err;
	*ret_entries = n;
	*ret_max = info.max_entries;
	return 0;
}
