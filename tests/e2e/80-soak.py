"""The soak: one home, partners, members' own nodes, all on this machine.

    80-soak.py WORK SECONDS

Writes at every node by the command line, at a pace that two cores bear
(HARK_SOAK_RATE entries a second in all), kills three nodes and starts them again,
samples each daemon's memory, and holds that in the end

  - all nodes have the same log and state,
  - every entry that a node gave an id for stands in the log exactly once, or its
    author's outbox says why not,
  - no daemon ended by itself, and none grew: the median of the last third of its
    samples is at most 25 % and 8 MiB over that of the first third.

What is random comes from HARK_SOAK_SEED, which is printed.
"""

import collections
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from ports import free_port  # pylint: disable=wrong-import-position

WORK, SECONDS = sys.argv[1], float(sys.argv[2])
HARK, HARKD = os.environ['HARK'], os.environ['HARKD']
PARTNERS = int(os.environ.get('HARK_SOAK_PARTNERS', 4))
MEMBERS = int(os.environ.get('HARK_SOAK_MEMBERS', 15))
RATE = float(os.environ.get('HARK_SOAK_RATE', 3))
SEED = int(os.environ.get('HARK_SOAK_SEED', int(time.time())))
QUIET = 180     # seconds in which all have to agree when nobody writes any more
PATIENCE = 60   # seconds for one command
GROWTH, SLACK = 1.25, 8 * 1024  # KiB
chance = random.Random(SEED)
began = time.monotonic()


def say(what):
    print(f'{time.monotonic() - began:6.0f} s  {what}', flush=True)


def fail(what):
    say(f'FAILED: {what}')
    sys.exit(1)


class Node:
    def __init__(self, name, role):
        self.name, self.role, self.dir = name, role, f'{WORK}/{name}'
        self.daemon = None
        self.killed = False             # on purpose
        self.restarts = 0
        self.samples = []               # of one process: (VmRSS, RssAnon), KiB
        self.given = []                 # ids of entries written here

    def hark(self, *args, check=True, patience=PATIENCE):
        done = subprocess.run([HARK, '-C', self.dir, *args], capture_output=True, text=True,
                              timeout=patience, check=False)
        if check and done.returncode != 0:
            fail(f'{self.name}: hark {" ".join(args)[:80]}: {done.stderr.strip()}')
        return done

    def json(self, *args, **kwargs):
        return json.loads(self.hark(*args, '--json', **kwargs).stdout)

    def start(self):
        sock = f'{self.dir}/sock'
        if os.path.exists(sock):
            os.unlink(sock)
        with open(f'{WORK}/{self.name}.log', 'a', encoding='utf-8') as log:
            # pylint: disable-next=consider-using-with
            self.daemon = subprocess.Popen([HARKD, '-d', '-C', self.dir], stderr=log)
        until = time.monotonic() + PATIENCE
        while not os.path.exists(sock):
            if self.daemon.poll() is not None or time.monotonic() > until:
                fail(f'{self.name} did not start')
            time.sleep(0.05)
        self.samples = []
        self.killed = False

    def kill(self):
        self.killed = True
        self.daemon.kill()
        self.daemon.wait()

    def space(self):
        return self.json('status')['spaces'][0]

    def waiting(self):
        """Entries of its people whose fate is open."""
        outbox = self.json('status')['outbox']
        return outbox['pending'] + outbox.get('accepted', 0)

    def sample(self):
        try:
            with open(f'/proc/{self.daemon.pid}/status', encoding='ascii') as f:
                found = {l.split(':')[0]: int(l.split()[1]) for l in f
                         if l.startswith(('VmRSS:', 'RssAnon:'))}
            self.samples.append((found['VmRSS'], found['RssAnon']))
        except (OSError, KeyError):
            return


# --- making twenty nodes -----------------------------------------------------------

