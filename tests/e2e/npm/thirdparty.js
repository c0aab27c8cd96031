// thirdparty holds receipts and the checkpoints in them against npm's own verifier,
// @sigstore/verify, which shares nothing with Hark but the specifications.
//
//     node thirdparty.js LOG-KEY RECEIPT...      LOG-KEY in 64 hex
//
// Each receipt (PROTOCOL.md, 7.7) must be taken by verifyTLogInclusion, and refused,
// for the reason that belongs to it, with any one thing in it altered. Prints how many
// were taken and refused; ends with 1 at the first that is not as it should be.
//
// What is given to it, and what it makes of that:
//   - the log as a `tlog` authority: its public key as an Ed25519 SPKI; the whole
//     SHA-256 of which a note's key id is the first four bytes (2.8) as its logID, since
//     only those four are compared; its origin as its base URL, in which the name on
//     the signature line must occur.
//   - the 48 bytes of a leaf (7.2) as the `canonicalizedBody`: it is hashed as a leaf of
//     RFC 6962, and only verifyTLogBody, which is not asked here, would read it as JSON.
//   - root and size: it takes both from the signed checkpoint, never from the proof.
//   - of the signature lines one is enough that is the log's over the note's text. So a
//     cosigned checkpoint is taken for the log's line. A cosignature (tlog-cosignature
//     v1) is none to it: it signs a line with the time, too, and this verifier has
//     but one text for all lines. So that is all it can say of cosignatures.
"use strict";

const assert = require("node:assert");
const crypto = require("node:crypto");
const fs = require("node:fs");
const { verifyTLogInclusion } = require("@sigstore/verify/dist/tlog");

const SIGNATURE = "invalid checkpoint signature";
const ROOT = "calculated root hash does not match inclusion proof";
const COUNT = "invalid hash count";
const INDEX = /^invalid index: /;
const PLACE = new RegExp(`^${ROOT}$|^${COUNT}$|${INDEX.source}`);

const sha256 = (...parts) => crypto.createHash("sha256").update(Buffer.concat(parts)).digest();

function authority(origin, key) {
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key]);
  return {
    baseURL: origin,
    logID: sha256(Buffer.from(origin + "\n\x01"), key),
    publicKey: crypto.createPublicKey({ key: spki, format: "der", type: "spki" }),
    validFor: { start: new Date(0), end: new Date(8640000000000000) },
  };
}

// A receipt's parts (2.9): { leaf, index, path, checkpoint }.
function parse(receipt) {
  const end = receipt.indexOf("\n\n");
  const [kind, extra, index, ...path] = receipt.slice(0, end).split("\n");
  const data = Buffer.from(extra.replace(/^extra /, ""), "base64");
  assert.equal(kind, "c2sp.org/tlog-proof@v1");
  assert.equal(data.length, 69, "a receipt's extra data");
  return {
    leaf: data.subarray(1, 49),
    index: index.replace(/^index /, ""),
    path: path.map((hash) => Buffer.from(hash, "base64")),
    checkpoint: receipt.slice(end + 2),
  };
}

// Throws what the verifier says.
function judge(parts, authorities) {
  const entry = {
    canonicalizedBody: parts.leaf,
    inclusionProof: {
      logIndex: parts.index,
      hashes: parts.path,
      checkpoint: { envelope: parts.checkpoint },
    },
  };
  verifyTLogInclusion(entry, authorities);
}

function flipped(bytes, at) {
  const copy = Buffer.from(bytes);
  copy[at] ^= 1;
  return copy;
}

const inText = (parts, from, to) => ({ ...parts, checkpoint: parts.checkpoint.replace(from, to) });

// The checkpoint with one line of its text altered.
function line(parts, number, alter) {
  const lines = parts.checkpoint.split("\n");
  lines[number] = alter(lines[number]);
  return { ...parts, checkpoint: lines.join("\n") };
}

// The checkpoint with one bit of its signature line's bytes turned: of the key id, or
// of the signature.
function signature(parts, at) {
  const [, name, base64] = parts.checkpoint.match(/\n\n\u2014 (\S+) (\S+)\n$/);
  const other = flipped(Buffer.from(base64, "base64"), at).toString("base64");
  return inText(parts, `${name} ${base64}`, `${name} ${other}`);
}

