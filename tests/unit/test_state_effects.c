/*
 * schemas/state: what a standing entry does (PROTOCOL.md 6.2), who is erased with
 * whom (4, 6.2), terms and proofs (8.2, 8.3), a store that fails in the middle, and
 * the vectors of tests/vectors/state.json. With HARK_WRITE_VECTORS=1 the vectors
 * are written anew instead of being read.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/support/worldgen.h"

static json_t *text(const char *field, const char *value)
{
    return json_pack("{s:s}", field, value);
}

static struct hark_hash state_hash(struct hark_state *state)
{
    struct hark_hash hash;

    assert_int_equal(hark_state_hash(state, &hash, NULL), 0);
    return hash;
}

static uint64_t steward_says(struct world *w, const char *kind, json_t *fields)
{
    return world_say(w, WORLD_STEWARD, kind, fields, HARK_NONE);
}

static uint64_t admit(struct world *w, uint32_t key, const char *role)
{
    return steward_says(w, "admit", world_fields_admit(w, key, role, WORLD_NO_KEY));
}

static const struct hark_effect *effect_of(const struct world *w, uint64_t position)
{
    return &w->log[position]->effect;
}

static struct hark_member_object member(struct world *w, uint32_t ordinal)
{
    struct hark_member_object o;

    assert_int_equal(hark_state_member(w->state, ordinal, &o, NULL), 0);
    return o;
}

static struct hark_key_object key(struct world *w, uint32_t pool_key)
{
    struct hark_key_object o;
    uint32_t number = 0;
    bool found = false;

    assert_int_equal(hark_state_find_key(w->state, world_key(pool_key), &found, &number, NULL), 0);
    assert_true(found);
    assert_int_equal(hark_state_key(w->state, number, &o, NULL), 0);
    return o;
}

/* The key's X25519 key is that of `box` in the pool. */
static void assert_box(struct world *w, uint32_t pool_key, uint32_t box)
{
    struct hark_key_object o = key(w, pool_key);

    assert_true(hark_key_equal(&o.box, world_box(box)));
}

static struct hark_entry_object entry(struct world *w, uint64_t position)
{
    struct hark_entry_object o;

    assert_int_equal(hark_state_entry(w->state, position, &o, NULL), 0);
    return o;
}

static bool erased(struct world *w, uint64_t position)
{
    bool is = false;

    assert_int_equal(hark_state_is_erased(w->state, position, &w->log[position]->entry, &is, NULL),
                     0);
    return is;
}

static uint64_t say_about(struct world *w, uint32_t by, const char *kind, json_t *fields,
                          const uint64_t *positions, size_t count)
{
    struct world_draft d = {.by = by, .kind = kind, .fields = fields, .re_count = count};

    for (size_t i = 0; i < count; i++)
        d.re[i] = w->log[positions[i]]->entry.id;
    return world_log(w, &d, 0);
}

/* ---- Effects --------------------------------------------------------------- */

static void test_state_effects__founding(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    const struct hark_space_object *space = hark_state_space_object(w->state);
    uint64_t counts[HARK_SECTION_HASHED_];
    const uint64_t want[HARK_SECTION_HASHED_] = {1, 0, 5, 1, 0, 1, 0};
    struct hark_node_object home;
    struct hark_key_object o;

    (void)arg;
    assert_int_equal(space->rules, 1);
    assert_int_equal(space->steward_key, 0);
    assert_int_equal(space->home, 0);
    assert_int_equal(space->incarnation, 1);
    assert_int_equal(space->policy, 0);
    assert_true(space->closed == HARK_NONE);
    assert_int_equal(space->recovery_threshold, 2);
    assert_int_equal(space->recovery_count, 3);
    assert_int_equal(hark_state_counts(w->state, counts, NULL), 0);
    assert_memory_equal(counts, want, sizeof(want));
    assert_int_equal(hark_state_node(w->state, 0, &home, NULL), 0);
    assert_string_equal(home.name, WORLD_HOME);
    assert_int_equal(hark_state_key(w->state, 1, &o, NULL), 0);
    assert_true(hark_key_equal(&o.key, world_key(WORLD_AUTHOR)));
    assert_int_equal(o.of, HARK_KEY_OF_NODE);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(hark_state_key(w->state, 2 + i, &o, NULL), 0);
        assert_true(hark_key_equal(&o.key, world_key(WORLD_RECOVERY + i)));
        assert_int_equal(o.of, HARK_KEY_OF_RECOVERY);
        assert_int_equal(o.owner, i);
    }
    assert_int_equal(effect_of(w, 0)->author_of, HARK_KEY_OF_STEWARD);
    assert_int_equal(hark_state_node(w->state, 1, &home, NULL), HARK_E_NOT_FOUND);
    world_free(w);
}

