/*
 * Writing where a node is not the home: into the outbox, judged over what is under way,
 * handed in as the same bytes until our own copy of the log shows them. What protects an
 * author: no place in a feed is signed twice, nothing written is lost, whatever others
 * answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/cmd.h"
#include "node/outbox.h"
#include "replication/messages.h"
#include "tests/unit/ok.h"
#include "tests/unit/run_tool.h"

#define MINUTE UINT64_C(60000)

struct fixture {
    char dir[32];
    struct hark_node *home_node, *away_node;
    struct hark_space *home, *away;
    struct hark_author owner; /* the same keys at both */
    struct hark_hash topic;   /* logged at both */
};

static void open_node(const struct fixture *f, const char *name, struct hark_node **out)
{
    struct hark_config config = {.accept_per_minute = 120};
    char dir[80];

    (void)snprintf(config.name, sizeof(config.name), "%s", name);
    (void)snprintf(dir, sizeof(dir), "%s/%s", f->dir, name);
    OK(hark_node_init(dir, &config, hark_span(NULL, 0), &err));
    OK(hark_node_open(out, dir, true, &err));
}

static int write_at(struct hark_node *node, struct hark_space *space, struct fixture *f,
                    const char *kind, const char *field, const char *text,
                    const struct hark_hash *re, struct hark_logged *out)
{
    struct hark_draft draft = {.kind = kind, .with_seen = true};
    int rc;

    draft.fields = json_pack("{s:s}", field, text);
    if (re != NULL) {
        draft.re_count = 1;
        draft.re[0] = *re;
    }
    rc = hark_author_write(node, space, &f->owner, &draft, out, &err);
    json_decref(draft.fields);
    return rc;
}

static struct hark_logged write_home(struct fixture *f, const char *kind, const char *field,
                                     const char *text, const struct hark_hash *re)
{
    struct hark_logged out = {0};

    OK(write_at(f->home_node, f->home, f, kind, field, text, re, &out));
    assert_false(out.in_flight);
    return out;
}

static struct hark_logged write_away(struct fixture *f, const char *kind, const char *field,
                                     const char *text, const struct hark_hash *re)
{
    struct hark_logged out = {0};

    OK(write_at(f->away_node, f->away, f, kind, field, text, re, &out));
    assert_true(out.in_flight);
    assert_true(out.position == HARK_NONE);
    return out;
}

/* Brings the copy away up to the home's log. */
static void follow(struct fixture *f)
{
    struct hark_log_head head;
    uint64_t batches = 0;
    int rc = hark_space_log(f->away, "", &head, &batches, &err);

    assert_true(rc == 0 || rc == HARK_E_NOT_FOUND);
    for (;;) {
        struct hark_space_batch batch = {0};

        rc = hark_space_read_batch(f->home, "", batches, &batch, &err);
        if (rc == HARK_E_NOT_FOUND)
            return;
        assert_int_equal(rc, 0);
        OK(hark_space_take(f->away, "", &batch.raw, hark_now_ms(), &err));
        hark_space_batch_free(&batch);
        batches++;
    }
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct hark_founding founding = {
        .title = "Lamps", .question = "Which lamp?", .owner = "Ada", .until = "2030-01-01"};
    struct hark_hash id;

    assert_non_null(f);
    make_directory(f->dir);
    OK(hark_crypto_init(&err));
    open_node(f, "home", &f->home_node);
    open_node(f, "away", &f->away_node);
    OK(hark_found(f->home_node, &founding, &id, &err));
    OK(hark_node_pick_space(f->home_node, NULL, &f->home, &err));
    assert_int_equal(run_tool(f->dir, "cp home/keys/people/owner away/keys/people/"), 0);
    OK(hark_node_person(f->away_node, &id, NULL, &f->owner, NULL, &err));
    OK(hark_node_create_space(f->away_node, &id, &f->away, &err));
    f->topic = write_home(f, "topic", "title", "Lamps", NULL).id;
    follow(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    hark_author_free(&f->owner);
    hark_node_free(f->home_node);
    hark_node_free(f->away_node);
    remove_directory(f->dir);
    free(f);
    return 0;
}

/* --- looking ------------------------------------------------------------------- */

struct rows {
    size_t count;
    struct hark_out_row list[16];
    struct hark_entry entries[16];
};

static int see_row(void *arg, const struct hark_out_row *row, struct hark_err *e)
{
    struct rows *rows = arg;

    assert_in_range(rows->count, 0, 15);
    rows->list[rows->count] = *row;
    return hark_entry_parse(&rows->entries[rows->count++], row->object, e);
}

static struct rows *look(struct fixture *f)
{
    static struct rows rows;
    struct hark_outbox *outbox = NULL;

    memset(&rows, 0, sizeof(rows));
    OK(hark_space_outbox(f->away, &outbox, &err));
    OK(hark_outbox_each(outbox, ~0u, see_row, &rows, &err));
    return &rows;
}

static size_t flying(struct fixture *f)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0, good = 0;

    OK(hark_space_flight(f->away, &flight, &count, &err));
    for (size_t i = 0; i < count; i++)
        good += flight[i].code == 0;
    return good;
}

