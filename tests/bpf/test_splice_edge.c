// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Readers that are told of new bytes once (EPOLLET) and take a short read for the last one, as
 * epoll(7) allows them to.  None may be left waiting for bytes that are there.
 */
#include <pthread.h>
#include <sys/epoll.h>

#include "splice.h"

TestSuite(splice_edge, .init = splice_init, .fini = world_fini, .timeout = 120);

#define STEP 50000 /* ten are spliced, the next goes by TCP: no more than its first window */
#define PATIENCE_MS 20000

static unsigned char byte_at(uint64_t pos)
{
	return (unsigned char)(pos * 2654435761u >> 13);
}

struct job {
	int fd;
	uint64_t total;
};

/* Writes everything, as a program that blocks. */
static void *write_all(void *arg)
{
	const struct job *j = arg;
	static __thread char buf[STEP];
	uint64_t pos = 0;

	while (pos < j->total) {
		size_t n = j->total - pos < sizeof(buf) ? j->total - pos : sizeof(buf);
		size_t put = 0;

		for (size_t i = 0; i < n; i++)
			buf[i] = (char)byte_at(pos + i);
		while (put < n) {
			ssize_t r = write(j->fd, buf + put, n - put);

			if (r <= 0)
				return (void *)1;
			put += (size_t)r;
		}
		pos += n;
	}
	return NULL;
}

/* Reads until a read returns less than it asked for. */
static uint64_t read_until_short(int fd, uint64_t pos)
{
	static unsigned char buf[33333]; /* the last spliced read is short */
	ssize_t n;

	do {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		cr_assert(n != 0, "end of the stream after %lu bytes", (unsigned long)pos);
		cr_assert(n > 0 || errno == EAGAIN, "after %lu bytes: %m", (unsigned long)pos);
		for (ssize_t i = 0; i < n; i++)
			cr_assert(buf[i] == byte_at(pos + (uint64_t)i), "byte %lu differs",
				  (unsigned long)(pos + (uint64_t)i));
		if (n > 0)
			pos += (uint64_t)n;
	} while (n == sizeof(buf));
	return pos;
}

static int epoll_of(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	cr_assert(ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	return ep;
}

/* Waits for events and reads; the longest wait for one, in ms. */
static unsigned read_by_edges(int ep, int fd, uint64_t total)
{
	uint64_t pos = 0;
	unsigned longest = 0;

	while (pos < total) {
		struct epoll_event ev;
		uint64_t was = pb_now_ns();
		unsigned ms;

		cr_assert(epoll_wait(ep, &ev, 1, PATIENCE_MS) == 1, "hangs after %lu of %lu bytes",
			  (unsigned long)pos, (unsigned long)total);
		ms = (unsigned)((pb_now_ns() - was) / 1000000);
		longest = ms > longest ? ms : longest;
		pos = read_until_short(fd, pos);
	}
	return longest;
}

/* What is sent meanwhile lies there unread. */
static void wait_for_the_past(unsigned ms)
{
	uint64_t deadline = pb_now_ns() + ms * 1000000ULL;

	while (pb_now_ns() < deadline)
		usleep(1000);
}

static void nonblock(int fd)
{
	cr_assert(!fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}

static void bulk(uint64_t total, uint32_t events, unsigned stall_ms)
{
	struct pair p = pair_new();
	struct job j = { .fd = p.client, .total = total };
	unsigned longest;
	pthread_t writer;
	int ep;

	exchange(&p);
	nonblock(p.server);
	ep = epoll_of(p.server, events);
	cr_assert(!pthread_create(&writer, NULL, write_all, &j));
	wait_for_the_past(stall_ms);
	longest = read_by_edges(ep, p.server, total);
	cr_log_info("%lu bytes: longest wait %u ms\n", (unsigned long)total, longest);
	cr_assert(!pthread_join(writer, NULL));
	exchange(&p);
	close(ep);
	pair_close(&p);
}

Test(splice_edge, a_tail_by_tcp)
{
	for (int i = 0; i < 20; i++)
		bulk(PB_SPL_BUDGET + 1000 + (uint64_t)i * 77777, EPOLLIN | EPOLLET, 0);
}

Test(splice_edge, much_by_tcp)
{
	bulk(40u << 20, EPOLLIN | EPOLLET, 0);
}

Test(splice_edge, with_the_end_of_the_peer)
{
	bulk(3u << 20, EPOLLIN | EPOLLET | EPOLLRDHUP, 0);
}

/* The sender has finished, or is stuck in TCP's window, before the reader reads at all. */
Test(splice_edge, a_reader_that_stalls)
{
	static const unsigned ms[] = { 10, 100, 400, 1500 };

	for (unsigned i = 0; i < 4; i++) {
		/* The tail fits TCP's first window: nothing more will come of itself. */
		bulk(11 * STEP, EPOLLIN | EPOLLET, ms[i]);
		bulk(PB_SPL_BUDGET + 200000, EPOLLIN | EPOLLET, ms[i]);
		bulk(20u << 20, EPOLLIN | EPOLLET, ms[i]);
	}
}

/* Nobody holds back what a reader that looks again would find by itself. */
Test(splice_edge, level_triggered)
{
	bulk(3u << 20, EPOLLIN, 0);
	bulk(3u << 20, EPOLLIN, 300);
	cr_assert(count_of(PB_R_SPLICE_HELD) == 0);
}

/* All of it was sent before there was anybody who could wait. */
Test(splice_edge, sent_before_accept)
{
	int l = serve(&app_s, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT), ep, conn;
	uint64_t total = 11 * STEP;
	struct job j = { .total = total };
	pthread_t writer;

	cr_assert(l >= 0);
	j.fd = dial(&app_c, AF_INET, SOCK_STREAM, "10.9.0.1", SPLICE_PORT);
	cr_assert(!pthread_create(&writer, NULL, write_all, &j));
	wait_for_the_past(400);
	conn = taken(l);
	nonblock(conn);
	ep = epoll_of(conn, EPOLLIN | EPOLLET);
	read_by_edges(ep, conn, total);
	close(ep);
	close(conn);
	close(j.fd);
	close(l);
}
