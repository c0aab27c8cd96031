#!/usr/bin/env python3
"""A check that never fails protects nothing: plants one violation of each rule
in a small house of its own, and sees that lint.py finds just that."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

LINT = pathlib.Path(__file__).resolve().parent / "lint.py"

CLEAN = {
    "CMakeLists.txt": "# file(GLOB x) in a comment is no glob\nproject(x)\n",
    "crypto/a.h": "#ifndef A\n#define A\n#include <stddef.h>\nsize_t hark_a(size_t n);\n#endif\n",
    "crypto/a.c": '#include "a.h"\n#include <sodium.h>\n/* strcpy(a, b) */\n'
                  'static const char *why = "sprintf(";\n',
    "schemas/b.c": '#include "crypto/a.h"\n#include <yaml.h>\n#include <jansson.h>\n',
    "replication/c.c": '#include "schemas/../crypto/a.h"\nint f(void) { return io->time(1); }\n',
    "replication/edge.c": "#include <zmq.h>\nint f(void) { return open(p, 0); }\n",
    "node/d.c": '#include "crypto/a.h"\n#include <git2.h>\n#include <roaring/roaring.h>\n',
    "tests/t.c": "#include <sodium.h>\n#include <jansson.h>\n",
    "tests/t.sh": "#!/bin/sh\necho well\n",
}

# check, file, what is planted, what must be said
PLANTED = [
    ("layout", "cmake/x.cmake", "", "does not belong at the top"),
    ("layout", "notes.txt", "", "does not belong at the top"),
    ("floors", "crypto/x.c", '#include "node/d.h"\n', "may not look up"),
    ("floors", "crypto/x.c", '#include "../schemas/b.c"\n', "may not look up"),
    ("floors", "schemas/x.h", ' # include "replication/r.h"\n', "may not look up"),
    ("floors", "replication/x.c", '#include "node/n.h"\n', "may not look up"),
    ("floors", "crypto/x.c", '#include "tests/t.h"\n', "may not look up"),
    ("floors", "node/x.c", "#include <crypto/a.h>\n", "are quoted"),
    ("floors", "schemas/x.c", "#include <sodium.h>\n", "belongs to crypto"),
    ("floors", "node/x.c", "#include <sodium/crypto_hash.h>\n", "belongs to crypto"),
    ("floors", "node/x.c", "#include <nettle/sha1.h>\n", "belongs to crypto"),
    ("floors", "crypto/x.c", '#include "yaml.h"\n', "belongs to schemas"),
    ("floors", "node/x.c", "#include <jansson.h>\n", "belongs to schemas"),
    ("floors", "node/x.c", "#include <zmq.h>\n", "belongs to replication"),
    ("floors", "replication/x.c", "#include <zmq.h>\n", "only one file knows ZeroMQ"),
    ("floors", "replication/x.c", "#include <git2/repository.h>\n", "belongs to node"),
    ("floors", "schemas/x.c", "#include <sqlite3.h>\n", "belongs to node"),
    ("floors", "schemas/x.c", "#include <roaring/roaring.h>\n", "belongs to node"),
    ("pure", "replication/x.c", "int f(void) { return clock_gettime(0, p); }\n", "in the core"),
    ("pure", "replication/x.c", "int f(void) { return socket(1, 2, 3); }\n", "in the core"),
    ("headers", "node/x.h", "size_t hark_x(void);\n", "does not compile alone"),
    ("headers", "schemas/kinds/x.h", "enum x { X };\n", "does not compile alone"),
    ("cmake", "node/CMakeLists.txt", "file(GLOB sources *.c)\n", "list sources"),
    ("cmake", "node/CMakeLists.txt", "  include_directories(.)\n", "list sources"),
    ("paths", "README.md", "see /wor" + "k/x\n", "one machine only"),
    ("paths", "tests/x.sh", "ls ." + "library\n", "one machine only"),
    ("shell", "tests/x.sh", "#!/bin/sh\nrm $1/*\n", "SC2086"),
    ("shell", ".ci/run", "#!/bin/sh\nrm $1/*\n", "SC2086"),
]
for banned in """sprintf vsprintf strcpy strcat strncpy strncat strtok atoi atol atof gets scanf
        sscanf fscanf system alloca popen rand srand tmpnam mktemp asctime ctime localtime
        gmtime""".split():
    PLANTED.append(("calls", "node/x.c", f"int f(void) {{ return ({banned} (x)); }}\n",
                    f"{banned}() is banned"))
PLANTED.append(("calls", "tests/x.c", "int y = atoi(x);\n", "atoi() is banned"))
PLANTED.append(("calls", "examples/x.c", "int y = atoi(x);\n", "atoi() is banned"))


class Lint(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="hark-lint-"))
        self.addCleanup(shutil.rmtree, self.top)
        for name, text in CLEAN.items():
            self.plant(name, text)

    def plant(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def lint(self, *arguments):
        got = subprocess.run([sys.executable, str(LINT), "--top", str(self.top), *arguments],
                             capture_output=True, text=True, check=False)
        return got.returncode, got.stdout + got.stderr

    def test_clean_house_is_well(self):
        for check in ("layout", "floors", "pure", "calls", "headers", "cmake", "paths"):
            with self.subTest(check):
                self.assertEqual(self.lint(check), (0, "well\n"))

    def test_planted_violation_is_found(self):
        for check, name, text, said in PLANTED:
            if check == "shell" and shutil.which("shellcheck") is None:
                continue
            with self.subTest(f"{check}: {name}: {text.strip()}"):
                self.plant(name, text)
                code, output = self.lint(check)
                (self.top / name).unlink()
                self.assertEqual(code, 1, output)
                self.assertIn(said, output)
                self.assertIn(pathlib.PurePath(name).name, output)

    def test_planted_line_is_named(self):
        self.plant("node/x.c", "/* a\n   b */\nint x;\nint y = atoi(z);\n")
        self.assertIn("node/x.c:4:", self.lint("calls")[1])

    def test_ignored_files_are_nobodys_business(self):
        subprocess.run(["git", "init", "-q", str(self.top)], check=True)
        self.plant(".gitignore", "/build/\n")
        self.plant("build/x.c", "int y = atoi(x);\n")
        self.assertEqual(self.lint("calls"), (0, "well\n"))

    def test_symbols_are_hark(self):
        for symbol, code in (("hark_x_do", 0), ("x_do", 1)):
            with self.subTest(symbol):
                self.plant("x.c", f"int {symbol}(void);\nint {symbol}(void) {{ return 0; }}\n")
                subprocess.run(["cc", "-c", "x.c", "-o", "x.o"], cwd=self.top, check=True)
                got = self.lint("--library", str(self.top / "x.o"), "symbols")
                self.assertEqual(got[0], code, got[1])


if __name__ == "__main__":
    unittest.main()