static void test_state_effects__members_come_and_go(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t a = world_new_key(w), a2 = world_new_key(w), b = world_new_key(w);
    uint64_t first, second, gone;

    (void)arg;
    first = admit(w, a, "member");
    assert_true(effect_of(w, first)->admitted);
    assert_int_equal(effect_of(w, first)->member, 0);
    second = admit(w, b, "staff");
    assert_int_equal(effect_of(w, second)->member, 1);
    assert_int_equal(member(w, 1).role, HARK_ROLE_STAFF);
    assert_int_equal(member(w, 1).admit, second);
    assert_int_equal(member(w, 1).erased_below, 0);
    assert_int_equal(key(w, a).since, first);
    assert_true(key(w, a).until == HARK_NONE);
    assert_box(w, a, a);

    gone = steward_says(w, "device", world_fields_device(w, 0, a2));
    assert_int_equal(key(w, a2).owner, 0);
    assert_int_equal(effect_of(w, gone)->member, 0);
    assert_false(effect_of(w, gone)->admitted);
    steward_says(w, "role", json_pack("{s:i, s:s}", "member", 0, "role", "staff"));
    assert_int_equal(member(w, 0).role, HARK_ROLE_STAFF);
    world_say(w, a2, "rekey", json_pack("{s:o}", "box", world_hex(world_box(b)->bytes, 32)),
              HARK_NONE);
    assert_box(w, a2, b);
    assert_box(w, a, a);

    gone = steward_says(w, "remove", json_pack("{s:i}", "member", 0));
    assert_int_equal(member(w, 0).status, HARK_STATUS_REMOVED);
    assert_int_equal(key(w, a).until, gone);
    assert_int_equal(key(w, a2).until, gone);
    gone = world_say(w, b, "leave", NULL, HARK_NONE);
    assert_int_equal(member(w, 1).status, HARK_STATUS_LEFT);
    assert_int_equal(key(w, b).until, gone);
    assert_int_equal(effect_of(w, gone)->member, 1);
    world_free(w);
}

/* Ending a member's last key does not end the membership. */
static void test_state_effects__a_member_without_keys_stays(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t a = world_new_key(w), a2 = world_new_key(w);
    uint64_t ended;

    (void)arg;
    admit(w, a, "member");
    ended = steward_says(w, "device",
                         json_pack("{s:s, s:i, s:o}", "action", "remove", "member", 0, "key",
                                   world_hex(world_key(a)->bytes, 32)));
    assert_int_equal(key(w, a).until, ended);
    assert_int_equal(member(w, 0).status, HARK_STATUS_ACTIVE);
    steward_says(w, "device", world_fields_device(w, 0, a2));
    world_say(w, a2, "topic", text("title", "Again"), HARK_NONE);
    /* Only keys still in force end with the member. */
    steward_says(w, "remove", json_pack("{s:i}", "member", 0));
    assert_int_equal(key(w, a).until, ended);
    world_free(w);
}

static void test_state_effects__tickets_are_counted(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t ticket = world_new_key(w);
    struct hark_ticket_object o;
    uint64_t invited =
        steward_says(w, "invite", world_fields_invite(ticket, "member", 3, w->now_ms + 3600000));
    json_t *fields;
    uint64_t revoked;

    (void)arg;
    for (int i = 0; i < 2; i++)
        steward_says(w, "admit", world_fields_admit(w, world_new_key(w), "member", ticket));
    admit(w, world_new_key(w), "member"); /* without a ticket: no use of it */
    assert_int_equal(hark_state_ticket(w->state, 0, &o, NULL), 0);
    assert_int_equal(o.used, 2);
    assert_int_equal(o.uses, 3);
    assert_int_equal(o.position, invited);
    assert_true(o.revoked == HARK_NONE);
    fields = json_pack("{s:o}", "ticket", world_hex(world_key(ticket)->bytes, 32));
    revoked = steward_says(w, "revoke", fields);
    assert_int_equal(hark_state_ticket(w->state, 0, &o, NULL), 0);
    assert_int_equal(o.revoked, revoked);
    world_free(w);
}

static void test_state_effects__space_fields(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    const struct hark_space_object *space = hark_state_space_object(w->state);
    uint32_t log = world_new_key(w), cosigner = world_new_key(w), author = world_new_key(w);
    struct hark_node_object node;
    uint64_t at;

    (void)arg;
    at = steward_says(w, "policy", json_pack("{s:{s:i}}", "policy", "quorum", 2));
    assert_int_equal(space->policy, at);
    at = steward_says(w, "node", world_fields_node("two.example", log, cosigner, author));
    assert_int_equal(hark_state_node(w->state, 1, &node, NULL), 0);
    assert_int_equal(node.since, at);
    assert_int_equal(key(w, author).owner, 1);
    steward_says(w, "home", world_fields_home(w, "two.example"));
    assert_int_equal(space->home, 1);
    assert_int_equal(space->incarnation, 2);
    steward_says(w, "home", world_fields_home(w, "two.example")); /* it lost its disk */
    assert_int_equal(space->incarnation, 3);
    at = steward_says(w, "node", json_pack("{s:s, s:s}", "action", "remove", "name", WORLD_HOME));
    assert_int_equal(hark_state_node(w->state, 0, &node, NULL), 0);
    assert_int_equal(node.until, at);
    assert_int_equal(key(w, WORLD_AUTHOR).until, at);
    at = steward_says(w, "close", NULL);
    assert_int_equal(space->closed, at);
    world_free(w);
}

static void test_state_effects__own_kinds(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t a = world_new_key(w);
    size_t builtin = hark_kinds_builtin_count(hark_state_kinds(w->state));
    struct hark_hash hash;
    uint64_t at;

    (void)arg;
    admit(w, a, "member");
    steward_says(w, "kind", world_fields_kind("x-thing"));
    steward_says(w, "kind", world_fields_kind("x-other"));
    at = world_say(w, a, "x-other", text("body", "One"), HARK_NONE);
    assert_int_equal(entry(w, at).kind, builtin + 1);
    /* They are there again when the store is opened again. */
    hash = state_hash(w->state);
    hark_state_free(w->state);
    {
        struct hark_store store = hark_memstore_store(w->mem);
        struct hark_hash again;

        assert_int_equal(hark_state_open(&w->state, &w->space, &store, NULL), 0);
        again = state_hash(w->state);
        assert_true(hark_hash_equal(&hash, &again));
    }
    assert_int_equal(hark_kinds_find(hark_state_kinds(w->state), "x-other"), builtin + 1);
    at = world_say(w, a, "x-thing", text("body", "Two"), at);
    assert_int_equal(entry(w, at).kind, builtin);
    world_say(w, a, "erase", NULL, at);
    assert_true(erased(w, at));
    world_free(w);
}

