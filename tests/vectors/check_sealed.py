#!/usr/bin/env python3
"""Section 10 of PROTOCOL.md once more, by nothing but that page, Python's own library and
PyNaCl: epoch keys, boxes, envelopes, disclosures.

    check_sealed.py FILE          opens everything in a file of the form of sealed.json, finds
                                  wrong what is said to be, and prints how many there were
    check_sealed.py --make        writes such a file, of its own making, with keys from chance

Exit code 0: all as it must be; 77: there is no PyNaCl.
"""

import base64
import hashlib
import json
import os
import struct
import sys

from check_entry import git_id, sha256, signed_key, split_signature, unsigned_entry

try:
    from nacl import bindings, exceptions, public, signing
except ImportError:
    print("skipped: there is no PyNaCl")
    sys.exit(77)

EMPTY = b""


class Refused(Exception):
    """By the rule whose error this is."""


def require(fine, error):
    if not fine:
        raise Refused(error)


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


def derive(parent, label, context):
    """2.3."""
    return hashlib.blake2b(b"hark/1 " + label + b"\0" + context, key=parent,
                           digest_size=32).digest()


def u32(number):
    return struct.pack(">I", number)


def u64(number):
    return struct.pack(">Q", number)


# ---- 10.1, 10.2 ---------------------------------------------------------------------------


def step(key, space, number):
    return derive(key, b"step", space + u32(number + 1))


def commitment(key, space, number):
    return derive(key, b"commitment", space + u32(number))


def make_box(key, space, number, recipient):
    secret = derive(key, b"part", space + u32(number) + recipient)
    ephemeral = bindings.crypto_scalarmult_base(secret)
    nonce = hashlib.blake2b(ephemeral + recipient, digest_size=24).digest()
    return ephemeral + bindings.crypto_box(key, nonce, recipient, secret)


def open_sealed(box, secret):
    try:
        return public.SealedBox(public.PrivateKey(secret)).decrypt(box)
    except exceptions.CryptoError as why:
        raise Refused("seal") from why


def open_box(vector):
    space, secret = bytes.fromhex(vector["space"]), bytes.fromhex(vector["secret"])
    box, number = unb64(vector["box"]), vector["epoch"]
    key = open_sealed(box, secret)
    recipient = bindings.crypto_scalarmult_base(secret)
    if "commitment" in vector:  # in a group_key nothing is committed to
        require(commitment(key, space, number).hex() == vector["commitment"], "epoch-key")
    require(make_box(key, space, number, recipient) == box, "epoch-key")
    return key


# ---- 10.3 -----------------------------------------------------------------------------------


def entry_key(key, space, author, seq, nonce):
    return derive(key, b"entry", space + author + u64(seq) + nonce)


