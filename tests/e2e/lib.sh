# shellcheck shell=bash
# What the end-to-end tests share: a working directory, nodes that are started
# and ended by their process id, checks that say what failed. Sourced after
# `set -euo pipefail`.

: "${HARK:?the built program hark}" "${HARKD:?the built program harkd}"

# Short, because a local socket's path may have 107 bytes only.
work=${HARK_E2E_WORK:-$(mktemp -d /tmp/hark-e2e.XXXXXX)}
patience=${HARK_PATIENCE:-1} # times as long: tests/CMakeLists.txt
daemons=()

stop_daemons() {
    local pid
    for pid in "${daemons[@]-}"; do
        if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi
    done
    for pid in "${daemons[@]-}"; do
        if [ -n "$pid" ]; then wait "$pid" 2>/dev/null || true; fi
    done
    daemons=()
}

finish() {
    local code=$?
    stop_daemons
    if [ "$code" -ne 0 ] && [ "$code" -ne 77 ]; then
        echo "--- failed (exit $code); the nodes' messages:"
        tail -n 20 "$work"/*.log 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

# same WHAT A B: both are equal and not empty
same() {
    [ -n "$2" ] || fail "$1: empty"
    [ "$2" = "$3" ] || fail "$1: '$2' is not '$3'"
    echo "ok: $1"
}

# refused NAME EXIT COMMAND...: it fails with that error name and exit code
refused() {
    local name=$1 exit_code=$2 code=0 said
    shift 2
    said=$("$@" 2>&1 >/dev/null) || code=$?
    [ "$code" = "$exit_code" ] || fail "$* ended with $code, not $exit_code: $said"
    case "$said" in
    *"$name"*) echo "ok: refused, $name" ;;
    *) fail "$* did not say $name: $said" ;;
    esac
}

# A port that is this script's until it ends.
free_port() {
    python3 "$(dirname "${BASH_SOURCE[0]}")/../support/ports.py" $$
}

# start NAME: harkd over $work/NAME, waiting until it listens
start() {
    local name=$1 i
    "$HARKD" -d -C "$work/$name" 2>>"$work/$name.log" &
    daemons+=($!)
    for i in $(seq $((200 * patience))); do
        [ -S "$work/$name/sock" ] && return 0
        kill -0 "${daemons[-1]}" 2>/dev/null || fail "$name's daemon ended: $(cat "$work/$name.log")"
        sleep 0.05
    done
    fail "$name's daemon did not start after $i tries"
}

# stop NODE...: ends their daemons and waits until they are gone. By the test's own
# hark NODE VERB... `signal=KILL stop NODE` gives them no time to end.
stop() {
    local name pid
    for name in "$@"; do
        pid=$(field 'd["node"]["pid"]' < <(hark "$name" status --json))
        kill "-${signal:-TERM}" "$pid"
        wait "$pid" 2>/dev/null || true
        rm -f "$work/$name/sock"
    done
}

# await SECONDS COMMAND...: tries again until it succeeds; more of them where a sanitizer
# makes everything slow
await() {
    local most=$(($1 * patience)) i
    shift
    for ((i = 0; i < most * 10; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    fail "not within $most s: $*"
}

# field FILE-OR-- EXPRESSION: a value out of JSON on standard input, where the
# document is called d
field() {
    python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

# entry_id: the id printed by a writing verb called with --json
entry_id() {
    field 'd["id"]'
}

# logged_at NODE ID: does the log there hold it? By the test's own hark NODE VERB...
logged_at() {
    [ "$(hark "$1" show "$2" --json | field 'type(d["entry"]["position"]).__name__')" = int ]
}

# state NODE FIELD: of its only space. By the test's own hark NODE VERB...
state() { hark "$1" status --json | field "d['spaces'][0]['$2']"; }

# sound REPOSITORY [OPTION...]: git fsck finds nothing. It takes no lock: what a daemon writes
# or merges while it looks can seem to be missing, so it looks again; what really is
# missing is so each time.
sound() {
    local i
    for i in 1 2 3; do
        if git -C "$1" fsck --strict --no-progress "${@:2}" >"$work/fsck" 2>&1 &&
            [ ! -s "$work/fsck" ]; then return 0; fi
        sleep "$i"
    done
    fail "git fsck in $1: $(cat "$work/fsck")"
}

# contains WHAT TEXT PART
contains() {
    case "$2" in
    *"$3"*) echo "ok: $1" ;;
    *) fail "$1: no '$3' in: $2" ;;
    esac
}

# holds WHAT EXPRESSION: true of the JSON document on standard input, called d
holds() {
    python3 -ISc 'import json, sys
d = json.load(sys.stdin)
sys.exit(0 if eval("(" + sys.argv[1] + ")") else json.dumps(d))' "$2" || fail "$1"
    echo "ok: $1"
}

# --- clocks -----------------------------------------------------------------------------

# needs_shifted_clocks: skips the test where there are none
needs_shifted_clocks() {
    [ -z "${HARK_SANITIZE-}" ] || skip "the sanitizers' runtime wants to be the first library"
    : "${CLOCK:?the library that shifts the clock}"
}

# shift_to CLOCK MS: sets that clock, by so much from the machine's
shift_to() {
    python3 -c 'import os, struct, sys
with open(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600), "r+b") as f:
    f.write(struct.pack("=q", int(sys.argv[2])))' "$work/$1.shift" "$2"
}

# by_clock CLOCK COMMAND...: with that clock, which shift_to has set before
by_clock() { LD_PRELOAD="$CLOCK" CLOCK_SHIFT="$work/$1.shift" "${@:2}"; }

# --- evidence ---------------------------------------------------------------------------

# cosigned NODE LOG SIZE: has it cosigned that much of that log? Of the test's own $space.
# shellcheck disable=SC2154
cosigned() {
    local note
    note=$(cat "$work/$1/cosigned/$space/$2."* 2>/dev/null) || return 1
    grep -q "^— $1 " <<<"$note" && grep -qx "$3" <<<"$note"
}

# cosigned_all NODE: has it cosigned all that it has?
cosigned_all() { cosigned "$1" main "$(state "$1" size)"; }

# fresh VERB...: hark on a machine that has nothing but $work/empty
fresh() { (cd "$work/empty" && HOME=/nonexistent HARK_DIR=/nonexistent "$HARK" "$@"); }

# altered FILE NAME EXIT SCRIPT: after sed, $work/empty/FILE is refused as that
altered() {
    LC_ALL=C sed "$4" "$work/empty/$1" >"$work/empty/altered"
    cmp -s "$work/empty/$1" "$work/empty/altered" && fail "nothing is altered: $4"
    refused "$2" "$3" fresh verify altered
}
