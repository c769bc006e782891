/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* identity = signed: what this node signs with, and whether it still may. */
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <time.h>

#include "cluster_cert.h"
#include "cluster_internal.h"

#define SOON_S (14 * 86400) /* somebody must act: the certificate runs out */

/* ---- files --------------------------------------------------------------- */

static int load(const struct pb_config_cluster *conf, const char *cluster, struct pb_signing *s,
		char err[PB_ERR_LEN])
{
	uint8_t key[TBL_KEY_LEN];
	char name[64];
	int e = pb_pem_read_public(conf->ca, s->ca, err);

	if (!e && pb_pem_word(conf->ca, PB_PEM_CLUSTER, name, sizeof(name)) &&
	    strcmp(name, cluster) != 0)
		e = pb_fail(err, -EKEYREJECTED, "%.120s is of cluster '%s', this one is '%s'",
			    conf->ca, name, cluster);
	if (!e)
		e = pb_pem_read_cert(conf->cert, s->cert, &s->cert_len, err);
	if (!e)
		e = pb_pem_read_secret(conf->key, false, s->secret, err);
	if (e)
		return e;
	if (tbl_cert_read(&s->says, cluster, s->ca, s->cert, s->cert_len))
		return pb_fail(err, -EKEYREJECTED,
			       "%.100s is not signed by the CA of %.60s for cluster '%s'",
			       conf->cert, conf->ca, cluster);
	if (tbl_key_public(s->secret, key) || CRYPTO_memcmp(key, s->says.key, sizeof(key)) != 0)
		return pb_fail(err, -EKEYREJECTED, "%.100s is for another key than %.100s",
			       conf->cert, conf->key);
	s->on = true;
	s->check = conf->identity == PB_IDENTITY_SIGNED;
	return 0;
}

int pb_signing_load(const struct pb_config_cluster *conf, const char *cluster,
		    struct pb_signing *ret, char err[PB_ERR_LEN])
{
	struct pb_signing s = { .on = false };
	int e = *conf->cert ? load(conf, cluster, &s, err) : 0;

	if (!e)
		*ret = s;
	OPENSSL_cleanse(&s, sizeof(s));
	return e;
}

/* ---- the certificate of a node that comes --------------------------------- */

int pb_cluster_sign_enter(struct pb_cluster *c, struct pb_cluster_file *f, const uint8_t *ca,
			  char err[PB_ERR_LEN])
{
	const struct pb_config_cluster *conf = &c->agent->conf->cluster;
	struct pb_signing s = { .on = false };
	int e = pb_signing_load(conf, f->cluster, &s, err);

	if (!e && ca && !s.on)
		e = pb_fail(
			err, -ENOKEY,
			"what nodes of cluster '%s' announce is signed: set ca, cert and key in "
			"[cluster]; 'patchbay cluster ca request' makes a key",
			f->cluster);
	if (!e && ca && memcmp(s.ca, ca, sizeof(s.ca)) != 0)
		e = pb_fail(err, -EKEYREJECTED, "%.140s is not the CA of cluster '%s'", conf->ca,
			    f->cluster);
	if (!e && s.on && !tbl_cert_named(&s.says, f->node))
		e = pb_fail(err, -EKEYREJECTED,
			    "%.100s is for a node called '%s', and this one is '%s'", conf->cert,
			    s.says.node, f->node);
	if (!e && s.on)
		memcpy(f->id, s.says.id.b, sizeof(f->id));
	OPENSSL_cleanse(&s, sizeof(s));
	return e;
}

static int fits(const struct pb_cluster *c, const struct pb_signing *s, char err[PB_ERR_LEN])
{
	const char *path = c->agent->conf->cluster.cert;
	char own[PB_NODE_ID_TEXT];

	if (!s->on)
		return 0;
	if (memcmp(s->says.id.b, c->file.id, sizeof(c->file.id)) != 0) {
		pb_hex_write(c->file.id, sizeof(c->file.id), own);
		return pb_fail(err, -EKEYREJECTED, "%.120s is for another node: the id here is %s",
			       path, own);
	}
	if (!tbl_cert_named(&s->says, c->file.node))
		return pb_fail(err, -EKEYREJECTED,
			       "%.100s is for a node called '%s', and this one is '%s'", path,
			       s->says.node, c->file.node);
	return 0;
}

/* ---- what is to be seen ---------------------------------------------------- */

void pb_cluster_tell(struct pb_cluster *c, enum pb_reason reason, const char *node,
		     const struct tbl_id *id)
{
	const struct pb_member_node *m = id ? pb_cluster_member(c, id) : NULL;
	struct pb_event ev = { .time_ns = pb_now_ns(), .reason = reason };

	if (m) {
		pb_cluster_pb_addr(&m->addr, &ev.real);
		ev.rport = htons(m->addr.port);
	}
	snprintf(ev.comm, sizeof(ev.comm), "%s", node);
	pb_events_note(c->agent, &ev);
}

