#!/usr/bin/env bash
# Goal: with nothing but OpenSSL one can check a log's signature and a witness's
# cosignature, given the key's 32 bytes and the signed text.
#
# Needs $PROOFDUMP (the built program) and openssl 1.1.1 or later. Exit code 77:
# skipped.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v openssl >/dev/null; then
    echo "skipped: there is no openssl"
    exit 77
fi
if ! openssl pkeyutl -help 2>&1 | grep -q -- -rawin; then
    echo "skipped: this openssl's pkeyutl has no -rawin"
    exit 77
fi
"$PROOFDUMP" "$work" >/dev/null

# verify WHO TEXT: the exit code of openssl
verify() {
    openssl pkeyutl -verify -pubin -inkey "$work/$1.pem" -rawin -in "$2" -sigfile "$work/$1.sig"
}

for who in log witness; do
    # SubjectPublicKeyInfo of Ed25519 (RFC 8410): a fixed prefix and the key.
    printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00' >"$work/$who.der"
    cat "$work/$who.key" >>"$work/$who.der"
    openssl pkey -pubin -inform DER -in "$work/$who.der" -out "$work/$who.pem"
    verify "$who" "$work/$who.text"

    sed 's/^137$/138/' "$work/$who.text" >"$work/$who.altered"
    if cmp -s "$work/$who.text" "$work/$who.altered"; then
        echo "the text of $who does not name its size"
        exit 1
    fi
    if verify "$who" "$work/$who.altered" >/dev/null 2>&1; then
        echo "openssl took the altered text of $who"
        exit 1
    fi
    echo "$who: holds, and the altered text is refused"
done
