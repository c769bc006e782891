/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cluster.json, the token, and the keys that follow from them. */
#include <criterion/criterion.h>
#include <sys/stat.h>

#include <patchbay/addr.h>

#include "control/agent/cluster_state.h"
#include "control/util.h"

static char err[PB_ERR_LEN];

static struct pb_addr A(const char *text) {
	struct pb_addr a = { 0 };

	cr_assert_eq(pb_addr_parse(text, &a), 0, "%s", text);
	return a;
}

static void
fill(struct pb_cluster_file *f)
{
	memset(f, 0, sizeof(*f));
	strcpy(f->cluster, "west-1");
	strcpy(f->node, "h1.example");
	for (unsigned i = 0; i < PB_NODE_ID_LEN; i++)
		f->id[i] = (uint8_t)(i * 17);
	f->address[0] = A("10.77.0.1");
	f->address[1] = A("fd77::1");
	f->n_addresses = 2;
	f->port = 7956;
	f->n_keys = 2;
	f->keys[0].len = 32;
	memset(f->keys[0].bytes, 0xab, 32);
	f->keys[1].len = 16;
	memset(f->keys[1].bytes, 0x01, 16);
	f->seeds[0] = (struct pb_cluster_addr){ A("10.77.0.2"), 1234 };
	f->seeds[1] = (struct pb_cluster_addr){ A("fd77::2"), 7956 };
	f->n_seeds = 2;
	strcpy(f->known[0].name, "h2");
	f->known[0].id[3] = 9;
	f->known[0].addr = f->seeds[0];
	f->n_known = 1;
	f->epoch = 1763740000123;
}

/* ---- the file ---- */

Test(cluster_file, comes_back_as_it_was)
{
	struct pb_cluster_file f, g = { .n_keys = 0 };
	char *text;

	fill(&f);
	text = pb_cluster_file_format(&f);
	cr_assert(text);
	cr_assert_eq(pb_cluster_file_parse(text, strlen(text), &g, err), 0, "%s", err);
	cr_assert_arr_eq(&f, &g, sizeof(f));
	free(text);
}

