# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The demo on three hosts; deploy/demo.sh sources it.  The application of the picture below: three
# tiers under one address, each in the groups it needs.

FIGURE='
        h1 (10.77.0.1)          h2 (10.77.0.2)          h3 (10.77.0.3)
      +------------------+    +------------------+    +------------------+
      |  web  :80        |    |  web  :80        |    |                  |   group 1: web, app
      |  app  :8080      |    |  app  :8080      |    |  db   :6379      |   group 2: app, db
      +------------------+    +------------------+    +------------------+
               all three tiers are 10.9.7.1, on every host; no interface has it'

# A tier on a host: the command line is shown as one would type it there.
tier() { # HOST TIER TAGS COMMAND
	local words
	printf '\n  h%s$ patchbay run --name %s --ip 10.9.7.1%s -- %s &\n' "$1" "$2" "$3" "$4"
	read -ra words <<< "--name $2 --ip 10.9.7.1$3 -- $4"
	lab_run "$1" "$2-h$1" "${words[@]}"
}
# there HOST REGEX COMMAND: shows and runs it on that host; the output must match
there() {
	printf '\n  h%s$ %s\n' "$1" "$3"
	REPLY=$(timeout 60 "$SBX/h$1/in" bash -c "$3" 2>&1 < /dev/null)
	printf '  | %s\n' "${REPLY//$'\n'/$'\n  | '}"
	if [[ $REPLY =~ $2 ]]; then ok; else fail "this step" "expected output matching /$2/"; fi
}
web_conf() { # HOST
	nginx_conf "web-h$1" 80
	sed -i "s|return 200 .*|location / { proxy_pass http://10.9.7.1:8080; } } }|" "$SBX/nginx-web-h$1/conf"
	ln -s "$SBX/nginx-web-h$1" "/run/web$1"
}

figure_hosts() {
	chapter "Three hosts"
	say "h1, h2 and h3 are network namespaces joined by a bridge, each with an agent of its own." \
		"One command makes the first one a cluster; its token is all the others need."
	lab_hosts 3
	printf '\n  h1$ patchbay cluster init\n'
	lab_init || fail init "$(cat "$SBX/log/init")"
	printf '  | %.32s...   (the token)\n' "$(cat "$SBX/log/token")"
	for h in 2 3; do
		printf '\n  h%s$ patchbay cluster join TOKEN\n' "$h"
		lab_join "$h" || fail join "$(cat "$SBX/log/join-h$h")"
		sed 's/^/  | /' "$SBX/log/join-h$h"
	done
	wait_for 30 lab_all_see 3 || fail members "not all are seen"
	there 3 'h1 .*h2 ' 'patchbay nodes'
}

figure_tiers() {
	chapter "One application, three tiers, three hosts"
	printf '%s\n' "$FIGURE"
	echo
	say "nginx, a Python program and redis, as they come. web asks app, app asks db, all by" \
		"10.9.7.1; which host that is, nobody configures."
	mkdir /run/db && cp "$TOP/deploy/lab/app.py" /run/app.py
	tier 3 db ' --tag grp=2' "redis-server --save --protected-mode no --loglevel warning --dir /run/db"
	for h in 1 2; do
		tier "$h" app ' --tag grp=1 --tag grp=2' "python3 /run/app.py h$h 8080 10.9.7.1 6379"
		web_conf "$h"
		tier "$h" web ' --tag grp=1' "nginx -p /run/web$h -c /run/web$h/conf -e stderr"
	done
	for want in db:6379=1 app:8080=2 web:80=2; do
		wait_for 30 lab_has 3 "${want%=*}" "${want#*=}" || fail "$want" "$(pbn 3 endpoints)"
	done
	there 3 'web.* h1 .*web.* h2 ' 'patchbay services; patchbay endpoints web:80'
}

