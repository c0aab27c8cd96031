/*
 * Who writes: members, who say now and then what they saw of the log and keep receipts; and
 * the steward, who moves the home and says where it goes on when it is lost.
 */
#include "honest.h"

#include "node/space_internal.h"
#include "schemas/receipt.h"

/* --- entries -------------------------------------------------------------------------------------
 */

/* The newest checkpoint of a node, as its author's client has it. */
static struct hark_seen see(struct honest *h, struct honest_node *node)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    struct hark_buf bytes = hark_buf_init(HARK_NOTE_MAX);
    struct hark_checkpoint cp;
    struct hark_seen seen = {0};

    assert_non_null(note);
    HONEST_OK(h, hark_space_checkpoint(node->space, &bytes, why));
    HONEST_OK(h, hark_note_parse(note, hark_buf_span(&bytes), why));
    HONEST_OK(h, hark_checkpoint_decode(&cp, note->text, NULL, why));
    seen.size = cp.size;
    seen.root = cp.root;
    seen.key_id = note->lines[0].id;
    memcpy(seen.signature, note->lines[0].signature, HARK_SIGNATURE_SIZE);
    hark_buf_free(&bytes);
    free(note);
    return seen;
}

static struct world_entry *build(struct honest *h, struct honest_author *author, const char *kind,
                                 json_t *fields, struct honest_node *from)
{
    struct hark_seen seen = {0};
    struct world_draft draft = {.by = author->key,
                                .kind = kind,
                                .fields = fields,
                                .time_ms = h->now_ms,
                                .seq = author->seq + 1,
                                .previous = &author->last,
                                .parent = &author->parent};

    if (from != NULL) {
        seen = see(h, from);
        draft.seen = &seen;
    }
    if (strcmp(kind, "post") == 0)
        draft.re[draft.re_count++] = h->topic;
    return world_build(h->world, &draft);
}

/* It is said: the same place in the feed is never filled again. */
static void keep_said(struct honest *h, struct honest_author *author, struct world_entry *e)
{
    author->said[author->count++] = e;
    author->seq = e->entry.seq;
    author->last = e->entry.id;
    author->parent = e->arrival.git_id;
    h->entries++;
}

void honest_write(struct honest *h, struct honest_author *author, const char *kind, json_t *fields,
                  struct honest_node *seen)
{
    if (author->count < HONEST_SAID_MAX - 8)
        keep_said(h, author, build(h, author, kind, fields, seen));
    else
        json_decref(fields);
}

void honest_write_any(struct honest *h)
{
    struct honest_author *author = &h->authors[1 + honest_below(h, HONEST_AUTHORS - 1)];
    struct honest_node *node = &h->nodes[honest_below(h, h->count)];
    struct honest_node *seen = honest_chance(h, 400) ? node : NULL;

    if (node->space == NULL)
        return;
    if (honest_chance(h, 300))
        honest_write(h, author, "topic", json_pack("{s:s}", "title", "The lake"), seen);
    else
        honest_write(h, author, "post", json_pack("{s:s}", "body", "Yes"), seen);
    honest_hand_in(h, node, author);
}

void honest_set_quorum(struct honest *h, uint32_t needed)
{
    struct honest_node *home = honest_home(h);

    if (home == NULL || h->moving != NULL || !honest_may_write(h, home))
        return;
    honest_write(h, &h->authors[0], "policy",
                 json_pack("{s:{s:i}}", "policy", "quorum", (int)needed), NULL);
    honest_hand_in(h, home, &h->authors[0]);
    h->quorum = needed;
}

/* --- receipts
 * -------------------------------------------------------------------------------------- */

void honest_make_receipt(struct honest *h, struct honest_node *node, uint64_t position)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX), file = hark_buf_init(2 * HARK_NOTE_MAX);
    struct hark_git_id commit;
    struct hark_proof path;
    struct hark_line line;

    HONEST_OK(h, hark_space_line(node->space, "", position, &line, &commit, why));
    HONEST_OK(h, hark_space_prove(node->space, "", position, &path, &note, why));
    HONEST_OK(h, hark_receipt_encode(&file, &line, &commit, &path, hark_buf_span(&note), why));
    honest_keep(h, &h->receipts, hark_buf_span(&file));
    hark_buf_free(&file);
    hark_buf_free(&note);
}

/* What `hark verify` asks when a receipt does not fit: here it never convicts. */
void honest_verify_receipt(struct honest *h, struct honest_node *node, struct hark_span receipt)
{
    struct hark_err said = {0};
    int rc = hark_convict_log(node->space, receipt, &said);

    if (rc != HARK_E_EVIDENCE && rc != HARK_E_NO)
        honest_broken(h, "an honest receipt is taken for a fork", &said);
    h->verified++;
}

/* --- moves
 * ------------------------------------------------------------------------------------------- */

/* The steward's word that a node goes on from where that log stands. */
static struct world_entry *build_home(struct honest *h, struct honest_node *at,
                                      const struct honest_node *heir)
{
    struct hark_state *state = hark_space_state(at->space);
    struct hark_hash root = hark_merkle_root(hark_state_log(state));
    char hex[2 * HARK_HASH_SIZE + 1];

    hark_hash_hex(hex, &root);
    return build(h, &h->authors[0], "home",
                 json_pack("{s:s, s:I, s:I, s:s}", "node", heir->name, "incarnation",
                           (json_int_t)hark_state_space_object(state)->incarnation + 1, "size",
                           (json_int_t)hark_state_size(state), "root", hex),
                 NULL);
}

