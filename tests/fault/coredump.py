#!/usr/bin/env python3
"""What a core dump would hold: each verb is stopped just before it ends (laststop.c), a
daemon in the middle of its work, and all memory that a core would hold is searched for
every secret there is: seeds, Ed25519 seeds and expanded keys, X25519 secrets, passphrases,
as bytes, as hex, as base64. What it protects:

  - a verb that has ended leaves nothing of them behind: not in the heap, not in what its
    functions have left on a stack, not in a stream's buffer;
  - nor of the words of a private group that it has decrypted, searched or printed;
  - a daemon holds the keys that it uses in memory that no core gets (MADV_DONTDUMP), and
    nothing of the others;
  - except what libzmq copies for CURVE where the network runs.

That the search finds what is there is shown first: by a secret that is planted, and by
the keys of a daemon in the pages that are kept out of a core.

  coredump.py           every verb; daemons; a node with a passphrase, of which HARK_LONG=1
                        tries more
  coredump.py NAME...   only these (see --list)

HARK, HARKD, LASTSTOP: the programs and the library (FAILING: nth.py's, whose verbs these are)."""
import base64
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import nth
from nth import HARK, Bad, environment

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from ports import free_port  # pylint: disable=wrong-import-position

HARKD = os.environ['HARKD']
LASTSTOP = os.environ['LASTSTOP']
PATIENCE = 60 * int(os.environ.get('HARK_PATIENCE', '1'))
PAGE = os.sysconf('SC_PAGESIZE')
PIECE = 12  # bytes that are enough to know a secret by


# --- secrets -----------------------------------------------------------------------------


def derive(parent, label, context=b''):
    """PROTOCOL.md 2.3."""
    return hashlib.blake2b(b'hark/1 ' + label.encode() + b'\0' + context, key=parent, digest_size=32).digest()


def is_key_file(path):
    """Without a passphrase."""
    with open(path, 'rb') as f:
        return f.readline() == b'-----BEGIN OPENSSH PRIVATE KEY-----\n'


def seed_of(path):
    """Of a key file without a passphrase."""
    if not is_key_file(path):
        return None
    with open(path, encoding='ascii') as f:
        lines = f.read().splitlines()
    blob = base64.b64decode(''.join(lines[1:-1]))
    at = blob.rindex(b'\0\0\0\x0bssh-ed25519') + 15
    at += 4 + struct.unpack('>I', blob[at:at + 4])[0] + 4
    return blob[at:at + 32]


def signing(name, seed):
    expanded = hashlib.sha512(seed).digest()
    scalar = bytes([expanded[0] & 248]) + expanded[1:31] + bytes([expanded[31] & 63 | 64])
    return {name: seed, name + ' expanded': scalar, name + ' prefix': expanded[32:]}


def pair(name, seed):
    return {name: seed, **signing(name + ' sign', derive(seed, 'sign')), name + ' box': derive(seed, 'box')}


def secrets_of(node):
    """Everything that the key files of a node's directory lead to, by name."""
    found = {}
    spaces = [bytes.fromhex(name[:64]) for name in os.listdir(f'{node}/spaces') if name.endswith('.git')]
    device = seed_of(f'{node}/keys/device')
    if device:
        own = derive(device, 'node')
        found.update(signing('device', device))
        found['node'] = own
        for label in ('log', 'cosigner', 'author', 'witness'):
            found.update(signing(label, derive(own, label)))
        found['box'], found['curve'] = derive(own, 'box'), derive(own, 'curve')
        for name in os.listdir(f'{node}/steward'):
            with open(f'{node}/steward/{name}', encoding='ascii') as f:
                found.update(pair('steward', derive(device, 'steward', bytes.fromhex(f.read()))))
    for label in os.listdir(f'{node}/keys/people'):
        person = seed_of(f'{node}/keys/people/{label}')
        if person:
            found.update(signing(label, person))
            for i, space in enumerate(spaces):
                found.update(pair(f'{label} in {i}', derive(person, 'member', space + bytes(4))))
                again = derive(person, 'member', space + (1).to_bytes(4, 'big'))
                found.update(pair(f'{label} in {i} after a rekey', again))
    return found


def secrets_below(folder):
    """The same of every node in a folder, and key files that lie about there."""
    found = {}
    for top, _, files in os.walk(folder):
        if 'version' in files:
            found.update(secrets_of(top))
        elif os.path.basename(top) not in ('keys', 'people', 'spaces', 'index', 'objects'):
            for name in files:
                if is_key_file(f'{top}/{name}'):
                    found.update(signing(name, seed_of(f'{top}/{name}')))
    return found


