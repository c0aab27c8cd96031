/*
 * The text is "hark1" and base64url of
 *
 *   0        u8 version, 1
 *   1        u8 type: 1 node, 2 invitation
 *   2        the type's fields (PROTOCOL.md 8.1); text(x) = u8 length, bytes
 *   size-4   first four bytes of SHA-256 of all before
 *
 * The checksum comes before anything it covers is read, so that a mistyped
 * ticket is called that and not something stranger. An invitation holds a
 * secret: every buffer it passes through is wiped.
 */
#include "schemas/ticket.h"

#include <arpa/inet.h>
#include <string.h>

#define PREFIX        "hark1"
#define SIGNED_PREFIX "hark/ticket/1\n"
#define VERSION       1u
#define CHECKSUM_SIZE 4u
#define TCP           "tcp://"
#define HOST_MAX      253u

static int fail_form(struct hark_err *err, const char *what)
{
    return hark_err_set(err, HARK_E_TICKET_FORM, "the ticket is malformed: %s", what);
}

/* ---- Addresses ------------------------------------------------------------ */

static bool is_ip(int family, struct hark_span host)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t ignored[sizeof(struct in6_addr)];
    if (host.size >= sizeof text)
        return false;
    memcpy(text, host.data, host.size);
    text[host.size] = '\0';
    return inet_pton(family, text, ignored) == 1;
}

/* Labels of letters, digits, - and _, joined by single dots; what has digits and
 * dots only has to be an IPv4 address. */
static bool is_host(struct hark_span host)
{
    bool numeric = true;
    if (host.size == 0 || host.size > HOST_MAX)
        return false;
    for (size_t i = 0; i < host.size; i++) {
        uint8_t c = host.data[i];
        bool at_edge = i == 0 || i + 1 == host.size || host.data[i - 1] == '.';
        bool digit = c >= '0' && c <= '9';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!digit && !letter && (at_edge || (c != '-' && c != '.' && c != '_')))
            return false;
        numeric = numeric && (digit || c == '.');
    }
    return !numeric || is_ip(AF_INET, host);
}

