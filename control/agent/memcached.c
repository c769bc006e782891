/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All memcached services of the node: start, reload, what requests ask for. */
#include <net/if.h>

#include "frames.h"
#include "loader/memcached.h"
#include "memcached_internal.h"
#include "util.h"

#define LOOK_MS 1000 /* devices and endpoints that come or go */

/* ---- start --------------------------------------------------------------- */

static const json_t *stored(const json_t *state, const char *name)
{
	const json_t *list = json_object_get(state, "services"), *o;
	size_t i;

	json_array_foreach (list, i, o) {
		const char *n = json_string_value(json_object_get(o, "name"));

		if (n && !strcmp(n, name))
			return o;
	}
	return NULL;
}

static struct mcs_service *copy(const struct mcs_service *s)
{
	struct mcs_service *c = malloc(sizeof(*c));

	if (c)
		*c = *s;
	return c;
}

/* 0 also where it waits for its first server. */
static int begin(struct pb_memcached *all, struct mcs_service *conf, bool file, const json_t *was,
		 char err[PB_ERR_LEN])
{
	char name[PB_NAME_LEN];
	const struct mc_run *r;
	int e;

	if (!conf)
		return pb_fail(err, -ENOMEM, "no memory");
	snprintf(name, sizeof(name), "%s", conf->name);
	e = mc_begin(all, conf, file, was, err);
	if (e && e != -EINPROGRESS)
		log_warn("memcached %s is not served: %s", name, err);
	r = mc_find(all->agent, name);
	return r && r->waits ? 0 : e;
}

static void begin_files(struct pb_memcached *all, const json_t *state)
{
	const struct pb_config_file *c = all->agent->conf;
	char err[PB_ERR_LEN];

	for (size_t i = 0; i < c->n_memcached; i++)
		begin(all, copy(c->memcached[i]), true, stored(state, c->memcached[i]->name), err);
}

static bool clashes(const struct pb_memcached *all, const struct mcs_service *s,
		    const struct mc_run *but, char err[PB_ERR_LEN])
{
	for (unsigned i = 0; i < PB_MC_SERVICES; i++) {
		const struct mc_run *r = all->run[i];
		const char *what = r && r != but ? mcs_clash(r->m->conf, s) : NULL;

		if (!what)
			continue;
		pb_fail(err, -EEXIST, "%s: service %s has the same", what, r->m->conf->name);
		return true;
	}
	return false;
}

static void begin_added(struct pb_memcached *all, const json_t *state)
{
	const json_t *list = json_object_get(state, "services"), *o;
	char err[PB_ERR_LEN] = "";
	size_t i;

	json_array_foreach (list, i, o) {
		struct mcs_service *s;

		if (json_is_true(json_object_get(o, "file")))
			continue;
		s = mcs_from_json(json_object_get(o, "service"), err);
		if (s && !clashes(all, s, NULL, err)) {
			begin(all, s, false, o, err);
			continue;
		}
		free(s);
		log_warn("a memcached service that was added is left out: %s", err);
	}
}

void mc_sweep(struct pb_memcached *all)
{
	struct pb_mc_service rec;

	for (unsigned i = 0; all->mcl && !all->swept && i < PB_MC_SERVICES; i++)
		if (!all->run[i] && !mca_look(all->mcl, i, &rec) && rec.flags)
			mca_take(all->mcl, i);
	all->swept = all->mcl != NULL;
}

static void reserve(struct pb_memcached *all, const json_t *state)
{
	const json_t *list = json_object_get(state, "services"), *o;
	size_t i;

	json_array_foreach (list, i, o) {
		json_int_t n = json_integer_value(json_object_get(o, "index"));

		if (n >= 0 && n < (json_int_t)PB_MC_SERVICES)
			all->reserved |= 1ULL << n;
	}
}

static bool changed(struct mc_run *r)
{
	const struct mca *m = r->m;

	if (*r->why || r->unsaved || r->moving || mc_hops(r) || mc_found_changed(r))
		return true;
	for (unsigned i = 0; i < m->place.n_devices; i++)
		if (if_nametoindex(m->conf->device[i].name) != m->place.ifindex[i])
			return true;
	return false;
}

