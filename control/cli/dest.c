/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Operands: destinations, references, numbers. */
#include "cli.h"

#include <ctype.h>

#include "../registry/registry.h"
#include "../util.h"

int cli_number(const char *text, unsigned long min, unsigned long max, unsigned long *ret)
{
	unsigned long v;
	char *end;

	/* strtoul() would take blanks and signs. */
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

bool cli_ref_valid(const char *text)
{
	size_t n;

	if (!strncmp(text, "0x", 2))
		text += 2;
	n = strspn(text, "0123456789abcdefABCDEF");
	return n > 0 && n <= 16 && !text[n];
}

bool cli_app_valid(const char *text)
{
	/* Programs without a name are listed as "~REF". */
	return pb_name_valid(text) || cli_ref_valid(text) ||
	       (*text == '~' && pb_name_valid(text + 1));
}

/* Splits "[HOST]REST", "HOST:PORT" or "HOST"; *ret_port NULL without a port. */
static int split(const char *text, const char **ret_host, size_t *ret_len, const char **ret_port)
{
	const char *colon = strchr(text, ':'), *close;

	if (*text == '[') {
		close = strchr(text, ']');
		if (!close || (close[1] && close[1] != ':'))
			return -EINVAL;
		*ret_host = text + 1;
		*ret_len = (size_t)(close - text) - 1;
		*ret_port = close[1] ? close + 2 : NULL;
		return 0;
	}
	/* Two colons or more without brackets: an IPv6 address without a port. */
	if (colon && strchr(colon + 1, ':'))
		colon = NULL;
	*ret_host = text;
	*ret_len = colon ? (size_t)(colon - text) : strlen(text);
	*ret_port = colon ? colon + 1 : NULL;
	return 0;
}

static bool looks_like_v4(const char *host)
{
	return !host[strspn(host, "0123456789.")] && strchr(host, '.');
}

int cli_dest_parse(const char *text, struct cli_dest *ret, char err[CLI_ERR_LEN])
{
	const char *host = NULL, *port = NULL;
	struct cli_dest d = { 0 };
	unsigned long n = 0;
	struct pb_addr a;
	size_t len = 0;

	if (split(text, &host, &len, &port)) {
		snprintf(err, CLI_ERR_LEN, "'%.100s' is not a destination: write [ADDR6]:PORT",
			 text);
		return -EINVAL;
	}
	if (len == 0 || len >= sizeof(d.host)) {
		snprintf(err, CLI_ERR_LEN, "the destination '%.100s' names %s", text,
			 len ? "something longer than 63 characters" : "no host");
		return -EINVAL;
	}
	memcpy(d.host, host, len);
	if (port && cli_number(port, 1, 65535, &n)) {
		snprintf(err, CLI_ERR_LEN, "the port '%.40s' is not a number from 1 to 65535",
			 port);
		return -EINVAL;
	}
	d.port = (unsigned)n;
	d.v6 = strchr(d.host, ':') != NULL;
	if ((d.v6 || *text == '[' || looks_like_v4(d.host)) && pb_addr_parse(d.host, &a)) {
		snprintf(err, CLI_ERR_LEN, "'%s' is not an IP address", d.host);
		return -EINVAL;
	}
	if (!d.v6 && pb_addr_parse(d.host, &a) && !pb_name_valid(d.host)) {
		snprintf(err, CLI_ERR_LEN, "'%s' is neither a name nor an IP address", d.host);
		return -EINVAL;
	}
	*ret = d;
	return 0;
}

void cli_dest_format(const struct cli_dest *d, char buf[CLI_DEST_LEN])
{
	char port[8] = "";

	if (d->port)
		snprintf(port, sizeof(port), ":%u", d->port & 0xffff);
	snprintf(buf, CLI_DEST_LEN, d->v6 ? "[%s]%s" : "%s%s", d->host, port);
}

int cli_app_dest(const struct cli *c, const struct cli_args *a, char buf[CLI_DEST_LEN])
{
	char err[CLI_ERR_LEN];
	struct cli_dest d;

	if (!cli_app_valid(a->pos[0]))
		return cli_error(c, CLI_USAGE, EINVAL, "'%.80s' is neither a name nor a ref",
				 a->pos[0]);
	if (cli_dest_parse(a->pos[1], &d, err))
		return cli_error(c, CLI_USAGE, EINVAL, "%s", err);
	cli_dest_format(&d, buf);
	return CLI_OK;
}
