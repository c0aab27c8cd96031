#include "merkle.h"

#include <inttypes.h>
#include <string.h>

/* The position of the highest bit that is set; `n` is not 0. */
static unsigned highest_bit(uint64_t n)
{
    return 63u - (unsigned)__builtin_clzll(n);
}

static size_t count_full(uint64_t size)
{
    return (size_t)__builtin_popcountll(size);
}

/* Where RFC 6962 splits a list of `n` leaves: the largest power of two below
 * `n`, which is at least 2. */
static uint64_t split_point(uint64_t n)
{
    return UINT64_C(1) << highest_bit(n - 1);
}

struct hark_hash hark_merkle_leaf(struct hark_span leaf)
{
    const uint8_t prefix = 0x00;
    struct hark_sha256 h;

    hark_sha256_init(&h);
    hark_sha256_update(&h, &prefix, sizeof(prefix));
    hark_sha256_update(&h, leaf.data, leaf.size);
    return hark_sha256_final(&h);
}

struct hark_hash hark_merkle_node(const struct hark_hash *left, const struct hark_hash *right)
{
    uint8_t block[1 + 2 * HARK_HASH_SIZE];

    block[0] = 0x01;
    memcpy(block + 1, left->bytes, HARK_HASH_SIZE);
    memcpy(block + 1 + HARK_HASH_SIZE, right->bytes, HARK_HASH_SIZE);
    return hark_sha256(hark_span(block, sizeof(block)));
}

struct hark_hash hark_merkle_empty(void)
{
    return hark_sha256(hark_span(NULL, 0));
}

/* The root over neighbouring full subtrees, largest first. RFC 6962 splits at
 * the largest power of two, so the smallest ones, at the right, join first. */
static struct hark_hash fold(const struct hark_hash *full, size_t count)
{
    struct hark_hash root;

    if (count == 0)
        return hark_merkle_empty();
    root = full[count - 1];
    for (size_t i = count - 1; i > 0; i--)
        root = hark_merkle_node(&full[i - 1], &root);
    return root;
}

void hark_merkle_append(struct hark_merkle *tree, const struct hark_hash *leaf_hash)
{
    struct hark_hash node = *leaf_hash;
    size_t count = count_full(tree->size);

    /* Adding one to a binary number: each 1 at its end is a full subtree as
     * large as `node`, which it completes. */
    for (uint64_t rest = tree->size; (rest & 1) != 0; rest >>= 1) {
        count--;
        node = hark_merkle_node(&tree->full[count], &node);
    }
    tree->full[count] = node;
    tree->size++;
}

struct hark_hash hark_merkle_root(const struct hark_merkle *tree)
{
    return fold(tree->full, count_full(tree->size));
}

