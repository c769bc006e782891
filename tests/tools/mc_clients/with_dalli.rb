# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# dalli: usage with_dalli.rb HOST PORT; what it prints is the same for every server.
require 'dalli'

c = Dalli::Client.new("#{ARGV[0]}:#{ARGV[1]}", socket_timeout: 10, compress: false)
p = 'ruby'
say = ->(*v) { puts v.map { |x| x.is_a?(Integer) && x > 1_000_000 ? 'big' : x.inspect }.join(' ') }
sure = ->(v) { v ? true : v }
say.call('set', sure.call(c.set("#{p}a", 'one')), c.get("#{p}a"), c.get("#{p}none"))
say.call('types', sure.call(c.set("#{p}t", { 'a' => [1, 2] })), c.get("#{p}t"))
say.call('add', sure.call(c.add("#{p}a", 'x')), sure.call(c.add("#{p}b", 'two', 0, raw: true)),
         sure.call(c.replace("#{p}c", 'x')), sure.call(c.replace("#{p}b", '2', 0, raw: true)))
many = (0...60).to_h { |i| ["#{p}m#{i}", 'v' * i] }
c.multi { many.each { |k, v| c.set(k, v) } } # quiet: pipelined
say.call('multi', c.get_multi(many.keys + ["#{p}none"]) == many)
say.call('cas', sure.call(c.cas("#{p}a") { |v| "#{v}three" }), c.get("#{p}a"))
c.set("#{p}n", '10', 0, raw: true)
say.call('count', c.incr("#{p}n", 5), c.decr("#{p}n", 3), c.incr("#{p}none", 1))
say.call('append', sure.call(c.append("#{p}b", '+')), sure.call(c.prepend("#{p}b", '-')), c.get("#{p}b", raw: true))
say.call('touch', sure.call(c.touch("#{p}a", 100)), c.gat("#{p}a", 100), c.delete("#{p}a"), c.delete("#{p}a"))
say.call('large', sure.call(c.set("#{p}l", 'x' * 900_000)), c.get("#{p}l").length)
c.multi { many.each_key { |k| c.delete(k) } }
say.call('delete', c.get_multi(many.keys))
say.call('stats', c.stats.size, c.version.size)
