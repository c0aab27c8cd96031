#!/usr/bin/env python3
"""Writes payload.json, inner.json, ticket.json and kind.json beside itself.

Written from PROTOCOL.md alone, without Hark's code: an implementation and its
vectors must not share their mistakes. `--check` writes nothing and exits with 1
where a file is not what would be written.
"""

import base64
import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
KINDS = HERE.parents[1] / "schemas" / "kinds"

# ---- Ed25519 (RFC 8032), slow and plain ------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def recover_x(y, odd):
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x % 2 != odd else x


def add(p, q):
    (x1, y1), (x2, y2) = p, q
    k = D * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P) % P,
            (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P) % P)


def multiply(n, point):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point = add(point, point)
        n >>= 1
    return result


BASE = (recover_x(BASE_Y, 0), BASE_Y)


def encode_point(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


class Signer:
    def __init__(self, seed):
        digest = hashlib.sha512(seed).digest()
        self.scalar = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
        self.prefix = digest[32:]
        self.key = encode_point(multiply(self.scalar, BASE))

    def sign(self, message):
        def number(data):
            return int.from_bytes(hashlib.sha512(data).digest(), "little") % L
        r = number(self.prefix + message)
        point = encode_point(multiply(r, BASE))
        s = (r + number(point + self.key + message) * self.scalar) % L
        return point + s.to_bytes(32, "little")


# ---- payload.json -----------------------------------------------------------

SALT = bytes(range(16)).hex()


def key(n):
    return bytes([n]) * 32


def hex_key(n):
    return key(n).hex()


def compact(fields):
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def pad(text):
    data = text.encode() if isinstance(text, str) else text
    return data + b" " * (-len(data) % 64)


def payload(**fields):
    return pad(compact({"salt": SALT, **fields}))


def raw(inside):
    """A payload with these very bytes behind the salt."""
    inside = inside.encode() if isinstance(inside, str) else inside
    return pad(b'{"salt":"' + SALT.encode() + b'"' + inside)


HOME = {"name": "brand.example", "log": hex_key(1), "cosigner": hex_key(2), "author": hex_key(3),
        "curve": hex_key(4), "box": hex_key(5)}
SPACE = {"rules": 1, "kinds": hex_key(6), "nonce": hex_key(7), "box": hex_key(8), "mode": "open",
         "home": HOME, "policy": {"merge_delay_s": 86400, "groups": "staff"},
         "recovery": {"threshold": 2, "keys": [hex_key(9), hex_key(10), hex_key(11)]},
         "title": "Bäume", "objective": {"question": "Which trees?\nAnd where?",
                                         "owner": "The park office", "until": "2026-12-31"}}
ADMIT = {"key": hex_key(1), "box": hex_key(2), "proof": hex_key(3) * 2, "terms": hex_key(4),
         "role": "member", "source": "founder"}
INVITE = {"ticket": hex_key(1), "curve": hex_key(2), "role": "member", "uses": 1000000,
          "until": "9999-12-31T23:59:59.999Z",
          "cohorts": [{"dimension": "owner", "value": "no"}], "source": "spring-mail"}
DEVICE = {"action": "remove", "member": 16777215, "key": hex_key(1)}


def without(fields, name):
    return {k: v for k, v in fields.items() if k != name}


def named(data, **wrong):
    return {"size": len(data), "hash": hashlib.sha256(data).hexdigest(), **wrong}


ABSENT = object()
ERRORS = dict(zip([f"P{n}" for n in range(1, 16)],
                  ["payload-absent", "payload-unwanted", "payload-size", "payload-hash",
                   "payload-padding", "payload-utf8", "payload-salt", "payload-depth",
                   "payload-json", "payload-duplicate", "payload-number", "payload-unknown",
                   "payload-missing", "payload-type", "payload-range"]))


def payload_case(name, kind, rule, data, name_it=None):
    if data is not None and name_it is None:
        name_it = named(data)
    return {"name": name, "kind": kind, "rule": rule, "error": ERRORS.get(rule),
            "named": None if name_it is ABSENT else name_it,
            "payload": None if data is None else data.hex()}


def payload_cases():
    post = payload(body="Hello")
    deep = ":" + "[" * 7 + "]" * 7
    deeper = ":" + "[" * 8 + "]" * 8

    def good(name, kind, data):
        return payload_case(name, kind, None, data)

    def bad(rule, name, kind, data):
        return payload_case(name, kind, rule, data)

    yield good("a post", "post", post)
    yield good("text with LF, TAB and four-byte characters", "post",
               payload(body="One\n\tTwo \U0001f333"))
    yield good("escapes mean what they stand for", "post", raw(r',"body":"\u00fc\ud83c\udf33\n"}'))
    yield good("white space between tokens", "post", raw(' ,\n\t"body" :\r "x" }\n'))
    yield good("63 spaces at the end", "post", raw(',"body":"xxxxxxxxxxxx"}'))
    yield good("a whole space", "space", payload(**SPACE))
    yield good("a sealed space needs no title", "space",
               payload(**{**without(without(SPACE, "title"), "objective"), "mode": "sealed"}))
    yield good("a founder's admit", "admit", payload(**ADMIT))
    yield good("an invite", "invite", payload(**INVITE))
    yield good("removing a device needs no box", "device", payload(**DEVICE))
    yield good("a policy without a word", "policy", payload(policy={}))
    yield good("minus zero is zero", "policy", raw(',"policy":{"quorum":-0}}'))
    yield good("a vote", "vote", payload(choice="pass"))
    yield good("an imported vote", "vote",
               payload(choice="agree", imported={"from": "polis", "ref": "17"}))
    yield good("a report", "report", payload(sealed=base64.b64encode(bytes(100)).decode()))
    yield good("a date on a leap day", "action",
               payload(body="x", state="planned", due="2024-02-29"))
    yield good("binary is only measured", "sealed", b"\x01\x00\xff")
    yield payload_case("an erase may do without", "erase", None, None, ABSENT)
    yield payload_case("a leave has none", "leave", None, None, ABSENT)

    yield payload_case("no payload named", "post", "P1", None, ABSENT)
    yield payload_case("the payload is not at hand", "post", "P1", None, named(post))
    yield bad("P2", "a leave with one", "leave", payload())
    yield bad("P3", "nothing", "post", b"")
    yield payload_case("another size is named", "post", "P3", post, named(post, size=len(post) + 1))
    yield payload_case("another hash is named", "post", "P4", post, named(post, hash="00" * 32))
    yield bad("P5", "one byte short", "post", post[:-1])
    yield bad("P5", "64 spaces too many", "post", post + b" " * 64)
    yield bad("P5", "exactly 64 spaces", "post", raw(',"body":"xxxxxxxxxxx"}') + b" " * 64)
    yield good("no space at the end", "post", raw(',"body":"xxxxxxxxxxx"}'))
    yield bad("P6", "an overlong slash", "post", raw(b',"body":"\xc0\xaf"}'))
    yield bad("P6", "a surrogate", "post", raw(b',"body":"\xed\xa0\x80"}'))
    yield bad("P7", "salt comes second", "post", pad(compact({"body": "x", "salt": SALT})))
    yield bad("P7", "a space before salt", "post", pad('{ "salt":"' + SALT + '","body":"x"}'))
    yield bad("P7", "salt in capitals", "post", pad(compact({"salt": SALT.upper(), "body": "x"})))
    yield bad("P7", "a short salt", "post", pad(compact({"salt": SALT[:-2], "body": "x"})))
    yield bad("P7", "a long salt", "post", pad(compact({"salt": SALT + "00", "body": "x"})))
    yield bad("P8", "nine deep", "post", raw(',"body":"x","y"' + deeper + "}"))
    yield bad("P12", "eight deep is not too deep", "post", raw(',"body":"x","y"' + deep + "}"))
    yield good("brackets in a string do not count", "post", payload(body="[" * 20 + '"{'))
    yield bad("P9", "not closed", "post", raw(',"body":"x"'))
    yield bad("P9", "something behind it", "post", raw(',"body":"x"}{}'))
    yield bad("P9", "NUL instead of spaces", "post",
              raw(',"body":"x"}').replace(b" ", b"\0"))
    yield bad("P9", "a comma too many", "post", raw(',"body":"x",}'))
    yield bad("P9", "single quotes", "post", raw(",'body':\"x\"}"))
    yield bad("P9", "a raw LF in a string", "post", raw(',"body":"x\n"}'))
    yield bad("P9", "U+0000 in a string", "post", raw(r',"body":"x\u0000"}'))
    yield bad("P9", "half a surrogate pair", "post", raw(r',"body":"\ud83c"}'))
    yield bad("P9", "a leading zero", "policy", raw(',"policy":{"quorum":01}}'))
    yield bad("P9", "a comment", "post", raw(',"body":"x"/**/}'))
    yield bad("P10", "body twice", "post", raw(',"body":"x","body":"x"}'))
    yield bad("P10", "salt twice", "post", raw(',"body":"x","salt":"' + SALT + '"}'))
    yield bad("P10", "twice inside", "policy", raw(',"policy":{"quorum":1,"quorum":1}}'))
    yield bad("P10", "twice, in two spellings", "post", raw(r',"body":"x","\u0062ody":"x"}'))
    yield bad("P11", "a fraction", "policy", raw(',"policy":{"quorum":1.0}}'))
    yield bad("P11", "an exponent", "policy", raw(',"policy":{"quorum":1e1}}'))
    yield bad("P11", "an exponent no double holds", "policy", raw(',"policy":{"quorum":1e999}}'))
    yield bad("P11", "2^53", "policy", raw(',"policy":{"quorum":9007199254740992}}'))
    yield bad("P11", "-2^53", "policy", raw(',"policy":{"quorum":-9007199254740992}}'))
    yield bad("P11", "2^64", "policy", raw(',"policy":{"quorum":18446744073709551616}}'))
    yield bad("P15", "2^53-1 is a number", "policy", raw(',"policy":{"quorum":9007199254740991}}'))
    yield bad("P12", "a member too many", "post", payload(body="x", title="y"))
    yield bad("P12", "inside", "policy", payload(policy={"quorums": 1}))
    yield bad("P12", "salt inside", "policy", payload(policy={"salt": SALT}))
    yield bad("P12", "a showing where hosts read", "profile", payload(name="x", showing={}))
    yield bad("P13", "no body", "post", payload())
    yield bad("P13", "inside", "space", payload(**{**SPACE, "home": without(HOME, "curve")}))
    yield bad("P13", "an open space has a title", "space", payload(**without(SPACE, "title")))
    yield bad("P13", "adding a device wants its box", "device",
              payload(**{**DEVICE, "action": "add", "proof": hex_key(1) * 2, "terms": hex_key(2)}))
    yield bad("P14", "a number for a text", "post", payload(body=1))
    yield bad("P14", "null is no value", "post", raw(',"body":null}'))
    yield bad("P14", "a text for a number", "policy", payload(policy={"quorum": "1"}))
    yield bad("P14", "true for a number", "policy", payload(policy={"quorum": True}))
    yield bad("P14", "a list for an object", "policy", payload(policy=[]))
    yield bad("P14", "an object for a list", "invite", payload(**{**INVITE, "cohorts": {}}))
    yield bad("P14", "an item that is none", "invite", payload(**{**INVITE, "cohorts": ["no"]}))
    yield bad("P14", "hex in capitals", "rekey", payload(box="AB" * 32))
    yield bad("P14", "half a byte of hex", "rekey", payload(box="ab" * 31 + "a"))
    yield bad("P14", "base64 without padding", "report", payload(sealed="AA"))
    yield bad("P14", "base64 with loose bits", "report", payload(sealed="AB=="))
    yield bad("P14", "a time without milliseconds", "invite",
              payload(**{**INVITE, "until": "2026-11-21T10:15:30Z"}))
    yield bad("P14", "a day that does not exist", "action",
              payload(body="x", state="done", due="2026-02-29"))
    yield bad("P14", "a slug in capitals", "cohort", payload(dimension="Owner", value="no"))
    yield bad("P15", "an empty body", "post", payload(body=""))
    yield bad("P15", "16385 bytes", "post", payload(body="x" * 16383 + "ü"))
    yield good("16384 bytes", "post", payload(body="x" * 16382 + "ü"))
    yield bad("P15", "ESC", "post", raw(r',"body":"\u001b[31m"}'))
    yield bad("P15", "CR", "post", raw(r',"body":"a\r\nb"}'))
    yield bad("P15", "DEL", "post", raw(b',"body":"\x7f"}'))
    yield bad("P15", "U+0085", "post", raw(b',"body":"\xc2\x85"}'))
    yield good("U+00A0", "post", raw(b',"body":"\xc2\xa0"}'))
    yield bad("P15", "LF in a line", "topic", payload(title="a\nb"))
    yield bad("P15", "TAB in a line", "topic", payload(title="a\tb"))
    yield bad("P15", "no such choice", "vote", payload(choice="Agree"))
    yield bad("P15", "one below", "policy", payload(policy={"merge_delay_s": 59}))
    yield bad("P15", "one above", "policy", payload(policy={"merge_delay_s": 2592001}))
    yield bad("P15", "31 bytes of hex", "rekey", payload(box="ab" * 31))
    yield bad("P15", "33 bytes of hex", "rekey", payload(box="ab" * 33))
    yield bad("P15", "no items", "space",
              payload(**{**SPACE, "recovery": {"threshold": 1, "keys": []}}))
    yield bad("P15", "17 items", "space",
              payload(**{**SPACE, "recovery": {"threshold": 1, "keys": [hex_key(1)] * 17}}))
    yield bad("P15", "no bytes of base64", "report", payload(sealed=""))
    yield bad("P15", "a slug too long", "cohort", payload(dimension="a" * 33, value="no"))

    # Where several rules are broken, the first is named.
    yield bad("P8", "too deep and not JSON", "post", raw(":" + "[" * 9))
    yield bad("P9", "a fraction and not JSON", "post", raw(',"body":1.5'))
    yield bad("P9", "twice and not JSON", "post", raw(',"body":"x","body":"x"'))
    yield bad("P10", "twice and a fraction", "post", raw(',"body":1.5,"body":2.5}'))
    yield bad("P11", "a fraction in a member too many", "post", raw(',"x":1e999}'))
    yield bad("P12", "a member too many, the other of another type", "post", raw(',"body":1,"x":1}'))
    yield bad("P13", "something missing behind something out of range", "topic",
              payload(body="x" * 16385))
    yield bad("P14", "another type behind something out of range", "recognition",
              payload(body="", member="1"))


# ---- inner.json -------------------------------------------------------------

INNER_ERRORS = {"I1": "inner-form", "I2": "inner-kind", "I3": "void-re-count",
                "I4": "void-re-repeated"}
OBJECTIVE = SPACE["objective"]


def inner_case(name, outer, rule, error, content):
    content = content if isinstance(content, bytes) else content.encode()
    return {"name": name, "outer": outer, "rule": rule,
            "error": error or INNER_ERRORS.get(rule), "content": content.hex()}


def inner(kind, re=(), payload=None):
    payload = payload if isinstance(payload, str) else compact(payload)
    ids = ",".join(f'"{number:064x}"' for number in re)
    return f'{{"kind":"{kind}","re":[{ids}],"payload":{payload}}}'


def inner_cases():
    post = inner("post", [1], {"body": "Hello"})
    charter = {"title": "Bäume", "objective": OBJECTIVE}

    def good(name, content, outer="sealed"):
        return inner_case(name, outer, None, None, content)

    def bad(rule, name, content, outer="sealed", error=None):
        return inner_case(name, outer, rule, error, content)

    yield good("a post", post)
    yield good("about nothing", inner("idea", [], {"body": "A bench"}))
    yield good("about 32", inner("post", range(32), {"body": "x"}))
    yield good("white space inside the payload", inner("vote", [1], '{ "choice" :\n"pass" }'))
    yield good("escapes mean what they stand for", inner("post", [1], r'{"body":"\u00fc\n"}'))
    yield good("a member in the role staff", inner("hide", [1], {"reason": "spam"}))
    yield good("a charter", inner("charter", [], charter), "charter")

    yield bad("I1", "nothing", "")
    yield bad("I1", "an object without members", "{}")
    yield bad("I1", "cut short", post[:-1])
    yield bad("I1", "followed by more", post + "\n")
    yield bad("I6", "closed twice", post + "}", error="payload-json")
    yield bad("I1", "white space between members", post.replace(',"re"', ', "re"'))
    yield bad("I1", "white space between ids", inner("post", [1, 2], {"body": "x"})
              .replace('","0', '", "0'))
    yield bad("I1", "white space before the payload", post.replace('"payload":', '"payload": '))
    yield bad("I1", "white space behind the payload", post[:-1] + " }")
    yield bad("I1", "another order", '{"re":[],"kind":"idea","payload":{"body":"x"}}')
    yield bad("I1", "a member left out", '{"kind":"idea","payload":{"body":"x"}}')
    yield bad("I6", "a member more", post[:-1] + ',"more":{}}', error="payload-json")
    yield bad("I1", "a kind in capitals", inner("Post", [1], {"body": "x"}))
    yield bad("I1", "a kind with an escape", inner(r"p\u006fst", [1], {"body": "x"}))
    yield bad("I1", "no kind", inner("", [1], {"body": "x"}))
    yield bad("I1", "a kind too long", inner("a" * 33, [1], {"body": "x"}))
    yield bad("I1", "an id in capitals", inner("post", [10], {"body": "x"}).replace("a\"]", "A\"]"))
    yield bad("I1", "a short id", post.replace('["0', '["'))
    yield bad("I1", "a comma too many", post.replace("],", ",],"))
    yield bad("I1", "33 ids", inner("post", range(33), {"body": "x"}))
    yield bad("I1", "a list for a payload", inner("post", [1], "[]"))
    yield bad("I1", "a text for a payload", inner("post", [1], '"x"'))
    yield bad("I2", "no kind of this space", inner("poem", [], {"body": "x"}))
    yield bad("I2", "a kind of the steward's", inner("policy", [], {"policy": {}}))
    yield bad("I2", "a kind that stands in the clear", inner("request", [], {"action": "other"}))
    yield bad("I2", "an erase", inner("erase", [1]))
    yield bad("I2", "a sealed", inner("sealed"))
    yield bad("I2", "a charter by a member", inner("charter", [], charter))
    yield bad("I2", "a post by the steward", post, "charter")
    yield bad("I3", "too few", inner("post", [], {"body": "x"}))
    yield bad("I3", "too many", inner("vote", [1, 2], {"choice": "pass"}))
    yield bad("I3", "a charter about something", inner("charter", [1], charter), "charter")
    yield bad("I4", "one twice", inner("post", [1, 2, 1], {"body": "x"}))
    yield bad("I5", "no payload", inner("post", [1]), error="payload-absent")
    yield bad("I5", "a charter without one", inner("charter"), "charter", "payload-absent")

    def worse(rule, name, payload, kind="post", outer="sealed"):
        ids = [] if outer == "charter" else [1]
        head, tail = inner(kind, ids, "{}").encode().split(b"{}")
        payload = payload if isinstance(payload, bytes) else payload.encode()
        return bad("I6", name, head + payload + tail, outer, ERRORS[rule])

    yield worse("P6", "an overlong slash", b'{"body":"\xc0\xaf"}')
    yield worse("P8", "nine deep", '{"y":' + "[" * 8 + "]" * 8 + "}")
    yield worse("P12", "eight deep is not too deep", '{"body":"x","y":' + "[" * 7 + "]" * 7 + "}")
    yield worse("P9", "two objects", '{"body":"x"}{"body":"x"}')
    yield worse("P9", "a comma too many in the payload", '{"body":"x",}')
    yield worse("P10", "body twice", '{"body":"x","body":"x"}')
    yield worse("P11", "a fraction", '{"body":1.5}')
    yield worse("P12", "salt", '{"salt":"' + SALT + '","body":"x"}')
    yield worse("P12", "a member that the kind has not", '{"body":"x","title":"x"}')
    yield worse("P13", "no body", "{}")
    yield worse("P14", "a number for a text", '{"body":1}')
    yield worse("P15", "an empty body", '{"body":""}')
    yield worse("P13", "a charter without a title", compact({"objective": OBJECTIVE}), "charter",
                "charter")
    yield worse("P13", "a charter without an objective", compact({"title": "x"}), "charter",
                "charter")
    yield worse("P12", "a charter with a policy", compact({**charter, "policy": {}}), "charter",
                "charter")
    yield worse("P15", "a title too long", compact({**charter, "title": "x" * 201}), "charter",
                "charter")

    # Where several rules are broken, the first is named.
    yield bad("I1", "no form and no such kind", inner("poem", [1]) + " ")
    yield bad("I2", "no such kind, with one id twice", inner("poem", [1, 1]))
    yield bad("I3", "too many, one of them twice", inner("vote", [1, 1], {"choice": "no"}))
    yield bad("I4", "one twice, and a payload that is none", inner("post", [1, 1], "{x}"))


# ---- ticket.json ------------------------------------------------------------

def text(data):
    data = data if isinstance(data, bytes) else data.encode()
    return bytes([len(data)]) + data


def armour(body, checksum=None):
    checksum = hashlib.sha256(body).digest()[:4] if checksum is None else checksum
    return "hark1" + base64.urlsafe_b64encode(body + checksum).decode().rstrip("=")


LOG = Signer(key(42))


def node_body(name="brand.example", addresses=("tcp://node.example:7460", "tcp://[2001:db8::1]:1"),
              spaces=(key(6), key(7)), signer=LOG, version=1, kind=1, address_count=None,
              space_count=None, tail=b"", label=b"hark/ticket/1\n"):
    body = bytes([version, kind]) + text(name) + LOG.key + key(2) + key(3) + key(4) + key(5)
    body += bytes([len(addresses) if address_count is None else address_count])
    body += b"".join(text(a) for a in addresses)
    body += bytes([len(spaces) if space_count is None else space_count]) + b"".join(spaces)
    return body + signer.sign(label + body) + tail


def invitation_body(name="brand.example", address="tcp://127.0.0.1:7460", count=1,
                    until=1795255530123, listed=None, version=1, kind=2, tail=b""):
    body = bytes([version, kind]) + key(6) + key(9) + until.to_bytes(8, "big")
    body += bytes([count if listed is None else listed])
    return body + (text(name) + key(4) + text(address)) * count + tail


def ticket_cases():
    node, invitation = node_body(), invitation_body()
    node_fields = {"type": "node", "name": "brand.example", "log": LOG.key.hex(),
                   "cosigner": hex_key(2), "author": hex_key(3), "curve": hex_key(4),
                   "box": hex_key(5),
                   "addresses": ["tcp://node.example:7460", "tcp://[2001:db8::1]:1"],
                   "spaces": [hex_key(6), hex_key(7)]}
    invitation_fields = {"type": "invitation", "space": hex_key(6), "secret": hex_key(9),
                         "until_ms": 1795255530123,
                         "nodes": [{"name": "brand.example", "curve": hex_key(4),
                                    "address": "tcp://127.0.0.1:7460"}]}

    def good(name, string, fields=None):
        return {"name": name, "text": string, "expected": None, "rule": None, "error": None,
                "fields": fields}

    def bad(rule, name, string, expected=None):
        error = {"T1": "ticket-form", "T2": "ticket-checksum", "T3": "ticket-version",
                 "T4": "ticket-kind"}[rule]
        return {"name": name, "text": string, "expected": expected, "rule": rule, "error": error,
                "fields": None}

    yield good("a node", armour(node), node_fields)
    yield good("an invitation", armour(invitation), invitation_fields)
    yield good("in a link", "https://brand.example/join#" + armour(invitation), invitation_fields)
    yield good("behind the last #", "x#y#" + armour(node), node_fields)
    yield good("white space around it", " \t" + armour(node) + "\r\n", node_fields)
    yield good("a node without addresses and spaces", armour(node_body(addresses=(), spaces=())))
    yield good("four nodes", armour(invitation_body(count=4)))
    yield good("no nodes", armour(invitation_body(count=0)))
    yield good("eight spaces", armour(node_body(spaces=(key(1),) * 8)))
    yield good("a name of 63", armour(node_body(name="a" * 63)))

    yield bad("T1", "nothing", "")
    yield bad("T1", "another beginning", "hark2" + armour(node)[5:])
    yield bad("T1", "a capital", "Hark1" + armour(node)[5:])
    yield bad("T1", "standard base64", armour(node) + "==")
    yield bad("T1", "white space inside", armour(node)[:80] + " " + armour(node)[80:])
    yield bad("T1", "no room for a checksum", "hark1AQE")
    yield bad("T1", "2,049 characters", "hark1" + "A" * 2044)
    yield bad("T1", "a third type", armour(node_body(kind=3)))
    yield bad("T1", "five addresses", armour(node_body(addresses=("tcp://a:1",) * 5)))
    yield bad("T1", "nine spaces", armour(node_body(spaces=(key(1),) * 9)))
    yield bad("T1", "five nodes", armour(invitation_body(count=5)))
    yield bad("T1", "one node less than said", armour(invitation_body(count=1, listed=2)))
    yield bad("T1", "a byte left over, node", armour(node_body(tail=b"\0")))
    yield bad("T1", "a byte left over, invitation", armour(invitation_body(tail=b"\0")))
    yield bad("T1", "cut short, with a good checksum", armour(invitation[:-1]))
    yield bad("T1", "no name", armour(node_body(name="")))
    yield bad("T1", "a name of 64", armour(node_body(name="a" * 64)))
    yield bad("T1", "a name with a NUL", armour(node_body(name="a\0b")))
    yield bad("T1", "a name with a slash", armour(node_body(name="a/b")))
    for address in ("", "tcp://a", "tcp://a:0", "tcp://a:65536", "tcp://a:01", "tcp://:1",
                    "udp://a:1", "tcp://a b:1", "tcp://1.2.3:1", "tcp://[::1:1", "tcp://[::g]:1",
                    "tcp://::1:1", "tcp://a..b:1", "tcp://-a:1", "tcp://a:1\0", "tcp://*:1"):
        yield bad("T1", f"the address {address!r}", armour(invitation_body(address=address)))
    yield bad("T1", "a time after the year 9999", armour(invitation_body(until=253402300800000)))
    yield bad("T1", "signed by another key", armour(node_body(signer=Signer(key(43)))))
    yield bad("T1", "signed for something else", armour(node_body(label=b"hark/ticket/2\n")))
    yield bad("T2", "another checksum", armour(node, b"\0\0\0\0"))
    yield bad("T2", "cut short", armour(node[:-5], node[-5:-1]))
    yield bad("T2", "another version and checksum", armour(node_body(version=2), b"\0\0\0\0"))
    yield bad("T3", "version 2, node", armour(node_body(version=2)))
    yield bad("T3", "version 0, of no known type", armour(b"\0\7"))
    yield bad("T4", "a node where an invitation is wanted", armour(node), "invitation")
    yield bad("T4", "an invitation where a node is wanted", armour(invitation), "node")
    yield bad("T1", "the wrong signature where an invitation is wanted",
              armour(node_body(signer=Signer(key(43)))), "invitation")


# ---- kind.json --------------------------------------------------------------

KIND = """kind: x-need
about: Says what is needed.
who: member
modes: all
re: {min: 0, max: 2, kinds: [idea, x-need], own: unless-staff}
erasable: true
payload: json
payload_optional: false
fields:
  body: {type: text, required: true, min: 1, max: 100}
  size: {type: choice, choices: [s, m, l]}
  why: {type: line, if: {size: [m, l]}, max: 10}
  parts:
    type: list
    max: 3
    item: {type: object, fields: {n: {type: integer, required: true, min: -5, max: 5}}}
"""


def kind_cases():
    def case(name, definition, line=None):
        """`line`: where the mistake is; None: there is none."""
        return {"name": name, "definition": definition, "line": line,
                "error": None if line is None else "kind-form"}

    def swap(old, new):
        assert KIND.count(old) == 1, old
        return KIND.replace(old, new)

    yield case("a kind", KIND)
    yield case("about anything", swap("[idea, x-need]", "any"))
    yield case("comments and a document mark", "# one\n---\n" + KIND)
    yield case("without what has a default",
               "kind: x-a\nabout: A.\nwho: staff\nerasable: true\npayload: none\n")
    yield case("no fields at all",
               "kind: x-a\nabout: A.\nwho: staff\nerasable: true\npayload: json\nfields: {}\n")

    yield case("nothing", "", 1)
    yield case("only a comment", "# x\n", 1)
    yield case("no mapping", "- kind\n", 1)
    yield case("not YAML", "kind: [\n", 2)
    yield case("a tab to indent", "kind: x-a\n\tabout: A.\n", 2)
    yield case("two documents", KIND + "---\nkind: x-b\n", 17)
    yield case("a directive", "%YAML 1.1\n---\n" + KIND, 1)
    yield case("an anchor", swap("kind: x-need", "kind: &a x-need"), 1)
    yield case("an alias", swap("about: Says", "about: *a\nx: Says"), 2)
    yield case("a tag", swap("kind: x-need", "kind: !!str x-need"), 1)
    yield case("a key twice", swap("who: member", "who: member\nwho: member"), 4)
    yield case("a byte order mark", "\ufeff" + KIND, 1)
    yield case("too large", KIND + "#" * 16384, 1)
    yield case("too deep", "kind: [[[[[[[[[]]]]]]]]]\n", 1)
    yield case("an unknown key", swap("who: member", "whom: member"), 3)
    for name in ("kind", "about", "who", "erasable", "payload"):
        lines = KIND.splitlines(True)
        yield case(f"{name} is missing",
                   "".join(x for x in lines if not x.startswith(name + ":")), 1)
    yield case("a name in capitals", swap("kind: x-need", "kind: X-need"), 1)
    yield case("a name of 33", swap("kind: x-need", "kind: " + "x" * 33), 1)
    yield case("nobody", swap("who: member", "who: everyone"), 3)
    yield case("another mode", swap("modes: all", "modes: sealed"), 4)
    yield case("33 Re", swap("max: 2", "max: 33"), 5)
    yield case("no Re, in words", swap("min: 0, max: 2", "min: 0, max: 0"), 5)
    yield case("more at least than at most", swap("min: 0", "min: 3"), 5)
    yield case("Re of no kinds", swap("[idea, x-need]", "[]"), 5)
    yield case("Re of a kind twice", swap("[idea, x-need]", "[idea, idea]"), 5)
    yield case("Re without kinds", swap("kinds: [idea, x-need], ", ""), 5)
    yield case("another word for own", swap("unless-staff", "maybe"), 5)
    yield case("erasable as a word", swap("erasable: true", 'erasable: "true"'), 6)
    yield case("erasable as yes", swap("erasable: true", "erasable: yes"), 6)
    yield case("fields of no payload", swap("payload: json", "payload: binary"), 10)
    yield case("no fields", "".join(KIND.splitlines(True)[:8]), 1)
    yield case("optional without a payload",
               "kind: x-a\nabout: A.\nwho: staff\nerasable: true\npayload: none\n"
               "payload_optional: true\n", 6)
    yield case("a field named salt", swap("  body:", "  salt:"), 10)
    yield case("a field in capitals", swap("  body:", "  Body:"), 10)
    yield case("a type that is none", swap("type: text", "type: string"), 10)
    yield case("a field without a type", swap("type: text, ", ""), 10)
    yield case("a text without max", swap(", max: 100", ""), 10)
    yield case("a text larger than a payload", swap("max: 100", "max: 65537"), 10)
    yield case("a min above max", swap("min: 1, max: 100", "min: 101, max: 100"), 10)
    yield case("a negative min of bytes", swap("min: 1, max: 100", "min: -1, max: 100"), 10)
    yield case("a min in hex", swap("min: 1, max: 100", "min: 0x1, max: 100"), 10)
    yield case("a max in quotes", swap("max: 100", 'max: "100"'), 10)
    yield case("a choice without choices", swap(", choices: [s, m, l]", ""), 11)
    yield case("a choice twice", swap("[s, m, l]", "[s, m, s]"), 11)
    yield case("a choice with limits", swap("[s, m, l]", "[s, m, l], max: 3"), 11)
    yield case("a text with choices", swap("max: 100", "max: 100, choices: [a]"), 10)
    yield case("if on no sibling", swap("if: {size:", "if: {sizes:"), 12)
    yield case("if on itself", swap("choices: [s, m, l]", "choices: [s, m, l], if: {size: [s]}"), 11)
    yield case("if on a text", swap("if: {size:", "if: {body:"), 12)
    yield case("if on no choice", swap("{size: [m, l]}", "{size: [m, xl]}"), 12)
    yield case("if and required", swap("if: {size", "required: true, if: {size"), 12)
    yield case("if on two", swap("{size: [m, l]}", "{size: [m], body: [l]}"), 12)
    yield case("a list of nothing", swap("    item:", "    items:"), 16)
    yield case("an item that is required", swap("item: {type", "item: {required: true, type"), 16)
    yield case("an object of no fields", swap("{n: {type: integer, required: true, min: -5, max: 5}}",
                                              "{}"), 16)
    yield case("an integer without min", swap("min: -5, ", ""), 16)
    yield case("an integer beyond 2^53-1", swap("max: 5}", "max: 9007199254740992}"), 16)


def kinds_hash():
    lines = []
    for file in sorted(KINDS.glob("*.yaml"), key=lambda f: f.stem.encode()):
        lines.append(f"{file.stem} {hashlib.sha256(file.read_bytes()).hexdigest()}\n")
    return len(lines), hashlib.sha256("".join(lines).encode()).hexdigest()


def main():
    count, set_hash = kinds_hash()
    files = {
        "payload.json": {"format": "hark/vectors/payload/1", "cases": list(payload_cases())},
        "inner.json": {"format": "hark/vectors/inner/1", "cases": list(inner_cases())},
        "ticket.json": {"format": "hark/vectors/ticket/1", "cases": list(ticket_cases())},
        "kind.json": {"format": "hark/vectors/kind/1",
                      "builtin": {"count": count, "hash": set_hash}, "cases": list(kind_cases())},
    }
    stale = 0
    for name, content in files.items():
        cases = content.pop("cases")
        head = json.dumps(content)[:-1]
        body = ",\n".join(json.dumps(case) for case in cases)
        written = f'{head}, "cases": [\n{body}\n]}}\n'
        path = HERE / name
        if "--check" not in sys.argv[1:]:
            path.write_text(written, encoding="ascii")
        elif not path.is_file() or path.read_text(encoding="ascii") != written:
            print(f"{name} is stale: run tests/vectors/make_schemas.py")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
