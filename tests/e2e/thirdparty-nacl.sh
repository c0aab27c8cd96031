#!/usr/bin/env bash
# Goal: what is sealed here opens for another implementation of PROTOCOL.md 10, in Python over
# PyNaCl, and what that one seals opens here: epoch keys, boxes, envelopes, disclosures, and
# what is wrong with those that do not open.
#
# Needs $MAKE_SEALED and $CHECK_SEALED (the built programs) and a Python that has PyNaCl
# (python3-nacl). Exit code 77: skipped.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
vectors=$(cd "$(dirname "$0")/../vectors" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Debian's package is of Debian's Python, which need not be the first one.
python=
for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import nacl.bindings' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "skipped: there is no PyNaCl"
    exit 77
fi

# both FILE: each says that all of it is as it says, and has looked at as much as the other.
both() {
    "$CHECK_SEALED" "$1" >"$work/here"
    "$python" "$vectors/check_sealed.py" "$1" >"$work/there"
    diff -u "$work/here" "$work/there"
}

both "$vectors/sealed.json"
# As made today, with keys from chance.
"$MAKE_SEALED" fresh >"$work/ours.json"
both "$work/ours.json"
"$python" "$vectors/check_sealed.py" --make >"$work/theirs.json"
both "$work/theirs.json"
for list in epochs boxes group_keys bad_group_keys envelopes bad_envelopes disclosures; do
    if grep -q "^$list 0\$" "$work/here"; then
        echo "no $list were made"
        exit 1
    fi
done
cat "$work/here"

# Both also find what is said to hold and does not.
"$python" - "$work/theirs.json" "$work/wrong.json" <<'PY'
import json, sys
vectors = json.load(open(sys.argv[1], encoding="utf-8"))
vectors["envelopes"][0]["seq"] += 1
json.dump(vectors, open(sys.argv[2], "w", encoding="utf-8"))
PY
if "$CHECK_SEALED" "$work/wrong.json" >/dev/null 2>&1 ||
    "$python" "$vectors/check_sealed.py" "$work/wrong.json" >/dev/null 2>&1; then
    echo "an envelope of another seq was opened"
    exit 1
fi
