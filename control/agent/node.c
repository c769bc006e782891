/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The addresses by which clients in other network namespaces reach the servers of this one. */
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <patchbay/addr.h>

#include "agent.h"
#include "util.h"

static bool same(const struct sockaddr *sa, const struct pb_addr *a)
{
	if (sa->sa_family == AF_INET)
		return pb_addr_is_v4(a) &&
		       ((const struct sockaddr_in *)sa)->sin_addr.s_addr == a->w[3];
	return sa->sa_family == AF_INET6 &&
	       !memcmp(&((const struct sockaddr_in6 *)sa)->sin6_addr, a, sizeof(*a));
}

/* Nobody is sent to an address that this host has not: there it may be a stranger's. */
static struct pb_addr if_here(const struct ifaddrs *list, const struct pb_addr *want, bool *missing)
{
	static const struct pb_addr none;

	if (pb_addr_is_zero(want))
		return none;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (i->ifa_addr && (i->ifa_flags & IFF_UP) && same(i->ifa_addr, want))
			return *want;
	*missing = true;
	return none;
}

static void tell(const struct pb_addr *a, const struct pb_addr *before)
{
	char text[48];

	if (pb_addr_eq(a, before))
		return;
	pb_addr_format(pb_addr_is_zero(a) ? before : a, text, sizeof(text));
	log_info(pb_addr_is_zero(a) ? "clients in other network namespaces no longer use %s"
				    : "clients in other network namespaces use %s",
		 text);
}

void pb_node_look(struct pb_agent *a)
{
	const struct pb_config_agent *c = &a->conf->agent;
	struct ifaddrs *list = NULL;
	struct pb_addr addr4, addr6;
	struct pb_node now;
	bool missing = false;
	int err = getifaddrs(&list) ? -errno : pb_maps_get_node(a->maps, &now);

	if (err) {
		log_debug("the addresses of this host cannot be looked at: %s", strerror(-err));
		freeifaddrs(list);
		return;
	}
	addr4 = if_here(list, &c->node4, &missing);
	addr6 = if_here(list, &c->node6, &missing);
	freeifaddrs(list);
	if ((now.gen & 1) || !pb_addr_eq(&addr4, &now.addr4) || !pb_addr_eq(&addr6, &now.addr6)) {
		err = pb_maps_set_node(a->maps, &addr4, &addr6);
		if (err) {
			log_err(err, "cannot write pb_node");
			return;
		}
		tell(&addr4, &now.addr4);
		tell(&addr6, &now.addr6);
	}
	pb_agent_warn(a, PB_W_NODE, missing);
}

static void change(json_t *list, const struct pb_addr *o, const struct pb_addr *n)
{
	char text[48];

	if (pb_addr_eq(o, n))
		return;
	if (!pb_addr_is_zero(o))
		json_array_append_new(list, json_sprintf("- node-address %s",
							 pb_addr_format(o, text, sizeof(text))));
	if (!pb_addr_is_zero(n))
		json_array_append_new(list, json_sprintf("+ node-address %s",
							 pb_addr_format(n, text, sizeof(text))));
}

void pb_node_changes(json_t *list, const struct pb_config_agent *o, const struct pb_config_agent *n)
{
	change(list, &o->node4, &n->node4);
	change(list, &o->node6, &n->node6);
}
