/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One question, one answer, and what the exit code says about it. */
#include "cli.h"

#include "../util.h"
#include "ctl.h"

int cli_unreachable(const struct cli *c, int err)
{
	switch (-err) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTDIR:
		return cli_error(
			c, CLI_AGENT, -err,
			"the agent does not run: nothing listens on %s/control.sock; start patchbayd",
			c->run_dir);
	case EACCES:
	case EPERM:
		return cli_error(
			c, CLI_PRIV, -err,
			"you may not use %s/control.sock; root and the members of its group may",
			c->run_dir);
	case ETIMEDOUT:
		return cli_error(
			c, CLI_AGENT, -err,
			"the agent did not answer within %d seconds: is patchbayd stopped or overloaded?",
			CTL_TIMEOUT_MS / 1000);
	case ECONNRESET:
	case EPIPE:
		return cli_error(c, CLI_AGENT, -err,
				 "the agent closed the connection before it answered");
	case EPROTO:
	case EMSGSIZE:
		return cli_error(c, CLI_AGENT, -err,
				 "%s/control.sock does not speak Patchbay's control protocol",
				 c->run_dir);
	case E2BIG:
		return cli_error(c, CLI_USAGE, -err, "the request is longer than %d bytes",
				 CTL_REQUEST_MAX);
	default:
		return cli_error(c, CLI_AGENT, -err,
				 "cannot reach the agent at %s/control.sock: %s", c->run_dir,
				 strerror(-err));
	}
}

static int exit_of(const char *name)
{
	if (cli_is_word(name, "EPERM ENOSYS EOPNOTSUPP ENOTSUP"))
		return CLI_PRIV;
	return !strcmp(name, "EINVAL") ? CLI_USAGE : CLI_NO;
}

static int errno_of(const char *name)
{
	for (int e = 1; e < 200; e++) {
		const char *n = strerrorname_np(e);

		if (n && !strcmp(n, name))
			return e;
	}
	return EIO;
}

int cli_refused(const struct cli *c, const json_t *answer)
{
	const json_t *e = json_object_get(answer, "error");
	const char *name = cli_str(e, "errno");

	return cli_error(c, exit_of(name), errno_of(name), "%s", cli_str(e, "message"));
}

int cli_ask_fd(const struct cli *c, json_t *req, int pass_fd, json_t **ret)
{
	json_auto_t *owned = req, *answer = NULL;
	int err = ctl_ask(c->run_dir, owned, pass_fd, &answer);

	if (err == -ENOMEM)
		return cli_oom(c);
	if (err)
		return cli_unreachable(c, err);
	if (!json_is_true(json_object_get(answer, "ok")))
		return cli_refused(c, answer);
	*ret = TAKE_PTR(answer);
	return CLI_OK;
}

int cli_ask(const struct cli *c, json_t *req, json_t **ret)
{
	return cli_ask_fd(c, req, -1, ret);
}
