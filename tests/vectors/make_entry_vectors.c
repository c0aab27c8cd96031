/*
 * Writes entry.json: make_entry_vectors [CORPUS-FOLDER] >entry.json. All of it
 * is deterministic; ctest compares what it writes with the file in git.
 *
 * Invalid entries are signed after they were broken, so that each breaks its own
 * rule and no other, as far as that can be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "craft.h"

/* The hex digits of member, steward and stranger (checked in main). */
#define MEMBER   "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394"
#define STRANGER "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1"

#define MEMBER_MAIL "<" MEMBER "@hark.invalid>"
#define SECONDS     "1795256130"
#define ZEROS       "0000000000000000000000000000000000000000000000000000000000000000"
#define REST_AB     "abababababababababababababababababababababababababababababababab"

enum { MEMBER_SEED = 2, STRANGER_SEED = 3, STEWARD_SEED = 1 };

static const char *corpus;

/* ---- the valid ones ---- */

enum base { SPACE, FIRST, SECOND, FULL, BARE, OLDEST, NEWEST, BASE_COUNT };

static const char *const base_names[BASE_COUNT] = {"space", "first",  "second", "full",
                                                   "bare",  "oldest", "newest"};

static struct hark_entry entries[BASE_COUNT];
static struct hark_buf objects[BASE_COUNT];
static struct hark_git_id git_ids[BASE_COUNT];
static const char *const payloads[BASE_COUNT] = {
    [SPACE] = "{\"salt\":\"00112233445566778899aabbccddeeff\",\"title\":\"A test\"}",
    [FIRST] = "{\"salt\":\"ffeeddccbbaa99887766554433221100\",\"text\":\"More light, please\"}",
    [SECOND] = "{\"salt\":\"0123456789abcdef0123456789abcdef\",\"choice\":\"yes\"}",
};

/* Padded with spaces to a multiple of 64. */
static void padded(struct hark_buf *out, const char *text)
{
    craft_require(hark_buf_append_str(out, text, NULL) == 0, "too long");
    while (out->size % 64 != 0) {
        craft_require(hark_buf_append_byte(out, ' ', NULL) == 0, "too long");
    }
}

static struct hark_entry entry_of(enum base base)
{
    struct hark_entry entry = {.time_ms = UINT64_C(1795256130123), .seq = 1};
    entry.author = *hark_signer_key(craft_signer(base == SPACE ? STEWARD_SEED : MEMBER_SEED));
    entry.has_space = base != SPACE;
    entry.space = entries[SPACE].id;
    return entry;
}

static void set_kind(struct hark_entry *entry, const char *kind)
{
    memcpy(entry->kind, kind, strlen(kind) + 1);
}

static void set_payload(struct hark_entry *entry, enum base base)
{
    struct hark_buf payload = craft_buf();
    padded(&payload, payloads[base]);
    entry->has_payload = true;
    entry->payload_size = payload.size;
    entry->payload_hash = hark_sha256(hark_buf_span(&payload));
    hark_buf_free(&payload);
}

static void set_seen(struct hark_entry *entry)
{
    entry->has_seen = true;
    entry->seen.size = 41;
    memset(entry->seen.root.bytes, 0x5a, HARK_HASH_SIZE);
    entry->seen.key_id = 0x1234abcd;
    for (uint8_t i = 0; i < HARK_SIGNATURE_SIZE; i++) {
        entry->seen.signature[i] = i;
    }
}

static void follow(struct hark_entry *entry, enum base base)
{
    entry->seq = entries[base].seq + 1;
    entry->previous = entries[base].id;
    entry->parent = git_ids[base];
}

static void add(enum base base, struct hark_entry *entry)
{
    const struct hark_signer *signer = craft_signer(base == SPACE ? STEWARD_SEED : MEMBER_SEED);
    objects[base] = craft_buf();
    craft_require(hark_entry_build(&objects[base], entry, signer, NULL) == 0, base_names[base]);
    git_ids[base] = craft_git_id("commit", hark_buf_span(&objects[base]));
    entries[base] = *entry;
}

