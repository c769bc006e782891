#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# tests/e2e/memcached_stale.sh with 100,000 writes of all kinds, and 100,000 sets by one writer and by two.
set -u
WRITES=${WRITES:-100000} SET=${SET:-100000} exec bash "$(dirname "$0")/../e2e/memcached_stale.sh"
