/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "run.h"

#include "../util.h"
#include "cli.h"

/* False: the parent is gone or was refused, and nothing may start. */
static bool wait_for_go(int fd, char *ret_go)
{
	ssize_t n;

	do
		n = read(fd, ret_go, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

/* The filter comes before the change of user: afterwards it would cost no_new_privs. */
static int prepare(const struct run_child *r, bool spliced, struct run_failure *f)
{
	int err = 0;

	run_close_foreign_sockets(r->keep_fds);
	if (!r->allow_raw)
		err = run_drop_raw(f);
	if (!err && !r->allow_raw)
		err = run_limit_families(f);
	if (!err && spliced)
		err = run_refuse_splice(f);
	if (!err && r->user.set)
		err = run_become(&r->user, f);
	return err;
}

void run_child(const struct run_child *r)
{
	struct run_failure f = { .code = CLI_RUN_FAILED };
	char go = RUN_GO;

	if (!wait_for_go(r->go_fd, &go))
		_exit(CLI_RUN_FAILED);
	if (!prepare(r, go == RUN_GO_SPLICED, &f)) {
		sigaction(SIGCHLD, &r->on_chld, NULL);
		sigprocmask(SIG_SETMASK, &r->mask, NULL);
		execvp(r->command[0], r->command);
		f.err = errno;
		f.code = f.err == ENOENT ? CLI_RUN_NOTFOUND : CLI_RUN_NOEXEC;
		snprintf(f.text, sizeof(f.text), "cannot execute '%.200s': %s", r->command[0],
			 strerror(f.err));
	}
	/* Fits the pipe's buffer, and the parent reads; without it the exit code still tells. */
	if (write(r->report_fd, &f, sizeof(f)) < 0)
		_exit(f.code);
	_exit(f.code);
}
