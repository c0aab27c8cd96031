#!/usr/bin/env bash
# Goal: a node's own checkpoints, made while its log grew, are what others take
# them for: Go's sumdb/note and sumdb/tlog accept the newest and the proofs from
# every older one to it, OpenSSL accepts the signature, and all refuse altered ones. The
# leaves are recomputed here from the batches in git, not taken from Hark.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
for tool in go openssl git; do
    command -v $tool >/dev/null || skip "there is no $tool"
done
[ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || skip "there is no golang-golang-x-mod-dev"

"$HARK" init "$work/brand" --name brand.example --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 >/dev/null
brand() { "$HARK" -C "$work/brand" "$@"; }
topic=$(brand topic "Lamps" --json | entry_id)
for i in $(seq 20); do
    brand post "lamp number $i" --re "$topic" >/dev/null
done
repo=$(echo "$work"/brand/spaces/*.git)

# --- what a reader without Hark makes of the repository --------------------------
mkdir "$work/out"
python3 - "$repo" "$(brand status --json | field 'd["node"]["key"]')" "$work/out" \
    "$HARK" "$work/brand" <<'PY'
import base64, hashlib, json, subprocess, sys
repo, log_key, out, hark, brand = sys.argv[1:]
git = lambda *a: subprocess.run(['git', '-C', repo, *a], capture_output=True, check=True).stdout
h = lambda b: hashlib.sha256(b).digest()
leaf = lambda b: h(b'\0' + b)
node = lambda a, b: h(b'\1' + a + b)

def root(leaves):
    if not leaves:
        return h(b'')
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node(root(leaves[:k]), root(leaves[k:]))

def path(m, leaves):  # RFC 6962, 2.1.1
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m < k:
        return path(m, leaves[:k]) + [root(leaves[k:])]
    return path(m - k, leaves[k:]) + [root(leaves[:k])]

def proof(m, leaves, whole=True):  # RFC 6962, 2.1.2
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m <= k:
        return proof(m, leaves[:k], whole) + [root(leaves[k:])]
    return proof(m - k, leaves[k:], False) + [root(leaves[:k])]

b64 = lambda b: base64.b64encode(b).decode()
leaves, ids, notes, sizes = [], [], [], []
for commit, what in (l.split(' ', 1) for l in git('log', '--first-parent', '--reverse',
                                                  '--format=%H %s', 'main').decode().splitlines()):
    if not what.startswith('batch '):
        continue  # the first batch's first parent is an entry
    for line in git('cat-file', 'blob', commit + ':entries').decode().splitlines():
        position, arrival, accepted, entry = line.split()[:4]
        assert int(position) == len(leaves)
        ids.append(entry)
        leaves.append(leaf(bytes.fromhex(entry) + int(arrival).to_bytes(8, 'big')
                           + int(accepted).to_bytes(8, 'big')))
    notes.append(git('cat-file', 'blob', commit + ':checkpoint').decode())
    sizes.append(len(leaves))
    origin, size, rest = notes[-1].split('\n', 2)
    assert int(size) == len(leaves), 'the size in the checkpoint'
    assert rest.split('\n')[0] == b64(root(leaves)), 'the root in the checkpoint'
origin = notes[-1].split('\n')[0]
key = b'\1' + bytes.fromhex(log_key)
vkey = f'{origin}+{h(origin.encode() + b"%c" % 10 + key)[:4].hex()}+{b64(key)}'
n = len(leaves)
for i, entry in enumerate(ids):  # Hark's own proofs are the ones that Go is shown below
    receipt = subprocess.run([hark, '-C', brand, 'receipt', entry], capture_output=True,
                             check=True, text=True).stdout
    proof_lines, checkpoint = receipt.split('\n\n', 1)
    assert checkpoint == notes[-1], 'the checkpoint of a receipt'
    assert proof_lines.split('\n')[2:] == [f'index {i}', *map(b64, path(i, leaves))], receipt
document = {
    'vkey': vkey, 'note': notes[-1], 'leaf_hashes': [b64(x) for x in leaves],
    'inclusion': [{'index': i, 'size': n, 'root': b64(root(leaves)),
                   'proof': [b64(x) for x in path(i, leaves)]} for i in range(n)],
    'consistency': [{'old_size': s, 'size': n, 'old_root': b64(root(leaves[:s])),
                     'root': b64(root(leaves)), 'proof': [b64(x) for x in proof(s, leaves)]}
                    for s in sizes],
}
json.dump(document, open(out + '/good.json', 'w'))
size = notes[-1].split('\n')[1]
document['note'] = notes[-1].replace('\n' + size + '\n', '\n' + str(int(size) + 1) + '\n', 1)
json.dump(document, open(out + '/altered.json', 'w'))
text, signature = notes[-1].split('\n\n')
open(out + '/text', 'w').write(text + '\n')
open(out + '/sig', 'wb').write(base64.b64decode(signature.split(' ')[2])[4:])
open(out + '/key.der', 'wb').write(bytes.fromhex('302a300506032b6570032100' + log_key))
print(f'ok: {len(notes)} checkpoints over {n} leaves, roots as in RFC 6962')
PY

# --- Go --------------------------------------------------------------------------
export GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$work/gocache" GOFLAGS=
go build -o "$work/judge" "$here/go/thirdparty.go"
"$work/judge" <"$work/out/good.json" || fail "Go refuses our checkpoint or proofs"
if "$work/judge" <"$work/out/altered.json" >/dev/null 2>&1; then
    fail "Go takes an altered checkpoint"
fi
echo "ok: Go's sumdb/note and sumdb/tlog"

# --- OpenSSL -----------------------------------------------------------------------
cd "$work/out"
openssl pkey -pubin -inform DER -in key.der -out key.pem
openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile sig >/dev/null ||
    fail "OpenSSL refuses our signature"
sed 's/^brand/Brand/' text >altered
if openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in altered -sigfile sig >/dev/null 2>&1; then
    fail "OpenSSL takes an altered checkpoint"
fi
echo "ok: OpenSSL"
