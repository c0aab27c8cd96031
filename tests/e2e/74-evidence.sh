#!/usr/bin/env bash
# Goal: a home that shows one history to one partner and another to the other is convicted:
# as soon as the two partners meet, a file is kept that anybody checks with nothing else at
# hand. Altered it is refused.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/$1" "${@:2}"; }

# --- a home, two partners ------------------------------------------------------------------
"$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
space=$(hark brand status --json | field 'd["spaces"][0]["id"]')
for name in one two; do
    "$HARK" init "$work/$name" --name "$name" --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
    hark brand partner add "$(hark "$name" ticket)" >/dev/null
    hark "$name" partner add "$(hark brand ticket)" >/dev/null
done
topic=$(hark brand topic "Lamps" -q)
start brand
start one
start two
await 20 hark one show "$topic"
await 20 hark two show "$topic"
stop two
stop one
stop brand
cp -a "$work/brand" "$work/other"

# --- two histories, by the same keys --------------------------------------------------------
start brand
start one
said=$(hark brand post "The lamp flickers" --re "$topic" -q)
await 20 hark one show "$said"
await 20 cosigned_all one
stop brand
stop one
mv "$work/brand" "$work/put-away"
mv "$work/other" "$work/brand"
start brand
start two
hark brand post "All are content" --re "$topic" -q >/dev/null
said=$(hark brand post "Really" --re "$topic" -q)
await 20 hark two show "$said"
await 20 cosigned_all two
stop brand
echo "ok: one home, two histories"

# --- the partners meet -----------------------------------------------------------------------
hark two partner add "$(hark one ticket)" -s "$space" >/dev/null 2>&1 ||
    hark two partner add "$(hark one ticket)" >/dev/null
start one
kept() { compgen -G "$work/two/evidence/$space.*.evidence" >"$work/kept"; }
await 60 kept
same "one file" 1 "$(wc -l <"$work/kept")"
hark two status --json | holds "status names kind and culprit" \
    'any(a["name"] == "fork" and "node brand" in a["message"] and
         a["file"].endswith(".evidence") for a in d["alerts"])'
mkdir "$work/empty"
cp "$(cat "$work/kept")" "$work/empty/fork.evidence"
stop one
stop two

# --- on a fresh machine ----------------------------------------------------------------------
contains "in words" "$(fresh verify fork.evidence)" "node brand"
contains "whose key it is" "$(fresh verify fork.evidence)" "the home that the space began with"
key=$(hark brand status --json | field 'd["node"]["key"]')
fresh verify fork.evidence --json | holds "as JSON" "d['holds'] and d['what'] == 'evidence' and
    d['kind'] == 'fork' and d['convicts'] and d['named'] and d['role'] == 'log' and
    d['key'] == '$key' and d['space'] == '$space' and
    [s['size'] for s in d['signed']] == sorted(s['size'] for s in d['signed'])"
contains "from standard input" "$(fresh verify - <"$work/empty/fork.evidence")" "a fork"
same "with a node at hand" "$(fresh verify fork.evidence)" \
    "$(hark two verify "$work/empty/fork.evidence")"
start two
same "and a daemon" "$(fresh verify fork.evidence)" \
    "$(hark two verify "$work/empty/fork.evidence")"

altered fork.evidence "(evidence)" 1 '3s/key ./key /;3s/$/0/'
altered fork.evidence "(evidence)" 1 's/^\(path \)..../\1AAAA/'
altered fork.evidence "(evidence)" 1 's/^\(root \)..../\1AAAA/'
altered fork.evidence "(evidence)" 1 's/^\(— .* ....\)..../\1AAAA/'
altered fork.evidence evidence-form 3 '2s/.*/theft/'
altered fork.evidence evidence-form 3 '/^$/d'
altered fork.evidence evidence-form 3 's/^part .*/part 1/'
# Something else is no evidence: then a node is needed.
echo "nothing" >"$work/empty/altered"
code=0
fresh verify altered >/dev/null 2>&1 || code=$?
[ "$code" != 0 ] || fail "nothing proves something"
echo "ok: nothing proves nothing"
