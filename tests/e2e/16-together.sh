#!/usr/bin/env bash
# Goal: what several people write at once goes into one batch, and each is answered for
# their own entry alone: who is refused harms nobody, and what is no entry waits its turn.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

most=12

"$HARK" init "$work/home" --name home --title "Parks" --objective "What should we plant?" \
    --owner "Ada Brandt" --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
home() { "$HARK" -C "$work/home" "$@"; }
batches() { git -c safe.directory='*' -C "$work"/home/spaces/*.git rev-list --first-parent --count main; }

topic=$(home topic Trees --json | entry_id)
start home
nobody=$(printf '%064d' 1)
size=$(home status --json | field 'd["spaces"][0]["size"]')
before=$(batches)

# --- they come while the daemon is busy ------------------------------------------------------
kill -STOP "${daemons[0]}"
waiting=()
for i in $(seq $most); do
    home post "A lime for corner $i" --re "$topic" --json >"$work/out.$i" 2>"$work/err.$i" &
    waiting+=($!)
done
home post "About nothing" --re "$nobody" --json >"$work/out.none" 2>"$work/err.none" &
none=$!
home search lime --json >"$work/out.search" 2>&1 &
search=$!
sleep $((1 * patience))
kill -CONT "${daemons[0]}"

for i in $(seq $most); do
    wait "${waiting[i - 1]}" || fail "post $i: $(cat "$work/err.$i")"
    home show "$(entry_id <"$work/out.$i")" | grep -q "corner $i" || fail "post $i is another's"
done
code=0
wait $none || code=$?
if [ $code = 0 ] || [ -s "$work/out.none" ]; then fail "a post about nothing ended with $code"; fi
wait $search || fail "searching: $(cat "$work/out.search")"
same "entries" $((size + most)) "$(home status --json | field 'd["spaces"][0]["size"]')"
made=$(($(batches) - before))
[ $made -le 4 ] || fail "$most entries in $made batches"
echo "ok: they share batches"

# --- the rate counts what is not logged yet ----------------------------------------------------
stop_daemons
limit=$((most + 8)) # a few more than there are of this minute
sed -i "s/^accept_per_minute: .*/accept_per_minute: $limit/" "$work/home/hark.yaml"
grep -q "^accept_per_minute: $limit" "$work/home/hark.yaml" ||
    echo "accept_per_minute: $limit" >>"$work/home/hark.yaml"
start home
kill -STOP "${daemons[0]}"
waiting=()
for i in $(seq $((limit + 4))); do
    home post "One of too many: $i" --re "$topic" >/dev/null 2>>"$work/rates" &
    waiting+=($!)
done
sleep $((1 * patience))
kill -CONT "${daemons[0]}"
taken=0
for pid in "${waiting[@]}"; do
    if wait "$pid"; then taken=$((taken + 1)); fi
done
[ $taken -le $limit ] || fail "$taken were taken where $limit may be"
grep -q accept-rate "$work/rates" || fail "nobody was told of the rate"
echo "ok: $taken were taken, and no more"

stop_daemons
home verify -q
"$HARK" audit "$work"/home/spaces/*.git >/dev/null
echo "ok: the log is good"
