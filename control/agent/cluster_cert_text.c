/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rights of a node, as people write and read them. */
#include <patchbay/addr.h>

#include "../util.h"
#include "cluster_cert.h"
#include "event_json.h"

#define ONE_ADDRESS 128

static int add_name(struct tbl_cert *c, const char *value, char err[PB_ERR_LEN])
{
	size_t n = strlen(value);

	if (!n || n >= sizeof(c->names[0]) || strcspn(value, "*") < n - 1)
		return pb_fail(err, -EINVAL,
			       "'%.70s' is not the name of an application, or the beginning of "
			       "names and a '*'",
			       value);
	if (c->n_names == TBL_CERT_NAMES)
		return pb_fail(err, -E2BIG, "a certificate has at most %d names", TBL_CERT_NAMES);
	memcpy(c->names[c->n_names++], value, n + 1);
	return 0;
}

static int add_net(struct tbl_net *nets, uint32_t *n, const char *value, char err[PB_ERR_LEN])
{
	struct tbl_net net = { .bits = ONE_ADDRESS };
	uint32_t bits = ONE_ADDRESS;

	if (strchr(value, '/') ? pb_cidr_parse(value, &net.net, &bits)
			       : pb_addr_parse(value, &net.net))
		return pb_fail(err, -EINVAL,
			       "'%.60s' is not an address, nor a network ADDRESS/BITS without bits "
			       "set behind the prefix",
			       value);
	if (*n == TBL_CERT_NETS)
		return pb_fail(err, -E2BIG, "a certificate has at most %d networks of a kind",
			       TBL_CERT_NETS);
	net.bits = (uint8_t)bits;
	nets[(*n)++] = net;
	return 0;
}

int pb_cert_allow(struct tbl_cert *c, const char *text, char err[PB_ERR_LEN])
{
	if (!strncmp(text, "name=", 5))
		return add_name(c, text + 5, err);
	if (!strncmp(text, "ip=", 3))
		return add_net(c->vips, &c->n_vips, text + 3, err);
	if (!strncmp(text, "node=", 5))
		return add_net(c->nodes, &c->n_nodes, text + 5, err);
	return pb_fail(err, -EINVAL,
		       "'%.60s' is not a right: name=PATTERN, ip=NETWORK (of applications) or "
		       "node=NETWORK (of the node itself)",
		       text);
}

static void print_nets(FILE *f, const char *what, const struct tbl_net *nets, uint32_t n)
{
	char text[64];

	for (uint32_t i = 0; i < n; i++) {
		bool v4 = pb_cidr_is_v4(&nets[i].net, nets[i].bits);

		fprintf(f, "Allow: %s=%s/%u\n", what,
			pb_addr_format(&nets[i].net, text, sizeof(text)),
			v4 ? nets[i].bits - 96u : nets[i].bits);
	}
}

char *pb_cert_text(const struct tbl_cert *c, const char *cluster)
{
	char id[PB_NODE_ID_TEXT], key[PB_KEY_ID_LEN], until[40], *ret = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&ret, &n);

	if (!f)
		return NULL;
	pb_hex_write(c->id.b, sizeof(c->id.b), id);
	pb_cert_key_id(c->key, key);
	pb_time_format((int64_t)(c->until_ms * 1000000), until, sizeof(until));
	strcpy(until + 19, "Z");
	fprintf(f,
		PB_PEM_CLUSTER ": %s\n" PB_PEM_NODE ": %s\n" PB_PEM_ID ": %s\nKey: %s\nUntil: %s\n",
		cluster, *c->node ? c->node : "*", id, key, until);
	for (uint32_t i = 0; i < c->n_names; i++)
		fprintf(f, "Allow: name=%s\n", c->names[i]);
	print_nets(f, "ip", c->vips, c->n_vips);
	print_nets(f, "node", c->nodes, c->n_nodes);
	if (fclose(f)) {
		free(ret);
		return NULL;
	}
	return ret;
}
