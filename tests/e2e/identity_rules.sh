#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Reload: a new rule set comes into force as a whole; with an error anywhere the old one stays.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

rules() { { printf '[policy]\n'; printf 'rule = %s\n' "$@"; } > "$CONF"; }
rules "allow from c to s:80"
start_agent
run_app s --name s --ip 10.9.9.1 -- sh -c "'$S' tcp-serve 80 & '$S' tcp-serve 81"
wait_for 5 log_has s listening 2
to() { pb run --name c --ip 10.9.9.2 -- "$S" tcp-connect 10.9.9.1 "$1"; }
match before-80 '^ok ' to 80
expect_errno before-81 EACCES to 81

rules "allow from c to s:81"
match reload-says-what '\+ .*s:81' pb reload
match reload-says-gone '- .*s:80' echo "$REPLY"
expect_errno after-80 EACCES to 80
match after-81 '^ok ' to 81
eq reload-again-changes-nothing '[]' "$(pb reload -o json | json 'd["changed"]')"

# ---- an error: nothing changes, the message names the place ----
wrong() {
	local name=$1
	shift
	rules "$@"
	refute "$name-refused" pb reload
	match "$name-is-a-sentence" '[a-z]{3,} .*[a-z]{2,}' echo "$REPLY"
	match "$name-81-stays" '^ok ' to 81
	expect_errno "$name-80-stays" EACCES to 80
}
wrong bad-verb "permit from c to s:80"
match bad-verb-quoted 'permit' pb reload
wrong bad-second "allow from c to s:80" "allow from c s:80"
wrong bad-port "allow from c to s:70000"
wrong bad-proto "allow from c to s:80/sctp"
wrong bad-name "allow from c! to s:80"
printf 'rule = allow from c to s:80\nnonsense\n' > "$CONF"
refute bad-line-refused pb reload
printf '[policy]\nrole = allow from c to s:80\n' > "$CONF"
refute unknown-key-refused pb reload
match unknown-key-said 'role' echo "$REPLY"
match unknown-key-81-stays '^ok ' to 81
refute config-check-finds-it pb config check "$CONF"
rules "allow from c to s:80" "allow from c to s:81"
check config-check-accepts pb config check "$CONF"

# ---- under load: a decision is by the old set or by the new, never by a half of each ----
# Either set allows 80; one denies 81, the other 82.
check load-set pb reload
rules "allow from c to s:80" "allow from c to s:81"
start stress "$PB" run --name c --ip 10.9.9.2 -- "$S" stress-connect --for 60000 10.9.9.1 80
wait_for 5 log_has stress started
for i in $(seq 20); do
	rules "allow from c to s:8$((i % 2 + 1))" "allow from c to s:80"
	pb reload > /dev/null || fail "reload-$i" "failed"
done
app_stop stress
match atomic 'stress ok=[1-9][0-9]* failed=0' cat "$SBX/log/stress"

# ---- mode at run time ----
printf '[agent]\nmode = audit\n' > "$CONF"
check mode-audit pb reload
match mode-audit-lets-through '^ok ' to 80
eq mode-audit-shown audit "$(pb policy -o json | json 'd["mode"]')"
: > "$CONF"
check mode-default pb reload
expect_errno mode-enforce-again EACCES to 80
eq rules-gone '[]' "$(pb policy -o json | json 'd["rules"]')"
finish
