// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Services of patchbay-frames: as the agent says they are, and where they listen. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <patchbay/addr.h>

#include "control/frames/frames_host_internal.h"
#include "control/sockaddr.h"
#include "control/util.h"

#define BACKLOG 4096

struct frh_service *frh_find(struct frh *h, const char *name)
{
	for (struct frh_service *s = h->services; s; s = s->next)
		if (!strcmp(s->conf.name, name))
			return s;
	return NULL;
}

static const struct pb_frame_plugin *plugin_of(const char *name)
{
	static const struct pb_frame_plugin *const all[] = { &pb_frame_memcached,
							     &pb_frame_counter };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (!strcmp(all[i]->name, name) && all[i]->abi == PB_FRAME_ABI)
			return all[i];
	return NULL;
}

/* ---- listening ----------------------------------------------------------- */

static bool same_place(int fd, const struct frw_service *c)
{
	struct sockaddr_storage at, want;
	socklen_t len = sizeof(at), want_len = pb_to_sockaddr(&c->vip, c->port, &want);
	int listens = 0;
	socklen_t int_len = sizeof(listens);
	struct pb_addr a, b;

	memset(&at, 0, sizeof(at));
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_len) || !listens ||
	    getsockname(fd, (struct sockaddr *)&at, &len) || len != want_len)
		return false;
	pb_from_sockaddr((struct sockaddr *)&at, &a);
	pb_from_sockaddr((struct sockaddr *)&want, &b);
	/* the port is at the same place in both */
	return pb_addr_eq(&a, &b) && ((struct sockaddr_in *)&at)->sin_port == c->port;
}

static int open_listener(const struct frw_service *c)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage at;
	socklen_t len = pb_to_sockaddr(&c->vip, c->port, &at);
	int one = 1;

	fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	/* also for IPv6; the address may come later than this process */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, len) || listen(fd, BACKLOG))
		return -errno;
	return TAKE_FD(fd);
}

/* @given: a listener that another process had, or -1. */
static int listen_at(struct frh_service *s, int given_in, char *err)
{
	_cleanup_close_ int given = given_in, fd = -1;
	char text[64];
	int e;

	fd = given >= 0 && same_place(given, &s->conf) ? TAKE_FD(given) : open_listener(&s->conf);
	if (fd < 0)
		return pb_fail(err, fd, "it cannot listen at %s: %s",
			       pb_addr_port_format(&s->conf.vip, s->conf.port, text, sizeof(text)),
			       strerror(-fd));
	s->listen_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (s->listen_fd < 0)
		return pb_fail(err, -errno, "no descriptor is left");
	e = fio_service_listen_fd(s->fio, TAKE_FD(fd));
	return e ? pb_fail(err, e, "it cannot listen: %s", strerror(-e)) : 0;
}

/* ---- end ----------------------------------------------------------------- */

static void ended(void *arg)
{
	struct frh_service *s = arg;

	s->host->ending--;
	pb_closep(&s->do_fd);
	free(s->ring);
	explicit_bzero(s->conf.key, sizeof(s->conf.key));
	free(s);
}

static void end(struct frh_service *s)
{
	struct frh_service **at = &s->host->services;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	fio_service_unlisten(s->fio);
	pb_closep(&s->listen_fd);
	s->listen_fd = -1;
	s->host->ending++;
	fio_service_end(s->fio, FRH_END_MS, ended, s);
}

int frh_remove(struct frh *h, const char *name)
{
	struct frh_service *s = frh_find(h, name);

	if (s)
		end(s);
	return s ? 0 : -ENOENT;
}

void frh_remove_all(struct frh *h)
{
	while (h->services)
		end(h->services);
}

/* ---- begin and change ---------------------------------------------------- */

static int begin(struct frh *h, const struct frw_service *conf, struct frh_service **ret, char *err)
{
	const struct pb_frame_plugin *plugin = plugin_of(conf->plugin);
	struct frh_service *s;
	int e;

	if (!plugin)
		return pb_fail(err, -EOPNOTSUPP, "there is no plugin %s", conf->plugin);
	s = calloc(1, sizeof(*s));
	if (!s)
		return pb_fail(err, -ENOMEM, "no memory");
	s->host = h;
	s->conf = *conf;
	s->listen_fd = s->do_fd = -1;
	e = fio_service_new(&s->fio, h->io, plugin, NULL, &frh_hooks, s);
	if (e) {
		free(s);
		return pb_fail(err, e, "the engine does not take it: %s", strerror(-e));
	}
	s->next = h->services;
	h->services = s;
	*ret = s;
	return 0;
}

/* Servers and table at once. */
static int set_servers(struct frh_service *s, struct pb_mc_ring *ring)
{
	_cleanup_free_ struct fio_server *list = calloc(PB_MC_SERVERS_MAX, sizeof(*list));
	const struct frw_service *c = &s->conf;
	struct pb_mc_ring *was = s->ring;
	int err;

	if (!list)
		return -ENOMEM;
	for (unsigned i = 0; i < c->n_servers; i++) {
		if (pb_addr_is_zero(&c->server[i].addr))
			continue;
		list[i].len = pb_to_sockaddr(&c->server[i].addr, c->server[i].port, &list[i].addr);
		list[i].up = c->server[i].up;
	}
	err = fio_service_servers(s->fio, list, c->n_servers, ring, c->cache);
	if (err)
		return err;
	s->ring = ring;
	if (was != ring)
		free(was);
	return 0;
}

