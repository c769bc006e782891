#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# bind(): virtual, wildcard and loopback addresses in both families, who may bind what, and what
# a bind that is only a source means.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
A=(--name a --ip 10.9.1.1 --ip fd09:1::1 --tag grp=t)
B=(--name b --ip 10.9.1.2 --ip fd09:1::2 --tag grp=t)
a() { pb run "${A[@]}" -- "$S" "$@"; }
client() { pb run --tag grp=t -- "$S" tcp-connect "$@"; }

# ---- what the program sees of its own address ----
while read -r name open bind sock; do
	match "bind-$name" "names sock=${sock//[\[\]]/.} " a seq "$open" "bind=$bind" listen names
done <<'END'
virtual4 tcp4 10.9.1.1:80 10.9.1.1:80
wildcard4 tcp4 0.0.0.0:80 0.0.0.0:80
loopback4 tcp4 127.0.0.1:80 127.0.0.1:80
virtual6 tcp6 [fd09:1::1]:80 [fd09:1::1]:80
wildcard6 tcp6 [::]:80 [::]:80
loopback6 tcp6 [::1]:80 [::1]:80
mapped tcp6 [::ffff:10.9.1.1]:80 [::ffff:10.9.1.1]:80
mapped-loopback tcp6 [::ffff:127.0.0.1]:80 [::ffff:127.0.0.1]:80
udp-virtual4 udp4 10.9.1.1:53 10.9.1.1:53
udp-virtual6 udp6 [fd09:1::1]:53 [fd09:1::1]:53
END

# ---- which clients a bind serves ----
# serves NAME OPTIONS v4 v6 mapped loop4 loop6: "y" is reached, "n" is refused at once
serves() {
	local name=$1 way i=0 to
	local -a options ways=(10.9.1.1 fd09:1::1 "--mapped 10.9.1.1")
	read -ra options <<< "$2"
	serve srv "${A[@]}" -- "$S" tcp-serve "${options[@]}" 80
	for way in v4 v6 mapped; do
		read -ra to <<< "${ways[i++]}"
		if [ "${3:i-1:1}" = y ]; then
			match "$name-serves-$way" '^ok ' client "${to[@]}" 80
		else
			expect_errno "$name-not-$way" ECONNREFUSED client "${to[@]}" 80
		fi
	done
	app_stop srv
}
serves wildcard4 "" yny
serves wildcard6 "-6" yyy
serves v6only "-6 --v6only" nyn
serves virtual4 "--bind 10.9.1.1" yny
serves virtual6 "--bind fd09:1::1" nyn
serves mapped "-6 --bind 10.9.1.1" yny
serves loopback4 "--bind 127.0.0.1" nnn
serves loopback6 "--bind ::1" nnn

# ---- two identities, one port ----
serve one "${A[@]}" -- "$S" tcp-serve --hello ONE 80
serve two "${B[@]}" -- "$S" tcp-serve --hello TWO 80
match same-port-a 'reply=ONE' client --send x 10.9.1.1 80
match same-port-b 'reply=TWO' client --send x 10.9.1.2 80
serve uone "${A[@]}" -- "$S" udp-serve 80
serve utwo "${B[@]}" -- "$S" udp-serve 80
# two servers answer: in either order
match same-port-udp 'reply from=10.9.1.(1:80 .*from=10.9.1.2|2:80 .*from=10.9.1.1):80 ' \
	pb run --tag grp=t -- "$S" udp-send 10.9.1.1 80 10.9.1.2 80
for p in one two uone utwo; do app_stop $p; done

# ---- one instance, the same port twice ----
in_use='bind=[^ ]* ok.*bind=[^ ]* errno=EADDRINUSE'
for pair in "tcp4 10.9.1.1 10.9.1.1" "tcp4 0.0.0.0 10.9.1.1" "tcp4 10.9.1.1 0.0.0.0" \
	"tcp4 0.0.0.0 127.0.0.1" "tcp6 [::] [::]" "tcp6 [::] [::1]" "udp4 0.0.0.0 10.9.1.1" \
	"udp6 [::] [fd09:1::1]"; do
	read -r open first second <<< "$pair"
	match "twice-${pair// /-}" "$in_use" a seq "$open" "bind=$first:80" "$open" "bind=$second:80"
done
match twice-dual-stack "$in_use" a seq tcp6 'bind=[::]:80' tcp4 bind=0.0.0.0:80
match twice-reuseaddr "$in_use|listen errno=EADDRINUSE" a seq tcp4 reuseaddr bind=10.9.1.1:80 \
	listen tcp4 reuseaddr bind=10.9.1.1:80 listen
