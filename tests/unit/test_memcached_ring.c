// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The rings: hashes and owners as libmemcached has them (libmemcached.so.11 itself is asked), Maglev's
 * shares and how little moves.  twemproxy is asked in tests/e2e/memcached_ring.sh. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/memcached/ring.h"
#include "tests/lib/mc_gen.h"

static struct pb_mc_work work;
static struct pb_mc_ring ring, other;
static const __u64 secret[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

static struct pb_mc_scan scan_of(const void *p, size_t n)
{
	return pb_mc_scan_init(p, (const uint8_t *)p + n, (__u32)n, &work);
}

static uint32_t owner(const struct pb_mc_ring *r, const void *key, size_t n)
{
	struct pb_mc_scan s = scan_of(key, n);

	return pb_mc_owner(&s, r, 0, (__u32)n);
}

static uint32_t hash(uint32_t algo, const char *key)
{
	struct pb_mc_scan s = scan_of(key, strlen(key));

	return pb_mc_hash(&s, algo, 0, (__u32)strlen(key));
}

/* Any bytes that may be in a key, above 0x7f too. */
static size_t random_key(struct mc_gen *g, uint8_t key[PB_MC_KEY_MAX])
{
	size_t n = 1 + mc_gen_below(g, mc_gen_below(g, 10) ? 30 : PB_MC_KEY_MAX);

	for (size_t i = 0; i < n; i++)
		key[i] = (uint8_t)(33 + mc_gen_below(g, mc_gen_below(g, 4) ? 94 : 222));
	return n;
}

Test(memcached_ring, md5)
{
	static const struct {
		const char *text;
		uint32_t word;
	} vectors[] = {
		{ "", 0xd98c1dd4 },
		{ "a", 0xb975c10c },
		{ "abc", 0x98500190 },
		{ "message digest", 0x7d696bf9 },
		{ "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		  0xa2f4ed57 }
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
		cr_expect_eq(hash(PB_MC_H_MD5, vectors[i].text), vectors[i].word, "%s",
			     vectors[i].text);
}

Test(memcached_ring, digest_is_siphash)
{
	uint8_t key[PB_MC_KEY_MAX];
	struct mc_gen g = { .state = 1 };

	for (size_t n = 0; n <= PB_MC_KEY_MAX; n++) {
		struct pb_mc_scan s = scan_of(key, n);

		random_key(&g, key);
		cr_expect_eq(pb_mc_digest(&s, secret, 0, (__u32)n),
			     pb_siphash24((const uint8_t *)secret, key, (__u32)n), "%zu", n);
	}
}

/* The parts of libmemcached's interface that are needed; its header is not. */
struct library {
	void *(*create)(void *);
	void (*free)(void *);
	int (*add)(void *, const char *, uint16_t, uint32_t);
	int (*behavior)(void *, int, uint64_t);
	uint32_t (*owner)(const void *, const char *, size_t);
	uint32_t (*hash)(const char *, size_t, int);
};

enum { BEHAVIOR_HASH = 2, BEHAVIOR_DISTRIBUTION = 9, BEHAVIOR_KETAMA_WEIGHTED = 16 };
enum { KETAMA = 2, SPY = 4 };

static struct library load(void)
{
	void *so = dlopen("libmemcached.so.11", RTLD_NOW);
	struct library l;

	cr_assert_not_null(so, "%s: tools/deps.sh installs it", dlerror());
	l.create = (void *(*)(void *))dlsym(so, "memcached_create");
	l.free = (void (*)(void *))dlsym(so, "memcached_free");
	l.add = (int (*)(void *, const char *, uint16_t,
			 uint32_t))dlsym(so, "memcached_server_add_with_weight");
	l.behavior = (int (*)(void *, int, uint64_t))dlsym(so, "memcached_behavior_set");
	l.owner = (uint32_t(*)(const void *, const char *, size_t))dlsym(so,
									 "memcached_generate_hash");
	l.hash = (uint32_t(*)(const char *, size_t, int))dlsym(so, "memcached_generate_hash_value");
	cr_assert(l.create && l.free && l.add && l.behavior && l.owner && l.hash);
	return l;
}

/* Ours by theirs: MEMCACHED_HASH_* */
static const int theirs[PB_MC_HASHES] = {
	[PB_MC_H_ONE_AT_A_TIME] = 0, [PB_MC_H_MD5] = 1,	    [PB_MC_H_CRC32] = 2,
	[PB_MC_H_CRC32A] = -1,	     [PB_MC_H_FNV1_64] = 3, [PB_MC_H_FNV1A_64] = 4,
	[PB_MC_H_FNV1_32] = 5,	     [PB_MC_H_FNV1A_32] = 6
};

Test(memcached_ring, hashes_as_libmemcached)
{
	struct library l = load();
	struct mc_gen g = { .state = 2 };

	for (uint32_t algo = 0; algo < PB_MC_HASHES; algo++)
		for (int i = 0; i < 5000 && theirs[algo] >= 0; i++) {
			uint8_t key[PB_MC_KEY_MAX];
			size_t n = random_key(&g, key);
			struct pb_mc_scan s = scan_of(key, n);

			cr_assert_eq(pb_mc_hash(&s, algo, 0, (__u32)n),
				     l.hash((const char *)key, n, theirs[algo]), "hash %u of %.*s",
				     algo, (int)n, key);
		}
	cr_expect_eq(hash(PB_MC_H_CRC32A, "123456789"), 0xcbf43926);
}

static const struct mcr_server servers[] = {
	{ .host = "10.0.0.1", .port = 11211, .weight = 1 },
	{ .host = "10.0.0.2", .port = 11211, .weight = 1 },
	{ .host = "cache.example.org", .port = 11212, .weight = 1 },
	{ .host = "10.0.0.3", .port = 11211, .weight = 1 },
	{ .host = "::1", .port = 11213, .weight = 1 },
	{ .host = "10.0.0.9", .port = 1, .weight = 1 },
	{ .host = "h7", .port = 11211, .weight = 1 },
};

#define SERVERS (sizeof(servers) / sizeof(*servers))

static void same_owners(enum mcr_ketama whose, uint32_t algo, const uint32_t *weights, int keys)
{
	struct mcr_server list[SERVERS];
	struct library l = load();
	struct mc_gen g = { .state = algo + 10 };
	void *m = l.create(NULL);

	memcpy(list, servers, sizeof(list));
	l.behavior(m, BEHAVIOR_HASH, (uint64_t)theirs[algo]);
	if (whose == MCR_LIBMEMCACHED)
		l.behavior(m, BEHAVIOR_DISTRIBUTION, KETAMA);
	else
		l.behavior(m, BEHAVIOR_KETAMA_WEIGHTED, 1);
	if (whose == MCR_SPYMEMCACHED)
		l.behavior(m, BEHAVIOR_DISTRIBUTION, SPY);
	for (size_t i = 0; i < SERVERS; i++) {
		list[i].weight = weights ? weights[i] : 1;
		cr_assert_eq(l.add(m, list[i].host, list[i].port, list[i].weight), 0);
	}
	if (whose != MCR_LIBMEMCACHED) /* the weights chose MD5; a client may choose again */
		l.behavior(m, BEHAVIOR_HASH, (uint64_t)theirs[algo]);
	cr_assert_eq(mcr_build_ketama(&ring, whose, algo, list, SERVERS), 0);
	for (int i = 0; i < keys; i++) {
		uint8_t key[PB_MC_KEY_MAX];
		size_t n = random_key(&g, key);

		cr_assert_eq(owner(&ring, key, n), l.owner(m, (const char *)key, n), "key %d", i);
	}
	l.free(m);
}

Test(memcached_ring, owners_as_libmemcached)
{
	for (uint32_t algo = 0; algo < PB_MC_HASHES; algo++)
		if (theirs[algo] >= 0)
			same_owners(MCR_LIBMEMCACHED, algo, NULL, 20000);
}

Test(memcached_ring, owners_as_libmemcached_with_weights)
{
	static const uint32_t weights[][SERVERS] = { { 1, 1, 1, 1, 1, 1, 1 },
						     { 3, 1, 2, 7, 1, 1, 10 },
						     { 100, 1, 1, 1, 1, 1, 50 } };

	for (size_t i = 0; i < 3; i++) {
		same_owners(MCR_LIBMEMCACHED_WEIGHTED, PB_MC_H_MD5, weights[i], 100000);
		same_owners(MCR_LIBMEMCACHED_WEIGHTED, PB_MC_H_FNV1A_64, weights[i], 20000);
	}
}

Test(memcached_ring, owners_as_spymemcached)
{
	same_owners(MCR_SPYMEMCACHED, PB_MC_H_MD5, NULL, 20000);
}

Test(memcached_ring, tags)
{
	struct mcr_server list[SERVERS];

	memcpy(list, servers, sizeof(list));
	cr_assert_eq(mcr_build_ketama(&ring, MCR_TWEMPROXY, PB_MC_H_FNV1A_64, list, SERVERS), 0);
	other = ring;
	ring.tag = '{' | '}' << 8;
	for (int i = 0; i < 1000; i++) {
		char key[64], tag[16];
		int n = snprintf(key, sizeof(key), "a{%d}b}c", i),
		    t = snprintf(tag, sizeof(tag), "%d", i);

		cr_assert_eq(owner(&ring, key, (size_t)n), owner(&other, tag, (size_t)t));
		n = snprintf(key, sizeof(key), "a{}%d}", i); /* empty: all of it counts */
		cr_assert_eq(owner(&ring, key, (size_t)n), owner(&other, key, (size_t)n));
		n = snprintf(key, sizeof(key), "}%d{", i);
		cr_assert_eq(owner(&ring, key, (size_t)n), owner(&other, key, (size_t)n));
	}
}

static void many(struct mcr_server *list, char names[][32], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], 32, "10.1.0.%zu", i);
		list[i] = (struct mcr_server){ .host = names[i], .port = 11211, .weight = 1 };
	}
}

