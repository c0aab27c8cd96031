/*
 * What a node does: starting, asking a peer, taking what it is shown, signing, writing. The
 * functions are the daemon's; when they may be called is here as it stands in PROTOCOL.md 7.6,
 * 7.8 and 9.3, and is decided by node/net_plan.c, net_write.c and net_witness.c there.
 */
#include "honest.h"

#include "node/files.h"
#include "replication/messages.h"

#define COMPARE_MS      2000u  /* a start waits so long for somebody to compare with */
#define MOVED_COSIGN_MS 60000u /* what was moved or put back cosigns nothing so long */
#define HAND_IN_MAX     16u

/* --- starting --------------------------------------------------------------------------------- */

uint64_t honest_clock(const struct honest *h, const struct honest_node *node)
{
    return (uint64_t)((int64_t)h->now_ms + node->skew_ms);
}

static uint32_t incarnation_of(const struct honest_node *node)
{
    return hark_state_space_object(hark_space_state(node->space))->incarnation;
}

uint64_t honest_size(const struct honest_node *node)
{
    return hark_space_head(node->space)->tree.size;
}

bool honest_is_home(const struct honest_node *node)
{
    return hark_key_equal(&hark_space_head(node->space)->log_key, world_key(node->log));
}

struct honest_node *honest_home(struct honest *h)
{
    struct honest_node *home = NULL;

    for (size_t i = 0; i < h->count; i++) {
        struct honest_node *node = &h->nodes[i];

        if (node->space != NULL && honest_is_home(node) &&
            (home == NULL || incarnation_of(node) > incarnation_of(home)))
            home = node;
    }
    return home;
}

void honest_open(struct honest *h, struct honest_node *node)
{
    HONEST_OK(h, hark_space_open(&node->space, node->dir, &h->world->space, false, NULL, why));
    node->main_with = node->intake_with = 0;
    node->is_moved = false;
    node->started_ms = h->now_ms;
    honest_tell(h, "starts", node, NULL);
}

void honest_close(struct honest_node *node)
{
    hark_space_free(node->space);
    node->space = NULL;
}

/* With one other since its start; where it was put back, with all that are up: of what it had
 * signed, and one other has not heard, it would else sign something else (7.6 and Q5 ask
 * for no more than one of who was put back). */
static bool is_compared(const struct honest *h, const struct honest_node *node, uint32_t with)
{
    for (size_t i = 0; node->is_moved && i < h->count; i++) {
        if (&h->nodes[i] != node && h->nodes[i].space != NULL && (with & 1u << i) == 0)
            return false;
    }
    return with != 0;
}

bool honest_may_write(struct honest *h, struct honest_node *node)
{
    bool compared =
        is_compared(h, node, node->main_with) && is_compared(h, node, node->intake_with);
    bool waited = h->now_ms >= node->started_ms + MOVED_COSIGN_MS;
    bool hold = !compared && (node->is_moved || h->now_ms < node->started_ms + COMPARE_MS);

    if (node->has_left && honest_has(h, node, &node->left_by))
        node->has_left = false;
    hold = hold || node->has_left;
    node->is_moved = node->is_moved && !(compared && waited);
    hark_space_hold(node->space, hold);
    return !hold;
}

/* --- cosigned checkpoints -----------------------------------------------------------------------
 */

bool honest_body(struct honest *h, struct honest_node *node, struct hark_buf *out)
{
    size_t count = 0;

    HONEST_OK(h, hark_witness_body(node->space, out, &count, why));
    return count > 0;
}

/* As take_notes of node/net_witness.c; but here nothing that is shown is wrong. */
void honest_show(struct honest *h, struct honest_node *to, struct hark_span body)
{
    struct hark_span notes[HARK_COSIGN_MAX];
    struct hark_hash id;
    size_t count = 0;

    HONEST_OK(h, hark_cosign_decode(&id, notes, &count, body, why));
    for (size_t i = 0; i < count; i++) {
        struct hark_err said = {0};
        int rc = hark_witness_take(to->space, notes[i], &said);

        if (rc != 0 && rc != HARK_E_BEHIND)
            honest_broken(h, "what an honest node shows is not taken", &said);
    }
    h->shown++;
}

static void show_all(struct honest *h, struct honest_node *from, struct honest_node *to)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX);

    if (honest_body(h, from, &body)) {
        honest_show(h, to, hark_buf_span(&body));
        if (honest_chance(h, 200))
            honest_keep(h, &h->letters, hark_buf_span(&body));
    }
    hark_buf_free(&body);
}

