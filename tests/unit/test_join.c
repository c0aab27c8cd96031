/*
 * schemas/join: the request to join, written, read strictly, sealed; and the terms
 * that a joiner reads out of what it is shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schemas/join.h"
#include "tests/support/worldgen.h"

/* ---- The request ---------------------------------------------------------- */

static struct hark_join_request request_of(struct world *world, uint32_t key, uint32_t ticket)
{
    struct hark_join_request request = {.name = "Grace", .about = "I like trees.\n"};

    request.space = world->space;
    request.box = *world_box(key);
    memset(request.terms.bytes, 7, sizeof(request.terms.bytes));
    assert_int_equal(
        hark_join_request_sign(&request, world_signer(key), world_signer(ticket), NULL), 0);
    return request;
}

static struct hark_box *box_of(uint8_t byte)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    struct hark_box *box = NULL;

    memset(bytes, byte, sizeof(bytes));
    assert_int_equal(hark_seed_from_bytes(&seed, bytes, NULL), 0);
    assert_int_equal(hark_box_new(&box, seed, NULL), 0);
    hark_seed_free(seed);
    return box;
}

static void test_join__what_is_sealed_opens_the_same_for_its_steward_alone(void **state)
{
    (void)state;
    struct world *world = world_new(1, NULL, NULL);
    struct hark_join_request request = request_of(world, 50, 51), opened;
    struct hark_box *steward = box_of(1), *other = box_of(2);
    struct hark_buf sealed = hark_buf_init(HARK_JOIN_SEALED_MAX);

    assert_int_equal(hark_join_request_seal(&sealed, &request, hark_box_key(steward), NULL), 0);
    assert_null(memmem(sealed.data, sealed.size, "Grace", 5));
    assert_int_equal(hark_join_request_open(&opened, steward, hark_buf_span(&sealed), NULL), 0);
    assert_memory_equal(&opened, &request, sizeof(request));
    assert_int_equal(hark_join_request_open(&opened, other, hark_buf_span(&sealed), NULL),
                     HARK_E_SEAL);
    sealed.data[sealed.size - 1] ^= 1;
    assert_int_equal(hark_join_request_open(&opened, steward, hark_buf_span(&sealed), NULL),
                     HARK_E_SEAL);
    hark_buf_free(&sealed);
    hark_box_free(steward);
    hark_box_free(other);
    world_free(world);
}

/* Protects the consent: what is signed is what the state checks of an `admit`. */
static void test_join__its_fields_are_those_of_an_admit_that_stands(void **state)
{
    (void)state;
    struct world *world = world_new(1, NULL, NULL);
    uint32_t key = world_new_key(world), ticket = world_new_key(world);
    struct hark_join_request request = request_of(world, key, ticket);
    json_t *fields = json_pack("{s:s, s:s}", "role", "member", "source", "invited");
    struct world_draft draft = {.by = WORLD_STEWARD, .kind = "admit"};
    json_t *wrong;

    world_say(world, WORLD_STEWARD, "invite",
              world_fields_invite(ticket, "member", 5, world->now_ms + 1000000), HARK_NONE);
    assert_int_equal(hark_join_request_fields(&request, fields, NULL), 0);
    wrong = json_deep_copy(fields);
    json_object_set_new(wrong, "box", world_hex(world_box(99)->bytes, HARK_KEY_SIZE));
    draft.fields = wrong;
    (void)world_log(world, &draft, HARK_E_VOID_KEY_PROOF);
    draft = (struct world_draft){.by = WORLD_STEWARD, .kind = "admit", .fields = fields};
    (void)world_log(world, &draft, 0);
    world_free(world);
}

