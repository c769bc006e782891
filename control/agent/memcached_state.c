/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * memcached.json: services that were added while running, and of every service which server has which
 * number, and what the fence knows.  Written before a table changes, so that a restart forgets no
 * server that has old values.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "memcached_internal.h"
#include "util.h"

#define FILE_MAX (16u << 20)

/* ---- out ----------------------------------------------------------------- */

static json_t *set_json(const struct mcf_set *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < MCF_SERVERS; i++)
		if (mcf_has(s, i))
			json_array_append_new(list, json_integer(i));
	return list;
}

static json_t *server_json(const struct mca *m, unsigned i)
{
	const struct mct_server *v = &m->server[i];
	const struct mcf_server *f = &m->fence.s[i];
	struct mcs_backend b = { .addr = v->addr, .port = v->port, .weight = v->weight };
	char text[MCS_BACKEND_TEXT];

	memcpy(b.name, v->name, sizeof(b.name));
	return json_pack("{s:i, s:s, s:b, s:i, s:b, s:b, s:b, s:o, s:o}", "n", (int)i, "server",
			 mcs_backend_format(&b, text), "gutter", v->gutter, "state", f->state,
			 "drained", f->wish, "stale", f->stale, "joined", f->joined, "standins",
			 set_json(&m->fence.standin[i]), "dirty", set_json(&m->fence.dirty[i]));
}

static json_t *run_json(const struct mc_run *r)
{
	const struct mca *m = r->m;
	json_t *servers = json_array();
	char sum[20];

	for (unsigned i = 0; i < m->n_servers; i++)
		if (m->server[i].used)
			json_array_append_new(servers, server_json(m, i));
	snprintf(sum, sizeof(sum), "%llx", (unsigned long long)m->ring_sum);
	return json_pack("{s:s, s:b, s:i, s:I, s:s, s:b, s:i, s:o, s:o, s:o}", "name",
			 m->conf->name, "file", m->from_file, "index", (int)m->index, "epoch",
			 (json_int_t)m->epoch, "sum", sum, "pending", m->ring_pending,
			 "source_port", (int)ntohs(m->place.source_port), "servers", servers,
			 "service", mcs_to_json(m->conf, false), "home",
			 mcs_to_json(m->home_conf ? m->home_conf : m->conf, false));
}

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = -1;
	size_t n = strlen(text), at = 0;

	unlink(path); /* what a crash left */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (fd >= 0 && at < n) {
		ssize_t got = write(fd, text + at, n - at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		at += (size_t)got;
	}
	return fd < 0 || fsync(fd) ? -errno : 0;
}

