#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# identity = signed: what nodes say counts if a certificate of the cluster's CA covers it, and of
# whoever has none nothing is used, though it has the key of the cluster.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

CA=$SBX/ca
# ca [ARG]...: on the machine of whoever administers the cluster
ca() { "$PB" cluster ca "$@"; }
pki() { echo "$SBX/h$1/$2"; }
# certify N FILE [OPTION]...
certify() {
	rm -f "$(pki "$1" "$2")"
	ca sign "$(pki "$1" req)" --ca-key "$CA/ca.key" --node "h$1" --out "$(pki "$1" "$2")" \
		--allow "node=$(host_v4 "$1")" --allow "node=$(host_v6 "$1")" "${@:3}" > "$SBX/log/sign" 2>&1
}
# signing N [MODE]: the lines of its configuration
signing() {
	lab_config "$1" <<- EOT
		identity = ${2:-signed}
		ca = $CA/ca.pem
		cert = $(pki "$1" crt)
		key = $(pki "$1" key)
	EOT
}
host() {
	lab_host "$1" || die "lab-h$1" "cannot be made"
	pbn "$1" cluster ca request --node "h$1" --key "$(pki "$1" key)" --out "$(pki "$1" req)" > /dev/null 2>&1 ||
		die "request-h$1" "no key"
}
again() {
	lab_agent_stop "$1"
	lab_agent "$1"
}
note() { pbn "$1" nodes -o json | json 'next(str(n["quarantine"]) for n in d["nodes"] if n["name"] == "'"$2"'")'; }
notes() { [[ $(note "$1" "$2") =~ $3 ]]; }
error() { pbn "$1" cluster -o json | json 'd["error"]'; }
errs() { [[ $(error "$1") =~ $2 ]]; }

# ---- keys and certificates ----
check ca-init ca init "$CA" --name lab
eq ca-key-mode 600 "$(stat -c %a "$CA/ca.key")"
expect_rc ca-init-replaces-nothing 1 ca init "$CA" --name lab
check openssl-reads-key openssl pkey -in "$CA/ca.key" -noout
check openssl-reads-public openssl pkey -pubin -in "$CA/ca.pem" -noout
lab_lan
for h in 1 2 3; do
	host $h
	check "sign-$h" certify $h crt --allow 'name=web*' --allow name=own --allow ip=10.9.70.0/24
	signing $h
done
eq node-key-mode 600 "$(stat -c %a "$(pki 1 key)")"
match what-it-says 'Cluster: lab.Node: h1.Id: [0-9a-f]{32}.*Allow: name=web.*Allow: ip=10.9.70.0/24' cat "$(pki 1 crt)"
# a request that only OpenSSL made
openssl genpkey -algorithm ed25519 -out "$SBX/o.key" 2> /dev/null
openssl pkey -in "$SBX/o.key" -pubout -out "$SBX/o.req"
check openssl-request ca sign "$SBX/o.req" --ca-key "$CA/ca.key" --node h9 --allow node=10.0.0.1 --out "$SBX/o.crt"
expect_rc no-such-right 2 ca sign "$SBX/o.req" --ca-key "$CA/ca.key" --node h9 --allow any --out "$SBX/x.crt"

# ---- a node whose files do not fit says so ----
for h in 1 2 3; do lab_agent $h; done
expect_rc other-cluster 1 pbn 1 cluster init --name elsewhere
match other-cluster-says "is of cluster 'lab', this one is 'elsewhere'" echo "$REPLY"
expect_rc other-name 1 pbn 1 cluster init --name lab --node h7
match other-name-says "for a node called 'h1', and this one is 'h7'" echo "$REPLY"
chmod 644 "$(pki 1 key)"
expect_rc open-key 1 pbn 1 cluster init --name lab
match open-key-says 'others may read or write it' echo "$REPLY"
chmod 600 "$(pki 1 key)"
pbn 1 cluster init --name lab > "$SBX/log/token" 2> "$SBX/log/init" || die init "$(cat "$SBX/log/init")"
for h in 2 3; do check "join-$h" lab_join $h; done
check all-alive wait_for 30 lab_all_see 3
match shown 'signed +yes' pbn 2 cluster
eq id-of-the-certificate "$(sed -n 's/Id: //p' "$(pki 2 crt)")" "$(pbn 2 cluster -o json | json 'd["id"]')"

# ---- what the certificates cover ----
lab_serve 2 web --name web --ip 10.9.70.1 --tag grp=a -- "$S" tcp-serve --hello WEB 80
up web web:80 1
for h in 1 3; do match "reach-$h" WEB within $h --tag grp=a -- "$S" tcp-connect --send x 10.9.70.1 80; done
lab_serve 3 db --name db --ip 10.9.70.2 --tag grp=a -- "$S" tcp-serve --hello DB 5432
check name-refused wait_for 20 errs 1 'node h3 is refused: its certificate does not have that name'
lab_serve 3 web2 --name web2 --ip 10.9.71.1 --tag grp=a -- "$S" tcp-serve --hello TWO 80
check address-refused wait_for 20 errs 1 'node h3 is refused: its certificate does not have that address'
check not-there lab_has 1 db 0
check nor-there lab_has 1 web2 0
nomatch rest-of-it-counts '.' test "$(note 1 h3)" != None

