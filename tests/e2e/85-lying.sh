#!/usr/bin/env bash
# Goal: in a private group a steward who lies about keys, and a member who lies about what is
# sealed, is found out and named by the others, by name, entry and key: boxes with other keys
# or none, a fresh key that is an old one, one that is never made; an envelope that is
# another's, is cut, or is sealed under a key that was known to be replaced. Nobody honest is.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
: "${LYING:?the program that lies}" "${CLOCK:?a clock to set}"

host_port=$(free_port)
grey_port=$(free_port)
"$HARK" init "$work/host" --name host --listen "tcp://127.0.0.1:$host_port" >/dev/null
"$HARK" init "$work/grey" --name grey --listen "tcp://127.0.0.1:$grey_port" >/dev/null
at() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }
hark() { at "$@"; }
group=$(at grey group new "Grey's Girls" --purpose "Zwetschgendatschi for everybody" --name Grey -q)
in_group() { local dir=$1; shift; "$HARK" -C "$work/$dir" -s "$group" "$@"; }
# lies HOW NODE VERB...: the node's program, with its daemon stopped, says what it should not;
# $said: what came out of it. Not in a subshell, since daemons end and start.
lies() {
    local how=$1 dir=$2
    shift 2
    stop "$dir"
    HARK_LIE=$how HARK_LIE_FILE=$work/again "$LYING" -C "$work/$dir" -s "$group" "$@" -q \
        >"$work/said" 2>/dev/null
    said=$(tail -n 1 "$work/said")
    start "$dir"
}
logged() { in_group "$1" show "$2" --json 2>/dev/null | field 'd["entry"]["position"] is not None' | grep -q True; }
all_have() { local who; for who in mara jo eve; do await 30 logged "$who" "$1"; done; }
# found NODE EXPRESSION: what `group check` of that node finds
found() { in_group "$1" group check --json | field "$2"; }

start host
start grey
in_group grey partner add "$(at host ticket)" >/dev/null
in_group host partner add "$(at grey ticket)" >/dev/null
ticket=$(in_group grey invite --uses 9 -q 2>/dev/null)
for name in Mara Jo Tom Tim Eve; do
    at "${name,,}" join "$ticket" --name "$name" -q >/dev/null 2>&1 || fail "$name did not join"
    case $name in Mara | Jo | Eve) start "${name,,}" ;; esac
done
in_group grey home move host >/dev/null 2>&1
at_host() { [ "$(in_group "$1" home show --json | field 'd["home"]["name"]')" = host ]; }
for who in grey host mara jo eve; do await 30 at_host "$who"; done
idea=$(in_group mara idea "Quittengelee for all" -q 2>/dev/null)
all_have "$idea"
for who in grey mara jo eve; do
    same "nobody is named at first" "(True, 0, [])" "$(found "$who" 'd["holds"],d["owed"],d["findings"]')"
done
number() { in_group grey member ls --json | python3 -c 'import json,sys
for l in sys.stdin:
    d = json.loads(l)
    if d["name"] == sys.argv[1]: print(d["member"])' "$1"; }
jo=$(number Jo) mara=$(number Mara)

# --- what is sealed ------------------------------------------------------------------------------
say() { lies "$2" "$1" idea "Maronensuppe $2"; }
named() { # NAME ENTRY MEMBER
    local who
    for who in mara jo eve; do
        same "$who names $1" "True" "$(found "$who" \
            "any(f['name'] == '$1' and f['entry'] == '$2' and f['member'] == $3 for f in d['findings'])")"
    done
}
say mara envelope
honest=$said
all_have "$honest"
contains "an honest one" "$(in_group jo search Maronensuppe)" Maronensuppe
say mara envelope
swapped=$said
all_have "$swapped"
named envelope-key "$swapped" "$mara"
say jo cut
cut=$said
all_have "$cut"
named envelope-form "$cut" "$jo"
rm "$work/again"

# --- keys: the steward removes Tom, and brings Eve another key than the others ---------------------
epoch() { found "$1" 'd["epoch"]'; }
lies other grey member remove "$(number Tom)"
removal=$said
all_have "$removal"
for who in mara jo; do
    same "$who names a box with another key" "['epoch-key']" "$(found "$who" \
        'sorted({f["name"] for f in d["findings"] if f["now"]})')"
done
same "and Eve sees that she was left without" "False" "$(found eve 'd["key_here"]')"
# Made good by the next one, which reaches everybody: then nobody is wronged any more.
lies reused grey member remove "$(number Tim)"
removal=$said
all_have "$removal"
same "Eve has this one" "(True, True)" "$(found eve 'd["holds"],d["key_here"]')"
same "what was before stays told" "True" "$(found mara 'any(f["name"] == "epoch-key" and not f["now"] for f in d["findings"])')"
say jo old
old=$said
all_have "$old"
named envelope-old "$old" "$jo"

# --- a "fresh" key that those who left have ----------------------------------------------------------
lies reused grey member remove "$(number Eve)"
removal=$said
for who in mara jo; do await 30 logged "$who" "$removal"; done
for who in mara jo; do
    same "$who names a key that is not fresh" "(False, [('epoch-key', '$removal')])" "$(found "$who" \
        'd["holds"],[(f["name"],f["entry"]) for f in d["findings"] if f["now"] and f["key"] is None]')"
done
alerted() { in_group "$1" status --json | field 'any(a["name"] == "'"$2"'" for a in d["alerts"])' | grep -q True; }
alerted mara group-keys || fail "no alert about the keys"
echo "ok: and status says so"

# --- one that is never made ---------------------------------------------------------------------------
stop grey
in_group jo group leave >/dev/null 2>&1
owed() { [ "$(found mara 'd["owed"],[l["member"] for l in d["left"]]')" = "(1, [$jo])" ]; }
await 30 owed
same "who left is named until then" "False" "$(found mara 'd["holds"]')"
stop mara
if [ -z "${HARK_SANITIZE:-}" ]; then
    ! alerted mara group-owed || fail "an alert at once"
    python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("=q", 7200000))' >"$work/shift"
    LD_PRELOAD=$CLOCK CLOCK_SHIFT=$work/shift alerted mara group-owed || fail "no alert after two hours"
    echo "ok: and after an hour status says so"
fi
stop_daemons
