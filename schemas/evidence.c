/*
 * See evidence.h. First the form, then what it says: each part is read by what reads such
 * things anywhere (notes, receipts, entries), and what does not break a rule of PROTOCOL.md
 * is no evidence, however well it is signed.
 */
#include "schemas/evidence.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/evidence_internal.h"

static const char *const kind_names[HARK_EVIDENCE_KINDS_] = {"fork", "backdated", "backwards",
                                                             "twin", "withheld"};

const char *hark_evidence_kind_name(enum hark_evidence_kind kind)
{
    return kind < HARK_EVIDENCE_KINDS_ ? kind_names[kind] : "";
}

size_t hark_evidence_part_count(enum hark_evidence_kind kind)
{
    return kind == HARK_EVIDENCE_WITHHELD ? HARK_EVIDENCE_PARTS_MAX : 2;
}

bool hark_evidence_is(struct hark_span text)
{
    return hark_take_literal(&text, HARK_EVIDENCE_HEAD);
}

/* --- writing ---------------------------------------------------------------------------- */

static bool names_cosigner(enum hark_evidence_kind kind)
{
    return kind == HARK_EVIDENCE_BACKDATED || kind == HARK_EVIDENCE_BACKWARDS;
}

static bool may_have_path(enum hark_evidence_kind kind)
{
    return kind == HARK_EVIDENCE_FORK || kind == HARK_EVIDENCE_BACKWARDS;
}

int hark_evidence_put_hash(struct hark_buf *out, const char *head, const struct hark_hash *hash,
                           struct hark_err *err)
{
    int rc = hark_buf_append_str(out, head, err);

    if (rc == 0)
        rc = hark_base64_encode(out, hark_span(hash->bytes, HARK_HASH_SIZE), err);
    return rc == 0 ? hark_buf_append_byte(out, '\n', err) : rc;
}

static int put_fields(struct hark_buf *out, const struct hark_evidence_parts *parts,
                      struct hark_err *err)
{
    char hex[2 * HARK_KEY_SIZE + 1];
    int rc;

    hark_key_hex(hex, &parts->key);
    rc = hark_buf_printf(out, err, HARK_EVIDENCE_HEAD "%s\nkey %s\n",
                         hark_evidence_kind_name(parts->kind), hex);
    if (rc == 0 && parts->kind == HARK_EVIDENCE_BACKDATED) {
        hark_key_hex(hex, &parts->cosigner_key);
        rc = hark_buf_printf(out, err, "cosigner %s %s\n", parts->cosigner, hex);
    } else if (rc == 0 && names_cosigner(parts->kind)) {
        rc = hark_buf_printf(out, err, "cosigner %s\n", parts->cosigner);
    } else if (rc == 0 && parts->kind == HARK_EVIDENCE_WITHHELD) {
        return hark_withheld_put(out, parts, err);
    }
    if (rc < 0 || !parts->has_path)
        return rc;
    rc = hark_evidence_put_hash(out, "root ", &parts->root, err);
    for (size_t i = 0; rc == 0 && i < parts->path.count; i++)
        rc = hark_evidence_put_hash(out, "path ", &parts->path.hashes[i], err);
    return rc;
}

int hark_evidence_put_part(struct hark_buf *out, struct hark_span part, struct hark_err *err)
{
    int rc = hark_buf_printf(out, err, "part %zu\n", part.size);

    if (rc == 0)
        rc = hark_buf_append_span(out, part, err);
    return rc == 0 ? hark_buf_append_byte(out, '\n', err) : rc;
}

static int put_all(struct hark_buf *out, const struct hark_evidence_parts *parts, bool swapped,
                   struct hark_err *err)
{
    int rc = put_fields(out, parts, err);

    if (rc == 0)
        rc = hark_buf_append_byte(out, '\n', err);
    for (size_t i = 0; rc == 0 && i < hark_evidence_part_count(parts->kind); i++)
        rc = hark_evidence_put_part(out, parts->parts[swapped ? 1 - i : i], err);
    if (rc == 0 && parts->has_first)
        rc = hark_evidence_put_part(out, parts->first, err);
    if (rc == 0 && parts->has_first)
        rc = hark_evidence_put_part(out, parts->payload, err);
    return rc;
}

