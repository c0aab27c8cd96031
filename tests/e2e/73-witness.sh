#!/usr/bin/env bash
# Goal: over HTTP, anybody reads an open space's newest checkpoint with its cosignatures, and
# a node witnesses the logs of others: by the published requests, across a restart and a
# kill -9, and never backwards.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || skip "there is no curl"
vectors=$(cd "$(dirname "$0")/../vectors" && pwd)/witness.json

hark() { "$HARK" -C "$work/$1" "${@:2}"; }
# Where NAME serves HTTP.
http_of() { hark "$1" status --json | field 'd["node"]["http"]'; }
# ask PATH [curl's ARGS...]: status in $status, body in $work/body, type in $type
ask() {
    read -r status type < <(curl -s -m 10 -o "$work/body" -w '%{http_code} %{content_type}' \
        "${@:2}" "$url$1" || true; echo)
}
# step TRANSCRIPT NUMBER: that request of the published ones
step() {
    python3 - "$vectors" "$1" "$2" >"$work/request" <<'PY'
import json, sys
t = json.load(open(sys.argv[1]))["transcripts"][int(sys.argv[2])]
sys.stdout.buffer.write(t["steps"][int(sys.argv[3])]["request"].encode())
PY
}
add() { ask /add-checkpoint --data-binary @"$work/request"; }

"$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 -q >/dev/null
cat >>"$work/brand/hark.yaml" <<HERE
http: 127.0.0.1:0
witness:
  logs:
$(python3 - "$vectors" <<'PY'
import json, sys
for vkey in json.load(open(sys.argv[1]))["transcripts"][0]["vkeys"]:
    print(f"    - vkey: \"{vkey}\"")
PY
)
HERE
start brand
url=$(http_of brand)
contains "it says where it serves" "$(cat "$work/brand.log")" "serving $url"
space=$(hark brand status --json | field 'd["spaces"][0]["id"]')

# --- the checkpoint ----------------------------------------------------------------------
topic=$(hark brand topic "Lamps" -q)
ask "/$space/checkpoint"
same "a checkpoint" "$status $type" "200 text/plain; charset=utf-8"
same "of this space" "$(sed -n 1p "$work/body")" "brand/$space/1"
size=$(sed -n 2p "$work/body")
hark brand post "It flickers" --re "$topic" -q >/dev/null
ask "/$space/checkpoint"
same "and the newest" "$(sed -n 2p "$work/body")" $((size + 1))
ask "/$space/checkpoint" --head
same "its header alone" "$status" 200

# --- the tiles ----------------------------------------------------------------------------
# the_same: each file of an export, and what is served at its path
the_same() {
    local path count=0
    while read -r path; do
        ask "/$space/${path#"$work/tiles/"}"
        [ "$status $type" = "200 application/octet-stream" ] || fail "$path: $status $type"
        cmp "$work/body" "$path" || fail "$path: another one is served"
        count=$((count + 1))
    done < <(find "$work/tiles/tile" -type f)
    echo "ok: $count tiles as they are exported"
}
hark brand import polis "$(dirname "$0")/../../examples/conversation" -q >/dev/null
hark brand export tiles "$work/tiles" -q
the_same
size=$(sed -n 2p "$work/tiles/checkpoint")
[ "$size" -gt 512 ] || fail "too few entries for a full tile: $size"
for path in tile tile/ tile/0 tile/0/0 tile/0/999 tile/0/000.p/256 tile/0/000.p/0 tile/7/000 \
    tile/entries/../0/000 tile/0/x000/000; do
    ask "/$space/$path" --path-as-is
    same "no $path" "$status" 404
done
ask "/$space/tile/0/000.p/200"
same "a partial tile that was" "$(sha256sum <"$work/body")" \
    "$(head -c 6400 "$work/tiles/tile/0/000" | sha256sum)"

# --- nothing else ------------------------------------------------------------------------
for path in / "/$space" "/$space/" "/$space/checkpoint/" "/$space/../hark.yaml" /hark.yaml \
    "/${space%??}00/checkpoint" "/${space^^}/checkpoint" //add-checkpoint; do
    ask "$path" --path-as-is
    same "nothing at $path" "$status" 404
done
ask "/$space/checkpoint" -d x
same "a checkpoint is not posted" "$status" 405
ask /add-checkpoint
same "nor is adding one got" "$status" 405
head -c 131073 /dev/zero >"$work/request"
add
same "no more than 128 KiB" "$status" 413
ask /add-checkpoint --data-binary @"$work/request" -H 'Transfer-Encoding: chunked'
same "nor in pieces" "$status" 000
printf 'old 1\n' >"$work/request"
add
same "no request" "$status" 400

