#!/usr/bin/env bash
# Goal: an X25519 key that may be in other hands is replaced (`hark key rekey`): what is
# sealed from then on is sealed to the new one, nothing is lost to its owner, and a copy put
# back from before knows nothing of it, and finds it.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

port=$(free_port)
"$HARK" init "$work/grey" --name grey --listen "tcp://127.0.0.1:$port" >/dev/null
at() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }
group=$(at grey group new "Grey's Girls" --purpose "Quitten" --name Grey -q)
in_group() { local dir=$1; shift; "$HARK" -C "$work/$dir" -s "$group" "$@"; }
# shellcheck disable=SC2317 # called by lib.sh, too
hark() { at "$@"; }
start grey
ticket=$(in_group grey invite --uses 3 -q 2>/dev/null)
for name in Mara Jo; do
    at "${name,,}" join "$ticket" --name "$name" -q >/dev/null 2>&1
    start "${name,,}"
done
logged() { in_group "$1" show "$2" --json 2>/dev/null | field 'd["entry"]["position"] is not None' | grep -q True; }
opens() { in_group "$1" search "$2" | grep -q "$2"; }
box_since() { in_group "$1" group check --json | python3 -c 'import json, sys
print(json.load(sys.stdin)["devices"][int(sys.argv[1])]["box_since"])' "$2"; }
before=$(in_group grey topic "Bratapfel" "before" -q)
await 20 logged mara "$before"

# --- a copy of before, then another key -------------------------------------------------
stop mara
cp -a "$work/mara" "$work/mara.before"
start mara
since=$(box_since grey 1)
rekey=$(in_group mara key rekey --json)
holds "the next generation" 'd["format"] == "hark/key-rekey/1" and d["generation"] == 1' <<<"$rekey"
await 20 logged grey "$(field 'd["id"]' <<<"$rekey")"
await 20 logged jo "$(field 'd["id"]' <<<"$rekey")"
[ "$(box_since grey 1)" != "$since" ] || fail "group check does not see that the key is new"
echo "ok: group check counts it"
await 20 logged mara "$(field 'd["id"]' <<<"$rekey")"
first=$(in_group grey post "Hagebutte" --re "$before" -q)
await 20 logged mara "$first"
opens mara Hagebutte || fail "mara reads on after the rekey"

# --- a removal: the fresh key is sealed to the new one -------------------------------------
in_group grey member remove 2 -q >/dev/null
fresh() { [ "$(in_group "$1" log --kind remove --json | wc -l)" = 1 ]; }
await 20 fresh mara
second=$(in_group grey post "Maronensuppe" --re "$before" -q)
await 20 logged mara "$second"
opens mara Maronensuppe || fail "mara does not open the fresh key"
opens mara Bratapfel || fail "mara has lost what was before"
echo "ok: what is sealed to the new key is opened, and what was before"
third=$(in_group mara post "Zwetschgen" --re "$second" -q)
await 20 logged grey "$third"
opens grey Zwetschgen || fail "grey does not read mara"
holds "all have the key" 'd["holds"] and not d["findings"]' < <(in_group grey group check --json)

# --- the copy of before is put back: it finds the key, and is let in -------------------------
stop mara
rm -rf "$work/mara"
mv "$work/mara.before" "$work/mara"
start mara
await 20 logged mara "$third"
opens mara Maronensuppe || fail "the copy put back does not find its key"
opens mara Bratapfel || fail "the copy put back has lost what was before"
echo "ok: a copy from before the rekey is let in, and reads"
fourth=$(in_group mara post "Schlehen" --re "$second" -q)
await 20 logged grey "$fourth"
opens grey Schlehen || fail "grey does not read the copy put back"
echo "ok: and writes"
rekey=$(at mara key rekey --all --json)
holds "and takes a key of its own" 'd["generation"] == 2' <<<"$rekey"
await 20 logged grey "$(field 'd["id"]' <<<"$rekey")"
fifth=$(in_group grey post "Kornelkirschen" --re "$before" -q)
await 20 logged mara "$fifth"
opens mara Kornelkirschen || fail "mara does not read on"
refused usage 2 in_group mara key rekey --all
sound "$work/mara/spaces/$group.git"
