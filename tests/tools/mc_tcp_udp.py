#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writes to a memcached service by TCP, reads by UDP: what the cache answers must not be older.

  mc_tcp_udp.py writes ADDR:PORT HITS         each kind of write to a key that the cache answers for
  mc_tcp_udp.py stale ADDR:PORT HITS SECONDS  rising numbers from several writers, read all the while
  mc_tcp_udp.py warm ADDR:PORT HITS           the key "warm", until the cache answers for it
  mc_tcp_udp.py get ADDR:PORT KEY             by TCP
  mc_tcp_udp.py load ADDR:PORT NAME           sets and gets until SIGTERM; says how many, and what broke
HITS is a program that prints how many gets by UDP the cache answered.  Lines "ok NAME", "FAIL NAME: why".
"""
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

VERSION = b"version\r\n"


def address(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class Tcp:
    def __init__(self, at, seconds=10):
        self.s = socket.create_connection(address(at), seconds)
        self.s.settimeout(seconds)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.f = self.s.makefile("rb")

    def line(self):
        text = self.f.readline()
        if not text.endswith(b"\r\n"):
            raise ConnectionError("the connection ended")
        return text

    def ask(self, data):
        """The first line of the answer."""
        self.s.sendall(data)
        return self.line()

    def quiet(self, data):
        """A request without an answer: done when the next one is answered."""
        answer = self.ask(data + VERSION)
        assert answer.startswith(b"VERSION"), answer

    def get(self, key):
        self.s.sendall(b"get %s\r\n" % key)
        head = self.line()
        if head == b"END\r\n":
            return None
        value = self.f.read(int(head.split()[3]) + 2)[:-2]
        assert self.line() == b"END\r\n"
        return value

    def cas(self, key):
        self.s.sendall(b"gets %s\r\n" % key)
        head = self.line().split()
        self.f.read(int(head[3]) + 2)
        self.line()
        return head[4]

    def binary(self, op, key, extras=b"", value=b""):
        body = extras + key + value
        self.s.sendall(struct.pack("!BBHBBHIIQ", 0x80, op, len(key), len(extras), 0, 0, len(body), 7, 0) + body)
        head = self.f.read(24)
        status, size = struct.unpack("!HI", head[6:12])
        self.f.read(size)
        return status


class Udp:
    def __init__(self, at):
        self.s = socket.socket(socket.AF_INET6 if at.startswith("[") else socket.AF_INET, socket.SOCK_DGRAM)
        self.s.connect(address(at))
        self.s.settimeout(0.5)
        self.id = random.randrange(65536)
        self.lost = 0

    def once(self, data):
        self.id = (self.id + 1) % 65536
        self.s.send(struct.pack("!HHHH", self.id, 0, 1, 0) + data)
        while True:
            answer = self.s.recv(65536)
            if struct.unpack("!H", answer[:2])[0] == self.id:
                return answer[8:]

    def get(self, key):
        for _ in range(10):
            try:
                answer = self.once(b"get %s\r\n" % key)
            except (socket.timeout, ConnectionError):
                self.lost += 1
                continue
            if answer == b"END\r\n":
                return None
            if answer.startswith(b"VALUE "):
                head, rest = answer.split(b"\r\n", 1)
                return rest[: int(head.split()[3])]
        raise TimeoutError("no answer")


class Hits:
    def __init__(self, program):
        self.program = program

    def now(self):
        return int(subprocess.run([self.program], stdout=subprocess.PIPE, check=True).stdout)


def verdict(name, problem):
    print("FAIL %s: %s" % (name, problem) if problem else "ok " + name, flush=True)


# ---- each kind of write ------------------------------------------------------------------------


def hot(udp, hits, key, want):
    """Until the cache answers with that."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        before = hits.now()
        got = [udp.get(key) for _ in range(8)]
        if any(v != want for v in got):
            return "%r is read as %r" % (want, got)
        if hits.now() > before:
            return None
    return "the cache never answers"


