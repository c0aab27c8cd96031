/*
 * node/convict_take: of what others show as evidence that is kept which holds, is about this
 * space and convicts somebody of it, once for each key and offence; whatever else comes, and
 * however often, leaves nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/convict_internal.h"
#include "tests/unit/flight_stage.h"

/* --- what is kept ------------------------------------------------------------------------- */

static size_t count_kept(struct hark_space *space)
{
    const struct hark_hash *names = NULL;
    size_t count = 0;

    OK(hark_convict_kept(space, &names, &count, &err));
    return count;
}

/* The only file there. */
static struct hark_hash read_kept(struct hark_space *space, struct hark_buf *out)
{
    const struct hark_hash *names = NULL;
    char path[HARK_PATH_MAX];
    size_t count = 0;

    OK(hark_convict_kept(space, &names, &count, &err));
    assert_int_equal(count, 1);
    OK(hark_convict_path(space, &names[0], HARK_CONVICT_EVIDENCE, path, &err));
    OK(hark_file_read(path, out, &err));
    return names[0];
}

/* --- evidence, as it might be made anywhere ------------------------------------------------- */

static void encode(struct hark_buf *out, enum hark_evidence_kind kind, const struct hark_key *key,
                   struct hark_span a, struct hark_span b, const char *cosigner)
{
    struct hark_evidence_parts *parts = calloc(1, sizeof(*parts));

    assert_non_null(parts);
    parts->kind = kind;
    parts->key = *key;
    parts->parts[0] = a;
    parts->parts[1] = b;
    (void)snprintf(parts->cosigner, sizeof(parts->cosigner), "%s", cosigner);
    hark_buf_clear(out);
    OK(hark_evidence_encode(out, parts, &err));
    free(parts);
}

static struct world_entry *say(struct world *w, uint32_t key, const char *body)
{
    struct world_draft draft = {.by = key, .kind = "post", .fields = stage_text("body", body)};

    return world_build(w, &draft);
}

static void twins(struct hark_buf *out, struct world *w, uint32_t key, const char *a, const char *b)
{
    struct world_entry *first = say(w, key, a), *second = say(w, key, b);

    encode(out, HARK_EVIDENCE_TWIN, world_key(key), first->object, second->object, "");
    world_entry_free(first);
    world_entry_free(second);
}

/* A checkpoint of three entries under that origin, its root all of one byte. */
static void sign(struct hark_buf *out, const char *origin, uint32_t key, uint8_t root,
                 const char *cosigner, uint32_t cosigner_key)
{
    struct hark_checkpoint cp = {.size = 3};
    struct hark_buf text = hark_buf_init(HARK_NOTE_MAX), line = hark_buf_init(HARK_NOTE_MAX);

    memset(cp.root.bytes, root, HARK_HASH_SIZE);
    (void)snprintf(cp.origin, sizeof(cp.origin), "%s", origin);
    OK(hark_checkpoint_encode(&text, &cp, &err));
    OK(hark_checkpoint_sign(out, &cp, world_signer(key), NULL, &err));
    if (cosigner != NULL) {
        OK(hark_note_sign(&line, hark_buf_span(&text), cosigner, HARK_NOTE_COSIGNATURE_V1,
                          world_signer(cosigner_key), 1000, &err));
        OK(hark_buf_append_span(out, hark_buf_span(&line), &err));
    }
    hark_buf_free(&text);
    hark_buf_free(&line);
}

static void fork_of(struct hark_buf *out, const struct party *p, const char *node, uint32_t key,
                    uint64_t incarnation)
{
    struct hark_buf a = hark_buf_init(HARK_NOTE_MAX), b = hark_buf_init(HARK_NOTE_MAX);
    char origin[HARK_ORIGIN_MAX + 1];

    hark_origin(origin, node, &p->world->space, incarnation);
    sign(&a, origin, key, 1, NULL, 0);
    sign(&b, origin, key, 2, NULL, 0);
    encode(out, HARK_EVIDENCE_FORK, world_key(key), hark_buf_span(&a), hark_buf_span(&b), "");
    hark_buf_free(&a);
    hark_buf_free(&b);
}

static void backwards_of(struct hark_buf *out, const struct party *p, const char *cosigner,
                         uint32_t key)
{
    struct hark_buf a = hark_buf_init(HARK_NOTE_MAX), b = hark_buf_init(HARK_NOTE_MAX);
    char origin[HARK_ORIGIN_MAX + 1];

    hark_origin(origin, WORLD_HOME, &p->world->space, 1);
    sign(&a, origin, WORLD_LOG, 1, cosigner, key);
    sign(&b, origin, WORLD_LOG, 2, cosigner, key);
    encode(out, HARK_EVIDENCE_BACKWARDS, world_key(key), hark_buf_span(&a), hark_buf_span(&b),
           cosigner);
    hark_buf_free(&a);
    hark_buf_free(&b);
}

