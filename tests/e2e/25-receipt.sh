#!/usr/bin/env bash
# Goal: a receipt proves to whoever keeps it that an entry stands in the log: read here
# with git, openssl and a few lines that share no code with Hark; refused when altered; and
# held against a home that went back and wrote another history.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
for tool in openssl git; do
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
cat >"$work/check.py" <<'PY'
import base64, hashlib, subprocess, sys
file, repo, log_key, wanted = sys.argv[1:]
h = lambda b: hashlib.sha256(b).digest()
proof, note = open(file).read().split('\n\n', 1)
lines = proof.split('\n')
assert lines[0] == 'c2sp.org/tlog-proof@v1'
extra = base64.b64decode(lines[1].removeprefix('extra '))
index = int(lines[2].removeprefix('index '))
path = [base64.b64decode(l) for l in lines[3:]]
assert extra[0] == 1 and len(extra) == 69
entry, commit = extra[1:33], extra[49:].hex()
assert entry.hex() == wanted
git = ['git', '-c', 'safe.directory=*', '-C', repo]
assert h(subprocess.run([*git, 'cat-file', 'commit', commit], capture_output=True,
                        check=True).stdout) == entry, 'the commit is not the entry'
text, signature = note.split('\n\n')
origin, size, root = text.split('\n')
# RFC 9162, 2.1.3.2
fn, sn, r = index, int(size) - 1, h(b'\0' + extra[1:49])
assert fn <= sn
for p in path:
    assert sn != 0
    if fn & 1 or fn == sn:
        r = h(b'\1' + p + r)
        while not fn & 1 and fn != 0:
            fn, sn = fn >> 1, sn >> 1
    else:
        r = h(b'\1' + r + p)
    fn, sn = fn >> 1, sn >> 1
assert sn == 0 and r == base64.b64decode(root), 'another root'
name, sig = signature.removeprefix('— ').split()
sig = base64.b64decode(sig)
assert name == origin and sig[:4] == h(f'{origin}\n\x01'.encode() + bytes.fromhex(log_key))[:4]
open(file + '.text', 'w').write(text + '\n')
open(file + '.sig', 'wb').write(sig[4:])
open(file + '.der', 'wb').write(bytes.fromhex('302a300506032b6570032100' + log_key))
PY
key=$(brand status --json | field 'd["node"]["key"]')
for name in said topic; do
    file=$work/$name.tlog-proof
    python3 "$work/check.py" "$file" "$work"/brand/spaces/*.git "$key" "${!name}"
    openssl pkeyutl -verify -pubin -keyform DER -inkey "$file.der" -rawin -in "$file.text" \
        -sigfile "$file.sig" >/dev/null || fail "openssl does not take the signature"
    echo "ok: the receipt of $name, by hand"
done

# --- altered ---------------------------------------------------------------------------
altered() {
    sed "$2" "$work/said.tlog-proof" >"$work/altered"
    cmp -s "$work/said.tlog-proof" "$work/altered" && fail "nothing is altered"
    refused "$1" "$3" brand verify "$work/altered"
}
altered proof '3s/index .*/index 3/' 3
altered proof-form '3s/index .*/index 99/' 3
altered proof-form '4s/^.//' 3
altered proof '4s/.*/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=/' 3
altered proof-form '2d' 3
altered proof-form '2s/ A/ B/' 3
altered no 's/^\(— .* ....\)..../\1AAAA/' 1

# --- a home that went back ----------------------------------------------------------------
back() { "$HARK" -C "$work/backup" "$@"; }
contains "a log that does not reach that far" "$(back verify "$work/said.tlog-proof")" \
    "whether it still stands there is open"
back post "All are content" --re "$topic" -q >/dev/null
refused peer-fork 5 back verify "$work/said.tlog-proof"
back verify "$work/topic.tlog-proof" >"$work/words" && fail "two roots of one size are taken"
contains "nor any other of that size" "$(back verify "$work/topic.tlog-proof" 2>&1 || true)" \
    "it is evidence"
back post "Really" --re "$topic" -q >/dev/null
refused peer-fork 5 back verify "$work/said.tlog-proof"
