/*
 * crypto/merkle: against published vectors, and against RFC 6962's recursive
 * definitions written down naively below.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <setjmp.h>

#include <cmocka.h>
#include <jansson.h>

#include "crypto/merkle.h"

#define LEAVES 70u

/* --- The definitions of RFC 6962, section 2.1, word for word --------------- */

static struct hark_hash naive_leaf(uint64_t index)
{
    uint8_t bytes[8];

    hark_put_u64(bytes, index);
    return hark_merkle_leaf(hark_span(bytes, sizeof(bytes)));
}

static uint64_t naive_split(uint64_t n)
{
    uint64_t k = 1;

    while (k * 2 < n)
        k *= 2;
    return k;
}

/* MTH(D[start:end]), each computed once. */
static struct hark_hash naive_root(uint64_t start, uint64_t end)
{
    static struct hark_hash memo[LEAVES + 1][LEAVES + 1];
    static bool known[LEAVES + 1][LEAVES + 1];
    uint64_t n = end - start;

    if (n == 0)
        return hark_merkle_empty();
    if (n == 1)
        return naive_leaf(start);
    if (!known[start][end]) {
        struct hark_hash left = naive_root(start, start + naive_split(n));
        struct hark_hash right = naive_root(start + naive_split(n), end);

        memo[start][end] = hark_merkle_node(&left, &right);
        known[start][end] = true;
    }
    return memo[start][end];
}

static void push(struct hark_proof *proof, struct hark_hash hash)
{
    assert_true(proof->count <= HARK_MERKLE_PROOF_MAX);
    proof->hashes[proof->count++] = hash;
}

/* PATH(index, D[start:end]), index counted from 0. */
static void naive_path(struct hark_proof *out, uint64_t index, uint64_t start, uint64_t end)
{
    uint64_t middle = 0;

    if (end - start == 1)
        return;
    middle = start + naive_split(end - start);
    if (index < middle) {
        naive_path(out, index, start, middle);
        push(out, naive_root(middle, end));
    } else {
        naive_path(out, index, middle, end);
        push(out, naive_root(start, middle));
    }
}

/* SUBTREE_SUBPROOF(from, to, D[start:end], known) of the Merkle tree
 * certificates draft; with from = 0 it is RFC 6962's SUBPROOF. */
static void naive_subproof(struct hark_proof *out, uint64_t from, uint64_t to, uint64_t start,
                           uint64_t end, bool known)
{
    uint64_t middle = 0;

    if (from == start && to == end) {
        if (!known)
            push(out, naive_root(start, end));
        return;
    }
    middle = start + naive_split(end - start);
    if (to <= middle) {
        naive_subproof(out, from, to, start, middle, known);
        push(out, naive_root(middle, end));
    } else if (from >= middle) {
        naive_subproof(out, from, to, middle, end, known);
        push(out, naive_root(start, middle));
    } else {
        naive_subproof(out, middle, to, middle, end, false);
        push(out, naive_root(start, middle));
    }
}

/* Full subtrees out of the naive roots; asking for one that the leaves do not
 * fill is the prover's error. */
static int read_naive(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                      struct hark_err *err)
{
    uint64_t size = *(const uint64_t *)arg;
    uint64_t start = index << level;

    (void)err;
    assert_true(start + (UINT64_C(1) << level) <= size);
    *out = naive_root(start, start + (UINT64_C(1) << level));
    return 0;
}

/* --- Trees ----------------------------------------------------------------- */

/* The values of RFC 6962's reference implementation for the empty tree and an
 * empty leaf: the domain separation cannot drift unseen. */
