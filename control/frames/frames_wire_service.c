// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A service, and its table, on their way to patchbay-frames. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <patchbay/addr.h>

#include "control/frames/frames_wire.h"
#include "control/memcached/service.h"
#include "control/util.h"

/* ---- out ----------------------------------------------------------------- */

static json_t *hex(uint64_t n)
{
	return json_sprintf("%" PRIx64, n);
}

static json_t *nets_json(const struct frw_service *s)
{
	json_t *list = json_array();
	char text[64];

	for (unsigned i = 0; i < s->n_allow; i++) {
		const struct frw_net *n = &s->allow[i];
		bool v4 = n->bits >= 96 && pb_addr_is_v4(&n->net);

		pb_addr_format(&n->net, text, sizeof(text));
		json_array_append_new(list,
				      json_sprintf("%s/%u", text, v4 ? n->bits - 96 : n->bits));
	}
	return list;
}

static json_t *servers_json(const struct frw_service *s)
{
	json_t *list = json_array();
	char text[64];

	for (unsigned i = 0; i < s->n_servers; i++) {
		const struct frw_server *v = &s->server[i];

		if (pb_addr_is_zero(&v->addr))
			continue;
		json_array_append_new(
			list, json_pack("{s:i, s:s, s:b}", "n", (int)i, "at",
					pb_addr_port_format(&v->addr, v->port, text, sizeof(text)),
					"up", v->up));
	}
	return list;
}

json_t *frw_service_json(const struct frw_service *s)
{
	char vip[64];

	return json_pack("{s:s, s:s, s:s, s:i, s:b, s:[oo], s:o, s:o}", "name", s->name, "plugin",
			 s->plugin, "vip", pb_addr_port_format(&s->vip, s->port, vip, sizeof(vip)),
			 "number", (int)s->number, "cache", s->cache, "key", hex(s->key[0]),
			 hex(s->key[1]), "allow", nets_json(s), "servers", servers_json(s));
}

/* ---- in ------------------------------------------------------------------ */

static bool read_hex(const json_t *v, uint64_t *ret)
{
	const char *text = json_string_value(v);
	char *end;

	if (!text || !*text || strlen(text) > 16 || strspn(text, "0123456789abcdef") < strlen(text))
		return false;
	*ret = strtoull(text, &end, 16);
	return !*end;
}

static int read_nets(const json_t *list, struct frw_service *s, char *err)
{
	const json_t *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > FRW_ALLOW_MAX)
		return pb_fail(err, -EINVAL, "allow: at most %d networks", FRW_ALLOW_MAX);
	json_array_foreach (list, i, v) {
		struct frw_net *n = &s->allow[s->n_allow];
		const char *text = json_string_value(v);

		if (!text || pb_cidr_parse(text, &n->net, &n->bits))
			return pb_fail(err, -EINVAL, "allow[%zu]: is no network", i);
		s->n_allow++;
	}
	return 0;
}

static int read_servers(const json_t *list, struct frw_service *s, char *err)
{
	const json_t *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > PB_MC_SERVERS_MAX)
		return pb_fail(err, -EINVAL, "servers: at most %u", PB_MC_SERVERS_MAX);
	json_array_foreach (list, i, v) {
		const json_t *n = json_object_get(v, "n");
		const char *at = json_string_value(json_object_get(v, "at"));
		json_int_t k = json_integer_value(n);

		if (!json_is_integer(n) || k < 0 || k >= (json_int_t)PB_MC_SERVERS_MAX || !at ||
		    mcs_addr_port(at, &s->server[k].addr, &s->server[k].port) ||
		    pb_addr_is_zero(&s->server[k].addr))
			return pb_fail(err, -EINVAL, "servers[%zu]: is no server", i);
		s->server[k].up = json_is_true(json_object_get(v, "up"));
		if ((unsigned)k >= s->n_servers)
			s->n_servers = (unsigned)k + 1;
	}
	return 0;
}

