/*
 * What an audit says of a repository: that a good one is well, whatever lies beside
 * it, and for each kind of damage, made with git itself or with the keys of those who
 * would be at fault, what is wrong, whose signature it bears, and the exit code.
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

#include "node/audit.h"
#include "node/space_internal.h"
#include "tests/unit/space_stage.h"
#include "tests/vectors/craft.h"

#define PARTS 4
#define NODE  "one.example"

/* ---- A repository to be damaged -------------------------------------------------- */

struct scene {
    struct stage s;
    char repo[256];
    struct hark_log_head before; /* the last batch of the main log */
    uint64_t last;               /* where it begins */
    struct hark_space_batch batch;
    uint64_t now_ms;
};

static struct hark_pool *pool;

static struct hark_log_head main_head(struct scene *sc)
{
    return *hark_space_head(sc->s.space);
}

/* Three batches: the stage's; one with the partner's word on the erasure and a few
 * entries; and one of two posts, the first of which damages are done to. */
static void scene_open(struct scene *sc)
{
    struct world_draft ack = {.by = 0, .kind = "ack"};
    size_t from;

    memset(sc, 0, sizeof(*sc));
    stage_begin(&sc->s);
    stage_repository(sc->repo, sizeof(sc->repo), &sc->s.world->space);
    from = sc->s.world->count;
    ack.by = sc->s.node_author;
    stage_about(&sc->s, &ack, sc->s.erase);
    world_log(sc->s.world, &ack, 0);
    world_say(sc->s.world, WORLD_STEWARD, "policy", json_pack("{s:{}}", "policy"), HARK_NONE);
    world_say(sc->s.world, sc->s.alice, "post", stage_text("body", "One"), sc->s.idea);
    stage_log(&sc->s, from);
    sc->before = main_head(sc);
    sc->last = from = sc->s.world->count;
    world_say(sc->s.world, sc->s.bob, "post", stage_text("body", "Two"), sc->s.idea);
    world_say(sc->s.world, sc->s.alice, "post", stage_text("body", "Three"), sc->s.idea);
    stage_log(&sc->s, from);
    OK(hark_space_tend(sc->s.space, &err));
    OK(hark_space_read_batch(sc->s.space, "", 2, &sc->batch, &err));
    sc->now_ms = sc->s.world->now_ms + 60000;
}

static void scene_close(struct scene *sc)
{
    hark_space_batch_free(&sc->batch);
    stage_end(&sc->s);
}

static void in_repo(struct scene *sc, const char *script)
{
    int code = run_tool(sc->repo, script);

    if (code != 0)
        fail_msg("%s: the script ended with %d: %s", at_case, code, script);
}

static struct hark_git_id put_object(struct scene *sc, enum hark_git_type type,
                                     struct hark_span bytes)
{
    static const char *const names[] = {"commit", "tree", "blob"};
    char script[128];
    struct hark_git_id id = hark_git_hash(type, bytes);

    write_file(stage_dir, "object", bytes, 0600);
    (void)snprintf(script, sizeof(script),
                   "git hash-object -t %s -w --literally --stdin <%s/object", names[type],
                   stage_dir);
    in_repo(sc, script);
    return id;
}

static void point_ref(struct scene *sc, const char *ref, const struct hark_git_id *id)
{
    char hex[2 * HARK_GIT_ID_SIZE + 1], script[256];

    hark_git_id_hex(hex, id);
    (void)snprintf(script, sizeof(script), "git update-ref refs/heads/%s %s", ref, hex);
    in_repo(sc, script);
}

/* ---- What the audit says ------------------------------------------------------------ */

static json_t *audit_path(const char *path, uint64_t now_ms, int wanted)
{
    enum hark_audit_verdict verdict = HARK_AUDIT_WELL;
    json_t *json = NULL;

    OK(hark_audit(path, pool, now_ms, &json, &verdict, &err));
    if ((int)verdict != wanted) {
        char *text = json_dumps(json, JSON_INDENT(1));

        fail_msg("%s: %d instead of %d: %s", at_case, (int)verdict, wanted, text);
    }
    assert_string_equal(json_string_value(json_object_get(json, "format")), "hark/audit/1");
    assert_int_equal(json_integer_value(json_object_get(json, "exit")), wanted);
    return json;
}

static json_t *audit_scene(struct scene *sc, int wanted)
{
    return audit_path(sc->repo, sc->now_ms, wanted);
}

static const char *name_of(const json_t *finding)
{
    return json_string_value(json_object_get(finding, "name"));
}

/* The finding of that name, at that position unless it is HARK_NONE; fails without. */
static const json_t *finding(const json_t *json, const char *name, uint64_t position)
{
    const json_t *one, *at;
    char *text;
    size_t i;

    json_array_foreach(json_object_get(json, "findings"), i, one)
    {
        at = json_object_get(one, "position");
        if (strcmp(name_of(one), name) == 0 &&
            (position == HARK_NONE ||
             (json_is_integer(at) && (uint64_t)json_integer_value(at) == position)))
            return one;
    }
    text = json_dumps(json_object_get(json, "findings"), 0);
    fail_msg("%s: no %s: %s", at_case, name, text);
    return NULL;
}

static size_t finding_count(const json_t *json)
{
    return json_array_size(json_object_get(json, "findings"));
}

static void assert_culprit(const json_t *one, const char *role, uint32_t key)
{
    const json_t *culprit = json_object_get(one, "culprit");
    char hex[2 * HARK_KEY_SIZE + 1];

    if (role == NULL) {
        if (!json_is_null(culprit))
            fail_msg("%s: somebody is blamed", at_case);
        return;
    }
    hark_hex_encode(hex, world_key(key)->bytes, HARK_KEY_SIZE);
    if (!json_is_object(culprit) ||
        strcmp(json_string_value(json_object_get(culprit, "role")), role) != 0 ||
        strcmp(json_string_value(json_object_get(culprit, "key")), hex) != 0)
        fail_msg("%s: not the %s is blamed", at_case, role);
}

static json_int_t checked(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(json, "checked"), name));
}

/* One finding, of that name, with that exit code. */
static void assert_only(struct scene *sc, int wanted, const char *name, uint64_t position)
{
    json_t *json = audit_scene(sc, wanted);

    (void)finding(json, name, position);
    assert_int_equal(finding_count(json), 1);
    json_decref(json);
}

/* ---- Good ones ---------------------------------------------------------------------- */

