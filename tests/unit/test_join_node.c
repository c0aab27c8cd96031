/*
 * node/join: what a joiner is shown over a real space, the home's answers to sealed
 * requests, and keeping one to hand it on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/join.h"
#include "node/outbox.h"
#include "tests/unit/ok.h"
#include "tests/unit/run_tool.h"

/* A brand's node with a space. */
struct brand {
    char top[32], dir[64];
    struct hark_node *node;
    struct hark_space *space;
};

static int setup(void **state)
{
    const struct hark_founding founding = {
        .title = "Parks", .question = "What now?", .owner = "Ada", .until = "2030-01-01"};
    struct hark_config config = {.name = "brand", .accept_per_minute = 120};
    struct brand *brand = calloc(1, sizeof(*brand));
    struct hark_hash id;

    assert_non_null(brand);
    memset(&err, 0, sizeof(err));
    make_directory(brand->top);
    join_path(brand->dir, sizeof(brand->dir), brand->top, "brand");
    OK(hark_node_init(brand->dir, &config, (struct hark_span){0}, &err));
    OK(hark_node_open(&brand->node, brand->dir, true, &err));
    OK(hark_found(brand->node, &founding, &id, &err));
    OK(hark_node_space(brand->node, &id, &brand->space, &err));
    *state = brand;
    return 0;
}

static int teardown(void **state)
{
    struct brand *brand = *state;

    hark_node_free(brand->node);
    remove_directory(brand->top);
    free(brand);
    return 0;
}

static void act(struct brand *brand, const char *kind, json_t *fields)
{
    assert_non_null(fields);
    OK(hark_space_begin(brand->space, &err));
    OK(hark_steward_act(brand->node, brand->space, NULL, NULL, kind, fields, NULL, &err));
    OK(hark_space_commit(brand->space, brand->node->identity.log, hark_now_ms(), &err));
    json_decref(fields);
}

static json_t *hex_of(const void *bytes, size_t size)
{
    char text[2 * 64 + 1];

    hark_hex_encode(text, bytes, size);
    return json_string(text);
}

static struct hark_seed *seed_of(uint8_t byte)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;

    memset(bytes, byte, sizeof(bytes));
    OK(hark_seed_from_bytes(&seed, bytes, &err));
    return seed;
}

static struct hark_author author_of(uint8_t byte)
{
    struct hark_seed *seed = seed_of(byte);
    struct hark_author author = {0};

    OK(hark_signer_new(&author.sign, seed, &err));
    OK(hark_box_new(&author.box, seed, &err));
    hark_seed_free(seed);
    return author;
}

/* Gives out a ticket whose key is that of `byte`. */
static void invite(struct brand *brand, uint8_t byte, unsigned uses, uint64_t until_ms)
{
    struct hark_author ticket = author_of(byte);
    char until[HARK_TIME_SIZE + 1];

    hark_time_encode(until, until_ms);
    act(brand, "invite",
        json_pack("{s:o, s:o, s:s, s:i, s:s, s:[{s:s, s:s}]}", "ticket",
                  hex_of(hark_signer_key(ticket.sign)->bytes, HARK_KEY_SIZE), "curve",
                  hex_of(hark_box_key(ticket.box)->bytes, HARK_KEY_SIZE), "role", "member", "uses",
                  (int)uses, "until", until, "cohorts", "dimension", "market", "value", "de"));
    hark_author_free(&ticket);
}

static uint64_t later(void)
{
    return hark_now_ms() + 60000;
}

/* The terms as a joiner would read them. */
static void read_shown(struct brand *brand, struct hark_terms *terms)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);
    struct hark_terms_entry entries[HARK_SHOWN_MAX];
    struct hark_submitted *items = NULL;
    struct hark_hash id;
    size_t count = 0;

    OK(hark_join_terms(brand->space, &body, &err));
    OK(hark_shown_decode(&id, &items, &count, hark_buf_span(&body), &err));
    assert_memory_equal(&id, hark_space_id(brand->space), sizeof(id));
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct hark_terms_entry){items[i].entry, items[i].payload};
    OK(hark_terms_read(terms, &id, entries, count, &err));
    free(items);
    hark_buf_free(&body);
}

static int id_at(void *arg, uint64_t position, struct hark_hash *id, struct hark_err *why)
{
    struct hark_row row = {0};
    int rc = hark_index_row(hark_space_index(arg), position, &row, why);

    if (rc == 0)
        *id = row.id;
    return rc;
}

static json_t *node_fields(const char *name, uint8_t byte)
{
    json_t *fields = json_pack("{s:s, s:s}", "action", "add", "name", name);
    static const char *const KEYS[] = {"log", "cosigner", "author", "curve", "box"};

    for (size_t i = 0; i < 5; i++) {
        struct hark_author key = author_of((uint8_t)(byte + i));

        json_object_set_new(fields, KEYS[i],
                            hex_of(hark_signer_key(key.sign)->bytes, HARK_KEY_SIZE));
        hark_author_free(&key);
    }
    return fields;
}

