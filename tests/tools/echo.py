# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An asyncio echo, byte by byte.

usage: echo.py serve ADDRESS PORT
       echo.py ask ADDRESS PORT CONNECTIONS MESSAGES BYTES [line|raw|slow]
line: each message is answered before the next; raw: all are written while answers are read;
slow: nothing is read before everything that fits is written.
Says "listening"; the client says "equal BYTES" or fails.
"""
import asyncio
import hashlib
import sys


def message(connection, number, size):
    return hashlib.shake_128(b"%d-%d" % (connection, number)).digest(size)


async def echo(reader, writer):
    try:
        while data := await reader.read(1 << 20):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
    except ConnectionError as e:
        print("error", e, flush=True)


async def serve(address, port):
    server = await asyncio.start_server(echo, address, port, backlog=256)
    print("listening", flush=True)
    await server.serve_forever()


async def expect(reader, want, what):
    got = await reader.readexactly(len(want))
    assert got == want, what


async def ask(address, port, connection, messages, size, how):
    reader, writer = await asyncio.open_connection(address, port)
    texts = [message(connection, i, size) for i in range(messages)]

    async def write():
        for text in texts:
            writer.write(text)
            await writer.drain()

    if how == "line":
        for i, text in enumerate(texts):
            writer.write(text)
            await expect(reader, text, (connection, i))
    else:
        task = asyncio.create_task(write())
        if how == "slow":
            await asyncio.wait([task], timeout=0.5)
        for i, text in enumerate(texts):
            await expect(reader, text, (connection, i))
        await task
    writer.write_eof()
    assert await reader.read() == b"", "bytes after the end"
    writer.close()
    await writer.wait_closed()
    return messages * size


async def main():
    address, port = sys.argv[2], int(sys.argv[3])
    if sys.argv[1] == "serve":
        await serve(address, port)
    connections, messages, size = map(int, sys.argv[4:7])
    how = sys.argv[7] if len(sys.argv) > 7 else "line"
    total = await asyncio.wait_for(asyncio.gather(*(
        ask(address, port, c, messages, size, how) for c in range(connections))), 60)
    print("equal", sum(total))


asyncio.run(main())
