# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# nginx, curl and wrk under splice.  Source it after splice.sh.

MAX_TIME=${MAX_TIME:-20}
random_file small 1000
random_file page 70000
random_file one "$MB"
random_file huge $((32 * MB))

# conf NAME: an nginx configuration; what is inside "http" comes from standard input
conf() {
	local dir=$SBX/nginx-$1 d
	mkdir -p "$dir"
	{
		echo "daemon off; user root; worker_processes 2; pid $dir/pid; error_log stderr warn;"
		echo "events { worker_connections 512; } http { access_log off;"
		for d in client_body proxy fastcgi uwsgi scgi; do echo "${d}_temp_path $dir/$d;"; done
		cat
		echo '}'
	} > "$dir/conf"
}
nginx_up() {
	local nginx
	conf "$1"
	read -ra nginx <<< "$(nginx_cmd "$1")"
	serve_spliced "$1" --ip "$2" -- "${nginx[@]}"
	up "$1" "$1:80"
}
# PROXY=1 where the server itself opens connections
# get NAME HOST FILE
get() { both "$1" "$SBX/data/$3" curl -sS --max-time "$MAX_TIME" "http://$2/$3"; }
# slow NAME HOST: a reader that is far slower than the server
slow() { both "$1" "$SBX/data/one" curl -sS --max-time "$MAX_TIME" --limit-rate 2M "http://$2/one"; }
# keepalive NAME HOST: many answers on one connection
keepalive() {
	local urls=()
	for _ in {1..30}; do urls+=("http://$2/small" "http://$2/one" "http://$2/page"); done
	for _ in {1..30}; do cat "$SBX/data/small" "$SBX/data/one" "$SBX/data/page"; done > "$SBX/many"
	both "$1" "$SBX/many" curl -sS --max-time "$MAX_TIME" "${urls[@]}"
}

# wrk compares each body it gets
cat > "$SBX/data/check.lua" << 'LUA'
local f = io.open(os.getenv("WANT"), "rb")
local want = f:read("*a")
local threads = {}
wrong, right = 0, 0
function setup(thread) table.insert(threads, thread) end
function response(status, headers, body)
	if status == 200 and body == want then right = right + 1 else wrong = wrong + 1 end
end
function done(summary)
	local w, r = 0, 0
	for _, t in ipairs(threads) do w, r = w + t:get("wrong"), r + t:get("right") end
	local e = summary.errors
	print(string.format("right=%d wrong=%d errors=%d", r, w,
		e.connect + e.read + e.write + e.status + e.timeout))
end
LUA
load() { WANT=$SBX/data/$2 spliced wrk -t 2 -c 32 -d 2s --timeout 10s -s "$SBX/data/check.lua" "http://$1/$2"; }
# wrk_on NAME HOST FILE
wrk_on() {
	local name=$1-wrk-$3 all='right=[1-9][0-9]* wrong=0 errors=0'
	evidence "$name" 32 load "$2" "$3"
	if [[ $REPLY =~ $all ]]; then ok "$name-bodies"; else fail "$name-bodies" "$(tail -n 3 <<< "$REPLY")"; fi
}
