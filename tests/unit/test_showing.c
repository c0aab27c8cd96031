/*
 * schemas/showing: which member of a community somebody in a group is, and everything for
 * which the same proof does not hold (PROTOCOL.md 10.11).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "schemas/showing.h"
#include "tests/unit/ok.h"

enum { IN_COMMUNITY = 1, IN_GROUP = 2, STRANGER = 3 };

static const struct hark_hash community = {{0xc0, 1}}, group = {{0x60, 2}}, elsewhere = {{0xee, 3}};

static struct hark_signer *signer_of(uint8_t number)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_signer *signer = NULL;
    struct hark_seed *seed = NULL;

    memset(bytes, number, sizeof(bytes));
    OK(hark_seed_from_bytes(&seed, bytes, &err));
    OK(hark_signer_new(&signer, seed, &err));
    hark_seed_free(seed);
    return signer;
}

static struct hark_key key_of(uint8_t number)
{
    struct hark_signer *signer = signer_of(number);
    struct hark_key key = *hark_signer_key(signer);

    hark_signer_free(signer);
    return key;
}

static void make(struct hark_showing *showing, struct hark_showing_place *place)
{
    struct hark_signer *signer = signer_of(IN_COMMUNITY);

    *place = (struct hark_showing_place){.group = group, .member = key_of(IN_GROUP)};
    OK(hark_showing_make(showing, place, &community, signer, &err));
    hark_signer_free(signer);
}

static void refused(const struct hark_showing *showing, const struct hark_showing_place *place)
{
    assert_int_equal(hark_showing_check(showing, place, NULL), HARK_E_SHOWING);
}

static void test_holds(void **state)
{
    struct hark_showing showing, again;
    struct hark_showing_place place;
    json_t *fields = NULL;

    (void)state;
    make(&showing, &place);
    OK(hark_showing_check(&showing, &place, &err));
    OK(hark_showing_write(&showing, &fields, &err));
    OK(hark_showing_read(&again, fields, &err));
    assert_memory_equal(&again, &showing, sizeof(again));
    json_decref(fields);
}

static void test_replayed(void **state)
{
    struct hark_showing showing, other;
    struct hark_showing_place place, there;

    (void)state;
    make(&showing, &place);
    there = place;
    there.group = elsewhere;
    refused(&showing, &there);
    there = place;
    there.member = key_of(STRANGER);
    refused(&showing, &there);
    other = showing;
    other.community = elsewhere;
    refused(&other, &place);
    other = showing;
    other.key = key_of(STRANGER);
    refused(&other, &place);
}

static void test_forged(void **state)
{
    struct hark_showing showing;
    struct hark_showing_place place;

    (void)state;
    make(&showing, &place);
    for (size_t i = 0; i < sizeof(showing.proof); i++) {
        showing.proof[i] ^= 1;
        refused(&showing, &place);
        showing.proof[i] ^= 1;
    }
    OK(hark_showing_check(&showing, &place, &err));
}

/* The words are the ones that PROTOCOL.md gives, under that namespace and no other. */
static void sign_by_hand(struct hark_showing *showing, const struct hark_showing_place *place,
                         const char *namespace_)
{
    struct hark_signer *signer = signer_of(IN_COMMUNITY);
    struct hark_buf text = hark_buf_init(1024);
    struct hark_sshsig sig = {0};

    OK(hark_buf_append_str(&text, "group ", &err));
    OK(hark_buf_append_hex(&text, place->group.bytes, 32, &err));
    OK(hark_buf_append_str(&text, "\nkey ", &err));
    OK(hark_buf_append_hex(&text, place->member.bytes, 32, &err));
    OK(hark_buf_append_str(&text, "\ncommunity ", &err));
    OK(hark_buf_append_hex(&text, showing->community.bytes, 32, &err));
    OK(hark_buf_append_str(&text, "\n", &err));
    OK(hark_sshsig_make(&sig, signer, namespace_, hark_buf_span(&text), &err));
    memcpy(showing->proof, sig.signature, sizeof(showing->proof));
    hark_buf_free(&text);
    hark_signer_free(signer);
}

static void test_namespace(void **state)
{
    struct hark_showing showing;
    struct hark_showing_place place;

    (void)state;
    make(&showing, &place);
    sign_by_hand(&showing, &place, "hark-showing");
    OK(hark_showing_check(&showing, &place, &err));
    sign_by_hand(&showing, &place, "hark-join");
    refused(&showing, &place);
}

/* The same space, or the same key: a good signature, and nothing shown by it. */
static void test_itself(void **state)
{
    struct hark_signer *signer = signer_of(IN_COMMUNITY);
    struct hark_showing showing;
    struct hark_showing_place place;

    (void)state;
    make(&showing, &place);
    assert_int_equal(hark_showing_make(&showing, &place, &group, signer, NULL), HARK_E_USAGE);
    sign_by_hand(&showing, &place, HARK_SHOWING_NAMESPACE);
    refused(&showing, &place);
    make(&showing, &place);
    place.member = key_of(IN_COMMUNITY);
    assert_int_equal(hark_showing_make(&showing, &place, &community, signer, NULL), HARK_E_USAGE);
    sign_by_hand(&showing, &place, HARK_SHOWING_NAMESPACE);
    refused(&showing, &place);
    hark_signer_free(signer);
}

static void not_read(json_t *fields)
{
    struct hark_showing showing;

    assert_int_equal(hark_showing_read(&showing, fields, NULL), HARK_E_SHOWING);
    json_decref(fields);
}

static json_t *with(const char *name, json_t *value)
{
    struct hark_showing showing;
    struct hark_showing_place place;
    json_t *fields = NULL;

    make(&showing, &place);
    OK(hark_showing_write(&showing, &fields, &err));
    assert_int_equal(value == NULL ? json_object_del(fields, name)
                                   : json_object_set_new(fields, name, value),
                     0);
    return fields;
}

static void test_form(void **state)
{
    char hex[2 * HARK_SIGNATURE_SIZE + 3];

    (void)state;
    memset(hex, '0', sizeof(hex));
    not_read(json_array());
    not_read(json_object());
    not_read(with("more", json_true()));
    not_read(with("proof", NULL));
    not_read(with("key", json_integer(1)));
    not_read(with("proof", json_stringn(hex, 126)));
    not_read(with("proof", json_stringn(hex, 130)));
    not_read(with("community", json_stringn(hex, 63)));
    hex[3] = 'A';
    not_read(with("key", json_stringn(hex, 64)));
    hex[3] = '0';
    hex[64] = '\0';
    not_read(with("key", json_stringn(hex, 65)));
    hex[3] = 'g';
    not_read(with("key", json_stringn(hex, 64)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds),  cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_forged), cmocka_unit_test(test_namespace),
        cmocka_unit_test(test_itself), cmocka_unit_test(test_form),
    };

    if (hark_crypto_init(NULL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
