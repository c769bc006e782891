/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "pins.h"

#include "../../loader/loader.h"
#include "../maps.h"
#include "../util.h"

static void look_at_links(const char *bpffs, struct pins_state *s)
{
	_cleanup_free_ struct pb_link_state *links = NULL;
	size_t n = 0;

	s->err = pb_loader_links(bpffs, &links, &n);
	for (size_t i = 0; !s->err && i < n; i++) {
		s->links++;
		s->dead += !links[i].alive;
		s->old += links[i].alive && !links[i].current;
	}
	/* Every program is listed, also where nothing was ever loaded. */
	if (!s->config && s->dead == s->links)
		s->links = s->dead = 0;
}

void pins_look(const char *bpffs, struct pins_state *ret)
{
	struct pins_state s = { 0 };
	uint32_t zero = 0;

	s.config = !pb_pin_lookup(bpffs, "pb_config", &zero, &s.conf);
	s.beat = !pb_pin_lookup(bpffs, "pb_beat", &zero, &s.last);
	look_at_links(bpffs, &s);
	*ret = s;
}

bool pins_alive(const struct pins_state *s)
{
	return s->config && !s->err && s->links && !s->dead;
}

const char *pins_mode(uint32_t mode)
{
	static const char *const names[_PB_MODE_MAX] = { "enforce", "audit", "off" };

	return mode < _PB_MODE_MAX ? names[mode] : "unknown";
}
