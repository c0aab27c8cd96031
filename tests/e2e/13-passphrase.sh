#!/usr/bin/env bash
# Goal: key files are one user's alone and may have a passphrase: set, changed and removed by
# `hark key passwd`, which may be killed at any moment; read from a file or typed at a
# terminal, and never written or shown; new keys are sealed like the others; `key export`
# gives out one key.
#
# Opening what is sealed takes long by design, so HARK_LONG=1 runs it.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
[ -n "${HARK_LONG:-}" ] || skip "runs with HARK_LONG=1"

hark() { "$HARK" -C "$work/brand" "$@"; }
sealed() { [ "$(head -n 1 "$work/brand/keys/$1")" = "hark-sealed-key 1" ]; }
all_sealed() {
    local file
    for file in device people/owner people/Mara; do sealed $file || fail "$file is in the clear"; done
    echo "ok: $1"
}

umask 077
printf 'a first passphrase\n' >"$work/first"
printf 'a second passphrase\r\n' >"$work/second"
"$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner Ada --until 2030-01-01 \
    --passphrase-file "$work/first" -q >/dev/null
hark join "$(hark invite -q)" --name Mara -q >/dev/null
all_sealed "new keys are sealed like the device's"
topic=$(hark topic "Lamps" -q)

# --- passwd ------------------------------------------------------------------------------
hark key passwd --passphrase-file "$work/second" --json | holds "passwd" \
    'd["files"] == 3 and d["sealed"] and d["passphrase_file"].endswith("/second")'
all_sealed "all are sealed anew"
hark post "With the second" --re "$topic" --as Mara -q >/dev/null
refused key-passphrase 2 hark key passwd --old-passphrase-file "$work/first" --passphrase-file "$work/first"
hark key passwd --no-passphrase -q
if sealed device || sealed people/Mara; then fail "it is still sealed"; fi
grep -q passphrase_file "$work/brand/hark.yaml" && fail "hark.yaml still names a passphrase"
hark post "With none" --re "$topic" --as Mara -q >/dev/null
refused usage 2 hark key passwd --no-passphrase --passphrase-file "$work/first"
refused key-passphrase 2 hark key passwd
: >"$work/nothing"
refused usage 2 hark key passwd --passphrase-file "$work/nothing"
hark key passwd --passphrase-file <(cat "$work/first") -q
all_sealed "a passphrase out of a pipe"
refused key-passphrase 2 hark status
contains "who is asked for it without a terminal is told what to do" \
    "$(hark status 2>&1 || true)" "passphrase_file in hark.yaml"
refused key-passphrase 2 "$HARKD" -C "$work/brand"
echo "passphrase_file: \"$work/first\"" >>"$work/brand/hark.yaml"
start brand
hark post "By a daemon" --re "$topic" --as Mara -q >/dev/null
hark join "$(hark invite -q)" --name Jo -q >/dev/null
sealed people/Jo || fail "the daemon wrote a key in the clear"
refused busy 4 hark key passwd --no-passphrase
stop_daemons

# --- export, files by their path ------------------------------------------------------------
hark key export Mara "$work/mara" --passphrase-file "$work/second" -q
head -n 1 "$work/mara" | grep -qx "hark-sealed-key 1" || fail "it is not sealed"
refused exists 2 hark key export Mara "$work/mara" --no-passphrase
refused not-found 1 hark key export Eve "$work/eve" --no-passphrase
refused key-permission 2 bash -c "chmod 640 '$work/mara' && '$HARK' key passwd '$work/mara' --no-passphrase"
chmod 600 "$work/mara"
refused key-passphrase 2 hark key passwd "$work/mara" --old-passphrase-file "$work/first" --no-passphrase
hark key passwd "$work/mara" --old-passphrase-file "$work/second" --no-passphrase -q
hark key export Mara "$work/mara2" --no-passphrase -q
same "the key that was exported" "$(ssh-keygen -y -f "$work/mara2")" "$(ssh-keygen -y -f "$work/mara" | sed 's/hark key/Mara/')"

# --- whose files these are --------------------------------------------------------------------
for bad in "brand/keys/device 640" "brand/keys/people/Mara 604" "brand/keys 750" "brand/keys/people 701" \
    "brand/steward 755" "brand 775" "first 644"; do
    file=$work/${bad% *}
    was=$(stat -c %a "$file")
    chmod "${bad#* }" "$file"
    refused key-permission 2 hark post "Not now" --re "$topic" --as Mara
    chmod "$was" "$file"
done
mv "$work/brand/keys/people/Mara" "$work/brand/keys/people/elsewhere"
ln -s elsewhere "$work/brand/keys/people/Mara"
refused key-permission 2 hark post "Not by a link" --re "$topic" --as Mara
mv "$work/brand/keys/people/elsewhere" "$work/brand/keys/people/Mara"
hark post "As before" --re "$topic" --as Mara -q >/dev/null

hark key backup "$work/kept" >/dev/null
same "modes of a backup" "700 700 700 600" "$(cd "$work/kept" && stat -c %a . keys steward keys/device | xargs)"
chmod 644 "$work/kept/keys/device"
refused key-permission 2 "$HARK" -C "$work/back" recover nothing --keys "$work/kept"
chmod 600 "$work/kept/keys/device"

# --- at a terminal, and killed ---------------------------------------------------------------
python3 "$(dirname "$0")/13-passphrase.py" "$work"
