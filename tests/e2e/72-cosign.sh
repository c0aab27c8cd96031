#!/usr/bin/env bash
# Goal: partners cosign what they have stored, and what enough have cosigned is settled:
# while one is away, after crashes, with one put back from an old copy, over a change of
# nodes; nobody ever signs backwards; and a home that shows two histories is found out by
# who holds the one and is shown the other's cosignatures.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/$1" "${@:2}"; }

post() { hark brand post "$1" --re "$topic" -q >/dev/null; }
size() { state brand size; }
# settled_at SIZE NODE...: all of them know that to be settled
settled_at() {
    local node
    for node in "${@:2}"; do
        [ "$(state "$node" settled_size)" -ge "$1" ] || return 1
    done
}
# note_of NODE NAME: the file of the largest note by NAME that NODE holds
note_of() {
    local file
    for file in "$work/$1/cosigned/$space"/main.*; do
        case "$(sed -n 6p "$file")" in
        "— $2 "*) echo "$(sed -n 2p "$file") $file" ;;
        esac
    done | sort -n | tail -n 1 | cut -d ' ' -f 2
}
note_size() { sed -n 2p "$(note_of "$1" "$2")"; }
# cosigned_to SIZE PARTNER...: by the brand's notes they have cosigned so much
cosigned_to() {
    local node
    for node in "${@:2}"; do
        [ "$(note_size brand "$node")" -ge "$1" ] || return 1
    done
}

# Every note of every node, each time this is called: of no cosigner there may be two roots
# of one size, in no file may a cosigner's size go back, nor its time.
declare -i looks=0
look() {
    local node
    looks+=1
    for node in brand a b c; do
        [ ! -d "$work/$node/cosigned" ] || cp -a "$work/$node/cosigned" "$work/seen/$(printf %03d $looks)-$node"
    done
}
judge() {
    python3 - "$work/seen" <<'PY'
import base64, os, sys
last, roots, notes = {}, {}, 0
for at in sorted(os.listdir(sys.argv[1])):
    look, node = at.split('-')
    for folder, _, names in os.walk(os.path.join(sys.argv[1], at)):
        largest = {}
        for name in names:
            if name.endswith('.new'):
                continue
            lines = open(os.path.join(folder, name), encoding='utf-8').read().split('\n')
            size, root = int(lines[1]), lines[2]
            key = name[:-2] if name.endswith('.2') else name  # the log, and whose key
            sig = base64.b64decode(lines[5].split(' ')[2])
            time = int.from_bytes(sig[4:12], 'big')
            assert roots.setdefault((key, size), root) == root, f'{at}: {name}: two roots at {size}'
            largest[key] = max(largest.get(key, (0, 0)), (size, time))
            notes += 1
        for key, (size, time) in largest.items():
            was = last.get((node, key), (0, 0))
            assert size >= was[0] and time >= was[1], f'{at}: {key} went back: {was}, {size}, {time}'
            last[node, key] = size, time
assert notes > 20, notes
print(f'ok: nobody signed backwards, by {notes} notes')
PY
}

# --- a brand, three partners, two of whom settle -------------------------------------------
mkdir "$work/seen"
hark brand init "$work/brand" --name brand --objective "Which lamp?" --owner Ada \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
for node in a b c; do
    hark $node init "$work/$node" --name $node --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
    hark brand partner add "$(hark $node ticket)" -q >/dev/null
done
space=$(state brand id)
same "nothing is said to be settled before a quorum is asked for" None "$(state brand settled_size)"
echo '{"quorum":2}' | hark brand policy set - -q >/dev/null
topic=$(hark brand topic Lamps -q)
for node in a b c; do
    hark $node partner add "$(hark brand ticket)" -q >/dev/null
    for other in a b c; do
        [ $other = $node ] || hark $node partner add "$(hark $other ticket)" -q >/dev/null
    done
