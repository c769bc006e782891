// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Changing a service by words; what differs between two; what they cannot both have. */
#include <errno.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/memcached/service.h"
#include "control/util.h"

#define MAX_AGE 1000 /* ms */

/* ---- words --------------------------------------------------------------- */

static json_t *list_of(const char *value)
{
	_cleanup_free_ char *copy = strdup(value);
	json_t *list = copy ? json_array() : NULL;
	char *p = copy, *part;

	while (list && (part = strsep(&p, ",")))
		json_array_append_new(list, json_string(part));
	return list;
}

int mcs_set_word(json_t *o, const char *key, const char *value, char err[PB_ERR_LEN])
{
	const struct mcs_key *k = NULL;
	json_t *v = NULL;
	uint32_t n;

	for (size_t i = 0; i < mcs_n_keys; i++)
		if (!strcmp(mcs_keys[i].name, key))
			k = &mcs_keys[i];
	if (!k)
		return pb_fail(err, -EINVAL, "%.60s: there is no such key", key);
	if (!*value) {
		json_object_del(o, key);
		return 0;
	}
	if (k->list) {
		v = list_of(value);
	} else if (k->type == MCS_T_NUMBER) {
		if (pb_number_parse(value, UINT32_MAX, &n))
			return pb_fail(err, -EINVAL, "%s: must be a whole number", key);
		v = json_integer(n);
	} else {
		v = json_string(value);
	}
	if (!v)
		return pb_fail(err, -EINVAL, "%s: is not text", key);
	return json_object_set_new(o, key, v) ? pb_fail(err, -ENOMEM, "no memory") : 0;
}

/* ---- difference ---------------------------------------------------------- */

static bool holds(const json_t *list, const json_t *v)
{
	const json_t *e;
	size_t i;

	json_array_foreach (list, i, e)
		if (json_equal(e, v))
			return true;
	return false;
}

static void line(json_t *lines, char sign, const char *name, const char *key, const json_t *v)
{
	if (json_is_integer(v))
		json_array_append_new(lines, json_sprintf("%c memcached %s %s %lld", sign, name,
							  key, (long long)json_integer_value(v)));
	else
		json_array_append_new(lines, json_sprintf("%c memcached %s %s %s", sign, name, key,
							  json_string_value(v)));
}

static void add_value(json_t *lines, char sign, const char *name, const char *key, const json_t *v,
		      const json_t *other)
{
	const json_t *e;
	size_t i;

	if (!json_is_array(v)) {
		line(lines, sign, name, key, v);
		return;
	}
	json_array_foreach (v, i, e)
		if (!holds(other, e))
			line(lines, sign, name, key, e);
}

void mcs_diff(const struct mcs_service *from, const struct mcs_service *to, json_t *lines)
{
	json_t *o = from ? mcs_to_json(from, to != NULL) : json_object();
	json_t *n = to ? mcs_to_json(to, from != NULL) : json_object();
	const char *name = to ? to->name : from->name;

	for (size_t i = 0; i < mcs_n_keys; i++) {
		const char *key = mcs_keys[i].name;
		const json_t *was = json_object_get(o, key), *is = json_object_get(n, key);

		if (!strcmp(key, "name") || (was && is && json_equal(was, is)))
			continue;
		if (was)
			add_value(lines, '-', name, key, was, is);
		if (is)
			add_value(lines, '+', name, key, is, was);
	}
	json_decref(o);
	json_decref(n);
}

const char *mcs_clash(const struct mcs_service *a, const struct mcs_service *b)
{
	if (!strcmp(a->name, b->name))
		return "name";
	return pb_addr_eq(&a->vip, &b->vip) && a->port == b->port ? "vip" : NULL;
}

/* ---- the cache ----------------------------------------------------------- */

/* Who may change items without this switch's knowing. */
static const char *unseen(const struct mcs_service *s)
{
	if (!s->tcp)
		return "tcp is off: writers by TCP go past this switch and would leave old values "
		       "in the cache; cache_unsafe_ttl MS accepts answers that old";
	if (s->writers == MCS_WRITERS_SWITCH)
		return NULL;
	return "writers may reach the servers past this switch and would leave old values in the "
	       "cache; writers=switch says that none can, cache_unsafe_ttl MS accepts answers that "
	       "old";
}

const char *mcs_cache_why_not(const struct mcs_service *s)
{
	if (!s->cache || s->cache == MCS_CACHE_AUTO || s->unsafe_ttl)
		return NULL;
	return unseen(s);
}

uint64_t mcs_cache_bytes(const struct mcs_service *s)
{
	if (s->cache == MCS_CACHE_AUTO)
		return unseen(s) ? 0 : MCS_CACHE_SIZE;
	return mcs_cache_why_not(s) ? 0 : s->cache;
}

const char *mcs_cache_off(const struct mcs_service *s)
{
	if (mcs_cache_bytes(s))
		return NULL;
	return s->cache ? unseen(s) : "not asked for";
}

uint32_t mcs_max_age(const struct mcs_service *s)
{
	uint32_t age = s->max_age ? s->max_age : s->unsafe_ttl ? s->unsafe_ttl : MAX_AGE;

	return s->unsafe_ttl && s->unsafe_ttl < age ? s->unsafe_ttl : age;
}