/* One of N leaves: its keys move, and of the others less than one in a hundred. */
Test(memcached_ring, maglev_moves_little)
{
	static const size_t sizes[] = { 2, 3, 5, 10, 20, 50, 100, 200 };
	static struct mcr_server list[PB_MC_SERVERS_MAX];
	static char names[PB_MC_SERVERS_MAX][32];

	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		size_t n = sizes[k], gone = n / 2, moved = 0, lost = 0;

		many(list, names, n);
		cr_assert_eq(mcr_build_maglev(&ring, secret, list, n), 0);
		list[gone].weight = 0;
		cr_assert_eq(mcr_build_maglev(&other, secret, list, n), 0);
		for (uint32_t i = 0; i < PB_MC_SLOTS; i++) {
			moved += ring.slot[i] != other.slot[i];
			lost += ring.slot[i] == gone;
			cr_assert(other.slot[i] < n && other.slot[i] != gone);
		}
		cr_log_info("%zu servers: %.3f %% of the keys move, %.3f %% had to\n", n,
			    100.0 * (double)moved / PB_MC_SLOTS,
			    100.0 * (double)lost / PB_MC_SLOTS);
		cr_expect_leq((double)moved / PB_MC_SLOTS, 1.0 / (double)n + 0.01, "%zu servers",
			      n);
	}
}