def pieces(secret):
    """Parts of what a secret can look like, without bytes that end grep's lines."""
    forms = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for shift in range(3):
        digits = base64.b64encode(bytes(shift) + secret)
        forms.append(digits[4:len(secret) * 4 // 3 - 4])
        forms.append(base64.urlsafe_b64encode(bytes(shift) + secret)[4:len(secret) * 4 // 3 - 4])
    found = set()
    for form in forms:
        windows = [form[i:i + PIECE] for i in range(len(form) - PIECE + 1)]
        good = [w for w in windows if b'\n' not in w and b'\0' not in w]
        found.update(good[:1] + good[-1:])
    return found


class Wanted:
    """What is searched for."""

    def __init__(self, secrets):
        self.names = {}
        for name, secret in secrets.items():
            for piece in pieces(secret):
                self.names.setdefault(piece, name)

    def found_in(self, memory, folder):
        """Names of the secrets that stand in those bytes."""
        with open(f'{folder}/patterns', 'wb') as f:
            f.write(b'\n'.join(sorted(self.names)) + b'\n')
        done = subprocess.run(['grep', '-a', '-o', '-F', '-f', f'{folder}/patterns'], input=memory,
                              capture_output=True, env={'LC_ALL': 'C', 'PATH': os.environ['PATH']}, check=False)
        if done.returncode > 1:
            sys.exit(f'grep: {done.stderr.decode()}')
        return sorted({self.names[line] for line in done.stdout.split(b'\n') if line})


# --- a process's memory --------------------------------------------------------------------


def mappings(pid):
    """(start, end, whether a core leaves it out, name) of what can be read and written."""
    found = []
    with open(f'/proc/{pid}/smaps', encoding='utf-8', errors='replace') as f:
        for line in f:
            head = re.match(r'([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \S+\s*(.*)', line)
            if head:
                span = int(head[1], 16), int(head[2], 16)
                named, allowed = head[4], head[3]
            elif line.startswith('VmFlags:') and allowed[0] == 'r' and not named.startswith('[v'):
                # What is only read from files that stand on the disk is no place for secrets.
                if allowed[1] == 'w' or not named.startswith('/'):
                    found.append((*span, 'dd' in line.split(), named))
    return found


def present(pid, start, end):
    """Those parts of a mapping that were ever touched, as (start, end)."""
    with open(f'/proc/{pid}/pagemap', 'rb', buffering=0) as f:
        f.seek(start // PAGE * 8)
        entries = f.read((end - start) // PAGE * 8)
    begin = None
    for i in range(len(entries) // 8 + 1):
        here = i < len(entries) // 8 and entries[i * 8 + 7] & 0xc0  # in memory, or swapped out
        if here and begin is None:
            begin = start + i * PAGE
        elif not here and begin is not None:
            yield begin, start + i * PAGE
            begin = None


def memory_of(pid, hidden):
    """What a core would hold; or, hidden, what it would leave out."""
    parts = []
    with open(f'/proc/{pid}/mem', 'rb', buffering=0) as mem:
        for start, end, left_out, _ in mappings(pid):
            if left_out != hidden:
                continue
            for begin, until in present(pid, start, end):
                mem.seek(begin)
                parts.append(mem.read(until - begin))
    return b'\n'.join(parts)


def where(pid, piece):
    """For who mends what was found: in which mappings it is."""
    found = []
    with open(f'/proc/{pid}/mem', 'rb', buffering=0) as mem:
        for start, end, left_out, name in mappings(pid):
            for begin, until in () if left_out else present(pid, start, end):
                mem.seek(begin)
                part = mem.read(until - begin)
                at = part.find(piece)
                while at >= 0:
                    found.append(f'{name or "anonymous"} {begin + at:#x} (+{begin + at - start:#x})')
                    at = part.find(piece, at + 1)
    return found


def search(pid, secrets, folder):
    wanted = Wanted(secrets)
    found = wanted.found_in(memory_of(pid, False), folder)
    if found and os.environ.get('COREDUMP_WHERE'):
        for piece, name in wanted.names.items():
            for place in where(pid, piece) if name in found else ():
                print(f'  {name}: {piece!r} at {place}')
    return found


# --- a program that is stopped before it ends ----------------------------------------------


class Stopped:
    """hark, run until it is about to end."""

    def __init__(self, args, folder, stdin=b'', plant=None):
        env = environment()
        env.update(LD_PRELOAD=LASTSTOP, LASTSTOP_PROGRAM='hark')
        if plant is not None:
            env['LASTSTOP_PLANT'] = plant
        with open(f'{folder}/stdin', 'wb') as f:
            f.write(stdin)
        with open(f'{folder}/stdin', 'rb') as given, open(f'{folder}/said', 'wb') as said:
            self.process = subprocess.Popen([HARK, *args], env=env, cwd=folder, stdin=given, stdout=said,
                                            stderr=said)
        self.said = f'{folder}/said'
        self.pid = self.process.pid
        self.wait(args)

    def wait(self, args):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                return
            if pid:
                raise Bad(f'hark {" ".join(args)} ended before it was stopped: {status}: {self.words()}')
            time.sleep(0.005)
        self.process.kill()
        raise Bad(f'hark {" ".join(args)} did not end: {self.words()}')

    def words(self):
        with open(self.said, encoding='utf-8', errors='replace') as f:
            return f.read()

    def end(self):
        """Its exit code."""
        os.kill(self.pid, signal.SIGCONT)
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def check(found):
    if found:
        raise Bad(f'a core would hold: {", ".join(found)}')


# --- cases -----------------------------------------------------------------------------------


made = {}


def groups(work):
    """A node with a private group, made when it is first asked for."""
    if work not in made:
        os.mkdir(f'{work}/group')
        made[work] = nth.Group(f'{work}/group')
    return made[work]


# What was said inside the group, all or part of which every verb there reads or searches.
WORDS = {word: word.encode() for word in ('Lamps that last ten years', 'Mine broke after a single winter')}

# Debian's package of PyNaCl is that of Debian's Python.
OPEN_BOXES = """
import json, sys
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox
for secret, box in json.load(sys.stdin):
    try:
        print(SealedBox(PrivateKey(bytes.fromhex(secret))).decrypt(bytes.fromhex(box)).hex())
    except CryptoError:
        pass
"""


def epoch_keys(node):
    """What the boxes for those who joined open to (PROTOCOL.md 10.2)."""
    space = next(bytes.fromhex(name[:64]) for name in os.listdir(f'{node}/spaces') if name.endswith('.git'))
    said = nth.run([HARK, '-C', node, 'log', '--kind', 'admit', '--json'], environment()).out
    boxes = [base64.b64decode(json.loads(line)['payload']['group_key']['box']) for line in said.splitlines()]
    pairs = []
    for label in os.listdir(f'{node}/keys/people'):
        person = derive(seed_of(f'{node}/keys/people/{label}'), 'member', space + bytes(4))
        pairs += [(derive(person, 'box').hex(), box.hex()) for box in boxes]
    done = subprocess.run(['/usr/bin/python3', '-c', OPEN_BOXES], input=json.dumps(pairs), text=True,
                          capture_output=True, check=False)
    keys = [bytes.fromhex(line) for line in done.stdout.splitlines()]
    if len(keys) != len(boxes):
        raise Bad(f'{len(keys)} of {len(boxes)} boxes open: {done.stderr}')
    return {f'epoch {i}': key for i, key in enumerate(keys)}


def verb_case(world, verb, folder):
    """A verb over a copy of the node, or of one that has a private group."""
    if verb.world is not nth.World:
        world = groups(os.path.dirname(world.folder))
    ground = nth.Ground(world, folder)
    secrets = secrets_of(ground.node)
    if verb.world is not nth.World:
        secrets.update(epoch_keys(ground.node))
        secrets.update(WORDS)
    with Stopped(['-C', ground.node, *verb.args(world)], ground.node, b'of paper\n') as stopped:
        secrets.update(secrets_below(ground.node))
        found = search(stopped.pid, secrets, folder)
        code = stopped.end()
        if code not in (verb.codes or (0,)):
            raise Bad(f'{verb.name}: {code}: {stopped.words()}')
    ground.close()
    check(found)


class AtTerminal(Stopped):
    """The same at a terminal of its own, where that is typed after each question."""

    def __init__(self, args, folder, questions, typed):  # pylint: disable=super-init-not-called
        ours, theirs = pty.openpty()
        env = environment()
        env.update(LD_PRELOAD=LASTSTOP, LASTSTOP_PROGRAM='hark')
        self.said = f'{folder}/said'
        self.process = subprocess.Popen(
            [sys.executable, '-ISc', TAKE_TERMINAL, HARK, *args], env=env, cwd=folder, stdin=theirs, stdout=theirs,
            stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.pid = self.process.pid
        with open(self.said, 'wb') as said:
            for question in questions:
                said.write(self.read_until(ours, question))
                os.write(ours, typed + b'\n')
        self.terminal = ours
        self.wait(args)

    def read_until(self, fd, question):
        shown = b''
        while question not in shown:
            if not select.select([fd], [], [], PATIENCE)[0]:
                self.process.kill()
                raise Bad(f'{question} is not asked: {shown}')
            shown += os.read(fd, 4096)
        return shown

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        os.close(self.terminal)


# A session's leader has no terminal before it takes one; then it is the program.
TAKE_TERMINAL = ('import fcntl, os, sys, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n'
                 'os.execv(sys.argv[1], sys.argv[1:])')


def sealed(world, folder):
    """A node with a passphrase: typed, read from files; what sealing and opening leaves."""
    ground = nth.Ground(world, folder)
    for label in os.listdir(f'{ground.node}/keys/people'):
        if label != 'Mara':  # Argon2id takes its time for each
            os.unlink(f'{ground.node}/keys/people/{label}')
    secrets = secrets_below(ground.node)
    typed, filed = os.urandom(16).hex(), os.urandom(16).hex()
    # As they are searched for: these bytes, and what they look like in hex or base64.
    secrets.update(typed=typed.encode(), filed=filed.encode())
    with open(os.open(f'{folder}/filed', os.O_WRONLY | os.O_CREAT, 0o600), 'w', encoding='ascii') as f:
        f.write(filed + '\n')
    steps = [(['key', 'passwd'], (b'none): ', b'again: ')),
             (['post', 'Me too', '--re', world.topic, '--as', 'Mara'], (b'keys: ',)),
             (['key', 'export', 'Mara', 'exported', '--passphrase-file', f'{folder}/filed'], (b'Passphrase: ',)),
             (['key', 'passwd', '--passphrase-file', f'{folder}/filed'], (b'Passphrase: ',)),
             (['device', 'add', '--as', 'Mara'], ()),
             (['key', 'passwd', '--no-passphrase'], ())]
    for args, questions in steps if nth.LONG else steps[:3]:
        with AtTerminal(['-C', ground.node, *args], ground.node, questions, typed.encode()) as stopped:
            found = search(stopped.pid, secrets, folder)
            code = stopped.end()
        if code != 0:
            raise Bad(f'hark {" ".join(args)}: {code}: {stopped.words()}')
        if found:
            raise Bad(f'after hark {" ".join(args)} a core would hold: {", ".join(found)}')
    ground.close()


def planted(world, folder):
    """The search finds what is there, however it is spelt."""
    ground = nth.Ground(world, folder)
    secrets = {str(i): os.urandom(32) for i in range(5)}
    forms = [secrets['0'], secrets['1'].hex().encode(), base64.b64encode(secrets['2']),
             base64.b64encode(b'x' + secrets['3']), base64.b64encode(b'xx' + secrets['4'])]
    with open(f'{folder}/plant', 'wb') as f:
        f.write(b' '.join(forms))
    with Stopped(['-C', ground.node, 'version'], ground.node, plant=f'{folder}/plant') as stopped:
        found = search(stopped.pid, secrets, folder)
    ground.close()
    if found != sorted(secrets):
        raise Bad(f'of what was planted only {found} was found')


class Daemon:
    """harkd -d over a node's directory, until the block ends."""

    def __init__(self, node, env=None):
        self.node = node
        with open(f'{node}/../{os.path.basename(node)}.log', 'wb') as log:
            self.process = subprocess.Popen([HARKD, '-d', '-C', node], env=env or environment(), stdout=log,
                                            stderr=log)
        self.pid = self.process.pid
        self.await_(lambda: os.path.exists(f'{node}/sock'))

    def await_(self, true):
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end or self.process.poll() is not None:
                raise Bad(f'{self.node}: the daemon ended, or something did not come')
            time.sleep(0.05)

    def hark(self, *args):
        done = nth.run([HARK, '-C', self.node, *args], environment(), self.node)
        if done.code != 0:
            raise Bad(f'hark {" ".join(args)}: {done.code}: {done.err}')
        return done.out.decode()

    def size(self):
        return json.loads(self.hark('status', '--json'))['spaces'][0]['size']

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def look_at_daemon(daemon, secrets, folder):
    """Both what a core would hold, and what it would leave out."""
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        found = search(daemon.pid, secrets, folder)
        kept = Wanted(secrets).found_in(memory_of(daemon.pid, True), folder)
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    return found, kept


def without_curve(secrets):
    """Those that libzmq has not got a copy of."""
    return {name: secret for name, secret in secrets.items() if name != 'curve'}


def daemons(world, folder):
    """A home and its partner, after people have written and the log was copied; and verbs
    that connect to the home by themselves."""
    os.makedirs(folder)
    port = str(free_port())
    for node, source in (('brand', 'node'), ('partner', 'partner')):
        shutil.copytree(f'{world.folder}/{source}', f'{folder}/{node}')
        os.unlink(f'{folder}/{node}/place')
        with open(f'{folder}/{node}/hark.yaml', encoding='utf-8') as f:
            text = f.read()
        with open(f'{folder}/{node}/hark.yaml', 'w', encoding='utf-8') as f:
            f.write(text.replace(':7460', f':{port}'))
    with Daemon(f'{folder}/brand') as brand, Daemon(f'{folder}/partner') as partner:
        partner.hark('partner', 'add', brand.hark('ticket', '-q').strip(), '-q')
        for who in ('owner', 'Mara', 'Jo'):
            brand.hark('post', f'A word of {who}', '--re', world.topic, '--as', who)
        brand.hark('join', world.ticket, '--name', 'Eve')
        brand.hark('device', 'add', '--as', 'Mara')
        partner.await_(lambda: partner.size() == brand.size())
        for daemon in (brand, partner):
            secrets = without_curve(secrets_of(daemon.node))
            found, kept = look_at_daemon(daemon, secrets, folder)
            check(found)
            missing = {'device', 'log', 'cosigner', 'author', 'witness', 'box'} - set(kept)
            if missing:
                raise Bad(f'the keys {sorted(missing)} of {daemon.node} are nowhere: is the search right?')
            late = {'node', 'steward', 'steward sign', 'Mara', 'Mara in 0', 'Mara in 0 sign'} & set(kept)
            if late:
                raise Bad(f'it was done with {sorted(late)}, and has not wiped them')
        partner.hark('key', 'backup', f'{folder}/kept')
        ticket = brand.hark('ticket', '-q').strip()
        partner.process.terminate()
        partner.process.wait(PATIENCE)
        for verb in NETWORK:
            # The last one makes a node anew of the backup.
            node = f'{folder}/again' if verb == 'recover' else f'{folder}/partner'
            args = [ticket, '--keys', f'{folder}/kept', '--timeout', '20'] if verb == 'recover' else []
            with Stopped(['-C', node, verb, *args], folder) as stopped:
                found = search(stopped.pid, without_curve(secrets_below(node)), folder)
                code = stopped.end()
            if code != 0:
                raise Bad(f'hark {verb}: {code}: {stopped.words()}')
            check(found)


NETWORK = ['sync', 'repair', 'recover']


def every_verb(*_):
    """There is a case for each verb of the command line."""
    said = json.loads(nth.run([HARK, 'help', '--json'], environment()).out)
    known = {verb.name.split('-')[0] for verb in nth.verbs()} | {'who-said', 'device', 'version', 'disclose', *NETWORK}
    missing = {verb['name'] for verb in said['verbs']} - known
    if missing:
        raise Bad(f'no case for {sorted(missing)}')


def more_verbs():
    """Of groups, beside those that nth.py cuts off."""
    def r(name, args):
        return nth.Verb(f'group-{name}', args, world=nth.Group)
    return [
        r('new-history', lambda x: ['group', 'new', 'More', '--purpose', 'Which?', '--name', 'Ada', '--history', 'all']),
        r('show', lambda x: ['show', x.idea]),
        r('members', lambda x: ['member', 'ls']),
        r('role', lambda x: ['member', 'role', 'Mara', 'staff']),
        r('overlap', lambda x: ['group', 'overlap', x.space, x.space]),
    ]


def main():
    names = sys.argv[1:]
    cases = {'every-verb': every_verb, 'planted': planted, 'daemons': daemons, 'sealed': sealed}
    for verb in nth.verbs() + more_verbs():
        cases[verb.name] = lambda world, folder, verb=verb: verb_case(world, verb, folder)
    if names == ['--list']:
        print('\n'.join(cases))
        return 0
    failed = 0
    with tempfile.TemporaryDirectory(prefix='hark-core.', dir='/tmp') as work:
        os.mkdir(f'{work}/world')
        world = nth.World(f'{work}/world')
        for name in names or cases:
            try:
                cases[name](world, f'{work}/case')
                print(f'ok: {name}')
            except Bad as bad:
                failed += 1
                print(f'FAILED: {name}: {bad}')
            shutil.rmtree(f'{work}/case', ignore_errors=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
