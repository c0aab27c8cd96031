/*
 * The realm's logs: how entries and batches are made, and all that is checked before
 * a batch is stored, with the codes of PROTOCOL.md 7.2 and 6.1.
 */
#include "realm.h"

#define COMMIT_SIZE 358u
#define TAGGED      (COMMIT_SIZE - HARK_HASH_SIZE)

/* ---- tags ---- */

struct hark_hash realm_tag(const struct realm *realm, uint32_t actor, uint32_t owner,
                           const void *bytes, size_t size)
{
    struct hark_sha256 h;
    if (owner != actor && (owner != REALM_STEWARD || actor != realm->steward_at))
        realm_broken(realm, "somebody signs with another's key: an error of the simulator's");
    hark_sha256_init(&h);
    hark_sha256_update(&h, realm->secrets[owner].bytes, HARK_HASH_SIZE);
    hark_sha256_update(&h, bytes, size);
    return hark_sha256_final(&h);
}

static bool tag_holds(const struct realm *realm, uint32_t owner, const uint8_t *bytes, size_t size,
                      const uint8_t *tag)
{
    struct hark_hash right;
    if (owner >= realm->count && owner != REALM_STEWARD)
        return false;
    struct hark_sha256 h;
    hark_sha256_init(&h);
    hark_sha256_update(&h, realm->secrets[owner].bytes, HARK_HASH_SIZE);
    hark_sha256_update(&h, bytes, size);
    right = hark_sha256_final(&h);
    return memcmp(right.bytes, tag, HARK_HASH_SIZE) == 0;
}

/* ---- entries ---- */

static void put_u64(uint8_t **at, uint64_t value)
{
    hark_put_u64(*at, value);
    *at += 8;
}

static void put_hash(uint8_t **at, const struct hark_hash *hash)
{
    memcpy(*at, hash->bytes, HARK_HASH_SIZE);
    *at += HARK_HASH_SIZE;
}

static uint64_t get_u64(const uint8_t **at)
{
    *at += 8;
    return hark_get_u64(*at - 8);
}

static void get_hash(const uint8_t **at, struct hark_hash *out)
{
    memcpy(out->bytes, *at, HARK_HASH_SIZE);
    *at += HARK_HASH_SIZE;
}

void realm_entry_make(struct realm *realm, uint32_t actor, struct realm_entry *entry)
{
    uint8_t *at = entry->object;
    *at++ = entry->kind;
    *at++ = entry->author;
    hark_put_u32(at, entry->seq);
    at += 4;
    put_u64(&at, entry->value);
    put_hash(&at, &entry->previous);
    put_u64(&at, entry->size);
    put_hash(&at, &entry->root);
    struct hark_hash tag =
        realm_tag(realm, actor, entry->author, entry->object, (size_t)(at - entry->object));
    put_hash(&at, &tag);
    assert_int_equal(at - entry->object, REALM_OBJECT_SIZE);
    entry->id = hark_sha256(hark_span(entry->object, REALM_OBJECT_SIZE));
    entry->intake = REALM_NOBODY;
}

int realm_entry_read(const struct realm *realm, struct realm_entry *out, struct hark_span object)
{
    const uint8_t *at = object.data;
    memset(out, 0, sizeof(*out));
    out->intake = REALM_NOBODY;
    if (object.size != REALM_OBJECT_SIZE)
        return HARK_E_ENTRY_SIZE;
    memcpy(out->object, object.data, REALM_OBJECT_SIZE);
    out->kind = *at++;
    out->author = *at++;
    out->seq = hark_get_u32(at);
    at += 4;
    out->value = get_u64(&at);
    get_hash(&at, &out->previous);
    out->size = get_u64(&at);
    get_hash(&at, &out->root);
    if (!tag_holds(realm, out->author, object.data, (size_t)(at - object.data), at))
        return HARK_E_ENTRY_SIGNATURE;
    out->id = hark_sha256(object);
    return 0;
}

/* ---- reading logs ---- */