done
same "nothing is settled" 0 "$(state brand settled_size)"
for node in brand a b c; do start $node; done
idea=$(hark brand idea "A lamp without a switch" --re "$topic" -q)
await 20 settled_at "$(size)" brand a b c
await 20 cosigned_to "$(size)" a b c
look
hark brand status --json | holds "the quorum, in status" \
    "d['spaces'][0]['quorum'] == {'needed': 2, 'cosigners': 3} and d['alerts'] == []"
hark brand tally "$idea" --json | holds "a tally of what is settled" "d['at']['settled']"
hark a tally "$idea" --json | holds "and at a partner" "d['at']['settled']"

# What a clone has is enough for an auditor.
git clone -q --mirror "$work/brand/spaces/$space.git" "$work/clone.git"
published() {
    git -C "$work/clone.git" fetch -q --prune origin '+refs/*:refs/*' &&
        "$HARK" audit "$work/clone.git" --json >"$work/audit" &&
        [ "$(field 'd["settled_size"]' <"$work/audit")" = "$(size)" ]
}
await 20 published
holds "an audit counts them" "d['checked']['cosignatures'] >= 2 and d['exit'] == 0" <"$work/audit"

# --- a receipt names who cosigned ----------------------------------------------------------------
hark brand receipt "$idea" >"$work/receipt"
hark b verify "$work/receipt" --json | holds "a receipt's cosigners" "d['holds'] and
    len({c['node'] for c in d['cosigners']} & {'a', 'b', 'c'}) >= 2"
contains "in words" "$(hark brand verify "$work/receipt")" "Cosigned by"

# The same for a reader who has no node, by a policy that the space's own quorum makes.
hark brand export policy >"$work/policy"
contains "a policy asks for the quorum" "$(cat "$work/policy")" \
    "group cosigners 2 cosigner/a cosigner/b cosigner/c"
"$HARK" -C "$work/nowhere" verify "$work/receipt" --policy "$work/policy" --json |
    holds "which the receipt has" "d['holds'] and d['policy']['quorum'] == 'cosigners' and
        len({w['key_name'] for w in d['policy']['witnesses']} & {'a', 'b', 'c'}) >= 2"
hark brand export tiles "$work/tiles" -q
code=0
said=$("$HARK" -C "$work/nowhere" verify "$work/tiles/checkpoint" --policy "$work/policy") || code=$?
same "and the home's word alone has not" "$code" 1
contains "which is said" "$said" "The quorum cosigners is not satisfied. Not by cosigner/a,"

# --- one is away, two are away ---------------------------------------------------------------------
stop c
post "without c"
await 20 settled_at "$(size)" brand a b
stop b
before=$(state brand settled_size)
post "without b"
await 20 cosigned_to "$(size)" a
same "one alone settles nothing" "$before" "$(state brand settled_size)"
same "nor at its own place" "$before" "$(state a settled_size)"
hark brand tally "$idea" --json | holds "a tally says so" "not d['at']['settled']"
look
start b
start c
await 20 settled_at "$(size)" brand a b c
await 20 cosigned_to "$(size)" a b c
look

# --- killed, again and again ------------------------------------------------------------------------
rounds=4
[ -z "${HARK_LONG-}" ] || rounds=20
for i in $(seq $rounds); do
    post "while b dies $i"
    signal=KILL stop b
    look
    post "while b is dead $i"
    start b
done
await 20 settled_at "$(size)" brand a b c
await 20 cosigned_to "$(size)" a b c
look
echo "ok: killed $rounds times"

# --- a node less: all three are needed, then two, and c is none of them ------------------------------
echo '{"quorum":3}' | hark brand policy set - -q >/dev/null
await 20 settled_at "$(size)" brand a b c
before=$(size)
stop c
echo '{"quorum":2}' | hark brand policy set - -q >/dev/null
hark brand partner rm c -q >/dev/null
post "without c, for good"
await 20 cosigned_to "$(size)" a b
same "the change waits for who was needed before it" "$before" "$(state brand settled_size)"
look
start c
await 30 settled_at "$(size)" brand a b
cosigned_to $((before + 2)) c || fail "settled without c, of whose quorum all were needed"
echo "ok: who is removed still gets the change, and cosigns it"
gone=$(size)
post "c needs no more"
await 20 settled_at "$(size)" brand a b
await 20 cosigned_to "$(size)" a b
look
[ "$(state c size)" -le "$gone" ] || fail "c is still served"
echo "ok: and then no more"
stop c

