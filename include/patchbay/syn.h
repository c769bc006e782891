/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is calling: the identity that a SYN carries from one node to another.  Pure; host and BPF.
 *
 * A TCP option of 20 bytes, all that timestamps leave room for:
 *
 *    0      1      2           4                12               20
 *    +------+------+-----------+----------------+----------------+
 *    | 254  |  20  |   magic   |   id64         |   MAC          |
 *    +------+------+-----------+----------------+----------------+
 *
 * 254 is for experiments (RFC 4727), the magic tells them apart (RFC 6994); its last bits are
 * PB_SYN_F_*.  id64 (pb_app.id) is written in network order.  The MAC is SipHash-2-4 under the key of this pair of
 * nodes and direction (struct pb_peer), in network order, over id64, flags, both addresses, both
 * ports and the initial sequence number: it is of no use for any other connection, and address
 * translation on the way makes it wrong.
 *
 * PB_SYN_F_NAT: translation is known to be on the way (pb_peer.nat).  The MAC is over what it leaves:
 * the node's number, flags, the server's port and the initial number.  As the source address does
 * not tell the node, id64 is XORed with its number.
 */
#ifndef PATCHBAY_SYN_H
#define PATCHBAY_SYN_H

#include "siphash.h"
#include "types.h"

#define PB_SYN_KIND 254
#define PB_SYN_LEN 20
#define PB_SYN_MAGIC 0x5bc0 /* version 0 */
#define PB_SYN_MAGIC_MASK 0xfff0
#define PB_SYN_F_LOOP 0x0001 /* the program dialled 127.0.0.1 or ::1 of a shared private host */
#define PB_SYN_F_NAT 0x0002

struct pb_syn_opt {
	__u8 kind;
	__u8 len;
	__u8 magic[2];
	__u8 id[8];
	__u8 mac[8];
};

/* What the MAC is over. */
struct pb_syn {
	struct pb_addr saddr; /* client's, as on the wire; IPv4 mapped */
	struct pb_addr daddr;
	__be16 sport;
	__be16 dport;
	__u32 isn; /* host order */
	__u64 id;
	__u32 flags; /* PB_SYN_F_* */
	__u32 pad;
};

pb_inline __u64 pb_syn_mac(const __u64 key[2], const struct pb_syn *s)
{
	struct pb_siphash h = pb_siphash_init(key[0], key[1]);

	pb_siphash_word(&h, s->id);
	pb_siphash_word(&h, (__u64)s->saddr.w[1] << 32 | s->saddr.w[0]);
	pb_siphash_word(&h, (__u64)s->saddr.w[3] << 32 | s->saddr.w[2]);
	pb_siphash_word(&h, (__u64)s->daddr.w[1] << 32 | s->daddr.w[0]);
	pb_siphash_word(&h, (__u64)s->daddr.w[3] << 32 | s->daddr.w[2]);
	pb_siphash_word(&h, (__u64)s->isn << 32 | (__u32)s->dport << 16 | s->sport);
	return pb_siphash_end(&h, (__u64)50 << 56 | (s->flags & 0xffff));
}

/* In place of the id; undone by itself. */
pb_inline __u64 pb_syn_nat_tag(__u64 id, __u64 node)
{
	return id ^ node;
}

/* Of the client's @node; s->id is the tag. */
pb_inline __u64 pb_syn_nat_mac(const __u64 key[2], const struct pb_syn *s, __u64 node)
{
	struct pb_siphash h = pb_siphash_init(key[0], key[1]);

	pb_siphash_word(&h, s->id);
	pb_siphash_word(&h, node);
	pb_siphash_word(&h, (__u64)s->isn << 32 | s->dport);
	return pb_siphash_end(&h, (__u64)26 << 56 | (s->flags & 0xffff));
}

pb_inline void pb_syn_put64(__u8 to[8], __u64 x)
{
	for (int i = 0; i < 8; i++)
		to[i] = (__u8)(x >> (56 - 8 * i));
}

pb_inline __u64 pb_syn_get64(const __u8 from[8])
{
	__u64 x = 0;

	for (int i = 0; i < 8; i++)
		x = x << 8 | from[i];
	return x;
}

pb_inline void pb_syn_write(struct pb_syn_opt *o, const struct pb_syn *s, __u64 mac)
{
	__u16 magic = PB_SYN_MAGIC | (s->flags & 0xf);

	o->kind = PB_SYN_KIND;
	o->len = PB_SYN_LEN;
	o->magic[0] = magic >> 8;
	o->magic[1] = magic & 0xff;
	pb_syn_put64(o->id, s->id);
	pb_syn_put64(o->mac, mac);
}

/* Is it ours?  Fills id and flags of @s; the MAC comes back by @ret_mac. */
pb_inline int pb_syn_read(const struct pb_syn_opt *o, struct pb_syn *s, __u64 *ret_mac)
{
	__u16 magic = (__u16)o->magic[0] << 8 | o->magic[1];

	if (o->kind != PB_SYN_KIND || o->len != PB_SYN_LEN ||
	    (magic & PB_SYN_MAGIC_MASK) != PB_SYN_MAGIC)
		return 0;
	s->id = pb_syn_get64(o->id);
	s->flags = magic & 0xf;
	*ret_mac = pb_syn_get64(o->mac);
	return 1;
}

_Static_assert(sizeof(struct pb_syn_opt) == PB_SYN_LEN, "the option as on the wire");

#endif /* PATCHBAY_SYN_H */
