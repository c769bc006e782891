/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Have the others heard of it?  A program that `run` starts may connect at once, and a node that does
 * not know its application yet drops what it sends: TCP's SYN is repeated after a second, a datagram
 * never.  So the answer to `run` waits until the live nodes have it in their kernels, HEARD_MS at most.
 *
 * Each is asked with a datagram of gossip "do you have version V of me?", and answers when it does.  A
 * version of Patchbay that does not know the question is silent; who was silent DEAF_TIMES in a row is
 * not waited for during DEAF_NS.
 */
#include <endian.h>

#include "cluster_internal.h"
#include "server.h"

#define HEARD_MS 200
#define HEARD_ROUNDS 3 /* asked so often in that time: datagrams get lost */
#define HEARD_RUNS 256 /* that wait */
#define LATE_NS 250000000ULL
#define DEAF_TIMES 3
#define DEAF_NS 30000000000ULL

/* The first byte is no version of the table's (wire.h), so that others refuse it. */
#define ASK 0xf1
#define YES 0xf2

#define ROUND_MS (HEARD_MS / HEARD_ROUNDS)

struct pb_heard_wait {
	TAILQ_ENTRY(pb_heard_wait) link;
	uv_timer_t timer;
	struct pb_cluster *c;
	struct pb_conn *conn;
	json_t *answer;
	struct pb_heard_msg ask;
	unsigned rounds;
	unsigned n; /* that have not answered */
	struct tbl_id id[GSP_POOL_NOW_MAX];
};

static void tell(struct pb_cluster *c, const struct swim_addr *to, struct pb_heard_msg m,
		 uint8_t type)
{
	m.type = type;
	if (c->pool) /* lost like any other datagram when it cannot be sent */
		gsp_pool_tell(c->pool, to, (struct gsp_bytes){ (const uint8_t *)&m, sizeof(m) });
}

/* ---- asked ----------------------------------------------------------------------------------- */

/* Is it in the kernel? */
static bool has(struct pb_cluster *c, const struct pb_heard_msg *m)
{
	uint64_t epoch = be64toh(m->epoch), ver = be64toh(m->ver);
	struct tbl_owner o;

	return !c->apply_due && !c->held && tbl_owner(c->table, &m->id, &o) &&
	       (o.epoch > epoch || (o.epoch == epoch && o.ver >= ver));
}

static void on_ask(struct pb_cluster *c, const struct swim_addr *from, const struct pb_heard_msg *m)
{
	const struct pb_member_node *who = pb_cluster_member_at(c, from);
	struct pb_heard_ask *k;

	if (!who || !tbl_id_eq(&who->id, &m->id))
		return;
	if (has(c, m)) {
		tell(c, from, *m, YES);
	} else if (c->n_asked < ARRAY_SIZE(c->asked)) {
		k = &c->asked[c->n_asked++];
		*k = (struct pb_heard_ask){ *from, *m, pb_now_ns() + LATE_NS };
	}
}

/* Something came into the kernel. */
void pb_cluster_heard_flush(struct pb_cluster *c)
{
	uint64_t now = pb_now_ns();
	unsigned kept = 0;

	for (unsigned i = 0; i < c->n_asked; i++) {
		const struct pb_heard_ask *k = &c->asked[i];

		if (has(c, &k->msg))
			tell(c, &k->from, k->msg, YES);
		else if (now < k->until_ns)
			c->asked[kept++] = *k;
	}
	c->n_asked = kept;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void gone(uv_handle_t *h)
{
	struct pb_heard_wait *w = h->data;

	json_decref(w->answer);
	free(w);
}

static void drop(struct pb_heard_wait *w)
{
	TAILQ_REMOVE(&w->c->waits, w, link);
	w->c->n_waits--;
	uv_close((uv_handle_t *)&w->timer, gone);
}

static void finish(struct pb_heard_wait *w)
{
	drop(w); /* the memory stays until the timer is closed */
	pb_conn_answer(w->conn, w->answer);
}

static void on_yes(struct pb_cluster *c, const struct swim_addr *from, const struct pb_heard_msg *m)
{
	struct pb_member_node *who = pb_cluster_member_at(c, from);
	struct pb_heard_wait *w;

	TAILQ_FOREACH(w, &c->waits, link)
	if (w->ask.token == m->token)
		break;
	if (!w || !who)
		return;
	for (unsigned i = 0; i < w->n; i++) {
		if (!tbl_id_eq(&w->id[i], &who->id))
			continue;
		who->deaf = 0;
		w->id[i] = w->id[--w->n];
		if (!w->n)
			finish(w);
		return;
	}
}

/* Another one has not answered in time. */
static void note_deaf(struct pb_cluster *c, const struct tbl_id *id)
{
	struct pb_member_node *m = pb_cluster_member(c, id);

	if (!m)
		return;
	m->deaf += m->deaf < DEAF_TIMES;
	m->deaf_ns = pb_now_ns();
}

static void ask_all(struct pb_heard_wait *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		const struct pb_member_node *m = pb_cluster_member(w->c, &w->id[i]);

		if (m)
			tell(w->c, &m->addr, w->ask, ASK);
	}
}

