/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where things are: options win over the configuration, which wins over the defaults. */
#include <libgen.h>

#include "agent.h"
#include "cgroup.h"
#include "memcached.h"
#include "util.h"

#define DEFAULT_CONFIG "/etc/patchbay/patchbay.conf"
#define DEFAULT_RUN_DIR "/run/patchbay"
#define DEFAULT_BPFFS "/sys/fs/bpf"
#define HELPER_NAME "patchbay-helper"
#define FRAMES_NAME "patchbay-frames"

/* The services too: they are in force with the rest, or nothing is. */
static int load(const char *path, char *identity, struct pb_config_file **ret,
		char err[PB_CONFIG_ERR_LEN])
{
	struct pb_config_file *c = NULL;
	int e = pb_config_load(path, identity, &c, err);

	if (!e)
		e = pb_services_load_for(c, path, err);
	if (e)
		pb_config_free(c);
	else
		*ret = c;
	return e;
}

int pb_agent_load_config(const struct pb_agent_opts *opts, struct pb_config_file **ret,
			 char err[PB_CONFIG_ERR_LEN])
{
	const char *path = opts->config ? opts->config : DEFAULT_CONFIG;
	char copy[PATH_MAX], identity[PATH_MAX + 16];

	if (strlen(path) >= sizeof(copy)) {
		snprintf(err, PB_CONFIG_ERR_LEN, "the path of the configuration is too long");
		return -ENAMETOOLONG;
	}
	/* only the default may be missing: a file that was asked for must be there */
	if (opts->config && access(path, R_OK)) {
		snprintf(err, PB_CONFIG_ERR_LEN, "%s: %s", path, strerror(errno));
		return -errno;
	}
	strcpy(copy, path);
	snprintf(identity, sizeof(identity), "%s/identity.d", dirname(copy));
	return load(path, identity, ret, err);
}

static int choose(char ret[PATH_MAX], const char *option, const char *configured, const char *dflt)
{
	const char *path = option ? option : configured[0] ? configured : dflt;

	if (strlen(path) >= PATH_MAX || path[0] != '/')
		return pb_refuse(-EINVAL, "\"%s\" is not an absolute path", path);
	strcpy(ret, path);
	return 0;
}

static int default_cgroup(char ret[PATH_MAX])
{
	char mount[PATH_MAX - 16];
	int err = pb_cgroup_mount(mount, sizeof(mount));

	if (err)
		return pb_refuse(err, "no cgroup2 is mounted");
	snprintf(ret, PATH_MAX, "%s/patchbay", mount);
	return 0;
}

/* Beside the agent's own binary: they are installed, and updated, together. */
static int beside(const char *name, char ret[PATH_MAX])
{
	char self[PATH_MAX - 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return log_err(-errno, "cannot find the own binary");
	self[n] = '\0';
	snprintf(ret, PATH_MAX, "%s/%s", dirname(self), name);
	return 0;
}

int pb_agent_paths(struct pb_agent *a)
{
	const struct pb_config_agent *c = &a->conf->agent;
	char cgroup[PATH_MAX], helper[PATH_MAX], frames[PATH_MAX];
	int err = 0;

	if (!a->opts->cgroup && !c->cgroup[0])
		err = default_cgroup(cgroup);
	if (!err && !a->opts->helper)
		err = beside(HELPER_NAME, helper);
	if (!err && !a->opts->frames)
		err = beside(FRAMES_NAME, frames);
	if (!err)
		err = choose(a->cgroup, a->opts->cgroup, c->cgroup, cgroup);
	if (!err)
		err = choose(a->helper_path, a->opts->helper, "", helper);
	if (!err)
		err = choose(a->frames_path, a->opts->frames, "", frames);
	if (!err)
		err = choose(a->run_dir, a->opts->run_dir, c->run_dir, DEFAULT_RUN_DIR);
	if (!err)
		err = choose(a->bpffs, a->opts->bpffs, c->bpffs, DEFAULT_BPFFS);
	a->gid = c->gid;
	return err;
}
