# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# tort under a way two programs may be connected; sourced after tests/e2e/lib.sh, or what has its
# serve(), start_serve(), ok() and fail().
#
# WAY: splice       two applications whose connections are spliced
#      splice-all   those of sockets that block, too: their reads may say EAGAIN, which is counted
#      apart        the same, the client in the network namespace c1, which container() makes
#      managed      two applications, not spliced
#      plain        two programs nobody manages
#      plain-apart  the same, the client in c1
# Families: v4, v6, mapped (an IPv6 socket that dials ::ffff:a.b.c.d), dual (an IPv4 client, an IPv6
# listener).
TORT=${TORT:-$BUILD/tests/tort}
TORT_SERVER=(--name tort --ip 10.9.80.1 --ip fd09:80::1 --tag grp=tort)
TORT_CLIENT=() TORT_SET=() TORT_TO=() TORT_ADDR4='' TORT_ADDR6='' TORT_PORT4='' TORT_PORT6=''
TORT_BLOCKING=5 # added to the port

# tort_way WAY: from here on.  Servers are started by tort_up; "apart" ways have those of the others.
tort_way() {
	local c1=(nsenter --net=/run/netns/c1 --)
	WAY=$1
	TORT_ADDR4=10.9.80.1 TORT_ADDR6=fd09:80::1 TORT_PORT4=7000 TORT_PORT6=7100
	TORT_CLIENT=("$PB" run --tag grp=tort --) TORT_SET=()
	case $WAY in
	plain*)
		TORT_ADDR4=127.0.0.1 TORT_ADDR6=::1 TORT_PORT4=7200 TORT_PORT6=7300 TORT_CLIENT=()
		[ "$WAY" = plain ] ||
			TORT_ADDR4=172.29.1.1 TORT_ADDR6=2001:db8:1::1 TORT_CLIENT=("${c1[@]}")
		;;
	splice-all)
		TORT_CLIENT=("$PB" run --splice=all --tag grp=tort --) TORT_SET=(again=1)
		;;
	splice | apart)
		TORT_CLIENT=("$PB" run --splice --tag grp=tort --)
		[ "$WAY" = splice ] || TORT_CLIENT+=("${c1[@]}")
		;;
	esac
}
tort_is_spliced() { [[ $WAY == splice* || $WAY = apart ]]; }
# tort_server NAME ARG...: one server of this way
tort_server() {
	local name=$1 how=()
	shift
	! tort_is_spliced || how=(--splice)
	[ "$WAY" != splice-all ] || how=(--splice=all)
	if [ "$WAY" = plain ]; then
		start_serve "$name" "$TORT" serve "$@"
	else
		serve "$name" "${TORT_SERVER[@]}" "${how[@]}" -- "$TORT" serve "$@"
	fi
}
# Two for sockets that do not block and two for those that do: a listener is known by what is accepted
# from it.
tort_up() {
	tort_server "tort-$TORT_PORT4" -4 "$TORT_PORT4"
	tort_server "tort-$TORT_PORT6" -6 "$TORT_PORT6"
	tort_server "tort-$TORT_PORT4-blocking" -4 $((TORT_PORT4 + TORT_BLOCKING))
	tort_server "tort-$TORT_PORT6-blocking" -6 $((TORT_PORT6 + TORT_BLOCKING))
}
tort_down() {
	local port
	for port in "$TORT_PORT4" "$TORT_PORT6"; do
		app_stop "tort-$port"
		app_stop "tort-$port-blocking"
	done
}

# tort_all WAY: the servers of that way, and for comparison the plain ones
tort_all() {
	tort_way plain
	tort_up
	[ "$1" != plain ] || return
	tort_way "$1"
	tort_up
}

