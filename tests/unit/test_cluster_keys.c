/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys of a cluster over time: how long the one before is kept, how much one has encrypted, and the
 * file they come from. */
#include <criterion/criterion.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include "control/agent/cluster_state.h"
#include "control/gossip/keyring.h"
#include "control/util.h"

#define DAY 86400
#define A "AAAAAAAAAAAAAAAAAAAAAA=="
#define B "AQEBAQEBAQEBAQEBAQEBAQ=="
#define C "AgICAgICAgICAgICAgICAg=="

static struct pb_secret keys[PB_CLUSTER_KEYS];
static unsigned n;
static char err[PB_ERR_LEN];

static struct pb_secret secret(uint8_t x)
{
	struct pb_secret s = { .len = 16 };

	memset(s.bytes, x, 16);
	return s;
}

static void ring(uint8_t count)
{
	n = 0;
	for (uint8_t i = 0; i < count; i++) {
		struct pb_secret s = secret(i);

		cr_assert_eq(pb_ring_add(keys, &n, &s), 0);
	}
}

Test(cluster_ring, the_one_before_is_kept_for_a_week)
{
	struct pb_secret s = secret(0);

	ring(2);
	pb_ring_use(keys, n, 1, 1000);
	cr_expect_eq(keys[0].bytes[0], 1);
	cr_expect_eq(keys[0].until_s, 0);
	cr_expect_eq(keys[1].until_s, 1000 + 7 * DAY);
	pb_ring_use(keys, n, 0, 2000);
	cr_expect_eq(keys[1].until_s, 1000 + 7 * DAY, "it was in use already: nothing changed");
	pb_ring_use(keys, n, 1, 3000);
	cr_expect_eq(keys[0].until_s, 0, "back in use: it stays");
	cr_expect_eq(keys[1].until_s, 3000 + 7 * DAY);
	pb_ring_use(keys, n, 1, 3000);
	cr_expect_eq(pb_ring_add(keys, &n, &s), 0);
	cr_expect_eq(keys[1].until_s, 0, "installed again: it is wanted");
}

Test(cluster_ring, what_serf_changed)
{
	struct pb_secret to[3];

	ring(2);
	keys[0].sealed = 5;
	keys[1].sealed = 6;
	to[0] = secret(1);
	to[1] = secret(7);
	to[2] = secret(0);
	pb_ring_take(keys, &n, to, 3, 1000);
	cr_assert_eq(n, 3);
	cr_expect_eq(keys[0].bytes[0], 1);
	cr_expect_eq(keys[0].sealed, 6, "by key, not by place");
	cr_expect_eq(keys[1].sealed, 0);
	cr_expect_eq(keys[2].sealed, 5);
	cr_expect_eq(keys[0].until_s, 0);
	cr_expect_eq(keys[1].until_s, 0);
	cr_expect_eq(keys[2].until_s, 1000 + 7 * DAY, "it was in use");
	pb_ring_take(keys, &n, to, 1, 1000);
	cr_expect_eq(n, 1);
}

Test(cluster_ring, on_disk_and_back)
{
	struct pb_cluster_file f = { .cluster = "c", .node = "n", .port = 1, .n_addresses = 1 }, g;
	char *text;

	cr_assert_eq(pb_addr_parse("10.0.0.1", &f.address[0]), 0);
	ring(2);
	memcpy(f.keys, keys, sizeof(keys));
	f.n_keys = n;
	f.keys[0].sealed = 1ULL << 40;
	f.keys[1].until_s = 123456;
	text = pb_cluster_file_format(&f);
	cr_assert(text);
	cr_assert_eq(pb_cluster_file_parse(text, strlen(text), &g, err), 0, "%s", err);
	cr_expect_eq(g.keys[0].sealed, 1ULL << 40);
	cr_expect_eq(g.keys[0].until_s, 0);
	cr_expect_eq(g.keys[1].until_s, 123456);
	*strstr(text, "key_ages") = 'x'; /* of a version that did not know of them */
	cr_assert_eq(pb_cluster_file_parse(text, strlen(text), &g, err), 0, "%s", err);
	cr_expect_eq(g.keys[0].sealed, 0);
	free(text);
}

