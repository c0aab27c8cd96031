#!/usr/bin/env bash
# Goal: whoever has a copy can audit it, without a node, a key or a setting: a good one
# is well, wherever it lies, and says the same at home and at a partner. Damage of each
# kind, made with git, ssh-keygen and rm on a copy, is named with its exit code, and
# what the home has signed is the home's fault.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
top=${HARK_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
export HARK_DIR=$work/nowhere
brand() { "$HARK" -C "$work/brand" "$@"; }
partner() { "$HARK" -C "$work/partner" "$@"; }

# audited EXIT PATH...: audits with that exit code; the JSON is in $work/said
audited() {
    local code=0
    "$HARK" audit --json "${@:2}" >"$work/said" || code=$?
    [ "$code" = "$1" ] || fail "audit ${*:2} ended with $code, not $1: $(cat "$work/said")"
    [ "$(field 'd["exit"]' <"$work/said")" = "$1" ] || fail "another exit code in its JSON"
}
said() { field "$1" <"$work/said"; }
names() { said '" ".join(f["name"] for f in d["findings"])'; }

"$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner Ada --until 2030-01-01 \
    --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
# Enough for payload refs of two levels.
cp -r "$top/examples/conversation" "$work/conversation"
head -n 301 "$top/examples/conversation/votes.csv" >"$work/conversation/votes.csv"
brand import polis "$work/conversation" >/dev/null
id=$(brand status --json | field 'd["spaces"][0]["id"]')
size=$(brand status --json | field 'd["spaces"][0]["size"]')
repo=$work/brand/spaces/$id.git

# --- a good one ------------------------------------------------------------------------
audited 0 "$work/brand"
same "its space" "$id" "$(said 'd["space"]')"
same "its size" "$size" "$(said 'd["size"]')"
same "all its entries" "$size $((size + $(said 'd["checked"]["checkpoints"]')))" \
    "$(said '"{entries} {signatures}".format(**d["checked"])')"
same "nothing found" "[] []" "$(said 'str(d["findings"]) + " " + str(d["unacknowledged"])')"
cp "$work/said" "$work/at-home"
audited 0 "$repo"
cmp -s "$work/said" "$work/at-home" || fail "its repository is not the same"
git clone -q "$repo" "$work/clone"
audited 0 "$work/clone"
cmp -s "$work/said" "$work/at-home" || fail "its clone is not the same"
case "$("$HARK" audit "$repo")" in
well*"$size entries"*) echo "ok: an audit to read" ;;
*) fail "an audit to read: $("$HARK" audit "$repo")" ;;
esac
refused unsupported 2 "$HARK" audit "$repo" --html "$work/x"
refused unsupported 2 "$HARK" audit "$repo" --resume "$work/x"
refused usage 2 "$HARK" audit

# Read-only, and nothing beside objects and refs is looked at.
cp -r "$repo" "$work/bare.git"
printf 'nonsense' >"$work/bare.git/config"
printf 'nonsense' >"$work/bare.git/HEAD"
rm -rf "$work/bare.git/hark" "$work/bare.git/hooks" "$work/bare.git/info"
find "$work/bare.git" -type f -exec sha256sum {} + | sort >"$work/before"
chmod -R a-w "$work/bare.git"
audited 0 "$work/bare.git"
cmp -s "$work/said" "$work/at-home" || fail "without configuration it is not the same"
find "$work/bare.git" -type f -exec sha256sum {} + | sort | cmp -s - "$work/before" ||
    fail "the audit has changed files"
chmod -R u+w "$work/bare.git"

# --- with a partner, running, and an erasure ----------------------------------------------
"$HARK" init "$work/partner" --name partner >/dev/null
brand partner add "$(partner ticket)" >/dev/null
partner partner add "$(brand ticket)" >/dev/null
brand erase "$(brand log --kind idea --limit 1 --json | field 'd["id"]')" --reason "a test" >/dev/null
start brand
partner sync --wait >/dev/null
audited 10 "$work/brand"
[ -z "$(names)" ] || fail "found: $(names)"
same "who has not said that it is erased" "['partner']" "$(said 'd["unacknowledged"][0]["nodes"]')"
same "what is erased" 1 "$(said 'd["checked"]["erased"]')"
cp "$work/said" "$work/at-home"
audited 10 "$work/partner"
# But for what the partner has signed itself, of which the home may not have heard yet.
sed -i 's/"cosignatures": *[0-9]*//' "$work/said" "$work/at-home"
cmp -s "$work/said" "$work/at-home" || fail "at the partner it is not the same"
echo "ok: the same at home, running, and at the partner"
stop_daemons

