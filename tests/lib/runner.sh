#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Runs test tiers and counts verdicts.  usage: BUILD=dir [T=stem] tests/lib/runner.sh TIER...
# docs/TESTING.md says what each tier is and how a test states its verdicts.
set -u
cd "$(dirname "$0")/../.." || exit 2
BUILD=$(realpath "${BUILD:-build}")
export BUILD PB_BUILD=$BUILD
T=${T:-}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} \
	UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

mkdir -p "$BUILD/log" || exit 2
log=$BUILD/check.log
: > "$log"
passed=0 failed=0 skipped=0
failures=()

say() { printf '%s\n' "$*" | tee -a "$log"; }

# skip_reason CASE: the reason tests/skips.txt gives for this case; fails when it has none
skip_reason() {
	local pattern reason
	[ -f tests/skips.txt ] || return 1
	while read -r pattern reason; do
		case $pattern in '' | '#'*) continue ;; esac
		# shellcheck disable=SC2053 # a pattern on purpose
		[[ $1 == $pattern && -n $reason ]] && { echo "$reason"; return 0; }
	done < tests/skips.txt
	return 1
}

# verdicts FILE: "ok|fail|skip NAME REASON" tab separated, from TAP and from plain verdict lines
# ("ok NAME", "PASS NAME", "FAIL NAME: why", "SKIP NAME: why")
verdicts() {
	awk -v OFS='\t' '
	function tap(kind, name,  reason) {
		if (match(name, / # SKIP/)) {
			kind = "skip"
			reason = substr(name, RSTART + 8)
			name = substr(name, 1, RSTART - 1)
		}
		sub(/ +(\([0-9.]+s\))?$/, "", name)
		print kind, name, reason
	}
	function plain(kind, name,  reason) {
		reason = $0
		sub(/^[^ ]+ +[^ ]+[ \t]*/, "", reason)
		sub(/:$/, "", name)
		print kind, name, reason
	}
	/^ok - /      { tap("ok", substr($0, 6)); next }
	/^not ok - /  { tap("fail", substr($0, 10)); next }
	/^(ok|PASS) / { plain("ok", $2) }
	/^FAIL /      { plain("fail", $2) }
	/^SKIP /      { plain("skip", $2) }' "$1"
}

fail() {
	failed=$((failed + 1))
	failures+=("$1")
	say "FAIL $1"
}

# count FILE CASE: adds up the verdicts in FILE; ret_bad says whether its output is worth showing
count() {
	local kind name reason listed n=0
	ret_bad=0 ret_cases=0
	while IFS=$'\t' read -r kind name reason; do
		n=$((n + 1))
		case $kind in
		ok) passed=$((passed + 1)) ;;
		fail) fail "$2/$name${reason:+: $reason}"; ret_bad=1 ;;
		skip)
			if listed=$(skip_reason "$2/$name"); then
				skipped=$((skipped + 1))
				say "skip $2/$name: $listed"
			else
				fail "$2/$name (skipped: ${reason:-no reason}; not in tests/skips.txt)"
				ret_bad=1
			fi ;;
		esac
	done < <(verdicts "$1")
	ret_cases=$n
}

# run TIER NAME SECONDS COMMAND...: one test file
run() {
	local case=$1/$2 limit=${PB_TIMEOUT:-$3} out=$BUILD/log/$1-$2.log rc start=$SECONDS why=
	shift 3
	rm -f "$out.tap"
	timeout -k 10 "$limit" "$@" > "$out" 2>&1 < /dev/null
	rc=$?
	[ ! -f "$out.tap" ] || cat "$out.tap" >> "$out"
	count "$out" "$case"
	if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
		why="timed out after $limit s"
	elif grep -qE 'ERROR: (Address|Leak)Sanitizer|: runtime error: ' "$out"; then
		why="sanitizer report"
	elif [ "$ret_cases" = 0 ]; then
		why="ended without a verdict, exit $rc"
	elif [ "$rc" != 0 ] && [ "$ret_bad" = 0 ]; then
		why="exit $rc although no case failed"
	fi
	[ -z "$why" ] || { fail "$case ($why)"; ret_bad=1; }
	printf -- '---- %s, exit %s\n' "$case" "$rc" >> "$log"
	cat "$out" >> "$log"
	if [ "$ret_bad" = 1 ]; then
		printf -- '---- output of %s (%s)\n' "$case" "$out"
		tail -n 200 "$out"
		printf -- '----\n'
	else
		say "ok   $case: $ret_cases cases, $((SECONDS - start)) s"
	fi
}

