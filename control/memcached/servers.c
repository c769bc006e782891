// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which servers a service has, and what becomes of the keys when others come and go.  Pure. */
#include <errno.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/memcached/apply.h"
#include "control/util.h"

/* ---- servers ------------------------------------------------------------- */

static bool same(const struct mct_server *a, const struct mct_server *b)
{
	return a->used && pb_addr_eq(&a->addr, &b->addr) && a->port == b->port &&
	       a->gutter == b->gutter;
}

static int find(const struct mca *s, const struct mct_server *v)
{
	for (unsigned i = 0; i < s->n_servers; i++)
		if (same(&s->server[i], v))
			return (int)i;
	return -ENOENT;
}

static int free_number(const struct mca *s, const struct mcf_set *keep)
{
	for (unsigned i = 0; i < PB_MC_SERVERS_MAX; i++)
		if (!s->server[i].used && !mcf_has(keep, i))
			return (int)i;
	return -E2BIG;
}

/* The servers that are to be, named ones first. */
static unsigned wanted(const struct mca *s, const struct mct_server *found, unsigned n_found,
		       struct mct_server *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->conf->n_backends; i++) {
		const struct mcs_backend *b = &s->conf->backend[i];
		struct mct_server *v = &ret[n];

		if (*b->service)
			continue;
		*v = (struct mct_server){ .used = true,
					  .gutter = b->gutter,
					  .weight = b->weight,
					  .addr = b->addr,
					  .port = b->port };
		memcpy(v->name, b->name, sizeof(v->name));
		n++;
	}
	for (unsigned i = 0; i < n_found && n < PB_MC_SERVERS_MAX; i++) {
		bool twice = false;

		for (unsigned k = 0; k < n; k++)
			twice |= pb_addr_eq(&ret[k].addr, &found[i].addr) &&
				 ret[k].port == found[i].port;
		if (!twice)
			ret[n++] = found[i];
	}
	return n;
}

static void mark(struct mcf_set *set, unsigned i)
{
	set->w[i / 64] |= 1ULL << (i % 64);
}

int mca_servers(struct mca *s, const struct mct_server *found, unsigned n_found,
		struct mcf_set *ret_came, struct mcf_set *ret_gone)
{
	_cleanup_free_ struct mct_server *want = calloc(PB_MC_SERVERS_MAX, sizeof(*want));
	struct mcf_set stays = { { 0 } };
	unsigned n;

	memset(ret_came, 0, sizeof(*ret_came));
	memset(ret_gone, 0, sizeof(*ret_gone));
	if (!want)
		return -ENOMEM;
	n = wanted(s, found, n_found, want);
	for (unsigned i = 0; i < n; i++) {
		int at = find(s, &want[i]);

		if (at < 0)
			continue;
		want[i].ifindex = s->server[at].ifindex;
		s->server[at] = want[i];
		mark(&stays, (unsigned)at);
		want[i].used = false;
	}
	for (unsigned i = 0; i < s->n_servers; i++)
		if (s->server[i].used && !mcf_has(&stays, i))
			mark(ret_gone, i);
	for (unsigned i = 0; i < n; i++) {
		int at = want[i].used ? free_number(s, ret_gone) : -ENOENT;

		if (!want[i].used)
			continue;
		if (at < 0)
			return at;
		s->server[at] = want[i];
		mark(ret_came, (unsigned)at);
		if ((unsigned)at >= s->n_servers)
			s->n_servers = (unsigned)at + 1;
	}
	for (unsigned i = 0; i < s->n_servers; i++)
		if (mcf_has(ret_gone, i))
			s->server[i].used = false;
	return 0;
}

/* ---- homes --------------------------------------------------------------- */

/* -EAGAIN: not yet. */
static int move_keys(struct mca *s, const struct pb_mc_ring *to, uint64_t now, unsigned *did)
{
	_cleanup_free_ struct mcf_moves *m = malloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	if (!mct_moves(s->home, to, m))
		return 0;
	if (!mcf_may_move(&s->fence, m, now, did))
		return -EAGAIN;
	*did |= mcf_move(&s->fence, m, now) | MCF_RING;
	return 0;
}

/* What mca_rehome() tries, and what was before. */
struct trial {
	struct mct_server server[PB_MC_SERVERS_MAX];
	struct mcf fence;
	unsigned n_servers;
};

static void remember(const struct mca *s, struct trial *t)
{
	memcpy(t->server, s->server, sizeof(t->server));
	t->fence = s->fence;
	t->n_servers = s->n_servers;
}

/* Who is being emptied stays so: it is for the next try. */
static void take_back(struct mca *s, const struct trial *t)
{
	for (unsigned i = 0; i < t->n_servers; i++) {
		struct mcf_server was = t->fence.s[i];

		if (s->fence.s[i].cleaning && !was.cleaning) {
			was.cleaning = true;
			was.flushes = s->fence.s[i].flushes;
			was.due = s->fence.s[i].due;
		}
		s->fence.s[i] = was;
	}
	for (unsigned i = t->n_servers; i < s->n_servers; i++)
		memset(&s->fence.s[i], 0, sizeof(s->fence.s[i]));
	s->fence.n = t->fence.n;
	memcpy(s->fence.standin, t->fence.standin, sizeof(t->fence.standin));
	memcpy(s->fence.dirty, t->fence.dirty, sizeof(t->fence.dirty));
	memcpy(s->server, t->server, sizeof(s->server));
	s->n_servers = t->n_servers;
}

static int rehome(struct mca *s, const struct mct_server *found, unsigned n_found, bool fresh,
		  uint64_t now, struct pb_mc_ring *to, unsigned *did)
{
	struct mcf_set came, gone;
	int err = mca_servers(s, found, n_found, &came, &gone);

	for (unsigned i = 0; !err && i < s->n_servers; i++)
		if (mcf_has(&came, i))
			*did |= mcf_add(&s->fence, i, s->server[i].gutter, fresh, now);
	if (!err)
		err = mct_home(to, s->conf, s->ring_key, s->server, s->n_servers, &s->fence);
	if (!err && !fresh)
		err = move_keys(s, to, now, did);
	for (unsigned i = 0; !err && i < s->n_servers; i++)
		if (mcf_has(&gone, i))
			*did |= mcf_remove(&s->fence, i, now) | MCF_RING;
	return err;
}

int mca_rehome(struct mca *s, const struct mct_server *found, unsigned n_found, bool fresh,
	       uint64_t now, unsigned *ret_did)
{
	_cleanup_free_ struct pb_mc_ring *to = malloc(sizeof(*to));
	_cleanup_free_ struct mcs_service *conf = malloc(sizeof(*conf));
	_cleanup_free_ struct trial *was = malloc(sizeof(*was));
	int err;

	*ret_did = 0;
	if (!to || !conf || !was)
		return -ENOMEM;
	remember(s, was);
	err = rehome(s, found, n_found, fresh, now, to, ret_did);
	if (err) {
		take_back(s, was);
		return err;
	}
	*conf = *s->conf;
	free(s->home);
	free(s->home_conf);
	s->home = TAKE_PTR(to);
	s->home_conf = TAKE_PTR(conf);
	return 0;
}