def writes(at, program):
    hits, udp, t, b = Hits(program), Udp(at), Tcp(at), Tcp(at)

    def set_long(k):
        return t.ask(b"set %s 0 0 100000\r\n" % k + b"x" * 100000 + b"\r\n")

    def cas(k):
        return t.ask(b"cas %s 0 0 1 %s\r\n8\r\n" % (k, t.cas(k)))

    # name, what is done, the value after that
    kinds = [
        ("set", lambda k: t.ask(b"set %s 0 0 1\r\n6\r\n" % k), b"6"),
        ("set-noreply", lambda k: t.quiet(b"set %s 0 0 1 noreply\r\n6\r\n" % k), b"6"),
        ("replace", lambda k: t.ask(b"replace %s 0 0 1\r\n6\r\n" % k), b"6"),
        ("append", lambda k: t.ask(b"append %s 0 0 1\r\n6\r\n" % k), b"56"),
        ("prepend", lambda k: t.ask(b"prepend %s 0 0 1\r\n6\r\n" % k), b"65"),
        ("cas", cas, b"8"),
        ("incr", lambda k: t.ask(b"incr %s 2\r\n" % k), b"7"),
        ("decr", lambda k: t.ask(b"decr %s 2\r\n" % k), b"3"),
        ("incr-noreply", lambda k: t.quiet(b"incr %s 3 noreply\r\n" % k), b"8"),
        ("delete", lambda k: t.ask(b"delete %s\r\n" % k), None),
        ("delete-noreply", lambda k: t.quiet(b"delete %s noreply\r\n" % k), None),
        ("expired", lambda k: t.ask(b"touch %s -1\r\n" % k), None),
        ("meta-set", lambda k: t.ask(b"ms %s 1\r\n6\r\n" % k), b"6"),
        ("meta-delete", lambda k: t.ask(b"md %s\r\n" % k), None),
        ("meta-arithmetic", lambda k: t.ask(b"ma %s D4\r\n" % k), b"9"),
        ("meta-quiet", lambda k: t.ask(b"ms %s 1 q\r\n6\r\nmn\r\n" % k), b"6"),
        ("binary-set", lambda k: b.binary(0x01, k, struct.pack("!II", 0, 0), b"6"), b"6"),
        ("binary-increment", lambda k: b.binary(0x05, k, struct.pack("!QQI", 2, 0, 0)), b"7"),
        ("binary-delete", lambda k: b.binary(0x04, k), None),
        ("long", set_long, b"x" * 100000),
        ("flush", lambda k: t.ask(b"flush_all\r\n"), None),
        ("flush-noreply", lambda k: t.quiet(b"flush_all noreply\r\n"), None),
        ("binary-flush", lambda k: b.binary(0x08, b""), None),
    ]
    for name, act, want in kinds:
        key = b"key-for-" + name.encode()
        t.ask(b"set %s 0 0 1\r\n5\r\n" % key)
        problem = hot(udp, hits, key, b"5")
        if not problem:
            act(key)
            got = udp.get(key) if name != "long" else t.get(key)
            problem = None if got == want else "read as %r, written as %r" % (got, want)
        verdict(name + "-ends-the-cached-value", problem)


def warm(at, program):
    Tcp(at).ask(b"set warm 0 0 4\r\nwarm\r\n")
    problem = hot(Udp(at), Hits(program), b"warm", b"warm")
    print(problem or "warm")
    sys.exit(1 if problem else 0)


def get(at, key):
    print(Tcp(at, 5).get(key.encode()))


# ---- many at once ------------------------------------------------------------------------------


class Stale:
    KEYS = 12

    def __init__(self, at):
        self.at = at
        self.acked = [0] * self.KEYS
        self.given = [0] * self.KEYS
        self.reads = self.writes = 0
        self.problems = []
        self.over = threading.Event()

    def write(self, who, of):
        t = Tcp(self.at)
        mine = list(range(who, self.KEYS, of))
        while not self.over.is_set():
            i = random.choice(mine)
            self.given[i] += 1
            value = b"%d" % self.given[i]
            answer = t.ask(b"set stale-%d 0 0 %d\r\n%s\r\n" % (i, len(value), value))
            if answer != b"STORED\r\n":
                self.problems.append("a set was answered %r" % answer)
            self.acked[i] = self.given[i]
            self.writes += 1
            self.over.wait(random.choice((0, 0.001, 0.05)))

    def read(self, make):
        c = make(self.at)
        seen = [0] * self.KEYS
        while not self.over.is_set():
            i = random.randrange(self.KEYS)
            least = max(self.acked[i], seen[i])
            value = c.get(b"stale-%d" % i)
            seen[i] = int(value or 0)
            if seen[i] < least:
                self.problems.append("key %d is %d, was %d" % (i, seen[i], least))
            self.reads += 1

    def guarded(self, fn, *args):
        try:
            fn(*args)
        except Exception as e:  # pylint: disable=broad-except
            self.problems.append("%s: %r" % (fn.__name__, e))

    def run(self, seconds):
        jobs = [(self.write, k, 2) for k in range(2)] + [(self.read, Udp), (self.read, Udp), (self.read, Tcp)]
        threads = [threading.Thread(target=self.guarded, args=j, daemon=True) for j in jobs]
        for t in threads:
            t.start()
        time.sleep(seconds)
        self.over.set()
        for t in threads:
            t.join(30)


def stale(at, program, seconds):
    hits, s = Hits(program), Stale(at)
    before = hits.now()
    s.run(float(seconds))
    print("# %d writes by TCP, %d reads, %d from the cache by UDP" % (s.writes, s.reads, hits.now() - before))
    verdict("nothing-is-older-than-what-was-written", "; ".join(s.problems[:3]))
    verdict("the-cache-answered", None if hits.now() - before > 20 else "%d hits" % (hits.now() - before))
    verdict("much-was-written", None if s.writes > 100 else "%d writes" % s.writes)


# ---- a client that stays -----------------------------------------------------------------------


def load(at, name):
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    t = Tcp(at, 30)
    n, broken = 0, ""
    print("listening", flush=True)
    try:
        while not over.is_set():
            n += 1
            value = b"%d" % n
            answer = t.ask(b"set %s 0 0 %d\r\n%s\r\n" % (name.encode(), len(value), value))
            got = t.get(name.encode())
            if answer != b"STORED\r\n" or got != value:
                broken = "set %d was answered %r, read %r" % (n, answer, got)
                break
            if n % 50 == 0:
                print("at %d" % n, flush=True)
    except OSError as e:
        broken = "after %d: %r" % (n, e)
    print("done %d %s" % (n, broken or "all-right"), flush=True)


if __name__ == "__main__":
    {"writes": writes, "stale": stale, "load": load, "warm": warm, "get": get}[sys.argv[1]](*sys.argv[2:])
