#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# UDP, connected and not, one and many destinations, both families: replies come from the address
# that was asked, servers see virtual addresses and reach them.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
A=(--name a --ip 10.9.5.1 --ip fd09:5::1 --tag grp=t)
B=(--name b --ip 10.9.5.2 --ip fd09:5::2 --tag grp=t)
client() { pb run "${B[@]}" -- "$S" udp-send "$@"; }
nobody() { pb run --tag grp=t -- "$S" udp-send "$@"; }

serve four "${A[@]}" -- "$S" udp-serve 53
serve dual "${A[@]}" -- "$S" udp-serve -6 54
serve only6 "${A[@]}" -- "$S" udp-serve -6 --v6only 55
serve other --name o --ip 10.9.5.3 --tag grp=t -- "$S" udp-serve 53
serve third --name p --ip 10.9.5.4 --tag grp=t -- "$S" udp-serve 53

# ---- replies: asked=yes means the source is the address that was asked ----
for how in "" --connect --sendmmsg "--connect --sendmmsg"; do
	# shellcheck disable=SC2086 # options
	while read -r name to; do
		match "reply-$name${how// /}" '^sent .*reply from=\S+ asked=yes data=ping$' client $how $to
	done <<-END
		v4 10.9.5.1 53
		v4-dual 10.9.5.1 54
		v6-dual fd09:5::1 54
		v6only fd09:5::1 55
		mapped --mapped 10.9.5.1 53
		mapped-dual --mapped 10.9.5.1 54
	END
done
match connected-names '^sent sock=10.9.5.2:[0-9]+ peer=10.9.5.1:53' client --connect 10.9.5.1 53
match connected-names6 '^sent sock=\[fd09:5::2\]:[0-9]+ peer=\[fd09:5::1\]:54' client --connect fd09:5::1 54
match many 'reply from=10.9.5.1:53' client --count 20 10.9.5.1 53
eq many-all 20 "$(grep -c 'asked=yes' <<< "$REPLY")"

# ---- several destinations on one socket, as a resolver does ----
match several '^sent ' client --count 3 10.9.5.1 53 10.9.5.3 53 10.9.5.4 53
for a in 1 3 4; do eq "several-10.9.5.$a" 3 "$(grep -c "from=10.9.5.$a:53 asked=yes" <<< "$REPLY")"; done
match several-mmsg '^sent ' client --sendmmsg 10.9.5.1 53 10.9.5.3 53 10.9.5.4 53
eq several-mmsg-all 3 "$(grep -c 'asked=yes' <<< "$REPLY")"
start_serve world outside "$S" udp-serve 5300
match inside-and-outside '^sent ' client 10.9.5.1 53 192.0.2.2 5300 10.9.5.3 53
eq inside-and-outside-all 3 "$(grep -c 'asked=yes' <<< "$REPLY")"

# ---- what the server sees, and that it gets back there ----
seen() { tail -n 1 "$SBX/log/$1"; }
client --bind 10.9.5.2:7000 10.9.5.1 53 > /dev/null
match server-sees-bound 'from=10.9.5.2:7000 ' seen four
client 10.9.5.1 53 > /dev/null
match server-sees-v4 'from=10.9.5.2:[0-9]+ ' seen four
client fd09:5::1 54 > /dev/null
match server-sees-v6 'from=\[fd09:5::2\]:[0-9]+ ' seen dual
client 10.9.5.1 54 > /dev/null
match server-sees-mapped 'from=\[::ffff:10.9.5.2\]:[0-9]+ ' seen dual
nobody 10.9.5.1 53 > /dev/null
match server-sees-unnamed 'from=169\.254\.[0-9.]+:[0-9]+ ' seen four
match unnamed-gets-reply 'reply from=10.9.5.1:53 asked=yes' nobody 10.9.5.1 53
serve back "${A[@]}" -- "$S" udp-serve --connect-back 56
match connect-back 'reply from=10.9.5.1:56 asked=yes' client 10.9.5.1 56
match connect-back-names 'connected peer=10.9.5.2:[0-9]+ sock=10.9.5.1:56' cat "$SBX/log/back"
match outside-gets-real 'from=192.0.2.1:[0-9]+' cat "$SBX/log/world"

# ---- refusals are at once, for each way to send ----
for how in "" --connect --sendmmsg; do
	# shellcheck disable=SC2086 # options
	{
		expect_errno "no-service$how" ECONNREFUSED client $how 10.9.5.1 99
		expect_errno "no-group$how" EACCES pb run --tag grp=other -- "$S" udp-send $how 10.9.5.1 53
		expect_errno "no-group6$how" EACCES pb run --tag grp=other -- "$S" udp-send $how fd09:5::1 54
		expect_errno "no-group-mapped$how" EACCES pb run --tag grp=other -- "$S" udp-send $how --mapped 10.9.5.1 53
	}
done
match one-refused-of-two '53 ok.*errno=EHOSTUNREACH' pb run "${B[@]}" -- "$S" seq udp4 sendto=10.9.5.1:53 \
	sendto=10.9.99.9:53
expect_errno one-refused-of-two-sent EHOSTUNREACH client 10.9.5.1 53 10.9.99.9 53

# ---- the end of a server, the end of a client ----
app_stop third
expect_errno gone-is-refused 'ECONNREFUSED|EHOSTUNREACH' client 10.9.5.4 53
for p in four dual only6 other back; do app_stop $p; done
sources() { bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/pb_udp_$1" | json 'len(d)'; }
no_sources() { [ "$(sources src)$(sources virt)" = 00 ]; }
check sources-die wait_for 5 no_sources
finish