bool hark_address_valid(struct hark_span address)
{
    struct hark_span in = address;
    uint64_t port = 0;
    if (address.size == 0 || address.size > HARK_ADDRESS_MAX ||
        memchr(address.data, '\0', address.size) != NULL || !hark_take_literal(&in, TCP))
        return false;
    size_t colon = in.size;
    while (colon > 0 && in.data[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct hark_span host = hark_span(in.data, colon - 1);
    struct hark_span digits = hark_span(in.data + colon, in.size - colon);
    if (hark_decimal_decode(&port, digits, UINT16_MAX, NULL) != 0 || port == 0)
        return false;
    if (host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        return is_ip(AF_INET6, hark_span(host.data + 1, host.size - 2));
    return is_host(host);
}

/* ---- Reading -------------------------------------------------------------- */

static int take_text(struct hark_span *in, char *out, size_t max, const char *what,
                     struct hark_err *err)
{
    uint8_t size = 0;
    struct hark_span text;
    if (!hark_take_u8(in, &size) || size > max || !hark_take(in, size, &text))
        return fail_form(err, what);
    if (size > 0)
        memcpy(out, text.data, size);
    out[size] = '\0';
    return 0;
}

/* A NUL inside would shorten what a C string holds: the size read is judged. */
static uint8_t next_size(const struct hark_span *in)
{
    return in->size > 0 ? in->data[0] : 0;
}

static int take_name(struct hark_span *in, struct hark_ticket_node *node, struct hark_err *err)
{
    uint8_t size = next_size(in);
    int rc = take_text(in, node->name, HARK_NODE_NAME_MAX, "a node's name", err);
    if (rc == 0 && !hark_node_name_valid(hark_span(node->name, size)))
        rc = fail_form(err, "a node's name");
    return rc;
}

static int take_address(struct hark_span *in, struct hark_ticket_node *node, struct hark_err *err)
{
    uint8_t size = next_size(in);
    char *address = node->addresses[node->address_count];
    int rc = take_text(in, address, HARK_ADDRESS_MAX, "an address", err);
    if (rc == 0 && !hark_address_valid(hark_span(address, size)))
        rc = fail_form(err, "an address");
    if (rc == 0)
        node->address_count++;
    return rc;
}

static bool take_key(struct hark_span *in, struct hark_key *key)
{
    struct hark_span bytes;
    if (!hark_take(in, sizeof key->bytes, &bytes))
        return false;
    memcpy(key->bytes, bytes.data, sizeof key->bytes);
    return true;
}

static bool take_hash(struct hark_span *in, struct hark_hash *hash)
{
    struct hark_span bytes;
    if (!hark_take(in, sizeof hash->bytes, &bytes))
        return false;
    memcpy(hash->bytes, bytes.data, sizeof hash->bytes);
    return true;
}

static int take_node_keys(struct hark_span *in, struct hark_node_keys *keys, struct hark_err *err)
{
    if (take_key(in, &keys->log) && take_key(in, &keys->cosigner) && take_key(in, &keys->author) &&
        take_key(in, &keys->curve) && take_key(in, &keys->box))
        return 0;
    return fail_form(err, "the node's keys");
}

static int check_node_signature(const struct hark_key *log, struct hark_span signed_body,
                                struct hark_span signature, struct hark_err *err)
{
    struct hark_buf message = hark_buf_init(HARK_TICKET_TEXT_MAX);
    int rc = hark_buf_append_str(&message, SIGNED_PREFIX, err);
    if (rc == 0)
        rc = hark_buf_append_span(&message, signed_body, err);
    if (rc == 0 && !hark_verify(log, hark_buf_span(&message), signature.data))
        rc = fail_form(err, "the node's signature does not hold");
    hark_buf_free(&message);
    return rc;
}

/* `in` is behind version and type in `body`. */
static int read_node(struct hark_ticket *ticket, struct hark_span body, struct hark_span in,
                     struct hark_err *err)
{
    struct hark_ticket_node *node = &ticket->nodes[0];
    struct hark_span signature;
    uint8_t count = 0;
    ticket->node_count = 1;
    int rc = take_name(&in, node, err);
    if (rc == 0)
        rc = take_node_keys(&in, &node->keys, err);
    if (rc == 0 && (!hark_take_u8(&in, &count) || count > HARK_TICKET_ADDRESSES_MAX))
        rc = fail_form(err, "the number of addresses");
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = take_address(&in, node, err);
    if (rc == 0 && (!hark_take_u8(&in, &count) || count > HARK_TICKET_SPACES_MAX))
        rc = fail_form(err, "the number of spaces");
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (!take_hash(&in, &ticket->spaces[ticket->space_count++]))
            rc = fail_form(err, "a space");
    if (rc != 0)
        return rc;
    struct hark_span signed_body = hark_span(body.data, body.size - in.size);
    if (!hark_take(&in, HARK_SIGNATURE_SIZE, &signature) || in.size != 0)
        return fail_form(err, "too short or too long");
    return check_node_signature(&node->keys.log, signed_body, signature, err);
}

static int read_invitation(struct hark_ticket *ticket, struct hark_span in, struct hark_err *err)
{
    struct hark_span secret;
    uint8_t count = 0;
    int rc = 0;
    if (!take_hash(&in, &ticket->spaces[0]) || !hark_take(&in, sizeof ticket->secret, &secret) ||
        !hark_take_u64(&in, &ticket->until_ms))
        return fail_form(err, "too short");
    ticket->space_count = 1;
    memcpy(ticket->secret, secret.data, sizeof ticket->secret);
    if (ticket->until_ms > HARK_TIME_MAX_MS)
        return fail_form(err, "its time");
    if (!hark_take_u8(&in, &count) || count > HARK_TICKET_ADDRESSES_MAX)
        return fail_form(err, "the number of nodes");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_ticket_node *node = &ticket->nodes[ticket->node_count++];
        rc = take_name(&in, node, err);
        if (rc == 0 && !take_key(&in, &node->keys.curve))
            rc = fail_form(err, "a node's key");
        if (rc == 0)
            rc = take_address(&in, node, err);
    }
    if (rc == 0 && in.size != 0)
        rc = fail_form(err, "too long");
    return rc;
}

static int read_body(struct hark_ticket *ticket, struct hark_span bytes, struct hark_err *err)
{
    uint8_t version = 0;
    uint8_t type = 0;
    if (bytes.size < 2 + CHECKSUM_SIZE)
        return fail_form(err, "too short");
    struct hark_span body = hark_span(bytes.data, bytes.size - CHECKSUM_SIZE);
    struct hark_hash hash = hark_sha256(body);
    if (memcmp(hash.bytes, body.data + body.size, CHECKSUM_SIZE) != 0)
        return hark_err_set(err, HARK_E_TICKET_CHECKSUM,
                            "the ticket's checksum differs: it was mistyped or cut");
    struct hark_span in = body;
    if (!hark_take_u8(&in, &version) || !hark_take_u8(&in, &type))
        return fail_form(err, "too short");
    if (version != VERSION)
        return hark_err_set(err, HARK_E_TICKET_VERSION, "the ticket has version %u, expected %u",
                            (unsigned)version, VERSION);
    if (type == HARK_TICKET_NODE) {
        ticket->type = HARK_TICKET_NODE;
        return read_node(ticket, body, in, err);
    }
    if (type == HARK_TICKET_INVITATION) {
        ticket->type = HARK_TICKET_INVITATION;
        return read_invitation(ticket, in, err);
    }
    return fail_form(err, "its type is unknown");
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What stands behind the last '#', or all, without white space around it. */
static struct hark_span find_ticket(struct hark_span text)
{
    size_t start = text.size;
    while (start > 0 && text.data[start - 1] != '#')
        start--;
    size_t end = text.size;
    while (start < end && is_space(text.data[start]))
        start++;
    while (end > start && is_space(text.data[end - 1]))
        end--;
    return hark_span(text.data + start, end - start);
}

int hark_ticket_decode(struct hark_ticket *out, struct hark_span text, int expected,
                       struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init_secret(HARK_TICKET_TEXT_MAX);
    int rc = 0;
    memset(out, 0, sizeof *out);
    struct hark_span in = text.size > 0 ? find_ticket(text) : text;
    if (in.size > HARK_TICKET_TEXT_MAX)
        rc = fail_form(err, "more than 2048 characters");
    else if (!hark_take_literal(&in, PREFIX))
        rc = fail_form(err, "it does not begin with " PREFIX);
    if (rc == 0)
        rc = hark_base64url_decode(&bytes, in, err);
    if (rc == HARK_E_BASE64)
        rc = fail_form(err, "it is not base64url");
    if (rc == 0)
        rc = read_body(out, hark_buf_span(&bytes), err);
    if (rc == 0 && expected != 0 && (int)out->type != expected)
        rc = hark_err_set(err, HARK_E_TICKET_KIND, "this ticket %s, expected one that %s",
                          out->type == HARK_TICKET_NODE ? "names a node" : "invites a person",
                          expected == HARK_TICKET_NODE ? "names a node" : "invites a person");
    hark_buf_free(&bytes);
    if (rc != 0)
        hark_ticket_wipe(out);
    return rc;
}

void hark_ticket_wipe(struct hark_ticket *ticket)
{
    if (ticket != NULL)
        hark_wipe(ticket, sizeof *ticket);
}

/* ---- Writing -------------------------------------------------------------- */

static int put_text(struct hark_buf *out, const char *text, struct hark_err *err)
{
    size_t size = strlen(text);
    if (size > UINT8_MAX)
        return fail_form(err, "a text of more than 255 bytes");
    int rc = hark_buf_append_u8(out, (uint8_t)size, err);
    if (rc == 0)
        rc = hark_buf_append(out, text, size, err);
    return rc;
}

static int put_key(struct hark_buf *out, const struct hark_key *key, struct hark_err *err)
{
    return hark_buf_append(out, key->bytes, sizeof key->bytes, err);
}

static int put_signature(struct hark_buf *body, const struct hark_signer *signer,
                         struct hark_err *err)
{
    struct hark_buf message = hark_buf_init(HARK_TICKET_TEXT_MAX);
    uint8_t signature[HARK_SIGNATURE_SIZE];
    int rc = hark_buf_append_str(&message, SIGNED_PREFIX, err);
    if (rc == 0)
        rc = hark_buf_append_span(&message, hark_buf_span(body), err);
    if (rc == 0)
        rc = hark_signer_sign(signer, hark_buf_span(&message), signature, err);
    if (rc == 0)
        rc = hark_buf_append(body, signature, sizeof signature, err);
    hark_buf_free(&message);
    return rc;
}

static int put_node(struct hark_buf *body, const struct hark_ticket *ticket,
                    const struct hark_signer *log_key, struct hark_err *err)
{
    const struct hark_ticket_node *node = &ticket->nodes[0];
    if (ticket->node_count != 1 || node->address_count > HARK_TICKET_ADDRESSES_MAX ||
        ticket->space_count > HARK_TICKET_SPACES_MAX)
        return fail_form(err, "its counts");
    if (log_key == NULL || !hark_key_equal(hark_signer_key(log_key), &node->keys.log))
        return hark_err_set(err, HARK_E_INTERNAL, "a node's ticket is signed by its log key");
    const struct hark_key *keys[] = {&node->keys.log, &node->keys.cosigner, &node->keys.author,
                                     &node->keys.curve, &node->keys.box};
    int rc = put_text(body, node->name, err);
    for (size_t i = 0; rc == 0 && i < sizeof keys / sizeof keys[0]; i++)
        rc = put_key(body, keys[i], err);
    if (rc == 0)
        rc = hark_buf_append_u8(body, (uint8_t)node->address_count, err);
    for (size_t i = 0; rc == 0 && i < node->address_count; i++)
        rc = put_text(body, node->addresses[i], err);
    if (rc == 0)
        rc = hark_buf_append_u8(body, (uint8_t)ticket->space_count, err);
    for (size_t i = 0; rc == 0 && i < ticket->space_count; i++)
        rc = hark_buf_append(body, ticket->spaces[i].bytes, HARK_HASH_SIZE, err);
    if (rc == 0)
        rc = put_signature(body, log_key, err);
    return rc;
}

static int put_invitation(struct hark_buf *body, const struct hark_ticket *ticket,
                          struct hark_err *err)
{
    if (ticket->space_count != 1 || ticket->node_count > HARK_TICKET_ADDRESSES_MAX)
        return fail_form(err, "its counts");
    int rc = hark_buf_append(body, ticket->spaces[0].bytes, HARK_HASH_SIZE, err);
    if (rc == 0)
        rc = hark_buf_append(body, ticket->secret, sizeof ticket->secret, err);
    if (rc == 0)
        rc = hark_buf_append_u64(body, ticket->until_ms, err);
    if (rc == 0)
        rc = hark_buf_append_u8(body, (uint8_t)ticket->node_count, err);
    for (size_t i = 0; rc == 0 && i < ticket->node_count; i++) {
        const struct hark_ticket_node *node = &ticket->nodes[i];
        if (node->address_count != 1)
            return fail_form(err, "a node of an invitation has one address");
        rc = put_text(body, node->name, err);
        if (rc == 0)
            rc = put_key(body, &node->keys.curve, err);
        if (rc == 0)
            rc = put_text(body, node->addresses[0], err);
    }
    return rc;
}

static int put_body(struct hark_buf *body, const struct hark_ticket *ticket,
                    const struct hark_signer *log_key, struct hark_err *err)
{
    int rc = hark_buf_append_u8(body, VERSION, err);
    if (rc == 0)
        rc = hark_buf_append_u8(body, (uint8_t)ticket->type, err);
    if (rc != 0)
        return rc;
    switch (ticket->type) {
    case HARK_TICKET_NODE:
        rc = put_node(body, ticket, log_key, err);
        break;
    case HARK_TICKET_INVITATION:
        rc = put_invitation(body, ticket, err);
        break;
    default:
        rc = fail_form(err, "its type is unknown");
        break;
    }
    if (rc != 0)
        return rc;
    struct hark_hash hash = hark_sha256(hark_buf_span(body));
    return hark_buf_append(body, hash.bytes, CHECKSUM_SIZE, err);
}

int hark_ticket_encode(struct hark_buf *out, const struct hark_ticket *ticket,
                       const struct hark_signer *log_key, struct hark_err *err)
{
    struct hark_buf body = hark_buf_init_secret(HARK_TICKET_TEXT_MAX);
    struct hark_buf text = hark_buf_init_secret(HARK_TICKET_TEXT_MAX);
    struct hark_ticket again;
    int rc = put_body(&body, ticket, log_key, err);
    if (rc == 0)
        rc = hark_buf_append_str(&text, PREFIX, err);
    if (rc == 0)
        rc = hark_base64url_encode(&text, hark_buf_span(&body), err);
    if (rc == HARK_E_LIMIT)
        rc = hark_err_set(err, HARK_E_LIMIT, "a ticket has at most %u characters",
                          HARK_TICKET_TEXT_MAX);
    /* Nothing leaves that a reader would refuse. */
    if (rc == 0)
        rc = hark_ticket_decode(&again, hark_buf_span(&text), (int)ticket->type, err);
    if (rc == 0) {
        hark_ticket_wipe(&again);
        rc = hark_buf_append_span(out, hark_buf_span(&text), err);
    }
    hark_buf_free(&body);
    hark_buf_free(&text);
    return rc;
}

/* ---- Its keys ------------------------------------------------------------- */

int hark_ticket_keys(const uint8_t secret[32], struct hark_signer **sign, struct hark_box **curve,
                     struct hark_err *err)
{
    struct hark_seed *parent = NULL;
    struct hark_seed *child = NULL;
    if (sign != NULL)
        *sign = NULL;
    if (curve != NULL)
        *curve = NULL;
    int rc = hark_seed_from_bytes(&parent, secret, err);
    if (rc == 0 && sign != NULL) {
        rc = hark_seed_derive(&child, parent, "ticket-sign", hark_span(NULL, 0), err);
        if (rc == 0)
            rc = hark_signer_new(sign, child, err);
        hark_seed_free(child);
        child = NULL;
    }
    if (rc == 0 && curve != NULL) {
        rc = hark_seed_derive(&child, parent, "ticket-curve", hark_span(NULL, 0), err);
        if (rc == 0)
            rc = hark_box_new(curve, child, err);
        hark_seed_free(child);
    }
    if (rc != 0 && sign != NULL) {
        hark_signer_free(*sign);
        *sign = NULL;
    }
    hark_seed_free(parent);
    return rc;
}
