/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of resolvers that the kernel fills: keeps rows free.  A row is given back in two
 * steps.  First programs no longer find it; those that just did go on for SETTLE_MS.  Then it
 * gets another port, since a socket may be connected to the old one for hours and must not reach
 * whatever resolver the row stands for next, and may be taken again.
 */
#include <netinet/in.h>

#include <patchbay/addr.h>

#include "agent.h"
#include "resolver_pick.h"
#include "util.h"

#define LOOK_MS 10000
#define LOOK_BUSY_MS 2000 /* while the table is full or a row is on its way back */
/* A row nobody finds goes back after that; hooks take microseconds, also from row to key. */
#define SETTLE_MS 2000
#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLVED_STUB 0x7f000035 /* 127.0.0.53 of systemd-resolved */
#define N_PINS (MAXNS + 1)

static struct {
	struct pb_addr pin[N_PINS];
	unsigned n_pins;
	uint64_t since_ms[PB_RESOLVERS]; /* seen used since then; 0: free */
	uint64_t lost_ms[PB_RESOLVERS];	 /* nobody finds it since then; 0: known, or free */
} table;

/* ---- ports ------------------------------------------------------------------ */

/* Admitted for any managed program, then named to the kernel. */
static int publish(struct pb_agent *a, uint32_t index)
{
	__be16 port = pb_names_port(a->names, index);
	int err = 0;

	for (int v6 = 0; port && v6 <= pb_names_has_v6(a->names) && !err; v6++) {
		err = pb_maps_put_dns_port(a->maps, port, PB_PROTO_UDP, v6, index);
		if (!err)
			err = pb_maps_put_dns_port(a->maps, port, PB_PROTO_TCP, v6, index);
	}
	return err ? err : pb_maps_set_resolver_port(a->maps, index, port);
}

static void unpublish(struct pb_agent *a, uint32_t index)
{
	__be16 port = pb_names_port(a->names, index);

	for (int v6 = 0; port && v6 <= 1; v6++) {
		pb_maps_del_dns_port(a->maps, port, PB_PROTO_UDP, v6);
		pb_maps_del_dns_port(a->maps, port, PB_PROTO_TCP, v6);
	}
}

/* ---- the system's own resolvers ---------------------------------------------- */

static void read_pins(void)
{
	_cleanup_fclose_ FILE *f = fopen(RESOLV_CONF, "re");

	table.pin[0] = pb_addr_v4(htonl(RESOLVED_STUB));
	if (f) /* one that is being replaced: those of the last look stay */
		table.n_pins = 1 + pb_resolver_conf(f, table.pin + 1);
	else if (!table.n_pins)
		table.n_pins = 1;
}

static bool pinned(const struct pb_resolver *r)
{
	for (unsigned i = 0; i < table.n_pins; i++)
		if (r->port == htons(53) && pb_addr_eq(&r->addr, &table.pin[i]))
			return true;
	return false;
}

static void seed(struct pb_agent *a)
{
	for (unsigned i = 0; i < table.n_pins; i++)
		if (pb_maps_learn_resolver(a->maps, &table.pin[i], htons(53)))
			log_debug("a resolver of " RESOLV_CONF " finds no room yet");
}

/* ---- rows -------------------------------------------------------------------- */

static void look_at(struct pb_agent *a, uint32_t i, uint64_t now, struct pb_resolver_row *ret)
{
	uint64_t last = pb_names_used_ms(a->names, i);
	struct pb_resolver r;

	*ret = (struct pb_resolver_row){ .used = false };
	if (pb_maps_get_resolver(a->maps, i, &r) || !r.used) {
		table.since_ms[i] = table.lost_ms[i] = 0;
		return;
	}
	if (!table.since_ms[i])
		table.since_ms[i] = now;
	if (last < table.since_ms[i])
		last = table.since_ms[i];
	ret->used = true;
	ret->known = pb_maps_resolver_known(a->maps, i, &r) != 0;
	ret->pinned = pinned(&r);
	ret->idle_ms = now > last ? now - last : 0;
	if (ret->known)
		table.lost_ms[i] = 0;
	else if (!table.lost_ms[i])
		table.lost_ms[i] = now;
}

static int give_back(struct pb_agent *a, uint32_t index)
{
	int err, again;

	unpublish(a, index);
	err = pb_names_renew(a->names, index);
	again = publish(a, index);
	if (!err)
		err = again;
	if (!err)
		err = pb_maps_free_resolver(a->maps, index);
	if (err)
		log_debug("resolver %u: no new port (%s), tried again", index, strerror(-err));
	return err;
}

static void evict(struct pb_agent *a, uint32_t rows, uint64_t now)
{
	for (uint32_t i = 0; i < PB_RESOLVERS; i++) {
		struct pb_resolver r;

		if ((rows & (1u << i)) && !pb_maps_get_resolver(a->maps, i, &r) &&
		    !pb_maps_forget_resolver(a->maps, &r))
			table.lost_ms[i] = now;
	}
}

/* Returns when to look again. */
static uint64_t settle(struct pb_agent *a, uint64_t now)
{
	struct pb_resolver_row row[PB_RESOLVERS];
	unsigned used = 0, lost = 0;

	for (uint32_t i = 0; i < PB_RESOLVERS; i++) {
		look_at(a, i, now, &row[i]);
		if (table.lost_ms[i] && now - table.lost_ms[i] >= SETTLE_MS && !give_back(a, i))
			look_at(a, i, now, &row[i]);
	}
	evict(a, pb_resolver_pick(row), now);
	seed(a);
	for (uint32_t i = 0; i < PB_RESOLVERS; i++) {
		used += row[i].used;
		lost += table.lost_ms[i] != 0;
	}
	pb_agent_warn(a, PB_W_RESOLVERS, used == PB_RESOLVERS);
	return used == PB_RESOLVERS || lost ? LOOK_BUSY_MS : LOOK_MS;
}

static void on_look(uv_timer_t *t)
{
	pb_resolver_look(t->data);
}

void pb_resolver_look(struct pb_agent *a)
{
	if (!a->names)
		return;
	uv_update_time(&a->loop);
	read_pins();
	if (pb_maps_sweep_resolvers(a->maps) < 0)
		log_debug("the table of resolvers cannot be read");
	uv_timer_start(&a->resolvers, on_look, settle(a, uv_now(&a->loop)), 0);
}

int pb_resolver_publish(struct pb_agent *a)
{
	int err = 0;

	for (uint32_t i = 0; i < PB_RESOLVERS && !err; i++)
		err = publish(a, i);
	return err;
}
