#!/usr/bin/env bash
# Goal: six nodes, three private groups with members in common, all with their home on a host
# that holds no key. What the host has on its disk, in its memory and on its wires holds none
# of the words planted in what they say, nor kinds of what is sealed, nor titles or names; and
# no key stands in two of the groups but the host's own.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
[ -n "${HARK_LONG:-}" ] || skip "runs with HARK_LONG=1"

at() { local dir=$1; shift; "$HARK" -C "$work/$dir" "$@"; }
host_port=$(free_port)
wire_port=$(free_port)
"$HARK" init "$work/host" --name host --listen "tcp://127.0.0.1:$host_port" >/dev/null

# What members send to the host and get from it goes through here, and is kept.
python3 - "$wire_port" "$host_port" "$work/wire" <<'PY' &
import socket, sys, threading
listen, to, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
out, lock = open(path, 'wb', buffering=0), threading.Lock()
def pump(a, b):
    try:
        while data := a.recv(65536):
            with lock:
                out.write(data)
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
server = socket.create_server(('127.0.0.1', listen))
while True:
    a, _ = server.accept()
    try:
        b = socket.create_connection(('127.0.0.1', to))
    except OSError:
        a.close()
        continue
    for x, y in ((a, b), (b, a)):
        threading.Thread(target=pump, args=(x, y), daemon=True).start()
PY
daemons+=($!)
sed -i "s|^advertise:.*|advertise: [tcp://127.0.0.1:$wire_port]|" "$work/host/hark.yaml"
grep -q "$wire_port" "$work/host/hark.yaml" || fail "the address was not set"
start host

# --- three groups --------------------------------------------------------------------------
declare -A group=() label=() # of each person's one key
people=(ada ben cleo dora emil)
for name in "${people[@]}"; do
    "$HARK" init "$work/$name" --name "node-$name" --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
    start "$name"
done
python3 - >"$work/words" <<'PY'
import random
chance = random.SystemRandom()
for _ in range(200):
    print(''.join(chance.choice('bdfgklmnprstvz') + chance.choice('aeiou') for _ in range(5)))
PY
mapfile -t words <"$work/words"

# words_of FROM COUNT: some of them, one after the other
words_of() { printf '%s ' "${words[@]:$1:$2}"; }
# found GROUP FOUNDER MEMBER...
found() {
    local name=$1 founder=$2 id who
    shift 2
    id=$(at "$founder" ${label[$founder]:+--as "${label[$founder]}"} group new "$(words_of $next 2)" --purpose "$(words_of $((next + 2)) 3)" \
        --name "${words[next + 5]}" -q)
    : "${label[$founder]:=owner}"
    next=$((next + 6))
    group[$name]=$id
    at "$founder" -s "$id" partner add "$(at host ticket)" >/dev/null
    at host -s "$id" partner add "$(at "$founder" ticket)" >/dev/null
    await 30 at host -s "$id" log --limit 1
    moved() { [ "$(at "$1" -s "$id" home show --json | field 'd["home"]["name"]')" = host ]; }
    await 30 holds_same_size "$founder" "$id"
    at "$founder" -s "$id" home move host >/dev/null 2>&1
    await 30 moved "$founder"
    for who in "$@"; do
        at "$who" ${label[$who]:+--as "${label[$who]}"} group join \
            "$(at "$founder" -s "$id" invite -q)" --name "${words[next]}" -q \
            >/dev/null 2>&1 || fail "$who did not join $name"
        : "${label[$who]:=${words[next]}}"
        next=$((next + 1))
    done
    echo "ok: group $name"
}
size_at() { at "$1" -s "$2" status --json | field 'd["spaces"][0]["size"]'; }
holds_same_size() { [ "$(size_at "$1" "$2")" = "$(size_at host "$2")" ]; }
next=0
found girls ada ben cleo
found riders ben cleo dora
found cooks cleo dora emil

