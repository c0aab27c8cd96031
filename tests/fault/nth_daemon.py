#!/usr/bin/env python3
"""The Nth call fails in a daemon: as it starts, takes entries, serves a partner or copies
from one, and ends; or in `hark`, as it speaks to one. What it protects, beside what nth.py
says:

  - a daemon that cannot start says why in one clear line, with exit code 4, and starts
    when it can; one that runs does not end because a call failed;
  - after one failure it goes on by itself: an entry handed in later is logged, and the
    partner ends with the same log;
  - what was acknowledged is in the log, whatever failed then or later.

  nth_daemon.py [--class C,...] [--count N] [--seconds S] [--case ROLE/CLASS/N[+]]
ROLE: home or partner (whose daemon it is), or client (`hark` at the home's daemon).

HARK, HARKD, FAILING: the programs and the library."""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import nth
from nth import HARK, Bad, environment, run

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from ports import free_port  # pylint: disable=wrong-import-position

HARKD = os.environ['HARKD']
SHARES = {'home': {'sync': 2, 'write': 2, 'short': 1, 'rename': 1, 'open': 2, 'step': 2, 'malloc': 3, 'send': 3,
                   'recv': 3},
          'partner': {'sync': 1, 'write': 2, 'rename': 1, 'open': 1, 'step': 2, 'malloc': 2, 'send': 2, 'recv': 2},
          'client': {'send': 1, 'recv': 1, 'malloc': 1}}
COUNT = 5000 if nth.LONG else 8
SECONDS = 80 if nth.LONG else 120
PATIENCE = 30 * int(os.environ.get('HARK_PATIENCE', 1))


