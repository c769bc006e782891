/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The token: one word that says everything a newcomer needs. */
#include <ctype.h>
#include <jansson.h>
#include <openssl/crypto.h>

#include <patchbay/addr.h>

#include "../util.h"
#include "cluster_json.h"

#define TOKEN_VERSION 1

bool pb_cluster_name_valid(const char *name)
{
	size_t n = strnlen(name, 64);

	if (!n || n == 64)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return true;
}

bool pb_node_name_valid(const char *name)
{
	size_t n = strnlen(name, PB_NODE_NAME_LEN);

	if (!n || n == PB_NODE_NAME_LEN)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr(".-", *name))
			return false;
	return true;
}

int pb_cluster_addr_parse(const char *text, struct pb_cluster_addr *ret)
{
	struct pb_cluster_addr a = { .port = PB_CLUSTER_PORT };
	char copy[64], *ip = copy, *port = NULL;
	uint32_t n;

	if (strnlen(text, sizeof(copy)) == sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	if (*copy == '[') {
		char *end = strchr(copy, ']');

		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		*end = '\0';
		ip++;
		port = end[1] ? end + 2 : NULL;
	} else if (strchr(copy, ':') && strchr(copy, ':') == strrchr(copy, ':')) {
		port = strchr(copy, ':');
		*port++ = '\0';
	}
	if (pb_addr_parse(ip, &a.ip) || (*copy == '[' && !strchr(ip, ':')))
		return -EINVAL;
	if (pb_addr_unfit(&a.ip))
		return -EINVAL;
	if (port) {
		if (pb_number_parse(port, 65535, &n) || !n)
			return -EINVAL;
		a.port = (uint16_t)n;
	}
	*ret = a;
	return 0;
}

int cj_addrs(const json_t *list, struct pb_cluster_addr *ret, unsigned *ret_n, unsigned max)
{
	size_t i;
	json_t *e;

	if (!json_is_array(list) || json_array_size(list) > max)
		return -EINVAL;
	json_array_foreach (list, i, e)
		if (!json_is_string(e) || pb_cluster_addr_parse(json_string_value(e), &ret[i]))
			return -EINVAL;
	*ret_n = (unsigned)json_array_size(list);
	return 0;
}

json_t *cj_addrs_json(const struct pb_cluster_addr *a, unsigned n)
{
	json_t *list = json_array();
	char text[64];

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list,
				      json_string(pb_addr_port_format(&a[i].ip, htons(a[i].port),
								      text, sizeof(text))));
	return list;
}

int cj_keys(const json_t *list, struct pb_secret *ret, unsigned *ret_n)
{
	size_t i;
	json_t *e;

	if (!json_is_array(list) || json_array_size(list) > PB_CLUSTER_KEYS)
		return -EINVAL;
	json_array_foreach (list, i, e)
		if (!json_is_string(e) || pb_secret_parse(json_string_value(e), &ret[i]))
			return -EINVAL;
	*ret_n = (unsigned)json_array_size(list);
	return 0;
}

json_t *cj_keys_json(const struct pb_secret *keys, unsigned n)
{
	json_t *list = json_array();
	char text[PB_KEY_TEXT_LEN];

	for (unsigned i = 0; i < n; i++) {
		pb_secret_format(&keys[i], text);
		json_array_append_new(list, json_string(text));
	}
	OPENSSL_cleanse(text, sizeof(text));
	return list;
}

static int token_fields(const json_t *o, struct pb_token *t, char err[PB_ERR_LEN])
{
	const char *name = json_string_value(json_object_get(o, "c"));
	const char *ca = json_string_value(json_object_get(o, "a"));
	json_int_t v = json_integer_value(json_object_get(o, "v"));

	if (v != TOKEN_VERSION)
		return pb_fail(err, -EINVAL,
			       "the token is of version %lld, this Patchbay knows version %d",
			       (long long)v, TOKEN_VERSION);
	if (!name || !pb_cluster_name_valid(name))
		return pb_fail(err, -EINVAL, "the token does not name a cluster");
	snprintf(t->cluster, sizeof(t->cluster), "%s", name);
	if (cj_keys(json_object_get(o, "k"), t->keys, &t->n_keys))
		return pb_fail(err, -EINVAL, "the keys in the token cannot be read");
	if (cj_addrs(json_object_get(o, "s"), t->seeds, &t->n_seeds, PB_CLUSTER_SEEDS) ||
	    !t->n_seeds)
		return pb_fail(err, -EINVAL, "the token has no address of a node");
	t->has_ca = ca;
	if (ca && pb_base64_read(ca, strlen(ca), t->ca, sizeof(t->ca)) != sizeof(t->ca))
		return pb_fail(err, -EINVAL, "the CA in the token cannot be read");
	return 0;
}

int pb_token_parse(const char *text, struct pb_token *ret, char err[PB_ERR_LEN])
{
	size_t len = strnlen(text, PB_TOKEN_MAX + 1), at = strlen(PB_TOKEN_PREFIX);
	struct pb_token t = { .n_keys = 0 };
	uint8_t plain[PB_TOKEN_MAX];
	json_t *o = NULL;
	int n, e;

	if (len > PB_TOKEN_MAX || strncmp(text, PB_TOKEN_PREFIX, at))
		return pb_fail(err, -EINVAL,
			       "a token begins with '" PB_TOKEN_PREFIX
			       "' and has at most %d characters",
			       PB_TOKEN_MAX);
	n = pb_base64_read(text + at, len - at, plain, sizeof(plain));
	if (n > 0)
		o = json_loadb((char *)plain, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	OPENSSL_cleanse(plain, sizeof(plain));
	if (!json_is_object(o))
		e = pb_fail(err, -EINVAL, "the token is damaged: was all of it copied?");
	else
		e = token_fields(o, &t, err);
	json_decref(o);
	if (!e)
		*ret = t;
	OPENSSL_cleanse(&t, sizeof(t));
	return e;
}

char *pb_token_format(const struct pb_token *t)
{
	json_t *o = json_pack("{s:i, s:s, s:o, s:o}", "v", TOKEN_VERSION, "c", t->cluster, "k",
			      cj_keys_json(t->keys, t->n_keys), "s",
			      cj_addrs_json(t->seeds, t->n_seeds));
	char *plain, *ret = NULL, ca[(PB_CA_KEY_LEN + 2) / 3 * 4 + 1];
	size_t n;

	pb_base64_write(t->ca, sizeof(t->ca), false, ca);
	if (o && t->has_ca)
		json_object_set_new(o, "a", json_string(ca));
	plain = o ? json_dumps(o, JSON_COMPACT) : NULL;
	n = plain ? strlen(plain) : 0;
	json_decref(o);
	if (plain)
		ret = malloc(sizeof(PB_TOKEN_PREFIX) + (n + 2) / 3 * 4 + 1);
	if (ret) {
		strcpy(ret, PB_TOKEN_PREFIX);
		pb_base64_write((uint8_t *)plain, n, true, ret + strlen(PB_TOKEN_PREFIX));
	}
	if (plain)
		OPENSSL_cleanse(plain, n);
	free(plain);
	return ret;
}