static void test_state_effects__the_latest_vote_of_a_member(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t a = world_new_key(w), a2 = world_new_key(w), b = world_new_key(w);
    uint64_t idea, other, votes[5];

    (void)arg;
    admit(w, a, "member");
    admit(w, b, "member");
    steward_says(w, "device", world_fields_device(w, 0, a2));
    idea = world_say(w, a, "idea", text("body", "A bench"), HARK_NONE);
    other = world_say(w, a, "idea", text("body", "A tree"), HARK_NONE);
    votes[0] = world_say(w, a, "vote", text("choice", "agree"), idea);
    votes[1] = world_say(w, b, "vote", text("choice", "agree"), idea);
    votes[2] = world_say(w, a, "vote", text("choice", "agree"), other);
    votes[3] = world_say(w, a2, "vote", text("choice", "pass"), idea);
    votes[4] = world_say(w, a, "vote", text("choice", "disagree"), idea);
    for (int i = 0; i < 3; i++) {
        assert_true(entry(w, votes[i]).replaces == HARK_NONE);
        assert_true(effect_of(w, votes[i])->replaces == HARK_NONE);
    }
    assert_int_equal(entry(w, votes[3]).replaces, votes[0]);
    assert_int_equal(entry(w, votes[4]).replaces, votes[3]);
    assert_int_equal(effect_of(w, votes[4])->replaces, votes[3]);
    world_free(w);
}

static void test_state_effects__the_first_hide_and_the_used_request(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t a = world_new_key(w), sam = world_new_key(w);
    uint64_t idea, post, request, hide, role;

    (void)arg;
    admit(w, a, "member");
    admit(w, sam, "staff");
    idea = world_say(w, a, "idea", text("body", "A bench"), HARK_NONE);
    post = world_say(w, a, "post", text("body", "Please"), idea);
    hide = world_say(w, sam, "hide", text("reason", "Spam"), idea);
    {
        const uint64_t both[2] = {idea, post};
        uint64_t again = say_about(w, sam, "hide", text("reason", "Spam"), both, 2);

        assert_int_equal(entry(w, idea).hidden_by, hide);
        assert_int_equal(entry(w, post).hidden_by, again);
    }
    request = world_say(w, sam, "request", text("action", "role"), HARK_NONE);
    role = world_say(w, WORLD_STEWARD, "role",
                     json_pack("{s:i, s:s}", "member", 0, "role", "staff"), request);
    assert_int_equal(entry(w, request).used_by, role);
    world_free(w);
}

/* ---- Stewards -------------------------------------------------------------- */

static uint64_t recover(struct world *w, uint32_t by, uint32_t new_key)
{
    return world_say(w, WORLD_RECOVERY + by, "recover",
                     world_fields_new_key(w, new_key, WORLD_NO_KEY), HARK_NONE);
}

static uint32_t steward_now(struct world *w)
{
    struct hark_key_object o;

    assert_int_equal(
        hark_state_key(w->state, hark_state_space_object(w->state)->steward_key, &o, NULL), 0);
    assert_int_equal(o.of, HARK_KEY_OF_STEWARD);
    assert_true(o.until == HARK_NONE);
    return world_key_number(&o.key);
}

static void test_state_effects__handover_and_recovery(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t second = world_new_key(w), third = world_new_key(w), fourth = world_new_key(w);
    uint64_t at;

    (void)arg;
    at = steward_says(w, "handover", world_fields_new_key(w, second, WORLD_NO_KEY));
    assert_int_equal(steward_now(w), second);
    assert_int_equal(key(w, WORLD_STEWARD).until, at);
    world_say(w, second, "policy", json_pack("{s:{}}", "policy"), HARK_NONE);

    /* Two of three for the same keys; a word for others does not count with them. */
    recover(w, 0, third);
    recover(w, 1, fourth);
    assert_int_equal(steward_now(w), second);
    at = recover(w, 2, third);
    assert_int_equal(steward_now(w), third);
    assert_int_equal(key(w, second).until, at);
    /* The word for the fourth was for the steward before: counted anew. */
    recover(w, 2, fourth);
    assert_int_equal(steward_now(w), third);
    recover(w, 0, fourth);
    assert_int_equal(steward_now(w), fourth);
    world_free(w);
}

/* The same Ed25519 key with another X25519 key is another proposal. */
static void test_state_effects__recovery_keys_agree_on_both_keys(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t new_key = world_new_key(w);
    struct hark_sshsig sig;
    struct hark_buf message = hark_buf_init(1024);
    struct hark_hash terms = hark_sha256(hark_span_str("terms"));
    json_t *fields = world_fields_new_key(w, new_key, WORLD_NO_KEY);

    (void)arg;
    recover(w, 0, new_key);
    assert_int_equal(hark_join_message(&message, &w->space, world_key(new_key), world_box(9), NULL,
                                       &terms, NULL),
                     0);
    assert_int_equal(
        hark_sshsig_make(&sig, world_signer(new_key), "hark-join", hark_buf_span(&message), NULL),
        0);
    json_object_set_new(fields, "box", world_hex(world_box(9)->bytes, 32));
    json_object_set_new(fields, "proof", world_hex(sig.signature, 64));
    world_say(w, WORLD_RECOVERY + 1, "recover", fields, HARK_NONE);
    assert_int_equal(steward_now(w), WORLD_STEWARD);
    recover(w, 2, new_key);
    assert_int_equal(steward_now(w), new_key);
    hark_buf_free(&message);
    world_free(w);
}

/* ---- Erasing --------------------------------------------------------------- */

