// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Modes: every call that sends or reads; calls with nothing to send; segments held back. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tort.h"

#define PIECES 4

/* Cuts n bytes at buf into up to PIECES. */
static int cut(struct rng *r, char *buf, size_t n, struct iovec *iov)
{
	int k = 0;

	for (; n && k < PIECES; k++) {
		iov[k].iov_base = buf;
		iov[k].iov_len = k == PIECES - 1 ? n : rng_upto(r, n);
		buf += iov[k].iov_len;
		n -= iov[k].iov_len;
	}
	return k;
}

/* ---- sends: n bytes at e->obuf; return what the kernel took ---- */

static ssize_t by_mmsg(struct end *e, struct iovec *iov, int k)
{
	struct mmsghdr m[PIECES] = { 0 };
	ssize_t sum = 0;
	int done;

	for (int i = 0; i < k; i++) {
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	done = sendmmsg(e->fd, m, k, MSG_NOSIGNAL);
	for (int i = 0; i < done; i++) {
		sum += m[i].msg_len;
		if (m[i].msg_len != iov[i].iov_len)
			break; /* what follows a partial message would leave a gap */
	}
	if (done > 0 && sum != (ssize_t)iov[0].iov_len && done < k)
		return sum;
	return done < 0 ? -1 : sum;
}

/* The socket may go on referring to the file's pages, so that each call has a file of its own. */
static ssize_t by_sendfile(struct end *e, size_t n)
{
	int fd = memfd_create("tort", MFD_CLOEXEC);
	ssize_t done;
	off_t off = 0;

	if (fd < 0 || write(fd, e->obuf, n) != (ssize_t)n)
		end_die(e, "memfd: %s", tt_errname(errno));
	done = sendfile(e->fd, fd, &off, n);
	close(fd);
	return done;
}

/* EINVAL is what `patchbay run` says to it: as programs do, by a plain send then. */
static ssize_t by_splice(struct end *e, size_t n)
{
	ssize_t done = 0, in;
	bool refused = false;
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		end_die(e, "pipe: %s", tt_errname(errno));
	in = write(p[1], e->obuf, n < 65536 ? n : 65536);
	while (in > 0 && done < in && !refused) {
		ssize_t k = splice(p[0], NULL, e->fd, NULL, in - done, SPLICE_F_MOVE);

		refused = k < 0 && errno == EINVAL && !done;
		if (refused || (k < 0 && end_retry(e, POLLOUT)))
			continue;
		if (k <= 0)
			end_die(e, "splice: %s", k ? tt_errname(errno) : "nothing");
		done += k;
	}
	close(p[0]);
	close(p[1]);
	if (!refused)
		return done;
	job_note_text(e->job, "splice2", "EINVAL");
	return send(e->fd, e->obuf, n, MSG_NOSIGNAL);
}

static void send_any(struct end *e, size_t n)
{
	struct iovec iov[PIECES];
	struct msghdr m = { .msg_iov = iov };
	ssize_t done = 0;
	bool wait = false;
	int k;

	strm_fill(&e->out, e->obuf, n);
	k = cut(&e->own, e->obuf, n, iov);
	m.msg_iovlen = k;
	switch (rng_next(&e->own) % 9) {
	case 0: done = write(e->fd, e->obuf, n); break;
	case 1: done = writev(e->fd, iov, k); break;
	case 2: done = sendmsg(e->fd, &m, MSG_NOSIGNAL); break;
	case 3: done = by_mmsg(e, iov, k); break;
	case 4: done = by_sendfile(e, n); break;
	case 5: done = by_splice(e, n); break;
	case 6: done = send(e->fd, e->obuf, n, MSG_MORE | MSG_NOSIGNAL); break;
	case 7:
		wait = true, done = sendto(e->fd, e->obuf, n, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
		break;
	case 8: done = send(e->fd, e->obuf, n, MSG_EOR | MSG_NOSIGNAL); break;
	}
	if (done < 0 && errno == EAGAIN && wait)
		end_wait(e, POLLOUT);
	else if (done <= 0 && !(done < 0 && end_retry(e, POLLOUT)))
		end_die(e, "a send: %s", done ? tt_errname(errno) : "nothing");
	e->out.pos += done > 0 ? done : 0;
}

static void api_writer(struct end *e)
{
	while (end_sends(e) && e->out.pos < (uint64_t)e->job->bytes) {
		uint64_t left = e->job->bytes - e->out.pos, n = rng_size(&e->own, e->job->size);

		send_any(e, n < left ? n : left);
	}
	end_fin(e);
}

/* ---- reads ---- */

static ssize_t by_recvmmsg(struct end *e, size_t n)
{
	struct iovec iov = { e->ibuf, n };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	return recvmmsg(e->fd, &m, 1, MSG_WAITFORONE, NULL) == 1 ? (ssize_t)m.msg_len : -1;
}

static void api_reader(struct end *e)
{
	struct rng r = { .state = tt_mix(e->own.state, 11) };
	struct iovec iov[PIECES];
	struct msghdr m = { .msg_iov = iov };
	ssize_t got = 1;

	while (got) {
		size_t n = rng_size(&r, e->job->rsize);
		int k = cut(&r, e->ibuf, n, iov);
		bool wait = false;

		m.msg_iovlen = k;
		switch (rng_next(&r) % 6) {
		case 0: got = read(e->fd, e->ibuf, n); break;
		case 1: got = readv(e->fd, iov, k); break;
		case 2: got = recvmsg(e->fd, &m, 0); break;
		case 3: got = by_recvmmsg(e, n); break;
		case 4:
			wait = true, got = recvfrom(e->fd, e->ibuf, n, MSG_DONTWAIT, NULL, NULL);
			break;
		case 5: got = recv(e->fd, e->ibuf, n, MSG_NOSIGNAL); break;
		}
		if (got < 0 && errno == EAGAIN && wait)
			end_wait(e, POLLIN);
		else if (got < 0 && !end_retry(e, POLLIN))
			end_die(e, "a read: %s", tt_errname(errno));
		if (got > 0)
			strm_check(e, &e->in, e->ibuf, got);
	}
	if (end_reads(e) && e->in.pos != (uint64_t)e->job->bytes)
		end_die(e, "EOF after %llu bytes", (unsigned long long)e->in.pos);
}

void tt_api(struct end *e)
{
	end_both(e, api_reader, api_writer);
}

/* ---- nothing ---- */

static void send_nothing(struct end *e)
{
	struct iovec iov[2] = { { e->obuf, 0 }, { e->obuf, 0 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = rng_next(&e->own) % 3 };
	ssize_t done = 0;

	switch (rng_next(&e->own) % 3) {
	case 0: done = send(e->fd, "", 0, MSG_NOSIGNAL); break;
	case 1: done = writev(e->fd, iov, 2); break;
	case 2: done = sendmsg(e->fd, &m, MSG_NOSIGNAL); break;
	}
	if (done)
		end_die(e, "a send of nothing gives %zd: %s", done, tt_errname(errno));
}

static void take_nothing(struct end *e, size_t n)
{
	while (n) {
		ssize_t got = recv(e->fd, e->ibuf, 0, MSG_DONTWAIT);
		size_t some;

		if (got > 0 || (got < 0 && errno != EAGAIN))
			end_die(e, "a read of nothing gives %zd: %s", got, tt_errname(errno));
		send_nothing(e);
		some = end_recv_some(e, rng_upto(&e->own, n));
		if (!some)
			end_die(e, "EOF, %zu bytes too early", n);
		n -= some;
	}
}

/* Between any two sends and reads, one of no bytes: it is neither seen nor taken for EOF. */
void tt_zero(struct end *e)
{
	send_nothing(e); /* is the first thing that is sent at all */
	tt_bursts(e, e->job->size, take_nothing);
}

/* ---- held back ---- */

static void tcp_option(struct end *e, int option, int value)
{
	if (setsockopt(e->fd, IPPROTO_TCP, option, &value, sizeof(value)))
		end_die(e, "setsockopt: %s", tt_errname(errno));
}

static void send_more(struct end *e, size_t n)
{
	while (n) {
		size_t done = end_try_send(e, n, MSG_MORE);

		n -= done;
	}
}

/* Whatever is held back is sent when the cork goes, or at last by itself. */
static void send_corked(struct end *e, size_t n)
{
	size_t half = n / 2;

	tcp_option(e, TCP_NODELAY, rng_next(&e->own) % 2);
	switch (rng_next(&e->own) % 8) {
	case 0: /* nothing follows for a while */ send_more(e, n); break;
	case 1:
	case 2:
		send_more(e, half);
		end_send(e, n - half);
		break;
	case 3:
	case 4:
		tcp_option(e, TCP_CORK, 1);
		end_send(e, half);
		end_send(e, n - half);
		tcp_option(e, TCP_CORK, 0);
		break;
	default: end_send(e, n);
	}
}

void tt_cork(struct end *e)
{
	for (uint64_t total = 0, i = 0; total < (uint64_t)e->job->bytes || i < 20; i++) {
		size_t up = rng_size(&e->shared, e->job->size);
		size_t down = rng_size(&e->shared, e->job->size);

		total += up + down;
		if (e->job->server)
			end_recv(e, up);
		else
			send_corked(e, up);
		if (e->job->server)
			send_corked(e, down);
		else
			end_recv(e, down);
	}
	end_fin(e);
	end_eof(e);
}