static void test_merkle__hashes_as_published(void **state)
{
    char hex[2 * HARK_HASH_SIZE + 1];
    struct hark_hash hash = hark_merkle_empty();

    (void)state;
    hark_hash_hex(hex, &hash);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash = hark_merkle_leaf(hark_span(NULL, 0));
    hark_hash_hex(hex, &hash);
    assert_string_equal(hex, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

/* Appending leaf by leaf gives the defined root at each size, and so does
 * reading the same size out of stored subtrees. */
static void test_merkle__roots_follow_the_definition(void **state)
{
    struct hark_merkle tree = {0};

    (void)state;
    for (uint64_t size = 0; size <= LEAVES; size++) {
        struct hark_hash wanted = naive_root(0, size);
        struct hark_hash root = hark_merkle_root(&tree);
        struct hark_hash read;
        struct hark_hash leaf = naive_leaf(size);

        assert_true(hark_hash_equal(&root, &wanted));
        assert_int_equal(hark_merkle_root_at(&read, size, read_naive, &size, NULL), 0);
        assert_true(hark_hash_equal(&read, &wanted));
        assert_int_equal(tree.size, size);
        hark_merkle_append(&tree, &leaf);
    }
}

/* A tree that was written and read goes on as if it had never been away. */
static void test_merkle__encoding_keeps_the_tree(void **state)
{
    struct hark_merkle tree = {0};

    (void)state;
    for (uint64_t size = 0; size <= LEAVES; size++) {
        struct hark_buf buf = hark_buf_init(4096);
        struct hark_merkle again;
        struct hark_hash leaf = naive_leaf(size);
        struct hark_hash wanted = naive_root(0, size);
        struct hark_hash root;

        assert_int_equal(hark_merkle_encode(&buf, &tree, NULL), 0);
        assert_int_equal(buf.size, 8 + 32 * (size_t)__builtin_popcountll(size));
        assert_int_equal(hark_merkle_decode(&again, hark_buf_span(&buf), NULL), 0);
        root = hark_merkle_root(&again);
        assert_true(hark_hash_equal(&root, &wanted));
        hark_merkle_append(&again, &leaf);
        hark_merkle_append(&tree, &leaf);
        assert_int_equal(again.size, tree.size);
        hark_buf_free(&buf);
    }
}

/* What is too short, too long or too large is refused, and a buffer that is too
 * small stays as it was. */
static void test_merkle__encoding_refuses_what_does_not_fit(void **state)
{
    struct hark_merkle tree = {0};
    struct hark_buf buf = hark_buf_init(4096);
    struct hark_buf small = hark_buf_init(8 + 32);
    uint8_t huge[8 + 64 * 32] = {0};

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        struct hark_hash leaf = naive_leaf(i);

        hark_merkle_append(&tree, &leaf);
    }
    assert_int_equal(hark_merkle_encode(&buf, &tree, NULL), 0);
    for (size_t size = 0; size < buf.size; size++)
        assert_int_equal(hark_merkle_decode(&tree, hark_span(buf.data, size), NULL),
                         HARK_E_PROOF_FORM);
    assert_int_equal(hark_buf_append_byte(&buf, 0, NULL), 0);
    assert_int_equal(hark_merkle_decode(&tree, hark_buf_span(&buf), NULL), HARK_E_PROOF_FORM);
    hark_put_u64(huge, UINT64_MAX);
    assert_int_equal(hark_merkle_decode(&tree, hark_span(huge, sizeof(huge)), NULL),
                     HARK_E_PROOF_FORM);
    hark_put_u64(huge, HARK_MERKLE_SIZE_MAX);
    assert_int_equal(hark_merkle_decode(&tree, hark_span(huge, 8 + 63 * 32), NULL), 0);

    memset(&tree, 0, sizeof(tree));
    tree.size = 3;
    assert_int_equal(hark_merkle_encode(&small, &tree, NULL), HARK_E_LIMIT);
    assert_int_equal(small.size, 0);
    hark_buf_free(&small);
    hark_buf_free(&buf);
}

/* --- Proofs ---------------------------------------------------------------- */

static void assert_same_proof(const struct hark_proof *a, const struct hark_proof *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_true(hark_hash_equal(&a->hashes[i], &b->hashes[i]));
}

/* What every check below is put to: one way of asking about a proof. */
struct claim {
    uint64_t start;
    uint64_t end;
    uint64_t index; /* of the leaf; UINT64_MAX for consistency */
    uint64_t size;
};

static int check_claim(const struct claim *c, const struct hark_proof *proof)
{
    struct hark_hash part = naive_root(c->start, c->end);
    struct hark_hash leaf;
    struct hark_hash root;

    if (c->index == UINT64_MAX) {
        root = naive_root(0, c->size);
        if (c->start == 0)
            assert_int_equal(hark_merkle_verify_consistency(c->end, c->size, proof->hashes,
                                                            proof->count, &part, &root, NULL),
                             hark_merkle_verify_subtree_consistency(0, c->end, c->size,
                                                                    proof->hashes, proof->count,
                                                                    &part, &root, NULL));
        return hark_merkle_verify_subtree_consistency(c->start, c->end, c->size, proof->hashes,
                                                      proof->count, &part, &root, NULL);
    }
    leaf = naive_leaf(c->index);
    if (c->start == 0)
        return hark_merkle_verify_inclusion(&leaf, c->index, c->end, proof->hashes, proof->count,
                                            &part, NULL);
    return hark_merkle_verify_subtree_inclusion(&leaf, c->index, c->start, c->end, proof->hashes,
                                                proof->count, &part, NULL);
}

/* The proof holds; with any hash altered, one fewer at either end, or one more,
 * it does not. */
static void assert_holds_only_so(const struct claim *c, const struct hark_proof *proof)
{
    struct hark_proof other = *proof;

    assert_int_equal(check_claim(c, proof), 0);
    for (size_t i = 0; i < proof->count; i++) {
        other.hashes[i].bytes[i % HARK_HASH_SIZE] ^= 0x10;
        assert_int_equal(check_claim(c, &other), HARK_E_PROOF);
        other.hashes[i] = proof->hashes[i];
    }
    other.hashes[other.count++] = naive_leaf(0);
    assert_int_equal(check_claim(c, &other), HARK_E_PROOF_FORM);
    if (proof->count == 0)
        return;
    other.count = proof->count - 1;
    assert_int_equal(check_claim(c, &other), HARK_E_PROOF_FORM);
    memmove(other.hashes, other.hashes + 1, other.count * sizeof(other.hashes[0]));
    assert_int_equal(check_claim(c, &other), HARK_E_PROOF_FORM);
}

static void test_merkle__inclusion_of_every_leaf_at_every_size(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= LEAVES; size++) {
        for (uint64_t index = 0; index < size; index++) {
            struct claim c = {.end = size, .index = index, .size = size};
            struct hark_proof wanted = {0};
            struct hark_proof proof;

            naive_path(&wanted, index, 0, size);
            assert_int_equal(
                hark_merkle_prove_inclusion(&proof, index, size, read_naive, &size, NULL), 0);
            assert_same_proof(&proof, &wanted);
            assert_holds_only_so(&c, &proof);
        }
    }
}

