/*
 * A space at its home and at a partner, over real repositories and indexes: what
 * is logged arrives verified and means the same, what may not be logged leaves
 * log and index as they were, and what a crash leaves undone is caught up.
 */
#include <fcntl.h>
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

#include "node/author.h"
#include "node/home.h"
#include "node/office.h"
#include "tests/unit/ok.h"
#include "tests/unit/run_tool.h"

struct fixture {
    char dir[32];
    struct hark_node *node;
    struct hark_space *home;
    struct hark_author owner;
    struct hark_pool *pool;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct hark_config config = {.name = "brand", .accept_per_minute = 120};
    struct hark_founding founding = {
        .title = "Lamps", .question = "Which lamp?", .owner = "Ada", .until = "2030-01-01"};
    char dir[80];
    struct hark_hash id;

    assert_non_null(f);
    make_directory(f->dir);
    OK(hark_crypto_init(&err));
    (void)snprintf(dir, sizeof(dir), "%s/node", f->dir);
    OK(hark_node_init(dir, &config, hark_span(NULL, 0), &err));
    OK(hark_node_open(&f->node, dir, true, &err));
    OK(hark_found(f->node, &founding, &id, &err));
    OK(hark_node_pick_space(f->node, NULL, &f->home, &err));
    OK(hark_node_person(f->node, &id, NULL, &f->owner, NULL, &err));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    hark_author_free(&f->owner);
    hark_node_free(f->node);
    remove_directory(f->dir);
    free(f);
    return 0;
}

static struct hark_logged write_entry(struct fixture *f, const char *kind, json_t *fields,
                                      const struct hark_hash *re)
{
    struct hark_draft draft = {.kind = kind, .fields = fields, .with_seen = true};
    struct hark_logged out;

    if (re != NULL) {
        draft.re_count = 1;
        draft.re[0] = *re;
    }
    OK(hark_author_write(f->node, f->home, &f->owner, &draft, &out, &err));
    json_decref(fields);
    return out;
}

static uint64_t batches_of(struct hark_space *space)
{
    struct hark_log_head head;
    uint64_t batches = 0;
    int rc = hark_space_log(space, "", &head, &batches, &err);

    if (rc != HARK_E_NOT_FOUND)
        OK(rc);
    return batches;
}

static void mirror(struct hark_space *from, struct hark_space *to)
{
    while (hark_space_head(to)->tree.size < hark_space_head(from)->tree.size) {
        struct hark_space_batch batch;

        OK(hark_space_read_batch(from, "", batches_of(to), &batch, &err));
        OK(hark_space_take(to, "", &batch.raw, hark_now_ms(), &err));
        hark_space_batch_free(&batch);
    }
    OK(hark_space_tend(to, &err));
}

static void assert_same(struct hark_space *a, struct hark_space *b)
{
    struct hark_hash x, y;

    assert_memory_equal(&hark_space_head(a)->batch_id, &hark_space_head(b)->batch_id,
                        sizeof(struct hark_git_id));
    OK(hark_state_hash(hark_space_state(a), &x, &err));
    OK(hark_state_hash(hark_space_state(b), &y, &err));
    assert_memory_equal(&x, &y, sizeof(x));
    OK(hark_index_content_hash(hark_space_index(a), &x, &err));
    OK(hark_index_content_hash(hark_space_index(b), &y, &err));
    assert_memory_equal(&x, &y, sizeof(x));
}

static struct hark_space *make_partner(struct fixture *f)
{
    struct hark_space *partner = NULL;
    char dir[96], path[112];