/* As written, and as read again. */
static int try_order(struct hark_buf *text, const struct hark_evidence_parts *parts, bool swapped,
                     struct hark_evidence *room, struct hark_err *err)
{
    int rc;

    hark_buf_clear(text);
    rc = put_all(text, parts, swapped, err);
    return rc == 0 ? hark_evidence_read(room, hark_buf_span(text), err) : rc;
}

int hark_evidence_encode(struct hark_buf *out, const struct hark_evidence_parts *parts,
                         struct hark_err *err)
{
    struct hark_buf text = hark_buf_init(HARK_EVIDENCE_MAX);
    struct hark_evidence *room = calloc(1, sizeof(*room));
    int rc;

    if (room == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    rc = try_order(&text, parts, false, room, err);
    if (rc == HARK_E_EVIDENCE && may_have_path(parts->kind) && !parts->has_path &&
        try_order(&text, parts, true, room, NULL) == 0)
        rc = 0;
    if (rc == 0)
        rc = hark_buf_append_span(out, hark_buf_span(&text), err);
    hark_buf_free(&text);
    free(room);
    return rc;
}

/* --- reading the form ------------------------------------------------------------------- */

bool hark_evidence_take_headed(struct hark_span *in, const char *head, struct hark_span *rest)
{
    struct hark_span after = *in;

    if (!hark_take_literal(&after, head) || !hark_take_line(&after, rest))
        return false;
    *in = after;
    return true;
}

static bool take_kind(struct hark_span *in, enum hark_evidence_kind *kind)
{
    struct hark_span line;

    if (!hark_take_line(in, &line))
        return false;
    for (size_t i = 0; i < HARK_EVIDENCE_KINDS_; i++) {
        if (hark_span_equal(line, hark_span_str(kind_names[i]))) {
            *kind = (enum hark_evidence_kind)i;
            return true;
        }
    }
    return false;
}

bool hark_evidence_take_hash(struct hark_span *in, const char *head, struct hark_hash *out)
{
    uint8_t room[HARK_HASH_SIZE + 2];
    struct hark_buf bytes = hark_buf_over(room, sizeof(room));
    struct hark_span text;

    if (!hark_evidence_take_headed(in, head, &text) ||
        hark_base64_decode(&bytes, text, NULL) != 0 || bytes.size != HARK_HASH_SIZE)
        return false;
    memcpy(out->bytes, bytes.data, HARK_HASH_SIZE);
    return true;
}

static bool take_cosigner(struct hark_span *in, struct hark_evidence_parts *out)
{
    struct hark_span name;

    if (!hark_evidence_take_headed(in, "cosigner ", &name))
        return false;
    if (out->kind == HARK_EVIDENCE_BACKDATED) {
        struct hark_span fields[2];

        if (!hark_split_fields(name, fields, 2) ||
            hark_key_from_hex(&out->cosigner_key, fields[1], NULL) != 0)
            return false;
        name = fields[0];
    }
    if (!hark_node_name_valid(name))
        return false;
    memcpy(out->cosigner, name.data, name.size);
    return true;
}

/* As far as there is one. */
static bool take_path(struct hark_span *in, struct hark_evidence_parts *out)
{
    struct hark_span rest = *in;

    if (!hark_take_literal(&rest, "root "))
        return true;
    out->has_path = true;
    if (!hark_evidence_take_hash(in, "root ", &out->root))
        return false;
    while (rest = *in, hark_take_literal(&rest, "path ")) {
        if (out->path.count > HARK_MERKLE_PROOF_MAX ||
            !hark_evidence_take_hash(in, "path ", &out->path.hashes[out->path.count]))
            return false;
        out->path.count++;
    }
    return out->path.count > 0;
}

bool hark_evidence_take_part(struct hark_span *in, struct hark_span *out)
{
    struct hark_span size_text;
    uint64_t size = 0;

    return hark_evidence_take_headed(in, "part ", &size_text) &&
           hark_decimal_decode(&size, size_text, HARK_EVIDENCE_MAX, NULL) == 0 &&
           hark_take(in, (size_t)size, out) && hark_take_literal(in, "\n");
}

/* The first thing that is wrong with it, NULL if nothing is. */
static const char *read_form(struct hark_evidence_parts *out, struct hark_span in)
{
    struct hark_span line;

    if (!hark_take_literal(&in, HARK_EVIDENCE_HEAD))
        return "it does not begin as one";
    if (!take_kind(&in, &out->kind))
        return "of an unknown kind";
    if (!hark_evidence_take_headed(&in, "key ", &line) ||
        hark_key_from_hex(&out->key, line, NULL) != 0)
        return "it names no key";
    if (names_cosigner(out->kind) && !take_cosigner(&in, out))
        return "it names no cosigner";
    if (may_have_path(out->kind) && !take_path(&in, out))
        return "its root and path are not hashes, or too many";
    if (out->kind == HARK_EVIDENCE_WITHHELD && !hark_withheld_take(&in, out))
        return "it does not name an intake, a delay, cosigners and a path";
    if (!hark_take_literal(&in, "\n"))
        return "its fields are not those of its kind";
    for (size_t i = 0; i < hark_evidence_part_count(out->kind); i++) {
        if (!hark_evidence_take_part(&in, &out->parts[i]))
            return "its parts are not there";
    }
    out->has_first = in.size > 0;
    if (out->has_first && (!hark_evidence_take_part(&in, &out->first) ||
                           !hark_evidence_take_part(&in, &out->payload)))
        return "after its parts comes what is no first entry with its payload";
    return in.size > 0 ? "it goes on after its end" : NULL;
}

int hark_evidence_decode(struct hark_evidence_parts *out, struct hark_span text,
                         struct hark_err *err)
{
    const char *wrong;

