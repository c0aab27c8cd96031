#!/usr/bin/env bash
# Goal: who listens on the wire sees that two nodes talk, and how much: no word, no
# key, no id of what they say. And a peer is told of no space but those it shares.
set -euo pipefail
if [ "$(id -u)" -ne 0 ] && [ -z "${HARK_OWN_NET-}" ] && unshare -rn true 2>/dev/null; then
    # Listening takes a right that everybody has in a network of their own.
    export HARK_OWN_NET=1
    # shellcheck disable=SC2016 # that shell's $0
    exec unshare -rn sh -c 'ip link set lo up && exec bash "$0"' "$0"
fi
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
: "${HOSTILE:?the test peer}"

cat >"$work/sniff.py" <<'PY'
"""Keeps what passes over the loopback by a TCP port, in both directions, in the order
of its bytes: `sniff.py PORT OUT`, until it gets SIGTERM."""
import json, signal, socket, struct, sys
port, out = int(sys.argv[1]), sys.argv[2]
ETH_P_ALL, OUTGOING, SOL_PACKET, STATISTICS = 3, 4, 263, 6
try:
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind(("lo", 0))
except PermissionError:
    sys.exit(77)
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
s.settimeout(0.1)
going = True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
streams, packets, size = {}, 0, 0
while True:
    try:
        frame, address = s.recvfrom(1 << 17)
    except TimeoutError:
        if not going:
            break
        continue
    if address[2] == OUTGOING or frame[12:14] != b"\x08\x00" or frame[23] != 6:
        continue  # each packet is seen twice here; IPv4, TCP
    ip = 14
    total = struct.unpack_from(">H", frame, ip + 2)[0]
    tcp = ip + (frame[ip] & 15) * 4
    source, to, seq = struct.unpack_from(">HHI", frame, tcp)
    if port not in (source, to):
        continue
    data = frame[tcp + (frame[tcp + 12] >> 4) * 4:ip + total]
    if data:
        streams.setdefault((source, to), {})[seq] = data
        packets += 1
        size += len(data)
lost = struct.unpack("II", s.getsockopt(SOL_PACKET, STATISTICS, 8))[1]
with open(out, "wb") as file:
    for pieces in streams.values():
        first = min(pieces)
        for seq in sorted(pieces, key=lambda q: (q - first) & 0xffffffff):
            file.write(pieces[seq])
print(json.dumps({"packets": packets, "bytes": size, "lost": lost,
                  "ports": sorted({p for pair in streams for p in pair})}), flush=True)
PY

port=$(free_port)
at=tcp://127.0.0.1:$port
"$HARK" init "$work/home" --name brindleby --title "Marigold lanterns" \
    --objective "Which lantern shines?" --owner "Ada Quickthorn" --until 2030-01-01 \
    --listen "$at" -q >/dev/null
"$HARK" init "$work/partner" --name quillfold --listen tcp://127.0.0.1:1 -q >/dev/null
home() { "$HARK" -C "$work/home" "$@"; }
partner() { "$HARK" -C "$work/partner" "$@"; }
home partner add "$(partner ticket)" -q >/dev/null
partner partner add "$(home ticket)" -q >/dev/null
home topic "Xylophone evenings" -q >/dev/null
for word in zephyrous quizzical wyvernlike; do
    home idea "A $word lantern, every $word night: $(seq -s " $word " 200)" -q >/dev/null
done
space=$(home status --json | field 'd["spaces"][0]["id"]')

# --- on the wire --------------------------------------------------------------------------
python3 "$work/sniff.py" "$port" "$work/capture" >"$work/sniffed" 2>"$work/sniff.log" &
sniffer=$!
daemons+=("$sniffer")
for _ in $(seq $((100 * patience))); do
    grep -q ready "$work/sniffed" && break
    kill -0 "$sniffer" 2>/dev/null || break
    sleep 0.05
done
if ! grep -q ready "$work/sniffed"; then
    code=0
    wait "$sniffer" || code=$?
    [ "$code" = 77 ] || fail "the sniffer ended with $code: $(cat "$work/sniff.log")"
    skip "who runs this may not listen on the loopback"
fi
start home
partner sync --timeout 20 -q >/dev/null
home idea "And one that comes as vexillology news" -q >/dev/null
for _ in $(seq 50); do
    partner sync --timeout 20 -q >/dev/null
    [ "$(partner status --json | field 'd["spaces"][0]["size"]')" != \
        "$(home status --json | field 'd["spaces"][0]["size"]')" ] || break
