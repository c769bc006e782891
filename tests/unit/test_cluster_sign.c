/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files of signed ownership. */
#include <criterion/criterion.h>
#include <sys/stat.h>

#include <patchbay/addr.h>

#include "control/agent/cluster_cert.h"
#include "control/agent/config.h"
#include "control/util.h"

static char dir[] = "/tmp/pb-sign-XXXXXX", err[PB_ERR_LEN];
static char ca_key[64], ca_file[64], key_file[64], cert_file[64];
static uint8_t ca_secret[TBL_KEY_LEN] = { 1 }, secret[TBL_KEY_LEN] = { 2 };
static struct tbl_cert cert;
static struct pb_config_cluster conf;

static void certify(const char *cluster, const uint8_t *by)
{
	uint8_t buf[TBL_RECORD_MAX];
	int n = tbl_cert_make(&cert, cluster, by, buf, sizeof(buf));
	char *head = pb_cert_text(&cert, cluster);

	cr_assert_gt(n, 0);
	cr_assert(head);
	unlink(cert_file);
	cr_assert_eq(pb_pem_write_cert(cert_file, head, buf, (size_t)n, err), 0, "%s", err);
	free(head);
}

static void begin(void)
{
	uint8_t key[TBL_KEY_LEN];

	cr_assert(mkdtemp(dir));
	snprintf(ca_key, sizeof(ca_key), "%s/ca.key", dir);
	snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
	snprintf(key_file, sizeof(key_file), "%s/key", dir);
	snprintf(cert_file, sizeof(cert_file), "%s/crt", dir);
	cr_assert_eq(tbl_key_public(ca_secret, key), 0);
	cr_assert_eq(pb_pem_write_secret(ca_key, "Cluster: lab\n", ca_secret, err), 0, "%s", err);
	cr_assert_eq(pb_pem_write_public(ca_file, "Cluster: lab\n", key, err), 0, "%s", err);
	cr_assert_eq(pb_pem_write_secret(key_file, "", secret, err), 0, "%s", err);
	memset(&cert, 0, sizeof(cert));
	cr_assert_eq(tbl_key_public(secret, cert.key), 0);
	pb_cert_id(cert.key, cert.id.b);
	cert.until_ms = 1800000000000;
	strcpy(cert.node, "h1");
	certify("lab", ca_secret);
	snprintf(conf.ca, sizeof(conf.ca), "%s", ca_file);
	snprintf(conf.cert, sizeof(conf.cert), "%s", cert_file);
	snprintf(conf.key, sizeof(conf.key), "%s", key_file);
	conf.identity = PB_IDENTITY_SIGNED;
}