Test(memcached_ring, maglev_shares_by_weight)
{
	static const uint32_t weights[] = { 1, 2, 3, 10, 0, 7 };
	struct mcr_server list[6];
	static char names[6][32];
	uint32_t counts[6] = { 0 };
	double total = 0;

	many(list, names, 6);
	for (int i = 0; i < 6; i++)
		total += list[i].weight = weights[i];
	cr_assert_eq(mcr_build_maglev(&ring, secret, list, 6), 0);
	for (uint32_t i = 0; i < PB_MC_SLOTS; i++)
		counts[ring.slot[i]]++;
	for (int i = 0; i < 6; i++) {
		double want = weights[i] / total * PB_MC_SLOTS;

		cr_expect(counts[i] >= want * 0.995 && counts[i] <= want * 1.005 + 1,
			  "%d: %u of %.0f", i, counts[i], want);
	}
}

Test(memcached_ring, maglev_order_of_the_list)
{
	static struct mcr_server list[7], turned[7];
	static char names[7][32];

	many(list, names, 7);
	for (int i = 0; i < 7; i++) {
		list[i].weight = (uint32_t)i + 1;
		turned[6 - i] = list[i];
	}
	cr_assert_eq(mcr_build_maglev(&ring, secret, list, 7), 0);
	cr_assert_eq(mcr_build_maglev(&other, secret, turned, 7), 0);
	for (uint32_t i = 0; i < PB_MC_SLOTS; i++)
		cr_assert_eq(ring.slot[i], 6 - other.slot[i]);
}

/* All slots are reached, and keys spread evenly over the servers. */
Test(memcached_ring, maglev_spreads_keys)
{
	static struct mcr_server list[10];
	static char names[10][32];
	uint32_t counts[10] = { 0 };
	struct mc_gen g = { .state = 4 };

	many(list, names, 10);
	cr_assert_eq(mcr_build_maglev(&ring, secret, list, 10), 0);
	for (int i = 0; i < 100000; i++) {
		uint8_t key[PB_MC_KEY_MAX];

		counts[owner(&ring, key, random_key(&g, key))]++;
	}
	for (int i = 0; i < 10; i++)
		cr_expect(counts[i] > 9500 && counts[i] < 10500, "%d: %u", i, counts[i]);
}

Test(memcached_ring, nobody)
{
	struct mcr_server none = { .host = "a", .port = 1 };

	cr_assert_eq(mcr_build_maglev(&ring, secret, &none, 1), 0);
	cr_expect_eq(owner(&ring, "key", 3), PB_MC_NOBODY);
	cr_assert_eq(mcr_build_ketama(&ring, MCR_TWEMPROXY, 0, &none, 1), 0);
	cr_expect_eq(owner(&ring, "key", 3), PB_MC_NOBODY);
	cr_expect_lt(mcr_build_maglev(&ring, secret, &none, PB_MC_SERVERS_MAX + 1), 0);
}