uint64_t realm_log_size(const struct realm_log *log)
{
    const struct realm_batch *last = log->batches > 0 ? log->at[log->batches - 1] : NULL;
    return last != NULL ? last->first + last->count : 0;
}

struct hark_hash realm_log_root(const struct realm_log *log)
{
    return log->batches > 0 ? log->at[log->batches - 1]->root : hark_merkle_empty();
}

struct hark_cursor realm_log_cursor(const struct realm *realm, const struct realm_log *log,
                                    size_t number)
{
    struct hark_cursor cursor;
    struct hark_log_ref ref = realm_log_ref(realm, number);
    hark_cursor_empty(&cursor, &ref);
    if (log->batches > 0) {
        const struct realm_batch *last = log->at[log->batches - 1];
        if (number == 0)
            hark_origin(cursor.origin, realm_name(last->signer), &realm->space, last->incarnation);
        cursor.size = realm_log_size(log);
        cursor.batches = log->batches;
        cursor.root = last->root;
    }
    return cursor;
}

uint32_t realm_feed(const struct realm_log *log, size_t batches, uint8_t author,
                    struct hark_hash *last)
{
    for (size_t i = batches; i-- > 0;) {
        for (size_t k = (size_t)log->at[i]->count; k-- > 0;) {
            if (log->at[i]->entries[k].author == author) {
                *last = log->at[i]->entries[k].id;
                return log->at[i]->entries[k].seq;
            }
        }
    }
    return 0;
}

bool realm_log_has(const struct realm_log *log, size_t batches, const struct hark_hash *id,
                   uint64_t *position)
{
    for (size_t i = 0; i < batches; i++) {
        for (size_t k = 0; k < log->at[i]->count; k++) {
            if (hark_hash_equal(&log->at[i]->entries[k].id, id)) {
                *position = log->at[i]->first + k;
                return true;
            }
        }
    }
    return false;
}

bool realm_is_admitted(const struct realm_log *main, size_t batches, uint8_t author)
{
    for (size_t i = 0; i < batches; i++) {
        for (size_t k = 0; k < main->at[i]->count; k++) {
            const struct realm_entry *entry = &main->at[i]->entries[k];
            if (entry->kind == REALM_ADMIT && entry->value == author)
                return true;
        }
    }
    return false;
}

uint32_t realm_home_of(const struct realm_log *main, size_t batches, uint32_t *incarnation)
{
    *incarnation = batches > 0 ? main->at[batches - 1]->incarnation : 1;
    return batches > 0 ? main->at[batches - 1]->signer : 0;
}

size_t realm_main_at(const struct realm_log *main, uint64_t size, const struct hark_hash *root)
{
    for (size_t i = 0; i < main->batches; i++) {
        if (main->at[i]->first + main->at[i]->count == size)
            return hark_hash_equal(&main->at[i]->root, root) ? i + 1 : 0;
    }
    return 0;
}

/* ---- may it be logged? ---- */

static bool may_write(const struct realm_log *log, const struct realm_log *main, size_t batches,
                      const struct realm_entry *entry, const struct realm_entry *before,
                      size_t count)
{
    if (entry->author == REALM_STEWARD)
        return entry->kind != REALM_POST;
    if (entry->kind != REALM_POST)
        return false;
    for (size_t i = 0; log == main && i < count; i++) {
        if (before[i].kind == REALM_ADMIT && before[i].value == entry->author)
            return true;
    }
    return realm_is_admitted(main, batches, entry->author);
}