class Scene:
    """Copies of a home and its partner, with a port of their own."""

    def __init__(self, world, folder):
        self.world, self.folder = world, folder
        self.daemons = []
        os.makedirs(folder)
        port = free_port()
        for node in ('brand', 'partner'):
            shutil.copytree(f'{world.folder}/{node}', f'{folder}/{node}')
            os.unlink(f'{folder}/{node}/place')
            config = f'{folder}/{node}/hark.yaml'
            with open(config) as f:
                text = f.read()
            with open(config, 'w') as f:
                f.write(text.replace(':7460', f':{port}'))
        self.counts = f'{folder}/counts'

    def hark(self, node, *args, faults=None):
        env = environment(faults, self.counts if faults is not None else None)
        return run([HARK, '-C', f'{self.folder}/{node}', *args], env, self.folder)

    def try_sync(self):
        """As far as the home lets it. Waiting long for a home that cannot is not the question."""
        try:
            subprocess.run([HARK, '-C', f'{self.folder}/partner', 'sync', '--wait'], env=environment(),
                           capture_output=True, timeout=3, check=False)
        except subprocess.TimeoutExpired:
            pass

    def start(self, node, faults=None):
        """Until it can be spoken to, or has ended; it has started if it has no code."""
        env = environment(faults, self.counts if faults is not None else None, 'harkd')
        log = open(f'{self.folder}/{node}.log', 'wb')
        process = subprocess.Popen([HARKD, '-d', '-C', f'{self.folder}/{node}'], env=env, stderr=log,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        log.close()
        process.node = node
        self.daemons.append(process)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and process.poll() is None:
            if b'harkd: ' in self.said(node):
                return process
            time.sleep(0.02)
        if process.poll() is None:
            raise Bad(f'{node}: neither started nor ended')
        return process

    def said(self, node):
        with open(f'{self.folder}/{node}.log', 'rb') as f:
            return f.read()

    def stop(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Bad(f'{process.node}: does not end when it is told to') from None

    def close(self, keep=False):
        for process in self.daemons:
            if process.poll() is None:
                process.kill()
                process.wait()
        if not keep:
            shutil.rmtree(self.folder)


def make_world(folder):
    world = nth.World(folder)
    os.rename(f'{folder}/node', f'{folder}/brand')
    # The partner has the log as far as it is, so that what comes later is the question.
    world.hark('partner', 'partner', 'add', world.hark('brand', 'ticket'), '-q')
    env = environment()
    scene = Scene(world, f'{folder}.first')
    daemon = scene.start('brand')
    done = run([HARK, '-C', f'{scene.folder}/partner', 'sync', '--wait'], env, scene.folder)
    scene.stop(daemon)
    if done.code != 0:
        sys.exit(f'making the world: sync: {done.err}')
    for part in ('spaces', 'index', 'outbox'):
        shutil.rmtree(f'{folder}/partner/{part}')
        shutil.copytree(f'{scene.folder}/partner/{part}', f'{folder}/partner/{part}')
    scene.close()
    return world


# --- what happens ----------------------------------------------------------------------------


def clear(done, what, codes=(4,)):
    """It ended well, or says clearly why not."""
    if done.code is None or done.code < 0 or 'Sanitizer' in done.err or 'runtime error:' in done.err:
        raise Bad(f'{what} ended by {done.code}: {done.err[-2000:]}')
    if done.code == 0:
        return True
    words = [line for line in done.err.splitlines() if line.startswith(('hark: ', '{"error":'))]
    if done.code not in codes or len(words) != 1:
        raise Bad(f'{what} ended with {done.code}: {done.err!r}')
    return False


def post(scene, acknowledged, text, faults=None):
    done = scene.hark('brand', 'post', text, '--re', scene.world.topic, '--json', faults=faults)
    if not clear(done, 'post'):
        return False
    try:
        acknowledged.append(json.loads(done.out)['id'])
    except ValueError:
        raise Bad(f'post ended well, and says {done.out!r}') from None
    return True


def insist(what, action):
    """It may take a few tries, but not for ever."""
    until = time.monotonic() + PATIENCE
    while not action():
        if time.monotonic() > until:
            raise Bad(f'{what}: not even later')
        time.sleep(0.3)


def tip(scene, node):
    with open(f'{scene.folder}/{node}/spaces/{scene.world.space}.git/refs/heads/main') as f:
        return f.read().strip()


def watch(scene, process, role, lasting):
    """What a daemon's end says. True: it ended by itself, and may have."""
    if process.poll() is None:
        return False
    text = scene.said(process.node).decode(errors='replace')
    # Once it had started, a fault is no reason to end.
    if 'harkd: listening' in text or 'harkd: running' in text:
        if not lasting:
            raise Bad(f'{role}: ended by itself with {process.returncode}: {text[-1500:]}')
    clear(nth.Done(process.returncode, b'', text), role)
    return True


def act(scene, role, faults, lasting):
    """Plays it; returns the entries that were acknowledged."""
    acknowledged = []
    home = scene.start('brand', faults if role == 'home' else None)
    # A home that has just started waits a while for its partner, to compare logs: the
    # partner comes first, so that no post waits for it.
    if not watch(scene, home, 'the home', lasting):
        if role == 'partner':
            partner = scene.start('partner', faults)
            gone = watch(scene, partner, 'the partner', lasting)
            post(scene, acknowledged, 'one')
            if not gone and not lasting:
                insist('the partner goes on', lambda: tip(scene, 'partner') == tip(scene, 'brand') or
                       watch(scene, partner, 'the partner', lasting))
            code = scene.stop(partner)
            clear(nth.Done(code, b'', '' if code == 0 else scene.said('partner').decode()), 'the partner')
        else:
            scene.try_sync()
            post(scene, acknowledged, 'one', faults if role == 'client' else None)
            scene.try_sync()
        if not lasting and not watch(scene, home, 'the home', lasting):
            insist('a post is taken', lambda: post(scene, acknowledged, 'two'))
    code = scene.stop(home)
    clear(nth.Done(code, b'', '' if code == 0 else scene.said('brand').decode()), 'the home')
    return acknowledged


def judge(scene, acknowledged):
    """Without faults: all is there, at both."""
    post(scene, acknowledged, 'three') or post(scene, acknowledged, 'four')
    home = scene.start('brand')
    if home.poll() is not None:
        raise Bad(f'the home does not start any more: {scene.said("brand").decode()}')
    insist('the partner copies', lambda: clear(scene.hark('partner', 'sync', '--wait'), 'sync'))
    scene.stop(home)
    if tip(scene, 'brand') != tip(scene, 'partner'):
        raise Bad('the partner says it has all, and has another log')
    for node in ('brand', 'partner'):
        done = scene.hark(node, 'verify', '--json')
        if done.code != 0:
            raise Bad(f'verify at {node}: {done.code}: {done.err.strip()}')
        fsck = run(['git', '-c', 'safe.directory=*', '-C',
                    f'{scene.folder}/{node}/spaces/{scene.world.space}.git', 'fsck', '--strict', '--no-progress',
                    '--no-dangling'], environment(), scene.folder)
        if fsck.code != 0 or fsck.out or fsck.err:
            raise Bad(f'fsck at {node}: {fsck.out.decode()}{fsck.err}')
    done = scene.hark('partner', 'log', '--json')
    logged = {json.loads(line)['id'] for line in done.out.splitlines()}
    if not set(acknowledged) <= logged:
        raise Bad('an entry that was acknowledged is not there')


def play(world, role, case, folder):
    cls, n, lasting = case
    faults = {'HARK_FAIL_CLASS': cls, 'HARK_FAIL_AT': str(n)} if cls else {}
    if lasting:
        faults['HARK_FAIL_ON'] = '1'
    if 'HARK_FAIL_TRACE' in os.environ:
        faults['HARK_FAIL_TRACE'] = os.environ['HARK_FAIL_TRACE']
    scene = Scene(world, folder)
    wrong = None
    try:
        judge(scene, act(scene, role, faults, lasting))
    except Bad as bad:
        said = ''.join(f'\n    {node}: ' + scene.said(node).decode(errors='replace')[-400:]
                       for node in ('brand', 'partner') if os.path.exists(f'{folder}/{node}.log'))
        wrong = f'{bad}{said}'
    calls, failed = nth.read_counts(scene.counts) if os.path.exists(scene.counts) else ({}, 0)
    return wrong, calls, failed, scene


def choose(known, given):
    """For each role and class its share, spread over the calls."""
    chance = random.Random(7)
    classes = given.classes.split(',') if given.classes else nth.CLASSES
    shares = [(role, cls, share) for role, of in SHARES.items() for cls, share in of.items()
              if cls in classes and known[role].get(cls)]
    total = sum(share for _, _, share in shares)
    rounds = max(1, round(given.count / max(1, total)))
    cases = []
    for _ in range(rounds):
        for role, cls, share in shares:
            for _ in range(share):
                cases.append((role, (cls, chance.randint(1, known[role][cls]), chance.random() < 0.3)))
    if rounds == 1:
        chance.shuffle(cases)
    return cases[:given.count]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--class', dest='classes')
    parser.add_argument('--count', type=int, default=COUNT)
    parser.add_argument('--seconds', type=float, default=SECONDS)
    parser.add_argument('--case')
    given = parser.parse_args()
    folder = tempfile.mkdtemp(prefix='hark-nthd.', dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None)
    begun = time.monotonic()
    bad, tally = [], collections.Counter()
    world = make_world(f'{folder}/world')
    if given.case:
        role, cls, n = given.case.split('/')
        cases = [(role, (cls, int(n.rstrip('+')), n.endswith('+')))]
    else:
        known = {}
        for role in SHARES:
            wrong, known[role], _, scene = play(world, role, ('', 0, False), f'{folder}/{role}')
            scene.close()
            if wrong:
                sys.exit(f'{role}, undisturbed: {wrong}')
        cases = choose(known, given)
    for i, (role, case) in enumerate(cases):
        if time.monotonic() - begun > given.seconds:
            break
        name = f'{role}/{case[0]}/{case[1]}{"+" if case[2] else ""}'
        wrong, _, failed, scene = play(world, role, case, f'{folder}/{i}')
        tally['played'] += 1
        tally['struck'] += failed > 0
        tally[role] += 1
        scene.close(keep=bool(given.case and wrong))
        if wrong:
            bad.append(name)
            print(f'BAD {name} in {scene.folder}: {wrong}', flush=True)
        elif given.case:
            print(f'{name}: well')
    print(f'{tally["played"]} of {len(cases)} cases in {time.monotonic() - begun:.0f} s ('
          f'{", ".join(f"{role} {tally[role]}" for role in SHARES)}); in {tally["struck"]} the call was reached; '
          f'{len(bad)} bad')
    if not (given.case and bad):
        shutil.rmtree(folder)
    if tally['struck'] < tally['played'] // 2:
        print('hardly anything was made to fail: is the library there?')
        return 1
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
