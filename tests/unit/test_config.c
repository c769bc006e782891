/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Configuration files: what is read, what is refused and with which words. */
#include <criterion/criterion.h>
#include <sys/stat.h>

#include "control/util.h"
#include "control/agent/config.h"

static char dir[] = "/tmp/pb-config-XXXXXX", path[64], dropins[64], identity[64];
static char err[PB_CONFIG_ERR_LEN];
static struct pb_config_file *c;

static void begin(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/p.conf", dir);
	snprintf(dropins, sizeof(dropins), "%s/p.conf.d", dir);
	snprintf(identity, sizeof(identity), "%s/identity.d", dir);
	cr_assert_eq(mkdir(dropins, 0755) | mkdir(identity, 0755), 0);
}

static void end(void)
{
	char cmd[80];

	pb_config_free(c);
	c = NULL;
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(config, .init = begin, .fini = end);

static void put_bytes(const char *file, const char *text, size_t len)
{
	char name[128];
	FILE *f;

	snprintf(name, sizeof(name), *file == '/' ? "%s" : "%s/%s", *file == '/' ? file : dir,
		 file);
	f = fopen(name, "w");
	cr_assert(f);
	cr_assert_eq(fwrite(text, 1, len, f), len);
	fclose(f);
	chmod(name, 0644);
}

static void put(const char *file, const char *text)
{
	put_bytes(file, text, strlen(text));
}

static int find_user(const char *name, uint32_t *ret)
{
	if (strcmp(name, "alice"))
		return -ENOENT;
	*ret = 1000;
	return 0;
}

static int find_group(const char *name, uint32_t *ret)
{
	if (strcmp(name, "dev"))
		return -ENOENT;
	*ret = 50;
	return 0;
}

static const struct pb_config_lookup people = { find_user, find_group };

static int load(void)
{
	pb_config_free(c);
	c = NULL;
	*err = '\0';
	return pb_config_load_with(path, identity, &people, &c, err);
}

Test(config, missing_file_means_defaults)
{
	char buf[46];

	cr_assert_eq(load(), 0, "%s", err);
	cr_assert_str_eq(c->agent.cluster, "default");
	cr_assert_eq(c->agent.mode, PB_MODE_ENFORCE);
	cr_assert_str_eq(pb_addr_format(&c->agent.pool4, buf, sizeof(buf)), "10.9.0.0");
	cr_assert_eq(c->agent.pool4_bits, 112);
	cr_assert_eq(c->agent.pool6_bits, 0);
	cr_assert(c->agent.dns && c->agent.route);
	cr_assert_str_eq(c->agent.domain, "patchbay.internal");
	cr_assert_str_eq(c->agent.bpffs, "/sys/fs/bpf");
	cr_assert_str_eq(c->agent.run_dir, "/run/patchbay");
	cr_assert_eq(c->agent.log, PB_LOG_INFO);
	cr_assert_eq(c->agent.gid, 0);
	cr_assert_eq(c->agent.splice, PB_SPLICE_OFF);
	cr_assert_not(c->agent.splice_blind);
	rmdir(dropins);
	rmdir(identity);
	cr_assert_eq(load(), 0, "no folders at all: %s", err);
	mkdir(dropins, 0755);
	mkdir(identity, 0755);
}

Test(config, everything)
{
	const struct pb_config_scope *s;

	put("p.conf",
	    "\xef\xbb\xbf[agent] ; BOM, comments, CRLF\r\n# a comment\r\ncluster = west\r\nmode=audit\n"
	    "pool6 = fd09:b0b0::/64\ndns = off\nroute=off\ngroup = dev\nlog = debug\n"
	    "cgroup = /sys/fs/cgroup/x\n[policy]\nrule = allow from web to db:5432\n"
	    "rule = deny from env=test to *\n[scope nginx]\ncgroup = /system.slice/nginx.service\n"
	    "name = web\nip = 10.9.0.1\nip = fd09:b0b0::5\ntag = grp=front\ntag = env=x\n"
	    "egress = 10.0.0.0/8:443\nlocal = deny\nmode = off");
	cr_assert_eq(load(), 0, "%s", err);
	cr_assert_str_eq(c->agent.cluster, "west");
	cr_assert_eq(c->agent.mode, PB_MODE_AUDIT);
	cr_assert_eq(c->agent.pool6_bits, 64);
	cr_assert(!c->agent.dns && !c->agent.route);
	cr_assert_eq(c->agent.gid, 50);
	cr_assert_eq(c->n_rules, 2);
	cr_assert_str_eq(c->rule[1], "deny from env=test to *");
	cr_assert_eq(c->rule_src[1].line, 13);
	cr_assert_eq(c->n_scopes, 1);
	s = &c->scopes[0];
	cr_assert_str_eq(s->label, "nginx");
	cr_assert_str_eq(s->cgroup, "/system.slice/nginx.service");
	cr_assert_str_eq(s->name, "web");
	cr_assert_eq(s->n_ips, 2);
	cr_assert_eq(s->n_tags, 2);
	cr_assert_str_eq(s->egress, "10.0.0.0/8:443");
	cr_assert_eq(s->local_deny, 1);
	cr_assert_eq(s->mode, PB_MODE_OFF);
}

Test(config, drop_ins_come_after_in_order)
{
	put("p.conf", "[agent]\ncluster = main\nlog = debug\n[policy]\nrule = allow from a to b\n");
	put("p.conf.d/20.conf", "[agent]\ncluster = twenty\n[policy]\nrule = allow from c to d\n");
	put("p.conf.d/10.conf", "[agent]\ncluster = ten\nmode = off\n");
	put("p.conf.d/README", "not a configuration file\n");
	put("p.conf.d/.hidden.conf", "nor this\n");
	cr_assert_eq(load(), 0, "%s", err);
	cr_assert_str_eq(c->agent.cluster, "twenty");
	cr_assert_eq(c->agent.mode, PB_MODE_OFF);
	cr_assert_eq(c->agent.log, PB_LOG_DEBUG);
	cr_assert_eq(c->n_rules, 2);
	cr_assert_str_eq(c->rule[1], "allow from c to d");
	cr_assert_eq(c->n_files, 3);
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "x = 1\n", "p.conf:1: 'x' stands before the first section" },
	{ "[agent]\nmdoe = off\n",
	  "p.conf:2: unknown key 'mdoe' in [agent]; did you mean 'mode'?" },
	{ "\n[scope x]\ncgroup=/x\negres = all\n",
	  "p.conf:4: unknown key 'egres' in [scope x]; did you mean 'egress'?" },
	{ "[agent]\nzzzzzzzz = off\n", "p.conf:2: unknown key 'zzzzzzzz' in [agent]" },
	{ "[agnet]\n", "p.conf:1: unknown section [agnet]; did you mean [agent]?" },
	{ "[grant a]\nuser = 0\n", "p.conf:1: unknown section [grant]" },
	{ "[agent\n", "p.conf:1: a section header without ']'" },
	{ "[agent] x\n", "p.conf:1: text behind" },
	{ "[agent x]\n", "p.conf:1: [agent] takes no name" },
	{ "[scope]\n", "p.conf:1: [scope] needs a name" },
	{ "[scope a b]\n", "p.conf:1: the name of a section is one word" },
	{ "[agent]\nmode\n", "p.conf:2: neither [section] nor key = value" },
	{ "[agent]\nmode = on\n", "p.conf:2: mode: 'on' is not one of: enforce, audit, off" },
	{ "[agent]\nmode = off\nmode = off\n", "p.conf:3: 'mode' is already set at line 2" },
	{ "[agent]\ncluster =\n", "a cluster needs a name" },
	{ "[agent]\ncluster = a b\n", "p.conf:2: cluster: 'a b'" },
	{ "[agent]\npool4 = 10.9.0.1/16\n", "p.conf:2: pool4: '10.9.0.1/16'" },
	{ "[agent]\npool4 = fd00::/64\n", "not 'none' or an IPv4 network" },
	{ "[agent]\npool6 = 10.9.0.0/16\n", "not 'none' or an IPv6 network" },
	{ "[agent]\npool6 = ::/8\n", "cannot be a pool" },
	{ "[agent]\npool4 = 10.9.0.0/31\n", "too small" },
	{ "[agent]\npool4 = 127.0.0.0/8\n", "loopback" },
	{ "[agent]\ndns = yes\n", "not one of: off, on" },
	{ "[agent]\ngroup = nobodies\n", "p.conf:2: group: there is no group 'nobodies'" },
	{ "[agent]\nrun_dir = run\n", "not an absolute path" },
	{ "[agent]\nbpffs = /a/../b\n", "holds '..'" },
	{ "[policy]\nrule = allow from a\n",
	  "p.conf:2: rule: 'allow from a' does not have the form" },
	{ "[scope a]\nname = web\n", "p.conf:1: [scope a] has no cgroup" },
	{ "[scope a]\ncgroup=/a\nip = 10.9.0.1\n", "p.conf:1: [scope a]: an address needs a name" },
	{ "[scope a]\ncgroup=/a\n[scope a]\n", "p.conf:3: [scope a] is already at" },
	{ "[scope a]\ncgroup=/a\n[scope b]\ncgroup=/a\n",
	  "p.conf:3: [scope b] and [scope a] name the same cgroup" },
	{ "[scope a]\ncgroup=/a\nname=w\nip=10.9.0.1\n[scope b]\ncgroup=/b\nname=w\nip=10.9.0.2\n",
	  "p.conf:5: [scope b]: 'w' already has" },
	{ "[scope a]\ncgroup=/a\nip = 127.0.0.1\n", "p.conf:3: ip: 127.0.0.1 is a loopback" },
	{ "[scope a]\ncgroup=/a\ntag = x\n", "p.conf:3: tag: tag 'x' is not of the form" },
	{ "[scope a]\ncgroup=/a\negress = some\n", "p.conf:3: egress: egress item 'some'" },
	{ "[agent]\nsplice = maybe\n",
	  "p.conf:2: splice: 'maybe' is not one of: on, all, off, never" },
	{ "[agent]\nsplice = unset\n", "p.conf:2: splice: 'unset' is not one of" },
	{ "[scope a]\ncgroup=/a\nsplice = never\n", "'never' is not one of: on, all, off" },
	{ "[agent]\nsplice_blind = all\n", "p.conf:2: splice_blind: " },
	{ "[splice]\nservice = web:80\n", "'web:80' does not have the form NAME:PORT on|off" },
	{ "[splice]\nservice = web:80 on off\n", "does not have the form" },
	{ "[splice]\nservice = web on\n", "does not have the form" },
	{ "[splice]\nservice = 10.9.0.1:80 on\n", "does not have the form" },
	{ "[splice]\nservice = web:0 on\n", "does not have the form" },
	{ "[splice]\nservice = web:65536 on\n", "does not have the form" },
	{ "[splice]\nservice = :80 on\n", "does not have the form" },
	{ "[splice]\nservice = web:80 on\n\nservice = WEB:80 off\n",
	  "p.conf:4: service: web:80 is already set at" },
	{ "[splice x]\n", "p.conf:1: [splice] takes no name" },
	{ "[cluster]\nidentity = certified\n", "'certified' is not one of: shared, signed" },
	{ "[cluster]\nport = 1\nidentity = signed\n",
	  "p.conf:3: identity: ca, cert and key are needed" },
	{ "[cluster]\nca = /a\nkey = /b\n", "p.conf:2: ca: ca, cert and key are needed" },
	{ "[cluster]\nca = a\n", "p.conf:2: ca: 'a' is not an absolute path" },
	{ "[cluster]\nkey-file = keys\n", "p.conf:2: key-file: 'keys' is not an absolute path" },
	{ "[cluster]\nserf-key-queries = maybe\n", "not one of: off, on" },
	{ "[agent]\n\x1b[31m = 1\n", "p.conf:2: unknown key '?[31m'" },
};