int realm_may_log(const struct realm_log *log, const struct realm_log *main, size_t batches,
                  const struct realm_entry *entry, const struct realm_entry *before, size_t count)
{
    struct hark_hash last = {{0}}, other = {{0}};
    uint64_t position = 0;
    uint32_t seq = realm_feed(main, batches, entry->author, &last);
    uint32_t more = log != main ? realm_feed(log, log->batches, entry->author, &other) : 0;
    if (more > seq) {
        seq = more;
        last = other;
    }
    if ((entry->kind == REALM_FOUND) != (log == main && batches == 0 && count == 0))
        return HARK_E_ENTRY_FIRST;
    if (!may_write(log, main, batches, entry, before, count))
        return HARK_E_ENTRY_KEY;
    for (size_t i = 0; i < count; i++) {
        if (before[i].author == entry->author) {
            seq = before[i].seq;
            last = before[i].id;
        }
        if (hark_hash_equal(&before[i].id, &entry->id))
            return HARK_E_ENTRY_DUPLICATE;
    }
    if (realm_log_has(main, batches, &entry->id, &position) ||
        (log != main && realm_log_has(log, log->batches, &entry->id, &position)))
        return HARK_E_ENTRY_DUPLICATE;
    if (entry->seq != seq + 1)
        return entry->seq <= seq ? HARK_E_ENTRY_TWIN : HARK_E_ENTRY_GAP;
    return hark_hash_equal(&entry->previous, &last) ? 0 : HARK_E_ENTRY_PREVIOUS;
}

/* ---- making batches ---- */

void realm_batch_next(struct realm *realm, struct realm_batch *batch, uint8_t number,
                      const struct realm_log *log, uint32_t signer)
{
    const struct realm_batch *last = log->batches > 0 ? log->at[log->batches - 1] : NULL;
    memset(batch, 0, sizeof(*batch));
    batch->wire = hark_buf_init(HARK_UNPACKED_MAX);
    batch->log = number;
    batch->signer = (uint8_t)signer;
    batch->incarnation = number == 0 ? 1 : 0;
    batch->first = realm_log_size(log);
    batch->root = realm_log_root(log);
    batch->time_ms = realm->now_ms;
    for (size_t i = 0; i < REALM_NAMED_MAX; i++)
        batch->taken[i].root = hark_merkle_empty();
    if (last != NULL) {
        batch->previous = last->hash;
        batch->incarnation = last->incarnation;
        memcpy(batch->taken, last->taken, sizeof(batch->taken));
    }
    batch->entries = calloc(REALM_BATCH_MAX, sizeof(*batch->entries));
    assert_non_null(batch->entries);
}

static struct hark_hash root_after(const struct hark_hash *root, const struct hark_hash *id)
{
    uint8_t bytes[2 * HARK_HASH_SIZE];
    memcpy(bytes, root->bytes, HARK_HASH_SIZE);
    memcpy(bytes + HARK_HASH_SIZE, id->bytes, HARK_HASH_SIZE);
    return hark_sha256(hark_span(bytes, sizeof(bytes)));
}

static struct hark_hash entries_hash(const struct realm_entry *entries, size_t count,
                                     struct hark_span lines)
{
    struct hark_sha256 h;
    hark_sha256_init(&h);
    hark_sha256_update(&h, lines.data, lines.size);
    for (size_t i = 0; i < count; i++)
        hark_sha256_update(&h, entries[i].id.bytes, HARK_HASH_SIZE);
    return hark_sha256_final(&h);
}

static void commit_encode(uint8_t out[COMMIT_SIZE], const struct realm_batch *batch,
                          const struct hark_hash *entries)
{
    uint8_t *at = out;
    *at++ = batch->log;
    *at++ = batch->signer;
    hark_put_u32(at, batch->incarnation);
    at += 4;
    put_u64(&at, batch->first);
    put_u64(&at, batch->count);
    put_u64(&at, batch->time_ms);
    put_hash(&at, &batch->previous);
    put_hash(&at, entries);
    put_u64(&at, batch->main_size);
    put_hash(&at, &batch->main_root);
    for (size_t i = 0; i < REALM_NAMED_MAX; i++) {
        put_u64(&at, batch->taken[i].size);
        put_hash(&at, &batch->taken[i].root);
    }
    put_hash(&at, &batch->root);
    assert_int_equal(at - out, TAGGED);
}

