#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# redis and memcached under splice: load, large values, replication; every value compared.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# redis-cli and memcached's tools have sockets that block, one a thread.
SPLICE=${SPLICE---splice=all}
# shellcheck source=../lib/splice.sh
. "$TOP/tests/lib/splice.sh"

start_agent
random_file big $((4 * MB))
random_file one $MB

# ---- redis: load ----
redis_up() {
	mkdir -p "$SBX/redis-$1"
	serve_spliced "$1" --ip "$2" -- redis-server --dir "$SBX/redis-$1" --save '' \
		--protected-mode no --enable-debug-command yes --repl-diskless-sync-delay 0 "${@:3}"
	up "$1" "$1:6379"
}
redis_up cache 10.9.30.1
bench() { spliced redis-benchmark -h 10.9.30.1 --csv -c 50 "$@"; }
clean() { [[ $1 == *'"test","rps"'* && ! $1 =~ [Ee]rror ]]; }
evidence redis-bench 100 bench -n 10000 -t set,get,incr,lpush,lrange_100,mset
check redis-bench-clean clean "$REPLY"
evidence redis-pipeline 100 bench -n 50000 -P 16 -t set,get
check redis-pipeline-clean clean "$REPLY"
evidence redis-large 100 bench -n 4000 -d 10000 -t set,get
check redis-large-clean clean "$REPLY"
evidence redis-large-pipeline 100 bench -n 8000 -P 16 -d 10000 -t set,get
check redis-large-pipeline-clean clean "$REPLY"
evidence redis-reconnect 400 bench -n 400 -k 0 -t set
check redis-reconnect-clean clean "$REPLY"
report redis-benchmark

# ---- redis: bytes ----
cli() { local how=$1; shift; "$how" redis-cli -h 10.9.30.1 "$@"; }
store_big() { cli "$1" -x set "$2" < "$SBX/data/big"; }
printf '%s\n' "$(base64 -w 0 "$SBX/data/one")" > "$SBX/data/text"
store_text() { cli "$1" -x set text < "$SBX/data/text"; }
evidence redis-store 1:splice-budget store_big spliced big1
check redis-store-plain store_big plain big2
eq redis-stored-equal "$(cli plain --raw debug digest-value big1)" \
	"$(cli plain --raw debug digest-value big2)"
{ cat "$SBX/data/big"; echo; } > "$SBX/data/answer"
both redis-get "$SBX/data/answer" redis-cli -h 10.9.30.1 --raw get big1

# every value that is written can be computed again from its key
cat > "$SBX/data/fill.py" << 'PY'
import hashlib, random, socket, sys
host, seed, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]
r = random.Random(seed)
sizes = [r.choice((1, 10, 100, 1000, 5000, 20000, 100000)) for _ in range(1500)]
value = lambda i: hashlib.shake_128(b"%d-%d" % (seed, i)).digest(sizes[i])
key = lambda i: b"k%d-%d" % (seed, i)
cmd = lambda *a: b"*%d\r\n" % len(a) + b"".join(b"$%d\r\n%s\r\n" % (len(x), x) for x in a)
s = socket.create_connection((host, 6379))
s.settimeout(30)
f = s.makefile("rb")
order = list(range(len(sizes)))
while order:
    n = r.randrange(1, 9)
    now, order = order[:n], order[n:]
    s.sendall(b"".join(cmd(b"SET", key(i), value(i)) if what == "set" else cmd(b"GET", key(i))
                       for i in now))
    for i in now:
        head = f.readline()
        if what == "set":
            assert head == b"+OK\r\n", head
        else:
            assert head == b"$%d\r\n" % sizes[i], (head, i)
            assert f.read(sizes[i] + 2) == value(i) + b"\r\n", i