static void make_valid(void)
{
    struct hark_entry entry = entry_of(SPACE);
    set_kind(&entry, "space");
    set_payload(&entry, SPACE);
    add(SPACE, &entry);

    entry = entry_of(FIRST);
    set_kind(&entry, "idea");
    set_payload(&entry, FIRST);
    add(FIRST, &entry);

    entry = entry_of(SECOND);
    follow(&entry, FIRST);
    set_kind(&entry, "vote");
    set_seen(&entry);
    set_payload(&entry, SECOND);
    static const uint8_t fill[] = {0xab, 0xcd, 0xef};
    for (entry.re_count = 0; entry.re_count < sizeof(fill); entry.re_count++) {
        memset(entry.re[entry.re_count].bytes, fill[entry.re_count], HARK_HASH_SIZE);
    }
    add(SECOND, &entry);

    entry = entry_of(FULL);
    follow(&entry, SECOND);
    entry.seq = HARK_NUMBER_MAX;
    set_kind(&entry, "x-34567890-abcdefghijklmnopqrstu");
    set_seen(&entry);
    entry.seen.size = HARK_NUMBER_MAX;
    entry.has_payload = true;
    entry.payload_size = HARK_NUMBER_MAX;
    for (entry.re_count = 0; entry.re_count < HARK_ENTRY_RE_MAX; entry.re_count++) {
        memset(entry.re[entry.re_count].bytes, (int)entry.re_count, HARK_HASH_SIZE);
    }
    add(FULL, &entry);

    static const struct {
        enum base base;
        uint64_t time_ms;
    } bare[] = {{BARE, UINT64_C(951827696789)}, {OLDEST, 0}, {NEWEST, HARK_TIME_MAX_MS}};
    for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
        entry = entry_of(bare[i].base);
        entry.time_ms = bare[i].time_ms;
        set_kind(&entry, "leave");
        add(bare[i].base, &entry);
    }
}

static json_t *seen_json(const struct hark_seen *seen)
{
    json_t *json = json_object();
    uint8_t key_id[4];
    hark_put_u32(key_id, seen->key_id);
    craft_put(json, "size", craft_number(seen->size));
    craft_put(json, "root", craft_hex(seen->root.bytes, HARK_HASH_SIZE));
    craft_put(json, "key_id", craft_hex(key_id, sizeof(key_id)));
    craft_put(json, "signature", craft_base64(hark_span(seen->signature, HARK_SIGNATURE_SIZE)));
    return json;
}

static json_t *fields_json(const struct hark_entry *entry)
{
    json_t *json = json_object();
    json_t *re = json_array();
    char time[HARK_TIME_SIZE + 1];
    hark_time_encode(time, entry->time_ms);
    if (entry->has_space) {
        craft_put(json, "space", craft_hex(entry->space.bytes, HARK_HASH_SIZE));
    }
    craft_put(json, "author", craft_hex(entry->author.bytes, HARK_KEY_SIZE));
    craft_put(json, "seq", craft_number(entry->seq));
    if (entry->seq > 1) {
        craft_put(json, "previous", craft_hex(entry->previous.bytes, HARK_HASH_SIZE));
        craft_put(json, "parent", craft_hex(entry->parent.bytes, HARK_GIT_ID_SIZE));
    }
    craft_put(json, "time", craft_string(time));
    craft_put(json, "time_ms", craft_number(entry->time_ms));
    craft_put(json, "kind", craft_string(entry->kind));
    if (entry->has_seen) {
        craft_put(json, "seen", seen_json(&entry->seen));
    }
    for (size_t i = 0; i < entry->re_count; i++) {
        craft_require(json_array_append_new(re, craft_hex(entry->re[i].bytes, HARK_HASH_SIZE)) == 0,
                      "no JSON");
    }
    craft_put(json, "re", re);
    if (entry->has_payload) {
        craft_put(json, "payload_size", craft_number(entry->payload_size));
        craft_put(json, "payload_hash", craft_hex(entry->payload_hash.bytes, HARK_HASH_SIZE));
    }
    return json;
}

static json_t *valid_json(enum base base)
{
    json_t *json = json_object();
    char name[64];
    craft_put(json, "name", craft_string(base_names[base]));
    craft_put(json, "id", craft_hex(entries[base].id.bytes, HARK_HASH_SIZE));
    craft_put(json, "git_id", craft_hex(git_ids[base].bytes, HARK_GIT_ID_SIZE));
    craft_put(json, "fields", fields_json(&entries[base]));
    if (payloads[base] != NULL) {
        struct hark_buf payload = craft_buf();
        padded(&payload, payloads[base]);
        craft_put(json, "payload", craft_base64(hark_buf_span(&payload)));
        hark_buf_free(&payload);
    }
    craft_put(json, "bytes", craft_base64(hark_buf_span(&objects[base])));
    (void)snprintf(name, sizeof(name), "valid-%s", base_names[base]);
    craft_corpus(corpus, name, hark_buf_span(&objects[base]));
    return json;
}

/* ---- the invalid ones: edited, then signed ---- */

struct bad {
    const char *rule, *error, *name;
    enum base base;
    struct craft_edit edits[4];
};

