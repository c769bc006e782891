/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Datagrams between two nodes, each with its own programs, maps, cgroup and network namespace, joined
 * by a veth pair: plain programs on both.  What their agents would tell each other is written by hand.
 *
 *   server's node 1   192.0.2.1  2001:db8::1        client's node 2   192.0.2.2  2001:db8::2
 */
#ifndef PB_TEST_HELLO_H
#define PB_TEST_HELLO_H

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <netinet/udp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <bpf/bpf.h>

#include "control/agent/event_json.h"
#include "remote.h"

#define ID 0x0102030405060708ULL
#define REF (PB_REF_REMOTE | 5)
#define PORT 5353
#define KEY 98
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* Loading takes an emulated kernel ten seconds, and here it is done twice. */
#define LOADED_NS 60000000000ULL

struct talk {
	int family;
	const char *ip;
	const char *server_sees; /* up to the port; NULL: nobody */
	const char *bound;	 /* the client's own name */
	uint64_t ns, grp, key;
	unsigned size;	  /* of each datagram */
	unsigned segment; /* UDP_SEGMENT */
	bool loose;	  /* not connected */
	bool late;	  /* the application is announced after its first datagram */
	bool no_offload;  /* of checksums */
	bool only_lo;	  /* the server is bound to loopback */
	int err;	  /* of the client's send() or recv() */
};

static struct {
	__be16 real;
	volatile int step;
} * both;

static inline bool reached(int step)
{
	return both->step >= step;
}

static inline bool loaded(int step)
{
	uint64_t end = pb_now_ns() + LOADED_NS;

	while (!reached(step) && pb_now_ns() < end)
		poll_pause();
	return reached(step);
}

static inline void no_checksums(const char *device)
{
	struct ethtool_value v = { .cmd = ETHTOOL_STXCSUM };
	struct ifreq ifr = { .ifr_data = (void *)&v };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	cr_assert(!ioctl(fd, SIOCETHTOOL, &ifr), "%m");
	close(fd);
}

static inline void node(unsigned number, const char *device, const struct talk *t)
{
	unsigned index;

	sh("ip link set %s up && ip addr add 192.0.2.%u/24 dev %s &&"
	   " ip addr add 2001:db8::%u/64 dev %s nodad",
	   device, number, device, number, device);
	if (t->no_offload)
		no_checksums(device);
	config_flags(PB_CFG_PEERS | PB_CFG_PEERS_UDP, 0);
	index = if_nametoindex(device);
	cr_assert(pb_loader_datagrams(loader));
	cr_assert(!pb_loader_attach_devices(loader, &index, 1, NULL));
}

static inline void know(unsigned number, const struct pb_peer *p)
{
	char text[32];

	for (int v6 = 0; v6 < 2; v6++) {
		struct pb_addr a;

		snprintf(text, sizeof(text), v6 ? "2001:db8::%u" : "192.0.2.%u", number);
		a = addr_of(text);
		cr_assert(!pb_maps_put_peer(maps, &a, p));
	}
}

static inline void tell(const char *who, int err)
{
	static const unsigned of[] = {
		PB_R_BAD_MAC, PB_R_BAD_CLOCK, PB_R_NO_MEMBER, PB_R_NO_ADMIT,
		PB_R_NO_ROOM, PB_R_MAP_FULL,  PB_R_BAD_ADMIT, PB_R_DENY_GROUP
	};

	fprintf(stderr, "%s: %s;", who, err ? strerror(err) : "ok");
	for (unsigned i = 0; i < ARRAY_SIZE(of); i++)
		if (stat_of(of[i]))
			fprintf(stderr, " %u %s", (unsigned)stat_of(of[i]), pb_reason_name(of[i]));
	fprintf(stderr, "\n");
}

/* ---- the client's node ---------------------------------------------------- */

static inline int client_socket(const struct talk *t, const struct scope *me)
{
	struct timeval tv = { .tv_sec = 5 };
	int fd = sock_in(me, t->family, SOCK_DGRAM), size = t->segment;
	struct any_addr a = sa_of(t->family, t->ip, PORT);

	cr_assert(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	if (size)
		cr_assert(!setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)), "%m");
	if (t->bound) {
		struct any_addr own = sa_of(t->family, t->bound, 7000);

		cr_assert(!bind(fd, &own.sa, own.len), "%m");
	}
	if (!t->loose)
		cr_assert(!connect(fd, &a.sa, a.len), "%m");
	return fd;
}

/* The answer comes from whoever was asked; every byte of it is right. */
static inline int hear(int fd, const struct any_addr *asked, unsigned size)
{
	static char got[65536];
	struct any_addr from = { .len = sizeof(from) - sizeof(from.len) };
	ssize_t n = recvfrom(fd, got, sizeof(got), 0, &from.sa, &from.len);

	if (n < 0)
		return errno;
	cr_assert_eq(n, (ssize_t)size, "%zd bytes", n);
	for (unsigned i = 0; i < size; i++)
		cr_assert_eq(got[i], (char)('a' + i % 26));
	cr_assert_str_eq(show(&from), show(asked));
	return 0;
}

static inline int say(const struct talk *t, int fd, const struct any_addr *to)
{
	static char text[65536];

	for (unsigned i = 0; i < t->size; i++)
		text[i] = (char)('a' + i % (t->segment ? t->segment : t->size) % 26);
	if (t->loose)
		return sendto(fd, text, t->size, 0, &to->sa, to->len) < 0 ? errno : 0;
	return send(fd, text, t->size, 0) < 0 ? errno : 0;
}

