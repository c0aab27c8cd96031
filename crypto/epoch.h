/*
 * Epoch keys of encrypted spaces: the secret that all members of a group share for a
 * while, the next one after somebody joined, what commits to one, and how a fresh one
 * reaches each member. PROTOCOL.md 10.1 and 10.2.
 *
 * Sizes: a key 32 bytes, a sealed key 80, a commitment 32. A part (one `epoch` entry)
 * carries at most 448 sealed keys, a fresh key at most 65,536 parts. Nothing here keeps
 * global state; an epoch may be used from several threads at once.
 */
#ifndef HARK_CRYPTO_EPOCH_H
#define HARK_CRYPTO_EPOCH_H

#include "key.h"

#define HARK_EPOCH_KEY_SIZE        32u
#define HARK_EPOCH_COMMITMENT_SIZE 32u
#define HARK_EPOCH_BOX_SIZE        80u    /* ephemeral key 32, tag 16, key 32 */
#define HARK_EPOCH_PART_MAX        448u   /* boxes in one `epoch` entry */
#define HARK_EPOCH_PARTS_MAX       65536u /* `epoch` entries of one fresh key */

/* A key with the space and the number that it is for, both of which go into whatever is
 * derived from it. The key lies in crypto's own memory and is wiped when freed. */
struct hark_epoch;

/* A fresh one: random. Error: no-memory. */
HARK_CHECK int hark_epoch_new(struct hark_epoch **out, const struct hark_hash *space,
                              uint32_t number, struct hark_err *err);
/* The caller wipes `key`. Error: no-memory. */
HARK_CHECK int hark_epoch_from_bytes(struct hark_epoch **out, const struct hark_hash *space,
                                     uint32_t number, const uint8_t key[HARK_EPOCH_KEY_SIZE],
                                     struct hark_err *err);
void hark_epoch_free(struct hark_epoch *epoch);
/* The key's bytes, to be sealed elsewhere or given to a newcomer. The caller wipes them. */
void hark_epoch_bytes(uint8_t out[HARK_EPOCH_KEY_SIZE], const struct hark_epoch *epoch);
const struct hark_hash *hark_epoch_space(const struct hark_epoch *epoch); /* borrowed */
uint32_t hark_epoch_number(const struct hark_epoch *epoch);

/* The next epoch, after somebody joined: one way, so that who gets it cannot read what was
 * before. Errors: limit (there is no number after 2^32 - 1), no-memory. */
HARK_CHECK int hark_epoch_step(struct hark_epoch **out, const struct hark_epoch *epoch,
                               struct hark_err *err);
/* What `epoch`, `remove` and `device` entries name it by; says nothing about the key. */
HARK_CHECK int hark_epoch_commitment(uint8_t out[HARK_EPOCH_COMMITMENT_SIZE],
                                     const struct hark_epoch *epoch, struct hark_err *err);
/* The key of one entry, with which no other opens. nonce: 24 bytes. Error: no-memory. */
HARK_CHECK int hark_epoch_entry_key(struct hark_seed **out, const struct hark_epoch *epoch,
                                    const struct hark_key *author, uint64_t seq,
                                    const uint8_t nonce[24], struct hark_err *err);

/* ---- A key, sealed to a member's key ------------------------------------------ */

/* One recipient, in a part of a fresh key or in the `group_key` of who joins. */
struct hark_epoch_box {
    uint32_t number;    /* of the recipient's key, as the space counts them: for messages */
    struct hark_key to; /* its X25519 key */
    uint8_t sealed[HARK_EPOCH_BOX_SIZE];
};

/* Fills `sealed` of each, at most HARK_EPOCH_PART_MAX. What comes out is decided by the
 * key and the recipient alone, and libsodium's crypto_box_seal_open opens it. Errors:
 * limit, seal (a key of small order, to which nothing can be sealed: names its number),
 * no-memory. */
HARK_CHECK int hark_epoch_seal_boxes(const struct hark_epoch *epoch, struct hark_epoch_box *boxes,
                                     size_t count, struct hark_err *err);
/* Has everybody got this very key? Makes each anew and compares. Errors: epoch-key: the box
 * at *wrong is another, or for a key of small order (the message names the recipient's
 * number; `wrong` may be NULL); limit, no-memory. */
HARK_CHECK int hark_epoch_check_boxes(const struct hark_epoch *epoch,
                                      const struct hark_epoch_box *boxes, size_t count,
                                      size_t *wrong, struct hark_err *err);
/* Opens one's own. The box has to be the one that its key makes, and the key the one that the
 * commitment is of; NULL: nothing was committed to (a `group_key`). Errors: seal (not for this
 * key, or changed since), epoch-key (another key than the commitment's, or made in another
 * way), no-memory. */
HARK_CHECK int hark_epoch_open_box(struct hark_epoch **out, const struct hark_hash *space,
                                   uint32_t number, const uint8_t *commitment,
                                   const struct hark_box *box,
                                   const uint8_t sealed[HARK_EPOCH_BOX_SIZE], struct hark_err *err);

#endif
