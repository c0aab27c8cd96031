/*
 * What others show of cosigned checkpoints: what says more than what is here is kept, and
 * what convicts somebody, as evidence.
 */
#include <stdlib.h>
#include <string.h>

#include "node/convict.h"
#include "node/witness_internal.h"

/* A note that somebody shows, of a log that its node's key signed. */
struct shown {
    char of[HARK_NODE_NAME_MAX + 1]; /* "": the main log; else whose intake */
    struct hark_span bytes;
    const struct hark_note *note;
    const struct hark_checkpoint *checkpoint;
    struct hark_note_key log;
    bool beyond; /* the log has not as much here */
    bool forks;  /* from the log here: nothing of it is taken */
};

/* Does it go together with what is here of that cosigner? */
static int check_cosigner(struct hark_space *space, const struct shown *shown, uint64_t time_s,
                          const struct hark_node_object *node, const struct hark_cosigned *was,
                          struct hark_err *err)
{
    const struct hark_convict_note a = {.note = hark_buf_span(&was->note),
                                        .checkpoint = &was->checkpoint,
                                        .time_s = was->time_s},
                                   b = {.note = shown->bytes,
                                        .checkpoint = shown->checkpoint,
                                        .time_s = time_s};
    int rc = hark_convict_cosigner(space, node->name, &node->keys.cosigner, &a, &b, err);

    return rc == HARK_E_EVIDENCE ? 0 : rc;
}

/* Keeps what a cosigner who was ever named signed, if it is more than what is here. Where the
 * log here does not have that yet, and may never, what it signed of this one stays. */
static int take_line(struct hark_space *space, const struct shown *shown,
                     const struct hark_node_object *node, struct hark_err *err)
{
    const struct hark_cosigned *was =
        hark_notes_find(space->witness->notes, shown->of, &node->keys.cosigner);
    const struct hark_checkpoint *cp = shown->checkpoint;
    const struct hark_cosigned *keep = NULL;
    struct hark_note_key key;
    uint64_t time_s = 0;
    int rc;

    if (was != NULL && was->checkpoint.size == cp->size &&
        hark_hash_equal(&was->checkpoint.root, &cp->root))
        return 0;
    rc = hark_note_key_init(&key, node->name, HARK_NOTE_COSIGNATURE_V1, &node->keys.cosigner, err);
    if (rc == 0)
        rc = hark_note_verify(shown->note, &key, &time_s, err);
    if (rc == HARK_E_NOTE_UNSIGNED)
        return 0;
    if (rc == HARK_E_NOTE_SIGNATURE)
        return hark_err_set(err, HARK_E_PEER_FORM, "a cosignature of %s does not hold", node->name);
    if (rc == 0 && was != NULL && shown->of[0] == '\0')
        rc = check_cosigner(space, shown, time_s, node, was, err);
    if (rc < 0 || shown->forks || (was != NULL && was->checkpoint.size >= cp->size))
        return rc;
    if (shown->beyond)
        rc = hark_witness_cosigned(space, shown->of, &node->keys.cosigner, &keep, err);
    return rc == 0 ? hark_notes_put(space->witness->notes, shown->of, &shown->log, &key,
                                    shown->bytes, keep, err)
                   : rc;
}

/* Of intakes only what nodes now named sign of others': the less there is to keep. */
static bool may_sign(const struct shown *shown, const struct hark_node_object *node)
{
    return shown->of[0] == '\0' || (node->until == HARK_NONE && strcmp(node->name, shown->of) != 0);
}

static int take_lines(struct hark_space *space, const struct shown *shown, struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(space->state, counts, err);

    for (uint32_t i = 0; rc == 0 && i < counts[HARK_SECTION_NODE]; i++) {
        struct hark_node_object node;

        rc = hark_state_node(space->state, i, &node, err);
        if (rc == 0 && may_sign(shown, &node))
            rc = take_line(space, shown, &node, err);
    }
    return rc == HARK_E_LIMIT && shown->of[0] != '\0' ? 0 : rc;
}

