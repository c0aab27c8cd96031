#!/usr/bin/env bash
# Goal: nodes on real networks, on wires that are slow, lose and are cut, end with the
# same history, whoever was away, killed or shouted at meanwhile.
#
# HARK_LONG=1 takes more of everything and waits out a merge delay: minutes.
set -euo pipefail
# shellcheck source=tests/e2e/nets.sh
. "$(dirname "$0")/nets.sh"
long=${HARK_LONG-}

nets_open home p q m1 m2 stranger
hark() { # NODE VERB...
    local node=$1
    shift
    at "$node" "$HARK" -C "$work/$node" "$@"
}
listens() { echo "tcp://$(address "$1"):7460"; }
main_of() { git -C "$work/$1/spaces/$space.git" rev-parse main; }

# await SECONDS WHAT COMMAND...: tries again until it succeeds
await() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" 2>/dev/null; do
        [ "$SECONDS" -lt "$until" ] || fail "$what: not within the time"
        sleep 0.2
    done
    echo "ok: $what"
}
# equal NODE...: all have the first one's main log
equal() {
    local commit node
    commit=$(main_of "$1")
    for node in "${@:2}"; do
        [ "$(main_of "$node")" = "$commit" ] || return 1
    done
}
# all_same NODE...: and what follows from it
all_same() {
    local node seen first=
    for node in "$@"; do
        seen="$(main_of "$node") $(hark "$node" status --json |
            field '" ".join(str(d["spaces"][0][w]) for w in ("size", "root", "state_hash"))')"
        first=${first:-$seen}
        same "log and state at $node" "$first" "$seen"
    done
}

# --- a brand and two partners ---------------------------------------------------------
hark home init "$work/home" --name home --objective "Which lamp?" --owner Ada \
    --until 2030-01-01 --listen "$(listens home)" -q >/dev/null
for node in p q; do
    hark "$node" init "$work/$node" --name "$node" --listen "$(listens "$node")" -q >/dev/null
    hark home partner add "$(hark "$node" ticket)" >/dev/null
done
for node in p q; do hark "$node" partner add "$(hark home ticket)" >/dev/null; done
space=$(state home id)
for node in home p q; do
    link_delay "$node" 40
    link_loss "$node" 5
done
took=$(round_trip home p)
if [ "$took" -lt 80 ]; then fail "there and back took $took ms, on wires of 40 ms"; fi
echo "ok: there and back takes $took ms"
for node in home p q; do start_at "$node"; done
await 30 "both partners follow" equal home p q
# Partners know each other, too: what one takes in, the other has without the home.
hark p partner add "$(hark q ticket)" -q >/dev/null
hark q partner add "$(hark p ticket)" -q >/dev/null

# --- members' own nodes, each with a partner of its own ----------------------------------
printf 'merge_delay_s: 60\n' | hark home policy set - -q >/dev/null
for node in m1 m2; do
    hark "$node" init "$work/$node" --name "$node" -q >/dev/null
    link_delay "$node" 40
    link_loss "$node" 5
    start_at "$node"
done
part m1 q # m1 has the home and p,
part m2 p # m2 the home and q
for node in m1 m2; do
    hark "$node" join "$(hark home invite --json | field 'd["ticket"]')" --name "$node-person" -q \
        >/dev/null
done
idea=$(hark home idea "A lamp without a switch" --json | entry_id)
await 60 "all follow" equal home p q m1 m2

# --- the home is away -------------------------------------------------------------------------
# out_state NODE ID: its state, and who took it, by the author's outbox
out_state() { hark "$1" outbox --json | field '"".join("%s %s" % (e["state"], e["node"])
    for e in d["entries"] if e["id"] == "'"$2"'")'; }
is_out() { case "$(out_state "$1" "$2")" in "$3"*) true ;; *) false ;; esac; }
shows() { hark "$1" show "$2" --json >/dev/null; }
votes() { hark "$1" tally "$idea" --json | field '"%d+%d" % (d["counts"]["agree"], (d["in_flight"] or {}).get("agree", 0))'; }
votes_are() { [ "$(votes "$1")" = "$2" ]; }

