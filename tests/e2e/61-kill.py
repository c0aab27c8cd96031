"""Killed at any moment: a home, a partner that copies and takes entries, a member's
own node with an outbox, all being written at; each in turn is killed with SIGKILL.

    61-kill.py WORK KILLS

After each kill, of the node that was killed:

  - every entry is there that one of its verbs gave an id for, and every entry of
    which another node's outbox says that this node has accepted it,
  - the log has not shrunk; `hark verify` holds: log, index and state hash agree,
  - once its daemon runs again, what is written there then reaches the home.

A kill hits the daemon while verbs are under way, or a verb that works on the
directory itself (writing, merging packs, making the index anew, copying). In the
end all have the same log and state, which holds every entry once, and stock git
finds nothing amiss. What is random comes from HARK_KILL_SEED, which is printed;
moments are the machine's, so a seed gives the same kills, not the same instants.
"""

import collections
import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from ports import free_port  # pylint: disable=wrong-import-position

WORK, KILLS = sys.argv[1], int(sys.argv[2])
HARK, HARKD = os.environ['HARK'], os.environ['HARKD']
SEED = int(os.environ.get('HARK_KILL_SEED', int(time.time())))
PAUSE = 0.15    # seconds at most between two verbs of one person: a log that two cores can
                # verify again after every kill
# Seconds for one command, or for replication.
PATIENCE = 60 * int(os.environ.get('HARK_PATIENCE', 1))
chance = random.Random(SEED)
began = time.monotonic()
seen = collections.Counter()
longest = collections.Counter()


def say(what):
    print(f'{time.monotonic() - began:6.1f} s  {what}', flush=True)


class Failed(Exception):
    """What must hold does not."""


