"""What run.sh runs: makes what is to be measured, measures it beside its yardstick,
prints a row for each. Nothing here judges more than an aim: a figure says something
about the machine that it was taken on, at that moment."""

import collections
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from ports import free_port  # pylint: disable=wrong-import-position

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ['HARK_BUILD_DIR']
SCALE = float(os.environ.get('HARK_BENCH_SCALE', 1))
HARK, HARKD = f'{BUILD}/node/hark', f'{BUILD}/node/harkd'
CORES = os.cpu_count()
AUTHORS = 1000
PATIENCE = 4 * 3600


def scaled(most, at_one):
    """A size: `at_one` times the scale, `most` at most."""
    return int(min(most, max(at_one * SCALE, 200)))


SMALL = scaled(10_000, 10_000)
MIDDLE = scaled(100_000, 100_000)
LARGE = scaled(1_000_000, 100_000)
MILLION = 1_000_000
WORK = None
rows = []


def say(what):
    print(what, file=sys.stderr, flush=True)


def run(*args, **more):
    more.setdefault('timeout', PATIENCE)
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f'{args[0]}: {done.returncode}: {done.stderr.strip()[-500:]}')
    return done.stdout


def values(*args, **more):
    """The `name value` lines that a measuring program prints."""
    return {name: float(value) for name, value in
            (line.split() for line in run(*args, **more).splitlines())}


def bench(name):
    return f'{BUILD}/tests/bench/bench_{name}'


def row(what, ours, yard, ratio, aim, met):
    cells = [what, ours, yard, ratio, aim, {True: 'yes', False: 'NO', None: '-'}[met]]
    rows.append(cells)
    print('| ' + ' | '.join(cells) + ' |', flush=True)


def per_second(count, seconds):
    return f'{count / seconds:,.0f}/s'


