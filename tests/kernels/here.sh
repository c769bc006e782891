#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Runs a script on the running kernel as vm.sh runs it in a guest: in mount, network, PID and cgroup
# namespaces of its own.  There /sys/fs/cgroup is a fresh cgroup of this machine's, /sys/fs/bpf, /run
# and /etc/resolv.conf are empty.  The machine's own stay as they are.
# usage: here.sh --script FILE [--env NAME=VALUE]... [--limit SECONDS]      (root)
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
script='' limit=240 cgroup='' child=''

die() {
	printf 'here.sh: %s\n' "$2" >&2
	exit "$1"
}

parse() {
	while [ $# -gt 0 ]; do
		[ $# -ge 2 ] || die 2 "$1: unknown option, or its value is missing"
		case $1 in
		--script) script=$2 ;;
		--env) export "${2?}" ;;
		--limit) limit=$2 ;;
		*) die 2 "$1: unknown option" ;;
		esac
		shift 2
	done
	[ -f "$script" ] || die 2 "--script '$script': no such file"
	script=$(realpath -- "$script")
	[[ $limit =~ ^[1-9][0-9]*$ ]] || die 2 "--limit '$limit': not a number of seconds"
	[ "$(id -u)" = 0 ] || die 4 "needs root"
}

# wait_until SECONDS CMD...: polls
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" 2> /dev/null; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		read -rt 0.05 -u "$never" _ || true
	done
}

no_process() { grep -q -x 'populated 0' "$cgroup/cgroup.events"; }

cleanup() {
	local dir
	if [ -n "$child" ]; then
		kill -KILL "$child" 2> /dev/null || true # --kill-child: and everything in there
		wait "$child" 2> /dev/null || true
	fi
	[ -n "$cgroup" ] || return 0
	[ ! -w "$cgroup/cgroup.kill" ] || echo 1 > "$cgroup/cgroup.kill" || true
	wait_until 10 no_process || printf 'here.sh: processes are left in %s\n' "$cgroup" >&2
	while IFS= read -r dir; do
		wait_until 5 rmdir -- "$dir" || printf 'here.sh: %s stays\n' "$dir" >&2
	done < <(find "$cgroup" -depth -type d)
}

# The first process of the namespaces.  The old cgroup mounts go, so that nobody finds them.
# inside SECONDS SCRIPT
inside() {
	umount -R -l /sys
	mount -t sysfs sysfs /sys
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t bpf bpf /sys/fs/bpf
	mount -t tmpfs tmpfs /run
	: > /run/resolv.conf
	mount --bind /run/resolv.conf "$(readlink -f /etc/resolv.conf)"
	mkdir /run/tmp /sys/fs/cgroup/self
	# a cgroup with processes of its own passes no controllers on
	echo $$ > /sys/fs/cgroup/self/cgroup.procs
	export TMPDIR=/run/tmp PATH=$PATH:/usr/sbin:/sbin
	ip link set lo up
	install -m 0755 -- "$2" /run/script
	echo "kernel $(uname -r)"
	exec sh "$here/verdict.sh" "$1" /run/script
}

main() {
	local cgroup2 status=0
	parse "$@"
	cgroup2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$cgroup2" ] || die 4 "no cgroup2 mount"
	exec {never}<> <(:) # never readable
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir -- "$cgroup2/pbkernels-$$" || die 4 "no cgroup"
	cgroup=$cgroup2/pbkernels-$$
	(
		echo "$BASHPID" > "$cgroup/cgroup.procs"
		exec unshare --cgroup --mount --net --pid --fork --kill-child --mount-proc \
			--propagation private -- bash "$here/here.sh" --inside "$limit" "$script"
	) &
	child=$!
	wait "$child" || status=$?
	child=''
	return "$status"
}

if [ "${1:-}" = --inside ]; then
	shift
	inside "$@"
fi
main "$@"