bool honest_cosign(struct honest *h, struct honest_node *node)
{
    uint64_t from_ms = node->started_ms + (node->is_moved ? MOVED_COSIGN_MS : 0);
    bool may = honest_may_write(h, node), done = false;

    HONEST_OK(h, hark_witness_compare(node->space, why));
    if (!may || !is_compared(h, node, node->main_with) || h->now_ms < from_ms)
        return false;
    HONEST_OK(h, hark_witness_cosign(node->space, world_signer(node->cosigner),
                                     honest_clock(h, node) / 1000, &done, why));
    h->cosigned += done ? 1 : 0;
    if (done)
        honest_tell(h, "cosigns", node, NULL);
    return done;
}

/* --- logs
 * ------------------------------------------------------------------------------------------ */

struct stand {
    struct hark_log_head head;
    uint64_t batches;
};

static struct stand stand_of(struct honest *h, struct honest_node *node, const char *log)
{
    struct hark_err said = {0};
    struct stand stand = {.batches = 0};
    int rc = hark_space_log(node->space, log, &stand.head, &stand.batches, &said);

    if (rc == HARK_E_NOT_FOUND)
        stand.batches = 0;
    else if (rc != 0)
        honest_broken(h, "a log that cannot be read", &said);
    return stand;
}

/* Does who has more begin with what the other has? */
static bool fits(struct honest *h, struct honest_node *more, const struct stand *less,
                 const char *log)
{
    struct hark_hash root = hark_merkle_root(&less->head.tree);
    bool fit = true;

    if (less->batches > 0)
        HONEST_OK(h, hark_space_fits(more->space, log, less->batches, less->head.tree.size, &root,
                                     &fit, why));
    return fit;
}

/* At most so many batches; true: there are no more. What hangs on more of the main log than
 * is here waits. */
static bool take_batches(struct honest *h, struct honest_node *node, struct honest_node *peer,
                         const char *log, uint64_t most)
{
    uint64_t ours = stand_of(h, node, log).batches, theirs = stand_of(h, peer, log).batches;

    for (; ours < theirs && most > 0; ours++, most--) {
        struct hark_space_batch batch;
        struct hark_err said = {0};
        int rc;

        HONEST_OK(h, hark_space_read_batch(peer->space, log, ours, &batch, why));
        rc = hark_space_take(node->space, log, &batch.raw, honest_clock(h, node), &said);
        if (rc == 0 && honest_chance(h, 50) && /* and once more */
            hark_space_take(node->space, log, &batch.raw, honest_clock(h, node), NULL) == 0)
            honest_broken(h, "the same batch is taken twice", NULL);
        hark_space_batch_free(&batch);
        if (rc == HARK_E_BEHIND && log[0] != '\0')
            return false;
        if (rc != 0)
            honest_broken(h, "a batch of an honest log is not taken", &said);
    }
    return ours >= theirs;
}

/* Where the newest home of what the peer has began. */
static uint64_t home_size(struct honest *h, struct honest_node *peer)
{
    char origin[HARK_ORIGIN_MAX + 1];
    uint64_t end = 0;

    hark_origin(origin, peer->name, &h->world->space, incarnation_of(peer) - 1);
    HONEST_OK(h, hark_space_incarnation_end(peer->space, origin, &end, why));
    return end;
}

/* As node/aside.c: away with the folders of the space, and what a new copy begins with. */
static void set_aside(struct honest *h, struct honest_node *node, char aside[HONEST_PATH_MAX + 16])
{
    static const char *const FOLDERS[] = {"spaces", "index"};

    (void)snprintf(aside, HONEST_PATH_MAX + 16, "%s/aside", node->dir);
    HONEST_OK(h, hark_dir_make(aside, why));
    for (size_t i = 0; i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++) {
        char from[HONEST_PATH_MAX + 32], to[HONEST_PATH_MAX + 32];

        (void)snprintf(from, sizeof(from), "%s/%s", node->dir, FOLDERS[i]);
        (void)snprintf(to, sizeof(to), "%s/%s", aside, FOLDERS[i]);
        if (rename(from, to) != 0)
            honest_broken(h, "a copy is not set aside", NULL);
        HONEST_OK(h, hark_dir_make(from, why));
    }
    HONEST_OK(h, hark_space_create(&node->space, node->dir, &h->world->space, NULL, why));
}

/* PROTOCOL.md 7.6, rewinding: what was only here its authors hand in again, and a node its
 * own intake takes back. */
static void go_back(struct honest *h, struct honest_node *node, struct honest_node *peer)
{
    struct hark_space *old = NULL;
    char aside[HONEST_PATH_MAX + 16];
    uint64_t settled = 0;

    honest_tell(h, "goes back", node, peer);
    HONEST_OK(h, hark_witness_settled(node->space, &settled, why));
    if (settled > home_size(h, peer))
        honest_broken(h, "what is settled would be taken back", NULL);
    HONEST_OK(h, hark_witness_keep_settled(node->space, why));
    HONEST_OK(
        h, hark_space_intake_keep_end(node->space, hark_signer_key(world_signer(node->log)), why));
    honest_close(node);
    set_aside(h, node, aside);
    if (!take_batches(h, node, peer, "", UINT64_MAX))
        honest_broken(h, "a log that is not taken whole", NULL);
    HONEST_OK(h, hark_space_open(&old, aside, &h->world->space, false, NULL, why));
    for (size_t i = 0; i < h->count; i++)
        HONEST_OK(h, hark_space_intake_bring(node->space, old, h->nodes[i].name, why));
    hark_space_free(old);
    honest_remove_tree(h, aside);
    h->returns++;
}