Test(config, what_is_wrong_is_said_with_its_place)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put("p.conf", bad[i].text);
		cr_assert_lt(load(), 0, "%s", bad[i].text);
		cr_assert(strstr(err, bad[i].says), "%s\nnot: %s", err, bad[i].says);
		cr_assert_null(c);
	}
}

Test(config, bounds)
{
	size_t size = PB_CONFIG_BYTES_MAX + 1;
	char *text = malloc(size);

	memset(text, '\n', size);
	put_bytes("p.conf", text, size - 1);
	cr_assert_eq(load(), 0, "%s", err);
	put_bytes("p.conf", text, size);
	cr_assert_eq(load(), -EFBIG);
	put_bytes("p.conf", "[agent]\0\n", 9);
	cr_assert_eq(load(), -EINVAL);
	cr_assert(strstr(err, "zero byte"), "%s", err);
	memset(text, '#', size);
	text[PB_CONFIG_LINE_MAX] = '\n';
	put_bytes("p.conf", text, PB_CONFIG_LINE_MAX + 1);
	cr_assert_eq(load(), 0, "%s", err);
	text[PB_CONFIG_LINE_MAX] = '#';
	put_bytes("p.conf", text, PB_CONFIG_LINE_MAX + 1);
	cr_assert_eq(load(), -EINVAL);
	cr_assert(strstr(err, "p.conf:1: the line is longer than 1024"), "%s", err);
	free(text);
}

