"""Loss of power: what a disk may show afterwards still holds all that was acknowledged.

    power.py    HARK_POWER_CASES of them, default 20

Runs a home, a partner and a member's own node under powerlog.c, which writes down
what each does to its directory, and notes when an entry was acknowledged. Then, CASES
times, for one of the nodes and one moment of its record, it builds the directory as
the disk may show it: all that was synced, and of the rest a part, by chance: writes
dropped, done in part, or their blocks replaced by zeros or garbage; names that were
made, moved or removed there or not. A rename is atomic; a name is durable when a
folder that it concerns was synced after it (POSIX promises no more; a file's own sync
does not count). On what was built

  - `hark verify` holds: log, index and state agree,
  - every entry that was acknowledged by then is there,
  - git fsck --strict finds nothing, and
  - the node goes on: it takes another entry, packs up, and all holds again.

That nothing went past the record is seen by comparing its last state with the
directory. What is random comes from HARK_POWER_SEED, which is printed; the record is
the machine's, so a seed alone does not bring it back: with HARK_POWER_KEEP=DIR the
records stay there, with what was built of the first case that fails; a second run with
both goes by those records and finds the same again.
"""

import collections
import fcntl
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from ports import free_port  # pylint: disable=wrong-import-position

CASES = int(os.environ.get('HARK_POWER_CASES', 20))
HARK, HARKD, POWERLOG = (os.environ[v] for v in ('HARK', 'HARKD', 'POWERLOG'))
SEED = int(os.environ.get('HARK_POWER_SEED', int(time.time())))
KEEP = os.environ.get('HARK_POWER_KEEP')
PATIENCE = 60
ROUNDS = 12 if CASES <= 20 else 40    # of what each person says
BLOCK = 4096
HEAD = struct.Struct('<IBQQHH')
chance = random.Random(SEED)
began = time.monotonic()


def say(what):
    print(f'{time.monotonic() - began:6.1f} s  {what}', flush=True)


class Failed(Exception):
    """What must hold does not."""


# --- what the disk knows ------------------------------------------------------------------

class File:
    """`bytes` as they were when last synced, and what was done to them since."""

    def __init__(self, mode):
        self.mode, self.durable, self.pending, self.mapped = mode, bytearray(), [], False

    def sync(self):
        for change in self.pending:
            apply(self.durable, change)
        self.pending = []

    def now(self):
        out = bytearray(self.durable)
        for change in self.pending:
            apply(out, change)
        return out


class Folder:
    """Names that are durable; what was done to names since is in Disk.pending."""

    def __init__(self, mode):
        self.mode, self.durable, self.names = mode, {}, {}


def apply(content, change):
    at, data = change
    if data is None:
        if at < len(content):
            del content[at:]
        else:
            content.extend(bytes(at - len(content)))
        return
    if at > len(content):
        content.extend(bytes(at - len(content)))
    content[at:at + len(data)] = data


class Disk:
    def __init__(self, inode):
        self.root = Folder(0o700)
        self.inodes = {inode: self.root}
        self.pending = []       # [(folder, name, node or None), ...] each, in order
        self.strange = set()    # what was written through a mapping

    def find(self, path):
        folder, parts = self.root, path.split('/')
        for part in parts[:-1]:
            folder = folder.names[part]
        return folder, parts[-1]

    def rename_names(self, *assignments):
        for folder, name, node in assignments:
            if node is None:
                folder.names.pop(name, None)
            else:
                folder.names[name] = node
        self.pending.append(assignments)

    def sync(self, inode):
        node = self.inodes[inode]
        if isinstance(node, File):
            node.sync()
            return
        rest = []
        for op in self.pending:
            if any(folder is node for folder, _, _ in op):
                settle(op)
                # An earlier word about the same names is overtaken.
                said = {(id(f), n) for f, n, _ in op}
                rest = [left for left in (tuple(a for a in o if (id(a[0]), a[1]) not in said)
                                          for o in rest) if left]
            else:
                rest.append(op)
        self.pending = rest

    def take(self, what, a, b, first, second, data):
        if what == 'c':
            self.inodes[a] = File(b)
            self.rename_names((*self.find(first), self.inodes[a]))
        elif what == 'd':
            self.inodes[a] = Folder(b)
            self.rename_names((*self.find(first), self.inodes[a]))
        elif what == 'w':
            self.inodes[a].pending.append((b, data))
        elif what == 't':
            self.inodes[a].pending.append((b, None))
        elif what == 's':
            self.sync(a)
        elif what == 'm':
            self.inodes[a].mapped = True
        elif what in 'ul':
            if what == 'l':
                folder, name = self.find(first)
                self.rename_names((*self.find(second), folder.names[name]))
            else:
                self.rename_names((*self.find(first), None))
        elif what == 'D':
            self.rename_names((*self.find(first), None))
        elif what == 'r':
            if not first or not second:
                raise Failed(f'a rename across the border: {first!r} to {second!r}')
            folder, name = self.find(first)
            self.rename_names((folder, name, None), (*self.find(second), folder.names[name]))
        else:
            raise Failed(f'a record says {what!r}')