/* The server's first answers, then one more: what holds once must hold again. */
static inline int converse(const struct talk *t, int fd)
{
	struct any_addr to = sa_of(t->family, t->ip, PORT);
	unsigned part = t->segment ? t->segment : t->size;
	int err = say(t, fd, &to);

	if (t->late && !err) {
		cr_assert(eventually(reached(4)));
		err = say(t, fd, &to);
	}
	for (unsigned i = 0; !err && i < t->size / part; i++)
		err = hear(fd, &to, part);
	for (int again = 0; !err && again < 8; again++) {
		err = say(t, fd, &to);
		for (unsigned i = 0; !err && i < t->size / part; i++)
			err = hear(fd, &to, part);
	}
	return err;
}

static inline void client_node(const struct talk *t)
{
	struct scope me, far;
	struct pb_endpoint ep;
	char c;
	int fd, err;

	world_init();
	both->step = 1;
	cr_assert(loaded(2));
	node(2, "vb", t);
	know(1, &(struct pb_peer){ .node = 1, .out = { t->key, 99 }, .in = { { 7, 7 } } });
	me = scope_new("c", "10.9.0.2", "fd09::2", 1);
	me.app.id = ID;
	far = far_app("srv", 9, "10.9.0.1", "fd09::1", 1);
	if (t->ns) {
		me.app.ns = far.app.ns = t->ns;
		put_app(&far);
	}
	put_app(&me);
	ep = far_ep(&far, "192.0.2.1", "2001:db8::1", PORT, ntohs(both->real));
	ep.proto = IPPROTO_UDP;
	far_put(1, &ep);
	far_service_of(t->ip, t->ns, PORT, IPPROTO_UDP, 1, (uint32_t[]){ 1 });
	fd = client_socket(t, &me);
	both->step = 3;
	err = converse(t, fd);
	tell("client", err);
	if (stat_of(PB_R_BAD_MAC))
		err = -1;
	if (err == t->err && recv(fd, &c, 1, MSG_DONTWAIT) < 0)
		both->step = 9;
	close(fd);
	world_fini();
}

/* ---- the server's --------------------------------------------------------- */

static inline void vouch(void)
{
	struct pb_member_key k = { .node = 2, .id = ID };
	struct pb_member m = { .ref = REF };

	cr_assert(!bpf_map_update_elem(pb_maps_fd(maps, "pb_members"), &k, &m, BPF_ANY));
}

static inline int server_node(const struct talk *t, pid_t child)
{
	const char *any = t->family == AF_INET ? "0.0.0.0" : "::";
	struct scope me, far;
	struct pb_endpoint ep;
	uint32_t i = 1;
	int fd;

	sh("ip link add va type veth peer name vb netns %d", child);
	node(1, "va", t);
	know(2, &(struct pb_peer){ .node = 2, .in = { { KEY, 99 }, { 0, 0 } }, .out = { 7, 7 } });
	far = far_app("c", 5, "10.9.0.2", "fd09::2", t->grp);
	far.app.id = ID;
	me = scope_new("srv", "10.9.0.1", "fd09::1", 1);
	if (t->ns)
		me.app.ns = far.app.ns = t->ns;
	put_app(&far);
	put_app(&me);
	if (!t->late)
		vouch();
	fd = serve(&me, t->family, SOCK_DGRAM,
		   t->only_lo ? (t->family == AF_INET ? "127.0.0.1" : "::1") : any, PORT);
	cr_assert(fd >= 0, "%s", strerror(-fd));
	while (bpf_map_lookup_elem(pb_maps_fd(maps, "pb_endpoints"), &i, &ep) ||
	       ep.state != PB_EP_UP)
		cr_assert(++i < 4096);
	both->real = ep.real;
	return fd;
}

/* Answers with what it got, until the client is through. */
static inline unsigned answer_all(const struct talk *t, int fd, pid_t child, int *ret_status)
{
	static char got[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t end = pb_now_ns() + 2 * DEADLINE_NS;
	unsigned n = 0;

	while (!reached(9) && pb_now_ns() < end && waitpid(child, ret_status, WNOHANG) != child) {
		struct any_addr from = { .len = sizeof(from) - sizeof(from.len) };
		ssize_t len;

		if (poll(&p, 1, 10) != 1)
			continue;
		len = recvfrom(fd, got, sizeof(got), MSG_DONTWAIT, &from.sa, &from.len);
		if (len < 0)
			continue;
		n++;
		cr_assert(t->server_sees, "%s got through", show(&from));
		cr_assert(!strncmp(show(&from), t->server_sees, strlen(t->server_sees)), "%s",
			  show(&from));
		cr_assert_eq(sendto(fd, got, (size_t)len, 0, &from.sa, from.len), len, "%m");
	}
	return n;
}

static inline void talk(const struct talk *from)
{
	struct talk t = *from;
	unsigned n, want;
	int status = -1, fd;
	pid_t child;

	t.size = t.size ? t.size : 4;
	t.key = t.key ? t.key : KEY;
	t.grp = t.grp ? t.grp : 1;
	both = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert(both != MAP_FAILED);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed waits for nobody */
		client_node(&t);
		_exit(0);
	}
	cr_assert(loaded(1));
	world_init();
	fd = server_node(&t, child);
	both->step = 2;
	if (t.late) {
		cr_assert(eventually(stat_of(PB_R_NO_MEMBER) > 0));
		vouch();
		both->step = 4;
	}
	n = answer_all(&t, fd, child, &status);
	tell("server", 0);
	if (status == -1)
		kill(child, SIGKILL);
	cr_assert(reached(9), "the client's node failed");
	want = t.server_sees ? 9 * (t.segment ? t.size / t.segment : 1) : 0;
	cr_assert_eq(n, want, "%u datagrams", n);
	world_fini();
}

#endif /* PB_TEST_HELLO_H */