static void test_merkle__consistency_of_all_pairs_of_sizes(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= LEAVES; size++) {
        for (uint64_t old = 1; old <= size; old++) {
            struct claim c = {.end = old, .index = UINT64_MAX, .size = size};
            struct hark_proof wanted = {0};
            struct hark_proof proof;

            naive_subproof(&wanted, 0, old, 0, size, true);
            assert_int_equal(
                hark_merkle_prove_consistency(&proof, old, size, read_naive, &size, NULL), 0);
            assert_same_proof(&proof, &wanted);
            assert_holds_only_so(&c, &proof);
        }
    }
}

/* The draft's rule, written another way. */
static bool naive_is_subtree(uint64_t start, uint64_t end)
{
    uint64_t width = 1;

    while (width < end - start)
        width *= 2;
    return start < end && start % width == 0;
}

static void test_merkle__subtrees_of_all_trees(void **state)
{
    (void)state;
    for (uint64_t end = 1; end <= 33; end++) {
        for (uint64_t start = 0; start < end; start++) {
            struct hark_hash root = naive_root(start, end);
            struct hark_proof none = {0};

            if (!naive_is_subtree(start, end)) {
                assert_int_equal(hark_merkle_verify_subtree_consistency(start, end, 33, NULL, 0,
                                                                        &root, &root, NULL),
                                 HARK_E_PROOF_FORM);
                assert_int_equal(hark_merkle_verify_subtree_inclusion(&root, start, start, end,
                                                                      NULL, 0, &root, NULL),
                                 HARK_E_PROOF_FORM);
                continue;
            }
            for (uint64_t size = end; size <= 33; size++) {
                struct claim c = {.start = start, .end = end, .index = UINT64_MAX, .size = size};
                struct hark_proof proof = none;

                naive_subproof(&proof, start, end, 0, size, true);
                assert_holds_only_so(&c, &proof);
            }
            for (uint64_t index = start; index < end; index++) {
                struct claim c = {.start = start, .end = end, .index = index, .size = end};
                struct hark_proof proof = none;

                naive_path(&proof, index, start, end);
                assert_holds_only_so(&c, &proof);
            }
        }
    }
}