/* So that the next answer is fetched while one is taken in. */
static void checkpoint_encode(const struct realm *realm, struct hark_buf *out,
                              const struct realm_batch *batch)
{
    struct hark_checkpoint said = {.size = batch->first + batch->count, .root = batch->root};
    hark_origin(said.origin, realm_name(batch->signer), &realm->space, batch->incarnation);
    assert_int_equal(hark_checkpoint_encode(out, &said, NULL), 0);
    assert_int_equal(hark_buf_append_str(out, "\n", NULL), 0);
}

void realm_batch_sign(struct realm *realm, struct realm_batch *batch)
{
    struct hark_buf checkpoint = hark_buf_init(HARK_BATCH_CHECKPOINT_MAX);
    uint8_t commit[COMMIT_SIZE];
    char lines[2 * REALM_BATCH_MAX];
    struct hark_raw_entry items[REALM_BATCH_MAX];
    memset(items, 0, sizeof(items));
    for (size_t i = 0; i < batch->count; i++) {
        const struct realm_entry *entry = &batch->entries[i];
        batch->root = root_after(&batch->root, &entry->id);
        lines[2 * i] = (char)(entry->intake == REALM_NOBODY ? '-' : 'a' + (char)entry->intake);
        lines[2 * i + 1] = '\n';
        items[i].object = hark_span(entry->object, REALM_OBJECT_SIZE);
    }
    struct hark_raw_batch raw = {.commit = hark_span(commit, sizeof(commit)),
                                 .entries = hark_span(lines, (size_t)batch->count * 2),
                                 .count = (size_t)batch->count,
                                 .items = items};
    struct hark_hash entries = entries_hash(batch->entries, (size_t)batch->count, raw.entries);
    commit_encode(commit, batch, &entries);
    struct hark_hash tag = realm_tag(realm, batch->signer, batch->signer, commit, TAGGED);
    memcpy(commit + TAGGED, tag.bytes, HARK_HASH_SIZE);
    batch->hash = hark_sha256(raw.commit);
    checkpoint_encode(realm, &checkpoint, batch);
    raw.checkpoint = hark_buf_span(&checkpoint);
    hark_buf_clear(&batch->wire);
    assert_int_equal(hark_wire_batch_encode(&batch->wire, &raw, NULL), 0);
    hark_buf_free(&checkpoint);
}

const struct realm_batch *realm_register(struct realm *realm, const struct realm_batch *batch)
{
    struct realm_batch *kept = malloc(sizeof(*kept));
    assert_non_null(kept);
    assert_true(realm->made_count < REALM_MADE_MAX);
    *kept = *batch;
    realm->made[realm->made_count++] = kept;
    return kept;
}

void realm_batch_free(struct realm_batch *batch)
{
    hark_buf_free(&batch->wire);
    free(batch->entries);
}

/* ---- verifying ---- */

struct reading {
    struct realm_node *node;
    struct realm_log *log;
    const struct realm_log *main;
    size_t batches; /* of main: what it is judged against */
    struct realm_batch batch;
    struct hark_hash entries;
    int bad; /* an entry that is none: told last, as in 7.2 */
};

static int read_commit(struct realm_batch *out, struct hark_hash *entries, struct hark_span commit)
{
    const uint8_t *at = commit.data;
    if (commit.size != COMMIT_SIZE)
        return HARK_E_BATCH_FORM;
    out->log = *at++;
    out->signer = *at++;
    out->incarnation = hark_get_u32(at);
    at += 4;
    out->first = get_u64(&at);
    out->count = get_u64(&at);
    out->time_ms = get_u64(&at);
    get_hash(&at, &out->previous);
    get_hash(&at, entries);
    out->main_size = get_u64(&at);
    get_hash(&at, &out->main_root);
    for (size_t i = 0; i < REALM_NAMED_MAX; i++) {
        out->taken[i].size = get_u64(&at);
        get_hash(&at, &out->taken[i].root);
    }
    get_hash(&at, &out->root);
    out->hash = hark_sha256(commit);
    return 0;
}

