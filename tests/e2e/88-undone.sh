#!/usr/bin/env bash
# Goal: a removal that comes too late (a member replaced a key before it was logged) is not
# lost: the steward's node does it again by itself, and all who remain read on.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

host_port=$(free_port)
grey_port=$(free_port)
"$HARK" init "$work/host" --name host --title "Parks" --objective "What should we plant?" \
    --owner "Ada Brandt" --until 2030-01-01 --listen "tcp://127.0.0.1:$host_port" >/dev/null
"$HARK" init "$work/grey" --name grey --listen "tcp://127.0.0.1:$grey_port" >/dev/null
at() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }
group=$(at grey group new "Grey's Girls" --purpose "Quitten" --name Grey -q)
in_group() { local dir=$1; shift; "$HARK" -C "$work/$dir" -s "$group" "$@"; }
# shellcheck disable=SC2317 # called by lib.sh, too
hark() { at "$@"; }
logged() { in_group "$1" show "$2" --json 2>/dev/null | field 'd["entry"]["position"] is not None' | grep -q True; }
size_at() { in_group "$1" status --json | field "d['spaces'][0]['size']"; }
level() { [ "$(size_at grey)" = "$(size_at "$1")" ]; }
start host
start grey
in_group grey partner add "$(at host ticket)" >/dev/null
in_group host partner add "$(at grey ticket)" >/dev/null
await 20 level host
ticket=$(in_group grey invite --uses 2 -q 2>/dev/null)
for name in Mara Jo; do
    at "${name,,}" join "$ticket" --name "$name" -q >/dev/null 2>&1
done
topic=$(in_group grey topic "Bratapfel" -q)
await 20 level host
in_group grey home move host >/dev/null 2>&1
at_host() { [ "$(in_group "$1" home show --json | field 'd["home"]["name"]')" = host ]; }
await 20 at_host grey
await 20 at_host host
start mara
await 20 logged mara "$topic"
told() { [ "$(in_group grey outbox --json | field 'all(e["state"] in ("logged", "settled") for e in d["entries"])')" = True ]; }
await 20 told
echo "ok: three members, and a home that is not the steward's"

# --- removed where nobody hears of it, and a key replaced meanwhile -----------------------
stop grey
in_group grey member remove 2 -q >/dev/null 2>&1
rekey=$(in_group mara key rekey -q 2>/dev/null)
await 20 logged host "$rekey"
start grey
removed() { in_group "$1" member show 2 --json | field 'd["status"]' | grep -q removed; }
await 20 removed host
echo "ok: done again, with the new key"
void=$(in_group host log --json | python3 -c 'import json, sys
print(sum(json.loads(l)["void"] == "void-epoch" for l in sys.stdin))')
[ "$void" -gt 0 ] || fail "nothing was void: this shows nothing"
after=$(in_group grey post "Maronensuppe" --re "$topic" -q 2>/dev/null)
await 20 logged mara "$after"
in_group mara search Maronensuppe | grep -q Maronensuppe || fail "mara does not read on"
await 20 told
checked() { in_group grey group check --json | field 'd["holds"] and not d["findings"]' | grep -q True; }
await 20 checked
echo "ok: who remains reads on, and nothing is wrong"
sound "$work/host/spaces/$group.git"
