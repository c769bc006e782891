/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cert.h"

#include <errno.h>
#include <openssl/evp.h>
#include <patchbay/addr.h>

#include "gossip/fields.h"

#define NET_LEN 17 /* address, bits */
#define PURPOSE "patchbay node"
#define LABEL_MAX 255

struct body_wire {
	struct gsp_bytes id, key, vips, nodes, node;
	uint64_t until_ms;
	struct gsp_list names;
};

static const struct gsp_field body_fields[] = {
	GSP_FIELD(body_wire, nodes, "a", BYTES, .max = TBL_CERT_NETS * NET_LEN,
		  .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(body_wire, until_ms, "e", U64),
	GSP_FIELD(body_wire, node, "h", BYTES, .max = TBL_CERT_NODE - 1, .flags = GSP_F_OMIT_EMPTY),
	GSP_FIELD(body_wire, id, "i", BYTES, .max = TBL_ID_LEN),
	GSP_FIELD(body_wire, key, "k", BYTES, .max = TBL_KEY_LEN),
	GSP_FIELD(body_wire, names, "n", ARRAY),
	GSP_FIELD(body_wire, vips, "v", BYTES, .max = TBL_CERT_NETS * NET_LEN,
		  .flags = GSP_F_OMIT_EMPTY),
};
static const struct gsp_schema body_schema = GSP_SCHEMA(body_fields);

struct cert_wire {
	struct gsp_bytes body, sig;
};

static const struct gsp_field cert_fields[] = {
	GSP_FIELD(cert_wire, body, "b", BYTES, .max = TBL_RECORD_MAX),
	GSP_FIELD(cert_wire, sig, "s", BYTES, .max = TBL_SIG_LEN),
};
static const struct gsp_schema cert_schema = GSP_SCHEMA(cert_fields);

struct seal_wire {
	uint64_t at_ms;
};

static const struct gsp_field seal_fields[] = {
	GSP_FIELD(seal_wire, at_ms, "t", U64),
};
static const struct gsp_schema seal_schema = GSP_SCHEMA(seal_fields);

/* ---- keys ------------------------------------------------------------------------------------- */

int tbl_key_public(const uint8_t secret[TBL_KEY_LEN], uint8_t ret[TBL_KEY_LEN])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, TBL_KEY_LEN);
	size_t n = TBL_KEY_LEN;
	int ok = k && EVP_PKEY_get_raw_public_key(k, ret, &n) == 1 && n == TBL_KEY_LEN;

	EVP_PKEY_free(k);
	return ok ? 0 : -EINVAL;
}

int tbl_key_sign(const uint8_t secret[TBL_KEY_LEN], const void *data, size_t n,
		 uint8_t ret[TBL_SIG_LEN])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, TBL_KEY_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = TBL_SIG_LEN;
	int ok = k && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k) == 1 &&
		 EVP_DigestSign(ctx, ret, &len, data, n) == 1 && len == TBL_SIG_LEN;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return ok ? 0 : -EINVAL;
}

bool tbl_key_check(const uint8_t key[TBL_KEY_LEN], const void *data, size_t n,
		   const uint8_t sig[TBL_SIG_LEN])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, TBL_KEY_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = k && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestVerify(ctx, sig, TBL_SIG_LEN, data, n) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return ok;
}

/* ---- certificates ----------------------------------------------------------------------------- */

/* What the CA signs: purpose, label, body.  Its length; 0: too long. */
static size_t to_sign(const char *label, struct gsp_bytes body,
		      uint8_t ret[sizeof(PURPOSE) + LABEL_MAX + 1 + TBL_RECORD_MAX])
{
	size_t n = strlen(label);

	if (n > LABEL_MAX || body.n > TBL_RECORD_MAX)
		return 0;
	memcpy(ret, PURPOSE, sizeof(PURPOSE));
	memcpy(ret + sizeof(PURPOSE), label, n + 1);
	memcpy(ret + sizeof(PURPOSE) + n + 1, body.p, body.n);
	return sizeof(PURPOSE) + n + 1 + body.n;
}

