/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One memcached service: begin, change, carry out what the fence says, end. */
#include <sys/random.h>

#include <patchbay/siphash.h>

#include "cluster.h"
#include "frames.h"
#include "loader/memcached.h"
#include "memcached_internal.h"
#include "util.h"

struct mc_run *mc_find(const struct pb_agent *a, const char *name)
{
	struct pb_memcached *all = a->memcached;

	for (unsigned i = 0; all && i < PB_MC_SERVICES; i++)
		if (all->run[i] && !strcmp(all->run[i]->m->conf->name, name))
			return all->run[i];
	return NULL;
}

/* ---- the fence ----------------------------------------------------------- */

static uint64_t kernel_replies(void *arg, unsigned server)
{
	struct mc_run *r = arg;
	struct pb_mc_bstats b;

	return r->all->mcl && !mca_bstats(r->all->mcl, r->m->index, server, &b) ? b.replies : 0;
}

static void hold(struct mc_run *r, bool on)
{
	r->unsaved = on;
	if (r->health)
		mch_hold(r->health, on);
}

/* Another table is in the kernel.  When the TCP half has it, too, what was kept meanwhile ends. */
static void changed_table(struct mc_run *r)
{
	mc_tcp(r);
	if (r->m->conf->tcp && r->m->sets && mca_write_all(r->all->mcl, r->m->index))
		log_warn("memcached %s: the cache cannot be told", r->m->conf->name);
}

/* The table that the fence wants: written down, then in force. */
static void swap(struct mc_run *r)
{
	int err;

	r->m->ring_pending |= mca_table(r->m);
	err = mc_save(r->all);
	if (!err && r->put && r->m->ring_pending) {
		err = mca_swap(r->all->mcl, r->m);
		if (err)
			log_err(err, "memcached %s: the table cannot be changed", r->m->conf->name);
		else
			r->m->ring_pending = false;
		if (!err)
			err = mc_save(r->all);
		mc_slow(r);
		changed_table(r);
	}
	hold(r, err != 0);
}

static int rehome(struct mc_run *r, bool fresh, unsigned *did)
{
	_cleanup_free_ struct mct_server *found = calloc(PB_MC_SERVERS_MAX, sizeof(*found));
	static const uint8_t key[PB_SIPHASH_KEY_LEN];
	unsigned more = 0, n;
	int err;

	if (!found)
		return -ENOMEM;
	n = mc_found(r, found, PB_MC_SERVERS_MAX);
	err = mca_rehome(r->m, found, n, fresh, pb_now_ns(), &more);
	if (!err)
		r->found = pb_siphash24(key, found, (uint32_t)(n * sizeof(*found)));
	*did |= more;
	return err;
}

void mc_carry_out(struct mc_run *r, unsigned did)
{
	if (did & MCF_JOIN || (r->moving && did & MCF_STATE))
		r->moving = rehome(r, false, &did) != 0;
	if (did & MCF_STATE)
		mc_say_states(r);
	if (did & (MCF_RING | MCF_JOIN))
		swap(r);
	else if (did)
		mc_save(r->all);
}

static void health_did(void *arg, unsigned did)
{
	mc_carry_out(arg, did);
}

static const struct mch_ops health_ops = { .did = health_did, .replies = kernel_replies };

static void watch(struct mc_run *r, bool anew)
{
	int err;

	if (r->health && anew) {
		mch_stop(r->health);
		r->health = NULL;
	}
	if (r->health)
		return;
	err = mch_start(&r->health, &r->all->agent->loop, r->m, &health_ops, r);
	if (err)
		log_err(err, "memcached %s: servers cannot be asked", r->m->conf->name);
	else
		mch_hold(r->health, r->unsaved);
	mc_self_sources(r);
}

/* ---- in force ------------------------------------------------------------ */

static int fail(struct mc_run *r, int err, const char *text)
{
	if (!*r->why)
		snprintf(r->why, sizeof(r->why), "%s: %s", text, strerror(-err));
	return err;
}

