#include "schemas/quorum.h"

#include <stdlib.h>
#include <string.h>

const char *const hark_quorum_kinds[HARK_QUORUM_KINDS] = {"space", "policy", "node", "home"};

void hark_quorums_free(struct hark_quorums *quorums)
{
    free(quorums->list);
    memset(quorums, 0, sizeof(*quorums));
}

/* ---- what entries change ---- */

static bool text_of(const json_t *object, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL || strlen(text) >= size) {
        return false;
    }
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool node_of(const json_t *object, struct hark_cosigner *out)
{
    const char *hex = json_string_value(json_object_get(object, "cosigner"));
    return text_of(object, "name", out->name, sizeof(out->name)) && hex != NULL &&
           hark_hex_decode(out->key.bytes, HARK_KEY_SIZE, hark_span_str(hex), NULL) == 0;
}

static void take_policy(struct hark_quorums *q, const json_t *payload)
{
    const json_t *needed = json_object_get(json_object_get(payload, "policy"), "quorum");
    q->needed = json_is_integer(needed) ? (uint32_t)json_integer_value(needed) : 0;
}

static bool add_node(struct hark_quorums *q, const json_t *object)
{
    struct hark_cosigner node = {.name = ""};
    if (q->node_count == HARK_COSIGNERS_MAX || !node_of(object, &node)) {
        return false;
    }
    q->nodes[q->node_count++] = node;
    return true;
}

static bool remove_node(struct hark_quorums *q, const json_t *payload)
{
    char name[HARK_NODE_NAME_MAX + 1];
    if (!text_of(payload, "name", name, sizeof(name))) {
        return false;
    }
    for (size_t i = 0; i < q->node_count; i++) {
        if (strcmp(q->nodes[i].name, name) == 0) {
            memmove(&q->nodes[i], &q->nodes[i + 1], (q->node_count - i - 1) * sizeof(q->nodes[i]));
            q->node_count--;
            return true;
        }
    }
    return false;
}

/* False: what the rules of its kind do not let stand. */
static bool take(struct hark_quorums *q, const char *kind, const json_t *payload)
{
    if (strcmp(kind, "policy") == 0) {
        take_policy(q, payload);
        return true;
    }
    if (strcmp(kind, "space") == 0) {
        const json_t *home = json_object_get(payload, "home");
        take_policy(q, payload);
        return text_of(home, "name", q->home, sizeof(q->home)) && add_node(q, home);
    }
    if (strcmp(kind, "home") == 0) {
        return text_of(payload, "node", q->home, sizeof(q->home));
    }
    if (strcmp(kind, "node") == 0) {
        const char *action = json_string_value(json_object_get(payload, "action"));
        return action != NULL &&
               (strcmp(action, "add") == 0 ? add_node(q, payload) : remove_node(q, payload));
    }
    return true;
}

static bool is_same(const struct hark_quorum *a, const struct hark_quorum *b)
{
    if (a->needed != b->needed || a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->cosigners[i].name, b->cosigners[i].name) != 0 ||
            !hark_key_equal(&a->cosigners[i].key, &b->cosigners[i].key)) {
            return false;
        }
    }
    return true;
}

int hark_quorums_add(struct hark_quorums *q, uint64_t position, const char *kind,
                     const json_t *payload, struct hark_err *err)
{
    struct hark_quorum next = {.from = position + 1};
    if (!take(q, kind, payload)) {
        return hark_err_set(err, HARK_E_DAMAGED, "the %s at position %llu cannot stand", kind,
                            (unsigned long long)position);
    }
    next.needed = q->needed;
    for (size_t i = 0; i < q->node_count; i++) {
        if (strcmp(q->nodes[i].name, q->home) != 0) {
            next.cosigners[next.count++] = q->nodes[i];
        }
    }
    if (q->count > 0 && is_same(&next, &q->list[q->count - 1])) {
        return 0;
    }
    struct hark_quorum *list = realloc(q->list, (q->count + 1) * sizeof(*list));
    if (list == NULL) {
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a quorum");
    }
    q->list = list;
    q->list[q->count++] = next;
    return 0;
}

