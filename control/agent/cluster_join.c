/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Into a cluster, and out of it. */
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <patchbay/addr.h>

#include "cluster_internal.h"

static int choose_node(struct pb_cluster *c, const struct pb_cluster_opts *o,
		       struct pb_cluster_file *f, char err[PB_ERR_LEN])
{
	const struct pb_config_cluster *conf = &c->agent->conf->cluster;
	char host[PB_NODE_NAME_LEN] = "";
	const char *name = o->node && *o->node ? o->node : conf->node;

	if (!*name) {
		gethostname(host, sizeof(host) - 1);
		name = host;
	}
	if (!pb_node_name_valid(name))
		return pb_fail(err, -EINVAL,
			       "'%.70s' is not a name of a node: letters, digits, '-' and '.'",
			       name);
	snprintf(f->node, sizeof(f->node), "%s", name);
	if (RAND_bytes(f->id, sizeof(f->id)) != 1)
		return pb_fail(err, -EIO, "no random numbers");
	f->port = o->port ? o->port : conf->port;
	return 0;
}

static int add_address(struct pb_cluster_file *f, const struct pb_addr *a, char err[PB_ERR_LEN])
{
	char text[64];

	pb_addr_format(a, text, sizeof(text));
	if (pb_addr_unfit(a))
		return pb_fail(err, -EINVAL, "%s %s: other nodes cannot reach it", text,
			       pb_addr_unfit(a));
	if (!pb_addr_here(a, NULL))
		return pb_fail(err, -EADDRNOTAVAIL, "%s is not an address of this host", text);
	if (f->n_addresses == PB_APP_IPS ||
	    (f->n_addresses && pb_addr_is_v4(a) == pb_addr_is_v4(&f->address[0])))
		return pb_fail(err, -EINVAL, "at most one address of each family is possible");
	f->address[f->n_addresses++] = *a;
	return 0;
}

static int given_addresses(struct pb_cluster *c, const struct pb_cluster_opts *o,
			   struct pb_cluster_file *f, char err[PB_ERR_LEN])
{
	const struct pb_config_cluster *conf = &c->agent->conf->cluster;
	struct pb_addr a;
	int e = 0;

	for (unsigned i = 0; !e && i < o->n_addresses && i < PB_APP_IPS; i++) {
		if (pb_addr_parse(o->address[i], &a))
			return pb_fail(err, -EINVAL, "'%.60s' is not an IP address", o->address[i]);
		e = add_address(f, &a, err);
	}
	if (e || f->n_addresses)
		return e;
	if (!pb_addr_is_zero(&conf->address4))
		e = add_address(f, &conf->address4, err);
	if (!e && !pb_addr_is_zero(&conf->address6))
		e = add_address(f, &conf->address6, err);
	return e;
}

/* Gossip speaks one family: that of the seeds comes first. */
static void seed_family_first(struct pb_cluster_file *f)
{
	struct pb_addr a = f->address[0];

	if (f->n_addresses != 2 || !f->n_seeds ||
	    pb_addr_is_v4(&f->address[0]) == pb_addr_is_v4(&f->seeds[0].ip))
		return;
	f->address[0] = f->address[1];
	f->address[1] = a;
}

static int choose_addresses(struct pb_cluster *c, const struct pb_cluster_opts *o,
			    struct pb_cluster_file *f, char err[PB_ERR_LEN])
{
	struct pb_addr a4, a6;
	int e = given_addresses(c, o, f, err);

	if (e || f->n_addresses) {
		seed_family_first(f);
		return e;
	}
	for (unsigned i = 0; i < f->n_seeds; i++)
		if (!pb_addr_towards(&f->seeds[i], &a4) && !pb_addr_unfit(&a4))
			return add_address(f, &a4, err);
	if (f->n_seeds)
		return pb_fail(err, -EADDRNOTAVAIL,
			       "there is no route to the nodes of the token; give this node's "
			       "address with --address");
	if (pb_addr_default(&a4, &a6))
		return pb_fail(err, -EADDRNOTAVAIL,
			       "this host has no default route to tell its address by; give it "
			       "with --address");
	return add_address(f, pb_addr_is_zero(&a4) ? &a6 : &a4, err);
}

static bool any_local(const struct pb_agent *a)
{
	const struct pb_app_rec *rec;
	size_t pos = 0;

	while ((rec = pb_registry_next(a->registry, &pos)))
		if (!(rec->ref & PB_REF_REMOTE))
			return true;
	return false;
}

