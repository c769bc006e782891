#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `patchbay doctor --dev`: each thing that loses the memcached switch's datagrams without a word is
# named while it is there, and not any more when it is cured.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

ip link set lo up
far() { nsenter --net=/run/netns/far -- "$@"; }
# a device, its other end near (n1) or in another namespace (f1)
setup() {
	set -e
	mkdir -p /run/netns
	ip netns add far
	ip link add n0 type veth peer name n1
	ip link add f0 type veth peer name f1 netns far
	ip link set n0 up
	ip link set n1 up
	ip link set f0 up
	far ip link set f1 up
	far ip link set lo up
}
(setup) || die devices-are-there "cannot make them"
feature() { "$PY" "$TOP/tests/tools/ethtool.py" "$@"; }
far_feature() { far "$PY" "$TOP/tests/tools/ethtool.py" "$@"; }
rp() { sysctl -qw "net.ipv4.conf.$1.rp_filter=$2"; }
PASS=$BUILD/bpf/test/mc_pass.bpf.o
xdp_on() { ip link set dev "$1" xdpdrv obj "$PASS" sec xdp; }

# The lines as "ID STATE"; found ID STATE, silent ID: with these arguments of doctor.
doctor() { pb doctor -o json "$@" | json '" ".join("%s:%s" % (c["id"], c["state"]) for c in d["checks"])'; }
found() { [[ " $(doctor "${@:3}") " = *" $1:$2 "* ]]; }
silent() { ! [[ " $(doctor "${@:2}") " = *" $1:"* ]] && found device ok "${@:2}"; }
# killer NAME ID STATE ARG...: is named.  cured: is not.
killer() { check "$1-is-named" found "$2" "$3" "${@:4}"; }
cured() { check "$1-is-cured" silent "$2" "${@:3}"; }

all_well() { found losses ok "$@"; }
rp all 0; rp n0 0; rp f0 0; far sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.f1.rp_filter=0
check nothing-wrong-is-said all_well --dev n0
check tc-is-chosen-for-veth found mode ok --dev n0
match the-reason-is-said 'auto is tc: veth' pb doctor --dev n0
expect_rc losses-nothing 0 pb doctor --dev n0
expect_rc no-such-device 1 pb doctor --dev nope0
match other-end-near 'its other end is n1' pb doctor --dev n0
match other-end-far 'its other end is f1 in /run/netns/far' pb doctor --dev f0

# ---- what only XDP has ----
far_feature f1 rx-gro off
killer no-napi peer-napi fail --dev f0 --mode xdp
cured no-napi-for-tc peer-napi --dev f0 --mode tc
far_feature f1 rx-gro on
cured no-napi peer-napi --dev f0 --mode xdp
killer no-program-at-the-other-end peer-xdp fail --dev f0 --mode xdp
far ip link set dev f1 xdpdrv obj "$PASS" sec xdp || fail xdp-at-f1 "cannot attach"
cured no-program-at-the-other-end peer-xdp --dev f0 --mode xdp
far ip link set dev f1 xdpdrv off
far_feature f1 tx-checksum-ip-generic on
killer partial-checksums checksum warn --dev f0 --mode xdp
far_feature f1 tx-checksum-ip-generic off
cured partial-checksums checksum --dev f0 --mode xdp
far_feature f1 tx-checksum-ip-generic on
ip link set f0 mtu 9000 && far ip link set f1 mtu 9000
killer large-mtu mtu fail --dev f0 --mode xdp
refute and-the-kernel-refuses xdp_on f0
ip link set f0 mtu 1500 && far ip link set f1 mtu 1500
cured large-mtu mtu --dev f0 --mode xdp
ip link add q1 numtxqueues 4 type veth peer name q0
ip link set q0 up
ip link set q1 up
killer too-few-queues queues fail --dev q0 --mode xdp
refute and-the-kernel-refuses-that-too xdp_on q0
cured too-few-queues queues --dev n0 --mode xdp
check no-tso-lost-before silent tso --dev f0
check xdp-attaches xdp_on f0
killer tso-lost tso warn --dev f0
match mode-follows-what-is-attached 'XDP is judged since a program is attached' pb doctor --dev f0
match the-kernel-took-tso 'tx-tcp-segmentation off' far_feature f1
ip link set dev f0 xdpdrv off
cured tso-lost tso --dev f0
ip link add b0 type bridge && ip link set b0 up
killer no-native-xdp driver fail --dev b0 --mode xdp
cured no-native-xdp driver --dev n0 --mode xdp
ip link set dev n0 xdpgeneric obj "$PASS" sec xdp || fail xdp-generic "cannot attach"
killer generic-xdp generic warn --dev n0
ip link set dev n0 xdpgeneric off
cured generic-xdp generic --dev n0

# ---- what both have ----
ip link set n1 mtu 1400
killer unequal-mtu mtu-peer fail --dev n0
ip link set n1 mtu 1500
cured unequal-mtu mtu-peer --dev n0
ip link set n0 mtu 1400 && ip link set n1 mtu 1400
killer small-mtu mtu-small warn --dev n0
ip link set n0 mtu 1500 && ip link set n1 mtu 1500
cured small-mtu mtu-small --dev n0
feature n0 rx-udp-gro-forwarding on
killer udp-gro gro fail --dev n0
feature n0 rx-udp-gro-forwarding off rx-gro-list on
killer gro-list gro fail --dev n0
feature n0 rx-gro-list off
cured udp-gro gro --dev n0
rp n0 1
killer strict-rp-filter rp-filter warn --dev n0
rp n0 2
cured strict-rp-filter rp-filter --dev n0
ip link set n0 down
killer device-down down fail --dev n0
ip link set n0 up
cured device-down down --dev n0

# ---- addresses ----
killer vip-missing-here vip fail --dev f0 --vip 10.9.0.9
ip addr add 10.9.0.9/32 dev lo
cured vip-missing-here vip --dev f0 --vip 10.9.0.9
killer vip6-missing-here vip fail --dev f0 --vip fd09::9
ip addr add fd09::9/128 dev lo
cured vip6-missing-here vip --dev f0 --vip fd09::9
sysctl -qw net.ipv4.conf.f0.arp_ignore=1
killer arp-for-the-vip arp fail --dev f0 --vip 10.9.0.9
sysctl -qw net.ipv4.conf.f0.arp_ignore=0
cured arp-for-the-vip arp --dev f0 --vip 10.9.0.9
l2=(--dev f0 --vip 10.9.0.9 --dsr l2)
killer vip-missing-at-the-server lo-vip fail "${l2[@]}"
cured vip-at-the-server-only-for-l2 lo-vip --dev f0 --vip 10.9.0.9
far ip addr add 10.9.0.9/32 dev lo
cured vip-missing-at-the-server lo-vip "${l2[@]}"
killer server-answers-arp arp-server fail "${l2[@]}"
far sysctl -qw net.ipv4.conf.all.arp_ignore=1
cured server-answers-arp arp-server "${l2[@]}"
far sysctl -qw net.ipv4.conf.f1.rp_filter=1
killer strict-at-the-server rp-filter-server fail "${l2[@]}"
far sysctl -qw net.ipv4.conf.f1.rp_filter=0
cured strict-at-the-server rp-filter-server "${l2[@]}"
check all-is-well-in-the-end all_well "${l2[@]}"

# ---- an end that nobody shows ----
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$PB" doctor --dev f0 -o json; }
match an-unseen-end-is-said 'was not seen' nobody
finish
