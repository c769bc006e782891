/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A memcached service as people write it: in a file of services.d, in a request, in words of the
 * command line.  Pure: text in, text out.  docs/man/patchbay-memcached.1.rst is the manual.
 */
#ifndef PB_MEMCACHED_SERVICE_H
#define PB_MEMCACHED_SERVICE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <patchbay/mc_ring.h>

#include "control/memcached/ring.h"
#include "control/registry/registry.h"

#define MCS_DEVICES_MAX 16
#define MCS_ALLOW_MAX 64
#define MCS_WEIGHT_MAX 100
#define MCS_HOST_LEN 128	 /* a server's name for the ring, with its NUL */
#define MCS_TEXT_MAX 65535	 /* of one service as JSON */
#define MCS_BACKEND_TEXT 320	 /* one server as text */
#define MCS_CACHE_MIN (1u << 20) /* bytes */
#define MCS_CACHE_MAX (1ull << 36)
/* In the place of a size: the second one where no writer goes past the switch. */
#define MCS_CACHE_AUTO 1ull
#define MCS_CACHE_SIZE (16ull << 20)

enum mcs_dsr { MCS_NAT, MCS_L2 };
enum mcs_hash { MCS_MAGLEV, MCS_KETAMA };
enum mcs_mode { MCS_AUTO, MCS_TC, MCS_XDP };
enum mcs_writers { MCS_WRITERS_ANY, MCS_WRITERS_SWITCH };

/* A server, or with `service` all endpoints that an application of that name has. */
struct mcs_backend {
	char service[PB_NAME_LEN];
	char name[MCS_HOST_LEN]; /* what the clients' lists call it; empty: by its address */
	struct pb_addr addr;
	__be16 port; /* of a service: 0 is whatever port it has */
	uint16_t weight;
	bool gutter; /* owns nothing; stands in for servers that are down */
};

struct mcs_device {
	char name[IF_NAMESIZE];
	uint8_t mode; /* enum mcs_mode */
};

struct mcs_net {
	struct pb_addr net;
	uint32_t bits;
};

struct mcs_service {
	char name[PB_NAME_LEN];
	struct pb_addr vip;
	__be16 port;
	uint8_t dsr;	  /* enum mcs_dsr */
	uint8_t hash;	  /* enum mcs_hash */
	uint8_t dialect;  /* enum mcr_ketama */
	uint8_t key_hash; /* enum pb_mc_hash_algo; of ketama */
	bool failover;
	bool tcp;		 /* there is a TCP half, too */
	uint8_t writers;	 /* enum mcs_writers: who may write to the servers */
	char hash_tag[3];	 /* two characters, or empty */
	struct pb_addr source;	 /* zero: that of the route to the first server */
	uint64_t cache;		 /* bytes; 0: off; MCS_CACHE_AUTO */
	uint32_t unsafe_ttl;	 /* ms; 0: not accepted */
	uint32_t admit;		 /* misses a second */
	uint32_t max_age;	 /* ms */
	uint64_t rate;		 /* bytes a second to one source; 0: no limit */
	uint32_t probe_interval; /* ms */
	uint32_t probe_timeout;	 /* ms */
	uint32_t probe_threshold;
	unsigned n_tags; /* of the switch as an application: whom it may reach */
	char tag[PB_TAGS_MAX][PB_TAG_LEN];
	bool allow_given; /* else: the networks of the devices */
	unsigned n_allow;
	struct mcs_net allow[MCS_ALLOW_MAX];
	unsigned n_devices;
	struct mcs_device device[MCS_DEVICES_MAX];
	unsigned n_backends;
	struct mcs_backend backend[PB_MC_SERVERS_MAX];
};

/* From an object; unknown keys and wrong values are errors that name their place ("backends[2]:
 * ...").  NULL on error. */
struct mcs_service *mcs_from_json(const json_t *o, char err[PB_ERR_LEN]);
/* The whole text of a file: one object, or an array of them (at most @max); *ret_n of them. */
int mcs_from_text(const char *text, size_t len, struct mcs_service *ret[], size_t max,
		  size_t *ret_n, char err[PB_ERR_LEN]);
/* What mcs_from_json() takes; keys that have their default are left out unless @all. */
json_t *mcs_to_json(const struct mcs_service *s, bool all);

/* Sets a key of an object from a word, as `set KEY=VALUE` gives it: lists have commas; an empty
 * value takes the key away. */
int mcs_set_word(json_t *o, const char *key, const char *value, char err[PB_ERR_LEN]);
/* "[service:]HOST:PORT[*WEIGHT][=NAME]" */
int mcs_backend_parse(const char *text, struct mcs_backend *ret, char err[PB_ERR_LEN]);
char *mcs_backend_format(const struct mcs_backend *b, char buf[MCS_BACKEND_TEXT]);

/* Appends "- memcached NAME KEY VALUE" and "+ ..." lines; either may be NULL. */
void mcs_diff(const struct mcs_service *from, const struct mcs_service *to, json_t *lines);

/* Two services that exclude each other: same name, or same address and port; NULL: they do not. */
const char *mcs_clash(const struct mcs_service *a, const struct mcs_service *b);

/* Why the cache is off although it was asked for; NULL: it is on, or nobody asked. */
const char *mcs_cache_why_not(const struct mcs_service *s);
/* Bytes that it is to have; 0: none. */
uint64_t mcs_cache_bytes(const struct mcs_service *s);
/* The same, in words: why there is none. */
const char *mcs_cache_off(const struct mcs_service *s);
/* ms: no value is served longer. */
uint32_t mcs_max_age(const struct mcs_service *s);

/* ---- words ---- */
const char *mcs_dialect_name(unsigned dialect);
const char *mcs_hash_name(unsigned hash); /* enum pb_mc_hash_algo */
const char *mcs_mode_name(unsigned mode);
int mcs_mode_parse(const char *text);

/* ---- between the files of it ---- */
enum mcs_type { MCS_T_WORD, MCS_T_NUMBER, MCS_T_SIZE, MCS_T_OWN };
struct mcs_key {
	const char *name;
	enum mcs_type type;
	bool list; /* an array of strings */
	size_t offset, size;
	const char *const *words;
	uint64_t min, max, def;
	int (*read)(struct mcs_service *s, const json_t *v, char err[PB_ERR_LEN]);
	json_t *(*write)(const struct mcs_service *s);
};
extern const struct mcs_key mcs_keys[];
extern const size_t mcs_n_keys;
int mcs_addr_port(const char *text, struct pb_addr *addr, __be16 *port);
int mcs_read_backends(struct mcs_service *s, const json_t *v, char err[PB_ERR_LEN]);
int mcs_read_gutter(struct mcs_service *s, const json_t *v, char err[PB_ERR_LEN]);
json_t *mcs_write_backends(const struct mcs_service *s);
json_t *mcs_write_gutter(const struct mcs_service *s);
/* Names are kept in lower case. */
void mcs_lower(const char *name, char ret[PB_NAME_LEN]);
int mcs_size_parse(const char *text, uint64_t *ret);
void mcs_size_format(uint64_t n, char buf[24]);

static inline void mcs_freep(struct mcs_service **s)
{
	free(*s);
}

#endif /* PB_MEMCACHED_SERVICE_H */
