/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "internal.h"

void tbl_conf_default(struct tbl_conf *conf)
{
	*conf = (struct tbl_conf){
		.coalesce_ms = 20,
		.cover_ms = 2000,
		.load_ms = 5000,
		.load_percent = 25,
		.gap_ms = 700,
		.quiet_ms = 1000,
		.force_ms = 10000,
		.peer_ms = 1000,
		.ask_ms = 12000,
		.keep_ms = 600000,
		.note_ms = 86400000,
		.park_ms = 600000,
		.hold_ms = 10000,
		.window_ms = 10000,
		.seal_ms = 6 * 3600000,
		.seal_max_ms = 24 * 3600000,
		.delta_max = 1200,
		.answer_max = 3u << 20,
		.records_owner = 4096,
		.bytes_owner = 1u << 20,
		.records_max = 1000000,
		.owners_max = 16384,
		.parked_bytes = 64u << 20,
		.deletes = 1024,
		.unhealthy = 4,
		.bucket_owners = 2000,
	};
}

static bool conf_ok(const struct tbl_conf *c)
{
	if (!c->epoch || c->epoch > WIRE_NUMBER_MAX || !c->ops || !c->ops->send || !c->ops->ask ||
	    !tbl_number(&c->id))
		return false;
	if (c->ca && !c->cert_len)
		return false;
	if (c->cert_len && (!c->label || !c->cert || !c->secret || c->cert_len > TBL_RECORD_MAX))
		return false;
	return c->answer_max >= c->bytes_owner + 40 * c->records_owner + 4096;
}

static int tbl_self(struct tbl *t)
{
	struct owner *o;
	int err = owner_get(t, &t->conf.id, &o);

	if (err)
		return err;
	t->self = o;
	o->self = true;
	o->state = TBL_ALIVE;
	o->epoch = t->conf.epoch;
	o->name = t->conf.name ? strdup(t->conf.name) : NULL;
	owner_park(t, o);
	owner_rehash(t, o);
	return 0;
}

int tbl_new(struct tbl **ret, const struct tbl_conf *conf, uint64_t now)
{
	struct tbl *t = NULL;
	int err;

	if (!conf_ok(conf))
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->conf = *conf;
	t->conf.name = NULL;
	t->now = now;
	t->slow_at = now + SLOW_MS;
	t->unix_off = (int64_t)(conf->unix_ms - now);
	TAILQ_INIT(&t->owners);
	TAILQ_INIT(&t->dirty);
	TAILQ_INIT(&t->gaps);
	TAILQ_INIT(&t->loads);
	err = pb_htab_init(&t->by_number);
	if (!err)
		err = pb_htab_init(&t->by_name);
	if (!err)
		err = pb_htab_init(&t->by_vip4);
	if (!err)
		err = pb_htab_init(&t->by_vip6);
	t->conf.name = conf->name;
	if (!err)
		err = tbl_self(t);
	if (!err)
		err = own_cert(t);
	t->conf.cert = NULL;
	t->conf.name = NULL;
	if (err) {
		tbl_free(t);
		return err;
	}
	*ret = t;
	return 0;
}

void tbl_free(struct tbl *t)
{
	static const struct tbl_ops silent = { .send = NULL };

	if (!t)
		return;
	t->conf.ops = &silent; /* nobody is told of the end */
	while (!TAILQ_EMPTY(&t->owners))
		owner_free(t, TAILQ_FIRST(&t->owners));
	pb_htab_fini(&t->by_number);
	pb_htab_fini(&t->by_name);
	pb_htab_fini(&t->by_vip4);
	pb_htab_fini(&t->by_vip6);
	free(t->alive);
	free(t->items.p);
	free(t->part.p);
	free(t);
}

uint64_t tbl_next(const struct tbl *t)
{
	uint64_t own = own_next(t), pull = pull_next(t), next = t->slow_at;

	next = own < next ? own : next;
	return pull < next ? pull : next;
}

void tbl_tick(struct tbl *t, uint64_t now)
{
	tbl_enter(t, now);
	own_tick(t);
	if (t->now >= t->slow_at) {
		t->slow_at = t->now + SLOW_MS;
		member_tick(t);
	}
	pull_tick(t);
	view_run(t);
}

void tbl_set_unix(struct tbl *t, uint64_t now, uint64_t unix_ms)
{
	tbl_enter(t, now);
	t->unix_off = (int64_t)(unix_ms - t->now);
}

void tbl_set_delta_max(struct tbl *t, uint32_t bytes)
{
	t->conf.delta_max = bytes;
}

bool tbl_owner(const struct tbl *t, const struct tbl_id *id, struct tbl_owner *ret)
{
	const struct owner *o = owner_find(t, id);

	if (o)
		owner_view(o, ret);
	return o;
}

bool tbl_owner_by_number(const struct tbl *t, uint64_t number, struct tbl_owner *ret)
{
	const struct owner *o = owner_number(t, number);

	if (o)
		owner_view(o, ret);
	return o;
}

void tbl_each_owner(const struct tbl *t, bool (*each)(void *arg, const struct tbl_owner *o),
		    void *arg)
{
	const struct owner *o;
	struct tbl_owner view;

	for (o = TAILQ_FIRST(&t->owners); o; o = TAILQ_NEXT(o, all)) {
		owner_view(o, &view);
		if (!each(arg, &view))
			return;
	}
}

void tbl_stats(const struct tbl *t, struct tbl_stats *ret)
{
	*ret = t->stats;
	ret->owners = t->n_owners;
	ret->members = t->n_alive + 1;
}
