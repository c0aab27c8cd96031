/*
 * What a log proves of what stands in it: for receipts, and for what is held against
 * them. The main log's tree is kept in tiles; an intake's is small, and made of its
 * entries when it is asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/note.h"
#include "node/space_internal.h"
#include "node/witness.h"
#include "schemas/receipt.h"

/* --- an intake's tree ---------------------------------------------------------------- */

#define TILE_LEVEL 8u
#define TILE       ((uint64_t)1 << TILE_LEVEL)

struct of_intake {
    struct hark_index *index;
    struct hark_intake intake;
    size_t tile_count;
    const struct hark_hash *tiles; /* as struct space_hashed has them */
};

static int intake_line(const struct of_intake *of, uint64_t position, struct hark_line *line,
                       struct hark_git_id *commit, struct hark_err *err)
{
    struct hark_intake_row row;
    int rc = hark_index_intake_row(of->index, of->intake.number, position, &row, err);

    if (rc < 0)
        return rc;
    *line = (struct hark_line){.position = position,
                               .arrival_ms = row.accepted_ms, /* acceptance is arrival (7.2) */
                               .accepted_ms = row.accepted_ms,
                               .id = row.id};
    *commit = row.git_id;
    return 0;
}

/* The root of the subtree, from its leaves. */
static int read_leaves(const struct of_intake *of, uint64_t first, uint64_t count,
                       struct hark_hash *out, struct hark_err *err)
{
    struct hark_merkle tree = {.size = 0};
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        struct hark_line line;
        struct hark_git_id commit;

        rc = intake_line(of, first + i, &line, &commit, err);
        if (rc == 0) {
            struct hark_hash leaf = hark_line_leaf(&line);

            hark_merkle_append(&tree, &leaf);
        }
    }
    if (rc == 0)
        *out = hark_merkle_root(&tree);
    return rc;
}

static int read_hash(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                     struct hark_err *err)
{
    const struct of_intake *of = arg;
    struct hark_hash left, right;
    int rc;

    if (level < TILE_LEVEL || (level == TILE_LEVEL && index >= of->tile_count))
        return read_leaves(of, index << level, (uint64_t)1 << level, out, err);
    if (level == TILE_LEVEL) {
        *out = of->tiles[index];
        return 0;
    }
    rc = read_hash(arg, level - 1, 2 * index, &left, err);
    if (rc == 0)
        rc = read_hash(arg, level - 1, 2 * index + 1, &right, err);
    if (rc == 0)
        *out = hark_merkle_node(&left, &right);
    return rc;
}

/* --- what is kept of it -------------------------------------------------------------- */

/* An intake only ever grows while a space is open, so what is hashed stays so. */
struct space_hashed {
    struct space_hashed *next;
    hark_node_name node;
    size_t count, room;
    struct hark_hash *tiles; /* roots of so many subtrees of TILE leaves */
};

void hark_space_hashed_free(struct hark_space *space)
{
    while (space->hashed != NULL) {
        struct space_hashed *gone = space->hashed;

        space->hashed = gone->next;
        free(gone->tiles);
        free(gone);
    }
}

static struct space_hashed *find_hashed(const struct hark_space *space, const char *node)
{
    struct space_hashed *at = space->hashed;

    while (at != NULL && strcmp(at->node, node) != 0)
        at = at->next;
    return at;
}

static int add_hashed(struct hark_space *space, const char *node, struct space_hashed **out,
                      struct hark_err *err)
{
    *out = find_hashed(space, node);
    if (*out != NULL)
        return 0;
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an intake's tree");
    memcpy((*out)->node, node, strlen(node) + 1);
    (*out)->next = space->hashed;
    space->hashed = *out;
    return 0;
}