/* A proof for one place or one tree is none for another. */
static void test_merkle__a_proof_is_for_one_place(void **state)
{
    uint64_t size = 37;

    (void)state;
    for (uint64_t index = 0; index < size; index++) {
        struct hark_hash leaf = naive_leaf(index);
        struct hark_hash root = naive_root(0, size);
        struct hark_hash other_root = naive_root(0, size + 1);
        struct hark_proof proof;

        assert_int_equal(hark_merkle_prove_inclusion(&proof, index, size, read_naive, &size, NULL),
                         0);
        for (uint64_t other = 0; other < size + 2; other++) {
            int rc = hark_merkle_verify_inclusion(&leaf, other, size, proof.hashes, proof.count,
                                                  &root, NULL);

            assert_true(other == index ? rc == 0 : rc != 0);
        }
        assert_int_equal(hark_merkle_verify_inclusion(&leaf, index, size, proof.hashes, proof.count,
                                                      &other_root, NULL),
                         HARK_E_PROOF);
    }
}

static void test_merkle__impossible_numbers_are_refused(void **state)
{
    struct hark_hash root = naive_root(0, 3);
    uint64_t size = 3;
    struct hark_proof proof;

    (void)state;
    assert_int_equal(hark_merkle_prove_inclusion(&proof, 3, 3, read_naive, &size, NULL),
                     HARK_E_PROOF_FORM);
    assert_int_equal(hark_merkle_prove_inclusion(&proof, 0, 0, read_naive, &size, NULL),
                     HARK_E_PROOF_FORM);
    assert_int_equal(hark_merkle_prove_consistency(&proof, 0, 3, read_naive, &size, NULL),
                     HARK_E_PROOF_FORM);
    assert_int_equal(hark_merkle_prove_consistency(&proof, 4, 3, read_naive, &size, NULL),
                     HARK_E_PROOF_FORM);
    assert_int_equal(hark_merkle_verify_inclusion(&root, 0, 0, NULL, 0, &root, NULL),
                     HARK_E_PROOF_FORM);
    assert_int_equal(
        hark_merkle_verify_inclusion(&root, UINT64_MAX, UINT64_MAX, NULL, 0, &root, NULL),
        HARK_E_PROOF_FORM);
    assert_int_equal(hark_merkle_verify_consistency(0, 3, NULL, 0, &root, &root, NULL),
                     HARK_E_PROOF_FORM);
    assert_int_equal(hark_merkle_verify_consistency(4, 3, NULL, 0, &root, &root, NULL),
                     HARK_E_PROOF_FORM);
    assert_int_equal(
        hark_merkle_verify_subtree_consistency(2, 1, UINT64_MAX, NULL, 0, &root, &root, NULL),
        HARK_E_PROOF_FORM);
    /* a subtree that ends past the tree, where both climb to one root */
    assert_int_equal(hark_merkle_verify_subtree_consistency(0, 4, 2, NULL, 0, &root, &root, NULL),
                     HARK_E_PROOF_FORM);
}

