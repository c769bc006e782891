#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# --splice=all under torture: sockets that block are spliced, too.  Each byte arrives, once, in its
# place; what their reads have to bear is EAGAIN, which is counted, and nothing else.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/tort.sh
. "$TOP/tests/lib/tort.sh"

start_agent
tort_all splice-all

tort_cases << 'END'
up   v4 rr rounds=60 block=both
both v4 rr rounds=2000 size=20000 block=both
both v4 rr rounds=500 size=20000 block=client
both v4 rr rounds=500 size=20000 block=server
both v4 rr rounds=500 size=20000
up   v4 stream dir=up bytes=16m block=both
any  v4 stream dir=down bytes=16m block=both
any  v4 stream dir=duplex bytes=8m block=both
up   v4 stream dir=up bytes=8m size=16k ack=65536 block=both
up   v4 stream dir=up bytes=200k late=1 block=both
up   v4 stall dir=up block=both
down v4 stall dir=down block=both
up   v4 mute block=both
any  v4 greet dir=down block=both
both v4 peek block=both
both v4 inq block=both dir=down
both v4 timeo dir=up
both v4 timeo dir=down
both v4 waitall
up   v4 signal
any  v4 prerecv how=recv who=client block=both
any  v4 prerecv how=recv who=server block=both
any  v4 prerecv how=poll who=server block=both
both v4 half who=client block=both
both v4 half who=server bytes=30000 conns=16 block=both
both v4 closeq who=client bytes=500k block=both
both v4 closeq who=server block=both
both v4 shutrd who=client block=both
any  v4 api dir=duplex block=both
both v4 zero block=both
both v4 cork block=both
both v4 fork block=both
both v4 dup block=both
any  v4 records block=both
both v4 opt opt=rcvbuf when=after who=client block=both
both v4 opt opt=lowat when=after who=server block=both
both v4 short rounds=10000 block=both
both v6 rr rounds=500 size=20000 block=both
both v6 short rounds=2000 block=both
any  v6 prerecv how=recv who=server block=both
both mapped half who=client block=both
both mapped short rounds=2000 block=both
END
for who in client server; do
	tort_same "abort-$who" 'read-end read write-end' v4 abort "who=$who" block=both
	tort_same "abort-$who-of-a-sleeping-reader" 'read-end read write-end' v4 abort "who=$who" how=asleep block=both
done
# The difference there is: a signal ends a read that sleeps.
match signals-are-seen ' again=[1-9]' tort_run v4 signal
finish
