/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* [scope NAME] sections: cgroups that others make and Patchbay gives an identity. */
#include <fcntl.h>
#include <time.h>

#include "cgroup.h"
#include "loader.h"
#include "scope.h"
#include "util.h"

/* The scope known at @path, if any. */
static struct pb_scope *known(const struct pb_agent *a, const char *path)
{
	struct pb_scope *s;

	for (size_t i = 0; (s = pb_scope_at(a, i)); i++)
		if (s->configured && !strcmp(s->name, path))
			return s;
	return NULL;
}

static int claim(struct pb_agent *a, const struct pb_config_scope *s, uint64_t ref)
{
	const struct pb_app_rec *rec;
	struct pb_claim_req req;
	char text[PB_ERR_LEN];
	int err;

	pb_config_claim(s, ref, &req);
	err = pb_registry_claim(a->registry, &req, &rec, text);
	if (err) {
		log_warn("[scope %s] (%s:%u): %s", s->label, s->src.file, s->src.line, text);
		return err;
	}
	err = pb_publish(a, rec);
	if (err)
		log_warn("[scope %s]: cannot write to the maps: %s", s->label, strerror(-err));
	return err;
}

static int attach(struct pb_agent *a, const struct pb_config_scope *s, uint64_t ref)
{
	_cleanup_close_ int fd = open(s->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = pb_loader_attach_cgroup(a->loader, fd, ref, false, NULL);
	if (err)
		log_warn("[scope %s]: cannot attach the hooks to %s: %s", s->label, s->cgroup,
			 strerror(-err));
	return err;
}

/* Identity first, hooks then: the other order would refuse what the scope does in between. */
static int begin(struct pb_agent *a, const struct pb_config_scope *s, uint64_t ref)
{
	int err = pb_scope_add(a, ref, s->cgroup, true, time(NULL));

	if (err)
		return err;
	err = claim(a, s, ref);
	if (!err)
		err = attach(a, s, ref);
	if (err)
		pb_scope_forget(a, ref);
	else
		log_info("[scope %s]: %s is managed", s->label, s->cgroup);
	return err;
}

static bool apply_one(struct pb_agent *a, const struct pb_config_scope *s)
{
	struct pb_scope *old = known(a, s->cgroup);
	uint64_t ref;
	int err = pb_cgroup_id(AT_FDCWD, s->cgroup, &ref);

	if (err == -EMEDIUMTYPE)
		log_warn("[scope %s]: %s is not below the cgroup2 mount", s->label, s->cgroup);
	if (old && (err || old->ref != ref)) {
		log_info("[scope %s]: %s is gone", s->label, s->cgroup);
		pb_scope_forget(a, old->ref);
		old = NULL;
	}
	if (err)
		return err == -ENOENT; /* it may come */
	return old || !begin(a, s, ref);
}

void pb_scope_conf_apply(struct pb_agent *a)
{
	bool ok = true;

	for (size_t i = 0; i < a->conf->n_scopes; i++)
		ok &= apply_one(a, &a->conf->scopes[i]);
	pb_agent_warn(a, PB_W_SCOPE, !ok);
}

/* A [scope] that is no longer in the configuration loses its identity. */
static void drop_removed(struct pb_agent *a)
{
	struct pb_scope *s;

	for (size_t i = 0; (s = pb_scope_at(a, i));) {
		bool found = !s->configured;

		for (size_t k = 0; k < a->conf->n_scopes && !found; k++)
			found = !strcmp(a->conf->scopes[k].cgroup, s->name);
		if (found) {
			i++;
			continue;
		}
		log_info(
			"%s is no longer in the configuration: it keeps the hooks, without an identity, until it ends",
			s->name);
		pb_scope_forget(a, s->ref);
	}
}

/* The record under the same ref is replaced: the kernel sees no gap. */
static void renew(struct pb_agent *a, const struct pb_config_scope *s, uint64_t ref)
{
	const struct pb_app_rec *rec = pb_registry_by_ref(a->registry, ref);
	struct pb_app old;

	if (!rec)
		return;
	old = rec->app;
	pb_unpublish_egress(a, rec);
	pb_registry_release(a->registry, ref);
	if (claim(a, s, ref) || attach(a, s, ref))
		pb_scope_forget(a, ref);
	pb_unpublish_rest(a, &old);
}

void pb_scope_conf_refresh(struct pb_agent *a)
{
	drop_removed(a);
	for (size_t i = 0; i < a->conf->n_scopes; i++) {
		struct pb_scope *old = known(a, a->conf->scopes[i].cgroup);

		if (old)
			renew(a, &a->conf->scopes[i], old->ref);
	}
	pb_scope_conf_apply(a);
	pb_scopes_watch_parents(a);
}

void pb_scope_conf_parents(struct pb_agent *a, void (*fn)(struct pb_agent *a, const char *dir))
{
	for (size_t i = 0; i < a->conf->n_scopes; i++) {
		char dir[PB_CONFIG_PATH_MAX];
		char *slash;

		strcpy(dir, a->conf->scopes[i].cgroup);
		slash = strrchr(dir, '/');
		if (!slash || slash == dir)
			continue;
		*slash = '\0';
		fn(a, dir);
	}
}
