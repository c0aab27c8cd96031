/*
 * What is not honest: each fault, put at the end of an honest history, has to be found by
 * the very functions that found nothing before it.
 */
#include "honest.h"

#include "node/files.h"
#include "replication/messages.h"
#include "schemas/evidence.h"

struct search {
    enum hark_evidence_kind kind;
    const struct hark_key *key;
    bool found;
};

static int look(void *arg, struct hark_space *space, const char *path, struct hark_err *err)
{
    struct search *search = arg;
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct hark_evidence evidence;
    int rc = hark_file_read(path, &file, err);

    (void)space;
    if (rc == 0)
        rc = hark_evidence_read(&evidence, hark_buf_span(&file), err);
    search->found = search->found || (rc == 0 && evidence.kind == search->kind &&
                                      hark_key_equal(&evidence.key, search->key));
    hark_buf_free(&file);
    return rc;
}

/* Does the node have a file of that kind, which convicts that key alone? */
static bool convicts(struct honest *h, struct honest_node *at, enum hark_evidence_kind kind,
                     uint32_t key)
{
    struct search search = {.kind = kind, .key = world_key(key)};

    HONEST_OK(h, hark_convict_each(at->space, look, &search, why));
    return search.found && honest_evidence(h, at) == 1;
}

/* Two partners; whoever is the home is neither. */
static void pick_two(struct honest *h, struct honest_node **a, struct honest_node **b)
{
    const struct honest_node *home = honest_home(h);

    *a = *b = NULL;
    for (size_t i = 0; i < h->count; i++) {
        struct honest_node *node = &h->nodes[i];

        if (node == home || node->space == NULL)
            continue;
        if (*a == NULL)
            *a = node;
        else
            *b = node;
    }
}

/* What is shown need not be taken. */
static void show(struct honest *h, struct honest_node *from, struct honest_node *to)
{
    struct hark_buf body = hark_buf_init(HARK_BODY_MAX), note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_span notes[HARK_COSIGN_MAX];
    struct hark_hash id;
    size_t count = 0;

    if (honest_body(h, from, &body))
        HONEST_OK(h, hark_cosign_decode(&id, notes, &count, hark_buf_span(&body), why));
    for (size_t i = 0; i < count; i++)
        (void)!hark_witness_take(to->space, notes[i], NULL);
    HONEST_OK(h, hark_witness_newest(from->space, &note, why));
    (void)!hark_witness_take(to->space, hark_buf_span(&note), NULL);
    hark_buf_free(&note);
    hark_buf_free(&body);
}

/* As if it had compared with others long ago. */
static void open_boldly(struct honest *h, struct honest_node *node)
{
    honest_open(h, node);
    node->main_with = node->intake_with = ~0u;
    h->now_ms += 61000;
}

static void keep_copy(struct honest *h, struct honest_node *node)
{
    honest_close(node);
    if (node->has_copy)
        honest_remove_tree(h, node->copy);
    honest_copy_tree(h, node->dir, node->copy);
    node->has_copy = true;
    open_boldly(h, node);
}

static void put_back(struct honest *h, struct honest_node *node)
{
    honest_close(node);
    honest_remove_tree(h, node->dir);
    honest_copy_tree(h, node->copy, node->dir);
    open_boldly(h, node);
}

static void log_one(struct honest *h, struct honest_node *home, unsigned author,
                    struct honest_node *seen)
{
    uint64_t size = honest_size(home);

    honest_write(h, &h->authors[author], "post", json_pack("{s:s}", "body", "And?"), seen);
    honest_hand_in(h, home, &h->authors[author]);
    if (honest_size(home) != size + 1)
        honest_broken(h, "the last entry is not logged", NULL);
}

/* --- faults ------------------------------------------------------------------------------------
 */

/* The home over a copy of its log: what it shows to some. */
static struct honest_node fork_home(struct honest *h, struct honest_node *home)
{
    struct honest_node other = *home;

    keep_copy(h, home);
    (void)snprintf(other.dir, sizeof(other.dir), "%s", home->copy);
    open_boldly(h, &other);
    log_one(h, home, 1, NULL);
    log_one(h, &other, 2, NULL);
    return other;
}

/* To one partner another history than to all. */
static bool two_histories(struct honest *h)
{
    struct honest_node *home = honest_home(h), *fooled, *partner, other = fork_home(h, home);
    bool found;

    pick_two(h, &fooled, &partner);
    honest_visit(h, fooled, &other, UINT64_MAX);
    (void)honest_cosign(h, fooled);
    honest_visit(h, partner, home, UINT64_MAX);
    show(h, fooled, partner);
    found = convicts(h, partner, HARK_EVIDENCE_FORK, home->log);
    honest_close(&other);
    return found;
}

/* The same, and a member who was shown it says so over the log of the others. */
static bool two_histories_seen(struct honest *h)
{
    struct honest_node *home = honest_home(h), *fooled, *partner, other = fork_home(h, home);
    bool found;

    pick_two(h, &fooled, &partner);
    log_one(h, home, 3, &other);
    honest_visit(h, partner, home, UINT64_MAX);
    (void)honest_cosign(h, partner);
    found = convicts(h, partner, HARK_EVIDENCE_FORK, home->log);
    honest_close(&other);
    return found;
}

/* A cosigner put back from a copy signs on without asking what it had signed. */
static bool forgotten(struct honest *h)
{
    struct honest_node *home = honest_home(h), *forgetful, *partner;
    bool signed_both;

    pick_two(h, &forgetful, &partner);
    log_one(h, home, 1, NULL);
    honest_visit(h, forgetful, home, UINT64_MAX);
    keep_copy(h, forgetful);
    log_one(h, home, 1, NULL);
    honest_visit(h, forgetful, home, UINT64_MAX);
    signed_both = honest_cosign(h, forgetful);
    honest_visit(h, partner, home, UINT64_MAX);
    show(h, forgetful, partner);
    put_back(h, forgetful);
    h->now_ms += 600000;
    signed_both = honest_cosign(h, forgetful) && signed_both;
    show(h, forgetful, partner);
    return convicts(h, partner, HARK_EVIDENCE_BACKWARDS, forgetful->cosigner) ||
           (!signed_both && honest_evidence(h, partner) == 0);
}

/* The home goes back to before an entry, of which its author has a receipt. */
static bool dropped(struct honest *h)
{
    struct honest_node *home = honest_home(h);
    struct hark_span receipt;

    keep_copy(h, home);
    log_one(h, home, 1, NULL);
    honest_forget(&h->receipts);
    honest_make_receipt(h, home, honest_size(home) - 1);
    receipt = hark_buf_span(&h->receipts.at[0]);
    put_back(h, home);
    log_one(h, home, 2, NULL);
    HONEST_OK(h, hark_convict_log(home->space, receipt, why));
    return convicts(h, home, HARK_EVIDENCE_FORK, home->log);
}

static const struct {
    const char *name;
    bool (*happens)(struct honest *h); /* true: it was found */
} FAULTS[HONEST_FAULTS] = {
    {"a partner is shown another history", two_histories},
    {"a member is shown another history", two_histories_seen},
    {"a cosigner forgets what it signed", forgotten},
    {"an entry with a receipt is dropped", dropped},
};

void honest_fault(struct honest *h, unsigned number)
{
    honest_tell(h, FAULTS[number].name, NULL, NULL);
    if (!FAULTS[number].happens(h))
        honest_broken(h, FAULTS[number].name, NULL);
}
