/*
 * schemas/entry: what is read and refused, that nothing else than the one form
 * of an entry is accepted, and that git itself finds our entries good. The
 * entries that break one rule each are those of tests/vectors/entry.json.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "run_tool.h"
#include "schemas/entry.h"

static json_t *vectors;

static struct hark_signer *signer_number(uint8_t number)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    struct hark_signer *signer = NULL;
    memset(bytes, number, sizeof(bytes));
    assert_int_equal(hark_seed_from_bytes(&seed, bytes, NULL), 0);
    assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
    hark_seed_free(seed);
    return signer;
}

/* An entry with everything that one can have. */
static struct hark_entry some_entry(const struct hark_signer *signer)
{
    struct hark_entry entry = {.has_space = true,
                               .author = *hark_signer_key(signer),
                               .seq = 7,
                               .time_ms = UINT64_C(1795256130123),
                               .kind = "vote",
                               .has_seen = true,
                               .seen = {.size = 12, .key_id = 0xfedcba98},
                               .re_count = 2,
                               .has_payload = true,
                               .payload_size = 128};
    memset(entry.space.bytes, 0xa1, sizeof(entry.space.bytes));
    memset(entry.previous.bytes, 0xb2, sizeof(entry.previous.bytes));
    memset(entry.parent.bytes, 0xc3, sizeof(entry.parent.bytes));
    memset(entry.seen.root.bytes, 0xd4, sizeof(entry.seen.root.bytes));
    memset(entry.seen.signature, 0xe5, sizeof(entry.seen.signature));
    memset(entry.re[0].bytes, 0xf6, sizeof(entry.re[0].bytes));
    memset(entry.re[1].bytes, 0x07, sizeof(entry.re[1].bytes));
    memset(entry.payload_hash.bytes, 0x18, sizeof(entry.payload_hash.bytes));
    return entry;
}

/* Parsed and verified: 0 or the error of whichever refuses first. */
static int accept(struct hark_span bytes)
{
    struct hark_entry entry;
    struct hark_err err = {0};
    int rc = hark_entry_parse(&entry, bytes, &err);
    if (rc == 0) {
        rc = hark_entry_verify(&entry, bytes, &err);
    }
    assert_int_equal(rc, err.code);
    assert_true(rc == 0 || err.message[0] != '\0');
    return rc;
}

static void assert_seen_equal(const struct hark_seen *a, const struct hark_seen *b)
{
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->key_id, b->key_id);
    assert_true(hark_hash_equal(&a->root, &b->root));
    assert_memory_equal(a->signature, b->signature, sizeof(a->signature));
}

static void assert_entry_equal(const struct hark_entry *a, const struct hark_entry *b)
{
    assert_int_equal(a->has_space, b->has_space);
    assert_true(!a->has_space || hark_hash_equal(&a->space, &b->space));
    assert_true(hark_key_equal(&a->author, &b->author));
    assert_int_equal(a->seq, b->seq);
    assert_true(a->seq == 1 || hark_hash_equal(&a->previous, &b->previous));
    assert_true(a->seq == 1 || memcmp(&a->parent, &b->parent, sizeof(a->parent)) == 0);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_string_equal(a->kind, b->kind);
    assert_int_equal(a->has_seen, b->has_seen);
    if (a->has_seen) {
        assert_seen_equal(&a->seen, &b->seen);
    }
    assert_int_equal(a->re_count, b->re_count);
    for (size_t i = 0; i < a->re_count; i++) {
        assert_true(hark_hash_equal(&a->re[i], &b->re[i]));
    }
    assert_int_equal(a->has_payload, b->has_payload);
    assert_true(!a->has_payload || (a->payload_size == b->payload_size &&
                                    hark_hash_equal(&a->payload_hash, &b->payload_hash)));
    assert_true(hark_key_equal(&a->signature.key, &b->signature.key));
    assert_memory_equal(a->signature.signature, b->signature.signature, HARK_SIGNATURE_SIZE);
    assert_true(hark_hash_equal(&a->id, &b->id));
}

