#!/usr/bin/env bash
# Goal: a receipt proves to whoever keeps it that an entry stands in the log: read by Hark,
# and by hand as examples/audit shows it; refused when altered; and held against a home that
# went back and wrote another history.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
for tool in openssl git ssh-keygen; do
    command -v $tool >/dev/null || skip "there is no $tool"
done

"$HARK" init "$work/brand" --name brand.example --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 -q >/dev/null
brand() { "$HARK" -C "$work/brand" "$@"; }
topic=$(brand topic "Lamps" -q)
for i in $(seq 9); do
    brand post "lamp number $i" --re "$topic" -q >/dev/null
done
cp -a "$work/brand" "$work/backup"
cp -a "$work/brand" "$work/moved"
said=$(brand post "The lamp flickers" --re "$topic" -q)
brand receipt "$said" >"$work/said.tlog-proof"
brand receipt "$topic" >"$work/topic.tlog-proof"

# --- by Hark ---------------------------------------------------------------------------
contains "in words" "$(brand verify "$work/said.tlog-proof")" "begins with just these entries"
contains "and what it does not prove" "$(brand verify "$work/said.tlog-proof")" "does not prove"
brand verify "$work/said.tlog-proof" --json | holds "as JSON" "d['holds'] and
    d['what'] == 'receipt' and d['id'] == '$said' and d['log_agrees'] and d['entry_here']"
brand receipt "$said" --json >"$work/said.json"
python3 - "$work/said.json" "$work/said.tlog-proof" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
assert d['receipt'] == open(sys.argv[2]).read() and d['position'] + 1 == d['size'], d
PY
contains "from standard input" "$(brand verify - <"$work/topic.tlog-proof")" "receipt for entry"
refused not-found 1 brand receipt 0123456789abcdef
refused usage 2 brand receipt

# --- without Hark ----------------------------------------------------------------------
by_hand=$(cd "$(dirname "$0")/../.." && pwd)/examples/audit/check.sh
key=$(brand status --json | field 'd["node"]["key"]')
for name in said topic; do
    git -c safe.directory='*' -C "$work"/brand/spaces/*.git cat-file commit \
        "$(brand receipt "${!name}" --json | field 'd["commit"]')" >"$work/$name.entry"
    contains "the receipt of $name, by hand" \
        "$("$by_hand" "$work/$name.entry" "$work/$name.tlog-proof" "$key")" "stands in the log"
done
contains "the example" "$("$by_hand")" "stands in the log"
# by_hand_not WHAT ENTRY RECEIPT KEY: it says what is wrong
by_hand_not() {
    local what=$1 code=0 why
    shift
    why=$("$by_hand" "$@" 2>&1 >/dev/null) || code=$?
    [ "$code" = 1 ] || fail "by hand: $code, not 1: $why"
    contains "by hand: $what" "$why" "NO: $what"
}
receipt=$work/said.tlog-proof
by_hand_not "the receipt is for another entry" "$work/topic.entry" "$receipt" "$key"
by_hand_not "it is signed with another key" "$work/said.entry" "$receipt" "${key:1}${key:0:1}"
sed 's/^Seq: /&1/' "$work/said.entry" >"$work/entry"
by_hand_not "ssh-keygen: not signed" "$work/entry" "$receipt" "$key"
nothing=$(head -c 32 /dev/zero | base64)
sed "4s/.*/$nothing/" "$receipt" >"$work/altered"
by_hand_not "the path leads to another root" "$work/said.entry" "$work/altered" "$key"
sed '$s/\( ........\)....\([^ ]*\)$/\1AAAA\2/' "$receipt" >"$work/altered"
by_hand_not "openssl: the signature" "$work/said.entry" "$work/altered" "$key"

# --- altered ---------------------------------------------------------------------------
altered() {
    sed "$2" "$work/said.tlog-proof" >"$work/altered"
    cmp -s "$work/said.tlog-proof" "$work/altered" && fail "nothing is altered"
    refused "$1" "$3" brand verify "$work/altered"
}
altered proof '3s/index .*/index 3/' 3
altered proof-form '3s/index .*/index 99/' 3
altered proof-form '4s/^.//' 3
altered proof "4s/.*/$nothing/" 3
altered proof-form '2d' 3
altered proof-form '2s/ A/ B/' 3
altered no 's/^\(— .* ....\)..../\1AAAA/' 1

# --- a home that went back ----------------------------------------------------------------
back() { "$HARK" -C "$work/backup" "$@"; }
contains "a log that does not reach that far" "$(back verify "$work/said.tlog-proof")" \
    "whether it still stands there is open"
back post "All are content" --re "$topic" -q >/dev/null
refused peer-fork 5 back verify "$work/said.tlog-proof"
convicted=$(back status --json | field 'd["alerts"][0]["file"]')
mkdir "$work/empty"
(cd "$work/empty" && HARK_DIR=/nonexistent "$HARK" verify "$convicted" --json) |
    holds "a file is made of it that convicts alone" "d['kind'] == 'fork' and d['named'] and
        d['claim'] == 'entry' and '$said' in [s['entry'] for s in d['signed']]"
back verify "$work/topic.tlog-proof" >"$work/words" && fail "two roots of one size are taken"
contains "nor any other of that size" "$(back verify "$work/topic.tlog-proof" 2>&1 || true)" \
    "it is evidence"
back post "Really" --re "$topic" -q >/dev/null
refused peer-fork 5 back verify "$work/said.tlog-proof"

# --- a home that lost its disk, and went on by the steward's word: that is no fork ----------
moved() { "$HARK" -C "$work/moved" "$@"; }
moved home move brand.example --lost -q >/dev/null
moved post "We go on" --re "$topic" -q >/dev/null
refused "which is no fork" 1 moved verify "$work/said.tlog-proof"
contains "what stood before is still proved" "$(moved verify "$work/topic.tlog-proof")" \
    "the entry stands in it at that place"
