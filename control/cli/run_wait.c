/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parent of a started program.  Both are in one process group, so what the
 * terminal sends reaches the program without help: si_code tells those signals
 * (from the kernel) from the ones somebody sent to us alone.
 */
#include "run.h"

#include <sys/wait.h>

#include "../util.h"
#include "cli.h"

void run_signals(sigset_t *ret)
{
	/* Not to be blocked: faults of our own, and job control around our own output. */
	static const int ours[] = { SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGTRAP,
				    SIGSYS,  SIGABRT, SIGTTIN, SIGTTOU };

	sigfillset(ret);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		sigdelset(ret, ours[i]);
}

static bool stops_a_job(int sig)
{
	return sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

/* The shell waits for us, so we stop when the program does, and wake it when we are woken. */
static void stop_along(pid_t child)
{
	raise(SIGSTOP);
	kill(child, SIGCONT);
}

/* True when the child ended. */
static bool reap(pid_t child, int *ret_code)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(child, &status, WNOHANG | WUNTRACED)) > 0) {
		if (WIFSTOPPED(status)) {
			if (stops_a_job(WSTOPSIG(status)))
				stop_along(child);
			continue;
		}
		*ret_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		return true;
	}
	if (pid < 0 && errno != EINTR) {
		*ret_code = CLI_RUN_FAILED;
		return true;
	}
	return false;
}

int run_wait(pid_t child, const sigset_t *signals)
{
	int code = CLI_RUN_FAILED;

	while (!reap(child, &code)) {
		siginfo_t info;
		int sig = sigwaitinfo(signals, &info);

		if (sig < 0 || sig == SIGCHLD || info.si_code > 0)
			continue;
		/* What the program sends to its group it has already; a SIGPIPE of our own is ours. */
		if (info.si_pid != child && info.si_pid != getpid())
			kill(child, sig);
	}
	return code;
}
