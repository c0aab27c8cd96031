#!/usr/bin/env python3
"""The Nth call fails: every verb, over a prepared node, while one call of a class (or
every call from there on) fails as failing.c makes it fail. What it protects:

  - the program ends by itself, with an exit code of the command line's contract and,
    unless that is 0, with one clear line that says why; never by a signal, never late;
  - a fault of this machine is told as one (exit code 4), not as damage, as a refusal or
    as an answer: what is said to be done has been done, and what is printed is right;
  - afterwards the store opens by itself, `hark verify` and `git fsck --strict` find
    nothing, the log is the old one or one that goes on from it and has all that the verb
    adds; the verb, given again, does what it was to do or says that it is done;
  - in a build with AddressSanitizer: nothing leaks, nothing is used after it is freed.

  nth.py                    a sample of everything; the same one every time
  nth.py VERB...            only these (see --list)
     --class C,...          only these classes
     --all                  every N, once and for good, instead of a sample
     --count N              how many cases the sample has
     --seconds S            stops after that long, and says how far it came
     --case VERB/CLASS/N[+] just this one, and keeps its directory; + is for good

HARK, FAILING: the program and the library. HARK_FAIL_MODULE: whose allocations fail."""
import argparse
import collections
import concurrent.futures
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

HARK = os.environ['HARK']
FAILING = os.environ['FAILING']
CLASSES = ['sync', 'write', 'short', 'rename', 'open', 'read', 'step', 'malloc', 'send', 'recv']
# Shares of the sample: send and recv are nth_daemon.py's, no daemon runs here.
SHARES = {'sync': 5, 'write': 5, 'short': 2, 'rename': 4, 'open': 4, 'read': 2, 'step': 5, 'malloc': 6}
TIMEOUT = 60
SANITIZED = os.environ.get('HARK_SANITIZE', '')
LONG = os.environ.get('HARK_LONG', '') == '1'
COUNT = 5000 if LONG else 30 if SANITIZED else 45
SECONDS = 80 if LONG else 150
# A sanitizer takes many times as long: fewer verbs, which differ most from each other.
FEW = ['post', 'init', 'join', 'erase', 'import', 'gc', 'reindex', 'tally', 'audit']


def environment(faults=None, counts=None, program='hark'):
    env = {k: v for k, v in os.environ.items() if not k.startswith('HARK_FAIL')}
    env['GIT_CONFIG_GLOBAL'] = env['GIT_CONFIG_SYSTEM'] = '/dev/null'
    if counts is not None:
        env.update(HARK_FAIL_PROGRAM=program, HARK_FAIL_COUNTS=counts,
                   HARK_FAIL_MODULE=os.environ.get('HARK_FAIL_MODULE', ''), **(faults or {}))
        env['LD_PRELOAD'] = FAILING
        if SANITIZED:
            # Whose a leak is, is seen through the libraries' frames (tests/lsan.supp).
            env['ASAN_OPTIONS'] = (env.get('ASAN_OPTIONS', '') +
                                   ':verify_asan_link_order=0:fast_unwind_on_malloc=0')
    return env


def read_counts(path):
    """Calls by class, and how many were made to fail."""
    with open(path, 'rb') as f:
        numbers = struct.unpack(f'{len(CLASSES) + 1}Q', f.read())
    return dict(zip(CLASSES, numbers)), numbers[-1]


Done = collections.namedtuple('Done', 'code out err')


def run(args, env, cwd=None, stdin=b''):
    """A program to its end; code None: it did not end in time."""
    try:
        done = subprocess.run(args, env=env, cwd=cwd, input=stdin, capture_output=True, timeout=TIMEOUT,
                              check=False)
    except subprocess.TimeoutExpired as late:
        return Done(None, late.stdout or b'', (late.stderr or b'').decode(errors='replace'))
    return Done(done.returncode, done.stdout, done.stderr.decode(errors='replace'))


class Bad(Exception):
    """What a case found."""


# --- the prepared nodes ------------------------------------------------------------------


