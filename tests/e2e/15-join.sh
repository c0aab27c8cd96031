#!/usr/bin/env bash
# Goal: somebody with a ticket and no node becomes a member with a node of their own: at
# the home; at a partner while the home is away, which hands the request on unread; and
# what is no good is refused by its name before it is of use to anybody.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

brand_port=$(free_port)
partner_port=$(free_port)
"$HARK" init "$work/brand" --name brand --title "Parks" --objective "What should we plant?" \
    --owner "Ada Brandt" --until 2030-01-01 --listen "tcp://127.0.0.1:$brand_port" >/dev/null
"$HARK" init "$work/partner" --name partner --listen "tcp://127.0.0.1:$partner_port" >/dev/null

at() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }

at brand partner add "$(at partner ticket)" >/dev/null
at partner partner add "$(at brand ticket)" >/dev/null
start brand
start partner
at partner sync --wait >/dev/null
invite() { at brand invite -q "$@"; }

# until_holds WHAT COMMAND...: it succeeds within 20 seconds
until_holds() {
    local what=$1
    shift
    await 20 "$@"
    echo "ok: $what"
}
named() { at "$1" member ls --json | grep -q "\"name\":\"$2\""; }
admits() { at brand log --kind admit --json | wc -l; }

# --- at the home ---------------------------------------------------------------
ticket=$(invite --cohort market=de)
same "the ticket's addresses" "2" \
    "$(at brand invite --json | field 'len(d["addresses"])')"
before=$(admits)
at grace join "$ticket" --name Grace --json >"$work/joined" 2>"$work/terms"
grep -q "What should we plant?" "$work/terms" || fail "the terms were not shown"
grep -q "brand, partner" "$work/terms" || fail "who holds copies was not shown"
member=$(field 'd["member"]' <"$work/joined")
same "one more member" "$((before + 1))" "$(admits)"
same "the role" "member Grace" "$(field 'd["role"] + " " + d["name"]' <"$work/joined")"
case $(at grace status --json | field 'd["node"]["name"]') in
member-????????) echo "ok: the node is not named after a person" ;;
*) fail "the node's name" ;;
esac
until_holds "the profile came to the home" named brand Grace
same "the cohort" "de" "$(at brand member show "$member" --json | field 'd["cohorts"]["market"]')"

# --- again: nothing happens twice ------------------------------------------------
same "again, the same member" "$member" \
    "$(at grace join "$ticket" --name Grace --json 2>/dev/null | field 'd["member"]')"
same "and no other" "$((before + 1))" "$(admits)"

# --- what is no good ---------------------------------------------------------------
soon=$(date -u -d '+2 seconds' +%Y-%m-%dT%H:%M:%S.000Z)
expired=$(invite --until "$soon")
refused ticket-used 3 at used join "$ticket" --name Ulf --timeout 10
revoked=$(at brand invite --json)
at brand invite revoke "$(field 'd["ticket_key"]' <<<"$revoked")" >/dev/null
refused ticket-revoked 3 at revoked join "$(field 'd["ticket"]' <<<"$revoked")" --name Rex --timeout 10
good=$(invite)
# change EXPRESSION: the good ticket with its body b changed, and a right checksum
change() {
    python3 - "$good" "$1" <<'PY'
import base64, hashlib, sys
text, change = sys.argv[1:]
raw = base64.urlsafe_b64decode(text[5:] + '=' * (-len(text[5:]) % 4))
b = bytearray(raw[:-4])
exec(change)
raw = bytes(b) + hashlib.sha256(b).digest()[:4]
print('hark1' + base64.urlsafe_b64encode(raw).decode().rstrip('='))
PY
}
other=A
[ "${good:20:1}" != A ] || other=B
refused ticket-checksum 3 at none join "${good:0:20}$other${good:21}" --name No
refused ticket-form 3 at none join "nothing" --name No
refused ticket-version 3 at none join "$(change 'b[0] = 2')" --name No
refused ticket-kind 3 at none join "$(at brand ticket)" --name No
while [[ $(date -u +%Y-%m-%dT%H:%M:%S.%3NZ) < $soon || $(date -u +%Y-%m-%dT%H:%M:%S.%3NZ) = "$soon" ]]; do
    sleep 0.1
