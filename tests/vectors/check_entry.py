#!/usr/bin/env python3
"""Reads entry.json and batch.json as a stranger would, with nothing but a page of
PROTOCOL.md and Python's own library: ids, hashes, Merkle roots, git's object ids,
and every byte of an entry outside its signature. Ed25519 is left to others.

    check_entry.py [FOLDER]

Exit code 0: all as it must be.
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys

FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)


def load(name):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def require(fine, *what):
    if not fine:
        sys.exit("check_entry.py: " + " ".join(str(w) for w in what))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_id(kind, data):
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data).hexdigest()


def root(leaves):
    """RFC 6962 section 2.1, over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def split_signature(commit):
    """The armour, and what it signs."""
    head, gpgsig = commit.split(b"\ngpgsig ", 1)
    gpgsig, message = gpgsig.split(b"\n\n", 1)
    return gpgsig.replace(b"\n ", b"\n") + b"\n", head + b"\n\n" + message


def signed_key(armor):
    lines = armor.decode().splitlines()
    require(lines[0] == "-----BEGIN SSH SIGNATURE-----", "armour")
    require(lines[-1] == "-----END SSH SIGNATURE-----", "armour")
    require(all(len(line) == 70 for line in lines[1:-2]) and 0 < len(lines[-2]) <= 70, "columns")
    blob = base64.b64decode("".join(lines[1:-1]), validate=True)
    head = b"SSHSIG" + struct.pack(">I", 1)

    def string(data):
        return struct.pack(">I", len(data)) + data

    key, signature = blob[33:65], blob[-64:]
    require(blob == head + string(string(b"ssh-ed25519") + string(key)) + string(b"git") +
            string(b"") + string(b"sha512") +
            string(string(b"ssh-ed25519") + string(signature)), "SSHSIG")
    return key.hex()


def unsigned_entry(fields):
    """Section 3, from the fields."""
    key, seconds = fields["author"], fields["time_ms"] // 1000
    who = f"{key} <{key}@hark.invalid> {seconds} +0000"
    lines = ["tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904"]
    lines += [f"parent {fields['parent']}"] if "parent" in fields else []
    lines += [f"author {who}", f"committer {who}", "", f"{fields['kind']} {fields['seq']}", ""]
    lines += ["Hark: 1"]
    lines += [f"Space: {fields['space']}"] if "space" in fields else []
    lines += [f"Author: {key}", f"Seq: {fields['seq']}"]
    lines += [f"Previous: {fields['previous']}"] if "previous" in fields else []
    lines += [f"Time: {fields['time']}", f"Kind: {fields['kind']}"]
    if "seen" in fields:
        seen = fields["seen"]
        lines += [f"Seen: {seen['size']} {seen['root']} {seen['key_id']} {seen['signature']}"]
    lines += [f"Re: {re}" for re in fields["re"]]
    if "payload_hash" in fields:
        lines += [f"Payload: {fields['payload_size']} {fields['payload_hash']}"]
    return "".join(line + "\n" for line in lines).encode()


def check_entries():
    vectors = load("entry.json")
    for vector in vectors["valid"]:
        name, fields = vector["name"], vector["fields"]
        commit = base64.b64decode(vector["bytes"], validate=True)
        require(sha256(commit) == vector["id"], name, "id")
        require(git_id("commit", commit) == vector["git_id"], name, "git id")
        armor, signed = split_signature(commit)
        require(signed == unsigned_entry(fields), name, "bytes")
        require(signed_key(armor) == fields["author"], name, "key")
        if "payload" in vector:
            payload = base64.b64decode(vector["payload"], validate=True)
            require(sha256(payload) == fields["payload_hash"], name, "payload hash")
            require(len(payload) == fields["payload_size"], name, "payload size")
            require(len(payload) % 64 == 0, name, "padding")
    valid = {base64.b64decode(v["bytes"]) for v in vectors["valid"]}
    for vector in vectors["invalid"] + vectors["precedence"]:
        require(base64.b64decode(vector["bytes"]) not in valid, vector["name"], "is valid")
    return len(vectors["valid"])


def tree_id(checkpoint, entries):
    files = ((b"checkpoint", checkpoint), (b"entries", entries))
    return git_id("tree", b"".join(b"100644 %s\0" % name + bytes.fromhex(git_id("blob", data))
                                   for name, data in files))


def check_batch(vector, head, objects):
    """What of a batch does not hold of: tree, parents, entries, checkpoint, root."""
    commit, entries, checkpoint = (base64.b64decode(vector[part], validate=True)
                                   for part in ("commit", "entries", "checkpoint"))
    lines = [line.split(" ") for line in entries.decode().splitlines()]
    items = [objects[i] for i in vector["objects"]]
    head_lines = commit.split(b"\nauthor ")[0].decode().splitlines()
    parents = [line[7:] for line in head_lines[1:]]
    wanted = ([head["batch_id"]] if "batch_id" in head else []) + [git_id("commit", o)
                                                                   for o in items]
    leaves = [bytes.fromhex(leaf) for leaf in head["leaves"]]
    for line in lines:
        leaves.append(hashlib.sha256(b"\0" + bytes.fromhex(line[3]) +
                                     struct.pack(">QQ", int(line[1]), int(line[2]))).digest())
    note = checkpoint.decode().split("\n")
    message = commit.split(b"\n\n", 2)[2].decode()
    wrong = []
    if head_lines[0] != "tree " + tree_id(checkpoint, entries):
        wrong.append("tree")
    if parents != wanted:
        wrong.append("parents")
    if f"\nEntries: {sha256(entries)}\n" not in message:
        wrong.append("entries")
    if [line[3] for line in lines] != [sha256(o) for o in items]:
        wrong.append("ids")
    if note[:2] != [head["origin"], str(len(leaves))] or note[3] != "":
        wrong.append("checkpoint")
    if base64.b64decode(note[2]) != root(leaves):
        wrong.append("root")
    if "batch" in head and f"\nPrevious: {head['batch']}\n" not in message:
        wrong.append("previous")
    return wrong, leaves, commit


def check_batches():
    vectors = load("batch.json")
    heads = vectors["heads"]
    objects = [base64.b64decode(o, validate=True) for o in vectors["objects"]]
    for number, vector in enumerate(vectors["valid"]):
        wrong, leaves, commit = check_batch(vector, heads[number], objects)
        after = heads[number + 1]
        require(not wrong, vector["name"], *wrong)
        require([leaf.hex() for leaf in leaves] == after["leaves"], vector["name"], "leaves")
        require(root(leaves).hex() == after["root"], vector["name"], "root")
        require(sha256(commit) == after["batch"], vector["name"], "batch")
        require(git_id("commit", commit) == after["batch_id"], vector["name"], "git id")
        require(signed_key(split_signature(commit)[0]) == after["log_key"], vector["name"], "key")
    # The two rules that nothing but git's ids show.
    for rule, what in (("B6", "tree"), ("B8", "parents")):
        for vector in (v for v in vectors["invalid"] if v["rule"] == rule):
            wrong = check_batch(vector, heads[vector["after"]], objects)[0]
            require(wrong == [what], rule, vector["name"], *wrong)
    return len(vectors["valid"])


if __name__ == "__main__":
    print(f"{check_entries()} entries, {check_batches()} batches")
