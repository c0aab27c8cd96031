/*
 * Requests to a witness from anybody: what is taken is written back as it was read, lies
 * within the input, and is cosigned only when it goes on from what was cosigned before.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/tlog_witness.h"
#include "tests/fuzz/require.h"

/* The key of corpus/witness. */
static const char vkey[] =
    "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
    "+5202289b+Af/cLU2Y5BJNP+r3iMDC+av9eWCD0fBJVDfzAux5zxAP";

static void judge(const struct hark_tlog_asked *asked)
{
    struct hark_tlog_latest latest = {.size = asked->request.old_size};
    struct hark_note_key key;
    struct hark_err err = {0};
    unsigned status;

    require(hark_note_key_decode(&key, hark_span_str(vkey), NULL) == 0);
    latest.root.bytes[0] = 42; /* of the log's first entry, which is all of it then */
    status = hark_tlog_witness_judge(asked, &key, 1, &latest, &err);
    require(status == 200 || status == 400 || status == 403 || status == 404 || status == 409 ||
            status == 422);
    require((status == 200) == (err.code == 0));
    if (status == 200) {
        require(strcmp(asked->checkpoint.origin, key.name) == 0);
        require(asked->request.old_size <= asked->checkpoint.size);
        require(asked->request.old_size <= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span input = hark_span(data, size);
    struct hark_buf again = hark_buf_init(HARK_TLOG_WITNESS_MAX);
    struct hark_tlog_asked *asked = malloc(sizeof(*asked));
    struct hark_tlog_request request;

    require(hark_crypto_init(NULL) == 0 && asked != NULL);
    if (hark_tlog_request_decode(&request, input, NULL) == 0) {
        require(request.note.size > 0 && request.note.data + request.note.size == data + size);
        require(hark_tlog_request_encode(&again, &request, NULL) == 0);
        require(hark_span_equal(hark_buf_span(&again), input));
    }
    if (hark_tlog_asked_read(asked, input, NULL) == 0)
        judge(asked);
    hark_buf_free(&again);
    free(asked);
    return 0;
}
