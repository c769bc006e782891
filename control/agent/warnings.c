/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the agent warns of while it lasts: in the log and in `patchbay status`. */
#include "agent.h"

#include "util.h"

static const struct {
	const char *code, *text;
} warnings[_PB_W_MAX] = {
#define PB_X(sym, code, text) [PB_W_##sym] = { code, text },
	PB_WARNINGS(PB_X)
#undef PB_X
};

const char *pb_warning_code(unsigned w)
{
	return warnings[w].code;
}

const char *pb_warning_text(unsigned w)
{
	return warnings[w].text;
}

void pb_agent_warn(struct pb_agent *a, enum pb_warning w, bool on)
{
	uint32_t bit = 1u << w;

	if (!!(a->warnings & bit) == on)
		return;
	a->warnings ^= bit;
	if (on)
		log_warn("%s", warnings[w].text);
	else
		log_info("over: %s", warnings[w].text);
}
