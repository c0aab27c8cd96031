#!/usr/bin/env bash
# Goal: a receipt comes by itself from whoever took the entry in, first of a partner's intake
# while the home is away, then of the home's log.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/$1" "${@:2}"; }
receipt() { # NODE ID FIELD: of what that node's outbox says of the entry's receipt
    hark "$1" outbox --json |
        field "[e['receipt']['$3'] for e in d['entries'] if e['id'] == '$2' and e['receipt']][0]"
}
is_of() { [ "$(receipt mara "$1" log)" = "$2" ]; }

"$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
"$HARK" init "$work/kiosk" --name kiosk --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
hark brand partner add "$(hark kiosk ticket)" >/dev/null
hark kiosk partner add "$(hark brand ticket)" >/dev/null
topic=$(hark brand topic "Lamps" -q)
start brand
start kiosk
await 20 hark kiosk show "$topic"
hark mara join "$(hark brand invite --json | field 'd["ticket"]')" --name Mara -q >/dev/null
start mara
await 20 hark mara show "$topic"

# --- the home is away --------------------------------------------------------------------
kill "${daemons[0]}"
wait "${daemons[0]}" || fail "the home's daemon ended with $?"
said=$(hark mara post "The lamp flickers" --re "$topic" --json | entry_id)
await 30 is_of "$said" intake
same "of who took it" "kiosk open None" \
    "$(receipt mara "$said" node) $(receipt mara "$said" state) $(receipt mara "$said" error)"
hark mara receipt "$said" >"$work/accepted.tlog-proof"
contains "it says when" "$(hark kiosk verify "$work/accepted.tlog-proof")" \
    "node kiosk signed that it accepted it"
hark mara status --json | holds "nothing is wrong" 'd["alerts"] == []'

# --- and back ------------------------------------------------------------------------------
start brand
await 30 logged_at brand "$said"
await 30 is_of "$said" main
same "as the log here has it" agrees "$(receipt mara "$said" state)"
hark mara receipt "$said" >"$work/logged.tlog-proof"
contains "it stands in the log" "$(hark brand verify "$work/logged.tlog-proof")" \
    "begins with just these entries"
contains "where the first said" "$(hark brand verify "$work/accepted.tlog-proof")" \
    "It is in the space's log"
hark mara status --json | holds "nothing is wrong in the end" 'd["alerts"] == []'
