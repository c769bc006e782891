/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table, driven: its messages, its time, and what its changes come to. */
#include <time.h>

#include "cluster_internal.h"

/* ---- out ----------------------------------------------------------------- */

static int on_send(void *arg, uint64_t key, const uint8_t *p, size_t n, enum tbl_how how)
{
	struct pb_cluster *c = arg;
	struct gsp_bytes b = { p, n };

	if (!c->pool)
		return -ESHUTDOWN;
	return how == TBL_OWN_NOW ? gsp_pool_record_now(c->pool, key, b)
				  : gsp_pool_record(c->pool, key, b, how == TBL_OWN);
}

static void on_heard(void *arg, uint64_t key)
{
	struct pb_cluster *c = arg;

	if (c->pool)
		gsp_pool_record_heard(c->pool, key);
}

struct ask {
	struct pb_cluster *c;
	uint32_t id;
};

static void on_asked(void *arg, int err, struct gsp_bytes answer)
{
	_cleanup_free_ struct ask *k = arg;
	struct pb_cluster *c = k->c;

	/* without a pool it is being closed */
	if (!c->table || !c->pool)
		return;
	tbl_answer_in(c->table, k->id, err, answer.p, answer.n, pb_cluster_ms());
	pb_cluster_schedule(c);
}

static int on_ask(void *arg, uint32_t id, const struct tbl_id *to, const uint8_t *p, size_t n)
{
	struct pb_cluster *c = arg;
	const struct pb_member_node *m = pb_cluster_member(c, to);
	struct gsp_bytes b = { p, n };
	struct ask *k;
	int err;

	if (!c->pool || !m)
		return -ENOENT;
	k = malloc(sizeof(*k));
	if (!k)
		return -ENOMEM;
	*k = (struct ask){ c, id };
	err = gsp_pool_ask(c->pool, &m->addr, b, on_asked, k);
	if (err)
		free(k);
	return err;
}

static uint32_t on_random(void *arg)
{
	uint32_t x = 0;

	(void)arg;
	uv_random(NULL, NULL, &x, sizeof(x), 0, NULL);
	return x;
}

/* ---- in ------------------------------------------------------------------ */

static void on_change(void *arg, const struct tbl_owner *o, enum tbl_change what,
		      const struct tbl_record *r, const struct tbl_record *was)
{
	struct pb_cluster *c = arg;

	(void)what;
	(void)r;
	(void)was;
	if (o->self || !c->view)
		return;
	pb_view_dirty(c->view, tbl_number(&o->id));
	pb_cluster_apply_soon(c);
}

static void on_owner(void *arg, const struct tbl_owner *o)
{
	on_change(arg, o, TBL_CHANGED, NULL, NULL);
}

static void note_of_two(struct pb_cluster *c, const struct tbl_note *n)
{
	struct tbl_owner other = { .name = "?" };
	const char *name = n->record && n->record->kind == TBL_APP ? n->record->app.name : "?";

	if (n->other)
		tbl_owner(c->table, n->other, &other);
	c->conflicts++;
	if (n->owner && n->owner->self)
		pb_cluster_warn(c,
				"'%s' of this node clashes with node %s, where it was first: %s; "
				"others do not reach it here",
				name, other.name, n->why);
	else
		pb_cluster_warn(c, "'%s' of node %s is not used, node %s was first: %s", name,
				n->owner ? n->owner->name : "?", other.name, n->why);
}

static void on_note(void *arg, const struct tbl_note *n)
{
	struct pb_cluster *c = arg;
	const char *who = n->owner ? n->owner->name : "?";

	switch (n->kind) {
	case TBL_N_QUARANTINE:
		if (!n->why) {
			log_info("records of node %s are used again", who);
			break;
		}
		pb_cluster_warn(c, "records of node %s are not used: %s", who, n->why);
		pb_cluster_tell(c, PB_R_NODE_REFUSED, who, &n->owner->id);
		break;
	case TBL_N_REFUSED:
		c->conflicts++;
		pb_cluster_warn(c, "a record of node %s is refused: %s", who, n->why);
		break;
	case TBL_N_LOST: note_of_two(c, n); break;
	case TBL_N_WON: break; /* the other node says it */
	case TBL_N_FROZEN:
		if (n->why)
			log_warn("nothing of other nodes is taken out: %s", n->why);
		else
			log_info("over: nothing of other nodes was taken out");
		break;
	case TBL_N_CLONE:
		pb_cluster_warn(c, "another node uses the id of this one: %s; is it a copy?",
				n->why);
		break;
	case TBL_N_FULL: pb_cluster_warn(c, "records of node %s: %s", who, n->why); break;
	}
}

