#!/usr/bin/env bash
# Goal: who is in two private groups, and in which groups a member of the community is: known
# where people have shown who they are, and of a node's own people; and to nobody who is in
# neither.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }
brand_port=$(free_port)
grey_port=$(free_port)
"$HARK" init "$work/brand" --name brand --title "Riders" --objective "Which light?" \
    --owner "Ada Brandt" --until 2030-01-01 --listen "tcp://127.0.0.1:$brand_port" >/dev/null
"$HARK" init "$work/grey" --name grey --listen "tcp://127.0.0.1:$grey_port" >/dev/null
community=$(hark brand status --json | field 'd["spaces"][0]["id"]')
start brand
ticket=$(hark brand invite --uses 9 -q 2>/dev/null)
for who in grey mara jo; do
    hark "$who" join "$ticket" --name "${who^}" -q >/dev/null 2>&1 || fail "$who did not join the community"
done
start grey

new() { hark grey -s "$community" group new "$1" --purpose "Zwetschgenlicht" --name Grey "${@:2}" -q 2>/dev/null; }
lamps=$(new Lamps --community "$community" --show must)
bells=$(new Bells --community "$community")
alone=$(new Alone)
knows_all() { [ "$(hark grey -s "$community" member ls | grep -c .)" = 4 ]; }
await 20 knows_all
for group in "$lamps" "$bells"; do
    ticket=$(hark grey -s "$group" invite --uses 3 -q 2>/dev/null)
    hark mara join "$ticket" --name Moth --show "$community" -q >/dev/null 2>&1 || fail "Mara did not join"
    # Jo shows who she is where she has to.
    shows=()
    [ "$group" = "$bells" ] || shows=(--show "$community")
    hark jo join "$ticket" --name Jay "${shows[@]}" -q >/dev/null 2>&1 || fail "Jo did not join"
done
echo "ok: two groups of a community, and three people"

overlap() { hark grey group overlap "$@" --json | field 'str(d["both"]) + " of " + str(d["a"]["members"]) + "/" + str(d["a"]["shown"]) + " and " + str(d["b"]["members"]) + "/" + str(d["b"]["shown"])'; }
is() { [ "$(overlap "$1" "$2")" = "$3" ]; }
await 20 is "$lamps" "$bells" "2 of 3/3 and 3/2"
same "who that is" "Grey Mara" "$(hark grey group overlap "$lamps" "$bells" --json | field '" ".join(m["name"] for m in d["members"])')"
same "a bounded list" 1 "$(hark grey group overlap "$lamps" "$bells" --limit 1 --json | field 'len(d["members"])')"
same "with the community itself" "3 of 3/3 and 4/4" "$(overlap "$lamps" "$community")"
same "and from its side" "2 of 4/4 and 3/2" "$(overlap "$community" "$bells")"
contains "for people" "$(hark grey group overlap "$lamps" "$bells")" "of 3 members this node knows who 2 are"
contains "of people of this node" "$(hark grey group overlap "$lamps" "$alone")" "1 in both"
lists() { hark grey -s "$community" group ls --member "$1" --json | grep -c hark/group/1 || true; }
same "the groups of one who shows herself in both" 2 "$(lists Mara)"
same "of one who shows herself in one" 1 "$(lists Jo)"
same "of this node's own person" 3 "$(lists Grey)"
same "of one who is in none" 0 "$(lists "Ada Brandt")"
refused "not-found" 1 hark brand group overlap "$lamps" "$community"

# --- who was removed from the community is not counted any more ----------------------------------
hark brand member remove Mara >/dev/null
await 20 is "$lamps" "$bells" "1 of 3/2 and 3/1"
echo "ok: who is no member of the community any more is not in the overlap"
# --- a host that carries one may not know -----------------------------------------------------------
hark grey -s "$lamps" partner add "$(hark brand ticket)" >/dev/null
hark brand -s "$lamps" partner add "$(hark grey ticket)" >/dev/null
carried() { hark brand -s "$lamps" status --json >/dev/null 2>&1 && [ "$(hark brand -s "$lamps" status --json | field 'd["spaces"][0]["size"]')" -gt 3 ]; }
await 20 carried
refused "entry-key" 3 hark brand group overlap "$lamps" "$community"
