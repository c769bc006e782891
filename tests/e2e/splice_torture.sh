#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Spliced connections under torture, by IPv4: each byte arrives, once, in its place, and how they
# end is what plain TCP makes of it.  WAY=managed and WAY=plain run the same without a splice.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/tort.sh
. "$TOP/tests/lib/tort.sh"

start_agent
tort_all "${WAY:-splice}"

# ---- the checker checks ----
match finds-a-wrong-byte 'first wrong byte at offset 100000: got' tort_run v4 stream spoil=100000
match finds-a-wrong-byte-in-an-answer 'first wrong byte at offset 12345: got' \
	tort_run v4 rr rounds=50 size=20000 spoil=12345
match finds-a-wrong-connection '1 of 300 connections wrong; the first: connection 77 ' \
	tort_run v4 short rounds=300 spoil=77

# ---- bytes: how many of them go past TCP (both, up, down, none, any), family, mode ----
tort_cases << 'END'
up   v4 rr rounds=60
both v4 rr rounds=2000 size=20000
both v4 rr rounds=300 size=200k conns=8 seed=2
both v4 rr rounds=200 size=5000 nagle=1 conns=2
up   v4 stream dir=up bytes=16m
none v4 stream dir=down bytes=16m               # the server speaks first
any  v4 stream dir=duplex bytes=8m
any  v4 stream dir=duplex bytes=8m size=300 conns=2
up   v4 stream dir=poll bytes=8m
up   v4 stream dir=up bytes=8m size=16k ack=65536
up   v4 stream dir=up bytes=1m rsize=4096 pause=300
up   v4 stream dir=up bytes=200k late=1         # much is sent before accept()
any  v4 stream dir=duplex bytes=2m conns=40
up   v4 stall dir=up
down v4 stall dir=down
up   v4 stall dir=up hold=3000
up   v4 mute
any  v4 mute size=700 conns=2
any  v4 greet dir=down how=read
any  v4 greet dir=down how=poll
any  v4 greet dir=down how=select
any  v4 greet dir=down how=lt
any  v4 greet dir=down how=et
END

# ---- sockets that block are not spliced: their reads would be disturbed.  None is. ----
tort_cases << 'END'
block v4 rr rounds=500 size=20000 block=both
block v4 rr rounds=500 size=20000 block=client
any  v4 rr rounds=500 size=20000 block=server
block v4 stream dir=duplex bytes=4m block=both
any  v4 stream dir=duplex bytes=4m block=server
block v4 half who=client block=both
block v4 half who=server bytes=30000 conns=16 block=both
block v4 signal
block v4 timeo dir=up
block v4 timeo dir=down
block v4 waitall
block v4 prerecv how=recv who=client block=both
block v4 prerecv how=recv who=server block=both
any  v4 prerecv how=recv who=client block=server
block v4 mute block=both
block v4 stall dir=up block=both
block v4 short rounds=5000 block=both
any  v4 short rounds=5000 block=server
END

# ---- reads ----
tort_cases << 'END'
both v4 peek dir=up
both v4 peek dir=down
both v4 inq dir=up
both v4 inq dir=down
both v4 wait how=et dir=up
both v4 wait how=et dir=down
both v4 wait how=lt dir=down
both v4 wait how=oneshot
both v4 wait how=poll
both v4 wait how=select dir=down
up   v4 wait how=et size=2m bytes=48m           # bursts beyond what a splice holds unread
down v4 wait how=et size=2m bytes=48m dir=down
up   v4 wait how=etshort size=2m bytes=48m      # a short read is taken for the last
down v4 wait how=etshort size=2m bytes=48m dir=down
up   v4 wait how=etshort burst=440k bytes=1m conns=16 pause=20000 size=600k # all of it before the wake-up
down v4 wait how=etshort burst=440k bytes=1m conns=16 pause=20000 size=600k dir=down
up   v4 wait how=lt size=2m bytes=24m
up   v4 wait how=oneshot size=2m bytes=24m
down v4 wait how=poll size=2m bytes=24m dir=down
any  v4 greet dir=down how=etshort
both v4 nbconnect who=client
any  v4 nbconnect who=server
any  v4 prerecv how=poll who=client
any  v4 prerecv how=select who=server
any  v4 prerecv how=epoll who=client
END

# ---- ends ----
tort_cases << 'END'
both v4 half who=client
both v4 half who=server
both v4 half who=client bytes=30000 conns=16
both v4 closeq who=client
both v4 closeq who=server
both v4 closeq who=client bytes=500k
both v4 closeq who=server bytes=500k
any  v4 closeq who=client how=exit
any  v4 closeq who=server how=exit
both v4 shutrd who=client
both v4 shutrd who=server
END
for who in client server; do
	tort_same "abort-$who" 'read-end read write-end' v4 abort "who=$who"
	tort_same "abort-$who-with-bytes-unread" 'read-end read write-end' v4 abort "who=$who" unread=5000
	tort_same "abort-$who-of-a-waiting-reader" 'read-end read write-end' v4 abort "who=$who" how=asleep
	tort_same "abort-$who-of-a-sleeping-reader" 'read-end read write-end' v4 abort "who=$who" how=asleep block=both
done
finish
