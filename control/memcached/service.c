// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A service from JSON, to JSON, and what one says beside another. */
#include <errno.h>
#include <string.h>

#include <patchbay/addr.h>

#include "control/memcached/service.h"
#include "control/depth.h"
#include "control/util.h"

#define DEPTH_MAX 8

/* ---- sizes --------------------------------------------------------------- */

int mcs_size_parse(const char *text, uint64_t *ret)
{
	static const char units[] = "KMG";
	size_t len = strlen(text);
	const char *unit = len ? strchr(units, text[len - 1]) : NULL;
	char digits[24];
	uint32_t n;
	int e;

	if (!strcmp(text, "off") || !len) {
		*ret = 0;
		return len ? 0 : -EINVAL;
	}
	if (len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len + 1);
	if (unit)
		digits[len - 1] = '\0';
	e = pb_number_parse(digits, UINT32_MAX, &n);
	if (e)
		return e;
	*ret = (uint64_t)n << (unit ? 10 * (unit - units + 1) : 0);
	return 0;
}

void mcs_size_format(uint64_t n, char buf[24])
{
	static const char units[] = "KMG";
	int unit = -1;

	if (!n) {
		snprintf(buf, 24, "off");
		return;
	}
	while (unit < 2 && !(n & 1023) && n >= 1024) {
		n >>= 10;
		unit++;
	}
	snprintf(buf, 24, "%llu%.1s", (unsigned long long)n, unit < 0 ? "" : &units[unit]);
}

/* ---- one key ------------------------------------------------------------- */

static void store(struct mcs_service *s, const struct mcs_key *k, uint64_t n)
{
	char *at = (char *)s + k->offset;

	switch (k->size) {
	case 1: *(uint8_t *)at = (uint8_t)n; break;
	case 4: *(uint32_t *)at = (uint32_t)n; break;
	case 8: *(uint64_t *)at = n; break;
	}
}

static uint64_t load(const struct mcs_service *s, const struct mcs_key *k)
{
	const char *at = (const char *)s + k->offset;

	switch (k->size) {
	case 1: return *(const uint8_t *)at;
	case 4: return *(const uint32_t *)at;
	default: return *(const uint64_t *)at;
	}
}

static int read_word(struct mcs_service *s, const struct mcs_key *k, const json_t *v, char *err)
{
	const char *text = json_string_value(v);

	for (uint64_t i = 0; text && k->words[i]; i++)
		if (!strcmp(text, k->words[i])) {
			store(s, k, i);
			return 0;
		}
	pb_fail(err, -EINVAL, "must be one of");
	for (size_t i = 0; k->words[i]; i++) {
		size_t n = strlen(err);

		snprintf(err + n, PB_ERR_LEN - n, "%s %s", i ? "," : "", k->words[i]);
	}
	return -EINVAL;
}

static int read_number(struct mcs_service *s, const struct mcs_key *k, const json_t *v, char *err)
{
	uint64_t n = 0;

	if (k->def == MCS_CACHE_AUTO && json_is_string(v) &&
	    !strcmp(json_string_value(v), "auto")) {
		store(s, k, MCS_CACHE_AUTO);
		return 0;
	}
	if (k->type == MCS_T_SIZE && json_is_string(v)) {
		if (mcs_size_parse(json_string_value(v), &n))
			return pb_fail(err, -EINVAL, "must be a size, as 65536, 64K, 64M, or off%s",
				       k->def == MCS_CACHE_AUTO ? ", or auto" : "");
	} else if (json_is_integer(v) && json_integer_value(v) >= 0) {
		n = (uint64_t)json_integer_value(v);
	} else {
		return pb_fail(err, -EINVAL, "must be a whole number");
	}
	if ((n || k->type == MCS_T_NUMBER) && (n < k->min || n > k->max))
		return pb_fail(err, -ERANGE, "must be from %llu to %llu",
			       (unsigned long long)k->min, (unsigned long long)k->max);
	store(s, k, n);
	return 0;
}