static void test_entry__round_trip(void **state)
{
    (void)state;
    struct hark_signer *signer = signer_number(9);
    for (unsigned parts = 0; parts < 16; parts++) {
        struct hark_entry entry = some_entry(signer);
        struct hark_entry read;
        struct hark_buf bytes = hark_buf_init(2 * HARK_ENTRY_MAX);
        entry.seq = (parts & 1) != 0 ? 7 : 1;
        entry.has_seen = (parts & 2) != 0;
        entry.re_count = (parts & 4) != 0 ? HARK_ENTRY_RE_MAX : 0;
        entry.has_payload = (parts & 8) != 0;
        assert_int_equal(hark_buf_append_str(&bytes, "before", NULL), 0);
        assert_int_equal(hark_entry_build(&bytes, &entry, signer, NULL), 0);
        struct hark_span object = hark_span(bytes.data + 6, bytes.size - 6);
        assert_memory_equal(bytes.data, "beforetree ", 11);
        assert_int_equal(hark_entry_parse(&read, object, NULL), 0);
        assert_entry_equal(&entry, &read);
        assert_int_equal(hark_entry_verify(&read, object, NULL), 0);
        struct hark_hash id = hark_sha256(object);
        assert_true(hark_hash_equal(&id, &read.id));
        hark_buf_free(&bytes);
    }
    hark_signer_free(signer);
}

/* ---- the vectors ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

static struct hark_buf bytes_of(const json_t *object, const char *name)
{
    struct hark_buf bytes = hark_buf_init(1u << 16);
    assert_int_equal(hark_base64_decode(&bytes, hark_span_str(text_of(object, name)), NULL), 0);
    return bytes;
}

/* An absent hex field is fine as long as it is not wanted. */
static void hex_of(const json_t *object, const char *name, uint8_t *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text != NULL) {
        assert_int_equal(hark_hex_decode(out, size, hark_span_str(text), NULL), 0);
    }
}

static uint64_t number_of(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void seen_of(const json_t *json, struct hark_seen *seen)
{
    uint8_t key_id[4];
    struct hark_buf signature = bytes_of(json, "signature");
    seen->size = number_of(json, "size");
    hex_of(json, "root", seen->root.bytes, HARK_HASH_SIZE);
    hex_of(json, "key_id", key_id, sizeof(key_id));
    seen->key_id = hark_get_u32(key_id);
    assert_int_equal(signature.size, HARK_SIGNATURE_SIZE);
    memcpy(seen->signature, signature.data, HARK_SIGNATURE_SIZE);
    hark_buf_free(&signature);
}

static struct hark_entry fields_of(const json_t *json)
{
    struct hark_entry entry = {.seq = number_of(json, "seq")};
    const json_t *re = json_object_get(json, "re");
    const char *kind = text_of(json, "kind");
    entry.has_space = json_object_get(json, "space") != NULL;
    hex_of(json, "space", entry.space.bytes, HARK_HASH_SIZE);
    hex_of(json, "author", entry.author.bytes, HARK_KEY_SIZE);
    hex_of(json, "previous", entry.previous.bytes, HARK_HASH_SIZE);
    hex_of(json, "parent", entry.parent.bytes, HARK_GIT_ID_SIZE);
    entry.time_ms = number_of(json, "time_ms");
    assert_true(strlen(kind) <= HARK_KIND_NAME_MAX);
    memcpy(entry.kind, kind, strlen(kind));
    entry.has_seen = json_object_get(json, "seen") != NULL;
    if (entry.has_seen) {
        seen_of(json_object_get(json, "seen"), &entry.seen);
    }
    for (size_t i = 0; i < json_array_size(re); i++) {
        assert_true(i < HARK_ENTRY_RE_MAX);
        assert_int_equal(hark_hash_from_hex(&entry.re[i],
                                            hark_span_str(json_string_value(json_array_get(re, i))),
                                            NULL),
                         0);
    }
    entry.re_count = json_array_size(re);
    entry.has_payload = json_object_get(json, "payload_hash") != NULL;
    entry.payload_size = number_of(json, "payload_size");
    hex_of(json, "payload_hash", entry.payload_hash.bytes, HARK_HASH_SIZE);
    return entry;
}

/* A second implementation's reader and ours must see the same in an entry. */
static void test_entry__valid_vectors_say_what_their_fields_say(void **state)
{
    (void)state;
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "valid"), i, vector)
    {
        struct hark_buf bytes = bytes_of(vector, "bytes");
        struct hark_entry wanted = fields_of(json_object_get(vector, "fields"));
        struct hark_entry read;
        assert_int_equal(hark_entry_parse(&read, hark_buf_span(&bytes), NULL), 0);
        assert_int_equal(hark_entry_verify(&read, hark_buf_span(&bytes), NULL), 0);
        hex_of(vector, "id", wanted.id.bytes, HARK_HASH_SIZE);
        wanted.signature = read.signature;
        assert_entry_equal(&wanted, &read);
        assert_true(hark_key_equal(&read.signature.key, &wanted.author));
        hark_buf_free(&bytes);
    }
    assert_true(i > 0);
}

