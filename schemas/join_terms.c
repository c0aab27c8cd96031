/*
 * What a joiner is shown of a space: a handful of entries out of a log that the
 * joiner does not have. Each is whole and signed by who was in office when it came; the
 * terms are what they add up to. See join.h for what that proves and what not.
 */
#include <string.h>

#include "schemas/state_internal.h"

#include "schemas/join.h"

/* Authors are stewards one after another, and recovery keys: seqs must rise. */
#define AUTHORS_MAX 128u

struct reading {
    struct hark_terms *terms;
    struct hark_state *state; /* kinds only */
    struct hark_founding founding;
    struct hark_hash policy; /* the entry that set the one in force */
    /* Words of recovery keys since the last change of steward. */
    size_t word_count;
    struct {
        struct hark_key by, key, box;
    } words[HARK_RECOVERY_MAX];
    /* `recover` entries, one right after the other; more were no harm. */
    size_t run_count;
    struct hark_hash run[HARK_RECOVERY_MAX];
    size_t author_count;
    struct {
        struct hark_key key;
        uint64_t seq;
    } authors[AUTHORS_MAX];
};

/* Text of a checked payload; its limits are those of the field, and of `size`. */
static void copy_field(char *out, size_t size, const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    size_t length = json_is_string(value) ? json_string_length(value) : 0;

    if (length == 0 || length >= size)
        return;
    memcpy(out, json_string_value(value), length);
    out[length] = '\0';
}

static void read_charter(struct hark_terms *terms, const json_t *json)
{
    const json_t *objective = json_object_get(json, "objective");

    copy_field(terms->title, sizeof(terms->title), json, "title");
    copy_field(terms->question, sizeof(terms->question), objective, "question");
    copy_field(terms->owner, sizeof(terms->owner), objective, "owner");
    copy_field(terms->until, sizeof(terms->until), objective, "until");
}

/* ---- Order ---------------------------------------------------------------- */

static int check_order(struct reading *r, const struct hark_entry *entry, struct hark_err *err)
{
    size_t at = 0;

    while (at < r->author_count && !hark_key_equal(&r->authors[at].key, &entry->author))
        at++;
    if (at == AUTHORS_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "more than %u authors of terms", AUTHORS_MAX);
    if (at == r->author_count) {
        r->authors[at].key = entry->author;
        r->author_count++;
    } else if (entry->seq <= r->authors[at].seq) {
        return hark_err_set(err, HARK_E_ENTRY_PREVIOUS, "the entries shown are out of order");
    }
    r->authors[at].seq = entry->seq;
    return 0;
}

/* ---- What the kinds do ---------------------------------------------------- */

static int name_node(struct reading *r, const struct hark_node_object *node,
                     const struct hark_hash *entry, struct hark_err *err)
{
    struct hark_terms *terms = r->terms;
    struct hark_terms_node *at = &terms->nodes[terms->node_count];

    if (!hark_node_name_valid(hark_span_str(node->name)))
        return hark_err_set(err, HARK_E_VOID_PAYLOAD, "a node's name is not one");
    for (size_t i = 0; i < terms->node_count; i++) {
        if (strcmp(terms->nodes[i].name, node->name) == 0)
            return hark_err_set(err, HARK_E_VOID_NAME_USED, "two nodes go by the name %s",
                                node->name);
    }
    if (terms->node_count == HARK_TERMS_NODES_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "more than %u nodes are named",
                            HARK_TERMS_NODES_MAX);
    memcpy(at->name, node->name, sizeof(at->name));
    at->keys = node->keys;
    at->entry = *entry;
    terms->node_count++;
    return 0;
}

static int end_node(struct reading *r, const char *name, struct hark_err *err)
{
    struct hark_terms *terms = r->terms;

    for (size_t i = 0; i < terms->node_count; i++) {
        if (strcmp(terms->nodes[i].name, name) != 0)
            continue;
        memmove(&terms->nodes[i], &terms->nodes[i + 1],
                (terms->node_count - i - 1) * sizeof(terms->nodes[0]));
        terms->node_count--;
        return 0;
    }
    return hark_err_set(err, HARK_E_VOID_TARGET, "a node ends that was not shown to be named");
}

static int read_node(struct reading *r, const struct hark_entry *entry, const json_t *json,
                     struct hark_err *err)
{
    struct hark_node_object node = {.name = ""};

    if (hark_json_is(json, "action", "remove")) {
        copy_field(node.name, sizeof(node.name), json, "name");
        return end_node(r, node.name, err);
    }
    if (!hark_json_node(json, &node))
        return hark_err_set(err, HARK_E_INTERNAL, "kind node and the program disagree");
    return name_node(r, &node, &entry->id, err);
}