/* The key with which that partner cosigns. */
static uint32_t cosigner_of(struct party *p, unsigned node)
{
    struct hark_node_object object;

    OK(hark_state_node_with(hark_space_state(p->nodes[HOME]), world_key(p->logs[node]), &object,
                            &err));
    return world_key_number(&object.keys.cosigner);
}

static int take(struct party *p, unsigned node, const struct hark_buf *file)
{
    return hark_convict_take(p->nodes[node], hark_buf_span(file), &err);
}

/* --- taking ------------------------------------------------------------------------------------
 */

static void test_convict_take__what_another_found(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX),
                    same = hark_buf_init(HARK_EVIDENCE_MAX);
    struct world_entry *a, *b;
    struct hark_hash there, here;
    struct party p;

    (void)state;
    party_begin(&p);
    a = say(p.world, p.members[1], "Yes");
    b = say(p.world, p.members[1], "No");
    hark_convict_suspect(p.nodes[HOME], &a->entry.author, a->object, b->object);
    OK(hark_convict_twins(p.nodes[HOME], &err));
    there = read_kept(p.nodes[HOME], &file);
    OK(take(&p, P, &file));
    here = read_kept(p.nodes[P], &same);
    assert_true(hark_hash_equal(&there, &here));
    assert_true(hark_span_equal(hark_buf_span(&file), hark_buf_span(&same)));
    /* What it finds by itself later is known. */
    hark_convict_suspect(p.nodes[P], &a->entry.author, a->object, b->object);
    OK(hark_convict_twins(p.nodes[P], &err));
    assert_int_equal(count_kept(p.nodes[P]), 1);
    world_entry_free(a);
    world_entry_free(b);
    hark_buf_free(&file);
    hark_buf_free(&same);
    party_end(&p);
}

/* As often as anybody likes to sign: the first stays. */
static void test_convict_take__one_file_a_key(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX),
                    first = hark_buf_init(HARK_EVIDENCE_MAX);
    struct hark_buf kept = hark_buf_init(HARK_EVIDENCE_MAX);
    struct party p;
    char body[32];

    (void)state;
    party_begin(&p);
    twins(&first, p.world, p.members[1], "Yes", "No");
    OK(take(&p, P, &first));
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(body, sizeof(body), "No %u", i);
        twins(&file, p.world, p.members[1], "Yes", body);
        OK(take(&p, P, &file));
    }
    (void)read_kept(p.nodes[P], &kept);
    assert_true(hark_span_equal(hark_buf_span(&first), hark_buf_span(&kept)));
    twins(&file, p.world, p.members[2], "Yes", "No");
    OK(take(&p, P, &file));
    assert_int_equal(count_kept(p.nodes[P]), 2);
    hark_buf_free(&file);
    hark_buf_free(&first);
    hark_buf_free(&kept);
    party_end(&p);
}

static void test_convict_take__what_does_not_hold(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct party p;

    (void)state;
    party_begin(&p);
    for (unsigned kind = 0; kind < 3; kind++) {
        if (kind == 0)
            twins(&file, p.world, p.members[1], "Yes", "No");
        else if (kind == 1)
            fork_of(&file, &p, WORLD_HOME, WORLD_LOG, 1);
        else
            backwards_of(&file, &p, party_names[P], cosigner_of(&p, P));
        /* Under which log's signature a cosigner goes back does not matter. */
        for (size_t i = 0; kind < 2 && i < file.size; i += 3) {
            int rc;

            file.data[i] ^= 1;
            rc = take(&p, Q, &file);
            /* Whose it would be may be nobody here. */
            if (rc != HARK_E_PEER_FORM && rc != HARK_E_BEHIND)
                fail_msg("kind %u, byte %zu: %s", kind, i, hark_err_name(rc));
            file.data[i] ^= 1;
        }
        for (size_t size = 0; size < file.size; size += 11)
            assert_int_equal(hark_convict_take(p.nodes[Q], hark_span(file.data, size), &err),
                             HARK_E_PEER_FORM);
    }
    assert_int_equal(count_kept(p.nodes[Q]), 0);
    hark_buf_free(&file);
    party_end(&p);
}

/* The same keys twin elsewhere: that is nothing to this space. */
static void test_convict_take__of_another_space(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct world *other = world_new(24, NULL, NULL);
    struct party p;

    (void)state;
    party_begin(&p);
    assert_false(hark_hash_equal(&other->space, &p.world->space));
    twins(&file, other, WORLD_STEWARD, "Yes", "No");
    assert_int_equal(take(&p, P, &file), HARK_E_PEER_FORM);
    assert_int_equal(count_kept(p.nodes[P]), 0);
    world_free(other);
    hark_buf_free(&file);
    party_end(&p);
}