/* Is what is kept of who made this line, by name and key id, of as many entries or more? */
static bool covers(const struct hark_cosigned *kept, const char *of,
                   const struct hark_note_line *line, uint64_t size)
{
    struct hark_note_key key;

    /* One who signed less later is looked at. */
    if (line->signature_size != HARK_SIGNATURE_SIZE + 8 ||
        (kept->checkpoint.size > size && hark_get_u64(line->signature) > kept->time_s))
        return false;
    return strcmp(kept->log, of) == 0 && kept->checkpoint.size >= size &&
           hark_span_equal(line->name, hark_span_str(kept->cosigner.name)) &&
           hark_note_key_init(&key, kept->cosigner.name, HARK_NOTE_COSIGNATURE_V1,
                              &kept->cosigner.key, NULL) == 0 &&
           key.id == line->id;
}

/* Does nobody who cosigned it, of those whose signatures are kept, say more by it than what
 * is here? Then nothing of it has to be verified. */
static int is_old(struct hark_space *space, const struct shown *shown, bool *old,
                  struct hark_err *err)
{
    const struct hark_notes *kept = space->witness->notes;
    const struct hark_note *note = shown->note;
    const struct hark_checkpoint *cp = shown->checkpoint;
    struct hark_hash root;
    bool here = false;
    int rc = hark_witness_root(space, shown->of, cp->size, &here, &root, err);

    *old = rc == 0 && here && hark_hash_equal(&root, &cp->root);
    if (rc < 0 || !*old)
        return rc;
    for (size_t i = 0; *old && i < note->count; i++) {
        *old = hark_span_equal(note->lines[i].name, hark_span_str(cp->origin));
        for (size_t j = 0; !*old && j < hark_notes_count(kept); j++)
            *old = covers(hark_notes_at(kept, j), shown->of, &note->lines[i], cp->size);
    }
    return 0;
}

/* Which log's it is. */
static int read_shown(struct hark_space *space, struct hark_span bytes, struct hark_note *note,
                      struct hark_checkpoint *cp, struct shown *out, struct hark_err *err)
{
    struct hark_origin_parts origin = {.incarnation = 0};
    int rc = hark_note_parse(note, bytes, err);

    *out = (struct shown){.bytes = bytes, .note = note, .checkpoint = cp};
    if (rc == 0)
        rc = hark_checkpoint_decode(cp, note->text, NULL, err);
    if (rc == 0 &&
        (!hark_origin_read(&origin, hark_span_str(cp->origin)) ||
         !hark_hash_equal(&origin.space, &space->id) || (origin.incarnation == 0 && cp->size == 0)))
        rc = hark_err_set(err, HARK_E_PEER_FORM, "a checkpoint of another log");
    if (rc < 0)
        return hark_err_exit(rc) == 3 ? hark_err_set(err, HARK_E_PEER_FORM, "no checkpoint of ours")
                                      : rc;
    if (origin.incarnation == 0)
        memcpy(out->of, origin.node, sizeof(out->of));
    return 0;
}

/* An intake's key is that of the node that first had the name, for as long as it is named.
 * *ours false: it is nobody's here. */
static int check_intake_key(struct hark_space *space, struct shown *shown, bool *ours,
                            struct hark_err *err)
{
    struct hark_node_object node;
    int rc = hark_witness_intake_node(space, shown->of, &node, ours, err);

    if (rc < 0 || !*ours)
        return rc;
    rc = hark_note_key_init(&shown->log, shown->checkpoint->origin, HARK_NOTE_ED25519,
                            &node.keys.log, err);
    if (rc == 0)
        rc = hark_note_verify(shown->note, &shown->log, NULL, err);
    return rc == HARK_E_NOTE_SIGNATURE || rc == HARK_E_NOTE_UNSIGNED
               ? hark_err_set(err, HARK_E_PEER_FORM, "%s did not sign its intake so", shown->of)
               : rc;
}

