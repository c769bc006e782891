#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The guest's process 1: mounts, modules, loopback, the test script, its verdict, power off.
# The kernel's log has the first serial port, the script the second, so that neither tears the
# other's lines.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/busybox
export HOME=/root TERM=dumb LC_ALL=C

/bin/busybox --install -s /busybox
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
ln -s /proc/self/fd /dev/fd
for dir in /dev/shm /run /tmp; do
	mount -t tmpfs tmpfs "$dir"
done
chmod 1777 /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
hostname guest

# shellcheck source=/dev/null
. /etc/vm.conf
exec < /dev/null > /dev/ttyS1 2>&1

for module in /modules/*.ko; do
	[ ! -e "$module" ] || insmod "$module" || echo "FAIL module-${module##*/}: insmod says $?"
done
/busybox/ip link set lo up

read -r uptime _ < /proc/uptime
echo "kernel $(uname -r), up after $uptime s"
sh /verdict.sh "$VM_LIMIT" "$VM_SCRIPT"
poweroff -f
