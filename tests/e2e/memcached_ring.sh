#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The ketama ring against twemproxy itself: the owner of each of 100,000 random keys is the same.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

COUNT=${COUNT:-100000}
port=22121
command -v nutcracker > /dev/null || die nutcracker-is-installed "tools/deps.sh installs it"

listens() { (: <> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; }

# proxy NAME HASH TAG SERVER...
proxy() {
	local name=$1 hash=$2 tag=$3 conf=$SBX/$1.yml s
	shift 3
	{
		printf 'p:\n  listen: 127.0.0.1:%s\n  hash: %s\n  distribution: ketama\n' $port "$hash"
		[ -z "$tag" ] || printf '  hash_tag: "%s"\n' "$tag"
		printf '  timeout: 10000\n  servers:\n'
		for s; do printf '   - %s\n' "$s"; done
	} > "$conf"
	start "proxy-$name" nutcracker -c "$conf" -s 22222 -o "$SBX/log/proxy-$name.log"
	wait_for 10 listens || die "$name-proxy" "$(tail -n 3 "$SBX/log/proxy-$name.log")"
}

# same NAME HASH TAG COUNT SERVER...
same() {
	local name=$1 hash=$2 tag=$3 count=$4
	shift 4
	proxy "$name" "$hash" "$tag" "$@"
	match "$name" "^$count keys, 0 differ" "$BUILD/tests/mc_owner" $port "$hash" "$tag" "$count" "$@"
	app_stop "proxy-$name" KILL
}

plain=(127.0.1.1:11211:1 127.0.1.2:11211:1 127.0.1.3:11212:1 127.0.1.4:7:1 127.0.1.5:11211:1)
weighted=(127.0.2.1:11211:1 127.0.2.2:11211:3 127.0.2.3:11212:10 127.0.2.4:7:1 127.0.2.5:11211:2)
named=("127.0.3.1:11211:1 alpha" "127.0.3.2:11211:1 beta" "127.0.3.3:1:5 a-long-name.example.org"
	"127.0.3.4:11299:1")
many=()
for i in {1..40}; do many+=("127.0.4.$i:11211:$((i % 4 + 1))"); done

same default fnv1a_64 '' "$COUNT" "${plain[@]}"
same weights fnv1a_64 '' "$COUNT" "${weighted[@]}"
same names fnv1a_64 '' "$COUNT" "${named[@]}"
same forty-servers fnv1a_64 '' "$COUNT" "${many[@]}"
same tags fnv1a_64 '{}' "$COUNT" "${plain[@]}"
for hash in md5 crc32 crc32a fnv1_64 fnv1_32 fnv1a_32 one_at_a_time; do
	same "hash-$hash" $hash '' $((COUNT / 5)) "${weighted[@]}"
done
# the comparison can fail: the same servers, one of another weight
proxy other fnv1a_64 '' "${plain[@]}"
match other-weights-differ 'keys, [1-9][0-9]* differ' \
	"$BUILD/tests/mc_owner" $port fnv1a_64 '' 2000 "${plain[@]:1}" 127.0.1.1:11211:2
REPLY=$("$BUILD/tests/mc_owner" 1 fnv1a_64 '' 1 "${plain[@]}")
match no-proxy-no-verdict 'proxy: ' echo "$REPLY"
finish
