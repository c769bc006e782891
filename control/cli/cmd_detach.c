/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Everything out of the kernel, and what that opens.  Works without the agent. */
#include "cli.h"

#include <patchbay/names.h>

#include "../../loader/loader.h"
#include "../frames/frames_wire.h"
#include "../maps.h"
#include "../route.h"
#include "../util.h"
#include "pins.h"

struct survey {
	const struct cli *c;
	json_t *opens; /* of objects */
	json_t *apps;  /* of names */
};

static void name_of(const struct survey *s, uint64_t ref, char buf[PB_NAME_LEN])
{
	struct pb_app app;

	if (pb_pin_lookup(s->c->bpffs, "pb_apps", &ref, &app))
		snprintf(buf, PB_NAME_LEN, "?");
	else
		snprintf(buf, PB_NAME_LEN, "%.63s", app.name);
}

static int note_port(const void *key, const void *value, void *arg)
{
	const struct pb_port_key *k = key;
	const struct pb_port *p = value;
	struct pb_endpoint ep = { 0 };
	struct survey *s = arg;
	char name[PB_NAME_LEN];
	json_t *o;

	/* The resolver's port is the agent's own and answers managed programs only by policy. */
	if (p->flags & PB_PORT_DNS)
		return 0;
	name_of(s, p->app, name);
	if (p->ep)
		pb_pin_lookup(s->c->bpffs, "pb_endpoints", &p->ep, &ep);
	o = json_pack("{s:i,s:s,s:i,s:s,s:i,s:b}", "real_port", ntohs(k->port), "proto",
		      k->proto == PB_PROTO_UDP ? "udp" : "tcp", "family", k->v6 ? 6 : 4, "app",
		      name, "port", ntohs(ep.port), "loopback", !!(p->flags & PB_PORT_LOOP));
	return o && !json_array_append_new(s->opens, o) ? 0 : -ENOMEM;
}

static int note_app(const void *key, const void *value, void *arg)
{
	const struct pb_app *app = value;
	struct survey *s = arg;
	char name[PB_NAME_LEN];

	(void)key;
	snprintf(name, sizeof(name), "%.63s", app->name);
	return json_array_append_new(s->apps, json_string(name)) ? -ENOMEM : 0;
}

static int look(struct survey *s)
{
	int err;

	err = pb_pin_each(s->c->bpffs, "pb_ports", sizeof(struct pb_port_key),
			  sizeof(struct pb_port), note_port, s);
	if (err)
		return err;
	return pb_pin_each(s->c->bpffs, "pb_apps", sizeof(uint64_t), sizeof(struct pb_app),
			   note_app, s);
}

static void say(const struct survey *s, int err)
{
	const json_t *o;
	size_t i;

	if (err && err != -ENOENT)
		fprintf(stderr,
			"patchbay: cannot read the maps, so what becomes open is not known: %s\n",
			strerror(-err));
	json_array_foreach (s->opens, i, o) {
		char app[PB_NAME_LEN];

		snprintf(app, sizeof(app), "%s", cli_str(o, "app"));
		cli_clean(app);
		printf("opens: %s port %lld (IPv%lld), where %s serves its port %lld, to %s\n",
		       cli_str(o, "proto"), cli_int(o, "real_port"), cli_int(o, "family"), app,
		       cli_int(o, "port"),
		       json_is_true(json_object_get(o, "loopback"))
			       ? "every program of this host"
			       : "everybody who reaches this host");
	}
	if (json_array_size(s->apps))
		printf("%zu running applications lose their names, addresses and policy; their new "
		       "connections go where the kernel sends them\n",
		       json_array_size(s->apps));
}

/* An agent that lives attaches again what goes.  0: go on; else the exit code. */
static int check_agent(const struct cli *c, const struct cli_args *a)
{
	pid_t pid = pb_loader_owner(c->bpffs);

	if (!pid)
		return CLI_OK;
	if (!cli_given(a, "force"))
		return cli_error(c, CLI_NO, EBUSY,
				 "the agent (pid %d) runs and would attach everything again: stop "
				 "it first, or add --force",
				 pid);
	if (!c->json)
		fprintf(stderr,
			"patchbay: the agent (pid %d) runs and may attach everything again\n", pid);
	return CLI_OK;
}

