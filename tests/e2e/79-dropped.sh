#!/usr/bin/env bash
# Goal: whoever hands in an entry gets a receipt without asking. A home that drops what it
# has acknowledged is convicted within one sync, by a file that a fresh machine confirms; one
# whose space moved on without the entry, since it was lost, is not.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/$1" "${@:2}"; }
receipt() { # NODE ID FIELD: of what that node's outbox says of the entry's receipt
    hark "$1" outbox --json |
        field "[e['receipt']['$3'] for e in d['entries'] if e['id'] == '$2' and e['receipt']][0]"
}
evidence() { compgen -G "$work/$1/evidence/$space.*.evidence"; }
# confirmed NODE: its file holds on a machine that has nothing else, and not when altered
confirmed() {
    local file key
    file=$(evidence "$1")
    key=$(hark brand status --json | field 'd["node"]["key"]')
    rm -rf "$work/empty"
    mkdir "$work/empty"
    cp "$file" "$work/empty/fork"
    fresh verify fork --json | holds "confirmed by the file alone" "d['holds'] and
        d['kind'] == 'fork' and d['convicts'] and d['named'] and d['key'] == '$key' and
        d['space'] == '$space'"
    altered fork "(evidence)" 1 's/^\(— .* ....\)..../\1AAAA/'
}

# --- a home, a member -----------------------------------------------------------------------
"$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
space=$(hark brand status --json | field 'd["spaces"][0]["id"]')
topic=$(hark brand topic "Lamps" -q)
"$HARK" init "$work/mara" --name mara -q >/dev/null
start brand
hark mara join "$(hark brand invite --json | field 'd["ticket"]')" --name Mara -q >/dev/null
await 20 hark mara show "$topic"
hark mara sync -q >/dev/null
stop brand
cp -a "$work/brand" "$work/before"
cp -a "$work/mara" "$work/mara-before"
rm "$work/mara-before/place" # so it does not know that it is a copy, which would ask first

# --- what was handed in is acknowledged, and logged --------------------------------------------
start brand
said=$(hark mara post "The lamp flickers" --re "$topic" --json | entry_id)
hark mara sync -q >/dev/null
same "a receipt came by itself" agrees "$(receipt mara "$said" state)"
hark mara receipt "$said" >"$work/said.tlog-proof"
contains "it is one" "$(hark brand verify "$work/said.tlog-proof")" "begins with just these"
stop brand
cp -a "$work/mara" "$work/mara-logged"

# --- dropped: the home goes on from before it ----------------------------------------------------
mv "$work/brand" "$work/brand-after"
cp -a "$work/before" "$work/brand"
start brand
hark brand post "All are content" --re "$topic" -q >/dev/null
hark brand post "Really" --re "$topic" -q >/dev/null
# A node that had taken the entry from the log is shown another log.
hark mara sync -q >/dev/null 2>&1 || true
same "convicted within one sync" 1 "$(evidence mara | wc -l)"
hark mara status --json | holds "status names kind and culprit" \
    'any(a["name"] == "fork" and "node brand" in a["message"] for a in d["alerts"])'
confirmed mara
stop brand

# --- lost, which the home says ----------------------------------------------------------------------
# honest WHAT NODE: the home goes on from before it as its next incarnation; NODE takes its
# place as mara, convicts nobody, and hands the entry in again
honest() {
    rm -rf "$work/brand" "$work/mara"
    cp -a "$work/before" "$work/brand"
    cp -a "$work/$2" "$work/mara"
    hark brand home move brand --lost -q >/dev/null
    hark brand post "All are content" --re "$topic" -q >/dev/null
    start brand
    start mara
    await 30 logged_at brand "$said"
    await 20 logged_at mara "$said"
    hark mara sync -q >/dev/null
    hark mara status --json | holds "$1: nobody is accused" 'd["alerts"] == []'
    [ -z "$(evidence mara)" ] || fail "$1: evidence against an honest home"
    same "$1: the new log's receipt" agrees "$(receipt mara "$said" state)"
    contains "$1: the old one is lost" \
        "$(hark mara verify "$work/said.tlog-proof" 2>&1 || true)" "which is no fork"
    stop mara
    stop brand
}
honest "it was logged" mara-logged

# --- dropped before anybody has copied it ----------------------------------------------------------
[ -z "${HARK_SANITIZE-}" ] || exit 0 # their runtime wants to be the first library
: "${CLOCK:?the library that shifts the clock}"
# A home whose clock is ahead: it acknowledges, and the member takes none of its batches yet.
mv "$work/brand" "$work/brand-other"
mv "$work/mara" "$work/mara-other"
mv "$work/mara-before" "$work/mara"
cp -a "$work/before" "$work/brand"
shift_to brand 3600000
by_clock brand start brand
said=$(hark mara post "The lamp flickers still" --re "$topic" --json | entry_id)
hark mara sync -q >/dev/null 2>&1 || true
same "acknowledged only" accepted "$(hark mara outbox --json | field 'd["entries"][-1]["state"]')"
same "with a receipt" "open main" "$(receipt mara "$said" state) $(receipt mara "$said" log)"
hark mara receipt "$said" >"$work/said.tlog-proof"
contains "which says so" "$(hark mara verify "$work/said.tlog-proof")" "does not reach that far"
stop brand
mv "$work/brand" "$work/brand-after"
cp -a "$work/before" "$work/brand"
cp -a "$work/mara" "$work/mara-holds"
start brand
other=$(hark brand post "All are content" --re "$topic" -q)
hark mara sync -q >/dev/null
logged_at mara "$other" || fail "the log did not grow past it"
same "convicted within one sync" 1 "$(evidence mara | wc -l)"
same "the receipt is known as that" fork "$(receipt mara "$said" state)"
confirmed mara
hark mara sync -q >/dev/null
logged_at brand "$said" || fail "it is not handed in again"
echo "ok: it was handed in again"
stop brand
honest "it was acknowledged" mara-holds
