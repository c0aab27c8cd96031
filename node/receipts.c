/*
 * See receipts.h. What a receipt proves is in its signatures, so whoever gave it, and however
 * it came, does not matter; which node gave what does not hold is noted for people.
 *
 * A receipt of the main log is never replaced by another that says something else of that
 * entry: the first is what convicts.
 */
#include "node/receipts.h"

#include <stdlib.h>
#include <string.h>

#include "node/convict.h"
#include "node/space_internal.h"
#include "schemas/receipt.h"

#define LEAVES_MAX 16384u /* of intakes, read to answer one question: some 60 ms */

/* --- what is wanted -------------------------------------------------------------------- */

struct wish {
    hark_can_ask_fn *can_ask;
    void *arg;
    char away[HARK_NODE_NAME_MAX + 1]; /* who was found last that cannot be asked */
    struct hark_receipts_ask *ask;
};

static bool is_of(struct wish *wish, const char *node)
{
    struct hark_receipts_ask *ask = wish->ask;

    if (ask->count > 0)
        return strcmp(ask->node, node) == 0;
    if (strcmp(wish->away, node) == 0)
        return false;
    if (wish->can_ask(wish->arg, node)) {
        memcpy(ask->node, node, strlen(node) + 1);
        return true;
    }
    memcpy(wish->away, node, strlen(node) + 1);
    return false;
}

static int want(void *arg, const struct hark_hash *id, struct hark_span object, const char *node,
                struct hark_err *err)
{
    struct wish *wish = arg;
    struct hark_receipts_ask *ask = wish->ask;

    (void)err;
    if (!is_of(wish, node))
        return 0;
    ask->commits[ask->count] = hark_git_hash(HARK_GIT_COMMIT, object);
    ask->wanted[ask->count++] = (struct hark_receipt_wanted){.id = *id, .position = UINT64_MAX};
    return ask->count == HARK_RECEIPT_MAX ? HARK_STOP : 0;
}

int hark_receipts_wanted(struct hark_space *space, uint64_t now_ms, hark_can_ask_fn *can_ask,
                         void *arg, struct hark_receipts_ask *out, struct hark_err *err)
{
    struct wish wish = {.can_ask = can_ask, .arg = arg, .ask = out};
    struct hark_outbox *outbox = NULL;
    int rc;

    memset(out, 0, sizeof(*out));
    if (!hark_space_has_outbox(space))
        return 0;
    rc = hark_space_outbox(space, &outbox, err);
    return rc < 0 ? rc : hark_outbox_each_unproved(outbox, now_ms, want, &wish, err);
}

static int doubt(void *arg, const struct hark_out_receipt *receipt, struct hark_err *err)
{
    struct hark_receipts_ask *ask = arg;

    (void)err;
    ask->wanted[ask->count++] =
        (struct hark_receipt_wanted){.id = receipt->id, .position = receipt->position};
    return ask->count == HARK_RECEIPT_MAX ? HARK_STOP : 0;
}

int hark_receipts_doubt(struct hark_space *space, uint64_t their_size,
                        struct hark_receipts_ask *out, struct hark_err *err)
{
    uint64_t here = space->head.tree.size, both = here < their_size ? here : their_size;
    struct hark_outbox *outbox = NULL;
    struct hark_row row = {0};
    int rc;

    memset(out, 0, sizeof(*out));
    if (both == 0)
        return 0;
    rc = hark_index_row(space->index, both - 1, &row, err);
    if (rc < 0)
        return rc;
    out->wanted[out->count++] =
        (struct hark_receipt_wanted){.id = row.id, .position = row.position};
    if (!hark_space_has_outbox(space))
        return 0;
    rc = hark_space_outbox(space, &outbox, err);
    return rc < 0 ? rc : hark_outbox_each_open(outbox, their_size, doubt, out, err);
}

/* --- what one says ---------------------------------------------------------------------- */

enum verdict { OPEN, AGREES, LOST, CONTRADICTS };

