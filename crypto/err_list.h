/*
 * The one list of error codes. Add a line at the end of its group; the numbers
 * are this build's own and never leave the process, the names do and never
 * change.
 */
#ifndef HARK_CRYPTO_ERR_LIST_H
#define HARK_CRYPTO_ERR_LIST_H

/* clang-format off */
#define HARK_ERR_LIST(X) \
    /* this program's own */ \
    X(INTERNAL,            "internal",               5) \
    X(NO_MEMORY,           "no-memory",              4) \
    X(IO,                  "io",                     4) \
    X(IO_PERMISSION,       "io-permission",          2) \
    X(DISK_FULL,           "disk-full",              4) \
    X(NOT_FOUND,           "not-found",              1) \
    X(AMBIGUOUS,           "ambiguous",              2) \
    X(EXISTS,              "exists",                 2) \
    X(USAGE,               "usage",                  2) \
    X(CONFIG,              "config",                 2) \
    X(BUSY,                "busy",                   4) \
    X(LIMIT,               "limit",                  3) \
    X(DAMAGED,             "damaged",                5) \
    X(DATA_VERSION,        "data-version",           2) \
    X(BEHIND,              "behind",                 4) \
    X(NO,                  "no",                     1) \
    X(UNSUPPORTED,         "unsupported",            2) \
    /* bytes and text */ \
    X(HEX,                 "hex",                    3) \
    X(BASE64,              "base64",                 3) \
    X(NUMBER,              "number",                 3) \
    X(TIME,                "time",                   3) \
    /* keys and key files */ \
    X(KEY_FORM,            "key-form",               2) \
    X(KEY_PERMISSION,      "key-permission",         2) \
    X(KEY_PASSPHRASE,      "key-passphrase",         2) \
    X(KEY_UNKNOWN,         "key-unknown",            2) \
    X(SIGNATURE_FORM,      "signature-form",         3) \
    X(SIGNATURE,           "signature",              3) \
    X(SEAL,                "seal",                   3) \
    /* PROTOCOL.md 10: epoch keys, envelopes, disclosures */ \
    X(EPOCH_KEY,           "epoch-key",              3) \
    X(ENVELOPE_VERSION,    "envelope-version",       3) \
    X(ENVELOPE_FORM,       "envelope-form",          3) \
    X(ENVELOPE_KEY,        "envelope-key",           3) \
    X(ENVELOPE_SEAL,       "envelope-seal",          3) \
    X(ENVELOPE_PADDING,    "envelope-padding",       3) \
    X(ENVELOPE_OLD,        "envelope-old",           3) \
    X(ENVELOPE_AHEAD,      "envelope-ahead",         3) \
    X(EPOCH_UNKNOWN,       "epoch-unknown",          3) \
    X(INNER_FORM,          "inner-form",             3) \
    X(INNER_KIND,          "inner-kind",             3) \
    X(RING_FORM,           "ring-form",              5) \
    X(DISCLOSURE_FORM,     "disclosure-form",        3) \
    X(DISCLOSURE,          "disclosure",             1) \
    /* Merkle proofs, notes, checkpoints */ \
    X(PROOF_FORM,          "proof-form",             3) \
    X(PROOF,               "proof",                  3) \
    X(NOTE_FORM,           "note-form",              3) \
    X(NOTE_KEY,            "note-key",               3) \
    X(NOTE_SIGNATURE,      "note-signature",         3) \
    X(NOTE_UNSIGNED,       "note-unsigned",          3) \
    X(CHECKPOINT_FORM,     "checkpoint-form",        3) \
    X(EVIDENCE_FORM,       "evidence-form",          3) \
    X(EVIDENCE,            "evidence",               1) \
    X(TLOG_POLICY,         "tlog-policy",            2) \
    /* PROTOCOL.md 3: the form of an entry */ \
    X(ENTRY_SIZE,          "entry-size",             3) \
    X(ENTRY_BYTES,         "entry-bytes",            3) \
    X(ENTRY_LAYOUT,        "entry-layout",           3) \
    X(ENTRY_VERSION,       "entry-version",          3) \
    X(ENTRY_NUMBER,        "entry-number",           3) \
    X(ENTRY_HEX,           "entry-hex",              3) \
    X(ENTRY_TIME_FORM,     "entry-time-form",        3) \
    X(ENTRY_KIND_FORM,     "entry-kind-form",        3) \
    X(ENTRY_SEEN_FORM,     "entry-seen-form",        3) \
    X(ENTRY_MISMATCH,      "entry-mismatch",         3) \
    X(ENTRY_FIRST,         "entry-first",            3) \
    X(ENTRY_SIGNATURE_FORM,"entry-signature-form",   3) \
    X(ENTRY_SIGNATURE_KEY, "entry-signature-key",    3) \
    X(ENTRY_SIGNATURE,     "entry-signature",        3) \
    X(ENTRY_CANONICAL,     "entry-canonical",        3) \
    /* PROTOCOL.md 4: payloads */ \
    X(PAYLOAD_SIZE,        "payload-size",           3) \
    X(PAYLOAD_HASH,        "payload-hash",           3) \
    X(PAYLOAD_PADDING,     "payload-padding",        3) \
    X(PAYLOAD_UTF8,        "payload-utf8",           3) \
    X(PAYLOAD_JSON,        "payload-json",           3) \
    X(PAYLOAD_DUPLICATE,   "payload-duplicate",      3) \
    X(PAYLOAD_NUMBER,      "payload-number",         3) \
    X(PAYLOAD_DEPTH,       "payload-depth",          3) \
    X(PAYLOAD_SALT,        "payload-salt",           3) \
    X(PAYLOAD_UNKNOWN,     "payload-unknown",        3) \
    X(PAYLOAD_MISSING,     "payload-missing",        3) \
    X(PAYLOAD_TYPE,        "payload-type",           3) \
    X(PAYLOAD_RANGE,       "payload-range",          3) \
    X(PAYLOAD_ABSENT,      "payload-absent",         3) \
    X(PAYLOAD_UNWANTED,    "payload-unwanted",       3) \
    X(PAYLOAD_ERASED,      "payload-erased",         3) \
    /* PROTOCOL.md 5: kinds */ \
    X(KIND_FORM,           "kind-form",              3) \
    X(KIND_UNKNOWN,        "kind-unknown",           3) \
    X(KIND_SET,            "kind-set",               3) \
    /* PROTOCOL.md 6.1: may it be logged? */ \
    X(ENTRY_SPACE,         "entry-space",            3) \
    X(ENTRY_RULES,         "entry-rules",            3) \
    X(ENTRY_KEY,           "entry-key",              3) \
    X(ENTRY_DUPLICATE,     "entry-duplicate",        3) \
    X(ENTRY_TWIN,          "entry-twin",             3) \
    X(ENTRY_GAP,           "entry-gap",              3) \
    X(ENTRY_PREVIOUS,      "entry-previous",         3) \
    X(ENTRY_PARENT,        "entry-parent",           3) \
    /* PROTOCOL.md 6.2: does it stand? */ \
    X(VOID_CLOSED,         "void-closed",            3) \
    X(VOID_STEWARD,        "void-steward",           3) \
    X(VOID_STEWARD_KIND,   "void-steward-kind",      3) \
    X(VOID_MEMBER,         "void-member",            3) \
    X(VOID_ROLE,           "void-role",              3) \
    X(VOID_NODE,           "void-node",              3) \
    X(VOID_TIME_BEFORE,    "void-time-before",       3) \
    X(VOID_TIME_AHEAD,     "void-time-ahead",        3) \
    X(VOID_RE_COUNT,       "void-re-count",          3) \
    X(VOID_RE_REPEATED,    "void-re-repeated",       3) \
    X(VOID_RE_NOTHING,     "void-re-nothing",        3) \
    X(VOID_RE_KIND,        "void-re-kind",           3) \
    X(VOID_RE_VOID,        "void-re-void",           3) \
    X(VOID_RE_OWN,         "void-re-own",            3) \
    X(VOID_PAYLOAD,        "void-payload",           3) \
    X(VOID_FIRST,          "void-first",             3) \
    X(VOID_KEY_USED,       "void-key-used",          3) \
    X(VOID_KEY_PROOF,      "void-key-proof",         3) \
    X(VOID_TARGET,         "void-target",            3) \
    X(VOID_TICKET_USED,    "void-ticket-used",       3) \
    X(VOID_TICKET_EXPIRED, "void-ticket-expired",    3) \
    X(VOID_TICKET_REVOKED, "void-ticket-revoked",    3) \
    X(VOID_TICKET_UNKNOWN, "void-ticket-unknown",    3) \
    X(VOID_TICKET_LIMIT,   "void-ticket-limit",      3) \
    X(VOID_TICKET_PROOF,   "void-ticket-proof",      3) \
    X(VOID_REQUEST_USED,   "void-request-used",      3) \
    X(VOID_NAME_USED,      "void-name-used",         3) \
    X(VOID_LIMIT,          "void-limit",             3) \
    X(VOID_MODE,           "void-mode",              3) \
    X(VOID_EPOCH,          "void-epoch",             3) \
    /* PROTOCOL.md 6.4: is it accepted from its author? */ \
    X(ACCEPT_RATE,         "accept-rate",            4) \
    X(ACCEPT_NOT_HERE,     "accept-not-here",        3) \
    /* PROTOCOL.md 7: the log in git */ \
    X(BATCH_FORM,          "batch-form",             3) \
    X(BATCH_SIGNATURE,     "batch-signature",        3) \
    X(BATCH_ORIGIN,        "batch-origin",           3) \
    X(BATCH_RANGE,         "batch-range",            3) \
    X(BATCH_PREVIOUS,      "batch-previous",         3) \
    X(BATCH_PARENTS,       "batch-parents",          3) \
    X(BATCH_TREE,          "batch-tree",             3) \
    X(BATCH_ENTRIES,       "batch-entries",          3) \
    X(BATCH_ARRIVAL,       "batch-arrival",          3) \
    X(BATCH_AHEAD,         "batch-ahead",            3) \
    X(BATCH_CHECKPOINT,    "batch-checkpoint",       3) \
    X(BATCH_ROOT,          "batch-root",             3) \
    X(BATCH_TAKEN,         "batch-taken",            3) \
    X(BATCH_OBJECT,        "batch-object",           3) \
    X(BATCH_MAIN,          "batch-main",             3) \
    /* PROTOCOL.md 8: tickets */ \
    X(TICKET_FORM,         "ticket-form",            3) \
    X(TICKET_CHECKSUM,     "ticket-checksum",        3) \
    X(TICKET_VERSION,      "ticket-version",         3) \
    X(TICKET_KIND,         "ticket-kind",            3) \
    X(TICKET_EXPIRED,      "ticket-expired",         3) \
    X(TICKET_USED,         "ticket-used",            3) \
    X(TICKET_REVOKED,      "ticket-revoked",         3) \
    X(TICKET_UNKNOWN,      "ticket-unknown",         3) \
    /* PROTOCOL.md 10.11: showing who one is */ \
    X(SHOWING,             "showing",                3) \
    X(SHOWING_WANTED,      "showing-wanted",         3) \
    /* PROTOCOL.md 9: between nodes */ \
    X(PEER_FORM,           "peer-form",              3) \
    X(PEER_VERSION,        "peer-version",           3) \
    X(PEER_REFUSED,        "peer-refused",           3) \
    X(PEER_UNREACHABLE,    "peer-unreachable",       4) \
    X(PEER_CURSOR,         "peer-cursor",            3) \
    X(PEER_SPACE,          "peer-space",             3) \
    X(PEER_FORK,           "peer-fork",              5)
/* clang-format on */

#endif
