#!/usr/bin/env python3
"""`group new` is cut off: each call that writes fails, or the process is killed in its place.
What it protects:

  - afterwards there is a whole group or none: whoever lists groups sees nothing half, the
    next verb that writes keeps it or takes it away with all its files and the nonce of its
    steward, and `group new` works;
  - a group that was said to be there is there.

  founding.py [--case CLASS/N/once|lasting|kill] [--all]

HARK, FAILING: the program and the library (nth.py)."""
import argparse
import json
import os
import random
import shutil
import sys
import tempfile

import nth
from nth import HARK, Bad, environment, run

CLASSES = ['sync', 'write', 'short', 'rename', 'open', 'step', 'malloc']
FEW = 16 if nth.SANITIZED else 24
NEW = ['group', 'new', 'Lamps', '--purpose', 'Which lamp?', '--name', 'Ada', '--json']


def hark(node, args, env=None):
    return run([HARK, '-C', node, *args], env or environment())


def groups(node):
    done = hark(node, ['group', 'ls', '--json'])
    if done.code != 0:
        raise Bad(f'group ls: {done.code}: {done.err.strip()}')
    found = [json.loads(line) for line in done.out.splitlines()]
    for group in found:
        if group['title'] != 'Lamps' or group['members'] != 1:
            raise Bad(f'half a group is listed: {group}')
    return {group['id'] for group in found}


def files(node):
    """Of which spaces there are files, by folder."""
    found = {}
    for folder in ('spaces', 'index', 'outbox', 'steward'):
        names = [name for name in os.listdir(f'{node}/{folder}') if len(name.split('.')[0]) == 64]
        found[folder] = {name.split('.')[0] for name in names if not name.endswith('.new')}
    return found


def check_files(node, whole):
    for folder, ids in files(node).items():
        if not ids <= whole or (folder in ('spaces', 'steward') and ids != whole):
            raise Bad(f'{folder} has {ids}, the groups are {whole}')
    if os.path.exists(f'{node}/founding'):
        raise Bad('the mark is still there')


def check(node, done):
    seen = groups(node)
    if done.code == 0 and json.loads(done.out)['id'] not in seen:
        raise Bad('it said that the group is there')
    # A verb that writes: it finishes with what was begun.
    if hark(node, ['gc']).code != 0:
        raise Bad('no verb works after it')
    whole = groups(node)
    if not seen <= whole or len(whole) > 1:
        raise Bad(f'listed {seen}, then {whole}')
    check_files(node, whole)
    again = hark(node, NEW)
    if again.code != 0:
        raise Bad(f'group new: {again.code}: {again.err.strip()}')
    whole.add(json.loads(again.out)['id'])
    if groups(node) != whole:
        raise Bad('another group is there')
    check_files(node, whole)
    for group in whole:
        verified = hark(node, ['-s', group, 'verify', '--json'])
        if verified.code != 0 or json.loads(verified.out)['entries'] != 4:
            raise Bad(f'verify: {verified.code}: {verified.err.strip()}')


def play(world, case, folder):
    cls, number, how = case
    node, counts = f'{folder}/node', f'{folder}/counts'
    os.makedirs(folder)
    shutil.copytree(world, node)
    os.unlink(f'{node}/place')
    faults = {'HARK_FAIL_CLASS': cls, 'HARK_FAIL_AT': str(number)}
    faults.update({'lasting': {'HARK_FAIL_ON': '1'}, 'kill': {'HARK_FAIL_KILL': '1'}}.get(how, {}))
    done = hark(node, NEW, environment(faults, counts))
    try:
        if done.code is None or (done.code < 0 and how != 'kill'):
            raise Bad(f'it ended by {done.code}')
        check(node, done)
    except Bad as bad:
        return f'{bad}\n    it had said: {done.code} {done.err.strip()[-300:]}'
    shutil.rmtree(folder)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--case')
    parser.add_argument('--all', action='store_true')
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix='hark-founding.')
    world = f'{work}/world'
    made = hark(work, ['init', world, '--name', 'ada', '-q'])
    if made.code != 0:
        sys.exit(f'making the world: {made.err}')
    shutil.copytree(world, f'{work}/count')
    os.unlink(f'{work}/count/place')
    done = hark(f'{work}/count', NEW, environment({}, f'{work}/counts'))
    if done.code != 0:
        sys.exit(f'undisturbed: {done.code}: {done.err}')
    calls, _ = nth.read_counts(f'{work}/counts')
    cases = [(cls, n, how) for cls in CLASSES for n in range(1, calls[cls] + 1)
             for how in ('once', 'lasting', 'kill')]
    every = len(cases)
    if options.case:
        cls, n, how = options.case.split('/')
        cases = [(cls, int(n), how)]
    elif not options.all:
        few = 5 * FEW if nth.LONG else FEW
        # Allocations are many, and each of them leaves what a call before it has written.
        chance = random.Random(4)
        rare = [case for case in cases if case[0] != 'malloc']
        cases = chance.sample(rare, min(few, len(rare)))
        cases += chance.sample([(c, n, h) for c in ('malloc',) for n in range(1, calls['malloc'] + 1)
                                for h in ('once', 'kill')], few // 4)
    bad = 0
    for case in cases:
        name = '/'.join(str(part) for part in case)
        said = play(world, case, f'{work}/{name.replace("/", "-")}')
        if said is not None:
            bad += 1
            print(f'{name}: {said}')
    print(f'{len(cases)} of {every} cut-offs of group new, {bad} bad')
    if bad == 0:
        shutil.rmtree(work)
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