/* Protects consent: what a joiner signs is what is in force. */
static void test_join_node__what_is_shown_adds_up_to_the_terms_in_force(void **state)
{
    struct brand *brand = *state;
    struct hark_terms *terms = calloc(1, sizeof(*terms));
    struct hark_hash hash;

    assert_non_null(terms);
    read_shown(brand, terms);
    assert_string_equal(terms->title, "Parks");
    act(brand, "node", node_fields("a.example", 100));
    act(brand, "node", node_fields("b.example", 110));
    act(brand, "policy",
        json_pack("{s:{}, s:{s:s, s:s, s:s}}", "policy", "objective", "question", "What then?",
                  "owner", "Bo", "until", "2031-01-01"));
    act(brand, "policy", json_pack("{s:{}, s:s}", "policy", "title", "Trees"));
    act(brand, "policy", json_pack("{s:{s:i}}", "policy", "quorum", 1));
    act(brand, "node", json_pack("{s:s, s:s}", "action", "remove", "name", "a.example"));
    read_shown(brand, terms);
    OK(hark_state_terms(hark_space_state(brand->space), id_at, brand->space, &hash, &err));
    assert_memory_equal(&terms->hash, &hash, sizeof(hash));
    assert_string_equal(terms->title, "Trees");
    assert_string_equal(terms->question, "What then?");
    assert_string_equal(terms->owner, "Bo");
    assert_int_equal(terms->node_count, 2);
    assert_string_equal(terms->nodes[1].name, "b.example");
    free(terms);
}

/* A request by the key `joiner` with the ticket `ticket`; `spoil` may change it once
 * it is signed. */
static struct hark_buf request_of(struct brand *brand, uint8_t joiner, uint8_t ticket,
                                  void (*spoil)(struct hark_join_request *request))
{
    struct hark_join_request request = {.name = "Grace"};
    struct hark_author member = author_of(joiner), invited = author_of(ticket), steward = {0};
    struct hark_buf sealed = hark_buf_init(HARK_SEALED_JOIN_MAX);

    request.space = *hark_space_id(brand->space);
    request.box = *hark_box_key(member.box);
    OK(hark_state_terms(hark_space_state(brand->space), id_at, brand->space, &request.terms, &err));
    OK(hark_join_request_sign(&request, member.sign, invited.sign, &err));
    if (spoil != NULL)
        spoil(&request);
    OK(hark_node_steward(brand->node, hark_space_id(brand->space), &steward, &err));
    OK(hark_join_request_seal(&sealed, &request, hark_box_key(steward.box), &err));
    hark_author_free(&member);
    hark_author_free(&invited);
    hark_author_free(&steward);
    return sealed;
}

static uint64_t members(struct brand *brand)
{
    uint64_t counts[HARK_SECTION_HASHED_] = {0};

    OK(hark_state_counts(hark_space_state(brand->space), counts, &err));
    return counts[HARK_SECTION_MEMBER];
}

/* The home's answer: 0, or the refusal's code; frees the request. */
static int answer(struct brand *brand, struct hark_buf sealed)
{
    struct hark_joined joined;
    uint64_t before = hark_space_head(brand->space)->tree.size;

    OK(hark_join_admit(brand->node, brand->space, hark_buf_span(&sealed), &joined, &err));
    hark_buf_free(&sealed);
    assert_memory_equal(&joined.space, hark_space_id(brand->space), sizeof(joined.space));
    if (joined.status == HARK_JOINED_REFUSED) {
        assert_int_equal(hark_space_head(brand->space)->tree.size, before);
        assert_int_not_equal(joined.message[0], 0);
        return joined.code;
    }
    assert_int_equal(joined.status, HARK_JOINED_ADMITTED);
    return joined.code;
}

static void test_join_node__a_key_is_admitted_once_and_answered_so_for_ever(void **state)
{
    struct brand *brand = *state;
    struct hark_author ticket = author_of(3);
    struct hark_cohort *cohorts = NULL;
    uint64_t before = members(brand), size;
    size_t count = 0;

    invite(brand, 3, 1, later());
    assert_int_equal(answer(brand, request_of(brand, 4, 3, NULL)), 0);
    assert_int_equal(members(brand), before + 1);
    OK(hark_index_member_cohorts(hark_space_index(brand->space), (uint32_t)before, &cohorts, &count,
                                 &err));
    assert_int_equal(count, 1);
    assert_string_equal(cohorts[0].value, "de");
    free(cohorts);
    size = hark_space_head(brand->space)->tree.size;
    assert_int_equal(answer(brand, request_of(brand, 4, 3, NULL)), 0);
    act(brand, "revoke",
        json_pack("{s:o}", "ticket", hex_of(hark_signer_key(ticket.sign)->bytes, HARK_KEY_SIZE)));
    assert_int_equal(answer(brand, request_of(brand, 4, 3, NULL)), 0);
    assert_int_equal(hark_space_head(brand->space)->tree.size, size + 1);
    assert_int_equal(members(brand), before + 1);
    hark_author_free(&ticket);
}

