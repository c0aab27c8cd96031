#!/usr/bin/env python3
"""What 13-passphrase.sh does at terminals, and with kill -9: `13-passphrase.py FOLDER`, in
which there are passphrases (first, second) and a node, brand, sealed with the first.

HARK, HARKD: the programs."""
import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time

HARK, HARKD = os.environ['HARK'], os.environ['HARKD']
PATIENCE = 60 * int(os.environ.get('HARK_PATIENCE', '1'))
KILLS = 4
WORK = sys.argv[1]
NODE = f'{WORK}/brand'


def fail(why):
    sys.exit(f'FAILED: {why}')


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(args[0], args)
        self.shown = b''

    def read(self, until):
        """What is shown until that is, or, None, until it ends."""
        end = time.monotonic() + PATIENCE
        while until is None or until not in self.shown:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                fail(f'{until} did not come: {self.shown}')
            try:
                more = os.read(self.fd, 4096)
            except OSError:
                more = b''
            if not more and until is None:
                break
            if not more:
                fail(f'{until} did not come: {self.shown}')
            self.shown += more

    def answer(self, question, text):
        self.read(question)
        self.shown = self.shown.partition(question)[2]
        os.write(self.fd, text)

    def end(self):
        """(exit code, negative for a signal; what was shown)"""
        self.read(None)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status), self.shown.decode(errors='replace')


def typed(args, *answers, code=0):
    terminal = Terminal(*args)
    for question, text in answers:
        terminal.answer(question, text)
    got, shown = terminal.end()
    if got != code:
        fail(f'{args}: {got}, not {code}: {shown}')
    for _, text in answers:
        if text.strip() and text.strip().decode() in shown:
            fail(f'what was typed is shown: {shown}')
    return shown


def hark(*args, code=0):
    done = subprocess.run([HARK, '-C', NODE, *args], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if code is not None and done.returncode != code:
        fail(f'hark {args}: {done.returncode}: {done.stderr.decode()}')
    return done


def configured(file):
    """hark.yaml names that passphrase file, or none."""
    with open(f'{NODE}/hark.yaml', encoding='utf-8') as f:
        text = re.sub(r'passphrase_file: .*\n', '', f.read())
    with open(f'{NODE}/hark.yaml', 'w', encoding='utf-8') as f:
        f.write(text + (f'passphrase_file: "{file}"\n' if file else ''))


def at_terminals():
    old, new = b'a first passphrase\n', b'typed, with spaces \xc3\xa4\n'
    configured(None)
    typed([HARK, '-C', NODE, 'status'], (b'keys: ', old))
    typed([HARK, '-C', NODE, 'status'], (b'keys: ', b'no such passphrase\n'), code=2)
    typed([HARK, '-C', NODE, 'key', 'passwd'], (b'Passphrase: ', old), (b'none): ', new), (b'again: ', b'another text\n'),
          code=2)
    typed([HARK, '-C', NODE, 'key', 'passwd'], (b'Passphrase: ', old), (b'none): ', new), (b'again: ', new))
    typed([HARK, '-C', NODE, 'status'], (b'keys: ', new))
    print('ok: typed at a terminal, and not shown')

    terminal = Terminal(HARK, '-C', NODE, 'status')
    terminal.answer(b'keys: ', b'\x03')
    code, _ = terminal.end()
    if code != -signal.SIGINT:
        fail(f'interrupted, it ended with {code}')
    terminal = Terminal('/bin/sh', '-c', f'{HARK} -C {NODE} status & wait; stty -a')
    terminal.read(b'keys: ')
    os.kill(child_of(terminal.pid), signal.SIGTERM)
    _, shown = terminal.end()
    if re.search(r'(^|\s)echo(\s|$)', shown) is None:
        fail(f'the terminal was left without an echo: {shown}')
    print('ok: interrupted, it leaves the terminal as it was')

    typed([HARKD, '-C', NODE], (b'keys: ', new))
    hark('status')
    hark('key', 'ls')
    with open(f'{NODE}/lock', encoding='ascii'):
        pid = int(re.search(r'"pid":(\d+)', hark('status', '--json').stdout.decode())[1])
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + PATIENCE
    while os.path.exists(f'/proc/{pid}') and time.monotonic() < end:
        time.sleep(0.05)
    print('ok: harkd asks before it leaves the terminal, and has the keys of people, too')
    typed([HARK, '-C', NODE, 'key', 'passwd', '--passphrase-file', f'{WORK}/first'], (b'Passphrase: ', new))
    hark('status')


def child_of(pid):
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as f:
        return int(f.read().split()[0])


def public_key(path):
    return subprocess.run(['ssh-keygen', '-y', '-f', path], capture_output=True, check=True).stdout.split()[1]


def keys(*passphrases):
    """Of each key file, by label: its public key, and the first of those that opens it."""
    found = {}
    for label in ['device', *sorted(os.listdir(f'{NODE}/keys/people'))]:
        for passphrase in passphrases:
            old = ['--old-passphrase-file', passphrase] if passphrase else []
            out = f'{WORK}/shown'
            done = hark('key', 'export', label, out, '--no-passphrase', *old, code=None)
            if done.returncode == 0:
                found[label] = public_key(out), passphrase
                os.unlink(out)
                break
    return found


def contents(node):
    found = []
    for name in ['device', *(f'people/{label}' for label in sorted(os.listdir(f'{NODE}/keys/people')))]:
        try:
            with open(f'{node}/keys/{name}', 'rb') as f:
                found.append(f.read())
        except FileNotFoundError:  # unfinished, and gone again
            pass
    return set(found)


def replaced(before):
    """How many key files are not as they were."""
    return len(contents(NODE) - contents(before))


def killed():
    """From one passphrase to the other, killed at some moment, finished."""
    labels = len(os.listdir(f'{NODE}/keys/people')) + 1
    shutil.copytree(NODE, f'{WORK}/copy')
    known = {label: key for label, (key, _) in keys(f'{WORK}/first').items()}
    chance = random.Random(os.environ.get('HARK_SEED', 'passphrase'))
    half = 0
    for i in range(KILLS):
        shutil.rmtree(NODE)
        shutil.copytree(f'{WORK}/copy', NODE)
        process = subprocess.Popen([HARK, '-C', NODE, 'key', 'passwd', '--passphrase-file', f'{WORK}/second', '-q'],
                                   stderr=subprocess.DEVNULL)
        while process.poll() is None and replaced(f'{WORK}/copy') < i % labels + 1:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.wait()
        both = keys(f'{WORK}/first', f'{WORK}/second')
        if {label: key for label, (key, _) in both.items()} != known:
            fail(f'after kill {i} not every file opens: {both}')
        half += len({passphrase for _, passphrase in both.values()}) > 1
        hark('key', 'passwd', '--old-passphrase-file', f'{WORK}/first', '--passphrase-file', f'{WORK}/second')
        hark('status')
        after = {label: key for label, (key, _) in keys(f'{WORK}/second').items()}
        left = [name for top, _, names in os.walk(f'{NODE}/keys') for name in names if '.new-' in name]
        if after != known or left:
            fail(f'after kill {i} and another try: {after}, left {left}')
    if not half:
        fail('never in the middle')
    print(f'ok: killed {KILLS} times, {half} of them in the middle, with {labels} files')


os.environ['PYTHONDONTWRITEBYTECODE'] = '1'
at_terminals()
killed()
