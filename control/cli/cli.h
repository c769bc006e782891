/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line: one table of verbs (verbs.c) drives parsing, --help, the
 * manual page and completion.  cmd_<verb>.c holds one verb each.
 */
#ifndef PB_CLI_H
#define PB_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "../version.h"

#define CLI_SCHEMA "patchbay/1"
#define CLI_ERR_LEN 512
#define CLI_POS_MAX 8
#define CLI_OPTS_MAX 64 /* options given in one call, and options of one verb */

/* docs/control-protocol.md */
enum cli_exit {
	CLI_OK = 0,
	CLI_NO = 1,
	CLI_USAGE = 2,
	CLI_PRIV = 3,
	CLI_AGENT = 4,
	CLI_PARTLY = 5,
	CLI_RUN_FAILED = 125,
	CLI_RUN_NOEXEC = 126,
	CLI_RUN_NOTFOUND = 127,
};

struct cli; /* what every verb gets */
struct cli_args;

/* cli_opt.how; false stands for neither */
#define CLI_MANY 1u /* may be repeated */
#define CLI_BARE 2u /* --NAME alone is --NAME=ARG; the value is never the next word */

struct cli_opt {
	const char *name;  /* long name without dashes */
	char key;	   /* one-letter form, 0: none */
	unsigned how;	   /* CLI_* */
	const char *arg;   /* what the value is called; NULL: takes none; CLI_BARE: the value */
	const char *words; /* the values there are, separated by blanks; NULL: free text */
	const char *help;
};

struct cli_verb {
	const char *name;
	const char *args; /* operands as shown in help */
	const char *help; /* one line */
	const char *text; /* the manual page's paragraph */
	const struct cli_opt *opts;
	const char *words; /* what the first operand can be; NULL: free text */
	unsigned min_pos, max_pos;
	bool command; /* operands from the first on are a program and its arguments */
	int fail;     /* exit code of every failure that is Patchbay's own; 0: by kind */
	int (*run)(const struct cli *c, const struct cli_args *a);
};

struct cli {
	const char *run_dir;
	const char *bpffs;
	bool json;
	const struct cli_verb *verb; /* NULL until it is known */
};

struct cli_args {
	bool help, version;
	unsigned n_opts;
	struct {
		const struct cli_opt *opt;
		const char *value;
	} opts[CLI_OPTS_MAX];
	unsigned n_pos;
	char *pos[CLI_POS_MAX];
	char **command; /* NULL-terminated, with cli_verb.command */
};

/* verbs.c */
extern const struct cli_verb cli_verbs[]; /* ends with an empty name */
extern const struct cli_opt cli_globals[];

/* args.c: pure */
void cli_init(struct cli *c, const char *env_run_dir, const char *env_bpffs);
/* 0, or -EINVAL with one sentence in err; c and a hold what was understood so far. */
int cli_parse(struct cli *c, struct cli_args *a, int argc, char **argv, char err[CLI_ERR_LEN]);
bool cli_given(const struct cli_args *a, const char *name);
/* Value of an option; NULL when it was not given. */
const char *cli_value(const struct cli_args *a, const char *name);
/* The i-th value of a repeatable option, NULL after the last. */
const char *cli_nth(const struct cli_args *a, const char *name, unsigned i);
/* Is @word one of the blank-separated @words? */
bool cli_is_word(const char *word, const char *words);
/* Is the value of that option a word of its own? */
bool cli_takes_next(const struct cli_opt *o);
/* The likeliest of @list a user meant by @word; NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *list, size_t n);

/* help.c */
void cli_help(void);
void cli_help_verb(const struct cli_verb *v);
void cli_man(void);
void cli_complete(void);

/* out.c */
/* Prints "patchbay: SENTENCE" on stderr, with -o json the error object on stdout, and returns
 * the exit code: @code, or the verb's own for failures.  @err: positive errno. */
