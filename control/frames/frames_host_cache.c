// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The steps that requests by TCP owe to the cache of the kernel programs (patchbay/mc_token.h), taken by
 * pb_mc_do under the locks of the kernel's own path, as the slow path of datagrams takes them
 * (control/memcached/proxy_call.c).
 */
#include <linux/bpf.h>
#include <time.h>

#include <bpf/bpf.h>

#include <patchbay/mc_digest.h>

#include "control/frames/frames_host_internal.h"
#include "control/sockaddr.h"
#include "control/util.h"

/* What touch_end() has to say; handle of the engine's. */
struct touch {
	uint64_t tag; /* 0: no end will be told */
	uint64_t digest;
	uint32_t number;
	bool all;
};

/* ---- steps --------------------------------------------------------------- */

static int step(struct frh_service *s, struct pb_mc_cmd *cmd)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = cmd, .data_size_in = sizeof(*cmd),
		    .repeat = 1);
	int err = bpf_prog_test_run_opts(s->do_fd, &o);

	if (!err)
		err = (int)o.retval;
	s->stats.tokens++;
	s->stats.tokens_failed += err != 0;
	return err;
}

/* Nobody else's within the life of a write: the kernel's have bit 63 clear, the agent's bit 62; those of
 * two processes differ in the pid, those of two runs with one pid in the time. */
static uint64_t new_tag(struct frh *h)
{
	if (!h->tag)
		h->tag = pb_now_ns() >> 10;
	h->tag = (h->tag + 1) & ((1ULL << 40) - 1);
	return 3ULL << 62 | ((uint64_t)getpid() & 0x3fffff) << 40 | h->tag;
}

static int begin_all(struct frh_service *s, const struct pb_frame_send *send, struct touch *t)
{
	struct pb_mc_cmd cmd = { .what = PB_MC_DO_WRITE_ALL, .service = s->conf.number };
	int err;

	t->all = true;
	if (send->touch == PB_FRAME_T_FLUSH && !send->mute)
		t->tag = new_tag(s->host);
	cmd.tag = t->tag;
	err = step(s, &cmd);
	if (err || send->touch != PB_FRAME_T_FLUSH || !send->delay)
		return err;
	cmd.what = PB_MC_DO_FLUSH_AT;
	cmd.tag = 0;
	cmd.when = pb_mc_flush_time(send->delay, pb_now_ns(), (uint64_t)time(NULL));
	return step(s, &cmd);
}

static int begin_key(struct frh_service *s, const struct pb_frame_send *send, struct touch *t)
{
	struct pb_mc_cmd cmd = { .what = PB_MC_DO_WRITE, .service = s->conf.number };

	if (send->touch == PB_FRAME_T_WRITE && !send->mute)
		t->tag = new_tag(s->host);
	t->digest = pb_mc_key_digest((const __u64 *)s->conf.key, send->key, send->key_len);
	cmd.tag = t->tag;
	cmd.digest = t->digest;
	return step(s, &cmd);
}

static int touch_begin(void *arg, const struct pb_frame_send *send, uint32_t server,
		       uint64_t *handle)
{
	struct frh_service *s = arg;
	struct touch *t;
	int err;

	(void)server;
	*handle = 0;
	if (!s->conf.cache)
		return 0;
	if (s->do_fd < 0)
		return -EOPNOTSUPP;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->number = s->conf.number;
	if (send->key_len && (send->touch == PB_FRAME_T_WRITE || send->touch == PB_FRAME_T_MUTE))
		err = begin_key(s, send, t);
	else
		err = begin_all(s, send, t);
	if (err || !t->tag) { /* no end to tell */
		free(t);
		return err;
	}
	*handle = (uint64_t)(uintptr_t)t;
	return 0;
}

/* An end that was not seen: what was sent may still come true, for the life of a write from now on. */
static void touch_end(void *arg, uint64_t handle, bool seen)
{
	_cleanup_free_ struct touch *t = (struct touch *)(uintptr_t)handle;
	struct frh_service *s = arg;
	struct pb_mc_cmd cmd;

	if (!t)
		return;
	s->stats.unseen += !seen;
	if (s->do_fd < 0)
		return;
	cmd = (struct pb_mc_cmd){ .service = t->number, .digest = t->digest };
	if (seen) {
		cmd.what = t->all ? PB_MC_DO_WRITTEN_ALL : PB_MC_DO_WRITTEN;
		cmd.tag = t->tag;
	} else {
		cmd.what = t->all ? PB_MC_DO_WRITE_ALL : PB_MC_DO_WRITE;
	}
	step(s, &cmd);
}

/* ---- reading ------------------------------------------------------------- */

static bool lookup(void *arg, const void *key, uint32_t key_len, struct pb_frame_view *ret)
{
	struct frh_service *s = arg;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = &s->get, .data_size_in = sizeof(s->get),
		    .data_out = &s->get, .data_size_out = sizeof(s->get), .repeat = 1);

	if (!s->conf.cache || s->do_fd < 0 || !key_len || key_len > PB_MC_KEY_MAX)
		return false;
	s->stats.lookups++;
	s->get.cmd = (struct pb_mc_cmd){ .what = PB_MC_DO_GET,
					 .service = s->conf.number,
					 .tag = key_len };
	memcpy(s->get.room, key, key_len);
	if (bpf_prog_test_run_opts(s->do_fd, &o) || (int)o.retval <= 0 || o.retval > PB_MC_DATA_MAX)
		return false;
	ret->data = s->get.room;
	ret->end = s->get.room + o.retval;
	return true;
}

/* ---- who may come -------------------------------------------------------- */

static bool accept_from(void *arg, const struct sockaddr *from)
{
	struct frh_service *s = arg;
	struct pb_addr a;

	pb_from_sockaddr(from, &a);
	if (frw_allowed(&s->conf, &a))
		return true;
	s->stats.refused_source++;
	return false;
}

const struct fio_host frh_hooks = {
	.touch_begin = touch_begin,
	.touch_end = touch_end,
	.lookup = lookup,
	.accept = accept_from,
};
