// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A service into the kernel, in the right order, and out of it. */
#include "control/memcached/apply_internal.h"

#include <errno.h>
#include <string.h>

#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <patchbay/addr.h>

#include "control/util.h"
#include "loader/memcached.h"

#define NS_PER_MS 1000000ull
#define BURST_MIN 65536u /* bytes */

struct mca *mca_new(void)
{
	struct mca *s = calloc(1, sizeof(*s));

	if (s) {
		s->home = calloc(1, sizeof(*s->home));
		s->ring = calloc(1, sizeof(*s->ring));
	}
	if (s && (!s->home || !s->ring)) {
		mca_free(s);
		return NULL;
	}
	return s;
}

void mca_free(struct mca *s)
{
	if (!s)
		return;
	free(s->conf);
	free(s->home);
	free(s->home_conf);
	free(s->ring);
	explicit_bzero(s->digest_key, sizeof(s->digest_key));
	free(s);
}

int mca_map_fd(struct pb_mcl *m, const char *name)
{
	int fd = pb_mcl_map_fd(m, name);

	return fd < 0 ? log_err(fd, "there is no map %s", name) : fd;
}

/* ---- the table ----------------------------------------------------------- */

bool mca_table(struct mca *s)
{
	*s->ring = *s->home;
	mct_stand_in(s->ring, &s->fence, s->server);
	return !s->ring_sum || mct_sum(s->ring) != s->ring_sum;
}

int mca_write_all(struct pb_mcl *m, unsigned index)
{
	struct pb_mc_cmd cmd = { .what = PB_MC_DO_WRITE_ALL, .service = index };

	return pb_mcl_do(m, &cmd);
}

int mca_swap(struct pb_mcl *m, struct mca *s)
{
	int err = mca_write_all(m, s->index);

	if (err)
		return err;
	s->ring->epoch = ++s->epoch;
	s->ring_sum = 0;
	err = pb_mcl_ring(m, s->index, s->ring);
	if (!err)
		err = mca_write_all(m, s->index);
	if (!err)
		s->ring_sum = mct_sum(s->ring);
	return err;
}

/* ---- in ------------------------------------------------------------------ */

int mca_look(struct pb_mcl *m, unsigned index, struct pb_mc_service *ret)
{
	int fd = mca_map_fd(m, "pb_mc_services");
	__u32 key = index;

	return fd < 0 ? fd : bpf_map_lookup_elem(fd, &key, ret);
}

static int put_record(struct pb_mcl *m, unsigned index, const struct pb_mc_service *rec)
{
	int fd = mca_map_fd(m, "pb_mc_services");
	__u32 key = index;

	return fd < 0 ? fd : bpf_map_update_elem(fd, &key, rec, 0);
}

/* A service begins: what was under way at this number ends, and the clock of writes is set. */
static int begin_all(struct pb_mcl *m, unsigned index)
{
	int fd = mca_map_fd(m, "pb_mc_alls");
	struct pb_mc_all_rec rec;
	__u64 now = pb_now_ns();
	__u32 key = index;
	int err;

	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem_flags(fd, &key, &rec, BPF_F_LOCK);
	if (err)
		return err;
	rec.all.life = PB_MC_LIFE_NS;
	rec.all.flush_at = 0;
	pb_mc_mute(&rec.all.gen, now, rec.all.life);
	return bpf_map_update_elem(fd, &key, &rec, BPF_F_LOCK);
}

void mca_backend(const struct mca *s, unsigned i, struct pb_mc_backend *ret)
{
	const struct mct_server *v = &s->server[i];

	memset(ret, 0, sizeof(*ret));
	if (i >= s->n_servers || !v->used)
		return;
	ret->addr = v->addr;
	ret->port = v->port;
	ret->ifindex = v->ifindex;
	ret->flags = PB_MC_B_UP;
}

