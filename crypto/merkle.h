/*
 * The Merkle tree of RFC 6962 section 2 over SHA-256: leaf and node hashes,
 * compact ranges for appending, inclusion and consistency proofs and their
 * verification (RFC 9162 section 2.1.3 and 2.1.4 give the verifier's
 * algorithms), and subtree proofs (draft-ietf-plants-merkle-tree-certs, section
 * 4.3 and 4.4). PROTOCOL.md 2.7.
 */
#ifndef HARK_CRYPTO_MERKLE_H
#define HARK_CRYPTO_MERKLE_H

#include "sha256.h"

/* The largest tree that is appended to or parsed: 2^63 - 1 leaves. */
#define HARK_MERKLE_SIZE_MAX ((uint64_t)INT64_MAX)

#define HARK_MERKLE_PROOF_MAX 64 /* hashes in an inclusion proof at most (consistency: 65) */

struct hark_proof {
    size_t count;
    struct hark_hash hashes[HARK_MERKLE_PROOF_MAX + 1];
};

struct hark_hash hark_merkle_leaf(struct hark_span leaf); /* 0x00 ‖ leaf */
struct hark_hash hark_merkle_node(const struct hark_hash *left, const struct hark_hash *right);
struct hark_hash hark_merkle_empty(void); /* root of the empty tree: SHA-256 of nothing */

/* A tree of `size` leaves by the roots of its full subtrees, largest first.
 * Zeroed is the empty tree. Plain data: may be copied. */
struct hark_merkle {
    uint64_t size;
    struct hark_hash full[64]; /* popcount(size) of them are in use */
};

/* tree->size is below HARK_MERKLE_SIZE_MAX. */
void hark_merkle_append(struct hark_merkle *tree, const struct hark_hash *leaf_hash);
struct hark_hash hark_merkle_root(const struct hark_merkle *tree);
/* As bytes: u64 size ‖ 32 bytes for each full subtree. Parsing errors:
 * proof-form. */
HARK_CHECK int hark_merkle_encode(struct hark_buf *out, const struct hark_merkle *tree,
                                  struct hark_err *err);
HARK_CHECK int hark_merkle_decode(struct hark_merkle *out, struct hark_span in,
                                  struct hark_err *err);

/* Where proofs get hashes from: the root of the full subtree of 2^level leaves
 * that starts at leaf index*2^level. Returns 0 or an error. */
typedef int hark_merkle_read_fn(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                                struct hark_err *err);

/* Root of the first `size` leaves. */
HARK_CHECK int hark_merkle_root_at(struct hark_hash *out, uint64_t size, hark_merkle_read_fn *read,
                                   void *arg, struct hark_err *err);
/* PATH(index, D[size]); index < size, else proof-form. */
HARK_CHECK int hark_merkle_prove_inclusion(struct hark_proof *out, uint64_t index, uint64_t size,
                                           hark_merkle_read_fn *read, void *arg,
                                           struct hark_err *err);
/* PROOF(old_size, D[size]); 0 < old_size <= size, else proof-form. */
HARK_CHECK int hark_merkle_prove_consistency(struct hark_proof *out, uint64_t old_size,
                                             uint64_t size, hark_merkle_read_fn *read, void *arg,
                                             struct hark_err *err);

/* Errors: proof-form (impossible numbers, wrong length), proof (root differs). */
HARK_CHECK int hark_merkle_verify_inclusion(const struct hark_hash *leaf_hash, uint64_t index,
                                            uint64_t size, const struct hark_hash *proof,
                                            size_t count, const struct hark_hash *root,
                                            struct hark_err *err);
HARK_CHECK int hark_merkle_verify_consistency(uint64_t old_size, uint64_t size,
                                              const struct hark_hash *proof, size_t count,
                                              const struct hark_hash *old_root,
                                              const struct hark_hash *root, struct hark_err *err);
/* The same for the subtree [start, end) of a tree of `size` leaves: start is a
 * multiple of the smallest power of two that is not below end - start, else
 * proof-form. The empty subtree (start = end <= size) is consistent with every
 * tree: its root is hark_merkle_empty, its proof has no hashes, and `root` is
 * not looked at. */
HARK_CHECK int hark_merkle_verify_subtree_inclusion(const struct hark_hash *leaf_hash,
                                                    uint64_t index, uint64_t start, uint64_t end,
                                                    const struct hark_hash *proof, size_t count,
                                                    const struct hark_hash *subtree_root,
                                                    struct hark_err *err);
HARK_CHECK int hark_merkle_verify_subtree_consistency(uint64_t start, uint64_t end, uint64_t size,
                                                      const struct hark_hash *proof, size_t count,
                                                      const struct hark_hash *subtree_root,
                                                      const struct hark_hash *root,
                                                      struct hark_err *err);

#endif
