#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The larger walks of the cache's token protocol: every interleaving is linearizable.
set -u
BUILD=${BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}
exec "$BUILD/tests/mc_walk"