static const struct bad bads[] = {
    {"E2", "entry-bytes", "carriage-return", SECOND, {ONE("Kind: vote\n", "Kind: vote\r\n")}},
    {"E2", "entry-bytes", "tab", SECOND, {ONE("Kind: vote", "Kind:\tvote")}},
    {"E2", "entry-bytes", "control", SECOND, {ONE("Kind: vote", "Kind: \x01ote")}},
    {"E2", "entry-bytes", "delete", SECOND, {ONE("Kind: vote", "Kind: vote\x7f")}},
    {"E2", "entry-bytes", "utf-8", SECOND, {ONE("Kind: vote", "Kind: v\xc3\xb6te")}},

    {"E3",
     "entry-layout",
     "unknown-header",
     SECOND,
     {ONE("Kind: vote\n", "Kind: vote\nSize: 1\n")}},
    {"E3", "entry-layout", "unknown-last-header", SECOND, {ONE("Payload: ", "Title: ")}},
    {"E3", "entry-layout", "text-after", BARE, {ONE("Kind: leave\n", "Kind: leave\n\nGoodbye.\n")}},
    {"E3", "entry-layout", "empty-line-after", BARE, {ONE("Kind: leave\n", "Kind: leave\n\n")}},
    {"E3", "entry-layout", "no-last-line-feed", BARE, {ONE("Kind: leave\n", "Kind: leave")}},
    {"E3", "entry-layout", "repeated", SECOND, {ONE("Seq: 2\n", "Seq: 2\nSeq: 2\n")}},
    {"E3", "entry-layout", "repeated-later", SECOND, {ONE("Kind: vote\n", "Kind: vote\nSeq: 2\n")}},
    {"E3",
     "entry-layout",
     "order",
     SECOND,
     {ONE("Kind: vote\n", ""), ONE("Time: ", "Kind: vote\nTime: ")}},
    {"E3",
     "entry-layout",
     "re-before-seen",
     SECOND,
     {ONE("Re: " REST_AB "\n", ""), ONE("Seen: ", "Re: " REST_AB "\nSeen: ")}},
    {"E3",
     "entry-layout",
     "re-after-payload",
     BARE,
     {ONE("Kind: leave\n", "Kind: leave\nPayload: 0 " ZEROS "\nRe: " ZEROS "\n")}},
    {"E3", "entry-layout", "no-time", SECOND, {ONE("Time: 2026-11-21T10:15:30.123Z\n", "")}},
    {"E3", "entry-layout", "no-version", SECOND, {ONE("Hark: 1\n", "")}},
    {"E3", "entry-layout", "keyword-case", SECOND, {ONE("Kind: ", "kind: ")}},
    {"E3", "entry-layout", "no-space-after-colon", SECOND, {ONE("Kind: vote", "Kind:vote")}},
    {"E3", "entry-layout", "two-spaces", SECOND, {ONE("Kind: vote", "Kind:  vote")}},
    {"E3", "entry-layout", "space-at-end", SECOND, {ONE("Seq: 2\n", "Seq: 2 \n")}},
    {"E3", "entry-layout", "space-in-time", SECOND, {ONE("21T10", "21 10")}},
    {"E3", "entry-layout", "continued-line", SECOND, {ONE("Seq: 2\n", "Seq:\n 2\n")}},
    {"E3", "entry-layout", "two-ids-in-re", SECOND, {ONE("Re: ", "Re: " ZEROS " ")}},
    {"E3",
     "entry-layout",
     "payload-without-hash",
     BARE,
     {ONE("Kind: leave\n", "Kind: leave\nPayload: 64\n")}},
    {"E3", "entry-layout", "too-many-re", FULL, {ONE("Payload: ", "Re: " ZEROS "\nPayload: ")}},
    {"E3", "entry-layout", "no-empty-line", SECOND, {ONE("vote 2\n\n", "vote 2\n")}},
    {"E3", "entry-layout", "two-empty-lines", SECOND, {ONE("vote 2\n\n", "vote 2\n\n\n")}},
    {"E3", "entry-layout", "subject-without-seq", SECOND, {ONE("\nvote 2\n", "\nvote\n")}},
    {"E3", "entry-layout", "longer-subject", SECOND, {ONE("\nvote 2\n", "\nvote 2 yes\n")}},
    {"E3", "entry-layout", "another-tree", SECOND, {ONE("tree 4b82", "tree 5b82")}},
    {"E3", "entry-layout", "tree-case", SECOND, {ONE("tree 4b82", "tree 4B82")}},
    {"E3", "entry-layout", "no-tree", SECOND, {ONE("tree " HARK_GIT_EMPTY_TREE "\n", "")}},
    {"E3",
     "entry-layout",
     "two-parents",
     SECOND,
     {ONE("parent ", "parent " HARK_GIT_EMPTY_TREE "\nparent ")}},
    {"E3", "entry-layout", "time-zone", SECOND, {ALL(SECONDS " +0000", SECONDS " +0100")}},
    {"E3", "entry-layout", "negative-time-zone", SECOND, {ALL(SECONDS " +0000", SECONDS " -0000")}},
    {"E3", "entry-layout", "mail-domain", SECOND, {ALL("@hark.invalid", "@hark.example")}},
    {"E3", "entry-layout", "mail-form", SECOND, {ALL(MEMBER_MAIL, MEMBER "@hark.invalid")}},
    {"E3",
     "entry-layout",
     "no-committer",
     SECOND,
     {ONE("committer " MEMBER " " MEMBER_MAIL " " SECONDS " +0000\n", "")}},
    {"E3",
     "entry-layout",
     "encoding",
     SECOND,
     {ONE(SECONDS " +0000\n\n", SECONDS " +0000\nencoding UTF-8\n\n")}},

    {"E4", "entry-version", "two", SECOND, {ONE("Hark: 1\n", "Hark: 2\n")}},
    {"E4", "entry-version", "nought", SECOND, {ONE("Hark: 1\n", "Hark: 0\n")}},
    {"E4",
     "entry-version",
     "two-with-other-headers",
     SECOND,
     {ONE("Hark: 1\n", "Hark: 2\nColour: green\n")}},

    {"E5",
     "entry-number",
     "leading-zero",
     SECOND,
     {ONE("Seq: 2\n", "Seq: 02\n"), ONE("\nvote 2\n", "\nvote 02\n")}},
    {"E5",
     "entry-number",
     "plus",
     SECOND,
     {ONE("Seq: 2\n", "Seq: +2\n"), ONE("\nvote 2\n", "\nvote +2\n")}},
    {"E5",
     "entry-number",
     "minus",
     SECOND,
     {ONE("Seq: 2\n", "Seq: -2\n"), ONE("\nvote 2\n", "\nvote -2\n")}},
    {"E5",
     "entry-number",
     "no-digit",
     SECOND,
     {ONE("Seq: 2\n", "Seq: \n"), ONE("\nvote 2\n", "\nvote \n")}},
    {"E5",
     "entry-number",
     "hexadecimal",
     SECOND,
     {ONE("Seq: 2\n", "Seq: 0x2\n"), ONE("\nvote 2\n", "\nvote 0x2\n")}},
    {"E5",
     "entry-number",
     "two-to-the-53",
     SECOND,
     {ONE("Seq: 2\n", "Seq: 9007199254740992\n"), ONE("\nvote 2\n", "\nvote 9007199254740992\n")}},
    {"E5",
     "entry-number",
     "two-to-the-64-and-2",
     SECOND,
     {ONE("Seq: 2\n", "Seq: 18446744073709551618\n"),
      ONE("\nvote 2\n", "\nvote 18446744073709551618\n")}},
    {"E5",
     "entry-number",
     "seq-nought",
     SECOND,
     {ONE("Seq: 2\n", "Seq: 0\n"), ONE("\nvote 2\n", "\nvote 0\n")}},
    {"E5", "entry-number", "version", SECOND, {ONE("Hark: 1\n", "Hark: 01\n")}},
    {"E5", "entry-number", "seconds", SECOND, {ALL(SECONDS, "0" SECONDS)}},
    {"E5", "entry-number", "seen-size", SECOND, {ONE("Seen: 41 ", "Seen: 041 ")}},
    {"E5", "entry-number", "payload-size", SECOND, {ONE("Payload: ", "Payload: 0")}},

    {"E6", "entry-hex", "key-case", SECOND, {ALL("8139770ea87d", "8139770EA87D")}},
    {"E6", "entry-hex", "re-case", SECOND, {ONE("Re: abab", "Re: abaB")}},
    {"E6", "entry-hex", "re-long", SECOND, {ONE("Re: abab", "Re: 0abab")}},
    {"E6", "entry-hex", "re-empty", SECOND, {ONE("Re: " REST_AB, "Re: ")}},
    {"E6", "entry-hex", "re-other-character", SECOND, {ONE("Re: abab", "Re: abag")}},
    {"E6", "entry-hex", "space-long", SECOND, {ONE("Space: ", "Space: 0")}},
    {"E6", "entry-hex", "previous-long", SECOND, {ONE("Previous: ", "Previous: 0")}},
    {"E6", "entry-hex", "parent-long", SECOND, {ONE("parent ", "parent 0")}},
    {"E6",
     "entry-hex",
     "parent-sha-256",
     SECOND,
     {ONE("parent ", "parent 000000000000000000000000")}},
    {"E6", "entry-hex", "seen-root-case", SECOND, {ONE(" 5a5a5a", " 5A5a5a")}},
    {"E6", "entry-hex", "seen-key-id", SECOND, {ONE(" 1234abcd ", " 234abcd ")}},

    {"E7", "entry-time-form", "no-milliseconds", SECOND, {ONE("10:15:30.123Z", "10:15:30Z")}},
    {"E7", "entry-time-form", "microseconds", SECOND, {ONE("10:15:30.123Z", "10:15:30.123000Z")}},
    {"E7", "entry-time-form", "lower-case", SECOND, {ONE("21T10", "21t10")}},
    {"E7", "entry-time-form", "offset", SECOND, {ONE("30.123Z", "30.123+00:00")}},
    {"E7", "entry-time-form", "no-such-day", SECOND, {ONE("2026-11-21", "2026-02-29")}},
    {"E7", "entry-time-form", "no-such-month", SECOND, {ONE("2026-11-21", "2026-13-21")}},
    {"E7", "entry-time-form", "hour-24", SECOND, {ONE("T10:15:30.123", "T24:00:00.000")}},
    {"E7", "entry-time-form", "leap-second", SECOND, {ONE("10:15:30", "10:15:60")}},
    {"E7", "entry-time-form", "before-1970", SECOND, {ONE("2026-", "1969-")}},
    {"E7", "entry-time-form", "empty", SECOND, {ONE("2026-11-21T10:15:30.123Z", "")}},

    {"E8", "entry-kind-form", "capital", SECOND, {ALL("vote", "Vote")}},
    {"E8", "entry-kind-form", "digit-first", SECOND, {ALL("vote", "2vote")}},
    {"E8", "entry-kind-form", "hyphen-first", SECOND, {ALL("vote", "-vote")}},
    {"E8", "entry-kind-form", "underscore", SECOND, {ALL("vote", "x_vote")}},
    {"E8",
     "entry-kind-form",
     "33-characters",
     SECOND,
     {ALL("vote", "abcdefghijklmnopqrstuvwxyz-123456")}},
    {"E8", "entry-kind-form", "empty", SECOND, {ALL("vote", "")}},

    {"E9", "entry-seen-form", "three-fields", SECOND, {ONE(" 1234abcd ", " ")}},
    {"E9", "entry-seen-form", "five-fields", SECOND, {ONE(" 1234abcd ", " 1234abcd 1234abcd ")}},
    {"E9", "entry-seen-form", "63-bytes", SECOND, {ONE("Pw==", "")}},
    {"E9", "entry-seen-form", "trailing-bits", SECOND, {ONE("Pw==", "Px==")}},
    {"E9", "entry-seen-form", "no-padding", SECOND, {ONE("Pw==", "Pw")}},

    {"E10", "entry-mismatch", "subject-kind", SECOND, {ONE("\nvote 2\n", "\nveto 2\n")}},
    {"E10", "entry-mismatch", "subject-seq", SECOND, {ONE("\nvote 2\n", "\nvote 3\n")}},
    {"E10", "entry-mismatch", "seconds", SECOND, {ALL(SECONDS, "1795256131")}},
    {"E10",
     "entry-mismatch",
     "committer-seconds",
     SECOND,
     {ONE(SECONDS " +0000\n\n", "1795256131 +0000\n\n")}},
    {"E10", "entry-mismatch", "author-name", SECOND, {ONE("author " MEMBER, "author " STRANGER)}},
    {"E10", "entry-mismatch", "author-mail", SECOND, {ONE("<" MEMBER, "<" STRANGER)}},
    {"E10",
     "entry-mismatch",
     "committer-name",
     SECOND,
     {ONE("committer " MEMBER, "committer " STRANGER)}},
    {"E10",
     "entry-mismatch",
     "author-header",
     SECOND,
     {ONE("Author: " MEMBER, "Author: " STRANGER)}},

    {"E11",
     "entry-first",
     "first-with-previous",
     FIRST,
     {ONE("Seq: 1\n", "Seq: 1\nPrevious: " ZEROS "\n")}},
    {"E11",
     "entry-first",
     "first-with-parent",
     FIRST,
     {ONE("author ", "parent " HARK_GIT_EMPTY_TREE "\nauthor ")}},
    {"E11",
     "entry-first",
     "first-with-both",
     SECOND,
     {ONE("Seq: 2\n", "Seq: 1\n"), ONE("\nvote 2\n", "\nvote 1\n")}},
    {"E11",
     "entry-first",
     "later-with-neither",
     FIRST,
     {ONE("Seq: 1\n", "Seq: 2\n"), ONE("\nidea 1\n", "\nidea 2\n")}},
    {"E11",
     "entry-first",
     "later-without-parent",
     FIRST,
     {ONE("Seq: 1\n", "Seq: 2\nPrevious: " ZEROS "\n"), ONE("\nidea 1\n", "\nidea 2\n")}},
    {"E11",
     "entry-first",
     "later-without-previous",
     FIRST,
     {ONE("Seq: 1\n", "Seq: 2\n"), ONE("\nidea 1\n", "\nidea 2\n"),
      ONE("author ", "parent " HARK_GIT_EMPTY_TREE "\nauthor ")}},
    {"E11",
     "entry-first",
     "space-with-space",
     FIRST,
     {ONE("Kind: idea\n", "Kind: space\n"), ONE("\nidea 1\n", "\nspace 1\n")}},
    {"E11",
     "entry-first",
     "space-later",
     SPACE,
     {ONE("Seq: 1\n", "Seq: 2\nPrevious: " ZEROS "\n"), ONE("\nspace 1\n", "\nspace 2\n"),
      ONE("author ", "parent " HARK_GIT_EMPTY_TREE "\nauthor ")}},
    {"E11",
     "entry-first",
     "no-space",
     SPACE,
     {ONE("Kind: space\n", "Kind: idea\n"), ONE("\nspace 1\n", "\nidea 1\n")}},
};

