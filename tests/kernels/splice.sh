# shellcheck shell=bash disable=SC2154 # never is smoke.sh's
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The torture of tests/e2e/splice_torture*.sh in small, for an emulated kernel: on one CPU's
# loopback, and with packets that change the CPU.  Sourced by smoke.sh, whose vocabulary it uses.
# PB_TESTS: folder with lib/tort.sh.

ok() { pass "$1"; }
log_up() { wait_for 40 log_has "$1" listening || fail "$1-starts" "$(cat "$TMP/$1.log")"; }
# what tort.sh expects of its includer
serve() {
	app "$@"
	log_up "$1"
}
start_serve() {
	local name=$1
	shift
	"$@" > "$TMP/$name.log" 2>&1 <&"$never" &
	log_up "$name"
}

# WANT family mode settings: everything small
splice_cases() {
	tort_cases << 'END'
both v4 rr rounds=80 size=20000 conns=2
block v4 rr rounds=20 size=20000 conns=2 block=both
block v4 signal conns=1
up   v4 stream dir=up bytes=2m conns=2
any  v4 stream dir=duplex bytes=1m conns=2
up   v4 stream dir=up bytes=100k conns=2 late=1
up   v4 stall dir=up bytes=100k conns=1
both v4 half bytes=100k conns=2
both v4 closeq who=client conns=2
both v4 closeq who=server bytes=500k conns=2
any  v4 abort who=client conns=2
both v4 peek bytes=100k conns=2
both v4 inq bytes=100k conns=2 lax=1
both v4 wait how=et bytes=200k conns=2
up   v4 wait how=etshort size=1m bytes=6m conns=1
both v4 wait how=select bytes=200k conns=2 dir=down
both v4 nbconnect who=client bytes=200k conns=2
any  v4 prerecv how=epoll who=client bytes=200k
any  v4 api dir=duplex bytes=500k conns=2
both v4 zero bytes=50k conns=2
both v4 cork bytes=50k conns=2
both v4 fork size=8000 conns=1
any  v4 records bytes=200k conns=1
both v4 opt opt=rcvbuf when=after who=client bytes=200k conns=1
both v4 ulp bytes=100k conns=1
both v4 short rounds=400
both v6 rr rounds=40 size=20000 conns=2
both v6 short rounds=100
both mapped rr rounds=40 size=20000 conns=2
END
}
# the ones that depend on where packets are processed
steered_cases() {
	tort_cases << 'END'
any v4 rr rounds=80 size=20000 conns=4
any v4 stream dir=duplex bytes=1m conns=2
any v4 stall dir=down bytes=100k conns=1
any v4 half bytes=100k conns=2
any v4 wait how=etshort size=1m bytes=6m conns=1
any v4 wait how=et bytes=200k conns=2 dir=down
any v4 nbconnect who=server bytes=200k conns=2
any v4 short rounds=400
any v6 rr rounds=40 size=20000 conns=2
END
}
steered() {
	local n=0 words
	while read -ra words; do n=$((n + 0x${words[9]})); done < /proc/net/softnet_stat
	echo $n
}

splice() {
	local before
	TORT=$PB_DIR/tests/tort
	# shellcheck source=../lib/tort.sh
	. "$PB_TESTS/lib/tort.sh"
	printf '[agent]\nsplice_blind = on\n' > "$CONF" # 6.1 needs it, and 6.12 does not mind
	check splice-blind "$PB" reload
	tort_way splice
	tort_up
	splice_cases
	check steer rps_on "$(rps_all)"
	before=$(steered)
	steered_cases
	check packets-change-the-cpu test "$(steered)" -gt "$before"
	rps_on 0
}