int hark_merkle_encode(struct hark_buf *out, const struct hark_merkle *tree, struct hark_err *err)
{
    size_t full_size = count_full(tree->size) * HARK_HASH_SIZE;
    int rc = 0;

    /* Reserved first, so that a failure leaves nothing half written. */
    rc = hark_buf_reserve(out, sizeof(uint64_t) + full_size, err);
    if (rc != 0)
        return rc;
    rc = hark_buf_append_u64(out, tree->size, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count_full(tree->size); i++) {
        rc = hark_buf_append(out, tree->full[i].bytes, HARK_HASH_SIZE, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int hark_merkle_decode(struct hark_merkle *out, struct hark_span in, struct hark_err *err)
{
    uint64_t size = 0;

    memset(out, 0, sizeof(*out));
    if (!hark_take_u64(&in, &size) || size > HARK_MERKLE_SIZE_MAX)
        return hark_err_set(err, HARK_E_PROOF_FORM, "a Merkle tree's size is missing or too large");
    if (in.size != count_full(size) * HARK_HASH_SIZE)
        return hark_err_set(err, HARK_E_PROOF_FORM,
                            "a Merkle tree's size asks for %zu hashes, there are %zu bytes",
                            count_full(size), in.size);
    out->size = size;
    for (size_t i = 0; i < count_full(size); i++)
        memcpy(out->full[i].bytes, in.data + i * HARK_HASH_SIZE, HARK_HASH_SIZE);
    return 0;
}

/* The root of leaves [start, end), where `start` is a multiple of the next power
 * of two from their number: so are all ranges that RFC 6962's recursions meet,
 * and so each part below is a full subtree. */
static int range_root(struct hark_hash *out, uint64_t start, uint64_t end,
                      hark_merkle_read_fn *read, void *arg, struct hark_err *err)
{
    struct hark_hash full[64];
    size_t count = 0;

    while (start < end) {
        unsigned level = highest_bit(end - start);
        int rc = read(arg, level, start >> level, &full[count], err);

        if (rc != 0)
            return rc;
        count++;
        start += UINT64_C(1) << level;
    }
    *out = fold(full, count);
    return 0;
}

int hark_merkle_root_at(struct hark_hash *out, uint64_t size, hark_merkle_read_fn *read, void *arg,
                        struct hark_err *err)
{
    return range_root(out, 0, size, read, arg, err);
}

/* Proofs are found from the root down and written from the leaf up. */
static void reverse(struct hark_proof *proof)
{
    for (size_t i = 0, j = proof->count; i + 1 < j; i++) {
        struct hark_hash swap = proof->hashes[i];

        j--;
        proof->hashes[i] = proof->hashes[j];
        proof->hashes[j] = swap;
    }
}

/* One step down from [*start, *end) towards `target`, a leaf or (for a
 * consistency proof) the last leaf of the old tree: adds the root of the half
 * that is left aside. */
static int descend(struct hark_proof *out, uint64_t *start, uint64_t *end, uint64_t target,
                   hark_merkle_read_fn *read, void *arg, struct hark_err *err)
{
    uint64_t middle = *start + split_point(*end - *start);
    bool left = target < middle;
    int rc = range_root(&out->hashes[out->count], left ? middle : *start, left ? *end : middle,
                        read, arg, err);

    if (rc != 0)
        return rc;
    out->count++;
    *(left ? end : start) = middle;
    return 0;
}

int hark_merkle_prove_inclusion(struct hark_proof *out, uint64_t index, uint64_t size,
                                hark_merkle_read_fn *read, void *arg, struct hark_err *err)
{
    uint64_t start = 0;
    uint64_t end = size;

    out->count = 0;
    if (index >= size)
        return hark_err_set(err, HARK_E_PROOF_FORM, "no leaf %" PRIu64 " in a tree of %" PRIu64,
                            index, size);
    while (end - start > 1) {
        int rc = descend(out, &start, &end, index, read, arg, err);

        if (rc != 0)
            return rc;
    }
    reverse(out);
    return 0;
}

int hark_merkle_prove_consistency(struct hark_proof *out, uint64_t old_size, uint64_t size,
                                  hark_merkle_read_fn *read, void *arg, struct hark_err *err)
{
    uint64_t start = 0;
    uint64_t end = size;
    int rc = 0;

    out->count = 0;
    if (old_size == 0 || old_size > size)
        return hark_err_set(err, HARK_E_PROOF_FORM,
                            "no consistency from a tree of %" PRIu64 " to %" PRIu64, old_size,
                            size);
    while (end != old_size) {
        rc = descend(out, &start, &end, old_size - 1, read, arg, err);
        if (rc != 0)
            return rc;
    }
    /* At start 0 this is the old root, which the verifier has. */
    if (start != 0) {
        rc = range_root(&out->hashes[out->count], start, end, read, arg, err);
        if (rc != 0)
            return rc;
        out->count++;
    }
    reverse(out);
    return 0;
}

static int wrong_length(size_t count, struct hark_err *err)
{
    return hark_err_set(err, HARK_E_PROOF_FORM, "a proof of %zu hashes does not have the length",
                        count);
}

/* RFC 9162, 2.1.3.2, in its letters: fn is the node's index at the present
 * level, sn that of the last node there, r the hash so far. */
int hark_merkle_verify_inclusion(const struct hark_hash *leaf_hash, uint64_t index, uint64_t size,
                                 const struct hark_hash *proof, size_t count,
                                 const struct hark_hash *root, struct hark_err *err)
{
    uint64_t fn = index;
    uint64_t sn = size - 1;
    struct hark_hash r = *leaf_hash;

    if (index >= size)
        return hark_err_set(err, HARK_E_PROOF_FORM, "no leaf %" PRIu64 " in a tree of %" PRIu64,
                            index, size);
    for (size_t i = 0; i < count; i++) {
        if (sn == 0)
            return wrong_length(count, err);
        if ((fn & 1) != 0 || fn == sn) {
            r = hark_merkle_node(&proof[i], &r);
            /* A last node without a sibling rises unchanged. */
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            r = hark_merkle_node(&r, &proof[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    if (sn != 0)
        return wrong_length(count, err);
    if (!hark_hash_equal(&r, root))
        return hark_err_set(err, HARK_E_PROOF, "the leaf does not stand in the tree");
    return 0;
}

/* Does some tree have [start, end) as a subtree: is `start` a multiple of the
 * smallest power of two that is not below the number of leaves? */
static bool subtree_exists(uint64_t start, uint64_t end)
{
    uint64_t last = end - start - 1;

    if (start >= end)
        return false;
    return last == 0 || (start & (UINT64_MAX >> (63u - highest_bit(last)))) == 0;
}

int hark_merkle_verify_subtree_inclusion(const struct hark_hash *leaf_hash, uint64_t index,
                                         uint64_t start, uint64_t end,
                                         const struct hark_hash *proof, size_t count,
                                         const struct hark_hash *subtree_root, struct hark_err *err)
{
    if (!subtree_exists(start, end) || index < start || index >= end)
        return hark_err_set(err, HARK_E_PROOF_FORM,
                            "no leaf %" PRIu64 " in a subtree [%" PRIu64 ", %" PRIu64 ")", index,
                            start, end);
    return hark_merkle_verify_inclusion(leaf_hash, index - start, end - start, proof, count,
                                        subtree_root, err);
}

/* Where the verification of a consistency proof stands: the indices, at the
 * present level, of the nodes over the subtree's first and last leaf and over
 * the tree's last leaf; and the two roots so far. */
struct climb {
    uint64_t fn;
    uint64_t sn;
    uint64_t tn;
    struct hark_hash fr;
    struct hark_hash sr;
};

static void climb_level(struct climb *c)
{
    c->fn >>= 1;
    c->sn >>= 1;
    c->tn >>= 1;
}

static void climb_join(struct climb *c, const struct hark_hash *sibling)
{
    if ((c->sn & 1) != 0 || c->sn == c->tn) {
        /* A sibling at the left: inside the subtree too, as long as it is not
         * complete at this level. */
        if (c->fn < c->sn)
            c->fr = hark_merkle_node(sibling, &c->fr);
        c->sr = hark_merkle_node(sibling, &c->sr);
        while ((c->sn & 1) == 0 && c->sn != 0)
            climb_level(c);
    } else {
        c->sr = hark_merkle_node(&c->sr, sibling);
    }
    climb_level(c);
}

/* RFC 9162, 2.1.4.2 is the case start = 0 of the draft's procedure, so one
 * function does both. [start, end) is a subtree and end <= size. */
static int verify_range(uint64_t start, uint64_t end, uint64_t size, const struct hark_hash *proof,
                        size_t count, const struct hark_hash *subtree_root,
                        const struct hark_hash *root, struct hark_err *err)
{
    struct climb c = {.fn = start, .sn = end - 1, .tn = size - 1};
    size_t next = 0;

    /* The proof starts from the largest full subtree that ends at `end`; where
     * the subtree ends with the tree, from the subtree itself. */
    while (c.fn != c.sn && ((c.sn & 1) != 0 || end == size))
        climb_level(&c);
    if (c.fn == c.sn) {
        c.fr = *subtree_root;
    } else {
        if (count == 0)
            return wrong_length(count, err);
        c.fr = proof[next++];
    }
    c.sr = c.fr;
    for (; next < count; next++) {
        if (c.tn == 0)
            return wrong_length(count, err);
        climb_join(&c, &proof[next]);
    }
    if (c.tn != 0)
        return wrong_length(count, err);
    if (!hark_hash_equal(&c.fr, subtree_root))
        return hark_err_set(err, HARK_E_PROOF,
                            "the proof does not lead to the smaller tree's root");
    if (!hark_hash_equal(&c.sr, root))
        return hark_err_set(err, HARK_E_PROOF, "the proof does not lead to the larger tree's root");
    return 0;
}

int hark_merkle_verify_consistency(uint64_t old_size, uint64_t size, const struct hark_hash *proof,
                                   size_t count, const struct hark_hash *old_root,
                                   const struct hark_hash *root, struct hark_err *err)
{
    if (old_size == 0 || old_size > size)
        return hark_err_set(err, HARK_E_PROOF_FORM,
                            "no consistency from a tree of %" PRIu64 " to %" PRIu64, old_size,
                            size);
    return verify_range(0, old_size, size, proof, count, old_root, root, err);
}

/* The empty range stands in every tree, with nothing to prove about it. */
static int verify_empty(size_t count, const struct hark_hash *subtree_root, struct hark_err *err)
{
    struct hark_hash empty = hark_merkle_empty();

    if (count != 0)
        return wrong_length(count, err);
    if (!hark_hash_equal(&empty, subtree_root))
        return hark_err_set(err, HARK_E_PROOF, "the root of an empty subtree is another");
    return 0;
}

int hark_merkle_verify_subtree_consistency(uint64_t start, uint64_t end, uint64_t size,
                                           const struct hark_hash *proof, size_t count,
                                           const struct hark_hash *subtree_root,
                                           const struct hark_hash *root, struct hark_err *err)
{
    if (start == end && end <= size)
        return verify_empty(count, subtree_root, err);
    if (!subtree_exists(start, end) || end > size)
        return hark_err_set(err, HARK_E_PROOF_FORM,
                            "no subtree [%" PRIu64 ", %" PRIu64 ") in a tree of %" PRIu64, start,
                            end, size);
    return verify_range(start, end, size, proof, count, subtree_root, root, err);
}
