/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent's part of the kernel state: rules, configuration, hooks. */
#include <fcntl.h>
#include <sys/socket.h>

#include "agent.h"
#include "cgroup.h"
#include "loader.h"
#include "scope.h"
#include "util.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static int netns_cookie(uint64_t *ret)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret);

	if (fd < 0)
		return -errno;
	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len) ? -errno : 0;
}

static int open_loader(struct pb_agent *a)
{
	struct pb_loader_opts o = { .bpffs = a->bpffs, .group = a->gid };
	pid_t pid = 0;
	int err = pb_loader_open(&a->loader, &o, &pid);

	if (err == -EBUSY && pid)
		return pb_refuse(err, "another patchbayd (pid %d) serves %s", pid, a->bpffs);
	if (err == -EUCLEAN)
		return pb_refuse(
			err, "the maps below %s have another layout: patchbay detach --all first",
			a->bpffs);
	if (err)
		return log_err(err, "cannot load the kernel programs (bpffs %s)", a->bpffs);
	return 0;
}

/* Pools, mode and namespace; flags stay as they are until the hooks behind them are there. */
static int write_config(struct pb_agent *a)
{
	const struct pb_config_agent *c = &a->conf->agent;
	struct pb_config *k = &a->kernel;
	uint64_t netns;
	int err = netns_cookie(&netns);

	if (err)
		return log_err(err, "cannot read the cookie of the network namespace");
	if (k->netns && k->netns != netns) {
		log_warn(
			"the guarded network namespace changes: listeners of before are not reachable");
		k->flags &= ~(PB_CFG_GUARD | PB_CFG_DNS);
	}
	k->netns = netns;
	k->pool4 = c->pool4;
	k->pool6 = c->pool6;
	k->pool4_bits = c->pool4_bits;
	k->pool6_bits = c->pool6_bits;
	k->mode = c->mode;
	k->gen++;
	err = pb_maps_set_config(a->maps, k);
	return err ? log_err(err, "cannot write pb_config") : 0;
}

int pb_kernel_open(struct pb_agent *a)
{
	int err = open_loader(a);

	if (err)
		return err;
	err = pb_maps_from_loader(&a->maps, a->loader);
	if (!err)
		err = pb_maps_init(a->maps);
	if (!err)
		err = pb_maps_get_config(a->maps, &a->kernel);
	return err ? log_err(err, "cannot set up the maps") : 0;
}

int pb_kernel_set_rules(struct pb_agent *a, char err[PB_ERR_LEN])
{
	uint32_t bank = (a->kernel.bank + 1) % PB_BANKS;
	const struct pb_rule *rules;
	size_t line = 0;
	int r = pb_registry_set_rules(a->registry, (const char *const *)a->conf->rule,
				      a->conf->n_rules, bank, &line, err);

	if (r)
		return r;
	rules = pb_registry_rules(a->registry, bank);
	for (uint32_t i = 0; !r && i < PB_RULES_MAX; i++)
		r = pb_maps_put_rule(a->maps, bank * PB_RULES_MAX + i, &rules[i]);
	if (!r)
		r = pb_publish_all(a);
	if (r) {
		snprintf(err, PB_ERR_LEN, "the rules cannot be written to the kernel: %s",
			 strerror(-r));
		return r;
	}
	a->kernel.bank = bank;
	r = write_config(a);
	if (r)
		snprintf(err, PB_ERR_LEN, "pb_config cannot be written: %s", strerror(-r));
	return r;
}

static int attach_guard(struct pb_agent *a, struct pb_loader_report *report)
{
	_cleanup_close_ int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int err;

	if (ns < 0)
		return -errno;
	err = pb_loader_attach_netns(a->loader, ns, report);
	pb_agent_warn(a, PB_W_GUARD, err != 0);
	if (err)
		return err;
	if (a->kernel.flags & PB_CFG_GUARD)
		return 0;
	/* only now may programs listen: the kernel side trusts this flag */
	a->kernel.flags |= PB_CFG_GUARD;
	return write_config(a);
}