static int add_tile(struct space_hashed *hashed, const struct of_intake *of, struct hark_err *err)
{
    int rc;

    if (hashed->count == hashed->room) {
        size_t room = hashed->room == 0 ? 16 : 2 * hashed->room;
        struct hark_hash *grown = realloc(hashed->tiles, room * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an intake's tree");
        hashed->tiles = grown;
        hashed->room = room;
    }
    rc = read_leaves(of, hashed->count * TILE, TILE, &hashed->tiles[hashed->count], err);
    hashed->count += rc == 0;
    return rc;
}

static int find_intake(struct hark_space *space, const char *node, struct of_intake *out,
                       struct hark_err *err)
{
    const struct space_hashed *hashed = find_hashed(space, node);
    bool found = false;
    int rc = hark_space_find_intake(space, node, &found, &out->intake, err);

    out->index = space->index;
    out->tile_count = hashed != NULL ? hashed->count : 0;
    out->tiles = hashed != NULL ? hashed->tiles : NULL;
    if (rc == 0 && !found)
        rc = hark_err_set(err, HARK_E_NOT_FOUND, "there is no intake of %s here", node);
    return rc;
}

int hark_space_hash_intake(struct hark_space *space, const char *node, uint64_t *leaves, bool *done,
                           struct hark_err *err)
{
    struct space_hashed *hashed = NULL;
    struct of_intake of;
    uint64_t all;
    int rc = find_intake(space, node, &of, err);

    *done = false;
    if (rc == 0)
        rc = add_hashed(space, node, &hashed, err);
    if (rc < 0)
        return rc;
    all = of.intake.head.tree.size / TILE;
    while (rc == 0 && hashed->count < all && *leaves >= TILE) {
        rc = add_tile(hashed, &of, err);
        *leaves -= TILE;
    }
    *done = rc == 0 && hashed->count >= all;
    return rc;
}

/* --- either -------------------------------------------------------------------------- */

int hark_space_line(struct hark_space *space, const char *node, uint64_t position,
                    struct hark_line *line, struct hark_git_id *commit, struct hark_err *err)
{
    struct of_intake of;
    struct hark_row row = {0};
    int rc;

    if (node[0] != '\0') {
        rc = find_intake(space, node, &of, err);
        return rc < 0 ? rc : intake_line(&of, position, line, commit, err);
    }
    rc = hark_index_row(space->index, position, &row, err);
    *line = (struct hark_line){.position = position,
                               .arrival_ms = row.arrival_ms,
                               .accepted_ms = row.accepted_ms,
                               .id = row.id};
    *commit = row.git_id;
    return rc;
}

int hark_space_root(struct hark_space *space, const char *node, uint64_t size,
                    struct hark_hash *root, struct hark_err *err)
{
    uint64_t here = space->head.tree.size;
    struct of_intake of;
    int rc = 0;

    if (node[0] != '\0') {
        rc = find_intake(space, node, &of, err);
        here = rc == 0 ? of.intake.head.tree.size : 0;
    }
    if (rc == 0 && size > here)
        rc = hark_err_set(err, HARK_E_BEHIND,
                          "the checkpoint is of %llu entries, the log here has %llu",
                          (unsigned long long)size, (unsigned long long)here);
    if (rc < 0)
        return rc;
    if (size == 0) {
        *root = hark_merkle_empty();
        return 0;
    }
    return node[0] != '\0'
               ? hark_merkle_root_at(root, size, read_hash, &of, err)
               : hark_merkle_root_at(root, size, hark_index_merkle_read, space->index, err);
}

int hark_space_has(struct hark_space *space, const char *node, const struct hark_extent *extent,
                   bool *has, struct hark_err *err)
{
    struct hark_err why = {0};
    struct hark_hash root;
    int rc = hark_space_root(space, node, extent->size, &root, &why);

    *has = rc == 0 && hark_hash_equal(&root, &extent->root);
    if (rc == HARK_E_NOT_FOUND || rc == HARK_E_BEHIND)
        return 0;
    if (rc < 0 && err != NULL)
        *err = why;
    return rc;
}

int hark_space_prove(struct hark_space *space, const char *node, uint64_t position,
                     struct hark_proof *path, struct hark_buf *note, struct hark_err *err)
{
    struct of_intake of;
    uint64_t size = 0;
    int rc = hark_witness_note(space, node, position, note, &size, err);

    if (rc < 0)
        return rc;
    if (node[0] == '\0') {
        if (size == 0) {
            size = space->head.tree.size;
            rc = hark_space_checkpoint(space, note, err);
        }
        return rc < 0 ? rc
                      : hark_merkle_prove_inclusion(path, position, size, hark_index_merkle_read,
                                                    space->index, err);
    }
    rc = find_intake(space, node, &of, err);
    if (rc == 0)
        rc = hark_merkle_prove_inclusion(path, position, size > 0 ? size : of.intake.head.tree.size,
                                         read_hash, &of, err);
    return rc < 0 || size > 0
               ? rc
               : hark_space_checkpoint_of(space, &of.intake.head.batch_id, note, err);
}

int hark_space_prove_intake(struct hark_space *space, const char *node, uint64_t old_size,
                            uint64_t size, struct hark_proof *path, struct hark_err *err)
{
    struct of_intake of;
    int rc = find_intake(space, node, &of, err);

    if (rc == 0 && size > of.intake.head.tree.size)
        rc = hark_err_set(err, HARK_E_BEHIND, "the intake of %s has fewer entries here", node);
    return rc == 0 ? hark_merkle_prove_consistency(path, old_size, size, read_hash, &of, err) : rc;
}

int hark_space_receipt(struct hark_space *space, const char *node, uint64_t position,
                       struct hark_buf *out, struct hark_err *err)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_git_id commit;
    struct hark_proof path;
    struct hark_line line;
    int rc = hark_space_line(space, node, position, &line, &commit, err);

    if (rc == 0)
        rc = hark_space_prove(space, node, position, &path, &note, err);
    if (rc == 0)
        rc = hark_receipt_encode(out, &line, &commit, &path, hark_buf_span(&note), err);
    hark_buf_free(&note);
    return rc;
}