static void answer(struct fixture *f, const struct hark_hash *id, uint8_t status, uint64_t position,
                   int code, uint64_t now_ms)
{
    struct hark_accepted item = {.id = *id, .status = status, .position = position, .code = code};

    (void)snprintf(item.message, sizeof(item.message), "%s", code != 0 ? "no" : "");
    OK(hark_space_outbox_answer(f->away, "cafe", &item, 1, now_ms, NULL, &err));
}

/* What would be handed in at that time, by id. */
static size_t body(struct fixture *f, uint64_t now_ms, struct hark_hash *ids, uint8_t *flags)
{
    struct hark_buf out = hark_buf_init(1024 * 1024);
    struct hark_submitted *items = NULL;
    struct hark_hash space;
    size_t count = 0, decoded = 0;

    OK(hark_space_outbox_body(f->away, now_ms, &out, &count, &err));
    if (count == 0)
        assert_int_equal(out.size, 0);
    else
        OK(hark_submit_decode(&space, &items, &decoded, hark_buf_span(&out), &err));
    assert_int_equal(decoded, count);
    assert_in_range(count, 0, 8);
    for (size_t i = 0; i < count; i++) {
        ids[i] = hark_sha256(items[i].entry);
        flags[i] = items[i].flags;
    }
    free(items);
    hark_buf_free(&out);
    return count;
}

/* Hands everything in at the home, and follows. */
static void hand_in(struct fixture *f)
{
    struct hark_buf out = hark_buf_init(1024 * 1024);
    struct hark_submitted *items = NULL;
    struct hark_hash space;
    size_t count = 0;

    OK(hark_space_outbox_body(f->away, hark_now_ms(), &out, &count, &err));
    assert_int_not_equal(count, 0);
    OK(hark_submit_decode(&space, &items, &count, hark_buf_span(&out), &err));
    OK(hark_space_begin(f->home, &err));
    for (size_t i = 0; i < count; i++) {
        const struct hark_offer offer = {.bytes = items[i].entry,
                                         .payload = items[i].payload,
                                         .accept = items[i].flags == 0,
                                         .now_ms = hark_now_ms()};

        OK(hark_space_add(f->home, &offer, f->home_node->identity.log, NULL, &err));
    }
    OK(hark_space_commit(f->home, f->home_node->identity.log, hark_now_ms(), &err));
    free(items);
    hark_buf_free(&out);
    follow(f);
}

/* --- tests ----------------------------------------------------------------------- */

static void test_space_outbox__is_written_into_away_from_the_home(void **state)
{
    struct fixture *f = *state;
    uint64_t size = hark_state_size(hark_space_state(f->away));
    struct hark_logged idea = write_away(f, "idea", "body", "Paper lamps", &f->topic);
    struct hark_logged post = write_away(f, "post", "body", "They burn", &idea.id);
    struct hark_logged vote = write_away(f, "vote", "choice", "agree", &idea.id);
    struct rows *rows = look(f);

    assert_int_equal(rows->count, 3);
    assert_true(hark_hash_equal(&rows->list[1].id, &post.id));
    assert_true(hark_hash_equal(&rows->entries[1].previous, &rows->entries[0].id));
    assert_true(hark_hash_equal(&rows->entries[2].previous, &rows->entries[1].id));
    assert_int_equal(rows->entries[1].seq, rows->entries[0].seq + 1);
    assert_int_equal(vote.effect.verdict, 0);
    assert_int_equal(flying(f), 3);
    /* Nothing provisional is in the log. */
    assert_int_equal(hark_state_size(hark_space_state(f->away)), size);
}

