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
	json_t *answer;		/* when all is well */
	char name[PB_NAME_LEN]; /* empty: all services, `reload` */
	bool added;		/* it goes when it cannot be served */
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

static bool failed(const struct mc_run *r)
{
	return *r->why && !r->waits;
}

static void answer_reload(struct pb_memcached *all, const struct waiting *w)
{
	json_t *lines = json_object_get(w->answer, "changed");

	for (unsigned i = 0; i < PB_MC_SERVICES; i++) {
		const struct mc_run *r = all->run[i];

		if (r && failed(r))
			json_array_append_new(lines, json_sprintf("! memcached %s %s",
								  r->m->conf->name, r->why));
	}
	pb_conn_answer(w->conn, w->answer);
}

static void answer(struct pb_memcached *all, const struct waiting *w)
{
	struct mc_run *r = mc_find(all->agent, w->name);
	json_t *o;

	if (r && !failed(r)) {
		pb_conn_answer(w->conn, w->answer);
		return;
	}
	o = pb_ops_error(-EIO, r ? r->why : "the service was removed meanwhile");
	if (r && w->added)
		mc_end(r);
	pb_conn_answer(w->conn, o);
	json_decref(o);
}

static void waiting_free(struct waiting *w)
{
	json_decref(w->answer);
	free(w);
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
		if (*w->name)
			answer(all, w);
		else
			answer_reload(all, w);
		waiting_free(w);
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

bool pb_memcached_loading(const struct pb_agent *a)
{
	return a->memcached && a->memcached->loading;
}

int pb_memcached_wait(struct pb_agent *a, const char *name, bool added, struct pb_conn *conn,
		      json_t *answer)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->conn = conn;
	w->answer = json_incref(answer);
	w->added = added;
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
		waiting_free(w);
	}
}
