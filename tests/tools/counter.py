# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The counter protocol (bpf/plugins/counter.h): a server of it, and a client that says verdicts.

usage: counter.py serve ADDR:PORT | counter.py ask ADDR:PORT REQUEST... | counter.py play ADDR:PORT SERVER...
"""
import random
import socket
import socketserver
import struct
import sys
import threading


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def message(f):
    head = f.read(4)
    if len(head) < 4:
        return None
    return f.read(struct.unpack(">I", head)[0]).decode()


def frame(text):
    return struct.pack(">I", len(text)) + text.encode()


class Handler(socketserver.StreamRequestHandler):
    total, lock = {}, threading.Lock()

    def answer(self, text):
        word = text.split(" ")
        with self.lock:
            if word[0] == "add" and len(word) == 3:
                self.total[word[1]] = self.total.get(word[1], 0) + int(word[2])
            elif word[0] == "sum":
                return f"ok {sum(self.total.values())}"
            elif word[0] != "get":
                return "error what"
            return f"ok {self.total.get(word[1], 0)}"

    def handle(self):
        while (text := message(self.rfile)) is not None:
            self.wfile.write(frame(self.answer(text)))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128


class Client:
    def __init__(self, at):
        self.s = socket.create_connection(address(at), timeout=20)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.f = self.s.makefile("rb")

    def ask(self, *texts):
        self.s.sendall(b"".join(map(frame, texts)))
        return [message(self.f) for _ in texts]


def verdict(name, want, got):
    if want == got:
        print(f"ok {name}")
    else:
        print(f"FAIL {name}: want {str(want)[:150]}, got {str(got)[:150]}")


def one_by_one(at):
    c = Client(at)
    before = int(c.ask("sum")[0].split()[1])
    verdict("counts", ["ok 5", "ok 7", "ok 7", "ok 0"],
            c.ask("add a 5") + c.ask("add a 2") + c.ask("get a") + c.ask("get none"))
    verdict("sum", [f"ok {before + 7}"], c.ask("sum"))
    verdict("not-understood", ["error what", "error what", "ok 7"], c.ask("frob") + c.ask("add") + c.ask("get a"))


def pipelined(at, seed):
    """Random requests at once, cut at random: the answers are those of one counter, in their order."""
    rnd, total, want, texts = random.Random(seed), {}, [], []
    for _ in range(3000):
        key = f"p{seed}-{rnd.randrange(50)}"
        kind = rnd.randrange(4)
        if kind == 3:
            texts.append("what")
            want.append("error what")
            continue
        if kind:
            n = rnd.randrange(100)
            total[key] = total.get(key, 0) + n
            texts.append(f"add {key} {n}")
        else:
            texts.append(f"get {key}")
        want.append(f"ok {total.get(key, 0)}")
    c, stream = Client(at), b"".join(map(frame, texts))

    def send():
        at_byte = 0
        while at_byte < len(stream):
            n = rnd.choice((1, 3, 17, 200, 5000))
            c.s.sendall(stream[at_byte:at_byte + n])
            at_byte += n

    threading.Thread(target=send, daemon=True).start()
    verdict(f"pipeline-{seed}", want, [message(c.f) for _ in texts])
    return sum(total.values())


def play(at, servers):
    one_by_one(at)
    before = int(Client(at).ask("sum")[0].split()[1])
    added = sum(pipelined(at, seed) for seed in range(1, 4))
    verdict("sum-of-all", [f"ok {before + added}"], Client(at).ask("sum"))
    each = [int(Client(s).ask("sum")[0].split()[1]) for s in servers]
    verdict("all-servers-count", True, all(each))
    verdict("nothing-twice", before + added, sum(each))
    crowd = [Client(at) for _ in range(200)]
    verdict("many-clients", ["ok 7"] * 200, [c.ask("get a")[0] for c in crowd])


def main():
    if sys.argv[1] == "serve":
        server = Server(address(sys.argv[2]), Handler)
        print("listening", flush=True)
        server.serve_forever()
    elif sys.argv[1] == "ask":
        for text in Client(sys.argv[2]).ask(*sys.argv[3:]):
            print(text)
    else:
        play(sys.argv[2], sys.argv[3:])


main()