/* Who serves a stored entry finds its payload as who parsed it, and reads no bytes that
 * are not there whatever became of it on the disk. */
static void test_entry__the_payload_of_a_stored_entry(void **state)
{
    size_t i, with = 0;
    json_t *vector;

    (void)state;
    json_array_foreach(json_object_get(vectors, "valid"), i, vector)
    {
        struct hark_buf bytes = bytes_of(vector, "bytes");
        struct hark_entry wanted = fields_of(json_object_get(vector, "fields"));
        struct hark_hash hash;

        assert_int_equal(hark_entry_names_payload(hark_buf_span(&bytes), &hash),
                         wanted.has_payload);
        if (wanted.has_payload) {
            with++;
            assert_true(hark_hash_equal(&hash, &wanted.payload_hash));
        }
        for (size_t cut = 0; cut <= bytes.size; cut++) {
            uint8_t *exact = malloc(cut + 1);
            assert_non_null(exact);
            memcpy(exact + 1, bytes.data, cut);
            (void)hark_entry_names_payload(hark_span(exact + 1, cut), &hash);
            free(exact);
        }
        hark_buf_free(&bytes);
    }
    assert_in_range(with, 1, i - 1);
}

static void check_refused(const char *list)
{
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, list), i, vector)
    {
        struct hark_buf bytes = bytes_of(vector, "bytes");
        int rc = accept(hark_buf_span(&bytes));
        if (strcmp(hark_err_name(rc), text_of(vector, "error")) != 0) {
            fail_msg("%s %s: %s instead of %s", text_of(vector, "rule"), text_of(vector, "name"),
                     hark_err_name(rc), text_of(vector, "error"));
        }
        hark_buf_free(&bytes);
    }
    assert_true(i > 0);
}

static void test_entry__each_rule_broken_alone_is_named(void **state)
{
    (void)state;
    check_refused("invalid");
}

static void test_entry__of_several_broken_rules_the_first_is_named(void **state)
{
    (void)state;
    check_refused("precedence");
}

static void test_entry__there_is_a_vector_for_every_rule(void **state)
{
    (void)state;
    size_t i;
    json_t *vector;
    unsigned rules = 0;
    json_array_foreach(json_object_get(vectors, "invalid"), i, vector)
    {
        rules |= 1u << strtoul(text_of(vector, "rule") + 1, NULL, 10);
    }
    /* 1 to 15 but for 14, which nothing breaks alone. */
    assert_int_equal(rules, 0xfffeu & ~(1u << 14));
}

/* ---- nothing but the entry itself ---- */

static struct hark_buf vector_named(const char *name)
{
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(vectors, "valid"), i, vector)
    {
        if (strcmp(text_of(vector, "name"), name) == 0) {
            return bytes_of(vector, "bytes");
        }
    }
    fail_msg("no vector %s", name);
    return hark_buf_init(0);
}

static void test_entry__no_byte_can_be_another(void **state)
{
    (void)state;
    struct hark_buf bytes = vector_named("second");
    for (size_t at = 0; at < bytes.size; at++) {
        uint8_t was = bytes.data[at];
        /* One other value for each byte; all for some, that lie all over. */
        for (unsigned change = 1; change < 256; change += at % 37 == 0 ? 1 : 256) {
            bytes.data[at] = (uint8_t)(was ^ change);
            assert_int_not_equal(accept(hark_buf_span(&bytes)), 0);
        }
        /* Digits that stay digits, and letters that change their case. */
        bytes.data[at] = was ^ 0x20;
        assert_int_not_equal(accept(hark_buf_span(&bytes)), 0);
        bytes.data[at] = was;
    }
    assert_int_equal(accept(hark_buf_span(&bytes)), 0);
    hark_buf_free(&bytes);
}

