# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The memcached switch for TCP alone: patchbay-frames, servers, a plain twin, all on the loopback of the
# script's own network.  Source it after lib.sh.
#
#	10.3.0.N:11211	memcached N (mt_server N)	127.0.0.1:11311	the twin, which is one plain memcached
#	127.0.0.1:11300	patchbay-frames (mt_frames)	other ports	what a test puts in its place

MCT=$BUILD/tests/mc_tcp
MT_VIP=127.0.0.1:11300
MT_TWIN=127.0.0.1:11311
MT_SERVERS=0
FRAMES=$BUILD/patchbay-frames

mt_at() { echo "10.3.0.$1:11211"; }
mt_answers() { "$MCT" functional --vip "$1" --twin "$MT_TWIN" --script "$SBX/ping"; }
# mt_memcached NAME ADDR:PORT [OPTION...]
mt_memcached() {
	local name=$1 at=$2
	shift 2
	start "$name" memcached -u root -l "${at%:*}" -p "${at##*:}" -U 0 -t 1 -m 256 -c 4096 "$@"
}
# mt_server N [OPTION...]: starts it, empty
mt_server() {
	[ -n "$(ip addr show dev lo to "10.3.0.$1")" ] || ip addr add "10.3.0.$1/32" dev lo
	mt_memcached "s$1" "$(mt_at "$1")" "${@:2}"
	wait_for 10 mt_answers "$(mt_at "$1")" || die "s$1-starts" "$(tail -n 1 "$SBX/log/s$1")"
}
# mt_lab N: servers and twin
mt_lab() {
	local n
	MT_SERVERS=$1
	command -v memcached > /dev/null || die memcached-is-installed "tools/deps.sh installs it"
	printf 'case ping\nS mn\\r\\n\n' > "$SBX/ping"
	mt_memcached twin $MT_TWIN
	wait_for 10 mt_answers $MT_TWIN || die twin-starts "$(tail -n 1 "$SBX/log/twin")"
	for ((n = 1; n <= MT_SERVERS; n++)); do mt_server "$n"; done
}
# mt_frames [OPTION...]: in front of all servers
mt_frames() {
	local n words=()
	for ((n = 1; n <= MT_SERVERS; n++)); do words+=(--server "$(mt_at "$n")"); done
	start frames "$FRAMES" --listen "$MT_VIP" --plugin memcached "${words[@]}" \
		--stats "$SBX/frames.json" "$@"
	wait_for 20 log_has frames listening || die frames-start "$(tail -n 3 "$SBX/log/frames")"
}
mt_stop() {
	kill "-${2:-TERM}" "${PIDS[$1]}" 2> /dev/null
	wait "${PIDS[$1]}" 2> /dev/null
}
# mt_twemproxy LISTEN: in front of all servers
mt_twemproxy() {
	local n
	{
		printf 'p:\n  listen: %s\n  hash: md5\n  distribution: ketama\n  servers:\n' "$1"
		for ((n = 1; n <= MT_SERVERS; n++)); do echo "   - $(mt_at "$n"):1"; done
	} > "$SBX/nutcracker.yml"
	start twemproxy nutcracker -c "$SBX/nutcracker.yml" -s 22222 -o "$SBX/log/nutcracker"
	wait_for 10 nc -z "${1%:*}" "${1##*:}" || die twemproxy
}
# mt_faulty MISTAKE: a proxy of server 1 that makes it, at 127.0.0.1:11320
MT_FAULTY=127.0.0.1:11320
mt_faulty() {
	[ -z "${PIDS[faulty]:-}" ] || mt_stop faulty KILL
	start_serve faulty "$BUILD/tests/mc_faulty" $MT_FAULTY "$(mt_at 1)" "$1"
}
# mt_sees NAME REGEX VERB OPTION...: mc_tcp VERB fails in front of the faulty proxy, and says so
mt_sees() {
	local name=$1 regex=$2 verb=$3
	shift 3
	REPLY=$(timeout 60 "$MCT" "$verb" --vip $MT_FAULTY --patience 1500 "$@" 2>&1) && fail "$name" "it is not seen" && return
	match "$name" "FAIL[^:]*$regex" grep -a ^FAIL <<< "$REPLY"
}
mt_tool() {
	local verb=$1
	shift
	timeout 200 "$MCT" "$verb" --vip "$MT_VIP" "$@" || echo "# exit $?"
}
# mt_verdicts VERB OPTION...: the lines of mc_tcp are cases of this script
mt_verdicts() { verdicts_of mt_tool "$@"; }