    (void)snprintf(dir, sizeof(dir), "%s/partner", f->dir);
    OK(hark_git_init(&err));
    assert_int_equal(mkdir(dir, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/spaces", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/index", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    OK(hark_space_create(&partner, dir, hark_space_id(f->home), f->node->pool, &err));
    return partner;
}

static void test_space__partner_holds_the_same(void **state)
{
    struct fixture *f = *state;
    struct hark_space *partner = make_partner(f);
    struct hark_logged topic, idea;
    struct hark_tally tally;
    struct hark_verified verified;

    topic = write_entry(f, "topic", json_pack("{s:s}", "title", "Lamps"), NULL);
    idea = write_entry(f, "idea", json_pack("{s:s}", "body", "A lamp that lasts"), &topic.id);
    write_entry(f, "vote", json_pack("{s:s}", "choice", "agree"), &idea.id);
    write_entry(f, "vote", json_pack("{s:s}", "choice", "disagree"), &idea.id);
    OK(hark_space_tend(f->home, &err));
    mirror(f->home, partner);
    assert_same(f->home, partner);
    OK(hark_index_tally(hark_space_index(partner), idea.position, NULL, 0, 0, &tally, &err));
    assert_int_equal(tally.voters, 1);
    assert_int_equal(tally.disagree, 1);
    assert_int_equal(tally.agree, 0);
    OK(hark_space_verify(partner, hark_now_ms(), &verified, &err));
    assert_int_equal(verified.entries, hark_space_head(partner)->tree.size);
    assert_int_equal(verified.void_entries, 0);
    OK(hark_space_reindex(partner, &err));
    assert_same(f->home, partner);
    OK(hark_index_check(hark_space_index(partner), &err));
    hark_space_free(partner);
}

static void test_space__finds_by_either_id(void **state)
{
    struct fixture *f = *state;
    struct hark_logged topic, other;
    struct hark_row row;
    char hex[2 * HARK_HASH_SIZE + 1];

    topic = write_entry(f, "topic", json_pack("{s:s}", "title", "Lamps"), NULL);
    other = write_entry(f, "topic", json_pack("{s:s}", "title", "Chairs"), NULL);
    for (int tended = 0; tended < 2; tended++) {
        for (size_t size = 8; size <= 64; size++) {
            hark_hash_hex(hex, &topic.id);
            hex[size] = '\0';
            OK(hark_space_find(f->home, hex, &row, &err));
            assert_int_equal(row.position, topic.position);
        }
        OK(hark_index_row(hark_space_index(f->home), other.position, &row, &err));
        for (size_t size = 8; size <= 40; size++) {
            hark_hex_encode(hex, row.git_id.bytes, HARK_GIT_ID_SIZE);
            hex[size] = '\0';
            OK(hark_space_find(f->home, hex, &row, &err));
            assert_int_equal(row.position, other.position);
        }
        OK(hark_space_tend(f->home, &err));
    }
    /* Another object's, and nobody's. */
    hark_hex_encode(hex, hark_space_head(f->home)->batch_id.bytes, HARK_GIT_ID_SIZE);
    assert_int_equal(hark_space_find(f->home, hex, &row, &err), HARK_E_NOT_FOUND);
    assert_int_equal(hark_space_find(f->home, "ffffffffffff", &row, &err), HARK_E_NOT_FOUND);
    assert_int_equal(hark_space_find(f->home, "0123456", &row, &err), HARK_E_USAGE);
    assert_int_equal(hark_space_find(f->home, "0123456x", &row, &err), HARK_E_USAGE);
}

/* PROTOCOL.md 6.4: a key that writes too often is refused, others are not. */
static void test_space__bounds_the_rate_of_a_key(void **state)
{
    struct fixture *f = *state;
    struct hark_author other = {0};

    OK(hark_author_rate(f->node, f->home, &f->owner, &err));
    f->node->config->accept_per_minute = 3; /* the founder's profile is one */
    write_entry(f, "topic", json_pack("{s:s}", "title", "one"), NULL);
    OK(hark_author_rate(f->node, f->home, &f->owner, &err));
    write_entry(f, "topic", json_pack("{s:s}", "title", "two"), NULL);
    assert_int_equal(hark_author_rate(f->node, f->home, &f->owner, &err), HARK_E_ACCEPT_RATE);
    OK(hark_node_new_person(f->node, "bob", &err));
    OK(hark_node_person(f->node, hark_space_id(f->home), "bob", &other, NULL, &err));
    OK(hark_author_rate(f->node, f->home, &other, &err));
    hark_author_free(&other);
    f->node->config->accept_per_minute = 4;
    OK(hark_author_rate(f->node, f->home, &f->owner, &err));
}

static bool has_seen(struct fixture *f, const struct hark_logged *logged)
{
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_entry entry;
    struct hark_row row = {0};

    OK(hark_index_row(hark_space_index(f->home), logged->position, &row, &err));
    OK(hark_space_entry(f->home, &row, &bytes, &err));
    OK(hark_entry_parse(&entry, hark_buf_span(&bytes), &err));
    hark_buf_free(&bytes);
    return entry.has_seen;
}

/* PROTOCOL.md 3: "Clients add it when their last one is an hour old". What is kept in
 * mind of that is of entries that are there, and of one key only. */
static void test_space__says_what_it_has_seen_once_an_hour(void **state)
{
    struct fixture *f = *state;
    const struct hark_key *key = hark_signer_key(f->owner.sign);
    struct hark_draft draft = {.kind = "topic", .with_seen = true};
    struct hark_key other = *key;
    struct hark_logged logged;

    other.bytes[1] ^= 1;
    logged.position = hark_space_head(f->home)->tree.size - 1; /* the founder's profile */
    assert_true(has_seen(f, &logged));
    assert_false(hark_space_seen_noted(f->home, key, 1)); /* not before it is looked for */
    for (int i = 0; i < 3; i++) {
        logged = write_entry(f, "topic", json_pack("{s:s}", "title", "more"), NULL);
        assert_false(has_seen(f, &logged));
        assert_true(hark_space_seen_noted(f->home, key, 1));
        assert_false(hark_space_seen_noted(f->home, key, hark_now_ms() + 1));
        assert_false(hark_space_seen_noted(f->home, &other, 1));
    }
    /* What is undone may have been it. */
    OK(hark_author_begin(f->node, f->home, &err));
    draft.fields = json_pack("{s:s}", "title", "undone");
    OK(hark_author_add(f->node, f->home, &f->owner, &draft, &logged, &err));
    json_decref(draft.fields);
    hark_author_rollback(f->node, f->home);
    assert_false(hark_space_seen_noted(f->home, key, 1));
}

/* Mappings of files that are gone, below `dir`. */
static size_t mapped_and_gone(const char *dir)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1024];
    size_t count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (strstr(line, dir) != NULL && strstr(line, "(deleted)") != NULL)
            count++;
    }
    assert_int_equal(fclose(maps), 0);
    return count;
}

