/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Gossip tells of agents, not of hosts: an agent that is down for a while changes nothing in its
 * kernel, whose programs serve on.  So before a node that gossip declares dead is taken out, its
 * host is asked: who refuses a connection to the gossip port lives.  Its endpoints become the last
 * choice then, and it is asked again; only silence, or HOLD_NS, takes them out.
 *
 * Who hangs on such an endpoint shall not wait for that silence, too: a node that is suspected is
 * asked already, each second, and less often by each where there are many.
 */
#include "cluster_internal.h"

#define SILENCE_MS 400 /* an answer takes no longer, else there is none */
#define SILENCE_WAN_MS 1500
#define LATE_MS 50
#define AGAIN_NS 2000000000ULL
#define EARLY_NS 900000000ULL  /* one tick of the health timer, and some */
#define EARLY_MEMBERS 64       /* so many ask a suspect each second, all together */
#define FRESH_NS 3000000000ULL /* silence before it was declared dead counts so long */
#define HOLD_NS 600000000000ULL

struct look {
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_connect_t req;
	struct pb_cluster *c;
	char name[PB_NODE_NAME_LEN];
	struct tbl_id id;
	unsigned handles;
	uint64_t begin_ns, silence_ms;
	bool done, late;
};

static void closed(uv_handle_t *h)
{
	struct look *l = h->data;

	if (!--l->handles)
		free(l);
}

static void end(struct look *l)
{
	l->done = true;
	if (l->c)
		l->c->looks--;
	uv_close((uv_handle_t *)&l->tcp, closed);
	uv_close((uv_handle_t *)&l->timer, closed);
}

static struct pb_member_node *member_of(const struct look *l)
{
	struct pb_cluster *c = l->c;

	for (size_t i = 0; c->table && i < c->n_member; i++)
		if (c->member[i].has_id && tbl_id_eq(&c->member[i].id, &l->id) &&
		    !strcmp(c->member[i].name, l->name))
			return &c->member[i];
	return NULL;
}

static void verdict(struct look *l, bool lives)
{
	struct pb_member_node *m = member_of(l);

	if (m)
		m->looking = false;
	if (m && m->state != PB_NODE_ALIVE) {
		m->looked_ns = pb_now_ns();
		m->silent_ns = lives ? 0 : m->looked_ns;
	}
	/* meanwhile it came back, or said that it leaves */
	if (m && m->state == PB_NODE_DEAD && m->held) {
		bool late = pb_now_ns() - m->since_ns > HOLD_NS;

		if (lives && !m->told)
			log_info("cluster: the agent of node %s is down, its host is not: its "
				 "endpoints are the last choice now",
				 m->name);
		m->told = lives;
		if (!lives || late) {
			m->held = false;
			m->sure = true;
			m->answers = lives;
			pb_cluster_tell_table(l->c, m);
		}
	}
	end(l);
}

static void on_connect(uv_connect_t *req, int status)
{
	struct look *l = req->data;

	if (!l->done)
		verdict(l, !status || status == UV_ECONNREFUSED || status == UV_ECONNRESET);
}

static void on_silence(uv_timer_t *t)
{
	struct look *l = t->data;

	if (l->done)
		return;
	/* if it was this agent that stood still, the answer may be waiting */
	if (pb_now_ns() - l->begin_ns > 2 * l->silence_ms * 1000000 && !l->late) {
		l->late = true;
		uv_timer_start(t, on_silence, LATE_MS, 0);
		return;
	}
	verdict(l, false);
}

static int start(struct look *l, const struct pb_member_node *m)
{
	struct sockaddr_storage ss = { 0 };
	struct pb_addr ip;
	char text[64];
	int err;

	if (!pb_cluster_pb_addr(&m->addr, &ip))
		return -EINVAL;
	pb_addr_format(&ip, text, sizeof(text));
	err = strchr(text, ':') ? uv_ip6_addr(text, m->addr.port, (struct sockaddr_in6 *)&ss)
				: uv_ip4_addr(text, m->addr.port, (struct sockaddr_in *)&ss);
	return err ? err : uv_tcp_connect(&l->req, &l->tcp, (struct sockaddr *)&ss, on_connect);
}

static bool ask(struct pb_cluster *c, struct pb_member_node *m)
{
	uint64_t silence =
		c->agent->conf->cluster.profile == PB_PROFILE_WAN ? SILENCE_WAN_MS : SILENCE_MS;
	struct look *l = calloc(1, sizeof(*l));

	if (!l || !c->handles)
		return free(l), false;
	l->c = c;
	l->id = m->id;
	l->begin_ns = pb_now_ns();
	l->silence_ms = silence;
	snprintf(l->name, sizeof(l->name), "%s", m->name);
	uv_tcp_init(&c->agent->loop, &l->tcp);
	uv_timer_init(&c->agent->loop, &l->timer);
	l->tcp.data = l->timer.data = l->req.data = l;
	l->handles = 2;
	c->looks++;
	if (start(l, m)) {
		end(l);
		return false;
	}
	uv_timer_start(&l->timer, on_silence, silence, 0);
	m->looking = true;
	return true;
}

/* Is the host asked now, or known to live?  Then it is not dead yet. */
bool pb_cluster_look(struct pb_cluster *c, struct pb_member_node *m)
{
	uint64_t now = pb_now_ns();

	if (!m->held && m->silent_ns && now - m->silent_ns < FRESH_NS) {
		log_info("cluster: node %s is dead: its host was silent before", m->name);
		return false;
	}
	if (!m->looking && (!m->held || now - m->looked_ns >= AGAIN_NS) && !ask(c, m))
		return false;
	m->held = true;
	return true;
}

void pb_cluster_look_early(struct pb_cluster *c, struct pb_member_node *m)
{
	uint64_t wait = EARLY_NS * (1 + c->n_member / EARLY_MEMBERS);

	if (!m->looking && (!m->looked_ns || pb_now_ns() - m->looked_ns > wait))
		ask(c, m);
}

void pb_cluster_look_again(struct pb_cluster *c)
{
	for (size_t i = 0; i < c->n_member; i++)
		if (c->member[i].state == PB_NODE_DEAD && c->member[i].held)
			pb_cluster_look(c, &c->member[i]);
		else if (c->member[i].state == PB_NODE_SUSPECT)
			pb_cluster_look_early(c, &c->member[i]);
}
