/*
 * What must hold in a realm: at every step, and once it is whole again.
 */
#include "realm.h"

static unsigned count_bits(uint32_t bits)
{
    unsigned n = 0;
    for (; bits != 0; bits &= bits - 1)
        n++;
    return n;
}

static void settle_entries(struct realm *realm, const struct realm_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        uint64_t position = batch->first + i;
        assert_true(position < REALM_SETTLED_MAX && position <= realm->settled_size);
        if (position == realm->settled_size)
            realm->settled[realm->settled_size++] = batch->entries[i].id;
        else if (!hark_hash_equal(&realm->settled[position], &batch->entries[i].id))
            realm_broken(realm, "two histories are settled");
    }
}

/* "What is settled never rewinds": the entries of a batch that a quorum of the named
 * nodes holds (sizes and roots are what is cosigned, not batches). A named liar counts
 * for whatever is shown. */
static void settle(struct realm *realm, struct realm_node *node, size_t at)
{
    /* Written through the log's pointer to const: the realm owns all batches. */
    struct realm_batch *batch = NULL;
    for (size_t i = realm->made_count; i-- > 0 && batch == NULL;) {
        if (realm->made[i] == node->logs[0].at[at])
            batch = realm->made[i];
    }
    assert_non_null(batch);
    batch->holders |= UINT32_C(1) << node->index;
    if (count_bits(batch->holders) + (realm->liar < realm->named) >= realm->quorum)
        settle_entries(realm, batch);
}

static void check_log(struct realm *realm, struct realm_node *node, size_t number)
{
    const struct realm_log *log = &node->logs[number];
    size_t was = node->was[number];
    if (log->batches < was || (was > 0 && log->at[was - 1] != node->last[number]))
        realm_broken(realm, "an honest log that does more than grow");
    for (size_t i = was; i < log->batches; i++) {
        const struct realm_batch *batch = log->at[i];
        struct hark_hash none = {{0}};
        const struct hark_hash *before = i > 0 ? &log->at[i - 1]->hash : &none;
        uint64_t end = i > 0 ? log->at[i - 1]->first + log->at[i - 1]->count : 0;
        if (batch->bad || batch->log != number)
            realm_broken(realm, "an honest log holds what nobody rightly made");
        if (!hark_hash_equal(&batch->previous, before) || batch->first != end)
            realm_broken(realm, "an honest log that is no chain");
        if (number == 0 && node->named && !node->aside)
            settle(realm, node, i);
    }
    node->was[number] = log->batches;
    node->last[number] = log->batches > 0 ? log->at[log->batches - 1] : NULL;
}

void realm_check(struct realm *realm, struct realm_node *node)
{
    for (size_t i = 0; node->honest && i < realm->logs; i++)
        check_log(realm, node, i);
}

void realm_check_anew(struct realm_node *node)
{
    memset(node->was, 0, sizeof(node->was));
    memset(node->last, 0, sizeof(node->last));
    realm_check(node->realm, node);
}

/* "Every lie named": what did not check out is told at once, of whom it came from. */
void realm_check_named(const struct realm_node *node, uint8_t log, uint8_t peer, int code)
{
    bool behind = code == HARK_E_BEHIND && log != 0;
    if (behind)
        code = 0; /* "nothing is wrong with it" (7.2) */
    bool told = node->report_code == code && node->report_peer == peer && node->report_log == log;
    if (code == 0) /* what was stored may be other than was told, or not be read again */
        told = hark_err_exit(node->report_code) != 3 || node->report_code == HARK_E_PEER_CURSOR;
    if (!told || (behind && node->report_code != 0))
        realm_broken(node->realm, "what was refused is not told");
    if (hark_err_exit(code) == 3)
        node->realm->lies_refused++;
}

/* ---- once it is whole ---- */

static bool conflict(const struct realm_log *a, const struct realm_log *b)
{
    size_t least = a->batches < b->batches ? a->batches : b->batches;
    return least > 0 && a->at[least - 1] != b->at[least - 1];
}

/* Of a home that shows two histories everybody keeps one: there is no right one. And
 * whom it shows what breaks a rule may find nobody who has more. */
static bool is_split(const struct realm *realm)
{
    return realm->liar == 0 && realm->nodes[0]->forked;
}

/* Who has another history of a partner's intake than the home refuses what the home
 * took over of it (B13): with both signatures at hand it is for people to decide. */
static bool is_torn(const struct realm *realm, const struct realm_node *node)
{
    size_t log = 1 + (size_t)realm->liar;
    const struct realm_node *home = realm->nodes[realm->steward_at];
    return realm->second_history && realm->liar > 0 && conflict(&node->logs[log], &home->logs[log]);
}

/* What the home has logged further took over another history of the liar's intake. */
static bool refuses_taken(const struct realm *realm, const struct realm_node *node,
                          const struct realm_log *main)
{
    const struct realm_log *intake = &node->logs[1 + realm->liar];
    uint64_t before = 0;
    for (size_t i = 0; i < main->batches; i++) {
        const struct realm_taken *taken = &main->at[i]->taken[realm->liar];
        if (i >= node->logs[0].batches && taken->size > before &&
            taken->size <= realm_log_size(intake) &&
            realm_main_at(intake, taken->size, &taken->root) == 0)
            return true;
        before = taken->size;
    }
    return false;
}

/* A home that moves signs no more (7.6), and an heir that refuses what that home took over
 * never comes to where it is to go on from: nothing is logged until people decide. */
