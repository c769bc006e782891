/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* control/cli/args.c: words to verb, options and operands. */
#include <criterion/criterion.h>

#include "control/cli/cli.h"
#include "control/util.h"

static struct cli c;
static struct cli_args a;
static char err[CLI_ERR_LEN];

/* The result points into the words, which live longer than a caller's literal. */
static char *words[2 * CLI_OPTS_MAX + 8];

static int parse_list(char **argv)
{
	int argc = 0;

	for (; argv[argc]; argc++)
		words[argc] = argv[argc];
	words[argc] = NULL;
	cli_init(&c, NULL, NULL);
	return cli_parse(&c, &a, argc, words, err);
}

#define parse(...) parse_list((char *[]){ "patchbay", __VA_ARGS__, NULL })

Test(cli_args, defaults_and_environment)
{
	cli_init(&c, NULL, "");
	cr_assert_str_eq(c.run_dir, "/run/patchbay");
	cr_assert_str_eq(c.bpffs, "/sys/fs/bpf");
	cli_init(&c, "/r", "/b");
	cr_assert_str_eq(c.run_dir, "/r");
	cr_assert_str_eq(c.bpffs, "/b");
}

Test(cli_args, globals_before_and_after_the_verb)
{
	cr_assert_eq(parse("--run-dir", "/x", "apps", "-o", "json"), 0);
	cr_assert_str_eq(c.verb->name, "apps");
	cr_assert_str_eq(c.run_dir, "/x");
	cr_assert(c.json);
	cr_assert_eq(parse("apps", "-ojson"), 0);
	cr_assert(c.json);
	cr_assert_eq(parse("--output=text", "apps"), 0);
	cr_assert_not(c.json);
	cr_assert_eq(parse("apps", "--json"), 0);
	cr_assert(c.json);
}

Test(cli_args, command_ends_options)
{
	cr_assert_eq(parse("run", "--name", "web", "nginx", "-g", "--tag"), 0);
	cr_assert_str_eq(cli_value(&a, "name"), "web");
	cr_assert_not(cli_given(&a, "tag"));
	cr_assert_str_eq(a.command[0], "nginx");
	cr_assert_str_eq(a.command[1], "-g");
	cr_assert_str_eq(a.command[2], "--tag");
	cr_assert_null(a.command[3]);
	cr_assert_eq(parse("run", "--", "--name", "x"), 0);
	cr_assert_str_eq(a.command[0], "--name");
}

Test(cli_args, repeatable_options_keep_their_order)
{
	cr_assert_eq(parse("run", "--tag", "a=1", "--tag=b=2", "--", "true"), 0);
	cr_assert_str_eq(cli_nth(&a, "tag", 0), "a=1");
	cr_assert_str_eq(cli_nth(&a, "tag", 1), "b=2");
	cr_assert_null(cli_nth(&a, "tag", 2));
	cr_assert_null(cli_value(&a, "name"));
}

Test(cli_args, a_bare_option_has_a_value_of_its_own)
{
	cr_assert_eq(parse("run", "--splice", "off"), 0);
	cr_assert_str_eq(cli_value(&a, "splice"), "on");
	cr_assert_str_eq(a.command[0], "off", "the next word is never its value");
	cr_assert_eq(parse("run", "--splice=off", "--name", "web", "true"), 0);
	cr_assert_str_eq(cli_value(&a, "splice"), "off");
	cr_assert_str_eq(cli_value(&a, "name"), "web");
	cr_assert_eq(parse("run", "--splice=on", "--", "true"), 0);
	cr_assert_str_eq(cli_value(&a, "splice"), "on");
	cr_assert_eq(parse("run", "true"), 0);
	cr_assert_null(cli_value(&a, "splice"));
	cr_assert_eq(parse("run", "--splice=all", "--", "true"), 0);
	cr_assert_str_eq(cli_value(&a, "splice"), "all");
	cr_assert_eq(parse("run", "--splice=never", "true"), -EINVAL);
	cr_assert_str_eq(err, "'never' is not a value of '--splice'; it takes one of: on all off");
	cr_assert_eq(parse("run", "--splice=", "true"), -EINVAL);
	cr_assert_str_eq(err, "option '--splice' has an empty value");
	cr_assert_eq(parse("run", "--splice", "--splice=off", "true"), -EINVAL);
	cr_assert_str_eq(err, "option '--splice' is given twice");
}

Test(cli_args, dashes_make_operands)
{
	cr_assert_eq(parse("endpoints", "--", "--json"), 0);
	cr_assert_eq(a.n_pos, 1);
	cr_assert_str_eq(a.pos[0], "--json");
	cr_assert_not(c.json);
}

Test(cli_args, help_and_version_need_nothing_else)
{
	cr_assert_eq(parse("check", "--help"), 0);
	cr_assert(a.help);
	cr_assert_eq(parse("--version"), 0);
	cr_assert(a.version);
	cr_assert_null(c.verb);
}

Test(cli_args, too_many_options_end_the_parse)
{
	char *argv[2 * CLI_OPTS_MAX + 6] = { "patchbay", "run" };
	size_t n = 2;

	for (size_t i = 0; i <= CLI_OPTS_MAX; i++) {
		argv[n++] = "--tag";
		argv[n++] = "a=b";
	}
	argv[n] = "true";
	cr_assert_eq(parse_list(argv), -EINVAL);
	cr_assert_str_eq(err, "more than 64 options are given");
}

Test(cli_args, json_holds_for_errors_after_it)
{
	cr_assert_eq(parse("-o", "json", "apps", "--bogus-word"), -EINVAL);
	cr_assert(c.json);
}

Test(cli_args, nearest)
{
	static const char *const list[] = { "apps", "services", "status", "check" };

	cr_assert_str_eq(cli_nearest("aps", list, 4), "apps");
	cr_assert_str_eq(cli_nearest("paps", list, 4), "apps");
	cr_assert_str_eq(cli_nearest("serv", list, 4), "services");
	cr_assert_str_eq(cli_nearest("stauts", list, 4), "status");
	cr_assert_null(cli_nearest("frobnicate", list, 4));
	cr_assert_null(cli_nearest("", list, 4));
	cr_assert_null(cli_nearest("a-word-far-longer-than-any-option", list, 4));
}

Test(cli_args, words)
{
	cr_assert(cli_is_word("tcp", "tcp udp"));
	cr_assert(cli_is_word("udp", "tcp udp"));
	cr_assert_not(cli_is_word("tc", "tcp udp"));
	cr_assert_not(cli_is_word("tcp udp", "tcp udp"));
	cr_assert_not(cli_is_word("", "tcp udp"));
}

Test(cli_args, table_is_sound)
{
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		size_t n = 0;

		cr_assert(v->run && v->help && v->text && v->args && v->opts, "%s", v->name);
		cr_assert_leq(v->max_pos, CLI_POS_MAX, "%s", v->name);
		for (const struct cli_opt *o = v->opts; o->name; o++, n++) {
			cr_assert(!o->words || o->arg, "--%s has words but takes none", o->name);
			if (o->how & CLI_BARE)
				cr_assert(o->arg && cli_is_word(o->arg, o->words), "--%s", o->name);
			for (const struct cli_opt *g = cli_globals; g->name; g++) {
				cr_assert_str_neq(g->name, o->name);
				cr_assert(!o->key || o->key != g->key, "-%c", o->key);
			}
		}
		cr_assert_lt(n, CLI_OPTS_MAX / 2, "%s", v->name);
	}
}
