/*
 * An author who signed two entries for one place in their feed (PROTOCOL.md 6.4). Where one
 * is refused, or passed over, because another has its place, that is noted here: it happens
 * in the middle of something else, and the other one may not be readable by then. What was
 * noted is looked into when nothing waits for it.
 *
 * Nothing is asked of entries that fit; and what the home passes over of an intake is looked
 * at once, after the main log has grown.
 */
#include <stdlib.h>
#include <string.h>

#include "node/convict_internal.h"

/* Of as many keys at a time; what comes beyond is forgotten. */
#define SUSPECTS_MAX 64u

struct suspect {
    struct hark_key author;
    struct hark_buf entry, other; /* other empty: it has to be found */
};

/* How far an intake has been gone through for what the main log passed over. */
struct passed {
    hark_node_name node;
    uint64_t position;
};

struct space_suspects {
    size_t count;
    struct suspect list[SUSPECTS_MAX];
    bool looked;
    uint64_t batches; /* of the main log, when last looked */
    size_t passed_count;
    struct passed *passed;
};

static void drop(struct suspect *suspect)
{
    hark_buf_free(&suspect->entry);
    hark_buf_free(&suspect->other);
}

void hark_convict_free(struct hark_space *space)
{
    struct space_suspects *s = space->suspects;

    for (size_t i = 0; s != NULL && i < s->count; i++)
        drop(&s->list[i]);
    if (s != NULL)
        free(s->passed);
    free(s);
    space->suspects = NULL;
    hark_convict_kept_free(space);
}

static struct space_suspects *suspects_of(struct hark_space *space)
{
    if (space->suspects == NULL)
        space->suspects = calloc(1, sizeof(*space->suspects));
    return space->suspects;
}

/* --- noting ------------------------------------------------------------------------------ */

static int path_of(struct hark_space *space, const struct hark_key *author,
                   char path[HARK_PATH_MAX], struct hark_err *err)
{
    struct hark_hash name = hark_convict_name(HARK_EVIDENCE_TWIN, author, "");

    return hark_convict_path(space, &name, HARK_CONVICT_EVIDENCE, path, err);
}

static bool is_noted(const struct space_suspects *s, const struct hark_key *author)
{
    for (size_t i = 0; i < s->count; i++) {
        if (hark_key_equal(&s->list[i].author, author))
            return true;
    }
    return false;
}

void hark_convict_suspect(struct hark_space *space, const struct hark_key *author,
                          struct hark_span entry, struct hark_span other)
{
    struct space_suspects *s = space->read_only ? NULL : suspects_of(space);
    struct suspect put = {.author = *author,
                          .entry = hark_buf_init(HARK_ENTRY_MAX),
                          .other = hark_buf_init(HARK_ENTRY_MAX)};
    char path[HARK_PATH_MAX];

    /* What does not fit is forgotten: an entry is refused whether or not that is kept. */
    if (s == NULL || s->count == SUSPECTS_MAX || is_noted(s, author) ||
        path_of(space, author, path, NULL) < 0 || hark_convict_has(path))
        return;
    if (hark_buf_append_span(&put.entry, entry, NULL) < 0 ||
        hark_buf_append_span(&put.other, other, NULL) < 0)
        drop(&put);
    else
        s->list[s->count++] = put;
}

/* --- what has an entry's place --------------------------------------------------------------- */

/* The intakes that are here, by their numbers in the index. */
struct intakes {
    size_t count;
    uint32_t *numbers; /* owned */
};

static int list_intakes(struct hark_space *space, struct intakes *out, struct hark_err *err)
{
    hark_node_name *names = NULL;
    size_t count = 0;
    int rc = hark_space_intakes(space, &names, &count, err);

    *out = (struct intakes){.numbers = rc == 0 ? calloc(count + 1, sizeof(uint32_t)) : NULL};
    if (rc == 0 && out->numbers == NULL)
        rc = hark_err_set(err, HARK_E_NO_MEMORY, "no memory for %zu intakes", count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_intake intake = {.number = 0};
        bool found = false;

        rc = hark_index_intake(space->index, names[i], &found, &intake, err);
        if (rc == 0 && found)
            out->numbers[out->count++] = intake.number;
    }
    free(names);
    return rc;
}

static int find_in_intake(struct hark_space *space, uint32_t intake, const struct hark_entry *as,
                          struct hark_buf *out, struct hark_err *err)
{
    struct hark_intake_row row = {.seq = 0};
    uint64_t position = 0;
    bool found = false;
    int rc =
        hark_index_intake_nth(space->index, intake, &as->author, as->seq, &found, &position, err);

    if (rc == 0 && found)
        rc = hark_index_intake_row(space->index, intake, position, &row, err);
    return rc == 0 && found && !hark_hash_equal(&row.id, &as->id)
               ? hark_repo_read(space->repo, HARK_GIT_COMMIT, &row.git_id, out, err)
               : rc;
}