static void test_entry__no_byte_can_be_missing_or_more(void **state)
{
    (void)state;
    struct hark_buf bytes = vector_named("second");
    for (size_t size = 0; size < bytes.size; size++) {
        /* Its own allocation: a sanitizer sees what reads past the end. */
        uint8_t *cut = malloc(size + 1);
        assert_non_null(cut);
        memcpy(cut, bytes.data, size);
        assert_int_not_equal(accept(hark_span(cut, size)), 0);
        /* Without the byte there, the rest follows. */
        struct hark_buf without = hark_buf_init(HARK_ENTRY_MAX);
        assert_int_equal(hark_buf_append(&without, bytes.data, size, NULL), 0);
        assert_int_equal(
            hark_buf_append(&without, bytes.data + size + 1, bytes.size - size - 1, NULL), 0);
        assert_int_not_equal(accept(hark_buf_span(&without)), 0);
        hark_buf_free(&without);
        free(cut);
    }
    assert_int_equal(hark_buf_append_byte(&bytes, '\n', NULL), 0);
    assert_int_equal(accept(hark_buf_span(&bytes)), HARK_E_ENTRY_LAYOUT);
    hark_buf_free(&bytes);
}

static void test_entry__a_nul_is_refused_as_a_byte(void **state)
{
    (void)state;
    struct hark_buf bytes = vector_named("bare");
    bytes.data[bytes.size - 2] = 0;
    assert_int_equal(accept(hark_buf_span(&bytes)), HARK_E_ENTRY_BYTES);
    hark_buf_free(&bytes);
}

/* Ed25519 says the same signature every time: who wants a second entry with the
 * same seq must say something else, and that is a twin with its own id. */
static void test_entry__a_twin_has_another_id(void **state)
{
    (void)state;
    struct hark_signer *signer = signer_number(9);
    struct hark_entry entry = some_entry(signer);
    struct hark_entry again = entry;
    struct hark_entry twin = entry;
    struct hark_buf bytes = hark_buf_init(3 * HARK_ENTRY_MAX);
    twin.time_ms++;
    assert_int_equal(hark_entry_build(&bytes, &entry, signer, NULL), 0);
    assert_int_equal(hark_entry_build(&bytes, &again, signer, NULL), 0);
    assert_int_equal(hark_entry_build(&bytes, &twin, signer, NULL), 0);
    assert_true(hark_hash_equal(&entry.id, &again.id));
    assert_false(hark_hash_equal(&entry.id, &twin.id));
    hark_buf_free(&bytes);
    hark_signer_free(signer);
}

/* The object's id covers the signature too: it is no handle on the words only. */
static void test_entry__another_signature_is_another_id(void **state)
{
    (void)state;
    struct hark_buf bytes = vector_named("second");
    struct hark_entry entry;
    struct hark_entry other;
    assert_int_equal(hark_entry_parse(&entry, hark_buf_span(&bytes), NULL), 0);
    uint8_t *signature = memmem(bytes.data, bytes.size, "\n -----END", 10);
    assert_non_null(signature);
    signature[-10] = signature[-10] == 'A' ? 'B' : 'A';
    assert_int_equal(hark_entry_parse(&other, hark_buf_span(&bytes), NULL), 0);
    assert_false(hark_hash_equal(&entry.id, &other.id));
    assert_int_equal(hark_entry_verify(&other, hark_buf_span(&bytes), NULL),
                     HARK_E_ENTRY_SIGNATURE);
    hark_buf_free(&bytes);
}

/* ---- building ---- */

static int build(struct hark_entry entry, const struct hark_signer *signer)
{
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX);
    int rc = hark_entry_build(&bytes, &entry, signer, NULL);
    assert_true((rc == 0) == (bytes.size > 0));
    hark_buf_free(&bytes);
    return rc;
}

