#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""usage: ethtool.py DEVICE [FEATURE on|off]...

Sets features of a device by the names that the kernel has for them, or lists them.
"""
import ctypes
import fcntl
import socket
import struct
import sys

SIOCETHTOOL, GSTRINGS, GSSET_INFO, GFEATURES, SFEATURES, SET = 0x8946, 0x1B, 0x37, 0x3A, 0x3B, 4


def ask(dev, cmd):
    buf = ctypes.create_string_buffer(cmd, len(cmd))
    req = struct.pack("16sQ16x", dev.encode(), ctypes.addressof(buf))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCETHTOOL, req)
    return buf.raw


def features(dev):
    info = ask(dev, struct.pack("=IIQI", GSSET_INFO, 0, 1 << SET, 0))
    n = struct.unpack("=I", info[16:20])[0]
    raw = ask(dev, struct.pack("=III", GSTRINGS, SET, n) + bytes(32 * n))
    return [raw[12 + 32 * i:44 + 32 * i].split(b"\0")[0].decode() for i in range(n)]


def main():
    dev, args = sys.argv[1], sys.argv[2:]
    names = features(dev)
    blocks = (len(names) + 31) // 32
    if not args:
        raw = ask(dev, struct.pack("=II", GFEATURES, blocks) + bytes(16 * blocks))
        for i, name in enumerate(names):
            active = struct.unpack_from("=I", raw, 8 + 16 * (i // 32) + 8)[0]
            print(name, "on" if active >> (i % 32) & 1 else "off")
    for name, state in zip(args[::2], args[1::2]):
        i = names.index(name)
        cmd = bytearray(struct.pack("=II", SFEATURES, blocks) + bytes(8 * blocks))
        bit = 1 << (i % 32)
        struct.pack_into("=II", cmd, 8 + 8 * (i // 32), bit, bit if state == "on" else 0)
        ask(dev, bytes(cmd))


main()