static void adopt(struct mc_run *r);

int mc_refresh(struct mc_run *r)
{
	struct pb_addr source = r->m->place.source;
	unsigned did = 0;
	bool moved;
	int err;

	r->why[0] = '\0';
	r->waits = false;
	err = mc_self(r);
	if (err)
		return fail(r, err, "it gets no identity");
	r->m->fence.threshold = r->m->conf->probe_threshold;
	r->m->fence.failover = r->m->conf->failover;
	err = mc_place(r);
	if (err)
		return err;
	err = mc_load(r->all);
	if (err == -EINPROGRESS)
		snprintf(r->why, sizeof(r->why), "the kernel programs are being loaded");
	if (err)
		return fail(r, err, "the kernel programs cannot be loaded");
	if (!r->looked)
		adopt(r);
	err = rehome(r, r->fresh, &did);
	r->moving = err == -EAGAIN;
	if (err && !r->moving)
		return fail(r, err, "the table of servers cannot be made");
	r->fresh = false;
	mc_hops(r);
	r->m->ring_pending |= mca_table(r->m);
	err = mc_save(r->all);
	if (err)
		return fail(r, err, "the state cannot be written");
	mc_slow(r);
	mc_tcp_before(r);
	moved = r->m->ring_pending;
	err = mca_put(r->all->mcl, r->m);
	if (err)
		return fail(r, err, "the kernel does not take it");
	r->put = true;
	if (moved)
		changed_table(r);
	else
		mc_tcp(r);
	hold(r, false);
	mc_say_states(r);
	mc_save(r->all);
	watch(r, memcmp(&source, &r->m->place.source, sizeof(source)) != 0);
	return 0;
}

/* ---- begin and end ------------------------------------------------------- */

/* The same after a lost state, and on every switch of the cluster. */
static void ring_key(const struct pb_agent *a, struct mca *m)
{
	uint8_t key[PB_SIPHASH_KEY_LEN] = "memcached ring";
	char text[256];
	int n = snprintf(text, sizeof(text), "%s/%s", pb_cluster_name(a), m->conf->name);

	for (int i = 0; i < 2; i++) {
		key[15] = (uint8_t)i;
		m->ring_key[i] = pb_siphash24(key, text, (uint32_t)n);
	}
}

/* A number in the kernel's arrays: that of before, or one that nobody has or had. */
static int find_index(const struct pb_memcached *all, const json_t *was)
{
	json_int_t old = was ? json_integer_value(json_object_get(was, "index")) : -1;

	if (old >= 0 && old < (json_int_t)PB_MC_SERVICES && !all->run[old])
		return (int)old;
	for (int i = 0; i < (int)PB_MC_SERVICES; i++)
		if (!all->run[i] && !(all->reserved >> i & 1))
			return i;
	return -ENOSPC;
}

static void run_free(struct mc_run *r)
{
	if (r->health)
		mch_stop(r->health);
	mc_slow_stop(r);
	mc_ports_close(r);
	json_decref(r->left);
	mca_free(r->m);
	free(r);
}

/* What the state file says of it; else the servers are taken as they are. */
static bool restore(struct mc_run *r, const json_t *was)
{
	struct mca *m = r->m;
	bool ok = was && !mc_state_restore(m, was, pb_now_ns());

	if (was && !ok) {
		log_warn("memcached %s: what was stored of it cannot be used", m->conf->name);
		memset(m->server, 0, sizeof(m->server));
		m->n_servers = 0;
		mcf_init(&m->fence, m->conf->probe_threshold, PB_MC_LIFE_NS, m->conf->failover);
	}
	if (!m->epoch)
		m->epoch = (uint32_t)(pb_now_ns() / 1000000000);
	return ok && m->n_servers;
}