class World:
    """A brand's node with members, words and votes; what the verbs are given."""

    def __init__(self, folder):
        self.folder = folder
        self.env = environment()
        self.make()

    def hark(self, node, *args, stdin=b''):
        done = run([HARK, '-C', f'{self.folder}/{node}', *args], self.env, self.folder, stdin)
        if done.code != 0:
            sys.exit(f'making the world: hark {" ".join(args)}: {done.code}: {done.err}')
        return done.out.decode().strip()

    def entry(self, *args):
        return json.loads(self.hark('brand', *args, '--json'))['id']

    def make(self):
        os.makedirs(f'{self.folder}/brand')
        found = ['--objective', 'Which lamp?', '--owner', 'Ada', '--until', '2030-01-01', '-q']
        self.hark('brand', 'init', 'brand', '--name', 'brand', '--listen', 'tcp://127.0.0.1:7460', *found)
        self.hark('partner', 'init', 'partner', '--name', 'partner', '-q')
        self.hark('other', 'init', 'other', '--name', 'other', '--listen', 'tcp://127.0.0.1:7461', '-q')
        self.other = self.hark('other', 'ticket', '-q')
        self.hark('brand', 'partner', 'add', self.hark('partner', 'ticket'), '-q')
        for name, role in [('Mara', 'member'), ('Jo', 'member'), ('Sam', 'staff')]:
            ticket = self.hark('brand', 'invite', '--role', role, '--cohort', 'owner=no', '-q')
            self.hark('brand', 'join', ticket, '--name', name, '-q')
        self.ticket = self.hark('brand', 'invite', '--cohort', 'market=de', '-q')
        doomed = self.hark('brand', 'invite', '-q')
        self.doomed = json.loads(self.hark('brand', 'invite', 'ls', '--json').splitlines()[-1])['ticket']
        assert doomed
        self.topic = self.entry('topic', 'Table lamps', 'of all sizes')
        self.idea = self.entry('idea', 'Lamps that last ten years', '--re', self.topic, '--as', 'Mara')
        self.post = self.entry('post', 'Mine broke after a single winter', '--re', self.idea, '--as', 'Jo')
        for who, choice in [('Mara', 'agree'), ('Jo', 'disagree')]:
            self.vote = self.entry('vote', self.idea, choice, '--as', who)
        self.device = json.loads(self.hark('brand', 'device', 'add', '--as', 'Jo', '--json'))['key']
        with open(os.open(f'{self.folder}/passphrase', os.O_WRONLY | os.O_CREAT, 0o600), 'w') as f:
            f.write('Grau teurer Freund ist alle Theorie\n')
        with open(f'{self.folder}/policy.yaml', 'w') as f:
            f.write('merge_delay_s: 90\ntitle: "Lamps: all of them"\n')
        with open(f'{self.folder}/idea.tlog-proof', 'w') as f:
            f.write(self.hark('brand', 'receipt', self.idea) + '\n')
        self.hark('brand', 'key', 'backup', f'{self.folder}/kept')
        os.makedirs(f'{self.folder}/talk')
        for name, text in POLIS.items():
            with open(f'{self.folder}/talk/{name}', 'w') as f:
                f.write(text)
        self.space = json.loads(self.hark('brand', 'status', '--json'))['spaces'][0]['id']
        said = json.loads(self.hark('brand', 'verify', '--json'))
        self.start = said['entries'], said['state_hash']
        os.rename(f'{self.folder}/brand', f'{self.folder}/node')


POLIS = {
    'summary.csv': 'topic,Lamps\nurl,https://polis.example/1\nvoters,3\nvoters-in-conv,3\ncommenters,2\n'
                   'comments,3\ngroups,2\nconversation-description,Lamps\n',
    'comments.csv': 'timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n'
                    '1700000000,x,0,0,1,1,1,Lamps should last\n1700000001,x,1,1,1,0,1,Lamps should be cheap\n'
                    '1700000002,x,2,0,0,1,-1,Lamps should go\n',
    'votes.csv': 'timestamp,datetime,comment-id,voter-id,vote\n1700000010,x,0,0,1\n1700000011,x,0,1,-1\n'
                 '1700000012,x,1,1,1\n1700000013,x,1,2,0\n1700000014,x,2,2,-1\n',
}