/* 0: go on; else the exit code. */
static int consent(const struct cli *c, const struct cli_args *a)
{
	char answer[8] = "";

	if (cli_given(a, "yes"))
		return CLI_OK;
	fprintf(stderr, "Detach everything? [y/N] ");
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
		return cli_error(c, CLI_NO, ECANCELED, "nothing was changed");
	return CLI_OK;
}

static int exit_of(int err)
{
	return err == -EPERM || err == -EACCES ? CLI_PRIV : CLI_NO;
}

/* The agent's routes for the pools: pb_config, as long as it is there, tells which.  Those of an
 * agent in another network namespace are not found here. */
static int remove_routes(const struct cli *c, unsigned *ret_n)
{
	struct pb_config conf;
	uint32_t zero = 0;
	int n4 = 0, n6 = 0;

	if (pb_pin_lookup(c->bpffs, "pb_config", &zero, &conf))
		return 0;
	if (conf.pool4_bits)
		n4 = pb_route_remove(&conf.pool4, conf.pool4_bits);
	if (conf.pool6_bits)
		n6 = pb_route_remove(&conf.pool6, conf.pool6_bits);
	if (n4 < 0 || n6 < 0)
		return n4 < 0 ? n4 : n6;
	*ret_n = (unsigned)(n4 + n6);
	return 0;
}

/* Routes first: once the maps are gone nothing tells them, and a second try finds the rest. */
static int detach(const struct cli *c, const struct survey *s)
{
	json_auto_t *out = NULL;
	unsigned removed = 0, routes = 0;
	int err = remove_routes(c, &routes);

	if (err)
		return cli_error(
			c, exit_of(err), -err,
			"cannot remove the unreachable route of the pool: %s; nothing else "
			"was changed",
			strerror(-err));
	/* Spliced connections go back to TCP while the programs can still be told. */
	err = pb_pin_splice_off(c->bpffs);
	if (err && err != -ENOENT && err != -EPROTO)
		return cli_error(c, exit_of(err), -err,
				 "cannot send spliced connections back to TCP: %s; no hook and no "
				 "map was removed",
				 strerror(-err));
	err = pb_loader_detach_all(c->bpffs, &removed);
	if (err && err != -ENOENT)
		return cli_error(c, exit_of(err), -err, "cannot remove everything below %s/%s: %s",
				 c->bpffs, PB_PIN_DIR, strerror(-err));
	if (frw_stop(c->run_dir))
		fprintf(stderr, "patchbay: patchbay-frames goes on and cannot be told to end\n");
	if (!c->json) {
		if (removed)
			printf("removed %u links and maps, and %u routes\n", removed, routes);
		else
			puts("nothing to do");
		return CLI_OK;
	}
	out = json_pack("{s:i,s:i,s:O,s:O}", "removed", (int)removed, "routes", (int)routes,
			"opens", s->opens, "apps", s->apps);
	return out ? cli_print_json(c, out) : cli_oom(c);
}

int cmd_detach(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *opens = json_array(), *apps = json_array();
	struct survey s = { .c = c, .opens = opens, .apps = apps };
	int code, err;

	if (!cli_given(a, "all"))
		return cli_error(c, CLI_USAGE, EINVAL,
				 "'detach' needs --all: it takes everything out");
	if (!cli_given(a, "yes") && (c->json || !isatty(STDIN_FILENO)))
		return cli_error(c, CLI_USAGE, EINVAL, "nobody can be asked here: add --yes");
	if (!opens || !apps)
		return cli_oom(c);
	code = check_agent(c, a);
	if (code)
		return code;
	err = look(&s);
	if (!c->json)
		say(&s, err);
	code = consent(c, a);
	return code ? code : detach(c, &s);
}