# --- put back from an old copy ------------------------------------------------------------------------
stop b
cp -a "$work/b" "$work/b.old"
start b
for i in 1 2 3; do post "after the copy $i"; done
signed=$(size)
await 20 cosigned_to "$signed" a b
look
stop b
rm -rf "${work:?}/b"
cp -a "$work/b.old" "$work/b"
[ "$(note_size b b)" -lt "$signed" ] || fail "the copy is not old"
post "while b is away"
begun=$SECONDS
start b
b_heard() { [ "$(note_size b b)" -ge "$signed" ]; }
level() { [ "$(state "$1" size)" = "$(size)" ]; }
await 20 b_heard
await 20 level b
await 20 cosigned_to "$(size)" a
# For its first minute it signs nothing; what it has is what it had signed.
theirs=$(cat "$(note_of brand b)")
mine=$(cat "$(note_of b b)")
if [ $((SECONDS - begun)) -lt 50 ]; then
    same "what b had signed, it has heard" "$theirs" "$mine"
    same "and signs nothing yet" "$signed" "$(sed -n 2p <<<"$mine")"
fi
judge
stop b

# --- a home of two histories ------------------------------------------------------------------------------
# A copy of the brand goes on with a, the brand itself with b.
await 20 level a
common=$(size)
stop brand
cp -a "$work/brand" "$work/fork"
start fork
until hark fork post "What a is told" --re "$topic" -q >/dev/null 2>&1; do sleep 0.2; done
a_signed() { [ "$(note_size a a)" = "$(state fork size)" ]; }
await 20 a_signed
stop a
stop fork
start b
for i in 1 2; do post "What b is told $i"; done
start brand
await 20 level b
stop brand
# b holds the one, and is shown what a cosigned of the other.
start a
b_alerts() { hark b status --json | field '[a["file"] for a in d["alerts"] if a["name"] == "fork"][0]'; }
await 30 b_alerts
file=$(b_alerts)
case "$file" in "$work/b/evidence/"*) ;; *) fail "the evidence is at $file" ;; esac
(cd / && HARK_DIR=$work/nowhere "$HARK" verify "$file" --json) |
    holds "by the file alone" "d['holds'] and d['kind'] == 'fork'"
grep -q '^— a ' "$file" || fail "who cosigned it stands not in it"
contains "in words" "$(hark b status)" "evidence"
# And an auditor of b's copy, to whom it is shown as well.
git clone -q --mirror "$work/b/spaces/$space.git" "$work/shown.git"
{
    printf 'tree %s\nauthor %s\ncommitter %s\n\ncosigned\n\n' \
        4b825dc642cb6eb9a060e54bf8d69288fbee4904 "hark <hark@hark.invalid> 0 +0000" \
        "hark <hark@hark.invalid> 0 +0000"
    cat "$(grep -l '^— a ' "$work/a/cosigned/$space"/main.* | head -n 1)"
} | git -C "$work/shown.git" hash-object -t commit -w --stdin >"$work/commit"
git -C "$work/shown.git" update-ref refs/heads/cosigned "$(cat "$work/commit")"
code=0
"$HARK" audit "$work/shown.git" --json >"$work/audit" || code=$?
same "the audit's exit code" 11 "$code"
holds "the audit names the home" "[f['culprit']['role'] for f in d['findings']
    if f['name'] == 'peer-fork'] == ['home']" <"$work/audit"
start brand
brand_alerts() { hark brand status --json | field '[a["file"] for a in d["alerts"] if a["name"] == "fork"][0]'; }
await 30 brand_alerts
for node in brand a b; do
    [ "$(state $node settled_size)" -le "$common" ] || fail "at $node one of two histories is settled"
done
echo "ok: neither history is settled"