static void test_state_effects__erase_an_entry(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t a = world_new_key(w), sam = world_new_key(w);
    uint64_t ideas[2], first, at;

    (void)arg;
    admit(w, a, "member");
    admit(w, sam, "staff");
    ideas[0] = world_say(w, a, "idea", text("body", "A bench"), HARK_NONE);
    ideas[1] = world_say(w, a, "idea", text("body", "A tree"), HARK_NONE);
    first = world_say(w, a, "erase", NULL, ideas[0]);
    assert_true(erased(w, ideas[0]));
    assert_false(erased(w, ideas[1]));
    at = say_about(w, sam, "erase", text("ground", "asked"), ideas, 2);
    assert_int_equal(entry(w, ideas[0]).erased_by, first);
    assert_int_equal(entry(w, ideas[1]).erased_by, at);
    assert_true(erased(w, ideas[1]));
    assert_int_equal(effect_of(w, at)->erased_member_count, 0);
    /* Never-erased payloads stay. */
    assert_false(erased(w, 1));
    world_free(w);
}

/* Everything of a member's: by all keys, with cohorts, before that position. */
static void test_state_effects__erase_a_member(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t a = world_new_key(w), a2 = world_new_key(w), b = world_new_key(w);
    uint64_t admitted, other, mine[3], theirs[2], after, rekey, at;
    struct world_draft d;

    (void)arg;
    admitted = admit(w, a, "member");
    other = admit(w, b, "member");
    steward_says(w, "device", world_fields_device(w, 0, a2));
    mine[0] = world_say(w, a, "idea", text("body", "A bench"), HARK_NONE);
    mine[1] = world_say(w, a2, "post", text("body", "Please"), mine[0]);
    mine[2] = world_say(w, WORLD_STEWARD, "cohort",
                        json_pack("{s:s, s:s}", "dimension", "market", "value", "de"), admitted);
    theirs[0] = world_say(w, b, "vote", text("choice", "agree"), mine[0]);
    theirs[1] = world_say(w, WORLD_STEWARD, "cohort",
                          json_pack("{s:s, s:s}", "dimension", "market", "value", "fr"), other);
    rekey = world_say(w, a, "rekey", json_pack("{s:o}", "box", world_hex(world_box(9)->bytes, 32)),
                      HARK_NONE);
    /* A void entry's words are hers as well. */
    d = (struct world_draft){
        .by = a, .kind = "hide", .fields = text("reason", "No"), .re_count = 1};
    d.re[0] = w->log[theirs[0]]->entry.id;
    after = world_log(w, &d, HARK_E_VOID_ROLE);
    at = world_say(w, a, "erase", NULL, admitted);
    assert_true(erased(w, after));
    assert_int_equal(effect_of(w, at)->erased_member_count, 1);
    assert_int_equal(effect_of(w, at)->erased_members[0], 0);
    assert_int_equal(member(w, 0).erased_below, at);
    assert_int_equal(member(w, 1).erased_below, 0);
    for (int i = 0; i < 3; i++)
        assert_true(erased(w, mine[i]));
    for (int i = 0; i < 2; i++)
        assert_false(erased(w, theirs[i]));
    assert_false(erased(w, rekey));
    assert_false(erased(w, admitted));
    assert_true(entry(w, admitted).erased_by == HARK_NONE);
    after = world_say(w, a, "idea", text("body", "A pond"), HARK_NONE);
    assert_false(erased(w, after));
    at = world_say(w, a, "erase", NULL, admitted);
    assert_int_equal(member(w, 0).erased_below, at);
    assert_true(erased(w, after));
    world_free(w);
}

/* A payload is its first logger's: under a second author it says nothing, and
 * erasing the second entry leaves the first one's words. */
static void test_state_effects__a_payload_is_its_first_loggers(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint32_t a = world_new_key(w), a2 = world_new_key(w), b = world_new_key(w);
    struct world_draft d = {.kind = "idea"};
    uint64_t first, foreign, again;

    (void)arg;
    admit(w, a, "member");
    admit(w, b, "member");
    steward_says(w, "device", world_fields_device(w, 0, a2));
    first = world_say(w, a, "idea", text("body", "A bench"), HARK_NONE);
    d.raw = w->log[first]->payload;
    d.by = b;
    foreign = world_log(w, &d, 0);
    assert_true(effect_of(w, foreign)->payload_foreign);
    world_say(w, b, "erase", NULL, foreign);
    assert_false(erased(w, first));
    assert_false(erased(w, foreign)); /* the bytes are a's, and a has not erased them */
    assert_true(entry(w, foreign).erased_by != HARK_NONE);

    /* Another of the same member's keys is the same author: erasing the repeated
     * entry erases the payload everywhere, and for ever. */
    d.by = a2;
    again = world_log(w, &d, 0);
    assert_false(effect_of(w, again)->payload_foreign);
    world_say(w, a2, "erase", NULL, again);
    assert_true(erased(w, again));
    assert_true(erased(w, first));
    assert_true(erased(w, foreign));
    assert_true(entry(w, first).erased_by == HARK_NONE);
    again = world_log(w, &d, 0);
    assert_true(erased(w, again));
    world_free(w);
}

/* ---- Terms and proofs ------------------------------------------------------ */

static int id_at(void *arg, uint64_t position, struct hark_hash *id, struct hark_err *err)
{
    const struct world *w = arg;

    (void)err;
    *id = w->log[position]->entry.id;
    return 0;
}

static void hex_line(struct hark_buf *buf, const struct hark_hash *hash)
{
    assert_int_equal(hark_buf_append_hex(buf, hash->bytes, sizeof(hash->bytes), NULL), 0);
    assert_int_equal(hark_buf_append_byte(buf, '\n', NULL), 0);
}

