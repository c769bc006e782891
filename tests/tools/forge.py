# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYNs by hand, and what comes back.

usage: forge.py capture DEVICE PORT                 the first SYN to that port that passes there:
                                                    "syn SRC SPORT DST DPORT SEQ OPTION"
       forge.py send DEVICE SRC SPORT DST DPORT SEQ OPTION
                                                    sends one (OPTION in hex, or "none") and says
                                                    "answer=rst|synack|none", seen at DEVICE
IPv4.  The source may be anybody's: the answer is read off the wire.
"""
import random
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3  # a bridge takes what comes in before taps of one protocol see it
SYN, RST, ACK = 2, 4, 16


def tap(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    s.bind((device, ETH_P_ALL))
    return s


def packets(sock, seconds):
    """(source, destination, tcp header with options) of what passes"""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return
        data = sock.recv(65535)
        size = (data[0] & 15) * 4 if data else 0
        if len(data) >= size + 20 >= 40 and data[0] >> 4 == 4 and data[9] == socket.IPPROTO_TCP:
            yield socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20]), data[size:]


def options(tcp):
    at, end = 20, (tcp[12] >> 4) * 4
    while at < end and tcp[at]:
        if tcp[at] == 1:
            at += 1
            continue
        yield tcp[at], tcp[at:at + tcp[at + 1]]
        at += max(2, tcp[at + 1])


def capture(device, port):
    for src, dst, tcp in packets(tap(device), 20):
        sport, dport, seq = struct.unpack("!HHI", tcp[:8])
        if dport == int(port) and tcp[13] == SYN:
            ours = [o for kind, o in options(tcp) if kind == 254]
            print("syn", src, sport, dst, dport, seq, ours[0].hex() if ours else "none")
            return 0
    print("syn none")
    return 1


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(src, sport, dst, dport, seq, option):
    option += b"\1" * (-len(option) % 4)
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, 0, (20 + len(option)) // 4 << 4, SYN,
                       65535, 0, 0) + option
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, 6, len(head))
    head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(head), random.randrange(65536), 0, 64, 6,
                     0, socket.inet_aton(src), socket.inet_aton(dst))
    return ip + head


def send(device, src, sport, dst, dport, seq, option):
    sport, dport, seq = int(sport), int(dport), int(seq)
    option = b"" if option == "none" else bytes.fromhex(option)
    wire = tap(device)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.sendto(syn(src, sport, dst, dport, seq, option), (dst, 0))
    for a, b, tcp in packets(wire, 2):
        if (a, b) != (dst, src) or struct.unpack("!HH", tcp[:4]) != (dport, sport):
            continue
        if tcp[13] & RST:
            print("answer=rst")
            return 0
        if tcp[13] & (SYN | ACK) == SYN | ACK:
            print("answer=synack")
            return 0
    print("answer=none")
    return 0


if __name__ == "__main__":
    sys.exit({"capture": capture, "send": send}[sys.argv[1]](*sys.argv[2:]))
