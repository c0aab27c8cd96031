#include "node/newcomers.h"

#include <string.h>

#include "node/inside.h"
#include "node/sealing.h"
#include "node/space_flight.h"

int hark_newcomers_since(struct hark_state *state, uint64_t position, bool *any,
                         struct hark_err *err)
{
    uint64_t counts[HARK_SECTION_HASHED_];
    int rc = hark_state_counts(state, counts, err);

    *any = false;
    /* Keys are numbered as they come. */
    for (uint64_t i = rc == 0 ? counts[HARK_SECTION_KEY] : 0; i > 0 && !*any; i--) {
        struct hark_key_object key;

        rc = hark_state_key(state, (uint32_t)(i - 1), &key, err);
        if (rc < 0 || key.since <= position)
            break;
        *any = key.of == HARK_KEY_OF_MEMBER && key.until == HARK_NONE;
    }
    return rc;
}

/* Has that key something in flight? The first of it came with the profile. */
static int is_under_way(struct hark_space *space, const struct hark_key *author, bool *is,
                        struct hark_err *err)
{
    const struct hark_flight_entry *flight = NULL;
    size_t count = 0;
    int rc = hark_space_flight(space, &flight, &count, err);

    *is = hark_space_pending_by(space, author) > 0;
    for (size_t i = 0; rc == 0 && i < count && !*is; i++)
        *is = hark_key_equal(&flight[i].entry.author, author);
    return rc;
}

static int keep_row(void *arg, const struct hark_row *row, struct hark_err *err)
{
    (void)err;
    *(struct hark_row *)arg = *row;
    return HARK_STOP;
}

/* The latest profile of the key that can be read; NULL: none, or nobody has come since. */
static int find_unread(struct hark_node *node, struct hark_space *space,
                       const struct hark_key *author, json_t **profile, struct hark_err *err)
{
    const struct hark_log_query query = {.kind = "profile",
                                         .author = author,
                                         .after = HARK_NONE,
                                         .re = HARK_NONE,
                                         .limit = 1,
                                         .backwards = true};
    struct hark_row row = {.position = HARK_NONE};
    struct hark_inside *inside = NULL;
    bool any = false;
    int rc = hark_node_inside(node, space, &inside, err);

    *profile = NULL;
    if (rc == 0)
        rc = hark_index_log(hark_inside_index(inside), &query, keep_row, &row, err);
    if (rc < 0 || row.position == HARK_NONE)
        return rc < 0 ? rc : 0;
    rc = hark_newcomers_since(hark_space_state(space), row.position, &any, err);
    return rc == 0 && any ? hark_inside_payload(inside, &row, profile, err) : rc;
}

int hark_newcomers_name(struct hark_node *node, struct hark_space *space,
                        const struct hark_author *author, const char *kind, struct hark_err *err)
{
    struct hark_draft draft = {.kind = "profile", .with_seen = true};
    struct hark_state *state = hark_space_state(space);
    bool under_way = false;
    int rc;

    if (!hark_state_is_encrypted(state) || !hark_goes_inside(state, kind) ||
        strcmp(kind, "profile") == 0)
        return 0;
    rc = is_under_way(space, hark_signer_key(author->sign), &under_way, err);
    if (rc == 0 && !under_way)
        rc = find_unread(node, space, hark_signer_key(author->sign), &draft.fields, err);
    if (rc == 0 && draft.fields != NULL) {
        rc = hark_author_add(node, space, author, &draft, NULL, err);
        /* A name that is not taken keeps nobody from speaking. */
        rc = hark_err_exit(rc) == 3 && hark_space_in_batch(space) ? 0 : rc;
    }
    json_decref(draft.fields);
    return rc;
}