/* Several rules broken: the one that comes first in the table is named. */
static const struct bad manies[] = {
    {"E2", "entry-bytes", "E2-and-E3", SECOND, {ONE("Payload: ", "payload:\t")}},
    {"E3",
     "entry-layout",
     "E5-outside-and-E3-at-the-end",
     SECOND,
     {ALL(SECONDS, "0" SECONDS), ONE("Payload: ", "Title: ")}},
    {"E4",
     "entry-version",
     "E4-and-E5",
     SECOND,
     {ALL(SECONDS, "0" SECONDS), ONE("Hark: 1\n", "Hark: 2\n")}},
    {"E5",
     "entry-number",
     "E6-outside-and-E5-inside",
     SECOND,
     {ALL("8139770ea87d", "8139770EA87D"), ONE("Payload: ", "Payload: 0")}},
    {"E6",
     "entry-hex",
     "E7-and-E6",
     SECOND,
     {ONE("2026-11-21", "2026-02-29"), ONE("Re: abab", "Re: abaB")}},
    {"E7",
     "entry-time-form",
     "E8-and-E7",
     SECOND,
     {ALL("vote", "Vote"), ONE("2026-11-21", "2026-02-29")}},
    {"E8", "entry-kind-form", "E9-and-E8", SECOND, {ONE(" 1234abcd ", " "), ALL("vote", "Vote")}},
    {"E9",
     "entry-seen-form",
     "E10-and-E9",
     SECOND,
     {ALL(SECONDS, "1795256131"), ONE(" 1234abcd ", " ")}},
    {"E10", "entry-mismatch", "E11-and-E10", SECOND, {ONE("Seq: 2\n", "Seq: 1\n")}},
};

