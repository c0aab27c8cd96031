#!/usr/bin/env bash
# Goal: a home moves to the only node that cosigns, which has to let it, and what follows
# settles with the old home's signature.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { # NODE VERB...
    local node=$1
    shift
    "$HARK" -C "$work/$node" "$@"
}
settled() { [ "$(state "$1" settled_size)" = "$(state "$1" size)" ]; }

hark brand init "$work/brand" --name brand --objective "What next?" --owner Ada \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
hark one init "$work/one" --name one --listen "tcp://127.0.0.1:$(free_port)" -q >/dev/null
hark brand partner add "$(hark one ticket)" >/dev/null
hark one partner add "$(hark brand ticket)" >/dev/null
echo 'quorum: 1' | hark brand policy set - -q >/dev/null
for node in brand one; do start $node; done
topic=$(hark brand topic "Lamps" -q)
for node in brand one; do await 20 settled $node; done

hark brand home move one >/dev/null
moved() { [ "$(state one role)" = home ]; }
await 20 moved
for node in brand one; do await 30 settled $node; done
same "the move is settled" "$(state brand size)" "$(state one settled_size)"
hark brand post "Handed in to the new home" --re "$topic" -q >/dev/null
grown() { [ "$(state one size)" -gt "$(hark one home show --json | field 'd["history"][-1]["position"]')" ] && settled one && settled brand; }
await 30 grown
same "and what follows" "$(state one size)" "$(state brand settled_size)"
hark one status --json | holds "nobody is accused" "d['alerts'] == []"
