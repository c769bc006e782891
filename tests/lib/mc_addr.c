// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mc_addr.h"

int mcu_addr(const char *text, struct mcu_addr *a)
{
	struct sockaddr_in *in = (void *)&a->ss;
	struct sockaddr_in6 *in6 = (void *)&a->ss;
	const char *colon = strrchr(text, ':');
	char host[64] = "";
	size_t n;

	memset(a, 0, sizeof(*a));
	if (!colon || (n = (size_t)(colon - text)) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = 0;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)atoi(colon + 1));
		a->len = sizeof(*in6);
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(colon + 1));
	a->len = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

int mcu_listen(const char *text, bool any_port)
{
	struct mcu_addr a;
	int fd, size = 4 << 20, err;

	if (mcu_addr(text, &a))
		return -EINVAL;
	if (any_port) /* where it stands is the same in both families */
		((struct sockaddr_in *)&a.ss)->sin_port = 0;
	fd = socket(a.ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (!bind(fd, (void *)&a.ss, a.len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}
