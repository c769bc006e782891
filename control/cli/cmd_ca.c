/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `patchbay cluster ca`: keys and certificates of identity = signed.  Files only. */
#include "cli.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <time.h>

#include "../agent/cluster_cert.h"
#include "../util.h"
#include "ctl.h"

#define PATH 256
#define HEAD 256
#define DAYS 365
#define DAYS_MAX 36500
#define DAY_MS 86400000ULL

static int failed(const struct cli *c, int err, const char *text)
{
	return cli_error(c, CLI_NO, -err, "%s", text);
}

static int missing(const struct cli *c, const char *what)
{
	return cli_error(c, CLI_USAGE, EINVAL, "'cluster ca' needs %s", what);
}

/* What is made is said on standard output, and where the next step is. */
static int print_made(const struct cli *c, const char *file, const char *then)
{
	if (c->json) {
		json_auto_t *out = json_pack("{s:s}", "file", file);

		return out ? cli_print_json(c, out) : cli_oom(c);
	}
	printf("%s\n", file);
	fprintf(stderr, "%s\n", then);
	return CLI_OK;
}

static int new_key(uint8_t secret[TBL_KEY_LEN], uint8_t key[TBL_KEY_LEN])
{
	return RAND_priv_bytes(secret, TBL_KEY_LEN) == 1 ? tbl_key_public(secret, key) : -EIO;
}

/* ---- ca init ---- */

