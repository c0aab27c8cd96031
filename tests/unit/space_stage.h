/*
 * A stage for tests of spaces over real repositories and indexes: a world (see
 * worldgen.h) of a home, a second node and three members, logged once into a
 * template on disk of which every case gets a copy of its own; and snapshots of
 * all that a refusal must leave alone. Include after cmocka.h.
 */
#ifndef HARK_TESTS_SPACE_STAGE_H
#define HARK_TESTS_SPACE_STAGE_H

#include <ftw.h>

#include "node/files.h"
#include "node/space.h"
#include "tests/support/worldgen.h"
#include "tests/unit/run_tool.h"

#define STAGE_PATH_MAX 96
#define STAGE_ANY_TIME (UINT64_MAX / 2) /* worlds live in years of their own */

static struct hark_err err;
static const char *at_case = ""; /* for messages */

#define OK(call)                                                                                   \
    do {                                                                                           \
        int ok_rc = (call);                                                                        \
        if (ok_rc != 0)                                                                            \
            fail_msg("%s: %s: %s (%s)", at_case, #call, err.message, hark_err_name(ok_rc));        \
    } while (0)

struct stage {
    struct world *world;
    struct hark_space *space;
    size_t base;                                   /* entries that every copy begins with */
    uint32_t alice, alice_phone, bob, sam;         /* keys; sam is staff; ordinals 0, 0, 1, 2 */
    uint32_t ticket;                               /* one use, for members */
    uint32_t node_log, node_cosigner, node_author; /* of one.example */
    uint64_t admit_alice, topic, idea, post, erased, erase, request; /* positions */
};

static char stage_dir[32]; /* <dir>/template, <dir>/copy-<n> */
static unsigned stage_copies;

static inline json_t *stage_text(const char *field, const char *value)
{
    return json_pack("{s:s}", field, value);
}

static inline uint64_t stage_admit(struct stage *s, uint32_t key, const char *role)
{
    return world_say(s->world, WORLD_STEWARD, "admit",
                     world_fields_admit(s->world, key, role, WORLD_NO_KEY), HARK_NONE);
}

/* The same entries every time, byte for byte. */
static inline void stage_write(struct stage *s)
{
    struct world *w = world_new(11, NULL, NULL);

    memset(s, 0, sizeof(*s));
    s->world = w;
    s->alice = world_new_key(w);
    s->alice_phone = world_new_key(w);
    s->bob = world_new_key(w);
    s->sam = world_new_key(w);
    s->ticket = world_new_key(w);
    s->node_log = world_new_key(w);
    s->node_cosigner = world_new_key(w);
    s->node_author = world_new_key(w);
    s->admit_alice = stage_admit(s, s->alice, "member");
    (void)stage_admit(s, s->bob, "member");
    (void)stage_admit(s, s->sam, "staff");
    world_say(w, WORLD_STEWARD, "device", world_fields_device(w, 0, s->alice_phone), HARK_NONE);
    world_say(w, WORLD_STEWARD, "invite",
              world_fields_invite(s->ticket, "member", 1, w->now_ms + 3600000), HARK_NONE);
    world_say(w, WORLD_STEWARD, "node",
              world_fields_node("one.example", s->node_log, s->node_cosigner, s->node_author),
              HARK_NONE);
    s->topic = world_say(w, s->alice, "topic", stage_text("title", "The park"), HARK_NONE);
    s->idea = world_say(w, s->alice, "idea", stage_text("body", "A bench"), s->topic);
    s->post = world_say(w, s->bob, "post", stage_text("body", "Yes"), s->idea);
    s->erased = world_say(w, s->bob, "post", stage_text("body", "Oh"), s->idea);
    s->erase = world_say(w, s->bob, "erase", NULL, s->erased);
    s->request = world_say(w, s->sam, "request", stage_text("action", "role"), HARK_NONE);
    s->base = w->count;
}

static inline struct hark_offer stage_offer(const struct world_entry *e, bool accept)
{
    return (struct hark_offer){.bytes = e->object,
                               .payload = e->payload,
                               .accept = accept,
                               .now_ms = e->arrival.arrival_ms};
}

/* Logs the world's entries from..count as one batch; nothing where there are none. */
static inline void stage_log(struct stage *s, size_t from)
{
    if (from == s->world->count)
        return;
    OK(hark_space_begin(s->space, &err));
    for (size_t i = from; i < s->world->count; i++) {
        struct hark_offer offer = stage_offer(s->world->log[i], false);

        OK(hark_space_add(s->space, &offer, world_signer(WORLD_LOG), NULL, &err));
    }
    OK(hark_space_commit(s->space, world_signer(WORLD_LOG), s->world->now_ms, &err));
}

/* So many more entries are logged. */
static inline void stage_grow(struct stage *s, unsigned count)
{
    size_t from = s->world->count;

    while (count-- > 0)
        world_say(s->world, s->bob, "post", stage_text("body", "More"), s->idea);
    stage_log(s, from);
}

static inline void stage_make_place(char *out, const char *name)
{
    char path[STAGE_PATH_MAX + 16];

    (void)snprintf(out, STAGE_PATH_MAX, "%s/%s", stage_dir, name);
    assert_int_equal(mkdir(out, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/spaces", out);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/index", out);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* The batch that begins at that position. */
static inline int stage_read(struct hark_space *space, uint64_t first, struct hark_space_batch *out,
                             struct hark_err *why)
{
    struct hark_index_batch row;

    OK(hark_index_batch(hark_space_index(space), first, &row, why));
    assert_int_equal(row.first, first);
    return hark_space_read_batch(space, "", row.number, out, why);
}

/* In memory where there is such a place: what a power cut leaves is for other
 * tests, and here hundreds of batches would wait for the disk. */
static inline void stage_make_directory(void)
{
    memcpy(stage_dir, "/dev/shm/hark-test-XXXXXX", 26);
    if (mkdtemp(stage_dir) == NULL)
        make_directory(stage_dir);
}

/* For cmocka's group. */
static inline int stage_set_up_all(void **state)
{
    char place[STAGE_PATH_MAX];
    struct stage s;

    (void)state;
    OK(hark_crypto_init(&err));
    OK(hark_git_init(&err));
    stage_make_directory();
    stage_make_place(place, "template");
    stage_write(&s);
    OK(hark_space_create(&s.space, place, &s.world->space, NULL, &err));
    stage_log(&s, 0);
    OK(hark_space_tend(s.space, &err));
    hark_space_free(s.space);
    world_free(s.world);
    return 0;
}

static inline int stage_tear_down_all(void **state)
{
    (void)state;
    assert_non_null(strstr(stage_dir, "/hark-test-"));
    assert_int_equal(run_tool(stage_dir, "rm -rf -- \"$PWD\""), 0);
    return 0;
}

/* A space of its own as the template left it. */
static inline struct hark_space *stage_open_copy(const struct hark_hash *id)
{
    struct hark_space *space = NULL;
    char script[64], place[STAGE_PATH_MAX];

    (void)snprintf(script, sizeof(script), "cp -r template copy-%u", ++stage_copies);
    assert_int_equal(run_tool(stage_dir, script), 0);
    (void)snprintf(place, sizeof(place), "%s/copy-%u", stage_dir, stage_copies);
    OK(hark_space_open(&space, place, id, false, NULL, &err));
    return space;
}

static inline void stage_begin(struct stage *s)
{
    stage_write(s);
    s->space = stage_open_copy(&s->world->space);
}

static inline void stage_end(struct stage *s)
{
    hark_space_free(s->space);
    world_free(s->world);
    assert_int_equal(run_tool(stage_dir, "rm -rf copy-*"), 0);
}

static inline void stage_about(const struct stage *s, struct world_draft *d, uint64_t position)
{
    d->re[d->re_count++] = s->world->log[position]->entry.id;
}

static inline void stage_draft(struct world_draft *d, uint32_t by, const char *kind, json_t *fields)
{
    d->by = by;
    d->kind = kind;
    d->fields = fields;
}

/* One that may be logged and stands whatever has happened: even after the end of
 * the space a node says that it has erased. */
static inline struct world_entry *stage_good(struct stage *s)
{
    struct world_draft d = {.by = WORLD_AUTHOR, .kind = "ack"};

    stage_about(s, &d, s->erase);
    return world_build(s->world, &d);
}

/* ---- Snapshots -------------------------------------------------------------- */

struct snapshot {
    uint64_t size, covered;
    bool has_main;
    struct hark_git_id main;
    struct hark_log_head head;
    struct hark_hash state, content;
    struct hark_hash files; /* of the repository, names and contents */
};

static struct hark_hash stage_files;

/* Files come in any order: their hashes are added up. */
static inline int stage_add_file(const char *path, const struct stat *info, int type,
                                 struct FTW *where)
{
    struct hark_buf text = hark_buf_init(64u << 20);
    struct hark_hash hash;

    (void)info;
    (void)where;
    assert_int_equal(hark_buf_append(&text, path, strlen(path) + 1, NULL), 0);
    if (type == FTW_F)
        OK(hark_file_read(path, &text, &err));
    hash = hark_sha256(hark_buf_span(&text));
    for (size_t i = 0; i < HARK_HASH_SIZE; i++)
        stage_files.bytes[i] = (uint8_t)(stage_files.bytes[i] ^ hash.bytes[i]);
    hark_buf_free(&text);
    return 0;
}

static inline void snapshot_take(struct snapshot *out, struct hark_space *space,
                                 const char *repository)
{
    memset(out, 0, sizeof(*out));
    out->size = hark_state_size(hark_space_state(space));
    out->head = *hark_space_head(space);
    OK(hark_repo_head(hark_space_repo(space), "main", &out->has_main, &out->main, &err));
    OK(hark_repo_payloads_covered(hark_space_repo(space), "main", &out->covered, &err));
    OK(hark_state_hash(hark_space_state(space), &out->state, &err));
    OK(hark_index_content_hash(hark_space_index(space), &out->content, &err));
    memset(&stage_files, 0, sizeof(stage_files));
    assert_int_equal(nftw(repository, stage_add_file, 16, FTW_PHYS), 0);
    out->files = stage_files;
}

/* The repository of the newest copy. */
static inline void stage_repository(char *out, size_t size, const struct hark_hash *id)
{
    char hex[2 * HARK_HASH_SIZE + 1];
    int n;

    hark_hash_hex(hex, id);
    n = snprintf(out, size, "%s/copy-%u/spaces/%s.git", stage_dir, stage_copies, hex);
    assert_true(n > 0 && (size_t)n < size);
}

static inline void stage_snapshot(struct snapshot *out, struct hark_space *space)
{
    char path[256];

    stage_repository(path, sizeof(path), hark_space_id(space));
    snapshot_take(out, space, path);
}

static inline bool stage_same_head(const struct hark_log_head *a, const struct hark_log_head *b)
{
    struct hark_hash left = hark_merkle_root(&a->tree), right = hark_merkle_root(&b->tree);

    return strcmp(a->origin, b->origin) == 0 && hark_key_equal(&a->log_key, &b->log_key) &&
           a->tree.size == b->tree.size && hark_hash_equal(&left, &right) &&
           a->has_batch == b->has_batch && hark_hash_equal(&a->batch, &b->batch) &&
           hark_git_id_equal(&a->batch_id, &b->batch_id) &&
           a->last_arrival_ms == b->last_arrival_ms && a->last_time_ms == b->last_time_ms;
}

static inline void assert_unchanged(const struct snapshot *was, struct hark_space *space)
{
    struct snapshot now;

    stage_snapshot(&now, space);
    if (was->size != now.size || was->covered != now.covered || was->has_main != now.has_main ||
        !hark_git_id_equal(&was->main, &now.main) || !stage_same_head(&was->head, &now.head))
        fail_msg("%s: the log has moved", at_case);
    if (!hark_hash_equal(&was->state, &now.state))
        fail_msg("%s: the state has changed", at_case);
    if (!hark_hash_equal(&was->content, &now.content))
        fail_msg("%s: the contents have changed", at_case);
    if (!hark_hash_equal(&was->files, &now.files))
        fail_msg("%s: the repository's files have changed", at_case);
}

static inline void assert_sound(struct hark_space *space)
{
    struct hark_verified verified;
    struct hark_hash hash;

    OK(hark_index_check(hark_space_index(space), &err));
    OK(hark_space_verify(space, STAGE_ANY_TIME, &verified, &err));
    OK(hark_state_hash(hark_space_state(space), &hash, &err));
    if (!hark_hash_equal(&verified.state_hash, &hash))
        fail_msg("%s: git alone says another state", at_case);
}

static inline void assert_code(int code, int wanted)
{
    if (code != wanted || (code != 0 && err.code != code))
        fail_msg("%s: %s (%s) instead of %s", at_case, hark_err_name(code),
                 code != 0 ? err.message : "", hark_err_name(wanted));
}

#endif
