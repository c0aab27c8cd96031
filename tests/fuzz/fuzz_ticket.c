/*
 * Tickets from anybody: the text as it is, and, since no fuzzer guesses a
 * checksum, the same bytes as a body that is armoured here. An invitation that
 * is accepted must be written back as it was read.
 */
#include <stdint.h>
#include <string.h>

#include "schemas/ticket.h"
#include "tests/fuzz/require.h"

static bool has_text(struct hark_span text, struct hark_span part)
{
    for (size_t i = 0; part.size <= text.size && i <= text.size - part.size; i++)
        if (memcmp(text.data + i, part.data, part.size) == 0)
            return true;
    return false;
}

static void check_ticket(const struct hark_ticket *ticket, struct hark_span text)
{
    struct hark_buf again = hark_buf_init(HARK_TICKET_TEXT_MAX);
    require(ticket->node_count <= HARK_TICKET_ADDRESSES_MAX);
    require(ticket->space_count <= HARK_TICKET_SPACES_MAX);
    for (size_t i = 0; i < ticket->node_count; i++) {
        const struct hark_ticket_node *node = &ticket->nodes[i];
        require(hark_node_name_valid(hark_span_str(node->name)));
        require(node->address_count <= HARK_TICKET_ADDRESSES_MAX);
        for (size_t k = 0; k < node->address_count; k++)
            require(hark_address_valid(hark_span_str(node->addresses[k])));
    }
    if (ticket->type == HARK_TICKET_INVITATION) {
        require(ticket->space_count == 1);
        require(hark_ticket_encode(&again, ticket, NULL, NULL) == 0);
        require(has_text(text, hark_buf_span(&again)));
    }
    hark_buf_free(&again);
}

static void try_ticket(struct hark_span text)
{
    static const struct hark_ticket wiped;
    struct hark_ticket ticket;
    struct hark_err err = {0};
    int rc = hark_ticket_decode(&ticket, text, 0, &err);
    require(rc == err.code);
    if (rc == 0)
        check_ticket(&ticket, text);
    else
        require(memcmp(ticket.secret, wiped.secret, sizeof wiped.secret) == 0);
}

static void try_body(struct hark_span body)
{
    struct hark_buf bytes = hark_buf_init(HARK_TICKET_TEXT_MAX);
    struct hark_buf text = hark_buf_init((size_t)2 * HARK_TICKET_TEXT_MAX);
    struct hark_hash hash = hark_sha256(body);
    if (hark_buf_append_span(&bytes, body, NULL) == 0 &&
        hark_buf_append(&bytes, hash.bytes, 4, NULL) == 0 &&
        hark_buf_append_str(&text, "hark1", NULL) == 0 &&
        hark_base64url_encode(&text, hark_buf_span(&bytes), NULL) == 0)
        try_ticket(hark_buf_span(&text));
    hark_buf_free(&bytes);
    hark_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    require(hark_crypto_init(NULL) == 0);
    try_ticket(hark_span(data, size));
    try_body(hark_span(data, size));
    (void)hark_address_valid(hark_span(data, size));
    return 0;
}
