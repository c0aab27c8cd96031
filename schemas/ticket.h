/*
 * Tickets: node tickets (who a node is) and invitations. PROTOCOL.md 8.1; errors
 * are those of its rules T1 to T4. Pure.
 */
#ifndef HARK_SCHEMAS_TICKET_H
#define HARK_SCHEMAS_TICKET_H

#include "crypto/bytes.h"
#include "crypto/key.h"
#include "schemas/batch.h"

#define HARK_TICKET_TEXT_MAX      2048u
#define HARK_TICKET_ADDRESSES_MAX 4u
#define HARK_TICKET_SPACES_MAX    8u
#define HARK_ADDRESS_MAX          255u

enum hark_ticket_type { HARK_TICKET_NODE = 1, HARK_TICKET_INVITATION = 2 };

/* Public identity of a named node. */
struct hark_node_keys {
    struct hark_key log, cosigner, author, curve, box;
};

struct hark_ticket_node {
    char name[HARK_NODE_NAME_MAX + 1];
    struct hark_node_keys keys; /* in an invitation only curve is filled */
    size_t address_count;
    char addresses[HARK_TICKET_ADDRESSES_MAX][HARK_ADDRESS_MAX + 1];
};

struct hark_ticket {
    enum hark_ticket_type type;
    /* NODE: nodes[0] with all addresses; INVITATION: one address each */
    size_t node_count;
    struct hark_ticket_node nodes[HARK_TICKET_ADDRESSES_MAX];
    size_t space_count; /* INVITATION: exactly 1 */
    struct hark_hash spaces[HARK_TICKET_SPACES_MAX];
    uint8_t secret[32]; /* INVITATION; wiped by hark_ticket_wipe */
    uint64_t until_ms;
};

/* Is this "tcp://host:port" as a ZeroMQ endpoint to connect to? Host: name, IPv4
 * or [IPv6]; port 1 to 65535. */
bool hark_address_valid(struct hark_span address);
/* Appends the ticket's text. log_key signs a node ticket (NULL for an
 * invitation). */
HARK_CHECK int hark_ticket_encode(struct hark_buf *out, const struct hark_ticket *ticket,
                                  const struct hark_signer *log_key, struct hark_err *err);
/* Text: a ticket, or a link with one after its last '#'; surrounding white space
 * is ignored. expected 0: any type; otherwise ticket-kind for another one. */
HARK_CHECK int hark_ticket_decode(struct hark_ticket *out, struct hark_span text, int expected,
                                  struct hark_err *err);
void hark_ticket_wipe(struct hark_ticket *ticket);
/* The ticket's key pairs (PROTOCOL.md 2.3); either out may be NULL. */
HARK_CHECK int hark_ticket_keys(const uint8_t secret[32], struct hark_signer **sign,
                                struct hark_box **curve, struct hark_err *err);

#endif
