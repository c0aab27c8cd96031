#!/usr/bin/env bash
# Checks by hand that somebody said something, and that it stands in a space's log: with
# git, ssh-keygen, openssl and sha256sum, and nothing of Hark.
#
#   examples/audit/check.sh [ENTRY RECEIPT KEY]
#
#   ENTRY    what was said, as git keeps it: git cat-file commit ID
#   RECEIPT  what `hark receipt ID` gave for it
#   KEY      the log key of the space's home, 64 digits, from somebody whom you trust
#
# Without arguments: those that lie beside this script. README.md explains each step.
set -euo pipefail

fail() {
    echo "NO: $*" >&2
    exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
if [ $# -eq 0 ]; then set -- "$here/entry" "$here/receipt.tlog-proof" "$(cat "$here/key")"; fi
[ $# -eq 3 ] || fail "usage: check.sh [ENTRY RECEIPT KEY]"
entry=$1 receipt=$2 key=$3
[[ $key =~ ^[0-9a-f]{64}$ ]] || fail "a key has 64 digits"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Bytes as hex digits, and back.
hex() { od -An -v -tx1 | tr -d ' \n'; }
# shellcheck disable=SC2001
bytes() { printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"; }
sha256() { bytes "$1" | sha256sum | cut -c -64; } # of the bytes that the digits stand for

echo "--- the entry: who said it ---"
author=$(sed -n 's/^Author: //p' "$entry")
[[ $author =~ ^[0-9a-f]{64}$ ]] || fail "no author's key in the entry"

# An ssh-ed25519 public key: two strings, each after its length.
public=$(bytes "0000000b$(printf ssh-ed25519 | hex)00000020$author" | base64 -w0)
echo "$author@hark.invalid namespaces=\"git\" ssh-ed25519 $public" >"$work/signers"

# git signs a commit without its gpgsig header.
sed -n '/^gpgsig /,/^ -----END/{s/^gpgsig //;s/^ //;p}' "$entry" >"$work/signature"
sed '/^gpgsig /,/^ -----END/d' "$entry" >"$work/signed"
ssh-keygen -Y verify -f "$work/signers" -I "$author@hark.invalid" -n git \
    -s "$work/signature" <"$work/signed" >/dev/null || fail "ssh-keygen: not signed by its author"
echo "ok: ssh-keygen: signed by the key ${author:0:12}"

git init -q --bare "$work/repo"
commit=$(git -C "$work/repo" hash-object -w -t commit --stdin <"$entry")
git -C "$work/repo" -c gpg.ssh.allowedSignersFile="$work/signers" verify-commit "$commit" \
    2>/dev/null || fail "git: not signed by its author"
echo "ok: git: commit ${commit:0:12} is signed"

id=$(sha256sum <"$entry" | cut -c -64)
echo "ok: its id is the SHA-256 of these bytes, ${id:0:12}"

echo "--- the receipt: where it stands ---"
[ "$(sed -n 1p "$receipt")" = c2sp.org/tlog-proof@v1 ] || fail "no tlog-proof"
extra=$(sed -n '2s/^extra //p' "$receipt" | base64 -d | hex)
index=$(sed -n '3s/^index //p' "$receipt")
[[ ${#extra} -eq 138 && $index =~ ^(0|[1-9][0-9]{0,17})$ ]] || fail "no receipt"
[ "${extra:0:2}" = 01 ] || fail "a receipt of another version"
[ "${extra:2:64}" = "$id" ] || fail "the receipt is for another entry"
[ "${extra:98}" = "$commit" ] || fail "the receipt names another commit"
arrival=$((16#${extra:66:16}))
echo "ok: it is for this entry, which arrived $(date -u -d @$((arrival / 1000)) '+%F %T') UTC"

# A leaf of the tree: the hash of a zero byte, the id, when it arrived, when it was accepted.
root=$(sha256 "00${extra:2:96}")

# The checkpoint comes after the first empty line, its signatures after the second.
sed '1,/^$/d' "$receipt" >"$work/checkpoint"
sed '/^$/,$d' "$work/checkpoint" >"$work/text"
{ read -r origin && read -r size && read -r wanted; } <"$work/text" || fail "no checkpoint"
[[ $size =~ ^[1-9][0-9]{0,17}$ && $index -lt $size ]] || fail "no such place in that log"

# From the leaf up: at each step one hash from the receipt, left or right (RFC 9162,
# section 2.1.3.2).
at=$index last=$((size - 1))
while read -r line && [ -n "$line" ]; do
    [ "$last" -gt 0 ] || fail "the path is too long"
    hash=$(base64 -d <<<"$line" | hex)
    [ ${#hash} -eq 64 ] || fail "no hash: $line"
    if ((at & 1)) || [ "$at" -eq "$last" ]; then
        root=$(sha256 "01$hash$root")
        while ! ((at & 1)) && [ "$at" -gt 0 ]; do
            at=$((at >> 1)) last=$((last >> 1))
        done
    else
        root=$(sha256 "01$root$hash")
    fi
    at=$((at >> 1)) last=$((last >> 1))
done < <(sed 1,3d "$receipt")
[ "$last" -eq 0 ] || fail "the path is too short"
[ "$root" = "$(base64 -d <<<"$wanted" | hex)" ] || fail "the path leads to another root"
echo "ok: the path leads from the entry, at position $index, to the root of $size entries"

echo "--- the checkpoint: who vouches for it ---"
line=$(grep "^— $origin " "$work/checkpoint") || fail "the log itself has not signed"
signature=$(base64 -d <<<"${line##* }" | hex)
name=$(sha256 "$(printf '%s\n' "$origin" | hex)01$key")
[ "${signature:0:8}" = "${name:0:8}" ] || fail "it is signed with another key"
bytes "${signature:8}" >"$work/text.sig"
bytes "302a300506032b6570032100$key" >"$work/key.der" # RFC 8410
openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key.der" -rawin -in "$work/text" \
    -sigfile "$work/text.sig" >/dev/null || fail "openssl: the signature does not hold"
echo "ok: openssl: signed by ${origin%%/*}, whose key is ${key:0:12}"
echo
echo "${author:0:12} said it, and ${origin%%/*} has signed that it stands in the log."
echo "Nobody else has signed the checkpoint: that others were shown the same log is not proved."