/* libgit2 never lets go of a pack by itself, and the writer merges packs for ever. */
static void test_space__reader_lets_go_of_packs_that_are_gone(void **state)
{
    struct fixture *f = *state;
    struct hark_space *reader = NULL;
    char dir[80];

    (void)snprintf(dir, sizeof(dir), "%s/node", f->dir);
    OK(hark_space_open(&reader, dir, hark_space_id(f->home), true, NULL, &err));
    for (int i = 0; i < 128; i++) {
        struct hark_space_batch batch;

        write_entry(f, "topic", json_pack("{s:s}", "title", "Another"), NULL);
        OK(hark_space_tend(f->home, &err));
        OK(hark_space_refresh(reader, &err));
        OK(hark_space_read_batch(reader, "", batches_of(reader) - 1, &batch, &err));
        hark_space_batch_free(&batch);
        assert_in_range(mapped_and_gone(f->dir), 0, 300);
    }
    hark_space_free(reader);
    assert_int_equal(mapped_and_gone(f->dir), 0);
}

/* Wherever the making of a node was interrupted, it can be made again; what is somebody
 * else's is left alone, and what is finished, too. */
static void test_space__makes_an_unfinished_node_anew(void **state)
{
    struct fixture *f = *state;
    struct hark_config config = {.name = "late", .accept_per_minute = 120};
    struct hark_founding founding = {
        .title = "Lamps", .question = "Which lamp?", .owner = "Ada", .until = "2030-01-01"};
    struct hark_span none = hark_span(NULL, 0);
    struct hark_node *node = NULL;
    struct hark_hash id;
    char dir[80];

    (void)snprintf(dir, sizeof(dir), "%s/late", f->dir);
    for (int i = 0; i < 2; i++) {
        OK(hark_node_make(dir, &config, none, &err));
        assert_int_equal(hark_node_open(&node, dir, true, &err), HARK_E_USAGE);
        OK(hark_node_open_unfinished(&node, dir, &err));
        OK(hark_found(node, &founding, &id, &err));
        assert_int_equal(hark_node_make(dir, &config, none, &err), HARK_E_BUSY);
        hark_node_free(node);
    }
    assert_int_equal(run_tool(dir, "echo mine >mine"), 0);
    assert_int_equal(hark_node_make(dir, &config, none, &err), HARK_E_EXISTS);
    assert_int_equal(run_tool(dir, "test -s mine && rm mine"), 0);
    OK(hark_node_init(dir, &config, none, &err));
    OK(hark_node_open(&node, dir, true, &err));
    hark_node_free(node);
    assert_int_equal(run_tool(dir, "test ! -e unfinished && touch unfinished"), 0);
    assert_int_equal(hark_node_make(dir, &config, none, &err), HARK_E_EXISTS);
    OK(hark_node_open(&node, dir, true, &err));
    hark_node_free(node);
}

