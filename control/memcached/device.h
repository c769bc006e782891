/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A network device as the memcached switch sees it: what it is, which hook suits it, and what there
 * would lose datagrams without a word.  Where each of these was seen: docs/decisions/0023.
 */
#ifndef PB_MEMCACHED_DEVICE_H
#define PB_MEMCACHED_DEVICE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pb_mcd_tri { PB_MCD_UNKNOWN, PB_MCD_OFF, PB_MCD_ON };

#define PB_MCD_NO_PEER (-2)
#define PB_MCD_SAME_NETNS (-1)
#define PB_MCD_WHY 160

struct pb_mcd_facts {
	char name[IF_NAMESIZE];
	char driver[32];
	char kind[16]; /* of a device that is none: veth, bridge, vlan...; else empty */
	unsigned ifindex;
	unsigned mtu;
	bool up;
	bool ethernet;
	bool xdp_native; /* a program is there */
	bool xdp_generic;
	unsigned rx_queues; /* in use, 0: not known */
	unsigned tx_queues;
	unsigned max_queues;
	unsigned rx_ring; /* 0: not known */
	unsigned max_rx_ring;
	unsigned peer;	/* ifindex of the other end of a veth */
	int peer_netns; /* number of its namespace here, PB_MCD_SAME_NETNS, PB_MCD_NO_PEER */
	int rp_filter;	/* that holds for it, as arp_ignore; -1: not known */
	int arp_ignore;
	uint64_t xdp_lost;  /* frames, by the driver's own counters */
	uint8_t can_native; /* enum pb_mcd_tri, also below: what the driver can do by XDP */
	uint8_t can_redirect;
	uint8_t can_frags;
	bool can_by_name; /* the three are known by the driver's name only */
	uint8_t tx_csum;
	uint8_t tso;
	uint8_t gro;
	uint8_t lro;
	uint8_t gro_list; /* UDP datagrams are glued together */
	uint8_t udp_gro_fwd;
	uint8_t threaded;
};

/* Of this network namespace; changes nothing.  -ENODEV. */
int pb_mcd_look(unsigned ifindex, struct pb_mcd_facts *ret);

/* Is XDP the better hook (else tc)?  And why, in a few words. */
bool pb_mcd_choose(const struct pb_mcd_facts *f, char why[PB_MCD_WHY]);

enum pb_mcd_grade { PB_MCD_NOTE, PB_MCD_WARN, PB_MCD_FAIL };

struct pb_mcd_finding {
	const char *id;
	enum pb_mcd_grade grade;
	char seen[256];
	char todo[256];
};

#define PB_MCD_FINDINGS_MAX 32

/* What is to be judged. */
struct pb_mcd_case {
	const struct pb_mcd_facts *dev;
	const struct pb_mcd_facts *peer; /* NULL: there is none, or it could not be seen */
	const char *unseen;		 /* why it could not */
	bool xdp;			 /* the switch is to work by XDP there */
	bool l2;			 /* servers answer clients themselves */
	const char *vip;		 /* as text; NULL: none is known */
	bool vip_is_v4;
	enum pb_mcd_tri vip_here;    /* is it an address of this namespace? */
	enum pb_mcd_tri vip_on_dev;  /* ... of the device itself? */
	enum pb_mcd_tri vip_at_peer; /* of the other end's namespace? */
	unsigned cpus;
};

/* Pure.  Returns how many findings there are. */
size_t pb_mcd_judge(const struct pb_mcd_case *c, struct pb_mcd_finding ret[PB_MCD_FINDINGS_MAX]);

#endif /* PB_MEMCACHED_DEVICE_H */