static void test_space_outbox__takes_nothing_that_would_be_void(void **state)
{
    struct fixture *f = *state;
    struct hark_logged out;
    struct hark_draft draft = {.kind = "topic"};
    struct hark_hash nothing = hark_sha256(hark_span_str("nothing"));

    assert_int_equal(
        write_at(f->away_node, f->away, f, "post", "body", "about nothing", &nothing, &out),
        HARK_E_VOID_RE_NOTHING);
    assert_int_equal(write_at(f->away_node, f->away, f, "vote", "choice", "agree", &f->topic, &out),
                     HARK_E_VOID_RE_KIND);
    assert_int_equal(look(f)->count, 0);

    /* Of several that are written as one none is kept, and their places are free. */
    OK(hark_author_begin(f->away_node, f->away, &err));
    draft.fields = json_pack("{s:s}", "title", "one");
    OK(hark_author_add(f->away_node, f->away, &f->owner, &draft, &out, &err));
    json_decref(draft.fields);
    draft.fields = json_pack("{s:s}", "title", "");
    assert_true(hark_author_add(f->away_node, f->away, &f->owner, &draft, &out, &err) < 0);
    json_decref(draft.fields);
    hark_author_rollback(f->away_node, f->away);
    assert_int_equal(look(f)->count, 0);
    assert_int_equal(flying(f), 0);
    (void)write_away(f, "topic", "title", "two", NULL);
    hand_in(f);
}

static void test_space_outbox__is_empty_when_the_log_has_it(void **state)
{
    struct fixture *f = *state;
    struct hark_logged idea = write_away(f, "idea", "body", "Paper lamps", &f->topic);
    struct hark_hash ids[8];
    uint8_t flags[8];
    struct rows *rows;
    bool changed = false;

    (void)write_away(f, "vote", "choice", "agree", &idea.id);
    hand_in(f);
    assert_int_equal(flying(f), 0);
    OK(hark_space_outbox_tend(f->away, 5000, &changed, &err));
    assert_true(changed);
    rows = look(f);
    assert_int_equal(rows->count, 2);
    assert_int_equal(rows->list[0].state, HARK_OUT_LOGGED);
    assert_int_equal(rows->list[1].position, hark_state_size(hark_space_state(f->away)) - 1);
    assert_null(rows->list[0].payload.data);
    assert_int_equal(body(f, UINT64_C(1) << 50, ids, flags), 0);
    OK(hark_space_outbox_tend(f->away, 6000, &changed, &err));
    assert_false(changed);
    /* A day later nobody asks any more. */
    OK(hark_space_outbox_tend(f->away, 5001 + 24 * 60 * MINUTE, NULL, &err));
    assert_int_equal(look(f)->count, 0);
}

