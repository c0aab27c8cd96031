/*
 * A small log made by hand for the index's tests: entries that no state has
 * judged, with what a state would have put into the store.
 */
#ifndef HARK_TESTS_INDEX_WORLD_H
#define HARK_TESTS_INDEX_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/index.h"

#define WORLD_FEEDS 8u
struct world {
    char dir[64], path[96];
    struct hark_hash space;
    struct hark_index *index;
    struct hark_err err;
    uint64_t size;
    uint32_t members;
    uint64_t salt;               /* makes payloads differ */
    uint64_t random;             /* of a seeded generator */
    uint64_t feeds[WORLD_FEEDS]; /* how long they are, by author; feeds of others share one */
};

/* Prints the index's own message when it fails. */
#define ok(w, call)                                                                                \
    do {                                                                                           \
        int ok_rc_ = (call);                                                                       \
        if (ok_rc_ != 0)                                                                           \
            fail_msg("%s: %s: %s", #call, hark_err_name(ok_rc_), (w)->err.message);                \
    } while (0)

static inline uint64_t world_random(struct world *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % below;
}

static inline struct hark_hash world_hash(const char *what, uint64_t number)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%s %llu", what, (unsigned long long)number);
    return hark_sha256(hark_span_str(text));
}

static inline struct hark_git_id world_git(const char *what, uint64_t number)
{
    struct hark_hash hash = world_hash(what, number);
    struct hark_git_id id;

    memcpy(id.bytes, hash.bytes, sizeof(id.bytes));
    return id;
}

static inline void world_open(struct world *w)
{
    ok(w, hark_index_open(&w->index, w->path, &w->space, true, false, &w->err));
}

static inline int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    assert_int_equal(hark_crypto_init(NULL), 0);
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/hark-index.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->path, sizeof(w->path), "%s/index.db", w->dir);
    w->space = world_hash("space", 0);
    w->random = UINT64_C(0x9e3779b97f4a7c15);
    world_open(w);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    static const char *const names[] = {"index.db", "index.db-wal", "index.db-shm"};
    struct world *w = *state;
    char path[160];

    hark_index_free(w->index);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", w->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(w->dir);
    free(w);
    return 0;
}

static inline void world_begin(struct world *w)
{
    ok(w, hark_index_begin(w->index, &w->err));
}

static inline void world_commit(struct world *w)
{
    ok(w, hark_index_commit(w->index, &w->err));
}

/* What is to be added; zeroed but for `kind` it is a member's entry that stands,
 * about nothing, without a payload. */
struct saying {
    const char *kind;
    uint8_t author_of;
    uint32_t author;
    uint8_t verdict;
    size_t re_count;
    uint64_t re[HARK_ENTRY_RE_MAX];
    const char *json;    /* "{...}" without salt; NULL: no payload */
    enum hark_says says; /* with json; NONE: SAYS_IT */
    bool foreign;
    const struct hark_hash *payload_hash; /* NULL: one of its own */
    uint32_t member;                      /* that admit, role, remove, leave concern */
    uint8_t role, status;
    bool erase_member;
    uint64_t batch;
};

static inline void world_vote_key(uint8_t key[12], uint64_t subject, uint32_t member)
{
    hark_put_u64(key, subject);
    hark_put_u32(key + 8, member);
}

/* What the state would have put before the index comes to it. */
static inline void world_state(struct world *w, const struct saying *s,
                               const struct hark_entry *entry, struct hark_effect *effect)
{
    struct hark_store store = hark_index_store(w->index);
    uint8_t object[64] = {s->verdict};
    uint8_t key[12];
    bool found = false;
    uint64_t number = 0;

    ok(w, store.put(store.arg, HARK_SECTION_ENTRY, w->size, object, 39, &w->err));
    ok(w, store.bind(store.arg, HARK_LOOKUP_ENTRY, hark_span(entry->id.bytes, HARK_HASH_SIZE),
                     w->size, &w->err));
    if (entry->has_payload) {
        struct hark_span hash = hark_span(entry->payload_hash.bytes, HARK_HASH_SIZE);

        ok(w, store.find(store.arg, HARK_LOOKUP_PAYLOAD, hash, &found, &number, &w->err));
        if (!found)
            ok(w, store.bind(store.arg, HARK_LOOKUP_PAYLOAD, hash, w->size, &w->err));
    }
    if (s->verdict != 0)
        return;
    if (strcmp(s->kind, "vote") == 0) {
        world_vote_key(key, s->re[0], s->author);
        ok(w,
           store.find(store.arg, HARK_LOOKUP_VOTE, hark_span(key, 12), &found, &number, &w->err));
        effect->replaces = found ? number : HARK_NONE;
        ok(w, store.bind(store.arg, HARK_LOOKUP_VOTE, hark_span(key, 12), w->size, &w->err));
    }
    if (strcmp(s->kind, "admit") == 0 || strcmp(s->kind, "role") == 0 ||
        strcmp(s->kind, "remove") == 0 || strcmp(s->kind, "leave") == 0) {
        uint8_t member[18] = {s->role, s->status};

        effect->member = s->member;
        ok(w,
           store.put(store.arg, HARK_SECTION_MEMBER, s->member, member, sizeof(member), &w->err));
    }
}