/* A tree of equal leaves: its full subtrees are known without storing any. */
static int read_equal_leaves(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                             struct hark_err *err)
{
    (void)arg;
    (void)index;
    (void)err;
    *out = naive_leaf(0);
    for (unsigned i = 0; i < level; i++)
        *out = hark_merkle_node(out, out);
    return 0;
}

/* At the far end of the numbers nothing overflows, neither integers nor the
 * proof's array. */
static void test_merkle__largest_trees(void **state)
{
    const uint64_t sizes[] = {HARK_MERKLE_SIZE_MAX, (UINT64_C(1) << 63) + 1, UINT64_MAX};
    struct hark_hash leaf = naive_leaf(0);

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const uint64_t at[] = {1, 2, sizes[i] / 2, sizes[i] / 3, sizes[i] - 1, sizes[i]};
        struct hark_proof proof;
        struct hark_hash root;
        struct hark_hash old_root;

        assert_int_equal(hark_merkle_root_at(&root, sizes[i], read_equal_leaves, NULL, NULL), 0);
        for (size_t j = 0; j < sizeof(at) / sizeof(at[0]); j++) {
            assert_int_equal(hark_merkle_prove_inclusion(&proof, at[j] - 1, sizes[i],
                                                         read_equal_leaves, NULL, NULL),
                             0);
            assert_true(proof.count <= HARK_MERKLE_PROOF_MAX);
            assert_int_equal(hark_merkle_verify_inclusion(&leaf, at[j] - 1, sizes[i], proof.hashes,
                                                          proof.count, &root, NULL),
                             0);
            assert_int_equal(hark_merkle_prove_consistency(&proof, at[j], sizes[i],
                                                           read_equal_leaves, NULL, NULL),
                             0);
            assert_true(proof.count <= HARK_MERKLE_PROOF_MAX + 1);
            assert_int_equal(hark_merkle_root_at(&old_root, at[j], read_equal_leaves, NULL, NULL),
                             0);
            assert_int_equal(hark_merkle_verify_consistency(at[j], sizes[i], proof.hashes,
                                                            proof.count, &old_root, &root, NULL),
                             0);
        }
    }
}

struct countdown {
    unsigned left;
};

static int read_failing(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                        struct hark_err *err)
{
    struct countdown *countdown = arg;
    uint64_t size = 37;

    if (countdown->left-- == 0)
        return hark_err_set(err, HARK_E_IO, "as told");
    return read_naive(&size, level, index, out, err);
}

/* Whichever read fails, the caller hears of it. */
static void test_merkle__failed_reads_are_passed_on(void **state)
{
    struct hark_proof proof;
    struct hark_hash root;
    struct hark_err err;
    unsigned failures[3] = {0};

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct countdown c[3] = {{i}, {i}, {i}};
        int rc[3] = {
            hark_merkle_root_at(&root, 37, read_failing, &c[0], &err),
            hark_merkle_prove_inclusion(&proof, 17, 37, read_failing, &c[1], &err),
            hark_merkle_prove_consistency(&proof, 23, 37, read_failing, &c[2], &err),
        };

        for (size_t j = 0; j < 3; j++) {
            assert_true(rc[j] == 0 || rc[j] == HARK_E_IO);
            failures[j] += rc[j] != 0;
        }
    }
    assert_int_equal(failures[0], 3); /* 37 = 32 + 4 + 1 */
    assert_true(failures[1] >= 6 && failures[1] < 12);
    assert_true(failures[2] >= 6 && failures[2] < 12);
}

/* --- Published vectors ----------------------------------------------------- */

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 65536);
    size_t size = 0;

    assert_non_null(file);
    assert_non_null(text);
    size = fread(text, 1, 65535, file);
    assert_true(size < 65535);
    (void)fclose(file);
    return text;
}

/* The vectors hold numbers up to 2^64 - 1, and jansson integers end at 2^63 - 1:
 * long ones become strings. They contain no digits after ": " otherwise. */