static void put_nets(const struct tbl_net *nets, uint32_t n, uint8_t *to)
{
	for (uint32_t i = 0; i < n; i++) {
		memcpy(to + (size_t)i * NET_LEN, nets[i].net.b, 16);
		to[(size_t)i * NET_LEN + 16] = nets[i].bits;
	}
}

static int get_nets(struct gsp_bytes b, struct tbl_net *nets, uint32_t *ret_n)
{
	if (b.n % NET_LEN)
		return -EBADMSG;
	*ret_n = b.n / NET_LEN;
	for (uint32_t i = 0; i < *ret_n; i++) {
		memcpy(nets[i].net.b, b.p + (size_t)i * NET_LEN, 16);
		nets[i].bits = b.p[(size_t)i * NET_LEN + 16];
		if (nets[i].bits > 128)
			return -EBADMSG;
	}
	return 0;
}

int tbl_cert_make(const struct tbl_cert *c, const char *label, const uint8_t ca_secret[TBL_KEY_LEN],
		  uint8_t *buf, size_t cap)
{
	uint8_t vips[TBL_CERT_NETS * NET_LEN], nodes[TBL_CERT_NETS * NET_LEN], sig[TBL_SIG_LEN];
	uint8_t names[TBL_CERT_NAMES * (PB_NAME_LEN + 2)], body[TBL_RECORD_MAX];
	uint8_t data[sizeof(PURPOSE) + LABEL_MAX + 1 + TBL_RECORD_MAX];
	struct gsp_wr l = GSP_WR(names, sizeof(names)), b = GSP_WR(body, sizeof(body)),
		      w = GSP_WR(buf, cap < TBL_RECORD_MAX ? cap : TBL_RECORD_MAX);
	struct body_wire x = { { c->id.b, TBL_ID_LEN },
			       { c->key, TBL_KEY_LEN },
			       { vips, c->n_vips * NET_LEN },
			       { nodes, c->n_nodes * NET_LEN },
			       { (const uint8_t *)c->node, (uint32_t)strlen(c->node) },
			       c->until_ms,
			       { 0 } };
	struct cert_wire cert = { .sig = { sig, TBL_SIG_LEN } };
	size_t n;

	if (c->n_names > TBL_CERT_NAMES || c->n_vips > TBL_CERT_NETS || c->n_nodes > TBL_CERT_NETS)
		return -EINVAL;
	put_nets(c->vips, c->n_vips, vips);
	put_nets(c->nodes, c->n_nodes, nodes);
	for (uint32_t i = 0; i < c->n_names; i++)
		gsp_wr_text(&l, c->names[i]);
	x.names = (struct gsp_list){ names, (uint32_t)(l.p - names), c->n_names, 0 };
	gsp_fields_write(&b, &body_schema, &x);
	if (b.err)
		return b.err;
	cert.body = (struct gsp_bytes){ body, (uint32_t)(b.p - body) };
	n = to_sign(label, cert.body, data);
	if (!n || tbl_key_sign(ca_secret, data, n, sig))
		return -EINVAL;
	gsp_fields_write(&w, &cert_schema, &cert);
	return gsp_wr_done(&w, buf);
}

static int read_body(struct tbl_cert *c, struct gsp_bytes body)
{
	struct body_wire x = { .until_ms = 0 };
	struct gsp_rd r = GSP_RD(body.p, body.n), names;

	gsp_fields_read(&r, &body_schema, &x);
	if (r.err)
		return r.err;
	if (x.id.n != TBL_ID_LEN || x.key.n != TBL_KEY_LEN || x.names.count > TBL_CERT_NAMES ||
	    x.node.n >= TBL_CERT_NODE || !gsp_name_ok(x.node))
		return -EBADMSG;
	if (x.node.n)
		memcpy(c->node, x.node.p, x.node.n);
	memcpy(c->id.b, x.id.p, TBL_ID_LEN);
	memcpy(c->key, x.key.p, TBL_KEY_LEN);
	c->until_ms = x.until_ms;
	c->n_names = x.names.count;
	if (c->n_names)
		names = GSP_RD(x.names.p, x.names.n);
	for (uint32_t i = 0; i < c->n_names; i++) {
		struct gsp_bytes name = gsp_rd_raw(&names, PB_NAME_LEN - 1);

		if (names.err || !gsp_name_ok(name))
			return -EBADMSG;
		if (name.n)
			memcpy(c->names[i], name.p, name.n);
	}
	return get_nets(x.vips, c->vips, &c->n_vips) || get_nets(x.nodes, c->nodes, &c->n_nodes)
		       ? -EBADMSG
		       : 0;
}

