/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A round is one walk over the sockets of managed programs, then the end of those that it found:
 * ours by sock_diag, those of other network namespaces by patchbay-helper.  Each turn of the loop
 * does a slice.  Nothing is destroyed while the walk lasts: it would lose its place when sockets
 * before it vanish.
 */
#include "destroy.h"

#include <libmnl/libmnl.h>

#include <patchbay/peer.h>

#include "agent.h"
#include "destroy_list.h"
#include "events.h"
#include "loader/destroy.h"
#include "util.h"

#define READ_BYTES 32768    /* the kernel hands out no more at once */
#define SLICE_NS 5000000ULL /* others get their turn then */
#define FOUND_MAX 1048576   /* sockets of a round; the next one finds the rest */
#define ROUNDS_MAX 8	    /* one after the other without a pause, while they find something */
#define LATE_MS 1000	    /* after that a second round for the same endpoints */
#define SPARED_MS 1000	    /* how often to look again at what was spared */

struct pb_destroyer {
	struct pb_agent *agent;
	struct mnl_socket *nl;
	uv_timer_t step, late;
	unsigned handles;
	struct pb_gone_list list;
	bool wanted;	 /* a round, as soon as the one under way is over */
	unsigned rounds; /* in a row */
	int walk;	 /* fd of the iterator, -1: not walking */
	struct pb_stuck_list found;
	uint64_t began_ns;
	size_t at;	/* next of found */
	uint64_t done;	/* in this round */
	uint64_t total; /* since somebody asked */
	int said;	/* last error that was logged */
};

static void on_step(uv_timer_t *t);

static bool is_busy(const struct pb_destroyer *d)
{
	return d->walk >= 0 || d->found.n;
}

/* Not at once: a timer that is due again is called before anything else in the loop. */
static void next_step(struct pb_destroyer *d)
{
	uv_timer_start(&d->step, on_step, is_busy(d), 0);
}

static void complain(struct pb_destroyer *d, int err, const char *what)
{
	if (d->said != err)
		log_warn("%s: %s", what, strerror(-err));
	d->said = err;
}

/* ---- one socket ---- */

static void tell(struct pb_destroyer *d, const struct pb_stuck *s)
{
	struct pb_event ev = { .time_ns = pb_now_ns(),
			       .app = s->app,
			       .peer = s->peer,
			       .cookie = s->cookie,
			       .virt = s->virt,
			       .real = s->remote,
			       .vport = s->vport,
			       .rport = s->rport,
			       .reason = PB_R_DESTROYED,
			       .op = PB_OP_RELEASE,
			       .proto = s->proto,
			       .err = -ECONNABORTED };

	d->done++;
	pb_events_note(d->agent, &ev);
}

static struct pb_sockdiag_id id_of(const struct pb_stuck *s)
{
	struct pb_sockdiag_id id = { .cookie = s->cookie,
				     .local = s->local,
				     .remote = s->remote,
				     .lport = s->lport,
				     .rport = s->rport,
				     .proto = s->proto,
				     .family = s->family,
				     .device = s->device };

	return id;
}

static void destroy_ours(struct pb_destroyer *d, const struct pb_stuck *s)
{
	struct pb_sockdiag_id id = id_of(s);
	int err = pb_sockdiag_destroy(d->nl, &id);

	if (!err)
		tell(d, s);
	else if (err != -ENOENT)
		complain(d, err, "a socket whose endpoint is gone cannot be destroyed");
}

/* A run of sockets in one other namespace, sorted so; how many were taken. */
static size_t destroy_theirs(struct pb_destroyer *d, const struct pb_stuck *s, size_t max)
{
	uint64_t done[PB_HELPER_SOCKS / 64] = { 0 };
	struct pb_sockdiag_id id[PB_HELPER_SOCKS];
	uint32_t n = 0;
	int err;

	do {
		id[n] = id_of(&s[n]);
		n++;
	} while (n < max && n < PB_HELPER_SOCKS && s[n].netns == s->netns);
	err = pb_privsep_destroy(&d->agent->helper, s->netns, id, n, done);
	for (uint32_t i = 0; !err && i < n; i++)
		if (done[i / 64] >> i % 64 & 1)
			tell(d, &s[i]);
	if (err)
		complain(d, err,
			 "sockets in another network namespace, whose endpoint is gone, "
			 "cannot be destroyed");
	/* Nobody there to ask again and again, each time for seconds. */
	return err == -ETIMEDOUT || err == -EPIPE ? max : n;
}

/* ---- a round ---- */

static void begin_walk(struct pb_destroyer *d)
{
	struct pb_loader *l = d->agent->loader;
	int err = pb_gone_list_begin(&d->list, l);

	d->wanted = false;
	d->done = 0;
	d->began_ns = pb_now_ns();
	d->rounds++;
	if (!err)
		err = d->walk = pb_loader_stuck_open(l);
	if (err < 0) {
		d->walk = -1;
		complain(d, err, "sockets whose endpoint is gone cannot be looked for");
	}
}