done
same "the partner has all of it" "$(home status --json | field 'd["spaces"][0]["root"]')" \
    "$(partner status --json | field 'd["spaces"][0]["root"]')"
kill "$sniffer"
wait "$sniffer" || fail "the sniffer: $(cat "$work/sniff.log")"
tail -n 1 "$work/sniffed"

# What must not be seen is what stands in the log that has just gone over the wire.
home log --json >"$work/log"
cat "$work/home/hark.yaml" "$work/partner/hark.yaml" >"$work/keys" # of the nodes, all of them
repo=$work/partner/spaces/$space.git
git -C "$repo" rev-list --all >"$work/commits"
git -C "$repo" cat-file --batch-all-objects --batch >"$work/objects"
python3 - "$work" "$space" "$port" <<'PY'
import base64, json, re, sys
work, space, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
read = lambda name: open(f"{work}/{name}", "rb").read()
capture, objects = read("capture"), read("objects")
seen = json.loads(read("sniffed").splitlines()[-1])
rows = [json.loads(line) for line in read("log").splitlines()]
words = "zephyrous quizzical wyvernlike vexillology Xylophone Marigold Quickthorn".split()
hexes = {"the space": {space}, "entries": {r["id"] for r in rows},
         "members' keys": {r["author"]["key"] for r in rows},
         "git's ids": {r["commit"] for r in rows} | set(read("commits").decode().split()),
         "nodes' keys": set(re.findall(r"\b([0-9a-f]{64})\b", read("keys").decode()))}
assert seen["lost"] == 0, "the sniffer lost packets"
assert port in seen["ports"] and len(seen["ports"]) >= 2, seen
assert len(capture) >= 4000, "this is not the traffic of a sync"
assert b"CURVE\0" in capture and b"\x05READY" in capture, "this is not ZMTP with CURVE"
for word in words:
    assert word.encode() in objects, f"{word} was never sent"
    assert word.lower().encode() not in capture.lower(), f"{word} can be read on the wire"
print(f"ok: none of {len(words)} words that were sent")
for what, values in hexes.items():
    assert values, what
    for value in values:
        raw = bytes.fromhex(value)
        forms = (raw, value.encode(), value.upper().encode(), base64.b64encode(raw).rstrip(b"=")[:-1])
        assert not any(form in capture for form in forms), f"{what}: {value} can be read on the wire"
        if what in ("the space", "members' keys"):
            assert value.encode() in objects, f"{value} was never sent"
    print(f"ok: {what}: none of {len(values)}, in no form")
PY
stop_daemons

# --- what a peer is told of other spaces --------------------------------------------------
# The partner follows another space elsewhere. A false home of the first one, which
# keeps all that it is told, hears nothing of the second.
"$HARK" init "$work/other" --name other --title "Elsewhere" --objective "Who?" --owner "Bo" \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
other() { "$HARK" -C "$work/other" "$@"; }
hidden=$(other status --json | field 'd["spaces"][0]["id"]')
other -s "$hidden" partner add "$(partner ticket)" -q >/dev/null
partner partner add "$(other ticket)" -q >/dev/null
start home
"$HOSTILE" record "$work/home" "$work/partner" "$at" "$space" "$work/record" >/dev/null
stop_daemons
start other
echo none >"$work/what"
"$HOSTILE" serve "$work/home" "$at" "$space" "$work/record" "$work/what" "$work/heard" >/dev/null &
daemons+=($!)
partner sync --timeout 20 -q >/dev/null || true
same "the partner follows both" 2 "$(partner status --json | field 'len(d["spaces"])')"
python3 - "$work/heard" "$space" "$hidden" "$(other ticket --json | field 'd["key"]')" <<'PY'
import sys
heard = open(sys.argv[1], "rb").read()
space, hidden, key = sys.argv[2:5]
assert bytes.fromhex(space) in heard, "it was not asked at all"
for what in (hidden, key):
    for form in (bytes.fromhex(what), what.encode()):
        assert form not in heard, f"{what} was told to a peer that does not share it"
assert b"other" not in heard, "the other node was named"
print(f"ok: in {len(heard)} bytes that a peer was told, nothing of the other space")
PY