# ---- a renewed certificate needs no restart ----
certify 3 new --allow 'name=web*' --allow name=db --allow ip=10.9.70.0/23
mv "$(pki 3 new)" "$(pki 3 crt)"

check renewed wait_for 30 lab_has 1 db 1
check renewed-address wait_for 30 lab_has 2 web2 1
match reach-renewed DB within 1 --tag grp=a -- "$S" tcp-connect --send x 10.9.70.2 5432
# one that fits nothing changes nothing
certify 2 new --allow 'name=*' && cp "$(pki 2 new)" "$(pki 3 crt)"
check wrong-one-told wait_for 30 errs 3 'is for another key than .*the certificate of before is used on'
match still-there DB within 2 --tag grp=a -- "$S" tcp-connect --send x 10.9.70.2 5432
certify 3 crt --allow 'name=web*' --allow name=db --allow ip=10.9.70.0/23

# ---- who has no certificate ----
host 4
lab_agent 4
expect_rc join-without 1 lab_join_said 4
match join-without-says 'announce is signed: set ca, cert and key' echo "$REPLY"
# a newcomer with another CA
ca init "$SBX/other" --name lab > /dev/null 2>&1
ca sign "$(pki 4 req)" --ca-key "$SBX/other/ca.key" --node h4 --allow "node=$(host_v4 4)" --out "$(pki 4 crt)" > /dev/null 2>&1
signing 4
sed -i "s|^ca = .*|ca = $SBX/other/ca.pem|" "$SBX/h4/conf"
again 4
expect_rc join-other-ca 1 lab_join_said 4
match join-other-ca-says "is not the CA of cluster 'lab'" echo "$REPLY"
# and one that does not ask: it has the key of the cluster
forged() {
	pbn 1 cluster token 2> /dev/null | "$PY" -c 'import base64, json, sys
t = sys.stdin.read().strip()[4:]
d = json.loads(base64.urlsafe_b64decode(t + "=" * (-len(t) % 4)))
del d["a"]
print("pb1." + base64.urlsafe_b64encode(json.dumps(d).encode()).decode().rstrip("="))'
}
lab_config 4 < /dev/null
again 4
forged | pbn 4 cluster join - > "$SBX/log/join-h4" 2>&1
check forged-joins wait_for 30 lab_sees 1 4
lab_serve 4 thief --name web --ip 10.9.70.1 --tag grp=a -- "$S" tcp-serve --hello THIEF 80
check thief-told wait_for 40 notes 1 h4 'it has no certificate'
check thief-told-2 wait_for 40 notes 2 h4 'it has no certificate'
match thief-event 'node-refused .*10.77.0.4:7956\) h4' pbn 1 events --last 500
match thief-log 'records of node h4 are not used: it has no certificate' cat "$SBX/log/agent-h1"
check thief-hears wait_for 30 errs 4 'other nodes sign .* this one does not'
check thief-is-not-chosen lab_has 1 web:80 1
match still-web WEB within 3 --tag grp=a -- "$S" tcp-connect --send x 10.9.70.1 80
# nor is its client known there
match thief-not-let-in errno= within 4 --tag grp=a -- "$S" tcp-connect --timeout 2500 --send x 10.9.70.2 5432
# with a certificate it is one of them, under its id
rm -f "$(pki 4 crt)" "$(pki 4 req)"
check request-of-a-member pbn 4 cluster ca request --node h4 --key "$(pki 4 key)" --out "$(pki 4 req)"
certify 4 crt --allow name=web --allow ip=10.9.70.0/24
signing 4
again 4
check now-one-of-them wait_for 60 lab_has 1 web:80 2
eq no-note None "$(note 1 h4)"

# ---- some sign and check, one signs only, one does neither ----
signing 3 shared
again 3
check signs-only wait_for 30 lab_has 1 db 1
match signs-only-shown 'others need not' pbn 3 cluster
lab_config 3 < /dev/null
again 3
check signs-no-more wait_for 60 notes 1 h3 'it has no certificate'
check what-it-signed-stays lab_has 1 db 1
lab_serve 3 web3 --name web3 --ip 10.9.70.3 --tag grp=a -- "$S" tcp-serve --hello THREE 80
check where-none-checks wait_for 30 lab_has 3 web3 1
check news-are-not-used lab_has 1 web3 0
check others-go-on wait_for 10 within 1 --tag grp=a -- "$S" tcp-connect --send x 10.9.70.1 80
check it-hears-them wait_for 30 lab_has 3 web:80 2

# ---- its certificate is gone ----
lab_agent_stop 2
mv "$(pki 2 crt)" "$(pki 2 away)"
lab_agent 2
check gone-said wait_for 10 errs 2 'crt: No such file'
warned() { pbn 2 status | grep -q 'sockets of the cluster are not open'; }
check gone-warned wait_for 10 warned
mv "$(pki 2 away)" "$(pki 2 crt)"
check back-by-itself wait_for 30 lab_sees 2 4
finish
