/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the node has for a memcached service: devices, its own address, networks of clients, ports. */
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <patchbay/addr.h>

#include "cluster.h"
#include "memcached_internal.h"
#include "sockaddr.h"
#include "util.h"

/* Below what the kernel gives to clients by itself. */
#define PORT_FIRST 20480u
#define PORT_LAST 32767u

__attribute__((format(printf, 3, 4))) static int why(struct mc_run *r, int err, const char *fmt,
						     ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	pb_printable(r->why);
	return err;
}

static void addr_of(const struct sockaddr *s, struct pb_addr *ret)
{
	if (s->sa_family == AF_INET)
		*ret = pb_addr_v4(((const struct sockaddr_in *)s)->sin_addr.s_addr);
	else
		memcpy(ret, &((const struct sockaddr_in6 *)s)->sin6_addr, sizeof(*ret));
}

/* ---- devices and networks ------------------------------------------------ */

static int find_devices(struct mc_run *r)
{
	const struct mcs_service *c = r->m->conf;
	struct mca_place *p = &r->m->place;

	for (unsigned i = 0; i < c->n_devices; i++) {
		p->ifindex[i] = if_nametoindex(c->device[i].name);
		if (!p->ifindex[i])
			return why(r, -ENODEV, "there is no device %s", c->device[i].name);
	}
	p->n_devices = c->n_devices;
	return 0;
}

static bool has_device(const struct mcs_service *c, const char *name)
{
	for (unsigned i = 0; i < c->n_devices; i++)
		if (!strcmp(c->device[i].name, name))
			return true;
	return false;
}

static void mask(struct mcs_net *n, const struct sockaddr *netmask)
{
	struct pb_addr m;

	addr_of(netmask, &m);
	n->bits = 0;
	for (unsigned i = netmask->sa_family == AF_INET ? 96 : 0; i < 128; i++)
		if (m.b[i / 8] & (0x80 >> (i % 8)))
			n->bits++;
	if (netmask->sa_family == AF_INET)
		n->bits += 96;
	for (unsigned i = n->bits; i < 128; i++)
		n->net.b[i / 8] &= (uint8_t) ~(0x80 >> (i % 8));
}

/* Those of the configuration, else the networks of the devices. */
static int find_allow(struct mc_run *r)
{
	const struct mcs_service *c = r->m->conf;
	int family = pb_addr_is_v4(&c->vip) ? AF_INET : AF_INET6;
	struct mca_place *p = &r->m->place;
	struct ifaddrs *list, *i;

	p->n_allow = 0;
	if (c->allow_given) {
		memcpy(p->allow, c->allow, sizeof(p->allow));
		p->n_allow = c->n_allow;
		return 0;
	}
	if (getifaddrs(&list))
		return why(r, -errno, "the addresses of the devices cannot be read: %s",
			   strerror(errno));
	for (i = list; i && p->n_allow < MCS_ALLOW_MAX; i = i->ifa_next) {
		struct mcs_net *n = &p->allow[p->n_allow];

		if (!i->ifa_addr || !i->ifa_netmask || i->ifa_addr->sa_family != family ||
		    !has_device(c, i->ifa_name))
			continue;
		addr_of(i->ifa_addr, &n->net);
		mask(n, i->ifa_netmask);
		if (n->bits < 128) /* an address alone is the node itself */
			p->n_allow++;
	}
	freeifaddrs(list);
	return 0;
}

/* ---- source -------------------------------------------------------------- */

/* The address that the kernel would take to get there. */
static int route_source(const struct pb_addr *to, __be16 port, struct pb_addr *ret)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage s;
	socklen_t len = pb_to_sockaddr(to, port, &s);

	fd = socket(s.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&s, len))
		return -errno;
	len = sizeof(s);
	if (getsockname(fd, (struct sockaddr *)&s, &len))
		return -errno;
	addr_of((struct sockaddr *)&s, ret);
	return 0;
}

static int no_server(struct mc_run *r)
{
	const json_t *left = json_array_get(r->left, 0);

	r->waits = true;
	if (!left)
		return why(r, -ENOENT, "there is no server yet");
	return why(r, -EACCES, "no server may be used; %s of %s: %s",
		   json_string_value(json_object_get(left, "server")),
		   json_string_value(json_object_get(left, "app")),
		   json_string_value(json_object_get(left, "why")));
}

static int find_source(struct mc_run *r, struct pb_addr *ret)
{
	const struct mcs_service *c = r->m->conf;
	struct mct_server to = { .used = false };
	bool table = false;
	char text[64];
	int err;

	for (unsigned i = 0; i < c->n_backends; i++) {
		table |= *c->backend[i].service != '\0';
		if (!to.used && !*c->backend[i].service)
			to = (struct mct_server){ .used = true,
						  .addr = c->backend[i].addr,
						  .port = c->backend[i].port };
	}
	if (!to.used && !mc_found(r, &to, 1))
		return no_server(r);
	*ret = c->source;
	if (!pb_addr_is_zero(ret))
		return 0;
	/* servers may come on other nodes, which know this one by that */
	if (table && pb_cluster_locator(r->all->agent, pb_addr_is_v4(&c->vip), ret))
		return 0;
	err = route_source(&to.addr, to.port, ret);
	pb_addr_format(&to.addr, text, sizeof(text));
	return err ? why(r, err, "there is no way to server %s: %s", text, strerror(-err)) : 0;
}

/* ---- ports --------------------------------------------------------------- */

void mc_ports_close(struct mc_run *r)
{
	for (unsigned i = 0; i < PB_MC_PORTS; i++) {
		pb_closep(&r->port[i]);
		r->port[i] = -1;
	}
}

static int bind_port(const struct pb_addr *a, unsigned port)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage s;
	socklen_t len = pb_to_sockaddr(a, htons((uint16_t)port), &s);
	int one = 1;

	fd = socket(s.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)); /* nobody reads */
	if (bind(fd, (struct sockaddr *)&s, len))
		return -errno;
	return TAKE_FD(fd);
}

static int bind_all(struct mc_run *r, const struct pb_addr *a, unsigned first)
{
	for (unsigned i = 0; i < PB_MC_PORTS; i++) {
		r->port[i] = bind_port(a, first + i);
		if (r->port[i] < 0) {
			int err = r->port[i];

			mc_ports_close(r);
			return err;
		}
	}
	return 0;
}

/* Those of before if they can be had: replies are under way to them. */
static int find_ports(struct mc_run *r, const struct pb_addr *source)
{
	struct mca_place *p = &r->m->place;
	unsigned first = ntohs(p->source_port);
	char text[64];
	int err;

	if (r->port[0] >= 0 && pb_addr_eq(&p->source, source))
		return 0;
	mc_ports_close(r);
	err = first ? bind_all(r, source, first) : -EADDRINUSE;
	for (first = PORT_FIRST; err == -EADDRINUSE && first + PB_MC_PORTS <= PORT_LAST + 1;
	     first += PB_MC_PORTS) {
		err = bind_all(r, source, first);
		if (!err)
			p->source_port = htons((uint16_t)first);
	}
	p->source = *source;
	if (!err)
		return 0;
	pb_addr_format(source, text, sizeof(text));
	return why(r, err, "%u ports at %s cannot be had: %s", PB_MC_PORTS, text, strerror(-err));
}

int mc_place(struct mc_run *r)
{
	struct pb_addr source;
	int err = find_devices(r);

	if (!err)
		err = find_source(r, &source);
	if (!err)
		err = find_ports(r, &source);
	if (!err)
		err = find_allow(r);
	return err;
}
