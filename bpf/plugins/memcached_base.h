/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memcached as a frame plugin: what its parts share.  Pure; host and BPF. */
#ifndef PB_PLUGIN_MEMCACHED_BASE_H
#define PB_PLUGIN_MEMCACHED_BASE_H

#include <patchbay/frame.h>
#include <patchbay/mc_parse.h>
#include <patchbay/mc_reply.h>
#include <patchbay/mc_ring.h>

#define PB_FMC_LINE PB_MC_SCAN_MAX /* the longest line; those of gets are taken in pieces so long */
#define PB_FMC_ANY 0xffffffffu	   /* no key: any server */

/* What redirect()'s plan leaves to its last stage. */
#define PB_FMC_PLACE (-100) /* the server of w.req's key */
#define PB_FMC_KEYS (-101)  /* several keys */
#define PB_FMC_PIECE (-102) /* ... of a line that is longer than the piece */

#define PB_FMC_SWALLOW 0xffu /* pb_fmc_conn.line: up to its end the line is thrown away */

/* In pb_frame_conn.state. */
struct pb_fmc_conn {
	__u8 proto; /* 1 + PB_MC_TEXT...; 0: the first byte will tell */
	__u8 line;  /* the kind of a get whose line goes on: the stream is behind one of its keys */
	__u8 failed; /* the get being answered lost some of its keys: 1 + PB_FRAME_W_* */
	__u8 pad;
	__s32 exptime; /* of a gat whose line goes on */
} __attribute__((may_alias));

enum pb_fmc_class {
	PB_FMC_C_LINE, /* one line */
	PB_FMC_C_GET,  /* VALUE..., END */
	PB_FMC_C_META, /* one line, or VA and a value */
	PB_FMC_C_ALL,  /* one line, or STAT..., END; held */
	PB_FMC_C_BINARY,
	PB_FMC_C_BINARY_ALL,
	PB_FMC_C_SAY, /* answer() */
};

/* What of the reply is not passed on, for the client did not want to hear it. */
enum pb_fmc_hide {
	PB_FMC_SHOW,
	PB_FMC_HIDE_MISS, /* quiet gets */
	PB_FMC_HIDE_DONE, /* quiet writes */
	PB_FMC_HIDE_ALL,  /* noreply */
};

/* What answer() says. */
enum pb_fmc_say {
	PB_FMC_S_NOTHING,
	PB_FMC_S_END,
	PB_FMC_S_ERROR,
	PB_FMC_S_FORMAT,
	PB_FMC_S_EXPTIME,
	PB_FMC_S_TWICE,
	PB_FMC_S_ADMIN,
	PB_FMC_S_NOOP,
	PB_FMC_S_LONG,
	PB_FMC_S_STATUS, /* binary */
};

#define PB_FMC_R_PART 0x01u	/* a call of several of a get: END is said by answer() */
#define PB_FMC_R_SUM 0x02u	/* statistics: integers are added up */
#define PB_FMC_R_SETTINGS 0x04u /* ... but not these */
#define PB_FMC_R_UNTIL 0x08u	/* "mn" was sent behind it: there may be no reply before "MN" */

/* In pb_frame_rtx.v. */
struct pb_fmc_rtx {
	__u8 class;  /* PB_FMC_C_* */
	__u8 proto;  /* PB_MC_TEXT... */
	__u8 hide;   /* PB_FMC_SHOW... */
	__u8 say;    /* PB_FMC_S_* */
	__u8 flags;  /* PB_FMC_R_* */
	__u8 opcode; /* binary, the client's */
	__u8 loud;   /* ... as it was sent on */
	__u8 kind;   /* PB_MC_GET... */
	__u16 status;
	__u16 pad;
	__u32 opaque;
	__u32 keys;  /* a get: values that may come yet */
	__u32 key_n; /* a get of one key: its length, and a sum of it */
	__u64 key_sum;
	__u64 pad2[4];
} __attribute__((may_alias));

_Static_assert(sizeof(struct pb_fmc_conn) <= sizeof(((struct pb_frame_conn *)0)->state), "fits");
_Static_assert(sizeof(struct pb_fmc_rtx) == sizeof(struct pb_frame_rtx), "fits");