print("good")
PY
fill() { "$1" "$PY" "$SBX/data/fill.py" "${2}" "$3" "$4"; }
evidence redis-fill 2 fill spliced 10.9.30.1 1 set
not_spliced redis-read-plain fill plain 10.9.30.1 1 get
evidence redis-read 2 fill spliced 10.9.30.1 1 get

mass() { "$PY" -c '
for i in range(20000): print("SET mass%d %d" % (i, i * i), end="\r\n")' | spliced redis-cli -h 10.9.30.1 --pipe; }
evidence redis-mass 1 mass
check redis-mass-clean test -n "$(grep -o 'errors: 0, replies: 20000' <<< "$REPLY")"
eq redis-mass-value 399960001 "$(cli spliced get mass19999)"

# ---- redis: replication, publish and subscribe, a program that waits ----
redis_up copy 10.9.30.2 --replicaof 10.9.30.1 6379
synced() { [[ $(cli plain info replication) == *state=online* ]]; }
digest() { plain redis-cli -h "$1" --raw debug digest; }
equal() { [ "$(digest 10.9.30.1)" = "$(digest 10.9.30.2)" ]; }
check redis-replica wait_for 30 synced
check redis-replica-equal wait_for 30 equal
evidence redis-fill-again 2 fill spliced 10.9.30.1 2 set
check redis-replica-follows wait_for 30 equal
fill plain 10.9.30.2 2 get > "$SBX/log/replica"
eq redis-replica-reads good "$(cat "$SBX/log/replica")"
# shellcheck disable=SC2086 # empty or one word
run_app ear --tag grp=spl $SPLICE -- redis-cli -h 10.9.30.1 subscribe news
check redis-subscribed wait_for 10 log_has ear '^subscribe'
say_news() { for i in $(seq 300); do echo "publish news item-$i"; done | cli spliced; }
evidence redis-publish 2 say_news
check redis-heard wait_for 20 log_has ear '^item-' 300
eq redis-heard-in-order "$(seq -f item-%g 300)" "$(grep '^item-' "$SBX/log/ear")"
# shellcheck disable=SC2086
run_app waiter --tag grp=spl $SPLICE -- redis-cli -h 10.9.30.1 blpop queue 30
blocked() { [[ $(cli plain info clients) == *blocked_clients:1* ]]; }
check redis-waits wait_for 10 blocked
cli spliced rpush queue woken > /dev/null
check redis-woken wait_for 10 log_has waiter woken
report redis

# ---- memcached ----
serve_spliced mem --ip 10.9.30.3 -- memcached -u nobody -U 0 -l 10.9.30.3 -I 4m -m 256
up memcached mem:11211
slap() { spliced memcaslap -s 10.9.30.3:11211 -T 2 -v 1 "$@"; }
good_slap() { [[ $1 =~ verify_misses:\ 0 && $1 =~ verify_failed:\ 0 && $1 != *rror* ]]; }
evidence memcached-text 16 slap -c 16 -x 20000
check memcached-text-clean good_slap "$REPLY"
evidence memcached-binary 16 slap -B -c 16 -x 20000
check memcached-binary-clean good_slap "$REPLY"
evidence memcached-large 4 slap -c 4 -x 8000 -X 50000 -w 1k
check memcached-large-clean good_slap "$REPLY"
evidence memcached-protocol 2 spliced memccapable -h 10.9.30.3
eq memcached-protocol-clean 'All tests passed' "$(grep -o 'All tests passed' <<< "$REPLY")"
for how in '' --binary; do
	name=memcached-1mb${how#-}
	cp "$SBX/data/one" "$SBX/data/$name"
	{ cat "$SBX/data/one"; echo; } > "$SBX/data/answer" # the tool adds the newline
	# shellcheck disable=SC2086 # empty or one word
	evidence "$name-set" 1 spliced memccp $how -s 10.9.30.3 "$SBX/data/$name"
	# shellcheck disable=SC2086
	both "$name-get" "$SBX/data/answer" memccat $how -s 10.9.30.3 "$name"
done
report memcached
finish
