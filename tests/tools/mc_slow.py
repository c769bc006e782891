# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the slow path of the memcached switch says, compared with a plain memcached, byte for byte.

    mc_slow.py HOST PORT TWIN_PORT: a line a case, "ok NAME" or "FAIL NAME: why".

The plain one is asked by TCP: by UDP memcached 1.6 labels each of several answers "0 of 1", and loses
some of those behind a get of several keys.
"""
import random
import re
import socket
import struct
import sys

HOST, PORT, TWIN = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
LIMIT = 20.0


class Asker:
    def __init__(self, port):
        family = socket.AF_INET6 if ":" in HOST else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.connect((HOST, port))
        self.sock.settimeout(LIMIT)
        self.id = random.randrange(30000)

    def send(self, msg):
        self.id += 1
        self.sock.send(struct.pack(">HHHH", self.id, 0, 1, 0) + msg)
        return self.id

    def recv(self):
        d = self.sock.recv(70000)
        return struct.unpack(">HHHH", d[:8]), d[8:]


class Twin:
    """By TCP, where its answers to several requests are all there and in order."""

    def __init__(self, port):
        self.port = port

    def ask(self, msg):
        with socket.create_connection((HOST, self.port), LIMIT) as s:
            s.sendall(msg)
            s.shutdown(socket.SHUT_WR)
            out = b""
            while True:
                d = s.recv(1 << 20)
                if not d:
                    return out
                out += d


class Switch(Asker):
    def ask(self, msg):
        """With what must not stay without an answer behind it, in the same datagram."""
        mine = self.send(msg)
        parts, total = {}, None
        while total is None or len(parts) < total:
            (i, seq, n, _), data = self.recv()
            assert i == mine, "answer to %d, asked %d" % (i, mine)
            assert total in (None, n) and seq < n and seq not in parts, "labels"
            assert len(data) == 1392 or seq == n - 1 and 0 < len(data) < 1392, "sizes"
            parts[seq], total = data, n
        return b"".join(parts[k] for k in range(total))


switch, twin = Switch(PORT), Twin(TWIN)


def no_cas(b):
    """Each server counts its own."""
    if b[:1] == b"\x81":
        out, at = b"", 0
        while at + 24 <= len(b):
            end = at + 24 + struct.unpack(">I", b[at + 8:at + 12])[0]
            out += b[at:at + 16] + b"\0" * 8 + b[at + 24:end]
            at = end
        return out + b[at:]
    return re.sub(rb"(VALUE \S+ \d+ \d+) \d+\r\n", rb"\1 C\r\n", b)


def case(name, *msgs):
    for m in msgs:
        try:
            got, want = no_cas(switch.ask(m)), no_cas(twin.ask(m))
        except (AssertionError, socket.timeout) as e:
            print("FAIL %s: %r: %s" % (name, m[:60], e or "no answer"))
            return
        if got != want:
            at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), -1)
            print("FAIL %s: %r (at %d of %d, %d): %r, want %r" % (
                name, m[:60], at, len(got), len(want), got[:200], want[:200]))
            return
    print("ok " + name)


def binary(op, key=b"", ext=b"", val=b"", opaque=0x11223344):
    n = len(key) + len(ext) + len(val)
    return struct.pack(">BBHBBHIIQ", 0x80, op, len(key), len(ext), 0, 0, n, opaque, 0) + \
        ext + key + val


def cas_round():
    switch.ask(b"set cask 0 0 1\r\nx\r\n")
    unique = switch.ask(b"gets cask\r\n").split(b"\r\n")[0].split()[-1]
    got = switch.ask(b"cas cask 0 0 1 " + unique + b"\r\ny\r\ncas cask 0 0 1 " + unique +
                     b"\r\nz\r\nget cask\r\n")
    good = got == b"STORED\r\nEXISTS\r\nVALUE cask 0 1\r\ny\r\nEND\r\n"
    print("ok cas" if good else "FAIL cas: %r" % got)


def random_requests(seed, count):
    r = random.Random(seed)
    keys = [b"r%d" % i for i in range(12)]
    verbs = [
        lambda k: b"get %s\r\n" % k,
        lambda k: b"get %s\r\n" % b" ".join(r.choice(keys) for _ in range(r.randrange(1, 20))),
        lambda k: b"set %s %d 0 %%d%s\r\n%%s\r\n" % (k, r.randrange(99), r.choice([b"", b" noreply"])),
        lambda k: b"append %s 0 0 %%d\r\n%%s\r\n" % k,
        lambda k: b"add %s 0 0 %%d noreply\r\n%%s\r\n" % k,
        lambda k: b"delete %s%s\r\n" % (k, r.choice([b"", b" noreply"])),
        lambda k: b"incr %s %d\r\n" % (k, r.randrange(9)),
        lambda k: b"touch %s 100\r\n" % k,
        lambda k: b"gat 100 %s %s\r\n" % (k, r.choice(keys)),
        lambda k: b"mg %s v f%s\r\n" % (k, r.choice([b"", b" q", b" k"])),
        lambda k: b"ms %s %%d %s\r\n%%s\r\n" % (k, r.choice([b"", b"q", b"ME", b"MA q"])),
        lambda k: b"md %s q\r\n" % k,
        lambda k: b"ma %s %s\r\n" % (k, r.choice([b"q", b"N0", b"v", b"D2 v q"])),
        lambda k: r.choice([b"bogus\r\n", b"get\r\n", b"set %s 0 0\r\n" % k, b"incr %s x\r\n" % k,
                            b"flush_all noreply\r\n", b"verbosity 1\r\n", b"gat 0\r\n"]),
    ]
    msgs = []
    for _ in range(count):
        msg = b""
        for _ in range(r.randrange(1, 7)):
            one = r.choice(verbs)(r.choice(keys))
            if b"%d" in one:
                value = (b"%d" % r.randrange(999)) if r.random() < .5 else \
                    b"v" * r.choice([0, 10, 1400, 3000, 9000])
                one = one % (len(value), value)
            msg += one
        msgs.append(msg + b"mn\r\n")
    case("random-%d" % seed, *msgs)


E8 = b"\0" * 8
KEYS = [b"key%d" % i for i in range(100)]
case("set-and-get", b"set a 5 0 3\r\nabc\r\n", b"get a\r\n", b"get nothing\r\n")
for size in (1000, 1392, 3000, 20000, 64000, 65400):
    value = bytes(random.Random(size).randrange(256) for _ in range(size))
    case("set-of-%d" % size, b"set big 0 0 %d\r\n" % size + value + b"\r\n", b"get big\r\n",
         b"get nothing big a\r\n")
case("large-noreply", b"set big 0 0 30000 noreply\r\n" + b"n" * 30000 + b"\r\nget big\r\n")
case("multiget", *[b"set %s 0 0 %d\r\n%s\r\n" % (k, len(k), k) for k in KEYS[::2]],
     b"get " + b" ".join(KEYS) + b"\r\n", b"gets " + b" ".join(KEYS) + b"\r\n")
case("multiget-of-large", *[b"set %s 0 0 5000\r\n%s\r\n" % (k, k[-1:] * 5000) for k in KEYS[:9]],
     b"get " + b" ".join(KEYS[:9]) + b"\r\n")
case("multiget-longer-than-a-line", b"get " + b" ".join(KEYS * 20) + b"\r\n")
case("five-in-a-datagram", b"set f 0 0 1\r\n1\r\nincr f 5\r\nget f g\r\ndelete f\r\nget f\r\n")
case("order-under-noreply", b"set f 0 0 1 noreply\r\n1\r\nincr f 1 noreply\r\nappend f 0 0 1 noreply"
     b"\r\n7\r\nget f\r\n")
case("gat-and-touch", b"set t 0 0 1\r\nx\r\n", b"gat 100 t u t\r\n", b"touch t 100\r\n", b"touch u 1\r\n")
case("meta", b"ms m 2 T0 F7\r\nhi\r\n", b"mg m v f t k\r\n", b"mg nothing v q\r\nmn\r\n",
     b"ms bTpv 1 b\r\nx\r\n", b"mg bTpv b v k\r\nmn\r\n", b"ma n N0 J5\r\nma n q\r\nma n v\r\n",
     b"md m q\r\nmd m q\r\nmn\r\n", b"me nothing\r\nmn\r\n")
case("wrong", b"bogus\r\n", b"get\r\n", b"set a\r\n", b"incr a x\r\n", b"set a 0 0 3\r\nabcd\r\n",
     b"get a " + b"k" * 251 + b"\r\n", b"flush_all x\r\n", b"verbosity\r\n", b"cas a 0 0 1\r\nx\r\n",
     b"mg\r\n", b"mg a q q\r\n", b"gat x a b\r\n", b"set a 0 0 1 noreply\r\nab\r\nmn\r\n")
case("flush", b"get a key0 key1 key2\r\n", b"flush_all\r\n", b"get a key0 key1 key2\r\n")
case("others", b"version\r\n", b"verbosity 1\r\n", b"stats reset\r\n", b"stats nonsense\r\n")
case("binary", binary(1, b"a", E8, b"x"), binary(0, b"a"), binary(0, b"nothing"),
     binary(0xc, b"a"), binary(0x11, b"b", E8, b"y") + binary(9, b"b") + binary(9, b"nothing") +
     binary(0xd, b"a") + binary(0xa), binary(0x12, b"a", E8, b"y") + binary(0xa), binary(0xb),
     binary(5, b"n", b"\0" * 20), binary(0x15, b"n", b"\0" * 7 + b"\2" + b"\0" * 12) + binary(0xa),
     binary(0x14, b"a") + binary(0x14, b"a") + binary(4, b"a"), binary(0x1d, b"b", b"\0\0\0\x40"),
     binary(0x18) + binary(0xc, b"b"), binary(8), binary(0x40), binary(0x20),
     binary(0, b"k" * 251), binary(1, b"big", E8, b"v" * 60000), binary(0, b"big"))
cas_round()
for s in range(1, 7):
    random_requests(s, 150)