int pb_kernel_attach(struct pb_agent *a)
{
	struct pb_loader_report report = { 0 };
	int err = attach_guard(a, &report);

	if (err)
		return log_err(err, "cannot attach admission to the network namespace");
	err = pb_loader_attach_cgroup(a->loader, a->cgroup_fd, a->cgroup_id, true, &report);
	pb_agent_warn(a, PB_W_LINKS, err != 0);
	if (err == -EXDEV)
		return pb_refuse(
			err,
			"the hooks are attached to another cgroup than %s: use that one, or patchbay detach --all first",
			a->cgroup);
	if (err)
		return log_err(err, "cannot attach the hooks to %s", a->cgroup);
	if (pb_loader_attach_splice(a->loader, &report))
		log_warn("local connections cannot be spliced: they go by TCP");
	log_debug("links: %u made, %u updated in place, %u healed", report.attached, report.updated,
		  report.healed);
	return 0;
}

int pb_kernel_flag(struct pb_agent *a, uint32_t flag, bool on)
{
	uint32_t was = a->kernel.flags;
	int err;

	if (!!(was & flag) == on)
		return 0;
	a->kernel.flags ^= flag;
	err = write_config(a);
	if (err)
		a->kernel.flags = was;
	return err;
}

/* Not asked before the hooks are attached: what an earlier agent spliced stays so until then. */
int pb_kernel_splice(struct pb_agent *a)
{
	const char *why = pb_splice_why_not_now(a);
	bool change = !why != !!(a->kernel.flags & PB_CFG_SPLICE);
	int err = 0;

	if (change) {
		a->kernel.flags ^= PB_CFG_SPLICE;
		err = write_config(a);
		if (err)
			a->kernel.flags ^= PB_CFG_SPLICE;
	}
	if (err || (!change && why == a->splice_said))
		return err;
	a->splice_said = why;
	if (why)
		log_info("no connection is spliced: %s", why);
	else
		log_info("local connections may be spliced, where both ends want it");
	return 0;
}

/* The managed cgroup is empty and somebody removed it: make it again. */
static void heal_cgroup(struct pb_agent *a)
{
	_cleanup_close_ int fd = -1;
	uint64_t id;

	if (!pb_cgroup_id(AT_FDCWD, a->cgroup, &id) && id == a->cgroup_id)
		return;
	log_warn("%s is gone: making it again", a->cgroup);
	if (pb_privsep_root(&a->helper) || pb_cgroup_id(AT_FDCWD, a->cgroup, &id) ||
	    (fd = open(a->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		pb_agent_warn(a, PB_W_CGROUP, true);
		return;
	}
	close(a->cgroup_fd);
	a->cgroup_fd = TAKE_FD(fd);
	a->cgroup_id = id;
	pb_agent_warn(a, PB_W_CGROUP, false);
	pb_loader_sweep(a->loader);
	pb_kernel_attach(a);
}

void pb_kernel_heal(struct pb_agent *a)
{
	_cleanup_free_ struct pb_link_state *links = NULL;
	size_t n = 0;
	bool dead = false, splice = false;

	heal_cgroup(a);
	if (pb_loader_sweep(a->loader) < 0)
		log_debug("links of cgroups that are gone could not be removed");
	if (pb_loader_links_of(a->loader, &links, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		dead |= !links[i].alive;
		splice |= !strcmp(links[i].name, "pb_skmsg");
	}
	if (!splice && pb_loader_splice(a->loader))
		pb_loader_attach_splice(a->loader, NULL);
	if (!dead)
		return;
	log_warn("a hook was detached: attaching it again");
	pb_kernel_attach(a);
}

void pb_kernel_rest(struct pb_agent *a)
{
	if (a->maps && pb_maps_rest(a->maps))
		log_debug("the heartbeat cannot be ended");
}

void pb_kernel_collect(struct pb_agent *a)
{
	uint64_t now = pb_now_ns();
	uint32_t entries = 0, max = 0;
	int n;

	if (now - a->collected_ns < PB_COLLECT_S * 1000000000ULL &&
	    (pb_maps_usage(a->maps, "pb_services", &entries, &max) ||
	     (uint64_t)entries * 100 < (uint64_t)max * PB_COLLECT_PERCENT))
		return;
	a->collected_ns = now;
	n = pb_maps_collect_services(a->maps);
	if (n > 0)
		log_debug("%d services without endpoints removed", n);
}
