/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services of others: which endpoints are behind a key of pb_rservices. */
#include <errno.h>
#include <stdlib.h>

#include <patchbay/addr.h>
#include <patchbay/siphash.h>

#include "../util.h"
#include "cluster_view_internal.h"

static uint64_t hash_of(const struct pb_svc_key *k)
{
	static const uint8_t key[16] = "patchbay service";

	return pb_siphash24(key, k, sizeof(*k));
}

static struct vsvc *find(const struct pb_view *v, const struct pb_svc_key *k, uint64_t hash)
{
	pb_htab_each(h, &v->svcs, hash)
	{
		struct vsvc *s = pb_container_of(h, struct vsvc, by_key);

		if (!memcmp(&s->key, k, sizeof(*k)))
			return s;
	}
	return NULL;
}

static void stale(struct pb_view *v, struct vsvc *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	TAILQ_INSERT_TAIL(&v->stale, s, link);
}

struct vsvc *vsvc_get(struct pb_view *v, const struct pb_svc_key *k)
{
	uint64_t hash = hash_of(k);
	struct vsvc *s = find(v, k, hash);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return NULL;
		s->key = *k;
		pb_htab_add(&v->svcs, &s->by_key, hash);
		v->services++;
	}
	stale(v, s);
	return s;
}

/* The key of one class of an endpoint; false: it serves nobody by it. */
static bool key_of(const struct pb_endpoint *e, unsigned cls, struct pb_svc_key *ret)
{
	bool v4 = (1u << cls) & PB_CLS_V4, vip = (1u << cls) & (PB_CLS_V4_VIP | PB_CLS_V6_VIP);
	struct pb_svc_key k = { .port = e->port, .proto = e->proto };

	if (!(e->cls & (1u << cls)) || pb_addr_is_zero(v4 ? &e->loc4 : &e->loc6))
		return false;
	if (vip) {
		k.addr = v4 ? e->vip4 : e->vip6;
		if (pb_addr_is_zero(&k.addr))
			return false;
	} else {
		k.addr = v4 ? pb_addr_v4(htonl(INADDR_LOOPBACK)) : (struct pb_addr){ 0 };
		if (!v4)
			k.addr.w[3] = htonl(1);
		k.ns = e->ns;
	}
	*ret = k;
	return true;
}

static int add(struct vsvc *s, struct vep *e)
{
	unsigned room = s->room ? s->room * 2 : 4;
	struct vep **ep = s->ep;

	if (s->n == s->room) {
		ep = reallocarray(s->ep, room, sizeof(*ep));
		if (!ep)
			return -ENOMEM;
		s->ep = ep;
		s->room = room;
	}
	ep[s->n++] = e;
	return 0;
}

int vsvc_link(struct pb_view *v, struct vep *e)
{
	struct pb_svc_key k;

	for (unsigned cls = 0; cls < PB_CLS_N; cls++) {
		struct vsvc *s;

		if (!key_of(&e->ep, cls, &k))
			continue;
		s = vsvc_get(v, &k);
		if (!s || add(s, e))
			return -ENOMEM;
		e->svc[cls] = s;
	}
	return 0;
}

void vsvc_unlink(struct pb_view *v, struct vep *e)
{
	for (unsigned cls = 0; cls < PB_CLS_N; cls++) {
		struct vsvc *s = e->svc[cls];

		for (unsigned i = 0; s && i < s->n; i++)
			if (s->ep[i] == e) {
				s->ep[i] = s->ep[--s->n];
				break;
			}
		if (s)
			stale(v, s);
		e->svc[cls] = NULL;
	}
}

void vsvc_touch(struct pb_view *v, struct vep *e)
{
	for (unsigned cls = 0; cls < PB_CLS_N; cls++)
		if (e->svc[cls])
			stale(v, e->svc[cls]);
}

static void svc_free(struct pb_view *v, struct vsvc *s)
{
	pb_htab_del(&v->svcs, &s->by_key);
	v->services--;
	free(s->ep);
	free(s);
}

static int write_one(struct pb_view *v, struct vsvc *s)
{
	_cleanup_free_ struct pb_weighed *w = calloc(s->n + 1, sizeof(*w));
	struct pb_rservice out;
	unsigned n = 0;

	if (!w)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n; i++)
		if (s->ep[i]->index)
			w[n++] = (struct pb_weighed){ s->ep[i]->index, s->ep[i]->ep.weight };
	if (!n)
		return v->ops->rservice_del(v->arg, &s->key);
	pb_weigh(w, n, v->salt % n, &out);
	return v->ops->rservice_put(v->arg, &s->key, &out);
}

void vsvc_write(struct pb_view *v)
{
	struct vsvc *s, *next;

	for (s = TAILQ_FIRST(&v->stale); s; s = next) {
		int err = write_one(v, s);

		next = TAILQ_NEXT(s, link);
		if (err) { /* tried again by the next flush */
			v->err = err;
			continue;
		}
		v->changes++;
		TAILQ_REMOVE(&v->stale, s, link);
		s->dirty = false;
		if (!s->n)
			svc_free(v, s);
	}
}

void vsvc_free_all(struct pb_view *v)
{
	for (size_t i = 0; v->svcs.bucket && i < v->svcs.n_buckets; i++)
		while (v->svcs.bucket[i])
			svc_free(v, pb_container_of(v->svcs.bucket[i], struct vsvc, by_key));
}
