/*
 * Evidence on its way from node to node (PROTOCOL.md 7.11, 9.3): the writer takes what others
 * show, and tells the network's thread which files there are; that reads them when it shows
 * them, since a file never changes.
 */
#include <stdlib.h>
#include <string.h>

#include "node/convict.h"
#include "node/files.h"
#include "node/net_internal.h"
#include "schemas/evidence.h"

/* --- the writer: what is shown ------------------------------------------------------------ */

static bool has_name(const struct net_shown *slot, const struct hark_hash *name)
{
    for (size_t i = 0; i < slot->name_count; i++) {
        if (hark_hash_equal(&slot->names[i], name))
            return true;
    }
    return false;
}

/* What is in the slot keeps its place, since peers have noted how far they were shown it: when
 * a space has been opened anew its list may begin otherwise. */
static bool add_names(struct net_shown *slot, const struct hark_hash *names, size_t count)
{
    size_t before = slot->name_count;
    bool begins = before <= count &&
                  (before == 0 || memcmp(slot->names, names, before * sizeof(*names)) == 0);
    struct hark_hash *grown = realloc(slot->names, (before + count) * sizeof(*grown));

    if (grown == NULL)
        return false;
    slot->names = grown;
    for (size_t i = begins ? before : 0; i < count; i++) {
        if (begins || !has_name(slot, &names[i]))
            slot->names[slot->name_count++] = names[i];
    }
    slot->names_fresh = slot->names_fresh || slot->name_count > before;
    return true;
}

static int hand_over(struct hark_net *net, const struct hark_hash *space,
                     const struct hark_hash *names, size_t count, struct hark_err *err)
{
    struct net_shown *slot;
    bool done;

    pthread_mutex_lock(&net->lock);
    slot = hark_net_find_or_add_shown(net, space);
    done = slot != NULL && add_names(slot, names, count);
    pthread_mutex_unlock(&net->lock);
    if (!done)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a list of evidence");
    hark_edge_wake(net->edge);
    return 0;
}

int hark_net_show_evidence(struct hark_net *net, struct hark_space *space, struct net_space *notes,
                           struct hark_err *err)
{
    const struct hark_hash *names = NULL;
    size_t count = 0;
    int rc = hark_convict_kept(space, &names, &count, err);

    if (rc < 0 || count == notes->evidence_count)
        return rc;
    rc = hand_over(net, &notes->id, names, count, err);
    if (rc == 0)
        notes->evidence_count = count;
    return rc;
}

/* --- the writer: what others show ----------------------------------------------------------- */

/* Whom a file convicts may only be known with more of the log than is here: then it is to be
 * shown again. Who has all of it and knows no such key never will. */
static bool may_grow(const struct net_space *notes, const struct hark_node *node,
                     struct hark_space *space)
{
    return hark_space_head(space)->tree.size == 0 ||
           (notes != NULL && !notes->level && !hark_node_is_home(node, space));
}

/* As much as can be taken; the first thing wrong is what it is answered with. */
static int take_files(struct hark_space *space, const struct hark_span *files, size_t count,
                      bool more, struct hark_err *err)
{
    int outcome = 0;

    for (size_t i = 0; i < count && outcome != HARK_E_PEER_FORM; i++) {
        struct hark_err said = {0};
        int rc = hark_convict_take(space, files[i], &said);

        if (rc == 0 || (rc == HARK_E_BEHIND && !more) || (outcome != 0 && rc != HARK_E_PEER_FORM))
            continue;
        outcome = rc;
        if (err != NULL)
            *err = said;
    }
    return outcome;
}

static int take(struct hark_net *net, struct hark_node *node, const struct hark_net_event *event,
                struct net_order *order, struct hark_err *err)
{
    struct net_space *notes = hark_net_notes(net, &event->log.space);
    struct hark_span files[HARK_EVIDENCE_FILES_MAX];
    const struct hark_hash *names = NULL;
    struct hark_space *space = NULL;
    struct hark_hash id;
    size_t count = 0, kept = 0;
    int outcome = 0;
    int rc = hark_evidence_files_decode(&id, files, &count, hark_buf_span(&event->load), err);

