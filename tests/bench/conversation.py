"""Writes a made-up conversation in Polis's form: conversation.py DIR ENTRIES AUTHORS [PART]"""
import os, random, sys
out, entries, authors = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
part = int(sys.argv[4]) if len(sys.argv) > 4 else 0
r = random.Random(17 + part)
words = ("park bench light river train night shop school garden price water street music team "
         "winter summer paper phone window table lake bridge market cycle").split()
os.makedirs(out, exist_ok=True)
rest = max(entries - 2 * authors, 10)   # each author brings an admit and a profile
ideas = max(1, rest * 20 // 100)
with open(out + '/summary.csv', 'w') as f:
    f.write(f'topic,A made-up conversation\nurl,https://example.invalid/{part}\nviews,1\n')
with open(out + '/comments.csv', 'w') as f:
    f.write('timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n')
    for i in range(ideas):
        body = ' '.join(r.choice(words) for _ in range(r.randint(8, 40)))
        f.write(f'{1500000000000 + i},-,{i},{i % authors},0,0,0,{i} {body}\n')
with open(out + '/votes.csv', 'w') as f:
    f.write('timestamp,datetime,comment-id,voter-id,vote\n')
    seen = set()
    n = 0
    while n < rest - ideas:
        pair = (r.randrange(ideas), r.randrange(authors))
        if pair in seen:
            continue
        seen.add(pair)
        f.write(f'{1510000000000 + n},-,{pair[0]},{pair[1]},{r.choice((-1, 0, 1, 1))}\n')
        n += 1
