/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which address a new name gets: the pools, the memory of released names, link-local ones. */
#include <patchbay/addr.h>

#include "internal.h"
#include "registry.h"

#define LL4_NET 0xa9fe0000u /* 169.254/16; RFC 3927 2.1 reserves its first and last /24 */
#define LL4_FIRST 0x0100u
#define LL4_COUNT (254u * 256)

static const struct pb_addr *no_addr(void)
{
	static const struct pb_addr zero;

	return &zero;
}

int pool_init(struct pool *p, const struct pb_addr *net, uint32_t bits)
{
	uint32_t host = bits ? 128 - bits : 0;

	if (!bits)
		return 0;
	p->net = *net;
	p->bits = bits;
	p->n = host >= 16 ? PB_POOL_SPAN : 1u << host;
	p->n_words = (p->n + 63) / 64;
	p->used = calloc(p->n_words, sizeof(*p->used));
	p->held = calloc(p->n_words, sizeof(*p->held));
	return p->used && p->held ? 0 : -ENOMEM;
}

void pool_fini(struct pool *p)
{
	free(p->used);
	free(p->held);
}

/* RFC 3021: a /31 has no edges; RFC 4291 2.6.1: the first address of an IPv6 net is anycast. */
static bool has_edges(const struct pool *p)
{
	return p->bits && p->bits < 127;
}

static bool is_first(const struct pool *p, const struct pb_addr *a)
{
	return pb_addr_eq(a, &p->net);
}

static bool is_broadcast(const struct pool *p, const struct pb_addr *a)
{
	uint32_t mask = p->bits > 96 ? ~0u >> (p->bits - 96) : ~0u;

	return pb_cidr_is_v4(&p->net, p->bits) && (ntohl(a->w[3]) & mask) == mask;
}

static struct pool *pool_of(const struct pb_registry *r, const struct pb_addr *a)
{
	const struct pool *p = pb_addr_is_v4(a) ? &r->pool4 : &r->pool6;

	return p->bits && pb_cidr_has(&p->net, p->bits, a) ? (struct pool *)p : NULL;
}

const char *pool_unfit(const struct pb_registry *r, const struct pb_addr *a)
{
	const struct pool *p = pool_of(r, a);

	if (!p || !has_edges(p))
		return NULL;
	if (is_first(p, a))
		return "is the first address of the pool, which names the network itself";
	return is_broadcast(p, a) ? "is the broadcast address of the pool" : NULL;
}

static struct pb_addr pool_addr(const struct pool *p, uint32_t offset)
{
	struct pb_addr a = p->net;

	a.w[3] |= htonl(offset);
	return a;
}

/* Position of @a among the addresses the pool gives out; false: not one of them. */
static bool pool_offset(const struct pool *p, const struct pb_addr *a, uint32_t *ret)
{
	struct pb_addr first = *a;
	uint32_t offset = ntohl(a->w[3]) & (p->n - 1);

	first.w[3] &= htonl(~(p->n - 1));
	if (!pb_addr_eq(&first, &p->net))
		return false;
	*ret = offset;
	return true;
}

static void bit_set(uint64_t *map, uint32_t i, bool on)
{
	if (on)
		map[i / 64] |= 1ULL << (i % 64);
	else
		map[i / 64] &= ~(1ULL << (i % 64));
}

static bool bit_get(const uint64_t *map, uint32_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

void pool_mark(struct pb_registry *r, const struct pb_addr *a, bool used)
{
	struct pool *p = pool_of(r, a);
	uint32_t offset;

	if (p && pool_offset(p, a, &offset))
		bit_set(p->used, offset, used);
}

static void pool_hold(struct pb_registry *r, const struct pb_addr *a, bool held)
{
	struct pool *p = pool_of(r, a);
	uint32_t offset;

	if (p && pool_offset(p, a, &offset))
		bit_set(p->held, offset, held);
}

static bool pool_is_held(const struct pb_registry *r, const struct pb_addr *a)
{
	const struct pool *p = pool_of(r, a);
	uint32_t offset;

	return p && pool_offset(p, a, &offset) && bit_get(p->held, offset);
}

static bool pool_can(const struct pool *p, uint32_t offset, struct pb_addr *ret)
{
	struct pb_addr a = pool_addr(p, offset);

	if (bit_get(p->used, offset) || bit_get(p->held, offset) ||
	    (has_edges(p) && (is_first(p, &a) || is_broadcast(p, &a))))
		return false;
	*ret = a;
	return true;
}

/* The first free one from @start on, around. */
static bool pool_from(const struct pool *p, uint32_t start, struct pb_addr *ret)
{
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t offset = (start + i) % p->n;

		if (!(~(p->used[offset / 64] | p->held[offset / 64]))) {
			i += 63 - offset % 64;
			continue;
		}
		if (pool_can(p, offset, ret))
			return true;
	}
	return false;
}

static void sticky_drop(struct pb_registry *r, struct sticky *s)
{
	pool_hold(r, &s->vip4, false);
	pool_hold(r, &s->vip6, false);
	pb_htab_del(&r->by_sticky, &s->by_name);
	TAILQ_REMOVE(&r->sticky, s, link);
	r->n_sticky--;
	free(s);
}