class Group(World):
    """A node that has a private group, and nothing else."""

    def make(self):
        os.makedirs(f'{self.folder}/brand')
        self.hark('brand', 'init', 'brand', '--name', 'brand', '-q')
        self.space = self.hark('brand', 'group', 'new', 'Lamps', '--purpose', 'Which lamp?', '--name', 'Ada', '-q')
        for name in ['Mara', 'Jo']:
            self.hark('brand', 'join', self.hark('brand', 'invite', '-q'), '--name', name, '-q')
        self.ticket = self.hark('brand', 'invite', '-q')
        self.idea = self.entry('idea', 'Lamps that last ten years', '--as', 'Mara')
        self.post = self.entry('post', 'Mine broke after a single winter', '--re', self.idea, '--as', 'Jo')
        self.vote = self.entry('vote', self.idea, 'agree', '--as', 'Mara')
        said = json.loads(self.hark('brand', 'verify', '--json'))
        self.start = said['entries'], said['state_hash']
        os.rename(f'{self.folder}/brand', f'{self.folder}/node')


class Verb:
    """args: what it is given, as a function of the world. again: what it may say when it
    is given once more and had been done. reads: it changes nothing. world: whose it is."""

    def __init__(self, name, args, again=(), reads=False, codes=(), world=World):
        self.name, self.args, self.again, self.reads, self.codes = name, args, again, reads, codes
        self.world = world


def group_verbs():
    def w(name, args, *again):
        return Verb(f'group-{name}', args, again, world=Group)

    def r(name, args):
        return Verb(f'group-{name}', args, reads=True, world=Group)
    return [
        w('post', lambda x: ['post', 'Me too', '--re', x.idea, '--as', 'Jo']),
        w('vote', lambda x: ['vote', x.idea, 'disagree', '--as', 'Jo']),
        w('erase', lambda x: ['erase', x.post, '--as', 'Jo'], 'void-'),
        w('join', lambda x: ['join', x.ticket, '--name', 'Eve'], 'ticket-used', 'exists'),
        w('device-add', lambda x: ['device', 'add', '--as', 'Mara']),
        w('member-remove', lambda x: ['member', 'remove', 'Jo', '--reason', 'asked'], 'void-target'),
        w('leave', lambda x: ['group', 'leave', '--as', 'Jo'], 'void-'),
        w('close', lambda x: ['group', 'close'], 'void-'),
        w('rekey', lambda x: ['key', 'rekey', '--as', 'Jo']),
        r('ls', lambda x: ['group', 'ls']),
        r('check', lambda x: ['group', 'check', '--json']),
        r('disclose', lambda x: ['disclose', x.idea]),
        r('search', lambda x: ['search', 'broke']),
        r('tally', lambda x: ['tally', x.idea, '--json']),
        r('log', lambda x: ['log', '--json']),
    ]


