#!/usr/bin/env bash
# Everything a change has to pass, in under five minutes, on a fresh Debian 12:
# installs what is missing, builds in build/, runs all tests. Further arguments
# go to ctest: ./tests/run.sh -R unit.merkle
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(nproc)
log=$(mktemp "${TMPDIR:-/tmp}/hark-run.XXXXXX")
trap 'rm -f "$log"' EXIT

examples/install-deps.sh test
cmake --preset release -DHARK_WERROR="${CI:+ON}" >"$log" || {
    cat "$log"
    exit 1
}
cmake --build build -j "$jobs"
# A disk that is still busy with the build would keep every fsync of the tests waiting.
sync

status=0
# Two more than there are cores: tests of many nodes mostly wait.
ctest --test-dir build -j "$((jobs + 2))" --output-on-failure --no-label-summary --no-tests=error "$@" \
    </dev/null 2>&1 | tee "$log" || status=$?

# Say last what matters most, below any list of skipped tests.
grep 'tests passed' "$log" || true
exit "$status"
