# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A resolver for the tests: www.example.test is 198.51.100.9, everything else does not exist.

usage: upstream.py ADDR.  UDP and TCP on port 53; prints "ready", then each name it was asked for.
"""
import socket
import socketserver
import struct
import sys
import threading

ZONE = {"www.example.test": {1: socket.inet_aton("198.51.100.9")}}


def question(packet):
    """Name, type and the end of the question section (RFC 1035 4.1.2)."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii", "replace"))
        at += 1 + packet[at]
    (qtype,) = struct.unpack_from("!H", packet, at + 1)
    return ".".join(labels), qtype, at + 5


def answer(packet):
    name, qtype, end = question(packet)
    print(name, qtype)
    records = ZONE.get(name.lower())
    data = (records or {}).get(qtype)
    ident, flags = struct.unpack_from("!HH", packet)
    flags = 0x8080 | (flags & 0x0100) | (0 if records else 3)
    head = struct.pack("!HHHHHH", ident, flags, 1, 1 if data else 0, 0, 0)
    body = packet[12:end]
    if data:
        body += struct.pack("!HHHIH", 0xC00C, qtype, 1, 60, len(data)) + data
    return head + body


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        packet, sock = self.request
        sock.sendto(answer(packet), self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        while len(size := self.rfile.read(2)) == 2:
            reply = answer(self.rfile.read(struct.unpack("!H", size)[0]))
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


class TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main():
    where = (sys.argv[1], 53)
    udp = socketserver.ThreadingUDPServer(where, Udp)
    tcp = TcpServer(where, Tcp)
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    print("ready")
    udp.serve_forever()


main()