static void test_audit__a_good_log_is_well(void **state)
{
    struct hark_hash root;
    char hex[2 * HARK_HASH_SIZE + 1];
    struct scene sc;
    json_t *json;

    (void)state;
    at_case = "good";
    scene_open(&sc);
    json = audit_scene(&sc, 0);
    assert_int_equal(finding_count(json), 0);
    assert_int_equal(checked(json, "entries"), sc.s.world->count);
    assert_int_equal(checked(json, "signatures"), sc.s.world->count + 3);
    assert_int_equal(checked(json, "checkpoints"), 3);
    assert_int_equal(checked(json, "erased"), 1);
    assert_int_equal(json_integer_value(json_object_get(json, "size")), sc.s.world->count);
    root = hark_merkle_root(hark_state_log(sc.s.world->state));
    hark_hash_hex(hex, &root);
    assert_string_equal(json_string_value(json_object_get(json, "root")), hex);
    hark_hash_hex(hex, &sc.s.world->space);
    assert_string_equal(json_string_value(json_object_get(json, "space")), hex);
    assert_true(json_is_null(json_object_get(json, "settled_size")));
    assert_true(json_is_null(json_object_get(json, "resumed_from")));
    assert_true(json_is_null(json_object_get(json, "report")));
    assert_int_equal(json_array_size(json_object_get(json, "unacknowledged")), 0);
    json_decref(json);
    scene_close(&sc);
}

/* One thread reads and judges in turn: the same must come out. */
static void test_audit__threads_do_not_matter(void **state)
{
    struct hark_pool *all = pool;
    struct scene sc;
    json_t *one, *many;

    (void)state;
    at_case = "threads";
    scene_open(&sc);
    many = audit_scene(&sc, 0);
    pool = NULL;
    one = audit_scene(&sc, 0);
    pool = all;
    assert_true(json_equal(one, many));
    json_decref(one);
    json_decref(many);
    scene_close(&sc);
}

/* The new home's batches bear its origin and key (PROTOCOL.md 7.6). */
static void test_audit__a_home_move_is_followed(void **state)
{
    struct hark_offer offer;
    char origin[HARK_ORIGIN_MAX + 1];
    struct scene sc;
    json_t *json;

    (void)state;
    at_case = "move";
    scene_open(&sc);
    world_say(sc.s.world, WORLD_STEWARD, "home", world_fields_home(sc.s.world, NODE), HARK_NONE);
    offer = stage_offer(sc.s.world->log[sc.s.world->count - 1], false);
    OK(hark_space_begin(sc.s.space, &err));
    OK(hark_space_add(sc.s.space, &offer, world_signer(sc.s.node_log), NULL, &err));
    OK(hark_space_commit(sc.s.space, world_signer(sc.s.node_log), sc.s.world->now_ms, &err));
    OK(hark_space_tend(sc.s.space, &err));
    json = audit_scene(&sc, 0);
    hark_origin(origin, NODE, &sc.s.world->space, 2);
    assert_string_equal(json_string_value(json_object_get(json, "origin")), origin);
    json_decref(json);
    scene_close(&sc);
}

/* Nothing but objects and refs counts: not the configuration, HEAD, hooks, alternates,
 * summaries, or a node's index and settings beside the repository. */
static void test_audit__what_lies_beside_does_not_matter(void **state)
{
    struct scene sc;

    (void)state;
    at_case = "beside";
    scene_open(&sc);
    in_repo(&sc, "git pack-refs --all && printf '[core]\\n\\trepositoryformatversion = 99\\n"
                 "[extensions]\\n\\tobjectFormat = sha256\\n\\tnonsense = true\\n' >config &&"
                 "printf nonsense >HEAD && printf '/nowhere\\n' >objects/info/alternates &&"
                 "rm -rf ../../index && printf nonsense >../../hark.yaml &&"
                 "printf nonsense >index && chmod -R a-w .");
    json_decref(audit_scene(&sc, 0));
    in_repo(&sc, "chmod -R u+w .");
    scene_close(&sc);
}

/* What `git clone` makes has the same under other names. */
static void test_audit__a_clone_is_as_good(void **state)
{
    char path[STAGE_PATH_MAX];
    struct scene sc;

    (void)state;
    at_case = "clone";
    need_tool("git", "git --version");
    scene_open(&sc);
    in_repo(&sc, "git clone -q . ../../clone && git clone -q --mirror . ../../mirror.git");
    (void)snprintf(path, sizeof(path), "%s/copy-%u/clone/.git", stage_dir, stage_copies);
    json_decref(audit_path(path, sc.now_ms, 0));
    (void)snprintf(path, sizeof(path), "%s/copy-%u/mirror.git", stage_dir, stage_copies);
    json_decref(audit_path(path, sc.now_ms, 0));
    scene_close(&sc);
}

/* A node that runs has logged what its payload ref does not lead to yet. */
static void test_audit__payloads_of_a_moment_ago_are_found(void **state)
{
    struct scene sc;
    json_t *json;

    (void)state;
    at_case = "not covered";
    scene_open(&sc);
    world_say(sc.s.world, sc.s.bob, "post", stage_text("body", "Now"), sc.s.idea);
    stage_log(&sc.s, sc.s.world->count - 1);
    json = audit_scene(&sc, 0);
    assert_int_equal(checked(json, "entries"), sc.s.world->count);
    json_decref(json);
    scene_close(&sc);
}

/* Logs the world's entries from..to, as the first `home` that stands lets it: what moves
 * the home is another test's. Tells how many. */
static size_t log_random(struct scene *sc, size_t from)
{
    size_t to = from;

    OK(hark_space_begin(sc->s.space, &err));
    while (to < sc->s.world->count) {
        const struct world_entry *e = sc->s.world->log[to];
        struct hark_offer offer = stage_offer(e, false);

        if (strcmp(e->entry.kind, "home") == 0 && e->effect.verdict == 0)
            break;
        OK(hark_space_add(sc->s.space, &offer, world_signer(WORLD_LOG), NULL, &err));
        to++;
    }
    OK(hark_space_commit(sc->s.space, world_signer(WORLD_LOG), sc->s.world->now_ms, &err));
    OK(hark_space_tend(sc->s.space, &err));
    return to - from;
}

