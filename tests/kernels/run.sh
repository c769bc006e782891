#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The kernel matrix: smoke.sh, with what `make` built, on Debian's packaged kernels and on the
# running one; on the packaged ones also a lab of several hosts.  Ends with "N passed, N failed".
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
build=$(realpath -m -- "${BUILD:-$here/../../build}")

usage() {
	cat << 'END'
usage: run.sh [--kernel 6.1|6.12|running|all]... [--keep] [--script FILE]
  --kernel K       one column of the matrix (all)
  --keep           keep the guests' work folders
  --script FILE    instead of smoke.sh
Environment: BUILD (build folder), KERNEL_CACHE (unpacked kernels, $BUILD/kernels),
PB_KERNEL_LIMIT (seconds a script may take, 900), PB_KERNEL_TORT=no (without
the torture of splices), PB_KERNEL_HOSTS (tests of tests/e2e to run in a
guest of their own; of those that can), PB_KERNEL_TESTS (pattern of the names of the
tests/bpf to run in the guests: identity, "identity|loader"; all but maps).
END
}

# What the smoke test needs: programs of this machine, what is a module in Debian's kernels, and what
# was built.  tests/bpf runs in the guests only, since `make test-bpf` is its run on this kernel, and
# by default without test_maps: a case spends 8 s on loading, for what hardly depends on the kernel.
tools=(bash bpftool find ip timeout unshare)
modules=(veth tun sch_ingress cls_bpf tcp_diag udp_diag)
products=(patchbayd patchbay patchbay-helper 'bpf/*.bpf.o' 'tests/bpf/test_*' tests/pbsock)
[ "${PB_KERNEL_TORT-yes}" = no ] || products+=(tests/tort)
tests=${PB_KERNEL_TESTS:-!(maps)}

# What the labs need: tests/e2e are written for a whole Debian.
hosts=${PB_KERNEL_HOSTS-hosts_connect hosts_admission hosts_failure hosts_udp hosts_loss memcached_smoke}
hosts_tools=(awk basename bash cat chmod cp curl cut date dirname env find getent grep head id ip
	kill memcached mkdir mkfifo mktemp mount mv nc nft nginx nsenter paste pgrep ps
	readlink redis-cli redis-server rm rmdir sed seq sha256sum sort ss stat tail tc tee timeout
	touch tr umount uniq unshare wc)
hosts_modules=(bridge cls_bpf nf_tables nft_meta_bridge nft_numgen sch_ingress sch_netem tcp_diag
	tun udp_diag veth)
hosts_products=(patchbayd patchbay patchbay-helper tests/pbsock tests/mc_udp)

kernels=() keep=() script=$here/smoke.sh limit=${PB_KERNEL_LIMIT:-900}
total_passed=0 total_failed=0 child='' out=''

parse() {
	while [ $# -gt 0 ]; do
		case $1 in
		--kernel) kernels+=("${2:-}") && shift ;;
		--script) script=${2:-} && shift ;;
		--keep) keep=(--keep) ;;
		-h | --help) usage && exit 0 ;;
		*) usage >&2 && exit 2 ;;
		esac
		shift || { usage >&2 && exit 2; }
	done
	if [ ${#kernels[@]} -eq 0 ] || [[ " ${kernels[*]} " == *' all '* ]]; then
		kernels=(6.1 6.12 running)
	fi
}

cleanup() {
	if [ -n "$child" ]; then
		kill "$child" 2> /dev/null || true
		wait "$child" 2> /dev/null || true
	fi
	rm -f -- "$out"
}

# launch_hosts KERNEL
launch_hosts() {
	local args=(--script "$here/hosts.sh" --limit "$((2 * limit))" --kernel "$1" --memory 2G) item
	args+=(--env PB_DIR=/pb --env PB_TESTS=/top/tests --env PB_E2E="$hosts"
		${keep[@]+"${keep[@]}"})
	for item in "${hosts_tools[@]}"; do args+=(--tool "$item"); done
	for item in "${hosts_modules[@]}"; do args+=(--module "$item"); done
	for item in "${hosts_products[@]}"; do args+=(--add "$build/$item:/pb/$item"); done
	for item in e2e lib tools; do args+=(--add "$here/../$item:/top/tests/$item"); done
	# what PATH finds first may be another than Debian's
	item=$(/usr/bin/python3 -c 'import os; print(os.path.dirname(os.__file__))') || return 1
	args+=(--add /usr/bin/python3 --add "$item")
	exec bash "$here/vm.sh" "${args[@]}"
}

# launch KERNEL: the same script and products, in a guest or here
launch() {
	local args=(--script "$script" --limit "$limit") item
	if [ "$1" = running ]; then
		exec bash "$here/here.sh" "${args[@]}" --env PB_DIR="$build" --env PB_TESTS="$here/.." \
			--env PB_LIVE=no --env PB_TORT="${PB_KERNEL_TORT-yes}"
	fi
	args+=(--kernel "$1" --env PB_DIR=/pb --env PB_TESTS=/tests ${keep[@]+"${keep[@]}"}
		--add "$here/splice.sh:/tests/kernels/splice.sh" --add "$here/../lib/tort.sh:/tests/lib/tort.sh")
	for item in "${tools[@]}"; do args+=(--tool "$item"); done
	for item in "${modules[@]}"; do args+=(--module "$item"); done
	while IFS= read -r item; do
		[[ $item == */test_* && ${item##*/test_} != @($tests) || $item == *.d ]] ||
			args+=(--add "$item:/pb${item#"$build"}")
	done < <(for item in "${products[@]}"; do compgen -G "$build/$item" || true; done)
	exec bash "$here/vm.sh" "${args[@]}"
}

# column KERNEL [HOW]: its cases, named KERNEL/case, and one line that sums up
column() {
	local kernel=$1 start=$SECONDS status=0 result passed failed skipped
	("${2:-launch}" "$kernel") > "$out" 2>&1 &
	child=$!
	wait "$child" || status=$?
	child=''
	grep -v '^PB-RESULT ' "$out" | sed -E "s,^(PASS|FAIL|SKIP) ,&$kernel/," || true
	result=$(grep '^PB-RESULT ' "$out" | tail -n 1) || true
	if [[ $result =~ passed=([0-9]+)\ failed=([0-9]+)\ skipped=([0-9]+) ]]; then
		passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]} skipped=${BASH_REMATCH[3]}
	else
		printf 'FAIL %s/start: could not be run, exit %s\n' "$kernel" "$status"
		passed=0 failed=1 skipped=0
	fi
	if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
		printf 'FAIL %s/exit: exit %s although no case failed\n' "$kernel" "$status"
		failed=1
	fi
	total_passed=$((total_passed + passed))
	total_failed=$((total_failed + failed))
	printf 'kernel %s: %s passed, %s failed, %s skipped, %s s\n' "$kernel" "$passed" "$failed" \
		"$skipped" "$((SECONDS - start))"
}

main() {
	local kernel
	parse "$@"
	out=$(mktemp)
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	for kernel in "${kernels[@]}"; do
		column "$kernel"
		[ "$kernel" = running ] || [ "$script" != "$here/smoke.sh" ] || [ -z "$hosts" ] ||
			column "$kernel" launch_hosts
	done
	printf '%s passed, %s failed\n' "$total_passed" "$total_failed"
	[ "$total_failed" -eq 0 ] && [ "$total_passed" -gt 0 ]
}

main "$@"
