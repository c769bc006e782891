/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel programs are loaded in a thread: the verifier takes a second or more, and the agent answers
 * meanwhile.  Who asked for a service waits for it. */
#include "loader/memcached.h"
#include "memcached_internal.h"
#include "ops.h"
#include "util.h"

struct waiting {
	struct waiting *next;
	struct pb_conn *conn;
	char name[PB_NAME_LEN];
};

static void work(uv_work_t *w)
{
	struct pb_memcached *all = w->data;
	struct pb_mcl_opts o = { .bpffs = all->agent->bpffs, .group = all->agent->gid };

	all->loaded_err = pb_mcl_open(&all->loaded, &o);
}

static bool hopeless(const struct pb_memcached *all)
{
	return all->err == -EOPNOTSUPP || all->err == -EUCLEAN;
}

static void take(struct pb_memcached *all)
{
	all->mcl = TAKE_PTR(all->loaded);
	all->err = all->loaded_err;
	pb_agent_warn(all->agent, PB_W_MEMCACHED, all->err != 0);
	if (all->err)
		log_err(all->err, "cannot load the memcached switch");
}

static void answer(struct pb_memcached *all, const struct waiting *w)
{
	struct mc_run *r = mc_find(all->agent, w->name);
	json_t *o;

	if (r && !*r->why)
		o = json_pack("{s:b}", "ok", 1);
	else
		o = pb_ops_error(-EIO, r ? r->why : "the service was removed meanwhile");
	if (r && *r->why)
		mc_end(r);
	pb_conn_answer(w->conn, o);
	json_decref(o);
}

static void after(uv_work_t *work_done, int status)
{
	struct pb_memcached *all = work_done->data;
	struct waiting *w;

	(void)status;
	all->loading = false;
	take(all);
	if (!all->timing) /* the agent stops */
		return;
	for (unsigned i = 0; i < PB_MC_SERVICES; i++)
		if (all->run[i])
			mc_refresh(all->run[i]);
	mc_sweep(all);
	mc_devices(all);
	while ((w = all->waiting)) {
		all->waiting = w->next;
		answer(all, w);
		free(w);
	}
}

int mc_load(struct pb_memcached *all)
{
	if (all->mcl)
		return 0;
	if (hopeless(all)) /* that will not change */
		return all->err;
	if (!all->loading) {
		all->work.data = all;
		all->loading = !uv_queue_work(&all->agent->loop, &all->work, work, after);
	}
	return all->loading ? -EINPROGRESS : -ENOMEM;
}

int pb_memcached_wait(struct pb_agent *a, const char *name, struct pb_conn *conn)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->conn = conn;
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->next = a->memcached->waiting;
	a->memcached->waiting = w;
	pb_conn_hold(conn);
	return 0;
}

void pb_memcached_unwait(struct pb_agent *a, const struct pb_conn *conn)
{
	struct waiting **at = a->memcached ? &a->memcached->waiting : NULL;

	while (at && *at) {
		struct waiting *w = *at;

		if (w->conn != conn) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}
