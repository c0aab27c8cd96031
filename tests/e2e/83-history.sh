#!/usr/bin/env bash
# Goal: what a newcomer to a private group reads of what was said before: nothing, unless the
# group's policy gives history; then everything, from the first word, across fresh keys, and
# counted as the founder counts it.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

grey_port=$(free_port)
"$HARK" init "$work/grey" --name grey --listen "tcp://127.0.0.1:$grey_port" >/dev/null
at() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }
none=$(at grey group new "Without" --purpose "Who comes later" --name Grey -q)
all=$(at grey group new "With" --purpose "Who comes later" --name Grey --history all -q)
in_group() { local dir=$1 group=$2; shift 2; "$HARK" -C "$work/$dir" -s "$group" "$@"; }
refused usage 2 at grey group new "Some" --purpose "Who comes later" --history some
start grey
contains "the policy says so" "$(in_group grey "$all" policy show)" 'history: "all"'
contains "or does not" "$(in_group grey "$none" policy show)" 'history: "none"'

# --- said before anybody else came, and under a fresh key -------------------------------------
declare -A idea
logged() { in_group "$1" "$2" show "$3" --json 2>/dev/null | field 'd["entry"]["position"] is not None' | grep -q True; }
for group in "$none" "$all"; do
    idea[$group]=$(in_group grey "$group" idea "Quittengelee for all" -q)
    in_group grey "$group" vote "${idea[$group]}" agree -q >/dev/null
    ticket=$(in_group grey "$group" invite --uses 3 -q 2>/dev/null)
    at "tom-$group" join "$ticket" --name Tom -q >/dev/null 2>&1 || fail "Tom did not join"
    start "tom-$group"
    in_group "tom-$group" "$group" idea "Zwetschgendatschi" -q >/dev/null 2>&1
    # A fresh key: Tom is removed.
    number=$(in_group grey "$group" member ls --json | sed -n 2p | field 'd["member"]')
    in_group grey "$group" member remove "$number" -q >/dev/null
    in_group grey "$group" post "Maronensuppe" --re "${idea[$group]}" -q >/dev/null
    at "mara-$group" join "$ticket" --name Mara -q >/dev/null 2>&1 || fail "Mara did not join"
    start "mara-$group"
done

# --- without history ---------------------------------------------------------------------------
word=$(in_group grey "$none" idea "Bratapfelduft" -q)
await 20 logged "mara-$none" "$none" "$word"
contains "what is said from then on" "$(in_group "mara-$none" "$none" search Bratapfelduft)" Bratapfelduft
for before in Quittengelee Zwetschgendatschi Maronensuppe; do
    in_group "mara-$none" "$none" search "$before" | grep -q . && fail "$before is read"
    in_group "mara-$none" "$none" log --json | grep -q "$before" && fail "$before is read"
done
same "what was before stays sealed" 0 \
    "$(in_group "mara-$none" "$none" log --kind idea --json | grep -vc Bratapfelduft || true)"
echo "ok: without history nothing from before"

# --- with history ------------------------------------------------------------------------------
read_all() { in_group "mara-$all" "$all" search Quittengelee | grep -q Quittengelee; }
await 20 read_all
for before in Quittengelee Zwetschgendatschi Maronensuppe; do
    contains "with history: $before" "$(in_group "mara-$all" "$all" search "$before")" "$before"
done
contains "who was there before" "$(in_group "mara-$all" "$all" member ls)" Grey
in_group "mara-$all" "$all" vote "${idea[$all]}" disagree -q >/dev/null 2>&1
counted() {
    [ "$(in_group "$1" "$all" tally "${idea[$all]}" --json | field 'd["counts"]["agree"],d["counts"]["disagree"]')" = "(1, 1)" ]
}
for who in grey "mara-$all"; do await 20 counted "$who"; done
echo "ok: both count the same"
holds "and the keys are as they should be" 'd["holds"] and not d["findings"]' \
    < <(in_group "mara-$all" "$all" group check --json)

# --- a second device of hers has it, too -----------------------------------------------------------
stop_daemons
for word in Quittengelee Zwetschgendatschi Maronensuppe Bratapfelduft; do
    for dir in "mara-$all" "mara-$none" "tom-$all" grey; do
        if grep -rqaF -- "$word" "$work/$dir"; then fail "$word lies open at $dir"; fi
    done
done
echo "ok: no word lies open on a disk"