static void test_entry__nothing_is_signed_that_would_be_refused(void **state)
{
    (void)state;
    struct hark_signer *signer = signer_number(9);
    struct hark_signer *other = signer_number(10);
    const struct hark_entry good = some_entry(signer);
    struct hark_entry bad = good;
    assert_int_equal(build(good, signer), 0);
    assert_int_equal(build(good, other), HARK_E_INTERNAL);
    bad.re_count = HARK_ENTRY_RE_MAX + 1;
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_LAYOUT);
    bad = good;
    bad.seq = 0;
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_NUMBER);
    bad.seq = HARK_NUMBER_MAX + 1;
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_NUMBER);
    bad = good;
    bad.seen.size = HARK_NUMBER_MAX + 1;
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_NUMBER);
    bad = good;
    bad.payload_size = HARK_NUMBER_MAX + 1;
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_NUMBER);
    bad = good;
    bad.time_ms = HARK_TIME_MAX_MS + 1;
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_TIME_FORM);
    bad = good;
    memset(bad.kind, 'a', sizeof(bad.kind)); /* without an end */
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_KIND_FORM);
    memcpy(bad.kind, "a\nRe: b", 8);
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_KIND_FORM);
    bad = good;
    memcpy(bad.kind, "space", 6);
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_FIRST);
    bad.has_space = false;
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_FIRST);
    bad.seq = 1;
    assert_int_equal(build(bad, signer), 0);
    bad = good;
    bad.has_space = false;
    assert_int_equal(build(bad, signer), HARK_E_ENTRY_FIRST);
    hark_signer_free(signer);
    hark_signer_free(other);
}

static void test_entry__a_full_buffer_takes_nothing(void **state)
{
    (void)state;
    struct hark_signer *signer = signer_number(9);
    struct hark_entry entry = some_entry(signer);
    struct hark_buf bytes = hark_buf_init(100);
    assert_int_equal(hark_entry_build(&bytes, &entry, signer, NULL), HARK_E_LIMIT);
    assert_int_equal(bytes.size, 0);
    hark_buf_free(&bytes);
    hark_signer_free(signer);
}

