# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a program may rely on when it reads from TCP, in the cases where a splice could break it.

usage: reader.py serve ADDRESS PORT
       reader.py edge|shutdown|signal|write|timeout ADDRESS PORT
edge: with edge-triggered epoll a read of less than asked for has taken everything (epoll(7)).
The others: a blocking recv(2) waits on, although something wakes it that is no data: the
connection is shut down for writing, a handler with SA_RESTART runs, another thread's send gets
room, the same with SO_RCVTIMEO.
Says "listening"; the client says "right" or what went wrong.
"""
import array
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time

STEP, STEPS = 8192, 60  # more than a splice takes unread, less than TCP does beside it
BULK = 8 << 20
LATE = b"late"


def poll_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


# ---- server: the first byte of a connection says what it is for ----

waiting = []  # connections whose client sleeps in recv


def discard(sock):
    total = 0
    while total < BULK:
        total += len(sock.recv(65536))


def attend(sock):
    what = sock.recv(1)
    if what == b"e":
        for i in range(STEPS):
            sock.sendall(bytes([i]) * STEP)
        sock.recv(1)
        sock.close()
    elif what == b"g":  # the other connection has been disturbed: now the data
        other, how = waiting.pop()
        if how == b"w":
            discard(other)
        other.sendall(LATE)
        sock.sendall(b"-")
    else:
        sock.sendall(b"-")
        waiting.append((sock, what))


def serve(address):
    with socket.create_server(address, backlog=64) as listener:
        print("listening", flush=True)
        while True:
            threading.Thread(target=attend, args=(listener.accept()[0],)).start()


# ---- edge ----

def unread(sock):
    n = array.array("i", [0])
    fcntl.ioctl(sock, termios.FIONREAD, n)
    return n[0]


def poll_quiet(sock):
    """Until nothing more arrives."""
    seen = []

    def quiet():
        seen.append(unread(sock))
        return len(seen) > 20 and seen[-1] == seen[-20]
    poll_until(quiet, 10)


def edge(address):
    want = b"".join(bytes([i]) * STEP for i in range(STEPS))
    sock = socket.create_connection(address)
    sock.setblocking(False)
    epoll = select.epoll()
    epoll.register(sock, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
    sock.send(b"e")
    poll_quiet(sock)
    got = bytearray()
    while len(got) < len(want):
        if not epoll.poll(10):
            return "no event after %d of %d bytes" % (len(got), len(want))
        more = True
        while more:
            try:
                data = sock.recv(1 << 20)
            except BlockingIOError:
                break
            got += data
            more = len(data) == 1 << 20
    return "right" if got == want else "other bytes"


# ---- blocking reads ----

def disturb(how, sock, address, reader, returned):
    def asleep():
        with open("/proc/self/task/%d/stat" % reader) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "S"
    poll_until(returned.is_set, 0.1)
    poll_until(asleep, 10)
    control = socket.create_connection(address)
    if how == "signal":
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    elif how == "write":
        threading.Thread(target=sock.sendall, args=(bytes(BULK),)).start()
    else:
        sock.shutdown(socket.SHUT_WR)
    if how != "write":
        poll_until(returned.is_set, 0.3)
    control.sendall(b"g")
    control.recv(1)


def blocking(how, address):
    libc = ctypes.CDLL(None, use_errno=True)  # python would go on after EINTR
    sock = socket.create_connection(address)
    sock.sendall(how[:1].encode())
    sock.recv(1)
    if how == "timeout":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 20, 0))
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.siginterrupt(signal.SIGUSR1, False)
    returned = threading.Event()
    threading.Thread(target=disturb, daemon=True, args=(
        how, sock, address, threading.get_native_id(), returned)).start()
    buf = ctypes.create_string_buffer(100)
    n = libc.recv(sock.fileno(), buf, 100, 0)
    err = ctypes.get_errno()
    returned.set()
    if n < 0:
        return "recv: " + os.strerror(err)
    return "right" if buf.raw[:n] == LATE else "other bytes"


def main():
    how, address = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
    if how == "serve":
        serve(address)
    print(edge(address) if how == "edge" else blocking(how, address), flush=True)
    os._exit(0)


main()