# matches NAME: is it one of the stem asked for?
matches() { [ -z "$T" ] || [ "$1" = "$T" ] || [[ $1 == "$T"_* ]]; }

# each GLOB PREFIX SUFFIX: names of the test files of a tier, chosen by T
each() {
	local f name
	for f in $1; do
		[ -e "$f" ] || continue
		name=${f##*/"$2"}
		name=${name%"$3"}
		matches "$name" && echo "$name"
	done
}

need_root() {
	[ "$(id -u)" = 0 ] && return 0
	fail "$1 (needs root)"
	return 1
}

tier_unit() {
	local n
	for n in $(each 'tests/unit/test_*.c' test_ .c); do
		run unit "$n" 120 "$BUILD/asan/unit/test_$n" \
			--tap="$BUILD/log/unit-$n.log.tap"
	done
}

# The programs under test see a bpffs and a network of their own; the machine's stay as they are.
tier_bpf() {
	local n
	need_root bpf || return
	for n in $(each 'tests/bpf/test_*.c' test_ .c); do
		# shellcheck disable=SC2016 # expanded by the inner shell
		run bpf "$n" 300 unshare --mount --net --propagation private -- sh -c \
			'mount -t bpf bpf /sys/fs/bpf && ip link set lo up && exec "$0" "$@"' \
			"$BUILD/tests/bpf/test_$n" --tap="$BUILD/log/bpf-$n.log.tap"
	done
}

tier_e2e() {
	local n
	need_root e2e || return
	for n in $(each 'tests/e2e/*.sh' '' .sh); do
		[ "$n" = lib ] || run e2e "$n" 300 bash "tests/e2e/$n.sh"
	done
}

tier_fuzz-replay() {
	local n
	for n in $(each 'tests/fuzz/fuzz_*.c' fuzz_ .c); do
		# shellcheck disable=SC2016 # expanded by the inner shell
		run fuzz-replay "$n" 300 bash -c '
			shopt -s nullglob
			files=("tests/fuzz/corpus/$1"/*)
			[ ${#files[@]} -gt 0 ] || { echo "FAIL no-corpus"; exit 1; }
			"$0" "${files[@]}" && echo "ok corpus" || { echo "FAIL corpus"; exit 1; }' \
			"$BUILD/asan/fuzz/fuzz_$n" "$n"
	done
}

tier_budget() { need_root budget && run budget insns 300 "$BUILD/tests/budget"; }
tier_kernels() { run kernels matrix 6000 bash tests/kernels/run.sh; }
tier_lint() { run lint all 900 tools/lint.sh; }
tier_hdr-check() { run hdr-check all 300 tools/hdr_check.sh; }

tier_soak() {
	local n
	need_root soak || return
	for n in $(each 'tests/soak/*.sh' '' .sh); do
		run soak "$n" 7200 bash "tests/soak/$n.sh"
	done
}

[ $# -gt 0 ] || { echo "usage: runner.sh TIER..." >&2; exit 2; }
for tier in "$@"; do
	declare -F "tier_$tier" > /dev/null || { echo "runner.sh: no tier '$tier'" >&2; exit 2; }
done
for tier in "$@"; do
	"tier_$tier"
done

if [ "$failed" -gt 0 ]; then
	say "failed:"
	for f in "${failures[@]}"; do say "  $f"; done
fi
[ "$skipped" = 0 ] || say "$skipped skipped, as tests/skips.txt says"
say "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
