/*
 * Judging the main log. While nothing is wrong each batch goes through what a partner
 * asks that takes it (space_take.c), over a state in memory. After the first thing
 * wrong the chain of batches says nothing more, and what can still be said of each is:
 * form, signature, its list of entries, each entry by itself, payloads; and as long as
 * every entry may be logged after the one before, the state goes on.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node/audit_internal.h"

#define MERGE_DELAY_S 86400u /* PROTOCOL.md 5: what is absent in a policy */

struct judging {
    struct audit *audit;
    struct audit_log *log;
    struct hark_log_head head;
    bool broken; /* something was wrong with the log */
    bool lost;   /* no state from here on */
};

#define NOWHERE UINT64_MAX

/* --- findings --------------------------------------------------------------------- */

int hark_audit_batch(struct audit_log *log, const struct audit_batch *batch,
                     const struct hark_key *signer, const struct hark_err *what,
                     struct hark_err *err)
{
    struct audit_finding finding = {.code = what->code,
                                    .log = log->name,
                                    .position = batch->first,
                                    .evidence = {&batch->id, NULL},
                                    .detail = what->message};
    int rc = hark_audit_blame(log->audit, log->node, signer, &finding, err);

    /* What is not here, or not for this program, is nobody's fault. */
    if (hark_audit_is_missing(what->code) || what->code == HARK_E_BEHIND ||
        what->code == HARK_E_UNSUPPORTED || what->code == HARK_E_KIND_SET) {
        finding.verdict = HARK_AUDIT_UNREADABLE;
        finding.role = NULL;
    }
    /* A commit that follows no other shows both. */
    if (what->code == HARK_E_BATCH_PREVIOUS && batch->number > 0)
        finding.evidence[1] = &log->ids[batch->number - 1];
    return rc < 0 ? rc : hark_audit_find(log->audit, &finding, err);
}

/* About entry i of a batch. */
static int tell_entry(struct audit_log *log, const struct audit_batch *batch, size_t i,
                      const struct hark_key *signer, const struct hark_err *what,
                      struct hark_err *err)
{
    const struct space_item *item = &batch->items[i];
    struct audit_finding finding = {.code = what->code,
                                    .log = log->name,
                                    .position = batch->first + i,
                                    .entry =
                                        hark_hash_is_zero(&item->entry.id) ? NULL : &item->entry.id,
                                    .evidence = {&batch->id, &batch->ids[i]},
                                    .detail = what->message};
    int rc = hark_audit_blame(log->audit, log->node, signer, &finding, err);

    if (hark_audit_is_missing(what->code) || what->code == HARK_E_PAYLOAD_ABSENT ||
        what->code == HARK_E_UNSUPPORTED || what->code == HARK_E_KIND_SET) {
        finding.verdict = HARK_AUDIT_UNREADABLE;
        finding.role = NULL;
    }
    return rc < 0 ? rc : hark_audit_find(log->audit, &finding, err);
}

int hark_audit_items(struct audit_log *log, struct audit_batch *batch,
                     const struct hark_key *signer, uint64_t but, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < batch->raw.count; i++) {
        if (batch->items[i].code != 0 && batch->first + i != but)
            rc = tell_entry(log, batch, i, signer, &batch->items[i].err, err);
    }
    return rc;
}

static struct audit_place *place_of(struct audit_log *log, const struct audit_batch *batch,
                                    size_t i)
{
    return &log->places[batch->first - log->firsts[0] + i];
}

