# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The demo on one host; deploy/demo.sh sources it.
# shellcheck disable=SC2154 # passed: of tests/e2e/lib.sh

one_agent() {
	chapter "The agent"
	say "patchbayd attaches eBPF programs to one cgroup of its own and waits. Nothing on the way of" \
		"packets changes; only socket calls of programs started by 'patchbay run' do."
	start_agent
	dns_up 127.0.0.53
	resolver 127.0.0.53
	show 'links|programs|alive' 'patchbay status | head -n 12'
}

one_web() {
	chapter "Two web servers on one address and one port"
	say "Two unmodified nginx, both told to listen on port 80. They get the name web, the address" \
		"10.9.0.1 and the tag grp=front. No interface carries that address; no container, no proxy."
	for i in 1 2; do
		nginx_conf "web$i" 80
		background "web$i" "patchbay run --name web --ip 10.9.0.1 --tag grp=front -- $(nginx_cmd "web$i")"
		appears web:80 "$i"
	done
	show 'web.*web' 'patchbay endpoints web'
	say "To the kernel they listen on ports of its own choice (column REAL). To every program with" \
		"an identity they are one service, balanced at connect()."
	show 'web1.*web2' "patchbay run --tag grp=front -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do curl -s http://10.9.0.1/; done' | sort | uniq -c"
	show 'web[12]' 'patchbay run --tag grp=front -- curl -s http://web/'
	say "The name was answered by the agent, although resolv.conf names another resolver, which" \
		"still answers everything else:"
	show '198.51.100.9' 'patchbay run --tag grp=front -- getent ahostsv4 www.example.test'
}

one_cache() {
	chapter "A cache, with an address from the pool"
	mkdir "$SBX/redis"
	background cache "patchbay run --name cache --tag grp=back -- redis-server --dir $SBX/redis --save --protected-mode no --loglevel warning"
	appears cache:6379 1
	show 'cache' 'patchbay apps'
	show 'PONG' 'patchbay run --tag grp=back -- redis-cli -h cache ping'
	say "redis also bound 127.0.0.1, as it always does. That loopback is its own: a program of" \
		"another identity finds nothing there, and nobody's local service is hidden."
	show 'refused' 'patchbay run --tag grp=back -- redis-cli ping'
	show '6379' 'patchbay services'
}

one_policy() {
	chapter "Who may reach whom"
	say "web and cache share no group. A program of group front is refused at connect(), at once and" \
		"with the errno of a firewall that speaks: EACCES."
	show 'denied|EACCES|[Pp]ermission' 'patchbay run --name shop --tag grp=front -- redis-cli -h cache ping'
	background shop "patchbay run --name shop --tag grp=front -- nc -l 9000"
	appears shop:9000 1
	show 'share no grp tag' 'patchbay check shop cache:6379'
	show 'no-group' 'patchbay why shop cache:6379'
	show 'share a grp tag' 'patchbay check shop web:80'
	say "A program without an identity cannot go round it by the real port either:"
	real=$(real_ports web:80)
	show 'refused|Failed to connect' "curl -sS --max-time 5 http://127.0.0.1:${real%% *}/"
}

one_maps() {
	chapter "Nothing is hidden"
	say "What the kernel decides on is in maps anybody with the right can read by bpftool:"
	show '"name": "web"' "bpftool map dump pinned /sys/fs/bpf/patchbay/v1/pb_addrs | grep -B 11 web"
	show 'refuse|no-group' 'patchbay events --refused --last 3'
}

one_death() {
	chapter "The agent dies"
	run_app loop --tag grp=front -- sh -c "while :; do curl -s --max-time 5 http://10.9.0.1/; done"
	wait_for 10 log_has loop web 5 || fail loop "no answers"
	printf '\n  $ kill -9 %s   # patchbayd\n' "$AGENT_PID"
	kill_agent
	before=$(log_count loop web)
	if wait_for 10 log_has loop web $((before + 50)); then
		say "  | 50 further requests were answered without it; balancing, policy and guard are in the kernel."
		ok
	else
		fail "without the agent" "requests stopped"
	fi
	show '[Aa]live' 'patchbay status'
	start_agent
	say "A new agent takes over what it finds; no connection notices."
	show 'web' 'patchbay apps'
	app_stop loop
}

one_host() {
	local real before i
	one_agent
	one_web
	one_cache
	one_policy
	one_maps
	one_death
	for i in web1 web2 cache shop; do app_stop "$i"; done
	stop_agent
}