def verbs():
    def w(name, args, *again):
        return Verb(name, args, again)

    def r(name, args, codes=()):
        return Verb(name, args, reads=True, codes=codes)
    return group_verbs() + [
        w('post', lambda x: ['post', 'Me too', '--re', x.topic]),
        w('init', lambda x: ['init', 'new', '--name', 'new', '--objective', 'Q', '--owner', 'Ada', '--until',
                             '2030-01-01'], 'exists'),
        w('topic', lambda x: ['topic', 'Lanterns', '-']),
        w('idea', lambda x: ['idea', 'A cheap lamp', '--re', x.topic]),
        w('reply', lambda x: ['reply', 'Mine, too', '--re', x.post]),
        w('revise', lambda x: ['revise', 'Lamps that last', '--re', x.idea, '--as', 'Mara']),
        w('vote', lambda x: ['vote', x.idea, 'agree']),
        w('respond', lambda x: ['respond', x.idea, 'We hear you.']),
        w('decide', lambda x: ['decide', x.idea, 'We will.', '--outcome', 'accepted']),
        w('act', lambda x: ['act', x.idea, 'Drawing it.', '--due', '2029-05-01']),
        w('recognize', lambda x: ['recognize', x.idea, 'Mara saw it first.', '--credit', 'Mara']),
        w('hide', lambda x: ['hide', x.post, '--reason', 'off topic'], 'void-'),
        w('erase', lambda x: ['erase', x.post, '--as', 'Jo'], 'void-'),
        w('erase-member', lambda x: ['erase', 'member:2', '--reason', 'asked for']),
        w('invite', lambda x: ['invite', '--uses', '2', '--cohort', 'owner=no', '--source', 'mail']),
        w('invite-revoke', lambda x: ['invite', 'revoke', x.doomed], 'void-target'),
        w('join', lambda x: ['join', x.ticket, '--name', 'Eve'], 'ticket-used', 'exists'),
        w('member-role', lambda x: ['member', 'role', 'Mara', 'staff'], 'void-target'),
        w('member-remove', lambda x: ['member', 'remove', 'Jo', '--reason', 'asked'], 'void-target'),
        w('device-add', lambda x: ['device', 'add', '--as', 'Mara']),
        w('device-rm', lambda x: ['device', 'rm', x.device, '--as', 'Jo'], 'void-target'),
        w('policy-set', lambda x: ['policy', 'set', f'{x.folder}/policy.yaml']),
        w('partner-add', lambda x: ['partner', 'add', x.other]),
        w('partner-pause', lambda x: ['partner', 'pause', 'partner']),
        w('partner-rm', lambda x: ['partner', 'rm', 'partner'], 'not-found'),
        w('home-move', lambda x: ['home', 'move', 'partner'], 'accept-not-here', 'void-'),
        w('key-backup', lambda x: ['key', 'backup', 'kept'], 'exists'),
        w('key-new', lambda x: ['key', 'new', 'fresh'], 'exists'),
        w('key-export', lambda x: ['key', 'export', 'Mara', 'exported', '--no-passphrase'], 'exists'),
        w('key-passwd', lambda x: ['key', 'passwd', '--passphrase-file', f'{x.folder}/passphrase']),
        w('import', lambda x: ['import', 'polis', f'{x.folder}/talk']),
        w('reindex', lambda x: ['reindex']),
        w('gc', lambda x: ['gc']),
        r('key-steward', lambda x: ['key', 'steward'], (2,)),
        r('log', lambda x: ['log', '--json']),
        r('show', lambda x: ['show', x.idea]),
        r('history', lambda x: ['history', x.idea, '--json']),
        r('search', lambda x: ['search', 'broke']),
        r('who-said', lambda x: ['who-said', 'ten years']),
        r('tally', lambda x: ['tally', x.idea, '--by', 'owner', '--json']),
        r('top', lambda x: ['top']),
        r('member-ls', lambda x: ['member', 'ls']),
        r('invite-funnel', lambda x: ['invite', 'funnel']),
        r('policy-show', lambda x: ['policy', 'show']),
        r('partner-ls', lambda x: ['partner', 'ls']),
        r('ticket', lambda x: ['ticket']),
        r('key-ls', lambda x: ['key', 'ls']),
        r('home-show', lambda x: ['home', 'show']),
        r('outbox', lambda x: ['outbox']),
        r('receipt', lambda x: ['receipt', x.idea, '--json']),
        r('verify', lambda x: ['verify', '--json']),
        r('verify-file', lambda x: ['verify', f'{x.folder}/idea.tlog-proof']),
        r('audit', lambda x: ['audit', f'spaces/{x.space}.git', '--json'], (0, 10, 13)),
        r('export', lambda x: ['export', 'allowed-signers']),
        r('export-tiles', lambda x: ['export', 'tiles', '../out']),
        r('status', lambda x: ['status', '--json']),
        r('help', lambda x: ['help']),
    ]


# --- one case -----------------------------------------------------------------------------


