/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is sending datagrams: what one node tells another in the flow itself, ahead of its datagrams.
 * docs/decisions/0018-datagrams-across-hosts.md.  Pure; host and BPF.
 *
 * A UDP datagram of its own, from the sender's real port to the receiver's, so that it takes the
 * same way as what it speaks for.  The receiver's node takes it out; no program ever sees one.  Its
 * 32 bytes:
 *
 *    0           6       8                16               24               32
 *    +-----------+-------+----------------+----------------+----------------+
 *    | magic     | vport |   id64         |   time         |   MAC          |
 *    +-----------+-------+----------------+----------------+----------------+
 *
 * vport is the port that the receiver's program shall see, time the sender's CLOCK_TAI in ns.  All in
 * network order.  The MAC is SipHash-2-4 under the key of this pair of nodes and direction (struct
 * pb_peer), over all of it and both addresses and ports.
 */
#ifndef PATCHBAY_HELLO_H
#define PATCHBAY_HELLO_H

#include "maps.h"
#include "siphash.h"
#include "syn.h"

#define PB_HELLO_MAGIC 0x5bc17562697aULL /* version 0 */
#define PB_HELLO_LEN 32
#define PB_HELLO_UDP 40 /* with the UDP header */

/* Times differ by no more than this, or it is one that was recorded (or a clock is wrong). */
#define PB_HELLO_CLOCK_NS 300000000000ULL
/* What it says holds for so long; it is repeated while datagrams flow, the first ones each have one. */
#define PB_HELLO_HOLDS_NS 30000000000ULL
#define PB_HELLO_AGAIN_NS 5000000000ULL
#define PB_HELLO_FIRST 4
/* An application that its node has not announced yet: its datagrams are dropped, not refused. */
#define PB_HELLO_WAIT_NS 2000000000ULL

struct pb_hello_msg {
	__u8 magic[6];
	__u8 vport[2];
	__u8 id[8];
	__u8 time[8];
	__u8 mac[8];
};

/* What the MAC is over. */
struct pb_hello {
	struct pb_addr saddr; /* as on the wire; IPv4 mapped */
	struct pb_addr daddr;
	__be16 sport;
	__be16 dport;
	__be16 vport;
	__u16 pad;
	__u64 id;
	__u64 time;
};

/* pb_hellos[flow], laddr ours: what was said of it. LRU.  Writer: kernel. */
struct pb_hello_said {
	__u64 last_ns; /* CLOCK_MONOTONIC */
	__u32 n;
	__u32 pad;
};

/*
 * pb_rudp_src[real source]: as pb_udp_src, of senders on other nodes.  pb_rudp_virt[virtual source]:
 * as pb_udp_virt.  LRU.  Writer: kernel.  cookie is the number of the node; whose record is behind
 * the id is asked of pb_members each time, for an application may be announced anew.
 */
struct pb_rudp {
	struct pb_udp_src src; /* app: when the name was written; 0: not announced then, no name */
	struct pb_udp_key real;
	__u64 time_ns; /* CLOCK_MONOTONIC, of the last hello */
	__u64 id;
};

struct pb_rudp_back {
	struct pb_udp_virt virt;
	__u64 id;
};

pb_inline __u64 pb_hello_mac(const __u64 key[2], const struct pb_hello *m)
{
	struct pb_siphash h = pb_siphash_init(key[0], key[1]);

	pb_siphash_word(&h, m->id);
	pb_siphash_word(&h, (__u64)m->saddr.w[1] << 32 | m->saddr.w[0]);
	pb_siphash_word(&h, (__u64)m->saddr.w[3] << 32 | m->saddr.w[2]);
	pb_siphash_word(&h, (__u64)m->daddr.w[1] << 32 | m->daddr.w[0]);
	pb_siphash_word(&h, (__u64)m->daddr.w[3] << 32 | m->daddr.w[2]);
	pb_siphash_word(&h, (__u64)m->vport << 32 | (__u32)m->dport << 16 | m->sport);
	pb_siphash_word(&h, m->time);
	/* another length than that of a SYN: neither proves the other */
	return pb_siphash_end(&h, (__u64)64 << 56 | (PB_HELLO_MAGIC & 0xffffffffffULL));
}

pb_inline void pb_hello_write(struct pb_hello_msg *to, const struct pb_hello *m, __u64 mac)
{
	for (int i = 0; i < 6; i++)
		to->magic[i] = (__u8)(PB_HELLO_MAGIC >> (40 - 8 * i));
	to->vport[0] = pb_ntohs(m->vport) >> 8;
	to->vport[1] = pb_ntohs(m->vport) & 0xff;
	pb_syn_put64(to->id, m->id);
	pb_syn_put64(to->time, m->time);
	pb_syn_put64(to->mac, mac);
}

/* Is it one?  Fills vport, id and time of @m; the MAC comes back by @ret_mac. */
pb_inline int pb_hello_read(const struct pb_hello_msg *from, struct pb_hello *m, __u64 *ret_mac)
{
	__u64 magic = 0;

	for (int i = 0; i < 6; i++)
		magic = magic << 8 | from->magic[i];
	if (magic != PB_HELLO_MAGIC)
		return 0;
	m->vport = pb_htons((__u16)from->vport[0] << 8 | from->vport[1]);
	m->id = pb_syn_get64(from->id);
	m->time = pb_syn_get64(from->time);
	*ret_mac = pb_syn_get64(from->mac);
	return 1;
}

pb_inline int pb_hello_timely(__u64 time, __u64 now)
{
	return now - time + PB_HELLO_CLOCK_NS <= 2 * PB_HELLO_CLOCK_NS;
}

_Static_assert(sizeof(struct pb_hello_msg) == PB_HELLO_LEN, "the datagram as on the wire");
_Static_assert(sizeof(struct pb_rudp) == 80, "a value of pb_rudp_src");

#endif /* PATCHBAY_HELLO_H */