/* Another entry that has its place, in the main log or in an intake; nothing: there is none. */
static int find_other(struct hark_space *space, const struct intakes *intakes,
                      const struct hark_entry *as, struct hark_buf *out, struct hark_err *err)
{
    struct hark_row row = {.position = 0};
    uint64_t position = 0;
    bool found = false;
    int rc = hark_index_nth_of(space->index, &as->author, as->seq, &found, &position, err);

    if (rc == 0 && found)
        rc = hark_index_row(space->index, position, &row, err);
    if (rc == 0 && found && !hark_hash_equal(&row.id, &as->id))
        rc = hark_space_entry(space, &row, out, err);
    for (size_t i = 0; rc == 0 && out->size == 0 && i < intakes->count; i++)
        rc = find_in_intake(space, intakes->numbers[i], as, out, err);
    return rc;
}

/* One before it in its own batch. */
static struct hark_span find_before(const struct space_item *items, size_t at)
{
    const struct hark_entry *entry = &items[at].entry;

    for (size_t i = 0; i < at; i++) {
        if (items[i].code == 0 && items[i].entry.seq == entry->seq &&
            hark_key_equal(&items[i].entry.author, &entry->author))
            return items[i].object;
    }
    return (struct hark_span){0};
}

void hark_convict_suspect_batch(struct hark_space *space, const struct space_item *items,
                                size_t count)
{
    struct intakes intakes = {.count = 0};
    int rc = list_intakes(space, &intakes, NULL);

    /* What cannot be looked up now is forgotten. */
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX);
        struct hark_span other;

        if (items[i].code != 0)
            continue;
        other = find_before(items, i);
        if (other.size == 0)
            rc = find_other(space, &intakes, &items[i].entry, &bytes, NULL);
        if (other.size == 0)
            other = hark_buf_span(&bytes);
        if (rc == 0 && other.size > 0)
            hark_convict_suspect(space, &items[i].entry.author, items[i].object, other);
        hark_buf_free(&bytes);
    }
    free(intakes.numbers);
}

/* --- what the home passed over ------------------------------------------------------------- */

/* Its record, which begins at `position`; NULL: no memory. */
static struct passed *passed_of(struct space_suspects *s, const char *node, uint64_t position)
{
    struct passed *grown;