/* Entries of all kinds, of which one in six does not stand, erasures among them. */
static void test_audit__void_entries_are_well(void **state)
{
    enum hark_audit_verdict verdict = HARK_AUDIT_WELL;
    const json_t *one;
    struct scene sc;
    json_t *json = NULL;
    size_t from, i;

    (void)state;
    at_case = "void";
    scene_open(&sc);
    from = sc.s.world->count;
    sc.s.world->first_hand = true;
    for (i = 0; i < 300; i++)
        world_step(sc.s.world);
    i = log_random(&sc, from);
    print_message("%zu random entries\n", i);
    assert_true(i >= 100);
    OK(hark_audit(sc.repo, pool, STAGE_ANY_TIME, &json, &verdict, &err));
    assert_int_equal(checked(json, "entries"), from + i);
    /* What the dice erased nobody has acknowledged, and they may ask for a quorum. */
    assert_true(verdict <= HARK_AUDIT_UNSETTLED);
    json_array_foreach(json_object_get(json, "findings"), i, one)
        assert_string_equal(name_of(one), "unsettled");
    json_decref(json);
    scene_close(&sc);
}

/* ---- What is no repository of a space -------------------------------------------------- */

static void test_audit__what_is_no_repository_is_unreadable(void **state)
{
    static const struct {
        const char *script, *name, *code;
    } CASES[] = {
        {"true", "none", "not-found"},
        {"printf words >file", "file", "not-found"},
        {"mkdir folder", "folder", "not-found"},
        {"git init -q --bare empty", "empty", "not-found"},
        {"mkdir -p garbage/objects/pack garbage/refs/heads && printf nonsense >garbage/HEAD &&"
         "printf nonsense >garbage/refs/heads/main",
         "garbage", "damaged"},
        {"git init -q other && cd other && git -c user.name=a -c user.email=a@b commit -q "
         "--allow-empty -m hello && git branch -M main && mv .git ../stranger",
         "stranger", "batch-form"},
        {"git init -q --bare lost && printf '%040d\\n' 1 >lost/refs/heads/main", "lost",
         "not-found"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char path[STAGE_PATH_MAX + 16];
        json_t *json;

        at_case = CASES[i].name;
        assert_int_equal(run_tool(stage_dir, CASES[i].script), 0);
        join_path(path, sizeof(path), stage_dir, CASES[i].name);
        json = audit_path(path, WORLD_START_MS, 13);
        assert_culprit(finding(json, CASES[i].code, HARK_NONE), NULL, 0);
        assert_true(json_is_null(json_object_get(json, "space")));
        json_decref(json);
    }
}

/* ---- Payloads ---------------------------------------------------------------------------- */

/* The payload ref's tree with a line changed: `how` works on git's index. */
static void change_payloads(struct scene *sc, const char *how)
{
    char script[1024];

    (void)snprintf(script, sizeof(script),
                   "export GIT_INDEX_FILE=%s/index.tmp; rm -f $GIT_INDEX_FILE;"
                   "ref=refs/heads/payloads/main; git read-tree $ref && %s &&"
                   "{ printf 'tree %%s\\n' $(git write-tree);"
                   "git cat-file commit $ref | tail -n +2; } >%s/object &&"
                   "git update-ref $ref $(git hash-object -t commit -w %s/object)",
                   stage_dir, how, stage_dir, stage_dir);
    in_repo(sc, script);
}

static void test_audit__a_payload_replaced_is_found(void **state)
{
    char how[256];
    struct scene sc;
    json_t *json;

    (void)state;
    at_case = "replaced";
    scene_open(&sc);
    (void)snprintf(how, sizeof(how),
                   "git update-index --add --cacheinfo 100644,"
                   "$(printf other | git hash-object -w --stdin),%02x",
                   (unsigned)sc.last);
    change_payloads(&sc, how);
    json = audit_scene(&sc, 13);
    assert_culprit(finding(json, "payload-size", sc.last), NULL, 0);
    assert_int_equal(finding_count(json), 1);
    json_decref(json);
    at_case = "replaced, as long";
    (void)snprintf(how, sizeof(how),
                   "git update-index --add --cacheinfo 100644,"
                   "$(git cat-file blob %s:%02x | tr a b | git hash-object -w --stdin),%02x",
                   "refs/heads/payloads/main", (unsigned)sc.last + 1, (unsigned)sc.last + 1);
    change_payloads(&sc, how);
    json = audit_scene(&sc, 13);
    (void)finding(json, "payload-hash", sc.last + 1);
    assert_int_equal(finding_count(json), 2);
    json_decref(json);
    scene_close(&sc);
}

static void test_audit__a_payload_too_many_is_found(void **state)
{
    char how[256];
    struct scene sc;

    (void)state;
    at_case = "of an entry that names none";
    scene_open(&sc);
    (void)snprintf(how, sizeof(how),
                   "git update-index --add --cacheinfo 100644,"
                   "$(printf other | git hash-object -w --stdin),%02x",
                   (unsigned)sc.s.erase);
    change_payloads(&sc, how);
    assert_only(&sc, 13, "payload-unwanted", sc.s.erase);
    scene_close(&sc);
    at_case = "of no entry";
    scene_open(&sc);
    change_payloads(&sc, "git update-index --add --cacheinfo 100644,"
                         "$(printf other | git hash-object -w --stdin),f0");
    assert_only(&sc, 13, "payload-unwanted", 0xf0);
    scene_close(&sc);
}

static void test_audit__a_payload_gone_is_found(void **state)
{
    char how[128];
    struct scene sc;

    (void)state;
    at_case = "gone";
    scene_open(&sc);
    (void)snprintf(how, sizeof(how),
                   "printf '0 %%040d\\t%02x\\n' 0 | git update-index --index-info",
                   (unsigned)sc.last);
    change_payloads(&sc, how);
    assert_only(&sc, 13, "payload-absent", sc.last);
    at_case = "one that decides gone";
    (void)snprintf(how, sizeof(how),
                   "printf '0 %%040d\\t%02x\\n' 0 | git update-index --index-info",
                   (unsigned)sc.s.admit_alice);
    change_payloads(&sc, how);
    {
        json_t *json = audit_scene(&sc, 13);

        assert_culprit(finding(json, "payload-absent", sc.s.admit_alice), NULL, 0);
        json_decref(json);
    }
    scene_close(&sc);
}

static void test_audit__an_erased_payload_that_is_there_is_found(void **state)
{
    const struct world_entry *erased;
    struct hark_git_id blob;
    char hex[2 * HARK_GIT_ID_SIZE + 1], how[256];
    struct scene sc;

    (void)state;
    at_case = "erased and there";
    scene_open(&sc);
    erased = sc.s.world->log[sc.s.erased];
    blob = put_object(&sc, HARK_GIT_BLOB, erased->payload);
    hark_git_id_hex(hex, &blob);
    (void)snprintf(how, sizeof(how), "git update-index --add --cacheinfo 100644,%s,%02x", hex,
                   (unsigned)sc.s.erased);
    change_payloads(&sc, how);
    assert_only(&sc, 10, "payload-erased", sc.s.erased);
    scene_close(&sc);
}

/* ---- Batches made anew ------------------------------------------------------------------- */

enum step { AT_ENTRIES, AT_CHECKPOINT, AT_FIELDS, AT_BYTES };

struct redo {
    struct scene *sc;
    size_t count;
    struct hark_raw_entry items[PARTS];
    struct hark_line lines[PARTS];
    struct hark_git_id ids[PARTS];
    struct hark_git_id tree;
    struct hark_batch batch;
    struct hark_checkpoint checkpoint;
    uint32_t signer, note_signer; /* WORLD_NO_KEY: what was signed stays as it was */
    struct hark_buf entries, note, commit, spare;
};

typedef void alter_fn(struct redo *r, enum step step);

static void redo_begin(struct redo *r, struct scene *sc)
{
    struct hark_line *lines = NULL;

    memset(r, 0, sizeof(*r));
    r->sc = sc;
    r->signer = r->note_signer = WORLD_LOG;
    r->entries = hark_buf_init(HARK_BATCH_FILE_MAX);
    r->note = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
    r->commit = craft_buf();
    r->spare = craft_buf();
    OK(hark_lines_decode(&lines, &r->count, sc->batch.raw.entries, &err));
    assert_true(r->count <= PARTS);
    memcpy(r->lines, lines, r->count * sizeof(*lines));
    memcpy(r->items, sc->batch.raw.items, r->count * sizeof(r->items[0]));
    free(lines);
    OK(hark_batch_parse(&r->batch, NULL, NULL, sc->batch.raw.commit, NULL, &err));
}

static void redo_end(struct redo *r)
{
    hark_buf_free(&r->entries);
    hark_buf_free(&r->note);
    hark_buf_free(&r->commit);
    hark_buf_free(&r->spare);
}

/* Ids, leaves, root and files as the entries are. */
static void follow_entries(struct redo *r)
{
    struct hark_merkle tree = r->sc->before.tree;

    for (size_t i = 0; i < r->count; i++) {
        struct hark_hash leaf = hark_line_leaf(&r->lines[i]);

        hark_merkle_append(&tree, &leaf);
        r->ids[i] = put_object(r->sc, HARK_GIT_COMMIT, r->items[i].object);
    }
    OK(hark_lines_encode(&r->entries, r->lines, r->count, &err));
    r->batch.entries = hark_sha256(hark_buf_span(&r->entries));
    r->batch.count = r->count;
    memcpy(r->checkpoint.origin, r->batch.origin, sizeof(r->batch.origin));
    r->checkpoint.size = tree.size;
    r->checkpoint.root = hark_merkle_root(&tree);
}

/* The last batch in another way, and the main ref on it. */
static struct hark_git_id redo_batch(struct redo *r, alter_fn *alter)
{
    struct hark_buf tree = hark_buf_init(4096);
    struct hark_git_id id;

    alter(r, AT_ENTRIES);
    follow_entries(r);
    alter(r, AT_CHECKPOINT);
    OK(hark_checkpoint_sign(&r->note, &r->checkpoint, world_signer(r->note_signer), NULL, &err));
    OK(hark_git_batch_tree(&tree, &r->tree, hark_buf_span(&r->note), hark_buf_span(&r->entries),
                           &err));
    alter(r, AT_FIELDS);
    OK(hark_batch_build(&r->commit, &r->batch, &r->tree, r->ids, world_signer(r->signer), &err));
    alter(r, AT_BYTES);
    (void)put_object(r->sc, HARK_GIT_BLOB, hark_buf_span(&r->note));
    (void)put_object(r->sc, HARK_GIT_BLOB, hark_buf_span(&r->entries));
    (void)put_object(r->sc, HARK_GIT_TREE, hark_buf_span(&tree));
    id = put_object(r->sc, HARK_GIT_COMMIT, hark_buf_span(&r->commit));
    point_ref(r->sc, "main", &id);
    hark_buf_free(&tree);
    return id;
}

static void replace_entry(struct redo *r, size_t i)
{
    r->items[i].object = hark_buf_span(&r->spare);
    r->lines[i].id = hark_sha256(r->items[i].object);
}

static void nothing(struct redo *r, enum step step)
{
    (void)r;
    (void)step;
}

/* The same words, signed by somebody else in the author's name. */
static void entry_of_another_key(struct redo *r, enum step step)
{
    if (step != AT_ENTRIES)
        return;
    craft_set(&r->spare, r->items[0].object);
    craft_unsign(&r->spare);
    craft_sign(&r->spare, world_signer(r->sc->s.sam));
    replace_entry(r, 0);
}

/* Other words under the author's signature. */
static void entry_of_other_words(struct redo *r, enum step step)
{
    uint8_t *at;

    if (step != AT_ENTRIES)
        return;
    craft_set(&r->spare, r->items[0].object);
    at = memmem(r->spare.data, r->spare.size, "\nPayload: 64 ", 13);
    assert_non_null(at);
    at[13] = at[13] == 'a' ? 'b' : 'a';
    replace_entry(r, 0);
}

/* The author's own second signature: another entry, the same place in the feed. */
static void entry_left_out(struct redo *r, enum step step)
{
    struct craft_edit edits[] = {ONE("\nSeq: ", "\nSeq: 1"), {.old = NULL}};

    if (step != AT_ENTRIES)
        return;
    craft_set(&r->spare, r->items[0].object);
    craft_unsign(&r->spare);
    craft_edit(&r->spare, edits);
    edits[0] = (struct craft_edit)ONE("\n\npost ", "\n\npost 1");
    craft_edit(&r->spare, edits);
    craft_sign(&r->spare, world_signer(r->sc->s.bob));
    replace_entry(r, 0);
}

static void line_of_another_id(struct redo *r, enum step step)
{
    if (step == AT_ENTRIES)
        r->lines[1].id.bytes[0] ^= 1;
}

/* The checkpoint stays as it was: its root is not that of the lines. */
static void line_of_another_time(struct redo *r, enum step step)
{
    static struct hark_hash root;
    struct hark_merkle tree = r->sc->before.tree;

    if (step == AT_ENTRIES) {
        for (size_t i = 0; i < r->count; i++) {
            struct hark_hash leaf = hark_line_leaf(&r->lines[i]);

            hark_merkle_append(&tree, &leaf);
        }
        root = hark_merkle_root(&tree);
        r->lines[1].arrival_ms++;
        r->lines[1].accepted_ms++;
        r->batch.time_ms += 1000;
    }
    if (step == AT_CHECKPOINT)
        r->checkpoint.root = root;
}

static void checkpoint_of_another_root(struct redo *r, enum step step)
{
    if (step == AT_CHECKPOINT)
        r->checkpoint.root.bytes[0] ^= 1;
}

static void checkpoint_of_another_size(struct redo *r, enum step step)
{
    if (step == AT_CHECKPOINT)
        r->checkpoint.size++;
}

static void checkpoint_of_another_key(struct redo *r, enum step step)
{
    r->note_signer = step == AT_CHECKPOINT ? r->sc->s.sam : r->note_signer;
}

static void batch_of_a_partner(struct redo *r, enum step step)
{
    r->signer = step == AT_FIELDS ? r->sc->s.node_log : r->signer;
}

static void batch_of_a_member(struct redo *r, enum step step)
{
    r->signer = step == AT_FIELDS ? r->sc->s.sam : r->signer;
}

static void batch_of_a_stranger(struct redo *r, enum step step)
{
    r->signer = step == AT_FIELDS ? WORLD_KEYS - 1 : r->signer;
}

static void batch_of_other_words(struct redo *r, enum step step)
{
    uint8_t *at;

    if (step != AT_BYTES)
        return;
    at = memmem(r->commit.data, r->commit.size, "\nEntries: ", 10);
    assert_non_null(at);
    at[10] = at[10] == 'a' ? 'b' : 'a';
}

static void batch_that_follows_another(struct redo *r, enum step step)
{
    if (step == AT_FIELDS)
        r->batch.previous.bytes[0] ^= 1;
}

static void batch_of_the_future(struct redo *r, enum step step)
{
    if (step == AT_FIELDS)
        r->batch.time_ms += 3600000;
}

/* A partner makes itself the home, without the steward. */
static void a_second_home(struct redo *r, enum step step)
{
    if (step == AT_ENTRIES)
        hark_origin(r->batch.origin, NODE, &r->sc->s.world->space, 2);
    r->signer = r->note_signer = r->sc->s.node_log;
}

static void unsigned_entry(struct redo *r, enum step step)
{
    entry_of_other_words(r, step);
    batch_of_other_words(r, step);
}

static void unsigned_line(struct redo *r, enum step step)
{
    line_of_another_time(r, step);
    batch_of_other_words(r, step);
}

#define NO_PLACE SIZE_MAX

static void test_audit__a_batch_made_anew_is_told_with_its_signer(void **state)
{
    static const struct {
        alter_fn *alter;
        const char *what, *name;
        int exit;
        size_t entry; /* of the batch */
        enum { NOBODY, HOME, PARTNER, MEMBER } who;
    } CASES[] = {
        {nothing, "as it was", NULL, 0, NO_PLACE, NOBODY},
        {entry_of_another_key, "an entry of another key", "entry-signature-key", 11, 0, HOME},
        {entry_of_other_words, "an entry of other words", "entry-signature", 11, 0, HOME},
        {entry_left_out, "an entry out of its feed", "entry-gap", 11, 0, HOME},
        {unsigned_entry, "an entry, and nobody signed", "batch-signature", 13, 0, NOBODY},
        {line_of_another_id, "a line of another id", "batch-entries", 11, 0, HOME},
        {line_of_another_time, "a line of another time", "batch-root", 11, 0, HOME},
        {unsigned_line, "a line, and nobody signed", "batch-signature", 13, 0, NOBODY},
        {checkpoint_of_another_root, "another root", "batch-root", 11, 0, HOME},
        {checkpoint_of_another_size, "another size", "batch-checkpoint", 11, 0, HOME},
        {checkpoint_of_another_key, "a member's checkpoint", "batch-checkpoint", 11, 0, HOME},
        {batch_of_a_partner, "a partner's batch", "batch-signature", 12, 0, PARTNER},
        {batch_of_a_member, "a member's batch", "batch-signature", 13, 0, MEMBER},
        {batch_of_a_stranger, "a stranger's batch", "batch-signature", 13, 0, NOBODY},
        {batch_of_other_words, "words that nobody signed", "batch-signature", 13, 0, NOBODY},
        {batch_that_follows_another, "another Previous", "batch-previous", 11, 0, HOME},
        {batch_of_the_future, "an hour ahead", "batch-ahead", 11, 0, HOME},
        {a_second_home, "a second home", "batch-signature", 12, 0, PARTNER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct hark_git_id id;
        struct scene sc;
        struct redo r;
        json_t *json;

        at_case = CASES[i].what;
        scene_open(&sc);
        redo_begin(&r, &sc);
        id = redo_batch(&r, CASES[i].alter);
        json = audit_scene(&sc, CASES[i].exit);
        if (CASES[i].name != NULL) {
            static const char *const roles[] = {NULL, "home", "partner", "member"};
            const uint32_t keys[] = {0, WORLD_LOG, sc.s.node_log, sc.s.sam};
            const json_t *one = finding(json, CASES[i].name, sc.last + CASES[i].entry);
            char hex[2 * HARK_GIT_ID_SIZE + 1];

            assert_culprit(one, roles[CASES[i].who], keys[CASES[i].who]);
            hark_git_id_hex(hex, &id);
            assert_string_equal(
                json_string_value(json_array_get(json_object_get(one, "evidence"), 0)), hex);
            /* What was before is as well as it was. */
            assert_int_equal(json_integer_value(json_object_get(json, "size")), sc.last);
        }
        json_decref(json);
        redo_end(&r);
        scene_close(&sc);
    }
}

/* The entry names its author as home in a batch that bears its origin: the steward
 * alone can do that. */
static void test_audit__a_home_entry_of_nobody_moves_nothing(void **state)
{
    struct world_draft d = {.by = 0, .kind = "home"};
    char hex[2 * HARK_GIT_ID_SIZE + 1], how[256];
    struct world_entry *forged;
    struct hark_git_id id;
    struct scene sc;
    struct redo r;
    json_t *json;

    (void)state;
    at_case = "a forged home entry";
    scene_open(&sc);
    redo_begin(&r, &sc);
    /* Put in the place of the last batch, whose entries it knows nothing of. */
    d.by = sc.s.node_author;
    d.fields = json_pack("{s:s, s:i, s:I, s:o}", "node", NODE, "incarnation", 2, "size",
                         (json_int_t)sc.last, "root",
                         world_hex(hark_merkle_root(&sc.before.tree).bytes, HARK_HASH_SIZE));
    forged = world_build(sc.s.world, &d);
    r.count = 1;
    r.items[0] = (struct hark_raw_entry){forged->object, 1, forged->payload};
    r.lines[0].id = forged->entry.id;
    r.lines[0].arrival_ms = r.lines[0].accepted_ms = forged->arrival.arrival_ms;
    r.batch.time_ms = forged->arrival.arrival_ms;
    id = put_object(&sc, HARK_GIT_BLOB, forged->payload);
    hark_git_id_hex(hex, &id);
    (void)snprintf(how, sizeof(how), "git update-index --add --cacheinfo 100644,%s,%02x", hex,
                   (unsigned)sc.last);
    change_payloads(&sc, how);
    (void)redo_batch(&r, a_second_home);
    json = audit_scene(&sc, 13); /* payloads of the entries that are gone are there */
    assert_culprit(finding(json, "batch-origin", sc.last), "partner", sc.s.node_log);
    json_decref(json);
    world_entry_free(forged);
    redo_end(&r);
    scene_close(&sc);
}

/* Broken in the middle, the log is looked at to its end. */
static void test_audit__it_goes_on_after_the_first_thing_wrong(void **state)
{
    struct scene sc;
    struct redo r;
    struct hark_git_id id;
    json_t *json;
    const json_t *one;
    size_t i, entries = 0;

    (void)state;
    at_case = "two things wrong";
    scene_open(&sc);
    /* A batch with a wrong root, and after it one that holds a forged entry. */
    redo_begin(&r, &sc);
    id = redo_batch(&r, checkpoint_of_another_root);
    sc.before.tree = *hark_state_log(sc.s.world->state);
    sc.before.batch_id = id;
    {
        struct redo next;
        uint64_t gone = sc.s.world->count;

        world_say(sc.s.world, sc.s.bob, "post", stage_text("body", "More"), sc.s.idea);
        redo_begin(&next, &sc);
        next.count = 1;
        next.items[0] = (struct hark_raw_entry){sc.s.world->log[gone]->object, 1,
                                                sc.s.world->log[gone]->payload};
        next.lines[0].position = gone;
        next.lines[0].id = sc.s.world->log[gone]->entry.id;
        next.lines[0].arrival_ms = next.lines[0].accepted_ms =
            sc.s.world->log[gone]->arrival.arrival_ms;
        next.batch.first = gone;
        next.batch.time_ms = sc.s.world->now_ms;
        next.batch.previous = hark_sha256(hark_buf_span(&r.commit));
        next.batch.previous_id = id;
        (void)redo_batch(&next, entry_of_other_words);
        json = audit_scene(&sc, 11);
        (void)finding(json, "batch-root", sc.last);
        one = finding(json, "entry-signature", gone);
        assert_culprit(one, "home", WORLD_LOG);
        redo_end(&next);
    }
    json_array_foreach(json_object_get(json, "findings"), i, one) entries +=
        strcmp(name_of(one), "entry-signature") == 0 ? 1 : 0;
    assert_int_equal(entries, 1);
    assert_int_equal(checked(json, "entries"), sc.s.world->count);
    json_decref(json);
    redo_end(&r);
    scene_close(&sc);
}

/* ---- What is missing ------------------------------------------------------------------------- */

static void test_audit__a_ref_set_back_is_noticed(void **state)
{
    struct scene sc;

    (void)state;
    at_case = "set back";
    scene_open(&sc);
    point_ref(&sc, "main", &sc.before.batch_id);
    assert_only(&sc, 13, "behind", sc.last);
    scene_close(&sc);
}

static void unpack(struct scene *sc)
{
    in_repo(sc, "mkdir packs && mv objects/pack/* packs/ && for p in packs/*.pack; do "
                "git unpack-objects -q <$p || exit 1; done; rm -r packs");
}

static void lose(struct scene *sc, const char *object)
{
    char script[256];

    (void)snprintf(script, sizeof(script),
                   "id=$(git rev-parse %s) && rm -f objects/$(echo $id | cut -c1-2)/"
                   "$(echo $id | cut -c3-)",
                   object);
    in_repo(sc, script);
}

static void test_audit__a_missing_object_is_named(void **state)
{
    static const struct {
        const char *what, *object, *name;
        size_t position; /* SIZE_MAX: none */
    } CASES[] = {
        {"an entry", "main^2", "not-found", 0},
        {"an entry before", "main^^2", "not-found", SIZE_MAX},
        {"a list of entries", "main:entries", "not-found", 0},
        {"a checkpoint", "main:checkpoint", "not-found", 0},
        {"a batch", "main^", "not-found", SIZE_MAX},
        {"the newest batch", "main", "not-found", SIZE_MAX},
        {"a tree of payloads", "refs/heads/payloads/main^{tree}", "damaged", SIZE_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct scene sc;
        json_t *json;

        at_case = CASES[i].what;
        scene_open(&sc);
        unpack(&sc);
        json_decref(audit_scene(&sc, 0));
        lose(&sc, CASES[i].object);
        json = audit_scene(&sc, 13);
        assert_culprit(
            finding(json, CASES[i].name,
                    CASES[i].position == SIZE_MAX ? HARK_NONE : sc.last + CASES[i].position),
            NULL, 0);
        json_decref(json);
        scene_close(&sc);
    }
}

/* Bits that turned: the same as missing. */
static void test_audit__a_damaged_pack_is_unreadable(void **state)
{
    struct scene sc;

    (void)state;
    at_case = "turned bits";
    scene_open(&sc);
    in_repo(&sc, "for p in objects/pack/*.pack; do chmod u+w $p; "
                 "printf 'xxxxxxxxxxxxxxxx' | dd of=$p bs=1 seek=60 conv=notrunc; done");
    json_decref(audit_scene(&sc, 13));
    scene_close(&sc);
}

/* ---- What is still to come ---------------------------------------------------------------------
 */

static void test_audit__what_is_to_come_is_unsettled(void **state)
{
    struct scene sc;
    json_t *json;
    const json_t *list;

    (void)state;
    at_case = "unacknowledged";
    scene_open(&sc);
    world_say(sc.s.world, sc.s.bob, "erase", NULL, sc.last);
    stage_log(&sc.s, sc.s.world->count - 1);
    OK(hark_space_tend(sc.s.space, &err));
    json = audit_scene(&sc, 10);
    assert_int_equal(finding_count(json), 0);
    list = json_object_get(json, "unacknowledged");
    assert_int_equal(json_array_size(list), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "position")),
                     sc.s.world->count - 1);
    list = json_object_get(json_array_get(list, 0), "nodes");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_array_get(list, 0)), NODE);
    assert_int_equal(checked(json, "erased"), 2);
    json_decref(json);
    scene_close(&sc);

    at_case = "a quorum";
    scene_open(&sc);
    world_say(sc.s.world, WORLD_STEWARD, "policy", json_pack("{s:{s:i}}", "policy", "quorum", 1),
              HARK_NONE);
    stage_log(&sc.s, sc.s.world->count - 1);
    OK(hark_space_tend(sc.s.space, &err));
    json = audit_scene(&sc, 10);
    (void)finding(json, "unsettled", HARK_NONE);
    assert_int_equal(json_integer_value(json_object_get(json, "settled_size")), 0);
    assert_false(json_is_null(json_object_get(json, "settled_size")));
    json_decref(json);
    scene_close(&sc);
}