static void end(void)
{
	char cmd[80];

	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(cluster_sign, .init = begin, .fini = end);

Test(cluster_sign, files_that_fit)
{
	struct pb_signing s;
	struct stat st;

	cr_assert_eq(pb_signing_load(&conf, "lab", &s, err), 0, "%s", err);
	cr_expect(s.on && s.check);
	cr_expect_str_eq(s.says.node, "h1");
	cr_expect_eq(memcmp(s.secret, secret, sizeof(secret)), 0);
	conf.identity = PB_IDENTITY_SHARED;
	cr_assert_eq(pb_signing_load(&conf, "lab", &s, err), 0, "%s", err);
	cr_expect(s.on && !s.check, "it signs, and asks nobody else to");
	conf.cert[0] = '\0';
	cr_assert_eq(pb_signing_load(&conf, "lab", &s, err), 0, "%s", err);
	cr_expect_not(s.on);
	cr_assert_eq(stat(key_file, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_expect_eq(pb_pem_write_secret(key_file, "", ca_secret, err), -EEXIST, "not replaced");
}

static void fails(const char *says)
{
	struct pb_signing s = { .on = false };

	*err = '\0';
	cr_expect_lt(pb_signing_load(&conf, "lab", &s, err), 0, "%s", says);
	cr_expect(strstr(err, says), "%s\nnot: %s", err, says);
	cr_expect_not(s.on);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

Test(cluster_sign, files_that_do_not)
{
	uint8_t key[TBL_KEY_LEN];
	struct pb_signing s;

	chmod(key_file, 0640);
	cr_expect_eq(pb_signing_load(&conf, "lab", &s, err), 0, "a group may read: %s", err);
	chmod(key_file, 0644);
	fails("others may read or write it");
	chmod(key_file, 0600);
	cr_expect_lt(pb_signing_load(&conf, "other", &s, err), 0);
	cr_expect(strstr(err, "is of cluster 'lab', this one is 'other'"), "%s", err);
	certify("other", ca_secret);
	fails("is not signed by the CA");
	certify("lab", secret);
	fails("is not signed by the CA");
	certify("lab", ca_secret);
	unlink(key_file);
	cr_assert_eq(pb_pem_write_secret(key_file, "", ca_secret, err), 0);
	fails("is for another key than");
	put(key_file, "-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----\n");
	fails("holds no private key in PEM");
	put(cert_file, "nothing\n");
	fails("holds no certificate of a node");
	unlink(cert_file);
	fails("No such file");
	cr_assert_eq(tbl_key_public(secret, key), 0);
	put(ca_file, "Cluster: lab\n");
	fails("holds no public key in PEM");
}

/* RSA, say: it is PEM, and of no use. */
Test(cluster_sign, other_kinds_of_keys)
{
	char cmd[160];

	snprintf(cmd, sizeof(cmd), "openssl genpkey -algorithm ed448 > %s 2> /dev/null", key_file);
	cr_assert_eq(system(cmd), 0);
	chmod(key_file, 0600);
	fails("the key is not of Ed25519");
	snprintf(cmd, sizeof(cmd),
		 "openssl genpkey -algorithm ed25519 -aes256 -pass pass:x > %s 2> /dev/null",
		 key_file);
	cr_assert_eq(system(cmd), 0);
	fails("without a pass phrase");
}

Test(cluster_sign, words_before)
{
	char value[16];

	put(ca_file,
	    "Cluster:lab\nId:  x y\r\nLong: 0123456789abcdef\n-----BEGIN X-----\nLate: 1\n");
	cr_expect(pb_pem_word(ca_file, "Cluster", value, sizeof(value)));
	cr_expect_str_eq(value, "lab");
	cr_expect(pb_pem_word(ca_file, "Id", value, sizeof(value)));
	cr_expect_str_eq(value, "x y");
	cr_expect_not(pb_pem_word(ca_file, "Long", value, sizeof(value)));
	cr_expect_not(pb_pem_word(ca_file, "Late", value, sizeof(value)));
	cr_expect_not(pb_pem_word(ca_file, "Cl", value, sizeof(value)));
	cr_expect_not(pb_pem_word("/nonexistent", "Cl", value, sizeof(value)));
}

static const char *const wrong[] = {
	"",	 "any",	 "name=", "name=a*b", "ip=10.9.0.1/16", "ip=x", "node=10.0.0.0/33",
	"tag=a", "name", "ip=",
};

Test(cluster_sign, rights)
{
	struct tbl_cert c;
	char *text;

	memset(&c, 0, sizeof(c));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		cr_expect_lt(pb_cert_allow(&c, wrong[i], err), 0, "%s", wrong[i]);
	cr_expect_eq(c.n_names + c.n_vips + c.n_nodes, 0);
	cr_expect_eq(pb_cert_allow(&c, "name=*", err), 0);
	cr_expect_eq(pb_cert_allow(&c, "name=web", err), 0);
	cr_expect_eq(pb_cert_allow(&c, "ip=10.9.0.0/16", err), 0);
	cr_expect_eq(pb_cert_allow(&c, "ip=fd00::/8", err), 0);
	cr_expect_eq(pb_cert_allow(&c, "node=192.0.2.7", err), 0);
	text = pb_cert_text(&c, "lab");
	cr_expect(strstr(text, "Cluster: lab\nNode: *\n"), "%s", text);
	cr_expect(strstr(text, "Allow: name=*\nAllow: name=web\nAllow: ip=10.9.0.0/16\n"
			       "Allow: ip=fd00::/8\nAllow: node=192.0.2.7/32\n"),
		  "%s", text);
	free(text);
	for (unsigned i = 2; i < TBL_CERT_NAMES; i++)
		cr_expect_eq(pb_cert_allow(&c, "name=x", err), 0);
	cr_expect_eq(pb_cert_allow(&c, "name=x", err), -E2BIG);
}

Test(cluster_sign, of_a_program_without_a_name)
{
	struct tbl_record r = { .kind = TBL_APP };

	memset(&cert, 0, sizeof(cert));
	strcpy(r.app.name, "~7");
	cr_expect_null(tbl_cert_allows(&cert, &r), "it claims nothing");
	cr_assert_eq(pb_addr_parse("10.9.0.1", &r.app.vip4), 0);
	cr_expect_not_null(tbl_cert_allows(&cert, &r));
}
