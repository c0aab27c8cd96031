#!/usr/bin/env bash
# Goal: a log exported as static files is one to whoever reads tiles: Go's sumdb/tlog proves
# each entry and each older checkpoint from them; it grows export by export without a file
# of it changing; and a directory that holds another history is left alone.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
for tool in go git; do
    command -v $tool >/dev/null || skip "there is no $tool"
done
[ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || skip "there is no golang-golang-x-mod-dev"
export GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$work/gocache" GOFLAGS=
go build -o "$work/judge" "$here/go/tiles.go"

"$HARK" init "$work/brand" --name brand.example --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 -q >/dev/null
brand() { "$HARK" -C "$work/brand" "$@"; }
topic=$(brand topic "Lamps" -q)
cd "$work"

# talk VOTERS: a conversation to import, so that the log fills tiles
talk() {
    mkdir -p "$work/talk"
    python3 - "$work/talk" "$1" <<'PY'
import sys
folder, voters = sys.argv[1], int(sys.argv[2])
def write(name, *lines):
    open(f'{folder}/{name}', 'w').write('\n'.join(lines) + '\n')
write('summary.csv', 'topic,Lamps', 'url,https://polis.example/1', f'voters,{voters}', f'voters-in-conv,{voters}',
      'commenters,5', 'comments,5', 'groups,2', 'conversation-description,Lamps')
write('comments.csv', 'timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body',
      *(f'170000000{i},x,{i},{i},1,1,1,Lamp number {i}' for i in range(5)))
write('votes.csv', 'timestamp,datetime,comment-id,voter-id,vote',
      *(f'1700000010,x,{c},{v},1' for v in range(voters) for c in range(5)))
PY
}

# vkey DIR: the key of the log that stands there, as notes name it
log_key=$(brand status --json | field 'd["node"]["key"]')
vkey() {
    python3 - "$log_key" "$1/checkpoint" <<'PY'
import base64, hashlib, sys
key, origin = b'\1' + bytes.fromhex(sys.argv[1]), open(sys.argv[2]).readline()
key_id = hashlib.sha256(origin.encode() + key).digest()[:4]
print(f'{origin.strip()}+{key_id.hex()}+{base64.b64encode(key).decode()}')
PY
}

# The leaves, from the batches in git.
repo=$(echo "$work"/brand/spaces/*.git)
leaves() {
    git -c safe.directory='*' -C "$repo" log --first-parent --reverse --format='%H %s' main |
        while read -r commit what _; do
            [ "$what" != batch ] || git -c safe.directory='*' -C "$repo" cat-file blob "$commit:entries"
        done | while read -r _ arrival accepted id _; do
        printf '%s%016x%016x\n' "$id" "$arrival" "$accepted"
    done
}
# judged DIR OLD...: Go takes it for this log, all of it
judged() {
    local dir=$1
    shift
    "$work/judge" "$dir" "$(vkey "$dir")" "$@" >"$work/found" || fail "Go refuses $dir"
    leaves | cmp - "$work/found" || fail "the entries in $dir are not the log's"
    echo "ok: Go finds $(wc -l <"$work/found") entries, and $# older checkpoints"
}
# files DIR: which there are, and that none is another than it was (ctime: a rename sets it)
files() { (cd "$1" && find . -type f -printf '%p %i %s %C@\n' | sort); }

# --- growing -------------------------------------------------------------------------------
contains "in words" "$(brand export tiles out)" "1 tiles and 1 bundles"
judged out
cp out/checkpoint 1.note
talk 60
brand import polis talk -q
brand export tiles out --json | holds "what is new is told" "d['format'] == 'hark/export/1' and
    d['what'] == 'tiles' and d['dir'] == 'out' and d['size'] > 300 and d['tiles'] == 3 and d['bundles'] == 2"
judged out 1.note
cp out/checkpoint 2.note
files out >before
contains "nothing is new" "$(brand export tiles out)" "0 tiles and 0 bundles"
files out | cmp - before || fail "an export of the same log changed a file"
brand post "One more" --re "$topic" -q >/dev/null
brand export tiles "$work/out" -q >said
[ ! -s said ] || fail "-q says $(cat said)"
judged out 1.note 2.note
files out | grep -v checkpoint >after
grep -v checkpoint before | comm -23 - after | cmp - /dev/null || fail "a file has changed"
cp out/checkpoint 3.note
find out -name '*.new' | cmp - /dev/null || fail "left behind"

# Another directory, all at once: the same bytes, without the tiles of older sizes.
brand export tiles at-once -q
diff -r out at-once | grep -v '^Only in out' && fail "the files depend on how they came about"
judged at-once 3.note

# By the daemon, on whose log others write meanwhile.
start brand
brand post "Two more" --re "$topic" -q >/dev/null
brand export tiles out -q
judged out 1.note 2.note 3.note
talk 400
brand import polis talk -q
brand export tiles out -q
judged out 1.note 2.note 3.note
stop_daemons

# --- altered -----------------------------------------------------------------------------------
# Go finds what is turned, so it did look.
for file in tile/0/000 "tile/1/000.p/$(($(sed -n 2p out/checkpoint) / 256))" tile/entries/001; do
    cp -r out altered
    python3 -c 'import sys
f = open(sys.argv[1], "r+b")
text = bytearray(f.read())
text[40] ^= 1
f.seek(0)
f.write(text)' "altered/$file"
    if "$work/judge" altered "$(vkey out)" >/dev/null 2>&1; then fail "Go takes another $file"; fi
    rm -r altered
done
echo "ok: Go refuses altered tiles"

# --- another history -----------------------------------------------------------------------------
cp -a brand back
back() { "$HARK" -C "$work/back" "$@"; }
brand post "Here" --re "$topic" -q >/dev/null
brand export tiles out -q
files out >before
refused behind 4 back export tiles out
back post "There" --re "$topic" -q >/dev/null
refused peer-fork 5 back export tiles out
back post "And on" --re "$topic" -q >/dev/null
refused peer-fork 5 back export tiles out
"$HARK" init other --name other.example --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 -q >/dev/null
refused exists 2 "$HARK" -C other export tiles out
# The home is lost, and goes on as its next incarnation from what the copy has.
cp -a back lost
"$HARK" -C lost home move brand.example --lost -q >/dev/null
refused exists 2 "$HARK" -C lost export tiles out
files out | cmp - before || fail "a refused export changed a file"
refused usage 2 brand export tiles
refused usage 2 brand export tiles out more
refused not-found 1 brand export tiles no/where

# From the same tree it goes on in the same directory.
brand home move brand.example --lost -q >/dev/null
brand export tiles out -q
sed -n 1p out/checkpoint | grep -q '/2$' || fail "the checkpoint is not the next incarnation's"
judged out
