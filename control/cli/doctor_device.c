/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay doctor --dev IF`: what at a device would lose the memcached switch's datagrams. */
#include "doctor.h"

#include <arpa/inet.h>
#include <ifaddrs.h>

#include <patchbay/addr.h>

#include "../memcached/device.h"
#include "../registry/registry.h"
#include "../util.h"
#include "ctl.h"
#include "doctor_device.h"

#define NO_TODO(text) (*(text) ? (text) : NULL)

static enum doctor_state state_of(enum pb_mcd_grade g)
{
	return g == PB_MCD_FAIL ? DOCTOR_FAIL : g == PB_MCD_WARN ? DOCTOR_WARN : DOCTOR_OK;
}

enum pb_mcd_tri doctor_has_addr(const struct pb_addr *want, const char *dev)
{
	struct ifaddrs *list, *i;
	enum pb_mcd_tri found = PB_MCD_OFF;

	if (getifaddrs(&list))
		return PB_MCD_UNKNOWN;
	for (i = list; i; i = i->ifa_next) {
		struct pb_addr a;

		if (!i->ifa_addr || (dev && strcmp(dev, i->ifa_name) != 0))
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			a = pb_addr_v4(((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr);
		else if (i->ifa_addr->sa_family == AF_INET6)
			memcpy(&a, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, sizeof(a));
		else
			continue;
		if (pb_addr_eq(&a, want))
			found = PB_MCD_ON;
	}
	freeifaddrs(list);
	return found;
}

/* ---- one address ----------------------------------------------------------- */

static void say_findings(struct doctor *d, const struct pb_mcd_case *c)
{
	struct pb_mcd_finding f[PB_MCD_FINDINGS_MAX];
	size_t n = pb_mcd_judge(c, f);
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++) {
		doctor_say(d, f[i].id, state_of(f[i].grade), NO_TODO(f[i].todo), "%s", f[i].seen);
		bad += f[i].grade != PB_MCD_NOTE;
	}
	if (!bad)
		doctor_say(d, "losses", DOCTOR_OK, NULL,
			   "nothing at %s%s%s is known to lose datagrams", c->dev->name,
			   c->vip ? " for " : "", c->vip ? c->vip : "");
}

/* @l2: servers, one of them behind the device's other end, answer clients themselves. */
static void judge_for(struct doctor *d, struct doctor_device *v, const char *vip, bool l2)
{
	struct pb_mcd_case c = {
		.dev = &v->dev,
		.peer = v->peer_seen ? &v->peer : NULL,
		.unseen = v->unseen,
		.xdp = v->xdp,
		.l2 = l2,
		.cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
	};
	struct pb_addr a;

	if (vip && !pb_addr_parse(vip, &a)) {
		c.vip = vip;
		c.vip_is_v4 = pb_addr_is_v4(&a);
		c.vip_here = doctor_has_addr(&a, NULL);
		c.vip_on_dev = doctor_has_addr(&a, v->dev.name);
		if (l2 && v->dev.peer_netns >= 0)
			doctor_device_peer(v, &a, &c.vip_at_peer);
	}
	say_findings(d, &c);
}

/* ---- what is at work there ------------------------------------------------- */

static const json_t *device_of(const json_t *service, const char *name)
{
	const json_t *dev;
	size_t i;

	json_array_foreach (json_object_get(service, "devices"), i, dev)
		if (!strcmp(cli_str(dev, "name"), name))
			return dev;
	return NULL;
}

/* "192.0.2.1:11211", "[2001:db8::1]:11211": without port and brackets. */
static void address_part(char *text)
{
	char *colon = strrchr(text, ':');

	if (colon)
		*colon = '\0';
	if (*text == '[') {
		memmove(text, text + 1, strlen(text));
		text[strcspn(text, "]")] = '\0';
	}
}

/* Has the service L2 return, and a server in the namespace of the device's other end? */
static bool has_l2_server(struct doctor_device *v, const json_t *service)
{
	const json_t *server;
	size_t i;

	if (strcmp(cli_str(json_object_get(service, "config"), "dsr"), "l2") != 0)
		return false;
	json_array_foreach (json_object_get(service, "servers"), i, server) {
		enum pb_mcd_tri there = PB_MCD_UNKNOWN;
		struct pb_addr a;
		char text[64];

		snprintf(text, sizeof(text), "%s", cli_str(server, "server"));
		address_part(text);
		if (v->dev.peer_netns < 0 || pb_addr_parse(text, &a))
			continue;
		doctor_device_peer(v, &a, &there);
		if (there == PB_MCD_ON)
			return true;
	}
	return false;
}

/* The services of the agent that have this device; how many. */
static unsigned judge_services(struct doctor *d, struct doctor_device *v)
{
	json_auto_t *req = json_pack("{s:s}", "op", "memcached"), *answer = NULL;
	const json_t *s;
	unsigned n = 0;
	size_t i;

	if (ctl_ask(d->c->run_dir, req, -1, &answer))
		return 0;
	json_array_foreach (json_object_get(answer, "services"), i, s) {
		char vip[64];

		if (!device_of(s, v->dev.name))
			continue;
		snprintf(vip, sizeof(vip), "%s", cli_str(s, "vip"));
		address_part(vip);
		judge_for(d, v, vip, has_l2_server(v, s));
		n++;
	}
	return n;
}

static void say_device(struct doctor *d, const struct doctor_device *v)
{
	const struct pb_mcd_facts *f = &v->dev;

	doctor_say(d, "device", DOCTOR_OK, NULL, "%s: %s, MTU %u%s%s", f->name,
		   *f->driver ? f->driver
		   : *f->kind ? f->kind
			      : "unknown driver",
		   f->mtu,
		   f->xdp_native    ? ", native XDP attached"
		   : f->xdp_generic ? ", generic XDP attached"
				    : "",
		   f->up ? "" : ", down");
	if (v->peer_seen)
		doctor_say(d, "peer", DOCTOR_OK, NULL, "its other end is %s%s%s", v->peer.name,
			   *v->where ? " in " : "", v->where);
}

/* --mode, or what is attached, or what would be chosen. */
static void decide_mode(struct doctor *d, struct doctor_device *v, const char *mode)
{
	char why[PB_MCD_WHY];
	bool best = pb_mcd_choose(&v->dev, why);

	v->xdp = mode ? !strcmp(mode, "xdp") : v->dev.xdp_native || v->dev.xdp_generic || best;
	doctor_say(d, "mode", DOCTOR_OK, NULL, "%s is judged%s; auto is %s: %s",
		   v->xdp ? "XDP" : "tc",
		   mode		    ? " as asked"
		   : v->xdp == best ? ""
				    : " since a program is attached",
		   best ? "XDP" : "tc", why);
}

void doctor_device(struct doctor *d, const struct cli_args *a)
{
	const char *name = cli_value(a, "dev"), *vip = cli_value(a, "vip");
	const char *dsr = cli_value(a, "dsr");
	struct doctor_device v = { .unseen = "" };
	unsigned ifindex = if_nametoindex(name);
	int err = ifindex ? pb_mcd_look(ifindex, &v.dev) : -ENODEV;

	if (err) {
		doctor_say(d, "device", DOCTOR_FAIL, "see 'ip link'", "%s: %s", name,
			   err == -ENODEV ? "there is no such device here" : strerror(-err));
		return;
	}
	doctor_device_peer(&v, NULL, NULL);
	say_device(d, &v);
	decide_mode(d, &v, cli_value(a, "mode"));
	if (vip || !judge_services(d, &v))
		judge_for(d, &v, vip, dsr && !strcmp(dsr, "l2"));
}
