/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* services.d: services as JSON, one file after the other by name. */
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>

#include "../memcached/service.h"
#include "../util.h"
#include "config.h"

#define SERVICES_MAX 64 /* PB_MC_SERVICES */

void pb_services_free(struct pb_config_file *c)
{
	for (size_t i = 0; i < c->n_memcached; i++)
		free(c->memcached[i]);
	free(c->memcached);
	c->memcached = NULL;
	c->n_memcached = 0;
}

static int fail(char *err, const char *path, int code, const char *why)
{
	snprintf(err, PB_CONFIG_ERR_LEN, "%.400s: %s", path, why);
	pb_printable(err);
	return code;
}

static int read_text(const char *path, char *text, size_t *ret_n, char *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st))
		return fail(err, path, -errno, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(err, path, -EINVAL, "not a regular file");
	if (st.st_mode & S_IWOTH)
		return fail(err, path, -EPERM, "everybody may write it: chmod o-w");
	while (n <= MCS_TEXT_MAX) {
		ssize_t got = read(fd, text + n, MCS_TEXT_MAX + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(err, path, -errno, strerror(errno));
		if (!got)
			break;
		n += (size_t)got;
	}
	*ret_n = n;
	return 0;
}

static int add(struct pb_config_file *c, const char *path, struct mcs_service *s, char *err)
{
	char text[PB_ERR_LEN];

	for (size_t i = 0; i < c->n_memcached; i++) {
		const char *what = mcs_clash(c->memcached[i], s);

		if (!what)
			continue;
		snprintf(text, sizeof(text), "%s: %s: service %s has the same", s->name, what,
			 c->memcached[i]->name);
		return fail(err, path, -EEXIST, text);
	}
	c->memcached[c->n_memcached++] = s;
	return 0;
}

static int load_file(struct pb_config_file *c, const char *path, char *err)
{
	_cleanup_free_ char *text = malloc(MCS_TEXT_MAX + 1);
	struct mcs_service *list[SERVICES_MAX];
	char why[PB_ERR_LEN] = "";
	size_t n = 0, len = 0;
	int e = text ? read_text(path, text, &len, err) : fail(err, path, -ENOMEM, "no memory");

	if (e)
		return e;
	e = mcs_from_text(text, len, list, SERVICES_MAX - c->n_memcached, &n, why);
	if (e)
		return fail(err, path, e, why);
	for (size_t i = 0; i < n; i++) {
		if (!e)
			e = add(c, path, list[i], err);
		if (e)
			free(list[i]);
	}
	return e;
}

static int is_json(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 && !strcmp(d->d_name + len - 5, ".json");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_dir(struct pb_config_file *c, const char *dir, char *err)
{
	struct dirent **list;
	char path[PATH_MAX];
	int n = scandir(dir, &list, is_json, by_bytes), e = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : fail(err, dir, -errno, strerror(errno));
	c->memcached = calloc(SERVICES_MAX, sizeof(*c->memcached));
	if (!c->memcached)
		e = fail(err, dir, -ENOMEM, "no memory");
	for (int i = 0; i < n; i++) {
		if (!e && (size_t)snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name) >=
				  sizeof(path))
			e = fail(err, dir, -ENAMETOOLONG, "the path is too long");
		if (!e)
			e = load_file(c, path, err);
		free(list[i]);
	}
	free(list);
	return e;
}

int pb_services_load_for(struct pb_config_file *c, const char *path, char err[PB_CONFIG_ERR_LEN])
{
	char copy[PATH_MAX], dir[PATH_MAX + 16];

	if (*c->agent.services)
		return load_dir(c, c->agent.services, err);
	if (strlen(path) >= sizeof(copy))
		return fail(err, "services.d", -ENAMETOOLONG, "the path is too long");
	strcpy(copy, path);
	snprintf(dir, sizeof(dir), "%s/services.d", dirname(copy));
	return load_dir(c, dir, err);
}
