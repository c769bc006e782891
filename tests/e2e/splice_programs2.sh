#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# nginx under splice, as server and as proxy, with curl and wrk; every body compared.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/splice.sh
. "$TOP/tests/lib/splice.sh"
# shellcheck source=../lib/splice_web.sh
. "$TOP/tests/lib/splice_web.sh"

start_agent
nginx_up web 10.9.31.1 << EOF
root $SBX/data;
server { listen 10.9.31.1:80; sendfile on; tcp_nopush on; keepalive_requests 100000; }
server { listen 10.9.31.1:81; sendfile off; keepalive_requests 100000; }
EOF
nginx_up front 10.9.31.2 << EOF
upstream web { server 10.9.31.1:80; keepalive 16; }
proxy_http_version 1.1; proxy_set_header Connection "";
server { listen 10.9.31.2:80; location / { proxy_pass http://web; } }
server { listen 10.9.31.2:81; proxy_buffering off; location / { proxy_pass http://web; } }
EOF

# 81 copies, 80 uses sendfile(2); the proxy's 81 hands on what it gets at once
ways_in=(nginx:10.9.31.1 copy:10.9.31.1:81 proxy:10.9.31.2 unbuffered:10.9.31.2:81)
for way in "${ways_in[@]}"; do
	name=${way%%:*} at=${way#*:} PROXY=
	[[ $at == 10.9.31.1* ]] || PROXY=1
	for file in small page one huge; do get "$name-$file" "$at" $file; done
	keepalive "$name-keepalive" "$at"
	slow "$name-slow" "$at"
	for file in small one; do wrk_on "$name" "$at" $file; done
	report "$name"
done
both range "$SBX/data/one" curl -sS --max-time "$MAX_TIME" \
	"http://10.9.31.2/one" -r 0-99999 --next -sS "http://10.9.31.2/one" -r 100000-
nomatch errors '\[(error|crit|alert|emerg)\]' cat "$SBX/log/web" "$SBX/log/front"
finish