static int read_key(struct mcs_service *s, const struct mcs_key *k, const json_t *v, char *err)
{
	switch (k->type) {
	case MCS_T_WORD: return read_word(s, k, v, err);
	case MCS_T_NUMBER:
	case MCS_T_SIZE: return read_number(s, k, v, err);
	default: return k->read(s, v, err);
	}
}

static json_t *write_key(const struct mcs_service *s, const struct mcs_key *k)
{
	char text[24];

	switch (k->type) {
	case MCS_T_WORD: return json_string(k->words[load(s, k)]);
	case MCS_T_NUMBER: return json_integer((json_int_t)load(s, k));
	case MCS_T_SIZE:
		if (k->def == MCS_CACHE_AUTO && load(s, k) == MCS_CACHE_AUTO)
			return json_string("auto");
		mcs_size_format(load(s, k), text);
		return json_string(text);
	default: return k->write(s);
	}
}

static const struct mcs_key *find_key(const char *name)
{
	for (size_t i = 0; i < mcs_n_keys; i++)
		if (!strcmp(mcs_keys[i].name, name))
			return &mcs_keys[i];
	return NULL;
}

/* ---- the whole ----------------------------------------------------------- */

static uint8_t default_hash(unsigned dialect)
{
	if (dialect == MCR_TWEMPROXY)
		return PB_MC_H_FNV1A_64;
	return dialect == MCR_LIBMEMCACHED ? PB_MC_H_ONE_AT_A_TIME : PB_MC_H_MD5;
}

static int check_server(const struct mcs_service *s, const struct mcs_backend *b, char *err)
{
	char text[64];

	if (*b->service)
		return 0;
	pb_addr_port_format(&b->addr, b->port, text, sizeof(text));
	if (pb_addr_is_v4(&b->addr) != pb_addr_is_v4(&s->vip))
		return pb_fail(err, -EINVAL, "backends: %s is not of the address family of vip",
			       text);
	if (pb_addr_eq(&b->addr, &s->vip) && b->port == s->port)
		return pb_fail(err, -EINVAL, "backends: %s is the service itself", text);
	if (s->dsr == MCS_L2 && b->port != s->port)
		return pb_fail(err, -EINVAL,
			       "backends: %s: with dsr l2 servers listen on the port of vip", text);
	return 0;
}

static int check(const struct mcs_service *s, char *err)
{
	unsigned owners = 0;

	for (unsigned i = 0; i < s->n_backends; i++) {
		if (check_server(s, &s->backend[i], err))
			return -EINVAL;
		owners += !s->backend[i].gutter;
	}
	if (!owners)
		return pb_fail(err, -EINVAL, "backends: at least one server is needed");
	if (!s->n_devices)
		return pb_fail(err, -EINVAL, "devices: at least one is needed");
	if (!pb_addr_is_zero(&s->source) && pb_addr_is_v4(&s->source) != pb_addr_is_v4(&s->vip))
		return pb_fail(err, -EINVAL, "source: is not of the address family of vip");
	return 0;
}

static int check_given(const json_t *o, char *err)
{
	static const char *const needed[] = { "name", "vip", "backends", "devices" };
	static const char *const ketama[] = { "dialect", "key_hash" };
	const char *hash = json_string_value(json_object_get(o, "hash"));

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!json_object_get(o, needed[i]))
			return pb_fail(err, -EINVAL, "%s: is missing", needed[i]);
	for (size_t i = 0; i < ARRAY_SIZE(ketama); i++)
		if (json_object_get(o, ketama[i]) && (!hash || strcmp(hash, "ketama")))
			return pb_fail(err, -EINVAL, "%s: counts with hash ketama only", ketama[i]);
	return 0;
}

static int read_all(struct mcs_service *s, const json_t *o, char *err)
{
	char why[PB_ERR_LEN];
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)o, name, v) {
		const struct mcs_key *k = find_key(name);

		if (!k && !strcmp(name, "type") && json_is_string(v) &&
		    !strcmp(json_string_value(v), "memcached"))
			continue;
		if (!k)
			return pb_fail(err, -EINVAL, "%.60s: there is no such key", name);
		if (read_key(s, k, v, why))
			return pb_fail(err, -EINVAL, "%s%s%.200s", name, *why == '[' ? "" : ": ",
				       why);
	}
	return 0;
}

