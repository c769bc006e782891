#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A kernel that does not take the iterator costs the list of connections, and nothing else.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The same answer as from such a kernel: programs of type tracing are refused.
cat > "$SBX/refuse.c" << 'C'
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <sys/syscall.h>

long syscall(long nr, ...)
{
	long (*next)(long, ...) = dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == __NR_bpf && a[0] == BPF_PROG_LOAD &&
	    ((union bpf_attr *)a[1])->prog_type == BPF_PROG_TYPE_TRACING) {
		errno = EPERM;
		return -1;
	}
	return next(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
C
check shim cc -D_GNU_SOURCE= -shared -fPIC -o "$SBX/refuse.so" "$SBX/refuse.c" -ldl

LD_PRELOAD=$SBX/refuse.so start_agent
check log-says wait_for 5 log_has agent 'flows: .*feature is off'
serve srv --name srv --ip 10.9.32.1 --tag grp=t -- "$S" tcp-serve 80
run_app cli --name cli --ip 10.9.32.2 --tag grp=t -- "$S" tcp-connect --hold --timeout 60000 10.9.32.1 80
check identities-go-on wait_for 5 log_has cli '^ok peer=10\.9\.32\.1:80'
expect_rc flows-refused 3 pb flows
match flows-sentence '^patchbay: connections cannot be listed: ' pb flows
match flows-json '"error":\{"errno":"EOPNOTSUPP"' pb flows -o json
match why-goes-on 'now: ' pb why cli srv:80
eq why-without "['answer', 'decisions', 'memcached', 'schema']" "$(pb why cli srv:80 -o json | json 'sorted(d)')"
match status-goes-on 'agent' pb status

# ---- an agent that may, lists what was there before ----
stop_agent
start_agent
eq listed 1 "$(pb flows -o json | json 'd["total"]')"
finish