/* ---- signing ---- */

bool hark_cosigner_may(const struct hark_cosigned_last *last, uint64_t size,
                       const struct hark_hash *root_there, uint64_t now_s, uint64_t *time_s)
{
    *time_s = now_s;
    if (last == NULL) {
        return size > 0;
    }
    if (last->time_s > now_s) {
        *time_s = last->time_s;
    }
    return size > last->size && root_there != NULL && hark_hash_equal(root_there, &last->root) &&
           *time_s - now_s <= HARK_COSIGNER_BACK_S;
}

/* ---- what is settled ---- */

bool hark_quorum_settles(const struct hark_quorum *quorum)
{
    return quorum != NULL && quorum->needed > 0 && quorum->needed <= quorum->count;
}

const struct hark_quorum *hark_quorums_at(const struct hark_quorums *quorums, uint64_t size)
{
    const struct hark_quorum *found = NULL;
    for (size_t i = 0; i < quorums->count && quorums->list[i].from <= size; i++) {
        found = &quorums->list[i];
    }
    return found;
}

static const struct hark_cosigner *find(const struct hark_quorum *quorum,
                                        const struct hark_key *key)
{
    for (size_t i = 0; i < quorum->count; i++) {
        if (hark_key_equal(&quorum->cosigners[i].key, key)) {
            return &quorum->cosigners[i];
        }
    }
    return NULL;
}

struct settling {
    const struct hark_quorums *quorums;
    uint64_t size;
    const struct hark_cosigned_size *cosigned;
    size_t count;
};

/* Have enough of its cosigners signed as many entries? */
static bool holds(const struct settling *s, const struct hark_quorum *quorum, uint64_t size)
{
    size_t signers = 0;
    for (size_t i = 0; i < s->count; i++) {
        signers += s->cosigned[i].size >= size && find(quorum, &s->cosigned[i].key) != NULL ? 1 : 0;
    }
    return signers >= quorum->needed;
}

static bool is_settled(const struct settling *s, uint64_t before, uint64_t size)
{
    const struct hark_quorums *q = s->quorums;
    if (!hark_quorum_settles(hark_quorums_at(q, size))) {
        return false;
    }
    for (size_t i = 0; i < q->count && q->list[i].from <= size; i++) {
        bool ended = i + 1 < q->count && q->list[i + 1].from <= before;
        if (!ended && hark_quorum_settles(&q->list[i]) && !holds(s, &q->list[i], size)) {
            return false;
        }
    }
    return true;
}

/* The larger of `best` and the candidate, if that is settled. */
static uint64_t try_size(const struct settling *s, uint64_t before, uint64_t best,
                         uint64_t candidate)
{
    return candidate > best && candidate <= s->size && is_settled(s, before, candidate) ? candidate
                                                                                        : best;
}

uint64_t hark_quorums_settled(const struct hark_quorums *quorums, uint64_t before, uint64_t size,
                              const struct hark_cosigned_size *cosigned, size_t count)
{
    const struct settling s = {quorums, size, cosigned, count};
    uint64_t settled = before;
    do {
        before = settled;
        for (size_t i = 0; i < count; i++) {
            settled = try_size(&s, before, settled, cosigned[i].size);
        }
        for (size_t i = 0; i < quorums->count; i++) {
            settled = try_size(&s, before, settled, quorums->list[i].from - 1);
            settled = try_size(&s, before, settled, quorums->list[i].from);
        }
    } while (settled > before);
    return settled;
}

const struct hark_cosigner *hark_quorums_wanted(const struct hark_quorums *quorums,
                                                uint64_t settled, const struct hark_key *key)
{
    const struct hark_cosigner *found = NULL;
    for (size_t i = quorums->count; i-- > 0 && found == NULL;) {
        bool last = i + 1 == quorums->count;
        bool needed =
            hark_quorum_settles(&quorums->list[i]) && (last || quorums->list[i + 1].from > settled);
        found = last || needed ? find(&quorums->list[i], key) : NULL;
    }
    return found;
}
