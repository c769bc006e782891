# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# The guest's file tree: busybox, programs of this machine, and the shared libraries they need.
# Sourced by vm.sh.
#
#   tree_new ROOT                  an empty tree with busybox and a shell
#   tree_add ROOT PATH[:GUEST]     copies a file or a folder; GUEST is where the guest sees it
#   tree_pack ROOT IMAGE           the initramfs; not compressed, since the guest is emulated

tree_new() {
	local root=$1 dir busybox
	busybox=$(command -v busybox) || true
	if [ -z "$busybox" ] || ldd "$busybox" > /dev/null 2>&1; then
		printf 'kernels: needs a static busybox (package busybox-static)\n' >&2
		return 1
	fi
	mkdir -p -- "$root"/{busybox,dev,etc,modules,proc,root,run,sys,tmp,usr/{bin,lib,lib64,sbin},var}
	for dir in bin lib lib64 sbin; do
		ln -s "usr/$dir" "$root/$dir"
	done
	ln -s ../run "$root/var/run"
	cp -L -- "$busybox" "$root/usr/bin/busybox"
	# Not busybox's own shell: Debian builds it to prefer its applets to the programs in PATH.
	tree_add "$root" "$(command -v sh):/usr/bin/sh" || return 1
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' \
		> "$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' > "$root/etc/group"
	printf '127.0.0.1 localhost\n::1 localhost\n' > "$root/etc/hosts"
	printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
	: > "$root/etc/resolv.conf"
}

# tree_libraries ROOT FILE: what ldd says; it refuses scripts, data and static programs
tree_libraries() {
	local root=$1 lib
	while read -r lib; do
		[ -e "$root$lib" ] && continue
		mkdir -p -- "$root$(dirname -- "$lib")"
		cp -L -- "$lib" "$root$lib"
	done < <(ldd "$2" 2> /dev/null | grep -o -E '/[^ ]+' || true)
}

tree_add() {
	local root=$1 spec=$2 from guest file
	from=${spec%%:*}
	guest=${spec#*:}
	if [ ! -e "$from" ]; then
		printf 'kernels: no such file: %s\n' "$from" >&2
		return 1
	fi
	[ "$guest" != "$spec" ] || guest=$(realpath -s -- "$from")
	mkdir -p -- "$root$(dirname -- "$guest")"
	cp -rL --remove-destination -T -- "$from" "$root$guest" || return 1
	while IFS= read -r -d '' file; do
		tree_libraries "$root" "$file" || return 1
	done < <(find -L "$from" -type f -perm /111 -print0)
}

tree_pack() {
	(cd -- "$1" && find . -print0 |
		cpio --quiet --null --create --format=newc --owner=+0:+0) > "$2"
}
