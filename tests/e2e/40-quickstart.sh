#!/usr/bin/env bash
# Goal: the script that newcomers run first does what it tells, with the programs
# just built, and leaves nothing behind. It ends with an error by itself when
# nodes, tallies or git disagree.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
top=${HARK_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=$(dirname "$HARK")
[ "$bin" = "$(dirname "$HARKD")" ] || fail "hark and harkd are not in one folder"

tell() {
    "$top/examples/quickstart.sh" --bin "$bin" "$@" </dev/null >"$work/told" 2>"$work/quickstart.log"
}

tell --dir "$work/nodes" || fail "the quickstart ended with $?: $(tail -n 20 "$work/told" "$work/quickstart.log")"
# What it shows, and not only that it went well: both nodes' commit, and after the
# member's part all three nodes'; all 40 statements good for git, a vote's signature,
# the response at the partner, and what became of the member's words.
grep '^    [0-9a-f]\{40\}$' "$work/told" >"$work/commits"
same "commits shown" 5 "$(wc -l <"$work/commits")"
same "those of two nodes" 1 "$(head -n 2 "$work/commits" | sort -u | wc -l)"
same "those of three nodes" 1 "$(tail -n 3 "$work/commits" | sort -u | wc -l)"
for state in pending 'accepted by club' 'logged at position'; do
    grep -q "^ .*  post  $state" "$work/told" || fail "the member's post is not shown as $state"
done
grep -q '^ *40 Good "git" signature$' "$work/told" || fail "git does not call 40 statements good"
grep -q 'Good "git" signature for [0-9a-f]*@hark.invalid' "$work/told" || fail "no vote is shown"
grep -q '^        body: We hear you' "$work/told" || fail "the response is not shown at the partner"
echo "ok: the story is told"

! grep -q "$(printf '\033')" "$work/told" || fail "colours without a terminal"
for node in brand partner; do
    "$HARK" -C "$work/nodes/$node" status >"$work/status" || fail "status of $node"
    grep -q 'no daemon is running' "$work/status" || fail "$node still runs"
done
echo "ok: both nodes have ended"

# A second run in the same place would mix two stories.
if tell --dir "$work/nodes"; then fail "it ran twice in one folder"; fi
grep -q 'is there already' "$work/quickstart.log" || fail "it does not say why"
echo "ok: it does not run over what is there"
