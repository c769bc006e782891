/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The child is there first and waits: the agent moves it into its scope by
 * pidfd, and only then does it go on to exec.  So no socket of the program is
 * older than its identity, and nothing starts without one.
 */
#include "cli.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <patchbay/addr.h>

#include "../registry/registry.h"
#include "../util.h"
#include "run.h"

struct job {
	struct run_child child;
	sigset_t signals;
	int go_wr, report_rd;
	pid_t pid;
	int pidfd;
};

static int add_list(json_t *req, const struct cli_args *a, const char *opt, const char *field)
{
	json_t *list;
	const char *v;

	if (!cli_given(a, opt))
		return 0;
	list = json_array();
	for (unsigned i = 0; (v = cli_nth(a, opt, i)); i++)
		json_array_append_new(list, json_string(v));
	return json_object_set_new(req, field, list);
}

static json_t *request(const struct cli_args *a)
{
	static const char *const plain[] = { "name", "egress", "local", "mode", "splice" };
	json_auto_t *req = json_pack("{s:s}", "op", "run");

	if (!req)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (cli_given(a, plain[i]) &&
		    json_object_set_new(req, plain[i], json_string(cli_value(a, plain[i]))))
			return NULL;
	if (cli_given(a, "no-wait") && json_object_set_new(req, "no_wait", json_true()))
		return NULL;
	if (add_list(req, a, "ip", "ips") || add_list(req, a, "tag", "tags"))
		return NULL;
	return TAKE_PTR(req);
}

static int check_ips(const struct cli *c, const struct cli_args *a)
{
	bool seen[2] = { false, false };
	const char *v;

	for (unsigned i = 0; (v = cli_nth(a, "ip", i)); i++) {
		struct pb_addr addr;
		int v4;

		if (pb_addr_parse(v, &addr))
			return cli_error(c, CLI_USAGE, EINVAL, "'--ip %.80s' is not an IP address",
					 v);
		v4 = !!pb_addr_is_v4(&addr);
		if (seen[v4])
			return cli_error(c, CLI_USAGE, EINVAL,
					 "'--ip %.80s' is a second IPv%c address; one is the limit",
					 v, v4 ? '4' : '6');
		seen[v4] = true;
	}
	return CLI_OK;
}

/* What can be told without the agent is told before anything is forked. */
static int check_args(const struct cli *c, const struct cli_args *a)
{
	const char *v = cli_value(a, "name");
	int code;

	if (v && !pb_name_valid(v))
		return cli_error(
			c, CLI_USAGE, EINVAL,
			"'--name %.80s' is not a name: letters, digits, '-' and '.', at most 63",
			v);
	code = check_ips(c, a);
	if (code)
		return code;
	for (unsigned i = 0; (v = cli_nth(a, "tag", i)); i++) {
		const char *eq = strchr(v, '=');

		if (!eq || eq == v || !eq[1] || strlen(v) >= PB_TAG_LEN)
			return cli_error(c, CLI_USAGE, EINVAL,
					 "'--tag %.80s' is not KEY=VALUE of at most %d characters",
					 v, PB_TAG_LEN - 1);
		if (i >= PB_TAGS_MAX)
			return cli_error(c, CLI_USAGE, E2BIG, "more than %d tags are given",
					 PB_TAGS_MAX);
	}
	if (cli_given(a, "allow-raw") && geteuid())
		return cli_error(c, CLI_PRIV, EPERM, "only root may use --allow-raw");
	return CLI_OK;
}

static int find_user(const struct cli *c, const char *name, struct run_user *u)
{
	unsigned long id;
	struct passwd *p;

	if (!name)
		return CLI_OK;
	p = getpwnam(name);
	if (!p && !cli_number(name, 0, 0xfffffffeUL, &id))
		p = getpwuid((uid_t)id);
	if (!p)
		return cli_error(c, CLI_USAGE, EINVAL, "'--user %.80s': there is no such user",
				 name);
	if (geteuid() && p->pw_uid != geteuid())
		return cli_error(c, CLI_PRIV, EPERM, "only root may use --user");
	/* Being that user already, there is nothing to change and no right to. */
	u->set = !geteuid();
	u->uid = p->pw_uid;
	u->gid = p->pw_gid;
	u->name = strdup(p->pw_name);
	u->home = strdup(p->pw_dir);
	return u->name && u->home ? CLI_OK : cli_oom(c);
}

