#!/usr/bin/env bash
# Goal: what is lost comes back from the others, and nobody signs two histories: a home
# that lost its disk, one put back from an old backup, one that moves, a steward and a
# home lost together, a damaged repository, and a partner that was ahead of the home's
# recovery.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/$1" "${@:2}"; }
main_of() { git -C "$work/$1/spaces/$space.git" rev-parse main; }
daemon_of() { field 'd["node"]["pid"]' < <(hark "$1" status --json); }

level() { [ "$(main_of "$1")" = "$(main_of "$2")" ]; }

# --- a home, two partners ------------------------------------------------------------
recovery=()
for i in 1 2 3; do
    "$HARK" init "$work/keys$i" --name "keys$i" >/dev/null
    recovery+=(--recovery-key "$(hark "keys$i" key new "$work/recovery$i")")
done
"$HARK" init "$work/home" --name home --objective Which? --owner Mara --until 2027-06-30 \
    --listen "tcp://127.0.0.1:$(free_port)" "${recovery[@]}" --recovery-threshold 2 >/dev/null
for name in one two; do
    "$HARK" init "$work/$name" --name "$name" --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
done
space=$(hark home status --json | field 'd["spaces"][0]["id"]')
for name in one two; do
    hark home partner add "$(hark "$name" ticket)" >/dev/null
    hark "$name" partner add "$(hark home ticket)" >/dev/null
done
hark one partner add "$(hark two ticket)" -s "$space" >/dev/null 2>&1 ||
    hark one partner add "$(hark two ticket)" >/dev/null
start home
start one
start two
post=$(hark home idea 'Before all that' --json | entry_id)
await 20 hark one show "$post"
await 20 hark two show "$post"
hark home key backup "$work/kept" >/dev/null
same "a backup holds the device's key" 600 "$(stat -c %a "$work/kept/keys/device")"
stop home
cp -a "$work/home" "$work/old"
start home
stop two
later=$(hark home idea 'After the backup was made' --json | entry_id)
await 20 hark one show "$later"

# --- put back from an old backup ---------------------------------------------------------
# Who is there at once knows no more than the backup; who knows more is there a moment later.
stop home
start two
one_pid=$(daemon_of one)
kill -STOP "$one_pid"
rm -rf "${work:?}/home"
cp -a "$work/old" "$work/home"
refused behind 4 hark home idea 'A second history'
(sleep 1 && kill -CONT "$one_pid") &
start home
next=$(hark home idea 'Goes on after it' --json | entry_id)
await 20 hark home show "$later"
await 20 level home one
await 20 hark one show "$next"
await 20 level home two
echo "ok: a home put back from an old backup catches up, and signs no second history"

# What a partner takes in while the home is away is its own log, of which the same holds.
for name in Ida Flo; do
    hark one join "$(hark home invite --json | field 'd["ticket"]')" --name "$name" --timeout 30 >/dev/null
done
await 20 level home one
stop one
cp -a "$work/one" "$work/old-one"
start one
await 20 level home one
stop home
mine=$(hark one --as Ida idea 'Taken in after the backup' --json | entry_id)
await 20 hark two show "$mine"
stop one
rm -rf "${work:?}/one"
cp -a "$work/old-one" "$work/one"
start one
next=$(hark one --as Flo idea 'Taken in by who was put back' --json | entry_id)
await 20 hark two show "$next"
start home
await 20 logged_at home "$mine"
await 20 logged_at home "$next"
await 20 level home one
await 20 level home two
echo "ok: a partner put back from an old backup signs no second intake"

# --- a lost disk -----------------------------------------------------------------------------
before=$(main_of one)
await 20 level one two
stop home
rm -rf "${work:?}/home"
address=$(field 'd["addresses"][0]' < <(hark one ticket --json))
hark one sync --timeout 1 >/dev/null 2>&1 || true
"$HARK" -C "$work/home" recover "$(hark one ticket)" --keys "$work/kept" \
    --listen "tcp://127.0.0.1:$(free_port)" --json >"$work/recovered"
same "what came back, byte for byte" "$before" "$(field 'd["spaces"][0]["commit"]' <"$work/recovered")"
same "it goes on as the next incarnation" "home/$space/2" \
    "$(field 'd["spaces"][0]["origin"]' <"$work/recovered")"
