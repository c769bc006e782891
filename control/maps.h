/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Typed access to the pinned maps: nobody else calls bpf_map_update_elem(). */
#ifndef PB_CONTROL_MAPS_H
#define PB_CONTROL_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <patchbay/event.h>
#include <patchbay/maps.h>
#include <patchbay/node.h>
#include <patchbay/peer.h>
#include <patchbay/reasons.h>
#include <patchbay/splice.h>

/* Writers answer -ENOSPC for a full map, -EPERM when opened read-only. Deleting what is not there
 * is no error. */

struct pb_loader;
struct pb_maps; /* holds borrowed fds; readers open their own read-only set */

int pb_maps_from_loader(struct pb_maps **ret, struct pb_loader *l);
int pb_maps_open_readonly(struct pb_maps **ret, const char *bpffs);
void pb_maps_free(struct pb_maps *m);
int pb_maps_fd(const struct pb_maps *m, const char *name); /* borrowed; -ENOENT */

/* Fills pb_ep_free with 1..max-1 unless pb_config says that it was done; sets pb_config.abi. Call
 * it at every start, before anything is attached. */
int pb_maps_init(struct pb_maps *m);

int pb_maps_get_config(struct pb_maps *m, struct pb_config *ret);
/* c->abi is ignored: pb_maps_init() keeps it. */
int pb_maps_set_config(struct pb_maps *m, const struct pb_config *c);
int pb_maps_get_node(struct pb_maps *m, struct pb_node *ret);
/* Programs that read meanwhile see either none or one of both states. */
int pb_maps_set_node(struct pb_maps *m, const struct pb_addr *addr4, const struct pb_addr *addr6);
int pb_maps_beat(struct pb_maps *m, pid_t pid);
int pb_maps_get_beat(struct pb_maps *m, struct pb_beat *ret);
/* Ends the heartbeat: the kernel side need not wait until it is stale. */
int pb_maps_rest(struct pb_maps *m);

int pb_maps_put_app(struct pb_maps *m, uint64_t ref, const struct pb_app *a,
		    const struct pb_tags *t);
int pb_maps_del_app(struct pb_maps *m, uint64_t ref);
int pb_maps_put_addr(struct pb_maps *m, const struct pb_addr *a, const struct pb_vip *v);
int pb_maps_del_addr(struct pb_maps *m, const struct pb_addr *a);
int pb_maps_put_group(struct pb_maps *m, uint32_t bit, const struct pb_group *g);
int pb_maps_put_rule(struct pb_maps *m, uint32_t index, const struct pb_rule *r);
int pb_maps_put_egress(struct pb_maps *m, const struct pb_egress_key *k,
		       const struct pb_egress_val *v);
int pb_maps_del_egress(struct pb_maps *m, const struct pb_egress_key *k);
/* Removes every entry of these refs, sorted upwards, in one walk over the whole map. */
int pb_maps_clear_egress(struct pb_maps *m, const uint64_t *refs, size_t n);

/* A service's own setting for splices; @id as in pb_app.id. */
int pb_maps_put_spl_rule(struct pb_maps *m, uint64_t id, __be16 port, int on);
/* Leaves only the rules whose keys are in @keep, sorted by memcmp().  Returns how many went, or
 * -errno. */
int pb_maps_keep_spl_rules(struct pb_maps *m, const struct pb_spl_rule_key *keep, size_t n);

/* @index: the original resolver that the port stands for. */
int pb_maps_put_dns_port(struct pb_maps *m, __be16 port, uint8_t proto, int v6, uint32_t index);
int pb_maps_del_dns_port(struct pb_maps *m, __be16 port, uint8_t proto, int v6);
/* Removes what put_dns_port() made, also an earlier agent's.  Returns how many went, or -errno. */
int pb_maps_clear_dns_ports(struct pb_maps *m);
int pb_maps_set_resolver_port(struct pb_maps *m, uint32_t index, __be16 port);
int pb_maps_get_resolver(struct pb_maps *m, uint32_t index, struct pb_resolver *ret);
/* 1: programs that ask @r find row @index; 0: they do not, it is being taken or given back. */
int pb_maps_resolver_known(struct pb_maps *m, uint32_t index, const struct pb_resolver *r);
/* What a program's first query does; 0 also where it is known already. */
int pb_maps_learn_resolver(struct pb_maps *m, const struct pb_addr *addr, __be16 port);
/* First half of taking a row back: programs no longer find it.  Those that just did may still use
 * it for a moment. */