/* A backup that is put back often gets the very inodes that were just freed. */
static void test_space__a_directory_put_back_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct hark_config config = {.name = "back", .accept_per_minute = 120};
    struct hark_node *node = NULL;
    struct statx born;
    char dir[80];

    (void)snprintf(dir, sizeof(dir), "%s/back", f->dir);
    OK(hark_node_init(dir, &config, hark_span(NULL, 0), &err));
    assert_int_equal(statx(AT_FDCWD, dir, 0, STATX_BTIME, &born), 0);
    if ((born.stx_mask & STATX_BTIME) == 0)
        skip(); /* this file system does not say when a file came to be */
    for (int i = 0; i < 20; i++) {
        OK(hark_node_open(&node, dir, true, &err));
        assert_int_equal(node->moved, i > 0);
        hark_node_settle(node);
        assert_false(node->moved);
        hark_node_free(node);
        OK(hark_node_open(&node, dir, true, &err));
        assert_false(node->moved);
        hark_node_free(node);
        assert_int_equal(run_tool(dir, "cp place kept && rm place && cp kept place"), 0);
    }
}

/* A steward's key that cannot be read now is still the steward's: no other takes its
 * place, and it is not forgotten. */
static void test_space__keeps_a_steward_it_cannot_read(void **state)
{
    struct fixture *f = *state;
    json_t *offer = NULL;
    bool is = false;

    assert_int_equal(hark_steward_offer(f->node, f->home, &offer, &err), HARK_E_EXISTS);
    /* Opening a link to itself fails for everybody, as a bad disk does. */
    assert_int_equal(run_tool(f->dir, "cd node/steward && for i in *; do ln -s $i loop && "
                                      "mv $i ../kept && mv loop $i; done"),
                     0);
    assert_int_equal(hark_steward_offer(f->node, f->home, &offer, &err), HARK_E_IO);
    assert_int_equal(hark_steward_regain(f->node, f->home, &is, &err), HARK_E_IO);
    assert_null(offer);
    assert_int_equal(
        run_tool(f->dir, "cd node/steward && for i in *; do test -L $i && mv ../kept $i; done"), 0);
    OK(hark_steward_regain(f->node, f->home, &is, &err));
    assert_true(is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_space__partner_holds_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_space__finds_by_either_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_space__bounds_the_rate_of_a_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_space__says_what_it_has_seen_once_an_hour, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_space__reader_lets_go_of_packs_that_are_gone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_space__makes_an_unfinished_node_anew, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_space__a_directory_put_back_is_noticed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_space__keeps_a_steward_it_cannot_read, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
