/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Words and numbers of memcached's text protocol, eight bytes at a time.  Pure; host and BPF.
 *
 * What ends what is memcached 1.6's own rule, not the manual's: the line ends at the first '\n', one
 * '\r' before it belongs to the end; only the space separates words; a NUL ends the command but not
 * the line; every other byte, '\r' and '\t' in the middle too, is part of the word.
 */
#ifndef PATCHBAY_MC_SCAN_H
#define PATCHBAY_MC_SCAN_H

#include "bits.h"
#include "mc_proto.h"
#include "types.h"

#ifdef __bpf__
#define pb_mc_fn static __attribute__((noinline, unused))
#define pb_mc_opaque(x) asm volatile("" : "+r"(x)) /* keeps a bound where the verifier sees it */
#define PB_MC_OFF_MAX 0x8000u /* no frame is longer, and the verifier wants less than 64 kB */
#else
#define pb_mc_fn static inline __attribute__((unused))
#define pb_mc_opaque(x) ((void)0)
#define PB_MC_OFF_MAX ~0u
#endif

/* A line longer than this is not read: memcached itself gives up at 2048 bytes, but for gets. */
#define PB_MC_SCAN_MAX 2048u

enum pb_mc_at {
	PB_MC_AT_GAP, /* before a word */
	PB_MC_AT_WORD,
	PB_MC_AT_NUL,	/* behind a NUL: only the end of the line counts */
	PB_MC_AT_EOL,	/* the end of the line was seen, `at` is behind it */
	PB_MC_AT_SHORT, /* the message ended first */
	PB_MC_AT_LONG,	/* PB_MC_SCAN_MAX bytes without an end of line */
};

/* How a number is read. */
struct pb_mc_num {
	__u64 v; /* two's complement */
	__u32 off;
	__u32 n;
	__u32 at; /* PB_MC_NUM_* */
	__u32 neg;
	__u32 over;  /* more than 64 bits */
	__u32 minus; /* a '-' anywhere */
	__u32 bad;
	__u32 pad;
};

/* The flags of a meta command. */
struct pb_mc_meta {
	__u64 seen[2]; /* a bit a flag */
	__u32 words;
	__u32 wrong;  /* a flag stops memcached's reading: 1 seen twice, 2 unknown */
	__u32 bad;    /* a number that is none */
	__u32 opaque; /* longer than it takes */
	__u32 mode;   /* M */
	__u32 pad;
};

/* A key in base64. */
struct pb_mc_b64 {
	__u32 off;
	__u32 n;
	__u32 letters;
	__u32 group; /* bits of the letters of a group */
	__u32 pads;
	__u32 len;
	__u32 bad;
	__u32 done;
};

/* The words of a command that has few of them. */
struct pb_mc_args {
	__u32 words;  /* verb and key too */
	__u32 off[4]; /* the words behind the key */
	__u32 n[4];
	__u32 last_off;
	__u32 last_n;
	__u32 pad;
};

/* A key being hashed (mc_hash.h). */
struct pb_mc_hashing {
	__u64 v[4];
	__u32 off;
	__u32 n;
	__u32 algo; /* PB_MC_H_* */
	__u32 tag;  /* the two bytes around the part of a key that counts; 0: all of it */
	__u32 from; /* that part, from the key's first byte */
	__u32 to;
	__u32 md5[4];
	__u32 block[16];
};

#define PB_MC_B64_OUT 192u /* what 250 letters decode to, and room */

/*
 * Everything that changes while a message is read.  A kernel program keeps it in a per-CPU map: what
 * is loaded from there is unknown to the verifier, so that its walk through a loop comes to an end.
 */
struct pb_mc_work {
	__u32 len;     /* bytes of the message, by udp->len: short frames are padded */
	__u32 start;   /* of the line */
	__u32 at;      /* next byte to look at */
	__u32 stop;    /* where the search gives up */
	__u32 off;     /* the word found last */
	__u32 n;       /* its bytes; 0: there was none */
	__u32 words;   /* counted while `all` is set */
	__u32 longest; /* of the words counted */
	__u32 state;   /* PB_MC_AT_* */
	__u32 prev;    /* the byte before `at` */
	__u32 all;     /* do not stop at words, count them */
	__u32 pad;
	struct pb_mc_num num;
	struct pb_mc_meta meta;
	struct pb_mc_b64 b64;
	struct pb_mc_args args;
	struct pb_mc_hashing hash;
	struct pb_mc_req req;
	struct pb_mc_rep rep;
	__u8 key[PB_MC_B64_OUT]; /* the decoded key */
};

/* A message being read.  In a kernel program `data` and `end` are the packet's pointers. */
struct pb_mc_scan {
	const __u8 *data;
	const __u8 *end;
	struct pb_mc_work *w;
};

