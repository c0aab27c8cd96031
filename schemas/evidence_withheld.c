/*
 * Evidence that a home withheld an entry (PROTOCOL.md 7.11): cosigners had it, they heard from
 * the home again and again, and much later the home says that it has not taken it over.
 */
#include <inttypes.h>
#include <string.h>

#include "schemas/evidence_internal.h"

#define DEFAULT_DELAY_S UINT64_C(86400)
#define DELAY_MAX_S     UINT64_C(2592000) /* of a policy: kinds/policy.yaml */

/* --- the form --------------------------------------------------------------------------- */

int hark_withheld_put(struct hark_buf *out, const struct hark_evidence_parts *parts,
                      struct hark_err *err)
{
    char hex[2 * HARK_KEY_SIZE + 1];
    int rc;

    hark_key_hex(hex, &parts->intake_key);
    rc = hark_buf_printf(out, err, "intake %s\ndelay %" PRIu64 "\n", hex, parts->delay_s);
    for (size_t i = 0; rc == 0 && i < parts->cosigner_count; i++) {
        hark_key_hex(hex, &parts->cosigners[i].key);
        rc = hark_buf_printf(out, err, "cosigner %s %s\n", parts->cosigners[i].name, hex);
    }
    for (size_t i = 0; rc == 0 && i < parts->path.count; i++)
        rc = hark_evidence_put_hash(out, "path ", &parts->path.hashes[i], err);
    return rc;
}

static bool take_cosigner(struct hark_span *in, struct hark_evidence_parts *out)
{
    struct hark_cosigner *to = &out->cosigners[out->cosigner_count];
    struct hark_span line, fields[2];

    if (out->cosigner_count == HARK_COSIGNERS_MAX ||
        !hark_evidence_take_headed(in, "cosigner ", &line) || !hark_split_fields(line, fields, 2) ||
        !hark_node_name_valid(fields[0]) || hark_key_from_hex(&to->key, fields[1], NULL) != 0)
        return false;
    memcpy(to->name, fields[0].data, fields[0].size);
    if (out->cosigner_count > 0 && memcmp(to[-1].key.bytes, to->key.bytes, HARK_KEY_SIZE) >= 0)
        return false;
    out->cosigner_count++;
    return true;
}

bool hark_withheld_take(struct hark_span *in, struct hark_evidence_parts *out)
{
    struct hark_span line, rest;

    if (!hark_evidence_take_headed(in, "intake ", &line) ||
        hark_key_from_hex(&out->intake_key, line, NULL) != 0 ||
        !hark_evidence_take_headed(in, "delay ", &line) ||
        hark_decimal_decode(&out->delay_s, line, DELAY_MAX_S, NULL) != 0)
        return false;
    while (rest = *in, hark_take_literal(&rest, "cosigner ")) {
        if (!take_cosigner(in, out))
            return false;
    }
    while (rest = *in, hark_take_literal(&rest, "path ")) {
        if (out->path.count > HARK_MERKLE_PROOF_MAX ||
            !hark_evidence_take_hash(in, "path ", &out->path.hashes[out->path.count]))
            return false;
        out->path.count++;
    }
    return out->cosigner_count > 0;
}

/* --- what was signed when ----------------------------------------------------------------- */

/* Of a checkpoint: when each cosigner signed it. */
struct times {
    uint64_t of[HARK_COSIGNERS_MAX];
    uint64_t last_s;
};

/* The note in c->note is by the log key, and each cosigner's line holds, of a later time than
 * `before` says (NULL: of any). */
static int check_signed(struct hark_evidence_check *c, const char *origin,
                        const struct hark_key *log_key, const struct times *before,
                        struct times *out, struct hark_err *err)
{
    struct hark_note_key key;
    int rc = hark_note_key_init(&key, origin, HARK_NOTE_ED25519, log_key, err);

    memset(out, 0, sizeof(*out));
    if (rc == 0)
        rc = hark_note_verify(&c->note, &key, NULL, err);
    if (rc < 0)
        return hark_evidence_refuse(rc, "the signature of a log", err);
    for (size_t i = 0; i < c->parts->cosigner_count; i++) {
        const struct hark_cosigner *by = &c->parts->cosigners[i];

        rc = hark_note_key_init(&key, by->name, HARK_NOTE_COSIGNATURE_V1, &by->key, err);
        if (rc == 0)
            rc = hark_note_verify(&c->note, &key, &out->of[i], err);
        if (rc < 0)
            return hark_evidence_refuse(rc, "a cosignature", err);
        if (out->of[i] > HARK_TIME_MAX_MS / 1000)
            return hark_evidence_nothing("a cosignature is of no time", err);
        if (before != NULL && out->of[i] <= before->of[i])
            return hark_evidence_nothing("a cosigner did not sign later what comes later", err);
        if (out->of[i] > out->last_s)
            out->last_s = out->of[i];
    }
    return 0;
}

/* The first part: the intake as cosigned, or a receipt under that. */
static int check_intake(struct hark_evidence_check *c, struct times *times, struct hark_err *err)
{
    struct hark_evidence *out = c->out;
    struct hark_evidence_side *side = &out->sides[0];
    struct hark_origin_parts origin;
    int rc = hark_evidence_read_note(c, 0, true, err);

    if (rc < 0)
        return rc;
    if (!hark_origin_read(&origin, hark_span_str(side->checkpoint.origin)) ||
        origin.incarnation != 0 || side->checkpoint.size == 0)
        return hark_evidence_nothing("its first part is of no intake", err);
    memcpy(out->intake_node, origin.node, sizeof(out->intake_node));
    out->space = origin.space;
    out->position = side->is_receipt ? side->line.position : side->checkpoint.size - 1;
    rc = check_signed(c, side->checkpoint.origin, &c->parts->intake_key, NULL, times, err);
    if (rc == 0 && side->is_receipt && side->line.accepted_ms / 1000 > times->last_s)
        times->last_s = side->line.accepted_ms / 1000;
    side->time_s = times->last_s;
    return rc;
}

