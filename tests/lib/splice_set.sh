# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the tests of the switches for splices share; sourced after tests/e2e/lib.sh.

pin_of() { echo "$SBX"/bpf/patchbay/v*/"$1"; }
dump() { bpftool -j map dump pinned "$(pin_of "$1")"; }
# whatever FIONREAD of this kernel counts
blindly() { mkdir -p "$CONF.d" && printf '[agent]\nsplice_blind = on\n' > "$CONF.d/blind.conf"; }
# what the kernel side is told of an application (PB_APP_SPLICE, _ALL), and what apps says
flag_of() {
	dump pb_apps | json '[{0: "off", 16: "on", 48: "all"}[e["formatted"]["value"]["flags"] & 48]
		for e in d if e["formatted"]["value"]["name"] == "'"$1"'"][0]'
}
shown() {
	pb apps -o json | json '[(a["splice_set"], a["splice"])
		for a in d["apps"] if a["name"] == "'"$1"'"][0]'
}
# setting NAME APP OWN on|all|off: APP says OWN for itself, and that is what holds
setting() {
	local own="'$3'"
	[ "$3" != None ] || own=None
	eq "$1-shown" "($own, '$4')" "$(shown "$2")"
	eq "$1-kernel" "$4" "$(flag_of "$2")"
}
# PB_CFG_SPLICE of a dump of pb_config
gate() { json '1 if d[0]["formatted"]["value"]["flags"] & 4 else 0'; }
node_gate() { dump pb_config | gate; }
status_of() { pb status -o json | json 'd["splice"]["'"$1"'"]'; }
idle() { # NAME OPTION...: an application that only is there
	run_app "$@" -- sh -c 'echo ready; read -r _'
	wait_for 5 log_has "$1" ready || fail "$1-starts" "$(tail -n 1 "$SBX/log/$1")"
}
unnamed() { pb apps -o json | json '[a["name"] for a in d["apps"] if not a["named"]][0]'; }
reload() { pb reload -o json | json '" ".join(d["changed"])'; }

# ---- splice(2) -------------------------------------------------------------------------------

cat > "$SBX/calls.py" << 'PY'
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
r, w = os.pipe()
r2, w2 = os.pipe()
os.write(w, b"x")
try:
    got = "moved-%d" % os.splice(r, w2, 1)
except OSError as e:
    got = errno.errorcode[e.errno]
class Vec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("len", ctypes.c_size_t)]
n = libc.vmsplice(w, ctypes.byref(Vec(b"abc", 3)), 1, 0)
print("splice=%s vmsplice=%d" % (got, n))
PY
USES="splice=moved-1 vmsplice=3" REFUSED="splice=EINVAL vmsplice=3"
calls() { pb run --tag grp=t "$@" -- "$PY" "$SBX/calls.py"; }
