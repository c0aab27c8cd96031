#!/usr/bin/env bash
# Goal: two real conversations, imported at a brand's node, stand verified at a
# partner's: the same commit, the same state and content, every count equal to
# the truth in votes.csv; and stock git, ssh-keygen and sha256sum agree. Both with
# HARK_LONG=1 only: the larger one takes minutes.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
data=${HARK_SHARED_DIR:-../shared}/data/polis
[ -d "$data" ] || skip "there are no real conversations in $data"

conversations=("$data/football-concussions")
if [ -n "${HARK_LONG-}" ]; then conversations+=("$data/vtaiwan.uberx"); fi

brand_port=$(free_port)
partner_port=$(free_port)
"$HARK" init "$work/brand" --name brand --title "Two conversations" \
    --objective "What should we do next?" --owner "Ada Brandt" --until 2030-01-01 \
    --listen "tcp://127.0.0.1:$brand_port" >/dev/null
"$HARK" init "$work/partner" --name partner --listen "tcp://127.0.0.1:$partner_port" >/dev/null

brand() { "$HARK" -C "$work/brand" "$@"; }
partner() { "$HARK" -C "$work/partner" "$@"; }

partner ticket >"$work/partner.ticket"
brand partner add "$(cat "$work/partner.ticket")" >/dev/null
partner partner add "$(brand ticket)" >/dev/null
start brand
start partner

for conversation in "${conversations[@]}"; do
    brand import polis "$conversation" --json >"$work/import.json" 2>"$work/import.err"
    cat "$work/import.json"
done
partner sync --wait --timeout 120 >/dev/null

state() { "$1" status --json | field 'd["spaces"][0]["'"$2"'"]'; }
for what in size root state_hash content_hash; do
    same "$what" "$(state brand $what)" "$(state partner $what)"
done
space=$(state brand id)
repo=$work/partner/spaces/$space.git
same "the commit of main" "$(git -C "$work/brand/spaces/$space.git" rev-parse main)" \
    "$(git -C "$repo" rev-parse main)"

# --- the truth ---------------------------------------------------------------
for node in brand partner; do
    "$HARK" -C "$work/$node" log --kind idea --json >"$work/$node.ideas"
    python3 "$(dirname "$0")/counts.py" "$HARK" "$work/$node" "$work/$node.ideas" \
        "${conversations[@]}"
    [ -n "${HARK_LONG-}" ] || continue
    # --- search: 司機 in every statement that holds it ---------------------------
    "$HARK" -C "$work/$node" search 司機 --limit 10000 --json >"$work/found"
    python3 - "$work/$node.ideas" "$work/found" <<'PY'
import json, sys
hold = {json.loads(l)['id'] for l in open(sys.argv[1], encoding='utf-8')
        if '司機' in json.loads(l)['payload']['body']}
found = {json.loads(l)['id'] for l in open(sys.argv[2], encoding='utf-8')}
hidden = {json.loads(l)['id'] for l in open(sys.argv[1], encoding='utf-8')
          if json.loads(l).get('hidden')}
missing = hold - found - hidden
assert hold and not missing, f'{len(missing)} of {len(hold)} statements with 司機 were not found'
print(f'ok: 司機 found in {len(hold - hidden)} statements ({len(hold & hidden)} more are hidden)')
PY
done

# --- stock git ---------------------------------------------------------------
for node in brand partner; do
    sound "$work/$node/spaces/$space.git"
done
echo "ok: git fsck --strict is clean at both"
git clone -q "$repo" "$work/clone" 2>"$work/clone.err" || fail "git clone: $(cat "$work/clone.err")"
same "the clone's commit" "$(git -C "$work/clone" rev-parse HEAD)" "$(git -C "$repo" rev-parse main)"

partner export allowed-signers >"$work/signers"
partner log --json >"$work/entries"
python3 - "$work/entries" >"$work/sample" <<'PY'
import json, random, sys
rows = [json.loads(l) for l in open(sys.argv[1], encoding='utf-8')]
random.Random(17).shuffle(rows)
for r in rows[:500]:
    print(r['commit'], r['id'], r['author']['key'])
PY
cut -d' ' -f1 "$work/sample" >"$work/commits"
git -C "$work/clone" -c gpg.ssh.allowedSignersFile="$work/signers" log --no-walk=unsorted \
    --show-signature --format=%H --stdin <"$work/commits" >"$work/shown" 2>&1
good=$(grep -c '^Good "git" signature for ' "$work/shown" || true)
same "entries that git log --show-signature calls Good" "$good" "$(wc -l <"$work/sample")"

head -n 10 "$work/sample" | while read -r commit id key; do
    git -C "$work/clone" cat-file commit "$commit" >"$work/object"
    same "the id of $commit" "$(sha256sum <"$work/object" | cut -d' ' -f1)" "$id"
    # What is signed is the object without its gpgsig lines.
    python3 - "$work/object" "$work/text" "$work/sig" <<'PY'
import sys
lines = open(sys.argv[1], 'rb').read().split(b'\n')
text, sig, inside = [], [], False
for n, line in enumerate(lines):
    if line.startswith(b'gpgsig '):
        inside = True
        sig.append(line[7:])
    elif inside and line.startswith(b' '):
        sig.append(line[1:])
    else:
        inside = False
        text.append(line)
open(sys.argv[2], 'wb').write(b'\n'.join(text))
open(sys.argv[3], 'wb').write(b'\n'.join(sig) + b'\n')
PY
    ssh-keygen -Y verify -f "$work/signers" -I "$key@hark.invalid" -n git -s "$work/sig" \
        <"$work/text" >"$work/said" 2>&1 || fail "ssh-keygen: $(cat "$work/said")"
done
echo "ok: ssh-keygen -Y verify agrees on ten"

# --- importing again adds nothing ----------------------------------------------
before=$(state brand size)
for conversation in "${conversations[@]}"; do
    brand import polis "$conversation" >/dev/null 2>&1
done
same "the size after importing again" "$before" "$(state brand size)"

# --- the partner's copy, verified from nothing but itself ------------------------
stop_daemons
partner verify >/dev/null || fail "hark verify at the partner"
echo "ok: hark verify"