/* ---- Intake logs
 * --------------------------------------------------------------------------------- */

/* The intake log of one.example, by hand. */
struct intake {
    struct hark_log_head head;
    uint64_t size; /* of the main log that the next batch is judged against */
    struct hark_hash root;
    uint32_t signer;
};

static void intake_begin(struct intake *in, struct scene *sc)
{
    struct hark_log_head head = main_head(sc);

    memset(in, 0, sizeof(*in));
    hark_origin(in->head.origin, NODE, &sc->s.world->space, 0);
    in->size = head.tree.size;
    in->root = hark_merkle_root(&head.tree);
    in->signer = sc->s.node_log;
}

/* Appends one entry, as a batch. */
static void intake_add(struct intake *in, struct scene *sc, const struct world_entry *e)
{
    const struct hark_signer *signer = world_signer(in->signer);
    struct hark_buf note = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
    struct hark_buf entries = hark_buf_init(HARK_BATCH_FILE_MAX), commit = craft_buf();
    struct hark_buf tree = hark_buf_init(4096);
    struct hark_line line = {.position = in->head.tree.size,
                             .arrival_ms = e->arrival.arrival_ms,
                             .accepted_ms = e->arrival.arrival_ms,
                             .id = e->entry.id};
    struct hark_checkpoint checkpoint = {.size = line.position + 1};
    struct hark_raw_entry item = {e->object, e->payload.data != NULL ? 1 : 0, e->payload};
    struct hark_hash leaf = hark_line_leaf(&line);
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_git_id tree_id, id;
    struct hark_raw_batch raw;

    assert_non_null(batch);
    memcpy(batch->origin, in->head.origin, sizeof(batch->origin));
    memcpy(checkpoint.origin, in->head.origin, sizeof(checkpoint.origin));
    hark_merkle_append(&in->head.tree, &leaf);
    checkpoint.root = hark_merkle_root(&in->head.tree);
    OK(hark_lines_encode(&entries, &line, 1, &err));
    OK(hark_checkpoint_sign(&note, &checkpoint, signer, NULL, &err));
    OK(hark_git_batch_tree(&tree, &tree_id, hark_buf_span(&note), hark_buf_span(&entries), &err));
    id = hark_git_hash(HARK_GIT_COMMIT, e->object);
    batch->first = line.position;
    batch->count = 1;
    batch->time_ms = line.arrival_ms;
    batch->has_previous = in->head.has_batch;
    batch->previous = in->head.batch;
    batch->previous_id = in->head.batch_id;
    batch->entries = hark_sha256(hark_buf_span(&entries));
    batch->has_main = true;
    batch->main_size = in->size;
    batch->main_root = in->root;
    OK(hark_batch_build(&commit, batch, &tree_id, &id, signer, &err));
    raw = (struct hark_raw_batch){.commit = hark_buf_span(&commit),
                                  .entries = hark_buf_span(&entries),
                                  .checkpoint = hark_buf_span(&note),
                                  .count = 1,
                                  .items = &item};
    OK(hark_repo_store(hark_space_repo(sc->s.space), "intake/" NODE, &raw,
                       in->head.has_batch ? &in->head.batch_id : NULL, &id, NULL, &err));
    in->head.has_batch = true;
    in->head.batch = hark_sha256(hark_buf_span(&commit));
    in->head.batch_id = id;
    hark_buf_free(&note);
    hark_buf_free(&entries);
    hark_buf_free(&commit);
    hark_buf_free(&tree);
    free(batch);
}

