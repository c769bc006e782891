/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Start, run, stop. */
#include "agent.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "caps.h"
#include "cgroup.h"
#include "cluster.h"
#include "destroy.h"
#include "events.h"
#include "loader.h"
#include "memcached.h"
#include "scope.h"
#include "util.h"

int pb_refuse(int err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pb_log(PB_LOG_ERR, "%s", text);
	return err;
}

int pb_agent_helper(struct pb_agent *a)
{
	int err;

	pb_privsep_stop(&a->helper);
	err = pb_privsep_start(&a->helper, a->helper_path, a->cgroup, a->cgroup_fd);
	pb_agent_warn(a, PB_W_HELPER, err != 0);
	return err;
}

/* ---- start --------------------------------------------------------------- */

static int read_config(struct pb_agent *a)
{
	char text[PB_CONFIG_ERR_LEN] = "";
	int err = pb_agent_load_config(a->opts, &a->conf, text);

	if (err) {
		pb_log(PB_LOG_ERR, "%s", text);
		return err;
	}
	pb_log_set_level((enum pb_log_level)a->conf->agent.log);
	return 0;
}

int pb_agent_check_config(const struct pb_agent_opts *opts)
{
	struct pb_agent a = { .opts = opts };

	if (read_config(&a))
		return 2;
	printf("the configuration is valid: %zu rules, %zu scopes, %zu grants in %zu files\n",
	       a.conf->n_rules, a.conf->n_scopes, a.conf->n_grants, a.conf->n_files);
	pb_config_free(a.conf);
	return 0;
}