def make():
    ports = [free_port() for _ in range(1 + PARTNERS)]
    home = Node('home', 'home')
    home.hark('init', home.dir, '--name', 'home', '--objective', 'Which lamp?', '--owner', 'Ada',
              '--until', '2030-01-01', '--listen', f'tcp://127.0.0.1:{ports[0]}')
    partners = [Node(f'p{i}', 'partner') for i in range(PARTNERS)]
    for node, port in zip(partners, ports[1:]):
        node.hark('init', node.dir, '--name', node.name, '--listen', f'tcp://127.0.0.1:{port}')
        home.hark('partner', 'add', node.hark('ticket').stdout.strip())
    for node in partners:
        for other in [home] + partners:
            if other is not node:
                node.hark('partner', 'add', other.hark('ticket').stdout.strip())
    for node in [home] + partners:
        node.start()
    members = [Node(f'm{i}', 'member') for i in range(MEMBERS)]
    for node in members:
        node.hark('init', node.dir, '--name', node.name)
        node.start()
    # At a partner's node, too, people may have their keys.
    for node in partners + members:
        if MEMBERS > 0:  # none: only to try the rest of this
            node.hark('join', home.json('invite')['ticket'], '--name', f'{node.name}-person', '-q')
    return home, partners, members


# --- writing -------------------------------------------------------------------------

class Writing:
    """What has been said; each writer thread takes a node at a time."""

    def __init__(self, nodes):
        self.nodes, self.lock = nodes, threading.Lock()
        self.ideas = collections.deque(maxlen=40)
        self.busy = set()
        self.count = collections.Counter()
        self.stop = False

    def draw(self):
        """A node nobody writes at now, and what to say there."""
        with self.lock:
            free = [n for n in self.nodes if n.name not in self.busy and not n.killed]
            if not free:
                return None, None
            node = chance.choice(free)
            self.busy.add(node.name)
            idea = chance.choice(list(self.ideas)) if self.ideas else None
            what = chance.random()
            number = sum(self.count.values())
        if idea is None or what < 0.15:
            return node, ['idea', f'A lamp of kind {number}, said at {node.name}']
        if what < 0.55:
            return node, ['vote', idea, chance.choice(['agree', 'disagree', 'pass'])]
        return node, ['post', f'About that, {number}: {"so " * chance.randrange(60)}', '--re', idea]

    def once(self):
        node, words = self.draw()
        if node is None:
            return
        try:
            done = node.hark(*words, '--json', check=False)
        except subprocess.TimeoutExpired:
            done = None
        with self.lock:
            self.busy.discard(node.name)
            if done is None:
                self.count['took too long'] += 1
            elif done.returncode == 0:
                entry = json.loads(done.stdout)
                node.given.append(entry['id'])
                self.count[words[0]] += 1
                if words[0] == 'idea':
                    self.ideas.append(entry['id'])
            else:
                try:
                    name = json.loads(done.stderr)['error']['name']
                except (ValueError, KeyError):
                    name = f'exit {done.returncode}'
                self.count[f'not written: {name}'] += 1

    def run(self, writers):
        pause = writers / RATE
        while not self.stop:
            started = time.monotonic()
            self.once()
            time.sleep(max(0.0, pause * chance.uniform(0.5, 1.5) - (time.monotonic() - started)))


def check_alive(nodes):
    for node in nodes:
        if not node.killed and node.daemon.poll() is not None:
            fail(f'the daemon of {node.name} ended by itself ({node.daemon.returncode})')


def soak(nodes, writing):
    writers = 4
    threads = [threading.Thread(target=writing.run, args=(writers,), daemon=True)
               for _ in range(writers)]
    for t in threads:
        t.start()
    start = time.monotonic()
    kills = [(SECONDS * (i + 1) / 5, n) for i, n in enumerate(chance.sample(nodes, 3))]
    back = []
    every = min(5.0, SECONDS / 30)
    next_sample = start
    while (now := time.monotonic()) < start + SECONDS:
        check_alive(nodes)
        if now >= next_sample:
            next_sample += every
            for n in nodes:
                if not n.killed:
                    n.sample()
        if kills and now - start >= kills[0][0]:
            node = kills.pop(0)[1]
            say(f'kill -9 {node.name}, after {sum(writing.count.values())} entries')
            node.kill()
            back.append((now + chance.uniform(1, min(20, SECONDS / 10)), node))
        for item in [b for b in back if now >= b[0]]:
            back.remove(item)
            item[1].start()
            item[1].restarts += 1
        time.sleep(0.1)
    for _, node in back:
        node.start()
        node.restarts += 1
    writing.stop = True
    for t in threads:
        t.join(PATIENCE)


