#!/usr/bin/env bash
# Goal: a log's checkpoints and receipts hold for the verifier that npm checks
# packages with, @sigstore/verify, and altered ones do not. What it cannot say of
# cosignatures: npm/thirdparty.js.
#
# Needs npm and a registry (or npm's own cache of an earlier time) for the four packages
# pinned in npm/package-lock.json. They ask for a newer node than Debian 12 has (npm only
# warns); what is used of them works with its 18 as well.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
for tool in node npm; do
    command -v $tool >/dev/null || skip "there is no $tool"
done

# --- the verifier, just as it is pinned --------------------------------------------
mkdir "$work/npm"
cp "$here"/npm/* "$work/npm"
if ! (cd "$work/npm" && npm ci --ignore-scripts --prefer-offline --no-audit --no-fund \
    --fetch-retries 1 --fetch-timeout 20000) >"$work/npm/said" 2>&1; then
    # Other bytes than those pinned are no reason to skip.
    if grep -Eq 'EAI_AGAIN|ENOTFOUND|ENETUNREACH|ECONN|ETIMEDOUT|ERR_SOCKET_TIMEOUT|code E5' \
        "$work/npm/said"; then
        skip "npm reaches no registry"
    fi
    fail "npm ci: $(cat "$work/npm/said")"
fi

# --- a log, and a receipt of each entry at most of its sizes --------------------------
"$HARK" init "$work/brand" --name brand.example --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 >/dev/null
brand() { "$HARK" -C "$work/brand" "$@"; }
mkdir "$work/receipts"
receipt() { # ENTRY: at the size the log has now
    receipts=$((receipts + 1))
    brand receipt "$1" >"$work/receipts/$receipts"
}
receipts=0
entries=()
for i in $(seq 19); do
    entries+=("$(brand topic "Lamp number $i" -q)")
    receipt "${entries[-1]}"
    receipt "${entries[i / 2]}"
done
for entry in "${entries[@]}"; do
    receipt "$entry"
done

found=$(node "$work/npm/thirdparty.js" "$(brand status --json | field 'd["node"]["key"]')" \
    "$work"/receipts/*) || fail "@sigstore/verify does not say what it should"
echo "$found"
[ "${found%% refused*}" = "taken $receipts" ] || fail "not all $receipts receipts were judged"
echo "ok: npm's @sigstore/verify"