static void assert_terms(struct world *w, const uint64_t *positions, size_t count)
{
    struct hark_buf buf = hark_buf_init(4096);
    struct hark_hash terms;
    struct hark_hash want;

    assert_int_equal(hark_buf_append_str(&buf, "hark/terms/1\n", NULL), 0);
    hex_line(&buf, &w->space);
    for (size_t i = 0; i < count; i++)
        hex_line(&buf, &w->log[positions[i]]->entry.id);
    want = hark_sha256(hark_buf_span(&buf));
    assert_int_equal(hark_state_terms(w->state, id_at, w, &terms, NULL), 0);
    assert_true(hark_hash_equal(&want, &terms));
    hark_buf_free(&buf);
}

static void test_state_effects__terms_follow_policy_and_nodes(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    uint64_t p[4] = {0, 0};
    uint64_t two, three;

    (void)arg;
    assert_terms(w, p, 2);
    p[0] = steward_says(w, "policy", json_pack("{s:{}}", "policy"));
    assert_terms(w, p, 2);
    two = steward_says(
        w, "node", world_fields_node("two", world_new_key(w), world_new_key(w), world_new_key(w)));
    three = steward_says(
        w, "node",
        world_fields_node("three", world_new_key(w), world_new_key(w), world_new_key(w)));
    p[2] = two;
    p[3] = three;
    assert_terms(w, p, 4);
    steward_says(w, "node", json_pack("{s:s, s:s}", "action", "remove", "name", "two"));
    p[2] = three;
    assert_terms(w, p, 3);
    world_free(w);
}

/* ---- Opening --------------------------------------------------------------- */

static void test_state_effects__a_store_of_another_space_is_damaged(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    struct hark_store store = hark_memstore_store(w->mem);
    struct hark_state *state = NULL;
    struct hark_hash other = w->space;

    (void)arg;
    other.bytes[0] ^= 1;
    assert_int_equal(hark_state_open(&state, &other, &store, NULL), HARK_E_DAMAGED);
    assert_null(state);
    world_free(w);
}

/* Objects that are cut short or go on are found, whichever they are. */
static void test_state_effects__damaged_objects_are_found(void **arg)
{
    struct world *w = world_new(1, NULL, NULL);
    struct hark_store store = hark_memstore_store(w->mem);
    uint8_t object[HARK_OBJECT_MAX + 1];
    uint32_t ticket = world_new_key(w);
    struct hark_member_object m;
    struct hark_key_object k;
    struct hark_entry_object e;
    struct hark_ticket_object t;
    struct hark_node_object n;

    (void)arg;
    admit(w, world_new_key(w), "member");
    steward_says(w, "invite", world_fields_invite(ticket, "member", 1, w->now_ms));
    for (int longer = 0; longer <= 1; longer++) {
        for (int s = HARK_SECTION_MEMBER; s <= HARK_SECTION_NODE; s++) {
            size_t size = 0;
            size_t changed;

            assert_int_equal(store.get(store.arg, (enum hark_section)s, 0, object, &size, NULL), 0);
            object[size] = 0;
            changed = longer ? size + 1 : size - 1;
            assert_int_equal(store.put(store.arg, (enum hark_section)s, 0, object, changed, NULL),
                             0);
        }
        assert_int_equal(hark_state_member(w->state, 0, &m, NULL), HARK_E_DAMAGED);
        assert_int_equal(hark_state_key(w->state, 0, &k, NULL), HARK_E_DAMAGED);
        assert_int_equal(hark_state_entry(w->state, 0, &e, NULL), HARK_E_DAMAGED);
        assert_int_equal(hark_state_ticket(w->state, 0, &t, NULL), HARK_E_DAMAGED);
        assert_int_equal(hark_state_node(w->state, 0, &n, NULL), HARK_E_DAMAGED);
        /* One byte back (or on), for the second round. */
        for (int s = HARK_SECTION_MEMBER; longer == 0 && s <= HARK_SECTION_NODE; s++) {
            size_t size = 0;

            assert_int_equal(store.get(store.arg, (enum hark_section)s, 0, object, &size, NULL), 0);
            object[size] = 0xff;
            assert_int_equal(store.put(store.arg, (enum hark_section)s, 0, object, size + 1, NULL),
                             0);
        }
    }
    world_free(w);
}

/* ---- A store that fails ---------------------------------------------------- */

struct failing {
    struct hark_store store;
    int left; /* calls until one fails; negative: none does */
};

static bool fails(struct failing *f)
{
    return f->left >= 0 && f->left-- == 0;
}

#define OR_FAIL(call)                                                                              \
    struct failing *f = arg;                                                                       \
    return fails(f) ? hark_err_set(err, HARK_E_IO, "made to fail") : (call)

static int f_count(void *arg, enum hark_section s, uint64_t *count, struct hark_err *err)
{
    OR_FAIL(f->store.count(f->store.arg, s, count, err));
}

static int f_get(void *arg, enum hark_section s, uint64_t n, uint8_t *out, size_t *size,
                 struct hark_err *err)
{
    OR_FAIL(f->store.get(f->store.arg, s, n, out, size, err));
}

static int f_put(void *arg, enum hark_section s, uint64_t n, const uint8_t *bytes, size_t size,
                 struct hark_err *err)
{
    OR_FAIL(f->store.put(f->store.arg, s, n, bytes, size, err));
}

static int f_find(void *arg, enum hark_lookup l, struct hark_span k, bool *found, uint64_t *number,
                  struct hark_err *err)
{
    OR_FAIL(f->store.find(f->store.arg, l, k, found, number, err));
}

static int f_bind(void *arg, enum hark_lookup l, struct hark_span k, uint64_t number,
                  struct hark_err *err)
{
    OR_FAIL(f->store.bind(f->store.arg, l, k, number, err));
}

