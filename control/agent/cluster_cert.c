/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* PEM files of keys and certificates. */
#include "cluster_cert.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../util.h"

#define CERT_NAME "PATCHBAY NODE CERTIFICATE"
#define ID_PURPOSE "patchbay node id"
#define LINE 256

static void biop(BIO **b)
{
	BIO_free(*b);
}

static void pkeyp(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

void pb_cert_id(const uint8_t key[TBL_KEY_LEN], uint8_t ret[PB_NODE_ID_LEN])
{
	uint8_t text[sizeof(ID_PURPOSE) + TBL_KEY_LEN], hash[EVP_MAX_MD_SIZE] = { 0 };

	memcpy(text, ID_PURPOSE, sizeof(ID_PURPOSE));
	memcpy(text + sizeof(ID_PURPOSE), key, TBL_KEY_LEN);
	EVP_Digest(text, sizeof(text), hash, NULL, EVP_sha256(), NULL);
	memcpy(ret, hash, PB_NODE_ID_LEN);
}

void pb_cert_key_id(const uint8_t key[TBL_KEY_LEN], char ret[PB_KEY_ID_LEN])
{
	uint8_t id[PB_NODE_ID_LEN];
	char text[PB_NODE_ID_TEXT];

	pb_cert_id(key, id);
	pb_hex_write(id, sizeof(id), text);
	memcpy(ret, text, PB_KEY_ID_LEN - 1);
	ret[PB_KEY_ID_LEN - 1] = '\0';
}

/* ---- out ----------------------------------------------------------------- */

/* A file that is whole, or not there. */
static int save(const char *path, BIO *b, mode_t mode, char err[PB_ERR_LEN])
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	char *p = NULL;
	long n = BIO_get_mem_data(b, &p), at = 0;
	int e = 0;

	if (fd < 0)
		return pb_fail(err, -errno, "cannot make %.160s: %s", path, strerror(errno));
	while (!e && at < n) {
		ssize_t got = write(fd, p + at, (size_t)(n - at));

		if (got >= 0)
			at += got;
		else if (errno != EINTR)
			e = -errno;
	}
	if (!e && fsync(fd))
		e = -errno;
	if (!e)
		return 0;
	unlink(path);
	return pb_fail(err, e, "cannot write %.160s: %s", path, strerror(-e));
}

int pb_pem_write_secret(const char *path, const char *head, const uint8_t secret[TBL_KEY_LEN],
			char err[PB_ERR_LEN])
{
	_cleanup_(pkeyp) EVP_PKEY *k =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, TBL_KEY_LEN);
	BIO *b = BIO_new(BIO_s_secmem());
	int e;

	if (!k || !b || BIO_puts(b, head) < 0 ||
	    PEM_write_bio_PKCS8PrivateKey(b, k, NULL, NULL, 0, NULL, NULL) != 1)
		e = pb_fail(err, -EIO, "the key cannot be written as PEM");
	else
		e = save(path, b, 0600, err);
	BIO_free(b);
	return e;
}

int pb_pem_write_public(const char *path, const char *head, const uint8_t key[TBL_KEY_LEN],
			char err[PB_ERR_LEN])
{
	_cleanup_(pkeyp) EVP_PKEY *k =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, TBL_KEY_LEN);
	_cleanup_(biop) BIO *b = BIO_new(BIO_s_mem());

	if (!k || !b || BIO_puts(b, head) < 0 || PEM_write_bio_PUBKEY(b, k) != 1)
		return pb_fail(err, -EIO, "the key cannot be written as PEM");
	return save(path, b, 0644, err);
}

int pb_pem_write_cert(const char *path, const char *head, const uint8_t *cert, size_t n,
		      char err[PB_ERR_LEN])
{
	_cleanup_(biop) BIO *b = BIO_new(BIO_s_mem());

	if (!b || BIO_puts(b, head) < 0 || !PEM_write_bio(b, CERT_NAME, "", cert, (long)n))
		return pb_fail(err, -EIO, "the certificate cannot be written as PEM");
	return save(path, b, 0644, err);
}

/* ---- in ------------------------------------------------------------------ */