struct mcs_service *mcs_from_json(const json_t *o, char err[PB_ERR_LEN])
{
	_cleanup_(mcs_freep) struct mcs_service *s = calloc(1, sizeof(*s));

	if (!s) {
		pb_fail(err, -ENOMEM, "no memory");
		return NULL;
	}
	if (!json_is_object(o)) {
		pb_fail(err, -EINVAL, "a service must be a JSON object");
		return NULL;
	}
	for (size_t i = 0; i < mcs_n_keys; i++)
		if (mcs_keys[i].type != MCS_T_OWN)
			store(s, &mcs_keys[i], mcs_keys[i].def);
	if (check_given(o, err) || read_all(s, o, err))
		return NULL;
	if (!json_object_get(o, "key_hash"))
		s->key_hash = default_hash(s->dialect);
	return check(s, err) ? NULL : TAKE_PTR(s);
}

static bool is_default(const struct mcs_service *s, const struct mcs_key *k)
{
	if (!strcmp(k->name, "key_hash"))
		return s->hash != MCS_KETAMA || s->key_hash == default_hash(s->dialect);
	if (!strcmp(k->name, "dialect"))
		return s->hash != MCS_KETAMA || s->dialect == k->def;
	if (k->type != MCS_T_OWN)
		return load(s, k) == k->def;
	if (!strcmp(k->name, "allow"))
		return !s->allow_given;
	if (!strcmp(k->name, "source"))
		return pb_addr_is_zero(&s->source);
	return !strcmp(k->name, "hash_tag") && !*s->hash_tag;
}

json_t *mcs_to_json(const struct mcs_service *s, bool all)
{
	json_t *o = json_object();

	for (size_t i = 0; i < mcs_n_keys; i++) {
		const struct mcs_key *k = &mcs_keys[i];
		json_t *v;

		if (!all && is_default(s, k))
			continue;
		v = write_key(s, k);
		if (!all && k->list && strcmp(k->name, "allow") && !json_array_size(v))
			json_decref(v);
		else
			json_object_set_new(o, k->name, v);
	}
	return o;
}

/* ---- texts --------------------------------------------------------------- */

static int each_of(const json_t *list, struct mcs_service *ret[], size_t max, size_t *n, char *err)
{
	char why[PB_ERR_LEN];
	json_t *v;
	size_t i;

	json_array_foreach ((json_t *)list, i, v) {
		if (*n == max)
			return pb_fail(err, -E2BIG, "more than %zu services", max);
		ret[*n] = mcs_from_json(v, why);
		if (!ret[*n])
			return pb_fail(err, -EINVAL, "[%zu]: %.220s", i, why);
		(*n)++;
	}
	return 0;
}

int mcs_from_text(const char *text, size_t len, struct mcs_service *ret[], size_t max,
		  size_t *ret_n, char err[PB_ERR_LEN])
{
	json_error_t je;
	json_t *o = NULL;
	size_t n = 0;
	int e = 0;

	if (len > MCS_TEXT_MAX)
		return pb_fail(err, -EFBIG, "longer than %d bytes", MCS_TEXT_MAX);
	if (pb_json_deeper(text, len, DEPTH_MAX))
		return pb_fail(err, -EINVAL, "nested deeper than %d levels", DEPTH_MAX);
	o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	if (!o)
		return pb_fail(err, -EINVAL, "line %d: %.160s", je.line, je.text);
	if (json_is_array(o)) {
		e = each_of(o, ret, max, &n, err);
	} else if (!max) {
		e = pb_fail(err, -E2BIG, "one service too many");
	} else {
		ret[0] = mcs_from_json(o, err);
		n = ret[0] != NULL;
		e = n ? 0 : -EINVAL;
	}
	json_decref(o);
	while (e && n)
		free(ret[--n]);
	*ret_n = n;
	return e;
}