/* The calls of a get, while split() is asked for them. */
struct pb_fmc_run {
	__u32 last;   /* no more keys behind this piece */
	__u32 off;    /* the next key */
	__u32 n;      /* 0: there is none */
	__s32 server; /* of it */
	__u32 keys;
	__u32 end;
	__u32 done; /* END was said */
	__u32 one;  /* one key a call */
	__u32 kind;
	__s32 exptime;
};

struct pb_fmc_work {
	struct pb_mc_work w;
	struct pb_fmc_run run;
	/* pb_fmc_find() */
	__u32 found;
	__u32 at;
	__u32 limit;
	__u32 what;
};

pb_inline struct pb_fmc_conn *pb_fmc_conn_of(struct pb_frame_conn *c)
{
	return (struct pb_fmc_conn *)c->state;
}

pb_inline struct pb_fmc_rtx *pb_fmc_rtx_of(struct pb_frame_rtx *r)
{
	return (struct pb_fmc_rtx *)r->v;
}

pb_inline __u32 pb_fmc_len(const struct pb_frame_view *v)
{
	__u64 n = (__u64)(v->end - v->data);

	return n < 0x7fff ? (__u32)n : 0x7fff;
}

/* A binary message's header. */
struct pb_fmc_head {
	__u32 magic;
	__u32 opcode;
	__u32 key;
	__u32 ext;
	__u32 status; /* of a reply */
	__u32 body;
	__u32 opaque;
	__u32 pad;
};

pb_inline __u64 pb_fmc_be64(const __u8 *p)
{
	__u64 x;

	__builtin_memcpy(&x, p, 8);
	return __builtin_bswap64(x);
}

/* 0: it is not all there. */
pb_inline int pb_fmc_head_read(const struct pb_frame_view *v, struct pb_fmc_head *ret)
{
	const __u8 *p = v->data;
	__u64 x;

	if (p + PB_MC_BIN_HDR > v->end)
		return 0;
	x = pb_fmc_be64(p);
	ret->magic = x >> 56;
	ret->opcode = x >> 48 & 0xff;
	ret->key = x >> 32 & 0xffff;
	ret->ext = x >> 24 & 0xff;
	ret->status = x & 0xffff;
	x = pb_fmc_be64(p + 8);
	ret->body = x >> 32;
	ret->opaque = (__u32)x;
	return 1;
}

struct pb_fmc_search {
	struct pb_mc_scan s;
	struct pb_fmc_work *w;
};

static long pb_fmc_find_step(__u32 i, struct pb_fmc_search *f)
{
	__u32 at = f->w->at, k;

	(void)i;
	if (at >= f->w->limit)
		return 1;
	k = pb_ctz64(pb_mc_zeros(pb_mc_load8(&f->s, at) ^ PB_MC_ONES * f->w->what)) >> 3;
	if (k < 8 && at + k < f->w->limit) {
		f->w->found = at + k + 1;
		return 1;
	}
	f->w->at = at + 8;
	return 0;
}

/* Where in the first @n bytes @what is, plus one; 0: nowhere. */
pb_mc_fn __u32 pb_fmc_find(const struct pb_frame_view *v, struct pb_fmc_work *w, __u32 n,
			   __u32 what)
{
	struct pb_fmc_search f = { .s = pb_mc_scan_init(v->data, v->end, n, &w->w), .w = w };

	w->found = 0;
	w->at = 0;
	w->limit = n;
	w->what = what;
	pb_loop(PB_FMC_LINE / 8, pb_fmc_find_step, &f);
	return w->found;
}

/* Bytes of the first line, its end included; 0: there is none in the first PB_FMC_LINE bytes. */
pb_inline __u32 pb_fmc_eol(const struct pb_frame_view *v, struct pb_fmc_work *w)
{
	__u32 n = pb_fmc_len(v);

	return pb_fmc_find(v, w, n < PB_FMC_LINE ? n : PB_FMC_LINE, '\n');
}

/* ---- keys and servers ---- */

pb_inline __u32 pb_fmc_up(const struct pb_frame_ens *e, __u32 i)
{
	pb_mc_opaque(i);
	return i < e->n && i < PB_FRAME_SERVERS_MAX && e->server[i].flags & PB_FRAME_S_UP;
}