static void on_round(uv_timer_t *t)
{
	struct pb_heard_wait *w = t->data;

	if (++w->rounds < HEARD_ROUNDS) {
		ask_all(w);
		return;
	}
	for (unsigned i = 0; i < w->n; i++)
		note_deaf(w->c, &w->id[i]);
	finish(w);
}

/* Whom to wait for; where there are more than get it at once, gossip is too slow to wait for. */
static unsigned listeners(struct pb_cluster *c, struct tbl_id *id)
{
	uint64_t now = pb_now_ns();
	unsigned n = 0;

	for (size_t i = 0; i < c->n_member; i++) {
		const struct pb_member_node *m = &c->member[i];

		if (m->state != PB_NODE_ALIVE || !m->has_id || m->refused ||
		    (m->deaf >= DEAF_TIMES && now - m->deaf_ns < DEAF_NS))
			continue;
		if (n == GSP_POOL_NOW_MAX)
			return 0;
		id[n++] = m->id;
	}
	return n;
}

bool pb_cluster_heard(struct pb_agent *a, struct pb_conn *conn, json_t *answer)
{
	struct pb_cluster *c = a->cluster;
	struct pb_heard_wait *w;
	struct tbl_owner o;
	struct tbl_id self;

	if (!c || !c->table || !c->pool || !c->handles || c->n_waits >= HEARD_RUNS)
		return false;
	memcpy(self.b, c->file.id, sizeof(self.b));
	w = tbl_owner(c->table, &self, &o) ? calloc(1, sizeof(*w)) : NULL;
	if (w)
		w->n = listeners(c, w->id);
	if (!w || !w->n)
		return free(w), false;
	w->c = c;
	w->conn = conn;
	w->answer = json_incref(answer);
	w->ask = (struct pb_heard_msg){
		.token = ++c->token, .id = self, .epoch = htobe64(o.epoch), .ver = htobe64(o.ver)
	};
	TAILQ_INSERT_TAIL(&c->waits, w, link);
	c->n_waits++;
	uv_timer_init(&a->loop, &w->timer);
	w->timer.data = w;
	uv_update_time(&a->loop);
	uv_timer_start(&w->timer, on_round, ROUND_MS, ROUND_MS);
	pb_conn_hold(conn);
	ask_all(w);
	return true;
}

void pb_cluster_unheard(struct pb_agent *a, struct pb_conn *conn)
{
	struct pb_heard_wait *w, *next;

	for (w = a->cluster ? TAILQ_FIRST(&a->cluster->waits) : NULL; w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->conn == conn)
			drop(w);
	}
}

void pb_cluster_heard_end(struct pb_cluster *c)
{
	while (!TAILQ_EMPTY(&c->waits))
		finish(TAILQ_FIRST(&c->waits));
	c->n_asked = 0;
}

bool pb_cluster_heard_in(struct pb_cluster *c, const struct swim_addr *from, struct gsp_bytes msg)
{
	struct pb_heard_msg m;

	if (msg.n < sizeof(m) || (msg.p[0] != ASK && msg.p[0] != YES))
		return false;
	memcpy(&m, msg.p, sizeof(m));
	if (m.type == ASK)
		on_ask(c, from, &m);
	else
		on_yes(c, from, &m);
	return true;
}
