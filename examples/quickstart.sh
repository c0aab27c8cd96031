#!/usr/bin/env bash
# From nothing to three nodes that agree: builds Hark, sets up a brand's node and a
# partner's, imports a made-up conversation, and shows that the partner's copy is
# the same; a member's own node writes while nobody listens, hands it to the partner
# while the brand is away, and finds it in the brand's log; and the partner's copy is
# checked with nothing but git.
#
#   examples/quickstart.sh [--dir DIR] [--keep] [--bin DIR]
#
#   --dir DIR   where the three nodes live (default: a temporary directory); stays
#   --keep      leaves the nodes running, and says how to talk to them and end them
#   --bin DIR   takes hark and harkd from there: installs and builds nothing
#
# Debian 12, as root or as a user with sudo.
#
# Commands are shown in the words in which they run: hence the quoted strings.
# shellcheck disable=SC2016
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
dir=
keep=false
bin=
nodes=()

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0" | sed '/^Commands are/,$d'
    exit "$1"
}

while [ $# -gt 0 ]; do
    case $1 in
    --dir | --bin)
        [ $# -ge 2 ] || usage 2 >&2
        if [ "$1" = --dir ]; then dir=$2; else bin=$2; fi
        shift 2
        ;;
    --keep)
        keep=true
        shift
        ;;
    -h | --help) usage 0 ;;
    *) usage 2 >&2 ;;
    esac
done

bold='' dim='' plain=''
if [ -t 1 ] && [ "${TERM-dumb}" != dumb ] && [ -z "${NO_COLOR-}" ]; then
    bold=$'\033[1m' dim=$'\033[2m' plain=$'\033[0m'
fi

# ---- telling the story -------------------------------------------------------

chapter() {
    printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"
}

say() {
    printf '%s\n\n' "$*" | fold -s -w 78 | sed 's/ *$//'
}

# Shows a command, runs it, and sets its output off.
run() {
    printf '%s  $ %s%s\n' "$bold" "$1" "$plain"
    eval "$1" 2>&1 | sed "s/^/    $dim/; s/\$/$plain/"
    echo
}

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# same WHAT A B: ends the script unless both are equal and not empty
same() {
    if [ -z "$2" ] || [ "$2" != "$3" ]; then die "$1: not the same: '$2' and '$3'"; fi
}

# ---- what is started is ended ------------------------------------------------

