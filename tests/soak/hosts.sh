#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A host cut off from the others for SECS seconds (600), then two that do not hear each other.
SECS=${SECS:-600}
export SECS
exec bash "$(dirname "$0")/../e2e/hosts_partition.sh"
