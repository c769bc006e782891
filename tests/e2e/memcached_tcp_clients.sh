#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Unchanged clients of memcached from Debian through patchbay-frames in front of two servers: the same
# script against one plain memcached must print the same.  Texts and binary, one by one and pipelined.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mctcp.sh
. "$TOP/tests/lib/mctcp.sh"

CLIENTS=$TOP/tests/tools/mc_clients
# twin_and_vip NAME LINES CMD...: CMD HOST:PORT prints the same for both, and not less than LINES
twin_and_vip() {
	local name=$1 lines=$2 want got
	shift 2
	want=$("$@" $MT_TWIN 2>&1) || { fail "$name" "plain memcached: $(shorten "$want")"; return; }
	got=$("$@" $MT_VIP 2>&1) || { fail "$name" "$(shorten "${got: -400}")"; return; }
	if [ "$(wc -l <<< "$want")" -lt "$lines" ]; then
		fail "$name" "too little was said: $(shorten "$want")"
	elif [ "$want" = "$got" ]; then
		ok "$name"
	else
		fail "$name" "$(shorten "$(diff <(echo "$want") <(echo "$got"))")"
	fi
}

# ---- libraries -------------------------------------------------------------------------------

# library INTERPRETER FILE HOST:PORT, library_as MODE INTERPRETER FILE HOST:PORT
library() { timeout 60 "$1" "$CLIENTS/$2" "${3%:*}" "${3##*:}"; }
library_as() { timeout 60 "$2" "$CLIENTS/$3" "${4%:*}" "${4##*:}" "$1"; }

libraries() {
	local mode
	twin_and_vip pymemcache 12 library "$PY" with_pymemcache.py
	twin_and_vip python-memcache 11 library "$PY" with_memcache.py
	twin_and_vip cache-memcached-fast 12 library perl with_fast.pl
	twin_and_vip dalli 11 library ruby with_dalli.rb
	for mode in text binary; do
		twin_and_vip "pylibmc-$mode" 12 library_as $mode "$PY" with_pylibmc.py
		twin_and_vip "php-memcached-$mode" 12 library_as $mode php with_memcached.php
	done
}

# ---- the tools of libmemcached -----------------------------------------------------------------

printf 'one\n' > "$SBX/t-one"
head -c 100000 /dev/zero | tr '\0' x > "$SBX/t-large"
# tools MODE HOST:PORT
tools() {
	local at=--servers=$2 mode=()
	[ "$1" = text ] || mode=(--binary)
	run() { echo "$1 $("$@" 2>&1 | md5sum)"; }
	run memccp "$at" "${mode[@]}" --set "$SBX/t-one" "$SBX/t-large"
	run memccat "$at" "${mode[@]}" t-one
	memccat "$at" "${mode[@]}" t-one
	run memccat "$at" "${mode[@]}" t-large
	memccat "$at" "${mode[@]}" t-large | wc -c
	run memcexist "$at" "${mode[@]}" t-one
	memcexist "$at" "${mode[@]}" t-none; echo "none: $?"
	run memctouch "$at" "${mode[@]}" --expire=100 t-one
	memctouch "$at" "${mode[@]}" t-none > /dev/null; echo "none: $?"
	memccp "$at" "${mode[@]}" --add "$SBX/t-one"; echo "add: $?"
	memccp "$at" "${mode[@]}" --replace "$SBX/t-one"; echo "replace: $?"
	memcrm "$at" "${mode[@]}" t-one; echo "rm: $?"
	memcexist "$at" "${mode[@]}" t-one; echo "exist: $?"
	memcping "$at" "${mode[@]}"; echo "ping: $?"
}
# memccapable's own list, which is right or wrong in each line; some answers are memcached's own mistakes
capable() {
	[ "$1" = text ] && set -- -a "$2"
	[ "$1" = binary ] && set -- -b "$2"
	timeout 60 memccapable -h "${2%:*}" -p "${2##*:}" "$1" 2>&1 | tr -s ' \t' ' ' |
		grep -E 'ascii|binary|pass|fail'
}
# load HOST:PORT MODE: what memcslap says of times does not count
load() {
	local test
	for test in set get mget; do
		timeout 60 memcslap "--servers=$2" --concurrency=8 --execute-number=300 --initial-load=300 \
			--test="$test" ${1:+"$1"} > "$SBX/log/slap" 2>&1 || { tail -n 3 "$SBX/log/slap"; return 1; }
		grep -ciE 'error|fail' "$SBX/log/slap"
	done
	return 0
}
libmemcached() {
	local mode
	for mode in text binary; do
		twin_and_vip "tools-$mode" 14 tools $mode
		twin_and_vip "memccapable-$mode" 10 capable $mode
	done
	twin_and_vip memcslap-text 3 load ''
	twin_and_vip memcslap-binary 3 load --binary
	for vip in $MT_TWIN $MT_VIP; do
		match "memcstat-$vip" 'pid: [0-9]+' memcstat "--servers=$vip"
		check "memcaslap-$vip" timeout 60 memcaslap -s "$vip" -c 16 -T 1 -t 1s -v 1.0
		nomatch "memcaslap-$vip-verifies" 'verify_(misses|failed): [1-9]' echo "$REPLY"
	done
}

mt_lab 2
mt_frames
libraries
libmemcached
check it-is-the-same-process kill -0 "${PIDS[frames]}"
mt_stop frames

# nobody there: the script can fail
refute nobody-there timeout 60 "$PY" "$CLIENTS/with_pymemcache.py" "${MT_VIP%:*}" "${MT_VIP##*:}"
mt_twemproxy "$MT_VIP"
for c in "php with_memcached.php binary" "$PY with_pylibmc.py binary" "ruby with_dalli.rb"; do
	read -r tool file mode <<< "$c"
	refute "twemproxy-lacks-${file%.*}" timeout 60 "$tool" "$CLIENTS/$file" "${MT_VIP%:*}" "${MT_VIP##*:}" "$mode"
done
finish