static int put_backends(struct pb_mcl *m, const struct mca *s)
{
	int fd = mca_map_fd(m, "pb_mc_backends"), err = 0;

	for (unsigned i = 0; fd >= 0 && !err && i < PB_MC_SERVERS_MAX; i++) {
		struct pb_mc_backend b, was;
		__u32 key = s->index * PB_MC_SERVERS_MAX + i;

		mca_backend(s, i, &b);
		err = bpf_map_lookup_elem(fd, &key, &was);
		if (!err && memcmp(&was, &b, sizeof(b)) != 0)
			err = bpf_map_update_elem(fd, &key, &b, 0);
	}
	return fd < 0 ? fd : err;
}

void mca_record(const struct mca *s, struct pb_mc_service *ret)
{
	const struct mcs_service *c = s->conf;

	memset(ret, 0, sizeof(*ret));
	ret->flags = PB_MC_S_UP | PB_MC_S_ALLOW;
	if (c->dsr == MCS_L2)
		ret->flags |= PB_MC_S_L2;
	if (s->sets)
		ret->flags |= PB_MC_S_CACHE;
	if (s->proxy)
		ret->flags |= PB_MC_S_PROXY;
	ret->sets = s->sets;
	memcpy(ret->key, s->digest_key, sizeof(ret->key));
	ret->vip = c->vip;
	ret->source = s->place.source;
	ret->port = c->port;
	ret->source_port = s->place.source_port;
	ret->admit = c->admit;
	ret->max_age = mcs_max_age(c) * NS_PER_MS;
	ret->rate = c->rate;
	ret->burst = c->rate / 10 > BURST_MIN ? c->rate / 10 : c->rate ? BURST_MIN : 0;
	ret->allow = mca_allow_name(s);
	snprintf(ret->name, sizeof(ret->name), "%s", c->name);
}

/* The cache as it is to be: another size begins empty. */
static int put_cache(struct pb_mcl *m, struct mca *s, struct pb_mc_service *was)
{
	const struct mcs_service *c = s->conf;
	unsigned want = pb_mcl_cache_sets(mcs_cache_bytes(c));
	int err = 0;

	s->sets = was->sets;
	if (want == was->sets)
		return 0;
	if (was->sets) {
		was->flags &= ~PB_MC_S_CACHE;
		was->sets = 0;
		err = put_record(m, s->index, was);
	}
	if (!err)
		err = pb_mcl_cache(m, s->index, want);
	if (!err && want) /* writes that began without a token are still under way */
		err = mca_write_all(m, s->index);
	s->sets = err ? 0 : want;
	return err;
}

/* ---- addresses ----------------------------------------------------------- */

static int put_addr(int fd, const struct pb_addr *addr, __be16 port, struct pb_mc_addr v)
{
	struct pb_mc_addr_key k = { .addr = *addr, .port = port };
	struct pb_mc_addr was;

	if (!bpf_map_lookup_elem(fd, &k, &was) && !memcmp(&was, &v, sizeof(v)))
		return 0;
	return bpf_map_update_elem(fd, &k, &v, 0);
}

static bool wants_addr(const struct mca *s, const struct pb_mc_addr_key *k)
{
	unsigned n;

	if (!s)
		return false;
	if (pb_addr_eq(&k->addr, &s->conf->vip) && k->port == s->conf->port)
		return true;
	n = ntohs(k->port) - (unsigned)ntohs(s->place.source_port);
	return pb_addr_eq(&k->addr, &s->place.source) && n < PB_MC_PORTS;
}

/* Takes the service's addresses away that @s (NULL: none) does not have; one role after the other. */
static int trim_addrs(int fd, unsigned index, const struct mca *s, unsigned role)
{
	struct pb_mc_addr_key key, next;
	struct pb_mc_addr v;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);
	int err = 0;

	while (more && !err) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (!bpf_map_lookup_elem(fd, &key, &v) && v.service == index && v.role == role &&
		    !wants_addr(s, &key))
			err = bpf_map_delete_elem(fd, &key);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