figure_reach() {
	chapter "Through all of it"
	say "A client on h3, where only the database runs. Its request goes to a web server, from" \
		"there to an app, from there to the database: three choices at connect(), no proxy but nginx."
	there 3 'app at h[12]: [0-9]+ visits, asked by 10.9.7.1' \
		"patchbay run --name shop --tag grp=1 -- curl -s http://web/"
	there 3 'app at h1.*app at h2' \
		"patchbay run --name shop --tag grp=1 -- sh -c 'for i in \$(seq 20); do curl -s http://web/; done' | cut -d: -f1 | sort | uniq -c"
	say "The app sees who asks: 10.9.7.1 is the virtual address of web, not that of a host."

	chapter "web cannot reach db"
	say "They share an address, but no group. The refusal is an errno at connect(), on the client's" \
		"host; the server's host checks again, by an identity that the SYN carries and signs."
	there 1 'denied|EACCES|[Pp]ermission' \
		'patchbay run --name web --ip 10.9.7.1 --tag grp=1 -- redis-cli -h 10.9.7.1 ping'
	there 1 'share no grp' 'patchbay check web 10.9.7.1:6379'
	there 1 'grp=2 \(on node h3' 'patchbay check app 10.9.7.1:6379'
	real=$(pbn 1 endpoints db:6379 -o json | json 'd["endpoints"][0]["real"][0]')
	say "Nor does anybody get in from outside, by the real port on h3 ($real):"
	there 1 'refused' "redis-cli -h ${real%:*} -p ${real##*:} ping"
}

figure_death() {
	chapter "A host dies"
	lab_run 3 loop --name shop --tag grp=1 -- sh -c \
		'while :; do curl -s --max-time 5 http://web/ || echo "no answer"; done'
	wait_for 15 log_has loop 'app at h1' || fail loop "no answers: $(tail -n 3 "$SBX/log/loop")"
	local from lost
	from=$(wc -l < "$SBX/log/loop")
	printf '\n  # the power of h1 is cut: no packet leaves it any more\n'
	lab_kill 1
	wait_for 20 figure_found_out || fail found-out "$(pbn 3 endpoints web:80)"
	there 3 'h1 .*(ejected|suspect)' 'patchbay endpoints web:80'
	if wait_for 30 log_has loop 'app at h2' $(($(log_count loop 'app at h2') + 200)); then ok; else
		fail "without h1" "requests stopped: $(tail -n 3 "$SBX/log/loop")"
	fi
	lost=$(tail -n "+$((from + 1))" "$SBX/log/loop" | grep -c 'no answer')
	say "  | 200 requests later: $lost got no answer, those that were under way. The first one that" \
		"failed told the kernel; since then all go to h2, long before anybody declares h1 dead."
	wait_for 60 lab_state 3 h1 dead || fail dead "h1 is still $(lab_node_state 3 h1)"
	there 3 'h1 +dead' 'patchbay nodes; patchbay endpoints web:80'
	wait_for 20 lab_has 3 web:80 1 || fail withdrawn "$(pbn 3 endpoints)"

	chapter "... and comes back"
	lab_boot 1
	web_conf_again
	wait_for 60 lab_all_see 3 || fail back "$(pbn 3 nodes)"
	tier 1 app ' --tag grp=1 --tag grp=2' "python3 /run/app.py h1 8080 10.9.7.1 6379"
	tier 1 web ' --tag grp=1' "nginx -p /run/web1 -c /run/web1/conf -e stderr"
	if wait_for 60 log_has loop 'app at h1' $(($(log_count loop 'app at h1') + 20)); then ok; else
		fail "h1 again" "it gets no requests: $(pbn 3 endpoints)"
	fi
	there 3 'h1 +alive' 'patchbay nodes'
	app_stop loop
}
figure_found_out() { pbn 3 endpoints web:80 | grep -qE 'h1 .*(ejected|suspect)'; }
web_conf_again() { rm -f "$SBX/nginx-web-h1/pid"; }

figure() {
	resolver 127.0.0.53
	figure_hosts
	figure_tiers
	figure_reach
	figure_death
}
