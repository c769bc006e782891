/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include <patchbay/types.h>

#include "../util.h"
#include "ctl.h"

/* Version of the agent, NULL when it does not answer: that is no error here. */
static char *agent_version(const struct cli *c)
{
	json_auto_t *req = json_pack("{s:s}", "op", "hello"), *answer = NULL;

	if (ctl_ask(c->run_dir, req, -1, &answer))
		return NULL;
	return strdup(cli_str(answer, "version"));
}

/* --version (@a NULL) asks nobody. */
int cmd_version(const struct cli *c, const struct cli_args *a)
{
	_cleanup_free_ char *agent = a ? agent_version(c) : NULL;
	json_auto_t *out = json_pack("{s:s,s:i,s:s?}", "version", PB_VERSION, "abi", PB_ABI_VERSION,
				     "agent", agent);

	if (!out)
		return cli_oom(c);
	if (c->json)
		return cli_print_json(c, out);
	printf("patchbay %s (ABI %d)\n", PB_VERSION, PB_ABI_VERSION);
	if (a)
		printf("agent    %s\n", agent ? agent : "-");
	return CLI_OK;
}
