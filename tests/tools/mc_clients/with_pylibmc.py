# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""pylibmc (libmemcached): usage with_pylibmc.py HOST PORT text|binary; the same for every server."""
import sys

import pylibmc

c = pylibmc.Client([f"{sys.argv[1]}:{sys.argv[2]}"], binary=sys.argv[3] == "binary",
                   behaviors={"cas": True, "tcp_nodelay": True})
p = "pl" + sys.argv[3]
say = print


def missing(f, *args):
    """The binary protocol has an error where the text has an answer."""
    try:
        return f(*args)
    except pylibmc.Error as e:
        return type(e).__name__


say("set", c.set(p + "a", "one"), c.get(p + "a"), c.get(p + "none"))
say("types", c.set(p + "t", {"a": [1, 2]}), c.get(p + "t"), c.set(p + "i", 7), c.get(p + "i"))
say("add", c.add(p + "a", "x"), c.add(p + "b", "two"), missing(c.replace, p + "c", "x"), c.replace(p + "b", "2"))
many = {f"{p}m{i}": "v" * i for i in range(60)}
say("set_multi", c.set_multi(many), c.get_multi(list(many) + [p + "none"]) == many)
value, unique = c.gets(p + "a")
say("cas", value, c.cas(p + "a", "three", unique), c.get(p + "a"))
c.set(p + "n", 10)
say("count", c.incr(p + "n", 5), c.decr(p + "n", 3))
say("missing", missing(c.incr, p + "none", 1))
say("append", c.append(p + "b", "+"), c.prepend(p + "b", "-"))
say("touch", c.touch(p + "a", 100), c.delete(p + "a"), c.get(p + "a"))
say("large", c.set(p + "l", "x" * 900000), len(c.get(p + "l")))
say("delete_multi", c.delete_multi(list(many)), c.get_multi(list(many)))
c.behaviors["no_block"] = True
for i in range(500):
    c.set(f"{p}q{i % 20}", i)
say("no_block", [c.get(f"{p}q{i}") for i in range(20)])
