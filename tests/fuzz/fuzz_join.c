/*
 * Requests to join from anybody, and terms shown by anybody: a first byte says which.
 * A request that is read is written back and read the same. Terms are entries with
 * u16 sizes before entry and payload; the space is the first entry's hash, so that what
 * follows is reached.
 */
#include <stdint.h>
#include <string.h>

#include "schemas/join.h"
#include "tests/fuzz/require.h"

static void try_request(struct hark_span json)
{
    struct hark_join_request request, again;
    struct hark_buf text = hark_buf_init(HARK_JOIN_REQUEST_MAX);
    struct hark_err err = {0};
    int rc = hark_join_request_decode(&request, json, &err);

    require(rc == err.code);
    if (rc == 0) {
        require(hark_join_request_encode(&text, &request, NULL) == 0);
        require(hark_join_request_decode(&again, hark_buf_span(&text), NULL) == 0);
        require(memcmp(&request, &again, sizeof(request)) == 0);
    }
    hark_buf_free(&text);
}

static bool take_entry(struct hark_span *in, struct hark_terms_entry *out)
{
    uint16_t size;

    return hark_take_u16(in, &size) && hark_take(in, size, &out->entry) &&
           hark_take_u16(in, &size) && hark_take(in, size, &out->payload);
}

static void try_terms(struct hark_span in)
{
    static struct hark_terms terms;
    struct hark_terms_entry entries[16];
    struct hark_err err = {0};
    struct hark_hash space;
    size_t count = 0;
    int rc;

    while (count < 16 && take_entry(&in, &entries[count]))
        count++;
    if (count == 0)
        return;
    space = hark_sha256(entries[0].entry);
    rc = hark_terms_read(&terms, &space, entries, count, &err);
    require(rc == err.code);
    require(terms.node_count <= HARK_TERMS_NODES_MAX);
    for (size_t i = 0; rc == 0 && i < terms.node_count; i++)
        require(hark_node_name_valid(hark_span_str(terms.nodes[i].name)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    require(hark_crypto_init(NULL) == 0);
    if (size == 0)
        return 0;
    if (data[0] == 'r')
        try_request(hark_span(data + 1, size - 1));
    else
        try_terms(hark_span(data + 1, size - 1));
    return 0;
}