Test(cluster_ring, messages_of_all)
{
	cr_expect_eq(pb_key_messages(1000, 3), 3000);
	cr_expect_eq(pb_key_messages(1000, 0), 1000);
	cr_expect_eq(pb_key_messages(UINT64_MAX / 2, 3), UINT64_MAX, "no wrap");
	cr_expect_lt(pb_key_messages((1ULL << 31) / 4 - 1, 4), PB_KEY_WORN);
	cr_expect_geq(pb_key_messages((1ULL << 31) / 4, 4), PB_KEY_WORN);
}

Test(gossip_keyring, texts_are_counted)
{
	uint8_t nonce[GSP_NONCE_LEN] = { 0 }, buf[64];
	struct gsp_keyring k = { .n = 0 };
	struct pb_secret a = secret(1), b = secret(2);

	cr_assert_eq(gsp_keyring_add(&k, a.bytes, a.len) | gsp_keyring_add(&k, b.bytes, b.len), 0);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_gt(gsp_seal(&k, nonce, NULL, 0, a.bytes, 16, buf, sizeof(buf)), 0);
	cr_assert_eq(gsp_keyring_use(&k, b.bytes, b.len), 0);
	cr_assert_gt(gsp_seal(&k, nonce, NULL, 0, a.bytes, 16, buf, sizeof(buf)), 0);
	cr_assert_lt(gsp_seal(&k, nonce, NULL, 0, a.bytes, 16, buf, 20), 0);
	cr_expect_eq(gsp_keyring_take_sealed(&k, a.bytes, a.len), 5);
	cr_expect_eq(gsp_keyring_take_sealed(&k, a.bytes, a.len), 0, "taken");
	cr_expect_eq(gsp_keyring_take_sealed(&k, b.bytes, b.len), 1, "what failed does not count");
	gsp_keyring_fini(&k);
}

/* ---- key-file ---- */

Test(keyfile, what_is_in_it)
{
	struct pb_secret s[PB_CLUSTER_KEYS];

	cr_assert_eq(pb_keyfile_parse("# new\n" B "\n\n" A " \r\n" C, s, err), 3, "%s", err);
	cr_expect_eq(s[0].bytes[0], 1);
	cr_expect_eq(s[1].bytes[0], 0);
	cr_expect_eq(s[2].bytes[0], 2);
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "there is no key in it" },
	{ "\n# " A "\n", "there is no key in it" },
	{ A "\nAQEB\n", "line 2 is not a key" },
	{ A "\n" B B B B B "\n", "line 2 is not a key" },
	{ A " " B, "line 1 is not a key" },
	{ A "\n" A "\n" A "\n" A "\n" A "\n" A "\n" A "\n" A "\n" A "\n", "more than 8" },
};

Test(keyfile, what_is_wrong_is_said_without_the_key)
{
	struct pb_secret s[PB_CLUSTER_KEYS];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_expect_lt(pb_keyfile_parse(bad[i].text, s, err), 0, "%s", bad[i].text);
		cr_expect(strstr(err, bad[i].says), "%s\nnot: %s", err, bad[i].says);
		cr_expect_not(strstr(err, "AQEB"));
	}
}

Test(keyfile, is_private)
{
	char path[] = "/tmp/pb-keys-XXXXXX";
	struct pb_secret s[PB_CLUSTER_KEYS];
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, A "\n", 25), 25);
	close(fd);
	cr_expect_eq(pb_keyfile_read(path, s, err), 1, "%s", err);
	chmod(path, 0644);
	cr_expect_eq(pb_keyfile_read(path, s, err), -EACCES);
	unlink(path);
	cr_expect_eq(pb_keyfile_read(path, s, err), -ENOENT);
	cr_expect_eq(pb_keyfile_read("/tmp", s, err), -EINVAL);
}
