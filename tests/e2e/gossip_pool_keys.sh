#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Rotation of keys in a pool of Debian's serf agents and ours, AES-128 to 256 and back.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/gossip_lab.sh
. "$TOP/tests/lib/gossip_lab.sh"

K128=0123456789abcdef K256=fedcba9876543210FEDCBA9876543210 K192=0123456789ab0123456789ab

id() { # of a key: what gossip_node says it is
	tell ours id "$1"
	wait_for 10 said ours '^did id'
	sed -n 's/^id //p' "$SBX/log/$MODE-ours" | tail -n 1
}
# keys_are ID...: those of our node, in order
keys_are() { [ "$(state ours | sed -n 's/^key //p' | paste -sd' ')" = "$*" ]; }
keys() { rpc 1 keys "$@" 2>&1; }
# event_goes NAME: both ways, whatever the keys
event_goes() {
	tell ours event "from-ours-$1" x
	check "$1-we-are-heard" wait_for 20 said beta "user-event: from-ours-$1"
	rpc 2 event -coalesce=false "from-serf-$1" x > /dev/null
	check "$1-we-hear" wait_for 20 said ours "^event from-serf-$1"
}

# rotate PREFIX: all of it in one family
rotate() {
	local a b c
	MODE=keys$1 KEY=$K128 PREFIX=$2
	agent 1 alpha
	agent 2 beta -join="$(at 1)"
	node 4 ours -s -j "$(at 1)"
	check "$1-meet" wait_for 30 serf_sees 2 ours alive
	check "$1-know" wait_for 30 sees ours beta alive
	a=$(id $K128) b=$(id $K256) c=$(id $K192)
	event_goes "$1-before"

	# Serf's agents change them, ours follows
	match "$1-install" 'uccess' keys -install "$(b64 $K256)"
	check "$1-installed" wait_for 20 keys_are "$a" "$b"
	match "$1-listed-by-three" "$(b64 $K256) +\\[3/3\\]" keys -list
	match "$1-use" 'uccess' keys -use "$(b64 $K256)"
	check "$1-used" wait_for 20 keys_are "$b" "$a"
	event_goes "$1-between"
	match "$1-remove" 'uccess' keys -remove "$(b64 $K128)"
	check "$1-removed" wait_for 20 keys_are "$b"
	event_goes "$1-after"

	# ours is the first to use one, and the first to forget the other
	match "$1-install-again" 'uccess' keys -install "$(b64 $K192)"
	check "$1-installed-again" wait_for 20 keys_are "$b" "$c"
	tell ours use "$c"
	check "$1-ours-uses-it" wait_for 20 keys_are "$c" "$b"
	event_goes "$1-ours-first"
	match "$1-serf-uses-it" 'uccess' keys -use "$(b64 $K192)"
	tell ours remove "$b"
	check "$1-ours-forgets" wait_for 20 keys_are "$c"
	event_goes "$1-ours-last"
	eq "$1-nobody-died" 0 "$(log_count "$MODE-ours" '^failed')"
	nomatch "$1-no-complaint" '.' grep -E '\[(WARN|ERR)\]' "$SBX/log/$MODE-alpha"
	stop_all
}

rotate v4 127.0.0
rotate v6 fd00::

# Who has another key, or none, stays alone, and hurts nobody.
MODE=alone KEY=$K128 PREFIX=127.0.0
agent 1 alpha
KEY=$K256
node 4 ours -s -j "$(at 1)"
check another-key-is-refused wait_for 20 log_has "alone-alpha" 'ncryption|ecrypt'
eq another-key-is-alone 1 "$(state ours | grep -c ^member)"
finish