static void on_look(uv_timer_t *t)
{
	struct pb_memcached *all = t->data;
	bool any = false;

	for (unsigned i = 0; i < PB_MC_SERVICES; i++) {
		struct mc_run *r = all->run[i];

		if (!r || !changed(r))
			continue;
		if (!mc_refresh(r))
			any = true;
	}
	if (any)
		mc_devices(all);
}

void pb_memcached_start(struct pb_agent *a)
{
	struct pb_memcached *all = calloc(1, sizeof(*all));
	json_t *state;

	if (!all)
		return;
	a->memcached = all;
	all->agent = a;
	uv_timer_init(&a->loop, &all->timer);
	all->timer.data = all;
	all->timing = true;
	pb_frames_start(a);
	state = mc_state_load(a);
	reserve(all, state);
	begin_files(all, state);
	begin_added(all, state);
	json_decref(state);
	all->reserved = 0;
	mc_self_sweep(all);
	pb_frames_sweep(a);
	if (pb_mcl_found(a->bpffs))
		mc_load(all);
	uv_timer_start(&all->timer, on_look, LOOK_MS, LOOK_MS);
}

static void closed(uv_handle_t *h)
{
	(void)h;
}

void pb_memcached_stop(struct pb_agent *a)
{
	struct pb_memcached *all = a->memcached;

	if (!all)
		return;
	for (unsigned i = 0; i < PB_MC_SERVICES; i++)
		if (all->run[i])
			mc_drop(all->run[i]);
	if (all->timing)
		uv_close((uv_handle_t *)&all->timer, closed);
	all->timing = false;
	pb_frames_stop(a);
}

void pb_memcached_free(struct pb_agent *a)
{
	if (!a->memcached)
		return;
	pb_frames_free(a);
	pb_mcl_free(a->memcached->mcl);
	free(a->memcached);
	a->memcached = NULL;
}

/* ---- reload -------------------------------------------------------------- */

static const struct mcs_service *in(const struct pb_config_file *c, const char *name)
{
	for (size_t i = 0; i < c->n_memcached; i++)
		if (!strcmp(c->memcached[i]->name, name))
			return c->memcached[i];
	return NULL;
}

int pb_memcached_may(struct pb_agent *a, const struct pb_config_file *next, char err[PB_ERR_LEN])
{
	for (size_t i = 0; i < next->n_memcached; i++)
		for (unsigned k = 0; a->memcached && k < PB_MC_SERVICES; k++) {
			const struct mc_run *r = a->memcached->run[k];
			const char *what = r && !r->m->from_file
						   ? mcs_clash(r->m->conf, next->memcached[i])
						   : NULL;

			if (what)
				return pb_fail(err, -EEXIST,
					       "memcached %s: %s: service %s, which was added by "
					       "hand, has the same; nothing was changed",
					       next->memcached[i]->name, what, r->m->conf->name);
		}
	return 0;
}

static void reload_one(struct pb_memcached *all, const struct mcs_service *s, json_t *lines)
{
	struct mc_run *r = mc_find(all->agent, s->name);
	char err[PB_ERR_LEN] = "";
	json_t *diff = json_array();
	struct mcs_service *c;
	int e;

	mcs_diff(r ? r->m->conf : NULL, s, diff);
	c = json_array_size(diff) ? copy(s) : NULL;
	json_array_extend(lines, diff);
	json_decref(diff);
	e = c && r ? mc_change(r, c, err) : 0;
	if (c && !r)
		e = begin(all, c, true, NULL, err);
	if (e && e != -EINPROGRESS)
		json_array_append_new(lines, json_sprintf("! memcached %s %s", s->name, err));
}

void pb_memcached_reload(struct pb_agent *a, const struct pb_config_file *next, json_t *lines)
{
	struct pb_memcached *all = a->memcached;

	if (!all)
		return;
	for (unsigned i = 0; i < PB_MC_SERVICES; i++) {
		struct mc_run *r = all->run[i];

		if (!r || !r->m->from_file || in(next, r->m->conf->name))
			continue;
		mcs_diff(r->m->conf, NULL, lines);
		mc_end(r);
	}
	for (size_t i = 0; i < next->n_memcached; i++)
		reload_one(all, next->memcached[i], lines);
	mc_devices(all);
}

