#!/usr/bin/env bash
# Goal: killed in the middle of an import, again and again, a node opens with a
# whole log and an index that fits it, loses nothing that it acknowledged, and in
# the end counts as if nothing had happened; its partner, killed as it copies,
# ends with the same.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
conversation=${HARK_SOURCE_DIR:-.}/examples/conversation
brand() { "$HARK" -C "$work/brand" "$@"; }
partner() { "$HARK" -C "$work/partner" "$@"; }
state() { "$1" status --json | field 'd["spaces"][0]["'"$2"'"]'; }

# --- the truth: the same import, undisturbed -----------------------------------------
"$HARK" init "$work/calm" --name calm --objective "Which lamp?" --owner Ada --until 2030-01-01 >/dev/null
began=$(date +%s%N)
"$HARK" -C "$work/calm" import polis "$conversation" >/dev/null
took_ms=$((($(date +%s%N) - began) / 1000000))
# part N: N hundredths of what the undisturbed import took, in seconds
part() { printf '%d.%03d' $((took_ms * $1 / 100000)) $((took_ms * $1 / 100 % 1000)); }

counts() { # NODE: every idea's words and counts, in order of the words
    "$HARK" -C "$work/$1" log --kind idea --json | python3 -c '
import json, subprocess, sys
for line in sys.stdin:
    row = json.loads(line)
    out = subprocess.run(sys.argv[1:] + ["tally", row["id"], "--json"], capture_output=True, check=True)
    print(row["payload"]["imported"]["ref"], json.loads(out.stdout)["counts"])
' "$HARK" -C "$work/$1" | sort
}

# --- killed while it imports ------------------------------------------------------------
"$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner Ada --until 2030-01-01 \
    --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
last=0
for hundredths in 30 45 55 65 75; do
    "$HARK" -C "$work/brand" import polis "$conversation" >/dev/null 2>&1 &
    pid=$!
    sleep "$(part $hundredths)"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    size=$(state brand size)
    [ "$size" -ge "$last" ] || fail "the log shrank from $last to $size"
    last=$size
    brand verify >/dev/null || fail "verify after being killed at $size"
done
echo "ok: killed five times, at $last entries in the end"
brand import polis "$conversation" >/dev/null
same "counts as if nothing had happened" "$(counts calm | sha256sum)" "$(counts brand | sha256sum)"

# --- a partner, killed while it copies ----------------------------------------------------
"$HARK" init "$work/partner" --name partner >/dev/null
brand partner add "$(partner ticket)" >/dev/null
partner partner add "$(brand ticket)" >/dev/null
start brand
for hundredths in 10 20 40; do
    "$HARK" -C "$work/partner" sync --wait >/dev/null 2>&1 &
    pid=$!
    sleep "$(part $hundredths)"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
done
partner sync --wait >/dev/null
for what in size root state_hash content_hash; do
    same "$what" "$(state brand $what)" "$(state partner $what)"
done

# --- the daemon, killed after it acknowledged ------------------------------------------------
idea=$(brand log --kind idea --json --limit 1 | field 'd["id"]')
post=$(brand post "said just before" --re "$idea" --json | entry_id)
kill -9 "${daemons[-1]}"
wait "${daemons[-1]}" 2>/dev/null || true
same "what was acknowledged" "said just before" \
    "$(brand show "$post" --json | field 'd["entry"]["payload"]["body"]')"
for node in brand partner; do
    "$HARK" -C "$work/$node" verify >/dev/null || fail "verify at $node"
    "$HARK" -C "$work/$node" gc >/dev/null
    for repo in "$work/$node"/spaces/*.git; do
        sound "$repo"
    done
done
echo "ok: verify, gc and fsck at both"