static void give(json_t *list, const char *rule, const char *error, const char *name,
                 struct hark_span bytes)
{
    static char last[8];
    json_t *json = json_object();
    char file[96];
    craft_put(json, "rule", craft_string(rule));
    craft_put(json, "error", craft_string(error));
    craft_put(json, "name", craft_string(name));
    craft_put(json, "bytes", craft_base64(bytes));
    craft_require(json_array_append_new(list, json) == 0, "no JSON");
    /* One of each rule is seed enough for a fuzzer. */
    if (strcmp(last, rule) != 0) {
        (void)snprintf(last, sizeof(last), "%s", rule);
        (void)snprintf(file, sizeof(file), "%s-%s", rule, name);
        craft_corpus(corpus, file, bytes);
    }
}

static const struct hark_signer *signer_of(enum base base)
{
    return craft_signer(base == SPACE ? STEWARD_SEED : MEMBER_SEED);
}

static void give_edited(json_t *list, const struct bad *bad)
{
    struct hark_buf bytes = craft_buf();
    craft_set(&bytes, hark_buf_span(&objects[bad->base]));
    craft_unsign(&bytes);
    craft_edit(&bytes, bad->edits);
    craft_sign(&bytes, signer_of(bad->base));
    give(list, bad->rule, bad->error, bad->name, hark_buf_span(&bytes));
    hark_buf_free(&bytes);
}