    memset(out, 0, sizeof(*out));
    wrong = text.size > HARK_EVIDENCE_MAX ? "it is too long" : read_form(out, text);
    if (wrong == NULL)
        return 0;
    memset(out, 0, sizeof(*out));
    return hark_err_set(err, HARK_E_EVIDENCE_FORM, "no evidence file: %s", wrong);
}

/* --- checking: what is common ----------------------------------------------------------- */

int hark_evidence_nothing(const char *why, struct hark_err *err)
{
    return hark_err_set(err, HARK_E_EVIDENCE, "the file proves nothing: %s", why);
}

/* Of what came from elsewhere any refusal is the same: the file is no evidence. */
int hark_evidence_refuse(int rc, const char *what, struct hark_err *err)
{
    struct hark_err why = {0};

    if (rc == 0 || rc == HARK_E_NO_MEMORY || rc == HARK_E_INTERNAL)
        return rc;
    if (err != NULL)
        why = *err;
    return hark_err_set(err, HARK_E_EVIDENCE, "the file proves nothing: %s: %.300s (%s)", what,
                        why.message, hark_err_name(rc));
}

int hark_evidence_read_note(struct hark_evidence_check *c, size_t at, bool may_be_receipt,
                            struct hark_err *err)
{
    struct hark_evidence_side *side = &c->out->sides[at];
    struct hark_span part = c->parts->parts[at], head = part;
    int rc = 0;

    side->is_receipt = may_be_receipt && hark_take_literal(&head, HARK_TLOG_PROOF_HEAD);
    if (side->is_receipt) {
        rc = hark_receipt_decode(&c->receipt, part, err);
        side->line = c->receipt.line;
        side->id = c->receipt.line.id;
        part = c->receipt.note;
    }
    if (rc == 0)
        rc = hark_note_parse(&c->note, part, err);
    if (rc == 0)
        rc = hark_checkpoint_decode(&side->checkpoint, c->note.text, NULL, err);
    return hark_evidence_refuse(rc, at == 0 ? "its first part" : "its second part", err);
}

/* Is c->note, read of that side, signed by the log key `key`? */
static int check_log(struct hark_evidence_check *c, size_t at, struct hark_err *err)
{
    struct hark_note_key key;
    int rc = hark_note_key_init(&key, c->out->sides[at].checkpoint.origin, HARK_NOTE_ED25519,
                                &c->parts->key, err);

    if (rc == 0)
        rc = hark_note_verify(&c->note, &key, NULL, err);
    return hark_evidence_refuse(rc, at == 0 ? "the first signature" : "the second signature", err);
}

static int check_cosigner(struct hark_evidence_check *c, size_t at, const struct hark_key *by,
                          struct hark_err *err)
{
    struct hark_note_key key;
    int rc = hark_note_key_init(&key, c->parts->cosigner, HARK_NOTE_COSIGNATURE_V1, by, err);