same "on the same log" "$before" "$(git -C "$work/home/spaces/$space.git" rev-parse main^1)"
[ -n "$address" ] || fail "no address"
hark home partner add "$(hark one ticket)" >/dev/null
hark home partner add "$(hark two ticket)" >/dev/null
for name in one two; do hark "$name" partner add "$(hark home ticket)" >/dev/null; done
start home
recovered=$(hark home idea 'With a new disk' --json | entry_id)
await 40 hark one show "$recovered"
await 40 hark two show "$recovered"
same "state" "$(state home state_hash)" "$(state one state_hash)"
hark home home show >"$work/shown"
grep -q "home/$space/2" "$work/shown" || fail "home show: $(cat "$work/shown")"
hark one join "$(hark home invite --json | field 'd["ticket"]')" --name Eve --timeout 30 >/dev/null
echo "ok: a home that lost its disk"

# --- moving ------------------------------------------------------------------------------------
stop one
hark home home move one >"$work/moved"
refused behind 4 hark home idea 'Not signed here any more'
start one
at_one() { hark one home show | grep -q "^home one, log one/$space/3"; }
await 40 at_one
await 40 level home one
await 40 level two one
moved=$(hark one sync >/dev/null; hark home idea 'Written at the old home' --json | entry_id)
await 40 hark one show "$moved"
await 40 logged_at two "$moved"
same "no node differs" 1 "$(for n in home one two; do main_of $n; done | sort -u | wc -l)"
echo "ok: moving the home"

# --- steward and home lost ------------------------------------------------------------------------
stop home
stop one
rm -rf "${work:?}/home"
mv "$work/one" "$work/gone"
# Mara writes at the partners from here on.
for name in two gone; do cp "$work/kept/keys/people/owner" "$work/$name/keys/people/owner"; done
hark two key steward >"$work/offer"
refused entry-key 3 hark two key recover --with "$work/offer" --key "$work/keys1/keys/device"
(umask 077 && echo "of this key alone" >"$work/secret")
hark two key passwd "$work/recovery1" --passphrase-file "$work/secret" -q
refused key-passphrase 2 hark two key recover --with "$work/offer" --key "$work/recovery1"
hark two key recover --with "$work/offer" --key "$work/recovery1" --passphrase-file "$work/secret" >/dev/null
refused entry-key 3 hark two home move two --lost
hark two key recover --with "$work/offer" --key "$work/recovery3" >/dev/null
hark two home move two --lost >/dev/null
same "the new home" "two/$space/4" "$(hark two home show --json | field 'd["origin"]')"
new=$(hark two invite --json | field 'd["ticket"]')
[ "${new:0:5}" = hark1 ] || fail "the new steward gives out no ticket"
echo "ok: two of three recovery keys"

# --- a node that was cut off meanwhile comes back to the new history ----------------------------------
mv "$work/gone" "$work/one"
hark two partner add "$(hark one ticket)" >/dev/null 2>&1 || true
orphan=$(hark one --as Eve idea 'Logged by a home that was away' --json | entry_id)
twin=$(hark one idea 'In the place of another' --json | entry_id) # Mara was at two meanwhile
logged_at one "$orphan" || fail "the home that was away did not log it"
start one
await 60 level one two
await 60 logged_at two "$orphan"
await 60 level one two
said_of() { hark one outbox --json | grep -q "$twin.*entry-twin"; }
await 20 said_of
echo "ok: what was logged elsewhere is handed in again"

# --- repair --------------------------------------------------------------------------------------
stop one
# the largest: of small ones some hold only trees that nothing needs any more
pack=$(find "$work/one/spaces/$space.git/objects/pack" -name '*.pack' -printf '%s %p\n' |
    sort -rn | sed -n '1s/^[0-9]* //p')
chmod u+w "$pack"
printf 'garbage' | dd of="$pack" bs=1 seek=40 conv=notrunc status=none
hark one repair --timeout 60 >"$work/repaired" || fail "repair: $(cat "$work/repaired")"
grep -q 'fetched anew and whole' "$work/repaired" || fail "repair says: $(cat "$work/repaired")"
sound "$work/one/spaces/$space.git" --no-dangling
same "repaired" "$(main_of two)" "$(main_of one)"
hark one repair >"$work/repaired"
grep -q 'nothing to mend' "$work/repaired" || fail "a second repair says: $(cat "$work/repaired")"
echo "ok: repair"
