/*
 * schemas/ticket: rules T1 to T4, addresses, writing and reading back, keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "schemas/ticket.h"
#include "vectors.h"

static struct hark_signer *signer_of(uint8_t byte)
{
    uint8_t seed_bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    struct hark_signer *signer = NULL;
    memset(seed_bytes, byte, sizeof seed_bytes);
    assert_int_equal(hark_seed_from_bytes(&seed, seed_bytes, NULL), 0);
    assert_int_equal(hark_signer_new(&signer, seed, NULL), 0);
    hark_seed_free(seed);
    return signer;
}

static void fill_key(struct hark_key *key, uint8_t byte)
{
    memset(key->bytes, byte, sizeof key->bytes);
}

static void set_text(char *out, const char *text)
{
    memcpy(out, text, strlen(text) + 1);
}

static struct hark_ticket node_ticket(const struct hark_signer *log)
{
    struct hark_ticket ticket = {.type = HARK_TICKET_NODE, .node_count = 1, .space_count = 1};
    struct hark_ticket_node *node = &ticket.nodes[0];
    set_text(node->name, "brand");
    node->keys.log = *hark_signer_key(log);
    fill_key(&node->keys.cosigner, 2);
    fill_key(&node->keys.author, 3);
    fill_key(&node->keys.curve, 4);
    fill_key(&node->keys.box, 5);
    node->address_count = 1;
    set_text(node->addresses[0], "tcp://127.0.0.1:7460");
    memset(ticket.spaces[0].bytes, 6, HARK_HASH_SIZE);
    return ticket;
}

static struct hark_ticket invitation(void)
{
    struct hark_ticket ticket = {.type = HARK_TICKET_INVITATION,
                                 .node_count = 2,
                                 .space_count = 1,
                                 .until_ms = UINT64_C(1795255530123)};
    memset(ticket.spaces[0].bytes, 6, HARK_HASH_SIZE);
    memset(ticket.secret, 9, sizeof ticket.secret);
    for (size_t i = 0; i < ticket.node_count; i++) {
        set_text(ticket.nodes[i].name, i == 0 ? "brand" : "partner");
        fill_key(&ticket.nodes[i].keys.curve, 4);
        ticket.nodes[i].address_count = 1;
        set_text(ticket.nodes[i].addresses[0], "tcp://[::1]:7460");
    }
    return ticket;
}

static struct hark_buf encode(const struct hark_ticket *ticket, const struct hark_signer *log)
{
    struct hark_err err = {0};
    struct hark_buf text = hark_buf_init(HARK_TICKET_TEXT_MAX);
    if (hark_ticket_encode(&text, ticket, log, &err) != 0)
        fail_msg("%s", err.message);
    return text;
}

static int decode(struct hark_ticket *ticket, struct hark_span text, int expected)
{
    return hark_ticket_decode(ticket, text, expected, NULL);
}

/* ---- Vectors --------------------------------------------------------------- */

static void expect_hex(const json_t *fields, const char *name, const uint8_t bytes[32])
{
    char hex[65];
    hark_hex_encode(hex, bytes, 32);
    assert_string_equal(hex, vectors_string(fields, name));
}

static void expect_node(const struct hark_ticket *ticket, const json_t *fields)
{
    const struct hark_ticket_node *node = &ticket->nodes[0];
    const json_t *addresses = json_object_get(fields, "addresses");
    const json_t *spaces = json_object_get(fields, "spaces");
    assert_int_equal(ticket->type, HARK_TICKET_NODE);
    assert_string_equal(node->name, vectors_string(fields, "name"));
    expect_hex(fields, "log", node->keys.log.bytes);
    expect_hex(fields, "cosigner", node->keys.cosigner.bytes);
    expect_hex(fields, "author", node->keys.author.bytes);
    expect_hex(fields, "curve", node->keys.curve.bytes);
    expect_hex(fields, "box", node->keys.box.bytes);
    assert_int_equal(node->address_count, json_array_size(addresses));
    for (size_t i = 0; i < node->address_count; i++)
        assert_string_equal(node->addresses[i], json_string_value(json_array_get(addresses, i)));
    assert_int_equal(ticket->space_count, json_array_size(spaces));
    for (size_t i = 0; i < ticket->space_count; i++) {
        char hex[65];
        hark_hash_hex(hex, &ticket->spaces[i]);
        assert_string_equal(hex, json_string_value(json_array_get(spaces, i)));
    }
}

