# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A connected UDP client that blocks in recv(): udp_client.py [--mapped] ADDRESS PORT.

Lines: "ready NAME PEER" after the first answer, "got BYTES", "error NAME TIME" when a call failed; then
"again NAME" or "again ok" for what send() says, and "reply BYTES" after connect() to the same
address and another datagram.
"""
import errno
import socket
import sys
import time

args = sys.argv[1:]
mapped = args[0] == "--mapped"
host, port = args[-2], int(args[-1])
family = socket.AF_INET6 if mapped or ":" in host else socket.AF_INET
peer = ("::ffff:" + host if mapped else host, port)
s = socket.socket(family, socket.SOCK_DGRAM)
s.connect(peer)
s.send(b"hello")


def say(*words):
    print(*words, flush=True)


try:
    data = s.recv(100)
    say("ready", "%s:%s" % s.getsockname()[:2], "%s:%s" % s.getpeername()[:2])
    while True:
        say("got", s.recv(100).decode())
except OSError as e:
    say("error", errno.errorcode[e.errno], time.time())
try:
    s.send(b"x")
    say("again", "ok")
except OSError as e:
    say("again", errno.errorcode[e.errno])
for line in sys.stdin:
    try:
        s.connect(peer)
        s.send(b"hello")
        say("reply", s.recv(100).decode())
    except OSError as e:
        say("reply", errno.errorcode[e.errno])
