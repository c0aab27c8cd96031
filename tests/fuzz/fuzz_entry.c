/*
 * Entries from anybody. What is accepted has one form only: its fields, built
 * again, give the same bytes; and the fields signed by somebody else give the
 * same fields.
 */
#include <stdint.h>
#include <string.h>

#include "schemas/entry.h"
#include "tests/fuzz/require.h"

/* The keys of corpus/entry: seeds of 32 times 1 (steward) and 2 (member). */
static const struct hark_signer *signer_number(uint8_t number)
{
    static struct hark_signer *signers[3];
    if (signers[number] == NULL) {
        uint8_t bytes[HARK_SEED_SIZE];
        struct hark_seed *seed = NULL;
        memset(bytes, number, sizeof(bytes));
        require(hark_crypto_init(NULL) == 0);
        require(hark_seed_from_bytes(&seed, bytes, NULL) == 0);
        require(hark_signer_new(&signers[number], seed, NULL) == 0);
        hark_seed_free(seed);
    }
    return signers[number];
}

static void same_fields(const struct hark_entry *a, const struct hark_entry *b)
{
    require(a->has_space == b->has_space && a->seq == b->seq && a->time_ms == b->time_ms &&
            strcmp(a->kind, b->kind) == 0 && a->re_count == b->re_count &&
            a->has_seen == b->has_seen && a->has_payload == b->has_payload);
    require(memcmp(&a->space, &b->space, sizeof(a->space)) == 0);
    require(memcmp(&a->previous, &b->previous, sizeof(a->previous)) == 0);
    require(memcmp(&a->parent, &b->parent, sizeof(a->parent)) == 0);
    require(memcmp(a->re, b->re, sizeof(a->re)) == 0);
    require(a->seen.size == b->seen.size && a->seen.key_id == b->seen.key_id &&
            hark_hash_equal(&a->seen.root, &b->seen.root) &&
            memcmp(a->seen.signature, b->seen.signature, HARK_SIGNATURE_SIZE) == 0);
    require(a->payload_size == b->payload_size &&
            hark_hash_equal(&a->payload_hash, &b->payload_hash));
}

/* Signed by one of ours: by its own author, it is the very entry again. */
static void build_again(const struct hark_entry *entry, struct hark_span input, uint8_t number,
                        bool holds)
{
    const struct hark_signer *signer = signer_number(number);
    bool own = hark_key_equal(hark_signer_key(signer), &entry->author);
    struct hark_entry copy = *entry;
    struct hark_entry read;
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX);
    copy.author = *hark_signer_key(signer);
    require(hark_entry_build(&bytes, &copy, signer, NULL) == 0);
    require(hark_entry_parse(&read, hark_buf_span(&bytes), NULL) == 0);
    require(hark_entry_verify(&read, hark_buf_span(&bytes), NULL) == 0);
    same_fields(&read, entry);
    require(!own || !holds || hark_span_equal(hark_buf_span(&bytes), input));
    hark_buf_free(&bytes);
}

static void try_entry(struct hark_span input)
{
    struct hark_entry entry;
    if (hark_entry_parse(&entry, input, NULL) != 0) {
        return;
    }
    struct hark_hash id = hark_sha256(input);
    require(hark_hash_equal(&id, &entry.id));
    bool holds = hark_entry_verify(&entry, input, NULL) == 0;
    build_again(&entry, input, 1, holds);
    build_again(&entry, input, 2, holds);
}

static void try_commit(struct hark_span input)
{
    struct hark_buf bytes = hark_buf_init(input.size);
    struct hark_commit commit;
    if (hark_commit_parse(&commit, input, 8, NULL) != 0) {
        return;
    }
    for (size_t i = 0; i < commit.parent_count; i++) {
        (void)hark_commit_parent(&commit, i);
    }
    require(hark_commit_build(&bytes, &commit, NULL) == 0);
    require(hark_span_equal(hark_buf_span(&bytes), input));
    hark_buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_entry(hark_span(data, size));
    try_commit(hark_span(data, size));
    return 0;
}
