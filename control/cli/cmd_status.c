/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli.h"

#include "../util.h"
#include "ctl.h"
#include "pins.h"
#include "table.h"

/* ---- the agent answers ---- */

static void print_links(const json_t *links)
{
	size_t i, alive = 0, current = 0;
	const json_t *l;

	json_array_foreach (links, i, l) {
		alive += json_is_true(json_object_get(l, "alive"));
		current += json_is_true(json_object_get(l, "current"));
	}
	cli_line("links", "%zu of %zu alive, %zu of this build", alive, json_array_size(links),
		 current);
	json_array_foreach (links, i, l)
		if (!json_is_true(json_object_get(l, "alive")))
			cli_line("dead link", "%s", cli_str(l, "name"));
}

static char *fill_percent(const json_t *item, const char *field)
{
	long long n = cli_int(item, "entries"), max = cli_int(item, "max");
	char *text = NULL;

	(void)field;
	return max <= 0 || asprintf(&text, "%lld", n * 100 / max) < 0 ? NULL : text;
}

static int print_maps(const struct cli *c, const json_t *maps)
{
	static const struct cli_col cols[] = {
		{ "MAP", "name", NULL },
		{ "ENTRIES", "entries", NULL },
		{ "MAX", "max", NULL },
		{ "FILL%", NULL, fill_percent },
	};

	putchar('\n');
	return cli_print_list(c, maps, cols, ARRAY_SIZE(cols));
}

static int print_reasons(const struct cli *c, const json_t *reasons)
{
	putchar('\n');
	return cli_print_counts(c, "REASON", reasons);
}

static void print_splice(const json_t *s)
{
	long long n = cli_int(s, "services");
	char services[64] = "";
	bool blind = json_is_true(json_object_get(s, "blind"));

	if (!s)
		return;
	if (n > 0)
		snprintf(services, sizeof(services), "; %lld services have their own setting", n);
	if (json_is_true(json_object_get(s, "allowed")))
		cli_line("splice", "possible, %s unless said otherwise%s%s", cli_str(s, "default"),
			 services, blind ? "; FIONREAD does not count spliced bytes" : "");
	else
		cli_line("splice", "not possible: %s", cli_str(s, "why"));
}

static void print_memcached(const json_t *m)
{
	long long n = cli_int(m, "services"), off = n - cli_int(m, "on");
	const json_t *s;
	size_t i;

	if (n <= 0)
		return;
	cli_line("memcached",
		 "%lld service%s (%lld not served), %lld servers (%lld away), %lld cached", n,
		 n == 1 ? "" : "s", off, cli_int(m, "servers"), cli_int(m, "away"),
		 cli_int(m, "cached"));
	json_array_foreach (json_object_get(m, "uncached"), i, s)
		cli_line("", "%s: the cache is off: %s", cli_str(s, "name"), cli_str(s, "why"));
}

static int print_answer(const struct cli *c, const json_t *a)
{
	const json_t *dns = json_object_get(a, "dns"), *w;
	size_t i;
	int code;

	cli_line("agent", "%s, pid %lld, up %lld s", cli_str(a, "version"), cli_int(a, "pid"),
		 cli_int(a, "uptime_s"));
	cli_line("mode", "%s, generation %lld", cli_str(a, "mode"), cli_int(a, "generation"));
	cli_line("cgroup", "%s", cli_str(a, "cgroup_root"));
	cli_line("bpffs", "%s", cli_str(a, "bpffs"));
	print_links(json_object_get(a, "links"));
	cli_line("now", "%lld applications, %lld services, %lld endpoints", cli_int(a, "apps"),
		 cli_int(a, "services"), cli_int(a, "endpoints"));
	cli_line("events", "%lld lost", cli_int(a, "events_lost"));
	if (json_is_true(json_object_get(dns, "enabled")))
		cli_line("dns",
			 "%lld queries: %lld inside, %lld forwarded, %lld refused, %lld failed",
			 cli_int(dns, "queries"), cli_int(dns, "inside"), cli_int(dns, "forwarded"),
			 cli_int(dns, "refused"), cli_int(dns, "failed"));
	else
		cli_line("dns", "off");
	print_splice(json_object_get(a, "splice"));
	print_memcached(json_object_get(a, "memcached"));
	json_array_foreach (json_object_get(a, "warnings"), i, w)
		cli_line("warning", "%s (%s)", cli_str(w, "text"), cli_str(w, "code"));
	code = print_maps(c, json_object_get(a, "maps"));
	return code ? code : print_reasons(c, json_object_get(a, "reasons"));
}

