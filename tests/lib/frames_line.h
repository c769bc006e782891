/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A protocol of lines, for tests of the frame engine.  S is a server's digit.
 *	S text		to that server
 *	s text		(a..j) the same by the other lane
 *	*text		to all, and all is written to; the answers between < and >
 *	+SSS text	to each of these, one after the other, and "end" last
 *	!text		answered at once		-text	no answer	q	"bye", and the end
 *	#S N		N more bytes follow, for the server
 *	wS key, rS key	a write, a read
 *	mS text		no answer comes
 * Anything else makes no sense.  Servers say:
 *	=text		the answer, without the '='	~text	nothing for the client, and the end
 *	.text		the same, and more follows	^text	refused
 *	$N		N bytes follow, all for the client	/text	"(", the text, ")"
 */
#ifndef PB_TEST_FRAMES_LINE_H
#define PB_TEST_FRAMES_LINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <patchbay/frame.h>

#define LINE_MAX_LEN 64

static unsigned line_retired, line_conns;
static int line_tells; /* errors tell whose they are */

static inline const __u8 *line_end(const struct pb_frame_view *v)
{
	return memchr(v->data, '\n', (size_t)(v->end - v->data));
}

static inline __u64 line_number(const __u8 *p)
{
	__u64 n = 0;

	while (*p >= '0' && *p <= '9')
		n = n * 10 + *p++ - '0';
	return n;
}

static inline int line_parse(const struct pb_frame_view *v, struct pb_frame_conn *c, void *work,
			     struct pb_frame *ret)
{
	const __u8 *end = line_end(v);

	(void)c;
	(void)work;
	if (!end)
		return PB_FRAME_MORE;
	if (!strchr("0123456789abcdefghij*+!-q#wrm", *v->data) || end == v->data)
		return -1;
	ret->head = (__u32)(end + 1 - v->data);
	ret->len = ret->head;
	if (*v->data == '#')
		ret->len += line_number(v->data + 3);
	return PB_FRAME_WHOLE;
}

static inline int line_to(const struct pb_frame_ens *e, int server)
{
	if (server < 0 || (__u32)server >= e->n || !(e->server[server].flags & PB_FRAME_S_UP))
		return PB_FRAME_NONE;
	return server;
}

static inline void line_key(const __u8 *p, struct pb_frame_send *ret)
{
	while (ret->key_len < PB_FRAME_KEY_MAX && p[ret->key_len] != '\n') {
		ret->key[ret->key_len] = p[ret->key_len];
		ret->key_len++;
	}
}

static inline int line_redirect(const struct pb_frame_view *v, const struct pb_frame *f,
				struct pb_frame_conn *c, const struct pb_frame_ens *e, void *work,
				struct pb_frame_send *ret)
{
	__u8 b = *v->data, to = f->head > 2 ? v->data[1] : 0;

	(void)c;
	(void)work;
	ret->rtx.v[0] = b;
	snprintf((char *)&ret->rtx.v[1], 24, "%.*s", (int)(f->head - 2), v->data + 1);
	switch (b) {
	case '*': ret->touch = PB_FRAME_T_FLUSH; return PB_FRAME_ALL;
	case '+': return PB_FRAME_SPLIT;
	case '!': return PB_FRAME_ANSWER;
	case '-': return PB_FRAME_DROP;
	case 'q': return PB_FRAME_BYE;
	case 'm':
		ret->mute = 1;
		ret->touch = PB_FRAME_T_MUTE;
		return line_to(e, to - '0');
	case '#': return line_to(e, to - '0');
	case 'w':
	case 'r':
		ret->touch = b == 'w' ? PB_FRAME_T_WRITE : PB_FRAME_T_READ;
		line_key(v->data + 3, ret);
		return line_to(e, to - '0');
	default: break;
	}
	ret->lane = b >= 'a';
	return line_to(e, b >= 'a' ? b - 'a' : b - '0');
}

static inline int line_split(const struct pb_frame_view *v, const struct pb_frame *f,
			     struct pb_frame_conn *c, const struct pb_frame_ens *e, void *work,
			     __u32 i, struct pb_frame_send *ret)
{
	const __u8 *space = memchr(v->data, ' ', f->head);
	__u32 n = space ? (__u32)(space - v->data) - 1 : 0;

	(void)c;
	(void)work;
	ret->rtx.v[0] = '+';
	if (i > n)
		return PB_FRAME_END;
	if (i == n) {
		strcpy((char *)&ret->rtx.v[1], "end");
		return PB_FRAME_ANSWER;
	}
	/* the digit, and the text */
	ret->rtx.v[1] = v->data[1 + i];
	ret->cut.n = 2;
	ret->cut.range[0] = (struct pb_frame_range){ .off = 1 + i, .len = 1 };
	ret->cut.range[1] = (struct pb_frame_range){ .off = 1 + n, .len = f->len - 1 - n };
	return line_to(e, v->data[1 + i] - '0');
}