static int make_cgroup(struct pb_agent *a)
{
	bool made = !mkdir(a->cgroup, 0755);
	int err;

	if (!made && errno != EEXIST)
		return log_err(-errno, "cannot make the cgroup %s", a->cgroup);
	err = pb_cgroup_id(AT_FDCWD, a->cgroup, &a->cgroup_id);
	if (err && made)
		rmdir(a->cgroup);
	if (err == -EMEDIUMTYPE)
		return pb_refuse(err, "%s is not below the cgroup2 mount", a->cgroup);
	if (!err && (a->cgroup_fd = open(a->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		err = -errno;
	return err ? log_err(err, "cannot open the cgroup %s", a->cgroup) : 0;
}

static int make_run_dir(struct pb_agent *a)
{
	if (mkdir(a->run_dir, 0750) && errno != EEXIST)
		return log_err(-errno, "cannot make %s", a->run_dir);
	if (chown(a->run_dir, (uid_t)-1, a->gid) || chmod(a->run_dir, 0750))
		return log_err(-errno, "cannot set the owner and mode of %s", a->run_dir);
	return 0;
}

static int write_pid_file(const struct pb_agent *a)
{
	char path[PATH_MAX + 16];
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/patchbayd.pid", a->run_dir);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%d\n", getpid()) < 0 || fflush(f))
		return log_err(-errno, "cannot write %s", path);
	return 0;
}

static int start_registry(struct pb_agent *a)
{
	char text[PB_ERR_LEN] = "";
	struct pb_reg_conf rc;
	int err, n;

	pb_cluster_registry(a, pb_cluster_name(a), &rc);
	err = pb_registry_new(&a->registry, &rc);
	if (!err)
		err = pb_registry_set_grants(a->registry, a->conf->grants, a->conf->n_grants);
	if (err)
		return log_err(err, "cannot set up the registry");
	n = pb_adopt(a);
	if (n < 0)
		return log_err(n, "cannot adopt the applications of an earlier run");
	err = pb_kernel_set_rules(a, text);
	if (err) {
		pb_log(PB_LOG_ERR, "%s", text);
		return err;
	}
	err = pb_splice_services(a);
	if (err)
		return log_err(err, "cannot write the services of [splice]");
	return n;
}

static void start_dns(struct pb_agent *a)
{
	uint32_t flags = a->kernel.flags & ~PB_CFG_DNS;
	int err = 0;

	/* a program may get such a number now, and must not be admitted by it */
	if (pb_maps_clear_dns_ports(a->maps) < 0)
		log_warn("ports of an earlier resolver cannot be taken off the guard's list");
	if (a->conf->agent.dns) {
		err = pb_resolver_start(a);
		if (err)
			log_err(err, "cannot start the resolver");
		else
			flags |= PB_CFG_DNS;
	}
	if (flags != a->kernel.flags) {
		a->kernel.flags = flags;
		if (pb_maps_set_config(a->maps, &a->kernel))
			err = -EIO;
	}
	pb_agent_warn(a, PB_W_DNS, err != 0);
}

static int start_server(struct pb_agent *a)
{
	char path[PATH_MAX + 16];
	int err;

	pb_ratelimit_init(&a->run_rate, PB_RUN_PER_S, PB_RUN_BURST);
	snprintf(path, sizeof(path), "%s/control.sock", a->run_dir);
	err = pb_server_start(&a->server, &a->loop, path, a->gid, &pb_ops, a);
	return err ? log_err(err, "cannot open the control socket %s", path) : 0;
}

static int start_kernel(struct pb_agent *a)
{
	int err = make_cgroup(a);

	if (!err)
		err = pb_kernel_open(a);
	if (!err)
		err = make_run_dir(a);
	if (err)
		return err;
	err = pb_agent_helper(a);
	if (err)
		return log_err(err, "cannot start %s", a->helper_path);
	err = pb_scopes_start(a);
	return err ? log_err(err, "cannot watch cgroups") : 0;
}

/* How many applications were adopted, or -errno. */
static int start(struct pb_agent *a)
{
	struct pb_config old;
	int err, n;

	err = start_kernel(a);
	if (err)
		return err;
	old = a->kernel;
	n = start_registry(a);
	if (n < 0)
		return n;
	err = pb_kernel_attach(a);
	if (!err)
		err = pb_kernel_splice(a);
	if (err)
		return err;
	pb_node_look(a);
	pb_scope_conf_refresh(a);
	start_dns(a);
	pb_routes(a, &old);
	err = pb_events_start(a);
	if (err)
		log_err(err, "cannot read the event ring");
	pb_agent_warn(a, PB_W_EVENTS, err != 0);
	pb_destroy_start(a);
	pb_cluster_start(a);
	pb_memcached_start(a);
	err = start_server(a);
	if (!err)
		err = write_pid_file(a);
	if (!err)
		err = pb_caps_drop();
	return err ? err : n;
}

/* ---- run ----------------------------------------------------------------- */

static void on_beat(uv_timer_t *t)
{
	struct pb_agent *a = t->data;

	if (pb_maps_beat(a->maps, getpid()))
		log_debug("the heartbeat cannot be written");
}

static void on_heal(uv_timer_t *t)
{
	struct pb_agent *a = t->data;

	if (!pb_privsep_alive(&a->helper))
		pb_agent_helper(a);
	pb_kernel_heal(a);
	pb_node_look(a);
	pb_kernel_splice(a);
	pb_scopes_reconcile(a);
	pb_cluster_heal(a);
	pb_kernel_collect(a);
}

static void on_reload(uv_signal_t *s, int signum)
{
	char text[PB_ERR_LEN] = "";

	(void)signum;
	if (pb_reload(s->data, NULL, text))
		log_warn("configuration not changed: %s", text);
}

static void closed(uv_handle_t *h)
{
	(void)h;
}

static void stop(struct pb_agent *a)
{
	char path[PATH_MAX + 16];

	if (a->stopping)
		return;
	a->stopping = true;
	pb_notify("STOPPING=1");
	pb_server_stop(a->server);
	pb_memcached_stop(a);
	pb_cluster_stop(a);
	pb_events_stop(a);
	pb_destroy_stop(a);
	pb_names_free(TAKE_PTR(a->names));
	pb_scopes_stop(a);
	uv_close((uv_handle_t *)&a->beat, closed);
	uv_close((uv_handle_t *)&a->heal, closed);
	uv_close((uv_handle_t *)&a->resolvers, closed);
	uv_close((uv_handle_t *)&a->sigterm, closed);
	uv_close((uv_handle_t *)&a->sigint, closed);
	uv_close((uv_handle_t *)&a->sighup, closed);
	if (a->server) {
		pb_kernel_rest(a);
		snprintf(path, sizeof(path), "%s/patchbayd.pid", a->run_dir);
		unlink(path);
	}
}

static void on_stop(uv_signal_t *s, int signum)
{
	log_info("%s: stopping; hooks and maps stay, the data plane goes on", strsignal(signum));
	stop(s->data);
}

static void init_handles(struct pb_agent *a)
{
	uv_timer_init(&a->loop, &a->beat);
	uv_timer_init(&a->loop, &a->heal);
	uv_timer_init(&a->loop, &a->resolvers);
	uv_signal_init(&a->loop, &a->sigterm);
	uv_signal_init(&a->loop, &a->sigint);
	uv_signal_init(&a->loop, &a->sighup);
	a->beat.data = a->heal.data = a->resolvers.data = a;
	a->sigterm.data = a->sigint.data = a->sighup.data = a;
	uv_signal_start(&a->sigterm, on_stop, SIGTERM);
	uv_signal_start(&a->sigint, on_stop, SIGINT);
	uv_signal_start(&a->sighup, on_reload, SIGHUP);
}

static void prepare_process(void)
{
	struct rlimit rl;

	signal(SIGPIPE, SIG_IGN);
	umask(022);
	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static void fini(struct pb_agent *a)
{
	pb_privsep_stop(&a->helper);
	pb_memcached_free(a);
	pb_cluster_free(a);
	pb_registry_free(a->registry);
	pb_maps_free(a->maps);
	pb_loader_free(a->loader);
	pb_config_free(a->conf);
	pb_closep(&a->cgroup_fd);
}

static void run(struct pb_agent *a)
{
	int n;

	init_handles(a);
	n = start(a);
	if (n >= 0) {
		on_beat(&a->beat);
		uv_timer_start(&a->beat, on_beat, PB_BEAT_MS, PB_BEAT_MS);
		uv_timer_start(&a->heal, on_heal, PB_HEAL_MS, PB_HEAL_MS);
		log_info("patchbayd " PB_VERSION " ready (adopted %d applications)", n);
		pb_notify("READY=1");
		uv_run(&a->loop, UV_RUN_DEFAULT);
	} else {
		a->exit_code = 1;
		stop(a);
	}
	/* closing callbacks */
	uv_run(&a->loop, UV_RUN_DEFAULT);
}

int pb_agent_run(const struct pb_agent_opts *opts)
{
	struct pb_agent a = { .opts = opts,
			      .cgroup_fd = -1,
			      .helper = { .fd = -1 },
			      .fionread = -1,
			      .start_ns = pb_now_ns() };

	if (read_config(&a))
		return 2;
	prepare_process();
	if (pb_agent_paths(&a) || pb_cluster_load(&a) || uv_loop_init(&a.loop)) {
		a.exit_code = 1;
	} else {
		run(&a);
		uv_loop_close(&a.loop);
	}
	fini(&a);
	return a.exit_code;
}