static void on_epoch(void *arg, uint64_t epoch)
{
	struct pb_cluster *c = arg;

	c->file.epoch = epoch;
	pb_cluster_save(c);
}

static const struct tbl_ops table_ops = {
	.send = on_send,
	.heard = on_heard,
	.ask = on_ask,
	.random = on_random,
	.change = on_change,
	.owner = on_owner,
	.allowed = pb_cluster_allowed,
	.note = on_note,
	.epoch = on_epoch,
};

int pb_cluster_table_new(struct pb_cluster *c)
{
	struct tbl_conf conf;
	int err;

	tbl_conf_default(&conf);
	memcpy(conf.id.b, c->file.id, sizeof(conf.id.b));
	conf.name = c->file.node;
	conf.unix_ms = pb_cluster_unix_ms();
	conf.epoch = tbl_epoch(c->file.epoch, conf.unix_ms);
	conf.ops = &table_ops;
	conf.arg = c;
	conf.delta_max = (uint32_t)gsp_pool_record_max(c->pool);
	pb_cluster_sign_conf(c, &conf);
	err = pb_table_key(NULL, c->file.cluster, conf.key);
	if (err)
		return err;
	/* on disk before anybody hears of it: a later start must not take the same */
	c->file.epoch = conf.epoch;
	err = pb_cluster_save(c);
	if (err)
		return err;
	return tbl_new(&c->table, &conf, pb_cluster_ms());
}

/* ---- time ---------------------------------------------------------------- */

static void on_tick(uv_timer_t *t)
{
	struct pb_cluster *c = t->data;

	if (!c->table)
		return;
	tbl_tick(c->table, pb_cluster_ms());
	pb_cluster_schedule(c);
}

void pb_cluster_schedule(struct pb_cluster *c)
{
	uint64_t next = c->table ? tbl_next(c->table) : UINT64_MAX, now = pb_cluster_ms();

	if (!c->handles)
		return;
	if (next == UINT64_MAX) {
		uv_timer_stop(&c->tick);
		return;
	}
	uv_update_time(&c->agent->loop);
	uv_timer_start(&c->tick, on_tick, next > now ? next - now : 0, 0);
}

/* ---- into the kernel ------------------------------------------------------ */

static void on_apply(uv_timer_t *t)
{
	pb_cluster_apply(t->data);
}

static void apply_in(struct pb_cluster *c, uint64_t ms)
{
	uv_update_time(&c->agent->loop);
	uv_timer_start(&c->apply, on_apply, ms, 0);
}

/* At once, for programs elsewhere may be waiting for it; but many changes wait for one, so that it
 * takes a tenth of the time at most. */
void pb_cluster_apply_soon(struct pb_cluster *c)
{
	uint64_t due = c->applied_ns + c->apply_ns * APPLY_SHARE, now = pb_now_ns();
	uint64_t ms = due > now ? (due - now) / 1000000 : 0;

	c->apply_due = true;
	if (c->handles && (!uv_is_active((uv_handle_t *)&c->apply) ||
			   uv_timer_get_due_in(&c->apply) > APPLY_MAX_MS))
		apply_in(c, ms < APPLY_MAX_MS ? ms : APPLY_MAX_MS);
}

struct hear {
	unsigned alive, behind;
};

static bool hear(void *arg, const struct tbl_owner *o)
{
	struct hear *h = arg;

	if (o->self || (o->state != TBL_ALIVE && o->state != TBL_SUSPECT))
		return true;
	h->alive++;
	h->behind += !o->epoch || o->behind || !o->used;
	return true;
}

/* May what an earlier agent knew be taken out?  When everybody alive has said what it has. */
static bool still_held(struct pb_cluster *c)
{
	struct hear h = { 0 };

	if (!c->held)
		return false;
	tbl_each_owner(c->table, hear, &h);
	if (!h.alive)
		return true;
	if (h.behind && pb_now_ns() - c->start_ns < ADOPT_MS * 1000000ULL)
		return true;
	c->held = false;
	c->kept = pb_now_ns() - c->start_ns < ADOPT_MS * 1000000ULL;
	pb_view_keep(c->view, c->kept);
	log_info("the view of the cluster is up to date again: %u other nodes", h.alive);
	pb_view_dirty_all(c->view);
	return false;
}

void pb_cluster_apply(struct pb_cluster *c)
{
	uint64_t begin = pb_now_ns(), next, now;

	if (!c->view || !c->table || still_held(c))
		return;
	next = pb_view_flush(c->view);
	pb_cluster_gone_flush(c);
	c->apply_due = false;
	pb_cluster_heard_flush(c);
	now = pb_now_ns();
	c->apply_ns = now - begin;
	c->applied_ns = now;
	if (next)
		apply_in(c, next > now ? (next - now) / 1000000 + 1 : 1);
}
