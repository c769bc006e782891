/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checks of a node among others: port, clock, hooks on devices, whether the others are reached. */
#include "doctor.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>

#include <patchbay/addr.h>

#include "../registry/registry.h"
#include "../util.h"
#include "ctl.h"

#define REACH_MS 2000
#define NODES_MAX 64 /* nodes that are tried */
#define CLOCK_AHEAD_MS (48 * 3600000LL)

static int ask(const struct doctor *d, const char *op, json_t **ret)
{
	json_auto_t *req = json_pack("{s:s}", "op", op), *answer = NULL;
	int err = ctl_ask(d->c->run_dir, req, -1, &answer);

	if (err)
		return err;
	if (!json_is_true(json_object_get(answer, "ok")))
		return -EPROTO;
	*ret = TAKE_PTR(answer);
	return 0;
}

/* ---- what the agent says of itself ---- */

static void say_state(struct doctor *d, const json_t *a)
{
	const json_t *m = json_object_get(a, "members");

	if (!strcmp(cli_str(a, "state"), "joining"))
		doctor_say(d, "cluster", DOCTOR_FAIL,
			   "open its TCP and UDP port on this and the other nodes",
			   "no other node of %s has answered yet", cli_str(a, "cluster"));
	else if (json_is_true(json_object_get(a, "frozen")))
		doctor_say(d, "cluster", DOCTOR_WARN, "see 'patchbay nodes' and the network",
			   "what was known is kept: %s", cli_str(a, "frozen_why"));
	else if (!json_is_true(json_object_get(a, "encrypted")))
		doctor_say(d, "cluster", DOCTOR_WARN,
			   "make a new one without --insecure: it is for tests",
			   "%s is not encrypted: whoever reaches its port can say anything",
			   cli_str(a, "cluster"));
	else
		doctor_say(d, "cluster", DOCTOR_OK, NULL, "%s: %lld nodes alive, %lld suspect",
			   cli_str(a, "cluster"), cli_int(m, "alive"), cli_int(m, "suspect"));
}

static void say_hooks(struct doctor *d, const json_t *a)
{
	const json_t *list = json_object_get(a, "devices"), *v;
	char names[160] = "";
	size_t i, n = 0;

	json_array_foreach (list, i, v)
		if (n < sizeof(names))
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "",
					      json_string_value(v));
	if (json_is_true(json_object_get(a, "verified")))
		doctor_say(d, "syn-hook", DOCTOR_OK, NULL, "identities are verified on %s", names);
	else
		doctor_say(d, "syn-hook", DOCTOR_FAIL,
			   "name the devices in [cluster] device, and see the agent's log",
			   "%s%s: programs of other nodes are refused here",
			   *names ? "no program is attached to " : "no device is known", names);
}

/* The epoch is this node's clock in milliseconds when the agent started, or later than any before. */
static void say_clock(struct doctor *d, const json_t *a)
{
	long long now = (long long)time(NULL) * 1000, epoch = cli_int(a, "epoch");
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	if (epoch > now + CLOCK_AHEAD_MS)
		doctor_say(d, "clock", DOCTOR_FAIL, "set the clock, and keep it by NTP",
			   "it is %lld minutes behind what this node once told the others: they "
			   "may refuse what it says",
			   (epoch - now) / 60000);
	else if (state == TIME_ERROR || (t.status & STA_UNSYNC))
		doctor_say(d, "clock", DOCTOR_WARN, "keep it by NTP: chrony, or systemd-timesyncd",
			   "the kernel says that nobody keeps it right");
	else
		doctor_say(d, "clock", DOCTOR_OK, NULL, "kept right");
}

/* ---- what the network says ---- */

struct probe {
	const json_t *node;
	int fd;
	int err; /* 0: connected */
};

