# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""python-memcache: usage with_memcache.py HOST PORT; what it prints must be the same for every server."""
import sys

import memcache

c = memcache.Client([f"{sys.argv[1]}:{sys.argv[2]}"], socket_timeout=10, cache_cas=True)
say = print
say("set", c.set("pm-a", "one"), c.get("pm-a"), c.get("pm-none"))
say("types", c.set("pm-t", {"a": [1, 2]}), c.get("pm-t"), c.set("pm-i", 7), c.get("pm-i"))
say("add", c.add("pm-a", "x"), c.add("pm-b", "two"), c.replace("pm-c", "x"), c.replace("pm-b", "2"))
many = {f"pm-m{i}": "v" * i for i in range(60)}
say("set_multi", c.set_multi(many), c.get_multi(list(many) + ["pm-none"]) == many)
say("cas", c.gets("pm-a"), c.cas("pm-a", "three"), c.get("pm-a"))
c.set("pm-n", "10")
say("count", c.incr("pm-n", 5), c.decr("pm-n", 3), c.incr("pm-none", 1))
say("append", c.append("pm-b", "+"), c.prepend("pm-b", "-"), c.get("pm-b"))
say("touch", c.touch("pm-a", 100), c.delete("pm-a"), c.get("pm-a"))
say("large", c.set("pm-l", "x" * 900000), len(c.get("pm-l")))
say("delete_multi", c.delete_multi(list(many)), c.get_multi(list(many)))
say("stats", len(c.get_stats()) == 1)
