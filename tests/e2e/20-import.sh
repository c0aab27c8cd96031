#!/usr/bin/env bash
# Goal: an imported conversation counts exactly as its votes.csv says, for every
# statement; importing again adds nothing, not even after an erasure or when the
# files were written another way; a row that cannot be read is named, and costs
# nothing but itself.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
top=${HARK_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
example=$top/examples/conversation
real=${HARK_SHARED_DIR:-$top/../shared}/data/polis

"$HARK" init "$work/brand" --name brand --title "Conversations" \
    --objective "What should we do next?" --owner "Ada Brandt" --until 2030-01-01 >/dev/null

brand() { "$HARK" -C "$work/brand" "$@"; }
size() { brand status --json | field 'd["spaces"][0]["size"]'; }
# added DIR: imports, and prints members, ideas, votes, hidden, skipped, already
added() {
    brand import polis "$1" --json 2>"$work/import.err" |
        field '" ".join(str(d[k]) for k in "members ideas votes hidden skipped already".split())'
}

# count_all DIR: the counts of every statement of a conversation against the truth
# that its votes.csv holds: the last row of each voter on it.
count_all() {
    brand log --kind idea --json >"$work/ideas"
    python3 - "$1" "$work/ideas" "$work/brand" "$HARK" <<'PY'
import csv, json, subprocess, sys
folder, ideas_file, node, hark = sys.argv[1:]
csv.field_size_limit(1 << 20)

def rows(name):
    with open(f'{folder}/{name}', newline='', encoding='utf-8-sig') as f:
        yield from csv.DictReader(f)

with open(f'{folder}/summary.csv', newline='', encoding='utf-8') as f:
    source = 'polis:' + {r[0]: r[1] for r in csv.reader(f) if len(r) > 1}['url']
ideas = {}
for line in open(ideas_file, encoding='utf-8'):
    row = json.loads(line)
    if row['payload'] and row['payload']['imported']['from'] == source:
        ideas[row['payload']['imported']['ref']] = row
# All at once where they are shown, one by one those that are hidden.
top = subprocess.run([hark, '-C', node, 'top', '--limit', '100000', '--json'],
                     capture_output=True, check=True).stdout.decode()
shown = {d['id']: d['tally']['counts'] for d in map(json.loads, top.splitlines())}
assert shown
last = {(r['comment-id'], r['voter-id']): r['vote'] for r in rows('votes.csv')}
names = {'1': 'agree', '-1': 'disagree', '0': 'pass'}
checked = votes = 0
for statement in rows('comments.csv'):
    if not statement['comment-body'].strip():
        continue
    comment = statement['comment-id']
    idea = ideas.pop(f'comment/{comment}')
    if statement['moderated'] != '-1':
        want = statement['comment-body'].replace('\r\n', '\n')
        assert idea['payload']['body'] == want, f'{comment}: {idea["payload"]["body"]!r}'
    counts = dict.fromkeys(names.values(), 0)
    for (c, _), vote in last.items():
        if c == comment:
            counts[names[vote]] += 1
    said = shown.get(idea['id'])
    if said is None:
        tally = subprocess.run([hark, '-C', node, 'tally', idea['id'], '--json'],
                               capture_output=True, check=True)
        said = json.loads(tally.stdout)['counts']
    assert said == counts, f'comment {comment}: {said}, not {counts}'
    checked += 1
    votes += sum(counts.values())
assert not ideas, f'ideas that no row speaks of: {sorted(ideas)}'
assert checked > 0 and votes > 0
print(f'ok: {checked} statements with {votes} votes count as votes.csv says')
PY
}

# --- the example -------------------------------------------------------------
same "what the example brings" "120 40 2171 1 0 0" "$(added "$example")"
count_all "$example"
# the first entry, the owner's admit and profile; topic, members, ideas, votes, hide
same "the log's size" $((3 + 1 + 120 + 40 + 2171 + 1)) "$(size)"

before=$(size)
same "importing again" "0 0 0 0 0 2213" "$(added "$example")"
same "the size after that" "$before" "$(size)"

# The same conversation as another program would write it.
mkdir "$work/rewritten"
python3 - "$example" "$work/rewritten" <<'PY'
import csv, sys
for name in ('comments.csv', 'votes.csv'):
    rows = list(csv.reader(open(f'{sys.argv[1]}/{name}', newline='', encoding='utf-8')))
    with open(f'{sys.argv[2]}/{name}', 'w', newline='', encoding='utf-8-sig') as f:
        csv.writer(f, quoting=csv.QUOTE_ALL, lineterminator='\r\n').writerows(r[::-1] for r in rows)
PY
cp "$example/summary.csv" "$work/rewritten"
same "importing it with a BOM, CRLF, all quoted, columns reversed" "0 0 0 0 0 2213" \
    "$(added "$work/rewritten")"
same "the size after that" "$before" "$(size)"

# Erased words do not come back.
erased=$(brand log --kind idea --limit 1 --json | field 'd["id"]')
brand erase "$erased" --reason "a test" >/dev/null
before=$(size)
same "importing after an erasure" "0 0 0 0 0 2213" "$(added "$example")"
same "the size after that" "$before" "$(size)"
same "the erased statement" erased "$(brand log --kind idea --limit 1 --json | field 'd["payload_state"]')"

# --- broken rows ---------------------------------------------------------------
cp -r "$example" "$work/broken"
{
    cat <<'CSV'
1790000000000,x,100,3,0,0,1,"   "
1790000000000,x,101,3,0,0,1,A stray "quote"
1790000000000,x,102,three,0,0,1,Who?
1790000000000,x,103,3,0,0,1,This one is good
CSV
    printf '1790000000000,x,104,3,0,0,1,\xff\n'
    printf '1790000000000,x,105,3,0,0,1,a\x1b[2Jb\n'
} >>"$work/broken/comments.csv"
cat >>"$work/broken/votes.csv" <<'CSV'
1790000000000,x,0,3,2
1790000000000,x,103,500,1
1790000000000,x,100,501,1
1790000000000,x,100,502,-1
1790000000000,x,999,503,1
1790000000000,x,0,3
1790000000000,x,103,500,-1
CSV
same "what a conversation with broken rows brings" "1 1 2 0 10 2213" "$(added "$work/broken")"
# Line breaks count as lines, the one within a statement too.
last=$(wc -l <"$example/comments.csv")
votes=$(wc -l <"$example/votes.csv")
cat >"$work/expected" <<HERE
comments.csv:$((last + 1)): skipped: comment-body is empty
comments.csv:$((last + 2)): skipped: a quote is out of place or not closed
comments.csv:$((last + 3)): skipped: author-id is no number
comments.csv:$((last + 5)): skipped: it is not UTF-8
votes.csv:$((votes + 1)): skipped: vote is none of -1, 0 and 1
votes.csv:$((votes + 6)): skipped: it has 4 fields, the header has 5
votes.csv:$((votes + 3)): skipped: comment 100 was skipped itself (2 votes, this is the first)
votes.csv:$((votes + 5)): skipped: comment 999 is not in comments.csv (1 vote, this is the first)
HERE
grep -v "comments.csv:$((last + 6)): skipped" "$work/import.err" >"$work/said"
cmp -s "$work/expected" "$work/said" || fail "said of broken rows: $(diff "$work/expected" "$work/said")"
same "lines on a statement with a control character" 1 \
    "$(grep -c "^comments.csv:$((last + 6)): skipped: " "$work/import.err")"
echo "ok: every broken row is named"
good=$(brand search '"This one is good"' --json | field 'd["id"]')
same "the vote that was cast again" "0 1 0" \
    "$(brand tally "$good" --json | field '"{agree} {disagree} {pass}".format(**d["counts"])')"

# --- where it is refused ---------------------------------------------------------
refused not-found 1 brand import polis "$work"
refused usage 2 brand import polis
refused usage 2 brand import other "$example"

# --- real ones: the larger with HARK_LONG=1, as it takes a minute ------------------
if [ -d "$real" ]; then
    same "what football-concussions brings" "1487 297 14923 136 2 0" \
        "$(added "$real/football-concussions")"
    grep -q "^comments.csv:[0-9]*: skipped: comment-body is empty$" "$work/import.err" ||
        fail "the empty statement is not named"
    count_all "$real/football-concussions"
    if [ -n "${HARK_LONG-}" ]; then
        same "what vtaiwan.uberx brings" "1921 197 49997 78 0 0" "$(added "$real/vtaiwan.uberx")"
        count_all "$real/vtaiwan.uberx"
    fi
    before=$(size)
    added "$real/football-concussions" >/dev/null
    same "the size after importing one again" "$before" "$(size)"
else
    echo "the real conversations were not tried: there is no $real"
fi