    if (rc == 0)
        rc = hark_node_space(node, &event->log.space, &space, err);
    if (rc == 0)
        rc = hark_convict_kept(space, &names, &kept, err);
    if (rc < 0)
        return rc;
    order->before = kept;
    outcome = take_files(space, files, count, may_grow(notes, node, space), err);
    rc = hark_convict_kept(space, &names, &kept, outcome == 0 ? err : NULL);
    order->after = kept;
    /* Before the core hears of it, which else would show the peer what it has brought. */
    if (rc == 0 && notes != NULL)
        rc = hark_net_show_evidence(net, space, notes, NULL);
    return outcome != 0 ? outcome : rc;
}

int hark_net_take_evidence(struct hark_net *net, struct hark_node *node,
                           const struct hark_net_event *event, struct hark_err *err)
{
    struct net_order order = {.type = NET_EVIDENCE, .token = event->token};
    struct hark_err outcome = {0};

    order.code = take(net, node, event, &order, &outcome);
    return hark_net_order(net, &order, err);
}

/* --- the network's thread --------------------------------------------------------------------- */

/* The name of file `at`, counted from 0; false: there are not so many. */
static bool name_of(struct hark_net *net, const struct hark_hash *space, uint64_t at,
                    struct hark_hash *name)
{
    const struct net_shown *slot;
    bool found;

    pthread_mutex_lock(&net->lock);
    slot = hark_net_find_shown(net, space);
    found = slot != NULL && at < slot->name_count;
    if (found)
        *name = slot->names[at];
    pthread_mutex_unlock(&net->lock);
    return found;
}

static uint64_t count_of(struct hark_net *net, const struct hark_hash *space)
{
    const struct net_shown *slot;
    uint64_t count;

    pthread_mutex_lock(&net->lock);
    slot = hark_net_find_shown(net, space);
    count = slot == NULL ? 0 : slot->name_count;
    pthread_mutex_unlock(&net->lock);
    return count;
}

/* Files after the first `after`, as many as fit into a message; *last: how far that is. One
 * that cannot be read (somebody took it away) is passed over. */
static size_t read_files(struct hark_net *net, const struct hark_hash *space, uint64_t after,
                         struct hark_buf files[HARK_EVIDENCE_FILES_MAX], uint64_t *last)
{
    size_t count = 0, left = HARK_BODY_MAX - HARK_HASH_SIZE - 2;
    struct hark_hash name;

    for (*last = after; count < HARK_EVIDENCE_FILES_MAX && name_of(net, space, *last, &name);
         (*last)++) {
        char path[HARK_PATH_MAX];

        hark_buf_clear(&files[count]);
        if (hark_convict_file(path, net->dir, space, &name, NULL) < 0 ||
            hark_file_read(path, &files[count], NULL) < 0 || files[count].size == 0)
            continue;
        if (files[count].size + 4 > left)
            break;
        left -= files[count++].size + 4;
    }
    return count;
}

static int make_body(struct hark_net *net, const struct hark_hash *space, uint64_t after,
                     uint64_t *last, struct hark_buf *out, struct hark_err *err)
{
    struct hark_buf files[HARK_EVIDENCE_FILES_MAX];
    struct hark_span spans[HARK_EVIDENCE_FILES_MAX];
    size_t count;
    int rc;

    for (size_t i = 0; i < HARK_EVIDENCE_FILES_MAX; i++)
        files[i] = hark_buf_init(HARK_EVIDENCE_MAX);
    count = read_files(net, space, after, files, last);
    for (size_t i = 0; i < count; i++)
        spans[i] = hark_buf_span(&files[i]);
    rc = count == 0 ? hark_err_set(err, HARK_E_NOT_FOUND, "no more evidence about that space")
                    : hark_evidence_files_encode(out, space, spans, count, err);
    for (size_t i = 0; i < HARK_EVIDENCE_FILES_MAX; i++)
        hark_buf_free(&files[i]);
    return rc;
}

int hark_net_io_evidence(void *arg, const struct hark_hash *space, uint64_t after,
                         uint64_t *version, struct hark_buf *out, struct hark_err *err)
{
    struct hark_net *net = arg;

    *version = count_of(net, space);
    if (*version == 0)
        return hark_err_set(err, HARK_E_NOT_FOUND, "no evidence about that space");
    return out == NULL ? 0 : make_body(net, space, after, version, out, err);
}