static int read_head(const json_t *o, struct frw_service *s, char *err)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	const char *plugin = json_string_value(json_object_get(o, "plugin"));
	const char *vip = json_string_value(json_object_get(o, "vip"));
	const json_t *number = json_object_get(o, "number"), *key = json_object_get(o, "key");
	json_int_t n = json_integer_value(number);

	if (!name || !pb_name_valid(name))
		return pb_fail(err, -EINVAL, "name: is none");
	if (!plugin || !*plugin || strlen(plugin) >= sizeof(s->plugin))
		return pb_fail(err, -EINVAL, "plugin: is none");
	if (!vip || mcs_addr_port(vip, &s->vip, &s->port) || pb_addr_is_any(&s->vip) || !s->port)
		return pb_fail(err, -EINVAL, "vip: is no ADDRESS:PORT");
	if (!json_is_integer(number) || n < 0 || n > UINT32_MAX)
		return pb_fail(err, -EINVAL, "number: is none");
	if (json_array_size(key) != 2 || !read_hex(json_array_get(key, 0), &s->key[0]) ||
	    !read_hex(json_array_get(key, 1), &s->key[1]))
		return pb_fail(err, -EINVAL, "key: must be two numbers in hex");
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->plugin, sizeof(s->plugin), "%s", plugin);
	s->number = (uint32_t)n;
	s->cache = json_is_true(json_object_get(o, "cache"));
	return 0;
}

int frw_service_parse(const json_t *o, struct frw_service *ret, char err[PB_ERR_LEN])
{
	int e;

	memset(ret, 0, sizeof(*ret));
	if (!json_is_object(o))
		return pb_fail(err, -EINVAL, "service: is missing");
	e = read_head(o, ret, err);
	if (!e)
		e = read_nets(json_object_get(o, "allow"), ret, err);
	if (!e)
		e = read_servers(json_object_get(o, "servers"), ret, err);
	return e;
}

bool frw_allowed(const struct frw_service *s, const struct pb_addr *from)
{
	for (unsigned i = 0; i < s->n_allow; i++) {
		const struct frw_net *n = &s->allow[i];
		unsigned whole = n->bits / 8, rest = n->bits % 8;

		if (!memcmp(from->b, n->net.b, whole) &&
		    (!rest || !((from->b[whole] ^ n->net.b[whole]) >> (8 - rest))))
			return true;
	}
	return false;
}

/* ---- the table ----------------------------------------------------------- */

int frw_ring_fd(const struct pb_mc_ring *ring)
{
	_cleanup_close_ int fd = memfd_create("patchbay-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t at = 0;

	while (fd >= 0 && at < sizeof(*ring)) {
		ssize_t n = write(fd, (const char *)ring + at, sizeof(*ring) - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	if (fd < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		return -errno;
	return TAKE_FD(fd);
}

bool frw_ring_sound(const struct pb_mc_ring *ring, unsigned n_servers)
{
	bool ketama = ring->kind == PB_MC_KETAMA;

	if ((ring->kind != PB_MC_MAGLEV && !ketama) || ring->hash >= PB_MC_HASHES ||
	    ring->n > (ketama ? PB_MC_POINTS_MAX : PB_MC_SLOTS))
		return false;
	for (uint32_t i = 0; i < ring->n; i++) {
		uint16_t who = ketama ? ring->point[i].server : ring->slot[i];

		if (who != PB_MC_NOBODY && who >= n_servers)
			return false;
		if (ketama && i && ring->point[i].value < ring->point[i - 1].value)
			return false;
	}
	return true;
}

/* Read, not mapped: what else the file may become does not matter. */
int frw_ring_read(int fd, unsigned n_servers, struct pb_mc_ring **ret)
{
	_cleanup_free_ struct pb_mc_ring *ring = calloc(1, sizeof(*ring));
	struct stat st;
	size_t at = 0;

	if (!ring)
		return -ENOMEM;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof(*ring))
		return -EBADMSG;
	while (at < sizeof(*ring)) {
		ssize_t n = pread(fd, (char *)ring + at, sizeof(*ring) - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		at += (size_t)n;
	}
	if (!frw_ring_sound(ring, n_servers))
		return -EBADMSG;
	*ret = TAKE_PTR(ring);
	return 0;
}
