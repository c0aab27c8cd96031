#!/usr/bin/env bash
# Goal: a conversation imported at a brand's node stands verified, the same commit and
# the same counts, at a partner's and at a member's own; the partner's copy passes
# `hark audit` and `git fsck`; and a plain `git clone` of it, put into a new node's
# directory, serves as a partner's again.
#
# With HARK_LONG=1 and real conversations at hand those, else the made-up one.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
conversations=("${HARK_SOURCE_DIR:-.}/examples/conversation")
real=${HARK_SHARED_DIR:-../shared}/data/polis
if [ -n "${HARK_LONG-}" ] && [ -d "$real" ]; then
    conversations=("$real/football-concussions" "$real/vtaiwan.uberx")
fi

hark() { # NODE VERB...
    local node=$1
    shift
    "$HARK" -C "$work/$node" "$@"
}
main_of() { git -C "$work/$1/spaces/$space.git" rev-parse main; }
all_the_same() { # NODE...
    local node what
    for node in "$@"; do
        same "$node's commit of main" "$(main_of brand)" "$(main_of "$node")"
        for what in size root state_hash content_hash; do
            same "$node's $what" "$(state brand $what)" "$(state "$node" $what)"
        done
    done
}
counts() { # NODE
    hark "$1" log --kind idea --json >"$work/ideas"
    python3 "$here/counts.py" "$HARK" "$work/$1" "$work/ideas" "${conversations[@]}"
}

# --- a brand, a partner, a member's own node ----------------------------------------------
hark brand init "$work/brand" --name brand --objective "What next?" --owner Ada \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
space=$(state brand id)
hark partner init "$work/partner" --name partner --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
hark member init "$work/member" --name member -q >/dev/null
hark brand partner add "$(hark partner ticket)" >/dev/null
hark partner partner add "$(hark brand ticket)" >/dev/null
for node in brand partner member; do start "$node"; done
hark member join "$(hark brand invite --json | field 'd["ticket"]')" --name Mia -q >/dev/null
for conversation in "${conversations[@]}"; do
    hark brand import polis "$conversation" >/dev/null
done
hark partner sync --wait --timeout 300 >/dev/null
hark member sync --wait --timeout 300 >/dev/null
all_the_same partner member
counts member
[ -z "${HARK_LONG-}" ] || counts partner

# --- the partner's copy, to people who trust nobody ------------------------------------------
repo=$work/partner/spaces/$space.git
sound "$repo"
echo "ok: git fsck --strict"
code=0
hark partner audit "$repo" --json >"$work/audit" || code=$?
[ "$code" = 0 ] || fail "audit ended with $code: $(cat "$work/audit")"
same "what the audit went over" "$(state brand size)" "$(field 'd["checked"]["entries"]' <"$work/audit")"

# --- a clone of it, as a partner again --------------------------------------------------------
# The partner's daemon serves on; git reads the directory as it stands.
hark clone init "$work/clone" --name clone --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
git clone -q --mirror "file://$repo" "$work/clone/spaces/$space.git"
hark clone reindex -q
all_the_same clone
hark last init "$work/last" --name last -q >/dev/null
for node in clone last; do hark brand partner add "$(hark "$node" ticket)" >/dev/null; done
hark clone partner add "$(hark brand ticket)" >/dev/null
start clone
hark clone sync --wait >/dev/null # who is named stands in the log
hark last partner add "$(hark clone ticket)" >/dev/null
hark last sync --wait --timeout 300 >/dev/null
all_the_same partner clone last
hark last verify -q >/dev/null
echo "ok: verify at the last, which has it from the clone alone"
