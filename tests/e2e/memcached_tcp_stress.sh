#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# patchbay-frames under loads that are unkind: long pipelines and values, many connections, clients that
# do not read or go, servers that stall, die, or talk nonsense.  What is asserted is who is harmed and
# that memory is bounded; times are reported.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mctcp.sh
. "$TOP/tests/lib/mctcp.sh"

mt_lab 2
mt_frames
of_frames=(--pid "${PIDS[frames]}")

mt_verdicts pipeline --count 20000
mt_verdicts large --count 3
mt_verdicts ends
mt_verdicts busy --conns 1000 --ms 3000
mt_verdicts idle --conns 10000 "${of_frames[@]}" --bound 64
mt_verdicts slow --conns 16 --ms 1500
mt_verdicts hoard --conns 100 "${of_frames[@]}" --bound 320
mt_verdicts stalled --server "$(mt_at 1)" --pid "${PIDS[s1]}" --ms 1500
mt_verdicts killed --server "$(mt_at 2)" --pid "${PIDS[s2]}" --ms 1500
mt_server 2
mt_verdicts killed --name again- --server "$(mt_at 1)" --pid "${PIDS[s1]}" --ms 500
mt_server 1
# all of that, and nothing is left over: a pipeline is as right as before
wait_for 10 "$MCT" pipeline --vip $MT_VIP --count 2000
mt_verdicts pipeline --name afterwards- --count 20000
check it-is-the-same-process kill -0 "${PIDS[frames]}"
mt_stop frames

# a small bound is kept as well
mt_frames --memory 32
mt_verdicts hoard --name small- --conns 60 --pid "${PIDS[frames]}" --bound 96
mt_stop frames

# ---- servers that err ------------------------------------------------------------------------

# fakes MISTAKE CONNECTIONS WINDOW MS
fakes() {
	local n
	for n in 1 2; do
		start_serve "fake$n" "$MCT" fake --vip "127.0.0.1:1140$n" --script "$1"
	done
	start frames "$FRAMES" --listen $MT_VIP --plugin memcached --server 127.0.0.1:11401 \
		--server 127.0.0.1:11402
	wait_for 20 log_has frames listening || die frames-start
	mt_verdicts judge --name "fake-$1-" --conns "$2" --window "$3" --ms "$4"
	for n in fake1 fake2 frames; do mt_stop $n; done
}
fakes right 50 4 500
fakes bytes 20 4 1000
fakes half 20 4 1500
fakes garbage 20 4 1500
fakes late 20 1 4000
fakes extra 1 1 1000 # with more connections nobody could tell whose it is

# ---- these tests can fail ---------------------------------------------------------------------

mt_faulty none
for what in 'ends' 'slow --conns 16 --ms 500' 'busy --conns 200 --ms 500'; do
	# shellcheck disable=SC2086 # words
	check "none-${what%% *}-is-right" "$MCT" $what --vip $MT_FAULTY
done
mt_faulty hold
mt_sees a-client-that-holds-all-up-is-seen quick-beside slow --conns 16 --ms 500
mt_faulty half
mt_sees a-half-closed-client-that-loses-answers-is-seen half-close ends
mt_faulty hoard
mt_sees a-process-that-hoards-is-seen hoard-memory hoard --conns 100 --pid "${PIDS[faulty]}" --bound 96
mt_faulty mix
mt_sees somebody-elses-answer-is-seen busy-all-are-right busy --conns 200 --ms 1000
mt_faulty lose
mt_sees a-lost-byte-is-seen large large --count 3
# twemproxy's requests to a server that stands still wait for good
mt_twemproxy 127.0.0.1:11330
MT_FAULTY=127.0.0.1:11330
for n in 1 2; do # empty ones
	mt_stop s$n
	mt_server $n
done
mt_sees a-stalled-server-is-seen stalled stalled --server "$(mt_at 1)" --pid "${PIDS[s1]}" --ms 300
finish
