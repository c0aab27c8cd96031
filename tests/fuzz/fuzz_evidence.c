/*
 * Evidence from anybody: what is accepted is written back as it was read, and lies within
 * the input; what convicts has a key and, but of entries, two logs of one space.
 */
#include <stdint.h>
#include <stdlib.h>

#include "schemas/evidence.h"
#include "tests/fuzz/require.h"

static void require_within(struct hark_span part, struct hark_span input)
{
    require(part.data >= input.data && part.data + part.size <= input.data + input.size);
}

static void try_form(struct hark_span input, bool holds)
{
    struct hark_evidence_parts *parts = calloc(1, sizeof(*parts));
    struct hark_buf again = hark_buf_init(HARK_EVIDENCE_MAX);

    if (parts != NULL && hark_evidence_decode(parts, input, NULL) == 0) {
        for (size_t i = 0; i < hark_evidence_part_count(parts->kind); i++)
            require_within(parts->parts[i], input);
        if (parts->has_first) {
            require_within(parts->first, input);
            require_within(parts->payload, input);
        }
        require(!holds || hark_evidence_encode(&again, parts, NULL) == 0);
        require(!holds || hark_span_equal(hark_buf_span(&again), input));
    } else {
        require(parts == NULL || !holds);
    }
    hark_buf_free(&again);
    free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span input = hark_span(data, size);
    struct hark_evidence found;
    bool holds;

    require(hark_crypto_init(NULL) == 0);
    holds = hark_evidence_read(&found, input, NULL) == 0;
    try_form(input, holds);
    if (holds) {
        require(hark_evidence_is(input));
        require(found.kind == HARK_EVIDENCE_TWIN ||
                found.sides[0].checkpoint.size <= found.sides[1].checkpoint.size ||
                found.kind == HARK_EVIDENCE_BACKDATED || found.kind == HARK_EVIDENCE_WITHHELD);
        require(found.kind != HARK_EVIDENCE_WITHHELD ||
                (found.taken <= found.position && found.position < found.sides[0].checkpoint.size &&
                 found.cosigner_count > 0));
        require(found.kind != HARK_EVIDENCE_TWIN ||
                !hark_hash_equal(&found.sides[0].id, &found.sides[1].id));
    }
    return 0;
}