static void wrong(const char *from, const char *to, const char *says)
{
	struct pb_cluster_file f, g;
	_cleanup_free_ char *text = NULL, *other = NULL;
	char *at;

	fill(&f);
	text = pb_cluster_file_format(&f);
	at = strstr(text, from);
	cr_assert(at, "%s", from);
	cr_assert(asprintf(&other, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	cr_assert_eq(pb_cluster_file_parse(other, strlen(other), &g, err), -EINVAL, "%s", to);
	cr_assert(strstr(err, says), "'%s' instead of '%s': %s", to, from, err);
	cr_assert(!strstr(err, "q6ur"), "a key in a message: %s", err);
}

Test(cluster_file, what_is_wrong_is_named)
{
	wrong("west-1", "we st", "cluster");
	wrong("h1.example", "h1/../x", "node");
	wrong("\"port\": 7956", "\"port\": 0", "port");
	wrong("\"port\": 7956", "\"port\": 65536", "port");
	wrong("001122", "0011zz", "id");
	wrong("\"10.77.0.1\"", "\"127.0.0.1\"", "addresses");
	wrong("\"10.77.0.1\"", "\"fd77::9\"", "addresses");
	wrong("\"10.77.0.1\"", "7", "addresses");
	wrong("AQEBAQEBAQEBAQEBAQEBAQ==", "AQEB", "keys");
	wrong("10.77.0.2:1234", "10.77.0.2:99999", "seeds");
	wrong("\"version\": 1", "\"version\": 2", "version");
	wrong("1763740000123", "-1", "epoch");
	wrong("\"name\": \"h2\"", "\"name\": \"\"", "members");
	wrong("{\n", "[\n", "JSON");
}

Test(cluster_file, is_private_and_replaced_as_a_whole)
{
	char dir[] = "/tmp/pbtest-cluster-XXXXXX", path[128], state[64];
	struct pb_cluster_file f, g;
	struct stat st;

	fill(&f);
	cr_assert(mkdtemp(dir));
	snprintf(state, sizeof(state), "%s/state", dir);
	cr_assert_eq(pb_cluster_file_load(state, &g, err), -ENOENT);
	cr_assert_eq(pb_cluster_file_save(state, &f), 0);
	cr_assert_eq(stat(state, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/" PB_CLUSTER_FILE, state);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	f.epoch++;
	cr_assert_eq(pb_cluster_file_save(state, &f), 0);
	memset(&g, 0, sizeof(g));
	cr_assert_eq(pb_cluster_file_load(state, &g, err), 0, "%s", err);
	cr_assert_arr_eq(&f, &g, sizeof(f));
	cr_assert_eq(chmod(path, 0644), 0);
	cr_assert_eq(pb_cluster_file_load(state, &g, err), -EPERM);
	cr_assert(strstr(err, "chmod 0600"), "%s", err);
	cr_assert_eq(pb_cluster_file_remove(state), 0);
	cr_assert_eq(pb_cluster_file_load(state, &g, err), -ENOENT);
	cr_assert_eq(rmdir(state), 0);
	cr_assert_eq(rmdir(dir), 0);
}

/* ---- the token ---- */

static char *token(unsigned seeds, unsigned keys)
{
	struct pb_token t = { .cluster = "west", .n_keys = keys, .n_seeds = seeds };
	char *text;

	for (unsigned i = 0; i < keys; i++) {
		t.keys[i].len = 32;
		memset(t.keys[i].bytes, (int)i + 1, 32);
	}
	for (unsigned i = 0; i < seeds; i++)
		t.seeds[i] = (struct pb_cluster_addr){ A(i % 2 ? "fd77::2" : "10.77.0.2"),
						       (uint16_t)(1000 + i) };
	text = pb_token_format(&t);
	cr_assert(text);
	return text;
}

Test(cluster_token, comes_back_as_it_was)
{
	_cleanup_free_ char *text = token(3, 2);
	struct pb_token t = { .n_keys = 0 };

	cr_assert_eq(strncmp(text, "pb1.", 4), 0);
	cr_assert_eq(strspn(text + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-_"),
		     strlen(text) - 4, "one word for a shell and a URL: %s", text);
	cr_assert_eq(pb_token_parse(text, &t, err), 0, "%s", err);
	cr_assert_str_eq(t.cluster, "west");
	cr_assert_eq(t.n_keys, 2);
	cr_assert_eq(t.keys[1].len, 32);
	cr_assert_eq(t.keys[1].bytes[31], 2);
	cr_assert_eq(t.n_seeds, 3);
	cr_assert_eq(t.seeds[2].port, 1002);
}

Test(cluster_token, no_byte_of_it_can_be_missing)
{
	_cleanup_free_ char *text = token(2, 1);
	struct pb_token t;
	size_t len = strlen(text);

	for (size_t n = 0; n < len; n++) {
		_cleanup_free_ char *part = strndup(text, n);

		cr_assert_eq(pb_token_parse(part, &t, err), -EINVAL, "%zu of %zu", n, len);
		cr_assert(*err);
	}
}

static void hostile(const char *json)
{
	char text[PB_TOKEN_MAX * 2] = "pb1.";
	struct pb_token t;

	pb_base64_write((const uint8_t *)json, strlen(json), true, text + 4);
	cr_assert_eq(pb_token_parse(text, &t, err), -EINVAL, "%s", json);
}

Test(cluster_token, hostile_ones_are_refused)
{
	_cleanup_free_ char *many = token(64, 8);
	char deep[PB_TOKEN_MAX + 2];
	struct pb_token t;

	hostile("");
	hostile("[]");
	hostile("{\"v\":2,\"c\":\"x\",\"k\":[],\"s\":[\"10.0.0.1:1\"]}");
	hostile("{\"v\":1,\"c\":\"x\",\"k\":[],\"s\":[]}");
	hostile("{\"v\":1,\"c\":\"x\",\"k\":[]}");
	hostile("{\"v\":1,\"c\":\"x\",\"k\":{},\"s\":[\"10.0.0.1:1\"]}");
	hostile("{\"v\":1,\"c\":\"../x\",\"k\":[],\"s\":[\"10.0.0.1:1\"]}");
	hostile("{\"v\":1,\"c\":\"\",\"k\":[],\"s\":[\"10.0.0.1:1\"]}");
	hostile("{\"v\":1,\"c\":7,\"k\":[],\"s\":[\"10.0.0.1:1\"]}");
	hostile("{\"v\":1,\"c\":\"x\",\"k\":[\"AAAA\"],\"s\":[\"10.0.0.1:1\"]}");
	hostile("{\"v\":1,\"c\":\"x\",\"k\":[1],\"s\":[\"10.0.0.1:1\"]}");
	hostile("{\"v\":1,\"c\":\"x\",\"k\":[],\"s\":[\"127.0.0.1:1\"]}");
	hostile("{\"v\":1,\"c\":\"x\",\"k\":[],\"s\":[\"224.0.0.1:1\"]}");
	hostile("{\"v\":1,\"c\":\"x\",\"k\":[],\"s\":[\"10.0.0.1:0\"]}");
	hostile("{\"v\":1,\"c\":\"x\",\"k\":[],\"s\":[\"host:1\"]}");
	hostile("{\"v\":1,\"c\":\"x\",\"c\":\"y\",\"k\":[],\"s\":[\"10.0.0.1:1\"]}");
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	deep[1200] = '\0';
	hostile(deep);
	cr_assert_eq(pb_token_parse("", &t, err), -EINVAL);
	cr_assert_eq(pb_token_parse("pb2.e30", &t, err), -EINVAL);
	cr_assert_eq(pb_token_parse("pb1.e3!", &t, err), -EINVAL);
	cr_assert_eq(pb_token_parse(many, &t, err), 0, "the largest there can be fits: %s", err);
	memset(deep, 'A', sizeof(deep) - 1);
	memcpy(deep, "pb1.", 4);
	cr_assert_eq(pb_token_parse(deep, &t, err), -EINVAL, "longer than the bound");
}

Test(cluster_token, nine_keys_are_too_many)
{
	char json[800] = "{\"v\":1,\"c\":\"x\",\"s\":[\"10.0.0.1:1\"],\"k\":[";

	for (unsigned i = 0; i < 9; i++)
		strcat(json, i ? ",\"AAAAAAAAAAAAAAAAAAAAAA==\"" : "\"AAAAAAAAAAAAAAAAAAAAAA==\"");
	strcat(json, "]}");
	hostile(json);
}

/* ---- addresses with ports ---- */

Test(cluster_addr, forms)
{
	static const char *const bad[] = { "",	  "10.0.0.1:",	  "10.0.0.1:0", "10.0.0.1:65536",
					   "x:1", "[10.0.0.1]:1", "[fd00::1",	"[fd00::1]x",
					   "::1", "0.0.0.0:1",	  "fd00::1]:1", "[fd00::1]:" };
	struct pb_cluster_addr a;

	cr_assert_eq(pb_cluster_addr_parse("10.0.0.1", &a), 0);
	cr_assert_eq(a.port, PB_CLUSTER_PORT);
	cr_assert_eq(pb_cluster_addr_parse("10.0.0.1:80", &a), 0);
	cr_assert(a.port == 80 && pb_addr_is_v4(&a.ip));
	cr_assert_eq(pb_cluster_addr_parse("[fd00::1]:80", &a), 0);
	cr_assert(a.port == 80 && !pb_addr_is_v4(&a.ip));
	cr_assert_eq(pb_cluster_addr_parse("fd00::1", &a), 0);
	cr_assert_eq(a.port, PB_CLUSTER_PORT);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(pb_cluster_addr_parse(bad[i], &a), -EINVAL, "%s", bad[i]);
}

Test(cluster_addr, of_this_host)
{
	struct pb_cluster_addr to = { A("127.0.0.1"), 9 };
	struct pb_addr a = { 0 }, elsewhere = A("192.0.2.7");

	cr_assert_eq(pb_addr_towards(&to, &a), 0);
	cr_assert(pb_addr_eq(&a, &to.ip), "nothing is sent to find it out");
	cr_assert_not(pb_addr_here(&elsewhere, NULL));
}

/* ---- keys ---- */

/* Computed by Python's hmac, of 00..1f, 00..0f, 10..1f. */
Test(cluster_keys, of_syns_as_everybody_makes_them)
{
	static const uint8_t forth[16] = { 0x48, 0x79, 0xc4, 0xcd, 0x98, 0x5e, 0x92, 0x5f,
					   0xd4, 0x9f, 0x5c, 0x46, 0x90, 0xd5, 0xa0, 0x94 };
	static const uint8_t back[16] = { 0x89, 0xcb, 0x2d, 0xb4, 0x55, 0x91, 0x24, 0xa7,
					  0x74, 0xee, 0x97, 0x0c, 0xb6, 0x1f, 0x1e, 0x4d };
	static const uint8_t plain[16] = { 0x19, 0xec, 0x56, 0x6a, 0x3e, 0x9d, 0x50, 0x49,
					   0x43, 0xbe, 0x20, 0x31, 0x1e, 0x56, 0x28, 0x1a };
	struct pb_secret s = { .len = 32 };
	uint8_t a[16], b[16];
	uint64_t key[2];

	for (uint8_t i = 0; i < 32; i++)
		s.bytes[i] = i;
	for (uint8_t i = 0; i < 16; i++) {
		a[i] = i;
		b[i] = (uint8_t)(i + 16);
	}
	cr_assert_eq(pb_syn_key(&s, a, b, key), 0);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq((uint8_t)(key[i / 8] >> (8 * (i % 8))), forth[i], "byte %u", i);
	cr_assert_eq(pb_syn_key(&s, b, a, key), 0);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq((uint8_t)(key[i / 8] >> (8 * (i % 8))), back[i], "byte %u", i);
	cr_assert_eq(pb_syn_key(NULL, a, b, key), 0);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq((uint8_t)(key[i / 8] >> (8 * (i % 8))), plain[i], "byte %u", i);
}

Test(cluster_keys, the_newest_stands_behind_the_one_in_use)
{
	struct pb_secret keys[PB_CLUSTER_KEYS], s = { .len = 16 };
	char id[PB_KEY_ID_LEN];
	unsigned n = 0;

	for (uint8_t i = 0; i < PB_CLUSTER_KEYS; i++) {
		memset(s.bytes, i, 16);
		cr_assert_eq(pb_ring_add(keys, &n, &s), 0);
		cr_assert_eq(pb_ring_add(keys, &n, &s), 0, "twice is once");
		cr_assert_eq(n, i + 1u);
	}
	cr_assert_eq(keys[0].bytes[0], 0);
	cr_assert_eq(keys[1].bytes[0], PB_CLUSTER_KEYS - 1);
	memset(s.bytes, 99, 16);
	cr_assert_eq(pb_ring_add(keys, &n, &s), -ENOSPC);
	pb_ring_use(keys, n, 1, 0);
	cr_assert_eq(keys[0].bytes[0], PB_CLUSTER_KEYS - 1);
	cr_assert_eq(keys[1].bytes[0], 0, "the one before is tried second");
	pb_secret_id(&keys[1], id);
	cr_assert_eq(strlen(id), PB_KEY_ID_LEN - 1);
	cr_assert_eq(pb_ring_find(keys, n, id), 1);
	pb_ring_remove(keys, &n, 1);
	cr_assert_eq(n, PB_CLUSTER_KEYS - 1);
	cr_assert_eq(pb_ring_find(keys, n, id), -ENOENT);
}

Test(cluster_keys, text)
{
	char text[PB_KEY_TEXT_LEN], again[PB_KEY_TEXT_LEN];
	struct pb_secret s;

	cr_assert_eq(pb_cluster_key_gen(text), 0);
	cr_assert_eq(pb_secret_parse(text, &s), 0);
	cr_assert_eq(s.len, 32);
	pb_secret_format(&s, again);
	cr_assert_str_eq(text, again);
	cr_assert_eq(pb_secret_parse("AAAA", &s), -EINVAL);
	cr_assert_eq(pb_secret_parse("", &s), -EINVAL);
	text[3] = '*';
	cr_assert_eq(pb_secret_parse(text, &s), -EINVAL);
}

Test(cluster_base64, as_rfc_4648_says)
{
	static const struct {
		const char *plain, *text, *url;
	} t[] = { { "", "", "" },
		  { "f", "Zg==", "Zg" },
		  { "fo", "Zm8=", "Zm8" },
		  { "foo", "Zm9v", "Zm9v" },
		  { "foob", "Zm9vYg==", "Zm9vYg" },
		  { "\xff\xfe\xfb", "//77", "__77" } };
	uint8_t back[8];
	char text[16];

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		size_t n = strlen(t[i].plain);

		pb_base64_write((const uint8_t *)t[i].plain, n, false, text);
		cr_assert_str_eq(text, t[i].text);
		cr_assert_eq(pb_base64_read(text, strlen(text), back, sizeof(back)), (int)n);
		cr_assert_eq(memcmp(back, t[i].plain, n), 0);
		pb_base64_write((const uint8_t *)t[i].plain, n, true, text);
		cr_assert_str_eq(text, t[i].url);
		cr_assert_eq(pb_base64_read(text, strlen(text), back, sizeof(back)), (int)n);
	}
	cr_assert_eq(pb_base64_read("Zh==", 4, back, sizeof(back)), -EINVAL, "bits left over");
	cr_assert_eq(pb_base64_read("Z", 1, back, sizeof(back)), -EINVAL);
	cr_assert_eq(pb_base64_read("Zg=", 3, back, sizeof(back)), -EINVAL);
	cr_assert_eq(pb_base64_read("Zg==Zg==", 8, back, sizeof(back)), -EINVAL);
	cr_assert_eq(pb_base64_read("Zm9vYmFy", 8, back, 5), -ENOBUFS);
}
