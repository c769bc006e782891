// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The one table of a service's keys: reading, printing, changing by words. */
#include <errno.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/memcached/service.h"
#include "control/util.h"

static const char *const dsr_words[] = { "nat", "l2", NULL };
static const char *const hash_words[] = { "maglev", "ketama", NULL };
static const char *const switch_words[] = { "off", "on", NULL };
static const char *const writers_words[] = { "any", "switch", NULL };
static const char *const mode_words[] = { "auto", "tc", "xdp", NULL };
static const char *const dialect_words[] = {
	[MCR_TWEMPROXY] = "twemproxy",
	[MCR_LIBMEMCACHED] = "libmemcached",
	[MCR_LIBMEMCACHED_WEIGHTED] = "libmemcached-weighted",
	[MCR_SPYMEMCACHED] = "spymemcached",
	NULL,
};
static const char *const key_hash_words[] = {
	[PB_MC_H_ONE_AT_A_TIME] = "one_at_a_time",
	[PB_MC_H_MD5] = "md5",
	[PB_MC_H_CRC32] = "crc32",
	[PB_MC_H_CRC32A] = "crc32a",
	[PB_MC_H_FNV1_64] = "fnv1_64",
	[PB_MC_H_FNV1A_64] = "fnv1a_64",
	[PB_MC_H_FNV1_32] = "fnv1_32",
	[PB_MC_H_FNV1A_32] = "fnv1a_32",
	NULL,
};

const char *mcs_dialect_name(unsigned dialect)
{
	return dialect <= MCR_SPYMEMCACHED ? dialect_words[dialect] : "?";
}

const char *mcs_hash_name(unsigned hash)
{
	return hash < PB_MC_HASHES ? key_hash_words[hash] : "?";
}

const char *mcs_mode_name(unsigned mode)
{
	return mode <= MCS_XDP ? mode_words[mode] : "?";
}

int mcs_mode_parse(const char *text)
{
	for (int i = 0; mode_words[i]; i++)
		if (!strcmp(text, mode_words[i]))
			return i;
	return -EINVAL;
}

/* ---- single values ------------------------------------------------------- */

static int read_name(struct mcs_service *s, const json_t *v, char *err)
{
	const char *text = json_string_value(v);

	if (!text || !pb_name_valid(text))
		return pb_fail(
			err, -EINVAL,
			"must be a name: letters, digits, '-' and '.', at most %d characters",
			PB_NAME_LEN - 1);
	mcs_lower(text, s->name);
	return 0;
}

static json_t *write_name(const struct mcs_service *s)
{
	return json_string(s->name);
}

static int read_vip(struct mcs_service *s, const json_t *v, char *err)
{
	const char *text = json_string_value(v);

	if (!text || mcs_addr_port(text, &s->vip, &s->port))
		return pb_fail(err, -EINVAL, "must be ADDRESS:PORT, without a name");
	if (pb_addr_is_any(&s->vip) || pb_addr_is_loopback(&s->vip))
		return pb_fail(err, -EINVAL, "must be an address that clients can send to");
	return 0;
}

static json_t *write_vip(const struct mcs_service *s)
{
	char text[64];

	return json_string(pb_addr_port_format(&s->vip, s->port, text, sizeof(text)));
}

static int read_source(struct mcs_service *s, const json_t *v, char *err)
{
	const char *text = json_string_value(v);

	if (text && !strcmp(text, "auto")) {
		memset(&s->source, 0, sizeof(s->source));
		return 0;
	}
	if (!text || pb_addr_parse(text, &s->source) || pb_addr_is_any(&s->source))
		return pb_fail(err, -EINVAL, "must be an address of this host, or auto");
	return 0;
}

static json_t *write_source(const struct mcs_service *s)
{
	char text[64];

	if (pb_addr_is_zero(&s->source))
		return json_string("auto");
	return json_string(pb_addr_format(&s->source, text, sizeof(text)));
}

static int read_tag(struct mcs_service *s, const json_t *v, char *err)
{
	const char *text = json_string_value(v);

	if (!text || (strlen(text) != 2 && *text))
		return pb_fail(err, -EINVAL, "must be two characters, as \"{}\"");
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			return pb_fail(err, -EINVAL, "must be two printable characters");
	snprintf(s->hash_tag, sizeof(s->hash_tag), "%s", text);
	return 0;
}

static json_t *write_tag(const struct mcs_service *s)
{
	return json_string(s->hash_tag);
}

static int read_tags(struct mcs_service *s, const json_t *list, char *err)
{
	char why[PB_ERR_LEN];
	json_t *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > PB_TAGS_MAX)
		return pb_fail(err, -EINVAL, "must be an array of at most %d strings KEY=VALUE",
			       PB_TAGS_MAX);
	json_array_foreach ((json_t *)list, i, v) {
		if (!json_is_string(v))
			return pb_fail(err, -EINVAL, "[%zu]: must be a string", i);
		if (pb_tag_check(json_string_value(v), why))
			return pb_fail(err, -EINVAL, "[%zu]: %.200s", i, why);
		snprintf(s->tag[s->n_tags++], PB_TAG_LEN, "%s", json_string_value(v));
	}
	return 0;
}

static json_t *write_tags(const struct mcs_service *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->n_tags; i++)
		json_array_append_new(list, json_string(s->tag[i]));
	return list;
}

/* ---- devices and networks ------------------------------------------------ */