int hark_audit_note(struct audit_log *log, struct audit_batch *batch, struct hark_err *err)
{
    struct audit *audit = log->audit;
    int rc = 0;

    audit->entries += batch->raw.count;
    for (size_t i = 0; rc == 0 && i < batch->raw.count; i++) {
        const struct space_item *item = &batch->items[i];
        struct audit_place *place = place_of(log, batch, i);
        const struct audit_finding finding = {.code = batch->payload_codes[i],
                                              .verdict = HARK_AUDIT_UNREADABLE,
                                              .log = log->payload_ref,
                                              .position = batch->first + i,
                                              .entry = &item->entry.id,
                                              .evidence = {&batch->ids[i], NULL},
                                              .detail = "what stands there is not the payload "
                                                        "that the entry names"};

        if (item->code != 0)
            continue;
        audit->signatures++;
        place->read = true;
        place->id = item->entry.id;
        place->git_id = item->git_id;
        place->has_payload = item->entry.has_payload;
        place->first = HARK_NONE;
        place->present = item->payload.data != NULL;
        audit->payloads += place->present ? 1 : 0;
        if (finding.code != 0) {
            place->told = true;
            rc = hark_audit_find(audit, &finding, err);
        }
    }
    return rc;
}

int hark_audit_note_first(struct audit_log *log, const struct audit_batch *batch,
                          struct hark_err *err)
{
    struct hark_state *state = log->audit->state;
    int rc = 0;

    for (size_t i = 0; rc == 0 && state != NULL && i < batch->raw.count; i++) {
        struct audit_place *place = place_of(log, batch, i);
        const struct hark_entry *entry = &batch->items[i].entry;
        uint64_t first = 0;
        bool found = false;

        if (!place->read || !place->has_payload)
            continue;
        rc = hark_state_find_payload(state, &entry->payload_hash, &found, &first, err);
        if (rc == 0 && found)
            place->first = first;
    }
    return rc;
}

/* --- what the log says as a whole ----------------------------------------------------- */

static int home_is(struct audit *audit, const struct hark_log_head *head, struct hark_err *err)
{
    const struct hark_key *homes = audit->home_keys.items;
    size_t count = audit->home_keys.count;

    memcpy(audit->origin, head->origin, sizeof(audit->origin));
    audit->home_key = head->log_key;
    if (count > 0 && hark_key_equal(&homes[count - 1], &head->log_key))
        return 0;
    return hark_audit_push(&audit->home_keys, &head->log_key, sizeof(head->log_key), err);
}

static uint64_t policy_number(const json_t *policy, const char *name, uint64_t otherwise)
{
    const json_t *value = json_object_get(policy, name);

    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : otherwise;
}

/* What an entry that stands says: its payload has been found to be one of its kind. */
static int read_payload(struct audit *audit, const struct space_item *item, json_t **json,
                        struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(audit->state);
    int number = hark_kinds_find(kinds, item->entry.kind);

    *json = NULL;
    if (number < 0)
        return hark_err_set(err, HARK_E_INTERNAL, "the kind %s is not built in", item->entry.kind);
    return hark_payload_check(hark_kinds_get(kinds, (size_t)number), item->payload, json, err);
}

/* space, policy, node, home: who cosigns, how many, and whose log it is. first: where its batch
 * begins. */
static int take_rule(struct audit *audit, const struct space_item *item, uint64_t first,
                     struct hark_err *err)
{
    const char *kind = item->entry.kind;
    uint64_t position = item->effect.position;
    json_t *json = NULL;
    int rc = read_payload(audit, item, &json, err);

    if (rc == 0)
        rc = hark_quorums_add(&audit->quorums, position, kind, json, err);
    if (rc == 0 && strcmp(kind, "home") == 0)
        rc = hark_audit_push(&audit->homes, &first, sizeof(first), err);
    if (rc == 0 && (strcmp(kind, "space") == 0 || strcmp(kind, "policy") == 0))
        audit->merge_delay_s =
            policy_number(json_object_get(json, "policy"), "merge_delay_s", MERGE_DELAY_S);
    json_decref(json);
    return rc;
}

static bool is_rule(const char *kind)
{
    return strcmp(kind, "space") == 0 || strcmp(kind, "policy") == 0 || strcmp(kind, "node") == 0 ||
           strcmp(kind, "home") == 0;
}

