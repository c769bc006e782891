// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The identity on the wire: in every SYN, in nothing else; and where it has no room. */
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "remote.h"

TestSuite(remote_wire, .init = remote_init, .fini = world_fini, .timeout = 60);

static struct scope client(void)
{
	return client_new("c", "10.9.0.2", "fd09::2");
}

/* A tap over there. */
static int tap(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = THERE(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)));

	cr_assert(fd >= 0);
	ll.sll_ifindex = THERE((int)if_nametoindex("vb"));
	cr_assert(ll.sll_ifindex && !bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	return fd;
}

struct counts {
	unsigned syns, syns_with, others, others_with, bytes;
};

/* Frames to TCP port @port that came by @fd until now. */
static struct counts seen_by(int fd, int port)
{
	struct counts c = { 0 };
	uint8_t buf[2048];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		struct ethhdr *eth = (void *)buf;
		struct syn_seen s;
		unsigned v6 = eth->h_proto == htons(ETH_P_IPV6);

		if (n < 54 || (!v6 && eth->h_proto != htons(ETH_P_IP)) ||
		    buf[v6 ? 20 : 23] != IPPROTO_TCP)
			continue;
		s = parse_tcp(buf + ETH_HLEN, n - ETH_HLEN);
		if (s.syn.dport != htons(port) && s.syn.sport != htons(port))
			continue;
		c.syns += s.is_syn;
		c.syns_with += s.is_syn && s.options;
		c.others += !s.is_syn;
		c.others_with += !s.is_syn && s.options;
		c.bytes += s.payload;
	}
	return c;
}

static void only_the_syn(int family, const char *ip, const char *there)
{
	struct scope c = client();
	int l = listen_there(strchr(there, ':') ? AF_INET6 : AF_INET, there, 5080), t = tap(), fd,
	    got;
	struct counts n;
	char buf[4096] = { 0 };

	web_there();
	fd = dial(&c, family, SOCK_STREAM, ip, 80);
	cr_assert(fd >= 0);
	got = taken(l);
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(write(fd, buf, 1000), 1000);
		cr_assert_eq(recv(got, buf, 1000, MSG_WAITALL), 1000);
		cr_assert_eq(write(got, buf, 10), 10);
		cr_assert_eq(recv(fd, buf, 10, MSG_WAITALL), 10);
	}
	close(fd);
	cr_assert_eq(read(got, buf, 1), 0);
	close(got);
	cr_assert(eventually(!far_get(1).live));
	n = seen_by(t, 5080);
	cr_assert(n.syns == 1 && n.syns_with == 1, "%u of %u SYNs", n.syns_with, n.syns);
	cr_assert_eq(n.others_with, 0);
	cr_assert(n.others > 40 && n.bytes == 20200, "%u packets, %u bytes", n.others, n.bytes);
}

Test(remote_wire, ipv4)
{
	only_the_syn(AF_INET, "10.9.0.1", THERE4);
}

Test(remote_wire, ipv6)
{
	only_the_syn(AF_INET6, "fd09::1", THERE6);
}

Test(remote_wire, every_syn_that_is_repeated)
{
	struct scope c = client();
	int l = listen_there(AF_INET, THERE4, 5080), t = tap(), fd;
	struct counts n, all = { 0 };

	web_there();
	cr_assert(!sh_there("nft add table inet t && nft add chain inet t i "
			    "'{ type filter hook input priority 0; }' && "
			    "nft add rule inet t i tcp dport 5080 drop"));
	fd = begin(&c, "10.9.0.1", 80);
	cr_assert(eventually((n = seen_by(t, 5080), all.syns += n.syns,
			      all.syns_with += n.syns_with, all.syns >= 3)));
	cr_assert_eq(all.syns_with, all.syns);
	close(fd);
	close(l);
}

/* What is not for another node carries nothing: unmanaged clients, other destinations. */
Test(remote_wire, nobody_elses_syn)
{
	struct scope c = client();
	int l = listen_there(AF_INET, THERE4, 5080), t = tap(), fd;
	struct counts n;

	web_there();
	fd = dial(&c, AF_INET, SOCK_STREAM, THERE4, 5080);
	cr_assert(fd >= 0, "%s", strerror(-fd));
	close(taken(l));
	close(fd);
	fd = dial(NULL, AF_INET, SOCK_STREAM, THERE4, 5080);
	cr_assert(fd >= 0);
	close(taken(l));
	close(fd);
	n = seen_by(t, 5080);
	cr_assert(n.syns == 2 && !n.syns_with && !n.others_with);
}

/* The key is the one of the node at that address, and of this direction. */
Test(remote_wire, each_node_has_its_key)
{
	struct scope c = client();
	int l1, l2, fd, got;
	struct syn_seen s;

	pair_there(&l1, &l2);
	for (uint32_t i = 1; i <= 2; i++) {
		far_service("10.9.0.1", 80, i);
		fd = dial(&c, AF_INET, SOCK_STREAM, "10.9.0.1", 80);
		cr_assert(fd >= 0);
		got = taken(i == 1 ? l1 : l2);
		s = syn_of(got);
		check_syn(&s, &c, i + 1, 0);
		close(got);
		close(fd);
	}
}

/* TCP Fast Open: the cookie, or asking for one, takes the room. */
Test(remote_wire, fast_open_has_no_room)
{
	struct scope c = client();
	struct any_addr to = sa_of(AF_INET, "10.9.0.1", 80);
	int l = listen_there(AF_INET, THERE4, 5080), fd, got;

	web_there();
	sysctl_set("ipv4/tcp_fastopen", "1");
	cr_assert(!sh_there("sysctl -q -w net.ipv4.tcp_fastopen=3"));
	set_int(l, IPPROTO_TCP, TCP_FASTOPEN, 16);
	for (unsigned i = 1; i <= 2; i++) {
		fd = sock_in(&c, AF_INET, SOCK_STREAM);
		cr_assert_eq(sendto(fd, "x", 1, MSG_FASTOPEN, &to.sa, to.len), 1, "%m");
		got = taken(l);
		cr_assert_eq(syn_of(got).options, 0);
		cr_assert_eq(stat_of(PB_R_NO_ROOM), i);
		close(got);
		close(fd);
	}
	/* Refused for it, the endpoint is none the worse. */
	close(l);
	fd = sock_in(&c, AF_INET, SOCK_STREAM);
	cr_assert(sendto(fd, "x", 1, MSG_FASTOPEN, &to.sa, to.len) < 0 || errno == ECONNREFUSED);
	close(fd);
	cr_assert(!eject_of(1).fails && eventually(!far_get(1).live));
}
