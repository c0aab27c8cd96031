/*
 * See author.h. Entries are made here and signed here; whether they may be
 * logged and stand is decided by the space they are handed to: at the home by its
 * log, elsewhere by what is known of it and of what is under way.
 */
#include "node/author.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/founding.h"
#include "node/office.h"
#include "node/outbox.h"
#include "node/sealing.h"
#include "schemas/showing.h"

#define SEEN_AGE_MS   UINT64_C(3600000) /* PROTOCOL.md 3: Seen when the last is an hour old */
#define SEEN_LOOKBACK 64u               /* entries looked at for it */

/* --- where it goes -------------------------------------------------------------- */

int hark_author_state(const struct hark_node *node, struct hark_space *space,
                      struct hark_state **out, struct hark_err *err)
{
    *out = hark_space_state(space);
    return hark_node_is_home(node, space) ? 0 : hark_space_provisional(space, out, err);
}

int hark_author_begin(struct hark_node *node, struct hark_space *space, struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    int rc;

    if (hark_node_is_home(node, space))
        return hark_space_begin(space, err);
    /* A feed does not go on from an old copy: its next entry may have been written already. */
    if (node->moved && hark_space_held(space)) {
        rc = hark_err_set(err, HARK_E_BEHIND,
                          "this node was put back or moved, and writes nothing before it has "
                          "compared its log with another's");
        hark_err_hint(err, "start harkd, or run `hark sync`, where one can be reached");
        return rc;
    }
    rc = hark_space_outbox(space, &outbox, err);
    return rc < 0 ? rc : hark_outbox_begin(outbox, err);
}

int hark_author_commit(struct hark_node *node, struct hark_space *space, struct hark_err *err)
{
    struct hark_outbox *outbox = NULL;
    int rc;

    if (hark_node_is_home(node, space))
        return hark_space_commit(space, node->identity.log, hark_now_ms(), err);
    rc = hark_space_outbox(space, &outbox, err);
    return rc < 0 ? rc : hark_outbox_commit(outbox, err);
}

int hark_author_hand_in(struct hark_node *node, struct hark_space *space, struct hark_err *err)
{
    struct hark_node_object named;
    int rc;

    if (hark_node_is_home(node, space) || hark_space_held(space))
        return 0;
    rc = hark_node_named(node, space, &named, err);
    if (rc == HARK_E_NOT_FOUND)
        return 0;
    if (rc == 0)
        rc = hark_space_outbox_take_in(space, named.name, node->identity.log,
                                       node->config->accept_per_minute, hark_now_ms(), err);
    return rc;
}

void hark_author_rollback(struct hark_node *node, struct hark_space *space)
{
    struct hark_outbox *outbox = NULL;

    if (hark_node_is_home(node, space)) {
        hark_space_rollback(space);
        return;
    }
    if (hark_space_outbox(space, &outbox, NULL) == 0)
        hark_outbox_rollback(outbox);
    hark_space_outbox_changed(space);
}

/* --- Seen -------------------------------------------------------------------- */

struct seen_search {
    struct hark_space *space;
    uint64_t oldest_ms;
    bool recent;
};

static int look_for_seen(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct seen_search *search = arg;
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_entry entry = {.seq = 0};
    int rc;

    if (row->time_ms < search->oldest_ms)
        return HARK_STOP;
    rc = hark_space_entry(search->space, row, &bytes, err);
    if (rc == 0)
        rc = hark_entry_parse(&entry, hark_buf_span(&bytes), err);
    hark_buf_free(&bytes);
    if (rc < 0)
        return rc;
    search->recent = entry.has_seen;
    if (entry.has_seen)
        hark_space_seen_note(search->space, &row->author_key, row->time_ms);
    return search->recent ? HARK_STOP : 0;
}

