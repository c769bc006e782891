/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Start, run, stop. */
#include <openssl/crypto.h>
#include <stdarg.h>

#include "cluster_internal.h"

#define WARNINGS_PER_S 5

void pb_cluster_warn(struct pb_cluster *c, const char *fmt, ...)
{
	uint64_t now = pb_now_ns();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	pb_printable(c->error);
	if (now - c->warned_ns > 1000000000ULL) {
		c->warned_ns = now;
		c->warned = 0;
	}
	if (c->warned++ < WARNINGS_PER_S)
		log_warn("cluster: %s", c->error);
}

const char *pb_cluster_dir(const struct pb_cluster *c)
{
	return c->agent->conf->cluster.state_dir;
}

int pb_cluster_save(struct pb_cluster *c)
{
	int err = pb_cluster_file_save(pb_cluster_dir(c), &c->file);

	if (err)
		return log_err(err, "cannot write %s/" PB_CLUSTER_FILE, pb_cluster_dir(c));
	c->file_stale = false;
	c->saved_ns = pb_now_ns();
	return 0;
}

bool pb_cluster_on(const struct pb_agent *a)
{
	return a->cluster && a->cluster->on;
}

bool pb_cluster_locator(const struct pb_agent *a, bool v4, struct pb_addr *ret)
{
	for (unsigned i = 0; pb_cluster_on(a) && i < a->cluster->file.n_addresses; i++) {
		if (pb_addr_is_v4(&a->cluster->file.address[i]) != v4)
			continue;
		*ret = a->cluster->file.address[i];
		return true;
	}
	return false;
}

const char *pb_cluster_name(const struct pb_agent *a)
{
	return pb_cluster_on(a) ? a->cluster->file.cluster : a->conf->agent.cluster;
}

int pb_cluster_load(struct pb_agent *a)
{
	struct pb_cluster *c = calloc(1, sizeof(*c));
	char err[PB_ERR_LEN] = "";
	int e;

	if (!c)
		return -ENOMEM;
	c->agent = a;
	TAILQ_INIT(&c->waits);
	c->start_ns = pb_now_ns();
	a->cluster = c;
	e = pb_cluster_file_load(pb_cluster_dir(c), &c->file, err);
	if (e == -ENOENT)
		return 0;
	if (e)
		return pb_refuse(e, "%s; repair it, or remove it to leave the cluster", err);
	if (!c->file.n_keys && !a->conf->cluster.insecure)
		return pb_refuse(-ENOKEY, "the cluster has no key, and [cluster] insecure is off");
	c->on = true;
	c->state = c->file.n_seeds ? PB_CLUSTER_JOINING : PB_CLUSTER_ON;
	return 0;
}

/* ---- running ------------------------------------------------------------- */

static void on_scan(uv_timer_t *t)
{
	struct pb_cluster *c = t->data;

	pb_cluster_announce(c);
	uv_timer_start(t, on_scan, SCAN_MS, 0);
}

static void on_health(uv_timer_t *t)
{
	struct pb_cluster *c = t->data;

	if (!c->pool || !c->table)
		return;
	tbl_set_unix(c->table, pb_cluster_ms(), pb_cluster_unix_ms());
	tbl_health(c->table, swim_health(gsp_pool_swim(c->pool)), pb_cluster_ms());
	tbl_set_delta_max(c->table, (uint32_t)gsp_pool_record_max(c->pool));
	pb_cluster_schedule(c);
	pb_cluster_look_again(c);
	if (c->kept && pb_now_ns() - c->start_ns > ADOPT_MS * 1000000ULL) {
		c->kept = false;
		pb_view_keep(c->view, false);
		pb_cluster_apply_soon(c);
	}
	if (c->held)
		pb_cluster_apply(c);
}

static void init_handles(struct pb_cluster *c)
{
	uv_timer_t *const timers[] = { &c->tick, &c->apply, &c->scan, &c->health };

	for (unsigned i = 0; i < ARRAY_SIZE(timers); i++) {
		uv_timer_init(&c->agent->loop, timers[i]);
		timers[i]->data = c;
	}
	uv_fs_event_init(&c->agent->loop, &c->keyfile);
	c->keyfile.data = c;
	c->handles = true;
}