class Node:
    """A data directory, and the daemon over it when it runs."""

    def __init__(self, name, founds=False):
        self.name, self.dir = name, f'{WORK}/{name}'
        self.port, self.daemon = free_port(), None
        founding = ('--title', 'What is measured', '--objective', 'How fast?', '--owner', 'Ada',
                    '--until', '2099-12-31') if founds else ()
        run(HARK, 'init', self.dir, '--name', name, *founding, '--listen',
            f'tcp://127.0.0.1:{self.port}')
        with open(f'{self.dir}/hark.yaml') as f:
            text = f.read()
        with open(f'{self.dir}/hark.yaml', 'w') as f:
            f.write(re.sub(r'accept_per_minute: \d+', 'accept_per_minute: 100000', text))

    def hark(self, *args, **more):
        return run(HARK, '-C', self.dir, *args, **more)

    def json(self, *args):
        return json.loads(self.hark(*args, '--json'))

    def start(self, **env):
        """Seconds until it serves."""
        with open(f'{self.dir}.log', 'a') as log:
            began = time.monotonic()
            self.daemon = subprocess.Popen([HARKD, '-d', '-C', self.dir], stderr=log,
                                           env={**os.environ, **env})
        while True:
            with socket.socket(socket.AF_UNIX) as s:
                try:
                    s.connect(f'{self.dir}/sock')
                    return time.monotonic() - began
                except OSError:
                    pass
            if self.daemon.poll() is not None:
                raise RuntimeError(f"{self.name}'s daemon ended, see {self.dir}.log")
            time.sleep(0.001)

    def stop(self):
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(PATIENCE)
            self.daemon = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def cpu(self):
        with open(f'/proc/{self.daemon.pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def memory(self):
        """MiB: anonymous, file-backed."""
        with open(f'/proc/{self.daemon.pid}/status') as f:
            kib = dict(re.findall(r'^(Rss\w+):\s+(\d+) kB', f.read(), re.M))
        return int(kib['RssAnon']) / 1024, int(kib['RssFile']) / 1024

    @property
    def space(self):
        return os.listdir(f'{self.dir}/spaces')[0].removesuffix('.git')

    @property
    def repo(self):
        return f'{self.dir}/spaces/{self.space}.git'

    @property
    def index(self):
        return f'{self.dir}/index/{self.space}.db'

    def size(self):
        """Entries that a reader of the index finds."""
        try:
            db = sqlite3.connect(f'file:{self.index}?mode=ro', uri=True)
            size = db.execute('SELECT max(position) + 1 FROM entry').fetchone()[0]
            db.close()
            return size or 0
        except (sqlite3.Error, OSError, IndexError):
            return 0

    def first(self, kind, count=1):
        """Ids of the first entries of a kind."""
        lines = self.hark('log', '--kind', kind, '--limit', count, '--json').splitlines()
        return [json.loads(line)['id'] for line in lines]


def until(done, seconds=PATIENCE, step=0.02):
    began = time.monotonic()
    while not done():
        if time.monotonic() > began + seconds:
            raise RuntimeError('it took too long')
        time.sleep(step)


homes = {}


def home(entries):
    """A home with about that many entries by a thousand members, no daemon running."""
    if entries not in homes:
        say(f'... a home with {entries:,} entries')
        node = Node(f'home{entries}', founds=True)
        for part in range(-(-entries // MILLION)):  # an import has bounds
            run('python3', f'{HERE}/conversation.py', f'{node.dir}.csv', min(entries, MILLION),
                min(AUTHORS, entries // 5), part)
            node.hark('import', 'polis', f'{node.dir}.csv', '-q')
        homes[entries] = node
    return homes[entries]


partners = {}


def named_partner(node):
    """A partner of that home that has nothing yet."""
    name = f'partner{len(partners)}'
    partner = Node(name)
    partners[name] = partner
    node.hark('partner', 'add', partner.hark('ticket').strip())
    partner.hark('partner', 'add', node.hark('ticket').strip())
    return partner


def yard_verify(count):
    got = values(bench('verify'), count)
    return got['wall'], got['cpu']


# ---- bytes: on the wire, as stored -----------------------------------------------------

Wire = collections.namedtuple('Wire', 'bytes segments')


def wire(*nodes):
    """What went over the connections that these nodes accepted, both ways, in all."""
    total = [0, 0]
    for node in nodes:
        said = run('ss', '-tinHO', 'state', 'established', f'sport = :{node.port}')
        for name, place in (('bytes_sent', 0), ('bytes_received', 0), ('data_segs_out', 1),
                            ('data_segs_in', 1)):
            total[place] += sum(int(n) for n in re.findall(rf'\b{name}:(\d+)', said))
    return Wire(*total)


def stored(node):
    """Bytes of the entries and payloads alone: as in the packs; deflated one by one."""
    git = ('git', '-c', 'safe.directory=*', '-C', node.repo)
    batches = set(run(*git, 'rev-list', '--first-parent', 'main').split())
    wanted = [c for c in run(*git, 'rev-list', 'main').split() if c not in batches]
    wanted += [line.split()[2] for line in
               run(*git, 'ls-tree', '-r', 'refs/heads/payloads/main').splitlines()]
    on_disk = sum(int(n) for n in
                  run(*git, 'cat-file', '--batch-check=%(objectsize:disk)',
                      input='\n'.join(wanted) + '\n').split())
    with open(f'{WORK}/wanted', 'w') as f:
        f.write('\n'.join(wanted) + '\n')
    deflated = 0
    with open(f'{WORK}/wanted') as ids, subprocess.Popen(
            [*git, 'cat-file', '--batch', '--buffer'], stdin=ids, stdout=subprocess.PIPE) as process:
        for header in process.stdout:
            deflated += len(zlib.compress(process.stdout.read(int(header.split()[2]))))
            process.stdout.read(1)
    return on_disk, deflated


def tree_size(path):
    return sum(os.lstat(os.path.join(d, f)).st_size for d, _, files in os.walk(path)
               for f in files)


# ---- the rows --------------------------------------------------------------------------

def row_ack():
    """one entry acknowledged as durable, alone and under load"""
    # Before the rows that delete much: an ext4 without a journal looks, for each new
    # file, at all inodes that were deleted in the last minutes.
    node = home(SMALL)
    with node:
        topic = node.first('topic')[0]
        used = node.cpu()
        alone = values(bench('write'), node.dir, topic, 500)
        used = (node.cpu() - used) / 500
        others = [subprocess.Popen([bench('write'), node.dir, topic, '1000000'],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                  for _ in range(3)]
        loaded = values(bench('write'), node.dir, topic, 500)
        for other in others:
            other.kill()
            other.wait()
    for name, got in (('alone', alone), ('three others write all the time', loaded)):
        for part in ('p50', 'p99'):
            ratio = got[f'ack_{part}'] / got[f'append_{part}']
            cpu = f' (CPU {1e3 * used:.2f} ms an entry)' if got is alone else ''
            row(f'an entry acknowledged as durable, {part}, {name}',
                f"{got[f'ack_{part}']:.2f} ms{cpu}",
                f"4 KiB appended and fdatasync: {got[f'append_{part}']:.2f} ms "
                f"(in place: {got[f'place_{part}']:.2f} ms)", f'{ratio:.1f} x',
                '<= 15 x' if part == 'p50' else '-', ratio <= 15 if part == 'p50' else None)


RUNS = 3  # where a machine's own noise is larger than what is left to an aim


def middle(runs):
    """Of several runs that begin with their ratio: the middle one; and how they spread."""
    runs = sorted(runs)
    return runs[len(runs) // 2], f'{runs[0][0]:.2f} to {runs[-1][0]:.2f} in {len(runs)} runs'


def ingest(stream):
    directory = tempfile.mkdtemp(prefix='ingest.', dir=WORK)
    said = run(bench('ingest'), directory, MIDDLE, env={**os.environ, 'BENCH_STREAM': stream})
    say(said.rstrip())
    shutil.rmtree(directory)
    count, wall, ratio, cpu = re.search(
        r'^ingest: (\d+) entries in ([\d.]+) s.*\n'
        r'  of the speed of verifying alone: ([\d.]+) \(by CPU ([\d.]+)\)', said, re.M).groups()
    return float(ratio), float(wall), float(cpu), int(count)


def row_ingest():
    """entries taken in from a peer: verified, durable, indexed"""
    stream, git = f'{WORK}/stream', f'{WORK}/import.git'
    (ratio, wall, cpu, count), spread = middle([ingest(stream) for _ in range(RUNS)])
    row(f'{count:,} entries taken in: verified, durable, indexed',
        f'{wall:.1f} s, {per_second(count, wall)}', f'verify alone: {wall * ratio:.1f} s',
        f'{ratio:.2f} ({spread}; CPU {cpu:.2f})', '>= 0.45', ratio >= 0.45)
    run('git', 'init', '-q', '--bare', git)
    with open(stream, 'rb') as f:
        began = time.monotonic()
        subprocess.run(['git', '-C', git, 'fast-import', '--quiet'], stdin=f, check=True)
        imported = time.monotonic() - began
    row('the same', f'{wall:.1f} s', f'git fast-import of the same objects: {imported:.1f} s',
        f'{imported / wall:.2f}', '>= 0.75', imported >= 0.75 * wall)


def catch_up(node):
    """A new partner: ratio, seconds, seconds and CPU of the yardstick, CPU of both ends,
    bytes, entries."""
    partner = named_partner(node)
    entries = node.json('status')['spaces'][0]['size']
    yard = [yard_verify(entries // 2)]
    with node:
        before, used = wire(node, partner), node.cpu()
        began = time.monotonic()
        with partner:
            until(lambda: partner.size() >= entries)
            took = time.monotonic() - began
            used = node.cpu() - used, partner.cpu()
            moved = wire(node, partner).bytes - before.bytes
    yard.append(yard_verify(entries - entries // 2))
    wall, cpu = (sum(part) for part in zip(*yard))
    return wall / took, took, wall, cpu, used, moved, entries


def row_catchup():
    """an empty partner catches up; bytes on the wire"""
    node = home(MIDDLE)
    (ratio, took, wall, cpu, used, moved, entries), spread = middle(
        [catch_up(node) for _ in range(RUNS)])
    row(f'an empty partner catches up {entries:,} entries over CURVE, {CORES} cores for both',
        f'{took:.1f} s, {per_second(entries, took)} (CPU {used[0]:.1f} s and {used[1]:.1f} s)',
        f'verify alone: {wall:.1f} s, {per_second(entries, wall)} (CPU {cpu:.1f} s)',
        f'{ratio:.2f} ({spread}; CPU {cpu / sum(used):.2f})', '>= 0.35', ratio >= 0.35)
    on_disk, _ = stored(node)
    row('bytes on the wire for that', f'{moved:,}', f'entries and payloads as stored: {on_disk:,}',
        f'{moved / on_disk:.2f} x', '<= 0.7 x', moved <= 0.7 * on_disk)


def quiet(node, seconds=25):
    """Bytes and TCP segments of the syncs that the daemons make by themselves every few
    seconds: the most of what came in two segments, so that a heartbeat is not taken for
    one."""
    most, last = Wire(0, 0), wire(node)
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        time.sleep(0.2)
        now = wire(node)
        got = Wire(now.bytes - last.bytes, now.segments - last.segments)
        if got.segments == 2:
            most = max(most, got)
        last = now
    return most


def row_quiet():
    """a sync when nothing is new"""
    for entries in sorted({SMALL, LARGE}):
        node = home(entries)
        partner = named_partner(node)
        size = node.json('status')['spaces'][0]['size']
        with node, partner:
            until(lambda: partner.size() >= size)
            partner.hark('sync', '--wait')
            time.sleep(12)
            got = quiet(node)
        row(f'a sync when nothing is new, {size:,} entries, 1 space',
            f'{got.bytes} bytes in {got.segments} TCP segments, CURVE included', '-', '-',
            'one round trip, < 1,024 bytes', 0 < got.bytes < 1024)
    for spaces in (1, 2000):
        got = values(bench('quiet'), spaces)
        row(f'the same, {spaces:,} spaces, messages alone',
            f"{got['bytes']:.0f} bytes in {got['messages']:.0f} messages", '-', '-',
            'one round trip, < 1,024 bytes', got['bytes'] < 1024 and got['messages'] <= 2)


def row_seen():
    """from a write on one node to readable on another"""
    node = home(SMALL)
    partner = named_partner(node)
    with node, partner:
        size = node.json('status')['spaces'][0]['size']
        until(lambda: partner.size() >= size)
        partner.hark('sync', '--wait')
        topic = node.first('topic')[0]
        got = values(bench('write'), node.dir, topic, 500, partner.index, partner.space)
    for part in ('p50', 'p99'):
        ratio = got[f'seen_{part}'] / got[f'ack_{part}']
        row(f'from a write on one node to readable on another, {part}',
            f"{got[f'seen_{part}']:.2f} ms",
            f"one acknowledged entry on one node: {got[f'ack_{part}']:.2f} ms", f'{ratio:.1f} x',
            '<= 3 x', ratio <= 3)


def row_tally():
    """a tally of one idea by 20 cohort values"""
    voters = scaled(1_000_000, 1_000_000)
    os.mkdir(f'{WORK}/tally')
    got = values(bench('tally'), f'{WORK}/tally', voters)
    for yard, name, aim in (('joined', 'SQLite, join and GROUP BY', 200),
                            ('covering', 'SQLite, covering index', 20)):
        ratio = got[yard] / got['ours']
        row(f'a tally of one idea, {voters:,} voters, 20 cohort values',
            f"{got['ours']:.2f} ms (in a process that opens the index for it: "
            f"{got['fresh']:.1f} ms)", f'{name}: {got[yard]:.0f} ms', f'{ratio:.0f} x faster',
            f'>= {aim} x', ratio >= aim)


def row_overlap():
    """who is in both of two groups"""
    members = scaled(1_000_000, 1_000_000)
    os.mkdir(f'{WORK}/overlap')
    got = values(bench('overlap'), f'{WORK}/overlap', members)
    for yard, name in (('join', 'SQLite, JOIN'), ('intersect', 'SQLite, INTERSECT')):
        row(f"the overlap ({got['members']:,.0f}) of two groups of {members:,}",
            f"{got['both']:.2f} ms (bitmaps alone; counted only: {got['count']:.2f} ms)",
            f'{name}: {got[yard]:.0f} ms', f"{got[yard] / got['both']:.0f} x faster", '-', None)


def row_vote():
    """a vote arriving when there are many"""
    few, many = home(scaled(50_000, 10_000)), home(scaled(5_000_000, 100_000))
    counts, times = {}, {few: [], many: []}
    with few, many:
        for node in (few, many):
            counts[node] = node.json('status')['spaces'][0]['size']
            with open(f'{node.dir}.ideas', 'w') as f:
                f.write('\n'.join(node.first('idea', 600)) + '\n')
        for turn in range(6):
            for node in (few, many):
                with open(f'{node.dir}.ideas') as f:
                    some = f.read().splitlines()
                some = some[turn * len(some) // 6:(turn + 1) * len(some) // 6]
                with open(f'{node.dir}.some', 'w') as f:
                    f.write('\n'.join(some) + '\n')
                got = values(bench('write'), node.dir, f'@{node.dir}.some', len(some))
                times[node].append(got['ack_p50'])
    low, high = (statistics.median(times[node]) for node in (few, many))
    row(f'a vote arriving when {counts[many]:,} entries, most of them votes, are there',
        f'{high:.2f} ms (p50)', f'when {counts[few]:,} are there: {low:.2f} ms',
        f'{high / low:.2f} x', '<= 1.2 x', high <= 1.2 * low)


def row_start():
    """start to serving"""
    took = {}
    for entries in (SMALL, LARGE):
        node = home(entries)
        times = []
        for _ in range(5):
            times.append(node.start())
            node.stop()
        took[entries] = statistics.median(times)
    ratio = took[LARGE] / took[SMALL]
    row(f'start to serving, {LARGE:,} entries', f'{1e3 * took[LARGE]:.0f} ms',
        f'{SMALL:,} entries: {1e3 * took[SMALL]:.0f} ms', f'{ratio:.2f} x', '<= 2 x', ratio <= 2)


def row_memory():
    """memory of a daemon that is used"""
    node = home(LARGE)
    with node:
        idea = node.first('idea')[0]
        topic = node.first('topic')[0]
        node.hark('tally', idea)
        node.hark('search', 'bench')
        run(bench('write'), node.dir, topic, 200)
        anonymous, backed = node.memory()
    row(f'memory at {LARGE:,} entries (after reads, a search, 200 posts)',
        f'{anonymous:.0f} MiB anonymous and {backed:.0f} MiB file-backed', '-', '-', '< 256 MiB',
        anonymous + backed < 256)


def row_disk():
    """disk an entry"""
    node = home(LARGE)
    node.hark('gc')
    size = node.json('status')['spaces'][0]['size']
    _, deflated = stored(node)
    log = tree_size(node.repo)
    index = tree_size(f'{node.dir}/index')
    row('disk an entry, batches of up to 1,000, log alone', f'{log / size:,.0f} bytes',
        f'deflated commits and payloads: {deflated / size:,.0f} bytes', f'{log / deflated:.2f} x',
        '<= 1.3 x', log <= 1.3 * deflated)
    row('disk an entry, index alone', f'{index / size:,.0f} bytes', '-', '-', 'say', None)


def row_written():
    """bytes written for posts that arrive one at a time"""
    count = scaled(10_000, 10_000)
    node = Node('written', founds=True)
    topic = node.json('topic', 'What is said one at a time')['id']
    counts = f'{WORK}/counts'
    before, base = tree_size(node.repo), stored(node)[0]
    node.start(LD_PRELOAD=f'{BUILD}/tests/bench/libbench_count_writes.so',
               HARK_BENCH_COUNTS=counts)
    run(bench('write'), node.dir, topic, count)
    time.sleep(3)
    with open(counts, 'rb') as f:
        log, index, other = (int.from_bytes(f.read(8), sys.byteorder) for _ in range(3))
    node.stop()
    there = tree_size(node.repo) - before
    bare = stored(node)[0] - base
    row(f'bytes written for {count:,} posts one at a time, merging included, log alone',
        f'{log:,} (index: {index:,})', f'bytes stored: {there:,} (entries and payloads: {bare:,})',
        f'{log / there:.1f} x', '<= 12 x', log <= 12 * there)


def row_receipt():
    """a receipt made and checked; a cosignature"""
    node = home(LARGE)
    size = node.json('status')['spaces'][0]['size']
    os.mkdir(f'{WORK}/prove')
    got = values(bench('prove'), node.dir, 2000, f'{WORK}/prove')
    row(f'a receipt of one of {size:,} entries made', f"{got['make']:.0f} us",
        f"the hashes of its path: {got['hashes']:.1f} us", f"{got['make'] / got['hashes']:.0f} x",
        'say', None)
    bare = got['hashes'] + got['verify']
    row('the same receipt checked', f"{got['check']:.0f} us",
        f"its hashes and one signature: {bare:.0f} us", f"{got['check'] / bare:.2f} x", 'say', None)
    row('a cosignature, signed and durable', f"{got['cosign'] / 1e3:.2f} ms",
        f"4 KiB appended and fdatasync: {got['append'] / 1e3:.2f} ms",
        f"{got['cosign'] / got['append']:.1f} x", 'say', None)
    share_of_batch(got)
    node = Node('single', founds=True)
    topic = node.json('topic', 'What is said one at a time')['id']
    with node:
        run(bench('write'), node.dir, topic, 300)
    os.mkdir(f'{WORK}/prove-single')
    share_of_batch(values(bench('prove'), node.dir, 100, f'{WORK}/prove-single'))


def share_of_batch(got):
    """What of a partner's time for a batch goes into cosigning it."""
    row(f"a cosignature of each batch of {got['entries']:.0f}, at a partner",
        f"{got['cosign'] / 1e3:.2f} ms", f"the batch taken: {got['take'] / 1e3:.2f} ms",
        f"{got['cosign'] / (got['cosign'] + got['take']):.1%} of both", 'say', None)


def row_sealed():
    """entries sealed and opened; a fresh key for every member"""
    for content, count, members in ((300, 20_000, 10), (4_000, 20_000, 200), (65_404, 1_000, 5_000)):
        got = values(bench('sealed'), content, count, members)
        for what, bare in (('seal', 'encrypt'), ('open', 'decrypt')):
            row(f"{what} an entry of {content:,} bytes ({got['envelope_bytes']:,.0f} sealed)",
                f'{got[what]:.2f} us', f'XChaCha20-Poly1305 of the same: {got[bare]:.2f} us',
                f'{got[what] / got[bare]:.2f} x', 'say', None)
        row(f"a fresh key for {members:,} members ({got['box_bytes']:,.0f} bytes of boxes, "
            f"{-(-members // 448)} entries)", f"{got['boxes']:.1f} ms",
            f"crypto_box_seal as often: {got['bare']:.1f} ms", f"{got['boxes'] / got['bare']:.2f} x",
            'say', None)
        row('the same compared by a member', f"{got['check']:.1f} ms",
            f"crypto_box_seal as often: {got['bare']:.1f} ms", f"{got['check'] / got['bare']:.2f} x",
            'say', None)
        rows_joining(members)


def rows_joining(members):
    got = values(bench('joining'), members, 5 if members > 1_000 else 50)
    for verb, what, sealed in (('join', f'one joins {members:,} members', 1),
                               ('leave', f'one leaves {members:,} members', members)):
        for side, who in (('make', 'the steward'), ('check', 'a member')):
            ours, bare = got[f'{verb}_{side}'], got[f'{verb}_bare']
            row(f'{what}: {who}', f'{ours:.2f} ms', f'crypto_box_seal for {sealed:,}: {bare:.2f} ms',
                f'{ours / bare:.2f} x', 'say', None)
        size = got[f'{verb}_bytes']
        row(f"{what}: entries and payloads ({got[f'{verb}_entries']:.0f})", f'{size:,.0f} bytes',
            f'crypto_box_seal for {sealed:,}: {80 * sealed:,} bytes',
            f'{size / (80 * sealed):.2f} x', 'say', None)


def open_databases(databases):
    """Seconds and MiB for a process that opens as many SQLite databases and reads from each."""
    code = ('import sqlite3, sys, time\n'
            'def rss(): return int(open("/proc/self/statm").read().split()[1]) * 4 / 1024\n'
            'before, began = rss(), time.monotonic()\n'
            'kept = [sqlite3.connect(p) for p in sys.stdin.read().split("\\n")]\n'
            'for c in kept: c.execute("select count(*) from sqlite_master").fetchone()\n'
            'print(time.monotonic() - began, rss() - before)\n')
    done = subprocess.run([sys.executable, '-c', code], input='\n'.join(databases), text=True,
                          check=True, capture_output=True)
    return tuple(float(x) for x in done.stdout.split())


def row_groups():
    """a node in many groups that it founded: memory, start, a quiet time, its status"""
    count, quiet_s = max(2, round(200 * SCALE)), 10
    node = Node('groups')
    for i in range(count):
        node.hark('group', 'new', f'Group {i}', '--purpose', 'To be measured', '--name', 'Grey')
    with node:
        node.hark('status')  # the first answer comes when all are open
        started, (anonymous, mapped) = node.cpu(), node.memory()
        time.sleep(quiet_s)
        idle = node.cpu() - started
        began = time.monotonic()
        node.hark('status')
        status = time.monotonic() - began
    databases = [f'{node.dir}/index/{name}' for name in sorted(os.listdir(f'{node.dir}/index'))
                 if name.endswith('.db')]
    bare_s, bare_mib = open_databases(databases)
    bare = f'{len(databases):,} SQLite databases opened'
    row(f'memory in {count:,} groups, after the start',
        f'{anonymous:.0f} MiB, and {mapped:.0f} of files', f'{bare}: {bare_mib:.1f} MiB',
        f'{(anonymous + mapped) / bare_mib:.1f} x', 'say', None)
    row(f'start in {count:,} groups, and a first status', f'{started:.2f} s of CPU',
        f'{bare}: {bare_s:.2f} s', f'{started / bare_s:.1f} x', 'say', None)
    row(f'{quiet_s} quiet seconds in {count:,} groups', f'{idle:.2f} s of CPU',
        f'one core: {quiet_s} s', f'{idle / quiet_s:.1%}', 'say', None)
    row(f'`hark status` of {count:,} groups', f'{status:.2f} s', f'{bare}: {bare_s:.2f} s',
        f'{status / bare_s:.1f} x', 'say', None)


COSIGNERS = 5


def cosigned(node):
    """How many entries each of the cosigners has signed, as the node has heard, largest first."""
    folder = f'{node.dir}/cosigned/{node.space}'
    sizes = []
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if not name.endswith('.new'):
            try:
                with open(f'{folder}/{name}') as f:
                    sizes.append(int(f.read().split('\n')[1]))
            except OSError:  # just replaced
                pass
    return sorted(sizes, reverse=True)


def round_trip():
    """Milliseconds from one process to another and back over loopback TCP, median."""
    listener = socket.create_server(('127.0.0.1', 0))
    child = os.fork()
    if child == 0:
        peer, _ = listener.accept()
        while data := peer.recv(64):
            peer.sendall(data)
        os._exit(0)
    took = []
    with socket.create_connection(listener.getsockname()) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(500):
            began = time.monotonic()
            s.sendall(b'x' * 64)
            s.recv(64)
            took.append(time.monotonic() - began)
    os.waitpid(child, 0)
    return 1e3 * sorted(took)[len(took) // 2]


def row_settled():
    """from acknowledged to settled, five partners"""
    node = Node('settled', founds=True)
    homes['settled'] = node
    nodes = [named_partner(node) for _ in range(COSIGNERS)]
    needed = COSIGNERS // 2 + 1
    node.hark('policy', 'set', '-', input=f'quorum: {needed}\n')
    topic = node.hark('topic', 'What is measured', '-q').strip()
    took = []
    with contextlib.ExitStack() as all_of_them:
        for one in (node, *nodes):
            all_of_them.enter_context(one)
        size = node.json('status')['spaces'][0]['size']
        until(lambda: len(cosigned(node)) == COSIGNERS and cosigned(node)[-1] >= size)
        for i in range(100):
            node.hark('post', f'number {i}', '--re', topic, '-q')
            began = time.monotonic()
            size += 1
            until(lambda: cosigned(node)[needed - 1] >= size, step=0.0005)
            took.append(time.monotonic() - began)
            time.sleep(0.05)
    median, trip = 1e3 * sorted(took)[len(took) // 2], round_trip()
    row(f'from acknowledged at the home to cosigned by {needed} of {COSIGNERS}, p50',
        f'{median:.1f} ms', f'one round trip: {trip:.3f} ms', f'{median / trip:.0f} x', 'say', None)


def row_audit():
    """hark audit"""
    node = home(LARGE)
    said = run(bench('audit'), node.repo, CORES)
    say(said.rstrip())
    slower, cpu = map(float, re.search(r'ratio: ([\d.]+) \(CPU ([\d.]+)\)', said).groups())
    ours = re.search(r'entries in ([\d.]+ s)', said)[1]
    yard = re.search(r'alone: ([\d.]+ s)', said)[1]
    row(f'audit of {LARGE:,} entries, {CORES} cores', ours, f'verify alone: {yard}',
        f'{1 / slower:.2f} (CPU {1 / cpu:.2f})', '>= 0.6', 1 / slower >= 0.6)


def row_reindex():
    """reindex"""
    node = home(LARGE)
    size = node.json('status')['spaces'][0]['size']
    began = time.monotonic()
    node.hark('reindex')
    took = time.monotonic() - began
    wall, _ = yard_verify(size)
    row(f'reindex of {size:,} entries', f'{took:.1f} s, {per_second(size, took)}',
        f'verify alone: {wall:.1f} s', f'{wall / took:.2f}', 'say', None)


ROWS = {name.removeprefix('row_'): f for name, f in list(globals().items())
        if name.startswith('row_')}


def main():
    global WORK
    wanted = sys.argv[1:] or list(ROWS)
    if any(name not in ROWS for name in wanted):
        for name, f in ROWS.items():
            print(f'{name:10} {f.__doc__}')
        return 2
    with tempfile.TemporaryDirectory(prefix='hark-bench.',
                                     dir=os.environ.get('HARK_BENCH_DIR')) as WORK:
        began = time.monotonic()
        print(f'scale {SCALE:g}: {SMALL:,}, {MIDDLE:,} and {LARGE:,} entries; {CORES} cores; '
              f"load {os.getloadavg()[0]:.1f}; {time.strftime('%Y-%m-%d %H:%M')}\n")
        print('| what | ours | yardstick | ratio | aim | met |\n|---|---|---|---|---|---|')
        for name in wanted:
            say(f'... {name}')
            try:
                ROWS[name]()
            except Exception as error:  # the other rows say something all the same
                row(ROWS[name].__doc__, f'failed: {error}'.replace('\n', ' '), '-', '-', '-', False)
            finally:
                for node in [*homes.values(), *partners.values()]:
                    node.stop()
        print(f'\n{time.monotonic() - began:.0f} s; load {os.getloadavg()[0]:.1f} at the end')
    return 0


sys.exit(main())