static int open_file(const char *path, bool secret, BIO **ret, char err[PB_ERR_LEN])
{
	FILE *f = fopen(path, "re");
	struct stat st;

	if (!f)
		return pb_fail(err, -errno, "%.180s: %s", path, strerror(errno));
	if (fstat(fileno(f), &st) || !S_ISREG(st.st_mode)) {
		fclose(f);
		return pb_fail(err, -EINVAL, "%.180s is not a file", path);
	}
	if (secret && (st.st_mode & (S_IWGRP | S_IRWXO))) {
		fclose(f);
		return pb_fail(
			err, -EACCES,
			"%.140s: others may read or write it, and it holds a key: chmod 0600",
			path);
	}
	*ret = BIO_new_fp(f, BIO_CLOSE);
	if (!*ret) {
		fclose(f);
		return pb_fail(err, -ENOMEM, "no memory");
	}
	return 0;
}

static int no_phrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

int pb_pem_read_secret(const char *path, bool ask, uint8_t ret[TBL_KEY_LEN], char err[PB_ERR_LEN])
{
	_cleanup_(pkeyp) EVP_PKEY *k = NULL;
	_cleanup_(biop) BIO *b = NULL;
	size_t n = TBL_KEY_LEN;
	int e = open_file(path, true, &b, err);

	if (e)
		return e;
	k = PEM_read_bio_PrivateKey(b, NULL, ask ? NULL : no_phrase, NULL);
	if (!k)
		return pb_fail(err, -EBADMSG, "%.160s holds no private key in PEM%s", path,
			       ask ? "" : " that can be read without a pass phrase");
	if (EVP_PKEY_get_id(k) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_private_key(k, ret, &n) != 1 || n != TBL_KEY_LEN)
		return pb_fail(err, -EBADMSG, "%.180s: the key is not of Ed25519", path);
	return 0;
}

int pb_pem_read_public(const char *path, uint8_t ret[TBL_KEY_LEN], char err[PB_ERR_LEN])
{
	_cleanup_(pkeyp) EVP_PKEY *k = NULL;
	_cleanup_(biop) BIO *b = NULL;
	size_t n = TBL_KEY_LEN;
	int e = open_file(path, false, &b, err);

	if (e)
		return e;
	k = PEM_read_bio_PUBKEY(b, NULL, no_phrase, NULL);
	if (!k)
		return pb_fail(err, -EBADMSG, "%.180s holds no public key in PEM", path);
	if (EVP_PKEY_get_id(k) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(k, ret, &n) != 1 || n != TBL_KEY_LEN)
		return pb_fail(err, -EBADMSG, "%.180s: the key is not of Ed25519", path);
	return 0;
}

int pb_pem_read_cert(const char *path, uint8_t ret[TBL_RECORD_MAX], uint32_t *ret_n,
		     char err[PB_ERR_LEN])
{
	_cleanup_(biop) BIO *b = NULL;
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long n = 0;
	int e = open_file(path, false, &b, err);

	if (e)
		return e;
	if (PEM_read_bio(b, &name, &header, &data, &n) != 1 || strcmp(name, CERT_NAME))
		e = pb_fail(err, -EBADMSG,
			    "%.130s holds no certificate of a node: 'patchbay cluster ca sign' "
			    "makes one",
			    path);
	else if (n <= 0 || n > TBL_RECORD_MAX)
		e = pb_fail(err, -EBADMSG, "%.180s: the certificate is too long", path);
	else
		memcpy(ret, data, *ret_n = (uint32_t)n);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(data);
	return e;
}

bool pb_pem_word(const char *path, const char *word, char *ret, size_t cap)
{
	FILE *f = fopen(path, "re");
	size_t n = strlen(word);
	char line[LINE];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f) && strncmp(line, "-----", 5) != 0) {
		const char *value;

		if (strncmp(line, word, n) != 0 || line[n] != ':')
			continue;
		line[strcspn(line, "\r\n")] = '\0';
		value = line + n + 1 + strspn(line + n + 1, " ");
		if (strlen(value) >= cap)
			break;
		strcpy(ret, value);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}
