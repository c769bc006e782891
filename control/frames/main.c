// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* patchbay-frames: as a part of a node (frames_host.h), or alone: one service, from the command line. */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "control/frames/frames_host.h"
#include "control/frames/io.h"
#include "control/memcached/ring.h"
#include "control/util.h"
#include "control/version.h"

#define GRACE_MS 2000

static const char usage[] =
	"Usage: patchbay-frames --run-dir DIR [--control-fd N]\n"
	"       patchbay-frames --listen ADDR:PORT --plugin NAME --server HOST:PORT[*WEIGHT]... [OPTION]...\n"
	"Switches the requests of each client's connection among servers.  The first form is the node's;\n"
	"in the second one it serves alone:\n"
	"  --listen ADDR:PORT            where clients connect to\n"
	"  --plugin memcached|counter    the protocol\n"
	"  --server HOST:PORT[*WEIGHT]   a server, up to 256 of them\n"
	"  --hash maglev|ketama          which server owns a key (maglev)\n"
	"  --timeout MS                  what a server may take to answer (1000)\n"
	"  --memory MB                   what connections may need (256)\n"
	"  --stats FILE                  on SIGUSR1 and at the end: counters, as JSON\n"
	"SIGTERM: what was asked is answered, then it ends.\n";

struct alone {
	uv_loop_t loop;
	uv_signal_t term, intr, usr1;
	struct fio *io;
	struct fio_service *service;
	const struct pb_frame_plugin *plugin;
	const char *listen, *stats;
	struct fe_limits lim;
	uint64_t memory;
	bool ketama;
	uint32_t n;
	struct pb_mc_ring *ring;
	struct fio_server server[PB_FRAME_SERVERS_MAX];
	struct mcr_server weigh[PB_FRAME_SERVERS_MAX];
	char host[PB_FRAME_SERVERS_MAX][64];
};

/* ---- arguments -------------------------------------------------------------------- */

/* "HOST:PORT", "[HOST]:PORT". */
static int resolve(const char *text, char host[64], struct sockaddr_storage *ret, socklen_t *len)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai = NULL;
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!colon || n >= 64)
		return -EINVAL;
	if (n > 1 && text[0] == '[' && colon[-1] == ']') {
		text++;
		n -= 2;
	}
	memcpy(host, text, n);
	host[n] = '\0';
	if (!n || getaddrinfo(host, colon + 1, &hints, &ai))
		return -EINVAL;
	memcpy(ret, ai->ai_addr, ai->ai_addrlen);
	*len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
	/* at the same place in both families */
	return ntohs(((const struct sockaddr_in *)a)->sin_port);
}

static int add_server(struct alone *a, const char *arg)
{
	_cleanup_free_ char *text = strdup(arg);
	char *star = text ? strrchr(text, '*') : NULL;
	struct fio_server *s = &a->server[a->n];
	unsigned long weight = 1;
	int err;

	if (!text || a->n >= PB_FRAME_SERVERS_MAX)
		return -E2BIG;
	if (star) {
		*star = '\0';
		weight = strtoul(star + 1, &star, 10);
		if (*star || weight > 65535)
			return -EINVAL;
	}
	err = resolve(text, a->host[a->n], &s->addr, &s->len);
	if (err)
		return err;
	s->up = weight > 0;
	a->weigh[a->n] = (struct mcr_server){ .host = a->host[a->n],
					      .port = port_of(&s->addr),
					      .weight = (uint32_t)weight };
	a->n++;
	return 0;
}

static const struct option options[] = {
	{ "listen", required_argument, NULL, 'l' },  { "plugin", required_argument, NULL, 'p' },
	{ "server", required_argument, NULL, 's' },  { "hash", required_argument, NULL, 'h' },
	{ "timeout", required_argument, NULL, 't' }, { "memory", required_argument, NULL, 'm' },
	{ "stats", required_argument, NULL, 'f' },   { "help", no_argument, NULL, 'H' },
	{ "version", no_argument, NULL, 'V' },	     { NULL, 0, NULL, 0 }
};

static bool number(const char *s, unsigned long max, unsigned long *ret)
{
	char *end;

	*ret = strtoul(s, &end, 10);
	return *s >= '0' && *s <= '9' && !*end && *ret && *ret <= max;
}

static bool plugin_named(struct alone *a, const char *name)
{
	static const struct pb_frame_plugin *const all[] = { &pb_frame_memcached,
							     &pb_frame_counter };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (!strcmp(all[i]->name, name))
			a->plugin = all[i];
	return a->plugin;
}

static bool take(struct alone *a, int opt, const char *arg)
{
	unsigned long n = 0;
	bool ok = true;

	switch (opt) {
	case 'l': a->listen = arg; break;
	case 'p': ok = plugin_named(a, arg); break;
	case 's': ok = !add_server(a, arg); break;
	case 'h':
		a->ketama = !strcmp(arg, "ketama");
		ok = a->ketama || !strcmp(arg, "maglev");
		break;
	case 't':
		ok = number(arg, 3600000, &n);
		a->lim.timeout_ms = (uint32_t)n;
		break;
	case 'm':
		ok = number(arg, 1 << 20, &n);
		a->memory = (uint64_t)n << 20;
		break;
	case 'f': a->stats = arg; break;
	default: return false;
	}
	if (!ok)
		fprintf(stderr, "patchbay-frames: %s makes no sense\n", arg);
	return ok;
}