int cli_error(const struct cli *c, int code, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int cli_oom(const struct cli *c);
/* Prints @obj as one line with the schema first and without "ok". */
int cli_print_json(const struct cli *c, const json_t *obj);
/* Makes text that came from elsewhere safe for a terminal, in place. */
void cli_clean(char *text);

/* ask.c: a question to the agent.  Takes @req; 0, or the exit code after the error is printed. */
int cli_ask(const struct cli *c, json_t *req, json_t **ret);
/* As cli_ask(), with a file descriptor sent along (-1: none). */
int cli_ask_fd(const struct cli *c, json_t *req, int pass_fd, json_t **ret);
/* Prints why the agent cannot be reached; @err: negative errno of ctl_open() or ctl_recv(). */
int cli_unreachable(const struct cli *c, int err);
/* Prints the error of an answer that is not ok and returns the exit code. */
int cli_refused(const struct cli *c, const json_t *answer);

/* cmd_flows.c: one line for a connection. */
void cli_print_flow(const json_t *flow);

/* show.c: strings out of answers, never NULL ("-" when missing) */
const char *cli_str(const json_t *obj, const char *key);
long long cli_int(const json_t *obj, const char *key);
/* One line for an event. */
void cli_print_event(const json_t *event);

/* list.c */
struct cli_col {
	const char *head;
	const char *field;
	char *(*fmt)(const json_t *item, const char *field); /* NULL: by JSON type */
};
/* Asks, then prints answer[key] as a table or the answer as JSON; an exit code. */
int cli_list(const struct cli *c, json_t *req, const char *key, const struct cli_col *cols,
	     size_t n);
/* The same; the table is in the order of those fields (NULL ends them). */
int cli_list_by(const struct cli *c, json_t *req, const char *key, const struct cli_col *cols,
		size_t n, const char *const *fields);
int cli_print_list(const struct cli *c, const json_t *list, const struct cli_col *cols, size_t n);
/* "WHAT         text", cleaned of what is no printable character. */
void cli_line(const char *what, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Table of an object's members, {name: count}, without those that are 0. */
int cli_print_counts(const struct cli *c, const char *head, const json_t *counts);

/* dest.c: pure */
#define CLI_DEST_LEN 80
struct cli_dest {
	char host[64];
	bool v6;       /* host is an IPv6 address */
	unsigned port; /* 0: none given */
};
/* NAME, ADDR, [ADDR6] or ADDR6, the first three with an optional :PORT. */
int cli_dest_parse(const char *text, struct cli_dest *ret, char err[CLI_ERR_LEN]);
/* The form the control protocol takes. */
void cli_dest_format(const struct cli_dest *d, char buf[CLI_DEST_LEN]);
/* Two words, an application and a destination, checked; @buf: the destination as the agent takes it. */
int cli_app_dest(const struct cli *c, const struct cli_args *a, char buf[CLI_DEST_LEN]);
/* A whole number min..max in decimal. */
int cli_number(const char *text, unsigned long min, unsigned long max, unsigned long *ret);
/* A cgroup id in hex, with or without "0x". */
bool cli_ref_valid(const char *text);
/* A name or a ref. */
bool cli_app_valid(const char *text);

int cmd_run(const struct cli *c, const struct cli_args *a);
int cmd_apps(const struct cli *c, const struct cli_args *a);
int cmd_services(const struct cli *c, const struct cli_args *a);
int cmd_endpoints(const struct cli *c, const struct cli_args *a);
int cmd_flows(const struct cli *c, const struct cli_args *a);
int cmd_status(const struct cli *c, const struct cli_args *a);
int cmd_doctor(const struct cli *c, const struct cli_args *a);
int cmd_events(const struct cli *c, const struct cli_args *a);
int cmd_why(const struct cli *c, const struct cli_args *a);
int cmd_check(const struct cli *c, const struct cli_args *a);
int cmd_policy(const struct cli *c, const struct cli_args *a);
int cmd_reload(const struct cli *c, const struct cli_args *a);
int cmd_release(const struct cli *c, const struct cli_args *a);
int cmd_config(const struct cli *c, const struct cli_args *a);
int cmd_detach(const struct cli *c, const struct cli_args *a);
int cmd_nodes(const struct cli *c, const struct cli_args *a);
int cmd_cluster(const struct cli *c, const struct cli_args *a);
int cmd_ca(const struct cli *c, const struct cli_args *a); /* cluster ca */
int cmd_keys(const struct cli *c, const struct cli_args *a);
int cmd_drain(const struct cli *c, const struct cli_args *a);
int cmd_memcached(const struct cli *c, const struct cli_args *a);
int cmd_version(const struct cli *c, const struct cli_args *a);
int cmd_help(const struct cli *c, const struct cli_args *a);

#endif /* PB_CLI_H */