/* Of an incarnation later than the one in force here nothing can be said yet. */
static bool is_later(struct hark_space *space, const char *origin)
{
    struct hark_origin_parts parts;

    return !hark_origin_read(&parts, hark_span_str(origin)) ||
           parts.incarnation > hark_state_space_object(space->state)->incarnation;
}

static bool same_leaf(const struct hark_line *a, const struct hark_line *b)
{
    return hark_hash_equal(&a->id, &b->id) && a->arrival_ms == b->arrival_ms &&
           a->accepted_ms == b->accepted_ms;
}

/* What the main log here says to a receipt of it. What a home signed beyond the end of its
 * incarnation may be lost, which is no fork (7.6). */
static int hold_against_log(struct hark_space *space, const struct hark_receipt *receipt,
                            enum verdict *out, struct hark_err *err)
{
    uint64_t here = space->head.tree.size, position = receipt->line.position, end = HARK_NONE;
    const struct hark_checkpoint *cp = &receipt->checkpoint;
    struct hark_git_id commit;
    struct hark_line line;
    struct hark_hash root;
    int rc;

    *out = OPEN;
    if (here <= position || is_later(space, cp->origin))
        return 0;
    rc = hark_space_incarnation_end(space, cp->origin, &end, err);
    if (rc == 0 && position >= end) {
        *out = LOST;
        return 0;
    }
    if (rc == 0)
        rc = hark_space_line(space, "", position, &line, &commit, err);
    if (rc == 0 && !same_leaf(&line, &receipt->line)) {
        *out = CONTRADICTS;
        return 0;
    }
    if (rc < 0 || (cp->size > here && cp->size <= end))
        return rc;
    *out = AGREES;
    if (cp->size > end)
        return 0;
    rc = hark_space_root(space, "", cp->size, &root, err);
    if (rc == 0 && !hark_hash_equal(&root, &cp->root))
        *out = CONTRADICTS;
    return rc;
}

/* What came of making evidence: that none can be made (who signed it did not sign what is
 * here, say) is no error. */
static int made(int rc, const struct hark_err *said, bool *convicted, struct hark_err *err)
{
    int exit_code = rc < 0 ? hark_err_exit(rc) : 0;

    *convicted = rc == 0;
    if (rc == 0 || exit_code == 1 || exit_code == 3)
        return 0;
    if (err != NULL)
        *err = *said;
    return rc;
}

/* Is it a fork that can be shown, too? */
static int convict(struct hark_space *space, struct hark_span file, bool *convicted,
                   struct hark_err *err)
{
    struct hark_err said = {0};

    return made(hark_convict_log(space, file, &said), &said, convicted, err);
}

static bool is_main(const struct hark_receipt *receipt)
{
    return strcmp(strrchr(receipt->checkpoint.origin, '/'), "/intake") != 0;
}

/* Of this space, by the log key of a node that was ever named so. *out borrows from file. */
static int check(struct hark_space *space, struct hark_span file, struct hark_receipt *out,
                 struct hark_err *err)
{
    struct hark_note *note = NULL;
    struct hark_node_object signer;
    int rc = hark_receipt_decode(out, file, err);

    if (rc == 0 && !hark_space_is_origin(space, out->checkpoint.origin))
        rc = hark_err_set(err, HARK_E_NO, "a receipt of another log");
    if (rc < 0)
        return rc;
    note = calloc(1, sizeof(*note));
    rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                      : hark_note_parse(note, out->note, err);
    if (rc == 0)
        rc = hark_log_signer(space->state, note, out->checkpoint.origin, &signer, err);
    free(note);
    return rc;
}

/* --- what is kept -------------------------------------------------------------------------- */

struct kept {
    struct hark_out_receipt receipt; /* file: in `bytes` */
    struct hark_buf bytes;
    bool found;
};

static int copy(void *arg, const struct hark_out_receipt *receipt, struct hark_err *err)
{
    struct kept *kept = arg;
    int rc = hark_buf_append_span(&kept->bytes, receipt->file, err);

    kept->receipt = *receipt;
    kept->receipt.file = hark_buf_span(&kept->bytes);
    return rc;
}

