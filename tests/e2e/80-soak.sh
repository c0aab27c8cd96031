#!/usr/bin/env bash
# Goal: twenty nodes, people writing at all of them, three killed and started again:
# in the end the same state everywhere, nothing lost, and no daemon that grew or died.
#
#   80-soak.sh [SECONDS]     of writing; default $HARK_SOAK_SECONDS, else 600
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
python3 "$(dirname "$0")/80-soak.py" "$work" "${1:-${HARK_SOAK_SECONDS:-600}}"
