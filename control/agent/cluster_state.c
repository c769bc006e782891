/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cluster.json */
#include "cluster_state.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include <patchbay/addr.h>

#include "../util.h"
#include "cluster_json.h"

#define FILE_VERSION 1

static void wipep(char **text)
{
	if (*text)
		OPENSSL_cleanse(*text, strlen(*text));
	free(*text);
}

/* ---- text ---------------------------------------------------------------- */

static int read_addresses(const json_t *list, struct pb_cluster_file *f)
{
	size_t i;
	json_t *e;

	if (!json_is_array(list) || !json_array_size(list) || json_array_size(list) > PB_APP_IPS)
		return -EINVAL;
	json_array_foreach (list, i, e)
		if (!json_is_string(e) || pb_addr_parse(json_string_value(e), &f->address[i]) ||
		    pb_addr_unfit(&f->address[i]))
			return -EINVAL;
	f->n_addresses = (unsigned)json_array_size(list);
	return f->n_addresses == 2 && pb_addr_is_v4(&f->address[0]) == pb_addr_is_v4(&f->address[1])
		       ? -EINVAL
		       : 0;
}

static int read_known(const json_t *list, struct pb_cluster_file *f)
{
	size_t i;
	json_t *e;

	if (!json_is_array(list) || json_array_size(list) > PB_CLUSTER_SEEDS)
		return -EINVAL;
	json_array_foreach (list, i, e) {
		struct pb_known *k = &f->known[i];
		const char *name = json_string_value(json_object_get(e, "name"));
		const char *id = json_string_value(json_object_get(e, "id"));
		const char *addr = json_string_value(json_object_get(e, "address"));

		if (!name || !id || !addr || !pb_node_name_valid(name) ||
		    pb_hex_read(id, k->id, sizeof(k->id)) || pb_cluster_addr_parse(addr, &k->addr))
			return -EINVAL;
		snprintf(k->name, sizeof(k->name), "%s", name);
	}
	f->n_known = (unsigned)json_array_size(list);
	return 0;
}

/* What is wrong; NULL: nothing. */
static const char *read_fields(const json_t *o, struct pb_cluster_file *f)
{
	const char *cluster = json_string_value(json_object_get(o, "cluster"));
	const char *node = json_string_value(json_object_get(o, "node"));
	const char *id = json_string_value(json_object_get(o, "id"));
	json_int_t port = json_integer_value(json_object_get(o, "port"));
	json_int_t epoch = json_integer_value(json_object_get(o, "epoch"));

	if (json_integer_value(json_object_get(o, "version")) != FILE_VERSION)
		return "version";
	if (!cluster || !pb_cluster_name_valid(cluster))
		return "cluster";
	if (!node || !pb_node_name_valid(node))
		return "node";
	if (!id || pb_hex_read(id, f->id, sizeof(f->id)))
		return "id";
	if (port <= 0 || port > UINT16_MAX)
		return "port";
	if (epoch < 0)
		return "epoch";
	if (read_addresses(json_object_get(o, "addresses"), f))
		return "addresses";
	if (cj_keys(json_object_get(o, "keys"), f->keys, &f->n_keys))
		return "keys";
	if (cj_ages(json_object_get(o, "key_ages"), f->keys, f->n_keys))
		return "key_ages";
	if (cj_addrs(json_object_get(o, "seeds"), f->seeds, &f->n_seeds, PB_CLUSTER_SEEDS))
		return "seeds";
	if (read_known(json_object_get(o, "members"), f))
		return "members";
	snprintf(f->cluster, sizeof(f->cluster), "%s", cluster);
	snprintf(f->node, sizeof(f->node), "%s", node);
	f->port = (uint16_t)port;
	f->epoch = (uint64_t)epoch;
	return NULL;
}

int pb_cluster_file_parse(const char *text, size_t n, struct pb_cluster_file *ret,
			  char err[PB_ERR_LEN])
{
	json_t *o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	struct pb_cluster_file *f = calloc(1, sizeof(*f));
	const char *bad = NULL;
	int e = 0;

	if (!f)
		e = pb_fail(err, -ENOMEM, "no memory");
	else if (!json_is_object(o))
		e = pb_fail(err, -EINVAL, "not a JSON object");
	else if ((bad = read_fields(o, f)))
		e = pb_fail(err, -EINVAL, "\"%s\" is missing or wrong", bad);
	else
		*ret = *f;
	json_decref(o);
	if (f)
		OPENSSL_cleanse(f, sizeof(*f));
	free(f);
	return e;
}