    if (rc == 0)
        rc = hark_note_verify(&c->note, &key, &c->out->sides[at].time_s, err);
    return hark_evidence_refuse(rc, at == 0 ? "the first cosignature" : "the second cosignature",
                                err);
}

/* Both are of one space. same: of one origin. */
static int check_origins(struct hark_evidence_check *c, bool same, struct hark_err *err)
{
    struct hark_evidence *out = c->out;
    const char *first = out->sides[0].checkpoint.origin, *second = out->sides[1].checkpoint.origin;
    struct hark_origin_parts a, b;

    if (!hark_origin_read(&a, hark_span_str(first)) || !hark_origin_read(&b, hark_span_str(second)))
        return hark_evidence_nothing("a checkpoint is of no log of a space", err);
    memcpy(out->node, a.node, sizeof(out->node));
    out->space = a.space;
    out->is_intake = a.incarnation == 0;
    if (!hark_hash_equal(&a.space, &b.space) || out->is_intake != (b.incarnation == 0) ||
        (same && strcmp(first, second) != 0))
        return hark_evidence_nothing("its two parts are of different logs", err);
    return 0;
}

/* Another root of as many entries, or a beginning that is proved to be another. */
static int check_histories(struct hark_evidence_check *c, struct hark_err *err)
{
    const struct hark_checkpoint *first = &c->out->sides[0].checkpoint;
    const struct hark_checkpoint *second = &c->out->sides[1].checkpoint;
    const struct hark_evidence_parts *parts = c->parts;
    int rc;

    if (first->size == second->size && !parts->has_path) {
        c->out->claim = HARK_CLAIM_ROOT;
        return hark_hash_equal(&first->root, &second->root)
                   ? hark_evidence_nothing("both logs are the same", err)
                   : 0;
    }
    if (first->size >= second->size)
        return hark_evidence_nothing("the first log is not the smaller one", err);
    if (!parts->has_path)
        return hark_evidence_nothing("it lacks the proof of what the larger log begins with", err);
    rc = hark_merkle_verify_consistency(first->size, second->size, parts->path.hashes,
                                        parts->path.count, &parts->root, &second->root, err);
    if (rc < 0)
        return hark_evidence_refuse(rc, "how the larger log begins", err);
    c->out->claim = HARK_CLAIM_BEGINNING;
    return hark_hash_equal(&first->root, &parts->root)
               ? hark_evidence_nothing("the larger log begins with just the smaller one", err)
               : 0;
}

/* --- checking: each kind ------------------------------------------------------------------ */

/* Of one position, and another leaf there? */
static bool other_entries(const struct hark_evidence_side *a, const struct hark_evidence_side *b)
{
    struct hark_hash first = hark_line_leaf(&a->line), second = hark_line_leaf(&b->line);

    return a->is_receipt && b->is_receipt && a->line.position == b->line.position &&
           !hark_hash_equal(&first, &second);
}

static int check_fork(struct hark_evidence_check *c, struct hark_err *err)
{
    const struct hark_evidence_side *sides = c->out->sides;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < 2; i++) {
        rc = hark_evidence_read_note(c, i, true, err);
        if (rc == 0)
            rc = check_log(c, i, err);
    }
    if (rc == 0)
        rc = check_origins(c, true, err);
    if (rc < 0)
        return rc;
    if (!c->parts->has_path && other_entries(&sides[0], &sides[1])) {
        c->out->claim = HARK_CLAIM_ENTRY;
        return sides[0].checkpoint.size <= sides[1].checkpoint.size
                   ? 0
                   : hark_evidence_nothing("the first log is not the smaller one", err);
    }
    return check_histories(c, err);
}