match v6only-beside-v4 'bind=\S+ ok.*bind=\S+ ok' a seq tcp6 v6only 'bind=[::]:80' tcp4 \
	bind=0.0.0.0:80
match virtual-beside-loopback 'bind=\S+ ok.*bind=\S+ ok' a seq tcp4 bind=10.9.1.1:80 tcp4 \
	bind=127.0.0.1:80
match two-processes EADDRINUSE pb run "${A[@]}" -- sh -c \
	"'$S' tcp-serve --for 3 80 & '$S' tcp-serve --for 3 80; kill %1"

# ---- SO_REUSEPORT ----
run_app workers "${A[@]}" -- "$S" tcp-serve --workers 4 80
check workers-listen wait_for 5 log_has workers listening 4
eq workers-count-once 1 "$(endpoints a:80)"
eq workers-sockets 4 "$(pb endpoints a:80 -o json | json 'd["endpoints"][0]["sockets"]')"
match workers-serve 'done ok=20 failed=0' client --count 20 10.9.1.1 80
app_stop workers
match reuseport-needs-both "$in_use" a seq tcp4 reuseport bind=10.9.1.1:80 listen tcp4 \
	bind=10.9.1.1:80

# ---- addresses of others ----
serve two "${B[@]}" -- "$S" tcp-serve 80
for addr in 10.9.1.2 192.0.2.1 10.9.77.77; do
	match "foreign-$addr" 'errno=EADDRNOTAVAIL' a seq tcp4 "bind=$addr:80"
	match "foreign-udp-$addr" 'errno=EADDRNOTAVAIL' a seq udp4 "bind=$addr:80"
	match "foreign-mapped-$addr" 'errno=EADDRNOTAVAIL' a seq tcp6 mapped "bind=$addr:80"
done
for addr in fd09:1::2 2001:db8::1; do
	match "foreign-$addr" 'errno=EADDRNOTAVAIL' a seq tcp6 "bind=[$addr]:80"
done

# ---- port 0 and source binds ----
run_app any "${A[@]}" -- "$S" seq tcp4 bind=10.9.1.1:0 listen names hold
wait_for 5 log_has any holding
port=$(sed -n 's/^names sock=10.9.1.1:\([0-9]*\) .*/\1/p' "$SBX/log/any")
match port0-is-shown '^[1-9][0-9]*$' echo "$port"
match port0-is-served '^ok ' client 10.9.1.1 "${port:-1}"
app_stop any
for step in bind=10.9.1.1:0 bind=10.9.1.1:7777 bind=0.0.0.0:0 bind=0.0.0.0:7777; do
	for noport in '' noport; do
		REPLY=$(a seq tcp4 $noport $step connect=10.9.1.2:80 names 2>&1)
		sock=$(sed -n 's/^names sock=\(10.9.1.1:[0-9]*\) peer=10.9.1.2:80$/\1/p' <<< "$REPLY")
		[[ $step != *:7777 ]] || [ "$sock" = 10.9.1.1:7777 ] || sock=
		if [ -n "$sock" ] && log_has two "peer=$sock "; then ok "source-$step$noport"; else
			fail "source-$step$noport" "$(shorten "$REPLY")"
		fi
	done
done
eq source-is-no-service 0 "$(endpoints a)"
start_serve world outside "$S" tcp-serve 9000
start_serve world6 outside "$S" tcp-serve -6 --v6only 9000
for step in bind=10.9.1.1:0 bind=0.0.0.0:0 bind=0.0.0.0:7778; do
	match "source-outside-$step" 'connect=[^ ]* ok' a seq tcp4 $step connect=192.0.2.2:9000 names
done
match source-outside6 'connect=[^ ]* ok' a seq tcp6 'bind=[fd09:1::1]:0' 'connect=[2001:db8::2]:9000'

# ---- again after close ----
match rebind 'bind=\S+ ok.*close ok.*bind=\S+ ok.*listen ok' a seq tcp4 bind=10.9.1.1:80 listen \
	close tcp4 bind=10.9.1.1:80 listen
match rebind-udp 'bind=\S+ ok.*close ok.*bind=\S+ ok' a seq udp4 bind=10.9.1.1:80 close udp4 \
	bind=10.9.1.1:80
match rebind-other-address 'bind=0\S+ ok.*close ok.*bind=10\S+ ok' a seq tcp4 bind=0.0.0.0:80 \
	close tcp4 bind=10.9.1.1:80
app_stop two
eq no-claim-left '[]' "$(bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/pb_claims" | json d)"
finish
