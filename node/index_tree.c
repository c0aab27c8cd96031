/*
 * Merkle trees: one a hashed section, the log's, and that of the content hash.
 *
 * Roots of full subtrees are kept at every eighth level, 256 to a tile (as in
 * C2SP tlog-tiles), so that a root or a proof reads a few tiles and hashes a few
 * hundred times, whatever the size. Level 0 is kept for the log alone; the other
 * trees' leaves are hashes of rows that are there anyway, made when they are
 * needed, 256 at a time.
 *
 * A change marks its block of 256 leaves. What was marked is recomputed before
 * the transaction commits (or when a root is asked for), in the same
 * transaction: a rollback takes rows and tiles back together.
 */
#include <stdlib.h>
#include <string.h>

#include "node/index_internal.h"
#include "node/zeros.h"

#define STEP   8u
#define WIDTH  256u
#define LEVELS 5u /* 0, 8, 16, 24, 32 */

struct tile {
    bool loaded, dirty;
    uint64_t number;
    unsigned count;
    struct hark_hash hashes[WIDTH];
};

struct hark_index_tree {
    uint64_t *touched; /* blocks of 256 leaves, the same ones perhaps repeatedly */
    size_t touched_count, touched_capacity;
    bool root_known;
    struct hark_hash root;
    struct tile tiles[LEVELS]; /* the last one used of each level */
};

