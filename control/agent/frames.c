/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* patchbay-frames as the agent keeps it: one process, or for a while two, when a new build takes over. */
#include "frames_internal.h"
#include "memcached.h"
#include "util.h"

#define TICK_MS 500
#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 10000
#define STEADY_NS 10000000000ULL
#define NS_PER_MS 1000000ULL

/* ---- listeners on their way ---------------------------------------------- */

static void drop_listeners(struct pb_frames *f)
{
	while (f->n_listen)
		close(f->listen[--f->n_listen].fd);
}

static int take_listener(struct pb_frames *f, const char *name)
{
	for (unsigned i = 0; i < f->n_listen; i++)
		if (!strcmp(f->listen[i].name, name)) {
			int fd = f->listen[i].fd;

			f->listen[i] = f->listen[--f->n_listen];
			return fd;
		}
	return -1;
}

/* ---- there is one -------------------------------------------------------- */

void fr_lost(struct pb_frames *f, struct fr_peer *p, const char *why)
{
	uint64_t now = pb_now_ns();

	if (p == f->old) {
		f->old = NULL;
		return;
	}
	if (p != f->cur)
		return;
	f->cur = NULL;
	if (!f->wanted)
		return;
	snprintf(f->why, sizeof(f->why), "patchbay-frames: %.200s", why);
	pb_agent_warn(f->agent, PB_W_FRAMES, true);
	pb_memcached_frames_lost(f->agent);
	if (now - p->since_ns > STEADY_NS || !f->backoff_ms)
		f->backoff_ms = BACKOFF_MS;
	else if (f->backoff_ms < BACKOFF_MAX_MS)
		f->backoff_ms *= 2;
	f->next_ns = now + f->backoff_ms * NS_PER_MS;
	log_warn("%s; it is started again", f->why);
	if (f->timing)
		uv_timer_start(&f->timer, f->timer.timer_cb, f->backoff_ms, TICK_MS);
}

static int use(struct pb_frames *f, struct fr_peer *p)
{
	json_auto_t *services = NULL;
	int err;

	f->cur = p;
	err = fr_hello(p, &services);
	if (err && f->cur == p)
		fr_lose(p, p->child, "it speaks another protocol");
	if (!err) {
		f->why[0] = '\0';
		pb_agent_warn(f->agent, PB_W_FRAMES, false);
	}
	return err;
}

static int begin(struct pb_frames *f)
{
	struct fr_peer *p = NULL;
	int err;

	if (pb_now_ns() < f->next_ns)
		return -EAGAIN;
	err = access(f->path, X_OK) ? -errno : fr_spawn(f, &p);
	if (err) {
		snprintf(f->why, sizeof(f->why), "%.180s cannot be started: %s", f->path,
			 strerror(-err));
		f->next_ns = pb_now_ns() + BACKOFF_MAX_MS * NS_PER_MS;
		pb_agent_warn(f->agent, PB_W_FRAMES, true);
		return err;
	}
	return use(f, p);
}

/* ---- another build ------------------------------------------------------- */

static void keep_listeners(struct pb_frames *f, struct frw_msg *m)
{
	const json_t *list = json_object_get(m->json, "services"), *v;
	size_t i;

	json_array_foreach (list, i, v) {
		const char *name = json_string_value(v);

		if (!name || i >= m->n_fds || f->n_listen == PB_MC_SERVICES)
			continue;
		snprintf(f->listen[f->n_listen].name, PB_NAME_LEN, "%s", name);
		f->listen[f->n_listen++].fd = TAKE_FD(m->fd[i]);
	}
}

