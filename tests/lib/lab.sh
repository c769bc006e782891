# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A lab of several hosts on this machine.  Source it after lib.sh.
#
# Each host is a network namespace hN, its cgroups ($CG/hN), bpffs, run and state folder, and a
# patchbayd; what hosts have to themselves beyond that they share here.  The namespace "lan" holds
# the bridge that joins them, and has addresses of its own: a stranger.
#
#   host N      10.77.0.N     fd77::N        device eth0, its end in "lan" is hN
#   lan         10.77.0.254   fd77::fe
#
# lab_up N makes the hosts, starts the agents and joins them; everything ends with the script.

LAB_PORT=7956
LAB_HOSTS=0
declare -A LAB_AGENT=()
LAB_WITH=() # what an agent is started by: env NAME=VALUE
LAB_TAIL=${LAB_TAIL:-12} # lines of each agent shown after a failure

host_v4() { echo "10.77.0.$1"; }
host_v6() { echo "fd77::$1"; }
lab_dir() { echo "$SBX/h$1"; }
lan() { nsenter --net=/run/netns/lan -- "$@"; }
# on N CMD...: on host N, unmanaged.  A program file, so that `start` has the program's own pid.
on() { "$SBX/h$1/in" "${@:2}"; }
pbn() { "$SBX/h$1/in" "$PB" "${@:2}"; }
# within N OPTION... -- CMD...: `patchbay run` on host N, to its end
within() { timeout -k 5 "$((${LIMIT:-30} * ${PB_SLOW:-1}))" "$SBX/h$1/in" "$PB" run "${@:2}"; }
# lab_start N NAME CMD...: in the background, output in log/NAME.  lab_run N NAME OPTION... -- CMD...:
# the same under `patchbay run`.  lab_serve: lab_run, and wait for the "listening" of pbsock.
lab_start() { start "$2" "$SBX/h$1/in" "${@:3}"; }
lab_run() { start "$2" "$SBX/h$1/in" "$PB" run "${@:3}"; }
lab_serve() {
	lab_run "$@"
	wait_for 10 log_has "$2" 'listening|errno=' || fail "$2-starts" "$(tail -n 1 "$SBX/log/$2")"
}

# udp_ask TRIES OPTION... ADDRESS PORT: as programs that use datagrams do, again after a second.  For
# `within`: the words of a command.
udp_ask() {
	local tries=$1
	shift
	# shellcheck disable=SC2034 # for who sources this
	ASK=(sh -c "for i in \$(seq $tries); do '$S' udp-send --timeout 1000 $* && exit; done; exit 1")
}

# ---- hosts -----------------------------------------------------------------------------------

lab_lan() {
	ip netns add lan && lan ip link set lo up || return 1
	lan ip link add br0 type bridge forward_delay 0 && lan ip link set br0 up || return 1
	lan ip addr add 10.77.0.254/24 dev br0 && lan ip addr add fd77::fe/64 dev br0 nodad
}

lab_host_net() {
	local n=$1 ns
	ns=(nsenter "--net=/run/netns/h$n" --)
	ip netns add "h$n" && "${ns[@]}" ip link set lo up || return 1
	ip link add "h$n" netns lan type veth peer name eth0 netns "h$n" || return 1
	lan ip link set "h$n" master br0 up && "${ns[@]}" ip link set eth0 up || return 1
	"${ns[@]}" ip addr add "$(host_v4 "$n")/24" dev eth0 || return 1
	"${ns[@]}" ip addr add "$(host_v6 "$n")/64" dev eth0 nodad || return 1
	"${ns[@]}" ip route add default via 10.77.0.254 || return 1
	"${ns[@]}" ip -6 route add default via fd77::fe
}

# What `on` runs: into the host's cgroup and network, with its agent's places.
lab_host_in() {
	local n=$1
	cat > "$SBX/h$n/in" <<- EOT
		#!/bin/sh
		echo \$\$ > "$CG/h$n/self/cgroup.procs"
		PATCHBAY_RUN_DIR=$SBX/h$n/run PATCHBAY_BPFFS=$SBX/h$n/bpf
		export PATCHBAY_RUN_DIR PATCHBAY_BPFFS
		exec nsenter --net=/run/netns/h$n -- "\$@"
	EOT
	chmod 755 "$SBX/h$n/in"
}

# lab_host N: everything but the agent
lab_host() {
	local n=$1
	mkdir -m 755 "$SBX/h$n" "$SBX/h$n/bpf" && mkdir -m 700 "$SBX/h$n/state" || return 1
	mkdir "$CG/h$n" "$CG/h$n/self" && lab_host_net "$n" || return 1
	mount -t bpf bpf "$SBX/h$n/bpf" || return 1
	lab_host_in "$n"
	lab_config "$n" < /dev/null
	[ "$n" -le "$LAB_HOSTS" ] || LAB_HOSTS=$n
}
# lab_config N: its configuration, with further lines from standard input
lab_config() {
	{
		printf '[cluster]\nnode = h%s\naddress = %s, %s\nport = %s\nstate-dir = %s\n' "$1" \
			"$(host_v4 "$1")" "$(host_v6 "$1")" "$LAB_PORT" "$SBX/h$1/state"
		cat
	} > "$SBX/h$1/conf"
}