static struct sticky *sticky_find(const struct pb_registry *r, const char *name)
{
	pb_htab_each(h, &r->by_sticky, pb_reg_hash(r, name, strlen(name)))
	{
		struct sticky *s = pb_container_of(h, struct sticky, by_name);

		if (!strcmp(s->name, name))
			return s;
	}
	return NULL;
}

/* Only addresses the pool could have given: others were asked for and will be again. */
static bool from_pool(const struct pb_registry *r, const struct pb_addr *a)
{
	const struct pool *p = pool_of(r, a);
	uint32_t offset;

	return pb_addr_is_zero(a) || (p && pool_offset(p, a, &offset));
}

void sticky_remember(struct pb_registry *r, const char *name, const struct pb_addr *vip4,
		     const struct pb_addr *vip6)
{
	struct sticky *s = sticky_find(r, name);

	if (s)
		sticky_drop(r, s);
	if (!from_pool(r, vip4) || !from_pool(r, vip6))
		return;
	if (r->n_sticky >= PB_STICKY_MAX)
		sticky_drop(r, TAILQ_FIRST(&r->sticky));
	s = calloc(1, sizeof(*s));
	if (!s)
		return; /* a courtesy only: the name gets another address */
	memcpy(s->name, name, sizeof(s->name));
	s->vip4 = *vip4;
	s->vip6 = *vip6;
	pool_hold(r, vip4, true);
	pool_hold(r, vip6, true);
	pb_htab_add(&r->by_sticky, &s->by_name, pb_reg_hash(r, name, strlen(name)));
	TAILQ_INSERT_TAIL(&r->sticky, s, link);
	r->n_sticky++;
}

void sticky_forget_addr(struct pb_registry *r, const struct pb_addr *a)
{
	struct sticky *s, *next;

	if (!pool_is_held(r, a))
		return;
	for (s = TAILQ_FIRST(&r->sticky); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (pb_addr_eq(&s->vip4, a) || pb_addr_eq(&s->vip6, a))
			sticky_drop(r, s);
	}
}

void sticky_forget_all(struct pb_registry *r)
{
	while (!TAILQ_EMPTY(&r->sticky))
		sticky_drop(r, TAILQ_FIRST(&r->sticky));
}

static int pick_family(struct pb_registry *r, struct pool *p, const struct pb_addr *had,
		       uint64_t start, struct pb_addr *ret, char err[PB_ERR_LEN])
{
	char text[INET6_ADDRSTRLEN];

	if (!p->bits)
		return 0;
	if (!pb_addr_is_zero(had)) {
		*ret = *had;
		return 0;
	}
	while (!pool_from(p, (uint32_t)(start % p->n), ret)) {
		if (TAILQ_EMPTY(&r->sticky))
			return pb_fail(err, -ENOSPC, "the address pool %s/%u is exhausted",
				       pb_addr_format(&p->net, text, sizeof(text)),
				       pb_cidr_is_v4(&p->net, p->bits) ? p->bits - 96 : p->bits);
		sticky_drop(r, TAILQ_FIRST(&r->sticky));
	}
	return 0;
}

int pool_pick(struct pb_registry *r, const char *name, struct pb_addr *ret_vip4,
	      struct pb_addr *ret_vip6, char err[PB_ERR_LEN])
{
	struct sticky *s = sticky_find(r, name);
	struct pb_addr had4 = s ? s->vip4 : *no_addr(), had6 = s ? s->vip6 : *no_addr();
	struct pb_addr vip4 = *no_addr(), vip6 = *no_addr();
	uint64_t start = r->spread ? pb_reg_hash(r, name, strlen(name)) : 0;
	int e;

	if (!r->pool4.bits && !r->pool6.bits)
		return pb_fail(err, -ENOSPC, "'%s' needs an address: no pool is configured", name);
	e = pick_family(r, &r->pool4, &had4, start, &vip4, err);
	if (!e)
		e = pick_family(r, &r->pool6, &had6, start, &vip6, err);
	if (e)
		return e;
	*ret_vip4 = vip4;
	*ret_vip6 = vip6;
	return 0;
}

bool linklocal4_fit(const struct pb_addr *a)
{
	uint32_t ip = ntohl(a->w[3]);

	return pb_addr_is_v4(a) && ip >= LL4_NET + LL4_FIRST &&
	       ip < LL4_NET + LL4_FIRST + LL4_COUNT;
}

int linklocal_pick(const struct pb_registry *r, uint64_t id, struct pb_addr *ret)
{
	uint32_t start = (uint32_t)(id % LL4_COUNT);

	for (uint32_t i = 0; i < LL4_COUNT; i++) {
		uint32_t at = (start + i) % LL4_COUNT;
		struct pb_addr a = pb_addr_v4(htonl(LL4_NET + LL4_FIRST + at));

		if (addr_find(r, &a))
			continue;
		*ret = a;
		return 0;
	}
	return -ENOSPC;
}
