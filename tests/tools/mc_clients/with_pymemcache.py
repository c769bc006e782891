# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""pymemcache: usage with_pymemcache.py HOST PORT; what it prints must be the same for every server."""
import sys

from pymemcache.client.base import Client

c = Client((sys.argv[1], int(sys.argv[2])), connect_timeout=10, timeout=10, default_noreply=False)
say = print
say("set", c.set("py-a", b"one"), c.get("py-a"), c.get("py-none"))
say("add", c.add("py-a", b"x"), c.add("py-b", b"two"), c.replace("py-c", b"x"), c.replace("py-b", b"2"))
say("append", c.append("py-a", b"+"), c.prepend("py-a", b"-"), c.get("py-a"))
many = {f"py-m{i}": b"v%d" % i * (i + 1) for i in range(60)}
say("set_many", c.set_many(many), c.get_many(list(many) + ["py-none"]) == many)
value, unique = c.gets("py-a")
say("cas", value, c.cas("py-a", b"three", unique), c.cas("py-a", b"four", unique), c.get("py-a"))
c.set("py-n", b"10")
say("count", c.incr("py-n", 5), c.decr("py-n", 3), c.incr("py-none", 1))
say("touch", c.touch("py-a", 100), c.touch("py-none", 100), c.delete("py-a"), c.delete("py-a"))
for i in range(500):  # pipelined by the kernel: nobody waits for answers
    c.set(f"py-q{i % 20}", b"%d" % i, noreply=True)
say("noreply", c.get("py-q19"), c.delete("py-q19", noreply=True), c.get("py-q19"))
say("large", c.set("py-l", b"x" * 900000), len(c.get("py-l")))
say("delete_many", c.delete_many(list(many)), c.get_many(list(many)))
say("version", c.version() is not None)
say("quit", c.quit())