class Ground:
    """A copy of the node, in which one case is played."""

    def __init__(self, world, folder):
        self.world, self.folder = world, folder
        self.node = f'{folder}/node'
        os.makedirs(folder)
        shutil.copytree(f'{world.folder}/node', self.node)
        # A copy knows by `place` that it is one, and would ask its partners first.
        os.unlink(f'{self.node}/place')
        self.counts = f'{folder}/counts'

    def hark(self, args, faults=None, counted=False):
        env = environment(faults, self.counts if counted or faults else None)
        return run([HARK, '-C', self.node, *args], env, self.node, b'of paper\n')

    def tip(self):
        with open(f'{self.node}/spaces/{self.world.space}.git/refs/heads/main') as f:
            return f.read().strip()

    def outside(self):
        """What a verb may change beside the log: by name, what is in it."""
        found = {}
        for top, folders, files in os.walk(self.node):
            folders[:] = [f for f in folders if f not in ('spaces', 'index', 'outbox')]
            for name in files:
                if name not in ('lock', 'place', 'place.new'):
                    path = os.path.join(top, name)
                    with open(path, 'rb') as f:
                        found[os.path.relpath(path, self.node)] = f.read()
        return found

    def close(self):
        shutil.rmtree(self.folder)


def comparable(out):
    return re.sub(rb'"free":\d+|"(log|index|index_size)":\d+', b'', out)


Known = collections.namedtuple('Known', 'out calls sizes state files code')


def state_of(ground):
    done = ground.hark(['verify', '--json'])
    if done.code != 0:
        raise Bad(f'verify: {done.code}: {done.err.strip()}')
    said = json.loads(done.out)
    return said['entries'], said['state_hash']


def fsck(ground, repository):
    done = run(['git', '-c', 'safe.directory=*', '-C', repository, 'fsck', '--strict', '--no-progress'],
               environment(), ground.folder)
    said = [line for line in (done.out.decode() + done.err).splitlines()
            if not line.startswith('dangling ')]
    if done.code != 0 or said:
        raise Bad(f'fsck: {done.code}: {said}')


def learn(world, verb, folder):
    """The verb undisturbed: what it prints, how many calls it makes, how far the log goes."""
    ground = Ground(world, folder)
    old, old_state = world.start
    done = ground.hark(verb.args(world), counted=True)
    if done.code not in (verb.codes or (0,)):
        sys.exit(f'{verb.name} fails undisturbed: {done.code}: {done.err}')
    calls, _ = read_counts(ground.counts)
    new = old if verb.reads else state_of(ground)[0]
    known = Known(comparable(done.out), calls, (old, new), old_state, sorted(ground.outside()), done.code)
    ground.close()
    return known


def check_end(verb, known, cls, done, failed):
    """How it ended, and what it said."""
    err = done.err
    if done.code is None:
        raise Bad('it did not end')
    if done.code < 0 or 'Sanitizer' in err or 'runtime error:' in err:
        raise Bad(f'ended by {done.code}: {err[-3000:]}')
    if done.code == 0:
        if verb.reads and comparable(done.out) != known.out:
            raise Bad(f'says that all is well, and printed something else: {done.out[:300]}')
        return
    if done.code == known.code and comparable(done.out) == known.out:
        return
    # What is told beforehand (terms, notes) stands above it, a hint below.
    lines = [line for line in err.splitlines() if not line.startswith('hint: ')]
    words = [line for line in lines if line.startswith(('hark: ', '{"error":'))]
    if len(words) != 1 or lines[-1] != words[0]:
        raise Bad(f'code {done.code} without one clear line: {err!r}')
    if not re.fullmatch(r'hark: .*\S.* \([a-z0-9-]+\)|{"error":{"name":"[a-z0-9-]+","message":".+","hint":.*}}',
                        words[0]):
        raise Bad(f'code {done.code}, unclear: {words[0]!r}')
    allowed = [4]
    if verb.name == 'audit':
        allowed.append(13)
    if cls == 'read':
        allowed.append(5)  # a disk that cannot be read is damaged
    if failed and done.code not in allowed:
        raise Bad(f'a fault of the machine told as {done.code}: {words[0]}')


