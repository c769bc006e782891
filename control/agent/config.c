/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which files, in which order, and that they are fit to be read. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "../util.h"
#include "config_internal.h"

static void config_freep(struct pb_config_file **c)
{
	pb_config_free(*c);
}

void pb_config_free(struct pb_config_file *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_rules; i++)
		free(c->rule[i]);
	for (size_t i = 0; i < c->n_files; i++)
		free(c->files[i]);
	for (size_t i = 0; i < c->n_values; i++)
		free(c->values[i].text);
	free(c->values);
	free(c->scopes);
	free(c->services);
	pb_services_free(c);
	free(c->announces);
	free(c->grants);
	free(c->grant_src);
	free(c);
}

static int read_all(int fd, char *buf, size_t size, size_t *ret)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, buf + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		n += (size_t)got;
	}
	*ret = n;
	return 0;
}

static int fail_file(char *err, const char *path, int code, const char *why)
{
	snprintf(err, PB_CONFIG_ERR_LEN, "%.500s: %s", path, why);
	return code;
}

/* O_NONBLOCK: a FIFO in the place of the file must not hang the agent. */
static int read_file(const char *path, char **ret, char *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n = 0;
	int e;

	if (fd < 0 || fstat(fd, &st))
		return fail_file(err, path, -errno, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail_file(err, path, -EINVAL, "not a regular file");
	if (st.st_mode & S_IWOTH)
		return fail_file(err, path, -EPERM, "everybody may write it: chmod o-w");
	text = malloc(PB_CONFIG_BYTES_MAX + 2);
	if (!text)
		return fail_file(err, path, -ENOMEM, "no memory");
	e = read_all(fd, text, PB_CONFIG_BYTES_MAX + 1, &n);
	if (e)
		return fail_file(err, path, e, strerror(-e));
	if (n > PB_CONFIG_BYTES_MAX)
		return fail_file(err, path, -EFBIG, "larger than 1 MiB");
	if (memchr(text, 0, n))
		return fail_file(err, path, -EINVAL, "holds a zero byte: not a text file");
	text[n] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

static int load_file(struct cfg_parser *p, const char *path)
{
	struct pb_config_file *c = p->c;
	_cleanup_free_ char *text = NULL;
	int e;

	if (c->n_files == PB_CONFIG_FILES_MAX)
		return fail_file(p->err, path, -ENOSPC, "too many files: at most 256 are read");
	e = read_file(path, &text, p->err);
	if (e)
		return e;
	c->files[c->n_files] = strdup(path);
	if (!c->files[c->n_files])
		return fail_file(p->err, path, -ENOMEM, "no memory");
	p->file = c->files[c->n_files++];
	return cfg_parse_text(p, text);
}

static int is_conf(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 && !strcmp(d->d_name + len - 5, ".conf");
}

/* By byte value: the order must not hang on the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_dir(struct cfg_parser *p, const char *dir)
{
	struct dirent **list;
	char path[PATH_MAX];
	int n = scandir(dir, &list, is_conf, by_bytes);
	int e = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : fail_file(p->err, dir, -errno, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (!e && (size_t)snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name) >=
				  sizeof(path))
			e = fail_file(p->err, dir, -ENAMETOOLONG, "the path is too long");
		if (!e)
			e = load_file(p, path);
		free(list[i]);
	}
	free(list);
	return e;
}

static int load_main(struct cfg_parser *p, const char *path)
{
	char dir[PATH_MAX];

	if (access(path, F_OK) == 0) {
		int e = load_file(p, path);

		if (e)
			return e;
	} else if (errno != ENOENT) {
		return fail_file(p->err, path, -errno, strerror(errno));
	}
	if ((size_t)snprintf(dir, sizeof(dir), "%s.d", path) >= sizeof(dir))
		return fail_file(p->err, path, -ENAMETOOLONG, "the path is too long");
	return load_dir(p, dir);
}

int pb_config_load_with(const char *path, const char *identity_dir,
			const struct pb_config_lookup *lookup, struct pb_config_file **ret,
			char err[PB_CONFIG_ERR_LEN])
{
	_cleanup_(config_freep) struct pb_config_file *c = calloc(1, sizeof(*c));
	struct cfg_parser p = { .c = c, .kind = CFG_MAIN, .err = err };
	int e;

	if (!c)
		return fail_file(err, path, -ENOMEM, "no memory");
	cfg_defaults(&c->agent, CFG_AGENT);
	cfg_defaults(&c->cluster, CFG_CLUSTER);
	e = load_main(&p, path);
	p.kind = CFG_IDENTITY;
	if (!e && identity_dir)
		e = load_dir(&p, identity_dir);
	if (!e)
		e = cfg_resolve(c, lookup, err);
	if (!e)
		e = cfg_check(c, err);
	if (e)
		return e;
	*ret = TAKE_PTR(c);
	return 0;
}

int pb_config_load(const char *path, const char *identity_dir, struct pb_config_file **ret,
		   char err[PB_CONFIG_ERR_LEN])
{
	return pb_config_load_with(path, identity_dir, &cfg_system_lookup, ret, err);
}