# --- who only takes up room ----------------------------------------------------------------
python3 - "${url##*:}" "$space" "$patience" <<'PY'
import http.client, socket, sys, time
port, space, patience = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def connect():
    return socket.create_connection(("127.0.0.1", port))
def ended(s):
    s.settimeout(0.01)
    try:
        return s.recv(1) == b""
    except socket.timeout:
        return False
    except OSError:
        return True
began = time.monotonic()
drips = connect()
drips.send(b"POST /add-checkpoint HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
silent = [connect() for _ in range(80)]
# The 82nd is served when those before it have been sent away.
asking = http.client.HTTPConnection("127.0.0.1", port, timeout=30 * patience)
asking.request("GET", f"/{space}/checkpoint")
while not ended(drips):
    assert time.monotonic() - began < 15 * patience, "a body may take its time"
    try:
        drips.send(b"o")
    except OSError:
        break
    time.sleep(0.2)
assert asking.getresponse().status == 200
assert time.monotonic() - began > 5, "nobody was to be sent away so soon"
PY
echo "ok: the silent and the slow are sent away, and others served"

# --- the witness --------------------------------------------------------------------------
step 0 0
add
same "the first checkpoint of another's log" "$status" 200
contains "is cosigned" "$(cat "$work/body")" "— brand "
same "in a line" "$(wc -l <"$work/body")" 1
line=$(cat "$work/body")
[ "$(ls "$work/brand/witnessed")" != "" ] || fail "nothing is recorded"
contains "which is kept" "$(cat "$work"/brand/witnessed/*)" "$line"
step 0 1
add
same "five entries" "$status" 200
step 0 2
add
same "three, too late" "$status $type $(cat "$work/body")" "409 text/x.tlog.size 5"

kill -9 "${daemons[0]}"
wait "${daemons[0]}" 2>/dev/null || true
daemons=()
rm -f "$work/brand/sock"
start brand
url=$(http_of brand)
add
same "it remembers" "$status $(cat "$work/body")" "409 5"
step 2 13
add
same "the same again needs what was cosigned last" "$status $(cat "$work/body")" "409 5"
sed -i 's/^old 3$/old 5/; /^[A-Za-z0-9+\/]*=$/{/^QrtX/!d}' "$work/request"
add
same "the same again" "$status" 200
step 2 17
add
same "a log that is not witnessed" "$status" 404
step 2 14
add
same "what the log has not signed" "$status" 403

# Many at once: one answer each, and no way back.
step 0 2
for i in $(seq 40); do
    curl -s -m 10 -o /dev/null -w '%{http_code}\n' --data-binary @"$work/request" \
        "$url/add-checkpoint" >"$work/many.$i" &
    others[i]=$!
done
for i in $(seq 40); do wait "${others[$i]}"; done
same "40 at once" "$(cat "$work"/many.* | sort | uniq -c | tr -s ' ')" " 40 409"

# A record that cannot be read is not taken for none.
file=$(ls "$work"/brand/witnessed/*)
cp "$file" "$work/record"
echo damaged >"$file"
step 0 0
add
same "a record that is damaged" "$status" 500
cp "$work/record" "$file"
add
same "and put back" "$status" 409

# --- as a log: others witness it ----------------------------------------------------------
stop_daemons
"$HARK" init "$work/club" --name club -q >/dev/null
cat >>"$work/club/hark.yaml" <<HERE
http: 127.0.0.1:$(free_port)
witness:
  logs:
    - vkey: "$(hark brand status --json | field 'd["spaces"][0]["vkey"]')"
HERE
start club
club=$(http_of club)
club_pid=${daemons[-1]}

# One that answers nonsense, whoever it is: nobody has that key.
liar_port=$(free_port)
python3 - "$liar_port" <<'PY' &
import http.server, sys
class Liar(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        said = "\u2014 liar AAAAAAAAAAAAAAAAAAAAAA==\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Liar).serve_forever()
PY
daemons+=($!)
liar_vkey=$(hark club status --json | python3 -c 'import base64, hashlib, json, sys
key = b"\x04" + bytes([9]) * 32
id = hashlib.sha256(b"liar\n" + key).hexdigest()[:8]
print("liar+%s+%s" % (id, base64.b64encode(key).decode()))')
cat >>"$work/brand/hark.yaml" <<HERE
witnesses:
  - {url: "http://127.0.0.1:$liar_port", vkey: "$liar_vkey"}
  - {url: "$club/", vkey: "$(hark club status --json | field 'd["node"]["vkey"]')"}
HERE
start brand
url=$(http_of brand)
# cosigned SIZE: the checkpoint that is served has that size and the club's line
cosigned() {
    ask "/$space/checkpoint"
    [ "$status" = 200 ] && [ "$(sed -n 2p "$work/body")" = "$1" ] &&
        grep -q '^— club ' "$work/body"
}
size_here() { hark brand status --json | field 'd["spaces"][0]["size"]'; }
await 20 cosigned "$(size_here)"
echo "ok: the newest checkpoint is cosigned"
same "by nobody else" "$(grep -c '^— ' "$work/body")" 2
said=$(hark brand post "Cosign this" --re "$topic" -q)
await 20 cosigned "$(size_here)"
contains "and so is a receipt" "$(hark brand receipt "$said")" "— club "
hark brand receipt "$said" >"$work/said.tlog-proof"
contains "which is one" "$(hark brand verify "$work/said.tlog-proof")" "receipt for entry"

# --- readers count them by a policy of their own -------------------------------------------
# by POLICY FILE: what `verify` says of it, in $said_by, without a node; its exit code in $code
by() {
    code=0
    said_by=$("$HARK" -C "$work/nowhere" verify "$work/$2" --policy "$work/$1" 2>&1) || code=$?
}
hark brand export policy >"$work/exported"
by exported said.tlog-proof
same "the space asks for nobody" "$code" 0
contains "and says so" "$said_by" "asks for no cosignature"
contains "whoever else has signed" "$said_by" "Cosigned by witness/club ("
sed 's|^quorum none$|quorum witness/club|' "$work/exported" >"$work/club.policy"
sed 's|^quorum none$|quorum witness/liar|' "$work/exported" >"$work/liar.policy"
sed 's|^quorum none$|quorum witnesses|' "$work/exported" >"$work/any.policy"
ask "/$space/checkpoint"
cp "$work/body" "$work/said.checkpoint"
for file in said.tlog-proof said.checkpoint; do
    by club.policy "$file"
    same "$file: who asks for the club" "$code" 0
    contains "has it" "$said_by" "The quorum witness/club is satisfied. Cosigned by witness/club ("
    by any.policy "$file"
    same "as who asks for any" "$code" 0
    by liar.policy "$file"
    same "who asks for the liar has nothing" "$code" 1
    contains "and is told why" "$said_by" "not satisfied. Cosigned by witness/club ("
    contains "and by whom not" "$said_by" "Not by witness/liar."
done
said_by=$("$HARK" -C "$work/nowhere" verify "$work/said.checkpoint" --json \
    --policy "$work/liar.policy" || true)
same "in JSON, too" "$(field 'd["holds"], d["policy"]["satisfied"]' <<<"$said_by")" "(False, False)"
same "by whom" "$(field '[w["name"] for w in d["policy"]["witnesses"]]' <<<"$said_by")" \
    "['witness/club']"
same "by whom not" "$(field 'd["policy"]["missing"]' <<<"$said_by")" "['witness/liar']"
grep -v '^log ' "$work/club.policy" >"$work/unknown.policy"
by unknown.policy said.tlog-proof
same "another log than the policy's" "$code" 1
contains "is none" "$said_by" "no log of the policy has signed"
# One letter of the club's signature.
sed '/^— club /s/.\{8\}\(....\)$/AAAAAAAA\1/' "$work/said.checkpoint" >"$work/forged"
by exported forged
same "a signature that does not hold" "$code" 3
contains "is worth nothing" "$said_by" "(note-signature)"
sed 's/^quorum .*/quorum club/' "$work/club.policy" >"$work/bad.policy"
by bad.policy said.tlog-proof
same "a policy that is none" "$code" 2
contains "names its line" "$said_by" "bad.policy: line "

contains "one that lies is named" "$(cat "$work/brand.log")" "the witness liar"
same "once" "$(grep -c 'the witness liar' "$work/brand.log")" 1

# A witness that is away, and back: nobody waits for it meanwhile.
kill "$club_pid"
wait "$club_pid" 2>/dev/null || true
hark brand post "Without a witness" --re "$topic" -q >/dev/null
if cosigned "$(size_here)"; then fail "nobody can have cosigned this"; fi
await 20 grep -q 'the witness club' "$work/brand.log"
start club
await 30 cosigned "$(size_here)"
echo "ok: it is asked again"

# What a log has forgotten, the witness tells.
kill "${daemons[-2]}"
wait "${daemons[-2]}" 2>/dev/null || true
rm -r "$work/brand/cosigned" "$work/brand/sock" 2>/dev/null || true
hark brand post "Forgotten" --re "$topic" -q >/dev/null
start brand
url=$(http_of brand)
await 20 cosigned "$(size_here)"
echo "ok: from where the witness is"
hark brand verify -q >/dev/null
ls "$work"/brand/evidence/* >/dev/null 2>&1 && fail "there is nothing to convict anybody of"

# A quorum that nobody can make up is no policy, least of all one that asks for nobody.
echo '{"quorum":1}' | hark brand policy set - -q >/dev/null
refused "nothing settles" 1 hark brand export policy

stop_daemons
