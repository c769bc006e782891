#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""usage: mc_frag.py SOURCE VIP PORT BYTES ORDER [lose]

A set of so many bytes by UDP, as IP fragments sent by hand in an order: forward, backward, shuffled;
"lose" leaves one of them out.  Prints the answer, or "no answer".
"""
import random
import socket
import struct
import sys

MTU = 1480


def main():
    source, vip, port, size, order = sys.argv[1:6]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, 0))
    sock.settimeout(3)
    value = bytes(97 + i % 26 for i in range(int(size)))
    body = b"\x12\x34\0\0\0\1\0\0set frag-%s-%d 0 0 %d\r\n" % (order.encode(), len(value), len(value))
    body += value + b"\r\n"
    udp = struct.pack("!HHHH", sock.getsockname()[1], int(port), len(body) + 8, 0) + body
    parts = [(at, udp[at:at + MTU]) for at in range(0, len(udp), MTU)]
    last = parts[-1][0]
    if len(sys.argv) > 6:
        del parts[len(parts) // 2]
    if order == "backward":
        parts.reverse()
    elif order == "shuffled":
        random.Random(7).shuffle(parts)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    ident = random.randrange(1, 65536)
    for at, data in parts:
        more = 0 if at == last else 0x2000
        raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), ident, more | at // 8, 64, 17,
                               0, socket.inet_aton(source), socket.inet_aton(vip)) + data, (vip, 0))
    try:
        print(sock.recv(65536)[8:].decode().strip())
    except socket.timeout:
        print("no answer")


main()