/* The one in use gives its listeners away and serves on what it has; the new one gets them. */
static void replace(struct pb_frames *f)
{
	_cleanup_(frw_msg_freep) struct frw_msg m = { .json = NULL };
	struct fr_peer *was = f->cur;
	const char *text;

	if (fr_ask(was, json_pack("{s:s}", "op", "handover"), NULL, 0, &m))
		return;
	if (frw_answer(m.json, &text)) {
		log_warn(
			"patchbay-frames: another build is installed, and the one at work goes on: %s",
			text);
		snprintf(was->build, sizeof(was->build), "%s", "kept");
		return;
	}
	keep_listeners(f, &m);
	if (f->old)
		fr_lose(f->old, true, "an older build");
	f->old = was;
	f->cur = NULL;
	f->next_ns = 0;
	log_info("patchbay-frames: another build takes over; process %d serves its connections to "
		 "their end",
		 (int)was->pid);
	if (!begin(f))
		pb_memcached_frames(f->agent, true);
	drop_listeners(f);
}

static void look_for_build(struct pb_frames *f)
{
	char build[FR_BUILD_LEN];

	fr_build(f->path, build);
	if (*build && *f->cur->build && strcmp(f->cur->build, "kept") != 0 &&
	    strcmp(build, f->cur->build) != 0)
		replace(f);
}

/* ---- the loop ------------------------------------------------------------ */

static void on_timer(uv_timer_t *t)
{
	struct pb_frames *f = t->data;

	fr_reap(f);
	if (f->cur)
		fr_ping(f->cur);
	if (f->old)
		fr_ping(f->old);
	if (f->cur && f->wanted)
		look_for_build(f);
	if (f->cur)
		pb_memcached_frames(f->agent, false);
	else if (f->wanted && !begin(f))
		pb_memcached_frames(f->agent, true);
}

void pb_frames_start(struct pb_agent *a)
{
	struct pb_frames *f = calloc(1, sizeof(*f));
	struct fr_peer *p;

	if (!f)
		return;
	f->agent = a;
	snprintf(f->path, sizeof(f->path), "%s", a->frames_path);
	uv_timer_init(&a->loop, &f->timer);
	f->timer.data = f;
	f->timing = true;
	uv_timer_start(&f->timer, on_timer, TICK_MS, TICK_MS);
	a->frames = f;
	if (!fr_connect(f, &p))
		use(f, p);
}

/* Nobody needs it. */
static void rest(struct pb_frames *f)
{
	json_auto_t *o = NULL;

	f->wanted = pb_memcached_tcp(f->agent, NULL);
	if (f->wanted)
		return;
	f->why[0] = '\0';
	pb_agent_warn(f->agent, PB_W_FRAMES, false);
	o = json_pack("{s:s}", "op", "stop");
	if (f->cur && frw_send(f->cur->fd, o, NULL, 0))
		fr_lose(f->cur, true, "it does not read");
	if (f->old && frw_send(f->old->fd, o, NULL, 0))
		fr_lose(f->old, true, "it does not read");
}

void pb_frames_sweep(struct pb_agent *a)
{
	struct pb_frames *f = a->frames;
	_cleanup_(frw_msg_freep) struct frw_msg m = { .json = NULL };
	const json_t *v;
	size_t i;

	if (!f || !f->cur || fr_ask(f->cur, json_pack("{s:s}", "op", "stats"), NULL, 0, &m))
		return;
	json_array_foreach (json_object_get(m.json, "services"), i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));

		if (name && !pb_memcached_tcp(a, name))
			pb_frames_remove(a, name);
	}
	rest(f);
}

static void closed(uv_handle_t *h)
{
	(void)h;
}

void pb_frames_stop(struct pb_agent *a)
{
	struct pb_frames *f = a->frames;

	if (!f || !f->timing)
		return;
	f->wanted = f->timing = false;
	uv_close((uv_handle_t *)&f->timer, closed);
	if (f->cur)
		fr_lose(f->cur, false, "the agent stops");
	if (f->old)
		fr_lose(f->old, false, "the agent stops");
	drop_listeners(f);
}

void pb_frames_free(struct pb_agent *a)
{
	free(a->frames);
	a->frames = NULL;
}

