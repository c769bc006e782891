#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# getsockname(), getpeername() and accept() show virtual addresses on both ends, in every family;
# towards the outside and to itself a program sees what is true there.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
A=(--name a --ip 10.9.4.1 --ip fd09:4::1 --tag grp=t)
B=(--name b --ip 10.9.4.2 --ip fd09:4::2 --tag grp=t)
client() { pb run "${B[@]}" -- "$S" tcp-connect "$@"; }
esc() { local s=${1//./\\.}; s=${s//[/\\[}; echo "${s//]/\\]}"; }

# both NAME SERVER-OPTIONS CLIENT-ARGS PEER-AT-CLIENT CLIENT-HOST LOCAL-AT-SERVER PEER-AT-SERVER
both() {
	local name=$1 sock line
	local -a options args
	read -ra options <<< "$2"
	read -ra args <<< "$3"
	serve srv "${A[@]}" -- "$S" tcp-serve "${options[@]}" 80
	match "$name-client" "ok peer=$(esc "$4") sock=$(esc "$5"):[0-9]+ " client "${args[@]}" 80
	sock=$(sed -n 's/.* sock=.*:\([0-9]*\) .*/\1/p' <<< "$REPLY")
	wait_for 5 log_has srv '^accept'
	line="accept peer=$7:${sock:-none} local=$6:80 getpeername=$7:${sock:-none}"
	eq "$name-server" "$line" "$(grep '^accept' "$SBX/log/srv" | head -n 1)"
	app_stop srv
}
m1='[::ffff:10.9.4.1]' m2='[::ffff:10.9.4.2]' s1='[fd09:4::1]' s2='[fd09:4::2]'
both v4-to-v4 "" 10.9.4.1 10.9.4.1:80 10.9.4.2 10.9.4.1 10.9.4.2
both v4-to-dual "-6" 10.9.4.1 10.9.4.1:80 10.9.4.2 "$m1" "$m2"
both v6-to-dual "-6" fd09:4::1 "$s1:80" "$s2" "$s1" "$s2"
both v6-to-v6only "-6 --v6only" fd09:4::1 "$s1:80" "$s2" "$s1" "$s2"
both mapped-to-v4 "" "--mapped 10.9.4.1" "$m1:80" "$m2" 10.9.4.1 10.9.4.2
both mapped-to-dual "-6" "--mapped 10.9.4.1" "$m1:80" "$m2" "$m1" "$m2"
both v4-to-virtual "--bind 10.9.4.1" 10.9.4.1 10.9.4.1:80 10.9.4.2 10.9.4.1 10.9.4.2

# ---- clients that lack the family, or a name ----
serve srv "${A[@]}" -- "$S" tcp-serve -6 80
match only4-over-v6 'ok peer=\[fd09:4::1\]:80 sock=\[(fe80|f[cd]|64:ff9b|::ffff)' \
	pb run --name c --ip 10.9.4.3 --tag grp=t -- "$S" tcp-connect fd09:4::1 80
match unnamed-v4 'ok peer=10.9.4.1:80 sock=169\.254\.' pb run --tag grp=t -- "$S" tcp-connect 10.9.4.1 80
sock=$(sed -n 's/.* sock=\([^ ]*\) .*/\1/p' <<< "$REPLY")
match unnamed-at-server "peer=\\[::ffff:${sock%:*}\\]:${sock##*:} " cat "$SBX/log/srv"
match unnamed-v6 'ok peer=\[fd09:4::1\]:80 sock=\[fe80:' pb run --tag grp=t -- "$S" tcp-connect fd09:4::1 80

# ---- the same at the end of a non-blocking connect ----
match nonblock 'ok peer=10.9.4.1:80 sock=10.9.4.2:' client --nonblock 10.9.4.1 80

# ---- outside: real addresses; and no memory of an earlier peer ----
start_serve world outside "$S" tcp-serve -6 9000
match outside-v4 'ok peer=192.0.2.2:9000 sock=192.0.2.1:' client 192.0.2.2 9000
match outside-v6 'ok peer=\[2001:db8::2\]:9000 sock=\[2001:db8::1\]:' client 2001:db8::2 9000
match after-inside 'peer=192.0.2.2:9000' pb run "${B[@]}" -- "$S" seq tcp4 connect=10.9.4.1:80 unspec \
	connect=192.0.2.2:9000 names
match before-inside 'peer=10.9.4.1:80' pb run "${B[@]}" -- "$S" seq tcp4 connect=192.0.2.2:9000 \
	unspec connect=10.9.4.1:80 names
match not-connected 'peer=errno=ENOTCONN' pb run "${B[@]}" -- "$S" seq tcp4 names

# ---- a socket that was refused shows no peer ----
match refused-has-no-peer 'ECONNREFUSED.*peer=errno=ENOTCONN' pb run "${B[@]}" -- "$S" seq tcp4 \
	connect=10.9.4.1:81 names
app_stop srv

# ---- a program reaches itself ----
match self-virtual 'connect=\S+ ok.*names sock=10.9.4.1:[0-9]+ peer=10.9.4.1:80' pb run "${A[@]}" -- \
	"$S" seq tcp4 bind=10.9.4.1:80 listen tcp4 connect=10.9.4.1:80 names
match self-loopback 'names sock=127.0.0.1:[0-9]+ peer=127.0.0.1:80' pb run "${A[@]}" -- \
	"$S" seq tcp4 bind=0.0.0.0:80 listen tcp4 connect=127.0.0.1:80 names

# ---- unmanaged programs are not touched ----
start_serve plain "$S" tcp-serve 8099
match unmanaged 'ok peer=127.0.0.1:8099 sock=127.0.0.1:' "$S" tcp-connect 127.0.0.1 8099
finish
