#!/usr/bin/env bash
# Goal: whatever a peer does, it is refused by name, learns nothing, and disturbs
# nobody; and what a home serves that it should not is not stored by who follows it.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
: "${HOSTILE:?the test peer}"
# Memory is measured below: AddressSanitizer's hoard of what was freed is none of ours.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=8:thread_local_quarantine_size_kb=64

port=$(free_port)
at=tcp://127.0.0.1:$port
"$HARK" init "$work/home" --name home --title "Lamps" --objective "Which lamp?" --owner "Ada" \
    --until 2030-01-01 --listen "$at" -q >/dev/null
"$HARK" init "$work/other" --name other --title "Not for all" --objective "Who?" --owner "Bo" \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
home() { "$HARK" -C "$work/home" "$@"; }
other() { "$HARK" -C "$work/other" "$@"; }
honest() { "$HARK" -C "$work/honest" "$@"; }
follower() { "$HARK" -C "$work/follower" "$@"; }
space=$(home status --json | field 'd["spaces"][0]["id"]')
ticket=$(home ticket) # which offers this space only
hidden=$(other status --json | field 'd["spaces"][0]["id"]')
absent=$(printf 'ab%.0s' $(seq 32))

# The home holds another space, too, in which none of those that follow is named.
other -s "$hidden" partner add "$(home ticket)" -q >/dev/null
home partner add "$(other ticket)" -q >/dev/null
start other
home sync --timeout 30 -q >/dev/null
stop_daemons
same "the home holds both spaces" 2 "$(home status --json | field 'len(d["spaces"])')"

# Whom the home knows: an honest partner, a follower to be lied to, and those that
# break the form, each of which is not heard for a minute then.
forms="short-header one-frame four-frames type cut-short large-body large-load no-evidence"
for name in honest follower curious unread flood endless evidence $forms; do
    "$HARK" init "$work/$name" --name "$name" --listen tcp://127.0.0.1:1 -q >/dev/null
    home -s "$space" partner add "$("$HARK" -C "$work/$name" ticket)" -q >/dev/null
done
honest partner add "$ticket" -q >/dev/null
follower partner add "$ticket" -q >/dev/null

home -s "$space" topic "What is a lamp for?" -q >/dev/null
start home
# Something to be read, or left unread: a few hundred KiB that do not pack well.
for i in $(seq 20); do
    head -c 12000 /dev/urandom | base64 -w0 | home -s "$space" idea - -q >/dev/null
done
pid=${daemons[-1]}