/* ---- it does not ---- */

static double beat_age_s(const struct pins_state *s)
{
	uint64_t now = pb_now_ns();

	return now > s->last.time_ns ? (double)(now - s->last.time_ns) / 1e9 : 0;
}

static json_t *dead_json(const struct pins_state *s, int err, const char *message)
{
	const char *name = strerrorname_np(err);
	json_t *plane, *out;

	plane = json_pack("{s:b,s:I,s:I,s:I}", "alive", pins_alive(s), "links",
			  (json_int_t)s->links, "links_dead", (json_int_t)s->dead, "links_old",
			  (json_int_t)s->old);
	if (plane && s->config) {
		json_object_set_new(plane, "generation", json_integer((json_int_t)s->conf.gen));
		json_object_set_new(plane, "mode", json_string(pins_mode(s->conf.mode)));
		json_object_set_new(plane, "splice", json_boolean(s->conf.flags & PB_CFG_SPLICE));
	}
	if (plane && s->beat && s->last.time_ns)
		json_object_set_new(plane, "beat_age_s", json_real(beat_age_s(s)));
	out = json_pack("{s:{s:s,s:s},s:o?}", "error", "errno", name ? name : "EIO", "message",
			message, "data_plane", plane);
	return out;
}

static void print_dead(const struct pins_state *s)
{
	if (s->beat && s->last.time_ns)
		cli_line("agent", "dead; last heartbeat %.1f s ago, pid %u", beat_age_s(s),
			 s->last.pid);
	else
		cli_line("agent", "dead");
	if (!s->config && s->err == -EACCES)
		cli_line("data plane", "unknown: you may not read the maps");
	else if (pins_alive(s))
		cli_line("data plane", "alive: %zu links, generation %llu, mode %s", s->links,
			 (unsigned long long)s->conf.gen, pins_mode(s->conf.mode));
	else if (s->links)
		cli_line("data plane", "broken: %zu of %zu links are dead%s", s->dead, s->links,
			 s->config ? "" : ", maps are missing");
	else
		cli_line("data plane", "not loaded");
	if (s->old)
		cli_line("warning", "%zu links run programs of another build", s->old);
}

static int report_dead(const struct cli *c, int err)
{
	static const char message[] =
		"the agent does not answer; this is what the kernel side says";
	json_auto_t *out = NULL;
	struct pins_state s;

	pins_look(c->bpffs, &s);
	if (c->json) {
		out = dead_json(&s, -err, message);
		if (!out)
			return cli_oom(c);
		cli_print_json(c, out);
	} else {
		print_dead(&s);
	}
	fflush(stdout);
	fprintf(stderr, "patchbay: %s\n", message);
	return CLI_PRIV;
}

int cmd_status(const struct cli *c, const struct cli_args *a)
{
	json_auto_t *req = json_pack("{s:s}", "op", "status"), *answer = NULL;
	int err = ctl_ask(c->run_dir, req, -1, &answer);

	(void)a;
	if (err == -ENOMEM)
		return cli_oom(c);
	if (err == -EACCES || err == -EPERM)
		return cli_unreachable(c, err);
	if (err)
		return report_dead(c, err);
	if (!json_is_true(json_object_get(answer, "ok")))
		return cli_refused(c, answer);
	return c->json ? cli_print_json(c, answer) : print_answer(c, answer);
}
