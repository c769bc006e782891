/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hellos that are not what they say, and datagrams without one: nobody gets in by them. */
#include <time.h>

#include <netinet/udp.h>

#include <patchbay/hello.h>

#include "peer.h"

TestSuite(hello_forged, .init = far_init, .fini = world_fini, .timeout = 60);

#define VPORT 7000

static int service;
static __be16 real;
static __be16 client_port;

static uint64_t tai_now(void)
{
	struct timespec ts;

	cr_assert(!clock_gettime(CLOCK_TAI, &ts));
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void serve_datagrams(int family)
{
	struct pb_endpoint ep;

	service = serve(&server, family, SOCK_DGRAM, family == AF_INET ? "0.0.0.0" : "::", PORT);
	cr_assert(service >= 0, "%s", strerror(-service));
	endpoint(&ep);
	real = ep.real;
	client_port = htons(40001);
}

/* What is said, how it is proved, and what is sent all the same. */
struct forged {
	int family;
	struct pb_hello said; /* the MAC is over this */
	struct pb_hello sent; /* the packet carries this */
	uint64_t mac_bits;    /* flipped */
	const __u64 *key;
	bool part; /* as the first of several fragments */
};

static void put_udp(const struct pb_hello *m, const void *data, size_t n, bool part)
{
	struct syn ends = { .src = m->saddr,
			    .dst = m->daddr,
			    .sport = m->sport,
			    .dport = m->dport,
			    .with = part ? WITH_MF : 0 };
	struct udphdr u = { .source = m->sport, .dest = m->dport, .len = htons(8 + n) };
	uint8_t p[512], l4[256];
	int v4 = pb_addr_is_v4(&m->saddr);
	uint32_t sum = IPPROTO_UDP + 8 + n;

	memcpy(l4, &u, sizeof(u));
	memcpy(l4 + 8, data, n);
	sum = sum16(v4 ? &m->saddr.w[3] : &m->saddr.w[0], v4 ? 4 : 16, sum);
	sum = sum16(v4 ? &m->daddr.w[3] : &m->daddr.w[0], v4 ? 4 : 16, sum);
	u.check = fold(sum16(l4, 8 + n, sum));
	/* put_ip() writes TCP's protocol and checksum: both are put right */
	n = put_ip(p, &ends, l4, 8 + n);
	p[v4 ? 9 : 6] = IPPROTO_UDP;
	memcpy(p + (v4 ? 20 : 40), l4, n - (v4 ? 20 : 40));
	memcpy(p + (v4 ? 20 : 40) + 6, &u.check, 2);
	if (v4) {
		uint16_t check;

		memset(p + 10, 0, 2);
		check = fold(sum16(p, 20, 0));
		memcpy(p + 10, &check, 2);
	}
	cr_assert_eq(write(far_fd, p, n), (ssize_t)n, "%m");
}

static struct forged good(int family)
{
	struct forged f = { .family = family, .key = key_now };

	f.said = (struct pb_hello){ .saddr = addr_of(family == AF_INET ? THERE4 : THERE6),
				    .daddr = addr_of(family == AF_INET ? HERE4 : HERE6),
				    .sport = client_port,
				    .dport = real,
				    .vport = htons(VPORT),
				    .id = ID,
				    .time = tai_now() };
	f.sent = f.said;
	return f;
}

static void send_hello(const struct forged *f)
{
	struct pb_hello_msg msg;

	pb_hello_write(&msg, &f->sent, pb_hello_mac(f->key, &f->said) ^ f->mac_bits);
	put_udp(&f->sent, &msg, sizeof(msg), f->part);
}

/* Who the server says a datagram came from; "nobody". */
static const char *heard(void)
{
	struct any_addr from = { .len = sizeof(from) - sizeof(from.len) };
	struct pollfd p = { .fd = service, .events = POLLIN };
	char buf[256];
	ssize_t n;

	if (poll(&p, 1, 0) != 1)
		return "nobody";
	n = recvfrom(service, buf, sizeof(buf), 0, &from.sa, &from.len);
	cr_assert_eq(n, 4, "%zd bytes: a hello?", n);
	return show(&from);
}

/* A device takes what is written to it at once: when write() is back the packet was received. */
static const char *send_data(const struct forged *f)
{
	put_udp(&f->sent, "data", 4, false);
	return heard();
}

static void let_in(int family, const char *name)
{
	struct forged f;

	serve_datagrams(family);
	f = good(family);
	cr_expect_str_eq(send_data(&f), "nobody");
	send_hello(&f);
	cr_expect_str_eq(heard(), "nobody");
	cr_expect_str_eq(send_data(&f), name);
	cr_expect_str_eq(send_data(&f), name);
}

Test(hello_forged, what_is_right_is_let_in)
{
	let_in(AF_INET, "10.9.1.2:7000");
}

Test(hello_forged, what_is_right_is_let_in_ipv6)
{
	let_in(AF_INET6, "[fd00::2]:7000");
}

static void refused(const struct forged *f, uint32_t reason)
{
	struct forged honest = good(f->family);
	uint64_t before = counted(reason);

	send_hello(f);
	cr_expect_eq(counted(reason), before + 1, "reason %u", reason);
	honest.sent.sport = f->sent.sport;
	honest.sent.saddr = f->sent.saddr;
	cr_expect_str_eq(send_data(&honest), "nobody");
}

Test(hello_forged, each_field_is_proved)
{
	struct forged f;

	serve_datagrams(AF_INET);
	f = good(AF_INET);
	f.mac_bits = 1;
	refused(&f, PB_R_BAD_MAC);
	f = good(AF_INET);
	f.sent.id ^= 1;
	refused(&f, PB_R_BAD_MAC);
	f = good(AF_INET);
	f.sent.vport ^= 1;
	refused(&f, PB_R_BAD_MAC);
	f = good(AF_INET);
	f.sent.time++;
	refused(&f, PB_R_BAD_MAC);
	f = good(AF_INET);
	f.sent.sport ^= 1;
	refused(&f, PB_R_BAD_MAC);
	f = good(AF_INET);
	f.said.dport ^= 1;
	refused(&f, PB_R_BAD_MAC);
	f = good(AF_INET);
	f.said.daddr.w[3] ^= 1;
	refused(&f, PB_R_BAD_MAC);
	f = good(AF_INET);
	f.key = key_old;
	refused(&f, PB_R_BAD_MAC);
}

Test(hello_forged, one_of_another_time)
{
	struct forged f;

	serve_datagrams(AF_INET);
	for (int ahead = 0; ahead < 2; ahead++) {
		f = good(AF_INET);
		f.said.time += ahead ? 2 * PB_HELLO_CLOCK_NS : -2 * PB_HELLO_CLOCK_NS;
		f.sent.time = f.said.time;
		refused(&f, PB_R_BAD_CLOCK);
	}
}

/* An identity in a SYN is no hello, nor the other way round. */
Test(hello_forged, the_proof_of_a_syn)
{
	struct pb_syn s = { .saddr = addr_of(THERE4), .daddr = addr_of(HERE4), .id = ID };
	struct forged f;

	serve_datagrams(AF_INET);
	f = good(AF_INET);
	s.sport = f.said.sport;
	s.dport = f.said.dport;
	f.mac_bits = pb_hello_mac(key_now, &f.said) ^ pb_syn_mac(key_now, &s);
	refused(&f, PB_R_BAD_MAC);
}

Test(hello_forged, strangers)
{
	struct forged f;

	serve_datagrams(AF_INET);
	f = good(AF_INET);
	f.said.saddr = f.sent.saddr = addr_of("192.0.2.77");
	send_hello(&f);
	cr_expect_str_eq(heard(), "nobody");
	cr_expect_str_eq(send_data(&f), "nobody");
	f = good(AF_INET);
	f.part = true;
	send_hello(&f);
	f.part = false;
	cr_expect_str_eq(send_data(&f), "nobody");
}

Test(hello_forged, no_cluster)
{
	struct forged f;

	serve_datagrams(AF_INET);
	set_config(PB_CFG_GUARD, PB_MODE_ENFORCE);
	f = good(AF_INET);
	send_hello(&f);
	cr_expect_str_eq(heard(), "nobody");
	cr_expect_str_eq(send_data(&f), "nobody");
}

static void age(const struct forged *f, uint64_t ns)
{
	struct pb_udp_key k = { .addr = f->sent.saddr, .port = f->sent.sport };
	struct pb_rudp r;

	cr_assert(!bpf_map_lookup_elem(map_of("pb_rudp_src"), &k, &r));
	r.time_ns -= ns;
	cr_assert(!bpf_map_update_elem(map_of("pb_rudp_src"), &k, &r, BPF_EXIST));
}

Test(hello_forged, what_was_said_wears_off)
{
	struct forged f;

	serve_datagrams(AF_INET);
	f = good(AF_INET);
	send_hello(&f);
	cr_expect_str_eq(send_data(&f), "10.9.1.2:7000");
	age(&f, PB_HELLO_HOLDS_NS + 1);
	cr_expect_str_eq(send_data(&f), "nobody");
	send_hello(&f);
	cr_expect_str_eq(send_data(&f), "10.9.1.2:7000");
}

Test(hello_forged, rights_are_asked_for_each_datagram)
{
	struct forged f;

	serve_datagrams(AF_INET);
	f = good(AF_INET);
	send_hello(&f);
	cr_expect_str_eq(send_data(&f), "10.9.1.2:7000");
	put_client(GRP << 1);
	cr_expect_str_eq(send_data(&f), "nobody");
	put_client(GRP);
	cr_expect_str_eq(send_data(&f), "10.9.1.2:7000");
}

/* Not announced yet: dropped without a word; refused when the news take too long. */
Test(hello_forged, not_announced)
{
	struct pb_member_key mk = { .node = NODE, .id = ID };
	uint64_t told;
	struct forged f;

	serve_datagrams(AF_INET);
	cr_assert(!bpf_map_delete_elem(map_of("pb_members"), &mk));
	f = good(AF_INET);
	send_hello(&f);
	told = counted(PB_R_NO_ADMIT);
	cr_expect_str_eq(send_data(&f), "nobody");
	cr_expect_eq(counted(PB_R_NO_ADMIT), told);
	age(&f, PB_HELLO_WAIT_NS + 1);
	cr_expect_str_eq(send_data(&f), "nobody");
	cr_expect_eq(counted(PB_R_NO_ADMIT), told + 1);
	put_member(NODE, ID, REF);
	cr_expect_str_eq(send_data(&f), "10.9.1.2:7000");
}

/* To a program that is none of ours it is a datagram like any other. */
Test(hello_forged, unmanaged_programs_get_what_looks_like_one)
{
	struct forged f;
	char buf[64];
	int fd;

	serve_datagrams(AF_INET);
	fd = serve(NULL, AF_INET, SOCK_DGRAM, "0.0.0.0", 0);
	f = good(AF_INET);
	f.said.saddr = f.sent.saddr = addr_of("192.0.2.77");
	f.said.dport = f.sent.dport = htons(port_of(fd));
	send_hello(&f);
	cr_expect_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), PB_HELLO_LEN);
}
