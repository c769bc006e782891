// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Serf's part of a push/pull, and in it ours: a key that Serf does not know and skips. */
#include "swim_internal.h"

#define STATUS_CAP 16 /* of a name and an LTime, besides the name */
#define SYNC_CAP 256  /* of the rest, besides lists and digest */

static int fill_lists(const struct swim *s, struct gsp_list *status, struct gsp_list *left)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct swim_member *m = s->all[i];
		struct gsp_serf_status st = { swim_name(m), m->ltime };
		int err = gsp_list_add_status(status, &st);

		if (!err && m->state == GSP_STATE_LEFT)
			err = gsp_list_add_bytes(left, swim_name(m));
		if (err)
			return err;
	}
	return 0;
}

/* It begins with our name: a connection's port does not say whose it is.  Without a digest the key
 * still says that we are one of ours. */
static struct gsp_bytes our_digest(struct swim *s, uint8_t *buf)
{
	struct gsp_bytes name = swim_name(s->me);
	size_t n = 0;

	buf[0] = (uint8_t)name.n;
	memcpy(buf + 1, name.p, name.n);
	if (s->conf.ops->digest)
		n = s->conf.ops->digest(s->conf.arg, buf + 1 + name.n, SWIM_DIGEST_MAX);
	return (struct gsp_bytes){ buf, 1 + name.n + (n <= SWIM_DIGEST_MAX ? (uint32_t)n : 0) };
}

int swim_serf_state(struct swim *s, uint8_t **ret, size_t *ret_n)
{
	size_t cap = SYNC_CAP,
	       digest_cap = 1 + GSP_NAME_MAX + (s->conf.ops->digest ? SWIM_DIGEST_MAX : 0);
	_cleanup_free_ uint8_t *status = NULL, *left = NULL, *digest = NULL, *buf = NULL;
	struct gsp_serf_sync sync = { .ltime = s->serf.clock,
				      .event_ltime = s->serf.event_clock,
				      .query_ltime = s->serf.query_clock };
	uint8_t none;
	int err;

	for (uint32_t i = 0; i < s->n; i++)
		cap += STATUS_CAP + s->all[i]->name_len;
	status = malloc(cap);
	left = malloc(cap);
	digest = malloc(digest_cap);
	if (!status || !left || !digest)
		return -ENOMEM;
	sync.status = GSP_LIST(status, (uint32_t)cap);
	sync.left = GSP_LIST(left, (uint32_t)cap);
	sync.events = GSP_LIST(&none, 0);
	err = fill_lists(s, &sync.status, &sync.left);
	if (err)
		return err;
	if (s->me->ours)
		sync.digest = our_digest(s, digest);
	cap = SYNC_CAP + sync.status.n + sync.left.n + sync.digest.n;
	buf = malloc(cap);
	if (!buf)
		return -ENOMEM;
	err = gsp_serf_sync_encode(&sync, buf, cap);
	if (err < 0)
		return err;
	*ret_n = (size_t)err;
	*ret = TAKE_PTR(buf);
	return 0;
}

/* Those who left come first: a join has the last word. */
static void merge_intents(struct swim *s, const struct gsp_serf_sync *sync)
{
	struct gsp_list rest = sync->left;
	struct gsp_serf_status st;
	struct swim_member *m;
	struct gsp_bytes name;

	if (sync->left.count > SWIM_SYNC_NODES(s) || sync->status.count > SWIM_SYNC_NODES(s)) {
		s->stats.bad++;
		return;
	}
	while (gsp_list_take_bytes(&rest, &name)) {
		m = swim_get(s, name);
		if (m)
			m->marked = true;
	}
	for (rest = sync->status; gsp_list_take_status(&rest, &st);) {
		m = swim_get(s, st.node);
		if (m && m->marked)
			swim_on_intent(s, st.ltime, st.node, true, false, false);
	}
	for (rest = sync->status; gsp_list_take_status(&rest, &st);) {
		m = swim_get(s, st.node);
		if (m && !m->marked)
			swim_on_intent(s, st.ltime, st.node, false, false, false);
	}
	for (rest = sync->left; gsp_list_take_bytes(&rest, &name);) {
		m = swim_get(s, name);
		if (m)
			m->marked = false;
	}
}

static void merge_digest(struct swim *s, const struct swim_addr *from, struct gsp_bytes digest)
{
	size_t name = digest.n ? 1u + digest.p[0] : 0;
	struct swim_addr who = *from;

	if (name > digest.n) {
		s->stats.bad++;
		return;
	}
	if (name == digest.n || !s->conf.ops->merge)
		return;
	swim_sender(s, (struct gsp_bytes){ digest.p + 1, digest.p[0] }, &who);
	s->conf.ops->merge(s->conf.arg, &who,
			   (struct gsp_bytes){ digest.p + name, digest.n - (uint32_t)name });
}

void swim_serf_merge(struct swim *s, const struct swim_addr *from, struct gsp_bytes user,
		     bool *ret_ours)
{
	struct gsp_serf_sync sync;

	if (gsp_serf_sync_decode(&sync, user.p, user.n) < 0) {
		s->stats.bad++;
		return;
	}
	if (sync.ltime)
		swim_witness(&s->serf.clock, sync.ltime - 1);
	if (sync.event_ltime)
		swim_witness(&s->serf.event_clock, sync.event_ltime - 1);
	if (sync.query_ltime)
		swim_witness(&s->serf.query_clock, sync.query_ltime - 1);
	merge_intents(s, &sync);
	*ret_ours = sync.digest.p;
	merge_digest(s, from, sync.digest);
}
