#!/usr/bin/env python3
"""Writes message.json beside itself, and with --corpus DIR the fuzzer's inputs.

Written from PROTOCOL.md alone, without Hark's code. `--check` writes nothing and
exits with 1 where the file is not what would be written.
"""

import hashlib
import json
import pathlib
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
SPACE = bytes([0x51]) * 32
OTHER = bytes([0x52]) * 32
EMPTY = hashlib.sha256(b"").digest()
ROOT = hashlib.sha256(b"a root").digest()
ORIGIN = f"home.example/{SPACE.hex()}/1"

HELLO, ASK, TELL, FETCH, BATCHES, NEWS, ERROR = range(1, 8)
SUBMIT, ACCEPTED, TERMS, SHOWN, JOIN, JOINED, COSIGN, EVIDENCE, RECEIPT = range(8, 17)
AGAIN, STILL, NOTED, RECEIPTS = 18, 19, 20, 21


def u(size, value):
    return value.to_bytes(size, "big")


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return u(1, len(raw)) + raw


def header(kind, ident=7, version=1, zero=0, magic=b"HARK"):
    return magic + u(1, version) + u(1, kind) + u(2, zero) + u(8, ident)


def cursor(space=SPACE, origin=ORIGIN, size=258, batches=3, root=ROOT):
    return space + text(origin) + u(8, size) + u(8, batches) + root


# A checkpoint with a cosignature, as far as anybody looks at it here.
NOTE = f"{ORIGIN}\n258\ncm9vdA==\n\n\u2014 partner.example c2lnbmF0dXJl\n".encode()
NOTHING = cursor(origin="", size=0, batches=0, root=EMPTY)


def sized(raw):
    return u(4, len(raw)) + raw


def batch(entries=2, lines=None, state=1, payload=b"a payload, padded"):
    lines = entries if lines is None else lines
    names = b"".join(b"%d 1000 1000 %s - -\n" % (i, b"ab" * 32) for i in range(lines))
    out = sized(b"commit object") + sized(names) + sized(b"checkpoint\n")
    for i in range(entries):
        out += sized(b"entry %d" % i) + u(1, state) + (sized(payload) if state == 1 else b"")
    return out


def batches(plain, count, level=9, size=None, tail=b"", asked=None):
    body = (asked or cursor()) + u(4, len(plain) if size is None else size) + u(2, count)
    return [header(BATCHES), body, zlib.compress(plain, level) + tail]


def hello(lowest=1, highest=1, name="home.example", software="hark 0.1.0"):
    return u(1, lowest) + u(1, highest) + text(name) + text(software)


def submit(*entries, n=None, space=SPACE):
    return space + u(2, len(entries) if n is None else n) + b"".join(entries)


def handed_in(flags=0, entry=b"an entry", payload=b"a payload, padded"):
    return (b"" if flags is None else u(1, flags)) + sized(entry) + sized(payload)


def accepted(*items, n=None):
    return SPACE + u(2, len(items) if n is None else n) + b"".join(items)


def item(status=1, position=7, ms=1763800000000, name="", message=""):
    return hashlib.sha256(b"an entry").digest() + u(1, status) + u(8, position) + u(8, ms) + (
        text(name) + text(message))


def refused(name="void-role", message="a member may not"):
    return item(0, 0, 0, name, message)


def again(*cursors):
    """Sorted by space id and origin, as their bytes stand in a cursor."""
    def log(raw):
        return raw[:32], raw[33:33 + raw[32]]
    return hashlib.sha256(b"hark/again/1\n" + b"".join(sorted(cursors, key=log))).digest()


def joined(status=0, name="", message=""):
    return SPACE + u(1, status) + text(name) + text(message)


# A file of evidence, as far as anybody looks at it here.
FILE = b"hark-evidence 1\ntwin\n"


def cosign(*notes, n=None):
    return SPACE + u(2, len(notes) if n is None else n) + b"".join(map(sized, notes))


def evidence(*files, n=None):
    return cosign(*files, n=n)


def wanted(entry=b"an entry", position=2**64 - 1):
    return hashlib.sha256(entry).digest() + u(8, position)


def receipt(*items, n=None):
    return SPACE + u(2, len(items) if n is None else n) + b"".join(items)


