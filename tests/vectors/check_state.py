#!/usr/bin/env python3
"""Recomputes the first state hashes of state.json and state_sealed.json from PROTOCOL.md
alone: the founding entry and the admissions right after it, the kind set hash, and the
join message. Shares no code with the program."""

import hashlib
import json
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
NONE = 2**64 - 1
ZERO = bytes(32)


def sha256(data):
    return hashlib.sha256(data).digest()


def number(size, value):
    return struct.pack({1: ">B", 2: ">H", 4: ">I", 8: ">Q"}[size], value)


def tree(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:]))


def author_of(entry):
    line = next(x for x in entry["object"].split("\n") if x.startswith("Author: "))
    return bytes.fromhex(line[len("Author: "):])


def key_object(key, box, of, owner, since):
    return (key + box + number(1, of) + number(4, owner) + number(8, since) + number(8, NONE))


class State:
    def __init__(self, entries, kinds):
        self.entries, self.kinds = entries, kinds
        self.ids = [sha256(e["object"].encode()) for e in entries]
        self.leaves = [i + number(8, e["arrival_ms"]) + number(8, e["accepted_ms"])
                       for i, e in zip(self.ids, entries)]
        self.members, self.keys, self.objects, self.epochs = [], [], [], []
        self.found(json.loads(entries[0]["payload"]))

    def entry_object(self, kind):
        return number(1, 0) + number(2, self.kinds.index(kind)) + number(4, 0) + 4 * number(8, NONE)

    def found(self, payload):
        recovery = [bytes.fromhex(k) for k in payload["recovery"]["keys"]]
        home = payload["home"]
        self.mode = ["open", "entrusted", "sealed"].index(payload["mode"])
        self.space = (number(4, 1) + bytes.fromhex(payload["kinds"]) + number(4, 0)
                      + number(1, self.mode)
                      + number(4, 0) + number(4, 1) + number(8, 0) + number(8, NONE)
                      + number(1, payload["recovery"]["threshold"]) + number(1, len(recovery))
                      + b"".join(recovery))
        self.keys = [key_object(author_of(self.entries[0]), bytes.fromhex(payload["box"]), 1, 0, 0),
                     key_object(bytes.fromhex(home["author"]), ZERO, 2, 0, 0)]
        self.keys += [key_object(k, ZERO, 3, i, 0) for i, k in enumerate(recovery)]
        name = home["name"].encode()
        self.node = (number(1, len(name)) + name
                     + b"".join(bytes.fromhex(home[k])
                                for k in ("log", "cosigner", "author", "curve", "box"))
                     + number(8, 0) + number(8, NONE))
        self.objects = [self.entry_object("space")]

    def admit(self, position):
        payload = json.loads(self.entries[position]["payload"])
        self.keys.append(key_object(bytes.fromhex(payload["key"]), bytes.fromhex(payload["box"]),
                                    0, len(self.members), position))
        self.members.append(number(1, payload["role"] == "staff") + number(1, 0)
                            + number(8, position) + number(8, 0))
        self.objects.append(self.entry_object("admit"))
        self.epochs.append(number(8, position) + number(1, 0) + ZERO)

    def encrypted_sections(self):
        group = number(4, len(self.members)) + bytes(60)
        return [self.epochs, [group], [number(8, NONE)] * len(self.keys)]

    def hash(self):
        size = len(self.objects)
        data = b"hark/state/1\n" + self.ids[0] + number(8, size) + tree(self.leaves[:size])
        sections = [[self.space], self.members, self.keys, self.objects, [], [self.node], []]
        for section in sections + (self.encrypted_sections() if self.mode else []):
            data += number(8, len(section)) + tree(section)
        return sha256(data).hex()


def check(name):
    vectors = json.loads((HERE / name).read_text(encoding="utf-8"))
    entries = vectors["entries"]
    files = sorted((HERE.parent.parent / "schemas" / "kinds").glob("*.yaml"))
    kinds = [f.stem for f in files]
    lines = "".join(f"{f.stem} {hashlib.sha256(f.read_bytes()).hexdigest()}\n" for f in files)
    wrong = []
    if sha256(lines.encode()).hex() != json.loads(entries[0]["payload"])["kinds"]:
        wrong.append("kind set hash (were the kinds changed? then write the vectors anew)")
    if sha256(entries[0]["object"].encode()).hex() != vectors["space"]:
        wrong.append("space id")
    state = State(entries, kinds)
    position = 0
    while True:
        if state.hash() != entries[position]["state_hash"]:
            wrong.append(f"state hash after position {position}")
        position += 1
        if entries[position]["kind"] != "admit":
            break
        state.admit(position)
    for entry in entries:
        raw = entry["object"].encode()
        if hashlib.sha1(b"commit %d\0" % len(raw) + raw).hexdigest() != entry["git_id"]:
            wrong.append("a git id")
    join = vectors["join"]
    fields = "".join(f"{f} {join[f]}\n" for f in ("space", "key", "box", "ticket", "terms"))
    if "hark/join/1\n" + fields != join["message"]:
        wrong.append("join message")
    print("\n".join(f"wrong: {name}: {w}" for w in wrong)
          or f"{name}: well, {position} state hashes")
    return 1 if wrong or position < 3 else 0


def main():
    return max([check(name) for name in ("state.json", "state_sealed.json")])


if __name__ == "__main__":
    sys.exit(main())
