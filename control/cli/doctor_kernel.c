/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checks of the kernel and its switches. */
#include "doctor.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "../../loader/loader.h"
#include "../util.h"

#define FLOOR_MAJOR 6
#define FLOOR_MINOR 1

void doctor_kernel(struct doctor *d)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		doctor_say(d, "kernel", DOCTOR_WARN, NULL, "the version cannot be read");
	else if (major < FLOOR_MAJOR || (major == FLOOR_MAJOR && minor < FLOOR_MINOR))
		doctor_say(d, "kernel", DOCTOR_FAIL, "install Linux 6.1 or newer", "Linux %s",
			   u.release);
	else
		doctor_say(d, "kernel", DOCTOR_OK, NULL, "Linux %s", u.release);
}

/* Without root the probes do not run, which look at this too. */
static void say_btf(struct doctor *d)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		doctor_say(d, "btf", DOCTOR_FAIL,
			   "use a kernel built with CONFIG_DEBUG_INFO_BTF (Debian's is)",
			   "/sys/kernel/btf/vmlinux cannot be read");
	else
		doctor_say(d, "btf", DOCTOR_OK, NULL, "the kernel describes its types");
}

static void say_probe(struct doctor *d, const struct pb_probe *p)
{
	char todo[192];

	snprintf(todo, sizeof(todo), "%s: %s", p->required ? "required; without it" : "without it",
		 p->lost ? p->lost : "-");
	if (p->state == PB_PROBE_OK)
		doctor_say(d, p->id, DOCTOR_OK, NULL, "%s", p->what);
	else
		doctor_say(d, p->id, p->required ? DOCTOR_FAIL : DOCTOR_WARN, todo, "%s: %s",
			   p->what,
			   *p->detail			  ? p->detail
			   : p->state == PB_PROBE_MISSING ? "not in this kernel"
							  : "cannot be tried");
}

void doctor_probes(struct doctor *d)
{
	struct pb_probe *probes = NULL;
	size_t n;

	if (geteuid()) {
		doctor_say(d, "probes", DOCTOR_WARN, "run 'patchbay doctor' as root",
			   "what this kernel can do was not tried: that takes root");
		say_btf(d);
		return;
	}
	n = pb_probe_all(&probes);
	for (size_t i = 0; i < n; i++)
		say_probe(d, &probes[i]);
}

void doctor_lockdown(struct doctor *d)
{
	char line[128];

	if (doctor_read_line("/sys/kernel/security/lockdown", line, sizeof(line)))
		doctor_say(d, "lockdown", DOCTOR_OK, NULL,
			   "not in use, or securityfs is not mounted");
	else if (strstr(line, "[confidentiality]"))
		doctor_say(d, "lockdown", DOCTOR_WARN,
			   "none for Patchbay; tracing tools beside it will not work", "%s", line);
	else
		doctor_say(d, "lockdown", DOCTOR_OK, NULL, "%s", line);
}

void doctor_unprivileged_bpf(struct doctor *d)
{
	char line[16];

	if (doctor_read_line("/proc/sys/kernel/unprivileged_bpf_disabled", line, sizeof(line)))
		doctor_say(d, "unprivileged-bpf", DOCTOR_WARN, NULL, "the setting cannot be read");
	else if (!strcmp(line, "0"))
		doctor_say(d, "unprivileged-bpf", DOCTOR_WARN,
			   "set kernel.unprivileged_bpf_disabled=2 (sysctl)",
			   "every user may load BPF programs");
	else
		doctor_say(d, "unprivileged-bpf", DOCTOR_OK, NULL,
			   "only root may load BPF programs");
}

void doctor_ipv6(struct doctor *d)
{
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)))
		doctor_say(d, "ipv6", DOCTOR_OK, NULL, "available");
	else
		doctor_say(d, "ipv6", DOCTOR_WARN,
			   "set net.ipv6.conf.lo.disable_ipv6=0 if programs shall use IPv6",
			   "[::1] cannot be used: programs inside reach each other by IPv4 only");
}

void doctor_bindv6only(struct doctor *d)
{
	char line[16] = "0";

	doctor_read_line("/proc/sys/net/ipv6/bindv6only", line, sizeof(line));
	if (!strcmp(line, "1"))
		doctor_say(
			d, "bindv6only", DOCTOR_WARN, "set net.ipv6.bindv6only=0 (sysctl)",
			"servers that listen on [::] do not serve IPv4, inside Patchbay neither");
	else
		doctor_say(d, "bindv6only", DOCTOR_OK, NULL, "listeners on [::] serve IPv4 too");
}
