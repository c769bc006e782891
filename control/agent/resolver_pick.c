/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "resolver_pick.h"

#include <netinet/in.h>

#include <patchbay/addr.h>

#include "registry/registry.h"

_Static_assert(PB_RESOLVERS <= 32, "one bit a row");

/* The row longest at rest of those that may go and are not in @taken; -1: none. */
static int longest(const struct pb_resolver_row *row, uint32_t taken, uint64_t rest_ms)
{
	int best = -1;

	for (int i = 0; i < PB_RESOLVERS; i++)
		if (row[i].used && row[i].known && !row[i].pinned && !(taken & (1u << i)) &&
		    row[i].idle_ms >= rest_ms && (best < 0 || row[i].idle_ms > row[best].idle_ms))
			best = i;
	return best;
}

uint32_t pb_resolver_pick(const struct pb_resolver_row row[PB_RESOLVERS])
{
	uint64_t rest_ms = PB_RESOLV_REST_MS;
	unsigned used = 0, kept = 0;
	uint32_t taken = 0;

	for (unsigned i = 0; i < PB_RESOLVERS; i++) {
		used += row[i].used;
		kept += row[i].used && row[i].known;
	}
	if (used <= PB_RESOLV_HIGH)
		return 0;
	if (used == PB_RESOLVERS)
		rest_ms = PB_RESOLV_REST_FULL_MS;
	for (; kept > PB_RESOLVERS - PB_RESOLV_FREE; kept--) {
		int i = longest(row, taken, rest_ms);

		if (i < 0)
			break;
		taken |= 1u << i;
	}
	return taken;
}

unsigned pb_resolver_conf(FILE *f, struct pb_addr ret[MAXNS])
{
	char line[256], text[64];
	unsigned n = 0;

	while (n < MAXNS && fgets(line, sizeof(line), f))
		if (sscanf(line, "nameserver%*[ \t]%63s", text) == 1 &&
		    !pb_addr_parse(text, &ret[n]) && !pb_addr_is_any(&ret[n]))
			n++;
	if (!n)
		ret[n++] = pb_addr_v4(htonl(INADDR_LOOPBACK)); /* libc's own default */
	return n;
}