#define PB_MC_ONES 0x0101010101010101ULL
#define PB_MC_LOW7 0x7f7f7f7f7f7f7f7fULL

/* 0x80 in every byte of @x that is zero, exact for all of them. */
pb_inline __u64 pb_mc_zeros(__u64 x)
{
	return ~(((x & PB_MC_LOW7) + PB_MC_LOW7) | x | PB_MC_LOW7);
}

/* Up to eight bytes at @off, the first one lowest; 0 where the message has none. */
pb_inline __u64 pb_mc_load8(const struct pb_mc_scan *s, __u32 off)
{
	const __u8 *p;
	__u64 x = 0;

	if (off >= PB_MC_OFF_MAX || off >= s->w->len)
		return 0;
	pb_mc_opaque(off);
	if (off >= PB_MC_OFF_MAX)
		return 0;
	p = s->data + off;
	if (p + 8 <= s->end) {
		__builtin_memcpy(&x, p, 8);
	} else {
		for (int i = 0; i < 7; i++)
			if (p + i + 1 <= s->end)
				x |= (__u64)p[i] << (8 * i);
	}
	if (s->w->len - off < 8)
		x &= (1ULL << (8 * (s->w->len - off))) - 1;
	return x;
}

pb_inline __u32 pb_mc_byte(const struct pb_mc_scan *s, __u32 off)
{
	const __u8 *p;

	if (off >= PB_MC_OFF_MAX || off >= s->w->len)
		return 0;
	pb_mc_opaque(off);
	if (off >= PB_MC_OFF_MAX)
		return 0;
	p = s->data + off;
	return p + 1 <= s->end ? *p : 0;
}

/* One load, not a load a byte: each has its own ends, and Linux 6.1 walks all their combinations. */
pb_inline __u32 pb_mc_be16(const struct pb_mc_scan *s, __u32 off)
{
	__u64 x = pb_mc_load8(s, off);

	return (__u32)(x & 0xff) << 8 | (__u32)(x >> 8 & 0xff);
}

pb_inline __u32 pb_mc_be32(const struct pb_mc_scan *s, __u32 off)
{
	return __builtin_bswap32((__u32)pb_mc_load8(s, off));
}

pb_inline __u64 pb_mc_be64(const struct pb_mc_scan *s, __u32 off)
{
	return __builtin_bswap64(pb_mc_load8(s, off));
}

pb_inline struct pb_mc_scan pb_mc_scan_init(const void *data, const void *end, __u32 len,
					    struct pb_mc_work *w)
{
	struct pb_mc_scan s = { .data = data, .end = end, .w = w };

	w->len = len;
	return s;
}

/* Begins the line at @at. */
pb_inline void pb_mc_line(struct pb_mc_scan *s, __u32 at)
{
	s->w->start = at;
	s->w->at = at;
	s->w->stop = s->w->len - at > PB_MC_SCAN_MAX ? at + PB_MC_SCAN_MAX : s->w->len;
	s->w->off = at;
	s->w->n = 0;
	s->w->words = 0;
	s->w->longest = 0;
	s->w->state = at < s->w->len ? PB_MC_AT_GAP : PB_MC_AT_SHORT;
	s->w->prev = 0;
	s->w->all = 0;
}

/* The word ends before @to; 1 if the search may stop here. */
pb_inline int pb_mc_word_end(struct pb_mc_scan *s, __u32 to)
{
	__u32 n = to - s->w->off;

	if (!n)
		return 0;
	if (!s->w->all) {
		s->w->n = n;
		return 1;
	}
	s->w->words++;
	if (n > s->w->longest)
		s->w->longest = n;
	return 0;
}

/* One of the bytes that end a word: @c, at w->at. */
pb_inline long pb_mc_delimiter(struct pb_mc_scan *s, __u32 c)
{
	__u32 to = s->w->at++, was = s->w->state;
	__u32 cr = s->w->prev == '\r';

	s->w->prev = c;
	if (c == '\n') {
		s->w->state = PB_MC_AT_EOL;
		if (was == PB_MC_AT_WORD)
			pb_mc_word_end(s, cr && to - s->w->start > 1 ? to - 1 : to);
		return 1;
	}
	s->w->state = c ? PB_MC_AT_GAP : PB_MC_AT_NUL;
	return pb_mc_word_end(s, to);
}

