#!/usr/bin/env bash
# Measures, and prints a table: what, ours, the yardstick measured in the same run,
# their ratio, the aim, met or not.
#
#   tests/bench/run.sh [ROW...]     all rows, or only those (see `run.sh help`)
#
# HARK_BUILD_DIR     the build to measure (default: build)
# HARK_BENCH_SCALE   1: a tenth of the aims' sizes or so, ten minutes on two cores
#                    (default); 10: the aims' own sizes, twenty; 0.1: a glance; 50: the
#                    row `vote` with five million (an hour, 10 GB)
# HARK_BENCH_DIR     where it writes (default: a directory under TMPDIR; say one on the
#                    disk that matters)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export HARK_BUILD_DIR=${HARK_BUILD_DIR:-$here/../../build}
[ -x "$HARK_BUILD_DIR/tests/bench/bench_write" ] || {
    echo "there is no build in $HARK_BUILD_DIR: cmake --preset release && cmake --build build" >&2
    exit 2
}
exec python3 "$here/run.py" "$@"
