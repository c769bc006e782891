<?php
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// php-memcached: usage with_memcached.php HOST PORT text|binary; what it prints is the same for every server.
$c = new Memcached();
$p = "php" . $argv[3];
$c->setOption(Memcached::OPT_BINARY_PROTOCOL, $argv[3] == "binary");
$c->addServer($argv[1], (int)$argv[2]);
function say($what, ...$values) { echo $what, " ", json_encode($values), "\n"; }
say("set", $c->set("{$p}a", "one"), $c->get("{$p}a"), $c->get("{$p}none"), $c->getResultCode());
say("types", $c->set("{$p}t", ["a" => [1, 2]]), $c->get("{$p}t"), $c->set("{$p}i", 7), $c->get("{$p}i"));
say("add", $c->add("{$p}a", "x"), $c->add("{$p}b", "two"), $c->replace("{$p}c", "x"), $c->replace("{$p}b", "2"));
$many = [];
for ($i = 0; $i < 60; $i++) { $many["{$p}m$i"] = str_repeat("v", $i); }
say("multi", $c->setMulti($many), $c->getMulti(array_merge(array_keys($many), ["{$p}none"]), Memcached::GET_PRESERVE_ORDER));
$e = $c->get("{$p}a", null, Memcached::GET_EXTENDED);
say("cas", $e["value"], $c->cas($e["cas"], "{$p}a", "three"), $c->cas($e["cas"], "{$p}a", "four"), $c->get("{$p}a"));
$c->set("{$p}n", 10);
say("count", $c->increment("{$p}n", 5), $c->decrement("{$p}n", 3), $c->increment("{$p}none"));
say("touch", $c->touch("{$p}a", 100), $c->delete("{$p}a"), $c->delete("{$p}a"), $c->getResultCode());
say("delayed", $c->getDelayed(["{$p}b", "{$p}m3", "{$p}none"]), array_column($c->fetchAll(), "value"));
say("large", $c->set("{$p}l", random_bytes(10) . str_repeat("x", 800000)), strlen($c->get("{$p}l")));
say("delete", array_unique(array_values($c->deleteMulti(array_keys($many)))), $c->getMulti(array_keys($many)));
$c->setOption(Memcached::OPT_NO_BLOCK, true);
$c->setOption(Memcached::OPT_BUFFER_WRITES, true); // pipelined
for ($i = 0; $i < 500; $i++) { $c->set("{$p}q" . ($i % 20), $i); }
say("pipelined", $c->getMulti(array_map(fn($i) => "{$p}q$i", range(0, 19)), Memcached::GET_PRESERVE_ORDER));
say("version", count($c->getVersion()));
