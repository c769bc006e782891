// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Replies that nobody sent, in a server's name: for every source port and every id of the switch, a
 * poisoned answer to a fetch of the key, or to a get.  Beside that the key is read and read: it must never
 * be the poison, and it must be answered.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/ip.h>
#include <netinet/udp.h>

#include "tests/tools/mc_udp.h"

#define BATCH 64
#define POISON "POISONED"

struct packet {
	struct iphdr ip;
	struct udphdr udp;
	uint8_t frame[8];
	char text[300];
} __attribute__((packed));

static struct {
	struct mcu_addr vip, from, to;
	int ports, secs, ids;
	const char *key;
	atomic_bool stop;
	unsigned long reads, poisoned, unanswered, sent;
} fl = { .ports = 64, .secs = 3, .ids = 65536 };

static void *reader(void *arg)
{
	struct mcu_reply *r = calloc(1, sizeof(*r));
	struct mcu_target t = { .fd = mcu_dial(&fl.vip, SOCK_DGRAM) };
	char req[300];
	size_t n = (size_t)snprintf(req, sizeof(req), "get %s\r\n", fl.key);

	(void)arg;
	while (r && t.fd >= 0 && !fl.stop) {
		if (mcu_send(&t, req, n) || mcu_recv(&t, r, 1, 500)) {
			fl.unanswered++;
			continue;
		}
		fl.reads++;
		if (memmem(r->buf, r->len, POISON, strlen(POISON)))
			fl.poisoned++;
	}
	close(t.fd);
	free(r);
	return NULL;
}

static size_t forge(struct packet *p, int port, int id)
{
	const struct sockaddr_in *from = (void *)&fl.from.ss, *to = (void *)&fl.to.ss;
	int n, forms = 3;

	switch ((id + port) % forms) {
	case 0:
		n = snprintf(p->text, sizeof(p->text), "VA 8 k%s f0 t-1 c1\r\n" POISON "\r\n",
			     fl.key);
		break;
	case 1:
		n = snprintf(p->text, sizeof(p->text), "VALUE %s 0 8\r\n" POISON "\r\nEND\r\n",
			     fl.key);
		break;
	default: n = snprintf(p->text, sizeof(p->text), "STORED\r\n");
	}
	memcpy(p->frame, (uint8_t[]){ (uint8_t)(id >> 8), (uint8_t)id, 0, 0, 0, 1, 0, 0 }, 8);
	p->udp = (struct udphdr){ .source = from->sin_port,
				  .dest = htons((uint16_t)(ntohs(to->sin_port) + port)),
				  .len = htons((uint16_t)(8 + 8 + n)) };
	p->ip = (struct iphdr){ .version = 4,
				.ihl = 5,
				.ttl = 64,
				.protocol = IPPROTO_UDP,
				.saddr = from->sin_addr.s_addr,
				.daddr = to->sin_addr.s_addr };
	return sizeof(p->ip) + 8 + 8 + (size_t)n;
}

static int send_all(int fd)
{
	static struct packet p[BATCH];
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec iov[BATCH];
	uint64_t end = mcu_now_us() + (uint64_t)fl.secs * 1000000;
	unsigned at = 0;

	while (mcu_now_us() < end) {
		for (int i = 0; i < BATCH; i++, at++) {
			iov[i].iov_base = &p[i];
			iov[i].iov_len = forge(&p[i], (int)(at % (unsigned)fl.ports),
					       (int)(at / (unsigned)fl.ports % (unsigned)fl.ids));
			m[i].msg_hdr = (struct msghdr){ .msg_name = &fl.to.ss,
							.msg_namelen = fl.to.len,
							.msg_iov = &iov[i],
							.msg_iovlen = 1 };
		}
		if (sendmmsg(fd, m, BATCH, 0) < 0 && errno != ENOBUFS)
			return -errno;
		fl.sent += BATCH;
	}
	return 0;
}

static int options(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		const char *o = argv[i], *v = argv[i + 1];

		if (!strcmp(o, "--vip")	    ? mcu_addr(v, &fl.vip)
		    : !strcmp(o, "--from")  ? mcu_addr(v, &fl.from)
		    : !strcmp(o, "--to")    ? mcu_addr(v, &fl.to)
		    : !strcmp(o, "--ports") ? (fl.ports = atoi(v)) < 1
		    : !strcmp(o, "--ids")   ? (fl.ids = atoi(v)) < 1
		    : !strcmp(o, "--secs")  ? (fl.secs = atoi(v)) < 1
		    : !strcmp(o, "--key")   ? !(fl.key = v)
					    : 1)
			return 2;
	}
	return fl.key && fl.vip.len && fl.to.ss.ss_family == AF_INET &&
			       fl.from.ss.ss_family == AF_INET && strlen(fl.key) < 200
		       ? 0
		       : 2;
}

int mcu_flood(int argc, char **argv)
{
	pthread_t readers[2];
	int fd, err;

	if (options(argc, argv))
		return 2;
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return 1;
	for (int i = 0; i < 2; i++)
		if (pthread_create(&readers[i], NULL, reader, NULL))
			return 1;
	err = send_all(fd);
	fl.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	printf("flood: %lu forged, %lu reads, %lu poisoned, %lu unanswered%s%s\n", fl.sent,
	       fl.reads, fl.poisoned, fl.unanswered, err ? ", stopped: " : "",
	       err ? strerror(-err) : "");
	close(fd);
	return err || fl.poisoned || !fl.reads;
}
