#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Cache::Memcached::Fast: usage with_fast.pl HOST PORT; what it prints is the same for every server.
use strict;
use warnings;
use Cache::Memcached::Fast;

my $c = Cache::Memcached::Fast->new({ servers => ["$ARGV[0]:$ARGV[1]"], io_timeout => 10, connect_timeout => 10,
	nowait => 1 });
sub say_all { my $what = shift; print join(' ', $what, map { defined $_ ? $_ : 'undef' } @_), "\n"; }
say_all('set', $c->set('pf-a', 'one'), $c->get('pf-a'), $c->get('pf-none'));
say_all('add', $c->add('pf-a', 'x'), $c->add('pf-b', 'two'), $c->replace('pf-c', 'x'), $c->replace('pf-b', '2'));
my %many = map { ("pf-m$_" => 'v' x $_) } 0 .. 59;
my $set = $c->set_multi(map { [$_ => $many{$_}] } sort keys %many);
my $got = $c->get_multi(sort(keys %many), 'pf-none');
say_all('multi', scalar(grep { $_ } values %$set), scalar(keys %$got), join(',', map { length $got->{$_} } sort keys %$got));
my $cas = $c->gets('pf-a');
say_all('cas', $cas->[1], $c->cas('pf-a', $cas->[0], 'three'), $c->cas('pf-a', $cas->[0], 'four'), $c->get('pf-a'));
$c->set('pf-n', 10);
say_all('count', $c->incr('pf-n', 5), $c->decr('pf-n', 3), $c->incr('pf-none'));
say_all('append', $c->append('pf-b', '+'), $c->prepend('pf-b', '-'), $c->get('pf-b'));
say_all('touch', $c->touch('pf-a', 100), $c->delete('pf-a'), $c->delete('pf-a'));
say_all('gat', join(',', map { $_ // 'undef' } @{ $c->gat(100, 'pf-b') ? ['there', 1] : ['none', 0] }));
$c->set('pf-q' . $_ % 20, $_) for 0 .. 499; # nowait: noreply, pipelined
$c->nowait_push;
my $q = $c->get_multi(map { "pf-q$_" } 0 .. 19);
say_all('nowait', map { $q->{"pf-q$_"} } 0 .. 19);
say_all('large', $c->set('pf-l', 'x' x 900000), length $c->get('pf-l'));
my $gone = $c->delete_multi(sort keys %many);
say_all('delete', scalar(grep { $_ } values %$gone), scalar keys %{ $c->get_multi(sort keys %many) });
say_all('versions', scalar keys %{ $c->server_versions });