int pb_cluster_run(struct pb_cluster *c, char err[PB_ERR_LEN])
{
	int e = 0;

	pb_registry_set_spread(c->agent->registry, true);
	if (!c->view)
		e = pb_view_new(&c->view, &pb_cluster_sink, c, pb_maps_remotes_max(), true);
	if (e)
		return pb_fail(err, e, "no memory for the cluster");
	e = pb_cluster_open(c, err);
	pb_agent_warn(c->agent, PB_W_CLUSTER, e != 0);
	if (e) {
		snprintf(c->error, sizeof(c->error), "%s", err); /* it is tried again, silently */
		return e;
	}
	pb_cluster_devices(c);
	pb_events_quick(c->agent, true);
	pb_cluster_announce(c);
	uv_timer_start(&c->scan, on_scan, SCAN_MS, 0);
	uv_timer_start(&c->health, on_health, HEALTH_MS, HEALTH_MS);
	pb_cluster_keyfile_start(c);
	return 0;
}

int pb_cluster_start(struct pb_agent *a)
{
	struct pb_cluster *c = a->cluster;
	char err[PB_ERR_LEN] = "";

	init_handles(c);
	if (!c->on)
		return 0;
	/* the address may come later: the data plane of before is in force */
	if (pb_cluster_run(c, err))
		log_warn("%s; it is tried again", err);
	return 0;
}

void pb_cluster_heal(struct pb_agent *a)
{
	struct pb_cluster *c = a->cluster;
	char err[PB_ERR_LEN] = "";

	if (!c->on || c->state == PB_CLUSTER_LEAVING)
		return;
	if (!c->pool && pb_cluster_run(c, err))
		log_debug("%s", err);
	if (c->pool)
		pb_cluster_devices(c);
	pb_cluster_sign_look(c);
	pb_cluster_keyfile_look(c);
	pb_cluster_ring_look(c);
	if (c->file_stale && pb_now_ns() - c->saved_ns > SAVE_MS * 1000000ULL)
		pb_cluster_save(c);
}

void pb_cluster_stop_timers(struct pb_cluster *c)
{
	uv_timer_stop(&c->tick);
	uv_timer_stop(&c->apply);
	uv_timer_stop(&c->scan);
	uv_timer_stop(&c->health);
	pb_cluster_keyfile_stop(c);
}

static void closed(uv_handle_t *h)
{
	(void)h;
}

void pb_cluster_stop(struct pb_agent *a)
{
	struct pb_cluster *c = a->cluster;

	if (!c)
		return;
	if (c->on && c->file_stale)
		pb_cluster_save(c);
	pb_cluster_close(c);
	if (!c->handles)
		return;
	c->handles = false;
	uv_close((uv_handle_t *)&c->tick, closed);
	uv_close((uv_handle_t *)&c->apply, closed);
	uv_close((uv_handle_t *)&c->scan, closed);
	uv_close((uv_handle_t *)&c->health, closed);
	uv_close((uv_handle_t *)&c->keyfile, closed);
}

void pb_cluster_free(struct pb_agent *a)
{
	struct pb_cluster *c = TAKE_PTR(a->cluster);

	if (!c)
		return;
	pb_view_free(c->view);
	free(c->adopt);
	OPENSSL_cleanse(&c->file, sizeof(c->file));
	OPENSSL_cleanse(&c->signing, sizeof(c->signing));
	free(c);
}

void pb_cluster_changed(struct pb_agent *a, bool now)
{
	struct pb_cluster *c = a->cluster;

	if (!c || !c->table || c->state == PB_CLUSTER_LEAVING || !c->handles)
		return;
	if (now)
		pb_cluster_announce_apps(c);
	if (uv_timer_get_due_in(&c->scan) > SOON_MS)
		uv_timer_start(&c->scan, on_scan, SOON_MS, 0);
}

void pb_cluster_event(struct pb_agent *a, const struct pb_event *ev)
{
	if (ev->reason == PB_R_LISTEN || ev->reason == PB_R_WITHDRAW)
		pb_cluster_changed(a, false);
}