int hark_index_trees_new(struct hark_index *index, struct hark_err *err)
{
    index->trees = hark_zeros_new(HARK_TREES * sizeof(*index->trees));
    if (index->trees == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the index");
    return 0;
}

void hark_index_trees_free(struct hark_index *index)
{
    for (size_t t = 0; index->trees != NULL && t < HARK_TREES; t++)
        free(index->trees[t].touched);
    hark_zeros_free(index->trees, HARK_TREES * sizeof(*index->trees));
    index->trees = NULL;
}

static void drop_tiles(struct hark_index_tree *tree)
{
    for (size_t l = 0; l < LEVELS; l++) {
        tree->tiles[l].loaded = false;
        tree->tiles[l].dirty = false;
    }
    tree->root_known = false;
}

void hark_index_trees_drop(struct hark_index *index)
{
    for (size_t t = 0; index->trees != NULL && t < HARK_TREES; t++) {
        index->trees[t].touched_count = 0;
        drop_tiles(&index->trees[t]);
    }
}

static int tree_size(struct hark_index *index, unsigned tree, uint64_t *size, struct hark_err *err)
{
    if (tree < HARK_TREE_LOG)
        return hark_index_section_count(index, (enum hark_section)tree, size, err);
    return hark_index_size(index, size, err);
}

/* ---- leaves ---- */

static int section_leaves(struct hark_index *index, unsigned tree, struct tile *tile,
                          struct hark_err *err)
{
    int64_t first = (int64_t)tree << 40 | (int64_t)(tile->number * WIDTH);
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc =
        hark_index_select(index, err, &statement, &row,
                          "SELECT id, bytes FROM object WHERE id >= ?1 AND id < ?2 ORDER BY id",
                          V_ARGS(V_INT(first), V_INT(first + WIDTH)));

    if (rc != 0)
        return rc;
    while (rc == 0 && row) {
        if (sqlite3_column_int64(statement, 0) != first + tile->count) {
            rc = hark_err_set(err, HARK_E_DAMAGED, "the index lacks an object of section %u", tree);
            break;
        }
        tile->hashes[tile->count++] = hark_merkle_leaf(hark_span(
            sqlite3_column_blob(statement, 1), (size_t)sqlite3_column_bytes(statement, 1)));
        rc = hark_index_step(index, statement, &row, err);
    }
    (void)sqlite3_reset(statement);
    return rc;
}

/* PROTOCOL.md 6.5, content hash: 0 no payload, 1 present, 2 erased or absent. */
static int content_leaf(sqlite3_stmt *statement, struct hark_hash *out, struct hark_err *err)
{
    uint8_t leaf[1 + HARK_HASH_SIZE] = {0};
    int rc;

    if (sqlite3_column_type(statement, 3) == SQLITE_NULL) {
        *out = hark_merkle_leaf(hark_span(leaf, 1));
        return 0;
    }
    leaf[0] = sqlite3_column_int(statement, 1) != HARK_SAYS_ERASED &&
                      sqlite3_column_int(statement, 2) != 0
                  ? 1
                  : 2;
    rc = hark_index_blob(statement, 3, leaf + 1, HARK_HASH_SIZE, err);
    *out = hark_merkle_leaf(hark_span(leaf, sizeof(leaf)));
    return rc;
}

static int content_leaves(struct hark_index *index, struct tile *tile, struct hark_err *err)
{
    uint64_t first = tile->number * WIDTH;
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc = hark_index_select(index, err, &statement, &row,
                               "SELECT position, says, blob IS NOT NULL, payload_hash FROM entry"
                               " WHERE position >= ?1 AND position < ?2 ORDER BY position",
                               V_ARGS(V_INT(first), V_INT(first + WIDTH)));

    if (rc != 0)
        return rc;
    while (rc == 0 && row) {
        if (sqlite3_column_int64(statement, 0) != (int64_t)(first + tile->count)) {
            rc = hark_err_set(err, HARK_E_DAMAGED, "the index lacks a row of the log");
            break;
        }
        rc = content_leaf(statement, &tile->hashes[tile->count++], err);
        if (rc == 0)
            rc = hark_index_step(index, statement, &row, err);
    }
    (void)sqlite3_reset(statement);
    return rc;
}

/* ---- tiles ---- */

static int64_t tile_id(unsigned tree, unsigned level, uint64_t number)
{
    return (int64_t)((uint64_t)tree << 56 | (uint64_t)level << 48 | number);
}

static int read_tile(struct hark_index *index, unsigned tree, unsigned level, struct tile *tile,
                     struct hark_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    int rc =
        hark_index_select(index, err, &statement, &row, "SELECT hashes FROM tile WHERE id = ?1",
                          V_ARGS(V_INT(tile_id(tree, level * STEP, tile->number))));

    if (rc != 0)
        return rc;
    if (row) {
        size_t size = (size_t)sqlite3_column_bytes(statement, 0);

        if (size > sizeof(tile->hashes) || size % HARK_HASH_SIZE != 0)
            rc = hark_err_set(err, HARK_E_DAMAGED, "the index holds a tile of a wrong size");
        else if (size > 0)
            memcpy(tile->hashes, sqlite3_column_blob(statement, 0), size);
        if (rc == 0)
            tile->count = (unsigned)(size / HARK_HASH_SIZE);
    }
    (void)sqlite3_reset(statement);
    return rc;
}

static int write_tile(struct hark_index *index, unsigned tree, unsigned level, struct tile *tile,
                      struct hark_err *err)
{
    int rc;

    if (!tile->dirty)
        return 0;
    rc = hark_index_run(index, err, "INSERT OR REPLACE INTO tile (id, hashes) VALUES (?1, ?2)",
                        V_ARGS(V_INT(tile_id(tree, level * STEP, tile->number)),
                               V_BLOB(tile->hashes, tile->count * HARK_HASH_SIZE)));
    if (rc == 0)
        tile->dirty = false;
    return rc;
}

/* Tile `number` of a level (in steps of 8) with at least `wanted` hashes. */
static int load_tile(struct hark_index *index, unsigned tree, unsigned level, uint64_t number,
                     unsigned wanted, struct tile **out, struct hark_err *err)
{
    struct tile *tile = &index->trees[tree].tiles[level];
    int rc;

    *out = tile;
    if (tile->loaded && tile->number == number && tile->count >= wanted)
        return 0;
    rc = write_tile(index, tree, level, tile, err);
    if (rc != 0)
        return rc;
    tile->loaded = false;
    tile->number = number;
    tile->count = 0;
    if (level > 0 || tree == HARK_TREE_LOG)
        rc = read_tile(index, tree, level, tile, err);
    else if (tree == HARK_TREE_CONTENT)
        rc = content_leaves(index, tile, err);
    else
        rc = section_leaves(index, tree, tile, err);
    if (rc == 0 && tile->count < wanted)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the index lacks hashes of tree %u", tree);
    tile->loaded = rc == 0;
    return rc;
}

static struct hark_hash combine(const struct hark_hash *hashes, unsigned count)
{
    struct hark_hash work[WIDTH];

    memcpy(work, hashes, count * sizeof(*hashes));
    for (; count > 1; count /= 2)
        for (unsigned i = 0; i < count / 2; i++)
            work[i] = hark_merkle_node(&work[2 * i], &work[2 * i + 1]);
    return work[0];
}

struct reading {
    struct hark_index *index;
    unsigned tree;
};

/* hark_merkle_read_fn: a full subtree from the nearest level kept below it. */
static int read_subtree(void *arg, unsigned level, uint64_t at, struct hark_hash *out,
                        struct hark_err *err)
{
    const struct reading *reading = arg;
    unsigned kept = level / STEP;
    unsigned above = level % STEP;
    struct tile *tile = NULL;
    uint64_t first;
    unsigned offset;
    int rc;

    if (kept >= LEVELS || at > UINT64_MAX >> STEP)
        return hark_err_set(err, HARK_E_NOT_FOUND, "there is no such subtree");
    first = at << above;
    offset = (unsigned)(first % WIDTH);
    rc = load_tile(reading->index, reading->tree, kept, first / WIDTH, offset + (1u << above),
                   &tile, err);
    if (rc == 0)
        *out = combine(&tile->hashes[offset], 1u << above);
    return rc;
}

/* ---- changes ---- */

static int compare_numbers(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

static void unique_touched(struct hark_index_tree *tree)
{
    size_t kept = 0;

    if (tree->touched_count > 1)
        qsort(tree->touched, tree->touched_count, sizeof(tree->touched[0]), compare_numbers);
    for (size_t i = 0; i < tree->touched_count; i++)
        if (kept == 0 || tree->touched[kept - 1] != tree->touched[i])
            tree->touched[kept++] = tree->touched[i];
    tree->touched_count = kept;
}

static int remember(struct hark_index_tree *tree, uint64_t block, struct hark_err *err)
{
    bool was_full = tree->touched_count == tree->touched_capacity;

    if (tree->touched_count > 0 && tree->touched[tree->touched_count - 1] == block)
        return 0;
    if (was_full)
        unique_touched(tree);
    /* Doubled unless forgetting repetitions made plenty of room. */
    if (was_full && tree->touched_count >= tree->touched_capacity / 2) {
        size_t capacity = tree->touched_capacity == 0 ? 64 : tree->touched_capacity * 2;
        uint64_t *larger = realloc(tree->touched, capacity * sizeof(*larger));

        if (larger == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for the index");
        tree->touched = larger;
        tree->touched_capacity = capacity;
    }
    tree->touched[tree->touched_count++] = block;
    return 0;
}

int hark_index_tree_touch(struct hark_index *index, unsigned tree, uint64_t at,
                          struct hark_err *err)
{
    struct hark_index_tree *t = &index->trees[tree];

    t->root_known = false;
    if (tree != HARK_TREE_LOG && t->tiles[0].number == at / WIDTH)
        t->tiles[0].loaded = false;
    return remember(t, at / WIDTH, err);
}

int hark_index_tree_append(struct hark_index *index, uint64_t at, const struct hark_hash *leaf,
                           struct hark_err *err)
{
    unsigned offset = (unsigned)(at % WIDTH);
    struct tile *tile = NULL;
    int rc = load_tile(index, HARK_TREE_LOG, 0, at / WIDTH, offset, &tile, err);

    if (rc == 0 && tile->count != offset)
        rc = hark_err_set(err, HARK_E_DAMAGED, "the index's tree is not the log's");
    if (rc != 0)
        return rc;
    tile->hashes[tile->count++] = *leaf;
    tile->dirty = true;
    return hark_index_tree_touch(index, HARK_TREE_LOG, at, err);
}

/* Sets hash `at` of a level; they come in ascending order, so that a tile grows
 * by one at most. */
static int set_node(struct hark_index *index, unsigned tree, unsigned level, uint64_t at,
                    const struct hark_hash *hash, struct hark_err *err)
{
    unsigned offset = (unsigned)(at % WIDTH);
    struct tile *tile = NULL;
    int rc = load_tile(index, tree, level, at / WIDTH, offset, &tile, err);

    if (rc != 0)
        return rc;
    tile->hashes[offset] = *hash;
    if (tile->count == offset)
        tile->count++;
    tile->dirty = true;
    return 0;
}

/* From the leaves up: each marked block that is full gives one hash to the level
 * above, and marks there what holds it. */
static int settle(struct hark_index *index, unsigned tree, struct hark_err *err)
{
    struct hark_index_tree *t = &index->trees[tree];
    uint64_t size = 0;
    int rc = tree_size(index, tree, &size, err);

    if (rc != 0 || t->touched_count == 0)
        return rc;
    for (unsigned level = 1; level < LEVELS && t->touched_count > 0; level++) {
        uint64_t full = size >> (level * STEP);
        size_t kept = 0;

        unique_touched(t);
        for (size_t i = 0; rc == 0 && i < t->touched_count; i++) {
            uint64_t at = t->touched[i];
            struct tile *tile = NULL;
            struct hark_hash hash;

            if (at >= full)
                break;
            rc = load_tile(index, tree, level - 1, at, WIDTH, &tile, err);
            if (rc != 0)
                break;
            hash = combine(tile->hashes, WIDTH);
            rc = set_node(index, tree, level, at, &hash, err);
            t->touched[kept++] = at / WIDTH;
        }
        if (rc != 0)
            return rc;
        t->touched_count = kept;
    }
    t->touched_count = 0;
    for (unsigned level = 0; rc == 0 && level < LEVELS; level++)
        rc = write_tile(index, tree, level, &t->tiles[level], err);
    return rc;
}

int hark_index_trees_flush(struct hark_index *index, struct hark_err *err)
{
    int rc = 0;

    for (unsigned tree = 0; rc == 0 && tree < HARK_TREES; tree++)
        rc = settle(index, tree, err);
    return rc;
}

int hark_index_tree_root(struct hark_index *index, unsigned tree, struct hark_hash *root,
                         struct hark_err *err)
{
    struct hark_index_tree *t = &index->trees[tree];
    struct reading reading = {.index = index, .tree = tree};
    uint64_t size = 0;
    bool own = false;
    int rc;

    if (index->read_only)
        drop_tiles(t); /* somebody else writes */
    if (t->root_known) {
        *root = t->root;
        return 0;
    }
    rc = hark_index_view(index, &own, err);
    if (rc == 0 && index->in_transaction) {
        rc = hark_index_store_flush(index, err);
        if (rc == 0)
            rc = settle(index, tree, err);
    }
    if (rc == 0)
        rc = tree_size(index, tree, &size, err);
    if (rc == 0)
        rc = hark_merkle_root_at(root, size, read_subtree, &reading, err);
    hark_index_view_end(index, own);
    if (rc == 0) {
        t->root = *root;
        t->root_known = true;
    }
    return rc;
}

int hark_index_tree_recount(struct hark_index *index, unsigned tree, struct hark_hash *root,
                            struct hark_err *err)
{
    struct hark_merkle merkle = {0};
    struct tile *tile = NULL;
    uint64_t size = 0;
    int rc = tree_size(index, tree, &size, err);

    drop_tiles(&index->trees[tree]);
    while (rc == 0 && merkle.size < size) {
        uint64_t left = size - merkle.size;

        rc = load_tile(index, tree, 0, merkle.size / WIDTH, left < WIDTH ? (unsigned)left : WIDTH,
                       &tile, err);
        for (unsigned i = 0; rc == 0 && i < WIDTH && merkle.size < size; i++)
            hark_merkle_append(&merkle, &tile->hashes[i]);
    }
    *root = hark_merkle_root(&merkle);
    return rc;
}

int hark_index_merkle_read(void *index, unsigned level, uint64_t at, struct hark_hash *out,
                           struct hark_err *err)
{
    struct reading reading = {.index = index, .tree = HARK_TREE_LOG};
    uint64_t size = 0;
    int rc = hark_index_size(index, &size, err);

    if (rc != 0)
        return rc;
    /* The log only grows: full tiles read before are still right, and one that
     * has grown since is read again. */
    if (level >= 64 || at >= size >> level)
        return hark_err_set(err, HARK_E_NOT_FOUND, "the log has no such subtree");
    return read_subtree(&reading, level, at, out, err);
}

int hark_index_content_hash(struct hark_index *index, struct hark_hash *out, struct hark_err *err)
{
    return hark_index_tree_root(index, HARK_TREE_CONTENT, out, err);
}
