/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Plain programs on another host, which know nothing of us; and how loud strangers can be. */
#include <bpf/libbpf.h>

#include "peer.h"

static int listener;

static void setup(void)
{
	far_init();
	listener = serve(&server, AF_INET6, SOCK_STREAM, "::", PORT);
	cr_assert(listener >= 0, "%s", strerror(-listener));
}

TestSuite(peer_net, .init = setup, .fini = world_fini, .timeout = 240);

/* In a network namespace of its own, at the other end of a veth pair.  The errno of connect(). */
static int call_from_afar(int family, const char *ip, __be16 port)
{
	struct any_addr a = sa_of(family, ip, ntohs(port));
	int up[2], go[2], status;
	char cmd[200], c = 0;
	pid_t child;

	cr_assert(!pipe(up) && !pipe(go));
	child = fork();
	if (!child) {
		int fd;

		if (unshare(CLONE_NEWNET) || write(up[1], &c, 1) != 1 || read(go[0], &c, 1) != 1 ||
		    system("ip link set v1 up && ip addr add 198.51.100.2/24 dev v1 &&"
			   " ip addr add 2001:db8:1::2/64 dev v1 nodad"))
			_exit(255);
		fd = socket(family, SOCK_STREAM, 0);
		_exit(connect(fd, &a.sa, a.len) ? errno : 0);
	}
	cr_assert_eq(read(up[0], &c, 1), 1);
	snprintf(cmd, sizeof(cmd),
		 "ip link add v0 type veth peer name v1 netns %d && ip link set v0 up &&"
		 " ip addr add 198.51.100.1/24 dev v0 && ip addr add 2001:db8:1::1/64 dev v0 nodad",
		 child);
	sh(cmd);
	far_index = if_nametoindex("v0");
	attach(true);
	cr_assert_eq(write(go[1], &c, 1), 1);
	cr_assert_eq(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}

Test(peer_net, a_plain_connect_is_refused_at_once_ipv4)
{
	struct pb_endpoint ep;

	endpoint(&ep);
	cr_assert_eq(call_from_afar(AF_INET, "198.51.100.1", ep.real), ECONNREFUSED);
	cr_assert_eq(counted(PB_R_NO_SYN_ID), 1);
}

Test(peer_net, a_plain_connect_is_refused_at_once_ipv6)
{
	struct pb_endpoint ep;

	endpoint(&ep);
	cr_assert_eq(call_from_afar(AF_INET6, "2001:db8:1::1", ep.real), ECONNREFUSED);
	cr_assert_eq(counted(PB_R_NO_SYN_ID), 1);
}

Test(peer_net, unguarded_ports_are_not_touched)
{
	int fd = serve(NULL, AF_INET, SOCK_STREAM, "0.0.0.0", 4242);

	cr_assert_geq(fd, 0);
	cr_assert_eq(call_from_afar(AF_INET, "198.51.100.1", htons(4242)), 0);
	cr_assert_eq(counted(PB_R_NO_SYN_ID) + counted(PB_R_NO_ADMIT), 0);
}

struct heard {
	unsigned n;
	struct pb_event last;
};

static int hear(void *arg, void *data, size_t size)
{
	struct heard *h = arg;
	const struct pb_event *ev = data;

	if (size >= sizeof(*ev) && ev->reason == PB_R_NO_SYN_ID) {
		h->n++;
		h->last = *ev;
	}
	return 0;
}

Test(peer_net, strangers_are_counted_all_and_told_some)
{
	struct heard h = { 0 };
	struct ring_buffer *rb = ring_buffer__new(map_of("pb_events"), hear, &h, NULL);
	struct syn s = good_syn(AF_INET);
	uint64_t seconds = pb_now_ns();

	s.with = WITH_TS;
	for (int i = 0; i < 1000; i++) {
		send_syn(&s, NULL);
		answer(&s);
	}
	seconds = (pb_now_ns() - seconds) / 1000000000 + 1;
	cr_assert_not_null(rb);
	ring_buffer__consume(rb);
	ring_buffer__free(rb);
	cr_assert_eq(counted(PB_R_NO_SYN_ID), 1000);
	cr_assert(h.n > 0 && h.n <= 101 * (seconds + 1), "%u events", h.n);
	cr_assert_eq(h.last.app, server.ref);
	cr_assert(pb_addr_eq(&h.last.virt, &s.src) && h.last.vport == s.sport);
	cr_assert(pb_addr_eq(&h.last.real, &s.dst) && h.last.rport == s.dport);
}
