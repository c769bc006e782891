/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sources of datagrams that are the agent's: pb_udp_src, pb_udp_virt, and whose its sockets are. */
#include <bpf/bpf.h>

#include "maps_internal.h"
#include "util.h"

int pb_maps_own_socket(struct pb_maps *m, int fd, uint64_t ref, uint64_t netns)
{
	struct pb_sock s = {
		.version = PB_SK_VERSION, .proto = PB_PROTO_UDP, .app = ref, .netns = netns
	};

	return pb_map_put(PB_FD(m, pb_socks), &fd, &s, BPF_ANY);
}

int pb_maps_put_source(struct pb_maps *m, const struct pb_udp_key *real,
		       const struct pb_udp_key *shown, uint64_t ref)
{
	struct pb_udp_virt back = { .app = ref, .addr = real->addr, .port = real->port };
	struct pb_udp_src src = { .app = ref, .addr = shown->addr, .port = shown->port };
	int err = pb_map_put(PB_FD(m, pb_udp_virt), shown, &back, BPF_ANY);

	return err ? err : pb_map_put(PB_FD(m, pb_udp_src), real, &src, BPF_ANY);
}

int pb_maps_del_source(struct pb_maps *m, const struct pb_udp_key *real,
		       const struct pb_udp_key *shown)
{
	int err = pb_map_del(PB_FD(m, pb_udp_src), real);

	return err ? err : pb_map_del(PB_FD(m, pb_udp_virt), shown);
}

struct sweep {
	bool (*keep)(const struct pb_udp_key *real, uint64_t ref, void *arg);
	void *arg;
	struct pair {
		struct pb_udp_key real, shown;
	} * gone;
	size_t n;
};

static int look(const void *key, const void *value, void *arg)
{
	const struct pb_udp_src *src = value;
	struct pb_udp_key real;
	struct sweep *s = arg;
	struct pair *more;

	memcpy(&real, key, sizeof(real));
	if (!(src->app & PB_REF_SWITCH) || src->app >> 63 || s->keep(&real, src->app, s->arg))
		return 0;
	more = reallocarray(s->gone, s->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->gone = more;
	more[s->n++] =
		(struct pair){ real, (struct pb_udp_key){ .addr = src->addr, .port = src->port } };
	return 0;
}

int pb_maps_sweep_sources(struct pb_maps *m,
			  bool (*keep)(const struct pb_udp_key *real, uint64_t ref, void *arg),
			  void *arg)
{
	struct sweep s = { .keep = keep, .arg = arg };
	int err = pb_map_walk(PB_FD(m, pb_udp_src), look, &s);

	for (size_t i = 0; !err && i < s.n; i++)
		err = pb_maps_del_source(m, &s.gone[i].real, &s.gone[i].shown);
	free(s.gone);
	return err ? err : (int)s.n;
}