static int ca_init(const struct cli *c, const struct cli_args *a)
{
	const char *dir = a->pos[2], *cluster = cli_value(a, "name");
	uint8_t secret[TBL_KEY_LEN], key[TBL_KEY_LEN];
	char path[PATH], file[PATH], head[HEAD], err[PB_ERR_LEN];
	int e;

	cluster = cluster ? cluster : "default";
	if (a->n_pos < 3 || strlen(dir) > PATH - 16)
		return missing(c, "the folder for its files: 'cluster ca init DIR'");
	if (!pb_cluster_name_valid(cluster))
		return cli_error(c, CLI_USAGE, EINVAL, "'--name %.80s' is not a name", cluster);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return cli_error(c, CLI_NO, errno, "cannot make %s: %s", dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/" PB_CA_KEY, dir);
	snprintf(file, sizeof(file), "%s/" PB_CA_FILE, dir);
	snprintf(head, sizeof(head), PB_PEM_CLUSTER ": %s\n", cluster);
	if (new_key(secret, key))
		return failed(c, -EIO, "no random numbers");
	e = pb_pem_write_secret(path, head, secret, err);
	OPENSSL_cleanse(secret, sizeof(secret));
	if (!e)
		e = pb_pem_write_public(file, head, key, err);
	return e ? failed(c, e, err)
		 : print_made(
			   c, file,
			   "That is for every node ('ca =' in [cluster]). Beside it is the private "
			   "key: keep it off the nodes.");
}

/* ---- ca request ---- */

/* The key is the node's for good: it is made once. */
static int node_key(const char *path, uint8_t key[TBL_KEY_LEN], char err[PB_ERR_LEN])
{
	uint8_t secret[TBL_KEY_LEN];
	int e;

	if (!access(path, F_OK)) {
		e = pb_pem_read_secret(path, true, secret, err);
		if (!e && tbl_key_public(secret, key))
			e = pb_fail(err, -EBADMSG, "%.180s holds no key of use", path);
	} else if (new_key(secret, key)) {
		e = pb_fail(err, -EIO, "no random numbers");
	} else {
		e = pb_pem_write_secret(path, "", secret, err);
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	return e;
}

/* A node that is in a cluster already keeps its id. */
static void node_id(const struct cli *c, const uint8_t key[TBL_KEY_LEN], char ret[PB_NODE_ID_TEXT])
{
	json_auto_t *req = json_pack("{s:s}", "op", "cluster"), *answer = NULL;
	uint8_t id[PB_NODE_ID_LEN];

	if (!ctl_ask(c->run_dir, req, -1, &answer) &&
	    json_is_string(json_object_get(answer, "id")) &&
	    !pb_hex_read(cli_str(answer, "id"), id, sizeof(id))) {
		pb_hex_write(id, sizeof(id), ret);
		return;
	}
	pb_cert_id(key, id);
	pb_hex_write(id, sizeof(id), ret);
}

static int ca_request(const struct cli *c, const struct cli_args *a)
{
	const char *path = cli_value(a, "key"), *out = cli_value(a, "out");
	const char *given = cli_value(a, "id"), *node = cli_value(a, "node");
	char head[HEAD], id[PB_NODE_ID_TEXT], host[PB_NODE_NAME_LEN] = "", err[PB_ERR_LEN];
	uint8_t key[TBL_KEY_LEN], raw[PB_NODE_ID_LEN];
	int e;

	if (!path || !out)
		return missing(c, "the file of the node's key and the one to make: 'cluster ca "
				  "request --key FILE --out FILE'");
	if (given && pb_hex_read(given, raw, sizeof(raw)))
		return cli_error(c, CLI_USAGE, EINVAL, "'--id %.80s' is not an id: 32 hex digits",
				 given);
	if (!node && !gethostname(host, sizeof(host) - 1))
		node = host;
	if (!node || !pb_node_name_valid(node))
		return cli_error(c, CLI_USAGE, EINVAL, "'--node %.80s' is not a name",
				 node ? node : "");
	e = node_key(path, key, err);
	if (e)
		return failed(c, e, err);
	if (given)
		pb_hex_write(raw, sizeof(raw), id);
	else
		node_id(c, key, id);
	snprintf(head, sizeof(head), PB_PEM_NODE ": %s\n" PB_PEM_ID ": %s\n", node, id);
	e = pb_pem_write_public(out, head, key, err);
	return e ? failed(c, e, err)
		 : print_made(c, out,
			      "That goes to where the CA's key is: 'patchbay cluster ca sign'. The "
			      "private key stays here.");
}

/* ---- ca sign ---- */

/* Who asks, and for how long.  0, or the exit code. */
static int who(const struct cli *c, const struct cli_args *a, struct tbl_cert *cert)
{
	const char *request = a->pos[2], *node = cli_value(a, "node"), *days = cli_value(a, "days");
	unsigned long n = DAYS;
	char id[PB_NODE_ID_TEXT], err[PB_ERR_LEN];
	int e = pb_pem_read_public(request, cert->key, err);

	if (e)
		return failed(c, e, err);
	if (days && cli_number(days, 1, DAYS_MAX, &n))
		return cli_error(c, CLI_USAGE, EINVAL,
				 "'--days %.40s' is not a number from 1 to %d", days, DAYS_MAX);
	if (!node || !pb_node_name_valid(node))
		return missing(c, "the name of the node: 'cluster ca sign --node NAME'");
	if (!pb_pem_word(request, PB_PEM_ID, id, sizeof(id)))
		pb_cert_id(cert->key, cert->id.b);
	else if (pb_hex_read(id, cert->id.b, sizeof(cert->id.b)))
		return cli_error(c, CLI_NO, EINVAL, "%s: the id in it is none", request);
	snprintf(cert->node, sizeof(cert->node), "%s", node);
	cert->until_ms = (uint64_t)time(NULL) * 1000 + n * DAY_MS;
	return CLI_OK;
}

static int rights(const struct cli *c, const struct cli_args *a, struct tbl_cert *cert)
{
	char err[PB_ERR_LEN];
	const char *v;

	for (unsigned i = 0; (v = cli_nth(a, "allow", i)); i++)
		if (pb_cert_allow(cert, v, err))
			return cli_error(c, CLI_USAGE, EINVAL, "--allow: %s", err);
	if (!cert->n_nodes)
		return missing(c, "the addresses of the node: '--allow node=NETWORK'; without them "
				  "nothing of it can be reached");
	return CLI_OK;
}

static int make(const struct cli *c, const struct tbl_cert *cert, const char *ca_key,
		const char *cluster, const char *out)
{
	uint8_t secret[TBL_KEY_LEN], buf[TBL_RECORD_MAX];
	char err[PB_ERR_LEN];
	_cleanup_free_ char *head = NULL;
	int e = pb_pem_read_secret(ca_key, true, secret, err), n;

	if (e)
		return failed(c, e, err);
	n = tbl_cert_make(cert, cluster, secret, buf, sizeof(buf));
	OPENSSL_cleanse(secret, sizeof(secret));
	if (n < 0)
		return failed(c, n,
			      n == -ENOBUFS ? "too many rights for one certificate"
					    : "the certificate cannot be made");
	head = pb_cert_text(cert, cluster);
	if (!head)
		return cli_oom(c);
	e = pb_pem_write_cert(out, head, buf, (size_t)n, err);
	return e ? failed(c, e, err)
		 : print_made(c, out, "That is for the node ('cert =' in [cluster]).");
}

static int ca_sign(const struct cli *c, const struct cli_args *a)
{
	const char *ca_key = cli_value(a, "ca-key"), *out = cli_value(a, "out");
	struct tbl_cert cert;
	char cluster[64];
	int code;

	if (a->n_pos < 3)
		return missing(c, "the request of a node: 'cluster ca sign REQUEST'");
	if (!ca_key || !out)
		return missing(c, "--ca-key FILE and --out FILE");
	if (!pb_pem_word(ca_key, PB_PEM_CLUSTER, cluster, sizeof(cluster)))
		snprintf(cluster, sizeof(cluster), "default");
	memset(&cert, 0, sizeof(cert));
	code = who(c, a, &cert);
	if (!code)
		code = rights(c, a, &cert);
	return code ? code : make(c, &cert, ca_key, cluster, out);
}

int cmd_ca(const struct cli *c, const struct cli_args *a)
{
	static const struct {
		const char *sub, *opts;
		unsigned max_pos;
		int (*run)(const struct cli *c, const struct cli_args *a);
	} subs[] = {
		{ "init", "name", 3, ca_init },
		{ "request", "node id key out", 2, ca_request },
		{ "sign", "node ca-key allow days out", 3, ca_sign },
	};
	const char *sub = a->n_pos > 1 ? a->pos[1] : "";
	size_t i = 0;

	while (i < ARRAY_SIZE(subs) && strcmp(subs[i].sub, sub))
		i++;
	if (i == ARRAY_SIZE(subs))
		return cli_error(c, CLI_USAGE, EINVAL,
				 "'cluster ca %.40s' is unknown; there is: init request sign", sub);
	if (a->n_pos > subs[i].max_pos)
		return cli_error(c, CLI_USAGE, EINVAL, "'%.80s' is one word too many",
				 a->pos[subs[i].max_pos]);
	for (unsigned k = 0; k < a->n_opts; k++) {
		const char *name = a->opts[k].opt->name;

		for (const struct cli_opt *o = c->verb->opts; o->name; o++)
			if (o == a->opts[k].opt && !cli_is_word(name, subs[i].opts))
				return cli_error(c, CLI_USAGE, EINVAL,
						 "'cluster ca %s' takes no option '--%s'", sub,
						 name);
	}
	return subs[i].run(c, a);
}