/* True: level, as far as the peer knows. */
static bool follow(struct honest *h, struct honest_node *node, struct honest_node *peer,
                   const char *log, uint64_t most)
{
    struct stand ours = stand_of(h, node, log), theirs = stand_of(h, peer, log);
    bool fit =
        ours.batches <= theirs.batches ? fits(h, peer, &ours, log) : fits(h, node, &theirs, log);

    if (!fit && log[0] != '\0')
        honest_broken(h, "an intake has two histories", NULL);
    if (!fit && incarnation_of(node) > incarnation_of(peer))
        return false;
    if (!fit && incarnation_of(node) == incarnation_of(peer))
        honest_broken(h, "the log has two histories", NULL);
    if (!fit)
        go_back(h, node, peer);
    return take_batches(h, node, peer, log, most);
}

/* 0: it is none of them, but the other face of one (honest_fault.c). */
static uint32_t bit_of(const struct honest *h, const struct honest_node *node)
{
    for (size_t i = 0; i < h->count; i++) {
        if (&h->nodes[i] == node)
            return 1u << i;
    }
    return 0;
}

void honest_visit(struct honest *h, struct honest_node *node, struct honest_node *peer,
                  uint64_t most)
{
    uint32_t with = bit_of(h, peer);

    honest_tell(h, "asks", node, peer);
    show_all(h, peer, node);
    if (follow(h, node, peer, "", most))
        node->main_with |= with;
    for (size_t i = 0; i < h->count; i++) {
        if (follow(h, node, peer, h->nodes[i].name, most) && node == &h->nodes[i])
            node->intake_with |= with;
    }
}

/* --- writing
 * --------------------------------------------------------------------------------------- */

void honest_take_over(struct honest *h, struct honest_node *node)
{
    bool changed = false;

    if (honest_is_home(node) && honest_may_write(h, node))
        HONEST_OK(h, hark_space_take_over(node->space, world_signer(node->log),
                                          honest_clock(h, node), &changed, why));
}

bool honest_has(struct honest *h, struct honest_node *node, const struct hark_hash *id)
{
    uint64_t position = 0;
    bool found = false;

    HONEST_OK(h, hark_state_find_entry(hark_space_state(node->space), id, &found, &position, why));
    return found;
}

static void log_here(struct honest *h, struct honest_node *node, const struct hark_offer *offers,
                     size_t count)
{
    const struct hark_signer *log_key = world_signer(node->log);

    honest_tell(h, "logs", node, NULL);
    HONEST_OK(h, hark_space_begin(node->space, why));
    for (size_t i = 0; i < count; i++) {
        struct hark_err said = {0};
        int rc = hark_space_add(node->space, &offers[i], log_key, NULL, &said);

        if (rc != 0 && !hark_space_is_refusal(rc))
            honest_broken(h, "an entry is not logged", &said);
    }
    HONEST_OK(h, hark_space_commit(node->space, log_key, honest_clock(h, node), why));
}

void honest_hand_in(struct honest *h, struct honest_node *node, struct honest_author *author)
{
    struct hark_offer offers[HAND_IN_MAX];
    struct hark_outcome outcomes[HAND_IN_MAX];
    size_t count = 0;

    if (!honest_may_write(h, node))
        return;
    for (size_t i = 0; i < author->count && count < HAND_IN_MAX; i++) {
        const struct world_entry *e = author->said[i];

        if (!honest_has(h, node, &e->entry.id))
            offers[count++] = (struct hark_offer){.bytes = e->object,
                                                  .payload = e->payload,
                                                  .accept = true,
                                                  .now_ms = honest_clock(h, node)};
    }
    if (count > 0 && honest_is_home(node))
        log_here(h, node, offers, count);
    else if (count > 0)
        honest_tell(h, "takes in", node, NULL);
    if (count > 0 && !honest_is_home(node)) {
        struct hark_err said = {0};
        int rc = hark_space_accept(node->space, node->name, world_signer(node->log), offers, count,
                                   0, outcomes, &said);

        if (rc == HARK_E_BEHIND) /* what it had accepted before it went back has no place */
            h->intake_ends++;
        else if (rc < 0)
            honest_broken(h, "entries are not taken in", &said);
    }
}