static json_t *load_vector(const char *path)
{
    char *text = read_text(path);
    char *quoted = calloc(1, 65536 + 64);
    json_t *json = NULL;
    size_t out = 0;

    assert_non_null(quoted);
    for (size_t i = 0; text[i] != '\0'; out++) {
        size_t digits = i > 1 && text[i - 2] == ':' ? strspn(text + i, "0123456789") : 0;

        if (digits < 18) {
            quoted[out] = text[i++];
            continue;
        }
        quoted[out++] = '"';
        memcpy(quoted + out, text + i, digits);
        out += digits;
        i += digits;
        quoted[out] = '"';
    }
    json = json_loads(quoted, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    free(quoted);
    free(text);
    return json;
}

static uint64_t get_number(const json_t *vector, const char *name)
{
    const json_t *value = json_object_get(vector, name);
    uint64_t number = 0;

    assert_non_null(value);
    if (json_is_integer(value))
        return (uint64_t)json_integer_value(value);
    assert_int_equal(
        hark_decimal_decode(&number, hark_span_str(json_string_value(value)), UINT64_MAX, NULL), 0);
    return number;
}

/* Some vectors have roots of other lengths. Hark's type cannot hold them, so
 * they are filled up with zeros: still equal or unequal as they were. */
static struct hark_hash get_hash(const json_t *value, size_t *size)
{
    struct hark_buf buf = hark_buf_init(HARK_HASH_SIZE);
    struct hark_hash hash = {{0}};

    assert_true(json_is_string(value));
    assert_int_equal(hark_base64_decode(&buf, hark_span_str(json_string_value(value)), NULL), 0);
    if (buf.size > 0)
        memcpy(hash.bytes, buf.data, buf.size);
    *size = buf.size;
    hark_buf_free(&buf);
    return hash;
}

struct vector {
    const json_t *json;
    struct hark_proof proof;
};

static struct hark_hash hash_of(const struct vector *v, const char *name)
{
    size_t size = 0;

    return get_hash(json_object_get(v->json, name), &size);
}

/* A leaf hash of another length is an error by itself; here it ends at the type. */
static bool leaf_is_a_hash(const struct vector *v)
{
    size_t size = 0;

    (void)get_hash(json_object_get(v->json, "leafHash"), &size);
    return size == HARK_HASH_SIZE;
}

static int run_inclusion(const struct vector *v)
{
    struct hark_hash leaf = hash_of(v, "leafHash");
    struct hark_hash root = hash_of(v, "root");

    if (!leaf_is_a_hash(v))
        return HARK_E_PROOF_FORM;
    return hark_merkle_verify_inclusion(&leaf, get_number(v->json, "leafIdx"),
                                        get_number(v->json, "treeSize"), v->proof.hashes,
                                        v->proof.count, &root, NULL);
}

static int run_consistency(const struct vector *v)
{
    struct hark_hash root1 = hash_of(v, "root1");
    struct hark_hash root2 = hash_of(v, "root2");

    return hark_merkle_verify_consistency(get_number(v->json, "size1"),
                                          get_number(v->json, "size2"), v->proof.hashes,
                                          v->proof.count, &root1, &root2, NULL);
}

static int run_subtree_inclusion(const struct vector *v)
{
    struct hark_hash leaf = hash_of(v, "leafHash");
    struct hark_hash root = hash_of(v, "root");

    if (!leaf_is_a_hash(v))
        return HARK_E_PROOF_FORM;
    return hark_merkle_verify_subtree_inclusion(
        &leaf, get_number(v->json, "leafIdx"), get_number(v->json, "start"),
        get_number(v->json, "end"), v->proof.hashes, v->proof.count, &root, NULL);
}

static int run_subtree_consistency(const struct vector *v)
{
    struct hark_hash root1 = hash_of(v, "root1");
    struct hark_hash root2 = hash_of(v, "root2");

    return hark_merkle_verify_subtree_consistency(
        get_number(v->json, "start"), get_number(v->json, "end"), get_number(v->json, "size"),
        v->proof.hashes, v->proof.count, &root1, &root2, NULL);
}

typedef int run_fn(const struct vector *v);

static void run_file(const char *path, run_fn *run)
{
    json_t *json = load_vector(path);
    const json_t *want_err = json_object_get(json, "wantErr");
    const json_t *proof = json_object_get(json, "proof");
    struct vector v = {.json = json};
    size_t size = 0;
    int rc = 0;

    assert_true(json_is_boolean(want_err));
    assert_true(json_is_array(proof) || json_is_null(proof));
    assert_true(json_array_size(proof) <= HARK_MERKLE_PROOF_MAX + 1);
    for (size_t i = 0; i < json_array_size(proof); i++)
        v.proof.hashes[v.proof.count++] = get_hash(json_array_get(proof, i), &size);
    rc = run(&v);
    if ((rc != 0) != json_is_true(want_err))
        fail_msg("%s: %s", path, hark_err_name(rc));
    if (rc != 0 && rc != HARK_E_PROOF && rc != HARK_E_PROOF_FORM)
        fail_msg("%s: the wrong error, %s", path, hark_err_name(rc));
    json_decref(json);
}

static unsigned run_folder(const char *folder, run_fn *run)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, alphasort);
    unsigned files = 0;

    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        char path[1024];
        struct stat st;

        assert_true(snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name) <
                    (int)sizeof(path));
        assert_int_equal(stat(path, &st), 0);
        if (S_ISDIR(st.st_mode) && names[i]->d_name[0] != '.')
            files += run_folder(path, run);
        if (S_ISREG(st.st_mode)) {
            run_file(path, run);
            files++;
        }
        free(names[i]);
    }
    free(names);
    return files;
}