static void put_in_office(struct reading *r, const struct hark_key *key, const struct hark_key *box)
{
    r->terms->steward = *key;
    r->terms->steward_box = *box;
    r->word_count = 0;
}

/* PROTOCOL.md 7.6: the k-th recovery key's word for the same keys takes effect. */
static int read_recover(struct reading *r, const struct hark_entry *entry,
                        const struct hark_key *key, const struct hark_key *box,
                        struct hark_err *err)
{
    const struct hark_space_object *space = &r->founding.space;
    size_t agree = 0;

    for (size_t i = 0; i < r->word_count; i++) {
        if (!hark_key_equal(&r->words[i].key, key) || !hark_key_equal(&r->words[i].box, box))
            continue;
        if (hark_key_equal(&r->words[i].by, &entry->author))
            return hark_err_set(err, HARK_E_VOID_TARGET, "a recovery key gives its word twice");
        agree++;
    }
    if (agree + 1 >= space->recovery_threshold) {
        put_in_office(r, key, box);
        return 0;
    }
    if (r->word_count == HARK_RECOVERY_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "more words of recovery keys than keys");
    r->words[r->word_count].by = entry->author;
    r->words[r->word_count].key = *key;
    r->words[r->word_count].box = *box;
    r->word_count++;
    return 0;
}

static int read_steward(struct reading *r, const struct hark_entry *entry, const json_t *json,
                        bool recover, struct hark_err *err)
{
    struct hark_key key, box;

    if (!hark_json_hex(json, "key", key.bytes, sizeof(key.bytes)) ||
        !hark_json_hex(json, "box", box.bytes, sizeof(box.bytes)))
        return hark_err_set(err, HARK_E_INTERNAL, "kind %s and the program disagree", entry->kind);
    if (recover)
        return read_recover(r, entry, &key, &box, err);
    put_in_office(r, &key, &box);
    return 0;
}

static int read_home(struct reading *r, const json_t *json, struct hark_err *err)
{
    uint64_t incarnation;

    if (!hark_json_u64(json, "incarnation", UINT32_MAX, &incarnation) ||
        !hark_json_u64(json, "size", HARK_NUMBER_MAX, &r->terms->home_size))
        return hark_err_set(err, HARK_E_INTERNAL, "kind home and the program disagree");
    r->terms->incarnation = (uint32_t)incarnation;
    r->terms->recover_count = r->run_count;
    memcpy(r->terms->recovers, r->run, sizeof(r->run));
    return 0;
}

/* ---- Entries -------------------------------------------------------------- */

/* Parsed, signed, of this space, with its payload. */
static int read_entry(struct reading *r, const struct hark_terms_entry *shown,
                      struct hark_entry *entry, struct hark_err *err)
{
    int rc = hark_entry_parse(entry, shown->entry, err);

    if (rc == 0)
        rc = hark_entry_verify(entry, shown->entry, err);
    if (rc == 0 && entry->has_space && !hark_hash_equal(&entry->space, &r->terms->space))
        rc = hark_err_set(err, HARK_E_ENTRY_SPACE, "an entry of another space was shown");
    return rc;
}

static int read_first(struct reading *r, const struct hark_terms_entry *shown, struct hark_err *err)
{
    struct hark_terms *terms = r->terms;
    struct hark_entry entry;
    json_t *json = NULL;
    int number, rc = read_entry(r, shown, &entry, err);

    if (rc == 0 && !hark_hash_equal(&entry.id, &terms->space))
        rc = hark_err_set(err, HARK_E_ENTRY_SPACE,
                          "the first entry shown is not that of the "
                          "space");
    if (rc == 0)
        rc =
            hark_found_check(&r->founding, hark_state_kinds(r->state), &entry, shown->payload, err);
    if (rc == 0)
        rc = check_order(r, &entry, err);
    if (rc == 0)
        rc = name_node(r, &r->founding.home, &entry.id, err);
    if (rc < 0)
        return rc;
    number = hark_kinds_find(r->state->kinds, "space");
    rc = hark_payload_check(hark_kinds_get(r->state->kinds, (size_t)number), shown->payload, &json,
                            err);
    if (rc < 0)
        return rc;
    put_in_office(r, &entry.author, &r->founding.box);
    terms->mode = r->founding.space.mode;
    terms->incarnation = 1;
    r->policy = entry.id;
    read_charter(terms, json);
    json_decref(json);
    return 0;
}

static int may_write(const struct reading *r, const struct hark_entry *entry, bool recover,
                     struct hark_err *err)
{
    const struct hark_space_object *space = &r->founding.space;

