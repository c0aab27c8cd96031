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
# What it shows, and not only that it went well: both nodes' commit, all 40
# statements good for git, a vote's signature, the response at the partner.
sed -n '/rev-parse main/{n;p}' "$work/told" >"$work/commits"
same "commits shown" 2 "$(grep -c '^    [0-9a-f]\{40\}$' "$work/commits")"
same "different ones among them" 1 "$(sort -u "$work/commits" | wc -l)"
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