/* ---- E1 ---- */

static void give_sizes(json_t *list)
{
    struct hark_buf bytes = craft_buf();
    craft_set(&bytes, hark_buf_span(&objects[FULL]));
    craft_unsign(&bytes);
    while (bytes.size <= HARK_ENTRY_MAX) {
        craft_require(hark_buf_append_str(&bytes, "Re: " ZEROS "\n", NULL) == 0, "too long");
    }
    craft_sign(&bytes, signer_of(FULL));
    give(list, "E1", "entry-size", "too-long", hark_buf_span(&bytes));
    give(list, "E1", "entry-size", "empty", hark_span("", 0));
    hark_buf_free(&bytes);
}

/* ---- E12 and after: what is inside the armour ----
 *
 * Offsets in the blob of a signature in namespace git. */
enum {
    BLOB_VERSION = 9,
    BLOB_KEY_TYPE = 18,
    BLOB_RESERVED = 72,
    BLOB_HASH = 80,
    BLOB_SIGNATURE_TYPE = 94,
    BLOB_R = 109,
    BLOB_S = 141,
    BLOB_SIZE = 173
};

typedef void change_fn(struct hark_buf *blob);

static void change_nothing(struct hark_buf *blob)
{
    (void)blob;
}

static void change_version(struct hark_buf *blob)
{
    blob->data[BLOB_VERSION] = 2;
}

static void change_key_type(struct hark_buf *blob)
{
    blob->data[BLOB_KEY_TYPE + 10] = '8';
}

static void change_signature_type(struct hark_buf *blob)
{
    blob->data[BLOB_SIGNATURE_TYPE + 10] = '8';
}

static void change_hash(struct hark_buf *blob)
{
    memcpy(blob->data + BLOB_HASH, "sha256", 6);
}

static void change_reserved(struct hark_buf *blob)
{
    craft_require(hark_buf_append_byte(blob, 0, NULL) == 0, "too long");
    memmove(blob->data + BLOB_RESERVED + 5, blob->data + BLOB_RESERVED + 4,
            BLOB_SIZE - BLOB_RESERVED - 4);
    blob->data[BLOB_RESERVED + 3] = 1;
    blob->data[BLOB_RESERVED + 4] = 'x';
}