static int check_intake_history(struct hark_space *space, const struct shown *shown,
                                struct hark_err *err)
{
    const struct hark_checkpoint *cp = shown->checkpoint;
    struct hark_hash root;
    bool here = false;
    int rc = hark_witness_root(space, shown->of, cp->size, &here, &root, err);

    if (rc < 0 || !here || hark_hash_equal(&root, &cp->root))
        return rc;
    rc = hark_convict_log(space, shown->bytes, err);
    return rc < 0 ? rc
                  : hark_err_set(err, HARK_E_PEER_FORK,
                                 "%s signed another history of %llu entries than the one here",
                                 cp->origin, (unsigned long long)cp->size);
}

static int check_main_key(struct hark_space *space, struct shown *shown, struct hark_err *err)
{
    const char *origin = shown->checkpoint->origin;
    struct hark_node_object home;
    int rc = hark_log_signer(hark_space_state(space), shown->note, origin, &home, err);

    if (rc == HARK_E_NO)
        return hark_err_set(err, HARK_E_BEHIND, "the key of %s is not known here", origin);
    return rc == 0 ? hark_note_key_init(&shown->log, origin, HARK_NOTE_ED25519, &home.keys.log, err)
                   : rc;
}

static int take_note(struct hark_space *space, struct hark_note *note, struct hark_span bytes,
                     struct hark_err *err)
{
    struct hark_checkpoint cp = {.size = 0};
    struct shown shown;
    struct hark_err fork = {0};
    bool lost = false, old = false, ours = true, here = false;
    struct hark_hash root;
    int rc = read_shown(space, bytes, note, &cp, &shown, err);

    if (rc == 0)
        rc = is_old(space, &shown, &old, err);
    if (rc < 0 || old)
        return rc;
    rc = shown.of[0] == '\0' ? check_main_key(space, &shown, err)
                             : check_intake_key(space, &shown, &ours, err);
    if (rc < 0 || !ours)
        return rc;
    rc = shown.of[0] == '\0' ? hark_witness_check_history(space, &cp, bytes, &lost, &fork)
                             : check_intake_history(space, &shown, &fork);
    shown.forks = rc == HARK_E_PEER_FORK;
    if (fork.code != 0 && err != NULL)
        *err = fork;
    if ((rc < 0 && !shown.forks) || lost)
        return rc;
    rc = hark_witness_root(space, shown.of, cp.size, &here, &root, err);
    shown.beyond = !here;
    if (rc == 0)
        rc = take_lines(space, &shown, err);
    return rc == 0 && shown.forks ? hark_err_set(err, fork.code, "%s", fork.message) : rc;
}

int hark_witness_keep(struct hark_space *space, const struct hark_note_key *witness,
                      struct hark_span bytes, struct hark_err *err)
{
    struct hark_cosigned put = {.log = ""};
    const struct hark_cosigned *was = NULL;
    struct hark_note_key log;
    bool here = false, fits = false;
    int rc = hark_checkpoint_read(&put.checkpoint, bytes, err);

    if (rc == 0)
        rc = hark_witness_bring(space, err);
    if (rc == 0 && strcmp(put.checkpoint.origin, space->head.origin) == 0)
        rc = hark_witness_fits(space, &put, &here, &fits, err);
    if (rc == 0)
        was = hark_notes_find(space->witness->notes, "", &witness->key);
    if (rc == 0 && fits && (was == NULL || was->checkpoint.size < put.checkpoint.size)) {
        rc = hark_note_key_init(&log, space->head.origin, HARK_NOTE_ED25519, &space->head.log_key,
                                err);
        if (rc == 0)
            rc = hark_notes_put(space->witness->notes, "", &log, witness, bytes, NULL, err);
    }
    return rc;
}

int hark_witness_take(struct hark_space *space, struct hark_span bytes, struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    int rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                          : hark_witness_bring(space, err);

    if (rc == 0 && space->witness->damage.code != 0)
        rc = hark_err_set(err, HARK_E_DAMAGED, "%s", space->witness->damage.message);
    if (rc == 0)
        rc = take_note(space, note, bytes, err);
    free(note);
    return rc;
}