/* --- whose word it is ------------------------------------------------------------------ */

bool hark_space_is_origin(const struct hark_space *space, const char *origin)
{
    struct hark_origin_parts parts;

    return hark_origin_read(&parts, hark_span_str(origin)) &&
           hark_hash_equal(&parts.space, &space->id);
}

int hark_log_signer(struct hark_state *state, const struct hark_note *note, const char *origin,
                    struct hark_node_object *node, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    size_t size = strcspn(origin, "/");
    int rc = hark_state_counts(state, counts, err);

    for (uint32_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_note_key key;

        rc = hark_state_node(state, i, node, err);
        if (rc < 0 || strlen(node->name) != size || strncmp(node->name, origin, size) != 0)
            continue;
        if (hark_note_key_init(&key, origin, HARK_NOTE_ED25519, &node->keys.log, NULL) == 0 &&
            hark_note_verify(note, &key, NULL, NULL) == 0)
            return 0;
    }
    if (rc < 0)
        return rc;
    return hark_err_set(err, HARK_E_NO,
                        "the checkpoint is not signed by a node of this space under that name");
}

bool hark_space_is_later(const struct hark_space *space, const char *origin)
{
    struct hark_origin_parts parts;

    return hark_origin_read(&parts, hark_span_str(origin)) &&
           parts.incarnation > hark_state_space_object(space->state)->incarnation;
}

struct homes {
    uint64_t left, end;
};

static int pass_home(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct homes *homes = arg;

    (void)err;
    if (row->verdict != 0 || --homes->left > 0) /* each begins the next one */
        return 0;
    homes->end = row->position;
    return HARK_STOP;
}

int hark_space_incarnation_end(struct hark_space *space, const char *origin, uint64_t *end,
                               struct hark_err *err)
{
    const struct hark_log_query query = {.kind = "home", .after = HARK_NONE, .re = HARK_NONE};
    struct homes homes = {.end = HARK_NONE};
    struct hark_index_batch batch = {.first = 0};
    int rc =
        hark_decimal_decode(&homes.left, hark_span_str(strrchr(origin, '/') + 1), UINT64_MAX, err);

    if (rc == 0)
        rc = hark_index_log(space->index, &query, pass_home, &homes, err);
    /* Of words for a new steward that stand before it the one before knew nothing. */
    if (rc == 0 && homes.end != HARK_NONE)
        rc = hark_index_batch(space->index, homes.end, &batch, err);
    *end = homes.end != HARK_NONE ? batch.first : HARK_NONE;
    return rc;
}
