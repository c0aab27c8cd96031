#include "node/home.h"

#include <stdlib.h>
#include <string.h>

#include "node/files.h"
#include "node/outbox.h"
#include "node/space_internal.h"
#include "node/witness.h"

/* --- moving ------------------------------------------------------------------------ */

struct move {
    const char *name;
    const struct hark_key *holder; /* NULL: the space is not an entrusted one */
};

/* Signs the entry that goes on from the log as it is in the space's state now. */
static int sign_home(struct hark_node *node, struct hark_space *space,
                     const struct hark_author *steward, const struct move *move,
                     struct hark_signed *out, struct hark_err *err)
{
    struct hark_state *state = hark_space_state(space);
    struct hark_hash root = hark_merkle_root(hark_state_log(state));
    struct hark_draft draft = {.kind = "home"};
    char hex[2 * HARK_HASH_SIZE + 1];
    int rc;

    hark_hash_hex(hex, &root);
    draft.fields = json_pack("{s:s, s:I, s:I, s:s}", "node", move->name, "incarnation",
                             (json_int_t)hark_state_space_object(state)->incarnation + 1, "size",
                             (json_int_t)hark_state_size(state), "root", hex);
    if (draft.fields != NULL && move->holder != NULL) {
        hark_key_hex(hex, move->holder);
        if (json_object_set_new(draft.fields, "holder", json_string(hex)) != 0) {
            json_decref(draft.fields);
            draft.fields = NULL;
        }
    }
    if (draft.fields == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a payload");
    rc = hark_author_sign(node, space, state, steward, &draft, out, err);
    json_decref(draft.fields);
    return rc;
}

/* To another node: from the outbox. */
static int move_away(struct hark_node *node, struct hark_space *space,
                     const struct hark_author *steward, const struct move *move,
                     struct hark_hash *id, struct hark_err *err)
{
    struct hark_signed entry;
    struct hark_outbox *outbox = NULL;
    int rc;

    if (hark_space_held(space))
        return hark_err_set(err, HARK_E_BEHIND,
                            "this home is moving already, or has not compared its log yet");
    rc = sign_home(node, space, steward, move, &entry, err);
    if (rc == 0) {
        rc = hark_space_outbox(space, &outbox, err);
        if (rc == 0)
            rc = hark_outbox_put(outbox, &entry.id, hark_buf_span(&entry.bytes),
                                 hark_buf_span(&entry.payload), hark_now_ms(), err);
        *id = entry.id;
        hark_signed_free(&entry);
    }
    if (rc < 0)
        return rc;
    hark_space_outbox_changed(space);
    hark_space_hold(space, true);
    return 0;
}

struct recovering {
    struct hark_space *space;
    const struct hark_signer *log_key;
};

/* What waits of the words for a new steward stands before the `home` entry. */
static int add_recover(void *arg, const struct hark_waiting *waiting, struct hark_err *err)
{
    struct recovering *r = arg;
    struct hark_offer offer = {
        .bytes = waiting->object, .payload = waiting->payload, .now_ms = hark_now_ms()};
    struct hark_entry *entry = calloc(1, sizeof(*entry));
    int rc = entry == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for an entry")
                           : hark_entry_parse(entry, waiting->object, err);

    if (rc == 0 && strcmp(entry->kind, "recover") == 0)
        rc = hark_space_add_from(r->space, &offer, waiting->node, waiting->position,
                                 waiting->accepted_ms, r->log_key, NULL, err);
    free(entry);
    /* One that may not be logged does not stand in the way of the others. */
    return hark_err_exit(rc) == 3 ? 0 : rc;
}

/* PROTOCOL.md 7.8: what is settled is not taken back. */
static int check_settled(struct hark_space *space, struct hark_err *err)
{
    uint64_t here = hark_space_head(space)->tree.size, ahead = 0;
    int rc = hark_witness_ahead(space, &ahead, err);

    if (rc < 0 || ahead == 0)
        return rc;
    rc = hark_err_set(err, HARK_E_BEHIND, "%llu entries are settled, and the copy here has %llu",
                      (unsigned long long)ahead, (unsigned long long)here);
    hark_err_hint(err, "`hark sync --wait` with who has cosigned them, and say it again");
    return rc;
}

static int go_on_here(struct hark_node *node, struct hark_space *space,
                      const struct hark_author *steward, const struct move *move,
                      struct hark_hash *id, struct hark_err *err)
{
    struct recovering r = {.space = space, .log_key = node->identity.log};
    struct hark_signed entry = {0};
    struct hark_offer offer = {.accept = true, .trusted = true, .now_ms = hark_now_ms()};
    int rc = hark_space_begin_anew(space, err);

