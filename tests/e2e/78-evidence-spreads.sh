#!/usr/bin/env bash
# Goal: who signs twice is convicted without anybody looking: two devices with one key that
# write for the same place, and a home with two histories, leave a file at whoever meets both,
# and from there it goes to all partners, also to those who never saw one of the two.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/$1" "${@:2}"; }
alerted() { # NAME KIND WORDS: by status, with a file
    hark "$1" status --json | python3 -ISc 'import json, sys
d = json.load(sys.stdin)
sys.exit(0 if any(a["name"] == sys.argv[1] and sys.argv[2] in a["message"] and
                  a["file"].endswith(".evidence") for a in d["alerts"]) else 1)' "$2" "$3"
}
file_of() { # NAME KIND: the one file of that kind there
    grep -laxF -- "$2" "$work/$1/evidence/$space".*.evidence
}
mkdir "$work/empty"

# --- a home, three partners, a member with a device and a copy of it ------------------------
hark brand init "$work/brand" --name brand --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
space=$(state brand id)
for name in one two three; do
    hark $name init "$work/$name" --name $name --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
    hark brand partner add "$(hark $name ticket)" >/dev/null
    hark $name partner add "$(hark brand ticket)" >/dev/null
done
topic=$(hark brand topic "Lamps" -q)
hark mara init "$work/mara" --name mara -q >/dev/null
start brand
start mara
hark mara join "$(hark brand invite --json | field 'd["ticket"]')" --name Mara -q >/dev/null
start one
await 20 hark one show "$topic"
level() { [ "$(state "$1" state_hash)" = "$(state brand state_hash)" ]; }
await 20 level one
await 20 level mara
stop mara brand one
cp -a "$work/mara" "$work/copy"
rm "$work/copy/place" # by which it would know that it is a copy, and ask first

# --- twins: the copy hands in at a partner, the device at the home, which had not met --------
hark copy partner add "$(hark one ticket)" -q >/dev/null
said=$(hark copy post "I said no" --re "$topic" -q)
start one
start copy
accepted() { hark copy outbox --json | grep -q '"state":"accepted"'; }
await 30 accepted
stop copy one
start brand
start mara
real=$(hark mara post "I said yes" --re "$topic" -q)
await 20 logged_at brand "$real"
stop mara
compgen -G "$work/*/evidence/*" >/dev/null && fail "somebody is convicted of one entry"
start one
start two
start three
for name in brand one two three; do
    await 30 alerted $name twin "Mara"
    same "one file at $name" "$(basename "$(file_of brand twin)")" "$(basename "$(file_of $name twin)")"
done
await 20 level two
cp "$(file_of three twin)" "$work/empty/twin.evidence"
fresh verify twin.evidence --json | holds "checked with nothing else at hand" \
    'd["holds"] and d["kind"] == "twin" and d["convicts"] and d["role"] == "author" and
     d["space"] == "'"$space"'" and
     {s["entry"] for s in d["signed"]} == {"'"$said"'", "'"$real"'"}'
same "what is logged stands" "$real" "$(hark brand log --kind post --json | field 'd["id"]')"

# --- a fork: one sees the one history, two the other ------------------------------------------
stop three two one brand
cp -a "$work/brand" "$work/other"
start brand
start one
said=$(hark brand post "The lamp flickers" --re "$topic" -q)
await 20 hark one show "$said"
await 20 cosigned_all one
stop brand one
mv "$work/brand" "$work/put-away"
mv "$work/other" "$work/brand"
start brand
start two
hark brand post "All are content" --re "$topic" -q >/dev/null
said=$(hark brand post "Really" --re "$topic" -q)
await 20 hark two show "$said"
await 20 cosigned_all two
stop brand
hark two partner add "$(hark one ticket)" >/dev/null 2>&1 || true
start one
await 60 alerted two fork "node brand"
stop one

# Nobody has shown three anything of the first history; and, where there is time to be shown
# again, of the log it has nothing yet when it is shown first.
if [ -n "${HARK_LONG-}" ]; then
    rm -r "$work"/three/{spaces,index,cosigned,evidence}
    mkdir "$work"/three/{spaces,index}
fi
hark three partner add "$(hark two ticket)" >/dev/null 2>&1 || true
start three
await 60 alerted three fork "node brand"
same "the same offence under the same name" "$(basename "$(file_of two fork)")" \
    "$(basename "$(file_of three fork)")"
cp "$(file_of three fork)" "$work/empty/fork.evidence"
contains "and it convicts anywhere" "$(fresh verify fork.evidence)" "two histories"
hark three status --json | holds "of each one alert" \
    'sorted(a["name"] for a in d["alerts"] if a.get("file")) == ["fork", "twin"]'