static int put_addrs(struct pb_mcl *m, const struct mca *s)
{
	int fd = mca_map_fd(m, "pb_mc_addrs"), err = 0;
	struct pb_mc_addr v = { .service = s->index, .role = PB_MC_ROLE_SOURCE };

	if (fd < 0)
		return fd;
	for (unsigned i = 0; !err && i < PB_MC_PORTS; i++) {
		v.port = (__u16)i;
		err = put_addr(fd, &s->place.source,
			       htons((uint16_t)(ntohs(s->place.source_port) + i)), v);
	}
	v.port = 0;
	v.role = PB_MC_ROLE_VIP;
	if (!err)
		err = put_addr(fd, &s->conf->vip, s->conf->port, v);
	if (!err)
		err = trim_addrs(fd, s->index, s, PB_MC_ROLE_VIP);
	return err ? err : trim_addrs(fd, s->index, s, PB_MC_ROLE_SOURCE);
}

int mca_put(struct pb_mcl *m, struct mca *s)
{
	struct pb_mc_service was, is;
	int err = mca_look(m, s->index, &was);

	if (!err && !(was.flags & PB_MC_S_UP))
		err = begin_all(m, s->index);
	if (!err)
		err = put_backends(m, s);
	if (!err)
		err = mca_put_allow(m, s);
	if (!err)
		err = put_cache(m, s, &was);
	if (!err && s->ring_pending)
		err = mca_swap(m, s);
	if (err)
		return log_err(err, "memcached %s: cannot be put into the kernel", s->conf->name);
	s->ring_pending = false;
	mca_record(s, &is);
	if (memcmp(&was, &is, sizeof(is)) != 0)
		err = put_record(m, s->index, &is);
	if (!err)
		err = put_addrs(m, s);
	return err ? log_err(err, "memcached %s: its address cannot be entered", s->conf->name) : 0;
}

/* ---- out ----------------------------------------------------------------- */

static int zero_array(struct pb_mcl *m, const char *map, unsigned from, unsigned n, size_t size)
{
	int fd = mca_map_fd(m, map), cpus = libbpf_num_possible_cpus(), err = 0;
	_cleanup_free_ void *zero = calloc(cpus > 0 ? (size_t)cpus : 1, size);

	if (fd < 0 || !zero)
		return fd < 0 ? fd : -ENOMEM;
	for (__u32 i = from; !err && i < from + n; i++)
		err = bpf_map_update_elem(fd, &i, zero, 0);
	return err;
}

int mca_take(struct pb_mcl *m, unsigned index)
{
	struct pb_mc_service none = { .flags = 0 };
	int fd = mca_map_fd(m, "pb_mc_addrs"), allow = mca_map_fd(m, "pb_mc_allow"), err;

	if (fd < 0 || allow < 0)
		return fd < 0 ? fd : allow;
	err = trim_addrs(fd, index, NULL, PB_MC_ROLE_VIP);
	if (!err)
		err = trim_addrs(fd, index, NULL, PB_MC_ROLE_SOURCE);
	if (!err)
		err = put_record(m, index, &none);
	if (!err)
		err = pb_mcl_cache(m, index, 0);
	if (!err)
		err = pb_mcl_ring(m, index, NULL);
	if (!err)
		err = zero_array(m, "pb_mc_backends", index * PB_MC_SERVERS_MAX, PB_MC_SERVERS_MAX,
				 sizeof(struct pb_mc_backend));
	if (!err)
		err = mca_trim_allow(allow, index, NULL);
	if (!err)
		err = zero_array(m, "pb_mc_stats", index * PB_MC_COUNTERS_MAX, PB_MC_COUNTERS_MAX,
				 sizeof(__u64));
	if (!err)
		err = zero_array(m, "pb_mc_bstats", index * PB_MC_SERVERS_MAX, PB_MC_SERVERS_MAX,
				 sizeof(struct pb_mc_bstats));
	return err ? log_err(err, "memcached service %u cannot be taken out", index) : 0;
}