link_cut home
post=$(hark m1 post "Said while the home is away" --re "$idea" --json | entry_id)
await 60 "p has taken the post" is_out m1 "$post" "accepted p"
await 60 "m2 sees it, by way of p and q" shows m2 "$post"
reply=$(hark m2 reply "I heard you" --re "$post" --json | entry_id)
hark m1 vote "$idea" agree -q >/dev/null
hark m2 vote "$idea" agree -q >/dev/null
await 60 "q has taken the reply" is_out m2 "$reply" "accepted q"
await 60 "m1 sees it" shows m1 "$reply"
for node in p q m1 m2; do await 30 "$node counts two votes in flight" votes_are "$node" 0+2; done
same "what the home's log has of it" 0+0 "$(votes home)"

# Who took it signs for it, and whoever has the receipt can hold it against the logs here.
proof=$work/post.tlog-proof
hark m1 receipt "$post" >"$proof"
hark m1 verify "$proof" --json | holds "the receipt of p" "d['id'] == '$post' and d['node'] == 'p' and
    d['log_agrees'] and d['entry_here'] and d['logged'] is None and d['arrival'] < d['due']"
contains "in words" "$(hark q verify "$proof")" "the home has to take it over by"
contains "where it has not come to" "$(hark home verify "$proof")" "does not reach that far"
sed '3s/index .*/index 99/' "$proof" >"$work/altered"
refused proof-form 3 hark q verify "$work/altered"
sed 's/^\(— .* ....\)..../\1AAAA/' "$proof" >"$work/altered"
refused no 1 hark q verify "$work/altered"
sed '1,/^$/d' "$proof" >"$work/checkpoint"
contains "its checkpoint alone" "$(hark m2 verify "$work/checkpoint")" "begins with just these"

if [ -n "$long" ]; then
    # Past the merge delay, whoever looks sees what the home has not taken over.
    sleep 62
    for node in p q; do
        overdue=$(hark "$node" status --json |
            field 'sum(a["count"] for a in d["alerts"] if a["name"] == "overdue")')
        [ "$overdue" -ge 3 ] || fail "$node lists $overdue entries as overdue"
        code=0
        hark "$node" audit "$work/$node/spaces/$space.git" --json >"$work/audit" || code=$?
        [ "$code" = 10 ] || fail "audit at $node ended with $code: $(cat "$work/audit")"
        grep -q overdue "$work/audit" || fail "audit at $node: $(cat "$work/audit")"
        echo "ok: $overdue entries are overdue, by status and audit at $node"
    done
fi

link_heal home
position() { hark home show "$1" --json 2>/dev/null | field 'd["entry"]["position"]'; }
in_order() { [ "$(position "$post")" -lt "$(position "$reply")" ]; }
await 60 "the home is back: the reply stands after the post" in_order
await 60 "one log everywhere" equal home p q m1 m2
await 60 "m1's outbox says logged" is_out m1 "$post" logged
await 60 "m2's outbox says logged" is_out m2 "$reply" logged
contains "what p signed for has been taken over" "$(hark home verify "$proof")" \
    "in the space's log, at position $(position "$post")."
contains "and now the home signs for it" "$(hark m1 receipt "$post")" " home/"
for node in home p q m1 m2; do await 60 "$node counts two votes, none in flight" votes_are "$node" 2+0; done

# --- cut in the middle of a sync, again and again ----------------------------------------
# The partners fetch this while they are cut off and come back.
if [ -n "$long" ]; then
    cuts=12
    hark home import polis "$HARK_SOURCE_DIR/examples/conversation" >/dev/null &
else
    cuts=3
    for ((i = 0; i < 25; i++)); do hark home topic "Number $i" -q >/dev/null; done &
