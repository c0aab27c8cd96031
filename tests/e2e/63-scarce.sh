#!/usr/bin/env bash
# Goal: a full disk, one that may only be read, and no descriptors left: each is said
# clearly, with its exit code, leaves nothing half-written, and a daemon goes on as soon
# as it can. The disk is a small one in a mount namespace of this test's own.
set -euo pipefail
if [ -z "${HARK_SCARCE-}" ]; then
    HARK_SCARCE=$(mktemp -d /tmp/hark-disk.XXXXXX)
    export HARK_SCARCE
    trap 'rmdir "$HARK_SCARCE"' EXIT
    for how in -m -rm; do
        if unshare $how mount -t tmpfs none "$HARK_SCARCE" 2>/dev/null; then
            unshare $how bash "$0"
            exit 0
        fi
    done
    echo "skipped: no mount namespace may be made here"
    exit 77
fi
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
disk=$HARK_SCARCE
mount -t tmpfs -o size=12m none "$disk"
# lib.sh's start looks below $work.
for node in home partner; do ln -s "$disk/$node" "$work/$node"; done
home() { "$HARK" -C "$disk/home" "$@"; }
partner() { "$HARK" -C "$disk/partner" "$@"; }
size_of() { "$1" status --json | field 'd["spaces"][0]["size"]'; }

# leave KIB: fills the disk but for that much
leave() {
    rm -f "$disk/filler"
    local free
    free=$(df -k --output=avail "$disk" | tail -n 1)
    head -c $(((free - $1) * 1024)) /dev/zero >"$disk/filler"
}

# tried COMMAND...: what it printed in $said, its exit code in $code; no crash, and only
# what scarcity explains
tried() {
    code=0
    said=$("$@" 2>"$work/err") || code=$?
    case $code in
    0) ;;
    4) grep -q "$scarce" "$work/err" || fail "$* says: $(cat "$work/err")" ;;
    *) fail "$* ended with $code: $(cat "$work/err")" ;;
    esac
}

