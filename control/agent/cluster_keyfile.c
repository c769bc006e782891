/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * key-file: the keys of the cluster as somebody else brings them to every node, for example a secret
 * of Kubernetes.  A key that appears is installed; the first one is used when everybody has it; one
 * that is gone decrypts on for a week.
 */
#include <fcntl.h>
#include <libgen.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include "cluster_internal.h"

#define FILE_MAX 4096
#define LONELY_S 60 /* nobody was heard so long: perhaps they all have a newer key */

int pb_keyfile_parse(const char *text, struct pb_secret ret[PB_CLUSTER_KEYS], char err[PB_ERR_LEN])
{
	char word[PB_KEY_TEXT_LEN + 4];
	unsigned n = 0, line = 0;

	for (const char *p = text, *next; *p; p = next) {
		size_t len = strcspn(p, "\n");

		next = p + len + (p[len] == '\n');
		line++;
		while (len && strchr(" \t\r", p[len - 1]))
			len--;
		if (!len || *p == '#')
			continue;
		if (n == PB_CLUSTER_KEYS)
			return pb_fail(err, -E2BIG, "more than %d keys", PB_CLUSTER_KEYS);
		snprintf(word, sizeof(word), "%.*s", (int)(len < 60 ? len : 60), p);
		if (len >= sizeof(word) ||
		    pb_secret_parse(word, &ret[n])) /* not shown: half a key */
			return pb_fail(err, -EINVAL,
				       "line %u is not a key: 16, 24 or 32 bytes in base64", line);
		n++;
	}
	OPENSSL_cleanse(word, sizeof(word));
	return n ? (int)n : pb_fail(err, -EINVAL, "there is no key in it");
}

int pb_keyfile_read(const char *path, struct pb_secret ret[PB_CLUSTER_KEYS], char err[PB_ERR_LEN])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[FILE_MAX + 1], why[PB_ERR_LEN];
	struct stat st;
	ssize_t n;
	int e;

	if (fd < 0 || fstat(fd, &st))
		return pb_fail(err, -errno, "%.180s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return pb_fail(err, -EINVAL, "%.180s is not a file of keys", path);
	if (st.st_mode & (S_IWGRP | S_IRWXO))
		return pb_fail(err, -EACCES,
			       "%.140s: others may read or write it, and it holds keys: chmod 0600",
			       path);
	n = read(fd, text, FILE_MAX);
	if (n < 0)
		return pb_fail(err, -errno, "%.180s: %s", path, strerror(errno));
	text[n] = '\0';
	e = pb_keyfile_parse(text, ret, why);
	OPENSSL_cleanse(text, sizeof(text));
	return e < 0 ? pb_fail(err, e, "%.100s: %.120s", path, why) : e;
}

static const char *path_of(const struct pb_cluster *c)
{
	return c->agent->conf->cluster.key_file;
}

int pb_cluster_keyfile_first(struct pb_cluster *c, struct pb_cluster_file *f, char err[PB_ERR_LEN])
{
	int n = *path_of(c) ? pb_keyfile_read(path_of(c), f->keys, err) : 0;

	if (n < 0)
		return n;
	f->n_keys = (unsigned)n;
	return 0;
}

/* ---- the ring follows ------------------------------------------------------ */

static bool same(const struct pb_secret *a, const struct pb_secret *b)
{
	return a->len == b->len && !CRYPTO_memcmp(a->bytes, b->bytes, a->len);
}

static bool listed(const struct pb_secret *s, const struct pb_secret *keys, int n)
{
	for (int i = 0; i < n; i++)
		if (same(s, &keys[i]))
			return true;
	return false;
}

/* 0, or what stands in the way. */
static int install(struct pb_cluster *c, const struct pb_secret *keys, int n, char err[PB_ERR_LEN])
{
	int e = 0;

	for (int i = n; !e && i-- > 0;) /* the last one comes to stand first */
		if (!listed(&keys[i], c->file.keys, (int)c->file.n_keys))
			e = pb_cluster_ring_add(c, &keys[i], err);
	for (unsigned i = 0; i < c->file.n_keys; i++) {
		struct pb_secret *s = &c->file.keys[i];
		bool in = listed(s, keys, n);

		if (in && s->until_s && i)
			s->until_s = 0;
		else if (!in && !s->until_s && i)
			s->until_s = time(NULL) + PB_KEY_KEEP_S;
		else
			continue;
		c->file_stale = true;
	}
	return e;
}

/* Right after a start nobody is known, and so nobody lacks a key. */
static bool too_early(const struct pb_cluster *c)
{
	return !c->heard && (c->file.n_seeds || c->file.n_known) &&
	       pb_now_ns() - c->start_ns < LONELY_S * 1000000000ULL;
}

static int follow(struct pb_cluster *c, char err[PB_ERR_LEN])
{
	struct pb_secret keys[PB_CLUSTER_KEYS] = { 0 };
	char id[PB_KEY_ID_LEN];
	int n = pb_keyfile_read(path_of(c), keys, err), e;

	e = n < 0 ? n : install(c, keys, n, err);
	if (!e && !same(&keys[0], &c->file.keys[0])) {
		pb_secret_id(&keys[0], id);
		e = too_early(c) ? pb_fail(err, -EAGAIN, "no other node was heard yet")
				 : pb_cluster_ring_use(c, id, false, err);
		if (!e)
			log_info("key %s of key-file is in use: everybody has it", id);
	}
	OPENSSL_cleanse(keys, sizeof(keys));
	return e;
}

void pb_cluster_keyfile_look(struct pb_cluster *c)
{
	char err[PB_ERR_LEN] = "";
	int e = 0;

	if (*path_of(c) && c->pool && c->file.n_keys)
		e = follow(c, err);
	if (strcmp(err, c->keyfile_err) != 0 && e)
		pb_cluster_warn(c, "key-file: %s", err);
	snprintf(c->keyfile_err, sizeof(c->keyfile_err), "%s", e ? err : "");
	pb_agent_warn(c->agent, PB_W_KEY_FILE, e != 0);
}

/* ---- watched ---------------------------------------------------------------- */

static void on_change(uv_fs_event_t *h, const char *name, int events, int status)
{
	(void)name; /* a mounted secret changes by a link beside it */
	(void)events;
	(void)status;
	pb_cluster_keyfile_look(h->data);
}

void pb_cluster_keyfile_start(struct pb_cluster *c)
{
	char dir[PB_CONFIG_PATH_MAX];
	int err;

	if (!*path_of(c))
		return;
	snprintf(dir, sizeof(dir), "%s", path_of(c));
	err = uv_fs_event_start(&c->keyfile, on_change, dirname(dir), 0);
	if (err) /* it is also looked at every few seconds */
		log_warn("the folder of %s cannot be watched: %s", path_of(c), uv_strerror(err));
	pb_cluster_keyfile_look(c);
}

void pb_cluster_keyfile_stop(struct pb_cluster *c)
{
	uv_fs_event_stop(&c->keyfile);
}