static void test_join__reads_no_other_form(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"hark/join/1", "hark/join/2"},
        {"\"format\"", "\"form\""},
        {"\"about\"", "\"above\""},
        {"\"name\":\"Grace\"", "\"name\":\"\""},
        {"\"name\":\"Grace\"", "\"name\":\"Gr\\u0000ce\""},
        {"\"name\":\"Grace\"", "\"name\":\"Gr\\u0085ce\""},
        {"\"name\":\"Grace\"", "\"name\":\"Gra\\nce\""},
        {"\"name\":\"Grace\"", "\"name\":[\"Grace\"]"},
        {"\"name\":\"Grace\"", "\"name\":\"Grace\",\"name\":\"Grace\""},
        {"\"name\":\"Grace\"", "\"name\":\"Grace\",\"role\":\"staff\""},
        {"\"terms\":\"0707", "\"terms\":\"07"},
        {"\"terms\":\"0707", "\"terms\":\"07AA"},
        {"{\"about\":\"I like trees.\\n\"}", "{\"about\":7}"},
        {"{\"about\":\"I like trees.\\n\"}", "[]"},
        {"{\"about\":\"I like trees.\\n\"}", "{\"about\":\"\",\"age\":\"7\"}"},
        {"{\"about\":\"I like trees.\\n\"}}", "{}}x"},
    };
    struct world *world = world_new(1, NULL, NULL);
    struct hark_join_request request = request_of(world, 50, 51), read;
    struct hark_buf json = hark_buf_init(HARK_JOIN_REQUEST_MAX);

    assert_int_equal(hark_join_request_encode(&json, &request, NULL), 0);
    assert_int_equal(hark_join_request_decode(&read, hark_buf_span(&json), NULL), 0);
    assert_int_equal(hark_buf_terminate(&json, NULL), 0);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *text = (const char *)json.data, *at = strstr(text, changes[i][0]);
        struct hark_buf other = hark_buf_init(2 * HARK_JOIN_REQUEST_MAX);

        if (at == NULL)
            fail_msg("no %s in %s", changes[i][0], text);
        assert_int_equal(hark_buf_append(&other, text, (size_t)(at - text), NULL), 0);
        assert_int_equal(hark_buf_append_str(&other, changes[i][1], NULL), 0);
        assert_int_equal(hark_buf_append_str(&other, at + strlen(changes[i][0]), NULL), 0);
        if (hark_join_request_decode(&read, hark_buf_span(&other), NULL) != HARK_E_PEER_FORM)
            fail_msg("taken: %s", changes[i][1]);
        assert_int_equal(read.name[0], 0);
        hark_buf_free(&other);
    }
    hark_buf_free(&json);
    world_free(world);
}

/* Who one is in a community goes to the steward, and to no host. */
static void test_join__a_showing_goes_along(void **state)
{
    static const char *const changes[][2] = {
        {"\"showing\":{", "\"showing\":{\"more\":1,"},  {"\"showing\"", "\"shown\""},
        {"\"community\":\"0909", "\"community\":\"09"}, {"\"proof\":\"0b0b", "\"proof\":\"0B0b"},
        {"\"showing\":{", "\"showing\":[],\"x\":{"},
    };
    struct world *world = world_new(1, NULL, NULL);
    struct hark_join_request request = request_of(world, 50, 51), read;
    struct hark_buf json = hark_buf_init(HARK_JOIN_REQUEST_MAX);

    (void)state;
    request.has_showing = true;
    memset(request.showing.community.bytes, 9, HARK_HASH_SIZE);
    memset(request.showing.key.bytes, 10, HARK_KEY_SIZE);
    memset(request.showing.proof, 11, HARK_SIGNATURE_SIZE);
    for (int about = 1; about >= 0; about--) {
        if (about == 0)
            memset(request.about, 0, sizeof(request.about));
        hark_buf_clear(&json);
        assert_int_equal(hark_join_request_encode(&json, &request, NULL), 0);
        assert_int_equal(hark_join_request_decode(&read, hark_buf_span(&json), NULL), 0);
        assert_memory_equal(&read, &request, sizeof(request));
    }
    assert_int_equal(hark_buf_terminate(&json, NULL), 0);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *text = (const char *)json.data, *at = strstr(text, changes[i][0]);
        struct hark_buf other = hark_buf_init(2 * HARK_JOIN_REQUEST_MAX);

        assert_non_null(at);
        assert_int_equal(hark_buf_append(&other, text, (size_t)(at - text), NULL), 0);
        assert_int_equal(hark_buf_append_str(&other, changes[i][1], NULL), 0);
        assert_int_equal(hark_buf_append_str(&other, at + strlen(changes[i][0]), NULL), 0);
        if (hark_join_request_decode(&read, hark_buf_span(&other), NULL) != HARK_E_PEER_FORM)
            fail_msg("taken: %s", changes[i][1]);
        hark_buf_free(&other);
    }
    hark_buf_free(&json);
    world_free(world);
}