/* ---- running ------------------------------------------------------------- */

/* Of each file: another one, or written anew? */
static uint64_t stamp(const struct pb_config_cluster *conf)
{
	const char *const paths[] = { conf->ca, conf->cert, conf->key };
	uint64_t sum = 0;
	struct stat st;

	for (unsigned i = 0; i < ARRAY_SIZE(paths); i++) {
		sum = sum * 0x9e3779b97f4a7c15ULL + 1;
		if (!stat(paths[i], &st)) /* through links: a mounted secret is one */
			sum += (uint64_t)st.st_ino * 31 + (uint64_t)st.st_mtim.tv_sec * 1000003 +
			       (uint64_t)st.st_mtim.tv_nsec + (uint64_t)st.st_size;
	}
	return sum;
}

int pb_cluster_sign_open(struct pb_cluster *c, char err[PB_ERR_LEN])
{
	const struct pb_config_cluster *conf = &c->agent->conf->cluster;
	struct pb_signing s = { .on = false };
	int e;

	c->signing_stamp = stamp(conf);
	e = pb_signing_load(conf, c->file.cluster, &s, err);
	if (!e)
		e = fits(c, &s, err);
	if (!e)
		c->signing = s;
	OPENSSL_cleanse(&s, sizeof(s));
	return e;
}

void pb_cluster_sign_conf(const struct pb_cluster *c, struct tbl_conf *conf)
{
	const struct pb_signing *s = &c->signing;

	if (!s->on)
		return;
	conf->ca = s->check ? s->ca : NULL;
	conf->label = c->file.cluster;
	conf->secret = s->secret;
	conf->cert = s->cert;
	conf->cert_len = s->cert_len;
}

/* A renewed certificate is used without a restart; what is wrong with it changes nothing. */
static void renew(struct pb_cluster *c)
{
	const struct pb_config_cluster *conf = &c->agent->conf->cluster;
	struct pb_signing s = { .on = false };
	char err[PB_ERR_LEN] = "";
	int e = pb_signing_load(conf, c->file.cluster, &s, err);

	if (!e && !s.on)
		e = pb_fail(err, -EINVAL, "not to sign any more takes a restart");
	if (!e)
		e = fits(c, &s, err);
	if (!e && memcmp(s.ca, c->signing.ca, sizeof(s.ca)) != 0)
		e = pb_fail(err, -EKEYREJECTED, "%.160s has changed: that takes a restart",
			    conf->ca);
	if (!e) {
		s.check = c->signing.check;
		c->signing = s;
		tbl_set_cert(c->table, s.cert, s.cert_len, pb_cluster_ms());
		pb_cluster_schedule(c);
		log_info("the certificate of this node was read again");
	} else {
		pb_cluster_warn(c, "%s; the certificate of before is used on", err);
	}
	OPENSSL_cleanse(&s, sizeof(s));
}

static bool any_signs(void *arg, const struct tbl_owner *o)
{
	*(bool *)arg |= !o->self && o->signs && o->state == TBL_ALIVE;
	return !*(bool *)arg;
}

/* The others will say why they do not use it, there; here somebody must hear of it, too. */
static void look_alone(struct pb_cluster *c)
{
	bool others = false;

	tbl_each_owner(c->table, any_signs, &others);
	if (others && !c->unsigned_told)
		pb_cluster_warn(c,
				"other nodes sign what they announce and this one does not: those "
				"with identity = signed use nothing of it");
	c->unsigned_told = others;
}

void pb_cluster_sign_look(struct pb_cluster *c)
{
	uint64_t now = stamp(&c->agent->conf->cluster);
	bool soon = false;

	if (c->table && !c->signing.on)
		look_alone(c);
	if (c->signing.on && c->table) {
		if (now != c->signing_stamp) {
			c->signing_stamp = now;
			renew(c);
		}
		soon = c->signing.says.until_ms / 1000 < (uint64_t)time(NULL) + SOON_S;
	}
	pb_agent_warn(c->agent, PB_W_CERT, soon);
}

void pb_cluster_sign_status(const struct pb_cluster *c, struct pb_cluster_status *s)
{
	const struct pb_signing *g = &c->signing;

	s->signs = c->on && g->on;
	s->checks = c->on && g->check;
	if (!s->signs)
		return;
	s->cert_until_ms = g->says.until_ms;
	pb_cert_key_id(g->ca, s->ca_id);
}
