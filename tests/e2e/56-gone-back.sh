#!/usr/bin/env bash
# Goal: a partner that goes back to a later home signs no second history of what it had
# accepted: it goes on where that has a place in the log, and where it has none it accepts
# nothing more and says so. No entry is lost, and nobody is accused.
#
# HARK_LONG=1: both; else the latter.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/$1" "${@:2}"; }
level() { [ "$(state "$1" size)" = "$(state "$2" size)" ]; }
accepted_by() { # NODE ID: does that node's intake hold mara's entry, says mara's outbox
    hark mara outbox --json |
        field "any(e['id'] == '$2' and e['state'] == 'accepted' and e['node'] == '$1' for e in d['entries'])" |
        grep -q True
}
intake() { # how many entries of its own intake one has
    git -C "$work/one/spaces/$space.git" show intake/one:checkpoint | sed -n 2p
}
innocent() { # of what a node has signed itself it may say that it signs no more
    local node
    for node in one two mara; do
        hark "$node" status --json | holds "$1: $node accuses nobody" \
            '[a for a in d["alerts"] if a["name"] not in ("intake-ended", "cosigned-another")] == []'
    done
}

# A home, two partners, a member.
found() {
    rm -rf "$work/brand" "$work/one" "$work/two" "$work/mara" "$work/recovery" "$work/spare"
    "$HARK" init "$work/spare" --name spare -q >/dev/null
    "$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner "Ada Brandt" \
        --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q \
        --recovery-key "$(hark spare key new "$work/recovery")" --recovery-threshold 1 >/dev/null
    space=$(hark brand status --json | field 'd["spaces"][0]["id"]')
    for node in one two; do
        "$HARK" init "$work/$node" --name $node --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
        hark brand partner add "$(hark $node ticket)" >/dev/null
        hark $node partner add "$(hark brand ticket)" >/dev/null
    done
    hark one partner add "$(hark two ticket)" >/dev/null
    hark two partner add "$(hark one ticket)" >/dev/null
    topic=$(hark brand topic "Lamps" -q)
    "$HARK" init "$work/mara" --name mara -q >/dev/null
    for node in brand one two; do start $node; done
    hark mara join "$(hark brand invite --json | field 'd["ticket"]')" --name Mara -q >/dev/null
    start mara
    for node in one two mara; do await 30 level $node brand; done
}

# The home and its steward are lost, and two goes on from where it is.
inherit() {
    stop one
    start two
    hark two key steward >"$work/offer"
    hark two key recover --with "$work/offer" --key "$work/recovery" >/dev/null
    await 20 hark two home move two --lost -q
    start one
}

# --- it was judged against what the heir has not: the intake ends --------------------------------
found
stop two
lamp=$(hark brand post "Which the heir has not heard of" --re "$topic" --json | entry_id)
await 30 logged_at one "$lamp"
await 30 logged_at mara "$lamp"
stop brand
first=$(hark mara post "Accepted by who has" --re "$topic" --json | entry_id)
await 30 accepted_by one "$first"
same "it is in the intake" 1 "$(intake)"
inherit
await 60 logged_at two "$first"
await 60 logged_at two "$lamp"
for node in one mara; do await 30 level $node two; done
hark one status --json | holds "it says that it accepts nothing more" \
    'any(a["name"] == "intake-ended" for a in d["alerts"])'
innocent "ended"
stop two
second=$(hark mara post "Which nobody takes for now" --re "$topic" --json | entry_id)
sleep 3
! accepted_by one "$second" || fail "a second history of an intake was signed"
start two
await 30 logged_at one "$second"
innocent "in the end"
[ -n "${HARK_LONG-}" ] || exit 0
stop one two mara

# --- what was accepted was judged against what the heir has: the intake goes on -----------------
found
stop two
stop brand
first=$(hark mara post "Accepted while the home was away" --re "$topic" --json | entry_id)
await 30 accepted_by one "$first"
start brand
await 30 logged_at one "$first"
stop brand
inherit
await 60 logged_at two "$first"
for node in one mara; do await 30 level $node two; done
same "it has its intake again" 1 "$(intake)"
stop two
second=$(hark mara post "Accepted after it went back" --re "$topic" --json | entry_id)
await 30 accepted_by one "$second"
same "and goes on with it" 2 "$(intake)"
start two
await 30 logged_at mara "$second"
innocent "goes on"