    if (rc < 0)
        return rc;
    rc = hark_space_each_waiting(space, add_recover, &r, err);
    if (rc == 0)
        rc = sign_home(node, space, steward, move, &entry, err);
    if (rc == 0) {
        offer.bytes = hark_buf_span(&entry.bytes);
        offer.payload = hark_buf_span(&entry.payload);
        rc = hark_space_add(space, &offer, node->identity.log, NULL, err);
    }
    if (rc == 0)
        rc = hark_space_commit(space, node->identity.log, hark_now_ms(), err);
    if (rc < 0)
        hark_space_rollback(space);
    *id = entry.id;
    hark_signed_free(&entry);
    return rc;
}

/* The home of an entrusted space reads it, as a member whom everybody sees (PROTOCOL.md 10). */
static int find_holder(struct hark_node *node, struct hark_space *space, bool self,
                       struct move *move, struct hark_key *own, struct hark_err *err)
{
    bool entrusted = hark_state_space_object(hark_space_state(space))->mode == HARK_MODE_ENTRUSTED;
    struct hark_author person = {0};
    int rc;

    if (!entrusted && move->holder != NULL)
        return hark_err_set(err, HARK_E_USAGE, "only the home of an entrusted group has a holder");
    if (!entrusted || move->holder != NULL)
        return 0;
    if (!self)
        return hark_err_set(err, HARK_E_USAGE,
                            "the home of an entrusted group reads it: say as which member");
    rc = hark_node_person(node, hark_space_id(space), NULL, &person, NULL, err);
    if (rc == 0) {
        *own = *hark_signer_key(person.sign);
        move->holder = own;
    }
    hark_author_free(&person);
    return rc;
}

int hark_home_move(struct hark_node *node, struct hark_space *space, const char *name,
                   const struct hark_key *holder, bool lost, struct hark_hash *id, bool *here,
                   struct hark_err *err)
{
    struct move move = {.name = name, .holder = holder};
    struct hark_key own;
    struct hark_author steward = {0};
    struct hark_node_object named;
    bool self;
    int rc = hark_node_steward(node, hark_space_id(space), &steward, err);

    *here = false;
    if (rc == 0)
        rc = hark_state_node_called(hark_space_state(space), name, &named, err);
    if (rc < 0)
        goto out;
    self = hark_key_equal(&named.keys.log, hark_signer_key(node->identity.log));
    rc = find_holder(node, space, self, &move, &own, err);
    if (rc < 0)
        goto out;
    if (self && lost) {
        rc = check_settled(space, err);
        if (rc == 0)
            rc = go_on_here(node, space, &steward, &move, id, err);
        *here = rc == 0;
    } else if (self) {
        rc = hark_err_set(err, HARK_E_USAGE, "%s is this node%s", name,
                          hark_node_is_home(node, space) ? ", which is the home" : "");
        hark_err_hint(err, "with --lost it goes on where the home's disk, or the home, is lost");
    } else if (!hark_node_is_home(node, space)) {
        rc = hark_err_set(err, HARK_E_ACCEPT_NOT_HERE,
                          "only the home itself can move to %s; where it is lost, %s goes on with "
                          "--lost",
                          name, name);
    } else {
        rc = move_away(node, space, &steward, &move, id, err);
    }
out:
    hark_author_free(&steward);
    return rc;
}