static int replace(const char *dir, const char *text)
{
	char path[PATH_MAX], next[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int err;

	if ((size_t)snprintf(path, sizeof(path), "%s/" PB_MC_FILE, dir) >= sizeof(path) ||
	    (size_t)snprintf(next, sizeof(next), "%s/" PB_MC_FILE ".new", dir) >= sizeof(next))
		return -ENAMETOOLONG;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	err = write_text(next, text);
	if (err)
		return err;
	if (rename(next, path))
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? -errno : 0;
}

int mc_save(struct pb_memcached *all)
{
	const char *dir = all->agent->conf->cluster.state_dir;
	_cleanup_free_ char *text = NULL;
	json_t *list = json_array(), *o;
	int err;

	for (unsigned i = 0; i < PB_MC_SERVICES; i++)
		if (all->run[i])
			json_array_append_new(list, run_json(all->run[i]));
	o = json_pack("{s:i, s:o}", "version", 1, "services", list);
	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	err = text ? replace(dir, text) : -ENOMEM;
	return err ? log_err(err, "cannot write %s/" PB_MC_FILE, dir) : 0;
}

/* ---- in ------------------------------------------------------------------ */

json_t *mc_state_load(struct pb_agent *a)
{
	const char *dir = a->conf->cluster.state_dir;
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	json_error_t je;
	struct stat st;
	json_t *o;

	snprintf(path, sizeof(path), "%s/" PB_MC_FILE, dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX ||
	    (st.st_mode & (S_IWGRP | S_IWOTH))) {
		log_warn("%s cannot be used: not a file that root alone may write", path);
		return NULL;
	}
	o = json_loadfd(fd, JSON_REJECT_DUPLICATES, &je);
	if (!o || json_integer_value(json_object_get(o, "version")) != 1) {
		log_warn("%s cannot be used: %s", path, o ? "another version" : je.text);
		json_decref(o);
		return NULL;
	}
	return o;
}

static int read_set(const json_t *list, struct mcf_set *ret)
{
	json_t *v;
	size_t i;

	json_array_foreach ((json_t *)list, i, v) {
		json_int_t n = json_integer_value(v);

		if (n < 0 || n >= MCF_SERVERS)
			return -EINVAL;
		ret->w[n / 64] |= 1ULL << (n % 64);
	}
	return 0;
}

static int read_server(struct mca *m, const json_t *o, uint64_t now)
{
	const char *text = json_string_value(json_object_get(o, "server"));
	json_int_t n = json_integer_value(json_object_get(o, "n"));
	json_int_t state = json_integer_value(json_object_get(o, "state"));
	char err[PB_ERR_LEN];
	struct mcs_backend b;
	struct mcf_server *f;

	if (!text || n < 0 || n >= MCF_SERVERS || state <= MCF_FREE || state > MCF_DRAINED ||
	    mcs_backend_parse(text, &b, err) || *b.service)
		return -EINVAL;
	if ((unsigned)n >= m->n_servers)
		m->n_servers = (unsigned)n + 1;
	m->server[n] = (struct mct_server){
		.used = true,
		.gutter = json_is_true(json_object_get(o, "gutter")),
		.weight = b.weight,
		.addr = b.addr,
		.port = b.port,
	};
	memcpy(m->server[n].name, b.name, sizeof(b.name));
	mcf_add(&m->fence, (unsigned)n, m->server[n].gutter, true, now);
	f = &m->fence.s[n];
	f->state = (uint8_t)state;
	f->wish = json_is_true(json_object_get(o, "drained"));
	f->stale = json_is_true(json_object_get(o, "stale"));
	f->joined = json_is_true(json_object_get(o, "joined"));
	f->due = now;
	return 0;
}

/* The table of homes as it was: what moves when the configuration has changed meanwhile? */
static int was_home(struct mca *m, const json_t *service)
{
	char err[PB_ERR_LEN];
	_cleanup_(mcs_freep) struct mcs_service *old = mcs_from_json(service, err);

	return old ? mct_home(m->home, old, m->ring_key, m->server, m->n_servers, &m->fence)
		   : -EINVAL;
}

int mc_state_restore(struct mca *m, const json_t *o, uint64_t now)
{
	const json_t *servers = json_object_get(o, "servers");
	const char *sum = json_string_value(json_object_get(o, "sum"));
	json_t *v;
	size_t i;
	int err = 0;

	json_array_foreach ((json_t *)servers, i, v)
		if (!err)
			err = read_server(m, v, now);
	json_array_foreach ((json_t *)servers, i, v) {
		json_int_t n = json_integer_value(json_object_get(v, "n"));

		if (!err)
			err = read_set(json_object_get(v, "standins"), &m->fence.standin[n]);
		if (!err)
			err = read_set(json_object_get(v, "dirty"), &m->fence.dirty[n]);
	}
	if (err)
		return err;
	m->epoch = (uint32_t)json_integer_value(json_object_get(o, "epoch"));
	m->ring_sum = sum ? strtoull(sum, NULL, 16) : 0;
	m->ring_pending = json_is_true(json_object_get(o, "pending"));
	m->place.source_port =
		htons((uint16_t)json_integer_value(json_object_get(o, "source_port")));
	return was_home(m, json_object_get(o, "home"));
}