static void expect_invitation(const struct hark_ticket *ticket, const json_t *fields)
{
    const json_t *nodes = json_object_get(fields, "nodes");
    assert_int_equal(ticket->type, HARK_TICKET_INVITATION);
    assert_int_equal(ticket->space_count, 1);
    expect_hex(fields, "space", ticket->spaces[0].bytes);
    expect_hex(fields, "secret", ticket->secret);
    assert_int_equal(ticket->until_ms, json_integer_value(json_object_get(fields, "until_ms")));
    assert_int_equal(ticket->node_count, json_array_size(nodes));
    for (size_t i = 0; i < ticket->node_count; i++) {
        const json_t *node = json_array_get(nodes, i);
        assert_string_equal(ticket->nodes[i].name, vectors_string(node, "name"));
        expect_hex(node, "curve", ticket->nodes[i].keys.curve.bytes);
        assert_int_equal(ticket->nodes[i].address_count, 1);
        assert_string_equal(ticket->nodes[i].addresses[0], vectors_string(node, "address"));
    }
}

static int expected_type(const char *name)
{
    if (name == NULL)
        return 0;
    return strcmp(name, "node") == 0 ? HARK_TICKET_NODE : HARK_TICKET_INVITATION;
}

static void test_ticket__vectors(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("ticket.json");
    static const struct hark_ticket wiped;
    bool seen[5] = {false};
    size_t i = 0;
    const json_t *test = NULL;
    json_array_foreach(json_object_get(vectors, "cases"), i, test)
    {
        const json_t *fields = json_object_get(test, "fields");
        const char *rule = vectors_string(test, "rule");
        struct hark_ticket ticket;
        struct hark_err err = {0};
        int rc = hark_ticket_decode(&ticket, hark_span_str(vectors_string(test, "text")),
                                    expected_type(vectors_string(test, "expected")), &err);
        vectors_expect(vectors_string(test, "name"), rc, vectors_string(test, "error"), &err);
        /* What was refused leaves nothing behind, its secret least of all. */
        if (rc != 0)
            assert_memory_equal(&ticket, &wiped, sizeof ticket);
        else if (json_is_object(fields) && ticket.type == HARK_TICKET_NODE)
            expect_node(&ticket, fields);
        else if (json_is_object(fields))
            expect_invitation(&ticket, fields);
        if (rule != NULL)
            seen[(rule[1] - '0') % 5] = true;
    }
    for (size_t rule = 1; rule <= 4; rule++)
        assert_true(seen[rule]);
    json_decref(vectors);
}

/* ---- Round trips ------------------------------------------------------------ */

static void test_ticket__a_node_reads_as_written(void **state)
{
    (void)state;
    struct hark_signer *log = signer_of(1);
    struct hark_ticket ticket = node_ticket(log);
    struct hark_ticket again;
    struct hark_buf text = encode(&ticket, log);
    assert_int_equal(decode(&again, hark_buf_span(&text), HARK_TICKET_NODE), 0);
    assert_memory_equal(&again, &ticket, sizeof ticket);
    hark_buf_free(&text);
    hark_signer_free(log);
}

static void test_ticket__an_invitation_reads_as_written(void **state)
{
    (void)state;
    struct hark_ticket ticket = invitation();
    struct hark_ticket again;
    struct hark_buf text = encode(&ticket, NULL);
    assert_int_equal(decode(&again, hark_buf_span(&text), HARK_TICKET_INVITATION), 0);
    assert_memory_equal(&again, &ticket, sizeof ticket);
    hark_buf_free(&text);
}

static void refuse_each_change(struct hark_buf *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=#.~ \n\t";
    struct hark_ticket ticket;
    for (size_t i = 0; i < text->size; i++) {
        uint8_t was = text->data[i];
        for (const char *p = alphabet; *p != '\0'; p++) {
            if ((uint8_t)*p == was)
                continue;
            text->data[i] = (uint8_t)*p;
            if (decode(&ticket, hark_buf_span(text), 0) == 0)
                fail_msg("character %zu changed from '%c' to '%c'", i, was, *p);
        }
        text->data[i] = was;
    }
}