static void change_size(struct hark_buf *blob)
{
    craft_require(hark_buf_append_byte(blob, 0, NULL) == 0, "too long");
}

static void change_r(struct hark_buf *blob)
{
    blob->data[BLOB_R] ^= 1;
}

static void change_s(struct hark_buf *blob)
{
    blob->data[BLOB_S] ^= 1;
}

/* S + L is the same scalar: the signature's second form. */
static void change_s_form(struct hark_buf *blob)
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    unsigned carry = 0;
    for (size_t i = 0; i < sizeof(order); i++) {
        carry += (unsigned)blob->data[BLOB_S + i] + order[i];
        blob->data[BLOB_S + i] = (uint8_t)(carry & 0xffu);
        carry >>= 8;
    }
}

/* The armour of a blob at any width. */
static void wrap(struct hark_buf *out, struct hark_span blob, size_t width)
{
    struct hark_buf text = craft_buf();
    struct hark_span line;
    craft_require(hark_base64_encode(&text, blob, NULL) == 0 &&
                      hark_buf_append_str(out, "-----BEGIN SSH SIGNATURE-----\n", NULL) == 0,
                  "too long");
    struct hark_span rest = hark_buf_span(&text);
    while (rest.size > 0) {
        craft_require(hark_take(&rest, rest.size < width ? rest.size : width, &line) &&
                          hark_buf_append_span(out, line, NULL) == 0 &&
                          hark_buf_append_byte(out, '\n', NULL) == 0,
                      "too long");
    }
    craft_require(hark_buf_append_str(out, "-----END SSH SIGNATURE-----\n", NULL) == 0, "too long");
    hark_buf_free(&text);
}

struct bad_armor {
    const char *rule, *error, *name;
    uint8_t seed;
    const char *namespace_;
    change_fn *change;
    size_t width;
    struct craft_edit edits[2]; /* of the armour */
};

#define WELL "git", change_nothing, 70
static const struct bad_armor bad_armors[] = {
    {"E12",
     "entry-signature-form",
     "wrapped-at-76",
     MEMBER_SEED,
     "git",
     change_nothing,
     76,
     {{.old = NULL}}},
    {"E12",
     "entry-signature-form",
     "wrapped-at-64",
     MEMBER_SEED,
     "git",
     change_nothing,
     64,
     {{.old = NULL}}},
    {"E12",
     "entry-signature-form",
     "one-line",
     MEMBER_SEED,
     "git",
     change_nothing,
     1000,
     {{.old = NULL}}},
    {"E12",
     "entry-signature-form",
     "namespace",
     MEMBER_SEED,
     "file",
     change_nothing,
     70,
     {{.old = NULL}}},
    {"E12",
     "entry-signature-form",
     "version",
     MEMBER_SEED,
     "git",
     change_version,
     70,
     {{.old = NULL}}},
    {"E12",
     "entry-signature-form",
     "key-type",
     MEMBER_SEED,
     "git",
     change_key_type,
     70,
     {{.old = NULL}}},
    {"E12",
     "entry-signature-form",
     "signature-type",
     MEMBER_SEED,
     "git",
     change_signature_type,
     70,
     {{.old = NULL}}},
    {"E12", "entry-signature-form", "hash", MEMBER_SEED, "git", change_hash, 70, {{.old = NULL}}},
    {"E12",
     "entry-signature-form",
     "reserved",
     MEMBER_SEED,
     "git",
     change_reserved,
     70,
     {{.old = NULL}}},
    {"E12",
     "entry-signature-form",
     "left-over",
     MEMBER_SEED,
     "git",
     change_size,
     70,
     {{.old = NULL}}},
    {"E12", "entry-signature-form", "armour", MEMBER_SEED, WELL, {ALL("SSH", "PGP")}},
    {"E12", "entry-signature-form", "indented", MEMBER_SEED, WELL, {ONE("U1NIU0lH", " U1NIU0lH")}},
    {"E12",
     "entry-signature-form",
     "empty-line",
     MEMBER_SEED,
     WELL,
     {ONE("-----END", "\n-----END")}},
    {"E12",
     "entry-signature-form",
     "no-end",
     MEMBER_SEED,
     WELL,
     {ONE("-----END SSH SIGNATURE-----\n", "")}},
    {"E12",
     "entry-signature-form",
     "twice",
     MEMBER_SEED,
     WELL,
     {ONE("-----END SSH SIGNATURE-----\n",
          "-----END SSH SIGNATURE-----\n-----BEGIN SSH SIGNATURE-----\n")}},
    {"E13", "entry-signature-key", "stranger", STRANGER_SEED, WELL, {{.old = NULL}}},
    {"E15", "entry-signature", "r", MEMBER_SEED, "git", change_r, 70, {{.old = NULL}}},
    {"E15", "entry-signature", "s", MEMBER_SEED, "git", change_s, 70, {{.old = NULL}}},
    {"E15",
     "entry-signature",
     "s-plus-order",
     MEMBER_SEED,
     "git",
     change_s_form,
     70,
     {{.old = NULL}}},
};