static void add_own(struct honest *h, struct honest_node *heir, const struct world_entry *e)
{
    const struct hark_offer offer = {
        .bytes = e->object, .payload = e->payload, .accept = true, .now_ms = honest_clock(h, heir)};

    HONEST_OK(h, hark_space_add(heir->space, &offer, world_signer(heir->log), NULL, why));
}

/* The words of recovery keys for another steward, in the batch that the heir has begun. */
static void recover_steward(struct honest *h, struct honest_node *heir)
{
    uint32_t key = h->stewards[h->recoveries++];

    for (size_t i = 0; i < HONEST_WORDS; i++) {
        struct honest_author *by = &h->recovery[i];
        struct world_entry *e =
            build(h, by, "recover", world_fields_new_key(h->world, key, WORLD_NO_KEY), NULL);

        add_own(h, heir, e);
        keep_said(h, by, e);
    }
    h->authors[0].key = key;
    h->authors[0].seq = 0;
}

/* e: NULL, it was lost, and the word that it goes on here is yet to be given. */
static void become_home(struct honest *h, struct honest_node *heir, struct world_entry *e)
{
    HONEST_OK(h, hark_space_begin_anew(heir->space, why));
    if (e == NULL && h->recoveries < HONEST_STEWARDS && honest_chance(h, 300))
        recover_steward(h, heir);
    if (e == NULL)
        e = build_home(h, heir, heir);
    add_own(h, heir, e);
    HONEST_OK(h,
              hark_space_commit(heir->space, world_signer(heir->log), honest_clock(h, heir), why));
    honest_tell(h, "is the home", heir, NULL);
    keep_said(h, &h->authors[0], e);
}

/* Has the node everything that the steward said? */
static bool has_stewards(struct honest *h, struct honest_node *node)
{
    const struct honest_author *steward = &h->authors[0];

    return steward->count == 0 || honest_has(h, node, &steward->said[steward->count - 1]->entry.id);
}

/* `hark home move`, where the home is at hand: it signs nothing more from then on. */
void honest_begin_move(struct honest *h)
{
    struct honest_node *home = honest_home(h), *heir = &h->nodes[honest_below(h, h->count)];

    if (home == NULL || heir == home || heir->is_gone || h->moving != NULL ||
        h->lost != HONEST_NOBODY || !honest_may_write(h, home) || !has_stewards(h, home))
        return;
    h->moving = build_home(h, home, heir);
    home->has_left = true;
    home->left_by = h->moving->entry.id;
    h->moving_from = (uint32_t)(home - h->nodes);
    h->heir = (uint32_t)(heir - h->nodes);
    honest_tell(h, "moves", home, heir);
}

/* The heir is handed the entry, and logs it once it has all that the home had. */
void honest_go_on_moving(struct honest *h)
{
    struct honest_node *home, *heir;

    if (h->moving == NULL)
        return;
    home = &h->nodes[h->moving_from];
    heir = &h->nodes[h->heir];
    if (home->space == NULL || heir->space == NULL || h->cut[h->moving_from][h->heir])
        return;
    honest_visit(h, heir, home, UINT64_MAX);
    if (!honest_may_write(h, heir))
        return;
    become_home(h, heir, h->moving);
    h->moving = NULL;
    h->moving_from = h->heir = HONEST_NOBODY;
    h->moves++;
}

static bool all_partners_are_up(const struct honest *h, const struct honest_node *home)
{
    for (size_t i = 0; i < h->count; i++) {
        if (&h->nodes[i] != home && h->nodes[i].space == NULL)
            return false;
    }
    return true;
}

/* What the home logs last, and nobody but its author has heard of, who has a receipt. */
static void log_for_nobody(struct honest *h, struct honest_node *home)
{
    struct honest_author *author = &h->authors[1 + honest_below(h, HONEST_AUTHORS - 1)];
    uint64_t size = honest_size(home);

    if (honest_chance(h, 300))
        return;
    honest_write(h, author, "topic", json_pack("{s:s}", "title", "Anybody?"), home);
    honest_hand_in(h, home, author);
    if (honest_size(home) > size)
        honest_make_receipt(h, home, honest_size(home) - 1);
}

/* `hark home move --lost`, by a steward who first has the heir ask all others. */
void honest_lose_home(struct honest *h)
{
    struct honest_node *home = honest_home(h), *heir = &h->nodes[honest_below(h, h->count)];
    uint64_t ahead = 0;

    if (home == NULL || heir == home || h->moving != NULL || h->lost != HONEST_NOBODY ||
        !all_partners_are_up(h, home))
        return;
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < h->count; i++) {
            if (&h->nodes[i] != home && &h->nodes[i] != heir)
                honest_visit(h, heir, &h->nodes[i], UINT64_MAX);
        }
    }
    HONEST_OK(h, hark_witness_ahead(heir->space, &ahead, why));
    if (ahead > 0 || !honest_may_write(h, heir) || !has_stewards(h, heir))
        return;
    log_for_nobody(h, home);
    honest_close(home);
    honest_tell(h, "is lost", home, heir);
    h->lost = (uint32_t)(home - h->nodes);
    become_home(h, heir, NULL);
    h->losses++;
}

/* The lost home is found again, when all others go on without it. */
void honest_come_back(struct honest *h)
{
    struct honest_node *home = honest_home(h);

    if (h->lost == HONEST_NOBODY || home == NULL || h->nodes[h->lost].is_gone)
        return;
    for (size_t i = 0; i < h->count; i++) {
        if (i != h->lost &&
            (h->nodes[i].space == NULL || strcmp(hark_space_head(h->nodes[i].space)->origin,
                                                 hark_space_head(home->space)->origin) != 0))
            return;
    }
    honest_open(h, &h->nodes[h->lost]);
    h->lost = HONEST_NOBODY;
}