/* Protects people who copy tickets by hand: each single mistake is noticed. */
static void test_ticket__each_changed_character_is_refused(void **state)
{
    (void)state;
    struct hark_signer *log = signer_of(1);
    struct hark_ticket node = node_ticket(log);
    struct hark_ticket person = invitation();
    struct hark_buf text = encode(&node, log);
    refuse_each_change(&text);
    hark_buf_free(&text);
    text = encode(&person, NULL);
    refuse_each_change(&text);
    hark_buf_free(&text);
    hark_signer_free(log);
}

static void test_ticket__each_missing_character_is_refused(void **state)
{
    (void)state;
    struct hark_ticket ticket = invitation();
    struct hark_buf text = encode(&ticket, NULL);
    for (size_t size = 0; size < text.size; size++)
        assert_int_not_equal(decode(&ticket, hark_span(text.data, size), 0), 0);
    for (size_t i = 0; i < text.size; i++) {
        struct hark_buf shorter = hark_buf_init(HARK_TICKET_TEXT_MAX);
        assert_int_equal(hark_buf_append(&shorter, text.data, i, NULL), 0);
        assert_int_equal(hark_buf_append(&shorter, text.data + i + 1, text.size - i - 1, NULL), 0);
        assert_int_not_equal(decode(&ticket, hark_buf_span(&shorter), 0), 0);
        hark_buf_free(&shorter);
    }
    hark_buf_free(&text);
}

/* ---- Writing ----------------------------------------------------------------- */

static void refuse_encode(const struct hark_ticket *ticket, const struct hark_signer *log, int code)
{
    struct hark_err err = {0};
    struct hark_buf text = hark_buf_init(HARK_TICKET_TEXT_MAX);
    int rc = hark_ticket_encode(&text, ticket, log, &err);
    if (rc != code)
        fail_msg("%s (%s), expected %s", hark_err_name(rc), err.message, hark_err_name(code));
    assert_int_equal(text.size, 0);
    hark_buf_free(&text);
}

static void test_ticket__what_a_reader_refuses_is_not_written(void **state)
{
    (void)state;
    struct hark_signer *log = signer_of(1);
    struct hark_signer *other = signer_of(2);
    struct hark_ticket good = node_ticket(log);
    struct hark_ticket ticket = good;
    refuse_encode(&ticket, other, HARK_E_INTERNAL);
    refuse_encode(&ticket, NULL, HARK_E_INTERNAL);
    set_text(ticket.nodes[0].name, "-brand");
    refuse_encode(&ticket, log, HARK_E_TICKET_FORM);
    ticket = good;
    set_text(ticket.nodes[0].addresses[0], "ipc://x");
    refuse_encode(&ticket, log, HARK_E_TICKET_FORM);
    ticket = good;
    ticket.nodes[0].address_count = HARK_TICKET_ADDRESSES_MAX + 1;
    refuse_encode(&ticket, log, HARK_E_TICKET_FORM);
    ticket = good;
    ticket.space_count = HARK_TICKET_SPACES_MAX + 1;
    refuse_encode(&ticket, log, HARK_E_TICKET_FORM);
    ticket = good;
    ticket.type = 3;
    refuse_encode(&ticket, log, HARK_E_TICKET_FORM);
    ticket = invitation();
    ticket.until_ms = HARK_TIME_MAX_MS + 1;
    refuse_encode(&ticket, NULL, HARK_E_TICKET_FORM);
    ticket = invitation();
    ticket.nodes[1].address_count = 2;
    refuse_encode(&ticket, NULL, HARK_E_TICKET_FORM);
    ticket = invitation();
    ticket.space_count = 0;
    refuse_encode(&ticket, NULL, HARK_E_TICKET_FORM);
    hark_signer_free(log);
    hark_signer_free(other);
}

/* The longest name, four addresses of 254 bytes and eight spaces do not fit into
 * 2,048 characters. */
static void test_ticket__too_long_is_not_written(void **state)
{
    (void)state;
    struct hark_signer *log = signer_of(1);
    struct hark_ticket ticket = node_ticket(log);
    struct hark_ticket_node *node = &ticket.nodes[0];
    memset(node->name, 'a', HARK_NODE_NAME_MAX);
    ticket.space_count = HARK_TICKET_SPACES_MAX;
    node->address_count = HARK_TICKET_ADDRESSES_MAX;
    for (size_t i = 0; i < node->address_count; i++) {
        memset(node->addresses[i], 'a', 249);
        memcpy(node->addresses[i], "tcp://", 6);
        memcpy(node->addresses[i] + 249, ":7460", 6);
    }
    refuse_encode(&ticket, log, HARK_E_LIMIT);
    hark_signer_free(log);
}