fi
writing=$!
behind=0
for ((i = 0; i < cuts; i++)); do
    node=p
    if ((i % 2)); then node=q; fi
    sleep "0.$((i % 3 + 2))"
    link_cut "$node"
    sleep "0.$((i % 4 + 3))"
    equal home "$node" || behind=$((behind + 1))
    link_heal "$node"
done
wait "$writing"
[ "$behind" -gt 0 ] || fail "no cut came in the middle of anything"
await 60 "cut $cuts times, $behind times in the middle, all have all of it" equal home p q m1 m2

# --- killed, each in turn ---------------------------------------------------------------------
for node in home p q m1 m2; do
    hark home topic "before $node dies" -q >/dev/null
    kill_at "$node"
    [ "$node" = home ] || hark home topic "while $node is dead" -q >/dev/null
    start_at "$node"
    hark home topic "after $node came back" -q >/dev/null
done
await 60 "killed in turn, all have all of it" equal home p q m1 m2

# --- a stranger shouts at every port -----------------------------------------------------------
at stranger python3 - "$(address home)" "$(address p)" "$(address q)" <<'PY' >"$work/stranger"
import random, socket, struct, sys, threading, time
chance = random.Random(7)
hosts = sys.argv[1:]
GREETING = b'\xff' + bytes(8) + b'\x7f\x03\x00'

def mechanism(name):
    return GREETING + name.ljust(20, b'\0') + b'\0' + bytes(31)

def say(host, parts):
    s = socket.socket()
    s.settimeout(3)
    try:
        s.connect((host, 7460))
        for part in parts:
            s.sendall(part)
            time.sleep(0.02)
        s.recv(4096)
    except OSError:
        pass
    held.append(s)  # nothing is closed before the end

held = []
threads = []
for host in hosts:
    shouts = [
        [chance.randbytes(65536)],
        [b'GET / HTTP/1.1\r\nHost: home\r\n\r\n'],
        [b'\0' * 4096],
        [mechanism(b'NULL'), b'\x04\x05\x05READY'],                # no keys at all
        [mechanism(b'PLAIN'), b'\x04\x0f\x05HELLO\x03ada\x03ada'],
        [mechanism(b'CURVE'), b'\x04\xc8\x05HELLO' + chance.randbytes(194)],  # a key nobody knows
        [mechanism(b'CURVE'), b'\x06' + struct.pack('>Q', 1 << 62) + chance.randbytes(512)],
        [mechanism(b'CURVE')[:40]],                                # half a greeting, then nothing
        [bytes([b]) for b in mechanism(b'CURVE')],                 # a byte at a time
    ]
    shouts += [[]] * 64                                            # many who say nothing
    threads += [threading.Thread(target=say, args=(host, parts)) for parts in shouts]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(len(threads))
PY
for node in home p q; do
    kill -0 "${pid_of[$node]}" || fail "$node ended as a stranger shouted: $(tail "$work/$node.log")"
    hark "$node" status --json >/dev/null
done
hark home topic "still here" -q >/dev/null
await 30 "a stranger shouted $(cat "$work/stranger") times, and all still follow" equal home p q m1 m2

# --- the same everywhere ------------------------------------------------------------------------
all_same home p q m1 m2
checked=(p m2)
[ -z "$long" ] || checked=(home p q m1 m2)
for node in "${checked[@]}"; do
    hark "$node" verify -q >/dev/null || fail "verify at $node"
    # Who was killed before a ref had moved leaves what only it would have reached.
    sound "$work/$node/spaces/$space.git" --no-dangling
done
echo "ok: verify and fsck at ${checked[*]}"
link_stats | tee "$work/stats"
python3 - "$work/stats" <<'PY'
import json, sys
ports = {p['port']: p for p in map(json.loads, open(sys.argv[1]))}
lost, sent = (sum(ports[n][what] for n in ('home', 'p', 'q')) for what in ('lost', 'sent'))
assert lost > 0.02 * sent, f'{lost} of {sent} frames were lost: that is not 5 %'
print(f'ok: {lost} of {sent} frames were lost on the way')
PY
