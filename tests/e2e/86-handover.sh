#!/usr/bin/env bash
# Goal: who founded a private group hands it over to another member's node: that lets people
# in and out from then on, with fresh keys of its own, and the founder can be removed like
# anybody else. Its home is a third node, without keys.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

declare -A port
for node in host grey mara; do
    port[$node]=$(free_port)
    "$HARK" init "$work/$node" --name "$node" --listen "tcp://127.0.0.1:${port[$node]}" >/dev/null
done
at() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }

group=$(at grey group new "Grey's Girls" --purpose "Zwetschgendatschi for everybody" --name Grey -q)
in_group() { local dir=$1; shift; "$HARK" -C "$work/$dir" -s "$group" "$@"; }
for node in host grey; do start "$node"; done
in_group grey partner add "$(at host ticket)" >/dev/null
in_group host partner add "$(at grey ticket)" >/dev/null
size_at() { in_group "$1" status --json | field "d['spaces'][0]['size']"; }
level() { [ "$(size_at grey)" = "$(size_at "$1")" ]; }
await 20 level host

# --- two join; one of them is to go on with it ---------------------------------------------
ticket=$(in_group grey invite --uses 3 -q 2>/dev/null)
at mara join "$ticket" --name Mara -q >/dev/null 2>&1 || fail "Mara did not join"
at jo join "$ticket" --name Jo -q >/dev/null 2>&1 || fail "Jo did not join"
start mara
start jo
in_group grey partner add "$(at mara ticket)" >/dev/null
for node in host mara jo; do await 20 level "$node"; done
idea=$(in_group grey idea "Quittengelee for all" -q 2>/dev/null)
logged() { in_group "$1" show "$2" --json 2>/dev/null | field 'd["entry"]["position"] is not None' | grep -q True; }
for node in mara jo; do await 20 logged "$node" "$idea"; done
refused usage 2 in_group grey group leave
echo "ok: who lets people in and out does not just leave"

# --- handed over ---------------------------------------------------------------------------
refused exists 2 in_group grey key steward
refused epoch-unknown 3 in_group host key steward
role=$(in_group grey member role Mara staff -q)
for node in mara jo; do await 20 logged "$node" "$role"; done
in_group mara key steward >"$work/offer"
refused accept-not-here 3 in_group mara invite
refused void-role 3 in_group jo key handover "$work/offer"
sed 's/"box": *"../"box":"00/' "$work/offer" >"$work/bent"
! in_group grey key handover "$work/bent" >/dev/null 2>&1 || fail "a bent offer was taken"
handover=$(in_group grey key handover "$work/offer" -q)
for node in mara jo host; do await 20 logged "$node" "$handover"; done
echo "ok: handed over"
refused accept-not-here 3 in_group grey invite
refused accept-not-here 3 in_group grey member remove 2

# --- the new steward's node does all of it -----------------------------------------------------
ticket=$(in_group mara invite --uses 2 -q 2>/dev/null)
at eve join "$ticket" --name Eve -q >/dev/null 2>&1 || fail "Eve did not join at the new steward's node"
start eve
founder=$(in_group mara member ls --json | head -n 1 | field 'd["member"]')
removal=$(in_group mara member remove "$founder" -q)
for node in grey jo eve; do await 20 logged "$node" "$removal"; done
secret=$(in_group eve post "Maronensuppe without Grey" --re "$idea" -q 2>/dev/null ||
    in_group eve idea "Maronensuppe without Grey" -q 2>/dev/null)
for node in mara jo grey; do await 20 logged "$node" "$secret"; done
contains "who remains reads it" "$(in_group jo search Maronensuppe)" Maronensuppe
in_group grey search Maronensuppe | grep -q . && fail "the founder reads on"
echo "ok: the founder, removed, does not"

# --- one leaves, and the new steward's node answers; then it closes the group ---------------------
epochs() { in_group host log --kind epoch --json | wc -l; }
before=$(epochs)
in_group jo group leave >/dev/null 2>&1
renewed() { [ "$(epochs)" -gt "$before" ]; }
await 20 renewed
holds "all keys are as they should be" 'd["holds"] and not d["findings"]' < <(in_group mara group check --json)
in_group mara group close -q >/dev/null
closed() { in_group eve group ls --json | field 'd["closed"]' | grep -q True; }
await 20 closed
! in_group eve idea "Too late" -q >/dev/null 2>&1 || fail "something was said after the group was closed"
echo "ok: closed"
stop_daemons
sound "$work/host/spaces/$group.git"