def check_new_node(ground, done):
    """init: a node that is finished, or nothing that stands in the way."""
    again = ground.hark(['init', 'new', '--name', 'new', '--objective', 'Q', '--owner', 'Ada', '--until',
                         '2030-01-01'])
    node = f'{ground.node}/new'
    if again.code == 2 and '(exists)' in again.err:
        opened = run([HARK, '-C', node, 'verify', '--json'], environment(), ground.node)
        if opened.code != 0:
            raise Bad(f'init left what neither opens nor can be made: {opened.err.strip()}')
        if done.code != 0 and json.loads(opened.out)['entries'] != 3:
            raise Bad('init left half a space')
    elif again.code != 0:
        raise Bad(f'init again: {again.code}: {again.err.strip()}')
    for name in os.listdir(f'{node}/spaces'):
        fsck(ground, f'{node}/spaces/{name}')


def check_after(verb, known, ground, done, tip, before):
    """The store, without faults: old or new, and whole."""
    files = ground.outside()
    size, state = state_of(ground)
    repository = f'{ground.node}/spaces/{ground.world.space}.git'
    fsck(ground, repository)
    if size == known.sizes[0]:
        if state != known.state:
            raise Bad('another state at the same size')
    elif verb.reads or not (known.sizes[0] < size <= known.sizes[1]):
        raise Bad(f'{size} entries, where {known.sizes} were to be expected')
    elif size != known.sizes[1] and verb.name not in STEPS:
        raise Bad(f'between: {size} entries, neither {known.sizes[0]} nor {known.sizes[1]}')
    if done.code == 0 and size != known.sizes[1]:
        raise Bad(f'says it is done, and the log has {size} entries, not {known.sizes[1]}')
    old = run(['git', '-c', 'safe.directory=*', '-C', repository, 'merge-base', '--is-ancestor', tip, 'main'],
              environment(), ground.folder)
    if old.code != 0:
        raise Bad('the log does not go on from what it was')
    if verb.reads:
        if files != before:
            raise Bad('it changed what it was only to read')
        return
    for name, text in files.items():
        if name not in known.files and not name.endswith('.new') and '.new-' not in name:
            if not name.startswith(('keys/people/', 'fresh', 'kept', 'exported')):
                raise Bad(f'{name} is left behind')
    check_again(verb, known, ground, size)


# Verbs that write more than one batch, each whole by itself; given again, they go on.
STEPS = {'import', 'join', 'erase-member', 'device-add', 'partner-rm', 'partner-add', 'home-move',
         'group-join', 'group-device-add', 'group-leave'}


def check_again(verb, known, ground, size):
    again = ground.hark(verb.args(ground.world))
    words = again.err.strip().splitlines()[-1] if again.err.strip() else ''
    name = re.search(r'\(([a-z0-9-]+)\)$', again.err.strip().split('\nhint: ')[0])
    if again.code != 0 and not (name and size > known.sizes[0] - (known.sizes[0] == known.sizes[1])
                                and name.group(1).startswith(tuple(verb.again) or ('?',))):
        raise Bad(f'given again: {again.code}: {words}')
    if again.code == 0:
        after, _ = state_of(ground)
        if after < known.sizes[1]:
            raise Bad(f'given again it is done, and the log has {after} entries, not {known.sizes[1]}')


def play(world, verb, known, case, folder):
    """None, or what is bad about it; and whether anything was made to fail at all."""
    cls, n, lasting = case
    ground = Ground(world, folder)
    faults = {'HARK_FAIL_CLASS': cls, 'HARK_FAIL_AT': str(n)}
    if lasting:
        faults['HARK_FAIL_ON'] = '1'
    if 'HARK_FAIL_TRACE' in os.environ:
        faults['HARK_FAIL_TRACE'] = os.environ['HARK_FAIL_TRACE']
    failed = 0
    done = None
    try:
        tip, before = ground.tip(), ground.outside()
        done = ground.hark(verb.args(world), faults)
        _, failed = read_counts(ground.counts)
        check_end(verb, known, cls, done, failed > 0)
        if verb.name == 'init':
            check_new_node(ground, done)
        else:
            check_after(verb, known, ground, done, tip, before)
    except Bad as bad:
        said = done.err.strip() if done is not None else ''
        return f'{bad}\n    it had said: {done.code if done else None} {said[-400:]}', failed, ground
    ground.close()
    return None, failed, ground