/* What a signature of the text has inside its armour. */
static void make_blob(struct hark_buf *out, struct hark_span text, const struct hark_signer *signer,
                      const char *namespace_)
{
    struct hark_buf armor = craft_buf();
    struct hark_buf base64 = craft_buf();
    struct hark_span line;
    craft_require(hark_sshsig_sign(&armor, signer, namespace_, text, NULL) == 0, "no signature");
    struct hark_span rest = hark_buf_span(&armor);
    while (hark_take_line(&rest, &line)) {
        if (line.size > 0 && line.data[0] != '-') {
            craft_require(hark_buf_append_span(&base64, line, NULL) == 0, "too long");
        }
    }
    craft_require(hark_base64_decode(out, hark_buf_span(&base64), NULL) == 0, "no base64");
    hark_buf_free(&armor);
    hark_buf_free(&base64);
}

static void give_armor(json_t *list, const struct bad_armor *bad)
{
    struct hark_buf bytes = craft_buf();
    struct hark_buf blob = craft_buf();
    struct hark_buf armor = craft_buf();
    craft_set(&bytes, hark_buf_span(&objects[SECOND]));
    craft_unsign(&bytes);
    make_blob(&blob, hark_buf_span(&bytes), craft_signer(bad->seed), bad->namespace_);
    bad->change(&blob);
    wrap(&armor, hark_buf_span(&blob), bad->width);
    craft_edit(&armor, bad->edits);
    craft_put_gpgsig(&bytes, hark_buf_span(&armor));
    give(list, bad->rule, bad->error, bad->name, hark_buf_span(&bytes));
    hark_buf_free(&bytes);
    hark_buf_free(&blob);
    hark_buf_free(&armor);
}

/* The base64 of 173 bytes leaves two bits over: set, they mean nothing. And
 * words that were changed after they were signed. */
static void give_last(json_t *list)
{
    static const struct craft_edit change[] = {ONE("Re: abab", "Re: bbab"), {.old = NULL}};
    struct hark_buf bytes = craft_buf();
    craft_set(&bytes, hark_buf_span(&objects[SECOND]));
    uint8_t *padding = memmem(bytes.data, bytes.size, "=\n -----END", 11);
    craft_require(padding != NULL && padding[-1] != '9' && padding[-1] != '/', "no padding");
    padding[-1]++;
    give(list, "E12", "entry-signature-form", "trailing-bits", hark_buf_span(&bytes));

    craft_set(&bytes, hark_buf_span(&objects[SECOND]));
    craft_edit(&bytes, change);
    give(list, "E15", "entry-signature", "words-changed", hark_buf_span(&bytes));
    hark_buf_free(&bytes);
}

static json_t *vectors(void)
{
    json_t *root = json_object();
    json_t *valid = json_array();
    json_t *invalid = json_array();
    json_t *precedence = json_array();
    for (int base = 0; base < BASE_COUNT; base++) {
        craft_require(json_array_append_new(valid, valid_json((enum base)base)) == 0, "no JSON");
    }
    give_sizes(invalid);
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        give_edited(invalid, &bads[i]);
    }
    for (size_t i = 0; i < sizeof(bad_armors) / sizeof(bad_armors[0]); i++) {
        give_armor(invalid, &bad_armors[i]);
    }
    give_last(invalid);
    const char *folder = corpus;
    corpus = NULL;
    for (size_t i = 0; i < sizeof(manies) / sizeof(manies[0]); i++) {
        give_edited(precedence, &manies[i]);
    }
    corpus = folder;
    craft_put(root, "description",
              craft_string("Entries (PROTOCOL.md 3). `bytes` are commit objects in base64. Each "
                           "invalid one breaks just its rule (E1 and E2 cannot be broken without "
                           "breaking later ones; E14 cannot be broken alone); those under "
                           "`precedence` break several, of which the first is named. Keys: "
                           "Ed25519 seeds of 32 times 0x01 (steward), 0x02 (member), 0x03 "
                           "(stranger)."));
    craft_put(root, "valid", valid);
    craft_put(root, "invalid", invalid);
    craft_put(root, "precedence", precedence);
    return root;
}

int main(int argc, char **argv)
{
    char hex[2 * HARK_KEY_SIZE + 1];
    corpus = argc > 1 ? argv[1] : NULL;
    hark_key_hex(hex, hark_signer_key(craft_signer(MEMBER_SEED)));
    craft_require(strcmp(hex, MEMBER) == 0, hex);
    hark_key_hex(hex, hark_signer_key(craft_signer(STRANGER_SEED)));
    craft_require(strcmp(hex, STRANGER) == 0, hex);
    make_valid();
    json_t *root = vectors();
    craft_write(root);
    json_decref(root);
    for (int base = 0; base < BASE_COUNT; base++) {
        hark_buf_free(&objects[base]);
    }
    return 0;
}