static int read_entries(struct reading *r, const struct hark_raw_batch *raw)
{
    if (raw->entries.size != 2 * raw->count || raw->count > REALM_BATCH_MAX)
        return HARK_E_BATCH_ENTRIES;
    for (size_t i = 0; i < raw->count; i++) {
        struct realm_entry *entry = &r->batch.entries[i];
        int rc = realm_entry_read(r->node->realm, entry, raw->items[i].object);
        uint8_t by = raw->entries.data[2 * i];
        entry->id = hark_sha256(raw->items[i].object);
        entry->intake = by == '-' ? REALM_NOBODY : (uint32_t)by - 'a';
        if (by != '-' && (r->batch.log != 0 || entry->intake >= r->node->realm->named))
            return HARK_E_BATCH_ENTRIES;
        r->bad = r->bad == 0 ? rc : r->bad;
    }
    struct hark_hash hash = entries_hash(r->batch.entries, raw->count, raw->entries);
    return hark_hash_equal(&hash, &r->entries) ? 0 : HARK_E_BATCH_ENTRIES;
}

/* Whose batch must it be? B2, B3. */
static int check_signer(const struct reading *r, struct hark_span commit, uint8_t number)
{
    const struct realm *realm = r->node->realm;
    const struct realm_entry *first = &r->batch.entries[0];
    uint32_t incarnation = 0, signer = number == 0
                                           ? realm_home_of(r->log, r->log->batches, &incarnation)
                                           : number - 1u;
    if (number == 0 && r->batch.count > 0 && r->bad == 0 && first->kind == REALM_HOME &&
        r->batch.incarnation == incarnation + 1 && first->author == REALM_STEWARD &&
        first->size == realm_log_size(r->log) && first->value < realm->named) {
        struct hark_hash root = realm_log_root(r->log);
        if (hark_hash_equal(&root, &first->root)) {
            signer = (uint32_t)first->value;
            incarnation++;
        }
    }
    if (!tag_holds(realm, signer, commit.data, TAGGED, commit.data + TAGGED))
        return HARK_E_BATCH_SIGNATURE;
    return r->batch.log == number && r->batch.signer == signer &&
                   r->batch.incarnation == incarnation
               ? 0
               : HARK_E_BATCH_ORIGIN;
}

/* B4, B5, B9, B10, B12. */
static int check_chain(const struct reading *r, const struct hark_raw_batch *raw)
{
    const struct realm_batch *last = r->log->batches > 0 ? r->log->at[r->log->batches - 1] : NULL;
    struct hark_hash root = realm_log_root(r->log), none = {{0}};
    if (r->batch.first != realm_log_size(r->log) || r->batch.count != raw->count)
        return HARK_E_BATCH_RANGE;
    if (!hark_hash_equal(&r->batch.previous, last != NULL ? &last->hash : &none))
        return HARK_E_BATCH_PREVIOUS;
    if (last != NULL && r->batch.time_ms < last->time_ms)
        return HARK_E_BATCH_ARRIVAL;
    if (r->batch.time_ms > r->node->realm->now_ms + HARK_AHEAD_MAX_MS)
        return HARK_E_BATCH_AHEAD;
    for (size_t i = 0; i < raw->count; i++)
        root = root_after(&root, &r->batch.entries[i].id);
    return hark_hash_equal(&root, &r->batch.root) ? 0 : HARK_E_BATCH_ROOT;
}

/* B13. */
static int check_taken(const struct reading *r)
{
    const struct realm_batch *last = r->log->batches > 0 ? r->log->at[r->log->batches - 1] : NULL;
    bool advances = r->batch.count > 0;
    for (size_t i = 0; i < r->node->realm->named; i++) {
        const struct realm_taken *taken = &r->batch.taken[i];
        uint64_t before = last != NULL ? last->taken[i].size : 0;
        const struct realm_log *intake = &r->node->logs[1 + i];
        if (taken->size < before)
            return HARK_E_BATCH_TAKEN;
        if (taken->size == before)
            continue;
        advances = true;
        if (taken->size <= realm_log_size(intake) &&
            realm_main_at(intake, taken->size, &taken->root) == 0)
            return HARK_E_BATCH_TAKEN;
    }
    return advances ? 0 : HARK_E_BATCH_TAKEN;
}