# --- what must hold ---------------------------------------------------------------------

def agree(nodes):
    until = time.monotonic() + QUIET
    while True:
        check_alive(nodes)
        spaces = {n.name: n.space() for n in nodes}
        states = {(s['size'], s['root'], s['state_hash']) for s in spaces.values()}
        waiting = {n.name: p for n in nodes if (p := n.waiting()) > 0}
        if len(states) == 1 and not waiting:
            return states.pop()
        if time.monotonic() > until:
            for name, s in spaces.items():
                say(f'{name}: size {s["size"]}, state {s["state_hash"][:16]}, '
                    f'waiting {waiting.get(name, 0)}')
            fail(f'{QUIET} s after the last word the nodes do not agree')
        time.sleep(1)


def check_nothing_lost(nodes, home):
    log = collections.Counter(json.loads(l)['id']
                              for l in home.hark('log', '--json').stdout.splitlines())
    twice = [i for i, n in log.items() if n != 1]
    if twice:
        fail(f'{len(twice)} entries stand in the log more than once: {twice[:3]}')
    refused = 0
    for node in nodes:
        missing = [i for i in node.given if i not in log]
        if not missing:
            continue
        why = {e['id']: e for e in node.json('outbox')['entries']}
        for i in missing:
            row = why.get(i)
            if row is None or row['state'] != 'refused' or not row.get('error'):
                fail(f'{node.name}: entry {i} is not in the log, and its outbox says {row}')
            refused += 1
    say(f'ok: {sum(len(n.given) for n in nodes)} entries were given an id: all are in the log once'
        + (f', but {refused} that were refused with a reason' if refused else ''))


def check_memory(nodes):
    grew = []
    print(f'{"node":8} {"role":8} {"restarts":>8} {"samples":>8} {"first third":>12} '
          f'{"last third":>12} {"growth":>8} {"anonymous":>10} {"then":>10}'
          f'   (medians of VmRSS, and what of it is no file; KiB)')
    for node in nodes:
        rss = [kib for kib, _ in node.samples]
        third = len(rss) // 3
        if third < 2:
            print(f'{node.name:8} {node.role:8} {node.restarts:8} {len(rss):8}   too few to judge')
            continue
        first, last = statistics.median(rss[:third]), statistics.median(rss[-third:])
        print(f'{node.name:8} {node.role:8} {node.restarts:8} {len(rss):8} {first:12.0f} '
              f'{last:12.0f} {100 * (last - first) / first:+7.1f}% '
              f'{statistics.median(a for _, a in node.samples[:third]):10.0f} '
              f'{statistics.median(a for _, a in node.samples[-third:]):10.0f}')
        if last > first * GROWTH + SLACK:
            grew.append(node.name)
    if grew:
        fail(f'these grew: {", ".join(grew)}')
    say('ok: memory is flat')


def main():
    say(f'seed {SEED}; {1 + PARTNERS + MEMBERS} nodes, {SECONDS:.0f} s of {RATE:g} entries a second')
    home, partners, members = make()
    nodes = [home] + partners + members
    say(f'ok: {len(nodes)} nodes')
    writing = Writing(nodes if MEMBERS > 0 else [home])
    try:
        soak(nodes, writing)
        say('written: ' + ', '.join(f'{n} {what}' for what, n in sorted(writing.count.items())))
        quiet = time.monotonic()
        size, _, state = agree(nodes)
        say(f'ok: all {len(nodes)} agree {time.monotonic() - quiet:.0f} s after the last word: '
            f'{size} entries, state {state[:16]}')
        check_nothing_lost(nodes, home)
        check_memory(nodes)
        for node in [home] + partners[:1] + members[:1]:
            node.hark('verify', '-q', patience=600)
        say('ok: hark verify at a node of each sort')
        check_alive(nodes)
        say('ok: no daemon died')
    finally:
        for node in nodes:
            if node.daemon is not None and node.daemon.poll() is None:
                node.daemon.kill()
                node.daemon.wait()


main()