/* ---- requests ------------------------------------------------------------ */

int pb_memcached_add(struct pb_agent *a, const json_t *o, char err[PB_ERR_LEN])
{
	struct pb_memcached *all = a->memcached;
	_cleanup_(mcs_freep) struct mcs_service *s = mcs_from_json(o, err);
	char name[PB_NAME_LEN];
	int e;

	if (!all || !s)
		return s ? pb_fail(err, -ENOMEM, "no memory") : -EINVAL;
	if (clashes(all, s, NULL, err))
		return -EEXIST;
	snprintf(name, sizeof(name), "%s", s->name);
	e = mc_begin(all, TAKE_PTR(s), false, NULL, err);
	if (e && mc_find(a, name) && mc_find(a, name)->waits) /* its servers come by themselves */
		return mc_save(all) ? pb_fail(err, -EIO, "the state cannot be written") : 0;
	if (e && e != -EINPROGRESS && mc_find(a, name))
		mc_end(mc_find(a, name));
	if (!e)
		mc_devices(all);
	return e;
}

static struct mc_run *find_or_say(struct pb_agent *a, const char *name, char *err)
{
	struct mc_run *r = mc_find(a, name);

	if (!r)
		pb_fail(err, -ENOENT, "there is no memcached service %.60s", name);
	return r;
}

int pb_memcached_set(struct pb_agent *a, const char *name, const char *const *words, unsigned n,
		     json_t *lines, char err[PB_ERR_LEN])
{
	struct mc_run *r = find_or_say(a, name, err);
	struct mcs_service *s;
	json_auto_t *o = NULL;
	int e;

	if (!r)
		return -ENOENT;
	if (r->m->from_file)
		return pb_fail(err, -EPERM, "%s stands in services.d: change it there, and reload",
			       name);
	o = mcs_to_json(r->m->conf, false);
	for (unsigned i = 0; i < n; i++) {
		const char *eq = strchr(words[i], '=');
		char key[PB_NAME_LEN];

		if (!eq || (size_t)(eq - words[i]) >= sizeof(key))
			return pb_fail(err, -EINVAL, "'%.60s' is not KEY=VALUE", words[i]);
		snprintf(key, sizeof(key), "%.*s", (int)(eq - words[i]), words[i]);
		if (!strcmp(key, "name"))
			return pb_fail(err, -EINVAL, "name: a service keeps its name");
		e = mcs_set_word(o, key, eq + 1, err);
		if (e)
			return e;
	}
	s = mcs_from_json(o, err);
	if (!s)
		return -EINVAL;
	if (clashes(a->memcached, s, r, err)) {
		free(s);
		return -EEXIST;
	}
	mcs_diff(r->m->conf, s, lines);
	e = mc_change(r, s, err);
	if (!e)
		mc_devices(a->memcached);
	return e;
}

int pb_memcached_remove(struct pb_agent *a, const char *name, char err[PB_ERR_LEN])
{
	struct mc_run *r = find_or_say(a, name, err);

	if (!r)
		return -ENOENT;
	if (r->m->from_file)
		return pb_fail(err, -EPERM, "%s stands in services.d: remove it there, and reload",
			       name);
	mc_end(r);
	return 0;
}

int pb_memcached_drain(struct pb_agent *a, const char *name, const char *server, bool on,
		       char err[PB_ERR_LEN])
{
	struct mc_run *r = find_or_say(a, name, err);

	if (!r)
		return -ENOENT;
	for (unsigned i = 0; i < r->m->n_servers; i++) {
		const struct mct_server *v = &r->m->server[i];
		char text[64];

		pb_addr_port_format(&v->addr, v->port, text, sizeof(text));
		if (!v->used || (strcmp(text, server) != 0 && strcmp(v->name, server) != 0))
			continue;
		mc_carry_out(r, mcf_drain(&r->m->fence, i, on, pb_now_ns()) | MCF_STATE);
		return 0;
	}
	return pb_fail(err, -ENOENT, "%s has no server %.80s", name, server);
}
