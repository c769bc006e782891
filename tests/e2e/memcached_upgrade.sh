#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The agent is killed, started again, and changed for another build and back, under load: nothing that is
# read is wrong or old, requests are steered all the time, and what is in the cache stays there.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

# The other build: one whose programs look the way up (MC_HOP_NS) a nanosecond sooner.
OTHER=$SBX/other
{ mkdir "$OTHER" && cp "$BUILD/patchbay-helper" "$OTHER"; } || die other-build "cannot be made"
check other-build-is-made "$PY" "$TOP/tests/tools/other_build.py" "$BUILD/patchbayd" "$OTHER/patchbayd" \
	pb_mc_tc 100000000
chmod 755 "$OTHER/patchbayd"
[ $failed = 0 ] || exit 1

mc_lab 2
mc_agent
mc_up 4 --cache 16M --cache-unsafe-ttl 600000 --max-age 600000
mc_hits_command 4 "$SBX/hits-4"

# tags: of the programs on the devices
tags() {
	local pin
	for pin in "$SBX"/bpf/patchbay/links/pb_mc_*; do
		bpftool -j link show pinned "$pin" 2> /dev/null | json 'd["prog_id"]' 2> /dev/null ||
			bpftool -j prog show pinned "$pin" | json 'd["id"]'
	done | while read -r id; do bpftool -j prog show id "$id" | json 'd["tag"]'; done | sort -u
}
cat > "$SBX/hot" << 'END'
case hot-key
S set hot-key-of-all 0 0 3\r\nhot\r\n
H get hot-key-of-all\r\n
END
verdicts_of client "$MCU" functional --vip "$(mc_vip 4)" --twin "$MC_TWIN" --script "$SBX/hot" \
	--hits "$SBX/hits-4" --name first-
# goes_on NAME: the value of the beginning is answered while no server does, then others are steered
goes_on() {
	local n
	for n in 1 2; do mc_stop $n; done
	match "$1-cache-goes-on" 'VALUE hot-key-of-all 0 3.*hot' mc_ask "$(mc_vip 4)" 'get hot-key-of-all\r\n'
	for n in 1 2; do mc_cont $n; done
	match "$1-steering-goes-on" VERSION mc_ask "$(mc_vip 4)" 'version\r\n'
}
slow_path() { [[ $(mc_ask "$(mc_vip 4)" 'version\r\nversion\r\n') = *VERSION*VERSION* ]]; }
# put_on BUILD NAME SIGNAL: that build instead of the one that runs
put_on() {
	stop_agent "$3"
	goes_on "$2-without-agent"
	BUILD=$1 mc_agent
	check "$2-adopted" wait_for 20 pb memcached show mc
	check "$2-slow-path" wait_for 20 slow_path
	goes_on "$2"
}

start load nsenter --net=/run/netns/client -- "$MCU" stale --vip "$(mc_vip 4)" --writes 100000000 \
	--secs 3600 --keys 20 --writers 2 --readers 1 --name load
first=$(tags)
put_on "$BUILD" killed KILL
eq the-same-build-has-the-same-programs "$first" "$(tags)"
put_on "$OTHER" upgraded TERM
second=$(tags)
if [ "$first" != "$second" ]; then ok programs-are-the-other-builds; else
	fail programs-are-the-other-builds "$first"
fi
eq one-build-on-all-devices 1 "$(wc -l <<< "$second")"
put_on "$OTHER" upgraded-and-killed KILL
put_on "$BUILD" rolled-back KILL
eq programs-are-the-firsts "$first" "$(tags)"
before=$(mc_count 4 hits)
more_hits() { [ "$(mc_count 4 hits)" -gt "$before" ]; }
check others-are-cached-too wait_for 60 more_hits

kill "${PIDS[load]}"
wait_for 30 gone "${PIDS[load]}" || fail load-ends "still running"
wait "${PIDS[load]}"
eq load-is-right 0 $?
cat "$SBX/log/load"
match none-stale ' 0 stale, 0 back in time, 0 missing' cat "$SBX/log/load"
finish
