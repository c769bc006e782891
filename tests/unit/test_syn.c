// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The identity in a SYN: what it is on the wire, and what its MAC covers. */
#include <string.h>

#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <patchbay/addr.h>
#include <patchbay/syn.h>

static const __u64 key[2] = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };

static struct pb_syn sample(void)
{
	return (struct pb_syn){
		.saddr = pb_addr_v4(pb_htonl(0xc0000201)),
		.daddr = pb_addr_v4(pb_htonl(0xc0000202)),
		.sport = pb_htons(40000),
		.dport = pb_htons(5080),
		.isn = 0x89abcdef,
		.id = 0x1122334455667788ULL,
		.flags = PB_SYN_F_LOOP,
	};
}

/* Another's SipHash-2-4, over bytes put together here. */
static __u64 reference(const __u64 k[2], const struct pb_syn *s)
{
	OSSL_PARAM params[] = { OSSL_PARAM_END, OSSL_PARAM_END };
	unsigned char buf[50], out[8];
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *c = EVP_MAC_CTX_new(mac);
	size_t size = sizeof(out), n;
	__u64 x = 0;

	for (int i = 0; i < 8; i++)
		buf[i] = s->id >> 8 * i;
	memcpy(buf + 8, &s->saddr, 16);
	memcpy(buf + 24, &s->daddr, 16);
	memcpy(buf + 40, &s->sport, 2);
	memcpy(buf + 42, &s->dport, 2);
	for (int i = 0; i < 4; i++)
		buf[44 + i] = s->isn >> 8 * i;
	buf[48] = s->flags;
	buf[49] = s->flags >> 8;
	params[0] = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
	cr_assert(EVP_MAC_init(c, (const unsigned char *)k, 16, params));
	cr_assert(EVP_MAC_update(c, buf, sizeof(buf)) && EVP_MAC_final(c, out, &n, sizeof(out)));
	cr_assert_eq(n, 8);
	EVP_MAC_CTX_free(c);
	EVP_MAC_free(mac);
	for (int i = 0; i < 8; i++)
		x |= (__u64)out[i] << 8 * i;
	return x;
}

Test(syn, mac_is_siphash_of_the_fields)
{
	struct pb_syn s = sample();

	cr_assert_eq(pb_syn_mac(key, &s), reference(key, &s));
	s.flags = 0;
	cr_assert_eq(pb_syn_mac(key, &s), reference(key, &s));
	for (unsigned i = 0; i < 4; i++) {
		s.saddr.w[i] = 0x20010db8 + i;
		s.daddr.w[i] = 0xfe800000 - i;
	}
	for (unsigned i = 0; i < 100; i++) {
		__u64 k[2] = { key[0] * (i + 3), key[1] ^ i };

		s.isn = 0x9e3779b9u * i;
		s.id = 0x9e3779b97f4a7c15ULL * i;
		s.sport = i * 641;
		s.dport = ~s.sport;
		cr_assert_eq(pb_syn_mac(k, &s), reference(k, &s), "%u", i);
	}
}

/* A MAC for one connection is none for another: every bit of every field counts. */
Test(syn, every_bit_counts)
{
	struct pb_syn s = sample();
	const __u64 mac = pb_syn_mac(key, &s);
	unsigned char *p = (unsigned char *)&s;
	__u64 k[2];

	for (unsigned bit = 0; bit < 8 * offsetof(struct pb_syn, flags) + 4; bit++) {
		p[bit / 8] ^= 1u << bit % 8;
		cr_assert_neq(pb_syn_mac(key, &s), mac, "bit %u", bit);
		p[bit / 8] ^= 1u << bit % 8;
	}
	cr_assert_eq(pb_syn_mac(key, &s), mac);
	for (unsigned bit = 0; bit < 128; bit++) {
		k[0] = key[0];
		k[1] = key[1];
		k[bit / 64] ^= 1ULL << bit % 64;
		cr_assert_neq(pb_syn_mac(k, &s), mac, "key bit %u", bit);
	}
}

Test(syn, bytes_on_the_wire)
{
	static const unsigned char want[PB_SYN_LEN] = {
		254,  20,   0x5b, 0xc1, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66,
		0x77, 0x88, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
	};
	struct pb_syn s = sample();
	struct pb_syn_opt o;

	pb_syn_write(&o, &s, 0x0102030405060708ULL);
	cr_assert(!memcmp(&o, want, sizeof(want)));
}

Test(syn, is_read_as_it_was_written)
{
	struct pb_syn s = sample(), back = { 0 };
	struct pb_syn_opt o;
	__u64 mac;

	for (__u32 flags = 0; flags < 16; flags++) {
		s.flags = flags;
		s.id ^= 0x8000000000000001ULL << flags;
		pb_syn_write(&o, &s, ~s.id);
		cr_assert(pb_syn_read(&o, &back, &mac));
		cr_assert(back.id == s.id && back.flags == flags && mac == ~s.id);
	}
	/* A flag that does not fit is not written over the magic. */
	s.flags = 0xfff1;
	pb_syn_write(&o, &s, 0);
	cr_assert(pb_syn_read(&o, &back, &mac) && back.flags == 1);
}

Test(syn, others_options_are_left_alone)
{
	struct pb_syn s = sample(), back = { .id = 5, .flags = 6 };
	struct pb_syn_opt o, bad;
	__u64 mac = 7;

	pb_syn_write(&o, &s, 1);
	for (unsigned bit = 0; bit < 28; bit++) { /* the last four are flags */
		bad = o;
		((unsigned char *)&bad)[bit / 8] ^= 0x80u >> bit % 8;
		cr_assert(!pb_syn_read(&bad, &back, &mac), "bit %u", bit);
	}
	cr_assert(back.id == 5 && back.flags == 6 && mac == 7);
}