def settle(op):
    for folder, name, node in op:
        if node is None:
            folder.durable.pop(name, None)
        else:
            folder.durable[name] = node


# --- what it shows after the loss ---------------------------------------------------------------

def surviving(file, dice):
    """The content of a file of which a part was not synced."""
    if not file.pending:
        return bytes(file.durable)
    way = dice.choice(['none', 'all', 'prefix', 'blocks', 'garbage', 'zeros'])
    if way == 'none':
        return bytes(file.durable)
    if way == 'all':
        return bytes(file.now())
    out = bytearray(file.durable)
    if way == 'prefix':
        for change in file.pending[:dice.randrange(len(file.pending) + 1)]:
            apply(out, change)
        return bytes(out)
    for at, data in file.pending:
        if data is None:
            if dice.random() < 0.5:
                apply(out, (at, None))
            continue
        # Block by block, as the disk writes; never beyond what was written.
        done = 0
        while done < len(data):
            size = min(BLOCK - (at + done) % BLOCK, len(data) - done)
            draw = dice.random()
            if draw < 0.4:
                apply(out, (at + done, data[done:done + size]))
            elif draw < 0.6 or way == 'zeros':
                if way != 'blocks':
                    junk = bytes(size) if way == 'zeros' else dice.randbytes(size)
                    apply(out, (at + done, junk))
            done += size
    return bytes(out)


def build(folder, names, path, dice, where):
    os.mkdir(path, folder.mode)
    for name, node in names(folder).items():
        at = f'{path}/{name}'
        if isinstance(node, Folder):
            build(node, names, at, dice, where)
            continue
        fd = os.open(at, os.O_WRONLY | os.O_CREAT | os.O_EXCL, node.mode)
        with os.fdopen(fd, 'wb') as out:
            # What is mapped is SQLite's shared memory, in any state.
            content = dice.randbytes(len(node.now())) if node.mapped else surviving(node, dice)
            out.write(content)
        where[at] = node


def show(disk, path, dice):
    """Builds what the disk shows; the loss takes names in one of four ways."""
    way = dice.choice(['none', 'all', 'prefix', 'some'])
    pending = {'none': [], 'all': disk.pending,
               'prefix': disk.pending[:dice.randrange(len(disk.pending) + 1)],
               'some': [op for op in disk.pending if dice.random() < 0.5]}[way]
    shown = {}

    def names(folder):
        if id(folder) not in shown:
            shown[id(folder)] = dict(folder.durable)
            for op in pending:
                for at, name, node in op:
                    if at is not folder:
                        continue
                    if node is None:
                        shown[id(folder)].pop(name, None)
                    else:
                        shown[id(folder)][name] = node
        return shown[id(folder)]

    where = {}
    build(disk.root, names, path, dice, where)
    # `place` names its own inode and birth, which here are others.
    for at, node in where.items():
        if os.path.basename(at) == 'place' and bytes(node.now()) == open(at, 'rb').read():
            with open(at, 'w', encoding='ascii') as out:
                out.write(subprocess.run(['stat', '-c', '%i %.9W', at], check=True,
                                         stdout=subprocess.PIPE, text=True).stdout)
    return way


def records(path):
    with open(path, 'rb') as record:
        while head := record.read(HEAD.size):
            size, what, a, b, first, second = HEAD.unpack(head)
            rest = record.read(size - HEAD.size + 4)
            yield (chr(what), a, b, rest[:first].decode(), rest[first:first + second].decode(),
                   rest[first + second:])


# --- the nodes ---------------------------------------------------------------------------------

