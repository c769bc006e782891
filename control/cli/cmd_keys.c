/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay keys`: what the nodes of a cluster encrypt their talk with.  Of this node. */
#include "cli.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include "../util.h"

#define KEY_BYTES 32
#define KEY_TEXT 45 /* base64 of that, with the NUL */
#define WORD_LEN 80 /* a key, or an id, as it is typed */

static int gen(const struct cli *c)
{
	unsigned char raw[KEY_BYTES], text[KEY_TEXT];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		return cli_error(c, CLI_NO, errno, "no random bytes: %s", strerror(errno));
	EVP_EncodeBlock(text, raw, sizeof(raw));
	explicit_bzero(raw, sizeof(raw));
	if (c->json) {
		json_auto_t *out = json_pack("{s:s}", "key", (char *)text);

		return out ? cli_print_json(c, out) : cli_oom(c);
	}
	puts((char *)text);
	return CLI_OK;
}

static char *spread(const json_t *item, const char *field)
{
	char *text = NULL;

	return asprintf(&text, "%lld of %lld", cli_int(item, field), cli_int(item, "alive")) < 0
		       ? NULL
		       : text;
}

static int list(const struct cli *c)
{
	static const struct cli_col cols[] = {
		{ "ID", "id", NULL },
		{ "IN-USE", "primary", NULL },
		{ "NODES", "nodes", spread },
		{ "MISSING-ON", "missing", NULL },
		{ "MESSAGES", "messages", NULL },
		{ "UNTIL", "until", NULL },
	};

	return cli_list(c, json_pack("{s:s}", "op", "keys"), "keys", cols, ARRAY_SIZE(cols));
}

static bool key_valid(const char *key)
{
	unsigned char raw[WORD_LEN];
	size_t len = strlen(key);
	int n;

	/* what pads stands at the end only: the decoder takes it anywhere */
	if (len < 24 || len > KEY_TEXT - 1 || len % 4 || strcspn(key, "=") + 2 < len)
		return false;
	n = EVP_DecodeBlock(raw, (const unsigned char *)key, (int)len);
	explicit_bzero(raw, sizeof(raw));
	while (n > 0 && key[len - 1] == '=') {
		len--;
		n--;
	}
	return n == 16 || n == 24 || n == 32;
}

static bool id_valid(const char *id)
{
	return *id && !id[strspn(id, "0123456789abcdef")];
}

/* Fills @buf with the key or id that @word stands for.  0: ok; else the exit code. */
static int operand(const struct cli *c, bool key, const char *word, char buf[WORD_LEN])
{
	if (!key || strcmp(word, "-"))
		snprintf(buf, WORD_LEN, "%s", word);
	else if (!fgets(buf, WORD_LEN, stdin))
		return cli_error(c, CLI_USAGE, EINVAL, "standard input holds no key");
	buf[strcspn(buf, "\r\n")] = '\0';
	if (key && !key_valid(buf)) /* not shown: it may be half a key */
		return cli_error(c, CLI_USAGE, EINVAL,
				 "that is not a key: 16, 24 or 32 bytes in base64, as 'patchbay "
				 "keys gen' prints");
	if (!key && !id_valid(buf))
		return cli_error(c, CLI_USAGE, EINVAL,
				 "'%.40s' is not the id of a key: 'patchbay keys' shows them", buf);
	return CLI_OK;
}

static int change(const struct cli *c, const struct cli_args *a, bool install)
{
	const char *action = a->pos[0];
	json_auto_t *answer = NULL;
	char text[WORD_LEN];
	json_t *req;
	int code;

	if (a->n_pos < 2)
		return cli_error(c, CLI_USAGE, EINVAL, "'keys %s' needs %s", action,
				 install ? "a KEY, or '-' to read it from standard input"
					 : "the ID of a key");
	code = operand(c, install, a->pos[1], text);
	if (code)
		return code;
	req = json_pack("{s:s,s:s,s:s}", "op", "key", "action", action, install ? "key" : "id",
			text);
	explicit_bzero(text, sizeof(text));
	if (req && cli_given(a, "force"))
		json_object_set_new(req, "force", json_true());
	code = cli_ask(c, req, &answer);
	if (code)
		return code;
	if (c->json)
		return cli_print_json(c, answer);
	printf("%s %s\n",
	       install			? "installed"
	       : !strcmp(action, "use") ? "in use:"
					: "removed",
	       cli_str(answer, "id"));
	return CLI_OK;
}

int cmd_keys(const struct cli *c, const struct cli_args *a)
{
	const char *action = a->n_pos ? a->pos[0] : "list";
	bool plain = !strcmp(action, "list") || !strcmp(action, "gen");

	if (plain && a->n_pos > 1)
		return cli_error(c, CLI_USAGE, EINVAL, "'%.80s' is one word too many", a->pos[1]);
	if (cli_given(a, "force") && strcmp(action, "use"))
		return cli_error(c, CLI_USAGE, EINVAL,
				 "only 'keys use' takes the option '--force'");
	if (!plain)
		return change(c, a, !strcmp(action, "install"));
	return *action == 'g' ? gen(c) : list(c);
}
