#!/usr/bin/env bash
# Goal: a private group whose members show each other which members of a community they are:
# nobody comes in without, or with what is another's or that of somebody who was removed; and
# the host that carries the group learns neither the community nor anybody's key there.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }
brand_port=$(free_port)
hub_port=$(free_port)
grey_port=$(free_port)
"$HARK" init "$work/brand" --name brand --title "Riders" --objective "Which light?" \
    --owner "Ada Brandt" --until 2030-01-01 --listen "tcp://127.0.0.1:$brand_port" >/dev/null
"$HARK" init "$work/hub" --name hub --listen "tcp://127.0.0.1:$hub_port" >/dev/null
"$HARK" init "$work/grey" --name grey --listen "tcp://127.0.0.1:$grey_port" >/dev/null
community=$(hark brand status --json | field 'd["spaces"][0]["id"]')
start brand
ticket=$(hark brand invite --uses 9 -q 2>/dev/null)
for who in grey mara jo rex; do
    hark "$who" join "$ticket" --name "${who^}" -q >/dev/null 2>&1 || fail "$who did not join the community"
done
echo "ok: four members of a community"

# --- who may found a group of it --------------------------------------------------------------
found() { hark grey -s "$community" group new "Night riders" --purpose "Zwetschgenlicht" --name Grey --community "$community" "$@"; }
refused "--show is" 2 found --show perhaps
refused "open group" 2 found --mode open
echo "groups: staff" >"$work/policy.yaml"
hark brand policy set "$work/policy.yaml" >/dev/null || fail "the policy was not set"
start grey
staff_only() { hark grey -s "$community" policy show | grep groups | grep -q staff; }
await 20 staff_only
refused "void-role" 3 found
echo "groups: members" >"$work/policy.yaml"
hark brand policy set "$work/policy.yaml" >/dev/null
members_may() { hark grey -s "$community" policy show | grep groups | grep -q members; }
await 20 members_may

# --- founded, and given to a host that has nothing to do with the community ----------------------
group=$(found --show must -q 2>/dev/null)
in_group() { local dir=$1; shift; "$HARK" -C "$work/$dir" -s "$group" "$@"; }
start hub
in_group grey partner add "$(hark hub ticket)" >/dev/null
in_group hub partner add "$(hark grey ticket)" >/dev/null
size_at() { in_group "$1" status --json | field "d['spaces'][0]['size']"; }
level() { [ "$(size_at grey)" = "$(size_at hub)" ]; }
await 20 level
ticket=$(in_group grey invite --uses 9 -q 2>/dev/null)
contains "the founder shows who they are" "$(in_group grey member ls)" "is Grey of ${community:0:12} (member)"

# --- coming in ------------------------------------------------------------------------------------
refused "showing-wanted" 3 hark mara join "$ticket" --name Moth -q
if hark mara join "$ticket" --name Moth -q 2>&1 | grep -q "${community:0:12}"; then
    fail "the refusal names the community"
fi
hark mara join "$ticket" --name Moth --show "$community" -q >/dev/null || fail "Mara did not join the group"
sees() { in_group "$1" member ls | grep -q "$2"; }
await 20 sees grey "Moth  is Mara of ${community:0:12} (member)"
start mara
# Who writes says who they are again first, for those who came since.
in_group grey topic "Quittengelee" -q >/dev/null 2>&1
await 20 sees mara "Grey  is Grey of ${community:0:12} (member)"
echo "ok: each sees who the other is in the community"
# The charter was said again for the newcomer: it asks still.
refused "showing-wanted" 3 hark jo join "$ticket" --name Jay -q
# Rex was removed, and the group's steward knows it.
hark brand member remove Rex >/dev/null
gone() { hark grey -s "$community" member ls | grep -q "removed  Rex"; }
await 20 gone
refused "showing" 3 hark rex join "$ticket" --name Rat --show "$community" -q
hark jo join "$ticket" --name Jay --show "$community" -q >/dev/null 2>&1 || fail "Jo did not join the group"
await 20 sees mara "Jay  is Jo of ${community:0:12} (member)"
# Who is removed from the community later is seen to be.
hark brand member remove Jo >/dev/null
await 20 sees grey "Jay  is - of ${community:0:12} (ended)"
contains "who lacks a showing that stands" "$(in_group grey group check)" "member 2 has not shown who they are"
echo "ok: who is no member of the community any more is seen to be"

# --- checked by other means, from PROTOCOL.md alone -----------------------------------------------------
hark grey -s "$group" log --kind profile --json >"$work/profiles"
# Debian's package is of Debian's Python, which need not be the first one.
python=python3
"$python" -c 'import nacl.signing' 2>/dev/null || python=/usr/bin/python3
"$python" - "$work/profiles" "$group" <<'PY' || fail "a proof does not hold by other means"
import hashlib, json, struct, sys
from nacl.signing import VerifyKey
group, seen = sys.argv[2], 0
string = lambda b: struct.pack('>I', len(b)) + b
for line in open(sys.argv[1]):
    row = json.loads(line)
    s = (row['payload'] or {}).get('showing')
    if s is None:
        continue
    text = f"group {group}\nkey {row['author']['key']}\ncommunity {s['community']}\n".encode()
    signed = (b'SSHSIG' + string(b'hark-showing') + string(b'') + string(b'sha512')
              + string(hashlib.sha512(text).digest()))
    VerifyKey(bytes.fromhex(s['key'])).verify(signed, bytes.fromhex(s['proof']))
    seen += 1
assert seen >= 3, seen
PY
echo "ok: proofs hold by other means"

# --- what the host has -------------------------------------------------------------------------------
keys=()
for n in 0 1 2 3; do
    keys+=("$(hark brand member show "$n" --json | field 'd["keys"][0]["key"]')")
done
await 20 level
stop hub
python3 - "$work/hub" "$community" "${keys[@]}" <<'PY' || fail "the host has what links the group to the community"
import os, subprocess, sys
top, *ids = sys.argv[1:]
wanted = [i.encode() for i in ids] + [bytes.fromhex(i) for i in ids]
assert len(ids) >= 5, ids
def look(where, data):
    for w in wanted:
        assert w not in data and w.upper() not in data, (where, w)
for root, _, names in os.walk(top):
    for n in names:
        look(n, open(os.path.join(root, n), 'rb').read())
    if root.endswith('.git') or 'objects' in os.listdir(root) and 'refs' in os.listdir(root):
        git = ['git', '-C', root, 'cat-file', '--batch-all-objects']
        look(root, subprocess.run(git + ['--batch'], check=True, capture_output=True).stdout)
PY
echo "ok: the host knows neither the community nor anybody's key there"
