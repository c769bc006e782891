# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Another build of the agent, as far as the kernel can tell.

    other_build.py FROM TO SYMBOL NUMBER: in the object that has that program, instructions which add NUMBER
    add one less.  The kernel gives such programs another tag.
"""
import re
import struct
import sys

ADD = b"\x07[\x00-\x0a]\x00\x00"  # 64 bits, an immediate
SHOFF, SHNUM, HEADER = 40, 60, 64


def objects(image):
    """(begin, end) of each BPF object inside; the first one is the agent's own."""
    for m in re.finditer(b"\x7fELF\x02\x01\x01", image):
        at = m.start()
        n = struct.unpack_from("<H", image, at + SHNUM)[0]
        if at:
            yield at, at + struct.unpack_from("<Q", image, at + SHOFF)[0] + n * HEADER


def main():
    source, target, symbol, number = sys.argv[1:]
    with open(source, "rb") as f:
        image = f.read()
    was, less = (struct.pack("<I", n) for n in (int(number), int(number) - 1))
    n = 0
    for begin, end in objects(image):
        if symbol.encode() + b"\0" in image[begin:end]:
            new, n = re.subn(b"(" + ADD + b")" + re.escape(was), lambda m: m[1] + less,
                             image[begin:end], flags=re.DOTALL)
            image = image[:begin] + new + image[end:]
    if not n:
        sys.exit(f"no instruction of the object with {symbol} adds {number}")
    with open(target, "wb") as f:
        f.write(image)


main()