static json_t *known_json(const struct pb_cluster_file *f)
{
	json_t *list = json_array();
	char id[PB_NODE_ID_TEXT], text[64];

	for (unsigned i = 0; i < f->n_known; i++) {
		const struct pb_known *k = &f->known[i];

		pb_hex_write(k->id, sizeof(k->id), id);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s}", "name", k->name, "id", id, "address",
					pb_addr_port_format(&k->addr.ip, htons(k->addr.port), text,
							    sizeof(text))));
	}
	return list;
}

char *pb_cluster_file_format(const struct pb_cluster_file *f)
{
	json_t *addresses = json_array(), *o;
	char id[PB_NODE_ID_TEXT], text[64], *ret;

	pb_hex_write(f->id, sizeof(f->id), id);
	for (unsigned i = 0; i < f->n_addresses; i++)
		json_array_append_new(
			addresses, json_string(pb_addr_format(&f->address[i], text, sizeof(text))));
	o = json_pack("{s:i, s:s, s:s, s:s, s:o, s:i, s:o, s:o, s:o, s:o, s:I}", "version",
		      FILE_VERSION, "cluster", f->cluster, "node", f->node, "id", id, "addresses",
		      addresses, "port", (int)f->port, "keys", cj_keys_json(f->keys, f->n_keys),
		      "key_ages", cj_ages_json(f->keys, f->n_keys), "seeds",
		      cj_addrs_json(f->seeds, f->n_seeds), "members", known_json(f), "epoch",
		      (json_int_t)f->epoch);
	ret = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	return ret;
}

/* ---- file ---------------------------------------------------------------- */

static int path_of(const char *dir, const char *suffix, char ret[PATH_MAX])
{
	return (size_t)snprintf(ret, PATH_MAX, "%s/" PB_CLUSTER_FILE "%s", dir, suffix) >= PATH_MAX
		       ? -ENAMETOOLONG
		       : 0;
}

/* @text holds PB_CLUSTER_FILE_MAX + 1. */
static int read_text(const char *path, char *text, size_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_mode & (S_IWGRP | S_IRWXO))
		return -EPERM;
	while (n <= PB_CLUSTER_FILE_MAX) {
		ssize_t got = read(fd, text + n, PB_CLUSTER_FILE_MAX + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		n += (size_t)got;
	}
	*ret_n = n;
	return n > PB_CLUSTER_FILE_MAX ? -EFBIG : 0;
}

int pb_cluster_file_load(const char *dir, struct pb_cluster_file *ret, char err[PB_ERR_LEN])
{
	char path[PATH_MAX], why[PB_ERR_LEN];
	char *text = malloc(PB_CLUSTER_FILE_MAX + 1);
	size_t n = 0;
	int e = text ? path_of(dir, "", path) : -ENOMEM;

	if (!e)
		e = read_text(path, text, &n);
	if (e == -EPERM)
		pb_fail(err, e, "%s: others may read or write it, and it holds keys: chmod 0600",
			path);
	else if (e)
		pb_fail(err, e, "%s: %s", path, strerror(-e));
	else if ((e = pb_cluster_file_parse(text, n, ret, why)))
		pb_fail(err, e, "%.100s: %.140s", path, why);
	if (text)
		OPENSSL_cleanse(text, n);
	free(text);
	return e;
}

static int write_all(int fd, const char *text)
{
	size_t n = strlen(text), at = 0;

	while (at < n) {
		ssize_t got = write(fd, text + at, n - at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		at += (size_t)got;
	}
	return fsync(fd) ? -errno : 0;
}

static int sync_dir(const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? -errno : 0;
}

static int write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = -1;

	unlink(path); /* what a crash left, whoever owned it */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : write_all(fd, text);
}

int pb_cluster_file_save(const char *dir, const struct pb_cluster_file *f)
{
	_cleanup_(wipep) char *text = pb_cluster_file_format(f);
	char path[PATH_MAX] = "", next[PATH_MAX] = "";
	int err = text ? 0 : -ENOMEM;

	if (!err && mkdir(dir, 0700) && errno != EEXIST)
		err = -errno;
	if (!err)
		err = path_of(dir, "", path);
	if (!err)
		err = path_of(dir, ".new", next);
	if (!err)
		err = write_file(next, text);
	if (!err && rename(next, path))
		err = -errno;
	return err ? err : sync_dir(dir);
}

int pb_cluster_file_remove(const char *dir)
{
	char path[PATH_MAX];
	int err = path_of(dir, "", path);

	if (err)
		return err;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return sync_dir(dir);
}