# --- all of them -----------------------------------------------------------------------------


def cases_of(verb, known, classes):
    for cls in classes:
        for n in range(1, known.calls[cls] + 1):
            for lasting in (False, True):
                yield verb, (cls, n, lasting)


def sample(verb_list, known, classes, count):
    """Each class has its share; a class goes round the verbs, and spreads over each one's
    calls. The same cases for the same program."""
    chance = random.Random(4)
    total = sum(SHARES.get(c, 1) for c in classes)
    chosen = []
    for cls in classes:
        able = [v for v in verb_list if known[v.name].calls[cls] > 0]
        chance.shuffle(able)
        # Those that write come twice as often.
        turn = [v for v in able if not v.reads] + able
        for i in range(round(count * SHARES.get(cls, 1) / total)):
            if turn:
                verb = turn[i % len(turn)]
                n = chance.randint(1, known[verb.name].calls[cls])
                chosen.append((verb, (cls, n, chance.random() < 0.4)))
    return chosen


def named(verb, case):
    return f'{verb.name}/{case[0]}/{case[1]}{"+" if case[2] else ""}'


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('verbs', nargs='*')
    parser.add_argument('--class', dest='classes')
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--count', type=int, default=COUNT)
    parser.add_argument('--seconds', type=float, default=SECONDS)
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--case')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--keep', action='store_true')
    return parser.parse_args()


def main():
    given = options()
    all_verbs = verbs()
    if given.list:
        print(' '.join(v.name for v in all_verbs))
        return 0
    classes = given.classes.split(',') if given.classes else list(SHARES)
    wanted = given.verbs or (FEW if SANITIZED and not given.case else []) or ([given.case.split('/')[0]] if given.case else [])
    chosen_verbs = [v for v in all_verbs if not wanted or v.name in wanted]
    place = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    folder = tempfile.mkdtemp(prefix='hark-nth.', dir=place)
    keep = False
    try:
        begun = time.monotonic()
        worlds = {kind: kind(f'{folder}/world-{kind.__name__}') for kind in {v.world for v in chosen_verbs}}
        known = {v.name: learn(worlds[v.world], v, f'{folder}/{v.name}') for v in chosen_verbs}
        if given.case:
            _, cls, n = given.case.split('/')
            cases = [(chosen_verbs[0], (cls, int(n.rstrip('+')), n.endswith('+')))]
        elif given.all:
            cases = [c for v in chosen_verbs for c in cases_of(v, known[v.name], classes)]
        else:
            cases = sample(chosen_verbs, known, classes, given.count)
        keep = play_all(given, worlds, known, cases, folder, begun)
    finally:
        if not keep:
            shutil.rmtree(folder)
    return 1 if keep else 0


def play_all(given, worlds, known, cases, folder, begun):
    """Plays them; returns whether something is bad."""
    bad = []
    tally = collections.Counter()
    lock = threading.Lock()

    def one(i, verb, case):
        if given.seconds and time.monotonic() - begun > given.seconds:
            return
        wrong, failed, ground = play(worlds[verb.world], verb, known[verb.name], case, f'{folder}/{i}')
        with lock:
            tally['played'] += 1
            tally[case[0]] += 1
            tally['struck'] += failed > 0
            if wrong is not None:
                bad.append(named(verb, case))
                print(f'BAD {named(verb, case)} in {ground.folder}: {wrong}', flush=True)
                if not given.case and not given.keep:
                    ground.close()
            elif given.case:
                print(f'{named(verb, case)}: well')

    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for future in [pool.submit(one, i, v, c) for i, (v, c) in enumerate(cases)]:
            future.result()
    per_class = ', '.join(f'{c} {tally[c]}' for c in CLASSES if tally[c])
    print(f'{tally["played"]} of {len(cases)} cases in {time.monotonic() - begun:.0f} s ({per_class}); in '
          f'{tally["struck"]} the call was reached; {len(bad)} bad')
    if tally['played'] == 0 or tally['struck'] < tally['played'] // 2:
        print('hardly anything was made to fail: is the library there?')
        return True
    return bool(bad)


if __name__ == '__main__':
    sys.exit(main())
