/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sources that a service takes requests from, in pb_mc_allow. */
#include "control/memcached/apply_internal.h"

#include <errno.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>

#include <patchbay/siphash.h>

static struct pb_mc_allow_key allow_key(unsigned index, const struct mcs_net *n)
{
	return (struct pb_mc_allow_key){
		.prefixlen = 32 + n->bits,
		.service = htonl(index),
		.addr = n->net,
	};
}

uint64_t mca_allow_name(const struct mca *s)
{
	uint8_t key[PB_SIPHASH_KEY_LEN];
	uint64_t sum = 0;

	memcpy(key, s->digest_key, sizeof(key));
	for (unsigned i = 0; i < s->place.n_allow; i++) {
		struct pb_mc_allow_key k = allow_key(s->index, &s->place.allow[i]);

		sum = sum * 31 + pb_siphash24(key, &k, sizeof(k));
	}
	return sum | 1; /* 0 is no list's */
}

static bool allowed(const struct mca *s, const struct pb_mc_allow_key *k)
{
	for (unsigned i = 0; s && i < s->place.n_allow; i++) {
		struct pb_mc_allow_key a = allow_key(s->index, &s->place.allow[i]);

		if (!memcmp(&a, k, sizeof(a)))
			return true;
	}
	return false;
}

int mca_trim_allow(int fd, unsigned index, const struct mca *s)
{
	struct pb_mc_allow_key key, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);
	int err = 0;

	while (more && !err) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (key.service == htonl(index) && !allowed(s, &key))
			err = bpf_map_delete_elem(fd, &key);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

int mca_put_allow(struct pb_mcl *m, const struct mca *s)
{
	int fd = mca_map_fd(m, "pb_mc_allow"), err = 0;
	__u32 one = 1;

	for (unsigned i = 0; fd >= 0 && !err && i < s->place.n_allow; i++) {
		struct pb_mc_allow_key k = allow_key(s->index, &s->place.allow[i]);

		err = bpf_map_update_elem(fd, &k, &one, 0);
	}
	return fd < 0 ? fd : err ? err : mca_trim_allow(fd, s->index, s);
}