class Node:
    def __init__(self, work, name):
        self.name, self.dir, self.record = name, f'{work}/{name}', f'{work}/{name}.record'
        self.work, self.daemon, self.acknowledged = work, None, 0
        os.makedirs(self.dir, 0o700, exist_ok=True)
        self.inode = os.stat(self.dir).st_ino
        self.env = {**os.environ, 'LD_PRELOAD': POWERLOG, 'POWERLOG_DIR': self.dir,
                    'POWERLOG_FILE': self.record}

    def hark(self, *args, check=True):
        done = subprocess.run([HARK, '-C', self.dir, *args], capture_output=True, text=True,
                              env=self.env, timeout=PATIENCE, check=False)
        if check and done.returncode != 0:
            raise Failed(f'{self.name}: hark {" ".join(args)[:80]} ended with {done.returncode}: '
                         f'{done.stderr.strip()}')
        return done.stdout.strip()

    def note(self, **what):
        """Into the record: from here on this was acknowledged."""
        data = json.dumps(what).encode()
        head = HEAD.pack(HEAD.size - 4 + len(data), ord('k'), 0, 0, 0, 0)
        with open(self.record, 'ab', buffering=0) as record:
            fcntl.flock(record, fcntl.LOCK_EX)
            record.write(head + data)
        self.acknowledged += 1

    def write(self, *args):
        entry = json.loads(self.hark(*args, '--json'))['id']
        self.note(entry=entry)
        return entry

    def start(self):
        with open(f'{self.work}/{self.name}.log', 'a', encoding='utf-8') as log:
            # pylint: disable-next=consider-using-with
            self.daemon = subprocess.Popen([HARKD, '-d', '-C', self.dir], stderr=log, env=self.env)
        until = time.monotonic() + PATIENCE
        while not os.path.exists(f'{self.dir}/sock'):
            if self.daemon.poll() is not None or time.monotonic() > until:
                raise Failed(f'the daemon of {self.name} did not start')
            time.sleep(0.01)

    def stop(self):
        self.daemon.terminate()
        if self.daemon.wait(PATIENCE) != 0:
            raise Failed(f'the daemon of {self.name} ended with {self.daemon.returncode}')

    def size(self):
        return json.loads(self.hark('status', '--json'))['spaces'][0]['size']


def talk(node, rounds, topic):
    """One person at a node: what is acknowledged is noted."""
    ideas = [topic]
    words = random.Random(f'{SEED} {node.name}')
    for number in range(rounds):
        draw = words.random()
        if draw < 0.3 or len(ideas) < 2:
            ideas.append(node.write('idea', f'{number}: a lamp, from {node.name}', '--re', topic))
        elif draw < 0.6:
            node.write('vote', words.choice(ideas[1:]), words.choice(['agree', 'disagree', 'pass']))
        else:
            node.write('post', f'{number}: {"so " * words.randrange(2000)}', '--re', ideas[-1])
        if number % 10 == 9:
            node.hark('gc', check=False)


def run_nodes(home, partner, member):
    ports = [free_port(), free_port()]
    for node, port, more in ((home, ports[0], ['--objective', 'Which lamp?', '--owner', 'Ada',
                                               '--until', '2030-01-01']),
                             (partner, ports[1], []), (member, None, [])):
        listen = ['--listen', f'tcp://127.0.0.1:{port}'] if port else []
        node.hark('init', node.dir, '--name', node.name, *listen, *more)
        node.note(made=True)
    home.hark('partner', 'add', partner.hark('ticket'))
    partner.hark('partner', 'add', home.hark('ticket'))
    nodes = [home, partner, member]
    try:
        for node in nodes:
            node.start()
        for node in (partner, member):
            ticket = json.loads(home.hark('invite', '--json'))['ticket']
            node.hark('join', ticket, '--name', f'{node.name}-person', '-q')
            node.note(joined=True)
        topic = home.write('topic', 'Lamps')
        for node in (partner, member):
            node.hark('sync', '--wait')
        troubles = []

        def person(node):
            try:
                talk(node, ROUNDS, topic)
            except (Failed, OSError, ValueError, subprocess.SubprocessError) as what:
                troubles.append(f'{node.name}: {what}')

        people = [threading.Thread(target=person, args=(n,)) for n in nodes]
        for p in people:
            p.start()
        for p in people:
            p.join()
        if troubles:
            raise Failed(troubles[0])
        for node in (partner, member):
            node.hark('sync', '--wait')
            node.note(size=node.size())
        for node in nodes:
            node.stop()
        home.write('post', 'With no daemon', '--re', topic)
        home.hark('gc')
        home.hark('reindex')
        home.note(size=home.size())
    finally:
        for node in nodes:
            if node.daemon is not None and node.daemon.poll() is None:
                node.daemon.kill()
                node.daemon.wait()


# --- what must hold -----------------------------------------------------------------------------