/* Freed with hark_buf_free(&kept->bytes). */
static int find_kept(struct hark_outbox *outbox, const struct hark_hash *id, struct kept *kept,
                     struct hark_err *err)
{
    memset(kept, 0, sizeof(*kept));
    kept->bytes = hark_buf_init(HARK_TLOG_PROOF_MAX);
    return hark_outbox_receipt(outbox, id, copy, kept, &kept->found, err);
}

static int put(struct hark_space *space, const char *node, const struct hark_receipt *receipt,
               struct hark_span file, enum hark_out_receipt_state state, uint64_t now_ms,
               struct hark_err *err)
{
    struct hark_out_receipt put = {.id = receipt->line.id,
                                   .is_main = is_main(receipt),
                                   .state = state,
                                   .position = receipt->line.position,
                                   .size = receipt->checkpoint.size,
                                   .file = file};

    memcpy(put.node, node, strlen(node) + 1);
    return hark_outbox_receipt_put(space->outbox, &put, now_ms, err);
}

/* --- what a node has answered --------------------------------------------------------------- */

/* One that is no receipt of what was asked for. What is kept of that entry stays. */
static int blame(struct hark_space *space, const char *node, const struct hark_hash *id,
                 const struct hark_err *why, uint64_t now_ms, struct hark_err *err)
{
    struct hark_out_receipt bad = {.id = *id, .state = HARK_RECEIPT_BAD, .code = why->code};
    struct kept kept;
    int rc = find_kept(space->outbox, id, &kept, err);

    memcpy(bad.node, node, strlen(node) + 1);
    (void)snprintf(bad.message, sizeof(bad.message), "%.199s", why->message);
    if (rc == 0 && (!kept.found || kept.receipt.state == HARK_RECEIPT_BAD))
        rc = hark_outbox_receipt_put(space->outbox, &bad, now_ms, err);
    hark_buf_free(&kept.bytes);
    return rc;
}

/* Of an entry of ours, wherever it stands. */
static int keep(struct hark_space *space, const char *node, const struct hark_receipt *receipt,
                struct hark_span file, uint64_t now_ms, size_t *count, struct hark_err *err)
{
    struct kept kept;
    int rc = find_kept(space->outbox, &receipt->line.id, &kept, err);

    if (rc == 0 && (!kept.found || kept.receipt.state == HARK_RECEIPT_BAD ||
                    (!kept.receipt.is_main && is_main(receipt)))) {
        rc = put(space, node, receipt, file, HARK_RECEIPT_OPEN, now_ms, err);
        *count += rc == 0;
    }
    hark_buf_free(&kept.bytes);
    return rc;
}

/* What stands there at a position now, and the receipt that is kept of an entry that stood
 * there: of one origin, both convict by themselves. */
static int hold_against_kept(struct hark_space *space, const struct hark_hash *id,
                             const struct hark_receipt *receipt, struct hark_span file,
                             struct hark_err *err)
{
    struct hark_receipt *ours = NULL;
    struct hark_err said = {0};
    bool convicted = false;
    struct kept kept;
    int rc = find_kept(space->outbox, id, &kept, err);

    if (rc < 0 || !kept.found || !kept.receipt.is_main || kept.receipt.file.size == 0)
        goto out;
    ours = calloc(1, sizeof(*ours));
    rc = ours == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a receipt")
                      : hark_receipt_decode(ours, kept.receipt.file, err);
    if (rc < 0 || ours->line.position != receipt->line.position ||
        strcmp(ours->checkpoint.origin, receipt->checkpoint.origin) != 0 ||
        same_leaf(&ours->line, &receipt->line))
        goto out;
    rc = hark_convict_receipts(space, kept.receipt.file, file, &said);
    rc = made(rc, &said, &convicted, err);
    if (rc == 0 && convicted)
        rc = hark_outbox_receipt_judged(space->outbox, id, HARK_RECEIPT_FORK, err);
    if (rc == 0 && convicted)
        rc = hark_outbox_again(space->outbox, id, err);
out:
    hark_buf_free(&kept.bytes);
    free(ours);
    return rc;
}

