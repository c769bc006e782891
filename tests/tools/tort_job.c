// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The agreement of both programs: settings, lines of the control connection, figures, the end. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tort.h"

static const struct key {
	const char *name;
	size_t offset;
	enum { NUMBER, SEED, WORD } type;
} keys[] = {
#define KEY(name, type) #name, offsetof(struct job, name), type
	{ KEY(seed, SEED) },	  { KEY(conns, NUMBER) },   { KEY(bytes, NUMBER) },
	{ KEY(size, NUMBER) },	  { KEY(rsize, NUMBER) },   { KEY(rounds, NUMBER) },
	{ KEY(threads, NUMBER) }, { KEY(secs, NUMBER) },    { KEY(ack, NUMBER) },
	{ KEY(pause, NUMBER) },	  { KEY(quiet, NUMBER) },   { KEY(hold, NUMBER) },
	{ KEY(cap, NUMBER) },	  { KEY(backlog, NUMBER) }, { KEY(late, NUMBER) },
	{ KEY(unread, NUMBER) },  { KEY(lax, NUMBER) },	    { KEY(nagle, NUMBER) },
	{ KEY(spoil, NUMBER) },	  { KEY(again, NUMBER) },   { KEY(tell, NUMBER) },
	{ KEY(burst, NUMBER) },	  { KEY(mode, WORD) },	    { KEY(dir, WORD) },
	{ KEY(who, WORD) },	  { KEY(opt, WORD) },	    { KEY(when, WORD) },
	{ KEY(how, WORD) },	  { KEY(block, WORD) },
#undef KEY
};

static char peer_said[TT_LINE]; /* why it failed, if it did */

bool job_is(const char *word, const char *what)
{
	return !strcmp(word, what);
}

static int number(const char *text, long *ret)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || n < 0)
		return -EINVAL;
	switch (*end) {
	case 'k': n <<= 10, end++; break;
	case 'm': n <<= 20, end++; break;
	case 'g': n <<= 30, end++; break;
	}
	*ret = n;
	return *end ? -EINVAL : 0;
}

int job_set(struct job *j, const char *word)
{
	const char *value = strchr(word, '=');
	size_t len = value ? (size_t)(value - word) : 0;

	for (size_t i = 0; value && i < TT_COUNT(keys); i++) {
		void *to = (char *)j + keys[i].offset;

		if (strlen(keys[i].name) != len || strncmp(keys[i].name, word, len))
			continue;
		switch (keys[i].type) {
		case NUMBER: return number(value + 1, to);
		case SEED: *(uint64_t *)to = strtoull(value + 1, NULL, 0); return 0;
		case WORD:
			if (strlen(value + 1) >= TT_WORD)
				return -EINVAL;
			strcpy(to, value + 1);
			return 0;
		}
	}
	return -EINVAL;
}

/* Only what was set. */
size_t job_words(const struct job *j, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < TT_COUNT(keys) && n < size; i++) {
		const void *at = (const char *)j + keys[i].offset;

		if (keys[i].type == WORD && *(const char *)at)
			n += snprintf(buf + n, size - n, " %s=%s", keys[i].name, (const char *)at);
		else if (keys[i].type == NUMBER && *(const long *)at)
			n += snprintf(buf + n, size - n, " %s=%ld", keys[i].name,
				      *(const long *)at);
		else if (keys[i].type == SEED)
			n += snprintf(buf + n, size - n, " %s=%llu", keys[i].name,
				      *(const unsigned long long *)at);
	}
	return n;
}

/* ---- lines ---- */

void job_send(struct job *j, const char *fmt, ...)
{
	char line[TT_LINE];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (send(j->ctl, line, n, MSG_NOSIGNAL) != n)
		j->alone = true;
}

bool job_recv(struct job *j, char *buf, size_t size)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = recv(j->ctl, buf + n, 1, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			j->alone = true;
			return false;
		}
		if (buf[n] == '\n' || n == size - 2)
			break;
		n++;
	}
	buf[n] = '\0';
	if (strncmp(buf, "FAIL ", 5))
		return true;
	snprintf(peer_said, sizeof(peer_said), "%s", buf + 5);
	job_die(j, "ended by the %s", j->server ? "client" : "server");
}

