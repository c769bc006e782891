// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The process: begin, drain, end.  docs/man/patchbay-frames.8.rst */
#include <cap-ng.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "control/frames/frames_host_internal.h"
#include "control/util.h"

#define TICK_MS 500

/* Token steps and IP_FREEBIND; nothing is opened by name later. */
static int drop_privileges(void)
{
	static const unsigned keep[] = { CAP_BPF, CAP_NET_ADMIN };
	capng_select_t set = CAPNG_SELECT_CAPS;
	bool has[ARRAY_SIZE(keep)];

	if (capng_get_caps_process())
		return -EPERM;
	for (unsigned i = 0; i < ARRAY_SIZE(keep); i++)
		has[i] = capng_have_capability(CAPNG_PERMITTED, keep[i]);
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		set = CAPNG_SELECT_BOTH;
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned i = 0; i < ARRAY_SIZE(keep); i++)
		if (has[i])
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
				     keep[i]);
	if (capng_apply(set) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -EPERM;
	return 0;
}

static void closed(uv_handle_t *p)
{
	(void)p;
}

void frh_stop(struct frh *h)
{
	if (h->stopping)
		return;
	h->stopping = true;
	frh_remove_all(h);
}

/* Everything is answered, or late: the handles may go. */
static void finish(struct frh *h)
{
	if (uv_is_closing((uv_handle_t *)&h->timer))
		return;
	frh_control_stop(h);
	uv_close((uv_handle_t *)&h->timer, closed);
	uv_close((uv_handle_t *)&h->term, closed);
	fio_stop(h->io);
}

static void on_timer(uv_timer_t *t)
{
	struct frh *h = t->data;

	/* one that was replaced hears of changes by its agent only, and goes without it */
	if (h->drain_until &&
	    (!frh_clients(h) || pb_now_ns() > h->drain_until || !frh_controlled(h)))
		frh_stop(h);
	if (h->stopping && !h->ending)
		finish(h);
}

static void on_term(uv_signal_t *s, int signum)
{
	log_info("%s: no new connections; what was asked is answered", strsignal(signum));
	frh_stop(s->data);
}

static int run(const char *run_dir, int control_fd)
{
	struct frh h = { .fd = -1 };
	int err = uv_loop_init(&h.loop);

	if (err)
		return err;
	uv_timer_init(&h.loop, &h.timer);
	uv_signal_init(&h.loop, &h.term);
	h.timer.data = h.term.data = &h;
	err = fio_new(&h.io, &h.loop, 0);
	if (!err)
		err = frh_control_start(&h, run_dir, control_fd);
	if (!err)
		err = drop_privileges();
	if (err)
		return log_err(err, "patchbay-frames cannot start");
	uv_signal_start(&h.term, on_term, SIGTERM);
	uv_timer_start(&h.timer, on_timer, TICK_MS, TICK_MS);
	uv_run(&h.loop, UV_RUN_DEFAULT);
	fio_free(h.io);
	uv_loop_close(&h.loop);
	return 0;
}

int frames_host_main(int argc, char **argv)
{
	static const struct option options[] = { { "run-dir", required_argument, NULL, 'r' },
						 { "control-fd", required_argument, NULL, 'c' },
						 { NULL, 0, NULL, 0 } };
	const char *run_dir = "/run/patchbay";
	struct rlimit rl;
	int opt, fd = -1;

	optind = 1;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'r': run_dir = optarg; break;
		case 'c': fd = atoi(optarg); break;
		default: fputs("Try 'patchbay-frames --help'.\n", stderr); return 2;
		}
	}
	if (optind < argc || (fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC))) {
		fputs("patchbay-frames: wrong arguments; try --help\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	return run(run_dir, fd) ? 1 : 0;
}