struct pb_fmc_first {
	const struct pb_frame_ens *e;
	int found;
	__u32 pad;
};

static long pb_fmc_any_step(__u32 i, struct pb_fmc_first *f)
{
	if (i < f->e->n && !pb_fmc_up(f->e, i))
		return 0;
	if (i < f->e->n)
		f->found = (int)i;
	return 1;
}

/* A request without a key: always the same server, while it is there. */
pb_mc_fn int pb_fmc_any(const struct pb_frame_ens *e)
{
	struct pb_fmc_first f = { .e = e, .found = PB_FRAME_NONE };

	pb_loop(PB_FRAME_SERVERS_MAX, pb_fmc_any_step, &f);
	return f.found;
}

/* The server of the key at @off of @s. */
pb_inline int pb_fmc_owner(struct pb_mc_scan *s, const struct pb_frame_ens *e, __u32 off, __u32 n)
{
	const struct pb_mc_ring *ring = e->policy;
	__u32 i;

	if (!ring)
		return PB_FRAME_NONE;
	i = pb_mc_owner(s, ring, off, n);
	return pb_fmc_up(e, i) ? (int)i : PB_FRAME_NONE;
}

struct pb_fmc_copy {
	struct pb_mc_scan s;
	__u8 *to;
	__u32 off;
	__u32 n;
	__u64 sum;
};

/* Eight bytes of a key; what is behind it becomes 0. */
static long pb_fmc_copy_step(__u32 i, struct pb_fmc_copy *c)
{
	__u32 at = 8 * i, left;
	__u64 x;

	if (at >= c->n || i >= PB_FRAME_KEY_MAX / 8)
		return 1;
	x = pb_mc_load8(&c->s, c->off + at);
	left = c->n - at;
	if (left < 8)
		x &= (1ULL << (8 * left)) - 1;
	c->sum = (c->sum ^ x) * 0x9e3779b97f4a7c15ULL;
	c->sum ^= c->sum >> 29;
	if (c->to)
		__builtin_memcpy(c->to + at, &x, 8);
	return 0;
}

/* Copies the key to @to (PB_FRAME_KEY_MAX bytes; NULL: it does not) and returns a sum of it. */
pb_mc_fn __u64 pb_fmc_copy(struct pb_mc_scan *s, __u32 off, __u32 n, __u8 *to)
{
	struct pb_fmc_copy c = { .s = *s, .to = to, .off = off, .n = n };

	if (n > PB_FRAME_KEY_MAX)
		return 0;
	pb_loop(PB_FRAME_KEY_MAX / 8, pb_fmc_copy_step, &c);
	return c.sum + n;
}

pb_inline void pb_fmc_send_init(struct pb_frame_send *s)
{
	__builtin_memset(&s->rtx, 0, sizeof(s->rtx));
	s->cut.n = 0;
	s->touch = PB_FRAME_T_NONE;
	s->mute = 0;
	s->delay = 0;
	s->lane = 0;
	s->key_len = 0;
}

/* ---- cuts ---- */

pb_inline void pb_fmc_range(struct pb_frame_cut *cut, __u32 i, __u32 kind, __u64 off, __u64 len)
{
	cut->range[i] = (struct pb_frame_range){ .off = off, .len = len, .kind = kind };
	cut->n = i + 1;
}

/* All of a frame of @len bytes but the @n at @off. */
pb_inline void pb_fmc_without(struct pb_frame_cut *cut, __u64 len, __u32 off, __u32 n)
{
	pb_fmc_range(cut, 0, PB_FRAME_SRC, 0, off);
	pb_fmc_range(cut, 1, PB_FRAME_SRC, off + n, len - off - n);
}

/* All of it with another second byte: a binary message's opcode. */
pb_inline void pb_fmc_opcode(struct pb_frame_cut *cut, __u64 len, __u8 opcode)
{
	cut->lit[0] = opcode;
	pb_fmc_range(cut, 0, PB_FRAME_SRC, 0, 1);
	pb_fmc_range(cut, 1, PB_FRAME_LITERAL, 0, 1);
	pb_fmc_range(cut, 2, PB_FRAME_SRC, 2, len - 2);
}

#endif /* PB_PLUGIN_MEMCACHED_BASE_H */