/* 1: it goes on. */
static int read_some(struct pb_destroyer *d, uint64_t end)
{
	do {
		ssize_t n;
		void *room = pb_stuck_list_room(&d->found, READ_BYTES);

		if (!room || d->found.n >= FOUND_MAX)
			return 0;
		n = read(d->walk, room, READ_BYTES);
		/* EAGAIN: a million sockets without a record, it goes on from there */
		if (n < 0 && errno != EINTR && errno != EAGAIN) {
			complain(d, -errno, "sockets whose endpoint is gone cannot be listed");
			return 0;
		}
		if (n == 0)
			return 0;
		if (n > 0)
			d->found.n += (size_t)n / sizeof(struct pb_stuck);
	} while (pb_now_ns() < end);
	return 1;
}

static void destroy_some(struct pb_destroyer *d, uint64_t end)
{
	uint64_t home = d->agent->kernel.netns;

	while (d->at < d->found.n && pb_now_ns() < end) {
		const struct pb_stuck *s = &d->found.rec[d->at];

		if (s->netns != home) {
			d->at += destroy_theirs(d, s, d->found.n - d->at);
			return; /* the helper was waited for */
		}
		destroy_ours(d, s);
		d->at++;
	}
}

static void rest(struct pb_destroyer *d, bool spared)
{
	if (d->total)
		log_info(
			"%llu sockets were closed: the endpoint that they were connected to is gone",
			(unsigned long long)d->total);
	d->total = 0;
	d->rounds = 0;
	if (d->list.n)
		uv_timer_start(&d->late, on_step, LATE_MS, 0);
	else if (spared)
		uv_timer_start(&d->late, on_step, SPARED_MS, 0);
}

/* Sockets that came or went during the walk may have been missed: again, until nothing is found. */
static void end_round(struct pb_destroyer *d)
{
	bool spared = pb_loader_stuck_spared(d->agent->loader) != 0;

	pb_stuck_list_free(&d->found);
	d->at = 0;
	d->total += d->done;
	if (d->done)
		pb_maps_count(d->agent->maps, PB_R_DESTROYED, d->done);
	if (d->done && d->rounds < ROUNDS_MAX)
		d->wanted = true;
	else
		pb_gone_list_end(&d->list, d->agent->loader, d->began_ns);
	if (d->wanted)
		next_step(d);
	else
		rest(d, spared);
}

static void on_step(uv_timer_t *t)
{
	struct pb_destroyer *d = t->data;
	uint64_t end = pb_now_ns() + SLICE_NS;

	uv_timer_stop(&d->late);
	if (!is_busy(d))
		begin_walk(d);
	if (d->walk >= 0) {
		if (read_some(d, end)) {
			next_step(d);
			return;
		}
		close(TAKE_FD(d->walk));
		pb_stuck_list_sort(&d->found, d->agent->kernel.netns);
	}
	destroy_some(d, end);
	if (d->at < d->found.n)
		next_step(d);
	else
		end_round(d);
}

/* ---- for others ---- */

static void ask(struct pb_destroyer *d)
{
	d->rounds = 0;
	if (d->wanted)
		return;
	d->wanted = true;
	if (!is_busy(d))
		next_step(d);
}

int pb_destroy_for(struct pb_agent *a, const struct pb_gone *list, size_t n)
{
	int err;

	if (!a->destroyer)
		return -EOPNOTSUPP;
	err = n ? pb_gone_list_add(&a->destroyer->list, list, n, pb_now_ns()) : 0;
	if (!err && n)
		ask(a->destroyer);
	return err;
}

void pb_destroy_look(struct pb_agent *a)
{
	if (a->destroyer)
		ask(a->destroyer);
}

int pb_destroy_start(struct pb_agent *a)
{
	struct pb_destroyer *d = calloc(1, sizeof(*d));
	int fd = -ENOMEM;

	if (d) {
		d->agent = a;
		d->walk = -1;
		d->nl = pb_sockdiag_open();
		fd = d->nl ? pb_loader_stuck_open(a->loader) : -errno;
	}
	if (fd < 0) {
		if (d && d->nl)
			mnl_socket_close(d->nl);
		free(d);
		return log_err(fd, "sockets whose endpoint is gone will not be closed");
	}
	close(fd);
	uv_timer_init(&a->loop, &d->step);
	uv_timer_init(&a->loop, &d->late);
	d->step.data = d->late.data = d;
	d->handles = 2;
	a->destroyer = d;
	pb_destroy_look(a);
	return 0;
}

static void gone(uv_handle_t *h)
{
	struct pb_destroyer *d = h->data;

	if (--d->handles)
		return;
	pb_closep(&d->walk);
	mnl_socket_close(d->nl);
	pb_stuck_list_free(&d->found);
	pb_gone_list_free(&d->list);
	free(d);
}

void pb_destroy_stop(struct pb_agent *a)
{
	struct pb_destroyer *d = TAKE_PTR(a->destroyer);

	if (!d)
		return;
	uv_close((uv_handle_t *)&d->step, gone);
	uv_close((uv_handle_t *)&d->late, gone);
}