static inline int line_reply(const struct pb_frame_view *v, struct pb_frame_rtx *rtx, void *work,
			     struct pb_frame *ret, struct pb_frame_cut *cut)
{
	const __u8 *end = line_end(v);
	__u64 head;

	(void)work;
	if (!end)
		return PB_FRAME_MORE;
	head = (__u64)(end + 1 - v->data);
	ret->len = head;
	ret->flags = *v->data == '.' ? 0 : PB_FRAME_PART_LAST;
	if (rtx->v[0] == '*')
		ret->flags |= PB_FRAME_PART_HOLD;
	cut->n = 1;
	cut->range[0] = (struct pb_frame_range){ .off = 1, .len = head - 1 };
	switch (*v->data) {
	case '.':
	case '=': return PB_FRAME_WHOLE;
	case '~': ret->flags |= PB_FRAME_PART_SKIP; return PB_FRAME_WHOLE;
	case '^': ret->flags = PB_FRAME_PART_FAILED; return PB_FRAME_WHOLE;
	case '$':
		ret->len += line_number(v->data + 1);
		cut->range[0] = (struct pb_frame_range){ .off = head, .len = ret->len - head };
		return PB_FRAME_WHOLE;
	case '/':
		memcpy(cut->lit, "()\n", 3);
		cut->n = 3;
		cut->range[0] = (struct pb_frame_range){ .len = 1, .kind = PB_FRAME_LITERAL };
		cut->range[1] = (struct pb_frame_range){ .off = 1, .len = head - 2 };
		cut->range[2] =
			(struct pb_frame_range){ .off = 1, .len = 2, .kind = PB_FRAME_LITERAL };
		return PB_FRAME_WHOLE;
	default: return -1;
	}
}

static inline void line_hit(const struct pb_frame_view *value, struct pb_frame_rtx *rtx,
			    struct pb_frame_out *o)
{
	(void)rtx;
	pb_frame_put(o, value->data, (__u32)(value->end - value->data));
}

static inline void line_merge(struct pb_frame_rtx *rtx, const struct pb_frame_held *h, __u32 n,
			      void *work, struct pb_frame_out *o)
{
	(void)rtx;
	(void)work;
	for (__u32 i = 0; i < n; i++) {
		__u32 len = (__u32)(h[i].view.end - h[i].view.data);

		pb_frame_put(o, "<", 1);
		if (h[i].failed)
			pb_frame_put(o, &(char){ (char)('0' + h[i].failed - 1) }, 1);
		else
			pb_frame_put(o, h[i].view.data, len - 1);
		pb_frame_put(o, ">", 1);
	}
	pb_frame_put(o, "\n", 1);
}

static inline void line_answer(const struct pb_frame_view *v, const struct pb_frame *f,
			       struct pb_frame_conn *c, struct pb_frame_rtx *rtx,
			       struct pb_frame_out *o)
{
	const char *text = f ? (const char *)&rtx->v[1] : "what";

	(void)v;
	(void)c;
	if (f && rtx->v[0] == 'q')
		text = "bye";
	pb_frame_put(o, text, (__u32)strlen(text));
	pb_frame_put(o, "\n", 1);
}

/* Half a line cannot be mended; whole ones can be followed by an error. */
static inline int line_fail(struct pb_frame_conn *c, struct pb_frame_rtx *rtx,
			    enum pb_frame_why why, int begun, struct pb_frame_out *o)
{
	char text[40], who[26] = "";

	(void)c;
	if (line_tells)
		snprintf(who, sizeof(who), "%c%.23s", (char)rtx->v[0], (const char *)&rtx->v[1]);
	pb_frame_put(o, text, (__u32)snprintf(text, sizeof(text), "E%u%s\n", why, who));
	return begun == 2;
}

static inline int line_add_conn(struct pb_frame_conn *c)
{
	(void)c;
	line_conns++;
	return 0;
}

static inline void line_rm_conn(struct pb_frame_conn *c)
{
	(void)c;
	line_conns--;
}

static inline void line_retire(struct pb_frame_rtx *rtx)
{
	(void)rtx;
	line_retired++;
}

static const struct pb_frame_plugin line_plugin = {
	.name = "line",
	.abi = PB_FRAME_ABI,
	.max_head = LINE_MAX_LEN,
	.max_merge = 4096,
	.add_conn = line_add_conn,
	.rm_conn = line_rm_conn,
	.parse = line_parse,
	.redirect = line_redirect,
	.split = line_split,
	.reply = line_reply,
	.hit = line_hit,
	.merge = line_merge,
	.answer = line_answer,
	.fail = line_fail,
	.retire = line_retire,
};

#endif /* PB_TEST_FRAMES_LINE_H */
