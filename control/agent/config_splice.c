/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* splice = of [agent] and [scope], and the services of [splice]. */
#include <ctype.h>

#include "../util.h"
#include "config_internal.h"

int cfg_parse_splice(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	bool node = key->section == CFG_AGENT;
	int splice = pb_splice_parse(value, node);

	if (splice < 0)
		return pb_fail(err, -EINVAL, "'%.40s' is not one of: on, all, off%s", value,
			       node ? ", never" : "");
	*((uint8_t *)obj + key->offset) = (uint8_t)splice;
	return 0;
}

/* "NAME:PORT on|off" */
static int parse(const char *value, struct pb_config_service *ret, char *err)
{
	struct pb_config_service s = { .port = 0 };
	size_t len = strcspn(value, " \t");
	const char *word = value + len + strspn(value + len, " \t");
	char copy[PB_NAME_LEN + 8], *colon;
	uint32_t port = 0;

	snprintf(copy, sizeof(copy), "%.*s", len < sizeof(copy) ? (int)len : 0, value);
	colon = strchr(copy, ':');
	if (colon)
		*colon++ = '\0';
	if (!colon || pb_number_parse(colon, 65535, &port) || !port || !pb_name_valid(copy) ||
	    (strcmp(word, "on") && strcmp(word, "off")))
		return pb_fail(err, -EINVAL, "'%.100s' does not have the form NAME:PORT on|off",
			       value);
	for (size_t i = 0; copy[i]; i++)
		s.name[i] = (char)tolower((unsigned char)copy[i]);
	s.port = (uint16_t)port;
	s.on = !strcmp(word, "on");
	*ret = s;
	return 0;
}

int cfg_parse_service(void *obj, const struct cfg_key *key, const char *value, char *err)
{
	struct pb_config_file *c = obj;
	struct pb_config_service s, *more;
	int e = parse(value, &s, err);

	(void)key;
	if (e)
		return e;
	for (size_t i = 0; i < c->n_services; i++)
		if (c->services[i].port == s.port && !strcmp(c->services[i].name, s.name))
			return pb_fail(err, -EEXIST, "%s:%u is already set at %.100s:%u", s.name,
				       s.port, c->services[i].src.file, c->services[i].src.line);
	if (c->n_services == PB_CONFIG_SERVICES_MAX)
		return pb_fail(err, -ENOSPC, "more than %d services", PB_CONFIG_SERVICES_MAX);
	more = reallocarray(c->services, c->n_services + 1, sizeof(*more));
	if (!more)
		return pb_fail(err, -ENOMEM, "no memory for the service");
	c->services = more;
	more[c->n_services++] = s;
	return 0;
}