/* B15, and how much of the main log counts. */
static int check_main(struct reading *r)
{
    const struct realm_batch *last = r->log->batches > 0 ? r->log->at[r->log->batches - 1] : NULL;
    if (r->batch.main_size > realm_log_size(r->main))
        return HARK_E_BEHIND;
    r->batches = realm_main_at(r->main, r->batch.main_size, &r->batch.main_root);
    return r->batches == 0 || (last != NULL && r->batch.main_size < last->main_size)
               ? HARK_E_BATCH_MAIN
               : 0;
}

static int check_entries(const struct reading *r)
{
    for (size_t i = 0; i < r->batch.count; i++) {
        const struct realm_entry *entry = &r->batch.entries[i];
        int rc = r->bad != 0
                     ? r->bad
                     : realm_may_log(r->log, r->main, r->batches, entry, r->batch.entries, i);
        if (rc != 0)
            return rc;
        if (entry->kind == REALM_FOUND && !hark_hash_equal(&entry->id, &r->node->realm->space))
            return HARK_E_ENTRY_SPACE;
        if (entry->kind == REALM_HOME && (i > 0 || r->batch.signer != entry->value))
            return HARK_E_BATCH_ORIGIN;
    }
    return 0;
}

static int verify(struct reading *r, uint8_t number, const struct hark_raw_batch *raw)
{
    int rc = read_commit(&r->batch, &r->entries, raw->commit);
    if (rc == 0 && raw->count <= REALM_BATCH_MAX) {
        int entries = read_entries(r, raw);
        rc = check_signer(r, raw->commit, number);
        rc = rc == 0 ? check_chain(r, raw) : rc;
        rc = rc == 0 ? entries : rc;
    } else if (rc == 0) {
        rc = HARK_E_BATCH_FORM;
    }
    if (rc == 0)
        rc = number == 0 ? check_taken(r) : check_main(r);
    return rc == 0 ? check_entries(r) : rc;
}

static const struct realm_batch *find_made(const struct realm *realm, const struct hark_hash *hash)
{
    for (size_t i = realm->made_count; i-- > 0;) {
        if (hark_hash_equal(&realm->made[i]->hash, hash))
            return realm->made[i];
    }
    return NULL;
}

int realm_take_batch(struct realm_node *node, uint8_t number, const struct hark_raw_batch *raw)
{
    struct realm_entry *entries = calloc(REALM_BATCH_MAX, sizeof(*entries));
    struct reading r = {.node = node,
                        .log = &node->logs[number],
                        .main = &node->logs[0],
                        .batches = node->logs[0].batches,
                        .batch = {.entries = entries}};
    assert_non_null(entries);
    int rc = verify(&r, number, raw);
    free(entries);
    if (rc != 0)
        return rc;
    const struct realm_batch *made = find_made(node->realm, &r.batch.hash);
    if (made == NULL || made->bad)
        realm_broken(node->realm, "a batch checks out that nobody rightly made");
    assert_true(r.log->batches < REALM_BATCHES_MAX);
    r.log->at[r.log->batches++] = made;
    return 0;
}

/* A pure function of the log: what its entries mean here, in order. */
struct hark_hash realm_state_hash(const struct realm_log *main)
{
    struct hark_sha256 h;
    hark_sha256_init(&h);
    for (size_t i = 0; i < main->batches; i++) {
        for (size_t k = 0; k < main->at[i]->count; k++) {
            const struct realm_entry *entry = &main->at[i]->entries[k];
            uint8_t bytes[12] = {entry->kind, entry->author};
            hark_put_u64(bytes + 2, entry->value);
            hark_sha256_update(&h, bytes, sizeof(bytes));
            hark_sha256_update(&h, entry->id.bytes, HARK_HASH_SIZE);
        }
    }
    return hark_sha256_final(&h);
}