static void test_entry__names_of_kinds(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "vote", "x-own-2", "a-",
                                       "abcdefghijklmnopqrstuvwxyz012345"};
    static const char *const bad[] = {"",    "A",           "2a",
                                      "-a",  "a_b",         "a b",
                                      "a\n", "v\xc3\xb6te", "abcdefghijklmnopqrstuvwxyz0123456"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(hark_kind_name_valid(hark_span_str(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(hark_kind_name_valid(hark_span_str(bad[i])));
    }
}

/* ---- the commit object below it ---- */

static void test_entry__a_commit_is_split_and_put_together(void **state)
{
    (void)state;
    struct hark_buf bytes = vector_named("second");
    struct hark_buf again = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_commit commit;
    struct hark_entry entry;
    assert_int_equal(hark_entry_parse(&entry, hark_buf_span(&bytes), NULL), 0);
    assert_int_equal(hark_commit_parse(&commit, hark_buf_span(&bytes), 1, NULL), 0);
    assert_int_equal(commit.parent_count, 1);
    struct hark_git_id parent = hark_commit_parent(&commit, 0);
    assert_memory_equal(&parent, &entry.parent, sizeof(parent));
    assert_string_equal(commit.tree, HARK_GIT_EMPTY_TREE);
    assert_int_equal(commit.time_s, entry.time_ms / 1000);
    assert_int_equal(hark_commit_build(&again, &commit, NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&again), hark_buf_span(&bytes)));
    hark_buf_clear(&again);
    assert_int_equal(hark_commit_signed_bytes(&again, &commit, NULL), 0);
    assert_true(hark_sshsig_verify(&commit.signature, "git", hark_buf_span(&again)));
    /* No parents allowed. */
    assert_int_equal(hark_commit_parse(&commit, hark_buf_span(&bytes), 0, NULL),
                     HARK_E_ENTRY_LAYOUT);
    hark_buf_free(&bytes);
    hark_buf_free(&again);
}

/* ---- stock git ---- */

#define VERIFY                                                                                     \
    "git -c gpg.format=ssh -c gpg.ssh.allowedSignersFile=\"$PWD/signers\" -C repo "                \
    "verify-commit "

static void put_signer(const char *dir, const struct hark_key *key)
{
    char hex[2 * HARK_KEY_SIZE + 1];
    struct hark_buf line = hark_buf_init(1024);
    hark_key_hex(hex, key);
    assert_int_equal(hark_buf_printf(&line, NULL, "%s@hark.invalid ", hex), 0);
    assert_int_equal(hark_ssh_public_key(&line, key, NULL), 0);
    assert_int_equal(hark_buf_append_byte(&line, '\n', NULL), 0);
    write_file(dir, "signers", hark_buf_span(&line), 0600);
    hark_buf_free(&line);
}

/* PROTOCOL.md 13: whoever holds a repository can verify it with git and
 * sha256sum. */
static void test_entry__stock_git_finds_it_good(void **state)
{
    (void)state;
    char dir[32];
    char script[512];
    size_t i;
    json_t *vector;
    need_tool("git", "git --version");
    need_tool("ssh-keygen", "command -v ssh-keygen");
    need_tool("sha256sum", "sha256sum --version");
    make_directory(dir);
    assert_int_equal(run_tool(dir, "git init -q repo && git -C repo mktree </dev/null"), 0);
    json_array_foreach(json_object_get(vectors, "valid"), i, vector)
    {
        struct hark_buf bytes = bytes_of(vector, "bytes");
        struct hark_entry entry;
        assert_int_equal(hark_entry_parse(&entry, hark_buf_span(&bytes), NULL), 0);
        put_signer(dir, &entry.author);
        write_file(dir, "commit", hark_buf_span(&bytes), 0600);
        (void)snprintf(script, sizeof(script),
                       "id=$(git -C repo hash-object -t commit -w --stdin <commit) && "
                       "test $id = %s && " VERIFY "--raw $id 2>says && "
                       "grep -q '^Good \"git\" signature' says && "
                       "git -C repo cat-file commit $id | sha256sum | grep -q '^%s '",
                       text_of(vector, "git_id"), text_of(vector, "id"));
        assert_int_equal(run_tool(dir, script), 0);
        hark_buf_free(&bytes);
    }
    /* And the same words with one of them changed are not good. */
    assert_int_equal(run_tool(dir, "sed -i s/^Kind:.*/Kind:\\ x/ commit"), 0);
    assert_int_not_equal(run_tool(dir, "id=$(git -C repo hash-object -t commit -w --stdin <commit)"
                                       " && " VERIFY "$id"),
                         0);
    remove_directory(dir);
}

static int setup(void **state)
{
    (void)state;
    char path[512];
    const char *top = getenv("HARK_SOURCE_DIR");
    assert_int_equal(hark_crypto_init(NULL), 0);
    join_path(path, sizeof(path), top == NULL ? "." : top, "tests/vectors/entry.json");
    vectors = json_load_file(path, 0, NULL);
    assert_non_null(vectors);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry__round_trip),
        cmocka_unit_test(test_entry__valid_vectors_say_what_their_fields_say),
        cmocka_unit_test(test_entry__the_payload_of_a_stored_entry),
        cmocka_unit_test(test_entry__each_rule_broken_alone_is_named),
        cmocka_unit_test(test_entry__of_several_broken_rules_the_first_is_named),
        cmocka_unit_test(test_entry__there_is_a_vector_for_every_rule),
        cmocka_unit_test(test_entry__no_byte_can_be_another),
        cmocka_unit_test(test_entry__no_byte_can_be_missing_or_more),
        cmocka_unit_test(test_entry__a_nul_is_refused_as_a_byte),
        cmocka_unit_test(test_entry__a_twin_has_another_id),
        cmocka_unit_test(test_entry__another_signature_is_another_id),
        cmocka_unit_test(test_entry__nothing_is_signed_that_would_be_refused),
        cmocka_unit_test(test_entry__a_full_buffer_takes_nothing),
        cmocka_unit_test(test_entry__names_of_kinds),
        cmocka_unit_test(test_entry__a_commit_is_split_and_put_together),
        cmocka_unit_test(test_entry__stock_git_finds_it_good),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