/* A post that is in no log yet. */
static struct world_entry *post_of(struct scene *sc, uint32_t by)
{
    struct world_draft d = {.by = by, .kind = "post", .fields = stage_text("body", "Elsewhere")};

    stage_about(&sc->s, &d, sc->s.idea);
    return world_build(sc->s.world, &d);
}

static void test_audit__an_intake_is_checked_against_the_main_log(void **state)
{
    struct world_entry *a, *b;
    struct hark_offer offer;
    struct hark_taken taken = {.size = 2};
    struct intake in;
    struct scene sc;
    json_t *json;

    (void)state;
    at_case = "waiting";
    scene_open(&sc);
    intake_begin(&in, &sc);
    a = post_of(&sc, sc.s.alice);
    b = post_of(&sc, sc.s.bob);
    intake_add(&in, &sc, a);
    intake_add(&in, &sc, b);
    sc.now_ms = b->arrival.arrival_ms + 60000;
    json = audit_scene(&sc, 0);
    assert_int_equal(checked(json, "entries"), sc.s.world->count + 2);
    json_decref(json);

    at_case = "overdue";
    sc.now_ms += UINT64_C(86400000);
    json = audit_scene(&sc, 10);
    assert_culprit(finding(json, "overdue", 0), "home", WORLD_LOG);
    json_decref(json);

    at_case = "taken over";
    OK(hark_space_begin(sc.s.space, &err));
    memcpy(taken.origin, in.head.origin, sizeof(taken.origin));
    taken.root = hark_merkle_root(&in.head.tree);
    OK(hark_space_pending_taken(sc.s.space, &taken, 1, &err));
    offer = stage_offer(a, false);
    OK(hark_space_add_from(sc.s.space, &offer, NODE, 0, a->arrival.arrival_ms,
                           world_signer(WORLD_LOG), NULL, &err));
    offer = stage_offer(b, false);
    OK(hark_space_add_from(sc.s.space, &offer, NODE, 1, b->arrival.arrival_ms,
                           world_signer(WORLD_LOG), NULL, &err));
    OK(hark_space_commit(sc.s.space, world_signer(WORLD_LOG), b->arrival.arrival_ms, &err));
    OK(hark_space_tend(sc.s.space, &err));
    json = audit_scene(&sc, 0);
    assert_int_equal(json_integer_value(json_object_get(json, "size")), sc.s.world->count + 2);
    json_decref(json);

    at_case = "an intake set back";
    in_repo(&sc, "git update-ref refs/heads/intake/" NODE " refs/heads/intake/" NODE "^");
    json = audit_scene(&sc, 13);
    (void)finding(json, "behind", 1);
    json_decref(json);
    world_entry_free(a);
    world_entry_free(b);
    scene_close(&sc);
}

