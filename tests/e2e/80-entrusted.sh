#!/usr/bin/env bash
# Goal: an entrusted group: its home reads it as a member whom everybody sees, so that it
# searches and counts; nobody makes a node its home that reads as nobody, and who takes the
# member's key away is told what that means.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hub_port=$(free_port)
grey_port=$(free_port)
"$HARK" init "$work/hub" --name hub --listen "tcp://127.0.0.1:$hub_port" >/dev/null
"$HARK" init "$work/grey" --name grey --listen "tcp://127.0.0.1:$grey_port" >/dev/null
at() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }
hark() { at "$@"; }

refused "--mode is" 2 at grey group new "X" --purpose "Y" --mode secret
refused "open group" 2 at grey group new "X" --purpose "Y" --mode open --history all
open=$(at grey group new "Allotments" --purpose "Who digs where" --mode open --name Grey -q)
same "an open group" open "$(at grey -s "$open" status --json | field 'd["spaces"][0]["mode"]')"
refused "entrusted group" 2 at grey -s "$open" home move grey --lost --holder Grey

group=$(at grey group new "Grey's Girls" --purpose "Zwetschgendatschi for everybody" --mode entrusted --name Grey -q)
in_group() { local dir=$1; shift; "$HARK" -C "$work/$dir" -s "$group" "$@"; }
same "its mode" entrusted "$(in_group grey group ls --json | field 'd["mode"]')"
same "its mode in status" entrusted "$(in_group grey status --json | field 'd["spaces"][0]["mode"]')"
contains "the founder's node reads it" "$(in_group grey group check)" "the home reads it, as member 0"

start hub
start grey
in_group grey partner add "$(at hub ticket)" >/dev/null
in_group hub partner add "$(at grey ticket)" >/dev/null
size_at() { in_group "$1" status --json | field "d['spaces'][0]['size']"; }
level() { [ "$(size_at grey)" = "$(size_at hub)" ]; }
await 20 level
idea=$(in_group grey idea "Quittengelee for all" -q 2>/dev/null)
in_group grey vote "$idea" agree -q >/dev/null 2>&1
refused "which member" 2 in_group grey home move hub
refused "not-found" 1 in_group grey home move hub --holder Nobody

# --- the hub's person joins as everybody does ---------------------------------------------
ticket=$(in_group grey invite -q 2>/dev/null)
in_group hub group check >"$work/before" 2>&1 && fail "the hub has a key before it was given one"
stop hub
at hub join "$ticket" --name Hub -q >/dev/null 2>&1 || fail "the hub's person did not join"
start hub
knows() { in_group grey member ls | grep -q Hub; }
await 20 knows
in_group grey home move hub --holder Hub >/dev/null 2>&1 || fail "the home did not move"
at_hub() { [ "$(in_group "$1" home show --json | field 'd["home"]["name"]')" = hub ]; }
await 20 at_hub grey
await 20 at_hub hub
reads() { in_group "$1" group check | grep -q "the home reads it, as member 1"; }
await 20 reads hub
await 20 reads grey
echo "ok: the home is a member's node, and everybody sees whose"

# --- it searches and counts ----------------------------------------------------------------
idea=$(in_group grey idea "Bratapfelduft in the hall" -q 2>/dev/null)
in_group grey vote "$idea" agree -q >/dev/null 2>&1
found() { in_group hub search Bratapfelduft | grep -q Bratapfelduft; }
await 20 found
counted() { [ "$(in_group hub tally "$idea" --json | field 'd["counts"]["agree"]')" = 1 ]; }
await 20 counted
echo "ok: the home searches and counts"

# --- without its key -------------------------------------------------------------------------
in_group grey member remove Hub >/dev/null 2>&1 || fail "the hub's member was not removed"
lacking() {
    in_group "$1" group check >"$work/check" 2>&1 && return 1
    grep -q "the home cannot read it" "$work/check"
}
await 20 lacking grey
await 20 lacking hub
contains "an alert says so" "$(in_group grey status --json)" group-home
echo "ok: a home that lost its key is named"
