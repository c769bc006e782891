#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Streams under splice: asyncio, node, curl's uploads, and a proxy that copies by splice(2) where it
# may; every byte compared.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/splice.sh
. "$TOP/tests/lib/splice.sh"

start_agent
random_file small 1000
random_file one $MB
random_file huge $((64 * MB))
TOOLS=$TOP/tests/tools

# ---- asyncio ----
serve_spliced py --ip 10.9.33.1 -- "$PY" -u "$TOOLS/echo.py" serve 10.9.33.1 7
up asyncio py:7
# ask NAME CONNECTIONS MESSAGES BYTES HOW [WAYS]
ask() {
	local before
	evidence "asyncio-$1" "${6:-$((2 * $2))}" spliced "$PY" "$TOOLS/echo.py" ask 10.9.33.1 7 "${@:2:4}"
	eq "asyncio-$1-equal" "equal $(($2 * $3 * $4))" "$REPLY"
	not_spliced "asyncio-$1-plain" plain "$PY" "$TOOLS/echo.py" ask 10.9.33.1 7 "${@:2:4}"
	eq "asyncio-$1-plain-equal" "equal $(($2 * $3 * $4))" "$REPLY"
}
ask small 20 500 100 line
ask middle 8 100 60000 line
ask raw 8 2000 1500 raw 8
report asyncio
# what does not fit is TCP's from the first byte, or in the middle
bulk() {
	evidence "asyncio-$1" "$2:splice-budget" spliced "$PY" "$TOOLS/echo.py" ask 10.9.33.1 7 "${@:3}"
	eq "asyncio-$1-equal" "equal $(($3 * $4 * $5))" "$REPLY"
}
bulk 4mb 4 4 4 $((4 * MB)) line
bulk 4mb-raw 4 4 4 $((4 * MB)) raw
bulk chunks-slow 4 4 2000 8000 slow
report asyncio-bulk
app_stop py
nomatch asyncio-errors 'Traceback|error' cat "$SBX/log/py"

# ---- node: an echo of streams, and a server for uploads and downloads ----
cat > "$SBX/data/serve.js" << 'JS'
const net = require('net'), http = require('http'), fs = require('fs'), crypto = require('crypto');
net.createServer(s => { s.on('error', e => console.log('error', e.message)); s.pipe(s); }).listen(7);
http.createServer((q, r) => {
	if (q.method === 'GET')
		return fs.createReadStream(process.argv[2] + q.url).pipe(r);
	const h = crypto.createHash('sha256');
	q.on('data', d => h.update(d));
	q.on('end', () => r.end(h.digest('hex') + '\n'));
}).listen(80);
JS
cat > "$SBX/data/echo.js" << 'JS'
const [host, file, connections] = process.argv.slice(2);
const net = require('net'), fs = require('fs'), want = fs.readFileSync(file);
for (let i = 0; i < Number(connections); i++) {
	const s = net.connect(7, host), got = [];
	fs.createReadStream(file, { highWaterMark: 1 << (10 + i) }).pipe(s);
	s.on('data', d => got.push(d));
	s.on('error', e => { console.log('error', e.message); process.exitCode = 1; });
	s.on('end', () => console.log(Buffer.concat(got).equals(want) ? 'equal' : 'differs'));
}
JS
serve_spliced node --ip 10.9.33.2 -- node "$SBX/data/serve.js" "$SBX/data"
up node node:7
up node-http node:80
equal_lines() { for _ in $(seq "$1"); do echo equal; done; }
evidence node-small 20 spliced node "$SBX/data/echo.js" 10.9.33.2 "$SBX/data/small" 10
eq node-small-equal "$(equal_lines 10)" "$REPLY"
evidence node-one 8 spliced node "$SBX/data/echo.js" 10.9.33.2 "$SBX/data/one" 10
eq node-one-equal "$(equal_lines 10)" "$REPLY"
evidence node-huge 1 spliced node "$SBX/data/echo.js" 10.9.33.2 "$SBX/data/huge" 2
eq node-huge-equal "$(equal_lines 2)" "$REPLY"
both node-get-small "$SBX/data/small" curl -sS --max-time 30 http://10.9.33.2/small
both node-get-huge "$SBX/data/huge" curl -sS --max-time 30 http://10.9.33.2/huge

# ---- curl: uploads ----
CURL=(curl -sS --max-time 30)
for file in small one huge; do
	sum_of "$SBX/data/$file" > "$SBX/data/sum"
	both "upload-$file" "$SBX/data/sum" "${CURL[@]}" -T "$SBX/data/$file" http://10.9.33.2/
	both "chunked-$file" "$SBX/data/sum" sh -c "cat '$SBX/data/$file' | ${CURL[*]} -T - http://10.9.33.2/"
done
sum_of "$SBX/data/one" > "$SBX/data/sum"
both upload-slow "$SBX/data/sum" "${CURL[@]}" --limit-rate 2M -T "$SBX/data/one" http://10.9.33.2/
several() {
	local i
	for i in $(seq 8); do echo "url=http://10.9.33.2/huge"; echo "output=$SBX/several-$i"; done |
		"$1" "${CURL[@]}" --parallel --parallel-immediate -K - || return 1
	for i in $(seq 8); do cmp "$SBX/several-$i" "$SBX/data/huge" || return 1; done
}
evidence parallel 8 several spliced
report node

# ---- a proxy with splice(2): under --splice it copies, without it goes on as ever ----
# Its sockets block and have two threads each: only the first of a listener are spliced at all, and
# those until the first answer.
# copier NAME ADDRESS OPTION
copier() {
	# shellcheck disable=SC2086 # empty or one word
	run_app "$1" --name "$1" --tag grp=spl $3 --ip "$2" -- \
		"$PY" -u "$TOOLS/copier.py" "$2" 80 10.9.33.2 80
	up "$1" "$1:80"
}
PROXY=1
copier copying 10.9.33.3 "$SPLICE"
copier splicing 10.9.33.4 --splice=off
for file in small one huge; do
	for way in spliced plain; do
		same_bytes "proxy-get-$file-$way" "$SBX/data/$file" $way "${CURL[@]}" \
			"http://10.9.33.3/$file"
		sum_of "$SBX/data/$file" > "$SBX/data/sum"
		same_bytes "proxy-put-$file-$way" "$SBX/data/sum" $way "${CURL[@]}" \
			-T "$SBX/data/$file" http://10.9.33.3/
	done
	before=$(ways)
	same_bytes "splice2-get-$file" "$SBX/data/$file" spliced "${CURL[@]}" "http://10.9.33.4/$file"
	same_bytes "splice2-put-$file" "$SBX/data/sum" spliced "${CURL[@]}" \
		-T "$SBX/data/$file" http://10.9.33.4/
	eq "splice2-$file-not-spliced" "$before" "$(ways)"
done
check proxy-blocks [ "$(counter splice-blocking)" -ge 5 ]
check copies log_has copying '^copy [0-9]' 24
nomatch copies-only 'splice|error' cat "$SBX/log/copying"
check splices log_has splicing '^splice [0-9]' 12
nomatch splices-only 'copy|error' cat "$SBX/log/splicing"
report proxy
finish