static void test_space_outbox__hands_in_again_what_is_not_logged(void **state)
{
    struct fixture *f = *state;
    uint64_t now = hark_now_ms();
    struct hark_hash a = write_away(f, "topic", "title", "a", NULL).id;
    struct hark_hash b = write_away(f, "topic", "title", "b", NULL).id;
    struct hark_hash ids[8];
    uint8_t flags[8];

    assert_int_equal(body(f, now, ids, flags), 2);
    assert_true(hark_hash_equal(&ids[0], &a));
    assert_true(hark_hash_equal(&ids[1], &b));
    assert_int_equal(flags[0], 0);
    answer(f, &a, HARK_ACCEPTED_INTAKE, 7, 0, now);
    assert_int_equal(look(f)->list[0].state, HARK_OUT_ACCEPTED);
    assert_string_equal(look(f)->list[0].node, "cafe");
    assert_int_equal(body(f, now + MINUTE, ids, flags), 1);
    assert_true(hark_hash_equal(&ids[0], &b));
    /* "It is logged" is a word: the bytes stay until our own copy has it. */
    answer(f, &b, HARK_ACCEPTED_LOGGED, 3, 0, now + MINUTE);
    assert_int_equal(look(f)->list[1].state, HARK_OUT_ACCEPTED);
    assert_true(look(f)->list[1].position == HARK_NONE);
    assert_non_null(look(f)->list[1].payload.data);
    assert_int_equal(body(f, now + 2 * MINUTE, ids, flags), 0);
    assert_int_equal(body(f, now + 10 * MINUTE, ids, flags), 1);
    assert_int_equal(body(f, now + 11 * MINUTE, ids, flags), 2);
    /* Said again, it is asked again ten minutes later. */
    answer(f, &a, HARK_ACCEPTED_INTAKE, 7, 0, now + 11 * MINUTE);
    assert_int_equal(body(f, now + 12 * MINUTE, ids, flags), 1);
    assert_true(hark_hash_equal(&ids[0], &b));
    /* Accepted by one is accepted, whatever another says. */
    answer(f, &a, HARK_ACCEPTED_REFUSED, 0, HARK_E_VOID_MEMBER, now + 13 * MINUTE);
    assert_int_equal(look(f)->list[0].state, HARK_OUT_ACCEPTED);
}

static void test_space_outbox__waits_for_what_time_may_mend(void **state)
{
    static const int codes[] = {HARK_E_ACCEPT_RATE, HARK_E_BUSY,      HARK_E_ACCEPT_NOT_HERE,
                                HARK_E_BEHIND,      HARK_E_ENTRY_GAP, HARK_E_VOID_RE_NOTHING,
                                HARK_E_ENTRY_KEY,   HARK_E_DISK_FULL, HARK_E_VOID_TIME_AHEAD};
    struct fixture *f = *state;
    struct hark_hash a = write_away(f, "topic", "title", "a", NULL).id;
    uint64_t since = look(f)->list[0].since_ms;
    struct hark_hash ids[8];
    uint8_t flags[8];

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        answer(f, &a, HARK_ACCEPTED_REFUSED, 0, codes[i], since + MINUTE);
        assert_int_equal(look(f)->list[0].state, HARK_OUT_PENDING);
        assert_int_equal(look(f)->list[0].code, codes[i]);
        assert_int_equal(look(f)->list[0].since_ms, since);
        assert_int_equal(body(f, since, ids, flags), 1);
    }
}

static void test_space_outbox__goes_on_after_a_refusal(void **state)
{
    struct fixture *f = *state;
    struct hark_hash a = write_away(f, "topic", "title", "a", NULL).id;
    struct hark_outbox *outbox = NULL;
    struct hark_hash ids[8], b, c;
    uint8_t flags[8];
    struct rows *rows;

    b = write_away(f, "topic", "title", "b", NULL).id;
    answer(f, &a, HARK_ACCEPTED_REFUSED, 0, HARK_E_VOID_ROLE, 1);
    assert_int_equal(look(f)->list[0].state, HARK_OUT_REFUSED);
    assert_int_equal(look(f)->list[1].state, HARK_OUT_PENDING);
    /* What follows it could only be refused, too. */
    assert_int_equal(body(f, 2, ids, flags), 0);
    /* Its place has left the machine: the next entry takes the one after. */
    c = write_away(f, "topic", "title", "c", NULL).id;
    rows = look(f);
    assert_int_equal(rows->entries[2].seq, rows->entries[0].seq + 2);
    assert_int_equal(flying(f), 2);
    OK(hark_space_outbox(f->away, &outbox, &err));
    OK(hark_outbox_as_void(outbox, &a, 3, &err));
    hark_space_outbox_changed(f->away);
    assert_int_equal(body(f, 4, ids, flags), 3);
    assert_true(hark_hash_equal(&ids[0], &a));
    assert_true(hark_hash_equal(&ids[1], &b));
    assert_true(hark_hash_equal(&ids[2], &c));
    assert_int_equal(flags[0], HARK_SUBMIT_AS_VOID);
    assert_int_equal(flags[1], 0);
    hand_in(f);
    OK(hark_space_outbox_tend(f->away, 5, NULL, &err));
    assert_int_equal(look(f)->list[2].state, HARK_OUT_LOGGED);
}

