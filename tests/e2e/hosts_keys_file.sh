#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# key-file: the key of the cluster changes because a file on every node does, mounted as Kubernetes
# does it, while programs connect.  It is used when everybody has it, and not before.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

# mounted N VERSION KEY...: a folder of its own, and a link that changes in one step
mounted() {
	local d=$SBX/h$1/secret
	mkdir -p "$d/..$2"
	printf '# %s\n' "$2" > "$d/..$2/keys"
	printf '%s\n' "${@:3}" >> "$d/..$2/keys"
	chmod 600 "$d/..$2/keys"
	ln -sfn "..$2" "$d/..next" && mv -T "$d/..next" "$d/..data"
	[ -L "$d/keys" ] || ln -s ..data/keys "$d/keys"
}
list() { pbn "$1" keys -o json; }
primary() { list "$1" | json 'next(k["id"] for k in d["keys"] if k["primary"])'; }
uses() { [ "$(primary "$1")" = "$2" ]; }
has() { list "$1" | json '"'"$2"'" in [k["id"] for k in d["keys"]]' | grep -q True; }
field() { list "$1" | json 'next(str(k["'"$3"'"]) for k in d["keys"] if k["id"] == "'"$2"'")'; }
is() { [ "$(field "$1" "$2" "$3")" = "$4" ]; }
warns() { pbn "$1" status -o json | json 'str(d["warnings"])' | grep -q "$2"; }

K1=$("$PB" keys gen) K2=$("$PB" keys gen)
lab_lan
for h in 1 2 3; do
	lab_host $h || die "lab-h$h" "cannot be made"
	mounted $h v1 "$K1"
	echo "key-file = $SBX/h$h/secret/keys" | lab_config $h
	lab_agent $h
done
lab_init || die init "$(cat "$SBX/log/init")"
ID1=$(primary 1)
for h in 2 3; do check "join-$h" lab_join $h; done
check all-alive wait_for 30 lab_all_see 3
eq first-key-of-the-file 1 "$(list 1 | json 'len(d["keys"])')"
lab_serve 2 web --name web --ip 10.9.48.1 --tag grp=a -- "$S" tcp-serve -6 --hello WEB 80
up web web:80 1
lab_asker 10.9.48.1 80
check begin lab_asks_on

# ---- the new key comes to two of three ----
for h in 1 2; do mounted $h v2 "$K2" "$K1"; done
ID2=$(pbn 1 keys install "$K2" | sed 's/installed //')
for h in 1 2; do check "installed-$h" wait_for 10 has $h "$ID2"; done
check missing-named wait_for 20 is 1 "$ID2" missing "['h3']"
expect_rc use-refused 1 pbn 1 keys use "$ID2"
match use-refused-says "the key $ID2 is missing on h3, which would be cut off" echo "$REPLY"
check waiting-said wait_for 20 warns 1 key-file
check waiting-log wait_for 20 log_has agent-h1 "key-file: the key $ID2 is missing on h3,"
eq still-the-old "$ID1" "$(primary 1)"
check half-way lab_asks_on
# ---- and to the third ----
mounted 3 v2 "$K2" "$K1"
for h in 1 2 3; do check "used-$h" wait_for 30 uses $h "$ID2"; done
refuted() { ! warns "$1" key-file; }
check waiting-over wait_for 20 refuted 1
check used lab_asks_on
# what is gone from the file decrypts on for a week
week() {
	list "$1" | json 'abs(__import__("calendar").timegm(__import__("time").strptime(next(k["until"] for k in d["keys"] if k["id"] == "'"$2"'"), "%Y-%m-%dT%H:%M:%SZ")) - __import__("time").time() - 7 * 86400) < 600' | grep -q True
}
check no-end-while-it-is-there wait_for 20 is 1 "$ID1" until None
for h in 1 2 3; do mounted $h v3 "$K2"; done
check old-one-for-a-week wait_for 20 week 1 "$ID1"
check gone-from-the-file lab_asks_on
check old-one-still-decrypts has 3 "$ID1"

# ---- a file that is of no use changes nothing ----
mounted 2 v4 "half a key"
check bad-file-said wait_for 20 warns 2 key-file
match bad-file-log 'key-file: .*line 2 is not a key' cat "$SBX/log/agent-h2"
nomatch keys-in-no-log "${K1:0:20}|${K2:0:20}|half a key" cat "$SBX"/log/agent-h*
eq bad-file-changes-nothing "$ID2" "$(primary 2)"
mounted 2 v5 "$K2"
check all-three lab_all_see 3

# ---- after a week; and what one key has encrypted ----
lab_agent_stop 3
"$PY" - "$SBX/h3/state/cluster.json" "$ID1" "$ID2" << 'END'
import json, sys
path, old, new = sys.argv[1:]
d = json.load(open(path))
d["key_ages"][old]["until"] = 1000
d["key_ages"][new]["messages"] = 2 ** 31 // 3 - 10
open(path, "w").write(json.dumps(d))
END
lab_agent 3
dropped() { ! has 3 "$ID1"; }
check dropped-after-a-week wait_for 30 dropped
check worn-said wait_for 60 warns 3 key-worn
match worn-event 'key-worn .* h3' pbn 3 events --last 8000
check worn-counted test "$(field 3 "$ID2" messages)" -ge $((1 << 31))
check worn-goes-on lab_asks_on
check none-lost lab_all_see 3
eq nobody-refused 0 "$(grep -cv ^good "$SBX/log/ask")"
finish