# ---- agents ----------------------------------------------------------------------------------

lab_answers() { pbn "$1" policy; }
# lab_agent N: starts it; returns when it answers
lab_agent() {
	local n=$1
	"$SBX/h$n/in" "${LAB_WITH[@]}" "$BUILD/patchbayd" --config "$SBX/h$n/conf" \
		--run-dir "$SBX/h$n/run" --bpffs "$SBX/h$n/bpf" --cgroup "$CG/h$n/patchbay" \
		>> "$SBX/log/agent-h$n" 2>&1 < /dev/null &
	LAB_AGENT[$n]=$!
	wait_for 30 lab_answers "$n" && return 0
	die "agent-h$n" "no answer: $(tail -n 1 "$SBX/log/agent-h$n")"
}
# lab_agent_stop N [SIGNAL]
lab_agent_stop() {
	kill "-${2:-TERM}" "${LAB_AGENT[$1]}" 2> /dev/null
	wait "${LAB_AGENT[$1]}" 2> /dev/null
}
lab_stop() { kill -STOP "${LAB_AGENT[$1]}"; }
lab_cont() { kill -CONT "${LAB_AGENT[$1]}"; }

# lab_sees N ALIVE: the agent of N counts that many nodes alive
lab_sees() { [ "$(pbn "$1" cluster -o json 2> /dev/null | json 'd["members"]["alive"]')" = "$2" ]; }
lab_all_see() {
	local n
	for ((n = 1; n <= LAB_HOSTS; n++)); do lab_sees "$n" "$1" || return 1; done
}
lab_node_state() {
	pbn "$1" nodes -o json 2> /dev/null |
		json 'next((n["state"] for n in d["nodes"] if n["name"] == "'"$2"'"), "-")'
}
# lab_state N NODE STATE|STATE...: how N sees that node
lab_state() { [[ $(lab_node_state "$1" "$2") =~ ^($3)$ ]]; }

# lab_join N: by the token of host 1; lab_join_said: what it says
lab_join_said() { pbn 1 cluster token 2> /dev/null | pbn "$1" cluster join -; }
lab_join() { lab_join_said "$1" > "$SBX/log/join-h$1" 2>&1; }
lab_init() { pbn 1 cluster init > "$SBX/log/token" 2> "$SBX/log/init"; }

# lab_hosts N: hosts and agents, alone
lab_hosts() {
	local n
	lab_lan || die lab "no bridge"
	for ((n = 1; n <= $1; n++)); do
		lab_host "$n" || die "lab-h$n" "cannot be made"
		lab_agent "$n"
	done
}
# lab_up N: hosts 1..N, one cluster
lab_up() {
	local n
	lab_hosts "$1"
	lab_init || die lab-init "$(cat "$SBX/log/init")"
	for ((n = 2; n <= $1; n++)); do
		lab_join "$n" || die "lab-join-h$n" "$(cat "$SBX/log/join-h$n")"
	done
	wait_for 30 lab_all_see "$1" || die lab-members "$(pbn 1 nodes)"
}

# ---- what is served where --------------------------------------------------------------------

# lab_endpoints N SERVICE: how many of them host N knows that may be chosen
lab_endpoints() {
	pbn "$1" endpoints "$2" -o json 2> /dev/null |
		json 'len([e for e in d.get("endpoints", []) if e["state"] in ("up", "ejected")])'
}
lab_has() { [ "$(lab_endpoints "$1" "$2")" = "$3" ]; }
# lab_all_have SERVICE COUNT: every host that lives
lab_all_have() {
	local n
	for ((n = 1; n <= LAB_HOSTS; n++)); do
		[ -z "${LAB_AGENT[$n]:-}" ] || lab_has "$n" "$1" "$2" || return 1
	done
}
# up NAME SERVICE COUNT: a verdict, when every host knows that many endpoints
up() {
	if wait_for 20 lab_all_have "$2" "$3"; then ok "$1"; else
		fail "$1" "$(for ((n = 1; n <= LAB_HOSTS; n++)); do pbn "$n" endpoints "$2" 2>&1; done)"
	fi
}

# lab_table N: what host N knows of all, without what differs by the place it is seen from
lab_table() {
	pbn "$1" endpoints -o json | json '"\n".join(sorted("%s %s %s:%d %s %s" % (e["node"], e["app"],
		e["address"], e["port"], e["proto"], e["real"][0].rsplit(":", 1)[1])
		for e in d["endpoints"]))'
}
lab_tables_equal() {
	local n first
	first=$(lab_table 1) && [ -n "$first" ] || return 1
	for ((n = 2; n <= LAB_HOSTS; n++)); do [ "$(lab_table "$n")" = "$first" ] || return 1; done
}

# ---- trouble ---------------------------------------------------------------------------------

