#!/usr/bin/env bash
# Goal: a member writes where no other node can be reached: it is signed once, kept whatever
# happens to the process, shown and counted as what it is, and nothing of it is in the log.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

brand() { "$HARK" -C "$work/brand" "$@"; }
mara() { "$HARK" -C "$work/mara" "$@"; }

"$HARK" init "$work/brand" --name brand --title Lamps --objective "Which lamp?" --owner Ada \
    --until 2030-01-01 >/dev/null
for name in Mara Jo; do
    brand join "$(brand invite -q)" --name $name -q >/dev/null 2>&1
done
topic=$(brand topic Lamps --json | entry_id)
idea=$(brand idea "Paper lamps" --re "$topic" --json | entry_id)
brand --as Jo vote "$idea" disagree -q >/dev/null
space=$(brand status --json | field 'd["spaces"][0]["id"]')

# Mara's own node, with a copy of the space and her key, and nobody to talk to.
"$HARK" init "$work/mara" --name mara >/dev/null
cp -r "$work/brand/spaces/$space.git" "$work/mara/spaces/"
cp "$work/brand/keys/people/Mara" "$work/mara/keys/people/"
state() { mara status --json | field 'd["spaces"][0]["'"$1"'"]'; }
same "the copy's state" "$(brand status --json | field 'd["spaces"][0]["state_hash"]')" \
    "$(state state_hash)"
size=$(state size)
hash=$(state state_hash)

# --- writing -----------------------------------------------------------------------
mara idea "Glass lamps" --re "$topic" --json >"$work/mine"
holds "an idea in flight" 'd["in_flight"] is True and d["position"] is None and d["kind"] == "idea"' \
    <"$work/mine"
mine=$(entry_id <"$work/mine")
contains "in words" "$(mara post "They break" --re "$mine")" "in flight"
reply=$(mara reply "Not these" --re "${mine:0:10}" -q)
mara vote "$mine" agree -q >/dev/null
contains "told before the first vote" "$(mara vote "$idea" agree 2>&1)" "in flight"
mara vote "$idea" pass -q >/dev/null
mara revise "Glass lamps, thick" --re "$mine" -q >/dev/null

# What would be void is not signed.
refused void-re-kind 3 mara vote "$topic" agree
refused void-role 3 mara respond "$idea" "We like it"
refused not-found 1 mara post "about nothing" --re 0123456789abcdef
refused void-re-own 3 mara revise "Other words" --re "$idea"
refused accept-not-here 3 mara import polis "$work"
mara outbox --json >"$work/outbox"
holds "the outbox" 'd["format"] == "hark/outbox/1" and
    [e["kind"] for e in d["entries"]] == ["idea", "post", "post", "vote", "vote", "vote", "revision"]
    and all(e["state"] == "pending" and e["error"] is None and e["node"] is None and
            e["position"] is None and e["space"] == "'"$space"'" for e in d["entries"])' <"$work/outbox"
mara status --json | holds "status" 'd["outbox"] == {"pending": 7, "accepted": 0, "refused": 0} and
    d["alerts"] == []'
contains "status for people" "$(mara status)" "7 pending"
refused not-found 1 mara outbox log "$mine"
refused behind 4 mara receipt "$mine"

# --- seeing ------------------------------------------------------------------------
same "the log's size" "$size" "$(state size)"
same "the state" "$hash" "$(state state_hash)"
same "the log in JSON" "$size" "$(mara log --json | wc -l)"
same "the log with what is in flight" $((size + 7)) "$(mara log --json --in-flight | wc -l)"
mara log --json --in-flight | tail -n 1 | holds "the last in flight" \
    'd["position"] is None and d["arrival"] is None and d["in_flight"] and
     d["accepted_by"] is None and d["kind"] == "revision" and d["author"]["name"] == "Mara"'
same "votes in flight" 3 "$(mara log --kind vote --author Mara | grep -c 'in flight')"
contains "the log in words" "$(mara log)" "(in flight, in the outbox) Glass lamps"
mara show "$mine" --json | holds "show" 'd["entry"]["position"] is None and
    d["entry"]["payload"]["body"] == "Glass lamps" and d["about"][0]["id"] == "'"$topic"'" and
    [e["kind"] for e in d["in_flight"]] == ["post", "post", "revision"] and
    d["tally"]["in_flight"] == {"agree": 1, "disagree": 0, "pass": 0} and d["tally"]["voters"] == 0'
contains "show in words" "$(mara show "$reply")" "in flight"
mara show "$topic" --json | holds "what is in flight about what is logged" \
    '[e["id"] for e in d["in_flight"]] == ["'"$mine"'"]'
mara tally "$idea" --json | holds "the tally" 'd["counts"] == {"agree": 0, "disagree": 1, "pass": 0}
    and d["in_flight"] == {"agree": 0, "disagree": 0, "pass": 1} and d["voters"] == 1'
mara tally "$idea" --json --at "$size" | holds "at a size nothing is in flight" 'd["in_flight"] is None'
mara tally "$idea" --json --where owner=no | holds "by cohort" 'd["in_flight"] is None'
contains "the tally in words" "$(mara tally "$idea")" "in flight, not counted: agree 0  disagree 0  pass 1"
mara tally "$mine" --json | holds "the tally of an idea in flight" 'd["eligible"] == 3 and
    d["counts"] == {"agree": 0, "disagree": 0, "pass": 0} and d["in_flight"]["agree"] == 1'

# --- what was signed stays so -------------------------------------------------------
# Killed at any moment, every entry that was shown as written is in the outbox, each in
# its own place of the feed.
start mara
: >"$work/written"
(
    n=0
    while [ ! -e "$work/enough" ] && mara topic "Topic $n" -q >>"$work/written" 2>/dev/null; do
        n=$((n + 1))
    done
) &
writer=$!
written() { [ "$(wc -l <"$work/written")" -gt 5 ]; }
await 60 written
kill -9 "${daemons[-1]}"
wait "${daemons[-1]}" 2>/dev/null || true
daemons=()
rm -f "$work/mara/sock"
# Without a daemon the writer goes on by itself; it ends when it is told, and what it
# writes to the last is there before anybody looks.
sleep 0.3
touch "$work/enough"
wait "$writer" 2>/dev/null || true
mara outbox --json >"$work/after"
python3 - "$work/written" "$work/outbox" "$work/after" <<'PY'
import json, sys
written = set(open(sys.argv[1]).read().split()) | {e['id'] for e in json.load(open(sys.argv[2]))['entries']}
after = [e['id'] for e in json.load(open(sys.argv[3]))['entries']]
lost = written - set(after)
assert not lost, f'{len(lost)} of {len(written)} entries are lost'
assert len(after) == len(set(after))
print(f'ok: {len(written)} entries survived kill -9')
PY
mara log --json --in-flight --author Mara | python3 -c '
import json, sys
rows = [r for r in map(json.loads, sys.stdin)]
flying = [r["seq"] for r in rows if r["position"] is None]
first = max(r["seq"] for r in rows if r["position"] is not None) + 1
assert flying == list(range(first, first + len(flying))), flying
assert all(r["refused"] is None and r["void"] is None for r in rows if r["position"] is None)
print(f"ok: one chain of {len(flying)} entries in flight")'
mode=$(stat -c %a "$work/mara/outbox/$space.db")
same "the outbox's mode" 600 "$mode"
mara verify -q
echo "ok: written offline"