static void run_vectors(const char *name, unsigned at_least, run_fn *run)
{
    const char *shared = getenv("HARK_SHARED_DIR");
    char folder[768];
    struct stat st;

    assert_true(snprintf(folder, sizeof(folder), "%s/data/vectors/merkle/%s",
                         shared != NULL ? shared : "../shared", name) < (int)sizeof(folder));
    if (stat(folder, &st) != 0) {
        print_message("skipped: no published vectors at %s\n", folder);
        skip();
    }
    assert_true(run_folder(folder, run) >= at_least);
}

static void test_merkle__published_inclusion(void **state)
{
    (void)state;
    run_vectors("inclusion", 98, run_inclusion);
}

static void test_merkle__published_consistency(void **state)
{
    (void)state;
    run_vectors("consistency", 98, run_consistency);
}

static void test_merkle__published_subtree_inclusion(void **state)
{
    (void)state;
    run_vectors("subtreeinclusion", 204, run_subtree_inclusion);
}

static void test_merkle__published_subtree_consistency(void **state)
{
    (void)state;
    run_vectors("subtreeconsistency", 118, run_subtree_consistency);
}

static int setup(void **state)
{
    (void)state;
    return hark_crypto_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merkle__hashes_as_published),
        cmocka_unit_test(test_merkle__roots_follow_the_definition),
        cmocka_unit_test(test_merkle__encoding_keeps_the_tree),
        cmocka_unit_test(test_merkle__encoding_refuses_what_does_not_fit),
        cmocka_unit_test(test_merkle__inclusion_of_every_leaf_at_every_size),
        cmocka_unit_test(test_merkle__consistency_of_all_pairs_of_sizes),
        cmocka_unit_test(test_merkle__subtrees_of_all_trees),
        cmocka_unit_test(test_merkle__a_proof_is_for_one_place),
        cmocka_unit_test(test_merkle__impossible_numbers_are_refused),
        cmocka_unit_test(test_merkle__largest_trees),
        cmocka_unit_test(test_merkle__failed_reads_are_passed_on),
        cmocka_unit_test(test_merkle__published_inclusion),
        cmocka_unit_test(test_merkle__published_consistency),
        cmocka_unit_test(test_merkle__published_subtree_inclusion),
        cmocka_unit_test(test_merkle__published_subtree_consistency),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
