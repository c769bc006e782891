/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay cluster`: state of the network of nodes, and into it and out of it. */
#include "cli.h"

#include <poll.h>

#include "../registry/registry.h"
#include "../util.h"

#define TOKEN_LEN 2047
#define WAIT_MS 10000 /* until the agent has joined or left */
#define POLL_MS 100

/* ---- options ---- */

/* Puts --address into @req.  0: go on; else the exit code. */
static int add_addresses(const struct cli *c, const struct cli_args *a, json_t *req)
{
	json_t *list = json_array();
	const char *v;

	if (json_object_set_new(req, "addresses", list))
		return cli_oom(c);
	for (unsigned i = 0; (v = cli_nth(a, "address", i)); i++) {
		struct pb_addr addr;

		if (pb_addr_parse(v, &addr))
			return cli_error(c, CLI_USAGE, EINVAL,
					 "'--address %.80s' is not an IP address", v);
		if (json_array_append_new(list, json_string(v)))
			return cli_oom(c);
	}
	if (!json_array_size(list))
		json_object_del(req, "addresses");
	return CLI_OK;
}

/* Options that only another one of the subverbs takes are an error, not ignored. */
static int only_of(const struct cli *c, const struct cli_args *a, const char *sub,
		   const char *allowed)
{
	for (unsigned i = 0; i < a->n_opts; i++) {
		const char *name = a->opts[i].opt->name;

		for (const struct cli_opt *o = c->verb->opts; o->name; o++)
			if (o == a->opts[i].opt && !cli_is_word(name, allowed))
				return cli_error(c, CLI_USAGE, EINVAL,
						 "'cluster%s%s' takes no option '--%s'",
						 *sub ? " " : "", sub, name);
	}
	return CLI_OK;
}

/* ---- cluster ---- */

/* "10.0.0.1, fd00::1" */
static void join(const json_t *list, const char *field, char *buf, size_t len)
{
	const json_t *v;
	size_t i, n = 0;

	snprintf(buf, len, "-");
	json_array_foreach (list, i, v) {
		const char *text = field ? cli_str(v, field) : json_string_value(v);

		if (n < len)
			n += (size_t)snprintf(buf + n, len - n, "%s%s", i ? ", " : "",
					      text ? text : "?");
	}
}

static bool is(const json_t *a, const char *field)
{
	return json_is_true(json_object_get(a, field));
}

static void print_keys(const json_t *a)
{
	char text[200];

	join(json_object_get(a, "keys"), "id", text, sizeof(text));
	if (is(a, "encrypted"))
		cli_line("encrypted", "yes, keys %s (the first one is in use)", text);
	else
		cli_line("encrypted", "NO: whoever reaches the port can say anything");
}

static void print_signing(const json_t *a)
{
	const json_t *cert = json_object_get(a, "certificate");

	if (!strcmp(cli_str(a, "identity"), "signed"))
		cli_line("signed",
			 "yes, and so must be what others say; certificate of CA %s until %s",
			 cli_str(cert, "ca"), cli_str(cert, "until"));
	else if (json_is_object(cert))
		cli_line("signed", "yes, but others need not; certificate of CA %s until %s",
			 cli_str(cert, "ca"), cli_str(cert, "until"));
}

static void print_table(const json_t *a)
{
	const json_t *t = json_object_get(a, "table");

	cli_line("announced", "%lld applications, %lld endpoints; version %lld", cli_int(a, "apps"),
		 cli_int(a, "endpoints"), cli_int(a, "version"));
	cli_line("of others", "%lld applications, %lld endpoints", cli_int(a, "remote_apps"),
		 cli_int(a, "remote_endpoints"));
	if (t)
		cli_line("table", "%s, %lld nodes, %lld of them behind; %lld messages wait",
			 cli_str(t, "hash"), cli_int(t, "owners"), cli_int(t, "behind"),
			 cli_int(t, "backlog"));
	if (cli_int(a, "quarantined"))
		cli_line("quarantined",
			 "%lld nodes whose records are not used: see 'patchbay nodes'",
			 cli_int(a, "quarantined"));
	if (cli_int(a, "conflicts"))
		cli_line("conflicts", "%lld records lost against those of other nodes",
			 cli_int(a, "conflicts"));
	if (cli_int(a, "refused"))
		cli_line("refused", "%lld messages", cli_int(a, "refused"));
	if (is(a, "frozen"))
		cli_line("frozen", "what was known is kept: %s", cli_str(a, "frozen_why"));
	if (strcmp(cli_str(a, "error"), "-"))
		cli_line("last error", "%s", cli_str(a, "error"));
}

static void print_cluster(const json_t *a)
{
	const json_t *m = json_object_get(a, "members");
	char text[400];

	if (!strcmp(cli_str(a, "state"), "alone")) {
		puts("this node is in no cluster: 'patchbay cluster init' makes one, 'patchbay "
		     "cluster join TOKEN' joins one");
		return;
	}
	cli_line("cluster", "%s, %s", cli_str(a, "cluster"), cli_str(a, "state"));
	cli_line("node", "%s, id %s", cli_str(a, "node"), cli_str(a, "id"));
	join(json_object_get(a, "addresses"), NULL, text, sizeof(text));
	cli_line("address", "%s, port %lld (TCP and UDP)", text, cli_int(a, "port"));
	cli_line("members", "%lld alive, %lld suspect, %lld dead", cli_int(m, "alive"),
		 cli_int(m, "suspect"), cli_int(m, "dead"));
	print_keys(a);
	print_signing(a);
	join(json_object_get(a, "devices"), NULL, text, sizeof(text));
	if (is(a, "verified"))
		cli_line("identities", "verified on %s", text);
	else
		cli_line("identities", "NOT verified: nobody outside this node is let in");
	print_table(a);
}

static int show(const struct cli *c)
{
	json_auto_t *answer = NULL;
	int code = cli_ask(c, json_pack("{s:s}", "op", "cluster"), &answer);

	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	print_cluster(answer);
	return CLI_OK;
}

/* ---- cluster init, cluster token ---- */

/* The token alone on standard output, so that it can be piped to where it is needed. */
static int print_token(const struct cli *c, const json_t *answer, const char *what)
{
	if (c->json)
		return cli_print_json(c, answer);
	fprintf(stderr, "%s\n", what);
	if (!json_is_true(json_object_get(answer, "encrypted")))
		fputs("Nothing is encrypted here: whoever reaches the port can say anything.\n",
		      stderr);
	else
		fputs("It holds the key of the cluster: keep it as you keep a password.\n", stderr);
	puts(cli_str(answer, "token"));
	return CLI_OK;
}

/* A question with what the options say; NULL: *ret_code is the exit code. */
static json_t *request(const struct cli *c, const struct cli_args *a, const char *op, int *ret_code)
{
	json_auto_t *req = json_pack("{s:s}", "op", op);
	static const char *const names[] = { "name", "node" };
	const char *port = cli_value(a, "port");
	unsigned long n;

	*ret_code = req ? add_addresses(c, a, req) : cli_oom(c);
	if (*ret_code)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *name = cli_value(a, names[i]);

		if (name && !pb_name_valid(name)) {
			*ret_code = cli_error(c, CLI_USAGE, EINVAL, "'--%s %.80s' is not a name",
					      names[i], name);
			return NULL;
		}
		if (name)
			json_object_set_new(req, names[i], json_string(name));
	}
	if (port && cli_number(port, 1, 65535, &n)) {
		*ret_code = cli_error(c, CLI_USAGE, EINVAL,
				      "'--port %.40s' is not a number from 1 to 65535", port);
		return NULL;
	}
	if (port)
		json_object_set_new(req, "port", json_integer((json_int_t)n));
	return TAKE_PTR(req);
}

static int init(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *answer = NULL;
	int code;
	json_t *req = request(c, a, "cluster-init", &code);

	if (!req)
		return code;
	if (cli_given(a, "insecure"))
		json_object_set_new(req, "insecure", json_true());
	code = cli_ask(c, req, &answer);
	return code ? code
		    : print_token(c, answer,
				  "This node is the first of its cluster. On each further one: "
				  "patchbay cluster join TOKEN, with this token:");
}

static int token(const struct cli *c)
{
	json_auto_t *answer = NULL;
	int code = cli_ask(c, json_pack("{s:s}", "op", "cluster-token"), &answer);

	return code ? code
		    : print_token(c, answer,
				  "For 'patchbay cluster join TOKEN' on a further node:");
}

/* ---- cluster join ---- */

/* 0: ok; else the exit code. */
static int read_token(const struct cli *c, const char *word, char buf[TOKEN_LEN + 2])
{
	bool standard = !strcmp(word, "-");
	size_t len;

	if (!standard)
		snprintf(buf, TOKEN_LEN + 2, "%s", word);
	else if (!fgets(buf, TOKEN_LEN + 2, stdin))
		return cli_error(c, CLI_USAGE, EINVAL, "standard input holds no token");
	buf[strcspn(buf, "\r\n")] = '\0';
	len = strlen(buf);
	if (!len || len > TOKEN_LEN)
		return cli_error(c, CLI_USAGE, EINVAL,
				 len ? "a token has at most %d characters" : "the token is empty",
				 TOKEN_LEN);
	/* not shown: it holds a key */
	for (const char *p = buf; *p; p++)
		if (*p <= ' ' || *p > '~')
			return cli_error(c, CLI_USAGE, EINVAL,
					 "that is not a token: 'patchbay cluster token' on a node "
					 "of the cluster prints one");
	return CLI_OK;
}

static int print_joined(const struct cli *c, const json_t *answer, bool done)
{
	if (!done)
		return cli_error(c, CLI_PARTLY, ETIMEDOUT,
				 "no node of cluster %s has answered within %d seconds; the agent "
				 "goes on trying: is port %lld (TCP and UDP) open there and here?",
				 cli_str(answer, "cluster"), WAIT_MS / 1000,
				 cli_int(answer, "port"));
	if (c->json)
		return cli_print_json(c, answer);
	printf("joined cluster %s: %lld nodes are alive\n", cli_str(answer, "cluster"),
	       cli_int(json_object_get(answer, "members"), "alive"));
	if (strcmp(cli_str(answer, "error"), "-")) {
		char text[CLI_ERR_LEN];

		snprintf(text, sizeof(text), "%s", cli_str(answer, "error"));
		cli_clean(text);
		fprintf(stderr, "patchbay: %s\n", text);
	}
	return CLI_OK;
}

static int print_left(const struct cli *c, const json_t *answer, bool done)
{
	if (!done)
		return cli_error(c, CLI_PARTLY, ETIMEDOUT, "the other nodes are still being told");
	if (c->json)
		return cli_print_json(c, answer);
	puts("left the cluster: endpoints of other nodes are withdrawn here, and those of this "
	     "one there");
	return CLI_OK;
}

/* The agent has begun and goes on as long as it takes; this waits a little, to say how it goes. */
static int wait_state(const struct cli *c, const char *state,
		      int (*print)(const struct cli *c, const json_t *answer, bool done))
{
	for (int ms = 0;; ms += POLL_MS) {
		json_auto_t *answer = NULL;
		int code = cli_ask(c, json_pack("{s:s}", "op", "cluster"), &answer);
		bool done = !code && strcmp(cli_str(answer, "state"), state) != 0;

		if (code || done || ms >= WAIT_MS)
			return code ? code : print(c, answer, done);
		poll(NULL, 0, POLL_MS);
	}
}

static int enter(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *answer = NULL;
	char text[TOKEN_LEN + 2];
	json_t *req;
	int code;

	if (a->n_pos < 2)
		return cli_error(c, CLI_USAGE, EINVAL,
				 "'cluster join' needs a TOKEN, or '-' to read it from standard "
				 "input");
	code = read_token(c, a->pos[1], text);
	if (code)
		return code;
	req = request(c, a, "cluster-join", &code);
	if (!req)
		return code;
	json_object_set_new(req, "token", json_string(text));
	explicit_bzero(text, sizeof(text));
	code = cli_ask(c, req, &answer);
	return code ? code : wait_state(c, "joining", print_joined);
}

static int leave(const struct cli *c)
{
	json_auto_t *answer = NULL;
	int code = cli_ask(c, json_pack("{s:s}", "op", "cluster-leave"), &answer);

	return code ? code : wait_state(c, "leaving", print_left);
}

/* Whoever makes keys and certificates talks to files, not to the agent. */
int cmd_cluster(const struct cli *c, const struct cli_args *a)
{
	static const struct {
		const char *sub, *opts;
		unsigned max_pos;
	} subs[] = {
		{ "", "", 0 },
		{ "init", "name node address port insecure", 1 },
		{ "join", "node address port", 2 },
		{ "token", "", 1 },
		{ "leave", "", 1 },
		{ "ca", "name node id key ca-key allow days out", CLI_POS_MAX },
	};
	const char *sub = a->n_pos ? a->pos[0] : "";
	size_t i = 0;
	int code;

	while (i < ARRAY_SIZE(subs) && strcmp(subs[i].sub, sub))
		i++;
	if (i == ARRAY_SIZE(subs))
		return cli_error(c, CLI_USAGE, EINVAL, "'cluster %.40s' is unknown; there is: %s",
				 sub, c->verb->words);
	if (a->n_pos > subs[i].max_pos)
		return cli_error(c, CLI_USAGE, EINVAL, "'%.80s' is one word too many",
				 a->pos[subs[i].max_pos]);
	code = only_of(c, a, sub, subs[i].opts);
	if (code)
		return code;
	switch (i) {
	case 1: return init(c, a);
	case 2: return enter(c, a);
	case 3: return token(c);
	case 4: return leave(c);
	case 5: return cmd_ca(c, a);
	default: return show(c);
	}
}
