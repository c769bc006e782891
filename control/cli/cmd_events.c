/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"
#include "ctl.h"

static json_t *request(const struct cli_args *a, unsigned long last)
{
	json_t *req = json_pack("{s:s,s:b}", "op", "events", "follow", cli_given(a, "follow"));

	if (req && last)
		json_object_set_new(req, "last", json_integer((json_int_t)last));
	if (req && cli_given(a, "app"))
		json_object_set_new(req, "app", json_string(cli_value(a, "app")));
	if (req && cli_given(a, "refused"))
		json_object_set_new(req, "refused", json_true());
	return req;
}

static int print(const struct cli *c, const json_t *line)
{
	const json_t *event = json_object_get(line, "event");

	if (c->json)
		return cli_print_json(c, line);
	if (event)
		cli_print_event(event);
	else
		printf("-- %lld events lost\n", cli_int(line, "lost"));
	return CLI_OK;
}

/* Until the closing line; a reader that is gone ends it by SIGPIPE. */
static int stream(const struct cli *c, struct ctl *k, bool follow)
{
	for (;;) {
		json_auto_t *line = NULL;
		int err = ctl_recv(k, follow ? -1 : CTL_TIMEOUT_MS, &line), code;
		const json_t *ok;

		if (err)
			return cli_unreachable(c, err);
		ok = json_object_get(line, "ok");
		if (json_is_false(ok))
			return cli_refused(c, line);
		if (ok && !json_object_get(line, "event")) {
			if (!follow)
				return CLI_OK;
			continue;
		}
		code = print(c, line);
		if (code || fflush(stdout))
			return code ? code : CLI_NO;
	}
}

int cmd_events(const struct cli *c, const struct cli_args *a)
{
	_cleanup_(ctl_close) struct ctl k = CTL_CLOSED;
	json_auto_t *req = NULL;
	unsigned long last = 0;
	int err;

	if (cli_given(a, "last") && cli_number(cli_value(a, "last"), 1, 1000000, &last))
		return cli_error(c, CLI_USAGE, EINVAL,
				 "'--last %.40s' is not a number from 1 to 1000000",
				 cli_value(a, "last"));
	if (cli_given(a, "app") && !cli_app_valid(cli_value(a, "app")))
		return cli_error(c, CLI_USAGE, EINVAL, "'%.80s' is neither a name nor a ref",
				 cli_value(a, "app"));
	req = request(a, last);
	if (!req)
		return cli_oom(c);
	err = ctl_open(&k, c->run_dir);
	if (!err)
		err = ctl_send(&k, req, -1);
	return err ? cli_unreachable(c, err) : stream(c, &k, cli_given(a, "follow"));
}
