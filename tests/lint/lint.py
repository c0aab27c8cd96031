#!/usr/bin/env python3
"""Holds the rules of the house that a compiler does not.

    lint.py [--top DIR] CHECK...

checks: layout    nothing at the top that does not belong there
        floors    who may include whom, and which folder knows which library
        pure      the replication core calls no clock, chance, socket or file
        calls     calls that are banned everywhere
        headers   every header of the floors compiles alone
        cmake     sources are listed, settings belong to targets
        paths     no tracked file knows the machine that it was written on
        shell     shellcheck over all shell scripts, where it is installed
        symbols   libraries export hark_* only (give them with --library)

Prints FILE:LINE: what is wrong; exit code 0 well, 1 not, 77 could not look.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

FLOORS = ("crypto", "schemas", "replication", "node")  # from the ground up

TOP_LEVEL = {*FLOORS, "examples", "tests", "CMakeLists.txt", "CMakePresets.json",
             "PROTOCOL.md", "README.md", "LICENSE"}

# Header of a library -> the folder that knows it. tests/ may know all.
LIBRARIES = {
    r"sodium(/.*)?\.h": {"crypto"},
    r"nettle/.*": {"crypto"},
    r"yaml\.h": {"schemas"},
    r"jansson(_config)?\.h": {"schemas"},
    r"zmq(_.*)?\.h": {"replication"},
    r"zlib\.h": {"replication", "node"},
    r"libdeflate\.h": {"replication", "node"},
    r"isa-l/": {"node"},
    r"git2(/.*)?\.h": {"node"},
    r"sqlite3(ext)?\.h": {"node"},
    r"roaring/.*": {"node"},
    r"csv\.h": {"node"},
    r"microhttpd\.h": {"node"},
    r"curl/.*": {"node"},
}

BANNED = {
    "sprintf": "snprintf", "vsprintf": "vsnprintf",
    "strcpy": "a bounded copy", "strncpy": "a bounded copy", "stpcpy": "a bounded copy",
    "strcat": "hark_buf", "strncat": "hark_buf", "strtok": "strcspn", "strtok_r": "strcspn",
    "atoi": "a checked parser", "atol": "a checked parser", "atoll": "a checked parser",
    "atof": "a checked parser", "gets": "getline",
    "scanf": "a checked parser", "fscanf": "a checked parser", "sscanf": "a checked parser",
    "vscanf": "a checked parser", "vfscanf": "a checked parser", "vsscanf": "a checked parser",
    "system": "posix_spawn", "popen": "posix_spawn", "alloca": "malloc",
    "rand": "libsodium", "srand": "libsodium", "random": "libsodium", "srandom": "libsodium",
    "drand48": "libsodium", "tmpnam": "mkstemp", "tempnam": "mkstemp", "mktemp": "mkstemp",
    "asctime": "strftime", "asctime_r": "strftime", "ctime": "strftime", "ctime_r": "strftime",
    "localtime": "localtime_r", "gmtime": "gmtime_r",
}

# What the replication core gets from its struct of functions instead.
IMPURE = """
    time clock gettimeofday clock_gettime nanosleep clock_nanosleep sleep usleep
    getrandom getentropy hark_random hark_random_bytes
    open openat creat fopen fdopen freopen opendir mmap read write pread pwrite unlink rename
    socket connect bind listen accept accept4 send recv sendto recvfrom poll ppoll select
    epoll_wait fork execve posix_spawn pthread_create getenv
