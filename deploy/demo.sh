#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `make demo`: the story of README.md with real programs, told as it happens: one host, then three.
# It plays in network and mount namespaces of its own and below one cgroup that is removed at the
# end; the machine's network, /run and /sys/fs/bpf are not touched.  Fails when a step does not show
# what it says.  DEMO=one or DEMO=hosts plays one part only.
# shellcheck source=../tests/e2e/lib.sh
. "$(dirname "$0")/../tests/e2e/lib.sh"
# shellcheck source=../tests/lib/lab.sh
. "$TOP/tests/lib/lab.sh"
# shellcheck source=lab/tell.sh
. "$TOP/deploy/lab/tell.sh"
# shellcheck source=lab/one_host.sh
. "$TOP/deploy/lab/one_host.sh"
# shellcheck source=lab/figure1.sh
. "$TOP/deploy/lab/figure1.sh"
PATH=$BUILD:$PATH

# background NAME COMMAND: prints and starts it
background() {
	local -a words
	printf '\n  $ %s &\n' "$2"
	read -ra words <<< "$2"
	start "$1" "${words[@]}"
}
appears() { wait_for 15 has_endpoints "$@" || fail "$1" "no endpoint after 15 s: $(tail -n 2 "$SBX"/log/*)"; }

case ${DEMO:-all} in
one) one_host ;;
hosts) figure ;;
*)
	one_host
	figure
	;;
esac

chapter "The end"
say "Everything below this sandbox is stopped and removed now: programs, cgroups, namespaces," \
	"programs in the kernel ('patchbay detach --all')."
finish