static int f_unbind(void *arg, enum hark_lookup l, struct hark_span k, struct hark_err *err)
{
    OR_FAIL(f->store.unbind(f->store.arg, l, k, err));
}

static int f_root(void *arg, enum hark_section s, struct hark_hash *root, struct hark_err *err)
{
    OR_FAIL(f->store.root(f->store.arg, s, root, err));
}

/* A world whose last entries are one of each kind that does something. */
static struct world *eventful_world(bool closed)
{
    struct world *w = world_new(5, NULL, NULL);
    uint32_t a = world_new_key(w), sam = world_new_key(w), ticket = world_new_key(w);
    uint64_t idea, request, admitted;

    admitted = admit(w, a, "member");
    admit(w, sam, "staff");
    steward_says(w, "invite", world_fields_invite(ticket, "member", 2, w->now_ms + 900000));
    steward_says(w, "admit", world_fields_admit(w, world_new_key(w), "member", ticket));
    steward_says(w, "device", world_fields_device(w, 0, world_new_key(w)));
    steward_says(w, "node",
                 world_fields_node("two", world_new_key(w), world_new_key(w), world_new_key(w)));
    steward_says(w, "kind", world_fields_kind("x-thing"));
    idea = world_say(w, a, "idea", text("body", "A bench"), HARK_NONE);
    world_say(w, a, "vote", text("choice", "agree"), idea);
    world_say(w, a, "vote", text("choice", "pass"), idea);
    world_say(w, sam, "hide", text("reason", "Spam"), idea);
    world_say(w, WORLD_STEWARD, "cohort",
              json_pack("{s:s, s:s}", "dimension", "market", "value", "de"), admitted);
    request = world_say(w, sam, "request", text("action", "role"), HARK_NONE);
    world_say(w, WORLD_STEWARD, "role", json_pack("{s:i, s:s}", "member", 0, "role", "staff"),
              request);
    world_say(w, sam, "erase", NULL, idea);
    world_say(w, sam, "erase", NULL, admitted);
    steward_says(w, "node", json_pack("{s:s, s:s}", "action", "remove", "name", "two"));
    recover(w, 0, 200);
    recover(w, 1, 200);
    world_say(w, 200, "remove", json_pack("{s:i}", "member", 0), HARK_NONE);
    if (closed)
        world_say(w, 200, "close", NULL, HARK_NONE);
    return w;
}

static uint64_t part(struct world *w, uint32_t number, uint32_t parts, uint32_t key)
{
    static const struct hark_hash COMMITMENT = {.bytes = {1, 2, 3}};

    return steward_says(
        w, "epoch", world_fields_part(world_next_epoch(w), number, parts, &COMMITMENT, &key, 1));
}

static json_t *bring_fresh_key(json_t *fields)
{
    static const uint8_t COMMITMENT[32] = {1, 2, 3};

    json_object_set_new(fields, "commitment", world_hex(COMMITMENT, sizeof(COMMITMENT)));
    return fields;
}

/* The same of an encrypted space: epochs come and go. */
static struct world *eventful_sealed_world(void)
{
    static const uint8_t SEALED[512] = {1}, CHARTER[512] = {2};
    static const struct hark_seen SEEN = {.size = 1};
    struct world *w = world_new_sealed(5, NULL, NULL);
    uint32_t a = world_new_key(w), b = world_new_key(w), c = world_new_key(w);
    struct world_draft sealed = {.by = a, .kind = "sealed", .seen = &SEEN};
    struct world_draft charter = {.by = WORLD_STEWARD, .kind = "charter"};
    json_t *fields;

    sealed.raw = hark_span(SEALED, sizeof(SEALED));
    charter.raw = hark_span(CHARTER, sizeof(CHARTER));
    admit(w, a, "member"); /* keys 5, 6 and 7 */
    admit(w, b, "staff");
    admit(w, c, "member");
    (void)world_log(w, &charter, 0);
    world_say(w, a, "erase", NULL, world_log(w, &sealed, 0));
    world_say(w, c, "leave", NULL, HARK_NONE);
    part(w, 0, 2, 5);
    world_say(w, a, "rekey", json_pack("{s:o}", "box", world_hex(world_box(b)->bytes, 32)),
              HARK_NONE);
    part(w, 0, 2, 5);
    part(w, 1, 2, 6);
    steward_says(w, "remove", bring_fresh_key(json_pack("{s:i}", "member", 2)));
    steward_says(w, "device", world_fields_device(w, 0, world_new_key(w)));
    part(w, 0, 2, 6);
    part(w, 1, 2, 8);
    fields = json_pack("{s:s, s:i}", "action", "remove", "member", 0);
    json_object_set_new(fields, "key", world_hex(world_key(a)->bytes, 32));
    steward_says(w, "device", bring_fresh_key(fields));
    part(w, 0, 1, 8);
    world_say(w, b, "leave", NULL, HARK_NONE);
    part(w, 0, 1, 8);
    return w;
}

/* Applies an entry with the n-th call of the store failing, for every n; after
 * each failure the store is put back and the state reads it again. */
static void apply_with_faults(struct failing *failing, struct hark_state *state,
                              struct hark_memstore **mem, const struct world_entry *e)
{
    struct hark_hash before = state_hash(state);
    struct hark_effect effect;

    for (int n = 0;; n++) {
        struct hark_memstore *saved = NULL;
        struct hark_hash after;
        int rc;

        assert_int_equal(hark_memstore_copy(&saved, *mem, NULL), 0);
        failing->left = n;
        rc = hark_state_apply(state, &e->entry, &e->arrival, e->payload, &effect, NULL);
        if (failing->left >= 0) { /* no call was left to fail */
            failing->left = -1;
            assert_int_equal(rc, 0);
            hark_memstore_free(saved);
            return;
        }
        assert_int_equal(rc, HARK_E_IO);
        hark_memstore_free(*mem);
        *mem = saved;
        failing->store = hark_memstore_store(saved);
        assert_int_equal(hark_state_reload(state, NULL), 0);
        after = state_hash(state);
        assert_true(hark_hash_equal(&before, &after));
        assert_true(n < 200);
    }
}