void pb_cluster_registry(const struct pb_agent *a, const char *name, struct pb_reg_conf *ret)
{
	pb_config_registry(a->conf, ret);
	snprintf(ret->cluster, sizeof(ret->cluster), "%s", name);
	pb_reg_key_derive(ret->cluster, ret->key);
}

/* Ids and namespaces follow from the cluster's name: another name, another registry. */
static int rename_registry(struct pb_agent *a, const char *name, char err[PB_ERR_LEN])
{
	struct pb_registry *next = NULL, *old = a->registry;
	struct pb_reg_conf conf;
	int e;

	if (!strcmp(name, pb_cluster_name(a)))
		return 0;
	if (any_local(a))
		return pb_fail(err, -EBUSY,
			       "the cluster is called '%s', this node '%s', and applications run "
			       "whose ids were made from that: end them first, or set cluster = %s "
			       "and start again",
			       name, pb_cluster_name(a), name);
	pb_cluster_registry(a, name, &conf);
	e = pb_registry_new(&next, &conf);
	if (!e)
		e = pb_registry_set_grants(next, a->conf->grants, a->conf->n_grants);
	if (e) {
		pb_registry_free(next);
		return pb_fail(err, e, "no memory for another registry");
	}
	a->registry = next;
	pb_registry_free(old);
	return pb_kernel_set_rules(a, err);
}

/* Everything is decided: on disk, then on the wire. */
static int enter(struct pb_cluster *c, const struct pb_cluster_file *f, char err[PB_ERR_LEN])
{
	struct pb_agent *a = c->agent;
	int e = rename_registry(a, f->cluster, err);

	if (e)
		return e;
	c->file = *f;
	e = pb_cluster_file_save(pb_cluster_dir(c), &c->file);
	if (e)
		return pb_fail(err, e, "cannot write %.150s/" PB_CLUSTER_FILE ": %s",
			       pb_cluster_dir(c), strerror(-e));
	c->on = true;
	c->heard = c->held = false;
	c->error[0] = '\0';
	c->state = f->n_seeds ? PB_CLUSTER_JOINING : PB_CLUSTER_ON;
	if (pb_splice_services(a))
		log_warn("the services of [splice] cannot be written");
	e = pb_cluster_run(c, err);
	if (!e)
		return 0;
	pb_cluster_close(c);
	pb_cluster_stop_timers(c);
	pb_cluster_file_remove(pb_cluster_dir(c));
	c->on = false;
	c->state = PB_CLUSTER_ALONE;
	pb_agent_warn(a, PB_W_CLUSTER, false);
	pb_registry_set_spread(a->registry, false);
	return e;
}

static int may_enter(struct pb_cluster *c, char err[PB_ERR_LEN])
{
	if (c->state == PB_CLUSTER_LEAVING)
		return pb_fail(err, -EALREADY, "this node is still leaving cluster '%s'",
			       c->file.cluster);
	return c->on ? pb_fail(err, -EALREADY,
			       "this node is in cluster '%s' already: leave it first",
			       c->file.cluster)
		     : 0;
}

int pb_cluster_init(struct pb_agent *a, const struct pb_cluster_opts *o, char **ret_token,
		    char err[PB_ERR_LEN])
{
	struct pb_cluster *c = a->cluster;
	struct pb_cluster_file f = { .n_keys = 0 };
	const char *name = o->cluster && *o->cluster ? o->cluster : a->conf->agent.cluster;
	int e = may_enter(c, err);

	if (!e && !pb_cluster_name_valid(name))
		e = pb_fail(err, -EINVAL,
			    "'%.70s' is not a name of a cluster: letters, digits, '.', '_', '-'",
			    name);
	if (!e && o->insecure && !a->conf->cluster.insecure)
		e = pb_fail(err, -EPERM,
			    "a cluster without a key needs insecure = on in [cluster]");
	if (e)
		return e;
	snprintf(f.cluster, sizeof(f.cluster), "%s", name);
	e = choose_node(c, o, &f, err);
	if (!e)
		e = choose_addresses(c, o, &f, err);
	if (!e)
		e = pb_cluster_sign_enter(c, &f, NULL, err);
	if (!e && !o->insecure)
		e = pb_cluster_keyfile_first(c, &f, err);
	if (!e && !o->insecure && !f.n_keys) {
		f.keys[0].len = GSP_KEY_LEN_MAX;
		f.n_keys = 1;
		if (RAND_bytes(f.keys[0].bytes, f.keys[0].len) != 1)
			e = pb_fail(err, -EIO, "no random numbers");
	}
	if (!e)
		e = enter(c, &f, err);
	OPENSSL_cleanse(&f, sizeof(f));
	return e ? e : pb_cluster_token(a, ret_token, err);
}

