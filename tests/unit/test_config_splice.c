/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Splice in configuration files: the node's word, that of scopes, and services. */
#include <criterion/criterion.h>

#include "control/util.h"
#include "control/agent/agent.h"

static char path[] = "/tmp/pb-config-XXXXXX";
static char err[PB_CONFIG_ERR_LEN];
static struct pb_config_file *c;

static void begin(void)
{
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
}

static void end(void)
{
	pb_config_free(c);
	unlink(path);
}

TestSuite(config_splice, .init = begin, .fini = end);

static int load(const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert(f);
	fputs(text, f);
	fclose(f);
	pb_config_free(c);
	c = NULL;
	*err = '\0';
	return pb_config_load(path, NULL, &c, err);
}

Test(config_splice, the_nodes_word)
{
	struct pb_reg_conf conf;

	cr_assert_eq(load("[agent]\nsplice = on\n"), 0, "%s", err);
	cr_assert_eq(c->agent.splice, PB_SPLICE_ON);
	pb_config_registry(c, &conf);
	cr_assert_eq(conf.splice, PB_SPLICE_ON);
	cr_assert_eq(load("[agent]\nsplice = all\n"), 0, "%s", err);
	cr_assert_eq(c->agent.splice, PB_SPLICE_ALL);
	cr_assert_eq(load("[agent]\nsplice = never\n"), 0, "%s", err);
	cr_assert_eq(c->agent.splice, PB_SPLICE_NEVER);
	cr_assert_eq(load("[agent]\nsplice = off\n"), 0, "%s", err);
	cr_assert_eq(c->agent.splice, PB_SPLICE_OFF);
}

Test(config_splice, of_scopes)
{
	static const uint8_t want[] = { PB_SPLICE_ON, PB_SPLICE_OFF, PB_SPLICE_UNSET,
					PB_SPLICE_ALL };
	struct pb_claim_req req;

	cr_assert_eq(load("[scope a]\ncgroup=/a\nsplice = on\n[scope b]\ncgroup=/b\nsplice=off\n"
			  "[scope c]\ncgroup = /c\n[scope d]\ncgroup = /d\nsplice = all\n"),
		     0, "%s", err);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		cr_assert_eq(c->scopes[i].splice, want[i], "%zu", i);
		pb_config_claim(&c->scopes[i], i + 1, &req);
		cr_assert_eq(req.splice, want[i], "%zu", i);
	}
}

/* Who reads FIONREAD where it does not count spliced bytes waits for ever: not without asking. */
Test(config_splice, why_nothing_is_spliced)
{
	const struct pb_config_agent *a;

	cr_assert_eq(load("[agent]\nsplice = all\n"), 0, "%s", err);
	a = &c->agent;
	cr_assert_null(pb_splice_why_not(a, true, PB_PROBE_OK));
	cr_assert(
		strstr(pb_splice_why_not(a, true, PB_PROBE_MISSING),
		       "FIONREAD of this kernel does not count spliced bytes; splice_blind = on"));
	cr_assert(strstr(pb_splice_why_not(a, true, PB_PROBE_ERROR), "could not be tried"));
	cr_assert(strstr(pb_splice_why_not(a, false, PB_PROBE_OK), "pb_skmsg"));
	cr_assert_eq(load("[agent]\nsplice_blind = on\n"), 0, "%s", err);
	a = &c->agent;
	for (int fionread = PB_PROBE_OK; fionread <= PB_PROBE_ERROR; fionread++) {
		cr_assert_null(pb_splice_why_not(a, true, (enum pb_probe_state)fionread));
		cr_assert(strstr(pb_splice_why_not(a, false, (enum pb_probe_state)fionread),
				 "pb_skmsg"));
	}
	cr_assert_eq(load("[agent]\nsplice = never\nsplice_blind = on\n"), 0, "%s", err);
	cr_assert(strstr(pb_splice_why_not(&c->agent, true, PB_PROBE_OK), "splice = never"));
}

Test(config_splice, services)
{
	cr_assert_eq(
		load("[splice]\nservice = Web.Front:80   on\nservice = web.front:443\toff ; why\n"),
		0, "%s", err);
	cr_assert_eq(c->n_services, 2);
	cr_assert_str_eq(c->services[0].name, "web.front", "names are kept in lower case");
	cr_assert_eq(c->services[0].port, 80);
	cr_assert(c->services[0].on);
	cr_assert_eq(c->services[0].src.line, 2);
	cr_assert_str_eq(c->services[1].name, "web.front");
	cr_assert_eq(c->services[1].port, 443);
	cr_assert_not(c->services[1].on);
	cr_assert_eq(c->services[1].src.line, 3);
}

Test(config_splice, how_many_services)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fputs("[splice]\n", f);
	for (int i = 0; i < PB_CONFIG_SERVICES_MAX; i++)
		fprintf(f, "service = web:%d on\n", i + 1);
	fflush(f);
	cr_assert_eq(load(text), 0, "%s", err);
	cr_assert_eq(c->n_services, PB_CONFIG_SERVICES_MAX);
	fputs("service = db:1 on\n", f);
	fclose(f);
	cr_assert_eq(load(text), -ENOSPC);
	cr_assert(strstr(err, ":1026: service: more than 1024 services"), "%s", err);
	free(text);
}

Test(config_splice, what_is_printed_loads_to_the_same)
{
	char *first = NULL, *second = NULL;
	size_t len;
	FILE *f;

	cr_assert_eq(load("[agent]\nsplice=on\n[splice]\nservice = web:80 on\nservice = db:1 off\n"
			  "[scope x]\ncgroup = /x\nsplice = off\n[scope y]\ncgroup = /y\n"),
		     0, "%s", err);
	f = open_memstream(&first, &len);
	pb_config_print(f, c, true);
	fclose(f);
	cr_assert(strstr(first, "[splice]\nservice = web:80 on  ; "), "%s", first);
	cr_assert_eq(load(first), 0, "%s", err);
	cr_assert_eq(c->agent.splice, PB_SPLICE_ON);
	cr_assert_eq(c->n_services, 2);
	cr_assert_eq(c->scopes[0].splice, PB_SPLICE_OFF);
	cr_assert_eq(c->scopes[1].splice, PB_SPLICE_UNSET);
	f = open_memstream(&second, &len);
	pb_config_print(f, c, false);
	fclose(f);
	cr_assert_eq(load(second), 0, "%s", err);
	cr_assert_eq(c->n_services, 2);
	free(first);
	free(second);
}
