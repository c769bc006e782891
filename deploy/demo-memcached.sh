#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `make demo-memcached`: a client, the switch and two real memcached, told as it happens.  As `make
# demo` it plays in namespaces and a cgroup of its own, and fails when a step does not show what it says.
# shellcheck source=../tests/e2e/lib.sh
. "$(dirname "$0")/../tests/e2e/lib.sh"
# shellcheck source=../tests/lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"
# shellcheck source=lab/tell.sh
. "$TOP/deploy/lab/tell.sh"
# shellcheck source=lab/memcached.sh
. "$TOP/deploy/lab/memcached.sh"
PATH=$BUILD:$BUILD/tests:$PATH

memcached_story

chapter "The end"
say "Everything below this sandbox is stopped and removed now: programs, cgroups, namespaces," \
	"programs in the kernel ('patchbay detach --all')."
finish