/* What stands there where something else stands here. */
static int take_doubted(struct hark_space *space, const struct hark_hash *id,
                        const struct hark_receipt *receipt, struct hark_span file,
                        struct hark_err *err)
{
    enum verdict verdict = OPEN;
    bool convicted = false;
    int rc = hold_against_log(space, receipt, &verdict, err);

    if (rc == 0 && verdict == CONTRADICTS)
        rc = convict(space, file, &convicted, err);
    if (rc == 0 && hark_space_has_outbox(space))
        rc = hold_against_kept(space, id, receipt, file, err);
    return rc;
}

/* Is it what was asked for? */
static int check_asked(struct hark_space *space, const struct hark_receipts_ask *ask, size_t at,
                       struct hark_span file, struct hark_receipt *out, struct hark_err *err)
{
    const struct hark_receipt_wanted *wanted = &ask->wanted[at];
    int rc = check(space, file, out, err);

    if (rc == 0 && wanted->position == UINT64_MAX &&
        (!hark_hash_equal(&out->line.id, &wanted->id) ||
         memcmp(out->commit.bytes, ask->commits[at].bytes, HARK_GIT_ID_SIZE) != 0))
        rc = hark_err_set(err, HARK_E_NO, "a receipt of another entry than asked for");
    if (rc == 0 && wanted->position != UINT64_MAX &&
        (out->line.position != wanted->position || !is_main(out)))
        rc = hark_err_set(err, HARK_E_NO, "a receipt of another position than asked for");
    return rc;
}

/* Does what is wrong with it say something of who gave it, not of this node? */
static bool is_their_fault(int code)
{
    return code == HARK_E_NO || hark_err_exit(code) == 3;
}

static int take_one(struct hark_space *space, const struct hark_receipts_ask *ask, size_t at,
                    struct hark_span file, uint64_t now_ms, size_t *kept, struct hark_err *err)
{
    const struct hark_receipt_wanted *wanted = &ask->wanted[at];
    struct hark_receipt *receipt = calloc(1, sizeof(*receipt));
    struct hark_err why = {0};
    int rc;