temporary=
finish() {
    local code=$? pid
    trap - EXIT
    if [ "$code" -ne 0 ]; then
        keep=false
        tail -n 5 brand.log partner.log rider.log 2>/dev/null >&2 || true
    fi
    if ! $keep; then
        for pid in "${nodes[@]-}"; do
            if [ -n "$pid" ]; then
                kill "$pid" 2>/dev/null || true
                wait "$pid" 2>/dev/null || true
            fi
        done
        [ -z "$temporary" ] || { cd / && rm -rf "$temporary"; }
    fi
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A port that nobody listens on, by asking for one and letting it go. perl is on
# every Debian.
free_port() {
    perl -MIO::Socket::INET -e \
        'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

# serve NAME: starts its node and waits until it can be talked to
serve() {
    local i
    printf '%s  $ harkd -d -C %s &%s\n' "$bold" "$1" "$plain"
    harkd -d -C "$1" >"$1.log" 2>&1 </dev/null &
    nodes+=($!)
    for ((i = 0; i < 200; i++)); do
        [ -S "$1/sock" ] && return 0
        kill -0 "${nodes[-1]}" 2>/dev/null || die "the node $1 ended: $(cat "$1.log")"
        sleep 0.05
    done
    die "the node $1 does not answer"
}

# rest NAME NUMBER: ends the node that was started as that one, from 0
rest() {
    printf '%s  $ kill %s   # %s%s\n' "$bold" "${nodes[$2]}" "$1" "$plain"
    kill "${nodes[$2]}"
    wait "${nodes[$2]}" 2>/dev/null || true
    nodes[$2]=
}

# await SECONDS COMMAND: until it succeeds
await() {
    local most=$1
    shift
    SECONDS=0
    until eval "$*" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$most" ] || die "this did not happen within $most seconds: $*"
        sleep 0.1
    done
}

# field NAME: the first value of that name in JSON on standard input
field() {
    grep -o "\"$1\":\(\"[^\"]*\"\|[^\",}]*\)" | sed -n '1{s/^[^:]*://;s/"//g;p}'
}

state_of() {
    hark -C "$1" status --json | sed 's/"peers":.*//' | field "$2"
}

# ---- 1 -----------------------------------------------------------------------

if [ -z "$bin" ]; then
    chapter '1  Build'
    say 'Hark is C and stands on Debian packages only. What is missing is installed; then both programs are built: harkd serves, hark does.'
    printf '%s  $ examples/install-deps.sh build%s\n' "$bold" "$plain"
    "$top/examples/install-deps.sh" build
    printf '%s  $ cmake --preset release && cmake --build build --target hark harkd%s\n' \
        "$bold" "$plain"
    log=$(mktemp)
    (cd "$top" && cmake --preset release && cmake --build build --target hark harkd) \
        >"$log" 2>&1 || {
        cat "$log" >&2
        die "it could not be built"
    }
    rm -f "$log"
    bin=$top/build/node
fi
PATH=$(cd "$bin" && pwd):$PATH
for program in hark harkd; do
    command -v "$program" >/dev/null || die "there is no $program in $bin"
done

if [ -z "$dir" ]; then
    dir=$(mktemp -d /tmp/hark.XXXXXX)
    temporary=$dir
fi
mkdir -p "$dir"
cd "$dir"
dir=$(pwd)
# A local socket's path has room for 107 bytes.
[ ${#dir} -le 80 ] || die "$dir is too long a name for local sockets, 80 bytes at most"
for name in brand partner rider; do
    [ ! -e "$name" ] || die "$dir/$name is there already"
done

# ---- 2 -----------------------------------------------------------------------

chapter '2  A brand and a partner'
say 'A brand makes a node and founds a space on it: its own community, with a question, somebody who decides, and a date. This node is the home of the space: it says in which order things were said.'
brand_port=$(free_port)
run "hark init brand --name brindleby --title 'Brindleby riders' --objective 'What should our next bicycle light do?' --owner 'Mara Lindqvist' --until 2027-06-30 --listen tcp://127.0.0.1:$brand_port"

say "A cyclists' club, which the brand's customers trust, is to keep a copy. It makes a node too, and founds nothing."
partner_port=$(free_port)
[ "$partner_port" != "$brand_port" ] || partner_port=$(free_port)
run "hark init partner --name club --listen tcp://127.0.0.1:$partner_port"

say 'They get to know each other by tickets. A ticket says who a node is and where, and can be sent by mail. The brand names the club in its space; the club follows it.'
run 'hark -C brand partner add "$(hark -C partner ticket)"'
run 'hark -C partner partner add "$(hark -C brand ticket)"'

say 'Both serve from now on. In this example both run on one machine; nothing would change if they did not.'
serve brand
serve partner
echo

# ---- 3 -----------------------------------------------------------------------

chapter '3  A conversation'
say 'The brand has asked before, with another tool, and brings the answers along: 40 statements and 2,171 votes by 120 people. The conversation is made up. Everyone in it becomes a member with a key, and everything they said an entry signed with it.'
run "hark -C brand import polis '$top/examples/conversation'"
say 'What do they want most?'
run 'hark -C brand top --limit 3'

idea=$(hark -C brand top --limit 1 --json | field id)
say 'The brand answers, live.'
run "hark -C brand respond ${idea:0:12} 'We hear you. The next one will be tested under a shower for an hour.'"
response=$(hark -C brand log --kind response --limit 1 --json | field id)

say 'Nobody told it to, but the club'\''s node has fetched all of it meanwhile, checked every signature, and stored it.'
await 60 "hark -C partner show $response"
run "hark -C partner show ${response:0:12}"

# ---- 4 -----------------------------------------------------------------------

chapter '4  The same?'
say 'A space is a git repository. The club has the very same commit as the brand, the same state (who belongs, what counts), and counts the same votes.'
run 'git -C brand/spaces/*.git rev-parse main'
run 'git -C partner/spaces/*.git rev-parse main'
for node in brand partner; do
    run "hark -C $node status --json | grep -o '\"size\":[0-9]*\|\"[a-z]*_hash\":\"[0-9a-f]*\"'"
done
space=$(state_of brand id)
same 'the commits' "$(git -C "brand/spaces/$space.git" rev-parse main)" \
    "$(git -C "partner/spaces/$space.git" rev-parse main)"
for what in size state_hash content_hash; do
    same "$what" "$(state_of brand "$what")" "$(state_of partner "$what")"
done
run "hark -C brand tally ${idea:0:12}"
run "hark -C partner tally ${idea:0:12}"
[ "$(hark -C brand tally "$idea" --json)" = "$(hark -C partner tally "$idea" --json)" ] ||
    die "the tallies differ"

# ---- 5 -----------------------------------------------------------------------

chapter '5  A member, and nobody listens'
say 'Ines rides one of these lights. The brand invites her; the ticket says where to ask, at the brand or at the club, and proves that she was asked. She joins from a node of her own, on her own machine: her key never leaves it.'
run 'hark -C brand invite --uses 1 >ticket'
run 'hark -C rider join "$(cat ticket)" --name Ines'
run 'hark -C rider top --limit 1'

say 'Then everybody else is gone: the brand, and the club.'
rest brand 0
rest partner 1
echo
say 'Ines writes all the same. Her node checks what she writes by the rules, signs it, and keeps it.'
run "hark -C rider reply 'My light survived a monsoon. Ask me how.' --re ${idea:0:12}"
run "hark -C rider vote ${idea:0:12} agree"
reply=$(hark -C rider outbox --json | grep -o '{[^{}]*"kind":"post"[^{}]*' | field id)
run 'hark -C rider outbox'
say 'Her vote is in flight: shown, and not counted.'
run "hark -C rider tally ${idea:0:12}"

say 'The club is back, the brand is not. Her node hands in what it has kept: the club checks it, and signs for it in a log of its own.'
serve partner
run 'hark -C rider sync'
run 'hark -C rider outbox'
hark -C rider outbox --json | grep -q '"state":"accepted"' || die "the club did not accept it"

say 'The brand is back. It takes over what the club has accepted, in that order, and says so in its own log. It cannot keep it out unseen: the club has signed for it.'
serve brand
await 60 "hark -C brand show $reply"
await 60 "hark -C rider sync && ! hark -C rider outbox --json | grep -q '\"state\":\"accepted\"'"
run 'hark -C rider outbox'
run "hark -C brand show ${reply:0:12}"
run "hark -C brand tally ${idea:0:12}"
await 60 '[ "$(git -C brand/spaces/'"$space"'.git rev-parse main)" = "$(git -C partner/spaces/'"$space"'.git rev-parse main)" ]'
await 60 'hark -C rider sync && [ "$(git -C brand/spaces/'"$space"'.git rev-parse main)" = "$(git -C rider/spaces/'"$space"'.git rev-parse main)" ]'
say 'All three have the same commit again:'
run 'for node in brand partner rider; do git -C $node/spaces/*.git rev-parse main; done'

# ---- 6 -----------------------------------------------------------------------

chapter '6  Trust nobody: stock git'
run 'hark audit partner/spaces/*.git'
say 'Nobody needs Hark to check the club'\''s copy. Each entry is a git commit signed with its author'\''s key. So an auditor clones it, takes the list of keys, and asks git.'
run 'git clone -q partner/spaces/*.git audit'
run 'git -C audit fsck --strict --no-dangling && echo well'
run 'hark -C partner export allowed-signers >signers; wc -l <signers'
commit=$(hark -C partner log --kind vote --limit 1 --json | field commit)
id=$(hark -C partner log --kind vote --limit 1 --json | field id)
say 'A vote, as git shows it (the key is the signer'\''s name here; who that is stands in a payload that can be erased):'
run "git -C audit -c gpg.ssh.allowedSignersFile=\$PWD/signers log -1 --show-signature $commit"
say 'And all the statements that the import brought:'
run 'hark -C partner log --kind idea --json | sed '\''s/.*"commit":"\([0-9a-f]*\)".*/\1/'\'' >ideas; for c in $(cat ideas); do git -C audit -c gpg.ssh.allowedSignersFile=$PWD/signers verify-commit $c 2>&1; done | cut -d" " -f1-3 | sort | uniq -c'
say 'An entry'\''s id is the SHA-256 of that commit, signature included:'
run "git -C audit cat-file commit $commit | sha256sum"
[ "$(git -C audit cat-file commit "$commit" | sha256sum | cut -d' ' -f1)" = "$id" ] ||
    die "its id is $id"
good=$(while read -r c; do
    git -C audit -c gpg.ssh.allowedSignersFile="$PWD/signers" verify-commit "$c" 2>&1 || true
done <ideas | grep -c '^Good "git" signature' || true)
[ "$good" = "$(wc -l <ideas)" ] || die "git calls $good of $(wc -l <ideas) signatures good"

# ---- 7 -----------------------------------------------------------------------

chapter '7  What next'
if $keep; then
    say "Both nodes are still running, in $dir. Talk to them:"
    cat <<HERE
  export PATH=$(dirname "$(command -v hark)"):\$PATH; cd $dir

HERE
else
    say 'Both nodes end with this script. Run it again with --keep, and they stay:'
fi
cat <<'HERE'
  hark -C brand search rain                   find by words
  hark -C brand idea 'A horn, too'            propose something
  hark -C partner search horn                 see that it has arrived
  hark -C brand decide ID --outcome planned 'Because most of you want it'
  hark -C brand invite                        a ticket for a person
  hark -C rider idea 'A bell, too'               write at the member's own node
  hark audit partner/spaces/*.git             check the whole copy, from its first byte
  hark help                                   all verbs; `hark help VERB` says more
HERE
if $keep; then
    cat <<HERE

End them:

  kill ${nodes[*]}; sleep 1; rm -r $dir
HERE
fi
echo
say 'README.md says how to run this for real, PROTOCOL.md what exactly is signed.'
