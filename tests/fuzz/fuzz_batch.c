/*
 * Batches from anybody, laid out as in a load (PROTOCOL.md 9.4) without
 * payloads. What is accepted has one form only, part by part; and a whole batch
 * is tried as the next of a log that stands where it says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/batch.h"
#include "tests/fuzz/require.h"

#define ITEMS_MAX 8u

/* The log key of corpus/batch. */
static const struct hark_signer *log_signer(void)
{
    static struct hark_signer *signer;
    if (signer == NULL) {
        uint8_t bytes[HARK_SEED_SIZE];
        struct hark_seed *seed = NULL;
        memset(bytes, 4, sizeof(bytes));
        require(hark_crypto_init(NULL) == 0);
        require(hark_seed_from_bytes(&seed, bytes, NULL) == 0);
        require(hark_signer_new(&signer, seed, NULL) == 0);
        hark_seed_free(seed);
    }
    return signer;
}

static bool take_part(struct hark_span *in, struct hark_span *part)
{
    struct hark_span rest = *in;
    uint32_t size = 0;
    if (!hark_take_u32(&rest, &size) || !hark_take(&rest, size, part)) {
        return false;
    }
    *in = rest;
    return true;
}

static void try_lines(struct hark_span file)
{
    struct hark_buf bytes = hark_buf_init(HARK_BATCH_FILE_MAX);
    struct hark_line *lines = NULL;
    size_t count = 0;
    if (hark_lines_decode(&lines, &count, file, NULL) == 0) {
        require(count <= HARK_BATCH_ENTRIES_MAX && (lines != NULL || count == 0));
        require(hark_lines_encode(&bytes, lines, count, NULL) == 0);
        require(hark_span_equal(hark_buf_span(&bytes), file));
    }
    free(lines);
    hark_buf_free(&bytes);
}

/* The message and the parents of a batch do not depend on who signs it. */
static bool try_commit(struct hark_batch *batch, struct hark_span input)
{
    struct hark_buf bytes = hark_buf_init(HARK_BATCH_COMMIT_MAX);
    struct hark_git_id *ids = NULL;
    struct hark_git_id tree;
    struct hark_commit first;
    struct hark_commit second;
    if (hark_batch_parse(batch, &tree, &ids, input, NULL, NULL) != 0) {
        require(ids == NULL);
        return false;
    }
    require(hark_batch_build(&bytes, batch, &tree, ids, log_signer(), NULL) == 0);
    require(hark_commit_parse(&first, input, HARK_BATCH_ENTRIES_MAX + 1, NULL) == 0);
    require(hark_commit_parse(&second, hark_buf_span(&bytes), HARK_BATCH_ENTRIES_MAX + 1, NULL) ==
            0);
    require(hark_span_equal(first.message, second.message));
    require(hark_span_equal(first.parents, second.parents));
    require(strcmp(first.tree, second.tree) == 0 && first.time_s == second.time_s);
    free(ids);
    ids = NULL;
    /* Ed25519 says the same every time. */
    if (hark_batch_parse(batch, &tree, &ids, input, hark_signer_key(log_signer()), NULL) == 0) {
        require(hark_span_equal(hark_buf_span(&bytes), input));
    }
    free(ids);
    hark_buf_free(&bytes);
    return true;
}

/* A log that is at the place which the batch wants, so that the rules after B5
 * are reached too. Its tree is true only when it is empty. */
static struct hark_log_head head_for(const struct hark_batch *batch)
{
    struct hark_log_head head = {.log_key = *hark_signer_key(log_signer())};
    memcpy(head.origin, batch->origin, sizeof(head.origin));
    head.tree.size = batch->first;
    head.has_batch = batch->has_previous;
    head.batch = batch->previous;
    head.batch_id = batch->previous_id;
    return head;
}

static void try_whole(const struct hark_raw_batch *raw, const struct hark_batch *parsed)
{
    struct hark_log_head head = head_for(parsed);
    struct hark_log_head next;
    struct hark_batch batch;
    struct hark_line *lines = NULL;
    struct hark_git_id *ids = NULL;
    int rc = hark_batch_check(&next, &batch, &lines, NULL, &ids, &head, raw,
                              UINT64_C(1795256133000), NULL);
    require(rc == 0 || (lines == NULL && ids == NULL));
    require(rc != 0 || (next.tree.size == batch.first + batch.count && batch.count == raw->count));
    free(lines);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span in = hark_span(data, size);
    struct hark_raw_entry items[ITEMS_MAX] = {{.payload_state = 0}};
    struct hark_raw_batch raw = {.items = items};
    struct hark_batch batch;
    if (!take_part(&in, &raw.commit) || !take_part(&in, &raw.entries) ||
        !take_part(&in, &raw.checkpoint)) {
        return 0;
    }
    while (raw.count < ITEMS_MAX && take_part(&in, &items[raw.count].object)) {
        raw.count++;
    }
    try_lines(raw.entries);
    if (try_commit(&batch, raw.commit)) {
        try_whole(&raw, &batch);
    }
    return 0;
}
