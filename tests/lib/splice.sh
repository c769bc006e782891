# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the tests of programs under splice share.  Source it after lib.sh.
#
# Servers run under $SPLICE, clients by "spliced" or "plain": the same request to the same server,
# with splice and without.  What comes back is compared, and the kernel's counters tell that the
# one was spliced and the other was not.

SPLICE=${SPLICE---splice} # SPLICE= runs everything over plain TCP, and the evidence fails
LIMIT=${LIMIT:-40}        # seconds a request may take: a hang, not slowness
# shellcheck disable=SC2034 # for who sources this
MB=1048576

# serve_spliced NAME OPTION... -- CMD...: run_app with the name and the tag that all share here
serve_spliced() {
	local name=$1
	shift
	# shellcheck disable=SC2086 # empty or one word
	run_app "$name" --name "$name" --tag grp=spl $SPLICE "$@"
}
up() { check "$1-up" wait_for 20 has_endpoints "$2" "${3:-1}"; }
# shellcheck disable=SC2086 # empty or one word
spliced() { timeout -k 5 "$LIMIT" "$PB" run --tag grp=spl $SPLICE -- "$@"; }
plain() { timeout -k 5 "$LIMIT" "$PB" run --tag grp=spl --splice=off -- "$@"; }

# reason_index NAME: its place in pb_stats, which is its place in the list
reason_index() {
	grep -oP '^\s+X\([A-Z0-9_]+, "\K[^"]+' "$TOP/include/patchbay/reasons.h" |
		awk -v name="$1" '$1 == name { print NR - 1 }'
}
# counter REASON: how often the kernel counted it
counter() {
	bpftool -j map lookup pinned "$(find "$SBX/bpf" -name pb_stats)" \
		key hex "$(printf '%02x' "$(reason_index "$1")")" 00 00 00 |
		json 'sum(sum(int(b, 16) << 8 * i for i, b in enumerate(v["value"]))
			for v in d["values"])'
}
ways() { counter spliced; } # directions that were spliced so far

# evidence NAME MIN[:REASON] CMD...: CMD succeeds, and meanwhile the kernel counted REASON (spliced:
# directions that were) MIN times at least.  What CMD prints stays in REPLY.
evidence() {
	local name=$1 min=${2%%:*} reason=spliced before got
	[[ $2 != *:* ]] || reason=${2#*:}
	shift 2
	before=$(counter "$reason")
	check "$name" "$@"
	got=$(($(counter "$reason") - before))
	if [ "$got" -ge "$min" ]; then ok "$name-$reason"; else
		fail "$name-$reason" "$got times, $min expected; so far: $(back)"
	fi
}
# not_spliced NAME CMD...: CMD succeeds and nothing was spliced meanwhile
not_spliced() {
	local name=$1 before
	shift
	before=$(ways)
	check "$name" "$@"
	eq "$name-not-spliced" "$before" "$(ways)"
}
# back: why connections were not spliced or went back to TCP so far; for people
back() {
	local r text='' n
	for r in budget memory gone early late peer server-first off; do
		n=$(counter "splice-$r")
		[ "$n" = 0 ] || text+="${text:+, }splice-$r $n"
	done
	echo "spliced $(ways)${text:+, $text}"
}
report() { echo "# $1: $(back)"; }

# random_file NAME BYTES: in $SBX/data, readable by everybody
random_file() {
	mkdir -p "$SBX/data" && chmod 755 "$SBX/data"
	head -c "$2" /dev/urandom > "$SBX/data/$1"
}
sum_of() { sha256sum < "$1" | cut -d ' ' -f 1; }
# same_bytes NAME FILE CMD...: what CMD prints is FILE, byte by byte
same_bytes() {
	local name=$1 file=$2 rc
	shift 2
	"$@" > "$SBX/out" 2> "$SBX/err"; rc=$?
	if [ $rc = 0 ] && cmp -s "$SBX/out" "$file"; then ok "$name"; else
		fail "$name" "exit $rc, $(stat -c %s "$SBX/out") of $(stat -c %s "$file") bytes,$(
			cmp "$SBX/out" "$file" 2>&1 | head -n 1) $(tail -n 2 "$SBX/err")"
	fi
}
# both NAME FILE CMD...: FILE comes back with splice and without
both() {
	local name=$1 before
	before=$(ways)
	same_bytes "$name-bytes" "$2" spliced "${@:3}"
	if [ "$(ways)" -gt "$before" ]; then ok "$name-spliced"; else
		fail "$name-spliced" "nothing was spliced: $(back)"
	fi
	before=$(ways)
	same_bytes "$name-plain-bytes" "$2" plain "${@:3}"
	# a proxy splices its own connections, whatever its client does
	[ -n "${PROXY:-}" ] || eq "$name-plain" "$before" "$(ways)"
}
