/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A running service and its way into the kernel's maps (patchbay/mc_switch.h).  Nobody else writes
 * them.  What did not change is not written: a service that is adopted keeps cache and table.
 */
#ifndef PB_MEMCACHED_APPLY_H
#define PB_MEMCACHED_APPLY_H

#include <patchbay/mc_switch.h>

#include "control/memcached/service.h"
#include "control/memcached/table.h"

struct pb_mcl;

/* What the node has for it. */
struct mca_place {
	struct pb_addr source;
	__be16 source_port; /* the first of PB_MC_PORTS */
	unsigned n_devices;
	unsigned ifindex[MCS_DEVICES_MAX];
	unsigned n_allow;
	struct mcs_net allow[MCS_ALLOW_MAX];
};

struct mca {
	unsigned index; /* in the kernel's arrays */
	struct mcs_service *conf;
	bool from_file; /* of services.d */
	struct mca_place place;
	__u64 ring_key[2];   /* of Maglev: follows from the names */
	__u64 digest_key[2]; /* a secret */
	unsigned sets;	     /* of the cache as it is */
	bool proxy;	     /* the slow path listens */
	unsigned n_servers;  /* numbers in use are below */
	struct mct_server server[PB_MC_SERVERS_MAX];
	struct mcf fence;
	struct pb_mc_ring *home;       /* the table as if all were up */
	struct mcs_service *home_conf; /* that it was made for */
	struct pb_mc_ring *ring;       /* as it is in the kernel */
	uint32_t epoch;
	uint64_t ring_sum; /* mct_sum() of what the kernel has; 0: not known */
	bool ring_pending; /* the kernel may have an older one */
};

struct mca *mca_new(void);
void mca_free(struct mca *s);

/* The servers of the configuration and @found (of the service table) as numbers: those that stay keep
 * theirs.  *ret_came, *ret_gone: which.  -E2BIG. */
int mca_servers(struct mca *s, const struct mct_server *found, unsigned n_found,
		struct mcf_set *ret_came, struct mcf_set *ret_gone);

/* The same, and what follows: another table of homes, and what the fence makes of that (*ret_did:
 * MCF_*).  @fresh: the service begins.  On error all is as before; -EAGAIN: servers must be emptied
 * first, and are. */
int mca_rehome(struct mca *s, const struct mct_server *found, unsigned n_found, bool fresh,
	       uint64_t now, unsigned *ret_did);

/* Builds ->ring out of ->home and the fence; true: it is another than the kernel's. */
bool mca_table(struct mca *s);
/* That one into the kernel: an end to all values before and after. */
int mca_swap(struct pb_mcl *m, struct mca *s);

/* What the kernel is told of it. */
void mca_record(const struct mca *s, struct pb_mc_service *ret);
void mca_backend(const struct mca *s, unsigned i, struct pb_mc_backend *ret);
/* All of it but the table; the addresses last. */
int mca_put(struct pb_mcl *m, struct mca *s);
/* In reverse; @index need not be a service that is known here. */
int mca_take(struct pb_mcl *m, unsigned index);
/* The name of the service that the kernel has at @index; empty: none. */
int mca_look(struct pb_mcl *m, unsigned index, struct pb_mc_service *ret);
/* All values end. */
int mca_write_all(struct pb_mcl *m, unsigned index);

/* ---- reading ---- */
int mca_stats(struct pb_mcl *m, unsigned index, uint64_t ret[_PB_MC_C_MAX]);
int mca_bstats(struct pb_mcl *m, unsigned index, unsigned server, struct pb_mc_bstats *ret);
/* Calls for each key of the service that was counted; non-zero stops. */
int mca_top(struct pb_mcl *m, unsigned index, int (*fn)(const struct pb_mc_top *top, void *arg),
	    void *arg);

static inline void mca_freep(struct mca **s)
{
	mca_free(*s);
}

#endif /* PB_MEMCACHED_APPLY_H */