static inline struct hark_entry world_entry(struct world *w, const struct saying *s)
{
    struct hark_hash author =
        world_hash("author", (uint64_t)s->author_of << 32 | (uint64_t)s->author);
    struct hark_entry entry = {
        .has_space = true, .space = w->space, .seq = ++w->feeds[s->author % WORLD_FEEDS]};

    memcpy(entry.author.bytes, author.bytes, HARK_KEY_SIZE);
    entry.time_ms = 1000 + w->size;
    (void)snprintf(entry.kind, sizeof(entry.kind), "%s", s->kind);
    entry.id = world_hash("entry", w->size);
    entry.re_count = s->re_count;
    for (size_t i = 0; i < s->re_count; i++)
        entry.re[i] = world_hash("entry", s->re[i]);
    if (s->json != NULL) {
        entry.has_payload = true;
        entry.payload_size = 64;
        entry.payload_hash = world_hash("payload", w->size);
        if (s->payload_hash != NULL)
            entry.payload_hash = *s->payload_hash;
    }
    return entry;
}

/* Adds it within a transaction; gives its position. */
static inline uint64_t world_add(struct world *w, const struct saying *s)
{
    struct hark_entry entry = world_entry(w, s);
    struct hark_effect effect = {
        .position = w->size,
        .verdict = s->verdict,
        .author_of = s->author_of,
        .author = s->author,
        .re_count = s->re_count,
        .replaces = HARK_NONE,
        .payload_foreign = s->foreign,
    };
    struct hark_index_entry item = {
        .entry = &entry,
        .effect = &effect,
        .kind = s->kind,
        .arrival = {.arrival_ms = 2000 + w->size, .accepted_ms = 2000 + w->size},
        .leaf = world_hash("leaf", w->size),
        .batch_id = world_git("batch", s->batch),
        .says =
            s->json == NULL ? HARK_SAYS_NONE : (s->says == HARK_SAYS_NONE ? HARK_SAYS_IT : s->says),
    };
    struct hark_hash id_of_payload = entry.payload_hash;

    for (size_t i = 0; i < s->re_count; i++)
        effect.re[i] = s->re[i];
    item.arrival.git_id = world_git("git", w->size);
    item.has_blob = s->json != NULL && item.says != HARK_SAYS_MISSING;
    memcpy(item.blob.bytes, id_of_payload.bytes, HARK_GIT_ID_SIZE);
    if (s->erase_member) {
        effect.erased_member_count = 1;
        effect.erased_members[0] = s->member;
    }
    if (item.says == HARK_SAYS_IT) {
        item.payload = json_loads(s->json, 0, NULL);
        assert_non_null(item.payload);
    }
    world_state(w, s, &entry, &effect);
    ok(w, hark_index_add(w->index, &item, &w->err));
    json_decref(item.payload);
    return w->size++;
}

static inline uint64_t world_admit(struct world *w, uint8_t role)
{
    struct saying s = {.kind = "admit",
                       .author_of = HARK_KEY_OF_STEWARD,
                       .member = w->members++,
                       .role = role,
                       .json = "{\"key\":\"aa\"}"};

    return world_add(w, &s);
}

static inline uint64_t world_say(struct world *w, const char *kind, uint32_t author,
                                 const char *json)
{
    struct saying s = {.kind = kind, .author = author, .json = json};

    return world_add(w, &s);
}

static inline uint64_t world_about(struct world *w, const char *kind, uint32_t author,
                                   uint64_t subject, const char *json)
{
    struct saying s = {
        .kind = kind, .author = author, .json = json, .re_count = 1, .re = {subject}};

    return world_add(w, &s);
}

static inline uint64_t world_vote(struct world *w, uint32_t author, uint64_t subject,
                                  const char *choice)
{
    char json[64];

    (void)snprintf(json, sizeof(json), "{\"choice\":\"%s\"}", choice);
    return world_about(w, "vote", author, subject, json);
}

static inline uint64_t world_cohort(struct world *w, uint64_t admit, const char *dimension,
                                    const char *value)
{
    char json[200];
    struct saying s = {.kind = "cohort",
                       .author_of = HARK_KEY_OF_STEWARD,
                       .re_count = 1,
                       .re = {admit},
                       .json = json};

    (void)snprintf(json, sizeof(json), "{\"dimension\":\"%s\",\"value\":\"%s\"}", dimension, value);
    return world_add(w, &s);
}

static inline uint64_t world_erase(struct world *w, uint64_t subject)
{
    struct saying s = {.kind = "erase", .re_count = 1, .re = {subject}};

    return world_add(w, &s);
}

static inline struct hark_row world_row(struct world *w, uint64_t position)
{
    struct hark_row row;

    ok(w, hark_index_row(w->index, position, &row, &w->err));
    return row;
}

static inline struct hark_tally world_tally(struct world *w, uint64_t subject)
{
    struct hark_tally tally;

    ok(w, hark_index_tally(w->index, subject, NULL, 0, 0, &tally, &w->err));
    return tally;
}

static inline void world_check(struct world *w)
{
    ok(w, hark_index_check(w->index, &w->err));
}

/* Is this anywhere in the index's files? */
static inline bool world_on_disk(const struct world *w, const char *needle)
{
    static const char *const suffixes[] = {"", "-wal"};
    bool found = false;

    for (size_t i = 0; i < 2; i++) {
        char path[160];
        FILE *file;
        char *bytes;
        long size;

        (void)snprintf(path, sizeof(path), "%s%s", w->path, suffixes[i]);
        file = fopen(path, "rb");
        if (file == NULL)
            continue;
        assert_int_equal(fseek(file, 0, SEEK_END), 0);
        size = ftell(file);
        assert_int_equal(fseek(file, 0, SEEK_SET), 0);
        bytes = malloc((size_t)size + 1);
        assert_non_null(bytes);
        assert_int_equal(fread(bytes, 1, (size_t)size, file), (size_t)size);
        found = found || memmem(bytes, (size_t)size, needle, strlen(needle)) != NULL;
        free(bytes);
        assert_int_equal(fclose(file), 0);
    }
    return found;
}

#endif
