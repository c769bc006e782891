#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""usage: gossip_record.py FILE PORT...
Records what goes to and from these ports on lo of its network namespace (root) until it is
terminated; writes "ready" to standard output when it listens.  One line a datagram or direction of
a connection: "udp|dial|reply SOURCE DESTINATION HEX"; "dial" is what the side that connected sent.
"""
import signal
import socket
import struct
import sys

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SYN, FIN, RST, ACK = 2, 1, 4, 16


def ip(frame):
    """(source, destination, protocol, payload), or None"""
    kind, p = frame[12:14], frame[14:]
    if kind == b"\x08\x00":
        end = struct.unpack("!H", p[2:4])[0]
        return (socket.inet_ntoa(p[12:16]), socket.inet_ntoa(p[16:20]), p[9],
                p[(p[0] & 15) * 4:end])
    if kind == b"\x86\xdd":
        end = 40 + struct.unpack("!H", p[4:6])[0]
        return (f"[{socket.inet_ntop(socket.AF_INET6, p[8:24])}]",
                f"[{socket.inet_ntop(socket.AF_INET6, p[24:40])}]", p[6], p[40:end])
    return None


class Recorder:
    def __init__(self, path, ports):
        self.out = open(path, "w", encoding="ascii")
        self.ports = ports
        self.streams = {}
        self.diallers = set()

    def write(self, kind, src, dst, data):
        if data:
            print(kind, src, dst, data.hex(), file=self.out, flush=True)

    def end(self, key):
        segments = self.streams.pop(key, {})
        data = b"".join(segments[seq] for seq in sorted(segments))
        self.write("dial" if key in self.diallers else "reply", *key, data)
        self.diallers.discard(key)

    def tcp(self, src, dst, p):
        seq, flags = struct.unpack("!I", p[4:8])[0], p[13]
        key, data = (src, dst), p[(p[12] >> 4) * 4:]
        if flags & SYN and not flags & ACK:
            self.diallers.add(key)
        if data:
            self.streams.setdefault(key, {})[seq] = data
        if flags & (FIN | RST):
            self.end(key)

    def frame(self, data):
        packet = ip(data)
        if not packet or packet[2] not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
            return
        src, dst, proto, p = packet
        sport, dport = struct.unpack("!HH", p[:4])
        if not {sport, dport} & self.ports:
            return
        src, dst = f"{src}:{sport}", f"{dst}:{dport}"
        if proto == socket.IPPROTO_UDP:
            self.write("udp", src, dst, p[8:])
        else:
            self.tcp(src, dst, p)

    def finish(self):
        for key in list(self.streams):
            self.end(key)
        self.out.close()


def stop(*_):
    raise KeyboardInterrupt


def main():
    recorder = Recorder(sys.argv[1], set(map(int, sys.argv[2:])))
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.bind(("lo", 0))
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    try:
        while True:
            data, (_, _, packet_type, _, _) = sock.recvfrom(1 << 17)
            if packet_type == socket.PACKET_HOST:  # lo shows every frame twice
                recorder.frame(data)
    except KeyboardInterrupt:
        recorder.finish()


main()