/* Begins a connection; *ret_err EINPROGRESS while it lasts. */
static int begin(const char *address, int port, int *ret_err)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct pb_addr addr;
	bool v4;
	int fd;

	*ret_err = EINVAL;
	if (pb_addr_parse(address, &addr))
		return -1;
	v4 = pb_addr_is_v4(&addr);
	memcpy(&sin.sin_addr, &addr.w[3], sizeof(sin.sin_addr));
	memcpy(&sin6.sin6_addr, &addr, sizeof(sin6.sin6_addr));
	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	*ret_err = fd < 0 || connect(fd, v4 ? (void *)&sin : (void *)&sin6,
				     v4 ? sizeof(sin) : sizeof(sin6))
			   ? errno
			   : 0;
	return fd;
}

static const char *first_address(const json_t *o)
{
	const char *text = json_string_value(json_array_get(json_object_get(o, "addresses"), 0));

	return text ? text : "";
}

static void finish(struct probe *p, size_t n)
{
	long long until = (long long)(pb_now_ns() / 1000000) + REACH_MS;

	for (size_t i = 0; i < n; i++) {
		struct pollfd pfd = { .fd = p[i].fd, .events = POLLOUT };
		long long left = until - (long long)(pb_now_ns() / 1000000);
		socklen_t len = sizeof(p[i].err);

		if (p[i].err == EINPROGRESS) {
			if (poll(&pfd, 1, left > 0 ? (int)left : 0) > 0)
				getsockopt(p[i].fd, SOL_SOCKET, SO_ERROR, &p[i].err, &len);
			else
				p[i].err = ETIMEDOUT;
		}
		if (p[i].fd >= 0)
			close(p[i].fd);
	}
}

static void say_port(struct doctor *d, const json_t *a)
{
	int port = (int)cli_int(a, "port");
	struct probe p = { .node = a };

	p.fd = begin(first_address(a), port, &p.err);
	finish(&p, 1);
	if (p.err)
		doctor_say(d, "gossip-port", DOCTOR_FAIL,
			   "is the address still this host's? See the agent's log",
			   "%s port %d does not answer on this host: %s", first_address(a), port,
			   strerror(p.err));
	else
		doctor_say(d, "gossip-port", DOCTOR_OK, NULL, "%s port %d answers",
			   first_address(a), port);
}

static void say_members(struct doctor *d, const json_t *nodes)
{
	struct probe p[NODES_MAX];
	char names[200] = "";
	size_t i, n = 0, bad = 0, len = 0;
	const json_t *node;

	json_array_foreach (nodes, i, node) {
		if (n == NODES_MAX || json_is_true(json_object_get(node, "self")) ||
		    !cli_is_word(cli_str(node, "state"), "alive suspect foreign"))
			continue;
		p[n].node = node;
		p[n].fd = begin(first_address(node), (int)cli_int(node, "port"), &p[n].err);
		n++;
	}
	finish(p, n);
	for (i = 0; i < n; i++) {
		if (!p[i].err)
			continue;
		if (len < sizeof(names))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s (%s)",
						bad ? ", " : "", cli_str(p[i].node, "name"),
						strerror(p[i].err));
		bad++;
	}
	if (bad)
		doctor_say(d, "members", DOCTOR_WARN,
			   "open their port for TCP and UDP, between all nodes",
			   "%zu of %zu other nodes cannot be reached by TCP: %s", bad, n, names);
	else
		doctor_say(d, "members", DOCTOR_OK, NULL, "%zu other nodes answer by TCP", n);
}

void doctor_hosts(struct doctor *d)
{
	json_auto_t *cluster = NULL, *nodes = NULL;

	if (!d->agent || ask(d, "cluster", &cluster))
		return; /* said by "agent" */
	if (!strcmp(cli_str(cluster, "state"), "alone")) {
		doctor_say(d, "cluster", DOCTOR_OK, NULL, "this node is in none");
		return;
	}
	say_state(d, cluster);
	say_hooks(d, cluster);
	say_clock(d, cluster);
	say_port(d, cluster);
	if (!ask(d, "nodes", &nodes))
		say_members(d, json_object_get(nodes, "nodes"));
}