/* An entry that stands, and that the audit wants to remember. */
static int remember(struct audit *audit, const struct space_item *item, uint64_t first,
                    struct hark_err *err)
{
    const struct hark_effect *effect = &item->effect;
    const char *kind = item->entry.kind;
    int rc = 0;

    if (is_rule(kind)) {
        rc = take_rule(audit, item, first, err);
    } else if (strcmp(kind, "kind") == 0) {
        rc = hark_audit_push(&audit->own_kinds, &effect->position, sizeof(effect->position), err);
    } else if (strcmp(kind, "erase") == 0) {
        const struct audit_erasure erasure = {.position = effect->position,
                                              .home = hark_state_space_object(audit->state)->home,
                                              .id = item->entry.id};

        rc = hark_audit_push(&audit->erasures, &erasure, sizeof(erasure), err);
    } else if (strcmp(kind, "ack") == 0 && effect->author_of == HARK_KEY_OF_NODE) {
        for (size_t i = 0; rc == 0 && i < effect->re_count; i++) {
            const struct audit_ack ack = {.erasure = effect->re[i], .node = effect->author};

            rc = hark_audit_push(&audit->acks, &ack, sizeof(ack), err);
        }
    }
    return rc;
}

int hark_audit_name(struct audit *audit, const char *name, uint32_t *number, struct hark_err *err)
{
    const struct hark_store names = hark_memstore_store(audit->names);
    struct hark_span key = hark_span(name, strcspn(name, "/"));
    bool found = false;
    uint64_t wide = UINT32_MAX;
    int rc = 0;

    *number = UINT32_MAX;
    if (key.size > HARK_NODE_NAME_MAX)
        return 0;
    rc = names.find(names.arg, HARK_LOOKUP_NAME, key, &found, &wide, err);
    if (rc == 0 && !found && audit->name_count < UINT32_MAX) {
        wide = audit->name_count;
        rc = names.bind(names.arg, HARK_LOOKUP_NAME, key, wide, err);
        audit->name_count += rc == 0;
    }
    *number = (uint32_t)wide;
    return rc;
}

static int remember_taken(struct audit *audit, const struct hark_batch *batch, size_t number,
                          struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < batch->taken_count; i++) {
        const struct hark_taken *said = &batch->taken[i];
        struct audit_taken taken = {
            .batch = (uint32_t)number, .size = said->size, .root = said->root};

        rc = hark_audit_name(audit, said->origin, &taken.node, err);
        if (rc == 0 && taken.node != UINT32_MAX)
            rc = hark_audit_push(&audit->taken, &taken, sizeof(taken), err);
    }
    return rc;
}

static int remember_copied(struct audit *audit, const struct hark_line *lines, size_t count,
                           size_t number, struct hark_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct audit_copied copied = {.batch = (uint32_t)number,
                                      .intake_position = lines[i].intake_position,
                                      .accepted_ms = lines[i].accepted_ms,
                                      .position = lines[i].position};

        if (strcspn(lines[i].intake, "/") == 0)
            continue;
        rc = hark_audit_name(audit, lines[i].intake, &copied.node, err);
        if (rc == 0 && copied.node != UINT32_MAX)
            rc = hark_audit_push(&audit->copied, &copied, sizeof(copied), err);
    }
    return rc;
}

/* A batch with which nothing is wrong. */
static int take_sound(struct judging *j, struct audit_batch *b, const struct hark_batch *batch,
                      const struct hark_line *lines, struct hark_err *err)
{
    struct audit *audit = j->audit;
    struct audit_end end = {
        .size = j->head.tree.size, .root = hark_merkle_root(&j->head.tree), .batch = b->id};
    int rc = home_is(audit, &j->head, err);

    audit->signatures++;
    audit->checkpoints++;
    audit->sound_size = end.size;
    audit->sound_root = end.root;
    if (rc == 0)
        rc = hark_audit_push(&audit->ends, &end, sizeof(end), err);
    for (size_t i = 0; rc == 0 && i < b->raw.count; i++) {
        if (b->items[i].effect.verdict == 0)
            rc = remember(audit, &b->items[i], b->first, err);
    }
    if (rc == 0)
        rc = remember_taken(audit, batch, b->number, err);
    if (rc == 0)
        rc = remember_copied(audit, lines, b->raw.count, b->number, err);
    return rc;
}

