#!/usr/bin/env bash
# Goal: a home, a partner and a member's node, each killed at any moment under load, lose
# nothing that was acknowledged, open whole, go on, and have the same state in the end.
#
#   61-kill.sh      HARK_KILLS of them, default 12, with HARK_LONG=1 40; HARK_KILL_SEED
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
kills=12
[ -z "${HARK_LONG:-}" ] || kills=40
python3 "$(dirname "$0")/61-kill.py" "$work" "${HARK_KILLS:-$kills}"
