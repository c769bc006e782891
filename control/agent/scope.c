/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scope.h"

#include <sys/inotify.h>

#include "cgroup.h"
#include "events.h"
#include "util.h"

#define PARENT_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR)

struct pb_scopes {
	struct pb_agent *agent;
	int inotify;
	uv_poll_t poll;
	struct pb_scope **s; /* sorted by ref */
	size_t n, room;
};

static size_t lower_bound(const struct pb_scopes *l, uint64_t ref)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->s[mid]->ref < ref)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct pb_scope *pb_scope_find(const struct pb_agent *a, uint64_t ref)
{
	size_t i = lower_bound(a->scopes, ref);

	return i < a->scopes->n && a->scopes->s[i]->ref == ref ? a->scopes->s[i] : NULL;
}

struct pb_scope *pb_scope_at(const struct pb_agent *a, size_t i)
{
	return i < a->scopes->n ? a->scopes->s[i] : NULL;
}

static void scope_freep(struct pb_scope **s)
{
	if (*s)
		free((*s)->name);
	free(*s);
}

static void watch(struct pb_agent *a, struct pb_scope *s)
{
	char path[PATH_MAX + PB_SCOPE_NAME_LEN + 32];

	if (s->configured)
		return;
	snprintf(path, sizeof(path), "%s/%s/cgroup.events", a->cgroup, s->name);
	s->wd = inotify_add_watch(a->scopes->inotify, path, IN_MODIFY);
	/* without a watch the reconcile timer finds out, later */
	pb_agent_warn(a, PB_W_WATCH, s->wd < 0);
}

int pb_scope_add(struct pb_agent *a, uint64_t ref, const char *name, bool configured, int64_t since)
{
	_cleanup_(scope_freep) struct pb_scope *s = calloc(1, sizeof(*s));
	struct pb_scopes *l = a->scopes;
	size_t i = lower_bound(l, ref);

	if (i < l->n && l->s[i]->ref == ref)
		return -EEXIST;
	if (!s || !(s->name = strdup(name)))
		return -ENOMEM;
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct pb_scope **p = realloc(l->s, room * sizeof(*p));

		if (!p)
			return -ENOMEM;
		l->s = p;
		l->room = room;
	}
	s->ref = ref;
	s->since = since;
	s->configured = configured;
	s->wd = -1;
	watch(a, s);
	memmove(l->s + i + 1, l->s + i, (l->n - i) * sizeof(l->s[0]));
	l->s[i] = TAKE_PTR(s);
	l->n++;
	return 0;
}

void pb_scope_forget(struct pb_agent *a, uint64_t ref)
{
	struct pb_scopes *l = a->scopes;
	size_t i = lower_bound(l, ref);

	/* the events that wait in the ring still get the name */
	pb_events_drain(a);
	pb_withdraw(a, ref);
	if (i == l->n || l->s[i]->ref != ref)
		return;
	if (l->s[i]->wd >= 0)
		inotify_rm_watch(l->inotify, l->s[i]->wd);
	scope_freep(&l->s[i]);
	memmove(l->s + i, l->s + i + 1, (l->n - i - 1) * sizeof(l->s[0]));
	l->n--;
}

int pb_scope_release(struct pb_agent *a, uint64_t ref)
{
	struct pb_scope *s = pb_scope_find(a, ref);
	int err;

	if (!s)
		return -ENOENT;
	if (s->configured)
		return -EPERM;
	err = pb_privsep_rmdir(&a->helper, s->name);
	if (err == -EPIPE && !pb_agent_helper(a))
		err = pb_privsep_rmdir(&a->helper, s->name);
	if (err && err != -ENOENT)
		return err;
	log_debug("scope %s ended", s->name);
	pb_scope_forget(a, ref);
	return 0;
}

/* True: the scope went. */
static bool check(struct pb_agent *a, struct pb_scope *s)
{
	int populated, err;

	if (s->configured)
		return false;
	populated = pb_cgroup_populated(a->cgroup_fd, s->name);
	if (populated > 0)
		return false;
	if (populated < 0 && populated != -ENOENT && populated != -ENODEV)
		return false;
	err = pb_scope_release(a, s->ref);
	if (err && err != -EBUSY)
		log_warn("scope %s is empty but cannot be removed: %s", s->name, strerror(-err));
	return !err;
}

void pb_scopes_reconcile(struct pb_agent *a)
{
	for (size_t i = 0; i < a->scopes->n;)
		if (!check(a, a->scopes->s[i]))
			i++;
	pb_scope_conf_apply(a);
}

static void check_wd(struct pb_agent *a, int wd)
{
	for (size_t i = 0; i < a->scopes->n; i++)
		if (a->scopes->s[i]->wd == wd) {
			check(a, a->scopes->s[i]);
			return;
		}
}

static void notified(uv_poll_t *h, int status, int events)
{
	_Alignas(struct inotify_event) char buf[16384];
	struct pb_scopes *l = h->data;
	bool conf = false;
	ssize_t n;

	(void)events;
	if (status < 0)
		return;
	n = read(l->inotify, buf, sizeof(buf));
	for (char *p = buf; n > 0 && p < buf + n;) {
		struct inotify_event *e = (struct inotify_event *)p;

		if (e->mask & IN_Q_OVERFLOW) {
			pb_scopes_reconcile(l->agent);
			return;
		}
		if (e->mask & IN_MODIFY)
			check_wd(l->agent, e->wd);
		else if (!(e->mask & IN_IGNORED))
			conf = true;
		p += sizeof(*e) + e->len;
	}
	if (conf)
		pb_scope_conf_apply(l->agent);
}

static void watch_parent(struct pb_agent *a, const char *dir)
{
	if (inotify_add_watch(a->scopes->inotify, dir, PARENT_EVENTS) < 0)
		log_debug("%s is not there yet: looked for every %d ms", dir, PB_HEAL_MS);
}

int pb_scopes_start(struct pb_agent *a)
{
	_cleanup_free_ struct pb_scopes *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->agent = a;
	l->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (l->inotify < 0)
		return -errno;
	l->poll.data = l;
	err = uv_poll_init(&a->loop, &l->poll, l->inotify);
	if (err) {
		close(l->inotify);
		return err;
	}
	uv_poll_start(&l->poll, UV_READABLE, notified);
	a->scopes = TAKE_PTR(l);
	return 0;
}

void pb_scopes_watch_parents(struct pb_agent *a)
{
	pb_scope_conf_parents(a, watch_parent);
}

static void scopes_gone(uv_handle_t *h)
{
	struct pb_scopes *l = h->data;

	for (size_t i = 0; i < l->n; i++)
		scope_freep(&l->s[i]);
	close(l->inotify);
	free(l->s);
	free(l);
}

void pb_scopes_stop(struct pb_agent *a)
{
	if (a->scopes)
		uv_close((uv_handle_t *)&a->scopes->poll, scopes_gone);
}