static void test_join__a_name_that_no_profile_may_hold_is_not_sent(void **state)
{
    (void)state;
    struct world *world = world_new(1, NULL, NULL);
    struct hark_join_request request = request_of(world, 50, 51);
    struct hark_buf json = hark_buf_init(HARK_JOIN_REQUEST_MAX);

    request.name[0] = '\0';
    assert_int_equal(hark_join_request_encode(&json, &request, NULL), HARK_E_USAGE);
    memcpy(request.name, "\xff", 2);
    assert_int_equal(hark_join_request_encode(&json, &request, NULL), HARK_E_USAGE);
    memcpy(request.name, "a", 2);
    request.about[0] = 0x1b;
    assert_int_equal(hark_join_request_encode(&json, &request, NULL), HARK_E_USAGE);
    assert_int_equal(json.size, 0);
    world_free(world);
}

/* ---- The terms ------------------------------------------------------------ */

static struct hark_terms_entry shown(const struct world *world, uint64_t position)
{
    return (struct hark_terms_entry){world->log[position]->object, world->log[position]->payload};
}

static int id_at(void *arg, uint64_t position, struct hark_hash *id, struct hark_err *err)
{
    const struct world *world = arg;

    (void)err;
    *id = world->log[position]->entry.id;
    return 0;
}

static int read_terms(struct world *world, const uint64_t *positions, size_t count,
                      struct hark_terms *out)
{
    struct hark_terms_entry entries[16];
    struct hark_err err = {0};

    for (size_t i = 0; i < count; i++)
        entries[i] = shown(world, positions[i]);
    return hark_terms_read(out, &world->space, entries, count, &err);
}

/* They are those of the state. */
static void expect_terms(struct world *world, const uint64_t *positions, size_t count,
                         struct hark_terms *out)
{
    struct hark_hash hash;

    assert_int_equal(read_terms(world, positions, count, out), 0);
    assert_int_equal(hark_state_terms(world->state, id_at, world, &hash, NULL), 0);
    assert_memory_equal(&out->hash, &hash, sizeof(hash));
}

static json_t *policy(const char *title)
{
    json_t *fields = json_pack("{s:{s:i}}", "policy", "quorum", 2);

    if (title != NULL)
        json_object_set_new(fields, "title", json_string(title));
    return fields;
}

static uint64_t add_node(struct world *world, const char *name)
{
    uint32_t log = world_new_key(world), cosigner = world_new_key(world);

    return world_say(world, WORLD_STEWARD, "node",
                     world_fields_node(name, log, cosigner, world_new_key(world)), HARK_NONE);
}

static void test_join__terms_of_a_new_space_come_from_its_first_entry(void **state)
{
    (void)state;
    struct world *world = world_new(1, NULL, NULL);
    struct hark_terms *terms = calloc(1, sizeof(*terms));
    const uint64_t first[] = {0};

    assert_non_null(terms);
    expect_terms(world, first, 1, terms);
    assert_string_equal(terms->title, "A world for tests");
    assert_string_equal(terms->question, "What is to be tested?");
    assert_string_equal(terms->owner, "The testers");
    assert_string_equal(terms->until, "2027-12-31");
    assert_int_equal(terms->mode, HARK_MODE_OPEN);
    assert_int_equal(terms->incarnation, 1);
    assert_int_equal(terms->node_count, 1);
    assert_string_equal(terms->nodes[0].name, WORLD_HOME);
    assert_memory_equal(&terms->steward, world_key(WORLD_STEWARD), HARK_KEY_SIZE);
    assert_memory_equal(&terms->steward_box, world_box(WORLD_STEWARD), HARK_KEY_SIZE);
    free(terms);
    world_free(world);
}