# tort_to FAMILY MODE [KEY=VALUE]...: TORT_TO = what the client's command line says about the server
tort_to() {
	local add=0
	[[ " ${*:2} " =~ \ (timeo|signal|waitall|block=(server|both))\  ]] && add=$TORT_BLOCKING
	case $1 in
	v4) TORT_TO=("$TORT_ADDR4" $((TORT_PORT4 + add))) ;;
	v6) TORT_TO=("$TORT_ADDR6" $((TORT_PORT6 + add))) ;;
	mapped) TORT_TO=(-m "$TORT_ADDR4" $((TORT_PORT4 + add))) ;;
	dual) TORT_TO=("$TORT_ADDR4" $((TORT_PORT6 + add))) ;;
	esac
}
# tort_run FAMILY MODE [KEY=VALUE]...: the client; prints its line
tort_run() {
	tort_to "$@"
	"${TORT_CLIENT[@]}" "$TORT" "$2" "${TORT_TO[@]}" "${TORT_SET[@]}" "${@:3}"
}

# tort_spliced WANT LINE: did as much of it go past TCP as is wanted (client's bytes, server's)?
# both, up, down: these; none; block: none, since sockets block; any
tort_spliced() {
	local want=$1 up down
	[[ $2 =~ spliced=([0-9]+)/([0-9]+) ]] || return 1
	up=${BASH_REMATCH[1]} down=${BASH_REMATCH[2]}
	tort_is_spliced || want=none
	[ "$want" != block ] || want=none
	[ "$WAY" != splice-all ] || [ "$1" != block ] || want=any
	case $want in
	both) [ "$up" -gt 0 ] && [ "$down" -gt 0 ] ;;
	up) [ "$up" -gt 0 ] ;;
	down) [ "$down" -gt 0 ] ;;
	up-only) [ "$up" -gt 0 ] && [ "$down" = 0 ] ;;
	none) [ "$up" = 0 ] && [ "$down" = 0 ] ;;
	any) ;;
	*) return 1 ;;
	esac
}

# tort_case WANT FAMILY MODE [KEY=VALUE]...: one verdict; its name is made of the words
tort_case() {
	local want=$1 name rc
	shift
	name=$WAY:$(IFS=,; echo "$*")
	REPLY=$(tort_run "$@" 2>&1)
	rc=$?
	if [ $rc != 0 ]; then
		fail "$name" "exit $rc: $REPLY"
	elif ! tort_spliced "$want" "$REPLY"; then
		fail "$name" "spliced: want $want: $REPLY"
	else
		ok "$name"
		echo "# ${REPLY#ok }"
	fi
}

# tort_cases: a line of standard input each; "#" begins a remark
tort_cases() {
	local line words
	while read -r line; do
		read -ra words <<< "${line%%#*}"
		[ ${#words[@]} = 0 ] || tort_case "${words[@]}"
	done
}
# tort_same NAME FIGURES FAMILY MODE [KEY=VALUE]...: plain and spliced programs see the same
tort_same() {
	local name=$1 figures=$2 f plain now way=$WAY
	shift 2
	tort_way plain
	plain=$(tort_run "$@" 2>&1)
	tort_way "$way"
	now=$(tort_run "$@" 2>&1)
	for f in $figures; do
		eq "$way:$name,$f" "$(tort_figure "$f" "$plain")" "$(tort_figure "$f" "$now")"
	done
	echo "# $name, plain: $plain"
	echo "# $name, $way: $now"
}

# tort_figure NAME LINE: the value of NAME=... in it
tort_figure() { [[ " $2" =~ [\ ]$1=([^ ]*) ]] && echo "${BASH_REMATCH[1]}"; }

# ---- packets change the CPU: receive packet steering ----

# rps_on MASK [COMMAND...]: on every receive queue of the network namespace COMMAND enters ("nsenter
# ..."; none: the one we are in); its sysfs is mounted for that, on top of /tmp, seen by nobody else
rps_on() {
	local mask=$1
	shift
	"$@" unshare --mount -- bash -c 'mount -t sysfs sysfs /tmp && for q in \
		/tmp/class/net/*/queues/rx-*/rps_cpus; do echo "$0" > "$q" || exit 1; done' "$mask"
}
# rps_all: the mask of all CPUs; it needs at least two
rps_all() { printf '%x\n' $(((1 << $(nproc)) - 1)); }