# lab_reaches A B: a port where nobody listens is refused
lab_reaches() { on "$1" "$S" tcp-connect --timeout 1000 "$(host_v4 "$2")" 9 | grep -q ECONNREFUSED; }
# lab_wait_out SECS: trouble has to last; ends early only with the script
lab_wait_out() { ! PB_SLOW=1 wait_for "$1" false; }
# lab_cut A B: no frame goes from A to B and back, by the bridge.  lab_isolate A: to nobody.
lab_cut() { lab_drop "iifname h$1 oifname h$2" && lab_drop "iifname h$2 oifname h$1"; }
lab_isolate() { lab_drop "iifname h$1" && lab_drop "oifname h$1"; }
lab_drop() {
	lan nft list table bridge lab > /dev/null 2>&1 || {
		lan nft add table bridge lab &&
			lan nft add chain bridge lab cut '{ type filter hook forward priority 0; }'
	} || return 1
	# shellcheck disable=SC2086 # words of a rule
	lan nft add rule bridge lab cut $1 drop
}
lab_heal() { lan nft delete table bridge lab; }

lab_empty() { ! grep -q populated.1 "$CG/h$1/cgroup.events"; }
lab_pids() { find "$CG/h$1" -name cgroup.procs -exec cat {} + 2> /dev/null; }
# lab_kill N: power off: nothing there says goodbye, and no packet of it leaves any more
lab_kill() {
	lan ip link set "h$1" down
	if [ -w "$CG/h$1/cgroup.kill" ]; then echo 1 > "$CG/h$1/cgroup.kill"; else
		# shellcheck disable=SC2046 # a list
		kill -KILL $(lab_pids "$1") 2> /dev/null
	fi
	wait_for 10 lab_empty "$1" || fail "kill-h$1" "processes are left"
	wait "${LAB_AGENT[$1]}" 2> /dev/null
	unset "LAB_AGENT[$1]"
	# what is in the kernel goes with the power, too; the disk stays
	umount -l "$SBX/h$1/bpf"
	find "$CG/h$1/patchbay" -depth -type d -exec rmdir {} + 2> /dev/null
}
# lab_boot N: the machine comes back with its disk
lab_boot() {
	mount -t bpf bpf "$SBX/h$1/bpf" && lan ip link set "h$1" up && lab_agent "$1"
}

# lab_talker ADDRESS PORT: a script, one connection that talks all the time; lab_asker ADDRESS PORT: new
# connections all the time, "good WHAT-THE-SERVER-SAID" or "bad WHY"
lab_talker() {
	cat > "$SBX/talk.py" << END
import socket
s = socket.create_connection(("$1", $2), 20)
END
	cat >> "$SBX/talk.py" << 'END'
f = s.makefile("rwb")
i = 0
while True:
    i += 1
    f.write(b"%d\n" % i)
    f.flush()
    assert f.readline() == b"%d\n" % i, i
    if i % 100 == 0:
        print("talked", i, flush=True)
END
}
lab_asker() {
	echo "to = '$1', $2" > "$SBX/ask.py"
	cat >> "$SBX/ask.py" << 'END'
import socket, time
while True:
    try:
        s = socket.create_connection(to, 20)
        s.settimeout(20)
        s.sendall(b"x")
        print("good", s.recv(64).decode().strip(), flush=True)
        s.close()
    except OSError as e:
        print("bad %r" % e, flush=True)
        time.sleep(0.1)
END
	lab_run 1 ask --name cli --tag grp=a -- "$PY" -u "$SBX/ask.py"
}
# lab_asks_on: the asker had a hundred more answers
lab_asks_on() { wait_for 30 log_has ask good $(($(log_count ask good) + 100)); }

# lab_on_the_wire WORD...: of 50 gossip packets that pass the bridge, how many have one of the words; these
# must be long enough not to turn up in what is encrypted
lab_on_the_wire() {
	lan timeout 20 "$PY" -c '
import select, socket, sys
tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
port, words = int(sys.argv[1]).to_bytes(2, "big"), [w.encode() for w in sys.argv[2:]]
seen = clear = 0
while seen < 50 and select.select([tap], [], [], 10)[0]:
    data = tap.recv(65535)
    if port in (data[20:22], data[22:24]):
        seen += 1
        clear += any(w in data for w in words)
print("seen", seen, "clear", clear)' "$LAB_PORT" "$@"
}

# ---- the end ---------------------------------------------------------------------------------

lab_down() {
	local n
	for ((n = 1; n <= LAB_HOSTS; n++)); do
		if [ -n "${LAB_AGENT[$n]:-}" ]; then
			kill -CONT "${LAB_AGENT[$n]}" 2> /dev/null
			lab_agent_stop "$n" KILL
		fi
		[ "${failed:-0}" = 0 ] || [ ! -s "$SBX/log/agent-h$n" ] || {
			echo "---- last lines of the agent of h$n"
			tail -n "$LAB_TAIL" "$SBX/log/agent-h$n"
		}
		umount -l "$SBX/h$n/bpf" 2> /dev/null
		ip netns del "h$n" 2> /dev/null
	done
	ip netns del lan 2> /dev/null
}
lab_exit() {
	local rc=$?
	trap - EXIT INT TERM
	lab_down
	# as if it came from the trap itself
	(exit $rc)
	sandbox_down
}
trap lab_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