# --- no repository -------------------------------------------------------------------------
mkdir "$work/folder"
git init -q --bare "$work/empty.git"
for path in "$work/none" "$work/said" "$work/folder" "$work/empty.git"; do
    audited 13 "$path"
    same "what is there" not-found "$(names)"
done

# --- damaged copies ---------------------------------------------------------------------------
# Of a small space, since each kind of damage is done to a copy of its own.
"$HARK" init "$work/small" --name small --objective "Which lamp?" --owner Ada --until 2030-01-01 >/dev/null
small() { "$HARK" -C "$work/small" "$@"; }
small topic "Lamps" >/dev/null
idea=$(small idea "One that lasts" --json | entry_id)
small post "Yes" --re "$idea" >/dev/null
gone=$(small post "Oh" --re "$idea" --json | entry_id)
small erase "$gone" >/dev/null
small vote "$idea" agree >/dev/null
size=$(small status --json | field 'd["spaces"][0]["size"]')
repo=$(echo "$work"/small/spaces/*.git)
git init -q --bare "$work/good.git"
for pack in "$repo"/objects/pack/*.pack; do
    git --git-dir="$work/good.git" unpack-objects -q <"$pack"
done
cp -r "$repo/refs" "$work/good.git"
audited 0 "$work/good.git"
same "its entries" "$size 1" "$(said '"{entries} {erased}".format(**d["checked"])')"

# damaged EXIT NAME WHAT SCRIPT: runs the script in a copy and audits it
damaged() {
    local exit_code=$1 name=$2
    rm -rf "$work/bad.git"
    cp -r "$work/good.git" "$work/bad.git"
    (cd "$work/bad.git" && export GIT_DIR=. && eval "$4") >/dev/null
    audited "$exit_code" "$work/bad.git"
    case " $(names) " in
    *" $name "*) echo "ok: $3: $name" ;;
    *) fail "$3: $(names), not $name" ;;
    esac
}
lose() { local o; o=$(git rev-parse "$1") && rm -f "objects/${o:0:2}/${o:2}"; }
# The payload ref's tree anew, after changes to git's index on standard input.
payloads() {
    local ref=refs/heads/payloads/main
    export GIT_INDEX_FILE=$PWD/index.tmp
    git read-tree $ref
    git update-index --index-info
    git update-ref $ref "$({ echo "tree $(git write-tree)"; git cat-file commit $ref | tail -n +2; } |
        git hash-object -t commit -w --stdin)"
}
# A commit like the one on main, changed by a command on its text; main is moved to it.
anew() { git update-ref refs/heads/main "$(git cat-file commit main | "$@" | git hash-object -t commit -w --literally --stdin)"; }

other=$(printf other | git --git-dir="$work/good.git" hash-object -w --stdin)
damaged 13 payload-size "a payload replaced" "echo '100644 $other	00' | payloads"
damaged 13 payload-unwanted "a payload too many" "echo '100644 $other	ff' | payloads"
damaged 13 payload-absent "a payload too few" "printf '0 %040d\t01\n' 0 | payloads"
damaged 13 behind "a ref set back" "git update-ref refs/heads/main main^"
damaged 13 replaced "a replacement ref" "git replace main^ main^2"
damaged 13 replaced "a replacement ref, packed" "git replace main^ main^2 && git pack-refs --all"
damaged 13 replaced "a graft" "mkdir -p info && git rev-parse main >info/grafts"
damaged 13 damaged "cosigned, and no such commit" "git update-ref refs/heads/cosigned main"
damaged 13 not-found "an entry lost" "lose main^2"
damaged 13 not-found "a batch lost" "lose main^^"
damaged 13 not-found "a list of entries lost" "lose main:entries"
damaged 13 damaged "a ref of nonsense" "echo nonsense >refs/heads/main"
damaged 13 batch-signature "a batch that says something else" "anew sed '/^Entries: /y/0123456789/1234567890/'"
damaged 13 batch-form "a stranger's commit on top" "git update-ref refs/heads/main \$(echo hello |
    git -c user.name=a -c user.email=a@b commit-tree -p main 4b825dc642cb6eb9a060e54bf8d69288fbee4904)"

# Whoever holds the home's key can sign anything, and is found out by it: here with
# nothing but the key file, openssl and ssh-keygen.
cat >"$work/lie.py" <<'PY'
import base64, hashlib, re, struct, subprocess, sys, tempfile, os

def run(*args, data=None):
    return subprocess.run(args, input=data, capture_output=True, check=True).stdout

def string(b):
    return struct.pack('>I', len(b)) + b

def derive(seed, label):
    return hashlib.blake2b(b'hark/1 ' + label + b'\0', key=seed, digest_size=32).digest()

def device_seed(path):
    lines = open(path).read().split('\n')
    blob = base64.b64decode(''.join(l for l in lines if l and not l.startswith('-')))
    at = blob.index(string(b'ssh-ed25519'), blob.index(string(b'ssh-ed25519')) + 4)
    at += len(string(b'ssh-ed25519')) + 4 + 32 + 4
    return blob[at:at + 32]

def log_key(seed, path):
    """The node's log key (PROTOCOL.md 2.3), as an OpenSSH key file."""
    seed = derive(derive(seed, b'node'), b'log')
    der = bytes.fromhex('302e020100300506032b657004220420') + seed
    public = run('openssl', 'pkey', '-inform', 'DER', '-pubout', '-outform', 'DER', data=der)[-32:]
    key = string(b'ssh-ed25519') + string(public)
    private = b'\0' * 8 + key + string(seed + public) + string(b'')
    private += bytes(range(1, 1 + -len(private) % 8))
    blob = b'openssh-key-v1\0' + string(b'none') * 2 + string(b'') + struct.pack('>I', 1) + \
        string(key) + string(private)
    with open(path, 'w') as f:
        os.fchmod(f.fileno(), 0o600)
        f.write('-----BEGIN OPENSSH PRIVATE KEY-----\n' + base64.encodebytes(blob).decode() +
                '-----END OPENSSH PRIVATE KEY-----\n')
    return public.hex()

keyfile, how = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    public = log_key(device_seed(keyfile), folder + '/key')
    commit = run('git', 'cat-file', 'commit', 'main').decode()
    assert f'author {public} ' in commit, 'this is not the key of the log'
    entries = run('git', 'cat-file', 'blob', 'main:entries').decode()
    checkpoint = run('git', 'rev-parse', 'main:checkpoint').decode().strip()
    if how == 'line':   # it came a second earlier than the checkpoint's root says
        fields = entries.split('\n')[0].split(' ')
        fields[1] = fields[2] = str(int(fields[1]) - 1)
        entries = '\n'.join([' '.join(fields)] + entries.split('\n')[1:])
    if how == 'entry':  # an entry of the home's own making, in the place of the first
        parents = re.findall('^parent (.*)$', commit, re.M)
        made = run('git', 'cat-file', 'commit', parents[1]).decode()
        made = re.sub('^Time: (.{20})...Z$', r'Time: \g<1>000Z', made, flags=re.M)
        commit = commit.replace(parents[1], run('git', 'hash-object', '-t', 'commit', '-w',
                                                '--stdin', data=made.encode()).decode().strip())
        fields = entries.split('\n')[0].split(' ')
        fields[3] = hashlib.sha256(made.encode()).hexdigest()
        entries = '\n'.join([' '.join(fields)] + entries.split('\n')[1:])
    blob = run('git', 'hash-object', '-w', '--stdin', data=entries.encode()).decode().strip()
    tree = run('git', 'mktree', data=f'100644 blob {checkpoint}\tcheckpoint\n'
               f'100644 blob {blob}\tentries\n'.encode()).decode().strip()
    text = re.sub('gpgsig .*?\n -----END SSH SIGNATURE-----\n', '', commit, flags=re.S)
    text = re.sub('^tree .*$', 'tree ' + tree, text, flags=re.M)
    text = re.sub('^Entries: .*$', 'Entries: ' + hashlib.sha256(entries.encode()).hexdigest(), text,
                  flags=re.M)
    armour = run('ssh-keygen', '-q', '-Y', 'sign', '-n', 'git', '-f', folder + '/key',
                 data=text.encode()).decode()
    head, rest = text.split('\n\n', 1)
    made = head + '\ngpgsig ' + armour.rstrip('\n').replace('\n', '\n ') + '\n\n' + rest
    commit = run('git', 'hash-object', '-t', 'commit', '-w', '--stdin', data=made.encode())
    run('git', 'update-ref', 'refs/heads/main', commit.decode().strip())
PY
keyfile=$work/small/keys/device
lie() { damaged 11 "$1" "$2" "python3 '$work/lie.py' '$keyfile' $3"; }
lie batch-root "a time that the home has changed" line
same "whose fault" home "$(said 'd["findings"][0]["culprit"]["role"]')"
same "the proof" "$(git --git-dir="$work/bad.git" rev-parse main)" \
    "$(said 'd["findings"][0]["evidence"][0]')"
lie batch-root "an entry that the home has made up" entry
case "$(names)" in
*entry-signature*) echo "ok: and the entry itself: entry-signature" ;;
*) fail "the made-up entry was not told: $(names)" ;;
esac