Test(config, files_that_are_not_fit)
{
	char name[100];

	put("p.conf", "[agent]\n");
	chmod(path, 0666);
	cr_assert_eq(load(), -EPERM);
	cr_assert(strstr(err, "chmod o-w"), "%s", err);
	unlink(path);
	cr_assert_eq(mkfifo(path, 0644), 0);
	cr_assert_eq(load(), -EINVAL, "and it does not hang");
	unlink(path);
	snprintf(name, sizeof(name), "%s/a.conf", dropins);
	cr_assert_eq(symlink("/nowhere/at/all", name), 0);
	cr_assert_eq(load(), -ENOENT, "a drop-in that dangles is not silent");
}

Test(config, long_labels_are_kept_whole)
{
	char text[256], label[PB_NAME_LEN];

	memset(label, 'x', sizeof(label));
	label[63] = '\0';
	snprintf(text, sizeof(text), "[scope %s]\ncgroup = /x\n", label);
	put("p.conf", text);
	cr_assert_eq(load(), 0, "%s", err);
	cr_assert_str_eq(c->scopes[0].label, label, "inih cuts at 49");
	snprintf(text, sizeof(text), "[scope %sx]\ncgroup = /x\n", label);
	put("p.conf", text);
	cr_assert_eq(load(), -EINVAL);
}