/* What is wrong with an intake is its node's, when that has signed it. */
static void test_audit__a_wrong_intake_is_its_nodes_fault(void **state)
{
    static const struct {
        const char *what, *name;
        int exit;
        enum { ANOTHER_KEY, MAIN_ROOT, MAIN_AHEAD, TWICE, GAP, MAIN_BACK } how;
    } CASES[] = {
        {"a stranger's", "batch-signature", 13, ANOTHER_KEY},
        {"another main root", "batch-main", 12, MAIN_ROOT},
        {"more main than there is", "behind", 13, MAIN_AHEAD},
        {"an entry twice", "entry-duplicate", 12, TWICE},
        {"an entry left out", "entry-gap", 12, GAP},
        {"Main goes back", "batch-main", 12, MAIN_BACK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        static const struct hark_hash missing = {.bytes = {1}};
        struct world_entry *a, *b;
        struct intake in;
        struct scene sc;
        json_t *json;

        at_case = CASES[i].what;
        scene_open(&sc);
        intake_begin(&in, &sc);
        a = post_of(&sc, sc.s.alice);
        b = post_of(&sc, sc.s.bob);
        if (CASES[i].how == GAP) {
            struct world_draft d = {.by = sc.s.bob,
                                    .kind = "post",
                                    .fields = stage_text("body", "x"),
                                    .previous = &missing};

            world_entry_free(b);
            stage_about(&sc.s, &d, sc.s.idea);
            b = world_build(sc.s.world, &d);
        }
        intake_add(&in, &sc, a);
        in.signer = CASES[i].how == ANOTHER_KEY ? WORLD_KEYS - 1 : in.signer;
        in.root.bytes[0] ^= CASES[i].how == MAIN_ROOT ? 1 : 0;
        in.size += CASES[i].how == MAIN_AHEAD ? 1 : 0;
        if (CASES[i].how == MAIN_BACK) {
            in.size = sc.before.tree.size;
            in.root = hark_merkle_root(&sc.before.tree);
        }
        intake_add(&in, &sc, CASES[i].how == TWICE ? a : b);
        sc.now_ms = b->arrival.arrival_ms + 60000;
        json = audit_scene(&sc, CASES[i].exit);
        assert_culprit(finding(json, CASES[i].name, 1), CASES[i].exit == 12 ? "partner" : NULL,
                       sc.s.node_log);
        json_decref(json);
        world_entry_free(a);
        world_entry_free(b);
        scene_close(&sc);
    }
}

/* Nothing says whose such an intake is. */
static void test_audit__an_intake_of_no_node_is_unreadable(void **state)
{
    struct world_entry *a;
    struct intake in;
    struct scene sc;

    (void)state;
    at_case = "of no node";
    scene_open(&sc);
    intake_begin(&in, &sc);
    a = post_of(&sc, sc.s.alice);
    intake_add(&in, &sc, a);
    in_repo(&sc, "git update-ref refs/heads/intake/two.example refs/heads/intake/" NODE
                 " && git update-ref -d refs/heads/intake/" NODE);
    sc.now_ms = a->arrival.arrival_ms + 60000;
    {
        json_t *json = audit_scene(&sc, 13);

        (void)finding(json, "batch-origin", HARK_NONE);
        json_decref(json);
    }
    world_entry_free(a);
    scene_close(&sc);
}

/* ---------------------------------------------------------------------------------------------------
 */

static int set_up(void **state)
{
    int rc = stage_set_up_all(state);

    return rc != 0 ? rc : hark_pool_new(&pool, 3, NULL);
}

static int tear_down(void **state)
{
    hark_pool_free(pool);
    return stage_tear_down_all(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit__a_good_log_is_well),
        cmocka_unit_test(test_audit__threads_do_not_matter),
        cmocka_unit_test(test_audit__a_home_move_is_followed),
        cmocka_unit_test(test_audit__what_lies_beside_does_not_matter),
        cmocka_unit_test(test_audit__a_clone_is_as_good),
        cmocka_unit_test(test_audit__payloads_of_a_moment_ago_are_found),
        cmocka_unit_test(test_audit__void_entries_are_well),
        cmocka_unit_test(test_audit__what_is_no_repository_is_unreadable),
        cmocka_unit_test(test_audit__a_payload_replaced_is_found),
        cmocka_unit_test(test_audit__a_payload_too_many_is_found),
        cmocka_unit_test(test_audit__a_payload_gone_is_found),
        cmocka_unit_test(test_audit__an_erased_payload_that_is_there_is_found),
        cmocka_unit_test(test_audit__a_batch_made_anew_is_told_with_its_signer),
        cmocka_unit_test(test_audit__a_home_entry_of_nobody_moves_nothing),
        cmocka_unit_test(test_audit__it_goes_on_after_the_first_thing_wrong),
        cmocka_unit_test(test_audit__a_ref_set_back_is_noticed),
        cmocka_unit_test(test_audit__a_missing_object_is_named),
        cmocka_unit_test(test_audit__a_damaged_pack_is_unreadable),
        cmocka_unit_test(test_audit__what_is_to_come_is_unsettled),
        cmocka_unit_test(test_audit__an_intake_is_checked_against_the_main_log),
        cmocka_unit_test(test_audit__a_wrong_intake_is_its_nodes_fault),
        cmocka_unit_test(test_audit__an_intake_of_no_node_is_unreadable),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
