/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether this node splices at all, and [splice]: services whose own setting comes before that of
 * their application. */
#include <arpa/inet.h>

#include "agent.h"
#include "util.h"

const char *pb_splice_why_not(const struct pb_config_agent *c, bool attached,
			      enum pb_probe_state fionread)
{
	if (c->splice == PB_SPLICE_NEVER)
		return "the configuration says splice = never";
	if (!attached)
		return "the program pb_skmsg is not attached: see patchbay doctor and the log";
	if (fionread == PB_PROBE_OK || c->splice_blind)
		return NULL;
	if (fionread == PB_PROBE_MISSING)
		return "FIONREAD of this kernel does not count spliced bytes; splice_blind = on does it all the same";
	return "whether FIONREAD counts spliced bytes could not be tried at the agent's start; splice_blind = on does it all the same";
}

const char *pb_splice_why_not_now(struct pb_agent *a)
{
	bool attached = pb_loader_splice(a->loader);

	/* not asked where it makes no difference for good */
	if (attached && a->fionread < 0)
		a->fionread = pb_probe_one("splice-fionread");
	return pb_splice_why_not(&a->conf->agent, attached,
				 a->fionread < 0 ? PB_PROBE_ERROR
						 : (enum pb_probe_state)a->fionread);
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pb_spl_rule_key));
}

int pb_splice_services(struct pb_agent *a)
{
	const struct pb_config_file *c = a->conf;
	_cleanup_free_ struct pb_spl_rule_key *keys = calloc(c->n_services + 1, sizeof(*keys));
	int err = keys ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < c->n_services; i++) {
		const struct pb_config_service *s = &c->services[i];

		keys[i].id = pb_registry_id(a->registry, s->name);
		keys[i].port = htons(s->port);
		err = pb_maps_put_spl_rule(a->maps, keys[i].id, keys[i].port, s->on);
	}
	if (err)
		return err;
	if (c->n_services)
		qsort(keys, c->n_services, sizeof(*keys), by_key);
	err = pb_maps_keep_spl_rules(a->maps, keys, c->n_services);
	return err < 0 ? err : 0;
}

bool pb_splice_expected(const struct pb_agent *a, const struct pb_app_rec *rec)
{
	const struct pb_config_file *c = a->conf;

	if (rec->app.flags & PB_APP_SPLICE)
		return true;
	for (size_t i = 0; c->agent.splice != PB_SPLICE_NEVER && i < c->n_services; i++)
		if (c->services[i].on && !strcmp(c->services[i].name, rec->app.name))
			return true;
	return false;
}
