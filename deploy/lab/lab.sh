#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A lab to play in: deploy/lab/lab.sh [HOSTS].  Makes that many hosts (3) as network namespaces on a
# bridge, joins them to one cluster and gives a shell; when that ends, everything is removed.  Needs
# root and what `make` builds; the machine's own network, cgroups and /sys/fs/bpf are not touched.
# shellcheck source=../../tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tests/e2e/lib.sh"
# shellcheck source=../../tests/lib/lab.sh
. "$TOP/tests/lib/lab.sh"

ok() { passed=1; }
hosts=${1:-3}
[[ $hosts =~ ^[1-9]$ ]] || die usage "lab.sh [1-9]"
echo "Making $hosts hosts ..."
lab_up "$hosts"
resolver 127.0.0.53
mkdir "$SBX/bin"
for ((n = 1; n <= hosts; n++)); do ln -s "../h$n/in" "$SBX/bin/h$n"; done
for b in "$BUILD"/patchbay "$BUILD"/patchbayd; do ln -s "$b" "$SBX/bin/"; done
cat << END
Each host is a command: it runs what follows there.

    h1 patchbay nodes
    h1 patchbay run --name web --ip 10.9.0.1 --tag grp=a -- python3 -m http.server 80 &
    h2 patchbay run --tag grp=a -- curl -s http://web/
    h2 patchbay endpoints
    h3 patchbay why web web:80

"exit" stops and removes everything.
END
ok lab
PATH=$SBX/bin:$PATH PS1='lab# ' bash --norc -i || true
finish
