/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which addresses this node has for the others. */
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <patchbay/addr.h>

#include "../sockaddr.h"
#include "../util.h"
#include "cluster_state.h"

static int from_sockaddr(const struct sockaddr *sa, struct pb_addr *ret)
{
	if (sa->sa_family == AF_INET)
		*ret = pb_addr_v4(((const struct sockaddr_in *)sa)->sin_addr.s_addr);
	else if (sa->sa_family == AF_INET6)
		memcpy(ret, &((const struct sockaddr_in6 *)sa)->sin6_addr, sizeof(*ret));
	else
		return -EAFNOSUPPORT;
	return 0;
}

int pb_addr_towards(const struct pb_cluster_addr *to, struct pb_addr *ret)
{
	struct sockaddr_storage ss;
	socklen_t len = pb_to_sockaddr(&to->ip, htons(to->port), &ss);
	_cleanup_close_ int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len))
		return -errno;
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len))
		return -errno;
	return from_sockaddr((struct sockaddr *)&ss, ret);
}

/* Any address outside would do: nothing is sent. */
int pb_addr_default(struct pb_addr *ret4, struct pb_addr *ret6)
{
	static const struct pb_addr none;
	struct pb_cluster_addr out4 = { .port = 9 }, out6 = { .port = 9 };
	struct pb_addr a4 = none, a6 = none;

	pb_addr_parse("192.0.2.1", &out4.ip);
	pb_addr_parse("2001:db8::1", &out6.ip);
	if (pb_addr_towards(&out4, &a4) || pb_addr_unfit(&a4))
		a4 = none;
	if (pb_addr_towards(&out6, &a6) || pb_addr_unfit(&a6))
		a6 = none;
	if (pb_addr_is_zero(&a4) && pb_addr_is_zero(&a6))
		return -EADDRNOTAVAIL;
	*ret4 = a4;
	*ret6 = a6;
	return 0;
}

bool pb_addr_here(const struct pb_addr *a, unsigned *ret_device)
{
	struct ifaddrs *list = NULL;
	struct pb_addr has;
	bool here = false;

	if (getifaddrs(&list))
		return false;
	for (const struct ifaddrs *i = list; i && !here; i = i->ifa_next) {
		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || from_sockaddr(i->ifa_addr, &has) ||
		    !pb_addr_eq(&has, a))
			continue;
		here = true;
		if (ret_device)
			*ret_device = if_nametoindex(i->ifa_name);
	}
	freeifaddrs(list);
	return here;
}