void job_sync(struct job *j)
{
	pthread_mutex_lock(&j->ctl_lock);
	job_sync_now(j);
	pthread_mutex_unlock(&j->ctl_lock);
}

void job_sync_now(struct job *j)
{
	char line[TT_LINE];

	job_send(j, "sync %d", j->flag);
	if (!job_recv(j, line, sizeof(line)) || sscanf(line, "sync %d", &j->peer_flag) != 1)
		job_die(j, "the peer program is gone, or said '%s'", j->alone ? "" : line);
}

void end_sync(struct end *e)
{
	if (pthread_barrier_wait(&e->job->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
		job_sync(e->job);
	pthread_barrier_wait(&e->job->barrier);
}

/* ---- figures ---- */

static struct note *note_of(struct job *j, const char *name)
{
	struct note *n = j->notes;

	while (n < j->notes + j->n_notes && strcmp(n->name, name))
		n++;
	if (n == j->notes + j->n_notes) {
		if (j->n_notes == TT_NOTES)
			return NULL;
		j->n_notes++;
		snprintf(n->name, sizeof(n->name), "%s", name);
		n->min = UINT64_MAX;
	}
	return n;
}

void job_note(struct job *j, const char *name, uint64_t value)
{
	struct note *n;

	pthread_mutex_lock(&j->lock);
	n = note_of(j, name);
	if (n && value < n->min)
		n->min = value;
	if (n && value > n->max)
		n->max = value;
	pthread_mutex_unlock(&j->lock);
}

/* Different texts of several ends make "mixed". */
void job_note_text(struct job *j, const char *name, const char *text)
{
	struct note *n;

	pthread_mutex_lock(&j->lock);
	n = note_of(j, name);
	if (n)
		snprintf(n->text, sizeof(n->text), "%s",
			 n->is_text && strcmp(n->text, text) ? "mixed" : text);
	if (n)
		n->is_text = true;
	pthread_mutex_unlock(&j->lock);
}

/* ---- the bad end ---- */

/* The server mostly knows better: it noticed first, and so the connections broke. */
static void wait_for_peer(struct job *j)
{
	struct pollfd p = { .fd = j->ctl, .events = POLLIN };
	char c;
	size_t n = 0;

	while (j->ctl >= 0 && !peer_said[0] && poll(&p, 1, 1000) > 0) {
		char line[TT_LINE];

		for (n = 0; n < sizeof(line) - 1; n++) {
			if (recv(j->ctl, &c, 1, 0) <= 0)
				return;
			if (c == '\n')
				break;
			line[n] = c;
		}
		line[n] = '\0';
		if (!strncmp(line, "FAIL ", 5))
			snprintf(peer_said, sizeof(peer_said), "%s", line + 5);
	}
}

static void die(struct job *j, const char *text)
{
	static atomic_flag dying = ATOMIC_FLAG_INIT;
	char words[TT_LINE];

	while (atomic_flag_test_and_set(&dying))
		wait_us(1000000);
	job_send(j, "FAIL %s", text);
	if (!j->server)
		wait_for_peer(j);
	job_words(j, words, sizeof(words));
	printf("FAIL %s: %s: %s%s%s (%s%s)\n", j->mode, j->server ? "server" : "client", text,
	       peer_said[0] ? "; the peer: " : "", peer_said, j->mapped ? "mapped" : "as is",
	       words);
	fflush(stdout);
	_exit(TT_FAILED);
}

void job_die(struct job *j, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	die(j, text);
	_exit(TT_FAILED);
}

void end_die(struct end *e, const char *fmt, ...)
{
	char text[500], all[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "connection %u, sent %llu, received %llu: %s", e->idx,
		 (unsigned long long)e->out.pos, (unsigned long long)e->in.pos, text);
	die(e->job, all);
	_exit(TT_FAILED);
}

bool end_is_who(const struct end *e)
{
	return job_is(e->job->who, "server") == e->job->server;
}

bool end_sends(const struct end *e)
{
	const char *dir = e->job->dir;

	if (job_is(dir, "up"))
		return !e->job->server;
	return job_is(dir, "down") ? e->job->server : true;
}

bool end_reads(const struct end *e)
{
	const char *dir = e->job->dir;

	if (job_is(dir, "up"))
		return e->job->server;
	return job_is(dir, "down") ? !e->job->server : true;
}