static int change(struct frh_service *s, const struct frw_service *conf, struct frw_msg *m,
		  char *err)
{
	struct pb_mc_ring *ring = s->ring;
	_cleanup_close_ int fd = frw_take_fd(m, "ring"), do_fd = frw_take_fd(m, "do");
	int e = fd >= 0 ? frw_ring_read(fd, conf->n_servers, &ring) : 0;

	if (!e && !ring)
		e = -EINVAL;
	if (!e && ring == s->ring && !frw_ring_sound(ring, conf->n_servers))
		e = -EINVAL;
	if (e)
		return pb_fail(err, e, "its table makes no sense");
	if (do_fd >= 0) {
		pb_closep(&s->do_fd);
		s->do_fd = TAKE_FD(do_fd);
	}
	s->conf = *conf;
	e = set_servers(s, ring);
	if (e && ring != s->ring)
		free(ring);
	return e ? pb_fail(err, e, "its servers are not taken: %s", strerror(-e)) : 0;
}

int frh_put(struct frh *h, struct frw_msg *m, char err[PB_ERR_LEN])
{
	_cleanup_free_ struct frw_service *conf = calloc(1, sizeof(*conf));
	_cleanup_close_ int given = frw_take_fd(m, "listen");
	struct frh_service *s;
	bool fresh;
	int e;

	if (!conf)
		return pb_fail(err, -ENOMEM, "no memory");
	e = frw_service_parse(json_object_get(m->json, "service"), conf, err);
	if (e)
		return e;
	s = frh_find(h, conf->name);
	if (s && (!pb_addr_eq(&s->conf.vip, &conf->vip) || s->conf.port != conf->port ||
		  strcmp(s->conf.plugin, conf->plugin) != 0)) {
		end(s); /* it is at another address now */
		s = NULL;
	}
	fresh = !s;
	if (!s)
		e = begin(h, conf, &s, err);
	if (!e)
		e = change(s, conf, m, err);
	if (!e && s->listen_fd < 0 && !h->drain_until)
		e = listen_at(s, TAKE_FD(given), err);
	if (e && fresh && s)
		end(s);
	return e;
}

/* ---- taking over --------------------------------------------------------- */

json_t *frh_handover(struct frh *h, int *fds, unsigned *n)
{
	json_t *names = json_array();

	*n = 0;
	for (struct frh_service *s = h->services; s; s = s->next) {
		if (s->listen_fd >= 0 && *n < FRW_FDS_MAX) {
			fds[(*n)++] = TAKE_FD(s->listen_fd);
			json_array_append_new(names, json_string(s->conf.name));
		}
		fio_service_unlisten(s->fio);
	}
	return names;
}

uint64_t frh_clients(struct frh *h)
{
	uint64_t n = 0;

	for (struct frh_service *s = h->services; s; s = s->next) {
		struct fe_stats st;

		fe_get_stats(fio_service_engine(s->fio), &st);
		n += st.now_clients;
	}
	return n;
}

/* ---- views --------------------------------------------------------------- */

static json_t *counters(const struct frh_service *s)
{
	struct fe_stats fe;
	struct fio_stats io;
	json_t *o = json_object();

	fe_get_stats(fio_service_engine(s->fio), &fe);
	fio_service_stats(s->fio, &io);
#define PB_X(field, help) json_object_set_new(o, #field, json_integer((json_int_t)from->field));
	{
		const struct fe_stats *from = &fe;

		FE_COUNTERS(PB_X)
	}
	{
		const struct fio_stats *from = &io;

		FIO_COUNTERS(PB_X)
	}
	{
		const struct frh_stats *from = &s->stats;

		FRH_COUNTERS(PB_X)
	}
#undef PB_X
	/* "hits" are the kernel's */
	json_object_set(o, "cache_hits", json_object_get(o, "hits"));
	json_object_del(o, "hits");
	json_object_set_new(o, "now_clients", json_integer(fe.now_clients));
	json_object_set_new(o, "now_links", json_integer(fe.now_links));
	json_object_set_new(o, "now_calls", json_integer(fe.now_calls));
	return o;
}

json_t *frh_stats(struct frh *h)
{
	json_t *list = json_array();
	char vip[64];

	for (const struct frh_service *s = h->services; s; s = s->next)
		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:b, s:b, s:I, s:o}", "name", s->conf.name, "vip",
				  pb_addr_port_format(&s->conf.vip, s->conf.port, vip, sizeof(vip)),
				  "listens", s->listen_fd >= 0, "cache", s->conf.cache, "epoch",
				  (json_int_t)(s->ring ? s->ring->epoch : 0), "counters",
				  counters(s)));
	return list;
}
