#!/usr/bin/env bash
# Goal: a member's node that is put back from an old copy does not go on with its people's
# feeds from there, which would make twins of what they had written since: it writes nothing
# before it has compared its log with another node's, and goes on after what that has.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/$1" "${@:2}"; }
level() { [ "$(state mara size)" = "$(state brand size)" ]; }
seq_of() { hark "$1" show "$2" --json | field 'd["entry"]["seq"]'; }

hark brand init "$work/brand" --name brand --objective "Which lamp?" --owner Ada \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
topic=$(hark brand topic "Lamps" -q)
start brand
"$HARK" init "$work/mara" --name mara -q >/dev/null
hark mara join "$(hark brand invite --json | field 'd["ticket"]')" --name Mara -q >/dev/null
hark mara sync -q
hark mara post "Before the copy" --re "$topic" -q >/dev/null
hark mara sync -q
cp -a "$work/mara" "$work/old"
lost=$(hark mara post "After the copy" --re "$topic" --json | entry_id)
hark mara sync -q
await 20 logged_at brand "$lost"
rm -r "$work/mara"
cp -a "$work/old" "$work/mara"

refused behind 4 hark mara post "From the old copy" --re "$topic"
stop_daemons
hark mara sync -q --timeout 3 2>/dev/null || true
refused behind 4 hark mara post "Still alone" --re "$topic"
start brand
await 20 hark mara sync -q
logged_at mara "$lost" || fail "what was written after the copy is not back"
next=$(hark mara post "After what had been written" --re "$topic" --json | entry_id)
hark mara sync -q
await 20 logged_at brand "$next"
same "the feed goes on" "$(($(seq_of brand "$lost") + 1))" "$(seq_of brand "$next")"
same "no twins" "[]" "$(hark brand status --json | field 'd["alerts"]')"

# A daemon does all that by itself.
rm -r "$work/mara"
cp -a "$work/old" "$work/mara"
start mara
await 30 level
last=$(hark mara post "By a daemon that was put back" --re "$topic" --json | entry_id)
await 30 logged_at brand "$last"
same "and goes on" "$(($(seq_of brand "$next") + 1))" "$(seq_of brand "$last")"
same "still no twins" "[]" "$(hark brand status --json | field 'd["alerts"]')"
