/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A file of services.d; what is taken is written as it was read, and differs from itself in nothing. */
#include <stdlib.h>
#include <string.h>

#include "control/memcached/service.h"
#include "control/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SERVICES 8

/* All of it, and again through what was written. */
static void again(const struct mcs_service *s, bool all)
{
	_cleanup_(mcs_freep) struct mcs_service *t = NULL;
	json_t *o = mcs_to_json(s, all), *lines = json_array();
	char err[PB_ERR_LEN] = "";

	if (all && s->hash == MCS_MAGLEV) {
		json_object_del(o, "dialect");
		json_object_del(o, "key_hash");
	}
	if (all && !s->allow_given)
		json_object_del(o, "allow");
	if (all && !s->max_age)
		json_object_del(o, "max_age");
	if (all && !s->unsafe_ttl)
		json_object_del(o, "cache_unsafe_ttl");
	t = mcs_from_json(o, err);
	if (!t || memcmp(s, t, sizeof(*s)) != 0)
		abort();
	mcs_diff(s, t, lines);
	if (json_array_size(lines))
		abort();
	json_decref(lines);
	json_decref(o);
}

/* The words of `set`. */
static void words(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	json_t *o = json_object();
	char err[PB_ERR_LEN], *save = NULL;

	for (char *w = strtok_r(text, "\n", &save); w; w = strtok_r(NULL, "\n", &save)) {
		char *eq = strchr(w, '=');

		if (!eq)
			continue;
		*eq = '\0';
		if (!mcs_set_word(o, w, eq + 1, err))
			free(mcs_from_json(o, err));
	}
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mcs_service *list[SERVICES] = { NULL };
	char err[PB_ERR_LEN] = "";
	size_t n = 0;

	if (mcs_from_text((const char *)data, size, list, SERVICES, &n, err) && (!*err || n))
		abort();
	for (size_t i = 0; i < n; i++) {
		again(list[i], false);
		again(list[i], true);
		free(list[i]);
	}
	words(data, size);
	return 0;
}