/* --- the main log --------------------------------------------------------------------------- */

/* A batch of the main log into c->batch, made by the key more than `wait_ms` after what was
 * signed last, by the home's clock at its most ahead. */
static int check_batch(struct hark_evidence_check *c, size_t at, const struct times *after,
                       uint64_t wait_ms, struct hark_err *err)
{
    struct hark_evidence *out = c->out;
    struct hark_origin_parts origin;
    int rc = hark_batch_parse(&c->batch, NULL, NULL, c->parts->parts[at], &c->parts->key, err);

    if (rc < 0)
        return hark_evidence_refuse(rc, "a batch", err);
    if (!hark_origin_read(&origin, hark_span_str(c->batch.origin)) || origin.incarnation == 0 ||
        !hark_hash_equal(&origin.space, &out->space) ||
        (out->node[0] != '\0' && strcmp(c->batch.origin, out->sides[1].checkpoint.origin) != 0))
        return hark_evidence_nothing("a batch is of another log", err);
    memcpy(out->node, origin.node, sizeof(out->node));
    if (c->batch.time_ms <= 1000 * (after->last_s + HARK_WITHHELD_AHEAD_S) + wait_ms)
        return hark_evidence_nothing("a batch was made too soon", err);
    return 0;
}

/* One round: a batch, and a checkpoint that covers it, as cosigned. */
static int check_round(struct hark_evidence_check *c, size_t round, struct times *times,
                       struct hark_err *err)
{
    struct hark_evidence_side *side = &c->out->sides[1];
    const struct times before = *times;
    int rc = check_batch(c, 1 + 2 * round, times, round == 0 ? 0 : 500 * c->parts->delay_s, err);

    if (rc < 0)
        return rc;
    rc = hark_note_parse(&c->note, c->parts->parts[2 + 2 * round], err);
    if (rc == 0)
        rc = hark_checkpoint_decode(&side->checkpoint, c->note.text, NULL, err);
    if (rc < 0)
        return hark_evidence_refuse(rc, "a checkpoint", err);
    if (strcmp(side->checkpoint.origin, c->batch.origin) != 0)
        return hark_evidence_nothing("a checkpoint is of another log than the batch before it",
                                     err);
    if (c->batch.count == 0 || side->checkpoint.size < c->batch.first + c->batch.count)
        return hark_evidence_nothing("a checkpoint does not show its batch", err);
    rc = check_signed(c, side->checkpoint.origin, &c->parts->key, &before, times, err);
    side->time_s = times->last_s;
    return rc;
}

/* The last batch, in c->batch: it says how much of just this intake it has taken. */
static int check_taken(struct hark_evidence_check *c, struct hark_err *err)
{
    const struct hark_checkpoint *intake = &c->out->sides[0].checkpoint;
    const struct hark_taken *taken = NULL;
    int rc;

    for (size_t i = 0; i < c->batch.taken_count; i++) {
        if (strcmp(c->batch.taken[i].origin, intake->origin) == 0)
            taken = &c->batch.taken[i];
    }
    if (taken == NULL)
        return hark_evidence_nothing("the last batch says nothing of the intake", err);
    if (taken->size > c->out->position)
        return hark_evidence_nothing("the entry was taken", err);
    c->out->taken = taken->size;
    c->out->said_ms = c->batch.time_ms;
    if (taken->size == 0)
        return c->parts->path.count == 0 ? 0
                                         : hark_evidence_nothing("nothing is to be proved", err);
    rc = hark_merkle_verify_consistency(taken->size, intake->size, c->parts->path.hashes,
                                        c->parts->path.count, &taken->root, &intake->root, err);
    return hark_evidence_refuse(rc, "what was taken is of another history of the intake", err);
}

int hark_withheld_check(struct hark_evidence_check *c, struct hark_err *err)
{
    struct hark_evidence *out = c->out;
    struct times times = {.last_s = 0};
    int rc = check_intake(c, &times, err);

    for (size_t i = 0; rc == 0 && i < HARK_WITHHELD_ROUNDS; i++)
        rc = check_round(c, i, &times, err);
    if (rc == 0)
        rc = check_batch(c, HARK_EVIDENCE_PARTS_MAX - 1, &times, 500 * c->parts->delay_s, err);
    if (rc == 0)
        rc = check_taken(c, err);
    if (rc < 0)
        return rc;
    out->claim = HARK_CLAIM_WITHHELD;
    out->intake_key = c->parts->intake_key;
    out->delay_s = c->parts->delay_s;
    out->cosigner_count = c->parts->cosigner_count;
    memcpy(out->cosigners, c->parts->cosigners, sizeof(out->cosigners));
    return 0;
}

int hark_withheld_check_policy(struct hark_evidence_check *c, const struct hark_kinds *kinds,
                               struct hark_err *err)
{
    uint64_t delay_s = DEFAULT_DELAY_S;
    json_t *json = NULL;
    int number = hark_kinds_find(kinds, "space");
    int rc = number < 0 ? hark_err_set(err, HARK_E_INTERNAL, "the kind space is not built in")
                        : hark_payload_check(hark_kinds_get(kinds, (size_t)number),
                                             c->parts->payload, &json, err);

    if (rc < 0)
        return rc;
    (void)hark_json_u64(json_object_get(json, "policy"), "merge_delay_s", DELAY_MAX_S, &delay_s);
    c->out->first_delay = delay_s <= c->out->delay_s;
    json_decref(json);
    return 0;
}
