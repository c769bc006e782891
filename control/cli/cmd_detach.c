/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Everything out of the kernel, and what that opens.  Works without the agent. */
#include "cli.h"

#include <patchbay/names.h>

#include "../../loader/loader.h"
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

	if (pins_lookup(s->c->bpffs, "pb_apps", &ref, &app))
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
		pins_lookup(s->c->bpffs, "pb_endpoints", &p->ep, &ep);
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

	err = pins_each(s->c->bpffs, "pb_ports", sizeof(struct pb_port_key), sizeof(struct pb_port),
			note_port, s);
	if (err)
		return err;
	return pins_each(s->c->bpffs, "pb_apps", sizeof(uint64_t), sizeof(struct pb_app), note_app,
			 s);
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

static void warn_of_agent(const struct cli *c)
{
	struct pins_state s;
	uint64_t now = pb_now_ns();

	pins_look(c->bpffs, &s);
	if (s.beat && s.last.time_ns && now - s.last.time_ns < PB_BEAT_STALE_NS)
		fprintf(stderr,
			"patchbay: the agent (pid %u) still runs and may attach again: stop it first\n",
			s.last.pid);
}

/* 0: go on; else the exit code. */
static int consent(const struct cli *c, const struct cli_args *a)
{
	char answer[8] = "";

	if (cli_given(a, "yes"))
		return CLI_OK;
	if (c->json || !isatty(STDIN_FILENO))
		return cli_error(c, CLI_USAGE, EINVAL, "nobody can be asked here: add --yes");
	fprintf(stderr, "Detach everything? [y/N] ");
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
		return cli_error(c, CLI_NO, ECANCELED, "nothing was changed");
	return CLI_OK;
}

static int detach(const struct cli *c, const struct survey *s)
{
	json_auto_t *out = NULL;
	unsigned removed = 0;
	int err = pb_loader_detach_all(c->bpffs, &removed);

	if (err && err != -ENOENT)
		return cli_error(c, err == -EPERM || err == -EACCES ? CLI_PRIV : CLI_NO, -err,
				 "cannot remove everything below %s/%s: %s", c->bpffs, PB_PIN_DIR,
				 strerror(-err));
	if (!c->json) {
		if (removed)
			printf("removed %u links and maps\n", removed);
		else
			puts("nothing to do");
		return CLI_OK;
	}
	out = json_pack("{s:i,s:O,s:O}", "removed", (int)removed, "opens", s->opens, "apps",
			s->apps);
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
	if (!opens || !apps)
		return cli_oom(c);
	err = look(&s);
	if (!c->json)
		say(&s, err);
	warn_of_agent(c);
	code = consent(c, a);
	return code ? code : detach(c, &s);
}