static bool has_name(struct mc_run *r, unsigned i, struct pb_mc_service *rec)
{
	return !mca_look(r->all->mcl, i, rec) && rec->flags & PB_MC_S_UP &&
	       !strncmp(rec->name, r->m->conf->name, sizeof(rec->name));
}

/* Is it in the kernel?  Then it keeps its cache, its secret and its table. */
static void adopt(struct mc_run *r)
{
	struct pb_memcached *all = r->all;
	struct mca *m = r->m;
	struct pb_mc_service rec;

	for (unsigned k = 0; !r->put && k < PB_MC_SERVICES; k++) {
		unsigned i = (m->index + k) % PB_MC_SERVICES;

		if ((k && all->run[i]) || !has_name(r, i, &rec))
			continue;
		all->run[m->index] = NULL;
		all->run[i] = r;
		m->index = i;
		memcpy(m->digest_key, rec.key, sizeof(m->digest_key));
		r->put = true;
	}
	if (!r->put && !mca_look(all->mcl, m->index, &rec) && rec.flags)
		mca_take(all->mcl, m->index);
	if (!r->put || r->fresh) {
		m->ring_sum = 0;
		m->ring_pending = true;
	}
	r->looked = true;
}

int mc_begin(struct pb_memcached *all, struct mcs_service *conf, bool from_file, const json_t *was,
	     char err[PB_ERR_LEN])
{
	struct mc_run *r = calloc(1, sizeof(*r));
	int at, e;

	if (r)
		r->m = mca_new();
	if (!r || !r->m) {
		free(r);
		free(conf);
		return pb_fail(err, -ENOMEM, "no memory");
	}
	r->all = all;
	r->m->conf = conf;
	r->m->from_file = from_file;
	for (unsigned i = 0; i < PB_MC_PORTS; i++)
		r->port[i] = -1;
	at = find_index(all, was);
	if (at >= 0 &&
	    getrandom(r->m->digest_key, sizeof(r->m->digest_key), 0) != sizeof(r->m->digest_key))
		at = -EIO;
	if (at < 0) {
		run_free(r);
		return pb_fail(err, at, "more than %u services, or no random bytes",
			       PB_MC_SERVICES);
	}
	r->m->index = (unsigned)at;
	ring_key(all->agent, r->m);
	mcf_init(&r->m->fence, conf->probe_threshold, PB_MC_LIFE_NS, conf->failover);
	r->fresh = !restore(r, was);
	all->run[at] = r;
	e = mc_refresh(r);
	if (e)
		pb_fail(err, e, "%s", r->why);
	mc_say_cache(r);
	return e;
}

int mc_change(struct mc_run *r, struct mcs_service *conf, char err[PB_ERR_LEN])
{
	struct mcs_service *old = r->m->conf;
	bool probes = old->probe_interval != conf->probe_interval ||
		      old->probe_timeout != conf->probe_timeout;
	int e;

	r->m->conf = conf;
	e = mc_refresh(r);
	if (r->waits || e == -EINPROGRESS) { /* it goes on by itself */
		if (mc_save(r->all))
			log_warn("memcached %s: the change is not stored", conf->name);
	} else if (e) {
		pb_fail(err, e, "%s", r->why);
		r->m->conf = old;
		mc_refresh(r);
		free(conf);
		return e;
	}
	free(old);
	if (probes && r->health)
		watch(r, true);
	mc_say_cache(r);
	return e == -EINPROGRESS ? e : 0;
}

void mc_drop(struct mc_run *r)
{
	r->all->run[r->m->index] = NULL;
	run_free(r);
}

void mc_end(struct mc_run *r)
{
	struct pb_memcached *all = r->all;
	char name[PB_NAME_LEN];

	if (r->put && all->mcl)
		mca_take(all->mcl, r->m->index);
	mc_self_end(r);
	snprintf(name, sizeof(name), "%s", r->m->conf->name);
	mc_drop(r);
	pb_frames_remove(all->agent, name);
	mc_save(all);
	mc_devices(all);
}