static void test_join_node__tickets_that_are_no_good_are_refused_by_name(void **state)
{
    struct brand *brand = *state;
    struct hark_author revoked = author_of(5);

    assert_int_equal(answer(brand, request_of(brand, 20, 9, NULL)), HARK_E_TICKET_UNKNOWN);
    invite(brand, 3, 1, later());
    assert_int_equal(answer(brand, request_of(brand, 4, 3, NULL)), 0);
    assert_int_equal(answer(brand, request_of(brand, 20, 3, NULL)), HARK_E_TICKET_USED);
    invite(brand, 6, 1, hark_now_ms() - 1000);
    assert_int_equal(answer(brand, request_of(brand, 20, 6, NULL)), HARK_E_TICKET_EXPIRED);
    invite(brand, 5, 1, later());
    act(brand, "revoke",
        json_pack("{s:o}", "ticket", hex_of(hark_signer_key(revoked.sign)->bytes, HARK_KEY_SIZE)));
    assert_int_equal(answer(brand, request_of(brand, 20, 5, NULL)), HARK_E_TICKET_REVOKED);
    hark_author_free(&revoked);
}

static void other_box(struct hark_join_request *request)
{
    request->box.bytes[0] ^= 1;
}

static void other_terms(struct hark_join_request *request)
{
    request->terms.bytes[0] ^= 1;
}

static void other_ticket_proof(struct hark_join_request *request)
{
    request->ticket_proof[0] ^= 1;
}

static void other_space(struct hark_join_request *request)
{
    request->space.bytes[0] ^= 1;
}

/* Protects the ticket's giver and the joiner from who is between them. */
static void test_join_node__requests_that_were_changed_are_refused(void **state)
{
    struct brand *brand = *state;
    struct hark_author other = author_of(66);
    struct hark_buf sealed = hark_buf_init(HARK_SEALED_JOIN_MAX);

    invite(brand, 3, 9, later());
    assert_int_equal(answer(brand, request_of(brand, 20, 3, other_box)), HARK_E_VOID_KEY_PROOF);
    assert_int_equal(answer(brand, request_of(brand, 20, 3, other_terms)), HARK_E_VOID_KEY_PROOF);
    assert_int_equal(answer(brand, request_of(brand, 20, 3, other_ticket_proof)),
                     HARK_E_VOID_TICKET_PROOF);
    assert_int_equal(answer(brand, request_of(brand, 20, 3, other_space)), HARK_E_ENTRY_SPACE);
    assert_int_equal(answer(brand, request_of(brand, 3, 3, NULL)), HARK_E_VOID_KEY_USED);
    OK(hark_box_seal(&sealed, hark_box_key(other.box), hark_span_str("{}"), &err));
    assert_int_equal(answer(brand, sealed), HARK_E_SEAL);
    assert_int_equal(answer(brand, request_of(brand, 20, 3, NULL)), 0);
    hark_author_free(&other);
}

static void test_join_node__a_request_is_kept_until_it_is_answered(void **state)
{
    struct brand *brand = *state;
    struct hark_buf sealed = request_of(brand, 20, 3, NULL);
    struct hark_hash hash = hark_sha256(hark_buf_span(&sealed));
    struct hark_outbox *outbox = NULL;
    struct hark_joined joined;

    for (int i = 0; i < 2; i++) {
        OK(hark_join_relay(brand->space, hark_buf_span(&sealed), &joined, &err));
        assert_int_equal(joined.status, HARK_JOINED_WAITING);
    }
    OK(hark_space_outbox(brand->space, &outbox, &err));
    OK(hark_outbox_relayed(outbox, &hash, HARK_JOINED_REFUSED, HARK_E_TICKET_USED, "used up",
                           &err));
    OK(hark_join_relay(brand->space, hark_buf_span(&sealed), &joined, &err));
    assert_int_equal(joined.status, HARK_JOINED_REFUSED);
    assert_int_equal(joined.code, HARK_E_TICKET_USED);
    assert_string_equal(joined.message, "used up");
    assert_int_equal(hark_join_relay(brand->space, (struct hark_span){0}, &joined, &err),
                     HARK_E_PEER_FORM);
    hark_buf_free(&sealed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_join_node__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_shown_adds_up_to_the_terms_in_force),
        TEST(a_key_is_admitted_once_and_answered_so_for_ever),
        TEST(tickets_that_are_no_good_are_refused_by_name),
        TEST(requests_that_were_changed_are_refused),
        TEST(a_request_is_kept_until_it_is_answered),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