static void job_close(struct job *j)
{
	pb_closep(&j->child.go_fd);
	pb_closep(&j->child.report_fd);
	pb_closep(&j->go_wr);
	pb_closep(&j->report_rd);
	pb_closep(&j->pidfd);
	free(j->child.user.name);
	free(j->child.user.home);
}

static int start(struct job *j)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int go[2], report[2];

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	j->child.go_fd = go[0];
	j->go_wr = go[1];
	if (pipe2(report, O_CLOEXEC))
		return -errno;
	j->report_rd = report[0];
	j->child.report_fd = report[1];
	run_signals(&j->signals);
	/* An inherited SIG_IGN would throw the exit code away. */
	sigaction(SIGCHLD, &dfl, &j->child.on_chld);
	sigprocmask(SIG_BLOCK, &j->signals, &j->child.mask);
	fflush(NULL);
	j->pid = fork();
	if (j->pid < 0)
		return -errno;
	if (!j->pid) {
		/* Our copy of the writing end would keep the end of file away. */
		pb_closep(&j->go_wr);
		run_child(&j->child);
	}
	close(TAKE_FD(j->child.go_fd));
	close(TAKE_FD(j->child.report_fd));
	j->pidfd = (int)syscall(SYS_pidfd_open, j->pid, 0);
	return j->pidfd < 0 ? -errno : 0;
}

/* Lets the waiting child end without having started anything. */
static void give_up(struct job *j)
{
	close(TAKE_FD(j->go_wr));
	while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Asked for here, also where the node forbids it now, or by the configuration. */
static bool is_spliced(const struct cli_args *a, const json_t *answer)
{
	const char *asked = cli_value(a, "splice");

	return (asked && strcmp(asked, "off")) || json_is_true(json_object_get(answer, "splice"));
}

static int release_and_wait(const struct cli *c, struct job *j, bool spliced)
{
	char go = spliced ? RUN_GO_SPLICED : RUN_GO;
	struct run_failure f;
	ssize_t n;
	int code;

	n = write(j->go_wr, &go, 1);
	if (n != 1) { /* killed while it waited */
		give_up(j);
		return cli_error(c, CLI_RUN_FAILED, ECHILD,
				 "the child was killed before it started");
	}
	close(TAKE_FD(j->go_wr));
	do
		n = read(j->report_rd, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	code = run_wait(j->pid, &j->signals);
	if (n != sizeof(f))
		return code;
	f.text[sizeof(f.text) - 1] = '\0';
	return cli_error(c, f.code, f.err, "%s", f.text);
}

int cmd_run(const struct cli *c, const struct cli_args *a)
{
	_cleanup_(job_close) struct job j = {
		.child = { .command = a->command,
			   .go_fd = -1,
			   .report_fd = -1,
			   .keep_fds = cli_given(a, "keep-fds"),
			   .allow_raw = cli_given(a, "allow-raw") },
		.go_wr = -1,
		.report_rd = -1,
		.pidfd = -1,
	};
	json_auto_t *answer = NULL;
	int code, err;
	json_t *req;

	code = check_args(c, a);
	if (!code)
		code = find_user(c, cli_value(a, "user"), &j.child.user);
	if (code)
		return code;
	req = request(a);
	if (!req)
		return cli_oom(c);
	err = start(&j);
	if (err) {
		json_decref(req);
		if (j.pid > 0)
			give_up(&j);
		return cli_error(c, CLI_RUN_FAILED, -err, "cannot start a process: %s",
				 strerror(-err));
	}
	code = cli_ask_fd(c, req, j.pidfd, &answer);
	if (code) {
		give_up(&j);
		return code;
	}
	return release_and_wait(c, &j, is_spliced(a, answer));
}