/* ---- counters --------------------------------------------------------------------- */

static void write_stats(struct alone *a)
{
	_cleanup_fclose_ FILE *f = NULL;
	struct fe_stats st;
	struct fio_stats io;

	if (!a->stats || !a->service)
		return;
	f = fopen(a->stats, "we");
	if (!f) {
		log_err(-errno, "cannot write %s", a->stats);
		return;
	}
	fe_get_stats(fio_service_engine(a->service), &st);
	fio_service_stats(a->service, &io);
	fputs("{\n", f);
#define PB_X(field, help) fprintf(f, "  \"" #field "\": %llu,\n", (unsigned long long)st.field);
	FE_COUNTERS(PB_X)
#undef PB_X
#define PB_X(field, help) fprintf(f, "  \"" #field "\": %llu,\n", (unsigned long long)io.field);
	FIO_COUNTERS(PB_X)
#undef PB_X
	fprintf(f, "  \"now_clients\": %u,\n  \"now_links\": %u,\n  \"now_calls\": %u,\n",
		st.now_clients, st.now_links, st.now_calls);
	fprintf(f, "  \"memory\": %llu\n}\n", (unsigned long long)st.memory);
}

/* ---- life -------------------------------------------------------------------------- */

static void ended(void *arg)
{
	struct alone *a = arg;

	a->service = NULL;
	fio_stop(a->io);
	uv_close((uv_handle_t *)&a->term, NULL);
	uv_close((uv_handle_t *)&a->intr, NULL);
	uv_close((uv_handle_t *)&a->usr1, NULL);
}

static void on_term(uv_signal_t *s, int signum)
{
	struct alone *a = s->data;

	(void)signum;
	write_stats(a);
	fio_service_end(a->service, GRACE_MS, ended, a);
}

static void on_usr1(uv_signal_t *s, int signum)
{
	(void)signum;
	write_stats(s->data);
}

static int build_ring(struct alone *a)
{
	static const __u64 key[2];

	a->ring = calloc(1, sizeof(*a->ring));
	if (!a->ring)
		return -ENOMEM;
	if (a->ketama)
		return mcr_build_ketama(a->ring, MCR_TWEMPROXY, PB_MC_H_FNV1A_64, a->weigh, a->n);
	return mcr_build_maglev(a->ring, key, a->weigh, a->n);
}

static int start(struct alone *a)
{
	struct sockaddr_storage at;
	socklen_t len;
	char host[64];
	int err;

	uv_loop_init(&a->loop);
	uv_signal_init(&a->loop, &a->term);
	uv_signal_init(&a->loop, &a->intr);
	uv_signal_init(&a->loop, &a->usr1);
	a->term.data = a->intr.data = a->usr1.data = a;
	err = resolve(a->listen, host, &at, &len);
	if (!err)
		err = build_ring(a);
	if (!err)
		err = fio_new(&a->io, &a->loop, a->memory);
	if (!err)
		err = fio_service_new(&a->service, a->io, a->plugin, &a->lim, NULL, NULL);
	if (!err)
		err = fio_service_servers(a->service, a->server, a->n, a->ring, false);
	if (!err)
		err = fio_service_listen(a->service, (struct sockaddr *)&at, len);
	if (err)
		return log_err(err, "cannot serve at %s", a->listen);
	uv_signal_start(&a->term, on_term, SIGTERM);
	uv_signal_start(&a->intr, on_term, SIGINT);
	uv_signal_start(&a->usr1, on_usr1, SIGUSR1);
	puts("listening");
	fflush(stdout);
	return 0;
}

static int serve(struct alone *a)
{
	struct rlimit rl;

	signal(SIGPIPE, SIG_IGN);
	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	if (start(a))
		return 1;
	uv_run(&a->loop, UV_RUN_DEFAULT);
	uv_loop_close(&a->loop);
	fio_free(a->io);
	free(a->ring);
	return 0;
}

static bool of_node(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], "--run-dir", 9) || !strncmp(argv[i], "--control-fd", 12))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	static struct alone a;
	int opt;

	if (of_node(argc, argv))
		return frames_host_main(argc, argv);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'H') {
			fputs(usage, stdout);
			return 0;
		}
		if (opt == 'V') {
			puts("patchbay-frames " PB_VERSION);
			return 0;
		}
		if (!take(&a, opt, optarg)) {
			fputs("Try 'patchbay-frames --help'.\n", stderr);
			return 2;
		}
	}
	if (optind < argc || !a.listen || !a.plugin || !a.n) {
		fputs(usage, stderr);
		return 2;
	}
	return serve(&a);
}