Test(config, grants)
{
	put("identity.d/10-alice.conf",
	    "[grant alice]\nuser = alice\nnames = web, dev-*\nips = 10.9.7.0/24,fd00::1\n"
	    "tags = grp=front , env=*\n[grant devs]\ngroup = dev\nnames = *\n");
	put("identity.d/20.conf", "[grant n]\nuser = 4294967294\n");
	cr_assert_eq(load(), 0, "%s", err);
	cr_assert_eq(c->n_grants, 3);
	cr_assert(!c->grants[0].is_gid && c->grants[0].id == 1000);
	cr_assert_eq(c->grants[0].n_names, 2);
	cr_assert_str_eq(c->grants[0].names[1], "dev-*");
	cr_assert_eq(c->grants[0].n_ips, 2);
	cr_assert_eq(c->grants[0].ips[0].bits, 120);
	cr_assert_str_eq(c->grants[0].tags[0], "grp=front");
	cr_assert(c->grants[1].is_gid && c->grants[1].id == 50);
	cr_assert_eq(c->grants[2].id, 4294967294u);
}

static const struct {
	const char *text, *says;
} bad_grants[] = {
	{ "[grant a]\nnames = x\n", "g.conf:1: a grant needs either" },
	{ "[grant a]\nuser = 1\ngroup = 1\n", "g.conf:1: a grant needs either" },
	{ "[grant a]\nuser = bob\n", "g.conf:2: user: there is no user 'bob'" },
	{ "[grant a]\nuser = 4294967295\n", "there is no user '4294967295'" },
	{ "[grant a]\nuser = -1\n", "there is no user '-1'" },
	{ "[grant a]\nuser =\n", "g.conf:2: user: the value is empty" },
	{ "[grant a]\nuser = 1\nnames = a,,b\n", "g.conf:3: names: an empty item" },
	{ "[grant a]\nuser = 1\nnames = a,b,c,d,e,f,g,h,i\n", "more than 8 items" },
	{ "[grant a]\nuser = 1\nips = 10.9.0.1/8\n", "ips: '10.9.0.1/8'" },
	{ "[grant a]\nuser = 1\ntags = front\n", "not a pattern key=value" },
	{ "[grant a]\nuser = 1\nname = web\n", "did you mean 'names'?" },
	{ "[agent]\nmode = off\n", "g.conf:1: unknown section [agent]" },
	{ "[garnt a]\n", "did you mean [grant]?" },
};

