#!/usr/bin/env bash
# Goal: a home dates its own log, and what it logs after that arrives no earlier, whatever its
# clock does. One that cheats, and dates an entry before it said that its log was without it,
# is convicted within one sync by a file that a fresh machine checks with nothing else at hand.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs_shifted_clocks

minute=60000
# Each has a clock of its own.
hark() { by_clock "$1" "$HARK" -C "$work/$1" "${@:2}"; }
# go NODE: its daemon; its process id is in $pid
go() {
    by_clock "$1" start "$1"
    pid=${daemons[-1]}
}
end() { # PID: of a daemon
    kill "$1"
    wait "$1" || fail "a daemon ended with $?"
}

# What NODE keeps of what the home said of its own log: "<entries> <unix time>"
said() {
    python3 - "$work/$1/cosigned/$space" <<'EOF'
import base64, glob, sys
for path in glob.glob(sys.argv[1] + "/main.*"):
    text, lines = open(path, encoding="utf-8").read().split("\n\n")
    line = lines.splitlines()[1]
    if line.startswith("— home "):
        signed = base64.b64decode(line.split(" ")[2])
        print(text.splitlines()[1], int.from_bytes(signed[4:12], "big"))
EOF
}
# said_since NODE UNIX: has NODE heard what the home said then or later?
said_since() {
    local at=""
    read -r _ at < <(said "$1")
    [ "$at" -ge "$2" ]
}
evidence() { compgen -G "$work/$1/evidence/$space.*" || true; }
nobody() { # WHAT: and nobody is accused
    same "$1" 0 "$(cat <(evidence home) <(evidence partner) | wc -l)"
}
# arrival ID: unix seconds, as the partner has it
arrival() {
    hark partner log --json | python3 -c 'import datetime, json, sys
for line in sys.stdin:
    row = json.loads(line)
    if row["id"] == sys.argv[1]:
        print(int(datetime.datetime.fromisoformat(row["arrival"][:-1] + "+00:00").timestamp()))' "$1"
}

# --- a space that is founded while the clock is back --------------------------------------------
for node in home partner; do shift_to $node 0; done
shift_to home -$((30 * minute))
hark home init "$work/home" --name home --objective "Which lamp?" --owner "Ada" \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
"$HARK" init "$work/partner" --name partner --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
echo "date_log_s: 5" >>"$work/home/hark.yaml"
space=$(hark home status --json | field 'd["spaces"][0]["id"]')
hark home partner add "$(hark partner ticket)" >/dev/null
hark partner partner add "$(hark home ticket)" >/dev/null
topic=$(hark home topic "Lamps" -q)
shift_to home 0
begin=$(date +%s)
go partner
go home
home_pid=$pid
await 60 said_since partner "$begin"
same "of all entries" "$(hark partner status --json | field 'd["spaces"][0]["size"]')" \
    "$(said partner | cut -d' ' -f1)"
same "the home knows it as well" "$(said home | cut -d' ' -f1)" "$(said partner | cut -d' ' -f1)"
nobody "what was logged before it was said may be old"

# --- an idle log is dated again, and a partner keeps the later one --------------------------------
read -r entries at < <(said partner)
await 60 said_since partner $((at + 1))
same "of as many entries" "$entries" "$(said partner | cut -d' ' -f1)"

# --- an honest home whose clock goes back ---------------------------------------------------------
end "$home_pid"
cp -r "$work/home" "$work/old"
cp "$work/home.shift" "$work/old.shift"
read -r _ at < <(said home)
shift_to home -$((20 * minute))
first=$(hark home post "Ten to, or so" --re "$topic" -q)
go home
home_pid=$pid
await 30 logged_at partner "$first"
[ "$(arrival "$first")" -ge "$at" ] || fail "it arrived before the home said that it was not there"
echo "ok: what is logged after it was said does not arrive before"
shift_to home 0
await 60 said_since partner "$at"
nobody "a clock that goes back convicts nobody"

# --- one that cheats: an hour later it forgets what it said ----------------------------------------
shift_to partner $((60 * minute))
undated() { hark partner status | grep -q "home has not dated its log"; }
undated && fail "an hour is not three times an hour"
shift_to partner $((182 * minute))
await 20 undated
shift_to partner $((60 * minute))
shift_to home $((60 * minute))
later=$(($(date +%s) + 3600))
await 60 said_since partner "$later"
end "$home_pid"
cp -r "$work/home/cosigned" "$work/put-away"
for note in "$work/home/cosigned/$space"/main.*; do
    if grep -q "^— home " "$note"; then rm "$note"; fi
done
shift_to home $((40 * minute))
second=$(hark home post "It was always so" --re "$topic" -q)
go home
await 30 logged_at partner "$second"
[ "$(arrival "$second")" -lt $((later - 300)) ] || fail "it is not dated back"
kept() { [ -n "$(evidence partner)" ]; }
await 30 kept
same "one file" 1 "$(evidence partner | wc -l)"
hark partner status --json | holds "status names it" \
    'any(a["name"] == "backdated" and "node home" in a["message"] and
         a["file"].endswith(".evidence") for a in d["alerts"])'

# --- on a fresh machine ----------------------------------------------------------------------------
mkdir "$work/empty"
cp "$(evidence partner)" "$work/empty/evidence"
contains "in words" "$(fresh verify evidence)" "node home"
contains "by its own word" "$(fresh verify evidence)" "rests on the signatures alone"
key=$(hark home status --json | field 'd["node"]["key"]')
fresh verify evidence --json | holds "as JSON" "d['holds'] and d['what'] == 'evidence' and
    d['kind'] == 'backdated' and d['claim'] == 'statement' and d['convicts'] and d['named'] and
    d['role'] == 'log' and d['key'] == '$key' and d['space'] == '$space' and
    d['node'] == 'home' and d['cosigner']['name'] == 'home' and
    d['signed'][1]['entry'] == '$second' and
    d['signed'][1]['position'] == d['signed'][0]['size'] and
    d['signed'][1]['arrival'] < d['signed'][0]['cosigned']"

altered evidence "(evidence)" 1 '3s/key ./key /;3s/$/0/'
altered evidence "(evidence)" 1 's/^\(cosigner home ..\)../\100/'
altered evidence "(evidence)" 1 's/^\(cosigner \)home/\1hare/'
altered evidence "(evidence)" 1 's/^\(— home ..........\)..../\1AAAA/'
altered evidence "(evidence)" 1 's/^\(extra \)..../\1AAAA/'
altered evidence evidence-form 3 '/^cosigner /d'
altered evidence evidence-form 3 's/^part .*/part 1/'

# --- a home that lacks what it has signed -----------------------------------------------------------
cp "$work/partner/cosigned/$space"/main.* "$work/old/cosigned/$space"
hark old status --json | holds "status says what it lacks" \
    'any(a["name"] == "behind" and "has signed" in a["message"] for a in d["alerts"])'
refused behind 4 hark old post "In its place" --re "$topic" -q