# --- they talk, with all the words ----------------------------------------------------------
readable() { at "$1" -s "$2" show "$3" --json | field 'd["entry"]["position"] + 0' >/dev/null; }
for name in girls riders cooks; do
    case $name in
    girls) members=(ada ben cleo) ;;
    riders) members=(ben cleo dora) ;;
    cooks) members=(cleo dora emil) ;;
    esac
    id=${group[$name]}
    topic=$(at "${members[0]}" -s "$id" topic "$(words_of $next 5)" "$(words_of $((next + 5)) 10)" -q)
    next=$((next + 15))
    for who in "${members[@]}"; do
        await 30 readable "$who" "$id" "$topic"
    done
    idea=$(at "${members[1]}" -s "$id" idea "$(words_of $next 10)" --re "$topic" -q)
    next=$((next + 10))
    at "${members[2]}" -s "$id" post "$(words_of $next 20)" --re "$topic" -q >/dev/null
    last=${words[next + 19]}
    next=$((next + 20))
    for who in "${members[@]}"; do
        await 30 readable "$who" "$id" "$idea"
        at "$who" -s "$id" vote "$idea" agree -q >/dev/null 2>"$work/said" ||
            fail "no vote: $(cat "$work/said")"
    done
    counted() { [ "$(at "$1" -s "$id" tally "$idea" --json | field 'd["counts"]["agree"]')" = 3 ]; }
    found_it() { at "$1" -s "$id" search "$last" | grep -q "$last"; }
    for who in "${members[@]}"; do
        await 30 counted "$who"
        await 30 found_it "$who"
    done
    echo "ok: $name talk, vote and search"
done
[ "$next" -ge 150 ] || fail "only $next words were planted"
# The rest, in one breath.
at ada -s "${group[girls]}" topic "$(words_of $next 5)" "$(words_of $((next + 5)) $((195 - next)))" -q >/dev/null
await 30 holds_same_size ada "${group[girls]}"

# --- what the host has ------------------------------------------------------------------------
for name in girls riders cooks; do
    git -C "$work/host/spaces/${group[$name]}.git" cat-file --batch-all-objects --batch \
        >"$work/host/objects-$name"
done
pid=$(at host status --json | field 'd["node"]["pid"]')
python3 - "$work" "$pid" <<'PY'
import os, re, sys
work, pid = sys.argv[1:]
words = open(f'{work}/words').read().split()
# The verdict is on what members seal; the host's own words for verbs are its program's.
sealed = [b'{"kind":"topic"', b'{"kind":"idea"', b'{"kind":"vote"', b'"choice":"agree"']
def look(where, data):
    for word in words:
        if word.encode() in data:
            sys.exit(f'{where} holds {word}')
    for kind in sealed:
        if kind in data:
            sys.exit(f'{where} holds {kind}')
files = bytes_read = 0
for folder, _, names in os.walk(f'{work}/host'):
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            data = open(path, 'rb').read()
            look(path, data)
            files, bytes_read = files + 1, bytes_read + len(data)
print(f'ok: {files} files of the host, {bytes_read} bytes')
def memory():
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb', 0) as mem:
        for line in maps:
            first, last, rights = re.match(r'([0-9a-f]+)-([0-9a-f]+) (\S+)', line).groups()
            if rights[0] != 'r' or '[v' in line:
                continue
            try:
                mem.seek(int(first, 16))
                yield first, mem.read(int(last, 16) - int(first, 16))
            except (OSError, ValueError, OverflowError):
                pass
total = 0
try:
    for first, data in memory():
        look(f'the host\'s memory at {first}', data)
        total += len(data)
    if total < 1 << 20:
        sys.exit(f'only {total} bytes of memory could be read')
    print(f'ok: {total} bytes of its memory')
except PermissionError:
    print('its memory may not be read here')
wire = open(f'{work}/wire', 'rb').read()
if len(wire) < 50000:
    sys.exit(f'only {len(wire)} bytes went over the wire')
look('the wire', wire)
print(f'ok: {len(wire)} bytes on its wires')
# Keys: 32 bytes in hex where payloads name them, of each group's own.
named = {}
for name in ('girls', 'riders', 'cooks'):
    data = open(f'{work}/host/objects-{name}', 'rb').read()
    named[name] = set(re.findall(rb'"(?:key|box|log|cosigner|author|curve)":"([0-9a-f]{64})"', data))
    if len(named[name]) < 10:
        sys.exit(f'{name}: only {len(named[name])} keys were found')
of_host = set.intersection(*named.values())
for a, b in (('girls', 'riders'), ('girls', 'cooks'), ('riders', 'cooks')):
    both = (named[a] & named[b]) - of_host
    if both:
        sys.exit(f'{a} and {b} share {both}')
if len(of_host) != 5:
    sys.exit(f'{len(of_host)} keys stand in all three')
print('ok: no key stands in two groups but the five of the host')
PY
