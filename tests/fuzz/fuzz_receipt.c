/*
 * Proofs and receipts from anybody: what is accepted is written back as it was read,
 * and lies within the input.
 */
#include <stdint.h>

#include "schemas/receipt.h"
#include "tests/fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span input = hark_span(data, size);
    struct hark_buf again = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_tlog_proof proof;
    struct hark_receipt receipt;

    require(hark_crypto_init(NULL) == 0);
    if (hark_tlog_proof_decode(&proof, input, NULL) == 0) {
        require(proof.note.size > 0 && proof.note.data + proof.note.size == data + size);
        require(hark_tlog_proof_encode(&again, &proof, NULL) == 0);
        require(hark_span_equal(hark_buf_span(&again), input));
    }
    if (hark_receipt_decode(&receipt, input, NULL) == 0) {
        hark_buf_clear(&again);
        require(hark_receipt_encode(&again, &receipt.line, &receipt.commit, &proof.path,
                                    receipt.note, NULL) == 0);
        require(hark_span_equal(hark_buf_span(&again), input));
    }
    hark_buf_free(&again);
    return 0;
}