    for (size_t i = 0; i < s->passed_count; i++) {
        if (strcmp(s->passed[i].node, node) == 0)
            return &s->passed[i];
    }
    grown = realloc(s->passed, (s->passed_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return NULL;
    s->passed = grown;
    grown = &s->passed[s->passed_count++];
    memcpy(grown->node, node, sizeof(grown->node));
    grown->position = position;
    return grown;
}

/* One that the main log does not hold, and another in its place, was not taken over for that. */
static int look_at(struct hark_space *space, uint32_t intake, uint64_t position,
                   struct hark_err *err)
{
    struct hark_intake_row row = {.seq = 0};
    struct hark_buf entry = hark_buf_init(HARK_ENTRY_MAX);
    uint64_t at = 0;
    bool found = false;
    int rc = hark_index_intake_row(space->index, intake, position, &row, err);

    if (rc == 0)
        rc = hark_state_find_entry(space->state, &row.id, &found, &at, err);
    if (rc < 0 || found)
        return rc;
    rc = hark_index_nth_of(space->index, &row.author, row.seq, &found, &at, err);
    if (rc == 0 && found)
        rc = hark_repo_read(space->repo, HARK_GIT_COMMIT, &row.git_id, &entry, err);
    if (rc == 0 && found)
        hark_convict_suspect(space, &row.author, hark_buf_span(&entry), (struct hark_span){0});
    hark_buf_free(&entry);
    return rc;
}

static int look_at_intake(struct hark_space *space, struct space_suspects *s, const char *node,
                          struct hark_err *err)
{
    struct hark_intake intake = {.number = 0};
    uint64_t taken = 0;
    struct passed *passed = NULL;
    bool found = false;
    int rc = hark_space_taken(space, node, &taken, err);

    if (rc == 0)
        rc = hark_index_intake(space->index, node, &found, &intake, err);
    if (rc < 0 || !found)
        return rc;
    if (taken > intake.head.tree.size)
        taken = intake.head.tree.size;
    passed = passed_of(s, node, s->looked ? 0 : taken);
    if (passed == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for what was passed over");
    while (rc == 0 && passed->position < taken) {
        rc = look_at(space, intake.number, passed->position, err);
        if (rc == 0)
            passed->position++;
    }
    return rc;
}

/* When the space is first looked at nothing is asked of what was taken over before. */
static int look_at_passed(struct hark_space *space, struct space_suspects *s, struct hark_err *err)
{
    hark_node_name *names = NULL;
    size_t count = 0;
    int rc;

    if (s->looked && s->batches == space->batches)
        return 0;
    rc = hark_space_intakes(space, &names, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = look_at_intake(space, s, names[i], err);
    free(names);
    s->looked = s->looked || rc == 0;
    if (rc == 0)
        s->batches = space->batches;
    return rc;
}

/* --- what becomes of it -------------------------------------------------------------------- */

/* The `home` entries that stand, up to a place in the log. */
struct moves {
    uint64_t position; /* the place; HARK_NONE: after all */
    bool any;          /* one stands there or before */
    uint64_t last_ms;  /* when the last of them was logged */
};

static int note_move(void *arg, const struct hark_row *row, struct hark_err *err)
{
    struct moves *moves = arg;

    (void)err;
    if (row->verdict != 0 || row->position > moves->position)
        return 0;
    moves->any = true;
    if (row->arrival_ms > moves->last_ms)
        moves->last_ms = row->arrival_ms;
    return 0;
}

/* A home that lost its disk, or the heir of one, goes on with the keys that it has a copy of
 * (7.6), and cannot know what these signed in entries that nobody else had. The steward's and a
 * node's may go on in both places for long, other people's only wrote before. */
int hark_convict_excused(struct hark_space *space, const struct hark_key *author, uint64_t seq,
                         uint64_t time_ms, bool *excused, struct hark_err *err)
{
    const struct hark_log_query query = {.kind = "home", .after = HARK_NONE, .re = HARK_NONE};
    struct hark_key_object key = {.of = HARK_KEY_OF_MEMBER};
    struct moves moves = {.position = HARK_NONE};
    uint64_t position = 0;
    uint32_t number = 0;
    bool known = false, found = false;
    int rc = 0;

    *excused = false;
    if (hark_state_space_object(space->state)->incarnation <= 1)
        return 0;
    rc = hark_state_find_key(space->state, author, &known, &number, err);
    if (rc == 0 && known)
        rc = hark_state_key(space->state, number, &key, err);
    if (rc == 0)
        rc = hark_index_nth_of(space->index, author, seq, &found, &position, err);
    if (found)
        moves.position = position;
    if (rc == 0)
        rc = hark_index_log(space->index, &query, note_move, &moves, err);
    *excused =
        rc == 0 && moves.any &&
        (key.of == HARK_KEY_OF_STEWARD || key.of == HARK_KEY_OF_NODE || time_ms <= moves.last_ms);
    return rc;
}

/* evidence: they are no twins, or their author is nobody here. */
static int write_twins(struct hark_space *space, const struct suspect *suspect, const char *path,
                       struct hark_err *err)
{
    struct hark_material *m = hark_material_new();
    int rc;

    if (m == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for evidence");
    m->parts.kind = HARK_EVIDENCE_TWIN;
    m->parts.key = suspect->author;
    m->parts.parts[0] = hark_buf_span(&suspect->other);
    m->parts.parts[1] = hark_buf_span(&suspect->entry);
    rc = hark_material_first(space, m, err);
    if (rc == 0)
        rc = hark_material_write(space, m, path, err);
    hark_material_free(m);
    return rc;
}

static int find(struct hark_space *space, const struct hark_entry *as, struct hark_buf *out,
                struct hark_err *err)
{
    struct intakes intakes;
    int rc = list_intakes(space, &intakes, err);

    if (rc == 0)
        rc = find_other(space, &intakes, as, out, err);
    free(intakes.numbers);
    return rc;
}

/* entries: room for two. */
static int look_into(struct hark_space *space, struct suspect *suspect, struct hark_entry *entries,
                     struct hark_err *err)
{
    char path[HARK_PATH_MAX];
    uint32_t number = 0;
    bool known = false, excused = false;
    int rc = path_of(space, &suspect->author, path, err);

    if (rc == 0)
        rc = hark_state_find_key(space->state, &suspect->author, &known, &number, err);
    if (rc < 0 || !known || hark_convict_has(path))
        return rc;
    rc = hark_entry_parse(&entries[0], hark_buf_span(&suspect->entry), err);
    if (rc == 0 && suspect->other.size == 0)
        rc = find(space, &entries[0], &suspect->other, err);
    if (rc < 0 || suspect->other.size == 0)
        return rc;
    rc = hark_entry_parse(&entries[1], hark_buf_span(&suspect->other), err);
    if (rc == 0)
        rc = hark_convict_excused(space, &suspect->author, entries[0].seq,
                                  entries[entries[0].time_ms < entries[1].time_ms ? 0 : 1].time_ms,
                                  &excused, err);
    return rc < 0 || excused ? rc : write_twins(space, suspect, path, err);
}

int hark_convict_twins(struct hark_space *space, struct hark_err *err)
{
    struct space_suspects *s;
    struct hark_entry *entries = NULL;
    size_t kept = 0;
    int rc;

    if (space->read_only || space->pending.open || !space->head.has_batch)
        return 0;
    s = suspects_of(space);
    if (s == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for twins");
    rc = look_at_passed(space, s, err);
    if (s->count > 0)
        entries = calloc(2, sizeof(*entries));
    if (s->count > 0 && entries == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for twins");
    for (size_t i = 0; i < s->count; i++) {
        if (rc == 0)
            rc = look_into(space, &s->list[i], entries, err);
        if (hark_err_exit(rc) == 3 || rc == HARK_E_EVIDENCE)
            rc = 0;
        if (rc < 0)
            s->list[kept++] = s->list[i];
        else
            drop(&s->list[i]);
    }
    s->count = kept;
    free(entries);
    return rc;
}