done
refused ticket-expired 3 at none join "$expired" --name No
[ ! -e "$work/none" ] || fail "a node was made for a ticket that is no good"
# Another space than those that the node has: as if it did not exist.
refused peer-space 3 at other join "$(change 'b[2] ^= 1')" --name No --timeout 10
[ -z "$(ls "$work/other/keys/people")" ] || fail "a key was made for nothing"
# A secret that no invitation knows gets no connection.
refused peer-unreachable 4 at stranger join "$(change 'b[34] ^= 1')" --name No --timeout 2

# --- the home is away -------------------------------------------------------------
stop() { kill "${daemons[$1]}"; wait "${daemons[$1]}" 2>/dev/null || true; daemons[$1]=; }
size_at() { at "$1" status --json | field 'd["spaces"][0]["size"]'; }
level() { [ "$(size_at brand)" = "$(size_at partner)" ]; }
until_holds "the partner has it all" level
stop 0
# It says so, with exit code 4, as often as it is asked.
kept() {
    local said code=0
    said=$(at grete join "$good" --name "Grete Unmistakable" --timeout 1 2>&1) || code=$?
    [ "$code" = 4 ] && [[ $said = *"partner keeps it"* ]]
}
until_holds "the partner keeps the request" kept
until_holds "and still" kept
stop 1
if grep -rqa "Unmistakable" "$work/partner"; then fail "the partner can read who joins"; fi
echo "ok: the partner cannot read who joins"
start partner
start brand
at grete join "$good" --name "Grete Unmistakable" --json >"$work/joined" 2>/dev/null
same "joined when the home came back" "$((before + 2))" "$(admits)"
until_holds "that profile came, too" named brand "Grete Unmistakable"

# --- the member's node is one like others ------------------------------------------
at grete sync --wait >/dev/null
same "the same state" "$(at brand status --json | field 'd["spaces"][0]["state_hash"]')" \
    "$(at grete status --json | field 'd["spaces"][0]["state_hash"]')"
at grete verify >/dev/null || fail "hark verify at the member"
echo "ok: hark verify at the member"

# --- partners of partners ------------------------------------------------------------
space=$(at brand status --json | field 'd["spaces"][0]["id"]')
"$HARK" init "$work/witness" --name witness --listen tcp://127.0.0.1:0 >/dev/null
start witness
case $(at witness ticket --json | field 'd["addresses"][0]') in
*:0) fail "a ticket with port 0" ;;
tcp://127.0.0.1:*) echo "ok: a ticket names the port that the daemon got" ;;
esac
at brand partner add "$(at witness ticket)" >/dev/null
at partner partner add "$(at witness ticket)" -s "$space" --json >"$work/added"
same "a partner follows a partner" "$space None" \
    "$(field 'd["follows"][0] + " " + str(d["named_in"])' <"$work/added")"
until_holds "the partner has it all" level
at witness partner add "$(at partner ticket)" -s "$space" >/dev/null
at witness sync --wait >/dev/null
same "it came by the partner" "$(size_at brand)" "$(size_at witness)"
size=$(size_at brand)
at brand partner rm witness --json >"$work/removed"
same "what it keeps is said" "$space $size False" \
    "$(field '" ".join(str(d["keeps"][0][k]) for k in ("space", "entries", "named"))' <"$work/removed")"
until_holds "the partner knows" level
at brand topic "News" "not for all" --as owner >/dev/null
until_holds "the partner has the news" level
refused peer-space 3 at witness sync --wait --timeout 10
[ "$(size_at witness)" -le $((size + 2)) ] || fail "a removed partner got more"

# --- the home has moved, the steward's key has not ---------------------------------------
ticket=$(invite)
at brand home move partner >/dev/null 2>&1
at_partner() { [ "$(at "$1" home show --json | field 'd["home"]["name"]')" = partner ]; }
until_holds "the home is at the partner" at_partner partner
at greta join "$ticket" --name Greta -q 2>/dev/null >/dev/null
until_holds "joined where the home has moved" named partner Greta