static json_t *hex(const struct hark_key *key)
{
    char text[2 * HARK_KEY_SIZE + 1];

    hark_key_hex(text, key);
    return json_string(text);
}

/* The node away is named in the space from here on; staff NULL: at nobody's request. */
static void name_away_by(struct fixture *f, const struct hark_author *staff)
{
    struct hark_node_keys keys;
    json_t *fields;

    hark_node_keys(f->away_node, &keys);
    fields = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "action", "add", "name", "away",
                       "log", hex(&keys.log), "cosigner", hex(&keys.cosigner), "author",
                       hex(&keys.author), "curve", hex(&keys.curve), "box", hex(&keys.box));
    OK(hark_author_begin(f->home_node, f->home, &err));
    OK(hark_steward_act(f->home_node, f->home, staff, "node", "node", fields, NULL, &err));
    OK(hark_author_commit(f->home_node, f->home, &err));
    json_decref(fields);
    follow(f);
}

static void name_away(struct fixture *f)
{
    name_away_by(f, &f->owner);
}

static void test_space_outbox__brings_what_an_entry_follows(void **state)
{
    struct fixture *f = *state;
    uint64_t now = hark_now_ms();
    struct hark_hash a = write_away(f, "topic", "title", "a", NULL).id;
    struct hark_hash b = write_away(f, "topic", "title", "b", NULL).id;
    struct hark_accepted item = {.id = b, .status = HARK_ACCEPTED_REFUSED};
    struct hark_hash ids[8];
    uint8_t flags[8];

    answer(f, &a, HARK_ACCEPTED_INTAKE, 7, 0, now);
    assert_int_equal(body(f, now + 1, ids, flags), 1);
    /* Another node has not heard of a. */
    item.code = HARK_E_ENTRY_GAP;
    OK(hark_space_outbox_answer(f->away, "kiosk", &item, 1, now + 1, NULL, &err));
    assert_int_equal(body(f, now + 2, ids, flags), 2);
    assert_true(hark_hash_equal(&ids[0], &a));
    /* That it is handed in again is no word on when it was accepted. */
    assert_int_equal(look(f)->list[0].since_ms, now);
    name_away_by(f, NULL);
    (void)write_away(f, "post", "body", "about a", &a);
    answer(f, &a, HARK_ACCEPTED_INTAKE, 9, 0, now + 3);
    assert_int_equal(look(f)->list[0].since_ms, now + 3);
    assert_int_equal(body(f, now + 4, ids, flags), 2); /* b and the post */
}

static void test_space_outbox__goes_into_the_intake_of_a_named_node(void **state)
{
    struct fixture *f = *state;
    struct hark_space_batch batch = {0};
    struct hark_hash a, b;
    struct rows *rows;
    bool changed = false;

    a = write_away(f, "topic", "title", "a", NULL).id;
    OK(hark_author_hand_in(f->away_node, f->away, &err)); /* not named: nothing happens */
    assert_int_equal(look(f)->list[0].state, HARK_OUT_PENDING);
    hand_in(f);
    OK(hark_space_outbox_tend(f->away, 5, NULL, &err));
    name_away(f);
    a = write_away(f, "idea", "body", "b", &a).id;
    b = write_away(f, "vote", "choice", "agree", &a).id;
    OK(hark_author_hand_in(f->away_node, f->away, &err));
    rows = look(f);
    assert_int_equal(rows->count, 3);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(rows->list[i].state, HARK_OUT_ACCEPTED);
        assert_string_equal(rows->list[i].node, "away");
        assert_int_equal(rows->list[i].position, i - 1);
    }
    assert_int_equal(flying(f), 2);
    /* The home takes it over, and it comes back as logged. */
    OK(hark_space_read_batch(f->away, "away", 0, &batch, &err));
    OK(hark_space_take(f->home, "away", &batch.raw, hark_now_ms(), &err));
    hark_space_batch_free(&batch);
    OK(hark_space_take_over(f->home, f->home_node->identity.log, hark_now_ms(), &changed, &err));
    assert_true(changed);
    follow(f);
    OK(hark_space_outbox_tend(f->away, 6, &changed, &err));
    assert_true(changed);
    rows = look(f);
    assert_int_equal(rows->list[2].state, HARK_OUT_LOGGED);
    assert_true(hark_hash_equal(&rows->list[2].id, &b));
    assert_int_equal(flying(f), 0);
}