    if (!recover && hark_key_equal(&entry->author, &r->terms->steward))
        return 0;
    for (size_t i = 0; recover && i < space->recovery_count; i++) {
        if (hark_key_equal(&entry->author, &space->recovery[i]))
            return 0;
    }
    return hark_err_set(err, HARK_E_VOID_STEWARD, "%s that was shown is not by who may write it",
                        entry->kind);
}

static void note_run(struct reading *r, const struct hark_entry *entry, bool recover)
{
    if (!recover)
        r->run_count = 0;
    else if (r->run_count < HARK_RECOVERY_MAX)
        r->run[r->run_count++] = entry->id;
}

static int read_later(struct reading *r, const struct hark_terms_entry *shown, struct hark_err *err)
{
    static const char *const KINDS[] = {"policy", "node", "home", "handover", "recover"};
    static const size_t count = sizeof(KINDS) / sizeof(KINDS[0]);
    struct hark_entry entry;
    const struct hark_kind *kind;
    json_t *json = NULL;
    size_t which = 0;
    int rc = read_entry(r, shown, &entry, err);

    if (rc < 0)
        return rc;
    while (which < count && strcmp(KINDS[which], entry.kind) != 0)
        which++;
    if (which == count || !entry.has_space)
        return hark_err_set(err, HARK_E_KIND_UNKNOWN, "%s is no part of a space's terms",
                            entry.kind);
    rc = may_write(r, &entry, which == 4, err);
    if (rc == 0)
        rc = check_order(r, &entry, err);
    if (rc < 0)
        return rc;
    kind = hark_kinds_get(r->state->kinds, (size_t)hark_kinds_find(r->state->kinds, entry.kind));
    rc = hark_payload_match(kind, &entry, shown->payload, err);
    if (rc == 0)
        rc = hark_payload_check(kind, shown->payload, &json, err);
    if (rc == 0 && which == 0) {
        r->policy = entry.id;
        read_charter(r->terms, json);
    } else if (rc == 0 && which == 1) {
        rc = read_node(r, &entry, json, err);
    } else if (rc == 0 && which == 2) {
        rc = read_home(r, json, err);
    } else if (rc == 0) {
        rc = read_steward(r, &entry, json, which == 4, err);
    }
    if (rc == 0)
        note_run(r, &entry, which == 4);
    json_decref(json);
    return rc;
}

/* ---- The hash ------------------------------------------------------------- */

static void add_line(struct hark_sha256 *h, const struct hark_hash *hash)
{
    char hex[2 * HARK_HASH_SIZE + 1];

    hark_hash_hex(hex, hash);
    hark_sha256_update(h, hex, sizeof(hex) - 1);
    hark_sha256_update(h, "\n", 1);
}

static struct hark_hash terms_hash(const struct reading *r)
{
    static const char LABEL[] = "hark/terms/1\n";
    struct hark_sha256 h;

    hark_sha256_init(&h);
    hark_sha256_update(&h, LABEL, sizeof(LABEL) - 1);
    add_line(&h, &r->terms->space);
    add_line(&h, &r->policy);
    for (size_t i = 0; i < r->terms->node_count; i++)
        add_line(&h, &r->terms->nodes[i].entry);
    return hark_sha256_final(&h);
}

int hark_terms_read(struct hark_terms *out, const struct hark_hash *space,
                    const struct hark_terms_entry *entries, size_t count, struct hark_err *err)
{
    struct hark_state state = {.node_count = 0};
    struct reading r = {.terms = out, .state = &state};
    int rc;

    memset(out, 0, sizeof(*out));
    out->space = *space;
    if (count == 0)
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "nothing of the space was shown");
    rc = hark_kinds_builtin(&state.kinds, err);
    if (rc == 0)
        rc = read_first(&r, &entries[0], err);
    for (size_t i = 1; i < count && rc == 0; i++)
        rc = read_later(&r, &entries[i], err);
    if (rc == 0)
        out->hash = terms_hash(&r);
    hark_kinds_free(state.kinds);
    return rc;
}

int hark_terms_home_first(const struct hark_terms *terms, struct hark_state *state, uint64_t *first,
                          struct hark_err *err)
{
    int rc = HARK_OK;

    *first = terms->home_size;
    for (size_t i = terms->recover_count; rc == HARK_OK && i > 0 && *first > 0; i--) {
        bool found = false;
        uint64_t position = 0;

        rc = hark_state_find_entry(state, &terms->recovers[i - 1], &found, &position, err);
        if (rc == HARK_OK && found && position != *first - 1)
            break; /* it stood earlier, as did those before it */
        --*first;
    }
    return rc;
}