Test(config, bad_grants)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_grants); i++) {
		put("identity.d/g.conf", bad_grants[i].text);
		cr_assert_lt(load(), 0, "%s", bad_grants[i].text);
		cr_assert(strstr(err, bad_grants[i].says), "%s\nnot: %s", err, bad_grants[i].says);
	}
}

static char *printed(bool with_source)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	pb_config_print(f, c, with_source);
	fclose(f);
	return text;
}

Test(config, what_is_printed_loads_to_the_same)
{
	_cleanup_free_ char *first = NULL, *second = NULL;

	put("p.conf", "[agent]\nmode = audit\n[policy]\nrule = allow from a to b\n"
		      "[scope x]\ncgroup = /x\ntag = a=1\ntag = b=2\n");
	put("p.conf.d/z.conf", "[agent]\nmode = off\n");
	cr_assert_eq(load(), 0, "%s", err);
	first = printed(true);
	cr_assert(strstr(first, "mode = off  ; "), "%s", first);
	cr_assert(strstr(first, "z.conf:2\n"), "%s", first);
	cr_assert(strstr(first, "pool4 = 10.9.0.0/16  ; default\n"), "%s", first);
	cr_assert_null(strstr(first, "audit"));
	free(TAKE_PTR(first));
	first = printed(false);
	unlink(strcat(strcpy(err, dropins), "/z.conf"));
	put("p.conf", first);
	cr_assert_eq(load(), 0, "%s", err);
	second = printed(false);
	cr_assert_str_eq(first, second);
}

Test(config, scope_as_a_claim)
{
	struct pb_reg_conf conf;
	struct pb_claim_req req;
	uint8_t key[16];

	put("p.conf",
	    "[agent]\ncluster = west\n[scope x]\ncgroup = /x\nname = web\nip = 10.9.3.3\ntag = a=1\nlocal=deny\n");
	cr_assert_eq(load(), 0, "%s", err);
	pb_config_claim(&c->scopes[0], 77, &req);
	cr_assert_eq(req.ref, 77);
	cr_assert_str_eq(req.name, "web");
	cr_assert_eq(req.n_ips, 1);
	cr_assert_str_eq(req.tags[0], "a=1");
	cr_assert_str_eq(req.egress, "all");
	cr_assert_eq(req.local_deny, 1);
	pb_config_registry(c, &conf);
	pb_reg_key_derive("west", key);
	cr_assert_arr_eq(conf.key, key, 16);
}

Test(config, every_key_is_described)
{
	size_t i = 0;

	for (; pb_config_key(i).name; i++)
		cr_assert(pb_config_key(i).help && *pb_config_key(i).section);
	cr_assert_eq(i, 49);
}
