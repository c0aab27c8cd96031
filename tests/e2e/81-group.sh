#!/usr/bin/env bash
# Goal: a private group among members on nodes of their own, with a copy (HARK_LONG=1: its
# home) on a host that holds no key: they talk, vote and search; who is removed reads nothing that comes after; the host's
# disk holds no word of it.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

host_port=$(free_port)
grey_port=$(free_port)
"$HARK" init "$work/host" --name host --title "Parks" --objective "What should we plant?" \
    --owner "Ada Brandt" --until 2030-01-01 --listen "tcp://127.0.0.1:$host_port" >/dev/null
"$HARK" init "$work/grey" --name grey --listen "tcp://127.0.0.1:$grey_port" >/dev/null
at() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }
hark() { at "$@"; }

# --- founded, and given to the host ---------------------------------------------------
group=$(at grey group new "Grey's Girls" --purpose "Zwetschgendatschi for everybody" --name Grey -q)
in_group() { local dir=$1; shift; "$HARK" -C "$work/$dir" -s "$group" "$@"; }
start host
start grey
in_group grey partner add "$(at host ticket)" >/dev/null
in_group host partner add "$(at grey ticket)" >/dev/null
size_at() { in_group "$1" status --json | field "d['spaces'][0]['size']"; }
level() { [ "$(size_at grey)" = "$(size_at "$1")" ]; }
await 20 level host
echo "ok: the host has the log"
ticket=$(in_group grey invite --uses 2 -q 2>/dev/null)
if [ -n "${HARK_LONG:-}" ]; then
    in_group grey home move host >/dev/null 2>&1
    at_host() { [ "$(in_group "$1" home show --json | field 'd["home"]["name"]')" = host ]; }
    await 20 at_host grey
    await 20 at_host host
    echo "ok: its home is the host"
fi

# --- members join, each with a node of their own ----------------------------------------
joining=()
for name in Mara Jo; do
    at "${name,,}" join "$ticket" --name "$name" -q >/dev/null 2>&1 &
    joining+=($!)
done
for pid in "${joining[@]}"; do
    wait "$pid" || fail "one of them did not join"
done
start mara
start jo
echo "ok: two joined at the host"

# --- they talk ----------------------------------------------------------------------------
logged() { in_group "$1" show "$2" --json 2>/dev/null | field 'd["entry"]["position"] is not None' | grep -q True; }
topic=$(in_group grey topic "Bratapfelduft" "Winter is coming" -q)
await 20 logged mara "$topic"
idea=$(in_group mara idea "Quittengelee for all" --re "$topic" -q 2>/dev/null)
await 20 logged jo "$idea"
await 20 logged grey "$idea"
for who in grey mara jo; do in_group "$who" vote "$idea" agree -q >/dev/null 2>&1; done
agreed() { [ "$(in_group "$1" tally "$idea" --json | field 'd["counts"]["agree"]')" = 3 ]; }
for who in grey mara jo; do
    await 20 agreed "$who"
done
echo "ok: three votes, counted by each"
contains "search finds it" "$(in_group jo search Quittengelee)" Quittengelee
titled() { at "$1" group ls | grep -qF "Grey's Girls"; }
await 20 titled jo
echo "ok: a newcomer is told what the group is for"
contains "who belongs" "$(in_group grey member ls)" Jo
# Jo and Mara joined after Grey had said who she is.
for who in mara jo; do contains "who was there before" "$(in_group "$who" member ls)" Grey; done
same "a name is said again once" 2 "$(in_group grey log --kind profile --json | grep -c '"name": *"Grey"')"

