#!/usr/bin/env bash
# Goal: an erased payload is gone: from packs, index, search and free pages, at
# the brand and at its partner, while clone and fsck succeed, tallies say so, and
# nobody can bring it back.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# Words that share no beginning, so that a prefix in common cannot hide one.
words=(quokkaplum zephyrtile vuvuzelant jackdawmint waxwingsore 鰻魚飯糰)

"$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
"$HARK" init "$work/partner" --name partner --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
brand() { "$HARK" -C "$work/brand" "$@"; }
partner() { "$HARK" -C "$work/partner" "$@"; }
brand partner add "$(partner ticket)" >/dev/null
partner partner add "$(brand ticket)" >/dev/null

# --- things to erase: a post, an idea, votes, a member with all that is theirs ------
# Two cohorts and a role: joiners at the brand's own node.
invitation=$(brand invite --uses 5 -q)
for name in bob eve; do
    brand join "$invitation" --name $name -q >/dev/null
done
topic=$(brand topic "Lamps" --json | entry_id)
post=$(brand post "the ${words[0]} shines" --re "$topic" --json | entry_id)
idea=$(brand idea "more ${words[1]} please" --re "$topic" --as bob --json | entry_id)
kept=$(brand idea "a lamp that lasts" --re "$topic" --json | entry_id)
vote=$(brand vote "$kept" agree --as bob --json -q | entry_id)
brand vote "$kept" disagree --as eve -q >/dev/null
brand post "says eve ${words[2]}" --re "$topic" --as eve >/dev/null
brand post "again eve ${words[3]}" --re "$kept" --as eve >/dev/null
chinese=$(brand post "我吃${words[5]}" --re "$topic" --json | entry_id)
start brand
start partner
partner sync --wait >/dev/null

for word in "${words[0]}" "${words[1]}" "${words[2]}" "${words[5]}"; do
    [ -n "$(partner search "$word" --json)" ] || fail "$word was not found before"
done

# keeps DIR WORD: does any byte of the directory, or of any git object unpacked,
# hold it?
keeps() {
    if grep -raq --exclude=sock -- "$2" "$1"; then
        grep -ral --exclude=sock -- "$2" "$1"
        return 0
    fi
    local repo
    for repo in "$1"/spaces/*.git; do
        if git -C "$repo" cat-file --batch-all-objects --batch --buffer | grep -aq -- "$2"; then
            echo "an object in $repo"
            return 0
        fi
    done
    return 1
}
for node in brand partner; do
    keeps "$work/$node" "${words[0]}" >/dev/null || fail "the search of $node finds nothing at all"
done

# --- erase ----------------------------------------------------------------------------
brand erase "$post" "$chinese" --reason "asked for" >/dev/null
brand erase "$idea" "$vote" --as bob >/dev/null
eve=$(brand member ls --json | python3 -c 'import json, sys
for line in sys.stdin:
    for m in (json.loads(line) if line.startswith("[") else [json.loads(line)]):
        if m.get("name") == "eve":
            print(m["member"])')
brand erase "member:$eve" --reason "asked for" >/dev/null
partner sync --wait >/dev/null
# Tending follows; the verb itself has ended.
erased=("${words[0]}" "${words[1]}" "${words[2]}" "${words[3]}" "${words[5]}")
holds_none() {
    local word
    for word in "${erased[@]}"; do
        if keeps "$1" "$word" >/dev/null; then return 1; fi
    done
}
for node in brand partner; do
    await 10 holds_none "$work/$node"
    for word in "${erased[@]}"; do
        [ -z "$("$HARK" -C "$work/$node" search "$word" --json)" ] || fail "$node finds $word"
    done
    echo "ok: $node keeps none of the words"
    counts=$("$HARK" -C "$work/$node" tally "$kept" --json)
    same "votes that count at $node" 0 "$(field 'd["voters"]' <<<"$counts")"
    same "votes erased at $node" 2 "$(field 'd["erased"]' <<<"$counts")"
    for repo in "$work/$node"/spaces/*.git; do
        sound "$repo"
        git clone -q "$repo" "$work/clone-$node"
    done
done
state() { "$1" status --json | field 'd["spaces"][0]["'"$2"'"]'; }
for what in root state_hash content_hash; do
    same "$what" "$(state brand $what)" "$(state partner $what)"
done
stop_daemons
for node in brand partner; do
    "$HARK" -C "$work/$node" verify >/dev/null || fail "hark verify at $node"
    "$HARK" -C "$work/$node" reindex >/dev/null
    for word in "${words[0]}" "${words[1]}" "${words[2]}" "${words[3]}" "${words[5]}"; do
        where=$(keeps "$work/$node" "$word") && fail "$node holds $word again: $where"
    done
done
same "state hash after reindex" "$(state brand state_hash)" "$(state partner state_hash)"
echo "ok: erased, at both, and after reindex"