/* --- after the first thing wrong ---------------------------------------------------------- */

int hark_audit_lines(const struct audit_batch *batch, const struct hark_batch *parsed,
                     struct hark_line **lines, struct hark_err *err)
{
    size_t count = 0;
    struct hark_hash hash = hark_sha256(batch->raw.entries);
    int rc = hark_lines_decode(lines, &count, batch->raw.entries, err);

    if (rc < 0)
        return rc;
    if (count != batch->raw.count) {
        free(*lines);
        *lines = NULL;
        return hark_err_set(err, HARK_E_BATCH_RANGE, "it has not as many entries as it says");
    }
    if (!hark_hash_equal(&hash, &parsed->entries))
        return hark_err_set(err, HARK_E_BATCH_ENTRIES, "the entries file is not the one named");
    for (size_t i = 0; i < count; i++) {
        if (hark_audit_is_missing(batch->items[i].code))
            continue;
        hash = hark_sha256(batch->raw.items[i].object);
        if (!hark_hash_equal(&hash, &(*lines)[i].id))
            return hark_err_set(err, HARK_E_BATCH_ENTRIES, "entry %zu is not the one named", i + 1);
    }
    return 0;
}

/* The entries that the state does not have yet, as long as each may be logged. What
 * stands in the way at position `told` was told. */
static int apply_rest(struct judging *j, struct audit_batch *b, const struct hark_line *lines,
                      const struct hark_key *signer, uint64_t told, struct hark_err *err)
{
    struct hark_state *state = j->audit->state;
    uint64_t size = hark_state_size(state);
    int rc = 0;

    if (size < b->first || size > b->first + b->raw.count || b->missing) {
        j->lost = true;
        return 0;
    }
    for (size_t i = 0; i < (size_t)(size - b->first) && rc == 0; i++) {
        if (b->items[i].effect.verdict == 0)
            rc = remember(j->audit, &b->items[i], b->first, err);
    }
    for (size_t i = (size_t)(size - b->first); i < b->raw.count && rc == 0 && !j->lost; i++) {
        struct space_item *item = &b->items[i];
        struct hark_err why = item->err;
        int code = item->code;

        item->arrival.arrival_ms = lines[i].arrival_ms;
        item->arrival.accepted_ms = lines[i].accepted_ms;
        item->arrival.git_id = item->git_id;
        if (code == 0)
            code = hark_space_item_apply(state, item, &why);
        if (code == 0) {
            rc = item->effect.verdict == 0 ? remember(j->audit, item, b->first, err) : 0;
            continue;
        }
        if (hark_audit_is_trouble(code)) {
            if (err != NULL)
                *err = why;
            return code;
        }
        j->lost = true;
        /* Items that are wrong by themselves are told with the rest of them. */
        if (item->code == 0 && b->first + i != told && !place_of(j->log, b, i)->told) {
            place_of(j->log, b, i)->told = code == HARK_E_PAYLOAD_ABSENT;
            rc = tell_entry(j->log, b, i, signer, &why, err);
        }
    }
    return rc;
}