static void go_through_with_faults(const struct world *w)
{
    struct failing failing = {.left = -1};
    struct hark_store store = {.arg = &failing,
                               .count = f_count,
                               .get = f_get,
                               .put = f_put,
                               .find = f_find,
                               .bind = f_bind,
                               .unbind = f_unbind,
                               .root = f_root};
    struct hark_memstore *mem = NULL;
    struct hark_state *state = NULL;
    struct hark_hash want = state_hash(w->state);
    struct hark_hash got;

    assert_int_equal(hark_memstore_new(&mem, NULL), 0);
    failing.store = hark_memstore_store(mem);
    assert_int_equal(hark_state_open(&state, &w->space, &store, NULL), 0);
    for (size_t i = 0; i < w->count; i++)
        apply_with_faults(&failing, state, &mem, w->log[i]);
    got = state_hash(state);
    assert_true(hark_hash_equal(&want, &got));
    hark_state_free(state);
    hark_memstore_free(mem);
}

static void test_state_effects__a_failing_store_is_rolled_back(void **arg)
{
    struct world *w = eventful_world(true), *sealed = eventful_sealed_world();

    (void)arg;
    go_through_with_faults(w);
    go_through_with_faults(sealed);
    world_free(w);
    world_free(sealed);
}

/* ---- Vectors --------------------------------------------------------------- */

#define VECTORS        "tests/vectors/state.json"
#define SEALED_VECTORS "tests/vectors/state_sealed.json"

static const char *vectors_path(char *out, size_t size, const char *file)
{
    const char *top = getenv("HARK_SOURCE_DIR");

    (void)snprintf(out, size, "%s/%s", top != NULL ? top : ".", file);
    return out;
}

static json_t *json_span(struct hark_span span)
{
    return json_stringn((const char *)span.data, span.size);
}

static json_t *vector_of(const struct world_entry *e, const struct hark_kinds *kinds,
                         const struct hark_hash *hash)
{
    bool kept = !hark_kinds_get(kinds, e->effect.kind)->erasable && e->payload.data != NULL;

    return json_pack(
        "{s:s, s:o, s:o, s:o, s:I, s:I, s:s, s:o}", "kind", e->entry.kind, "object",
        json_span(e->object), "git_id", world_hex(e->arrival.git_id.bytes, HARK_GIT_ID_SIZE),
        "payload", kept ? json_span(e->payload) : json_null(), "arrival_ms",
        (json_int_t)e->arrival.arrival_ms, "accepted_ms", (json_int_t)e->arrival.accepted_ms,
        "verdict", hark_err_name(e->effect.verdict_code), "state_hash",
        world_hex(hash->bytes, sizeof(hash->bytes)));
}

static json_t *join_vector(const struct world *w)
{
    struct hark_buf message = hark_buf_init(1024);
    struct hark_hash terms = hark_sha256(hark_span_str("terms"));
    struct hark_sshsig sig;
    json_t *vector;

    assert_int_equal(hark_join_message(&message, &w->space, world_key(20), world_box(20),
                                       world_key(21), &terms, NULL),
                     0);
    assert_int_equal(
        hark_sshsig_make(&sig, world_signer(20), "hark-join", hark_buf_span(&message), NULL), 0);
    vector = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "space", world_hex(w->space.bytes, 32), "key",
        world_hex(world_key(20)->bytes, 32), "box", world_hex(world_box(20)->bytes, 32), "ticket",
        world_hex(world_key(21)->bytes, 32), "terms", world_hex(terms.bytes, 32), "message",
        json_span(hark_buf_span(&message)), "proof", world_hex(sig.signature, 64));
    hark_buf_free(&message);
    return vector;
}

/* The eventful log, with some void entries in it. */
static void write_vectors(const char *path, struct world *w)
{
    struct hark_memstore *mem = NULL;
    struct hark_state *state = NULL;
    struct hark_store store;
    json_t *entries = json_array();
    json_t *all;

    while (w->count < 60)
        world_step(w);
    assert_int_equal(hark_memstore_new(&mem, NULL), 0);
    store = hark_memstore_store(mem);
    assert_int_equal(hark_state_open(&state, &w->space, &store, NULL), 0);
    for (size_t i = 0; i < w->count; i++) {
        const struct world_entry *e = w->log[i];
        struct hark_effect effect;
        struct hark_hash hash;

        assert_int_equal(hark_state_apply(state, &e->entry, &e->arrival, e->payload, &effect, NULL),
                         0);
        hash = state_hash(state);
        json_array_append_new(entries, vector_of(e, hark_state_kinds(state), &hash));
    }
    all = json_pack("{s:s, s:o, s:o, s:o}", "about",
                    "PROTOCOL.md 6 and 8.3: a log with the verdict on each entry and the state "
                    "hash after it, and a join message. Objects are the commit objects, payloads "
                    "those of never-erased kinds.",
                    "space", world_hex(w->space.bytes, 32), "entries", entries, "join",
                    join_vector(w));
    assert_int_equal(json_dump_file(all, path, JSON_INDENT(1)), 0);
    json_decref(all);
    hark_state_free(state);
    hark_memstore_free(mem);
    world_free(w);
}

static struct hark_span string_of(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);

    return json_is_string(value) ? hark_span(json_string_value(value), json_string_length(value))
                                 : hark_span(NULL, 0);
}