/* What an intake that is here holds is accepted, whoever was asked and said what. */
static void test_space_outbox__sees_what_others_have_taken_in(void **state)
{
    struct fixture *f = *state;
    struct hark_hash a;

    name_away(f);
    a = write_away(f, "topic", "title", "a", NULL).id;
    OK(hark_author_hand_in(f->away_node, f->away, &err));
    {
        /* As if the answer had been lost, and another had refused. */
        struct hark_out_row row = {.id = a, .state = HARK_OUT_REFUSED, .code = HARK_E_VOID_ROLE};
        struct hark_outbox *outbox = NULL;

        OK(hark_space_outbox(f->away, &outbox, &err));
        OK(hark_outbox_set(outbox, &row, 5, &err));
        hark_space_outbox_changed(f->away);
    }
    OK(hark_space_outbox_tend(f->away, 6, NULL, &err));
    assert_int_equal(look(f)->list[0].state, HARK_OUT_ACCEPTED);
    assert_string_equal(look(f)->list[0].node, "away");
}

/* What a verb prints away from the home, as JSON. */
static json_t *run_away(struct fixture *f, const char *verb)
{
    const char *argv[] = {verb};
    struct hark_cmd cmd = {.globals = {.json = true},
                           .argc = 1,
                           .argv = argv,
                           .cwd = "/",
                           .err = stderr,
                           .node = f->away_node};
    char *text = NULL;
    size_t size = 0;
    json_t *json;

    cmd.out = open_memstream(&text, &size);
    assert_non_null(cmd.out);
    assert_int_equal(hark_cmd_run(&cmd, hark_verb_find(verb)), 0);
    assert_int_equal(fclose(cmd.out), 0);
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    free(text);
    return json;
}

struct late {
    struct fixture *f;
    uint64_t accepted_ms;
};

static int accept_late(void *arg, const struct hark_out_row *row, struct hark_err *e)
{
    const struct late *late = arg;
    struct hark_offer offer = {
        .bytes = row->object, .payload = row->payload, .now_ms = late->accepted_ms};
    struct hark_outcome outcome;

    OK(hark_space_accept(late->f->away, "away", late->f->away_node->identity.log, &offer, 1, 0,
                         &outcome, e));
    assert_int_equal(outcome.code, 0);
    return 0;
}

/* The home owes it to members to take over in time what was accepted for it: whoever looks
 * at any node sees when it does not. */
static void test_space_outbox__warns_of_a_home_that_takes_nothing_over(void **state)
{
    struct fixture *f = *state;
    struct late late = {f, hark_now_ms() - 25 * 60 * MINUTE};
    struct hark_outbox *outbox = NULL;
    json_t *status = run_away(f, "status"), *alert;

    name_away(f);
    (void)write_away(f, "topic", "title", "a", NULL);
    (void)write_away(f, "topic", "title", "b", NULL);
    OK(hark_space_outbox(f->away, &outbox, &err));
    OK(hark_outbox_each(outbox, ~0u, accept_late, &late, &err));
    assert_int_equal(json_array_size(json_object_get(status, "alerts")), 0);
    json_decref(status);
    status = run_away(f, "status");
    assert_int_equal(json_array_size(json_object_get(status, "alerts")), 1);
    alert = json_array_get(json_object_get(status, "alerts"), 0);
    assert_string_equal(json_string_value(json_object_get(alert, "name")), "overdue");
    assert_string_equal(json_string_value(json_object_get(alert, "node")), "away");
    assert_int_equal(json_integer_value(json_object_get(alert, "count")), 2);
    assert_non_null(strstr(json_string_value(json_object_get(alert, "message")),
                           "overdue: 2 entries of away not taken over since "));
    /* Looking has brought the outbox up to what the intake shows. */
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(status, "outbox"), "accepted")), 2);
    json_decref(status);
}