static int fill_seen(struct hark_space *space, struct hark_entry *entry, struct hark_err *err)
{
    const struct hark_log_head *head = hark_space_head(space);
    struct hark_buf note = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
    struct hark_checkpoint cp;
    struct hark_note *parsed = calloc(1, sizeof(*parsed));
    int rc;

    if (parsed == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a checkpoint");
    rc = hark_space_checkpoint(space, &note, err);
    if (rc == 0)
        rc = hark_note_parse(parsed, hark_buf_span(&note), err);
    if (rc == 0)
        rc = hark_checkpoint_decode(&cp, parsed->text, NULL, err);
    if (rc == 0 && (cp.size != head->tree.size || parsed->count == 0 ||
                    parsed->lines[0].signature_size != HARK_SIGNATURE_SIZE))
        rc = hark_err_set(err, HARK_E_DAMAGED, "the newest checkpoint is not that of the log");
    if (rc == 0) {
        entry->has_seen = true;
        entry->seen.size = cp.size;
        entry->seen.root = cp.root;
        entry->seen.key_id = parsed->lines[0].id;
        memcpy(entry->seen.signature, parsed->lines[0].signature, HARK_SIGNATURE_SIZE);
    }
    hark_buf_free(&note);
    free(parsed);
    return rc;
}

/* Is there one among what the author has written that is not logged yet? */
static int seen_in_flight(struct hark_space *space, struct seen_search *search,
                          const struct hark_key *author, struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0;
    int rc = hark_space_flight(space, &flight, &count, err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct hark_entry *entry = &flight[i].entry;

        if (entry->has_seen && entry->time_ms >= search->oldest_ms &&
            hark_key_equal(&entry->author, author))
            search->recent = true;
    }
    return rc;
}

/* Adds Seen when none of the author's entries of the last hour has one. */
static int maybe_seen(const struct hark_node *node, struct hark_space *space,
                      struct hark_entry *entry, struct hark_err *err)
{
    struct hark_log_query query = {.author = &entry->author,
                                   .after = HARK_NONE,
                                   .re = HARK_NONE,
                                   .backwards = true,
                                   .limit = SEEN_LOOKBACK};
    struct seen_search search = {.space = space};
    int rc;

    if (!hark_space_head(space)->has_batch)
        return 0;
    search.oldest_ms = entry->time_ms > SEEN_AGE_MS ? entry->time_ms - SEEN_AGE_MS : 0;
    if (hark_space_seen_noted(space, &entry->author, search.oldest_ms))
        return 0;
    rc = hark_index_log(hark_space_index(space), &query, look_for_seen, &search, err);
    if (rc == 0 && !search.recent && !hark_node_is_home(node, space))
        rc = seen_in_flight(space, &search, &entry->author, err);
    if (rc < 0 || search.recent)
        return rc;
    return fill_seen(space, entry, err);
}

/* --- how often -------------------------------------------------------------------- */

int hark_author_recent(struct hark_space *space, const struct hark_key *key, uint64_t *count,
                       struct hark_err *err)
{
    uint64_t now = hark_now_ms();

    return hark_index_count_recent(hark_space_index(space), key,
                                   now > HARK_ACCEPT_WINDOW_MS ? now - HARK_ACCEPT_WINDOW_MS : 0,
                                   count, err);
}

int hark_author_rate(const struct hark_node *node, struct hark_space *space,
                     const struct hark_author *author, struct hark_err *err)
{
    uint64_t limit = node->config->accept_per_minute, count = 0;
    int rc;

    /* Elsewhere it is asked by the node that takes the entry in. */
    if (!hark_node_is_home(node, space))
        return 0;
    rc = hark_author_recent(space, hark_signer_key(author->sign), &count, err);
    count += hark_space_pending_by(space, hark_signer_key(author->sign));
    if (rc < 0 || limit == 0 || count < limit)
        return rc;
    rc = hark_err_set(err, HARK_E_ACCEPT_RATE, "%llu entries of this key within a minute",
                      (unsigned long long)count);
    hark_err_hint(err, "wait a minute; accept_per_minute in hark.yaml sets how many are taken");
    return rc;
}

/* --- one entry ----------------------------------------------------------------- */

/* Seq, Previous, parent and a time that does not go back. */
static int continue_feed(struct hark_state *state, struct hark_entry *entry, struct hark_err *err)
{
    struct hark_feed_object feed;
    bool found = false;
    uint32_t number = 0;
    int rc;

    entry->seq = 1;
    rc = hark_state_find_key(state, &entry->author, &found, &number, err);
    if (rc < 0 || !found)
        return rc;
    rc = hark_state_feed(state, number, &feed, err);
    if (rc == HARK_E_NOT_FOUND)
        return 0;
    if (rc < 0)
        return rc;
    if (feed.seq == 0)
        return 0;
    entry->seq = feed.seq + 1;
    entry->previous = feed.last;
    entry->parent = feed.last_git;
    if (entry->time_ms < feed.time_ms)
        entry->time_ms = feed.time_ms;
    return 0;
}

static int build_payload(struct hark_state *state, const struct hark_draft *draft,
                         struct hark_entry *entry, struct hark_buf *payload, struct hark_err *err)
{
    const struct hark_kinds *kinds = hark_state_kinds(state);
    int number = hark_kinds_find(kinds, draft->kind);
    uint8_t salt[HARK_SALT_SIZE];
    int rc;

    if (number < 0)
        return hark_err_set(err, HARK_E_KIND_UNKNOWN, "there is no kind %s here", draft->kind);
    if (draft->fields == NULL)
        return 0;
    hark_random(salt, sizeof(salt));
    rc = hark_payload_build(payload, hark_kinds_get(kinds, (size_t)number), draft->fields,
                            draft->salt != NULL ? draft->salt : salt, err);
    if (rc < 0)
        return rc;
    entry->has_payload = true;
    entry->payload_size = payload->size;
    entry->payload_hash = hark_sha256(hark_buf_span(payload));
    return 0;
}

/* The payload as it is, or in an envelope. */
static int make_payload(struct hark_node *node, struct hark_space *space, struct hark_state *state,
                        const struct hark_draft *draft, struct hark_entry *entry,
                        struct hark_buf *payload, struct hark_err *err)
{
    int rc;

    if (strcmp(entry->kind, "sealed") != 0 && strcmp(entry->kind, "charter") != 0)
        return build_payload(state, draft, entry, payload, err);
    rc = hark_seal_draft(node, space, draft, entry, payload, err);
    if (rc < 0)
        return rc;
    entry->has_payload = true;
    entry->payload_size = payload->size;
    entry->payload_hash = hark_sha256(hark_buf_span(payload));
    return 0;
}

/* The fields of an entry that follow from who writes what now. */
static int fill_entry(const struct hark_node *node, struct hark_space *space,
                      struct hark_state *state, const struct hark_author *author,
                      const struct hark_draft *draft, struct hark_entry *entry,
                      struct hark_err *err)
{
    int rc;

    entry->has_space = strcmp(draft->kind, "space") != 0;
    entry->space = *hark_space_id(space);
    entry->author = *hark_signer_key(author->sign);
    entry->time_ms = hark_now_ms();
    if (hark_goes_inside(state, draft->kind)) {
        (void)snprintf(entry->kind, sizeof(entry->kind), "sealed");
        rc = fill_seen(space, entry, err);
        return rc == 0 ? continue_feed(state, entry, err) : rc;
    }
    (void)snprintf(entry->kind, sizeof(entry->kind), "%s", draft->kind);
    entry->re_count = draft->re_count;
    memcpy(entry->re, draft->re, draft->re_count * sizeof(draft->re[0]));
    rc = continue_feed(state, entry, err);
    if (rc == 0 && strcmp(draft->kind, "epoch") == 0)
        rc = fill_seen(space, entry, err);
    if (rc == 0 && draft->with_seen)
        rc = maybe_seen(node, space, entry, err);
    return rc;
}

int hark_author_sign(struct hark_node *node, struct hark_space *space, struct hark_state *state,
                     const struct hark_author *author, const struct hark_draft *draft,
                     struct hark_signed *out, struct hark_err *err)
{
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    int rc;

    out->bytes = hark_buf_init(HARK_ENTRY_MAX);
    out->payload = hark_buf_init(HARK_PAYLOAD_MAX);
    if (entry == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    rc = fill_entry(node, space, state, author, draft, entry, err);
    if (rc == 0)
        rc = make_payload(node, space, state, draft, entry, &out->payload, err);
    if (rc == 0)
        rc = hark_entry_build(&out->bytes, entry, author->sign, err);
    out->id = entry->id;
    free(entry);
    if (rc < 0)
        hark_signed_free(out);
    return rc;
}

void hark_signed_free(struct hark_signed *entry)
{
    hark_buf_free(&entry->bytes);
    hark_buf_free(&entry->payload);
}

int hark_author_add(struct hark_node *node, struct hark_space *space,
                    const struct hark_author *author, const struct hark_draft *draft,
                    struct hark_logged *out, struct hark_err *err)
{
    struct hark_offer offer = {.accept = true, .trusted = true, .now_ms = hark_now_ms()};
    struct hark_state *state = NULL;
    struct hark_signed entry = {0};
    int rc = hark_author_state(node, space, &state, err);

    if (rc == 0)
        rc = hark_author_sign(node, space, state, author, draft, &entry, err);
    if (rc < 0)
        return rc;
    offer.bytes = hark_buf_span(&entry.bytes);
    if (entry.payload.size > 0)
        offer.payload = hark_buf_span(&entry.payload);
    rc = hark_node_is_home(node, space)
             ? hark_space_add(space, &offer, node->identity.log, out, err)
             : hark_space_outbox_add(space, &offer, out, err);
    hark_signed_free(&entry);
    return rc;
}

int hark_author_write(struct hark_node *node, struct hark_space *space,
                      const struct hark_author *author, const struct hark_draft *draft,
                      struct hark_logged *out, struct hark_err *err)
{
    int rc = hark_author_begin(node, space, err);

    if (rc < 0)
        return rc;
    rc = hark_author_add(node, space, author, draft, out, err);
    if (rc == 0)
        rc = hark_author_commit(node, space, err);
    if (rc < 0)
        hark_author_rollback(node, space);
    return rc;
}

/* --- joining ------------------------------------------------------------------- */

static int id_at(void *arg, uint64_t position, struct hark_hash *id, struct hark_err *err)
{
    struct hark_space *space = arg;
    struct hark_row row = {0};
    int rc = hark_index_row(hark_space_index(space), position, &row, err);

    if (rc == 0)
        *id = row.id;
    return rc;
}

static int set_hex(json_t *fields, const char *name, const uint8_t *bytes, size_t size,
                   struct hark_err *err)
{
    char hex[2 * HARK_SIGNATURE_SIZE + 1];

    hark_hex_encode(hex, bytes, size);
    if (json_object_set_new(fields, name, json_string(hex)) != 0)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    return 0;
}

/* A bare SSHSIG signature in namespace hark-join (PROTOCOL.md 2.6). */
static int join_proof(const struct hark_signer *signer, struct hark_span message, json_t *fields,
                      const char *name, struct hark_err *err)
{
    struct hark_buf armor = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
    struct hark_sshsig sig;
    int rc = hark_sshsig_sign(&armor, signer, "hark-join", message, err);

    if (rc == 0)
        rc = hark_sshsig_parse(&sig, hark_buf_span(&armor), "hark-join", err);
    if (rc == 0)
        rc = set_hex(fields, name, sig.signature, sizeof(sig.signature), err);
    hark_buf_free(&armor);
    return rc;
}

int hark_join_fields(struct hark_space *space, const struct hark_author *joiner,
                     const struct hark_signer *ticket, json_t *fields, struct hark_err *err)
{
    const struct hark_key *key = hark_signer_key(joiner->sign);
    const struct hark_key *box = hark_box_key(joiner->box);
    struct hark_buf message = hark_buf_init(1024);
    struct hark_hash terms;
    int rc;

    rc = hark_state_terms(hark_space_state(space), id_at, space, &terms, err);
    if (rc == 0)
        rc = hark_join_message(&message, hark_space_id(space), key, box,
                               ticket != NULL ? hark_signer_key(ticket) : NULL, &terms, err);
    if (rc == 0)
        rc = set_hex(fields, "key", key->bytes, HARK_KEY_SIZE, err);
    if (rc == 0)
        rc = set_hex(fields, "box", box->bytes, HARK_KEY_SIZE, err);
    if (rc == 0)
        rc = set_hex(fields, "terms", terms.bytes, HARK_HASH_SIZE, err);
    if (rc == 0)
        rc = join_proof(joiner->sign, hark_buf_span(&message), fields, "proof", err);
    if (rc == 0 && ticket != NULL)
        rc = set_hex(fields, "ticket", hark_signer_key(ticket)->bytes, HARK_KEY_SIZE, err);
    if (rc == 0 && ticket != NULL)
        rc = join_proof(ticket, hark_buf_span(&message), fields, "ticket_proof", err);
    hark_buf_free(&message);
    return rc;
}

/* --- the steward --------------------------------------------------------------- */

static int no_steward_here(struct hark_space *space, struct hark_err *err)
{
    struct hark_node_object home;
    int rc = hark_space_home(space, &home, err);

    if (rc < 0)
        return rc;
    rc = hark_err_set(err, HARK_E_ACCEPT_NOT_HERE, "this node does not hold the steward's key");
    hark_err_hint(err, "ask for it at %s, the space's home", home.name);
    return rc;
}

int hark_steward_act(struct hark_node *node, struct hark_space *space,
                     const struct hark_author *staff, const char *action, const char *kind,
                     json_t *fields, struct hark_logged *out, struct hark_err *err)
{
    struct hark_draft draft = {.kind = kind, .fields = fields};
    struct hark_author steward = {0};
    int rc = hark_steward_held(node, space, &steward, err);

    if (rc == HARK_E_NOT_FOUND)
        rc = no_steward_here(space, err);
    if (rc == 0 && staff != NULL) {
        struct hark_draft request = {.kind = "request", .with_seen = true};
        struct hark_logged asked;

        request.fields = json_pack("{s:s}", "action", action);
        rc = request.fields == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request")
                                    : hark_author_add(node, space, staff, &request, &asked, err);
        json_decref(request.fields);
        if (rc == 0) {
            draft.re_count = 1;
            draft.re[0] = asked.id;
        }
    }
    if (rc == 0)
        rc = hark_steward_keys(node, space, &steward, kind, fields, err);
    if (rc == 0)
        rc = hark_author_add(node, space, &steward, &draft, out, err);
    hark_author_free(&steward);
    return rc;
}

/* --- founding ------------------------------------------------------------------ */

static json_t *hex_json(const void *bytes, size_t size)
{
    char hex[2 * 64 + 1];

    hark_hex_encode(hex, bytes, size);
    return json_string(hex);
}

/* Title and objective, which in an encrypted space are for a charter. */
static json_t *charter_fields(const struct hark_founding *founding)
{
    json_t *fields =
        json_pack("{s:s, s:{s:s, s:s, s:s}}", "title", founding->title, "objective", "question",
                  founding->question, "owner", founding->owner, "until", founding->until);

    if (fields != NULL && founding->community != NULL &&
        json_object_set_new(fields, "community",
                            json_pack("{s:o, s:s}", "space",
                                      hex_json(founding->community->bytes, HARK_HASH_SIZE), "show",
                                      founding->must ? "must" : "asked")) != 0) {
        json_decref(fields);
        fields = NULL;
    }
    return fields;
}

/* Who the founder is in the community that the group asks about. */
static int show_founder(const struct hark_founding *founding, struct hark_space *space,
                        const struct hark_author *founder, json_t *profile, struct hark_err *err)
{
    const struct hark_showing_place place = {.group = *hark_space_id(space),
                                             .member = *hark_signer_key(founder->sign)};
    struct hark_showing showing;
    json_t *fields = NULL;
    int rc;

    if (founding->community == NULL)
        return 0;
    rc = hark_showing_make(&showing, &place, founding->community, founding->shower, err);
    if (rc == 0)
        rc = hark_showing_write(&showing, &fields, err);
    if (rc == 0 && json_object_set_new(profile, "showing", fields) != 0)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    return rc;
}

static json_t *founding_fields(const struct hark_node *node, const struct hark_founding *founding,
                               const uint8_t nonce[32], const struct hark_author *steward,
                               const struct hark_hash *kinds)
{
    json_t *charter = charter_fields(founding), *fields;
    struct hark_node_keys keys;

    hark_node_keys(node, &keys);
    fields = json_pack(
        "{s:i, s:o, s:o, s:o, s:s, s:{s:s, s:o, s:o, s:o, s:o, s:o}, s:{s:i, s:i}}", "rules", 1,
        "kinds", hex_json(kinds->bytes, HARK_HASH_SIZE), "nonce", hex_json(nonce, 32), "box",
        hex_json(hark_box_key(steward->box)->bytes, HARK_KEY_SIZE), "mode",
        hark_mode_name(founding->mode), "home", "name", node->config->name, "log",
        hex_json(keys.log.bytes, HARK_KEY_SIZE), "cosigner",
        hex_json(keys.cosigner.bytes, HARK_KEY_SIZE), "author",
        hex_json(keys.author.bytes, HARK_KEY_SIZE), "curve",
        hex_json(keys.curve.bytes, HARK_KEY_SIZE), "box", hex_json(keys.box.bytes, HARK_KEY_SIZE),
        "policy", "merge_delay_s", 86400, "quorum", 0);
    if (fields != NULL && founding->history &&
        json_object_set_new(json_object_get(fields, "policy"), "history", json_string("all")) !=
            0) {
        json_decref(fields);
        fields = NULL;
    }
    if (fields != NULL && (charter == NULL || (founding->mode == HARK_MODE_OPEN &&
                                               json_object_update(fields, charter) != 0))) {
        json_decref(fields);
        fields = NULL;
    }
    json_decref(charter);
    return fields;
}

static int add_recovery(const struct hark_founding *founding, json_t *fields, struct hark_err *err)
{
    json_t *keys = json_array();
    int failed = keys == NULL;

    if (founding->recovery_count == 0) {
        json_decref(keys);
        return 0;
    }
    for (size_t i = 0; i < founding->recovery_count && !failed; i++)
        failed = json_array_append_new(
            keys, hex_json(founding->recovery[i].bytes, sizeof(founding->recovery[i].bytes)));
    if (failed ||
        json_object_set_new(fields, "recovery",
                            json_pack("{s:i, s:O}", "threshold", (int)founding->recovery_threshold,
                                      "keys", keys)) != 0)
        failed = 1;
    json_decref(keys);
    return failed ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload") : 0;
}

/* Builds the first entry outside any space, since its id is the space's. */
static int build_first(const struct hark_author *steward, const json_t *fields,
                       struct hark_buf *payload, struct hark_buf *bytes, struct hark_hash *id,
                       struct hark_err *err)
{
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    struct hark_kinds *kinds = NULL;
    uint8_t salt[HARK_SALT_SIZE];
    int number, rc;

    if (entry == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry");
    rc = hark_kinds_builtin(&kinds, err);
    if (rc < 0)
        goto out;
    number = hark_kinds_find(kinds, "space");
    hark_random(salt, sizeof(salt));
    rc = hark_payload_build(payload, hark_kinds_get(kinds, (size_t)number), fields, salt, err);
    if (rc < 0)
        goto out;
    entry->author = *hark_signer_key(steward->sign);
    entry->seq = 1;
    entry->time_ms = hark_now_ms();
    (void)snprintf(entry->kind, sizeof(entry->kind), "space");
    entry->has_payload = true;
    entry->payload_size = payload->size;
    entry->payload_hash = hark_sha256(hark_buf_span(payload));
    rc = hark_entry_build(bytes, entry, steward->sign, err);
    if (rc == 0)
        *id = entry->id;
out:
    hark_kinds_free(kinds);
    free(entry);
    return rc;
}

static int log_first(struct hark_node *node, const struct hark_hash *id, struct hark_span bytes,
                     struct hark_span payload, struct hark_err *err)
{
    struct hark_offer offer = {
        .bytes = bytes, .payload = payload, .accept = true, .now_ms = hark_now_ms()};
    struct hark_space *space = NULL;
    int rc = hark_node_create_space(node, id, &space, err);

    if (rc < 0)
        return rc;
    rc = hark_space_begin(space, err);
    if (rc == 0)
        rc = hark_space_add(space, &offer, node->identity.log, NULL, err);
    if (rc == 0)
        rc = hark_space_commit(space, node->identity.log, offer.now_ms, err);
    if (rc < 0)
        hark_space_rollback(space);
    return rc;
}

/* A name; and title and objective, where hosts are not to read them. */
static int add_first_words(struct hark_node *node, struct hark_space *space,
                           const struct hark_founding *founding, const struct hark_author *founder,
                           struct hark_err *err)
{
    struct hark_draft profile = {.kind = "profile", .with_seen = true};
    struct hark_draft charter = {.kind = "charter"};
    struct hark_author steward = {0};
    int rc = 0;

    profile.fields = json_pack("{s:s}", "name", founding->owner);
    charter.fields = charter_fields(founding);
    if (profile.fields == NULL || charter.fields == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    if (rc == 0)
        rc = show_founder(founding, space, founder, profile.fields, err);
    if (rc == 0 && founding->mode != HARK_MODE_OPEN)
        rc = hark_node_steward(node, hark_space_id(space), &steward, err);
    if (rc == 0 && founding->mode != HARK_MODE_OPEN)
        rc = hark_author_add(node, space, &steward, &charter, NULL, err);
    if (rc == 0)
        rc = hark_author_add(node, space, founder, &profile, NULL, err);
    hark_author_free(&steward);
    json_decref(profile.fields);
    json_decref(charter.fields);
    return rc;
}

/* The key of an encrypted space is in force once its first admit is logged: what is sealed
 * under it comes in a batch of its own. */
static int log_founder(struct hark_node *node, struct hark_space *space,
                       const struct hark_founding *founding, const struct hark_author *founder,
                       json_t *fields, struct hark_err *err)
{
    int rc = hark_space_begin(space, err);

    if (rc == 0)
        rc = hark_steward_act(node, space, NULL, NULL, "admit", fields, NULL, err);
    if (rc == 0 && founding->mode != HARK_MODE_OPEN)
        rc = hark_space_commit(space, node->identity.log, hark_now_ms(), err);
    if (rc == 0 && founding->mode != HARK_MODE_OPEN)
        rc = hark_space_begin(space, err);
    if (rc == 0)
        rc = add_first_words(node, space, founding, founder, err);
    if (rc == 0)
        rc = hark_space_commit(space, node->identity.log, hark_now_ms(), err);
    if (rc < 0)
        hark_space_rollback(space);
    return rc;
}

/* The founder: staff, with a key held here and a name. */
static int admit_founder(struct hark_node *node, struct hark_space *space,
                         const struct hark_founding *founding, struct hark_err *err)
{
    const char *label = founding->label != NULL ? founding->label : "owner";
    struct hark_author founder = {0};
    json_t *fields = json_pack("{s:s, s:s}", "role", "staff", "source", "founder");
    int rc = fields == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload") : 0;

    if (rc == 0 && founding->label == NULL)
        rc = hark_node_new_person(node, label, err);
    if (rc == HARK_E_EXISTS) /* of another space founded here: the same person */
        rc = 0;
    if (rc == 0)
        rc = hark_node_person(node, hark_space_id(space), label, &founder, NULL, err);
    if (rc == 0)
        rc = hark_join_fields(space, &founder, NULL, fields, err);
    if (rc == 0)
        rc = log_founder(node, space, founding, &founder, fields, err);
    hark_author_free(&founder);
    json_decref(fields);
    return rc;
}

int hark_found(struct hark_node *node, const struct hark_founding *founding, struct hark_hash *id,
               struct hark_err *err)
{
    struct hark_buf payload = hark_buf_init(HARK_PAYLOAD_MAX);
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_author steward = {0};
    struct hark_kinds *kinds = NULL;
    struct hark_space *space = NULL;
    json_t *fields = NULL;
    uint8_t nonce[32];
    struct hark_hash set;
    int rc;

    rc = hark_kinds_builtin(&kinds, err);
    if (rc < 0)
        goto out;
    set = hark_kinds_hash(kinds);
    rc = hark_node_new_steward(node, nonce, &steward, err);
    if (rc < 0)
        goto out;
    fields = founding_fields(node, founding, nonce, &steward, &set);
    if (fields == NULL) {
        rc =
            hark_err_set(err, HARK_E_USAGE, "title, objective, owner and until must be UTF-8 text");
        goto out;
    }
    rc = add_recovery(founding, fields, err);
    if (rc == 0)
        rc = build_first(&steward, fields, &payload, &bytes, id, err);
    if (rc == 0)
        rc = hark_founding_begin(node, id, founding->mode != HARK_MODE_OPEN ? 4 : 3, err);
    /* The nonce first: a space whose steward's key is lost is worth nothing. */
    if (rc == 0)
        rc = hark_node_steward_named(node, nonce, id, err);
    if (rc == 0)
        rc = log_first(node, id, hark_buf_span(&bytes), hark_buf_span(&payload), err);
    if (rc == 0)
        rc = hark_node_space(node, id, &space, err);
    if (rc == 0)
        rc = admit_founder(node, space, founding, err);
    if (rc == 0)
        rc = hark_founding_mend(node, err);
    else
        (void)(hark_founding_mend(node, NULL) < 0); /* or by who opens the directory next */
    if (rc == 0)
        rc = hark_space_tend(space, err);
out:
    json_decref(fields);
    hark_kinds_free(kinds);
    hark_author_free(&steward);
    hark_buf_free(&payload);
    hark_buf_free(&bytes);
    return rc;
}
