#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# PostgreSQL under splice: pgbench, COPY, large objects, dump, base backup, notifications; what
# comes back is compared, and the sums of the bank hold.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/splice.sh
. "$TOP/tests/lib/splice.sh"

BIN=$(find /usr/lib/postgresql -path '*/bin/postgres' -printf '%h\n' | sort -V | tail -n 1)
DB=$SBX/postgres
PATH=$BIN:$PATH
export PGHOST=10.9.32.1 PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=15 PGSSLMODE=disable

start_agent
random_file big $((4 * MB))
install -d -o postgres -m 700 "$DB"
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups -- "$@"; }
cd "$DB" || exit 1 # a folder that user may stand in
check initdb as_postgres "$BIN/initdb" --no-sync -A trust -E UTF8 --locale C -D "$DB/data"
echo 'host all,replication all 0.0.0.0/0 trust' >> "$DB/data/pg_hba.conf"
serve_spliced pg --ip 10.9.32.1 --user postgres -- "$BIN/postgres" -D "$DB/data" \
	-c listen_addresses=10.9.32.1 -c unix_socket_directories="$DB" -c fsync=off \
	-c wal_level=replica -c max_wal_senders=4
up postgres pg:5432
cd / || exit 1
ready() { plain pg_isready; }
check postgres-ready wait_for 20 ready
sql() { local how=$1; shift; "$how" psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

# ---- pgbench ----
failed_none() { [[ $1 == *'number of failed transactions: 0 '* && $1 =~ tps\ =\ [1-9] ]]; }
bench() { evidence "$1" 16 spliced pgbench -n -c 8 -j 2 -T 2 "${@:2}"; check "$1-clean" failed_none "$REPLY"; }
evidence bench-load 2 spliced pgbench -i -q -s 2
eq bench-rows 200000 "$(sql plain -c 'select count(*) from pgbench_accounts')"
bench bench-select -S
bench bench-bank
bench bench-prepared -M prepared -S
evidence bench-connect 100 spliced pgbench -n -c 4 -C -t 25 -S
check bench-connect-clean failed_none "$REPLY"
eq bank-sums t "$(sql plain -c 'select (select sum(abalance) from pgbench_accounts) =
	(select sum(delta) from pgbench_history) and (select sum(bbalance) from pgbench_branches) =
	(select sum(tbalance) from pgbench_tellers) and (select sum(tbalance) from pgbench_tellers) =
	(select sum(delta) from pgbench_history)')"
report pgbench

# ---- COPY, both ways ----
"$PY" -c '
import random
r = random.Random(7)
for i in range(60000):
	print(i, "%032x" % r.getrandbits(128) * r.randrange(1, 8), sep="\t")' > "$SBX/data/rows"
chmod 644 "$SBX/data/rows"
sql plain -c 'create table rows (n int primary key, t text)'
copy_in() { sql "$1" -c 'truncate rows' -c "\\copy rows from '$SBX/data/rows'"; }
evidence copy-in 1 copy_in spliced
both copy-out "$SBX/data/rows" psql -XqAt -c 'copy (select * from rows order by n) to stdout'
check copy-in-plain copy_in plain
both copy-out-again "$SBX/data/rows" psql -XqAt -c 'copy (select * from rows order by n) to stdout'
both cursor "$SBX/data/rows" psql -XqAt -F $'\t' -v FETCH_COUNT=500 -c 'select * from rows order by n'
# the shell reads line by line, so that the server waits
head -n 12000 "$SBX/data/rows" > "$SBX/data/first"
both slow-reader "$SBX/data/first" sh -c 'psql -XqAt -c "copy (select * from rows where n < 12000
	order by n) to stdout" | while read -r line; do echo "$line"; done'
insert_many() {
	"$PY" -c '
print("create table many (n int); begin;")
for i in range(5000): print("insert into many values (%d);" % i)
print("commit; select sum(n) from many; drop table many;")' | sql "$1"
}
evidence inserts 2 insert_many spliced
eq inserts-sum 12497500 "$REPLY"

# ---- large objects, dump, base backup ----
object() { sql "$1" -c "\\lo_import $SBX/data/big" -c "\\lo_export :LASTOID $2"; }
evidence object 1 object spliced "$SBX/object"
check object-equal cmp "$SBX/data/big" "$SBX/object"
# newer ones write a random word into the dump
dump='pg_dump -t rows | grep -avE "^.(un)?restrict "'
plain sh -c "$dump" > "$SBX/data/dump"
check dump-whole test "$(wc -c < "$SBX/data/dump")" -gt $MB
both dump "$SBX/data/dump" sh -c "$dump"
evidence backup 1 spliced "$BIN/pg_basebackup" -D "$SBX/backup" -X stream -c fast
check backup-verified "$BIN/pg_verifybackup" -n "$SBX/backup"

# ---- notifications ----
mkfifo "$SBX/ask"
start ear sh -c "spl='$SPLICE'; exec '$PB' run --tag grp=spl \$spl -- psql -XqAt < '$SBX/ask'"
exec {ask}> "$SBX/ask"
echo "listen news; select 'listens';" >&"$ask"
check listens wait_for 10 log_has ear '^listens'
say_news() { for i in $(seq 200); do echo "notify news, 'item-$i';"; done | sql "$1"; }
evidence notify 2 say_news spliced
# psql shows what came when it is asked something
heard() { echo "select 1;" >&"$ask"; log_has ear 'payload "item-' 200; }
check heard wait_for 20 heard
eq heard-in-order "$(seq -f item-%g 200)" "$(grep -o 'item-[0-9]*' "$SBX/log/ear")"
exec {ask}>&-
report postgres
nomatch errors 'ERROR|FATAL|PANIC|could not' cat "$SBX/log/pg"
app_stop pg INT
finish