static void test_convict_take__of_a_stranger(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct party p;

    (void)state;
    party_begin(&p);
    twins(&file, p.world, world_new_key(p.world), "Yes", "No");
    assert_int_equal(take(&p, P, &file), HARK_E_BEHIND);
    fork_of(&file, &p, "nobody.example", WORLD_LOG, 1);
    assert_int_equal(take(&p, P, &file), HARK_E_BEHIND);
    fork_of(&file, &p, WORLD_HOME, p.logs[P], 1);
    assert_int_equal(take(&p, P, &file), HARK_E_BEHIND);
    backwards_of(&file, &p, party_names[Q], cosigner_of(&p, P));
    assert_int_equal(take(&p, P, &file), HARK_E_BEHIND);
    assert_int_equal(count_kept(p.nodes[P]), 0);
    hark_buf_free(&file);
    party_end(&p);
}

static void test_convict_take__logs_and_cosigners(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct party p;

    (void)state;
    party_begin(&p);
    fork_of(&file, &p, WORLD_HOME, WORLD_LOG, 1);
    OK(take(&p, Q, &file));
    OK(take(&p, Q, &file));
    assert_int_equal(count_kept(p.nodes[Q]), 1);
    /* Its intake is another log, and so is each incarnation, of those that there were. */
    fork_of(&file, &p, WORLD_HOME, WORLD_LOG, 0);
    OK(take(&p, Q, &file));
    assert_int_equal(count_kept(p.nodes[Q]), 2);
    for (uint64_t i = 2; i < 50; i++) {
        fork_of(&file, &p, WORLD_HOME, WORLD_LOG, i);
        assert_int_equal(take(&p, Q, &file), HARK_E_BEHIND);
    }
    backwards_of(&file, &p, party_names[P], cosigner_of(&p, P));
    OK(take(&p, Q, &file));
    assert_int_equal(count_kept(p.nodes[Q]), 3);
    hark_buf_free(&file);
    party_end(&p);
}

/* By the same name as if it had been found here. */
static void test_convict_take__a_fork_is_named_alike(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX), note = hark_buf_init(HARK_NOTE_MAX);
    char origin[HARK_ORIGIN_MAX + 1];
    struct party p;

    (void)state;
    party_begin(&p);
    hark_origin(origin, WORLD_HOME, &p.world->space, 1);
    sign(&note, origin, WORLD_LOG, 7, NULL, 0);
    OK(hark_convict_log(p.nodes[P], hark_buf_span(&note), &err));
    (void)read_kept(p.nodes[P], &file);
    OK(take(&p, Q, &file));
    OK(hark_convict_log(p.nodes[Q], hark_buf_span(&note), &err));
    assert_int_equal(count_kept(p.nodes[Q]), 1);
    hark_buf_free(&file);
    hark_buf_free(&note);
    party_end(&p);
}

/* --- the list
 * -------------------------------------------------------------------------------------- */

/* It grows at its end, whoever writes; and is of this space's evidence alone. */
static void test_convict_take__the_list(void **state)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct hark_hash order[4], name = {{0}};
    const struct hark_hash *names = NULL;
    struct hark_space *space;
    char path[HARK_PATH_MAX];
    struct party p;
    size_t count = 0;

    (void)state;
    party_begin(&p);
    space = p.nodes[P];
    assert_int_equal(count_kept(space), 0);
    for (unsigned i = 0; i < MEMBERS; i++) {
        twins(&file, p.world, p.members[i], "Yes", "No");
        OK(take(&p, P, &file));
        OK(hark_convict_kept(space, &names, &count, &err));
        assert_int_equal(count, i + 1);
        order[i] = names[i];
        assert_memory_equal(names, order, count * sizeof(*names));
    }
    /* Another process; and what is none. */
    memset(name.bytes, 9, HARK_HASH_SIZE);
    OK(hark_convict_path(space, &name, HARK_CONVICT_NOTE, path, &err));
    OK(hark_file_write(path, hark_span_str("note"), 0600, &err));
    OK(hark_path_join(path, space->evidence_path, "other", &err));
    OK(hark_file_write(path, hark_span_str("other"), 0600, &err));
    assert_int_equal(count_kept(space), MEMBERS);
    OK(hark_convict_path(space, &name, HARK_CONVICT_EVIDENCE, path, &err));
    OK(hark_file_write(path, hark_span_str("file"), 0600, &err));
    OK(hark_convict_kept(space, &names, &count, &err));
    assert_int_equal(count, MEMBERS + 1);
    assert_memory_equal(names, order, sizeof(order));
    assert_true(hark_hash_equal(&names[MEMBERS], &name));
    hark_buf_free(&file);
    party_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convict_take__what_another_found),
        cmocka_unit_test(test_convict_take__one_file_a_key),
        cmocka_unit_test(test_convict_take__what_does_not_hold),
        cmocka_unit_test(test_convict_take__of_another_space),
        cmocka_unit_test(test_convict_take__of_a_stranger),
        cmocka_unit_test(test_convict_take__logs_and_cosigners),
        cmocka_unit_test(test_convict_take__a_fork_is_named_alike),
        cmocka_unit_test(test_convict_take__the_list),
    };

    return cmocka_run_group_tests(tests, party_set_up_all, stage_tear_down_all);
}
