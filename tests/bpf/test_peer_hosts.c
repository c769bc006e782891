/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two nodes, each with its own programs, maps, cgroup and network namespace, joined by a veth pair:
 * a plain client on one calls a plain server on the other.  What their agents would tell each other
 * is written by hand.
 *
 *   server's node 1   192.0.2.1  2001:db8::1        client's node 2   192.0.2.2  2001:db8::2
 */
#include <signal.h>
#include <sys/prctl.h>

#include <bpf/bpf.h>

#include "remote.h"

#define ID 0x0102030405060708ULL
#define REF (PB_REF_REMOTE | 5)
#define PORT 8080

TestSuite(peer_hosts, .timeout = 240);

/* What is different in a test. */
struct call {
	int family;
	const char *ip;
	const char *server_sees; /* the client's address, without its port; NULL: nobody */
	const char *client_sees;
	uint64_t ns;  /* of both applications; 0: each its own */
	uint64_t grp; /* of the client, as the server's node knows it */
	uint64_t key; /* of the client's node */
	bool late;    /* the application is announced after its first SYN */
	bool cookies; /* SYN cookies, always */
	int err;      /* of connect() */
};

/* To the client's node and back: no deadline but the test's, since loading takes long on slow
 * machines; a node that dies is noticed. */
static int to_client[2], to_server[2];

static void say(int fd, __be16 what)
{
	cr_assert_eq(write(fd, &what, sizeof(what)), sizeof(what));
}

static __be16 hear(int fd)
{
	__be16 what = 0;

	cr_assert_eq(read(fd, &what, sizeof(what)), sizeof(what), "the other node is gone");
	return what;
}

static void node(unsigned number, const char *device)
{
	char cmd[256];
	unsigned index;

	snprintf(cmd, sizeof(cmd),
		 "ip link set %s up && ip addr add 192.0.2.%u/24 dev %s &&"
		 " ip addr add 2001:db8::%u/64 dev %s nodad",
		 device, number, device, number, device);
	cr_assert(!system(cmd), "%s", cmd);
	config_flags(PB_CFG_PEERS, 0);
	index = if_nametoindex(device);
	cr_assert(!pb_loader_attach_devices(loader, &index, 1, NULL));
}

static void know(unsigned number, const struct pb_peer *p)
{
	char text[32];

	for (int v6 = 0; v6 < 2; v6++) {
		struct pb_addr a;

		snprintf(text, sizeof(text), v6 ? "2001:db8::%u" : "192.0.2.%u", number);
		a = addr_of(text);
		cr_assert(!pb_maps_put_peer(maps, &a, p));
	}
}

/* ---- the client's node ---------------------------------------------------- */

static void client_node(const struct call *c)
{
	struct scope me, far;
	struct pb_endpoint ep;
	char got[8] = "";
	__be16 real;
	int fd;

	world_init();
	say(to_server[1], 0);
	real = hear(to_client[0]);
	node(2, "vb");
	know(1, &(struct pb_peer){ .node = 1, .out = { c->key, 99 } });
	me = scope_new("c", "10.9.0.2", "fd09::2", 1);
	me.app.id = ID;
	far = far_app("srv", 9, "10.9.0.1", "fd09::1", 1);
	if (c->ns) {
		me.app.ns = far.app.ns = c->ns;
		put_app(&far);
	}
	put_app(&me);
	ep = far_ep(&far, "192.0.2.1", "2001:db8::1", PORT, ntohs(real));
	far_put(1, &ep);
	far_service_of(c->ip, c->ns, PORT, IPPROTO_TCP, 1, (uint32_t[]){ 1 });
	fd = dial(&me, c->family, SOCK_STREAM, c->ip, PORT);
	cr_assert_eq(fd < 0 ? -fd : 0, c->err, "%s", strerror(fd < 0 ? -fd : 0));
	if (!c->err) {
		cr_assert_str_eq(peer_of(fd), c->client_sees);
		cr_assert(write(fd, "ping", 4) == 4 && read(fd, got, 4) == 4 &&
			  !strcmp(got, "pong"));
		close(fd);
	}
	world_fini();
}

/* ---- the server's --------------------------------------------------------- */

static void vouch(void)
{
	struct pb_member_key k = { .node = 2, .id = ID };
	struct pb_member m = { .ref = REF };

	cr_assert(!bpf_map_update_elem(pb_maps_fd(maps, "pb_members"), &k, &m, BPF_ANY));
}

