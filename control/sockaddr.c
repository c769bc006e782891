/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sockaddr.h"

#include <netinet/in.h>
#include <string.h>

#include <patchbay/addr.h>

socklen_t pb_to_sockaddr(const struct pb_addr *a, __be16 port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (pb_addr_is_v4(a)) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		v4->sin_addr.s_addr = a->w[3];
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = port;
	memcpy(&v6->sin6_addr, a, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

void pb_from_sockaddr(const struct sockaddr *s, struct pb_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (s->sa_family == AF_INET)
		*ret = pb_addr_v4(((const struct sockaddr_in *)s)->sin_addr.s_addr);
	else if (s->sa_family == AF_INET6)
		memcpy(ret, &((const struct sockaddr_in6 *)s)->sin6_addr, sizeof(*ret));
}