static void test_join__terms_follow_policies_nodes_and_stewards(void **state)
{
    (void)state;
    struct world *world = world_new(2, NULL, NULL);
    struct hark_terms *terms = calloc(1, sizeof(*terms));
    uint32_t second = world_new_key(world), third;
    uint64_t at[9];

    assert_non_null(terms);
    at[0] = 0;
    at[1] = world_say(world, WORLD_STEWARD, "policy", policy("Another title"), HARK_NONE);
    at[2] = add_node(world, "a.example");
    (void)add_node(world, "b.example");
    at[3] = world_say(world, WORLD_STEWARD, "handover",
                      world_fields_new_key(world, second, WORLD_NO_KEY), HARK_NONE);
    (void)world_say(world, second, "node",
                    json_pack("{s:s, s:s}", "action", "remove", "name", "b.example"), HARK_NONE);
    third = world_new_key(world);
    at[4] = world_say(world, WORLD_RECOVERY, "recover",
                      world_fields_new_key(world, third, WORLD_NO_KEY), HARK_NONE);
    at[5] = world_say(world, WORLD_RECOVERY + 2, "recover",
                      world_fields_new_key(world, third, WORLD_NO_KEY), HARK_NONE);
    at[6] = world_say(world, third, "policy", policy(NULL), HARK_NONE);
    at[7] = world_say(world, third, "home", world_fields_home(world, "a.example"), HARK_NONE);
    expect_terms(world, at, 8, terms);
    assert_int_equal(terms->incarnation, 2);
    assert_string_equal(terms->title, "Another title");
    assert_int_equal(terms->node_count, 2);
    assert_string_equal(terms->nodes[1].name, "a.example");
    assert_memory_equal(&terms->steward, world_key(third), HARK_KEY_SIZE);
    assert_memory_equal(&terms->steward_box, world_box(third), HARK_KEY_SIZE);
    assert_int_equal(terms->recover_count, 0);
    /* Without the policy between, the words may be of the home's own batch. */
    at[6] = at[7];
    assert_int_equal(read_terms(world, at, 7, terms), 0);
    assert_int_equal(terms->recover_count, 2);
    assert_true(hark_hash_equal(&terms->recovers[1], &world->log[at[5]]->entry.id));
    free(terms);
    world_free(world);
}

/* What the old home signed up to there binds it; of words for a new steward that come with the
 * new home it knew nothing. */
static void test_join__terms_say_where_the_home_begins(void **state)
{
    (void)state;
    struct world *own = world_new(5, NULL, NULL);
    struct hark_terms *terms = calloc(1, sizeof(*terms));
    uint64_t at[5], first = 0;

    assert_non_null(terms);
    for (int between = 0; between < 2; between++) {
        struct world *world = world_new(2, NULL, NULL);
        uint32_t key = world_new_key(world);

        at[0] = 0;
        at[1] = add_node(world, "a.example");
        for (uint32_t i = 0; i < 2; i++)
            at[2 + i] = world_say(world, WORLD_RECOVERY + i, "recover",
                                  world_fields_new_key(world, key, WORLD_NO_KEY), HARK_NONE);
        for (int i = 0; i < between; i++) /* which is not shown */
            (void)world_say(world, key, "policy", policy(NULL), HARK_NONE);
        at[4] = world_say(world, key, "home", world_fields_home(world, "a.example"), HARK_NONE);
        assert_int_equal(read_terms(world, at, 5, terms), 0);
        assert_int_equal(terms->home_size, at[4]);
        /* A log that has not had the words; one that has them right there, or earlier. */
        assert_int_equal(hark_terms_home_first(terms, own->state, &first, NULL), 0);
        assert_int_equal(first, at[4] - 2);
        assert_int_equal(hark_terms_home_first(terms, world->state, &first, NULL), 0);
        assert_int_equal(first, between == 0 ? at[2] : at[4]);
        world_free(world);
    }
    free(terms);
    world_free(own);
}

