#!/usr/bin/env bash
# Goal: a clock that jumps, forwards and back, stops nobody for longer than the clock is
# wrong: what is due in a while comes in a while, arrivals never decrease, what is ahead
# of its reader's clock is named and waits, nothing is lost and all agree in the end.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs_shifted_clocks

hour=3600000
# Each has a clock of its own.
hark() { by_clock "$1" "$HARK" -C "$work/$1" "${@:2}"; }

# go NODE: its daemon; its process id is in $pid
go() {
    by_clock "$1" start "$1"
    pid=${daemons[-1]}
}

peer_is() { hark "$1" status --json | grep -q "\"state\":\"$2\""; }
says() { hark "$1" status | grep -q "$2"; }
level() { [ "$(state home state_hash)" = "$(state member state_hash)" ]; }

for node in home member; do shift_to $node 0; done
hark home init "$work/home" --name home --objective "Which lamp?" --owner Ada --until 2030-01-01 \
    --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
hark member init "$work/member" --name member >/dev/null
go home
home_pid=$pid
go member
hark member join "$(hark home invite --json | field 'd["ticket"]')" --name Mara -q >/dev/null

# --- a clock that was ahead while nobody could be reached -----------------------------------
shift_to member $hour
kill "$home_pid"
wait "$home_pid" || fail "the home's daemon ended with $?"
await 20 peer_is member connecting
shift_to member 0
go home
first=$(hark home idea "The clock is right again" --json | entry_id)
await 20 logged_at member "$first"
await 20 peer_is member live
second=$(hark member idea "Here, too" --json | entry_id)
await 20 logged_at home "$second"
echo "ok: who was ahead does not wait until then"

# --- a home whose clock goes back -------------------------------------------------------------
shift_to home -$hour
third=$(hark home idea "An hour earlier" --json | entry_id)
await 20 logged_at member "$third"
hark member log --json | python3 -c '
import json, sys
rows = [json.loads(l) for l in sys.stdin]
arrivals = [r["arrival"] for r in rows]
assert arrivals == sorted(arrivals), arrivals
assert all(r["void"] is None for r in rows), rows'
shift_to home 0
echo "ok: arrivals never decrease, and what is written stands"

# --- a home whose clock is ahead ----------------------------------------------------------------
shift_to home $hour
fourth=$(hark home idea "From the future" --json | entry_id)
await 20 says member "ahead of ours"
if hark member show "$fourth" >/dev/null 2>&1; then fail "a batch from the future was taken"; fi
shift_to home 0
fifth=$(hark home idea "Right again, after the future" --json | entry_id)
hark member verify -q || fail "verify at the member's"
refused batch-ahead 3 hark home verify -q
echo "ok: what is ahead waits, and the status says so"

# --- ... until it is no more ----------------------------------------------------------------------
shift_to member $((hour - 200000))
shift_to home $((hour - 200000))
hark member sync --wait --timeout 60 >/dev/null
for entry in "$fourth" "$fifth"; do await 40 logged_at member "$entry"; done
sixth=$(hark member idea "And on it goes" --json | entry_id)
await 20 logged_at home "$sixth"
await 20 level
for node in home member; do hark $node verify -q || fail "verify at $node"; done
echo "ok: all agree"