static void check_vector(struct hark_state *state, const json_t *v, size_t i)
{
    struct hark_entry e;
    struct hark_arrival arrival = {0};
    struct hark_effect effect;
    struct hark_hash want;
    struct hark_hash got;
    struct hark_git_id id;
    struct hark_err err = {.code = 0};

    assert_int_equal(hark_entry_parse(&e, string_of(v, "object"), NULL), 0);
    assert_int_equal(hark_entry_verify(&e, string_of(v, "object"), NULL), 0);
    assert_int_equal(hark_hex_decode(arrival.git_id.bytes, 20, string_of(v, "git_id"), NULL), 0);
    world_git_id(string_of(v, "object"), &id);
    assert_memory_equal(id.bytes, arrival.git_id.bytes, 20);
    arrival.arrival_ms = (uint64_t)json_integer_value(json_object_get(v, "arrival_ms"));
    arrival.accepted_ms = (uint64_t)json_integer_value(json_object_get(v, "accepted_ms"));
    if (hark_state_apply(state, &e, &arrival, string_of(v, "payload"), &effect, &err) != 0)
        fail_msg("entry %zu: %s", i, err.message);
    assert_string_equal(hark_err_name(effect.verdict_code),
                        json_string_value(json_object_get(v, "verdict")));
    assert_int_equal(hark_hash_from_hex(&want, string_of(v, "state_hash"), NULL), 0);
    got = state_hash(state);
    if (!hark_hash_equal(&want, &got))
        fail_msg("entry %zu: another state hash", i);
}

static void check_join(const json_t *v)
{
    struct hark_hash space, terms;
    struct hark_key box, ticket;
    struct hark_sshsig sig;
    struct hark_buf message = hark_buf_init(1024);

    assert_int_equal(hark_hash_from_hex(&space, string_of(v, "space"), NULL), 0);
    assert_int_equal(hark_hash_from_hex(&terms, string_of(v, "terms"), NULL), 0);
    assert_int_equal(hark_key_from_hex(&sig.key, string_of(v, "key"), NULL), 0);
    assert_int_equal(hark_key_from_hex(&box, string_of(v, "box"), NULL), 0);
    assert_int_equal(hark_key_from_hex(&ticket, string_of(v, "ticket"), NULL), 0);
    assert_int_equal(hark_hex_decode(sig.signature, 64, string_of(v, "proof"), NULL), 0);
    assert_int_equal(hark_join_message(&message, &space, &sig.key, &box, &ticket, &terms, NULL), 0);
    assert_true(hark_span_equal(hark_buf_span(&message), string_of(v, "message")));
    assert_true(hark_sshsig_verify(&sig, "hark-join", hark_buf_span(&message)));
    hark_buf_clear(&message);
    assert_int_equal(hark_join_message(&message, &space, &sig.key, &box, NULL, &terms, NULL), 0);
    assert_int_equal(hark_buf_terminate(&message, NULL), 0);
    assert_non_null(strstr((const char *)message.data, "\nticket -\n"));
    hark_buf_free(&message);
}

static void check_vectors(const char *path)
{
    struct hark_memstore *mem = NULL;
    struct hark_state *state = NULL;
    struct hark_store store;
    struct hark_hash space;
    json_t *all;
    json_t *entries;

    all = json_load_file(path, 0, NULL);
    assert_non_null(all);
    entries = json_object_get(all, "entries");
    assert_int_equal(hark_hash_from_hex(&space, string_of(all, "space"), NULL), 0);
    assert_int_equal(hark_memstore_new(&mem, NULL), 0);
    store = hark_memstore_store(mem);
    assert_int_equal(hark_state_open(&state, &space, &store, NULL), 0);
    assert_true(json_array_size(entries) >= 30);
    for (size_t i = 0; i < json_array_size(entries); i++)
        check_vector(state, json_array_get(entries, i), i);
    check_join(json_object_get(all, "join"));
    hark_state_free(state);
    hark_memstore_free(mem);
    json_decref(all);
}

static void test_state_effects__vectors(void **arg)
{
    char path[4096];

    (void)arg;
    (void)vectors_path(path, sizeof(path), VECTORS);
    if (getenv("HARK_WRITE_VECTORS") != NULL)
        write_vectors(path, eventful_world(false));
    check_vectors(path);
    (void)vectors_path(path, sizeof(path), SEALED_VECTORS);
    if (getenv("HARK_WRITE_VECTORS") != NULL)
        write_vectors(path, eventful_sealed_world());
    check_vectors(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_effects__founding),
        cmocka_unit_test(test_state_effects__members_come_and_go),
        cmocka_unit_test(test_state_effects__a_member_without_keys_stays),
        cmocka_unit_test(test_state_effects__tickets_are_counted),
        cmocka_unit_test(test_state_effects__space_fields),
        cmocka_unit_test(test_state_effects__own_kinds),
        cmocka_unit_test(test_state_effects__the_latest_vote_of_a_member),
        cmocka_unit_test(test_state_effects__the_first_hide_and_the_used_request),
        cmocka_unit_test(test_state_effects__handover_and_recovery),
        cmocka_unit_test(test_state_effects__recovery_keys_agree_on_both_keys),
        cmocka_unit_test(test_state_effects__erase_an_entry),
        cmocka_unit_test(test_state_effects__erase_a_member),
        cmocka_unit_test(test_state_effects__a_payload_is_its_first_loggers),
        cmocka_unit_test(test_state_effects__terms_follow_policy_and_nodes),
        cmocka_unit_test(test_state_effects__a_store_of_another_space_is_damaged),
        cmocka_unit_test(test_state_effects__damaged_objects_are_found),
        cmocka_unit_test(test_state_effects__a_failing_store_is_rolled_back),
        cmocka_unit_test(test_state_effects__vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
