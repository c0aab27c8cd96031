/*
 * Disclosures from anybody: what is accepted is written back as it was read, and lies within
 * the input; what holds is of an entry that is sealed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "schemas/disclosure.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void require_within(struct hark_span part, struct hark_span input)
{
    require(part.size > 0 && part.data >= input.data &&
            part.data + part.size <= input.data + input.size);
}

static void try_form(struct hark_span input, bool holds)
{
    struct hark_buf again = hark_buf_init(HARK_DISCLOSURE_MAX);
    struct hark_disclosure_parts parts;

    if (hark_disclosure_decode(&parts, input, NULL) != 0) {
        require(!holds);
        return;
    }
    require_within(parts.entry, input);
    require_within(parts.envelope, input);
    if (parts.receipt.size > 0)
        require_within(parts.receipt, input);
    require((hark_disclosure_encode(&again, &parts, NULL) == 0) == holds);
    require(!holds || hark_span_equal(hark_buf_span(&again), input));
    hark_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span input = hark_span(data, size);
    struct hark_buf content = hark_buf_init(HARK_ENVELOPE_PLAIN_MAX);
    struct hark_disclosure *found = calloc(1, sizeof(*found));
    bool holds;

    require(hark_crypto_init(NULL) == 0 && found != NULL);
    holds = hark_disclosure_read(found, &content, input, NULL) == 0;
    try_form(input, holds);
    if (holds) {
        require(hark_disclosure_is(input));
        require(content.size > 0 && content.size <= HARK_ENVELOPE_CONTENT_MAX);
        require(!found->has_receipt || hark_hash_equal(&found->receipt.line.id, &found->entry.id));
    } else {
        require(content.size == 0);
    }
    free(found);
    hark_buf_free(&content);
    return 0;
}
