/*
 * A stage for tests of what is under way: a home, two named partners P and Q and three
 * members' own nodes' worth of keys, each node with a space of its own over a real
 * repository, all copied from one template; batches are carried between them by hand.
 * What members write is drafted in a world (worldgen.h) whose log is the order of
 * writing: it is not the order in which the home logs. Include after cmocka.h.
 */
#ifndef HARK_TESTS_FLIGHT_STAGE_H
#define HARK_TESTS_FLIGHT_STAGE_H

#include "node/outbox.h"
#include "tests/unit/space_stage.h"

#define MEMBERS 4u

enum { HOME, P, Q, NODES };

struct party {
    struct world *world;
    size_t base; /* entries that every node begins with */
    uint32_t steward, members[MEMBERS];
    uint32_t logs[NODES], cosigners[NODES]; /* keys */
    struct hark_space *nodes[NODES];
    uint64_t skew_ms[NODES]; /* how far a node's clock is ahead */
    uint64_t topic;
};

static const char *const party_names[NODES] = {WORLD_HOME, "p.example", "q.example"};

/* The same entries every time, byte for byte. */
static inline void party_write(struct party *p)
{
    struct world *w = world_new(23, NULL, NULL);

    memset(p, 0, sizeof(*p));
    p->world = w;
    p->logs[HOME] = WORLD_LOG;
    p->cosigners[HOME] = WORLD_COSIGNER;
    for (unsigned i = 0; i < MEMBERS; i++) {
        p->members[i] = world_new_key(w);
        world_say(w, WORLD_STEWARD, "admit",
                  world_fields_admit(w, p->members[i], i == 3 ? "staff" : "member", WORLD_NO_KEY),
                  HARK_NONE);
    }
    for (unsigned i = P; i < NODES; i++) {
        p->logs[i] = world_new_key(w);
        p->cosigners[i] = world_new_key(w);
        world_say(w, WORLD_STEWARD, "node",
                  world_fields_node(party_names[i], p->logs[i], p->cosigners[i], world_new_key(w)),
                  HARK_NONE);
    }
    p->topic = world_say(w, p->members[0], "topic", stage_text("title", "The park"), HARK_NONE);
    p->base = w->count;
}

static inline uint64_t party_now(const struct party *p, unsigned node)
{
    return p->world->now_ms + p->skew_ms[node];
}

/* Logs world entries from..to at the home. */
static inline void party_log(struct party *p, size_t from, size_t to)
{
    OK(hark_space_begin(p->nodes[HOME], &err));
    for (size_t i = from; i < to; i++) {
        struct hark_offer offer = stage_offer(p->world->log[i], false);

        offer.now_ms = party_now(p, HOME);
        OK(hark_space_add(p->nodes[HOME], &offer, world_signer(WORLD_LOG), NULL, &err));
    }
    OK(hark_space_commit(p->nodes[HOME], world_signer(WORLD_LOG), party_now(p, HOME), &err));
}

/* For cmocka's group. */
static inline int party_set_up_all(void **state)
{
    char place[STAGE_PATH_MAX];
    struct party p;

    (void)state;
    OK(hark_crypto_init(&err));
    OK(hark_git_init(&err));
    stage_make_directory();
    stage_make_place(place, "template");
    party_write(&p);
    OK(hark_space_create(&p.nodes[HOME], place, &p.world->space, NULL, &err));
    party_log(&p, 0, p.base);
    OK(hark_space_tend(p.nodes[HOME], &err));
    hark_space_free(p.nodes[HOME]);
    world_free(p.world);
    return 0;
}

static inline void party_begin(struct party *p)
{
    party_write(p);
    for (unsigned i = 0; i < NODES; i++)
        p->nodes[i] = stage_open_copy(&p->world->space);
}

static inline void party_end(struct party *p)
{
    for (unsigned i = 0; i < NODES; i++)
        hark_space_free(p->nodes[i]);
    world_free(p->world);
    assert_int_equal(run_tool(stage_dir, "rm -rf copy-*"), 0);
}

/* A post by that member about an entry of the world; its number in the world. */
static inline uint64_t party_post(struct party *p, unsigned member, uint64_t about)
{
    return world_say(p->world, p->members[member], "post", stage_text("body", "Yes"), about);
}

static inline const struct hark_hash *party_id(const struct party *p, uint64_t number)
{
    return &p->world->log[number]->entry.id;
}

/* Hands an entry in at a node; what became of it, and how many batches it took. */
static inline struct hark_outcome party_hand_in(struct party *p, unsigned node, uint64_t number,
                                                bool accept)
{
    struct hark_offer offer = stage_offer(p->world->log[number], accept);
    struct hark_outcome outcome;

    offer.now_ms = party_now(p, node);
    OK(hark_space_accept(p->nodes[node], party_names[node], world_signer(p->logs[node]), &offer, 1,
                         0, &outcome, &err));
    return outcome;
}