    if (receipt == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a receipt");
    rc = check_asked(space, ask, at, file, receipt, &why);
    if (rc == 0 && wanted->position == UINT64_MAX)
        rc = keep(space, ask->node, receipt, file, now_ms, kept, err);
    else if (rc == 0)
        rc = take_doubted(space, &wanted->id, receipt, file, err);
    else if (is_their_fault(rc) && wanted->position == UINT64_MAX)
        rc = blame(space, ask->node, &wanted->id, &why, now_ms, err);
    else if (is_their_fault(rc))
        rc = 0; /* it says nothing */
    else if (err != NULL)
        *err = why;
    free(receipt);
    return rc;
}

int hark_receipts_take(struct hark_space *space, const struct hark_receipts_ask *ask,
                       const struct hark_span *receipts, uint64_t now_ms, size_t *kept,
                       struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    int rc = hark_space_has_outbox(space) ? hark_space_outbox(space, &outbox, err) : 0;

    *kept = 0;
    for (size_t i = 0; rc == 0 && i < ask->count; i++) {
        if (receipts[i].size > 0)
            rc = take_one(space, ask, i, receipts[i], now_ms, kept, err);
    }
    return rc;
}

/* --- as the log grows ---------------------------------------------------------------------------
 */

/* Entries, copied, since the outbox is written after it was read. */
struct ids {
    struct hark_hash *list;
    size_t count, room, most;
};

static int add_id(struct ids *ids, const struct hark_hash *id, struct hark_err *err)
{
    if (ids->count == ids->room) {
        size_t room = ids->room == 0 ? 16 : 2 * ids->room;
        struct hark_hash *grown = realloc(ids->list, room * sizeof(*grown));

        if (grown == NULL)
            return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for receipts");
        ids->list = grown;
        ids->room = room;
    }
    ids->list[ids->count++] = *id;
    return ids->count == ids->most ? HARK_STOP : 0;
}

static int add_open(void *arg, const struct hark_out_receipt *receipt, struct hark_err *err)
{
    return add_id(arg, &receipt->id, err);
}

static int judge(struct hark_space *space, const struct kept *kept, struct hark_err *err)
{
    static const enum hark_out_receipt_state states[] = {
        [OPEN] = HARK_RECEIPT_OPEN, [AGREES] = HARK_RECEIPT_AGREES, [LOST] = HARK_RECEIPT_LOST};
    struct hark_receipt *receipt = calloc(1, sizeof(*receipt));
    enum hark_out_receipt_state state = HARK_RECEIPT_OPEN;
    enum verdict verdict = OPEN;
    bool convicted = false;
    int rc = receipt == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a receipt")
                             : hark_receipt_decode(receipt, kept->receipt.file, err);

    if (rc == 0)
        rc = hold_against_log(space, receipt, &verdict, err);
    free(receipt);
    if (rc == 0 && verdict == CONTRADICTS)
        rc = convict(space, kept->receipt.file, &convicted, err);
    state = convicted ? HARK_RECEIPT_FORK : verdict != CONTRADICTS ? states[verdict] : state;
    if (rc < 0 || state == HARK_RECEIPT_OPEN)
        return rc;
    rc = hark_outbox_receipt_judged(space->outbox, &kept->receipt.id, state, err);
    if (rc == 0 && state != HARK_RECEIPT_AGREES)
        rc = hark_outbox_again(space->outbox, &kept->receipt.id, err);
    return rc;
}

static int judge_open(struct hark_space *space, struct hark_err *err)
{
    struct ids ids = {.most = SIZE_MAX};
    int rc = hark_outbox_each_open(space->outbox, space->head.tree.size, add_open, &ids, err);

    for (size_t i = 0; rc == 0 && i < ids.count; i++) {
        struct kept kept;

        rc = find_kept(space->outbox, &ids.list[i], &kept, err);
        if (rc == 0 && kept.found)
            rc = judge(space, &kept, err);
        hark_buf_free(&kept.bytes);
    }
    free(ids.list);
    return rc;
}

static int add_bare(void *arg, const struct hark_out_row *row, struct hark_err *err)
{
    return add_id(arg, &row->id, err);
}

/* That of the log here, which is the home's word, whoever gave another before. */
static int prove_here(struct hark_space *space, const struct hark_hash *id, uint64_t now_ms,
                      struct hark_err *err)
{
    struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
    struct hark_receipt *receipt = calloc(1, sizeof(*receipt));
    uint64_t position = 0;
    bool found = false;
    int rc = receipt == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a receipt")
                             : hark_state_find_entry(space->state, id, &found, &position, err);