static int check_backdated(struct hark_evidence_check *c, struct hark_err *err)
{
    const struct hark_evidence_side *cosigned = &c->out->sides[0], *receipt = &c->out->sides[1];
    int rc = hark_evidence_read_note(c, 0, false, err);

    if (rc == 0)
        rc = check_log(c, 0, err);
    if (rc == 0)
        rc = check_cosigner(c, 0, &c->parts->cosigner_key, err);
    if (rc == 0)
        rc = hark_evidence_read_note(c, 1, true, err);
    if (rc == 0)
        rc = check_log(c, 1, err);
    if (rc == 0)
        rc = check_origins(c, true, err);
    if (rc < 0)
        return rc;
    c->out->claim =
        strcmp(c->parts->cosigner, c->out->node) == 0 ? HARK_CLAIM_STATEMENT : HARK_CLAIM_TIME;
    if (!receipt->is_receipt || c->out->is_intake)
        return hark_evidence_nothing("its second part is no receipt of the main log", err);
    if (receipt->line.position < cosigned->checkpoint.size)
        return hark_evidence_nothing("the entry stands in what was cosigned", err);
    if (receipt->line.arrival_ms / 1000 + HARK_BACKDATED_S >= cosigned->time_s)
        return hark_evidence_nothing(
            "the entry arrived at about the time of the cosignature, or later", err);
    return 0;
}

static int check_backwards(struct hark_evidence_check *c, struct hark_err *err)
{
    const struct hark_evidence_side *sides = c->out->sides;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < 2; i++) {
        rc = hark_evidence_read_note(c, i, false, err);
        if (rc == 0)
            rc = check_cosigner(c, i, &c->parts->key, err);
    }
    if (rc == 0)
        rc = check_origins(c, false, err);
    if (rc == 0 && c->out->is_intake)
        rc = hark_evidence_nothing("cosigners are held to main logs", err);
    if (rc < 0)
        return rc;
    if (!c->parts->has_path && sides[0].checkpoint.size < sides[1].checkpoint.size &&
        sides[0].time_s > sides[1].time_s) {
        c->out->claim = HARK_CLAIM_TIME;
        return 0;
    }
    return check_histories(c, err);
}

static int check_twin(struct hark_evidence_check *c, struct hark_err *err)
{
    struct hark_evidence *out = c->out;

    for (size_t i = 0; i < 2; i++) {
        struct hark_span bytes = c->parts->parts[i];
        int rc = hark_entry_parse(&c->entry, bytes, err);

        if (rc == 0)
            rc = hark_entry_verify(&c->entry, bytes, err);
        if (rc < 0)
            return hark_evidence_refuse(rc, i == 0 ? "the first entry" : "the second entry", err);
        /* A space's first entry is of the space that it makes. */
        const struct hark_hash *space = c->entry.has_space ? &c->entry.space : &c->entry.id;

        if (!hark_key_equal(&c->entry.author, &c->parts->key))
            return hark_evidence_nothing("an entry is by another key", err);
        if (i == 1 && (!hark_hash_equal(space, &out->space) || c->entry.seq != out->seq))
            return hark_evidence_nothing("its entries are of different places or spaces", err);
        out->space = *space;
        out->seq = c->entry.seq;
        out->sides[i].id = c->entry.id;
    }
    out->claim = HARK_CLAIM_TWIN;
    return hark_hash_equal(&out->sides[0].id, &out->sides[1].id)
               ? hark_evidence_nothing("both entries are the same", err)
               : 0;
}

/* --- checking: whose key it is ------------------------------------------------------------ */

static bool names_key(const struct hark_founding *f, const struct hark_key *steward,
                      const struct hark_evidence *out)
{
    const struct hark_node_keys *home = &f->home.keys;

    switch (out->kind) {
    case HARK_EVIDENCE_FORK:
    case HARK_EVIDENCE_BACKDATED:
    case HARK_EVIDENCE_WITHHELD:
        return hark_key_equal(&out->key, &home->log) && strcmp(out->node, f->home.name) == 0;
    case HARK_EVIDENCE_BACKWARDS:
        return hark_key_equal(&out->key, &home->cosigner) && strcmp(out->node, f->home.name) == 0;
    case HARK_EVIDENCE_TWIN:
        return hark_key_equal(&out->key, steward) || hark_key_equal(&out->key, &home->author);
    case HARK_EVIDENCE_KINDS_:
        break;
    }
    return false;
}

