# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A TCP proxy that copies in the kernel where it may: splice(2) through a pipe, and read and write
once that is refused with EINVAL, as Go's io.Copy does it.

usage: copier.py ADDRESS PORT UPSTREAM-ADDRESS UPSTREAM-PORT
Says "listening", and once for each direction of a connection "splice BYTES" or "copy BYTES".
"""
import errno
import os
import socket
import sys
import threading

CHUNK = 65536


def by_splice(source, sink):
    """Bytes that were copied, or None: nothing was, and splice(2) is refused."""
    out, into = os.pipe()
    total = 0
    try:
        while True:
            try:
                n = os.splice(source.fileno(), into, CHUNK)
            except OSError as e:
                if e.errno == errno.EINVAL and not total:
                    return None
                raise
            if not n:
                return total
            total += n
            while n:
                n -= os.splice(out, sink.fileno(), n)
    finally:
        os.close(out)
        os.close(into)


def by_copy(source, sink):
    total = 0
    while data := source.recv(CHUNK):
        sink.sendall(data)
        total += len(data)
    return total


def pump(source, sink):
    how = "splice"
    try:
        total = by_splice(source, sink)
        if total is None:
            how = "copy"
            total = by_copy(source, sink)
        print(how, total, flush=True)
        sink.shutdown(socket.SHUT_WR)
    except OSError as e:
        print("error", how, e, flush=True)
        for s in source, sink:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(client, upstream):
    with client, socket.create_connection(upstream) as server:
        up = threading.Thread(target=pump, args=(client, server))
        up.start()
        pump(server, client)
        up.join()


def main():
    address, port, upstream, upstream_port = sys.argv[1:]
    with socket.create_server((address, int(port)), backlog=128) as listener:
        print("listening", flush=True)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, (upstream, int(upstream_port))),
                             daemon=True).start()


main()