    if (rc == 0 && found) {
        rc = hark_space_receipt(space, "", position, &file, err);
        if (rc == 0)
            rc = hark_receipt_decode(receipt, hark_buf_span(&file), err);
        if (rc == 0)
            rc = put(space, "", receipt, hark_buf_span(&file), HARK_RECEIPT_AGREES, now_ms, err);
    }
    hark_buf_free(&file);
    free(receipt);
    return rc;
}

/* Some at a time: whoever has written thousands of entries goes on meanwhile. */
static int prove_logged(struct hark_space *space, uint64_t now_ms, struct hark_err *err)
{
    struct ids ids = {.most = HARK_RECEIPT_MAX};
    int rc = hark_outbox_each_bare(space->outbox, add_bare, &ids, err);

    if (rc == 0 && ids.count > 0)
        rc = hark_outbox_begin(space->outbox, err);
    for (size_t i = 0; rc == 0 && i < ids.count; i++)
        rc = prove_here(space, &ids.list[i], now_ms, err);
    if (rc == 0 && ids.count > 0)
        rc = hark_outbox_commit(space->outbox, err);
    else if (ids.count > 0)
        hark_outbox_rollback(space->outbox);
    free(ids.list);
    return rc;
}

int hark_receipts_compare(struct hark_space *space, uint64_t now_ms, struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    int rc;

    if (!hark_space_has_outbox(space) || space->head.tree.size == 0)
        return 0;
    rc = hark_space_outbox(space, &outbox, err);
    if (rc == 0)
        rc = judge_open(space, err);
    return rc == 0 ? prove_logged(space, now_ms, err) : rc;
}

/* --- what is given
 * ---------------------------------------------------------------------------------- */

/* The log in which it stands, the main log first. */
static int find_place(struct hark_space *space, const struct hark_receipt_wanted *wanted,
                      hark_node_name node, uint64_t *position, bool *found, struct hark_err *err)
{
    hark_node_name *names = NULL;
    size_t count = 0;
    int rc;

    node[0] = '\0';
    *position = wanted->position;
    *found = wanted->position < space->head.tree.size;
    if (wanted->position != UINT64_MAX)
        return 0;
    rc = hark_state_find_entry(space->state, &wanted->id, found, position, err);
    if (rc == 0 && !*found)
        rc = hark_space_intakes(space, &names, &count, err);
    for (size_t i = 0; rc == 0 && !*found && i < count; i++) {
        struct hark_intake intake;

        rc = hark_index_intake(space->index, names[i], found, &intake, err);
        if (rc == 0 && *found)
            rc = hark_index_intake_find(space->index, intake.number, &wanted->id, found, position,
                                        err);
        if (rc == 0 && *found)
            memcpy(node, names[i], sizeof(hark_node_name));
    }
    free(names);
    return rc;
}

/* Appends it to `bytes`, where all of them lie. Whoever waits for it does so on the network's
 * thread: of an intake only so much is hashed at once. */
static int give(struct hark_space *space, const struct hark_receipt_wanted *wanted,
                uint64_t *leaves, struct hark_buf *bytes, struct hark_err *err)
{
    struct hark_buf one = hark_buf_init(HARK_TLOG_PROOF_MAX);
    hark_node_name node;
    uint64_t position = 0;
    bool found = false;
    int rc = find_place(space, wanted, node, &position, &found, err);

    if (rc == 0 && found && node[0] != '\0')
        rc = hark_space_hash_intake(space, node, leaves, &found, err);
    if (rc == 0 && found)
        rc = hark_space_receipt(space, node, position, &one, err);
    if (rc == 0 && bytes->size + one.size <= bytes->max)
        rc = hark_buf_append_span(bytes, hark_buf_span(&one), err);
    hark_buf_free(&one);
    /* What cannot be read now is asked for again; the others need not wait for it. */
    return rc == HARK_E_NO_MEMORY ? rc : 0;
}

int hark_receipts_answer(struct hark_space *space, const struct hark_receipt_wanted *wanted,
                         size_t count, struct hark_buf *out, struct hark_err *err)
{
    const size_t head = HARK_HASH_SIZE + 2, each = 4; /* of `receipts`, besides their bytes */
    struct hark_buf bytes = hark_buf_init(HARK_BODY_MAX - head - HARK_RECEIPT_MAX * each);
    struct hark_span receipts[HARK_RECEIPT_MAX] = {{0}};
    size_t ends[HARK_RECEIPT_MAX];
    uint64_t leaves = LEAVES_MAX;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = give(space, &wanted[i], &leaves, &bytes, err);
        ends[i] = bytes.size;
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        size_t begin = i == 0 ? 0 : ends[i - 1];

        if (ends[i] > begin)
            receipts[i] = hark_span(bytes.data + begin, ends[i] - begin);
    }
    if (rc == 0)
        rc = hark_receipts_encode(out, &space->id, receipts, count, err);
    hark_buf_free(&bytes);
    return rc;
}
