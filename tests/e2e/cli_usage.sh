#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The command line against wrong input, and what readers print, before an agent that only talks
# (tests/lib/fake_agent.py).  PATCHBAY names the binary.  Needs no root and changes nothing.
set -u
# shellcheck source=../lib/cli.sh
. "$(dirname "$0")/../lib/cli.sh"

# ---- words ----
wrong no-verb 2 'verb is missing'
wrong verb-prefix 2 "no verb 'app'; did you mean 'apps'" app
wrong verb-typo 2 "did you mean 'services'" servcies
wrong verb-far 2 "no verb 'frobnicate'; 'patchbay help' lists" frobnicate
wrong verb-empty 2 "no verb ''" ''
wrong verb-control-bytes 2 "no verb 'a\\?b'" $'a\eb'
wrong option-prefix 2 "no option '--fol'; did you mean '--follow'" events --fol
wrong option-of-other-verb 2 "no option '--follow'" apps --follow
wrong option-short 2 "no option '-x'" apps -x
wrong option-twice 2 "'--proto' is given twice" check a b --proto tcp --proto udp
wrong option-without-value 2 "'--proto' needs a value" check a b --proto
wrong option-empty-value 2 'empty value' --run-dir= apps
wrong option-word 2 "'icmp' is not a value of '--proto'; .*tcp udp" check a b --proto icmp
wrong option-takes-none 2 'takes no value' events --follow=yes
wrong output-format 2 "'yaml' is not a value" -o yaml apps
wrong operand-too-many 2 'one word too many' apps web
wrong operand-missing 2 "'check' needs SRC DEST" check web
wrong help-typo 2 "did you mean 'check'" help chekc
prints json-error 2 '^\{"schema":"patchbay/1","error":\{"errno":"EINVAL","message":"' -o json aps

# ---- operands ----
wrong dest-port-zero 2 "port '0'" check a b:0
wrong dest-port-big 2 "port '65536'" check a b:65536
wrong dest-port-sign 2 "port '\\+80'" check a b:+80
wrong dest-port-blank 2 "port ' 80'" check a 'b: 80'
wrong dest-port-empty 2 "port ''" check a b:
wrong dest-bracket 2 'not a destination' why a '[fd00::1'
wrong dest-bracket-tail 2 'not a destination' why a '[fd00::1]80'
wrong dest-v4 2 'not an IP address' why a 10.9.0.256
wrong dest-v6 2 'not an IP address' why a fd00:::1
wrong dest-bracket-name 2 'not an IP address' why a '[web]:80'
wrong dest-none 2 'names no host' why a :80
wrong dest-name 2 'neither a name nor an IP address' endpoints 'we b'
wrong dest-long 2 'longer than 63' endpoints "$(printf 'a%.0s' {1..64})"
wrong src-name 2 'neither a name nor a ref' check 'a/b' web
wrong ref 2 'not a ref' release web
wrong flows-app 2 'neither a name nor a ref' flows 'a/b'
wrong flows-limit-zero 2 'not a number from 1 to 10000' flows --limit 0
wrong flows-limit-text 2 'not a number' flows --limit 1x
wrong last-zero 2 'not a number' events --last 0
wrong last-text 2 'not a number' events --last 1x
wrong config-sub 2 "'config edit' is unknown; there is: check show" config edit
wrong config-absent 1 "cannot read '/nonexistent'" config check /nonexistent
printf '[agent]\nnonsense = 1\n' > "$DIR/bad.conf"
wrong config-bad 1 "bad.conf:2: " config check "$DIR/bad.conf"
: > "$DIR/good.conf"
prints config-good 0 'good.conf: valid' config check "$DIR/good.conf"
prints config-show 0 'cluster = ' config show "$DIR/good.conf"
wrong detach-all-missing 2 'needs --all' detach
wrong detach-nobody-asked 2 'add --yes' detach --all

# ---- run: every failure of its own is 125 ----
wrong run-nothing 125 "'run' needs" run
wrong run-nothing-after-dashes 125 "'run' needs" run --
wrong run-option 125 "did you mean '--name'" run --nme web -- true
wrong run-name 125 'is not a name' run --name 'we b' -- true
wrong run-ip 125 'not an IP address' run --ip 10.9.0 -- true
wrong run-ip-twice 125 'second IPv4 address' run --ip 10.9.0.1 --ip 10.9.0.2 -- true
wrong run-tag 125 'not KEY=VALUE' run --tag grp -- true
wrong run-tag-empty 125 'not KEY=VALUE' run --tag grp= -- true
wrong run-tag-long 125 'at most 31' run --tag "grp=$(printf 'a%.0s' {1..40})" -- true
wrong run-local 125 'allow deny' run --local maybe -- true
wrong run-mode 125 'enforce audit off' run --mode on -- true
wrong run-splice 125 'on all off' run --splice=maybe -- true
wrong run-user 125 'no such user' run --user no-such-user-here -- true