/* It is taken in, or was: its position there. */
static inline uint64_t party_accept(struct party *p, unsigned node, uint64_t number)
{
    struct hark_outcome outcome = party_hand_in(p, node, number, true);

    if (outcome.code != 0)
        fail_msg("%s: %llu is not taken in: %s (%s)", at_case, (unsigned long long)number,
                 hark_err_name(outcome.code), outcome.message);
    assert_true(hark_hash_equal(&outcome.id, party_id(p, number)));
    return outcome.position;
}

/* The next position of the log of `log` ("": the main one) and its batches at a node. */
static inline uint64_t party_size(struct party *p, unsigned node, const char *log,
                                  uint64_t *batches)
{
    struct hark_log_head head;
    int rc = hark_space_log(p->nodes[node], log, &head, batches, &err);

    if (rc == HARK_E_NOT_FOUND) {
        *batches = 0;
        return 0;
    }
    OK(rc);
    return head.tree.size;
}

/* Carries what is new of one log from one node to another; false when the other has to
 * have more of the main log first. */
static inline bool party_carry(struct party *p, unsigned from, unsigned to, const char *log)
{
    uint64_t theirs = 0, ours = 0;

    (void)party_size(p, from, log, &theirs);
    (void)party_size(p, to, log, &ours);
    for (; ours < theirs; ours++) {
        struct hark_space_batch batch;
        int rc;

        OK(hark_space_read_batch(p->nodes[from], log, ours, &batch, &err));
        rc = hark_space_take(p->nodes[to], log, &batch.raw, party_now(p, to), &err);
        hark_space_batch_free(&batch);
        if (rc == HARK_E_BEHIND)
            return false;
        OK(rc);
    }
    return true;
}

/* Everything everywhere: main log first, whose intakes were judged against it. */
static inline void party_carry_all(struct party *p)
{
    for (unsigned to = 0; to < NODES; to++) {
        if (to != HOME)
            assert_true(party_carry(p, HOME, to, ""));
        for (unsigned from = P; from < NODES; from++)
            if (from != to)
                assert_true(party_carry(p, from, to, party_names[from]));
    }
}

static inline bool party_take_over(struct party *p)
{
    bool changed = false;

    OK(hark_space_take_over(p->nodes[HOME], world_signer(WORLD_LOG), party_now(p, HOME), &changed,
                            &err));
    return changed;
}

static inline struct hark_hash party_state(struct hark_space *space)
{
    struct hark_hash hash;

    OK(hark_state_hash(hark_space_state(space), &hash, &err));
    return hash;
}

/* The home takes everything over, and all nodes come to the same. */
static inline void party_settle(struct party *p)
{
    struct hark_hash home, other;
    const struct hark_flight_entry *entries;
    size_t count;

    party_carry_all(p);
    (void)party_take_over(p);
    assert_false(party_take_over(p)); /* there is nothing more */
    party_carry_all(p);
    home = party_state(p->nodes[HOME]);
    for (unsigned i = 0; i < NODES; i++) {
        other = party_state(p->nodes[i]);
        assert_true(hark_hash_equal(&home, &other));
        OK(hark_space_flight(p->nodes[i], &entries, &count, &err));
        if (count > 0)
            fail_msg("%s: at %s %zu entries are still under way", at_case, party_names[i], count);
    }
    assert_sound(p->nodes[Q]); /* in whose log everything has come from others */
}

/* Its row in a node's main log; false when it is not there. */
static inline bool party_find(struct party *p, unsigned node, uint64_t number, struct hark_row *row)
{
    uint64_t position = 0;
    bool found = false;

    OK(hark_state_find_entry(hark_space_state(p->nodes[node]), party_id(p, number), &found,
                             &position, &err));
    if (found)
        OK(hark_index_row(hark_space_index(p->nodes[node]), position, row, &err));
    return found;
}

/* Puts it into a node's outbox. */
static inline void party_put(struct party *p, unsigned node, uint64_t number)
{
    const struct world_entry *e = p->world->log[number];
    struct hark_outbox *outbox = NULL;

    OK(hark_space_outbox(p->nodes[node], &outbox, &err));
    OK(hark_outbox_put(outbox, &e->entry.id, e->object, e->payload, party_now(p, node), &err));
    hark_space_outbox_changed(p->nodes[node]);
}

/* The flight of a node is these entries of the world, in this order. */
static inline const struct hark_flight_entry *
party_expect_flight(struct party *p, unsigned node, const uint64_t *numbers, size_t wanted)
{
    const struct hark_flight_entry *entries = NULL;
    size_t count = 0;

    OK(hark_space_flight(p->nodes[node], &entries, &count, &err));
    if (count != wanted)
        fail_msg("%s: %zu entries are under way instead of %zu", at_case, count, wanted);
    for (size_t i = 0; i < count; i++) {
        if (!hark_hash_equal(&entries[i].entry.id, party_id(p, numbers[i])))
            fail_msg("%s: at %zu is another entry than %llu", at_case, i,
                     (unsigned long long)numbers[i]);
        assert_int_equal(entries[i].object.size, p->world->log[numbers[i]]->object.size);
        assert_memory_equal(entries[i].object.data, p->world->log[numbers[i]]->object.data,
                            entries[i].object.size);
    }
    return entries;
}

#endif
