/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Processes of managed scopes that hold what no hook sees: sockets of other
 * families, or another network namespace.  Best effort: a process may open one
 * as we look.
 */
#include "doctor.h"

#include <dirent.h>
#include <fts.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets_diag.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../util.h"

#define ID "processes"
#define INODES_MAX 4096

struct inodes {
	size_t n;
	unsigned long ino[INODES_MAX];
};

struct walk {
	struct doctor *d;
	unsigned procs, found;
	ino_t agent_netns;
	struct inodes vsock;
};

/* Tables of /proc/PID/net that list what no hook sees; the inode is field @field from 0. */
static const struct {
	const char *file, *what;
	unsigned field;
} tables[] = {
	{ "packet", "a packet", 8 },	 { "raw", "a raw", 9 },
	{ "raw6", "a raw IPv6", 9 },	 { "udplite", "a UDP-Lite", 9 },
	{ "udplite6", "a UDP-Lite", 9 },
};

static bool has(const struct inodes *s, unsigned long ino)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->ino[i] == ino)
			return true;
	return false;
}

static void add(struct inodes *s, unsigned long ino)
{
	if (ino && s->n < INODES_MAX)
		s->ino[s->n++] = ino;
}

static void read_table(pid_t pid, size_t table, struct inodes *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	char line[512], path[64];

	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, tables[table].file);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *save = NULL, *word = strtok_r(line, " ", &save);

		for (unsigned i = 0; word && i < tables[table].field; i++)
			word = strtok_r(NULL, " ", &save);
		if (word)
			add(ret, strtoul(word, NULL, 10)); /* the heading gives 0 */
	}
}

static int note_vsock(const struct nlmsghdr *h, void *data)
{
	const struct vsock_diag_msg *m = mnl_nlmsg_get_payload(h);

	if (mnl_nlmsg_get_payload_len(h) >= sizeof(*m))
		add(data, m->vdiag_ino);
	return MNL_CB_OK;
}

/* A kernel without vsock_diag shows none. */
static void list_vsock(struct inodes *ret)
{
	char buf[8192];
	struct mnl_socket *nl = mnl_socket_open(NETLINK_SOCK_DIAG);
	struct vsock_diag_req *req;
	struct nlmsghdr *h;
	ssize_t n;

	if (!nl)
		return;
	h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	req = mnl_nlmsg_put_extra_header(h, sizeof(*req));
	req->sdiag_family = AF_VSOCK;
	req->vdiag_states = ~0u;
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) >= 0)
		while ((n = mnl_socket_recvfrom(nl, buf, sizeof(buf))) > 0)
			if (mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), note_vsock,
				       ret) != MNL_CB_OK)
				break;
	mnl_socket_close(nl);
}

static void say(struct walk *w, pid_t pid, const char *what)
{
	char path[64], comm[32] = "?";

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	doctor_read_line(path, comm, sizeof(comm));
	w->found++;
	doctor_say(
		w->d, ID, DOCTOR_WARN,
		"start it with 'patchbay run' without --allow-raw, or accept that it is not managed",
		"pid %d (%s) %s", pid, comm, what);
}

static void look_at_sockets(struct walk *w, pid_t pid, const struct inodes *set, const char *what)
{
	char path[64], link[64], text[320];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = set->n ? opendir(path) : NULL;
	while (dir && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		unsigned long ino;

		link[n < 0 ? 0 : n] = '\0';
		if (sscanf(link, "socket:[%lu]", &ino) != 1 || !has(set, ino))
			continue;
		snprintf(text, sizeof(text), "holds %s socket as fd %s", what, e->d_name);
		say(w, pid, text);
	}
	if (dir)
		closedir(dir);
}

static ino_t netns_of(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

static void look_at_process(struct walk *w, pid_t pid)
{
	ino_t netns = netns_of(pid);

	w->procs++;
	if (netns && w->agent_netns && netns != w->agent_netns)
		say(w, pid, "is in another network namespace than the agent");
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct inodes set = { 0 };

		read_table(pid, i, &set);
		look_at_sockets(w, pid, &set, tables[i].what);
	}
	look_at_sockets(w, pid, &w->vsock, "a vsock");
}

static void look_at_scope(struct walk *w, const char *dir)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[PATH_MAX + 16];
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		look_at_process(w, pid);
}

void doctor_procs(struct doctor *d)
{
	struct walk w = { .d = d, .agent_netns = netns_of(d->agent ? d->agent : getpid()) };
	char *roots[] = { d->managed, NULL };
	FTSENT *e;
	FTS *tree;

	if (!*d->managed || access(d->managed, R_OK)) {
		doctor_say(d, ID, DOCTOR_OK, NULL, "no managed scopes");
		return;
	}
	list_vsock(&w.vsock);
	tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (tree && (e = fts_read(tree)))
		if (e->fts_info == FTS_D)
			look_at_scope(&w, e->fts_path);
	if (tree)
		fts_close(tree);
	if (!w.found)
		doctor_say(d, ID, DOCTOR_OK, NULL, "%u managed, none holds a socket no hook sees",
			   w.procs);
}
