# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Debian's packaged kernels, unpacked into a cache folder and never installed.  Sourced by vm.sh.
#
#   kernel_fetch SERIES     the folder of the newest packaged kernel of a series ("6.1", "6.12")
#   kernel_image DIR        its bootable image
#   kernel_release DIR      what uname -r says in it
#   kernel_modules DIR OUT MODULE...   the modules and what they need, as OUT/NNN-name.ko in load order
#
# A kernel that is in the cache is used without asking apt; remove its folder to get a newer one.

kernel_cache() {
	local top
	top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
	printf '%s\n' "${KERNEL_CACHE:-${BUILD:-$top/build}/kernels}"
}

# kernel_cached CACHE SERIES: the newest folder of the series; fails when there is none
kernel_cached() {
	local found
	found=$(find "$1" -mindepth 1 -maxdepth 1 -type d -name "$2.*" -printf '%f\n' | sort -V |
		tail -n 1)
	[ -n "$found" ] && printf '%s/%s\n' "$1" "$found"
}

# kernel_package SERIES: the newest package apt knows; "6.1" must not match 6.12
kernel_package() {
	apt-cache search --names-only "^linux-image-${1//./\\.}\\.[^ ]*-cloud-amd64\$" |
		cut -d ' ' -f 1 | sort -V | tail -n 1
}

# kernel_unpack CACHE PACKAGE: beside its place and then moved, so that two runs at once end well
kernel_unpack() {
	local cache=$1 package=$2 target tmp
	target=$cache/${package#linux-image-}
	tmp=$(mktemp -d "$cache/.unpack.XXXXXX") || return 1
	if ! (cd "$tmp" && apt-get -q -q -o APT::Sandbox::User=root download "$package" >&2 &&
		dpkg-deb -x ./*.deb tree) || ! compgen -G "$tmp/tree/boot/vmlinuz-*" > /dev/null; then
		rm -rf -- "$tmp"
		printf 'kernels: cannot download or unpack %s\n' "$package" >&2
		return 1
	fi
	chmod 0755 "$tmp/tree"
	mv -T -- "$tmp/tree" "$target" 2> /dev/null || [ -d "$target" ] || return 1
	rm -rf -- "$tmp"
	printf '%s\n' "$target"
}

kernel_fetch() {
	local series=$1 cache package
	cache=$(kernel_cache)
	mkdir -p -- "$cache"
	cache=$(cd -- "$cache" && pwd) # apt-get and cpio change folders
	kernel_cached "$cache" "$series" && return 0
	package=$(kernel_package "$series") || true
	if [ -z "$package" ]; then
		printf 'kernels: apt knows no linux-image-%s.*-cloud-amd64 (apt-get update?)\n' \
			"$series" >&2
		return 1
	fi
	kernel_unpack "$cache" "$package"
}

kernel_image() {
	compgen -G "$1/boot/vmlinuz-*"
}

kernel_release() {
	local image
	image=$(kernel_image "$1") || return 1
	printf '%s\n' "${image##*/vmlinuz-}"
}

# module_field FILE NAME: one field of a module's .modinfo section (strings that end in NUL)
module_field() {
	tr '\0' '\n' < "$1" | sed -n "s/^$2=//p" | head -n 1
}

module_unpack() {
	case $1 in
	*.xz) xz -dc -- "$1" > "$2" ;;
	*.zst) zstd -q -dc -- "$1" > "$2" ;;
	*) cp -- "$1" "$2" ;;
	esac
}

# module_collect TREE OUT NAME: depth first, so a module is numbered after everything it needs.
# An unpacked package has no modules.dep, so dependencies are read from the modules themselves.
# `seen` belongs to the caller.
module_collect() {
	local tree=$1 out=$2 name=${3//-/_} regex file tmp dep
	[ -z "${seen[$name]:-}" ] || return 0
	seen[$name]=1
	regex=".*/${name//_/[-_]}\\.ko"
	! grep -q -x -E "$regex" "$tree/modules.builtin" || return 0
	file=$(find "$tree" -regextype posix-extended -regex "$regex(\\.xz|\\.zst)?" -print -quit)
	if [ -z "$file" ]; then
		printf 'kernels: no module %s in %s\n' "$3" "${tree##*/}" >&2
		return 1
	fi
	tmp=$out/.$name.ko
	module_unpack "$file" "$tmp" || return 1
	for dep in $(module_field "$tmp" depends | tr , ' '); do
		module_collect "$tree" "$out" "$dep" || return 1
	done
	mv -- "$tmp" "$out/$(printf '%03d' "$count")-$name.ko"
	count=$((count + 1))
}

kernel_modules() {
	local tree out=$2 count=0 module
	local -A seen=()
	tree=$1/lib/modules/$(kernel_release "$1") || return 1
	shift 2
	mkdir -p -- "$out"
	for module in "$@"; do
		module_collect "$tree" "$out" "$module" || return 1
	done
}