int tbl_cert_read(struct tbl_cert *ret, const char *label, const uint8_t ca_key[TBL_KEY_LEN],
		  const uint8_t *p, size_t n)
{
	uint8_t data[sizeof(PURPOSE) + LABEL_MAX + 1 + TBL_RECORD_MAX];
	struct cert_wire cert = { { NULL, 0 }, { NULL, 0 } };
	struct gsp_rd r = GSP_RD(p, n);
	struct tbl_cert c;
	size_t len;
	int err;

	gsp_fields_read(&r, &cert_schema, &cert);
	if (r.err)
		return r.err;
	if (cert.sig.n != TBL_SIG_LEN || !cert.body.n)
		return -EBADMSG;
	len = to_sign(label, cert.body, data);
	if (!len || !tbl_key_check(ca_key, data, len, cert.sig.p))
		return -EKEYREJECTED;
	memset(&c, 0, sizeof(c));
	err = read_body(&c, cert.body);
	if (!err)
		*ret = c;
	return err;
}

/* ---- when ------------------------------------------------------------------------------------- */

int tbl_seal_make(uint64_t unix_ms, uint8_t *buf, size_t cap)
{
	struct seal_wire x = { unix_ms };
	struct gsp_wr w = GSP_WR(buf, cap);

	gsp_fields_write(&w, &seal_schema, &x);
	return gsp_wr_done(&w, buf);
}

int tbl_seal_read(uint64_t *ret_ms, const uint8_t *p, size_t n)
{
	struct seal_wire x = { 0 };
	struct gsp_rd r = GSP_RD(p, n);

	gsp_fields_read(&r, &seal_schema, &x);
	if (!r.err)
		*ret_ms = x.at_ms;
	return r.err;
}

/* ---- rights ----------------------------------------------------------------------------------- */

static bool name_fits(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return !strncmp(pattern, name, n - 1);
	return !strcmp(pattern, name);
}

bool tbl_cert_named(const struct tbl_cert *c, const char *node)
{
	return !*c->node || name_fits(c->node, node);
}

static bool in_nets(const struct pb_addr *a, const struct tbl_net *nets, uint32_t n)
{
	if (pb_addr_is_zero(a))
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (pb_addr_in(a, &nets[i].net, nets[i].bits))
			return true;
	return false;
}

static const char *app_allowed(const struct tbl_cert *c, const struct tbl_app *a)
{
	bool named = a->name[0] == '~' && pb_addr_is_zero(&a->vip4) && pb_addr_is_zero(&a->vip6);

	for (uint32_t i = 0; i < c->n_names; i++)
		named |= name_fits(c->names[i], a->name);
	if (!named)
		return "its certificate does not have that name";
	if (!in_nets(&a->vip4, c->vips, c->n_vips) || !in_nets(&a->vip6, c->vips, c->n_vips))
		return "its certificate does not have that address";
	return NULL;
}

const char *tbl_cert_allows(const struct tbl_cert *c, const struct tbl_record *r)
{
	if (r->kind == TBL_APP)
		return app_allowed(c, &r->app);
	if (r->kind == TBL_NODE && (!in_nets(&r->node.loc4, c->nodes, c->n_nodes) ||
				    !in_nets(&r->node.loc6, c->nodes, c->n_nodes)))
		return "its certificate does not have that address of a node";
	return NULL;
}