# The home's memory, and the most of it since its measure began, in MiB.
rss() { awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status"; }
most() { awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$pid/status"; }
# The name of the error that the home's status shows of a peer.
error_of() {
    home status --json | field '[p["error"]["name"] for p in d["peers"] if p["name"] == "'"$1"'"][0]'
}
# said WHAT EXPECTED COMMAND...
said() {
    local what=$1 expected=$2
    shift 2
    same "$what" "$expected" "$("$@")"
}
# synced: an honest node gets what is new, in time, whatever goes on. The home's
# network may not know yet what its writer has just written: then it is asked again.
number=0
size_at() { "$HARK" -C "$work/$1" -s "$space" status --json | field 'd["spaces"][0]["size"]'; }
synced() {
    local from=$EPOCHREALTIME size ms
    number=$((number + 1))
    home -s "$space" idea "Lamp $number" -q >/dev/null
    size=$(size_at home)
    while
        honest sync --wait --timeout 30 -q >/dev/null || fail "$1: an honest node could not sync"
        ms=$(((${EPOCHREALTIME/./} - ${from/./}) / 1000))
        [ "$(size_at honest)" != "$size" ]
    do
        [ $ms -lt 30000 ] || fail "$1: an honest node did not come up to date"
    done
    echo "ok: $1: an honest node has what is new in $ms ms; the home has $(rss) MiB"
}
synced "before anything"

# --- at the door ------------------------------------------------------------------
said "who is let in" "handshake done, hello answered" \
    "$HOSTILE" knock "$work/home" "$work/curious" "$at"
said "who is not invited" "handshake refused, not one message" \
    "$HOSTILE" knock "$work/home" - "$at"
said "who expects another node there" "handshake refused, not one message" \
    "$HOSTILE" knock "$work/home" "$work/curious" "$at" "$work/other"

# --- a space that one may not have, and one that is nowhere ----------------------------
for question in ask fetch submit terms join evidence; do
    "$HOSTILE" alike "$work/home" "$work/curious" "$at" "$hidden" "$absent" $question >>"$work/alike"
done
cat "$work/alike"
same "what is said of a hidden space and of none" \
    "ask: alike, tell 2 fetch: alike, peer-space submit: alike, peer-space terms: alike, peer-space join: alike, peer-space evidence: alike, peer-space" \
    "$(paste -sd' ' "$work/alike")"

# --- messages that are none ---------------------------------------------------------
say() { "$HOSTILE" say "$work/home" "$work/$1" "$at" "$space" "$2"; }
said "an honest ask" "tell 0, then heard" say curious plain
said "another version" "peer-version, then heard" say curious version
for name in $forms; do
    said "$name" "peer-form, then silence" say "$name" "$name"
done
same "the home's status names it" peer-form "$(error_of cut-short)"
said "a frame over the limit ends the connection" "ended, then heard" say curious large-frame
for name in unasked-tell unasked-batches unasked-accepted; do
    said "$name is nothing" "nothing, then heard" say curious $name
done
said "a root that is not ours" "tell 3, then heard" say curious root
said "a fetch from there" "peer-cursor, then heard" say curious fetch-root
synced "after all that"

# --- too much, too slowly -------------------------------------------------------------
# during WHAT COMMAND...: an honest node syncs while it goes on; memory stays bounded
during() {
    local what=$1 i hostile
    shift
    echo 5 >"/proc/$pid/clear_refs"
    "$@" >"$work/hostile.out" 2>&1 &
    hostile=$!
    daemons+=("$hostile")
    for i in $(seq $((100 * patience))); do
        grep -q ready "$work/hostile.out" && break
        sleep 0.05
    done
    [ "$i" -lt $((100 * patience)) ] || fail "$what: $(cat "$work/hostile.out")"
    synced "$what"
    wait "$hostile" || fail "$what: $(cat "$work/hostile.out")"
    [ "$(most)" -lt 500 ] || fail "$what: the home came to $(most) MiB"
    echo "ok: $what: the home had $(most) MiB at most; $(tail -n 1 "$work/hostile.out")"
}
for name in unread flood endless; do
    during "$name" "$HOSTILE" $name "$work/home" "$work/$name" "$at" "$space" 2
done
# Each file holds, and convicts whoever signed it: the peer itself, or nobody known.
during evidence "$HOSTILE" evidence "$work/home" "$work/evidence" "$at" "$space" 1000
same "of a thousand files of evidence" "showed 1000 files, 1000 noted 1 kept" \
    "$(tail -n 1 "$work/hostile.out") $(find "$work/home/evidence" -type f | wc -l) kept"
home status --json | holds "and whom it convicts" \
    '[a["message"].endswith("node evidence") for a in d["alerts"]] == [True]'
same "the home's status names who floods" limit "$(error_of flood)"
same "and whose message has no end" peer-form "$(error_of endless)"
kill -0 "$pid" || fail "the home is gone"

# A byte a second: raw, in a greeting; and through a relay that lets the handshake
# pass and then holds a connection's bytes back.
cat >"$work/drip.py" <<'PY'
import select, socket, sys, time
port, relay_port, seconds = (int(a) for a in sys.argv[1:4])
raw = socket.create_connection(("127.0.0.1", port))
greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE"
listener = socket.create_server(("127.0.0.1", relay_port))
print("ready", flush=True)
near, _ = listener.accept()
far = socket.create_connection(("127.0.0.1", port))
began = next_drip = time.monotonic()
held, passed, dripped = b"", 0, 0
open_ends = [near, far]
while time.monotonic() - began < seconds:
    for end in select.select(open_ends, [], [], 0.1)[0]:
        try:
            data = end.recv(65536)
            if end is far and data:
                near.sendall(data)
        except OSError:
            data = b""
        if not data:
            open_ends.remove(end)
        elif end is far:
            pass
        elif passed < 1500:  # the handshake, a hello
            passed += len(data)
            far.sendall(data)
        else:
            held += data
    if time.monotonic() >= next_drip:
        next_drip += 1
        raw.sendall(greeting[dripped:dripped + 1] or b"\0")
        far.sendall(held[:1])
        held = held[1:]
        dripped += 1
print(f"{dripped} bytes, one a second, {passed} before; {len(held)} held back")
PY
relay=$(free_port)
(
    sleep 0.3
    exec "$HOSTILE" flood "$work/home" "$work/unread" "tcp://127.0.0.1:$relay" "$space" 2
) >/dev/null 2>&1 &
daemons+=($!)
during drip python3 "$work/drip.py" "$port" "$relay" 3

# Ends the daemon that was started last.
stop_last() {
    kill "${daemons[-1]}"
    wait "${daemons[-1]}" || true
    unset 'daemons[-1]'
}

# --- a home that lies ------------------------------------------------------------------
# The follower has all but the last batch; then a false home serves that one, with the
# home's own keys, altered in one place.
follower sync --timeout 30 -q >/dev/null
home -s "$space" idea "The last lamp" -q >/dev/null
"$HOSTILE" record "$work/home" "$work/curious" "$at" "$space" "$work/record"
stop_daemons
echo none >"$work/what"
"$HOSTILE" serve "$work/home" "$at" "$space" "$work/record" "$work/what" >"$work/serve.out" 2>&1 &
daemons+=($!)
repo=$work/follower/spaces/$space.git
stands() {
    git -C "$repo" for-each-ref --format='%(refname) %(objectname)'
    follower status --json | field '[(s["size"], s["root"], s["state_hash"]) for s in d["spaces"]]'
}
before=$(stands)
# served WHAT NAME: it is refused by that name, and nothing is stored
served() {
    local code=0
    echo "$1" >"$work/what"
    follower sync --timeout 30 --json >"$work/synced" 2>"$work/synced.err" || code=$?
    same "altered $1: the rule" "$2" "$(field '(d["spaces"] or [d])[0].get("error")' <"$work/synced")"
    [ "$code" = 3 ] || fail "hark sync ended with $code: $(cat "$work/synced.err")"
    same "altered $1: what stands" "$before" "$(stands)"
}
# What anybody on the way could try,
served form batch-form
served commit batch-signature
served signature batch-signature
served entry batch-entries
served arrival batch-entries
served acceptance batch-entries
served origin batch-entries
served root batch-checkpoint
served payload payload-hash
# and what only the home can, since it signs it.
served home-arrival batch-arrival
served home-root batch-root
served home-origin batch-origin
served home-entry entry-signature
# Who tells of another home after ours has the steward's word for it, or is not believed.
served later-home peer-cursor
# A daemon says it in its status, and goes on.
echo home-entry >"$work/what"
start follower
for _ in $(seq $((100 * patience))); do
    rule=$(follower status --json | field '(d["peers"][0]["error"] or {}).get("name")')
    [ "$rule" = None ] || break
    sleep 0.1
done
same "the follower's status names the rule" entry-signature "$rule"
stop_last
# Unaltered, the same is taken: it was the alterations that were refused.
echo none >"$work/what"
follower sync --timeout 30 -q >/dev/null
[ "$before" != "$(stands)" ] || fail "the follower did not take what is unaltered"
follower verify -q || fail "hark verify at the follower"
echo "ok: what is unaltered is taken"
