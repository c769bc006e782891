/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The files of signed ownership: keys and certificates of the cluster's CA and of its nodes, all of
 * them PEM.  Keys are OpenSSL's (Ed25519, PKCS#8 and SubjectPublicKeyInfo); what else must be known
 * stands in "Word: value" lines before, where PEM readers look over it.  The agent reads them, the
 * command line makes them.
 */
#ifndef PB_AGENT_CLUSTER_CERT_H
#define PB_AGENT_CLUSTER_CERT_H

#include "../table/cert.h"
#include "cluster_state.h"

#define PB_CA_KEY "ca.key"
#define PB_CA_FILE "ca.pem"

/* Words of the lines before. */
#define PB_PEM_CLUSTER "Cluster"
#define PB_PEM_NODE "Node"
#define PB_PEM_ID "Id"

/* The id a node has whose key that is, unless it had one before. */
void pb_cert_id(const uint8_t key[TBL_KEY_LEN], uint8_t ret[PB_NODE_ID_LEN]);
/* What may be shown of a public key, to tell it from others. */
void pb_cert_key_id(const uint8_t key[TBL_KEY_LEN], char ret[PB_KEY_ID_LEN]);

/*
 * New files only, -EEXIST: nothing that is there is replaced; secrets are 0600.  head: the lines
 * before, whole.
 */
int pb_pem_write_secret(const char *path, const char *head, const uint8_t secret[TBL_KEY_LEN],
			char err[PB_ERR_LEN]);
int pb_pem_write_public(const char *path, const char *head, const uint8_t key[TBL_KEY_LEN],
			char err[PB_ERR_LEN]);
int pb_pem_write_cert(const char *path, const char *head, const uint8_t *cert, size_t n,
		      char err[PB_ERR_LEN]);

/*
 * err is one sentence with the path.  -EACCES: a secret that others may read or write.  ask: whoever
 * is at the terminal is asked for the pass phrase of an encrypted one.
 */
int pb_pem_read_secret(const char *path, bool ask, uint8_t ret[TBL_KEY_LEN], char err[PB_ERR_LEN]);
int pb_pem_read_public(const char *path, uint8_t ret[TBL_KEY_LEN], char err[PB_ERR_LEN]);
int pb_pem_read_cert(const char *path, uint8_t ret[TBL_RECORD_MAX], uint32_t *ret_n,
		     char err[PB_ERR_LEN]);
/* The value of such a line; false: there is none, or it is too long. */
bool pb_pem_word(const char *path, const char *word, char *ret, size_t cap);

/* What a certificate says, as such lines. */
char *pb_cert_text(const struct tbl_cert *c, const char *cluster);
/* "name=PATTERN", "ip=NETWORK", "node=NETWORK": adds it.  A network without /BITS is one address. */
int pb_cert_allow(struct tbl_cert *c, const char *text, char err[PB_ERR_LEN]);

/* What a node signs with, and whom it believes. */
struct pb_signing {
	bool on;    /* this node signs */
	bool check; /* ... and so must the others */
	uint8_t ca[TBL_KEY_LEN], secret[TBL_KEY_LEN];
	uint8_t cert[TBL_RECORD_MAX];
	uint32_t cert_len;
	struct tbl_cert says; /* the certificate */
};

struct pb_config_cluster;
/* All files of the configuration, and whether they fit one another and the cluster.  Not: whether it
 * has expired.  Nothing configured: on is false. */
int pb_signing_load(const struct pb_config_cluster *conf, const char *cluster,
		    struct pb_signing *ret, char err[PB_ERR_LEN]);

#endif /* PB_AGENT_CLUSTER_CERT_H */