// A checkpoint cosigned as C2SP says, by a key of our own: its text, and the line.
function cosigned(checkpoint, origin) {
  const pair = crypto.generateKeyPairSync("ed25519");
  const key = pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const [text] = checkpoint.split(/(?<=\n)\n/);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(1795255530n);
  const name = `${origin}/cosigner`;
  const id = sha256(Buffer.from(name + "\n\x04"), key);
  const bytes = crypto.sign(null, Buffer.from(`cosignature/v1\ntime 1795255530\n${text}`),
    pair.privateKey);
  const line = Buffer.concat([id.subarray(0, 4), time, bytes]).toString("base64");
  return {
    text,
    line: `\u2014 ${name} ${line}\n`,
    authority: { ...authority(name, key), logID: id },
  };
}

// What must be refused, and what for: [what, reason, parts, authorities].
function altered(parts, trusted, origin) {
  const size = Number(parts.checkpoint.split("\n")[1]);
  const root = Buffer.from(parts.checkpoint.split("\n")[2], "base64");
  const stranger = crypto.generateKeyPairSync("ed25519").publicKey
    .export({ format: "der", type: "spki" }).subarray(-32);
  const witness = cosigned(parts.checkpoint, origin);
  const cases = [
    ["root", SIGNATURE, line(parts, 2, () => flipped(root, 0).toString("base64"))],
    ["size", SIGNATURE, line(parts, 1, () => String(size + 1))],
    ["origin", SIGNATURE, line(parts, 0, (name) => name.replace(/1$/, "2"))],
    ["signature", SIGNATURE, signature(parts, 40)],
    ["key id", SIGNATURE, signature(parts, 0)],
    ["name", SIGNATURE, inText(parts, "\n\n\u2014 ", "\n\n\u2014 x")],
    ["log", SIGNATURE, parts, [authority(origin, stranger)]],
    ["no log", SIGNATURE, parts, []],
    ["cosignature alone", SIGNATURE, { ...parts, checkpoint: `${witness.text}\n${witness.line}` },
      [...trusted, witness.authority]],
    ["entry id", ROOT, { ...parts, leaf: flipped(parts.leaf, 0) }],
    ["arrival", ROOT, { ...parts, leaf: flipped(parts.leaf, 39) }],
    ["accepted", ROOT, { ...parts, leaf: flipped(parts.leaf, 47) }],
    ["index", INDEX, { ...parts, index: String(size) }],
    ["neighbour's index", PLACE, { ...parts, index: String(parts.index ^ 1) }],
    ["longer path", COUNT, { ...parts, path: [...parts.path, root] }],
  ];
  for (let i = 0; i < parts.path.length; i++) {
    const path = [...parts.path];
    path[i] = flipped(path[i], 31);
    cases.push([`path ${i}`, ROOT, { ...parts, path }]);
  }
  if (parts.path.length > 0)
    cases.push(["shorter path", COUNT, { ...parts, path: parts.path.slice(1) }]);
  return cases.map(([what, reason, bad, authorities = trusted]) =>
    [what, reason, bad, authorities]);
}

function main(keyHex, files) {
  let taken = 0;
  let refused = 0;
  for (const file of files) {
    const parts = parse(fs.readFileSync(file, "utf8"));
    const origin = parts.checkpoint.split("\n")[0];
    const trusted = [authority(origin, Buffer.from(keyHex, "hex"))];
    const witness = cosigned(parts.checkpoint, origin);
    judge(parts, trusted);
    judge({ ...parts, checkpoint: parts.checkpoint + witness.line }, trusted);
    taken++;
    for (const [what, message, bad, authorities] of altered(parts, trusted, origin)) {
      const wanted = { name: "VerificationError", code: "TLOG_INCLUSION_PROOF_ERROR", message };
      assert.throws(() => judge(bad, authorities), wanted, `${file}: ${what}`);
      refused++;
    }
  }
  console.log(`taken ${taken} refused ${refused}`);
}

main(process.argv[2], process.argv.slice(3));