int pb_maps_forget_resolver(struct pb_maps *m, const struct pb_resolver *r);
/* Second half: it may be taken again. */
int pb_maps_free_resolver(struct pb_maps *m, uint32_t index);
/* Forgets what refers to a row that holds something else.  Returns how many, or -errno. */
int pb_maps_sweep_resolvers(struct pb_maps *m);

/* Iteration: fn returns non-zero to stop; that value comes back. Safe against concurrent change
 * (restarts bounded, an entry may be seen twice or missed if it changes during the walk). */
int pb_maps_each_app(struct pb_maps *m,
		     int (*fn)(uint64_t ref, const struct pb_app *, const struct pb_tags *, void *),
		     void *arg);
int pb_maps_each_group(struct pb_maps *m, int (*fn)(uint32_t bit, const struct pb_group *, void *),
		       void *arg);
int pb_maps_each_service(struct pb_maps *m,
			 int (*fn)(const struct pb_svc_key *, const struct pb_service *, void *),
			 void *arg);
int pb_maps_each_addr(struct pb_maps *m,
		      int (*fn)(const struct pb_addr *, const struct pb_vip *, void *), void *arg);
int pb_maps_get_service(struct pb_maps *m, const struct pb_svc_key *k, struct pb_service *ret);
int pb_maps_get_endpoint(struct pb_maps *m, uint32_t index, struct pb_endpoint *ret);
/* A UDP endpoint that was withdrawn while its socket lives on: connect()ed to one client.  1: it is,
 * and as it was; maps_count.c. */
int pb_maps_endpoint_talks(struct pb_maps *m, uint32_t index, struct pb_endpoint *ret);
/* UP or DRAIN; -ENOENT: the endpoint was withdrawn. */
int pb_maps_set_endpoint_state(struct pb_maps *m, uint32_t index, uint8_t state);
/* Who sends from a real UDP address, and who opened a TCP connection; -ENOENT.  An admission that
 * no managed listener uses up stays until the client's socket closes. */
int pb_maps_get_udp_src(struct pb_maps *m, const struct pb_udp_key *k, struct pb_udp_src *ret);
int pb_maps_get_admit(struct pb_maps *m, const struct pb_flow_key *k, struct pb_admit *ret);

/* ---- datagrams that the agent sends, or programs at the devices; maps_sources.c ---- */
/* The socket is one of application @ref, which has PB_REF_SWITCH. */
int pb_maps_own_socket(struct pb_maps *m, int fd, uint64_t ref, uint64_t netns);
/* What leaves from @real is @ref's; its peers see @shown. */
int pb_maps_put_source(struct pb_maps *m, const struct pb_udp_key *real,
		       const struct pb_udp_key *shown, uint64_t ref);
int pb_maps_del_source(struct pb_maps *m, const struct pb_udp_key *real,
		       const struct pb_udp_key *shown);
/* Removes those of PB_REF_SWITCH that @keep does not want.  Returns how many, or -errno. */
int pb_maps_sweep_sources(struct pb_maps *m,
			  bool (*keep)(const struct pb_udp_key *real, uint64_t ref, void *arg),
			  void *arg);

/* Removes services without any slot, by lookup-and-delete; puts back one that got a slot in
 * between. Returns how many went, or -errno. */
int pb_maps_collect_services(struct pb_maps *m);