# --- what is under way -----------------------------------------------------------------------
# Mara is away: she sees what she writes, and so do others once the host has taken it in.
if [ -z "${HARK_LONG:-}" ]; then
    stop grey
    reply=$(in_group mara post "Streuselkuchen with it" --re "$idea" -q 2>/dev/null)
    in_group mara vote "$idea" pass -q >/dev/null 2>&1
    more=$(in_group mara post "With cream" --re "$reply" -q 2>/dev/null)
    under_way() {
        in_group "$1" show "$idea" --json | python3 -c 'import json, sys
d = json.load(sys.stdin)
sys.exit(d["tally"]["in_flight"] != {"agree": 0, "disagree": 0, "pass": 1} or
         [e["payload"]["body"] for e in d["in_flight"]] != ["Streuselkuchen with it"])'
    }
    await 20 under_way mara
    await 20 under_way jo
    for who in mara jo; do
        in_group "$who" show "$more" --json | holds "a thread under way" \
            'd["about"][0]["payload"]["body"] == "Streuselkuchen with it"'
        contains "the log" "$(in_group "$who" log)" "With cream"
        same "counted apart" 3 "$(in_group "$who" tally "$idea" --json | field 'd["counts"]["agree"]')"
    done
    same "at the host it is sealed" 3 "$(in_group host log --in-flight --json |
        grep '"in_flight": *true' | grep -c '"kind": *"sealed"')"
    start grey
    await 20 logged jo "$more"
    same "then it is counted" 1 "$(in_group jo tally "$idea" --json | field 'd["counts"]["pass"]')"
    echo "ok: what is under way is seen by members alone"
fi

# --- one of them is shown to somebody outside ------------------------------------------------
in_group mara disclose "$idea" >"$work/shown"
mkdir "$work/nowhere"
shown=$(cd "$work/nowhere" && HOME=$work/nowhere "$HARK" verify "$work/shown" --json)
same "what is disclosed" "Quittengelee for all" "$(field 'd["says"]["payload"]["body"]' <<<"$shown")"
same "and when it was logged" int "$(field 'type(d["logged"]["position"]).__name__' <<<"$shown")"
sed '2s/[0-7]$/8/; t; 2s/[89a-f]$/0/' "$work/shown" >"$work/altered"
refused disclosure 1 "$HARK" verify "$work/altered"

# --- somebody is removed -------------------------------------------------------------------
number=$(in_group grey member ls --json | python3 -c 'import json,sys
for l in sys.stdin:
    d = json.loads(l)
    if d["name"] == "Mara": print(d["member"])')
removal=$(in_group grey member remove "$number" -q)
await 20 logged jo "$removal"
secret=$(in_group jo post "Maronensuppe without Mara" --re "$idea" -q 2>/dev/null)
await 20 logged grey "$secret"
contains "who remains reads on" "$(in_group grey search Maronensuppe)" Maronensuppe
in_group mara sync --wait --timeout 3 >/dev/null 2>&1 || true
in_group mara search Maronensuppe | grep -q . && fail "who was removed reads on"
echo "ok: who was removed does not"

# --- somebody leaves: the steward's node answers ----------------------------------------------
in_group jo group leave >/dev/null 2>&1
renewed() { [ "$(in_group host log --kind epoch --json | wc -l)" = 2 ]; }
await 20 renewed
echo "ok: a fresh key after a member left"

# --- the keys ------------------------------------------------------------------------------
holds "the keys are as they should be" 'd["holds"] and d["keys"] == 1 and not d["findings"]' \
    < <(in_group grey group check --json)
holds "and are told to be others' affair where there is none" 'not d["key_here"]' \
    < <(in_group host group check --json)

# --- the host ------------------------------------------------------------------------------
stop_daemons
git -C "$work/host/spaces/$group.git" cat-file --batch-all-objects --batch >"$work/host/objects"
for word in "Grey's" Zwetschgendatschi Bratapfelduft Quittengelee Streuselkuchen Maronensuppe Mara '"vote"' '"agree"'; do
    if grep -rqaF -- "$word" "$work/host"; then fail "the host has $word"; fi
done
echo "ok: the host has no word of it"
sound "$work/host/spaces/$group.git"
in_group host verify >/dev/null || fail "hark verify at the host"
for who in grey jo; do
    for word in Zwetschgendatschi Bratapfelduft Quittengelee Streuselkuchen Maronensuppe; do
        if grep -rqaF -- "$word" "$work/$who"; then fail "$word lies open at $who"; fi
    done
done
echo "ok: nor do words lie open on the members' disks"
