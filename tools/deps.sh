#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Installs the Debian packages that building, testing and the demo need, and nothing when all are
# there.  `make check` and `make demo` call it first.  No service is started by the installation.
set -eu

build=(gcc libc6-dev make pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libuv1-dev
	libjansson-dev libldns-dev libinih-dev libmnl-dev libseccomp-dev libcap-ng-dev libssl-dev
	python3-docutils)
tests=(libcriterion-dev libclang-rt-dev iproute2 nftables procps nginx-light redis-server redis-tools
	memcached libmemcached-tools nutcracker wrk haproxy postgresql-15 bind9-dnsutils netcat-openbsd socat
	curl python3 serf qemu-system-x86 busybox-static cpio xz-utils python3-pymemcache python3-memcache
	python3-pylibmc php-cli php-memcached libcache-memcached-fast-perl ruby ruby-dalli)
lint=(shellcheck clang-format clang-tidy cppcheck)
wanted=("${build[@]}" "${tests[@]}" "${lint[@]}")
# node often comes from elsewhere, under another package name
command -v node > /dev/null || wanted+=(nodejs)

# dpkg-query complains about names it has never seen: those are missing, too
have=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2> /dev/null || true)
missing=()
for p in "${wanted[@]}"; do
	[[ $'\n'$have$'\n' == *$'\n'"ii  $p"$'\n'* ]] || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "tools/deps.sh: missing packages; as root: apt-get install ${missing[*]}" >&2
	exit 1
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\n# placed by patchbay for the time of one installation\nexit 101\n' > "$policy"
	chmod 755 "$policy"
fi

echo "tools/deps.sh: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
"${apt[@]}" update || echo "tools/deps.sh: apt-get update failed, trying with the lists at hand" >&2
"${apt[@]}" install --no-install-recommends "${missing[@]}"