/* ---- other nodes (peer.h); maps_peers.c ---- */
/* Indices go from 1 to this, excluded. */
uint32_t pb_maps_remotes_max(void);
/* Own endpoints that are UP or DRAIN. */
int pb_maps_each_endpoint(struct pb_maps *m,
			  int (*fn)(uint32_t index, const struct pb_endpoint *, void *), void *arg);
int pb_maps_get_remote(struct pb_maps *m, uint32_t index, struct pb_endpoint *ret);
/* A free index, at rest for PB_REMOTE_REST_NS, becomes @ep: gen is raised, the kernel's counters and
 * pb_eject begin anew.  -EBUSY: it is not free. */
int pb_maps_put_remote(struct pb_maps *m, uint32_t index, const struct pb_endpoint *ep);
/* What may change while it is chosen; -ENOENT: the index is free. */
int pb_maps_set_remote(struct pb_maps *m, uint32_t index, const struct pb_endpoint *ep);
int pb_maps_free_remote(struct pb_maps *m, uint32_t index);
/* Those that are not free. */
int pb_maps_each_remote(struct pb_maps *m,
			int (*fn)(uint32_t index, const struct pb_endpoint *, void *), void *arg);
int pb_maps_get_eject(struct pb_maps *m, uint32_t index, struct pb_eject *ret);
int pb_maps_put_rservice(struct pb_maps *m, const struct pb_svc_key *k,
			 const struct pb_rservice *s);
int pb_maps_del_rservice(struct pb_maps *m, const struct pb_svc_key *k);
int pb_maps_get_rservice(struct pb_maps *m, const struct pb_svc_key *k, struct pb_rservice *ret);
int pb_maps_each_rservice(struct pb_maps *m,
			  int (*fn)(const struct pb_svc_key *, const struct pb_rservice *, void *),
			  void *arg);
int pb_maps_put_peer(struct pb_maps *m, const struct pb_addr *loc, const struct pb_peer *p);
int pb_maps_del_peer(struct pb_maps *m, const struct pb_addr *loc);
int pb_maps_get_peer(struct pb_maps *m, const struct pb_addr *loc, struct pb_peer *ret);
int pb_maps_each_peer(struct pb_maps *m,
		      int (*fn)(const struct pb_addr *, const struct pb_peer *, void *), void *arg);
int pb_maps_put_member(struct pb_maps *m, const struct pb_member_key *k, uint64_t ref);
int pb_maps_del_member(struct pb_maps *m, const struct pb_member_key *k);
int pb_maps_each_member(struct pb_maps *m,
			int (*fn)(const struct pb_member_key *, const struct pb_member *, void *),
			void *arg);

/* Sum over CPUs; ret has _PB_R_MAX entries. */
int pb_maps_stats(struct pb_maps *m, uint64_t ret[_PB_R_MAX]);
/* Adds to a counter that no kernel program counts; maps_count.c. */
int pb_maps_count(struct pb_maps *m, uint32_t reason, uint64_t n);
/* Entries now (counted by walking) and max_entries of one map; -EOPNOTSUPP: a kind that cannot be
 * counted (queue, ring, socket storage, counters). */
int pb_maps_usage(struct pb_maps *m, const char *name, uint32_t *ret_entries, uint32_t *ret_max);

/* ---- one pinned map, read without the others (the agent may be dead) ---- */
/* One element of an array or hash; 0 or a negative errno. */
int pb_pin_lookup(const char *bpffs, const char *map, const void *key, void *ret);
/* Takes PB_CFG_SPLICE out of pb_config, without the agent: what is spliced goes back to TCP.
 * -ENOENT: there is no such map; -EPROTO: it has another layout. */
int pb_pin_splice_off(const char *bpffs);
/* Calls fn for every element of a hash until it returns non-zero, which comes back.  -EPROTO: keys
 * or values have another size. */
int pb_pin_each(const char *bpffs, const char *map, size_t key_size, size_t value_size,
		int (*fn)(const void *key, const void *value, void *arg), void *arg);

#endif /* PB_CONTROL_MAPS_H */