static int check_first(struct hark_evidence_check *c, struct hark_err *err)
{
    struct hark_founding founding;
    struct hark_kinds *kinds = NULL;
    int rc;

    c->out->has_first = c->parts->has_first;
    if (!c->out->has_first)
        return 0;
    rc = hark_entry_parse(&c->entry, c->parts->first, err);
    if (rc == 0)
        rc = hark_entry_verify(&c->entry, c->parts->first, err);
    if (rc == 0 && !hark_hash_equal(&c->entry.id, &c->out->space))
        return hark_evidence_nothing("the first entry is of another space", err);
    if (rc == 0)
        rc = hark_kinds_builtin(&kinds, err);
    if (rc == 0)
        rc = hark_found_check(&founding, kinds, &c->entry, c->parts->payload, err);
    if (rc == 0)
        c->out->is_named = names_key(&founding, &c->entry.author, c->out);
    /* Somebody else may sign under the home's name: then it was not the home who said so. */
    if (c->out->is_named && c->out->claim == HARK_CLAIM_STATEMENT &&
        !hark_key_equal(&c->out->cosigner_key, &founding.home.keys.cosigner))
        c->out->claim = HARK_CLAIM_TIME;
    if (rc == 0 && c->out->kind == HARK_EVIDENCE_WITHHELD)
        rc = hark_withheld_check_policy(c, kinds, err);
    hark_kinds_free(kinds);
    return hark_evidence_refuse(rc, "the first entry", err);
}

static int check_kind(struct hark_evidence_check *c, struct hark_err *err)
{
    switch (c->parts->kind) {
    case HARK_EVIDENCE_FORK:
        return check_fork(c, err);
    case HARK_EVIDENCE_BACKDATED:
        return check_backdated(c, err);
    case HARK_EVIDENCE_BACKWARDS:
        return check_backwards(c, err);
    case HARK_EVIDENCE_TWIN:
        return check_twin(c, err);
    case HARK_EVIDENCE_WITHHELD:
        return hark_withheld_check(c, err);
    case HARK_EVIDENCE_KINDS_:
        break;
    }
    return hark_err_set(err, HARK_E_INTERNAL, "evidence of no kind");
}

static int check_all(struct hark_evidence_check *c, struct hark_err *err)
{
    struct hark_evidence *out = c->out;
    int rc;

    out->kind = c->parts->kind;
    out->key = c->parts->key;
    rc = check_kind(c, err);
    if (rc < 0)
        return rc;
    if (names_cosigner(out->kind)) {
        memcpy(out->cosigner, c->parts->cosigner, sizeof(out->cosigner));
        out->cosigner_key =
            out->kind == HARK_EVIDENCE_BACKDATED ? c->parts->cosigner_key : c->parts->key;
    }
    /* Whose name the key signs under. */
    if (out->kind == HARK_EVIDENCE_BACKWARDS)
        memcpy(out->node, c->parts->cosigner, sizeof(out->node));
    return check_first(c, err);
}

bool hark_evidence_convicts(const struct hark_evidence *evidence)
{
    if (evidence->kind == HARK_EVIDENCE_WITHHELD)
        return false;
    return evidence->kind != HARK_EVIDENCE_BACKDATED ||
           (evidence->claim == HARK_CLAIM_STATEMENT && evidence->is_named);
}

int hark_evidence_read(struct hark_evidence *out, struct hark_span text, struct hark_err *err)
{
    struct hark_evidence_parts *parts = calloc(1, sizeof(*parts));
    struct hark_evidence_check *c = calloc(1, sizeof(*c));
    struct hark_err own = {0}; /* refusals are told by what they wrap */
    int rc;

    memset(out, 0, sizeof(*out));
    if (parts == NULL || c == NULL) {
        free(parts);
        free(c);
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    }
    *c = (struct hark_evidence_check){.parts = parts, .out = out};
    rc = hark_evidence_decode(parts, text, &own);
    if (rc == 0)
        rc = check_all(c, &own);
    free(parts);
    free(c);
    if (rc < 0) {
        memset(out, 0, sizeof(*out));
        if (err != NULL)
            *err = own;
    }
    return rc;
}
