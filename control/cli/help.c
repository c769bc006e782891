/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of verbs as help, manual page and completion script. */
#include "cli.h"

#include "../util.h"

static const char *exit_codes[][2] = {
	{ "0", "done; allowed" },
	{ "1", "refused, denied, not found, or a check failed" },
	{ "2", "wrong usage" },
	{ "3", "no privilege or no kernel support; ``status``: the agent is dead" },
	{ "4", "the agent cannot be reached" },
	{ "5", "done in part" },
};

/* "-o, --output text|json", "--name NAME", "--splice[=on|off]" */
static void option_words(const struct cli_opt *o, char *buf, size_t len)
{
	const char *value = o->words ? o->words : o->arg;
	bool bare = o->how & CLI_BARE;
	char key[8] = "", words[64] = "";

	if (o->key)
		snprintf(key, sizeof(key), "-%c, ", o->key);
	if (value)
		snprintf(words, sizeof(words), "%s", value);
	for (char *p = words; o->words && *p; p++)
		if (*p == ' ')
			*p = '|';
	snprintf(buf, len, "%s--%s%s%s%s", key, o->name,
		 bare	 ? "[="
		 : value ? " "
			 : "",
		 words, bare ? "]" : "");
}

static void print_options(const struct cli_opt *o)
{
	char left[64];

	for (; o->name; o++) {
		option_words(o, left, sizeof(left));
		printf("  %-27s %s\n", left, o->help);
	}
}

void cli_help(void)
{
	puts("usage: patchbay [OPTION]... VERB [OPERAND]...\n\nverbs:");
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		printf("  %-10s %-20s %s\n", v->name, v->args, v->help);
	puts("\noptions of every verb:");
	print_options(cli_globals);
	puts("\n'patchbay help VERB' tells more about one verb.");
}

/* The manual's markup has no place on a terminal. */
static void print_plain(const char *text)
{
	size_t col = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (col + n > 76) {
			putchar('\n');
			col = 0;
		}
		if (col)
			putchar(' ');
		for (size_t i = 0; i < n; i++)
			if (text[i] != '`' && text[i] != '*')
				putchar(text[i]);
		col += n + 1;
		text += n;
		text += strspn(text, " ");
	}
	putchar('\n');
}

void cli_help_verb(const struct cli_verb *v)
{
	printf("usage: patchbay %s%s%s%s\n\n", v->name, v->opts->name ? " [OPTION]..." : "",
	       *v->args ? " " : "", v->args);
	print_plain(v->text);
	if (v->opts->name) {
		puts("\noptions:");
		print_options(v->opts);
	}
	puts("\noptions of every verb:");
	print_options(cli_globals);
}

static void man_options(const struct cli_opt *o)
{
	char left[64];

	for (; o->name; o++) {
		option_words(o, left, sizeof(left));
		printf("``%s``\n    %s\n\n", left, o->help);
	}
}

void cli_man(void)
{
	puts("OPTIONS OF EVERY VERB\n---------------------\n");
	man_options(cli_globals);
	puts("VERBS\n-----\n");
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		size_t len = strlen(v->name) + (*v->args ? 1 + strlen(v->args) : 0);

		printf("%s%s%s\n", v->name, *v->args ? " " : "", v->args);
		for (size_t i = 0; i < len; i++)
			putchar('~');
		printf("\n\n%s\n\n", v->text);
		man_options(v->opts);
	}
	puts("EXIT STATUS\n-----------\n");
	for (size_t i = 0; i < ARRAY_SIZE(exit_codes); i++)
		printf("%s\n    %s\n\n", exit_codes[i][0], exit_codes[i][1]);
	puts("``patchbay run`` exits with the program's own code, with 128+N when signal N ended\n"
	     "it, with 125 when Patchbay itself failed (wrong usage too), with 126 when the program\n"
	     "cannot be executed, and with 127 when it is not found.");
}

static void complete_options(const struct cli_opt *o)
{
	for (; o->name; o++) {
		printf(" --%s", o->name);
		for (const char *w = o->how & CLI_BARE ? o->words : ""; *w; w += strspn(w, " ")) {
			printf(" --%s=%.*s", o->name, (int)strcspn(w, " "), w);
			w += strcspn(w, " ");
		}
	}
}

static void complete_values(const struct cli_opt *o)
{
	for (; o->name; o++) {
		if (!o->words || !cli_takes_next(o))
			continue;
		if (o->key)
			printf("\t-%c) words=\"%s\" ;;\n", o->key, o->words);
		printf("\t--%s) words=\"%s\" ;;\n", o->name, o->words);
	}
}

/* Has a verb before @v an option of that name? */
static bool seen_before(const struct cli_verb *v, const char *name)
{
	for (const struct cli_verb *w = cli_verbs; w < v; w++)
		for (const struct cli_opt *o = w->opts; o->name; o++)
			if (!strcmp(o->name, name) && cli_takes_next(o))
				return true;
	return false;
}

/* Options whose value is not an operand of the verb; @v NULL: the global ones. */
static void complete_valued(const struct cli_verb *v)
{
	for (const struct cli_opt *o = v ? v->opts : cli_globals; o->name; o++) {
		if (!cli_takes_next(o) || (v && seen_before(v, o->name)))
			continue;
		if (o->key)
			printf("|-%c", o->key);
		printf("|--%s", o->name);
	}
}

static void complete_head(void)
{
	puts("# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"
	     "# shellcheck shell=bash disable=SC2207\n"
	     "# Made by: patchbay help --complete\n"
	     "_patchbay()\n{\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	     "\tlocal i verb='' first='' words=''\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tcase ${COMP_WORDS[i]} in");
	printf("\t\t''");
	complete_valued(NULL);
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		complete_valued(v);
	puts(") ((i++)) ;;\n"
	     "\t\t--)\n"
	     "\t\t\t[[ $verb == run ]] && { COMPREPLY=($(compgen -c -- \"$cur\")); return; }\n"
	     "\t\t\t;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; else first=1; fi ;;\n"
	     "\t\tesac\n"
	     "\tdone");
}

void cli_complete(void)
{
	complete_head();
	puts("\tcase $prev in");
	complete_values(cli_globals);
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		complete_values(v->opts);
	puts("\t--run-dir|--bpffs) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
	     "\t--user) COMPREPLY=($(compgen -u -- \"$cur\")); return ;;\n"
	     "\tesac\n"
	     "\tif [[ -n $words ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\tcase $verb in");
	printf("\t'') words=\"");
	for (const struct cli_verb *v = cli_verbs; v->name; v++)
		printf("%s%s", v == cli_verbs ? "" : " ", v->name);
	puts("\" ;;");
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		printf("\t%s) words=\"", v->name);
		complete_options(v->opts);
		printf("\"");
		if (v->words)
			printf("; [[ -z $first ]] && words+=\" %s\"", v->words);
		puts(" ;;");
	}
	puts("\tesac");
	printf("\twords+=\"");
	complete_options(cli_globals);
	puts("\"\n"
	     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	     "}\n"
	     "complete -o default -F _patchbay patchbay");
}