# ---- agents that are not there, or not well ----
wrong agent-absent 4 'does not run.*start patchbayd' apps
wrong agent-absent-run 125 'does not run' run -- touch "$DIR/started"
wrong run-dir-long 4 'File name too long' --run-dir "/$(printf 'a%.0s' {1..200})" apps
prints agent-absent-status 3 'agent +dead.*data plane +not loaded' status
prints agent-absent-status-json 3 '"schema":"patchbay/1","error".*"data_plane":\{"alive":false' \
	status -o json
agent --garbage
wrong agent-garbage 4 'does not speak' apps
agent --close
wrong agent-closes 4 'closed the connection' apps
wrong agent-closes-run 125 'closed the connection' run -- touch "$DIR/started"
wrong agent-closes-events 4 'closed the connection' events -f
agent --hang
wrong agent-hangs 4 'did not answer within 5 seconds' apps
touch "$DIR/stop"

# ---- answers ----
agent
rm -f "$DIR/requests"
prints apps 0 $'^NAME +REF .*\nweb +1f +10.9.0.1 +grp=front +enforce +all +allow +all +3 ' apps
prints apps-clean 0 'evil\?\[31m \(quarantined\) +2f +- +- ' apps
prints apps-json 0 '^\{"schema":"patchbay/1","apps":\[\{"ref":"1f"' apps --json
prints services 0 '10.9.0.1 +80 +tcp +web +2 +- +h1,h2' services
prints endpoints-remote 0 '2147483649 +web +8000000000000001 +h2 +10.9.0.1 .* ejected ' endpoints
prints endpoints 0 '127.0.0.1:40123 +up +0 +7' endpoints web:80
prints flows 0 $'^CLIENT +SERVER .*\ncli@10.9.0.2:40001 +192.0.2.7:443 +client-closed +part +spliced +5 +splice-gone +-$' flows
if grep -q '^patchbay: 1 of 7 connections are shown' "$DIR/err"; then ok flows-more
else fail flows-more "$(cat "$DIR/err")"; fi
prints flows-json 0 '^\{"schema":"patchbay/1","flows":\[\{"client":' flows -o json
"$PATCHBAY" flows web --spliced --limit 3 > /dev/null 2>&1
if grep -q '"op": "flows", "app": "web", "spliced": true, "limit": 3' "$DIR/requests"; then ok flows-request
else fail flows-request "$(tail -n 1 "$DIR/requests")"; fi
prints status 0 'agent +0.1.0, pid' status
prints policy 0 $'^mode enforce\nRULE\nallow from web' policy
prints events 0 $'-- 3 events lost\n2026' events --refused
prints events-json 0 $'\n\{"schema":"patchbay/1","lost":3\}\n' -o json events
prints why 0 $'refuse no-group.*\nnow: web -> cache:6379: allowed' why web cache:6379
prints why-flows 0 $'live: cli@10.9.0.2:40001 -> 192.0.2.7:443 client-closed, -> spliced .bytes bypass the stack., <- splice-gone .the peer[?].31m has closed.\nlive: and 2 more\nnow: ' why web cache:6379
prints check-yes 0 '^web -> cache:6379: allowed \(group: they share grp=back\)$' check web cache:6379
prints check-no 1 '^web -> db: refused' check web db
prints reload 0 '^\+ allow from a to b$' reload
prints release 0 '^released 1f$' release 1f
wrong release-unknown 1 'no scope 2f' release 2f
prints version 0 '^patchbay [0-9.]+ \(ABI 1\)' --version
touch "$DIR/empty"
prints apps-empty 0 '^NAME[^'$'\n'']*SCOPE$' apps
"$PATCHBAY" apps > /dev/full 2> "$DIR/err"
rc=$?
if [ $rc = 1 ] && grep -q 'cannot write' "$DIR/err"; then ok stdout-full
else fail stdout-full "exit $rc: $(cat "$DIR/err")"; fi
"$PATCHBAY" endpoints fd00::1 > /dev/null
if grep -q '"service": "\[fd00::1\]"' "$DIR/requests"; then ok dest-brackets
else fail dest-brackets "$(tail -n 1 "$DIR/requests")"; fi
if [ ! -e "$DIR/started" ]; then ok nothing-started; else fail nothing-started "it ran"; fi

# ---- what is made from the table ----
"$PATCHBAY" help --complete > "$DIR/complete"
same completion-is-current "$DIR/complete" "$TOP/deploy/completion/patchbay.bash"
"$PATCHBAY" help --man > "$DIR/man"
sed -n '/^\.\. begin: patchbay help --man$/,/^\.\. end$/p' "$TOP/docs/man/patchbay.8.rst" |
	sed '1,2d;$d' > "$DIR/man-has"
same man-is-current "$DIR/man" "$DIR/man-has"
for verb in $("$PATCHBAY" --help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
	prints "help-$verb" 0 "^usage: patchbay $verb" help "$verb"
done
end
