"""counts.py HARK NODE IDEAS CONVERSATION...: every statement of these conversations
counts at that node as its votes.csv says; IDEAS holds the lines of
`hark log --kind idea --json`."""

import csv, json, subprocess, sys
hark, node, ideas_file, *conversations = sys.argv[1:]
csv.field_size_limit(1 << 20)
ideas = {}
for line in open(ideas_file, encoding='utf-8'):
    row = json.loads(line)
    i = row['payload']['imported']
    ideas[(i['from'], i['ref'])] = row['id']
checked = 0
for conversation in conversations:
    last = {}
    for row in csv.DictReader(open(f'{conversation}/votes.csv', newline='', encoding='utf-8')):
        last[(row['comment-id'], row['voter-id'])] = int(row['vote'])
    truth = {}
    for (comment, _), vote in last.items():
        c = truth.setdefault(comment, {'agree': 0, 'disagree': 0, 'pass': 0})
        c[{1: 'agree', -1: 'disagree', 0: 'pass'}[vote]] += 1
    statements = list(csv.DictReader(open(f'{conversation}/comments.csv', newline='', encoding='utf-8')))
    sources = {f for (f, r) in ideas}
    mine = None
    for source in sources:
        # the source that knows this conversation's statements
        if all((source, f'comment/{s["comment-id"]}') in ideas for s in statements if s['comment-body'].strip()):
            refs = {r for (f, r) in ideas if f == source}
            if len(refs) == sum(1 for s in statements if s['comment-body'].strip()):
                mine = source
    assert mine is not None, f'{conversation}: not all statements are ideas'
    for s in statements:
        if not s['comment-body'].strip():
            continue
        id = ideas[(mine, f'comment/{s["comment-id"]}')]
        out = subprocess.run([hark, '-C', node, 'tally', id, '--json'], capture_output=True, check=True)
        counts = json.loads(out.stdout)['counts']
        want = truth.get(s['comment-id'], {'agree': 0, 'disagree': 0, 'pass': 0})
        assert counts == want, f'{conversation} {s["comment-id"]}: {counts}, not {want}'
        checked += 1
print(f'ok: {checked} statements count as votes.csv says')