static json_t *only_entry(struct fixture *f, json_t **outbox)
{
    json_decref(*outbox);
    *outbox = run_away(f, "outbox");
    assert_int_equal(json_array_size(json_object_get(*outbox, "entries")), 1);
    return json_array_get(json_object_get(*outbox, "entries"), 0);
}

static void expect(const json_t *entry, const char *field, const char *value)
{
    assert_string_equal(json_string_value(json_object_get(entry, field)), value);
}

static void test_space_outbox__tells_each_fate(void **state)
{
    struct fixture *f = *state;
    uint64_t now = hark_now_ms();
    struct hark_hash a = write_away(f, "topic", "title", "a", NULL).id;
    json_t *outbox = NULL;
    const json_t *entry = only_entry(f, &outbox);

    expect(entry, "state", "pending");
    expect(entry, "kind", "topic");
    assert_true(json_is_null(json_object_get(entry, "error")));
    answer(f, &a, HARK_ACCEPTED_REFUSED, 0, HARK_E_ACCEPT_RATE, now);
    entry = only_entry(f, &outbox);
    expect(entry, "state", "pending");
    expect(json_object_get(entry, "error"), "name", "accept-rate");
    answer(f, &a, HARK_ACCEPTED_REFUSED, 0, HARK_E_VOID_MEMBER, now);
    entry = only_entry(f, &outbox);
    expect(entry, "state", "refused");
    expect(entry, "node", "cafe");
    expect(json_object_get(entry, "error"), "name", "void-member");
    expect(json_object_get(entry, "error"), "message", "no");
    answer(f, &a, HARK_ACCEPTED_INTAKE, 7, 0, now);
    entry = only_entry(f, &outbox);
    expect(entry, "state", "accepted");
    assert_int_equal(json_integer_value(json_object_get(entry, "position")), 7);
    answer(f, &a, HARK_ACCEPTED_LOGGED, 9, 0, now);
    entry = only_entry(f, &outbox);
    expect(entry, "state", "accepted");
    assert_true(json_is_null(json_object_get(entry, "position")));
    json_decref(outbox);
}

static void test_space_outbox__tells_what_can_never_be_logged(void **state)
{
    struct fixture *f = *state;
    struct hark_logged next;
    struct rows *rows;
    struct hark_hash ids[8];
    uint8_t flags[8];

    (void)write_away(f, "topic", "title", "a", NULL);
    (void)write_away(f, "topic", "title", "b", NULL);
    (void)write_away(f, "topic", "title", "c", NULL);
    /* The same key writes at the home: a device restored from a backup, say. */
    (void)write_home(f, "topic", "title", "twin", NULL);
    follow(f);
    OK(hark_space_outbox_tend(f->away, 5, NULL, &err));
    rows = look(f);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rows->list[i].state, HARK_OUT_REFUSED);
        assert_int_equal(rows->list[i].code, i == 0 ? HARK_E_ENTRY_TWIN : HARK_E_ENTRY_PREVIOUS);
        assert_string_equal(rows->list[i].node, "home");
    }
    assert_int_equal(body(f, 6, ids, flags), 0);
    /* b stands where the next one would: it is not signed again with other words. */
    assert_int_equal(write_at(f->away_node, f->away, f, "topic", "title", "d", NULL, &next),
                     HARK_E_ENTRY_TWIN);
    assert_int_equal(look(f)->count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_space_outbox__##name, set_up, tear_down)
        TEST(is_written_into_away_from_the_home),
        TEST(takes_nothing_that_would_be_void),
        TEST(is_empty_when_the_log_has_it),
        TEST(hands_in_again_what_is_not_logged),
        TEST(waits_for_what_time_may_mend),
        TEST(goes_on_after_a_refusal),
        TEST(brings_what_an_entry_follows),
        TEST(goes_into_the_intake_of_a_named_node),
        TEST(sees_what_others_have_taken_in),
        TEST(warns_of_a_home_that_takes_nothing_over),
        TEST(tells_each_fate),
        TEST(tells_what_can_never_be_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
