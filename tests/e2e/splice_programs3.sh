#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# haproxy under splice, before nginx, in both modes and with splice(2) switched on; every body
# compared.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/splice.sh
. "$TOP/tests/lib/splice.sh"
# shellcheck source=../lib/splice_web.sh
. "$TOP/tests/lib/splice_web.sh"

start_agent
nginx_up web 10.9.31.1 << EOF
root $SBX/data;
server { listen 10.9.31.1:80; sendfile on; keepalive_requests 100000; }
EOF

# haproxy_conf NAME ADDR [OPTION...]: port 80 by bytes, with splice(2) where that may be; port 81
# by requests, with these options
haproxy_conf() {
	local o
	{
		printf '%s\n' defaults 'timeout connect 5s' 'timeout client 30s' 'timeout server 30s' \
			'listen bytes' 'mode tcp' 'option splice-auto' 'option splice-request' \
			'option splice-response' "bind $2:80" 'server web 10.9.31.1:80 check inter 200ms' \
			'listen requests' 'mode http' "bind $2:81" 'http-reuse always' \
			'server web 10.9.31.1:80'
		for o in "${@:3}"; do echo "option $o"; done
	} > "$SBX/$1.cfg"
}

# ---- spliced ----
haproxy_conf proxy 10.9.31.3
serve_spliced proxy --ip 10.9.31.3 -- haproxy -db -f "$SBX/proxy.cfg"
up haproxy proxy:81
PROXY=1
for way in tcp:10.9.31.3 http:10.9.31.3:81; do
	name=${way%%:*} at=${way#*:}
	for file in small page one huge; do get "$name-$file" "$at" $file; done
	keepalive "$name-keepalive" "$at"
	slow "$name-slow" "$at"
	for file in small one; do wrk_on "$name" "$at" $file; done
	report "$name"
done

# ---- splice(2): in http mode haproxy 2.6 never reads again once it is refused, so that such a
# configuration needs --splice=off, and gets everything by TCP ----
haproxy_conf copier 10.9.31.4 splice-auto splice-request splice-response
run_app copier --name copier --tag grp=spl --splice=off --ip 10.9.31.4 -- \
	haproxy -db -f "$SBX/copier.cfg"
up copier copier:81
for file in small page one huge; do
	before=$(ways)
	for port in 80 81; do
		same_bytes "off-$port-$file" "$SBX/data/$file" spliced curl -sS --max-time "$MAX_TIME" \
			"http://10.9.31.4:$port/$file"
	done
	eq "off-$file-not-spliced" "$before" "$(ways)"
done
nomatch errors '\[(error|crit|alert|emerg)\]|ALERT' cat "$SBX"/log/{web,proxy,copier}
finish
