/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A frame plugin as small as they get, and docs/plugins.md's example: counters that live on several
 * servers.  A message is a length (32 bits, network order; of what follows) and a body:
 *
 *	add NAME N	to the server of NAME; "ok TOTAL"
 *	get NAME	to the server of NAME; "ok TOTAL"
 *	sum		to all servers, each says "ok TOTAL"; the client gets the sum of them
 *	anything else	"error what"
 *
 * Pure; host and BPF.
 */
#ifndef PB_PLUGIN_COUNTER_H
#define PB_PLUGIN_COUNTER_H

#include <patchbay/frame.h>

#define PB_COUNTER_HEAD 4u
#define PB_COUNTER_MAX 128u /* bytes of a body */
#define PB_COUNTER_NAME 32u

/* In pb_frame_rtx.v[0]: the request. */
enum pb_counter_what { PB_COUNTER_ONE, PB_COUNTER_SUM };

/* A message's length and verb; both sides send the same kind. */
pb_inline int pb_counter_parse(const struct pb_frame_view *v, struct pb_frame *ret)
{
	const __u8 *p = v->data;
	__u32 n;

	if (p + PB_COUNTER_HEAD > v->end)
		return PB_FRAME_MORE;
	n = (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
	if (!n || n > PB_COUNTER_MAX)
		return -1;
	ret->flags = 0;
	ret->len = PB_COUNTER_HEAD + n;
	ret->head = PB_COUNTER_HEAD + n; /* all of it is wanted by redirect() */
	if ((__u64)(v->end - p) < ret->len)
		return PB_FRAME_MORE;
	return PB_FRAME_WHOLE;
}

/* The byte at @at of the frame, 0 behind its end. */
pb_inline __u32 pb_counter_byte(const struct pb_frame_view *v, const struct pb_frame *f, __u32 at)
{
	const __u8 *p = v->data + at;

	return at < f->len && p + 1 <= v->end ? *p : 0;
}

pb_inline __u32 pb_counter_verb(const struct pb_frame_view *v, const struct pb_frame *f)
{
	return pb_counter_byte(v, f, 4) << 16 | pb_counter_byte(v, f, 5) << 8 |
	       pb_counter_byte(v, f, 6);
}

#define PB_COUNTER_V(a, b, c) ((__u32)(a) << 16 | (__u32)(b) << 8 | (__u32)(c))

/* The name to ret->key, which is the key; its hash (FNV-1a), 0: there is none, or a too long one. */
pb_inline __u32 pb_counter_name(const struct pb_frame_view *v, const struct pb_frame *f,
				struct pb_frame_send *ret)
{
	__u32 hash = 0x811c9dc5u, i, c;

	if (pb_counter_byte(v, f, 7) != ' ')
		return 0;
	for (i = 0; i < PB_COUNTER_NAME; i++) {
		c = pb_counter_byte(v, f, 8 + i);
		if (!c || c == ' ')
			break;
		ret->key[i] = (__u8)c;
		hash = (hash ^ c) * 0x01000193u;
	}
	ret->key_len = i;
	c = pb_counter_byte(v, f, 8 + i);
	return i && (!c || c == ' ') ? hash | 1 : 0;
}

/* The name's server: its own if that is up, so that no counter is at two places. */
pb_inline int pb_counter_server(__u32 hash, const struct pb_frame_ens *e)
{
	__u32 i;

	if (!e->n)
		return PB_FRAME_NONE;
	i = hash % e->n;
	if (i >= PB_FRAME_SERVERS_MAX || !(e->server[i].flags & PB_FRAME_S_UP))
		return PB_FRAME_NONE;
	return (int)i;
}

pb_inline int pb_counter_redirect(const struct pb_frame_view *v, const struct pb_frame *f,
				  const struct pb_frame_ens *e, struct pb_frame_send *ret)
{
	__u32 verb = pb_counter_verb(v, f), hash;

	__builtin_memset(&ret->rtx, 0, sizeof(ret->rtx));
	ret->cut.n = 0;
	ret->touch = PB_FRAME_T_NONE;
	ret->mute = 0;
	ret->delay = 0;
	ret->lane = 0;
	ret->key_len = 0;
	if (verb == PB_COUNTER_V('s', 'u', 'm') && f->len == 7) {
		ret->rtx.v[0] = PB_COUNTER_SUM;
		return PB_FRAME_ALL;
	}
	if (verb == PB_COUNTER_V('a', 'd', 'd') || verb == PB_COUNTER_V('g', 'e', 't')) {
		hash = pb_counter_name(v, f, ret);
		ret->touch =
			verb == PB_COUNTER_V('a', 'd', 'd') ? PB_FRAME_T_WRITE : PB_FRAME_T_LOOK;
		if (hash)
			return pb_counter_server(hash, e);
		ret->touch = PB_FRAME_T_NONE;
		ret->key_len = 0;
	}
	return PB_FRAME_ANSWER;
}

/* A reply is one part. */
pb_inline int pb_counter_reply(const struct pb_frame_view *v, const struct pb_frame_rtx *rtx,
			       struct pb_frame *ret, struct pb_frame_cut *cut)
{
	int err = pb_counter_parse(v, ret);

	cut->n = 0;
	ret->flags = PB_FRAME_PART_LAST;
	if (rtx->v[0] == PB_COUNTER_SUM)
		ret->flags |= PB_FRAME_PART_HOLD;
	return err;
}

/* ---- what the switch says itself ---- */

pb_inline void pb_counter_say(struct pb_frame_out *o, const char *text, __u32 n)
{
	__u8 head[PB_COUNTER_HEAD] = { 0, 0, 0, (__u8)n };

	pb_frame_put(o, head, sizeof(head));
	pb_frame_put(o, text, n);
}

#define pb_counter_says(o, text) pb_counter_say(o, text, sizeof(text) - 1)

/* "ok TOTAL" */
pb_inline int pb_counter_total(const struct pb_frame_view *v, __u64 *ret)
{
	__u32 n = (__u32)(v->end - v->data);

	*ret = 0;
	if (n < 8 || n > PB_COUNTER_HEAD + 3 + 20 || v->data[4] != 'o' || v->data[5] != 'k')
		return 0;
	for (__u32 i = 7; i < n; i++) {
		if (v->data[i] < '0' || v->data[i] > '9')
			return 0;
		*ret = *ret * 10 + (v->data[i] - '0');
	}
	return 1;
}

pb_inline void pb_counter_ok(struct pb_frame_out *o, __u64 total)
{
	char text[3 + 20] = "ok ";
	__u32 n = 1;

	for (__u64 v = total; v > 9; v /= 10)
		n++;
	for (__u32 i = 0; i < n; i++, total /= 10)
		text[2 + n - i] = (char)('0' + total % 10);
	pb_counter_say(o, text, 3 + n);
}

#endif /* PB_PLUGIN_COUNTER_H */