/* Whose signature the batch must bear: of the home in force after its entries. */
static int check_signer(struct judging *j, const struct audit_batch *b,
                        const struct hark_key *signer, struct hark_err *err)
{
    struct hark_log_head head = j->head;
    struct audit_finding blame = {.code = 0};
    struct hark_err what = {0};
    bool fits = signer != NULL;
    int rc = 0;

    if (!j->lost) {
        rc = hark_space_expect(j->audit->state, NULL, &head, err);
        fits = fits && hark_key_equal(signer, &head.log_key);
    } else if (j->audit->home_keys.count > 0) {
        /* The home may have moved since: any node's can be right. */
        rc = hark_audit_blame(j->audit, "", signer, &blame, err);
        fits = blame.verdict == HARK_AUDIT_HOME || blame.verdict == HARK_AUDIT_PARTNER;
    }
    if (rc < 0)
        return rc;
    if (fits) {
        j->audit->signatures++;
        return j->lost ? 0 : home_is(j->audit, &head, err);
    }
    (void)hark_err_set(&what, HARK_E_BATCH_SIGNATURE,
                       signer == NULL ? "nobody's signature holds"
                                      : "another key than the log's signed");
    return hark_audit_batch(j->log, b, signer, &what, err);
}

/* What can still be said. `first`: this batch is the one that broke the log, and what
 * it broke was told, at the position `told` if at one. */
static int go_on(struct judging *j, struct audit_batch *b, const struct hark_key *signer,
                 bool first, uint64_t told, struct hark_err *err)
{
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_line *lines = NULL;
    struct hark_err what = {0};
    int rc = 0, code;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    code = b->code;
    if (code != 0)
        what = b->err;
    if (code == 0)
        code = hark_batch_parse(batch, NULL, NULL, b->raw.commit, NULL, &what);
    if (code == 0)
        code = hark_audit_lines(b, batch, &lines, &what);
    if (code != 0 && hark_audit_is_trouble(code)) {
        rc = code;
        if (err != NULL)
            *err = what;
    } else if (code != 0 && !first) {
        rc = hark_audit_batch(j->log, b, signer, &what, err);
    }
    if (rc == 0 && !j->lost && code != 0 && lines == NULL)
        j->lost = true;
    if (rc == 0 && !j->lost)
        rc = apply_rest(j, b, lines, signer, told, err);
    if (rc == 0)
        rc = hark_audit_items(j->log, b, signer, told, err);
    if (rc == 0 && !first)
        rc = check_signer(j, b, signer, err);
    free(lines);
    free(batch);
    return rc;
}

/* --- a batch ------------------------------------------------------------------------------- */

/* The space is what its first entry says it is. */
static int open_space(struct judging *j, const struct audit_batch *b, struct hark_err *err)
{
    struct audit *audit = j->audit;
    struct hark_log_head head = {.has_batch = false};
    int rc;

    if (!j->log->whole || b->raw.count == 0 || b->items[0].code != 0 ||
        strcmp(b->items[0].entry.kind, "space") != 0)
        return 0;
    audit->has_space = true;
    audit->space = b->items[0].entry.id;
    rc = hark_state_open(&audit->state, &audit->space, &audit->store, err);
    /* Whose fault the first batch is hangs on it, too. */
    if (rc == 0 && hark_space_expect(audit->state, &b->items[0], &head, NULL) == 0)
        rc = home_is(audit, &head, err);
    return rc;
}

/* Which entry a refusal is about: the first that is wrong by itself, else the one that
 * the state stands before; NOWHERE for a rule about batches. */
static uint64_t about(const struct judging *j, const struct audit_batch *b, int code)
{
    uint64_t size = hark_state_size(j->audit->state);

    if (strncmp(hark_err_name(code), "batch-", 6) == 0)
        return NOWHERE;
    for (size_t i = 0; i < b->raw.count; i++) {
        if (b->items[i].code == code)
            return i;
    }
    return size >= b->first && size < b->first + b->raw.count ? size - b->first : NOWHERE;
}

/* What judging the whole batch has found. */
static int tell_refusal(struct judging *j, struct audit_batch *b, const struct hark_key *signer,
                        const struct hark_err *what, uint64_t *told, struct hark_err *err)
{
    uint64_t i = about(j, b, what->code);
    const struct space_item *item;
    struct hark_err absent = {0};
    struct audit_place *place;

    if (i == NOWHERE)
        return hark_audit_batch(j->log, b, signer, what, err);
    *told = b->first + i;
    place = place_of(j->log, b, (size_t)i);
    item = &b->items[i];
    /* Whatever is said of a payload that is not here. */
    if (strncmp(hark_err_name(what->code), "payload-", 8) == 0 && item->entry.has_payload &&
        item->payload.data == NULL) {
        (void)hark_err_set(&absent, HARK_E_PAYLOAD_ABSENT,
                           "its payload decides what stands, and is not here");
        if (place->told)
            return 0; /* that another stands in its place */
        place->told = true;
        what = &absent;
    }
    return tell_entry(j->log, b, (size_t)i, signer, what, err);
}

