/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events.h"

#include <time.h>

#include <bpf/libbpf.h>

#include "cluster.h"
#include "destroy.h"
#include "util.h"

/* The kernel side submits without waking us, so the ring is looked at often
 * while events flow, and now and then while none do. */
#define BUSY_MS 50
#define QUIET_MS 500
#define BUSY_FOR_NS 1000000000ULL
#define TURN 4096 /* events taken before others get their turn */

struct follower {
	struct follower *next;
	struct pb_conn *conn;
	struct pb_event_filter filter;
	uint64_t lost;
};

struct pb_history {
	struct pb_agent *agent;
	struct ring_buffer *ring;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles;
	bool busy, quick;
	unsigned taken; /* in this turn */
	uint64_t last_ns;
	uint64_t ring_lost; /* as last told to the followers */
	uint64_t count;	    /* events ever */
	struct follower *followers;
	struct pb_event_rec rec[PB_HISTORY];
};

int64_t pb_wall_offset_ns(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - (int64_t)pb_now_ns();
}

const struct pb_event_rec *pb_events_at(const struct pb_agent *a, unsigned back)
{
	const struct pb_history *h = a->history;

	if (!h || back >= h->count || back >= PB_HISTORY)
		return NULL;
	return &h->rec[(h->count - 1 - back) % PB_HISTORY];
}

static void tell_lost(struct follower *f, uint64_t lost)
{
	json_t *j = json_pack("{s:I}", "lost", (json_int_t)lost);

	if (!j || pb_conn_send(f->conn, j))
		f->lost += lost;
	json_decref(j);
}

static void pass_on(struct follower *f, const struct pb_event_rec *r)
{
	json_t *j;

	if (!pb_event_wanted(&f->filter, r))
		return;
	if (pb_conn_pending(f->conn) > PB_CONN_FOLLOW_BYTES) {
		f->lost++;
		return;
	}
	if (f->lost) {
		uint64_t lost = f->lost;

		f->lost = 0;
		tell_lost(f, lost);
	}
	j = json_pack("{s:o}", "event", pb_event_json(r, pb_wall_offset_ns()));
	if (!j || pb_conn_send(f->conn, j))
		f->lost++;
	json_decref(j);
}

static void name_of(const struct pb_agent *a, uint64_t ref, const struct pb_addr *addr, char *ret)
{
	const struct pb_app_rec *r = ref ? pb_registry_by_ref(a->registry, ref) : NULL;

	if (!r && addr)
		r = pb_registry_by_addr(a->registry, addr);
	if (r)
		memcpy(ret, r->app.name, PB_NAME_LEN);
	else
		ret[0] = '\0';
}

static int sample(void *ctx, void *data, size_t size)
{
	struct pb_history *h = ctx;
	struct pb_event_rec *r = &h->rec[h->count % PB_HISTORY];

	if (size < sizeof(r->ev))
		return 0;
	memcpy(&r->ev, data, sizeof(r->ev));
	name_of(h->agent, r->ev.app, NULL, r->app);
	name_of(h->agent, r->ev.peer, &r->ev.virt, r->peer);
	h->count++;
	h->last_ns = pb_now_ns();
	if (r->ev.reason == PB_R_WITHDRAW && r->ev.proto == PB_PROTO_UDP)
		pb_destroy_look(h->agent);
	pb_cluster_event(h->agent, &r->ev);
	for (struct follower *f = h->followers; f; f = f->next)
		pass_on(f, r);
	return ++h->taken % TURN ? 0 : -EAGAIN; /* the sample counts as consumed all the same */
}

void pb_events_note(struct pb_agent *a, const struct pb_event *ev)
{
	if (a->history)
		sample(a->history, (void *)ev, sizeof(*ev));
}

static void take(struct pb_history *h)
{
	bool busy;
	int n = ring_buffer__consume(h->ring);

	if (n < 0 && n != -EAGAIN)
		log_debug("event ring: %s", strerror(-n));
	busy = h->quick || (pb_now_ns() - h->last_ns < BUSY_FOR_NS && h->count);
	if (busy != h->busy) {
		h->busy = busy;
		uv_timer_set_repeat(&h->timer, busy ? BUSY_MS : QUIET_MS);
		uv_timer_again(&h->timer);
	}
}

void pb_events_quick(struct pb_agent *a, bool on)
{
	if (!a->history)
		return;
	a->history->quick = on;
	take(a->history);
}

void pb_events_drain(struct pb_agent *a)
{
	if (a->history)
		take(a->history);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	(void)events;
	if (status >= 0)
		take(p->data);
}

/* Events that the ring had no room for are news as well. */
static void tell_ring_lost(struct pb_history *h)
{
	uint64_t stats[_PB_R_MAX], lost;

	if (!h->followers || pb_maps_stats(h->agent->maps, stats))
		return;
	lost = stats[PB_R_EVENT_LOST];
	if (lost > h->ring_lost)
		for (struct follower *f = h->followers; f; f = f->next)
			tell_lost(f, lost - h->ring_lost);
	h->ring_lost = lost;
}

static void on_timer(uv_timer_t *t)
{
	struct pb_history *h = t->data;

	take(h);
	tell_ring_lost(h);
}

int pb_events_start(struct pb_agent *a)
{
	int fd = pb_maps_fd(a->maps, "pb_events"), err;
	_cleanup_free_ struct pb_history *h = NULL;

	if (fd < 0)
		return fd;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->agent = a;
	h->ring = ring_buffer__new(fd, sample, h, NULL);
	if (!h->ring)
		return -errno;
	h->poll.data = h->timer.data = h;
	err = uv_poll_init(&a->loop, &h->poll, ring_buffer__epoll_fd(h->ring));
	if (err) {
		ring_buffer__free(h->ring);
		return err;
	}
	uv_timer_init(&a->loop, &h->timer);
	h->handles = 2;
	uv_poll_start(&h->poll, UV_READABLE, on_poll);
	uv_timer_start(&h->timer, on_timer, QUIET_MS, QUIET_MS);
	a->history = TAKE_PTR(h);
	return 0;
}

static void gone(uv_handle_t *handle)
{
	struct pb_history *h = handle->data;

	if (--h->handles)
		return;
	ring_buffer__free(h->ring);
	free(h);
}

void pb_events_stop(struct pb_agent *a)
{
	struct pb_history *h = TAKE_PTR(a->history);

	if (!h)
		return;
	while (h->followers) {
		struct follower *f = h->followers;

		h->followers = f->next;
		free(f);
	}
	uv_close((uv_handle_t *)&h->timer, gone);
	uv_close((uv_handle_t *)&h->poll, gone);
}

int pb_events_follow(struct pb_agent *a, struct pb_conn *c, const struct pb_event_filter *f)
{
	struct pb_history *h = a->history;
	struct follower *n;
	uint64_t stats[_PB_R_MAX];

	if (!h)
		return -ENODATA;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	if (!h->followers && !pb_maps_stats(a->maps, stats))
		h->ring_lost = stats[PB_R_EVENT_LOST];
	n->conn = c;
	n->filter = *f;
	n->next = h->followers;
	h->followers = n;
	pb_conn_follow(c);
	return 0;
}

void pb_events_unfollow(struct pb_agent *a, struct pb_conn *c)
{
	if (!a->history)
		return;
	for (struct follower **f = &a->history->followers; *f; f = &(*f)->next)
		if ((*f)->conn == c) {
			struct follower *dead = *f;

			*f = dead->next;
			free(dead);
			return;
		}
}