static int read_device(struct mcs_service *s, const char *text, char *err)
{
	struct mcs_device *d = &s->device[s->n_devices];
	const char *eq = strrchr(text, '=');
	size_t len = eq ? (size_t)(eq - text) : strlen(text);
	int mode = eq ? mcs_mode_parse(eq + 1) : MCS_AUTO;

	if (!len || len >= sizeof(d->name) || mode < 0)
		return pb_fail(err, -EINVAL, "'%.40s' is not DEVICE or DEVICE=auto|tc|xdp", text);
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr("/,", text[i]))
			return pb_fail(err, -EINVAL, "'%.40s' cannot be a device's name", text);
	memset(d, 0, sizeof(*d));
	memcpy(d->name, text, len);
	d->mode = (uint8_t)mode;
	for (unsigned i = 0; i < s->n_devices; i++)
		if (!strcmp(s->device[i].name, d->name))
			return pb_fail(err, -EEXIST, "'%.20s' is there twice", d->name);
	s->n_devices++;
	return 0;
}

static int read_devices(struct mcs_service *s, const json_t *list, char *err)
{
	char why[PB_ERR_LEN];
	json_t *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > MCS_DEVICES_MAX)
		return pb_fail(err, -EINVAL, "must be an array of at most %d strings",
			       MCS_DEVICES_MAX);
	json_array_foreach ((json_t *)list, i, v) {
		if (!json_is_string(v))
			return pb_fail(err, -EINVAL, "[%zu]: must be a string", i);
		if (read_device(s, json_string_value(v), why))
			return pb_fail(err, -EINVAL, "[%zu]: %.200s", i, why);
	}
	return 0;
}

static json_t *write_devices(const struct mcs_service *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->n_devices; i++)
		json_array_append_new(list, s->device[i].mode
						    ? json_sprintf("%s=%s", s->device[i].name,
								   mode_words[s->device[i].mode])
						    : json_string(s->device[i].name));
	return list;
}

static int read_allow(struct mcs_service *s, const json_t *list, char *err)
{
	json_t *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > MCS_ALLOW_MAX)
		return pb_fail(err, -EINVAL, "must be an array of at most %d networks",
			       MCS_ALLOW_MAX);
	s->allow_given = true;
	json_array_foreach ((json_t *)list, i, v) {
		const char *text = json_string_value(v);
		struct mcs_net *n = &s->allow[s->n_allow];

		if (!text || pb_cidr_parse(text, &n->net, &n->bits))
			return pb_fail(err, -EINVAL,
				       "[%zu]: must be ADDRESS/BITS without bits behind the prefix",
				       i);
		s->n_allow++;
	}
	return 0;
}

static json_t *write_allow(const struct mcs_service *s)
{
	json_t *list = json_array();
	char text[64];

	for (unsigned i = 0; i < s->n_allow; i++) {
		const struct mcs_net *n = &s->allow[i];
		bool v4 = n->bits >= 96 && pb_addr_is_v4(&n->net);

		pb_addr_format(&n->net, text, sizeof(text));
		json_array_append_new(list,
				      json_sprintf("%s/%u", text, v4 ? n->bits - 96 : n->bits));
	}
	return list;
}

#define AT(member) \
	.offset = offsetof(struct mcs_service, member), \
	.size = sizeof(((struct mcs_service *)0)->member)
#define OWN(key, fn) \
	{ \
		.name = key, .type = MCS_T_OWN, .read = read_##fn, .write = write_##fn \
	}
#define LIST(key, fn) \
	{ \
		.name = key, .type = MCS_T_OWN, .list = true, .read = read_##fn, \
		.write = write_##fn \
	}
#define WORD(key, member, list_of, d) \
	{ \
		.name = key, .type = MCS_T_WORD, .words = list_of, .def = d, AT(member) \
	}
#define NUMBER(key, member, lo, hi, d) \
	{ \
		.name = key, .type = MCS_T_NUMBER, .min = lo, .max = hi, .def = d, AT(member) \
	}
#define SIZE(key, member, lo, hi, d) \
	{ \
		.name = key, .type = MCS_T_SIZE, .min = lo, .max = hi, .def = d, AT(member) \
	}

const struct mcs_key mcs_keys[] = {
	OWN("name", name),
	OWN("vip", vip),
	{ .name = "backends",
	  .type = MCS_T_OWN,
	  .list = true,
	  .read = mcs_read_backends,
	  .write = mcs_write_backends },
	{ .name = "gutter",
	  .type = MCS_T_OWN,
	  .list = true,
	  .read = mcs_read_gutter,
	  .write = mcs_write_gutter },
	LIST("devices", devices),
	LIST("tags", tags),
	WORD("dsr", dsr, dsr_words, MCS_NAT),
	OWN("source", source),
	WORD("hash", hash, hash_words, MCS_MAGLEV),
	WORD("dialect", dialect, dialect_words, MCR_TWEMPROXY),
	WORD("key_hash", key_hash, key_hash_words, PB_MC_H_FNV1A_64),
	OWN("hash_tag", tag),
	WORD("tcp", tcp, switch_words, true),
	WORD("writers", writers, writers_words, MCS_WRITERS_ANY),
	SIZE("cache", cache, MCS_CACHE_MIN, MCS_CACHE_MAX, MCS_CACHE_AUTO),
	NUMBER("cache_unsafe_ttl", unsafe_ttl, 1, 3600000, 0),
	NUMBER("admit", admit, 1, 1000000, 2),
	NUMBER("max_age", max_age, 1, 3600000, 0),
	LIST("allow", allow),
	SIZE("rate", rate, 1000, 1ull << 40, 1000000000),
	WORD("failover", failover, switch_words, true),
	NUMBER("probe_interval", probe_interval, 50, 60000, 500),
	NUMBER("probe_timeout", probe_timeout, 20, 60000, 400),
	NUMBER("probe_threshold", probe_threshold, 1, 100, 3),
};
const size_t mcs_n_keys = ARRAY_SIZE(mcs_keys);