int pb_cluster_join(struct pb_agent *a, const char *token, const struct pb_cluster_opts *o,
		    char err[PB_ERR_LEN])
{
	struct pb_cluster *c = a->cluster;
	struct pb_cluster_file f = { .n_keys = 0 };
	struct pb_token t = { .n_keys = 0 };
	int e = may_enter(c, err);

	if (!e)
		e = pb_token_parse(token, &t, err);
	if (!e && !t.n_keys && !a->conf->cluster.insecure)
		e = pb_fail(err, -EPERM,
			    "the cluster has no key: that needs insecure = on in [cluster]");
	if (!e)
		e = choose_node(c, o, &f, err);
	if (e)
		goto out;
	snprintf(f.cluster, sizeof(f.cluster), "%s", t.cluster);
	memcpy(f.keys, t.keys, sizeof(f.keys));
	f.n_keys = t.n_keys;
	memcpy(f.seeds, t.seeds, sizeof(f.seeds));
	f.n_seeds = t.n_seeds;
	e = choose_addresses(c, o, &f, err);
	if (!e)
		e = pb_cluster_sign_enter(c, &f, t.has_ca ? t.ca : NULL, err);
	if (!e)
		e = enter(c, &f, err);
out:
	OPENSSL_cleanse(&f, sizeof(f));
	OPENSSL_cleanse(&t, sizeof(t));
	return e;
}

int pb_cluster_token(struct pb_agent *a, char **ret_token, char err[PB_ERR_LEN])
{
	struct pb_cluster *c = a->cluster;
	struct pb_token t = { .n_seeds = 0 };
	char *text;

	if (!c->on)
		return pb_fail(err, -ENOENT, "this node is in no cluster");
	snprintf(t.cluster, sizeof(t.cluster), "%s", c->file.cluster);
	memcpy(t.keys, c->file.keys, sizeof(t.keys));
	t.n_keys = c->file.n_keys;
	t.has_ca = c->signing.on && c->signing.check;
	memcpy(t.ca, c->signing.ca, sizeof(t.ca));
	t.seeds[t.n_seeds++] = (struct pb_cluster_addr){ c->file.address[0], c->file.port };
	/* a few more, for when this node is down */
	for (size_t i = 0; i < c->n_member && t.n_seeds < 4; i++) {
		struct pb_cluster_addr s = { .port = c->member[i].addr.port };

		if (c->member[i].state == PB_NODE_ALIVE && c->member[i].has_id &&
		    pb_cluster_pb_addr(&c->member[i].addr, &s.ip))
			t.seeds[t.n_seeds++] = s;
	}
	text = pb_token_format(&t);
	OPENSSL_cleanse(&t, sizeof(t));
	if (!text || strlen(text) > PB_TOKEN_MAX) {
		free(text);
		return pb_fail(err, -ENOMEM, "the token cannot be made");
	}
	*ret_token = text;
	return 0;
}

/* ---- leave ---------------------------------------------------------------- */

static void left(void *arg)
{
	struct pb_cluster *c = arg;
	struct pb_agent *a = c->agent;

	pb_cluster_close(c);
	OPENSSL_cleanse(&c->file, sizeof(c->file));
	c->state = PB_CLUSTER_ALONE;
	pb_events_quick(a, false);
	log_info("this node is in no cluster now");
}

int pb_cluster_leave(struct pb_agent *a, char err[PB_ERR_LEN])
{
	struct pb_cluster *c = a->cluster;
	int e;

	if (!c->on)
		return pb_fail(err, -ENOENT, "this node is in no cluster");
	e = pb_cluster_file_remove(pb_cluster_dir(c));
	if (e)
		return pb_fail(err, e, "cannot remove %.150s/" PB_CLUSTER_FILE ": %s",
			       pb_cluster_dir(c), strerror(-e));
	pb_cluster_stop_timers(c);
	c->on = c->held = false;
	c->state = PB_CLUSTER_LEAVING;
	pb_view_clear(c->view);
	pb_cluster_gone_flush(c);
	pb_view_free(TAKE_PTR(c->view));
	pb_cluster_wipe(a);
	pb_cluster_devices_off(c);
	pb_registry_set_spread(a->registry, false);
	pb_agent_warn(a, PB_W_CLUSTER, false);
	if (c->pool)
		gsp_pool_leave(c->pool, left, c);
	else
		left(c);
	return 0;
}