/* At most eight bytes further. */
static long pb_mc_step(__u32 i, struct pb_mc_scan *s)
{
	__u32 at = s->w->at, room = s->w->stop - at, k;
	__u64 x, m;

	(void)i;
	if (at >= s->w->stop) {
		s->w->state = s->w->stop < s->w->len ? PB_MC_AT_LONG : PB_MC_AT_SHORT;
		return 1;
	}
	x = pb_mc_load8(s, at);
	if (room > 8)
		room = 8;
	if (s->w->state == PB_MC_AT_GAP) {
		k = pb_ctz64(~pb_mc_zeros(x ^ (PB_MC_ONES * ' ')) & ~PB_MC_LOW7) >> 3;
		if (k) {
			s->w->prev = ' ';
			s->w->at = at + (k < room ? k : room);
			return 0;
		}
		s->w->off = at;
		s->w->state = PB_MC_AT_WORD;
	}
	m = pb_mc_zeros(x ^ (PB_MC_ONES * '\n'));
	if (s->w->state == PB_MC_AT_WORD)
		m |= pb_mc_zeros(x) | pb_mc_zeros(x ^ (PB_MC_ONES * ' '));
	k = pb_ctz64(m) >> 3;
	if (k > room)
		k = room;
	if (k)
		s->w->prev = (x >> (8 * (k - 1))) & 0xff;
	s->w->at = at + k;
	if (k == room)
		return 0;
	return pb_mc_delimiter(s, (x >> (8 * k)) & 0xff);
}

/* The next word of the line: its bytes, 0 when there is none; w->state says why. */
pb_mc_fn __u32 pb_mc_word(struct pb_mc_scan *s)
{
	s->w->n = 0;
	if (s->w->state >= PB_MC_AT_EOL)
		return 0;
	pb_loop(PB_MC_SCAN_MAX + 1, pb_mc_step, s);
	return s->w->n;
}

/* On to the end of the line; the words on the way are counted. */
pb_mc_fn __u32 pb_mc_rest(struct pb_mc_scan *s)
{
	s->w->all = 1;
	pb_mc_word(s);
	s->w->all = 0;
	return s->w->words;
}

/* Does the word at @off of @n bytes say @is (at most eight bytes, first one lowest)? */
pb_inline int pb_mc_says(const struct pb_mc_scan *s, __u32 off, __u32 n, __u64 is, __u32 is_len)
{
	__u64 mask = is_len < 8 ? (1ULL << (8 * is_len)) - 1 : ~0ULL;

	return n == is_len && (pb_mc_load8(s, off) & mask) == is;
}

/* A number as strtol() and strtoul() read it, and memcached's safe_strto*() judge it. */
enum pb_mc_num_at { PB_MC_NUM_BLANK, PB_MC_NUM_SIGN, PB_MC_NUM_DIGITS, PB_MC_NUM_END };

pb_inline int pb_mc_blank(__u32 c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static long pb_mc_num_step(__u32 i, struct pb_mc_scan *s)
{
	struct pb_mc_num *d = &s->w->num;
	__u32 c, digit;

	if (i >= d->n)
		return 1;
	c = pb_mc_byte(s, d->off + i);
	digit = c - '0';
	if (c == '-')
		d->minus = 1;
	if (d->at == PB_MC_NUM_END)
		return 0;
	if (digit <= 9) {
		if (d->v > (~0ULL - digit) / 10)
			d->over = 1;
		d->v = d->v * 10 + digit;
		d->at = PB_MC_NUM_DIGITS;
		return 0;
	}
	if (d->at == PB_MC_NUM_DIGITS) {
		d->bad = !pb_mc_blank(c);
		d->at = PB_MC_NUM_END;
		return 0;
	}
	if (d->at == PB_MC_NUM_BLANK && pb_mc_blank(c))
		return 0;
	if (d->at == PB_MC_NUM_BLANK && (c == '-' || c == '+')) {
		d->neg = c == '-';
		d->at = PB_MC_NUM_SIGN;
		return 0;
	}
	d->bad = 1;
	return 1;
}

/* @is_signed: strtol(), else strtoul().  True if memcached takes it: s->w->num.v, of which it keeps
 * the low half where it wants 32 bits. */
pb_mc_fn int pb_mc_number(struct pb_mc_scan *s, __u32 off, __u32 n, int is_signed)
{
	struct pb_mc_num *d = &s->w->num;

	__builtin_memset(d, 0, sizeof(*d));
	d->off = off;
	d->n = n;
	pb_loop(PB_MC_SCAN_MAX, pb_mc_num_step, s);
	if (d->bad || d->over || d->at < PB_MC_NUM_DIGITS)
		return 0;
	if (is_signed && d->v > (1ULL << 63) - !d->neg)
		return 0;
	if (d->neg)
		d->v = -d->v;
	return is_signed || !d->minus || (__s64)d->v >= 0;
}

#endif /* PATCHBAY_MC_SCAN_H */
