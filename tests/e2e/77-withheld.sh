#!/usr/bin/env bash
# Goal: a home that does not log what a partner has accepted, although it hears from the
# partners all the time, is convicted by a file that anybody checks with nothing else at hand;
# a home that was away for as long, and then takes over, is not.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs_shifted_clocks
: "${WITHHOLDING:?the home that withholds}"

# All have one clock.
declare -i shift_ms=0
later() { # SECONDS
    shift_ms+=$((1000 * $1))
    shift_to all "$shift_ms"
}
later 0

hark() { by_clock all "$HARK" -C "$work/$1" "${@:2}"; }
# go NODE [PROGRAM]: its daemon, by that clock
go() { HARKD=${2:-$HARKD} by_clock all start "$1"; }
# brand_says WORDS: something of its own; both partners hear of it and cosign
brand_says() {
    hark brand post "$1" --re "$topic" -q >/dev/null
    for node in one two; do await 20 cosigned "$node" main "$(state brand size)"; done
}
accepted() { hark kim outbox --json | holds "" 'd["entries"][-1]["state"] == "accepted"'; }
convicted() { compgen -G "$work/two/evidence/$space.*.evidence" >"$work/kept"; }
innocent() {
    for node in one two; do
        if compgen -G "$work/$node/evidence/*" >/dev/null; then fail "evidence at $node $1"; fi
    done
    echo "ok: nobody is convicted $1"
}
# kim_posts WORDS: while the brand is away; partner one takes it in, and two cosigns that
declare -i posts=0
kim_posts() {
    go kim
    said=$(hark kim post "$1" --re "$topic" -q)
    await 20 accepted
    posts+=1
    await 20 cosigned two one "$posts"
    stop kim
}

# --- a brand, two partners, a critic ---------------------------------------------------------
hark brand init "$work/brand" --name brand --objective "Which lamp?" --owner Ada \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
printf 'merge_delay_s: 60\n' | hark brand policy set - -q >/dev/null
space=$(hark brand status --json | field 'd["spaces"][0]["id"]')
topic=$(hark brand topic Lamps -q)
for node in one two; do
    hark $node init "$work/$node" --name $node --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
    hark brand partner add "$(hark $node ticket)" -q >/dev/null
    hark $node partner add "$(hark brand ticket)" -q >/dev/null
done
hark one partner add "$(hark two ticket)" -q >/dev/null
hark two partner add "$(hark one ticket)" -q >/dev/null
hark kim init "$work/kim" --name kim -q >/dev/null
for node in brand one two kim; do go $node; done
hark kim join "$(hark brand invite -q)" --name Kim -q >/dev/null 2>&1
hark kim partner add "$(hark one ticket)" -q >/dev/null
for node in one two kim; do await 20 hark $node show "$topic"; done
brand_says "Welcome"
stop kim

# --- away for long, and back ------------------------------------------------------------------
stop brand
kim_posts "The lamp flickers"
first=$said
for _ in 1 2 3; do later 400; done
go brand
brand_says "We are back"
await 20 logged_at brand "$first"
for _ in 1 2 3; do
    later 400
    brand_says "And here"
done
innocent "who was away"

# --- away for long, and what comes back withholds -----------------------------------------------
stop brand
kim_posts "It still flickers"
go brand "$WITHHOLDING"
for words in "All is well" "Very well" "Quite well"; do
    innocent "yet"
    later 400
    brand_says "$words"
done
await 20 convicted
hark one show "$said" >/dev/null
if hark brand show "$said" >/dev/null 2>&1; then fail "the brand has it"; fi
same "one file" 1 "$(wc -l <"$work/kept")"
hark two status --json | holds "status names kind and culprit" \
    'any(a["name"] == "withheld" and "node brand" in a["message"] and "node one" in a["message"]
         for a in d["alerts"])'
mkdir "$work/empty"
cp "$(cat "$work/kept")" "$work/empty/withheld.evidence"

# --- on a fresh machine ----------------------------------------------------------------------
key=$(hark brand status --json | field 'd["node"]["key"]')
for words in "home of space" "node one had accepted" "60 seconds" "It rests on 1 cosigner: two" \
    "a later policy has to be looked up"; do
    contains "in words" "$(fresh verify withheld.evidence)" "$words"
done
fresh verify withheld.evidence --json | holds "as JSON" "d['holds'] and d['kind'] == 'withheld' and
    d['claim'] == 'withheld' and not d['convicts'] and d['named'] and d['role'] == 'log' and
    d['key'] == '$key' and d['node'] == 'brand' and d['space'] == '$space' and
    d['withheld']['intake'] == 'one' and d['withheld']['position'] == 1 and
    d['withheld']['taken'] == 1 and d['withheld']['delay_s'] == 60 and
    not d['withheld']['first_delay'] and [c['name'] for c in d['withheld']['cosigners']] == ['two']"

altered withheld.evidence "(evidence)" 1 '3s/key ./key /;3s/$/0/'
altered withheld.evidence "(evidence)" 1 's/^delay 60$/delay 6000/'
altered withheld.evidence "(evidence)" 1 's/^\(Taken: .* \)1 /\12 /'
altered withheld.evidence "(evidence)" 1 's/^\(path \)..../\1AAAA/'
altered withheld.evidence "(evidence)" 1 's/^\(— two ....\)..../\1AAAA/'
altered withheld.evidence evidence-form 3 '/^cosigner /d'
altered withheld.evidence evidence-form 3 '/^delay /d'

# --- a home that takes over after all -----------------------------------------------------------
stop brand
go brand
await 20 logged_at brand "$said"
hark two verify -q || fail "verify at the partner's"
echo "ok: what was withheld is logged"