def cases():
    whole = batch()
    two = whole + batch(entries=0)

    yield "hello", None, [header(HELLO), hello()]
    yield "hello of several versions, nameless software", None, [
        header(HELLO), hello(1, 9, software="")]
    yield "hello in UTF-8", None, [header(HELLO), hello(software="härk")]
    yield "ask of one who has nothing", None, [header(ASK), u(2, 1) + NOTHING]
    yield "ask for two spaces, one an intake log", None, [
        header(ASK), u(2, 2) + cursor() + cursor(OTHER, f"a/{OTHER.hex()}/intake", 1, 1)]
    yield "ask for an intake log of one who has nothing", None, [
        header(ASK), u(2, 1) + cursor(origin=f"a/{SPACE.hex()}/intake", size=0, batches=0,
                                      root=EMPTY)]
    yield "tell", None, [header(TELL), u(2, 5) + b"".join(
        u(1, status) + cursor() for status in range(5))]
    yield "fetch, least", None, [header(FETCH), cursor() + u(4, 65536)]
    yield "fetch, most, of one who has nothing", None, [
        header(FETCH), NOTHING + u(4, 16 * 1024 * 1024)]
    yield "batches", None, batches(whole, 1)
    yield "two batches, one without entries, stored", None, batches(two, 2, level=0)
    yield "batches with a payload erased", None, batches(batch(state=2), 1)
    yield "batches without payloads", None, batches(batch(state=0), 1)
    yield "news", None, [header(NEWS, 0), cursor()]
    yield "error", None, [header(ERROR), text("peer-space") + text("no such space")]
    yield "error that answers nothing readable", None, [
        header(ERROR, 0), text("peer-form") + text("")]
    yield "submit", None, [header(SUBMIT), submit(handed_in(), handed_in(1, payload=b""))]
    yield "submit, least", None, [header(SUBMIT), submit(handed_in(0, b"e", b""))]
    yield "submit, the largest entry", None, [header(SUBMIT), submit(handed_in(1, b"e" * 4096))]
    yield "submit, most", None, [header(SUBMIT), submit(*[handed_in(0, b"e", b"")] * 256)]
    yield "accepted, each status", None, [
        header(ACCEPTED), accepted(refused(), item(1), item(2, 0))]
    yield "accepted, of a name not known here, without a message", None, [
        header(ACCEPTED), accepted(refused("a-rule-to-come-1", ""))]
    yield "accepted, most", None, [header(ACCEPTED), accepted(*[item()] * 256)]
    yield "terms", None, [header(TERMS), SPACE]
    yield "shown", None, [
        header(SHOWN), submit(handed_in(None), handed_in(None, payload=b""))]
    yield "shown, most", None, [header(SHOWN), submit(*[handed_in(None, b"e", b"")] * 66)]
    yield "join, least", None, [header(JOIN), SPACE + sized(b"s")]
    yield "join, most", None, [header(JOIN), SPACE + sized(b"s" * 16432)]
    yield "joined, admitted", None, [header(JOINED), joined()]
    yield "joined, waiting", None, [header(JOINED), joined(1)]
    yield "joined, refused", None, [
        header(JOINED), joined(2, "ticket-used", "its uses are used up")]

    yield "cosign", None, [header(COSIGN), cosign(NOTE, NOTE.replace(b"258", b"259"))]
    yield "cosign, least", None, [header(COSIGN), cosign(b"n")]
    yield "cosign, most", None, [header(COSIGN), cosign(*[b"n"] * 64)]
    yield "cosign of what is no note", None, [header(COSIGN), cosign(b"\0\xff")]
    yield "noted", None, [header(NOTED), SPACE]
    yield "evidence", None, [header(EVIDENCE), evidence(FILE, FILE + b"key")]
    yield "evidence, least", None, [header(EVIDENCE), evidence(b"e")]
    yield "evidence, most", None, [header(EVIDENCE), evidence(*[b"e"] * 8)]
    yield "evidence of what is no file of it", None, [header(EVIDENCE), evidence(b"\0\xff")]
    yield "receipt", None, [header(RECEIPT), receipt(wanted(), wanted(position=7))]
    yield "receipt, most", None, [header(RECEIPT), receipt(*[wanted()] * 64)]
    yield "receipts", None, [header(RECEIPTS), cosign(b"a receipt", b"")]
    yield "receipts, none of any", None, [header(RECEIPTS), cosign(*[b""] * 64)]

    form = "peer-form"
    # the header
    yield "no frames", form, []
    yield "an empty frame", form, [b""]
    yield "another magic", form, [header(HELLO, magic=b"hark"), hello()]
    yield "a header cut short", form, [header(HELLO)[:15], hello()]
    yield "a header too long", form, [header(HELLO) + b"\0", hello()]
    yield "zero is not zero", form, [header(HELLO, zero=1), hello()]
    yield "zero is not zero, high byte", form, [header(HELLO, zero=256), hello()]
    yield "version 2", "peer-version", [header(HELLO, version=2), hello()]
    yield "version 0", "peer-version", [header(HELLO, version=0), hello()]
    yield "version 2 with another header", "peer-version", [b"HARK\x02", b"", b"", b""]
    yield "type 0", form, [header(0), hello()]
    yield "a reserved type", form, [header(16), b""]
    yield "type 255", form, [header(255), hello()]
    yield "a header alone", form, [header(HELLO)]
    yield "a load that is not wanted", form, [header(HELLO), hello(), b"load"]
    yield "an empty load that is not wanted", form, [header(HELLO), hello(), b""]
    yield "four frames", form, batches(whole, 1) + [b""]
    yield "batches without load", form, batches(whole, 1)[:2]
    yield "batches with an empty load", form, batches(whole, 1)[:2] + [b""]
    yield "a question without an id", form, [header(ASK, 0), u(2, 1) + NOTHING]
    yield "news with an id", form, [header(NEWS, 1), cursor()]
    yield "a submit without an id", form, [header(SUBMIT, 0), submit(handed_in())]
    yield "joined without an id", form, [header(JOINED, 0), joined()]
    yield "a cosign without an id", form, [header(COSIGN, 0), cosign(NOTE)]
    yield "evidence without an id", form, [header(EVIDENCE, 0), evidence(FILE)]
    yield "noted without an id", form, [header(NOTED, 0), SPACE]
    yield "a receipt without an id", form, [header(RECEIPT, 0), receipt(wanted())]
    yield "receipts without an id", form, [header(RECEIPTS, 0), cosign(b"a receipt")]
    for kind, body in ((SUBMIT, submit(handed_in())), (ACCEPTED, accepted(item())),
                       (TERMS, SPACE), (SHOWN, submit(handed_in(None))),
                       (JOIN, SPACE + sized(b"s")), (JOINED, joined()),
                       (COSIGN, cosign(NOTE)), (EVIDENCE, evidence(FILE)), (NOTED, SPACE),
                       (RECEIPT, receipt(wanted())), (RECEIPTS, cosign(b"a receipt"))):
        yield f"a message of type {kind} with a load", form, [header(kind), body, b"load"]
        yield f"a message of type {kind} with more behind", form, [header(kind), body + b"\0"]
        yield f"a message of type {kind} cut short", form, [header(kind), body[:-1]]
        yield f"a message of type {kind} of half a space", form, [header(kind), SPACE[:16]]
    # hello
    yield "hello without a body", form, [header(HELLO), b""]
    yield "hello of version 0", form, [header(HELLO), hello(0, 1)]
    yield "hello with its versions turned round", form, [header(HELLO), hello(2, 1)]
    yield "hello with a name that is none", form, [header(HELLO), hello(name="-a")]
    yield "hello without a name", form, [header(HELLO), hello(name="")]
    yield "hello with a name too long", form, [header(HELLO), hello(name="a" * 64)]
    yield "hello cut short", form, [header(HELLO), hello()[:-1]]
    yield "hello with more behind", form, [header(HELLO), hello() + b"\0"]
    yield "hello with a control character", form, [header(HELLO), hello(software="a\x1b[2J")]
    yield "hello with a C1 control", form, [header(HELLO), hello(software="a\u0085")]
    yield "hello with a NUL", form, [header(HELLO), hello(software="a\0")]
    yield "hello that is not UTF-8", form, [header(HELLO), hello(software=b"\xff")]
    # ask
    yield "ask for nothing", form, [header(ASK), u(2, 0)]
    yield "ask without a number", form, [header(ASK), b"\0"]
    yield "ask for more than there is", form, [header(ASK), u(2, 2) + NOTHING]
    yield "ask for more than 4096", form, [header(ASK), u(2, 4097) + NOTHING]
    yield "ask with more behind", form, [header(ASK), u(2, 1) + NOTHING + b"\0"]
    # cursors
    for name, bad in (
            ("without origin, of a size", cursor(origin="")),
            ("without origin, of batches", cursor(origin="", size=0, root=EMPTY)),
            ("without origin, of another root", cursor(origin="", size=0, batches=0)),
            ("without entries, of batches", cursor(size=0, root=EMPTY)),
            ("with entries, of no batches", cursor(batches=0)),
            ("of nothing, of the main log, with its origin", cursor(size=0, batches=0, root=EMPTY)),
            ("of nothing, of another root",
             cursor(origin=f"a/{SPACE.hex()}/intake", size=0, batches=0)),
            ("of another space's log", cursor(origin=f"a/{OTHER.hex()}/1")),
            ("with upper-case hex", cursor(origin=f"a/{(bytes([0xab]) * 32).hex().upper()}/1",
                                           space=bytes([0xab]) * 32)),
            ("of incarnation 0", cursor(origin=f"a/{SPACE.hex()}/0")),
            ("of incarnation 01", cursor(origin=f"a/{SPACE.hex()}/01")),
            ("of incarnation 2^53", cursor(origin=f"a/{SPACE.hex()}/{2**53}")),
            ("without incarnation", cursor(origin=f"a/{SPACE.hex()}/")),
            ("with a name that is none", cursor(origin=f"A/{SPACE.hex()}/1")),
            ("with more in its origin", cursor(origin=ORIGIN + "/1")),
            ("with a line end in its origin", cursor(origin=ORIGIN + "\n")),
            ("of a name alone", cursor(origin="a")),
            ("cut short", cursor()[:-1])):
        yield "a cursor " + name, form, [header(NEWS, 0), bad]
    # tell, fetch, news
    yield "tell nothing", form, [header(TELL), u(2, 0)]
    yield "tell status 5", form, [header(TELL), u(2, 1) + u(1, 5) + cursor()]
    yield "tell more than there is", form, [header(TELL), u(2, 2) + u(1, 0) + cursor()]
    yield "tell with more behind", form, [header(TELL), u(2, 1) + u(1, 0) + cursor() + b"\0"]
    yield "fetch too little", form, [header(FETCH), cursor() + u(4, 65535)]
    yield "fetch too much", form, [header(FETCH), cursor() + u(4, 16 * 1024 * 1024 + 1)]
    yield "fetch without how much", form, [header(FETCH), cursor()]
    yield "fetch with more behind", form, [header(FETCH), cursor() + u(4, 65536) + b"\0"]
    yield "news with more behind", form, [header(NEWS, 0), cursor() + b"\0"]
    # batches
    yield "batches of number 0", form, batches(whole, 0)
    yield "batches of size 0", form, batches(b"", 1)
    yield "batches larger than 64 MiB", form, batches(whole, 1, size=64 * 1024 * 1024 + 1)
    yield "fewer batches than announced", form, batches(whole, 2)
    yield "more batches than announced", form, batches(two, 1)
    yield "a load larger than announced", form, batches(whole, 1, size=len(whole) - 1)
    yield "a load smaller than announced", form, batches(whole, 1, size=len(whole) + 1)
    yield "a load with more behind", form, batches(whole, 1, tail=b"\0")
    yield "two loads in one", form, batches(whole, 1, tail=zlib.compress(whole))
    cut = batches(whole, 1)
    yield "a load without its check sum", form, cut[:2] + [cut[2][:-4]]
    yield "a load with another check sum", form, cut[:2] + [cut[2][:-1] + bytes([cut[2][-1] ^ 1])]
    yield "a load that is no zlib stream", form, cut[:2] + [b"not zlib"]
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    yield "a load without zlib's header", form, cut[:2] + [raw.compress(whole) + raw.flush()]
    yield "batches with more behind", form, [cut[0], cut[1] + b"\0", cut[2]]
    yield "a batch cut short", form, batches(whole[:-1], 1)
    yield "a batch with a line more than entries", form, batches(batch(2, lines=3), 1)
    yield "a batch with an entry more than lines", form, batches(batch(2, lines=1), 1)
    yield "a payload in state 3", form, batches(batch(state=3), 1)
    yield "a commit longer than allowed", form, batches(
        sized(b"c" * (128 * 1024 + 1)) + sized(b"") + sized(b""), 1)
    yield "an entry longer than allowed", form, batches(
        sized(b"c") + sized(b"\n") + sized(b"") + sized(b"e" * 4097) + b"\0", 1)
    yield "a payload longer than allowed", form, batches(batch(1, payload=b"p" * 65537), 1)
    yield "a batch of 1001 entries", form, batches(
        sized(b"c") + sized(b"\n" * 1001) + sized(b"") + (sized(b"e") + b"\0") * 1001, 1)
    # error
    yield "error without a name", form, [header(ERROR), text("") + text("what")]
    yield "error with a name that is none", form, [header(ERROR), text("Peer form") + text("")]
    yield "error without a message", form, [header(ERROR), text("peer-form")]
    yield "error with more behind", form, [header(ERROR), text("peer-form") + text("") + b"\0"]
    yield "error that is not text", form, [header(ERROR), text("peer-form") + text("a\nb")]
    # submit, shown
    yield "submit nothing", form, [header(SUBMIT), submit()]
    yield "submit 257", form, [header(SUBMIT), submit(*[handed_in(0, b"e", b"")] * 257)]
    yield "submit more than there is", form, [header(SUBMIT), submit(handed_in(), n=2)]
    yield "submit fewer than there are", form, [header(SUBMIT), submit(*[handed_in()] * 2, n=1)]
    for flags in (2, 3, 128):
        yield f"submit with flags {flags}", form, [header(SUBMIT), submit(handed_in(flags))]
    yield "submit an empty entry", form, [header(SUBMIT), submit(handed_in(entry=b""))]
    yield "submit an entry longer than allowed", form, [
        header(SUBMIT), submit(handed_in(entry=b"e" * 4097))]
    yield "submit an entry longer than all", form, [
        header(SUBMIT), SPACE + u(2, 1) + u(1, 0) + u(4, 2**32 - 1) + b"e" * 20]
    yield "shown nothing", form, [header(SHOWN), submit()]
    yield "shown 67", form, [header(SHOWN), submit(*[handed_in(None, b"e", b"")] * 67)]
    yield "shown with flags", form, [header(SHOWN), submit(handed_in(0))]
    yield "shown an empty entry", form, [header(SHOWN), submit(handed_in(None, b""))]
    # accepted
    yield "accepted nothing", form, [header(ACCEPTED), accepted()]
    yield "accepted 257", form, [header(ACCEPTED), accepted(*[item()] * 257)]
    yield "accepted more than there is", form, [header(ACCEPTED), accepted(item(), n=2)]
    yield "accepted of status 3", form, [header(ACCEPTED), accepted(item(3))]
    yield "refused at a position", form, [header(ACCEPTED), accepted(item(0, 1, 0, "no"))]
    yield "refused at a time", form, [header(ACCEPTED), accepted(item(0, 0, 1, "no"))]
    yield "refused without a name", form, [header(ACCEPTED), accepted(refused("", "because"))]
    yield "refused with a name that is none", form, [
        header(ACCEPTED), accepted(refused("Void role"))]
    yield "refused with a name too long", form, [header(ACCEPTED), accepted(refused("a" * 64))]
    yield "refused with controls", form, [header(ACCEPTED), accepted(refused(message="a\nb"))]
    yield "accepted with a name", form, [header(ACCEPTED), accepted(item(name="void-role"))]
    yield "logged with a message", form, [header(ACCEPTED), accepted(item(2, message="a"))]
    # join, joined
    yield "join without a request", form, [header(JOIN), SPACE + sized(b"")]
    yield "join with more than 16,432 bytes", form, [header(JOIN), SPACE + sized(b"s" * 16433)]
    yield "join with fewer bytes than said", form, [header(JOIN), SPACE + u(4, 2) + b"s"]
    yield "joined of status 3", form, [header(JOINED), joined(3)]
    yield "joined, refused, without a name", form, [header(JOINED), joined(2, "", "because")]
    yield "joined, admitted, with a name", form, [header(JOINED), joined(0, "ticket-used")]
    yield "joined, waiting, with a message", form, [header(JOINED), joined(1, "", "soon")]
    # cosign
    yield "cosign nothing", form, [header(COSIGN), cosign()]
    yield "cosign 65", form, [header(COSIGN), cosign(*[b"n"] * 65)]
    yield "cosign without a number", form, [header(COSIGN), SPACE + b"\0"]
    yield "cosign more than there is", form, [header(COSIGN), cosign(NOTE, n=2)]
    yield "cosign fewer than there are", form, [header(COSIGN), cosign(NOTE, NOTE, n=1)]
    yield "cosign an empty note", form, [header(COSIGN), cosign(b"")]
    yield "cosign an empty note among others", form, [header(COSIGN), cosign(NOTE, b"", NOTE)]
    yield "cosign a note longer than all", form, [
        header(COSIGN), SPACE + u(2, 1) + u(4, 2**32 - 1) + NOTE]
    # evidence
    yield "evidence of nothing", form, [header(EVIDENCE), evidence()]
    yield "evidence 9", form, [header(EVIDENCE), evidence(*[b"e"] * 9)]
    yield "evidence without a number", form, [header(EVIDENCE), SPACE + b"\0"]
    yield "evidence more than there is", form, [header(EVIDENCE), evidence(FILE, n=2)]
    yield "evidence fewer than there are", form, [header(EVIDENCE), evidence(FILE, FILE, n=1)]
    yield "evidence an empty file", form, [header(EVIDENCE), evidence(b"")]
    yield "evidence an empty file among others", form, [
        header(EVIDENCE), evidence(FILE, b"", FILE)]
    yield "evidence a file longer than all", form, [
        header(EVIDENCE), SPACE + u(2, 1) + u(4, 2**32 - 1) + FILE]
    # receipt, receipts
    yield "receipt of nothing", form, [header(RECEIPT), receipt()]
    yield "receipt of 65", form, [header(RECEIPT), receipt(*[wanted()] * 65)]
    yield "receipt of more than there is", form, [header(RECEIPT), receipt(wanted(), n=2)]
    yield "receipt of fewer than there are", form, [
        header(RECEIPT), receipt(wanted(), wanted(), n=1)]
    yield "receipt without a position", form, [header(RECEIPT), receipt(wanted()[:32])]
    yield "receipts of nothing", form, [header(RECEIPTS), cosign()]
    yield "receipts, 65", form, [header(RECEIPTS), cosign(*[b""] * 65)]
    yield "receipts, more than there is", form, [header(RECEIPTS), cosign(b"a receipt", n=2)]
    yield "receipts, one longer than allowed", form, [header(RECEIPTS), cosign(b"r" * 69633)]
    yield "receipts, one longer than all", form, [
        header(RECEIPTS), SPACE + u(2, 1) + u(4, 2**32 - 1) + b"r"]
    # again, still
    yield "again", None, [header(AGAIN), again(NOTHING, cursor(OTHER), cursor())]
    yield "again without an id", form, [header(AGAIN, 0), again()]
    yield "again, too short", form, [header(AGAIN), again()[:31]]
    yield "again, too long", form, [header(AGAIN), again() + b"\0"]
    yield "still, not the same", None, [header(STILL), u(1, 0)]
    yield "still, the same", None, [header(STILL), u(1, 1)]
    yield "still of status 2", form, [header(STILL), u(1, 2)]
    yield "still of nothing", form, [header(STILL), b""]
    yield "still, too long", form, [header(STILL), u(1, 1) + b"\0"]


def document():
    lines = ",\n".join(json.dumps(
        {"name": name, "error": error, "frames": [frame.hex() for frame in frames]})
        for name, error, frames in cases())
    return '{"format": "hark/vectors/message/1", "cases": [\n' + lines + "\n]}\n"


def write_corpus(folder):
    """u8 number of frames, then u32 size ‖ frame for each."""
    for name, error, frames in cases():
        plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in name)
        if error is None or sum(map(len, frames)) < 1000:
            (folder / plain).write_bytes(u(1, len(frames)) + b"".join(map(sized, frames)))


def main():
    path = HERE / "message.json"
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if path.read_text(encoding="utf-8") == document() else 1)
    if sys.argv[1:2] == ["--corpus"] and len(sys.argv) == 3:
        write_corpus(pathlib.Path(sys.argv[2]))
        return
    path.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