def pad(content):
    plain = u32(len(content)) + content
    return plain + bytes(max(512, -(-len(plain) // 64) * 64) - len(plain))


def seal(epoch, number, space, author, seq, nonce, headers, content):
    key = entry_key(epoch, space, author, seq, nonce)
    sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(pad(content), headers, nonce, key)
    return b"\1" + u32(number) + nonce + derive(key, b"commitment", EMPTY) + sealed


def read_head(envelope):
    require(envelope[:1] in (b"", b"\1"), "envelope-version")
    blocks, rest = divmod(len(envelope) - 77, 64)
    require(rest == 0 and 8 <= blocks <= 1022, "envelope-form")
    return struct.unpack(">I", envelope[1:5])[0], envelope[5:29], envelope[29:61]


def open_with(key, headers, envelope):
    _, nonce, committed = read_head(envelope)
    require(derive(key, b"commitment", EMPTY) == committed, "envelope-key")
    try:
        plain = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(envelope[61:], headers, nonce,
                                                                    key)
    except exceptions.CryptoError as why:
        raise Refused("envelope-seal") from why
    content = plain[4:4 + struct.unpack(">I", plain[:4])[0]]
    require(content and pad(content) == plain, "envelope-padding")
    return content


def open_envelope(vector):
    envelope, headers = unb64(vector["envelope"]), unb64(vector["headers"])
    epoch, nonce, _ = read_head(envelope)
    require(epoch == vector["epoch"], "envelope-key")
    key = entry_key(bytes.fromhex(vector["key"]), bytes.fromhex(vector["space"]),
                    bytes.fromhex(vector["author"]), vector["seq"], nonce)
    return key, open_with(key, headers, envelope)


# ---- 10.6 -----------------------------------------------------------------------------------


def signature_message(signed):
    """2.6, in the namespace git."""
    parts = (b"git", b"", b"sha512", hashlib.sha512(signed).digest())
    return b"SSHSIG" + b"".join(u32(len(part)) + part for part in parts)


def take_parts(data):
    while data:
        head, data = data.split(b"\n", 1)
        size = head.removeprefix(b"part ").decode()
        require(head.startswith(b"part ") and size.isdigit() and size[0] != "0" and
                len(data) > int(size) and data[int(size):int(size) + 1] == b"\n",
                "disclosure-form")
        yield data[:int(size)]
        data = data[int(size) + 1:]


def read_entry(commit):
    """Headers to before `Payload`, what `Payload` says, the others by name; verified."""
    try:
        armor, signed = split_signature(commit)
        key = signed_key(armor)
        blob = base64.b64decode(b"".join(armor.split(b"\n")[1:-2]), validate=True)
        signing.VerifyKey(bytes.fromhex(key)).verify(signature_message(signed), blob[-64:])
    except (SystemExit, ValueError, exceptions.CryptoError) as why:
        raise Refused("disclosure") from why
    subject, headers = signed.split(b"\n\n", 2)[1:]
    headers, payload = headers.split(b"Payload: ")
    said = dict(line.split(": ", 1) for line in headers.decode().splitlines())
    require(subject.decode() == f"{said['Kind']} {said['Seq']}" and said["Author"] == key and
            said["Kind"] in ("sealed", "charter"), "disclosure")
    return headers, payload.decode(), said


def read_receipt(text, commit, space, log_key):
    """7.7 over 2.9; the log's signature, where the key is known."""
    proof, note = text.split(b"\n\n", 1)
    lines = proof.decode().split("\n")
    require(lines[0] == "c2sp.org/tlog-proof@v1" and lines[2].startswith("index "), "disclosure")
    extra, index = unb64(lines[1].removeprefix("extra ")), int(lines[2].removeprefix("index "))
    origin, size, root = note.decode().split("\n")[:3]
    node_hash = hashlib.sha256(b"\0" + extra[1:49]).digest()
    for number, line in enumerate(lines[3:]):  # of logs of two entries at most
        pair = (unb64(line), node_hash) if index >> number & 1 else (node_hash, unb64(line))
        node_hash = hashlib.sha256(b"\1" + pair[0] + pair[1]).digest()
    require(extra[0] == 1 and extra[1:33].hex() == sha256(commit) and int(size) <= 2 and
            extra[49:].hex() == git_id("commit", commit) and unb64(root) == node_hash and
            origin.split("/")[1] == space, "disclosure")
    if log_key is not None:
        body, signature = note.split(b"\n\n", 1)
        signature = unb64(signature.decode().split(" ")[2].strip())
        key_id = hashlib.sha256(origin.encode() + b"\n\1" + log_key).digest()[:4]
        require(signature[:4] == key_id, "disclosure")
        signing.VerifyKey(log_key).verify(body + b"\n", signature[4:])


def read_disclosure(vector):
    data = unb64(vector["file"])
    lines = data.split(b"\n", 3)
    key = lines[1].removeprefix(b"key ").decode()
    require(lines[0] == b"hark-disclosure 1" and lines[1].startswith(b"key ") and
            len(key) == 64 and set(key) <= set("0123456789abcdef") and lines[2] == b"",
            "disclosure-form")
    parts = list(take_parts(lines[3]))
    require(len(parts) in (2, 3), "disclosure-form")
    commit, envelope = parts[:2]
    headers, payload, said = read_entry(commit)
    require(payload == f"{len(envelope)} {sha256(envelope)}\n", "disclosure")
    log_key = bytes.fromhex(vector["log_key"]) if "log_key" in vector else None
    if len(parts) == 3:
        read_receipt(parts[2], commit, said["Space"], log_key)
    try:
        return sha256(commit), read_head(envelope)[0], open_with(bytes.fromhex(key), headers,
                                                                 envelope)
    except Refused as why:
        raise Refused("disclosure") from why


# ---- reading a file -------------------------------------------------------------------------


def check_epoch(vector):
    space, key, number = bytes.fromhex(vector["space"]), bytes.fromhex(vector["key"]), vector["epoch"]
    after = step(key, space, number)
    return (commitment(key, space, number).hex() == vector["commitment"] and
            after.hex() == vector["next"] and
            commitment(after, space, number + 1).hex() == vector["next_commitment"])


def check_box(vector):
    return open_box(vector).hex() == vector["key"]


def check_envelope(vector):
    key, content = open_envelope(vector)
    again = seal(bytes.fromhex(vector["key"]), vector["epoch"], bytes.fromhex(vector["space"]),
                 bytes.fromhex(vector["author"]), vector["seq"], bytes.fromhex(vector["nonce"]),
                 unb64(vector["headers"]), content)
    return (content == unb64(vector["content"]) and key.hex() == vector["entry_key"] and
            again == unb64(vector["envelope"]))


def check_disclosure(vector):
    ident, epoch, content = read_disclosure(vector)
    return (ident == vector["id"] and epoch == vector["epoch"] and
            content == unb64(vector["content"]))


LISTS = {"epochs": check_epoch, "boxes": check_box, "bad_boxes": check_box,
         "group_keys": check_box, "bad_group_keys": check_box, "envelopes": check_envelope,
         "bad_envelopes": check_envelope, "disclosures": check_disclosure,
         "bad_disclosures": check_disclosure}


def check(name):
    with open(name, encoding="utf-8") as file:
        vectors = json.load(file)
    for kind, one in LISTS.items():
        for vector in vectors.get(kind, ()):
            try:
                found = "ok" if one(vector) else "something else"
            except Refused as why:
                found = str(why)
            if found != vector.get("error", "ok"):
                sys.exit(f"check_sealed.py: {kind} {vector.get('name', '')}: {found}")
        print(kind, len(vectors.get(kind, ())))


# ---- making one ------------------------------------------------------------------------------


class Group:
    def __init__(self, number=7):
        self.space, self.key, self.number = os.urandom(32), os.urandom(32), number

    def vector(self, **more):
        return {"space": self.space.hex(), "epoch": self.number, "key": self.key.hex(), **more}

    def commitment(self):
        return commitment(self.key, self.space, self.number).hex()


def an_epoch(number):
    group = Group(number)
    after = step(group.key, group.space, number)
    return group.vector(commitment=group.commitment(), next=after.hex(),
                        next_commitment=commitment(after, group.space, number + 1).hex())


def a_box(twist=None):
    group, secret = Group(), os.urandom(32)
    recipient = bindings.crypto_scalarmult_base(secret)
    box = make_box(group.key, group.space, group.number, recipient)
    if twist == "seal":
        box = box[:50] + bytes([box[50] ^ 4]) + box[51:]
    elif twist == "epoch-key":
        box = public.SealedBox(public.PublicKey(recipient)).encrypt(group.key)
    more = {"name": twist, "error": twist} if twist else {}
    return group.vector(secret=secret.hex(), recipient=recipient.hex(),
                        commitment=group.commitment(), box=b64(box), **more)


def a_group_key(twist=None):
    vector = a_box(twist)
    del vector["commitment"]
    return vector


def fields_of(group, author, seq):
    signature = b64(os.urandom(64))
    return {"space": group.space.hex(), "author": bytes(author.verify_key).hex(), "seq": seq,
            "previous": os.urandom(32).hex(), "parent": os.urandom(20).hex(), "kind": "sealed",
            "time": "2026-11-21T10:15:30.123Z", "time_ms": 1795256130123, "re": [],
            "seen": {"size": 5, "root": os.urandom(32).hex(), "key_id": "0a0b0c0d",
                     "signature": signature}}


def headers_of(fields):
    return unsigned_entry(fields).split(b"\n\n", 2)[2]


def an_envelope(content, seq, twist=None):
    group, author, nonce = Group(), signing.SigningKey.generate(), os.urandom(24)
    fields = fields_of(group, author, seq)
    headers, key = headers_of(fields), bytes(author.verify_key)
    envelope = seal(group.key, group.number, group.space, key, seq, nonce, headers, content)
    own = entry_key(group.key, group.space, key, seq, nonce)
    vector = group.vector(author=key.hex(), seq=seq, headers=b64(headers), nonce=nonce.hex(),
                          content=b64(content), entry_key=own.hex())
    if twist:
        at = {"envelope-version": 0, "envelope-key": 40, "envelope-seal": -1}.get(twist)
        if at is not None:
            changed = bytearray(envelope)
            changed[at] ^= 0x10
            envelope = bytes(changed)
        elif twist == "envelope-form":
            envelope += bytes(1)
        else:
            plain = pad(content)[:-1] + b"\1"
            envelope = envelope[:61] + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
                plain, headers, nonce, own)
        vector.update(name=twist, error=twist)
    return {**vector, "envelope": b64(envelope)}


def ssh_armor(author, signed):
    def string(data):
        return u32(len(data)) + data

    signature = author.sign(signature_message(signed)).signature
    blob = (b"SSHSIG" + u32(1) + string(string(b"ssh-ed25519") + string(bytes(author.verify_key))) +
            string(b"git") + string(b"") + string(b"sha512") +
            string(string(b"ssh-ed25519") + string(signature)))
    text = b64(blob)
    lines = [text[at:at + 70] for at in range(0, len(text), 70)]
    return ["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----"]


def make_receipt(commit, space, log):
    times = u64(1795256130200) + u64(1795256130200)
    leaf = hashlib.sha256(b"\0" + bytes.fromhex(sha256(commit)) + times).digest()
    sibling = os.urandom(32)
    origin = f"node.example/{space}/3"
    root = b64(hashlib.sha256(b"\1" + sibling + leaf).digest())
    body = f"{origin}\n2\n{root}\n"
    key_id = hashlib.sha256(origin.encode() + b"\n\1" + bytes(log.verify_key)).digest()[:4]
    signature = b64(key_id + log.sign(body.encode()).signature)
    extra = b"\1" + bytes.fromhex(sha256(commit)) + times + bytes.fromhex(git_id("commit", commit))
    return (f"c2sp.org/tlog-proof@v1\nextra {b64(extra)}\nindex 1\n{b64(sibling)}\n\n"
            f"{body}\n— {origin} {signature}\n").encode()


def a_disclosure(content, received):
    group, author, nonce = Group(), signing.SigningKey.generate(), os.urandom(24)
    fields = fields_of(group, author, 12)
    key = bytes(author.verify_key)
    envelope = seal(group.key, group.number, group.space, key, 12, nonce, headers_of(fields),
                    content)
    fields.update(payload_size=len(envelope), payload_hash=sha256(envelope))
    signed = unsigned_entry(fields)
    head, message = signed.split(b"\n\n", 1)
    armor = "\n ".join(ssh_armor(author, signed)).encode()
    commit = head + b"\ngpgsig " + armor + b"\n\n" + message
    log = signing.SigningKey.generate()
    parts = [commit, envelope] + ([make_receipt(commit, group.space.hex(), log)] if received
                                  else [])
    own = entry_key(group.key, group.space, key, 12, nonce).hex()
    file = f"hark-disclosure 1\nkey {own}\n\n".encode()
    file += b"".join(b"part %d\n%s\n" % (len(part), part) for part in parts)
    more = {"log_key": bytes(log.verify_key).hex()} if received else {}
    return {"id": sha256(commit), "epoch": group.number, "content": b64(content),
            "file": b64(file), **more}


def make():
    words = json.dumps({"kind": "post", "re": ["ab" * 32], "payload": {"body": "Größer"}},
                       ensure_ascii=False, separators=(",", ":")).encode()
    twists = ("envelope-version", "envelope-form", "envelope-key", "envelope-seal",
              "envelope-padding")
    sizes = (1, 2, 507, 508, 509, 572, 573, 5000, 65404)
    json.dump({
        "epochs": [an_epoch(number) for number in (0, 1, 70000, 2 ** 32 - 2)],
        "boxes": [a_box() for _ in range(20)],
        "bad_boxes": [a_box("seal"), a_box("epoch-key")],
        "group_keys": [a_group_key() for _ in range(5)],
        "bad_group_keys": [a_group_key("seal"), a_group_key("epoch-key")],
        "envelopes": [an_envelope(words, seq) for seq in (2, 2 ** 53 - 1)] +
                     [an_envelope(os.urandom(size), 3) for size in sizes],
        "bad_envelopes": [an_envelope(words, 2, twist) for twist in twists],
        "disclosures": [a_disclosure(words, False), a_disclosure(words, True)],
    }, sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--make":
        make()
    else:
        check(sys.argv[1])