def compare(node, disk, folder=None, path=None):
    """The record's last state is the directory's."""
    folder, path = folder or disk.root, path or node.dir
    ours = set(folder.names)
    theirs = {n for n in os.listdir(path) if not n.endswith('-shm')}
    if {n for n in ours if not n.endswith('-shm')} != theirs - {'sock'}:
        raise Failed(f'{path}: the record has {sorted(ours - theirs)} more, '
                     f'{sorted(theirs - ours)} less')
    for name, inner in folder.names.items():
        at = f'{path}/{name}'
        if isinstance(inner, Folder):
            compare(node, disk, inner, at)
        elif inner.mapped:
            if not name.endswith('-shm'):
                raise Failed(f'{at} was written through a mapping')
        elif open(at, 'rb').read() != bytes(inner.now()):
            raise Failed(f'{at} is not what the record says')


def tool(args, what):
    done = subprocess.run(args, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode != 0:
        raise Failed(f'{what} ended with {done.returncode}: {(done.stdout + done.stderr).strip()}')
    return done.stdout


def check(path, name, held, size, joined):
    def hark(*args):
        return tool([HARK, '-C', path, *args], f'hark {args[0]}')

    def fsck():
        for space in os.listdir(f'{path}/spaces'):
            said = tool(['git', '-C', f'{path}/spaces/{space}', 'fsck', '--strict', '--no-progress',
                         '--no-dangling'], 'git fsck')
            if said:
                raise Failed(f'git fsck says {said}')

    if name != 'home' and not joined:
        hark('status')
        return
    hark('verify', '-q')
    fsck()
    rows = [json.loads(l) for l in hark('log', '--in-flight', '--json').splitlines()]
    lost = held - {r['id'] for r in rows}
    if lost:
        raise Failed(f'{len(lost)} of {len(held)} acknowledged entries are lost: {sorted(lost)[:3]}')
    logged = sum(r['position'] is not None for r in rows)
    if logged < size:
        raise Failed(f'{logged} entries in the log, which was known to be at {size}')
    more = json.loads(hark('idea', 'After the loss of power', '--json'))['id']
    hark('gc')
    hark('verify', '-q')
    fsck()
    if more not in {json.loads(l)['id'] for l in hark('log', '--in-flight', '--json').splitlines()}:
        raise Failed('what was written afterwards is lost')


def cases_of(node, count):
    """Moments of a record, after the node was made."""
    kinds = [r[0] for r in records(node.record)]
    first = kinds.index('k') + 1
    # Half of them where little is between a promise and the loss.
    near = [i for i, k in enumerate(kinds) if k == 'k' and i >= first]
    moments = [chance.randrange(first, len(kinds) + 1) if chance.random() < 0.5 else
               min(len(kinds), chance.choice(near) + chance.randrange(0, 30)) for _ in range(count)]
    return collections.Counter(moments), len(kinds)


def lose_power(node, count, work):
    moments, length = cases_of(node, count)
    disk, held, size, joined = Disk(node.inode), set(), 0, False
    for number, record in enumerate(records(node.record), 1):
        if record[0] == 'k':
            what = json.loads(record[5])
            size = max(size, what.get('size', 0))
            joined = joined or 'joined' in what
            held |= {what['entry']} if 'entry' in what else set()
        else:
            disk.take(*record)
        for case in range(moments.get(number, 0)):
            path = f'{work}/shown'
            shutil.rmtree(path, ignore_errors=True)
            dice = random.Random(f'{SEED} {node.name} {number} {case}')
            way = show(disk, path, dice)
            try:
                check(path, node.name, held, size, joined)
            except Failed as what:
                raise Failed(f'{node.name}, after {number} of {length} changes (case {case}, names: '
                             f'{way}): {what}') from what
    compare(node, disk)
    say(f'ok: {node.name}: {count} losses of power over {length} changes, '
        f'{node.acknowledged} acknowledgements')


def main():
    if os.environ.get('HARK_SANITIZE'):
        say("skipped: the sanitizers' runtime wants to be the first library")
        sys.exit(77)
    say(f'HARK_POWER_SEED={SEED}, {CASES} cases')
    work = KEEP or tempfile.mkdtemp(prefix='hark-power.')
    work = os.path.realpath(work)
    try:
        os.makedirs(work, exist_ok=True)
        again = os.path.exists(f'{work}/member.record')
        nodes = [Node(work, name) for name in ('home', 'partner', 'member')]
        if not again:
            run_nodes(*nodes)
        say('recorded' + (' before' if again else ''))
        for number, node in enumerate(nodes):
            lose_power(node, (CASES + 2 - number) // 3, work)
    except Failed as what:
        say(f'FAILED (HARK_POWER_SEED={SEED}): {what}')
        sys.exit(1)
    finally:
        if not KEEP:
            shutil.rmtree(work, ignore_errors=True)


main()
