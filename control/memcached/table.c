// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "control/memcached/table.h"

#include <errno.h>
#include <string.h>

#include <patchbay/addr.h>
#include <patchbay/siphash.h>

#include "control/util.h"

#define ADDR_TEXT 64

/* ---- homes --------------------------------------------------------------- */

/* Names hang on the list of the clients that this takes the place of (decision 0021). */
static void list(const struct mcs_service *s, const struct mct_server *servers, unsigned n,
		 const struct mcf *f, struct mcr_server *ret, char (*text)[ADDR_TEXT])
{
	for (unsigned i = 0; i < n; i++) {
		const struct mct_server *v = &servers[i];
		bool named = *v->name;

		pb_addr_format(&v->addr, text[i], ADDR_TEXT);
		ret[i] = (struct mcr_server){
			.host = text[i],
			.port = ntohs(v->port),
			.weight = v->used && !v->gutter && f->s[i].joined ? v->weight : 0,
		};
		if (named && (s->hash == MCS_MAGLEV || s->dialect == MCR_TWEMPROXY))
			ret[i].name = v->name;
		else if (named)
			ret[i].host = v->name;
	}
}

int mct_home(struct pb_mc_ring *ring, const struct mcs_service *s, const __u64 key[2],
	     const struct mct_server *servers, unsigned n, const struct mcf *f)
{
	_cleanup_free_ struct mcr_server *l = calloc(n + 1, sizeof(*l));
	_cleanup_free_ char(*text)[ADDR_TEXT] = calloc(n + 1, sizeof(*text));

	if (!l || !text)
		return -ENOMEM;
	memset(ring, 0, sizeof(*ring));
	list(s, servers, n, f, l, text);
	memcpy(ring->key, key, sizeof(ring->key));
	ring->tag =
		*s->hash_tag ? (uint8_t)s->hash_tag[0] | (uint32_t)(uint8_t)s->hash_tag[1] << 8 : 0;
	if (s->hash == MCS_MAGLEV)
		return mcr_build_maglev(ring, key, l, n);
	return mcr_build_ketama(ring, (enum mcr_ketama)s->dialect, s->key_hash, l, n);
}

/* ---- stand-ins ----------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* -log2(x / 2^64), good to six digits: weights need no more. */
static double minus_log2(uint64_t x)
{
	int zeros = __builtin_clzll(x | 1);
	double m = (double)(x << zeros | 1ULL << 63) / 9223372036854775808.0; /* 1..2 */
	double t = (m - 1) / (m + 1), q = t * t;
	double ln = 2 * t * (1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q / 9))));

	return zeros + 1 - ln * 1.4426950408889634;
}

static uint64_t identity(const struct mct_server *s)
{
	static const uint8_t key[PB_SIPHASH_KEY_LEN];
	struct {
		struct pb_addr addr;
		uint64_t port;
	} id = { s->addr, s->port };

	return pb_siphash24(key, &id, sizeof(id));
}

/* Rendezvous hashing: as the set gets smaller only keys of who left it move. */
static uint16_t best(const struct mcf_set *set, const uint64_t *ids,
		     const struct mct_server *servers, unsigned n, uint64_t place)
{
	double least = 0;
	uint16_t who = PB_MC_NOBODY;

	for (unsigned j = 0; j < n; j++) {
		double d;

		if (!mcf_has(set, j))
			continue;
		d = minus_log2(mix(ids[j] ^ mix(place + 1))) / servers[j].weight;
		if (who == PB_MC_NOBODY || d < least) {
			least = d;
			who = (uint16_t)j;
		}
	}
	return who;
}

void mct_stand_in(struct pb_mc_ring *ring, const struct mcf *f, const struct mct_server *servers)
{
	uint64_t ids[MCF_SERVERS];
	bool any = false;

	for (unsigned i = 0; i < f->n; i++) {
		ids[i] = identity(&servers[i]);
		any |= mcf_standins(f, i) != NULL || mcf_lost(f, i);
	}
	for (uint32_t i = 0; any && i < ring->n; i++) {
		uint16_t *at = ring->kind == PB_MC_KETAMA ? &ring->point[i].server : &ring->slot[i];
		const struct mcf_set *set = *at < f->n ? mcf_standins(f, *at) : NULL;

		if (*at < f->n && mcf_lost(f, *at))
			*at = PB_MC_NOBODY;
		else if (set)
			*at = best(set, ids, servers, f->n,
				   ring->kind == PB_MC_KETAMA ? ring->point[i].value : i);
	}
}

/* ---- another table ------------------------------------------------------- */

static bool move(struct mcf_moves *m, uint16_t from, uint16_t to)
{
	if (from == to || from >= MCF_SERVERS || to >= MCF_SERVERS)
		return false;
	m->to[from].w[to / 64] |= 1ULL << (to % 64);
	return true;
}

/* Both continua at once, by value: between two points of either the owner is one in each. */
static bool ketama_moves(const struct pb_mc_ring *a, const struct pb_mc_ring *b,
			 struct mcf_moves *ret)
{
	uint32_t i = 0, k = 0;
	bool any = false;

	while (a->n && b->n && (i < a->n || k < b->n)) {
		const struct pb_mc_point *p = &a->point[i < a->n ? i : 0];
		const struct pb_mc_point *q = &b->point[k < b->n ? k : 0];

		any |= move(ret, p->server, q->server);
		if (k < b->n && (i >= a->n || q->value < p->value)) {
			k++;
			continue;
		}
		k += k < b->n && q->value == p->value;
		i++;
	}
	/* behind the last one: the first */
	return any | (a->n && b->n && move(ret, a->point[0].server, b->point[0].server));
}

bool mct_moves(const struct pb_mc_ring *from, const struct pb_mc_ring *to, struct mcf_moves *ret)
{
	bool any = false;

	memset(ret, 0, sizeof(*ret));
	if (from->kind == to->kind && from->hash == to->hash && from->tag == to->tag &&
	    !memcmp(from->key, to->key, sizeof(to->key))) {
		if (from->kind == PB_MC_KETAMA)
			return ketama_moves(from, to, ret);
		for (uint32_t i = 0; from->n && to->n && i < to->n; i++)
			any |= move(ret, from->slot[i], to->slot[i]);
		return any;
	}
	for (uint16_t i = 0; i < from->servers && i < MCF_SERVERS; i++)
		for (uint16_t k = 0; k < to->servers && k < MCF_SERVERS; k++)
			any |= move(ret, i, k);
	return any;
}

uint64_t mct_sum(const struct pb_mc_ring *ring)
{
	static const uint8_t key[PB_SIPHASH_KEY_LEN];
	const uint32_t head[] = { ring->kind, ring->hash, ring->n, ring->tag };
	const void *body = ring->kind == PB_MC_KETAMA ? (const void *)ring->point : ring->slot;
	size_t size = ring->kind == PB_MC_KETAMA ? sizeof(ring->point[0]) : sizeof(ring->slot[0]);

	return pb_siphash24(key, head, sizeof(head)) ^
	       pb_siphash24((const uint8_t *)ring->key, body, (uint32_t)(ring->n * size));
}
