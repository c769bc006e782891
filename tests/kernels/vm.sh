#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Boots a packaged kernel under qemu, without KVM, and runs a script in it.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/kernels/kernel.sh
. "$here/kernel.sh"
# shellcheck source=tests/kernels/initramfs.sh
. "$here/initramfs.sh"

usage() {
	cat << 'END'
usage: vm.sh --kernel SERIES --script FILE [OPTION]...
  --kernel SERIES      6.1, 6.12: the newest packaged kernel of that series
  --script FILE        run in the guest; its #! line may name sh or a --tool. It says
                       "PASS name", "FAIL name: why" or "SKIP name: why", a line a case
  --add PATH[:GUEST]   a file or folder for the guest, with the libraries its programs need
  --tool NAME          a program of this machine's PATH for the guest
  --module NAME        a kernel module to load first, with what it depends on
  --env NAME=VALUE     in the script's environment
  --limit SECONDS      time limit of the script (240); boot and shutdown may take 60 s more
  --memory SIZE        the guest's memory (1G)
  --keep               leave the work folder (image, console, output) and say where it is
--add, --tool, --module and --env can be repeated.
Exit status: 0 all passed; 1 a case failed; 2 wrong usage; 3 the guest broke (panic, hang, no
verdict); 4 the guest could not be built.
END
}

die() {
	printf 'vm.sh: %s\n' "$2" >&2
	exit "$1"
}

kernel='' script='' limit=240 memory=1G keep=false work='' qemu_pid=''
adds=() modules=() environment=()

add_tool() {
	local path
	path=$(type -P -- "$1") || die 4 "no program $1 here"
	adds+=("$path")
}

parse() {
	while [ $# -gt 0 ]; do
		case $1 in
		--keep) keep=true && shift && continue ;;
		-h | --help) usage && exit 0 ;;
		esac
		[ $# -ge 2 ] || die 2 "$1: unknown option, or its value is missing"
		case $1 in
		--kernel) kernel=$2 ;;
		--script) script=$2 ;;
		--add) adds+=("$2") ;;
		--tool) add_tool "$2" ;;
		--module) modules+=("$2") ;;
		--env) environment+=("$2") ;;
		--limit) limit=$2 ;;
		--memory) memory=$2 ;;
		*) die 2 "$1: unknown option" ;;
		esac
		shift 2
	done
	[[ $kernel =~ ^[0-9]+\.[0-9]+$ ]] || die 2 "--kernel '$kernel': not a series"
	[ -f "$script" ] || die 2 "--script '$script': no such file"
	[[ $limit =~ ^[1-9][0-9]*$ ]] || die 2 "--limit '$limit': not a number of seconds"
}

cleanup() {
	if [ -n "$qemu_pid" ]; then
		kill "$qemu_pid" 2> /dev/null || true
		wait "$qemu_pid" 2> /dev/null || true
	fi
	if $keep; then
		printf 'vm.sh: kept %s\n' "$work" >&2
	else
		rm -rf -- "$work"
	fi
}

guest_conf() {
	local pair
	printf 'VM_SCRIPT=%q VM_LIMIT=%q\n' "$1" "$limit"
	for pair in ${environment[@]+"${environment[@]}"}; do
		printf 'export %s=%q\n' "${pair%%=*}" "${pair#*=}"
	done
}

build_image() {
	local root=$work/root name=/script/${script##*/} spec
	tree_new "$root" || return 1
	for spec in ${adds[@]+"${adds[@]}"} "$here/guest-init.sh:/init" \
		"$here/verdict.sh:/verdict.sh" "$script:$name"; do
		tree_add "$root" "$spec" || return 1
	done
	chmod 0755 "$root/init" "$root$name"
	guest_conf "$name" > "$root/etc/vm.conf"
	kernel_modules "$tree" "$root/modules" ${modules[@]+"${modules[@]}"} || return 1
	tree_pack "$root" "$work/initramfs" || return 1
	rm -rf -- "$root"
}

# A panic restarts the guest at once, which -no-reboot turns into the end of qemu; a hang meets the
# deadline.  Without erms and fsrm the kernel copies words, since emulated byte-wise copies make the
# verifier a third slower.  Returns what qemu, or timeout, said.
boot() {
	timeout -k 5 "$((limit + 60))" qemu-system-x86_64 -accel tcg -cpu max,-erms,-fsrm \
		-smp 2 -m "$memory" -nographic -nodefaults -no-reboot -monitor none -nic none \
		-serial "file:$work/console" -serial "file:$work/output" \
		-kernel "$(kernel_image "$tree")" -initrd "$work/initramfs" \
		-append "console=ttyS0 rdinit=/init panic=-1 oops=panic nokaslr" \
		< /dev/null > "$work/qemu" 2>&1 &
	qemu_pid=$!
	wait "$qemu_pid"
}

# What the kernel said: from the first oops on, or the last lines.
console_part() {
	sed -i 's/\r$//' "$work/console"
	if grep -q -E 'BUG: |Oops: |Kernel panic' "$work/console"; then
		grep -m 1 -B 2 -A 40 -E 'BUG: |Oops: |Kernel panic' "$work/console"
	else
		tail -n 25 "$work/console"
	fi
	tail -n 10 "$work/qemu"
}

# broken WHY: no verdict of the guest's own counts; what had passed before stays passed
broken() {
	printf 'FAIL guest: %s\n' "$1"
	console_part | sed 's/^/    /'
	printf 'PB-RESULT passed=%s failed=%s skipped=%s\n' "$(grep -c '^PASS ' "$work/output")" \
		"$(($(grep -c '^FAIL ' "$work/output") + 1))" "$(grep -c '^SKIP ' "$work/output")"
	exit 3
}

report() {
	local status=$1 result
	touch "$work/console" "$work/output"
	sed -i 's/\r$//' "$work/output"
	grep -v '^PB-RESULT ' "$work/output" || true
	result=$(grep -x -E 'PB-RESULT passed=[0-9]+ failed=[0-9]+ skipped=[0-9]+' \
		"$work/output" | tail -n 1) || true
	! grep -q 'Kernel panic' "$work/console" || broken "its kernel panicked"
	case $status in
	0) ;;
	124 | 137) broken "hung: no end after $((limit + 60)) s" ;;
	*) broken "qemu ended with status $status" ;;
	esac
	[ -n "$result" ] || broken "no verdict"
	grep -E 'WARNING: CPU|BUG: |soft lockup' "$work/console" | sed 's/^/note, kernel log: /' || true
	printf '%s\n' "$result"
	[[ $result == *' failed=0 '* ]]
}

main() {
	local status=0 program
	parse "$@"
	for program in qemu-system-x86_64 cpio; do
		type -P "$program" > /dev/null || die 4 "needs $program"
	done
	work=$(mktemp -d)
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	tree=$(kernel_fetch "$kernel") || die 4 "no kernel $kernel"
	build_image || die 4 "the guest's image cannot be built"
	boot || status=$?
	qemu_pid=''
	report "$status"
}

main "$@"
