/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pieces of `patchbay run`: the child up to exec, and the parent that waits. */
#ifndef PB_CLI_RUN_H
#define PB_CLI_RUN_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define RUN_TEXT_LEN 384

/* What the waiting child is told. */
#define RUN_GO 'g'
#define RUN_GO_SPLICED 's' /* and its connections may be spliced */

struct run_user {
	bool set;
	uid_t uid;
	gid_t gid;
	char *name, *home; /* borrowed from the caller's strdup() */
};

/* What the child tells before it gives up; nothing comes when exec went well. */
struct run_failure {
	int code; /* enum cli_exit */
	int err;  /* positive errno */
	char text[RUN_TEXT_LEN];
};

struct run_child {
	char **command;
	struct run_user user;
	bool keep_fds, allow_raw;
	int go_fd;		  /* RUN_GO* once the scope is entered; end of file: give up */
	int report_fd;		  /* struct run_failure */
	sigset_t mask;		  /* the caller's */
	struct sigaction on_chld; /* the caller's */
};

/* In the child; does not return. */
void run_child(const struct run_child *r) __attribute__((noreturn));

/* run_confine.c; 0 or a negative errno, f says what could not be done. */
int run_close_foreign_sockets(bool keep);
int run_drop_raw(struct run_failure *f);
int run_limit_families(struct run_failure *f);
/* splice(2) never sees bytes that bypass the stack: it answers EINVAL, and programs read instead. */
int run_refuse_splice(struct run_failure *f);
int run_become(const struct run_user *u, struct run_failure *f);

/* run_wait.c */
/* Signals the parent takes over while it waits: everything that can be passed on. */
void run_signals(sigset_t *ret);
/* Passes signals on until the child ended; exit code of the child, 128+N after signal N. */
int run_wait(pid_t child, const sigset_t *signals);

#endif /* PB_CLI_RUN_H */
