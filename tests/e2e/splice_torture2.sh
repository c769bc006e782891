#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Spliced connections under torture: every call that sends, options set early and late, sockets that
# processes and threads share, short connections, and the other families.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/tort.sh
. "$TOP/tests/lib/tort.sh"

start_agent
tort_all "${WAY:-splice}"

# ---- sends ----
tort_cases << 'END'
up   v4 api dir=up
any  v4 api dir=down
any  v4 api dir=duplex
both v4 zero dir=up
both v4 zero dir=down
both v4 cork
both v4 cork nagle=1
block v4 api dir=duplex block=both
END

# ---- one socket, many users ----
tort_cases << 'END'
both v4 fork
both v4 fork how=keep
both v4 dup
block v4 fork block=both
block v4 records block=both
any  v4 records dir=up
any  v4 records dir=down size=4000
any  v4 records dir=up size=64 threads=8 bytes=1m
END

# ---- options: before the handshake, before the first byte, after some ----
tort_cases << 'END'
none v4 opt opt=rcvbuf when=before who=client
none v4 opt opt=rcvbuf when=before who=server
any  v4 opt opt=rcvbuf when=first who=client
any  v4 opt opt=rcvbuf when=first who=server
both v4 opt opt=rcvbuf when=after who=client
both v4 opt opt=rcvbuf when=after who=server
both v4 opt opt=sndbuf when=before who=client
both v4 opt opt=sndbuf when=first who=server
none v4 opt opt=lowat when=before who=server
any  v4 opt opt=lowat when=first who=client
both v4 opt opt=lowat when=after who=client
both v4 opt opt=lowat when=after who=server
none v4 opt opt=oobinline when=before who=client
any  v4 opt opt=oobinline when=first who=server
both v4 opt opt=oobinline when=after who=client
none v4 opt opt=timestamp when=before who=client
any  v4 opt opt=timestampns when=first who=server
both v4 opt opt=timestamp when=after who=server
none v4 opt opt=zerocopy when=before who=client
any  v4 opt opt=zerocopy when=first who=client  # refused: see below
both v4 opt opt=zerocopy when=after who=server
both v4 opt opt=notsent when=first
both v4 opt opt=clamp when=first
both v4 opt opt=maxseg when=before
both v4 opt opt=keepalive when=first
both v4 opt opt=usertimeout when=after
both v4 opt opt=keepidle when=first            # what a program set stays as it is
both v4 opt opt=keepidle when=after who=server
both v4 opt opt=busypoll when=first
both v4 ulp who=client
both v4 ulp who=server
END
if [ "$WAY" = splice ]; then
	match zerocopy-refused 'set=EOPNOTSUPP' tort_run v4 opt opt=zerocopy when=after who=client
	match ulp-refused 'set=ENOENT' tort_run v4 ulp
fi

# ---- 20,000 connections, two writes each, before anybody accepted them ----
tort_cases << 'END'
both v4 short rounds=20000
both v4 short rounds=5000 size=40000 threads=8
END

# ---- other families ----
tort_cases << 'END'
both v6     rr rounds=500 size=20000
both mapped rr rounds=500 size=20000
both dual   rr rounds=500 size=20000
any  v6     stream dir=duplex bytes=4m
up   mapped stream dir=poll bytes=4m
any  dual   stream dir=duplex bytes=4m
up   v6     stall dir=up
down mapped stall dir=down
up   v6     mute
both mapped half who=server
both v6     half who=client
both v6     closeq who=server
both mapped closeq who=client bytes=300k
both v6     peek dir=down
both mapped inq dir=up
both v6     wait how=et dir=down
up   v6     wait how=etshort size=2m bytes=24m
up   v6     wait how=etshort burst=440k bytes=1m conns=16 pause=20000 size=600k
block v6     half who=client block=both
block mapped stream dir=duplex block=both
both v6     nbconnect who=client
any  mapped nbconnect who=server
any  v6     prerecv how=poll who=client
block v6     prerecv how=recv who=client block=both
any  mapped prerecv how=epoll who=server
any  v6     greet dir=down how=poll
any  v6     api dir=duplex
both v6     fork
both v6     opt opt=rcvbuf when=after who=client
none mapped opt opt=rcvbuf when=before who=server
both v6     short rounds=3000
both mapped short rounds=3000
both dual   short rounds=3000
END
tort_same abort-v6 'read-end read write-end' v6 abort who=client
tort_same abort-mapped 'read-end read write-end' mapped abort who=server
finish