class Node:
    """One node, and one person who writes there, one verb after the other."""

    def __init__(self, name):
        self.name, self.dir = name, f'{WORK}/{name}'
        self.daemon = None
        self.given = []                 # ids that verbs printed, in order
        self.size = 0                   # the largest that was seen of its log
        self.may_write = threading.Event()
        self.resting = threading.Event()
        self.trouble = None             # an answer that no kill explains

    def args(self, *args):
        return [HARK, '-C', self.dir, *args]

    def hark(self, *args, check=True):
        done = subprocess.run(self.args(*args), capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        if check and done.returncode != 0:
            raise Failed(f'{self.name}: hark {" ".join(args)[:80]} ended with {done.returncode}: '
                         f'{done.stderr.strip()}')
        return done

    def json(self, *args):
        return json.loads(self.hark(*args, '--json').stdout)

    def space(self):
        return self.json('status')['spaces'][0]

    def log(self, *args):
        return [json.loads(l) for l in self.hark('log', '--json', *args).stdout.splitlines()]

    def start(self):
        with open(f'{WORK}/{self.name}.log', 'a', encoding='utf-8') as log:
            # pylint: disable-next=consider-using-with
            self.daemon = subprocess.Popen([HARKD, '-d', '-C', self.dir], stderr=log)
        until = time.monotonic() + PATIENCE
        # The socket that a killed one left behind answers nobody.
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(f'{self.dir}/sock') == 0:
                    return
            if self.daemon.poll() is not None or time.monotonic() > until:
                raise Failed(f'the daemon of {self.name} did not start')
            time.sleep(0.01)

    def init(self, *args):
        self.hark('init', self.dir, '--name', self.name, *args)
        # Everyone here says more than people do.
        path = pathlib.Path(f'{self.dir}/hark.yaml')
        path.write_text(path.read_text().replace('minute: 120', 'minute: 100000'))

    def kill(self):
        if self.daemon.poll() is not None:
            raise Failed(f'the daemon of {self.name} ended by itself ({self.daemon.returncode})')
        self.daemon.kill()
        self.daemon.wait()


def make(home, partner, member):
    ports = [free_port(), free_port()]
    home.init('--objective', 'Which lamp?', '--owner', 'Ada', '--until', '2030-01-01',
              '--listen', f'tcp://127.0.0.1:{ports[0]}')
    partner.init('--listen', f'tcp://127.0.0.1:{ports[1]}')
    home.hark('partner', 'add', partner.hark('ticket').stdout.strip())
    partner.hark('partner', 'add', home.hark('ticket').stdout.strip())
    member.init()
    for node in (home, partner, member):
        node.start()
    for node in (partner, member):
        node.hark('join', home.json('invite')['ticket'], '--name', f'{node.name}-person', '-q')


# --- writing -------------------------------------------------------------------------

# What a verb may say when its node is killed under it, or when another works there.
EXPLAINED = (-9, 4)


def write_once(node, ideas, words):
    """One verb; its id counts from the moment that it is read."""
    number = len(node.given)
    draw = words.random()
    idea = ideas[-1 - words.randrange(min(len(ideas), 8))] if ideas else None
    if idea is None or draw < 0.15:
        args = ['idea', f'A lamp of kind {number}, said at {node.name}']
    elif draw < 0.5:
        args = ['vote', idea, words.choice(['agree', 'disagree', 'pass'])]
    else:
        args = ['post', f'About that, {number}: {"so " * words.randrange(400)}', '--re', idea]
    done = node.hark(*args, '--json', check=False)
    if done.returncode == 0:
        entry = json.loads(done.stdout)['id']
        node.given.append(entry)
        if args[0] == 'idea':
            ideas.append(entry)
    elif done.returncode not in EXPLAINED and 'entry-rate' not in done.stderr:
        raise Failed(f'{node.name}: hark {" ".join(args)[:80]} ended with {done.returncode}: '
                     f'{done.stderr.strip()}')
    else:
        seen[f'verb ended with {done.returncode}'] += 1
        time.sleep(0.05)


def write(node, stop):
    ideas, words = [], random.Random(f'{SEED} {node.name}')
    while not stop.is_set():
        if not node.may_write.is_set():
            node.resting.set()
            node.may_write.wait(0.05)
            continue
        node.resting.clear()
        time.sleep(words.uniform(0, PAUSE))
        try:
            write_once(node, ideas, words)
        except (Failed, ValueError, KeyError, OSError, subprocess.TimeoutExpired) as what:
            node.trouble = what
            break
    node.resting.set()


# --- killing ---------------------------------------------------------------------------

def kill_verb(node):
    """A verb that works on the directory itself, killed as it does."""
    args = chance.choice([['idea', 'Never to be seen?', '--json'], ['gc'], ['reindex'],
                          ['sync', '--wait'], ['verify', '-q'], ['outbox']])
    with subprocess.Popen(node.args(*args), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as verb:
        time.sleep(chance.choice([0.005, 0.02, 0.06]) * chance.uniform(0.2, 2))
        verb.kill()
        said = verb.stdout.read()
    seen[f'killed hark {args[0]}'] += 1
    if args[0] == 'idea' and said.endswith('\n'):
        node.given.append(json.loads(said)['id'])


def promised(node, others):
    """What outboxes elsewhere say that this node has accepted."""
    return [e['id'] for other in others for e in other.json('outbox')['entries']
            if e['state'] == 'accepted' and e.get('node') == node.name]


def check_node(node, also):
    rows = node.log('--in-flight')
    held = {r['id'] for r in rows}
    lost = [i for i in node.given + also if i not in held]
    if lost:
        raise Failed(f'{node.name} lost {len(lost)} of {len(node.given) + len(also)} acknowledged '
                     f'entries: {lost[:3]}')
    status = node.space()
    if status['size'] < node.size:
        raise Failed(f'the log of {node.name} shrank from {node.size} to {status["size"]}')
    node.size = status['size']
    node.hark('verify', '-q')


def goes_on(node, home):
    """What is written after the restart reaches the home."""
    entry = node.json('idea', f'After the kill: {len(node.given)}')['id']
    node.given.append(entry)
    until = time.monotonic() + PATIENCE
    while home.hark('show', entry, '--json', check=False).returncode != 0:
        if time.monotonic() > until:
            raise Failed(f'{PATIENCE} s after the restart of {node.name} the home does not have '
                         'what was written there')
        time.sleep(0.05)


def one_kill(nodes, home):
    # Each role in turn, in a new order each time.
    if not one_kill.next:
        one_kill.next = chance.sample(nodes, len(nodes))
    node = one_kill.next.pop()
    time.sleep(chance.uniform(0, 0.4))
    also = promised(node, [n for n in nodes if n is not node])
    node.kill()
    seen[f'killed {node.name}'] += 1
    # A moment in which verbs find no daemon, and work on what it left.
    time.sleep(chance.choice([0, 0, 0.1]))
    node.may_write.clear()
    if not node.resting.wait(PATIENCE):
        raise Failed(f'a verb at {node.name} does not end')
    if chance.random() < 0.4:
        kill_verb(node)
    check_node(node, also)
    node.start()
    node.resting.clear()
    restarted = time.monotonic()
    goes_on(node, home)
    longest[node.name] = max(longest[node.name], time.monotonic() - restarted)
    node.may_write.set()
    for n in nodes:
        if n.trouble is not None:
            raise Failed(str(n.trouble))


one_kill.next = []


# --- in the end ---------------------------------------------------------------------------

def agree(nodes):
    until = time.monotonic() + PATIENCE
    while True:
        spaces = [n.space() for n in nodes]
        states = {tuple(s[k] for k in ('size', 'root', 'state_hash', 'content_hash')) for s in spaces}
        outboxes = [n.json('status')['outbox'] for n in nodes]
        if len(states) == 1 and not any(o['pending'] or o['accepted'] for o in outboxes):
            return states.pop()
        if time.monotonic() > until:
            raise Failed(f'they do not agree: {states}, outboxes {outboxes}')
        time.sleep(0.1)


def check_end(nodes):
    size, _, state, _ = agree(nodes)
    log = collections.Counter(r['id'] for r in nodes[0].log())
    given = [i for n in nodes for i in n.given]
    wrong = [i for i in given if log[i] != 1]
    if wrong:
        raise Failed(f'{len(wrong)} of {len(given)} acknowledged entries are not in the log once: '
                     f'{wrong[:3]}')
    say(f'ok: {size} entries everywhere, state {state[:16]}; {len(set(given))} were acknowledged, '
        'each is there once')
    for node in nodes:
        node.daemon.terminate()
        if node.daemon.wait(PATIENCE) != 0:
            raise Failed(f'the daemon of {node.name} ended with {node.daemon.returncode}')
        node.hark('verify', '-q')
        space = f'{node.dir}/spaces/{nodes[0].space()["id"]}.git'
        done = subprocess.run(['git', '-C', space, 'fsck', '--strict', '--no-progress',
                               '--no-dangling'], capture_output=True, text=True, check=False)
        if done.returncode != 0 or done.stdout + done.stderr != '':
            raise Failed(f'git fsck at {node.name}: {done.stdout}{done.stderr}')
    say('ok: verify and git fsck at all')


def main():
    say(f'HARK_KILL_SEED={SEED}, {KILLS} kills')
    nodes = [Node('home'), Node('partner'), Node('member')]
    stop = threading.Event()
    threads = [threading.Thread(target=write, args=(n, stop), daemon=True) for n in nodes]
    try:
        make(*nodes)
        for node in nodes:
            node.may_write.set()
        for t in threads:
            t.start()
        for number in range(KILLS):
            one_kill(nodes, nodes[0])
            if number % 50 == 49:
                say(f'{number + 1} kills, {sum(len(n.given) for n in nodes)} entries')
        stop.set()
        for t in threads:
            t.join(PATIENCE)
        say(', '.join(f'{what}: {n}' for what, n in sorted(seen.items())))
        say('longest from a restart to the home, in seconds: ' +
            ', '.join(f'{name} {longest[name]:.1f}' for name in sorted(longest)))
        check_end(nodes)
    except Failed as what:
        say(f'FAILED (HARK_KILL_SEED={SEED}): {what}')
        sys.exit(1)
    finally:
        stop.set()
        for node in nodes:
            if node.daemon is not None and node.daemon.poll() is None:
                node.daemon.kill()
                node.daemon.wait()


main()