static int judge_whole(struct judging *j, struct audit_batch *b, struct hark_err *err)
{
    const struct hark_key *signer = NULL;
    struct hark_key key;
    struct hark_batch *batch = calloc(1, sizeof(*batch));
    struct hark_line *lines = NULL;
    struct hark_log_head next = {.has_batch = false};
    struct hark_err what = {0};
    uint64_t told = NOWHERE;
    int rc;

    if (batch == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a batch");
    rc = hark_space_judge_batch(j->audit->state, &j->audit->store, &j->head, &b->raw,
                                j->audit->now_ms, b->items, &next, batch, &lines, &what);
    if (rc == 0) {
        j->head = next;
        rc = take_sound(j, b, batch, lines, err);
    } else if (hark_audit_is_trouble(rc)) {
        if (err != NULL)
            *err = what;
    } else {
        j->broken = true;
        if (hark_audit_signer(b->raw.commit, &key))
            signer = &key;
        rc = tell_refusal(j, b, signer, &what, &told, err);
        if (rc == 0)
            rc = go_on(j, b, signer, true, told, err);
    }
    free(lines);
    free(batch);
    return rc;
}

/* The first batch that cannot be judged whole since something of it cannot be read. */
static int break_here(struct judging *j, struct audit_batch *b, const struct hark_key *signer,
                      struct hark_err *err)
{
    struct hark_err what = {0};
    bool tell = true;
    int rc;

    j->broken = true;
    if (b->code != 0) {
        what = b->err;
    } else if (b->number == 0 && j->log->whole && b->raw.count > 0 && b->items[0].code == 0) {
        (void)hark_err_set(&what, HARK_E_ENTRY_FIRST, "a log begins with its space's first entry");
    } else {
        /* An entry that cannot be read, or is none: told with the items. */
        tell = false;
    }
    rc = tell ? hark_audit_batch(j->log, b, signer, &what, err) : 0;
    return rc < 0 ? rc : go_on(j, b, signer, true, NOWHERE, err);
}

static int judge_noted(struct judging *j, struct audit_batch *b, struct hark_err *err)
{
    struct hark_key key;
    const struct hark_key *signer = NULL;

    if (j->audit->state == NULL)
        j->lost = true;
    if (!j->broken && !j->lost && b->code == 0 && !b->missing)
        return judge_whole(j, b, err);
    if (hark_audit_signer(b->raw.commit, &key))
        signer = &key;
    return j->broken ? go_on(j, b, signer, false, NOWHERE, err) : break_here(j, b, signer, err);
}

static int judge(void *arg, struct audit_batch *b, struct hark_err *err)
{
    struct judging *j = arg;
    int rc = hark_audit_note(j->log, b, err);

    if (rc == 0 && b->number == 0)
        rc = open_space(j, b, err);
    if (rc == 0)
        rc = judge_noted(j, b, err);
    return rc == 0 ? hark_audit_note_first(j->log, b, err) : rc;
}

int hark_audit_main(struct audit *audit, struct audit_log *log, struct hark_err *err)
{
    struct judging j = {.audit = audit, .log = log};
    int rc;

    audit->merge_delay_s = MERGE_DELAY_S;
    j.broken = j.lost = !log->whole;
    rc = hark_audit_read(log, judge, &j, err);
    audit->size = log->firsts[log->count];
    audit->judged = rc == 0 && !j.lost && audit->state != NULL;
    return rc;
}
