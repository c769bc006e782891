// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* socket(): which families, types and protocols may be made here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pbsock.h"

#define PROTO_LAST 262 /* IPPROTO_MPTCP, the highest there is */

struct word {
	const char *name;
	int value;
};

static const struct word families[] = {
	{ "unix", AF_UNIX },	   { "inet", AF_INET },	    { "inet6", AF_INET6 },
	{ "netlink", AF_NETLINK }, { "packet", AF_PACKET }, { "vsock", AF_VSOCK },
	{ "alg", AF_ALG },	   { "xdp", AF_XDP },	    { "smc", AF_SMC },
	{ "tipc", AF_TIPC },	   { "rds", AF_RDS },	    { "qipcrtr", AF_QIPCRTR },
};
static const struct word types[] = {
	{ "stream", SOCK_STREAM }, { "dgram", SOCK_DGRAM },	    { "raw", SOCK_RAW },
	{ "rdm", SOCK_RDM },	   { "seqpacket", SOCK_SEQPACKET }, { "dccp", SOCK_DCCP },
};
static const struct word protos[] = {
	{ "icmp", 1 },	 { "tcp", 6 },	     { "udp", 17 },  { "icmpv6", 58 },
	{ "sctp", 132 }, { "udplite", 136 }, { "raw", 255 }, { "mptcp", 262 },
};

static int word_value(const struct word *w, size_t n, const char *text)
{
	char *end;
	long v;

	for (size_t i = 0; i < n; i++)
		if (!strcmp(w[i].name, text))
			return w[i].value;
	v = strtol(text, &end, 0);
	return *text && !*end && v >= 0 && v < 1 << 16 ? (int)v : -1;
}

int ps_socket(int argc, char **argv)
{
	long start = ps_now_us();
	int family, type, proto, fd;

	if (argc != 4)
		return PS_USAGE;
	family = word_value(families, PS_ARRAY_SIZE(families), argv[1]);
	type = word_value(types, PS_ARRAY_SIZE(types), argv[2]);
	proto = word_value(protos, PS_ARRAY_SIZE(protos), argv[3]);
	if (family < 0 || type < 0 || proto < 0)
		return PS_USAGE;
	fd = socket(family, type, proto);
	if (fd < 0)
		return ps_fail("socket", start);
	printf("ok\n");
	close(fd);
	return PS_OK;
}

/* Every type and protocol of a family: one line "TYPE PROTO" for each that the kernel gives. */
int ps_socket_all(int argc, char **argv)
{
	int family;

	if (argc != 2)
		return PS_USAGE;
	family = word_value(families, PS_ARRAY_SIZE(families), argv[1]);
	if (family < 0)
		return PS_USAGE;
	for (size_t t = 0; t < PS_ARRAY_SIZE(types); t++) {
		for (int proto = 0; proto <= PROTO_LAST; proto++) {
			int fd = socket(family, types[t].value, proto);

			if (fd < 0)
				continue;
			printf("%s %d\n", types[t].name, proto);
			close(fd);
		}
	}
	printf("done\n");
	return PS_OK;
}