static int server_node(const struct call *c, pid_t child, __be16 *ret_real)
{
	struct scope me, far;
	struct pb_endpoint ep;
	uint32_t i = 1;
	int fd;

	sh("ip link add va type veth peer name vb netns %d", child);
	node(1, "va");
	if (c->cookies)
		sh("echo 2 > /proc/sys/net/ipv4/tcp_syncookies");
	know(2, &(struct pb_peer){ .node = 2, .in = { { 98, 99 }, { 0, 0 } } });
	far = far_app("c", 5, "10.9.0.2", "fd09::2", c->grp);
	far.app.id = ID;
	me = scope_new("srv", "10.9.0.1", "fd09::1", 1);
	if (c->ns)
		me.app.ns = far.app.ns = c->ns;
	put_app(&far);
	put_app(&me);
	if (!c->late)
		vouch();
	fd = serve(&me, c->family, SOCK_STREAM, c->family == AF_INET ? "0.0.0.0" : "::", PORT);
	cr_assert(fd >= 0, "%s", strerror(-fd));
	while (bpf_map_lookup_elem(pb_maps_fd(maps, "pb_endpoints"), &i, &ep) ||
	       ep.state != PB_EP_UP)
		cr_assert(++i < 4096);
	*ret_real = ep.real;
	return fd;
}

static void call(const struct call *c)
{
	int status, l, fd;
	char got[8] = "";
	__be16 real;
	pid_t child;

	cr_assert(!pipe(to_client) && !pipe(to_server));
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(to_client[1]);
		close(to_server[0]);
		client_node(c);
		_exit(0);
	}
	close(to_client[0]);
	close(to_server[1]);
	hear(to_server[0]);
	world_init();
	l = server_node(c, child, &real);
	say(to_client[1], real);
	if (c->late) {
		cr_assert(eventually(stat_of(PB_R_NO_MEMBER) > 0));
		vouch();
	}
	if (c->server_sees) {
		fd = taken(l);
		cr_assert(!strncmp(peer_of(fd), c->server_sees, strlen(c->server_sees)), "%s",
			  peer_of(fd));
		cr_assert(read(fd, got, 4) == 4 && !strcmp(got, "ping"));
		cr_assert_eq(write(fd, "pong", 4), 4);
	}
	cr_assert(waitpid(child, &status, 0) == child && !status, "the client's node failed");
	if (!c->server_sees)
		cr_assert_eq(poll(&(struct pollfd){ .fd = l, .events = POLLIN }, 1, 0), 0);
	world_fini();
}

Test(peer_hosts, ipv4)
{
	call(&(struct call){ AF_INET, "10.9.0.1", "10.9.0.2:", "10.9.0.1:8080", .grp = 1,
			     .key = 98 });
}

Test(peer_hosts, ipv6)
{
	call(&(struct call){ AF_INET6, "fd09::1", "[fd09::2]:", "[fd09::1]:8080", .grp = 1,
			     .key = 98 });
}

Test(peer_hosts, mapped)
{
	call(&(struct call){ AF_INET6, "10.9.0.1", "[::ffff:10.9.0.2]:", "[::ffff:10.9.0.1]:8080",
			     .grp = 1, .key = 98 });
}

Test(peer_hosts, loopback_of_one_application)
{
	call(&(struct call){ AF_INET, "127.0.0.1", "127.0.0.1:", "127.0.0.1:8080", .ns = 4711,
			     .grp = 1, .key = 98 });
}

Test(peer_hosts, loopback_ipv6)
{
	call(&(struct call){ AF_INET6, "::1", "[::1]:", "[::1]:8080", .ns = 4711, .grp = 1,
			     .key = 98 });
}

Test(peer_hosts, syn_cookies)
{
	call(&(struct call){ AF_INET, "10.9.0.1", "10.9.0.2:", "10.9.0.1:8080", .grp = 1, .key = 98,
			     .cookies = true });
}

/* The client's kernel repeats its SYN; the program waits a second and knows nothing of it. */
Test(peer_hosts, one_announced_late)
{
	call(&(struct call){ AF_INET, "10.9.0.1", "10.9.0.2:", "10.9.0.1:8080", .grp = 1, .key = 98,
			     .late = true });
}

Test(peer_hosts, the_servers_policy_has_the_last_word)
{
	call(&(struct call){ AF_INET, "10.9.0.1", .grp = 2, .key = 98, .err = ECONNREFUSED });
}

Test(peer_hosts, another_key)
{
	call(&(struct call){ AF_INET, "10.9.0.1", .grp = 1, .key = 97, .err = ECONNREFUSED });
}