# files that a write began; what the packs of lone batches share stays
unfinished() { find "$disk"/home/spaces/*.git/hark -type f ! -name 'keep-*' | wc -l; }

"$HARK" init "$disk/home" --name home --objective "Which lamp?" --owner Ada --until 2030-01-01 \
    --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
"$HARK" init "$disk/partner" --name partner >/dev/null
home partner add "$(partner ticket)" >/dev/null
partner partner add "$(home ticket)" >/dev/null
topic=$(home topic Lamps --json | entry_id)

# --- a full disk, no daemon -------------------------------------------------------------
scarce='disk-full'
written=()
failures=0
for kib in 0 20 32 48 64 96 128 200; do
    leave "$kib"
    tried home idea "With $kib KiB" --re "$topic" --json
    if [ $code = 0 ]; then written+=("$(entry_id <<<"$said")"); else failures=$((failures + 1)); fi
    tried home verify -q
    tried home gc
    rm "$disk/filler"
    home verify -q || fail "verify after a write with $kib KiB"
    [ "$(unfinished)" = 0 ] || home gc >/dev/null
done
[ $failures -gt 2 ] || fail "the disk was never full"
[ ${#written[@]} -gt 0 ] || fail "nothing was ever written"
for entry in "${written[@]}"; do home show "$entry" >/dev/null || fail "$entry is lost"; done
same "left unfinished" 0 "$(unfinished)"
echo "ok: $failures writes refused for want of space, ${#written[@]} done"

# --- a daemon whose disk fills, and a partner who copies ------------------------------------
start home
start partner
partner sync --wait >/dev/null
leave 0
refused disk-full 4 home idea "No room" --re "$topic"
refused disk-full 4 home post "No room either" --re "$topic"
# Those who wait for one batch are all told that it could not be written.
before=$(size_of home)
kill -STOP "${daemons[0]}"
waiting=()
for i in 1 2 3 4; do
    home post "Together $i" --re "$topic" --json >"$work/out.$i" 2>"$work/err.$i" &
    waiting+=($!)
done
sleep 1
kill -CONT "${daemons[0]}"
for i in 1 2 3 4; do
    code=0
    wait "${waiting[i - 1]}" || code=$?
    if [ $code != 4 ] || ! grep -q disk-full "$work/err.$i" || [ -s "$work/out.$i" ]; then
        fail "together $i ended with $code: $(cat "$work/err.$i" "$work/out.$i")"
    fi
done
refused disk-full 4 home export tiles "$disk/out"
[ -z "$(find "$disk/out" -type f)" ] || fail "half-written tiles: $(find "$disk/out" -type f)"
rm "$disk/filler"
home export tiles "$disk/out" -q
rm -r "$disk/out"
same "nothing of them is logged" "$before" "$(size_of home)"
post=$(home post "$(head -c 16000 /dev/zero | tr '\0' x)" --re "$topic" --json | entry_id)
await 20 partner show "$post"
echo "ok: the next write works"

# --- read-only -------------------------------------------------------------------------------
stop_daemons
mount -o remount,ro "$disk"
refused io-permission 2 home idea "Only to be read" --re "$topic"
refused io-permission 2 home gc
refused io-permission 2 "$HARKD" -d -C "$disk/home"
mount -o remount,rw "$disk"
home verify -q || fail "verify after a read-only disk"
start home
start partner
await 20 home idea "To be written again" --re "$topic"
post=$(home post "Here, too" --re "$topic" --json | entry_id)
await 20 partner show "$post"
echo "ok: read-only"
stop_daemons

# --- no descriptors -----------------------------------------------------------------------------
scarce='Too many open files\|unable to open\|cannot open\|no-memory\|(io)'
done_with=0
for count in 4 8 10 12 14 16 20 32; do
    code=0
    (
        ulimit -n $count
        exec "$HARK" -C "$disk/home" post "With $count" --re "$topic" --json
    ) >"$work/out" 2>"$work/err" || code=$?
    # 127: not even its libraries could be opened
    case $code in
    0) done_with=$count ;;
    4) grep -q "$scarce" "$work/err" || fail "with $count descriptors: $(cat "$work/err")" ;;
    127) ;;
    *) fail "with $count descriptors it ended with $code: $(cat "$work/err")" ;;
    esac
    home verify -q || fail "verify after $count descriptors"
done
[ $done_with -gt 0 ] || fail "32 descriptors are not enough"
same "left unfinished" 0 "$(unfinished)"
echo "ok: few descriptors"

# A daemon to which more come than it has descriptors for: it waits, and serves again.
(
    ulimit -n 64
    exec "$HARKD" -d -C "$disk/home" 2>>"$work/home.log"
) &
daemons=($!)
await 20 test -S "$disk/home/sock"
python3 - "$disk/home/listen" "$disk/home/hark.yaml" "${daemons[0]}" <<'PY'
import os, re, socket, sys, time
listen = re.search(r'tcp://127.0.0.1:(\d+)', open(sys.argv[2], encoding='utf-8').read())
held = [socket.socket() for _ in range(100)]
for one in held:  # where no more are accepted nobody waits
    one.setblocking(False)
    one.connect_ex(('127.0.0.1', int(listen[1])))
def ticks():
    return sum(map(int, open(f'/proc/{sys.argv[3]}/stat', encoding='ascii').read().rsplit(')', 1)[1].split()[11:13]))
time.sleep(0.5)
before = ticks()
local = socket.socket(socket.AF_UNIX)
local.connect(os.path.join(os.path.dirname(sys.argv[2]), 'sock'))
time.sleep(1)
used = ticks() - before
print(f'{used} ticks of {os.sysconf("SC_CLK_TCK")} in a second without descriptors')
PY
kill -0 "${daemons[0]}" || fail "the daemon ended: $(tail -n 3 "$work/home.log")"
await 20 home post "Descriptors again" --re "$topic"
home verify -q || fail "verify after all"
echo "ok: no descriptors for a moment"