/* ---- Addresses and keys ------------------------------------------------------ */

static void test_ticket__addresses(void **state)
{
    (void)state;
    static const char *const good[] = {
        "tcp://127.0.0.1:7460",     "tcp://[::1]:1",     "tcp://[2001:db8::1]:65535",
        "tcp://node.example:7460",  "tcp://localhost:1", "tcp://a-b.c_d.Example:80",
        "tcp://1and1.example:7460",
    };
    static const char *const bad[] = {
        "",
        "tcp://",
        "tcp://:1",
        "tcp://a",
        "tcp://a:",
        "tcp://a:0",
        "tcp://a:65536",
        "tcp://a:+1",
        "tcp://a:01",
        "tcp://a:1 ",
        " tcp://a:1",
        "TCP://a:1",
        "inproc://a:1",
        "tcp://*:1",
        "tcp://a:*",
        "tcp://256.0.0.1:1",
        "tcp://1.2.3:1",
        "tcp://1.2.3.4.5:1",
        "tcp://::1:1",
        "tcp://[::1:1",
        "tcp://[::1]1",
        "tcp://[::1%eth0]:1",
        "tcp://[]:1",
        "tcp://[127.0.0.1]:1",
        "tcp://a..b:1",
        "tcp://a.:1",
        "tcp://.a:1",
        "tcp://-a:1",
        "tcp://a-:1",
        "tcp://a/b:1",
        "tcp://a;b:1",
        "tcp://eth0;a:1",
        "tcp://\xc3\xa4:1",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!hark_address_valid(hark_span_str(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (hark_address_valid(hark_span_str(bad[i])))
            fail_msg("taken: %s", bad[i]);
    assert_false(hark_address_valid(hark_span(NULL, 0)));
    assert_false(hark_address_valid(hark_span("tcp://a\0b:1", 11)));
    assert_false(hark_address_valid(hark_span("tcp://a:1\0", 10)));
}

static void test_ticket__keys_are_derived_by_their_labels(void **state)
{
    (void)state;
    uint8_t secret[32];
    struct hark_signer *sign = NULL;
    struct hark_signer *expected_sign = NULL;
    struct hark_box *curve = NULL;
    struct hark_box *expected_curve = NULL;
    struct hark_seed *parent = NULL;
    struct hark_seed *child = NULL;
    memset(secret, 9, sizeof secret);
    assert_int_equal(hark_ticket_keys(secret, &sign, &curve, NULL), 0);
    assert_int_equal(hark_seed_from_bytes(&parent, secret, NULL), 0);
    assert_int_equal(hark_seed_derive(&child, parent, "ticket-sign", hark_span("", 0), NULL), 0);
    assert_int_equal(hark_signer_new(&expected_sign, child, NULL), 0);
    hark_seed_free(child);
    assert_int_equal(hark_seed_derive(&child, parent, "ticket-curve", hark_span("", 0), NULL), 0);
    assert_int_equal(hark_box_new(&expected_curve, child, NULL), 0);
    hark_seed_free(child);
    hark_seed_free(parent);
    assert_true(hark_key_equal(hark_signer_key(sign), hark_signer_key(expected_sign)));
    assert_true(hark_key_equal(hark_box_key(curve), hark_box_key(expected_curve)));
    hark_signer_free(sign);
    hark_signer_free(expected_sign);
    hark_box_free(curve);
    hark_box_free(expected_curve);
    /* Either alone. */
    assert_int_equal(hark_ticket_keys(secret, &sign, NULL, NULL), 0);
    assert_int_equal(hark_ticket_keys(secret, NULL, &curve, NULL), 0);
    hark_signer_free(sign);
    hark_box_free(curve);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticket__vectors),
        cmocka_unit_test(test_ticket__a_node_reads_as_written),
        cmocka_unit_test(test_ticket__an_invitation_reads_as_written),
        cmocka_unit_test(test_ticket__each_changed_character_is_refused),
        cmocka_unit_test(test_ticket__each_missing_character_is_refused),
        cmocka_unit_test(test_ticket__what_a_reader_refuses_is_not_written),
        cmocka_unit_test(test_ticket__too_long_is_not_written),
        cmocka_unit_test(test_ticket__addresses),
        cmocka_unit_test(test_ticket__keys_are_derived_by_their_labels),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
