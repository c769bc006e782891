/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A restart: records in the maps, matched with the cgroups that exist. */
#include <dirent.h>
#include <fcntl.h>
#include <time.h>

#include "agent.h"
#include "cgroup.h"
#include "cluster.h"
#include "scope.h"
#include "util.h"

struct folder {
	uint64_t id;
	char name[PB_SCOPE_NAME_LEN];
};

struct walk {
	struct pb_agent *agent;
	struct folder *folder; /* below the managed cgroup, sorted by id */
	size_t n_folders, room;
	uint64_t *gone; /* records without a cgroup */
	size_t n_gone, gone_room;
	int n;
};

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int adopt_group(uint32_t bit, const struct pb_group *g, void *arg)
{
	struct pb_agent *a = arg;

	return g->name[0] ? pb_registry_adopt_group(a->registry, bit, g->name) : 0;
}

/* Makes room for one more element of @size. */
static int grow(void **array, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 64;
	void *p;

	if (n < *room)
		return 0;
	p = realloc(*array, more * size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = more;
	return 0;
}

static int by_id(const void *x, const void *y)
{
	const struct folder *a = x, *b = y;

	return a->id < b->id ? -1 : a->id > b->id;
}

static int read_folders(struct walk *w, int cgroup_fd)
{
	int fd = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (e->d_type != DT_DIR || strlen(e->d_name) >= PB_SCOPE_NAME_LEN ||
		    e->d_name[0] == '.')
			continue;
		if (grow((void **)&w->folder, w->n_folders, &w->room, sizeof(w->folder[0])))
			return -ENOMEM;
		w->folder[w->n_folders].id = e->d_ino;
		strcpy(w->folder[w->n_folders++].name, e->d_name);
	}
	if (w->n_folders)
		qsort(w->folder, w->n_folders, sizeof(w->folder[0]), by_id);
	return 0;
}

static const char *folder_of(const struct walk *w, uint64_t ref)
{
	struct folder key = { .id = ref }, *f;

	f = w->n_folders ? bsearch(&key, w->folder, w->n_folders, sizeof(key), by_id) : NULL;
	return f ? f->name : NULL;
}

static const char *configured_path(const struct pb_agent *a, uint64_t ref)
{
	for (size_t i = 0; i < a->conf->n_scopes; i++) {
		const char *path = a->conf->scopes[i].cgroup;
		uint64_t id;

		if (!pb_cgroup_id(AT_FDCWD, path, &id) && id == ref)
			return path;
	}
	return NULL;
}

static int by_gone(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

static int remember(struct walk *w, uint64_t ref)
{
	if (grow((void **)&w->gone, w->n_gone, &w->gone_room, sizeof(w->gone[0])))
		return -ENOMEM;
	w->gone[w->n_gone++] = ref;
	return 0;
}

static int adopt_app(uint64_t ref, const struct pb_app *app, const struct pb_tags *tags, void *arg)
{
	struct pb_app_rec rec = { .ref = ref, .app = *app, .tags = *tags };
	struct walk *w = arg;
	struct pb_agent *a = w->agent;
	const char *folder = folder_of(w, ref);
	const char *path = folder ? NULL : configured_path(a, ref);
	int64_t since = time(NULL);
	int err;

	if (ref & PB_REF_REMOTE)
		return pb_cluster_adopt_app(a, ref, app, tags) ? remember(w, ref) : 0;
	if (pb_scope_find(a, ref))
		return 0; /* the walk may show an entry twice */
	/* unless the scope tells: as it was, whatever the node says now */
	rec.splice = (uint8_t)pb_splice_of(app->flags);
	if (ref & PB_REF_SWITCH) /* whether it is still wanted is seen later: memcached_self.c */
		return pb_registry_by_ref(a->registry, ref) || !pb_registry_adopt(a->registry, &rec)
			       ? 0
			       : remember(w, ref);
	if (!folder && !path)
		return remember(w, ref);
	if (folder && pb_cgroup_restore(a->cgroup_fd, folder, &rec, &since))
		log_debug("scope %s: who started it is not known", folder);
	err = pb_registry_adopt(a->registry, &rec);
	if (err) {
		log_warn("application %s (%llx) cannot be adopted: %s", app->name,
			 (unsigned long long)ref, strerror(-err));
		return remember(w, ref);
	}
	w->n++;
	return pb_scope_add(a, ref, path ? path : folder, path != NULL, since);
}

/* A crash between mkdir and the record leaves an empty folder. */
static void remove_orphans(struct walk *w)
{
	struct pb_agent *a = w->agent;

	for (size_t i = 0; i < w->n_folders; i++) {
		const struct folder *f = &w->folder[i];

		if (pb_scope_find(a, f->id))
			continue;
		if (pb_privsep_rmdir(&a->helper, f->name))
			log_warn("%s/%s holds processes without an identity", a->cgroup, f->name);
	}
}

/* Addresses of records that did not come back. */
static int check_addr(const struct pb_addr *addr, const struct pb_vip *v, void *arg)
{
	struct pb_agent *a = arg;

	(void)v;
	return pb_registry_ns_of(a->registry, addr) ? 0 : pb_maps_del_addr(a->maps, addr);
}

static int adopt(struct walk *w)
{
	struct pb_agent *a = w->agent;
	int err = read_folders(w, a->cgroup_fd);

	if (!err)
		err = pb_maps_each_group(a->maps, adopt_group, a);
	if (!err)
		err = pb_cluster_adopt_begin(a);
	if (!err)
		err = pb_maps_each_app(a->maps, adopt_app, w);
	if (err)
		return err;
	err = pb_cluster_adopt_end(a);
	if (err)
		return err;
	if (w->n_gone)
		qsort(w->gone, w->n_gone, sizeof(w->gone[0]), by_gone);
	if (pb_maps_clear_egress(a->maps, w->gone, w->n_gone))
		log_warn("egress entries of ended applications cannot be removed");
	for (size_t i = 0; i < w->n_gone; i++)
		pb_withdraw(a, w->gone[i]);
	err = pb_maps_each_addr(a->maps, check_addr, a);
	if (err)
		return err;
	remove_orphans(w);
	return w->n;
}

int pb_adopt(struct pb_agent *a)
{
	struct walk w = { .agent = a };
	int n = adopt(&w);

	free(w.folder);
	free(w.gone);
	return n;
}