/* Protects a joiner from a node that shows what nobody in office said. */
static void test_join__terms_by_others_are_refused(void **state)
{
    (void)state;
    struct world *world = world_new(3, NULL, NULL), *elsewhere = world_new(4, NULL, NULL);
    struct hark_terms *terms = calloc(1, sizeof(*terms));
    uint32_t second = world_new_key(world);
    uint64_t early = world_say(world, WORLD_STEWARD, "policy", policy("Early"), HARK_NONE);
    uint64_t handover = world_say(world, WORLD_STEWARD, "handover",
                                  world_fields_new_key(world, second, WORLD_NO_KEY), HARK_NONE);
    uint64_t late = world_say(world, second, "policy", policy("Late"), HARK_NONE);
    uint64_t node = add_node(elsewhere, "a.example");
    struct world_draft draft = {.by = WORLD_STEWARD, .kind = "policy", .fields = policy("Void")};
    uint64_t after = world_log(world, &draft, HARK_E_VOID_STEWARD);
    struct world_draft moves = {
        .by = WORLD_STEWARD, .kind = "home", .fields = world_fields_home(world, WORLD_HOME)};
    uint64_t moved = world_log(world, &moves, HARK_E_VOID_STEWARD);
    struct hark_terms_entry foreign[] = {shown(world, 0), shown(elsewhere, node)};
    const uint64_t nobody[] = {early}, unsaid[] = {0, late}, old[] = {0, handover, after},
                   backwards[] = {0, handover, early}, away[] = {0, handover, moved},
                   good[] = {0, early, handover, late}, twice[] = {0, early, early};

    assert_non_null(terms);
    assert_int_equal(read_terms(world, good, 4, terms), 0);
    assert_int_equal(read_terms(world, nobody, 0, terms), HARK_E_ENTRY_FIRST);
    assert_int_equal(read_terms(world, nobody, 1, terms), HARK_E_ENTRY_SPACE);
    assert_int_equal(read_terms(world, unsaid, 2, terms), HARK_E_VOID_STEWARD);
    assert_int_equal(read_terms(world, old, 3, terms), HARK_E_VOID_STEWARD);
    assert_int_equal(read_terms(world, backwards, 3, terms), HARK_E_VOID_STEWARD);
    assert_int_equal(read_terms(world, away, 3, terms), HARK_E_VOID_STEWARD);
    assert_int_equal(read_terms(world, twice, 3, terms), HARK_E_ENTRY_PREVIOUS);
    assert_int_equal(hark_terms_read(terms, &world->space, foreign, 2, NULL), HARK_E_ENTRY_SPACE);
    assert_int_equal(hark_terms_read(terms, &elsewhere->space, foreign, 1, NULL),
                     HARK_E_ENTRY_SPACE);
    free(terms);
    world_free(world);
    world_free(elsewhere);
}

/* One byte anywhere in what is shown. */
static void test_join__terms_that_were_altered_are_refused(void **state)
{
    (void)state;
    struct world *world = world_new(5, NULL, NULL);
    struct hark_terms *terms = calloc(1, sizeof(*terms));
    struct hark_terms_entry entries[2];
    uint8_t copy[8192];

    assert_non_null(terms);
    (void)world_say(world, WORLD_STEWARD, "policy", policy("A title"), HARK_NONE);
    for (size_t which = 0; which < 4; which++) {
        struct hark_span *span;

        entries[0] = shown(world, 0);
        entries[1] = shown(world, 1);
        span = which % 2 == 0 ? &entries[which / 2].entry : &entries[which / 2].payload;
        assert_true(span->size <= sizeof(copy));
        for (size_t i = 0; i < span->size; i += 7) {
            struct hark_span was = *span;

            memcpy(copy, span->data, span->size);
            copy[i] ^= 1;
            span->data = copy;
            if (hark_terms_read(terms, &world->space, entries, 2, NULL) == 0)
                fail_msg("byte %zu of part %zu may be anything", i, which);
            *span = was;
        }
    }
    free(terms);
    world_free(world);
}

static void test_join__one_word_of_two_puts_nobody_in_office(void **state)
{
    (void)state;
    struct world *world = world_new(6, NULL, NULL);
    struct hark_terms *terms = calloc(1, sizeof(*terms));
    uint32_t other = world_new_key(world);
    uint64_t word = world_say(world, WORLD_RECOVERY, "recover",
                              world_fields_new_key(world, other, WORLD_NO_KEY), HARK_NONE);
    const uint64_t at[] = {0, word};

    assert_non_null(terms);
    expect_terms(world, at, 2, terms);
    assert_memory_equal(&terms->steward, world_key(WORLD_STEWARD), HARK_KEY_SIZE);
    free(terms);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join__what_is_sealed_opens_the_same_for_its_steward_alone),
        cmocka_unit_test(test_join__its_fields_are_those_of_an_admit_that_stands),
        cmocka_unit_test(test_join__reads_no_other_form),
        cmocka_unit_test(test_join__a_showing_goes_along),
        cmocka_unit_test(test_join__a_name_that_no_profile_may_hold_is_not_sent),
        cmocka_unit_test(test_join__terms_of_a_new_space_come_from_its_first_entry),
        cmocka_unit_test(test_join__terms_follow_policies_nodes_and_stewards),
        cmocka_unit_test(test_join__terms_say_where_the_home_begins),
        cmocka_unit_test(test_join__terms_by_others_are_refused),
        cmocka_unit_test(test_join__terms_that_were_altered_are_refused),
        cmocka_unit_test(test_join__one_word_of_two_puts_nobody_in_office),
    };
    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
