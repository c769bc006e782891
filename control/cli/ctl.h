/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The client side of docs/control-protocol.md. */
#ifndef PB_CLI_CTL_H
#define PB_CLI_CTL_H

#include <stddef.h>

#include <jansson.h>

#define CTL_TIMEOUT_MS 5000 /* for an answer; a stopped agent still accepts connections */
#define CTL_LONG_MS 60000   /* where the agent has programs to load first */
#define CTL_REQUEST_MAX 65536
#define CTL_ANSWER_MAX (64u << 20)

struct ctl {
	int fd;
	char *buf;
	size_t len, room, seen;
};

#define CTL_CLOSED ((struct ctl){ .fd = -1 })

int ctl_open(struct ctl *k, const char *run_dir);
void ctl_close(struct ctl *k);
/* Sends one line; @pass_fd goes along with its first byte (-1: none). -E2BIG: too long. */
int ctl_send(struct ctl *k, const json_t *req, int pass_fd);
/* One line. timeout_ms -1: for ever.  -ETIMEDOUT, -ECONNRESET (closed), -EPROTO (no object). */
int ctl_recv(struct ctl *k, int timeout_ms, json_t **ret);

/* One question, one answer, ok or not.  Borrows @req; NULL: -ENOMEM. */
int ctl_ask(const char *run_dir, const json_t *req, int pass_fd, json_t **ret);

#endif /* PB_CLI_CTL_H */
