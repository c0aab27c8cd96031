/*
 * What a peer sends inside its messages, when it is unpacked: u8 0 and the batches of a
 * load (PROTOCOL.md 9.4), or u8 1 and the body of a `submit`. Taken apart all the way:
 * a batch is tried as the next of a log that stands where it says, an entry parsed, its
 * signature verified, its payload read by the rules of its kind. What is taken apart
 * must come together to the same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "replication/messages.h"
#include "schemas/payload.h"
#include "tests/fuzz/require.h"

#define NOW_MS UINT64_C(1795256133000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hark_kinds *kinds(void)
{
    static struct hark_kinds *builtin;

    if (builtin == NULL) {
        require(hark_crypto_init(NULL) == 0);
        require(hark_kinds_builtin(&builtin, NULL) == 0);
    }
    return builtin;
}

/* The log key of corpus/batch, from which some of corpus/load comes. */
static struct hark_key log_key(void)
{
    static struct hark_signer *signer;
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;

    if (signer == NULL) {
        memset(bytes, 4, sizeof(bytes));
        require(hark_crypto_init(NULL) == 0);
        require(hark_seed_from_bytes(&seed, bytes, NULL) == 0);
        require(hark_signer_new(&signer, seed, NULL) == 0);
        hark_seed_free(seed);
    }
    return *hark_signer_key(signer);
}

static void try_payload(const struct hark_entry *entry, struct hark_span payload)
{
    int number = hark_kinds_find(kinds(), entry->kind);
    json_t *json = NULL;

    if (payload.data == NULL || number < 0)
        return;
    if (hark_payload_check(hark_kinds_get(kinds(), (size_t)number), payload, &json, NULL) != 0)
        require(json == NULL);
    json_decref(json);
}

static void try_entry(struct hark_span object, struct hark_span payload)
{
    struct hark_entry *entry = calloc(1, sizeof(*entry));

    require(entry != NULL);
    if (hark_entry_parse(entry, object, NULL) == 0) {
        require(hark_entry_verify(entry, object, NULL) <= 0);
        try_payload(entry, payload);
    }
    free(entry);
}

/* Its own word for where the log stands, so that the rules after those are reached. */
static void try_rules(const struct hark_raw_batch *raw)
{
    struct hark_batch *batch = calloc(2, sizeof(*batch));
    struct hark_log_head head = {.log_key = log_key()}, next;
    struct hark_line *lines = NULL;
    struct hark_git_id *ids = NULL;
    int rc;

    require(batch != NULL);
    if (hark_batch_parse(batch, NULL, NULL, raw->commit, NULL, NULL) == 0) {
        memcpy(head.origin, batch->origin, sizeof(head.origin));
        head.tree.size = batch->first;
        head.has_batch = batch->has_previous;
        head.batch = batch->previous;
        head.batch_id = batch->previous_id;
        rc = hark_batch_check(&next, batch + 1, &lines, NULL, &ids, &head, raw, NOW_MS, NULL);
        require(rc == 0 || (lines == NULL && ids == NULL));
        free(lines);
        free(ids);
    }
    free(batch);
}

static void try_load(struct hark_span in)
{
    struct hark_buf again = hark_buf_init(HARK_UNPACKED_MAX);
    struct hark_raw_entry *items = NULL;
    struct hark_raw_batch raw;
    struct hark_span before = in;

    while (in.size > 0 && hark_wire_batch_take(&in, &raw, &items, NULL) == 0) {
        hark_buf_clear(&again);
        require(hark_wire_batch_encode(&again, &raw, NULL) == 0);
        require(again.size == before.size - in.size &&
                memcmp(again.data, before.data, again.size) == 0);
        try_rules(&raw);
        for (size_t i = 0; i < raw.count; i++)
            try_entry(raw.items[i].object, raw.items[i].payload);
        free(items);
        items = NULL;
        before = in;
    }
    require(items == NULL);
    hark_buf_free(&again);
}

static void try_submit(struct hark_span body)
{
    struct hark_buf again = hark_buf_init(HARK_BODY_MAX);
    struct hark_submitted *entries = NULL;
    struct hark_hash space;
    size_t count = 0;

    if (hark_submit_decode(&space, &entries, &count, body, NULL) == 0) {
        require(hark_submit_encode(&again, &space, entries, count, NULL) == 0);
        require(hark_span_equal(hark_buf_span(&again), body));
        for (size_t i = 0; i < count; i++)
            try_entry(entries[i].entry, entries[i].payload);
    }
    free(entries);
    hark_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span in = hark_span(data, size);
    uint8_t which = 0;

    if (!hark_take_u8(&in, &which))
        return 0;
    if (which == 0)
        try_load(in);
    else if (which == 1)
        try_submit(in);
    return 0;
}