""".split()

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
# Comments, strings and character constants; newlines are kept for line numbers.
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_of(text):
    return NOT_CODE.sub(lambda m: "\n" * m.group().count("\n") or " ", text)


def line_at(text, offset):
    return text.count("\n", 0, offset) + 1


class House:
    def __init__(self, top, libraries=()):
        self.top = pathlib.Path(top).resolve()
        self.libraries = libraries
        self.findings = []
        self.files = self.list_files()

    def list_files(self):
        """What git tracks or would track; in a tarball, whatever lies there."""
        got = subprocess.run(["git", "-C", str(self.top), "-c", "safe.directory=*", "ls-files",
                              "-z", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, check=False)
        if got.returncode == 0 and (self.top / ".git").exists():
            names = sorted({n for n in got.stdout.decode().split("\0") if n})
        else:
            names = sorted(str(p.relative_to(self.top)) for p in self.top.rglob("*"))
            names = [n for n in names if not n.startswith((".git/", "build"))
                     and "__pycache__" not in n]
        return [n for n in names if (self.top / n).is_file()]

    def read(self, name):
        return (self.top / name).read_text(encoding="utf-8", errors="replace")

    def report(self, name, line, message):
        self.findings.append(f"{name}:{line}: {message}")

    def sources(self, *folders):
        for name in self.files:
            if name.endswith((".c", ".h")) and (not folders or name.split("/")[0] in folders):
                yield name

    # ---- the checks --------------------------------------------------------

    def check_layout(self):
        for name in self.files:
            first = name.split("/")[0]
            if first not in TOP_LEVEL and not first.startswith("."):
                self.report(name, 1, f"'{first}' does not belong at the top of the project")

    def floor_of_include(self, name, target):
        """The folder that a quoted include leads to."""
        for base in ((self.top / name).parent, self.top):
            path = (base / target).resolve()
            if path.is_file() and path.is_relative_to(self.top):
                return path.relative_to(self.top).parts[0]
        # Generated headers stand in the build directory: their path tells.
        return target.split("/")[0] if "/" in target else name.split("/")[0]

    def check_floors(self):
        zmq_users = []
        for name in self.sources(*FLOORS):
            text, floor = self.read(name), name.split("/")[0]
            allowed = FLOORS[:FLOORS.index(floor) + 1]
            for match in INCLUDE.finditer(text):
                quote, target = match.groups()
                line = line_at(text, match.start())
                owners = self.owners_of(target)
                if owners is not None and floor not in owners:
                    self.report(name, line, f"<{target}> belongs to {'/'.join(sorted(owners))}")
                elif owners is None and quote == '"':
                    below = self.floor_of_include(name, target)
                    if below not in allowed:
                        self.report(name, line, f"{floor} may not look up to \"{target}\"")
                elif owners is None and target.split("/")[0] in FLOORS:
                    self.report(name, line, f"<{target}>: our own headers are quoted")
                if re.fullmatch(r"zmq(_.*)?\.h", target) and name not in zmq_users:
                    zmq_users.append(name)
        for name in zmq_users[1:]:
            self.report(name, 1, f"only one file knows ZeroMQ, and that is {zmq_users[0]}")

    @staticmethod
    def owners_of(target):
        for pattern, owners in LIBRARIES.items():
            if re.fullmatch(pattern, target):
                return owners
        return None

    def find_calls(self, name, names):
        # `io->time(...)` and `io.send(...)` are somebody's members, not libc.
        pattern = re.compile(r"(?<![\w.])(?<!->)(" + "|".join(names) + r")\s*\(")
        code = code_of(self.read(name))
        for match in pattern.finditer(code):
            yield match.group(1), line_at(code, match.start())

    def check_pure(self):
        for name in self.sources("replication"):
            # The edge is the part that touches the world: its files say so.
            if pathlib.PurePath(name).name.startswith("edge"):
                continue
            for call, line in self.find_calls(name, IMPURE):
                self.report(name, line, f"{call}() in the core: it comes through its functions")

    def check_calls(self):
        for name in self.sources():
            for call, line in self.find_calls(name, BANNED):
                self.report(name, line, f"{call}() is banned: use {BANNED[call]}")

    def check_headers(self):
        compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
        if not compilers:
            sys.exit(77)
        for name in self.sources(*FLOORS):
            if not name.endswith(".h"):
                continue
            for compiler in compilers:
                got = subprocess.run(
                    [compiler, "-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic",
                     "-Werror", "-fsyntax-only", "-I", str(self.top), "-x", "c", "-"],
                    input=f'#include "{name}"\n#include "{name}"\nextern int one_declaration;\n',
                    capture_output=True, text=True, check=False, cwd=self.top)
                if got.returncode != 0:
                    self.report(name, 1, f"does not compile alone ({compiler}):\n{got.stderr}")

    def check_cmake(self):
        banned = re.compile(r"\bfile\s*\(\s*GLOB\w*|^\s*(include_directories|link_libraries|"
                            r"link_directories|add_definitions|add_compile_options|"
                            r"aux_source_directory)\s*\(", re.M | re.I)
        for name in self.files:
            if name.endswith((".cmake", "CMakeLists.txt")):
                text = re.sub(r"#[^\n]*", "", self.read(name))
                for match in banned.finditer(text):
                    self.report(name, line_at(text, match.start()),
                                f"'{match.group().strip()}': list sources, set up targets")

    def check_paths(self):
        # Written so that the patterns do not match themselves.
        machine = re.compile(r"/wor[k]/|(?<!\w)[.]librar[y]\b|\bfar[m]-[a-z]")
        for name in self.files:
            text = self.read(name)
            for match in machine.finditer(text):
                self.report(name, line_at(text, match.start()),
                            f"'{match.group()}' exists on one machine only")

    def check_shell(self):
        if shutil.which("shellcheck") is None:
            print("shellcheck is not installed")
            sys.exit(77)
        scripts = [n for n in self.files if n.endswith(".sh") or (
            "." not in pathlib.PurePath(n).name[1:]
            and re.match(r"#!.*\b(ba|da)?sh\b", self.read(n)[:80]))]
        if not scripts:
            return
        got = subprocess.run(["shellcheck", "--format=gcc", *scripts], capture_output=True,
                             text=True, check=False, cwd=self.top)
        self.findings += (got.stdout + got.stderr).splitlines()

    def check_symbols(self):
        for library in self.libraries:
            got = subprocess.run(["nm", "-g", "--defined-only", library], capture_output=True,
                                 text=True, check=True)
            for line in got.stdout.splitlines():
                fields = line.split()
                # Names with a leading underscore are the compiler's (sanitizers).
                if len(fields) == 3 and not fields[2].startswith(("hark_", "_")):
                    self.report(pathlib.PurePath(library).name, 1,
                                f"exports '{fields[2]}': static, or hark_<module>_<verb>")


def main():
    checks = [n[len("check_"):] for n in dir(House) if n.startswith("check_")]
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--top", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--library", action="append", default=[])
    parser.add_argument("check", nargs="+", choices=checks)
    args = parser.parse_args()
    house = House(args.top, args.library)
    for check in args.check:
        getattr(house, "check_" + check)()
    print("\n".join(house.findings) or "well")
    return 1 if house.findings else 0


if __name__ == "__main__":
    sys.exit(main())