static bool is_halted(const struct realm *realm)
{
    const struct realm_node *home = realm->nodes[realm->steward_at];
    return home->honest && home->moves && realm->liar < realm->named &&
           refuses_taken(realm, realm->nodes[home->heir], &home->logs[0]);
}

/* And whoever asks none but such nodes and the liar hears nothing more. */
static bool is_stuck(const struct realm *realm, const struct realm_node *node)
{
    bool hears = false;
    for (size_t i = 0; i < realm->count; i++) {
        const struct realm_node *peer = realm->nodes[i];
        hears = hears || (realm->follows[node->index][i] && peer->honest && !is_torn(realm, peer));
    }
    return is_torn(realm, node) || (realm->second_history && !hears);
}

/* A partner whose intake hangs on what a lost home had alone takes nothing more (7.6),
 * and a member may know no other node. */
static bool somebody_takes(const struct realm *realm, const struct realm_node *node)
{
    bool takes = false;
    for (size_t i = 0; i < realm->named; i++) {
        const struct realm_node *to = realm->nodes[i];
        takes = takes || (realm->follows[node->index][i] && to->honest &&
                          (realm_is_home(to) || !to->intake_dead));
    }
    return takes;
}

static bool all_logged(const struct realm *realm, const struct realm_node *node)
{
    const struct realm_log *main = &node->logs[0];
    uint64_t position = 0;
    if (realm->liar == 0)
        return true; /* such a home logs what it likes */
    if (is_halted(realm))
        return true;
    for (size_t k = 0; k < node->outbox_count && somebody_takes(realm, node); k++) {
        if (!realm_log_has(main, main->batches, &node->outbox[k].id, &position))
            return false;
    }
    return node->named || realm_is_admitted(main, main->batches, (uint8_t)node->index);
}

static bool same_log(const struct realm_log *a, const struct realm_log *b)
{
    return a->batches == b->batches && !conflict(a, b);
}

static bool is_like(const struct realm *realm, const struct realm_node *node,
                    const struct realm_node *model)
{
    if (!same_log(&node->logs[0], &model->logs[0]))
        return false;
    for (size_t i = 1; i < realm->logs; i++) {
        /* An intake that hangs on what a lost home had beyond its heir is told nobody any
         * more; a liar's is what it wants. */
        bool dead = realm->rewound || i == 1 + (size_t)realm->liar;
        if (!dead && !same_log(&node->logs[i], &model->logs[i]))
            return false;
    }
    return all_logged(realm, node);
}

bool realm_is_equal(const struct realm *realm)
{
    const struct realm_node *model = NULL;
    for (size_t i = 0; i < realm->count; i++) {
        const struct realm_node *node = realm->nodes[i];
        if (!node->honest || is_stuck(realm, node))
            continue;
        if (node->core == NULL || node->goes_back || node->aside ||
            (node->moves && !is_halted(realm)))
            return false;
        model = model == NULL ? node : model;
        if (!is_split(realm) && !is_like(realm, node, model))
            return false;
    }
    return true;
}

static void broken_between(const struct realm *realm, const char *what, size_t i, size_t j)
{
    char text[160];
    (void)snprintf(text, sizeof(text), "%s about %s: %s", realm_name(i), realm_name(j), what);
    realm_broken(realm, text);
}

/* Two that ask each other and hold histories that do not fit: both must know. */
static void check_forks(const struct realm *realm, size_t i, size_t j)
{
    const struct realm_node *node = realm->nodes[i], *peer = realm->nodes[j];
    for (size_t log = 0; log < realm->logs; log++) {
        bool other = j == realm->liar && peer->forked && peer->alt_log == log &&
                     (peer->victims >> i & 1) != 0;
        const struct realm_log *theirs = other ? &peer->alt : &peer->logs[log];
        if (other && theirs->at[theirs->batches - 1]->bad && node->caught[j] == 0)
            broken_between(realm, "a batch that breaks a rule is not named", i, j);
        if (theirs->batches == 0 || theirs->at[theirs->batches - 1]->bad ||
            !conflict(&node->logs[log], theirs) || node->unfit[j][log] ||
            (j == realm->liar && node->caught[j] != 0))
            continue;
        /* The same cursor although not the same batches: the next batch tells. */
        struct hark_cursor a = realm_log_cursor(realm, &node->logs[log], log);
        struct hark_cursor b = realm_log_cursor(realm, theirs, log);
        if (!hark_cursor_equal(&a, &b))
            broken_between(realm, "another history that is not named", i, j);
    }
}

void realm_check_end(struct realm *realm)
{
    bool blameless = !realm->second_history && !realm->rewound && !realm->lost_home;
    struct hark_hash state = {{0}};
    bool have = false;
    for (size_t i = 0; i < realm->count; i++) {
        const struct realm_node *node = realm->nodes[i];
        for (size_t j = 0; node->honest && j < realm->count; j++) {
            if (j != i && realm->follows[i][j])
                check_forks(realm, i, j);
            if (node->impossible[j] >= 4 && !node->malformed[j])
                broken_between(realm, "what answers no question is not named", i, j);
            if (blameless && realm->nodes[j]->honest && node->caught[j] != 0)
                broken_between(realm, hark_err_name(node->caught[j]), i, j);
        }
        if (!node->honest || is_split(realm) || is_stuck(realm, node))
            continue;
        struct hark_hash hash = realm_state_hash(&node->logs[0]);
        if (have && !hark_hash_equal(&hash, &state))
            broken_between(realm, "another state hash", i, i);
        state = hash;
        have = true;
    }
}