/* ---- services ------------------------------------------------------------ */

/* To one of them; @listen: -1, or a listener that another one had. */
static int put_to(struct fr_peer *p, const struct frw_service *s, int ring, int do_fd, int listen,
		  char *why)
{
	_cleanup_(frw_msg_freep) struct frw_msg m = { .json = NULL };
	json_t *names = json_array();
	const char *text = "";
	unsigned n = 0;
	int fds[3], err;

	if (ring >= 0) {
		fds[n++] = ring;
		json_array_append_new(names, json_string("ring"));
	}
	if (do_fd >= 0) {
		fds[n++] = do_fd;
		json_array_append_new(names, json_string("do"));
	}
	if (listen >= 0) {
		fds[n++] = listen;
		json_array_append_new(names, json_string("listen"));
	}
	err = fr_ask(p,
		     json_pack("{s:s, s:o, s:o}", "op", "service", "service", frw_service_json(s),
			       "fds", names),
		     fds, n, &m);
	if (err)
		return pb_fail(why, err, "patchbay-frames: %s", strerror(-err));
	err = frw_answer(m.json, &text);
	return err ? pb_fail(why, err, "%.200s", text) : 0;
}

int pb_frames_put(struct pb_agent *a, const struct frw_service *s, const struct pb_mc_ring *ring,
		  int do_fd, char why[PB_ERR_LEN])
{
	struct pb_frames *f = a->frames;
	_cleanup_close_ int fd = -1, listen = -1;
	char text[PB_ERR_LEN];
	int err = 0;

	why[0] = '\0';
	if (!f)
		return pb_fail(why, -ENOMEM, "no memory");
	f->wanted = true;
	if (!f->cur)
		err = begin(f);
	if (err)
		return pb_fail(why, err, "%s",
			       *f->why ? f->why : "patchbay-frames is being started");
	fd = ring ? frw_ring_fd(ring) : -1;
	if (ring && fd < 0)
		return pb_fail(why, fd, "no memory");
	listen = take_listener(f, s->name);
	err = put_to(f->cur, s, fd, do_fd, listen, why);
	if (f->old && put_to(f->old, s, fd, do_fd, -1, text) && f->old)
		fr_lose(f->old, true, "it did not take the table");
	return err;
}

void pb_frames_remove(struct pb_agent *a, const char *name)
{
	struct pb_frames *f = a->frames;
	struct fr_peer *both[2];

	if (!f)
		return;
	both[0] = f->cur;
	both[1] = f->old;
	for (unsigned i = 0; i < ARRAY_SIZE(both); i++) {
		_cleanup_(frw_msg_freep) struct frw_msg m = { .json = NULL };

		if (both[i])
			fr_ask(both[i], json_pack("{s:s, s:s}", "op", "remove", "name", name), NULL,
			       0, &m);
	}
	rest(f);
}

/* ---- views --------------------------------------------------------------- */

json_t *pb_frames_status(struct pb_agent *a)
{
	const struct pb_frames *f = a->frames;
	const struct fr_peer *p = f ? f->cur : NULL;

	if (!f)
		return json_pack("{s:s}", "state", "off");
	return json_pack("{s:s, s:s?, s:i, s:s, s:i, s:i}", "state",
			 p	     ? "running"
			 : f->wanted ? "down"
				     : "off",
			 "why", *f->why ? f->why : NULL, "pid", p ? (int)p->pid : 0, "build",
			 p ? p->build : "", "starts", (int)f->starts, "old",
			 f->old ? (int)f->old->pid : 0);
}

json_t *pb_frames_stats(struct pb_agent *a)
{
	struct pb_frames *f = a->frames;
	_cleanup_(frw_msg_freep) struct frw_msg m = { .json = NULL };

	if (!f || !f->cur || fr_ask(f->cur, json_pack("{s:s}", "op", "stats"), NULL, 0, &m))
		return NULL;
	return json_incref(m.json);
}
