/*
 * A home that lies: it copies a real one's log, and serves it with its key, altered
 * in one place. "home-…" alterations are signed anew by the home's own log key, as
 * only the home itself could; the others are what anybody on the way could try.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "tests/support/hostile.h"
#include "tests/vectors/craft.h"

#define BATCHES_MAX 4096u
#define FILE_MAX    (64u * 1024u * 1024u)

/* A log as it travels (PROTOCOL.md 9.4), cut into its batches. */
struct record {
    struct hark_buf bytes;
    size_t count;
    struct hark_span batches[BATCHES_MAX];
    struct hark_cursor end;
};

/* ---- copying ---- */

static struct hark_raw_batch take(struct hark_span *in, struct hark_raw_entry **items)
{
    struct hark_raw_batch raw;
    hostile_require(hark_wire_batch_take(in, &raw, items, NULL) == 0, "no batch in it");
    return raw;
}

/* Cuts the bytes into batches; where the log ends is in the last checkpoint. */
static void cut(struct record *r)
{
    struct hark_span in = hark_buf_span(&r->bytes);
    r->count = 0;
    while (in.size > 0) {
        struct hark_raw_entry *items = NULL;
        struct hark_checkpoint checkpoint;
        struct hark_note note;
        const uint8_t *first = in.data;
        struct hark_raw_batch raw = take(&in, &items);
        hostile_require(r->count < BATCHES_MAX &&
                            hark_note_parse(&note, raw.checkpoint, NULL) == 0 &&
                            hark_checkpoint_decode(&checkpoint, note.text, NULL, NULL) == 0,
                        "no checkpoint");
        r->batches[r->count++] = hark_span(first, (size_t)(in.data - first));
        memcpy(r->end.origin, checkpoint.origin, sizeof(r->end.origin));
        r->end.size = checkpoint.size;
        r->end.root = checkpoint.root;
        r->end.batches = r->count;
        free(items);
    }
}

static void fetch_some(struct hostile *h, struct record *r)
{
    struct hark_fetch fetch = {.cursor = r->end, .want = HARK_WANT_MAX};
    struct hark_batches batches;
    struct hostile_answer answer;
    struct hark_buf body = hostile_buf();
    hostile_require(hark_fetch_encode(&body, &fetch, NULL) == 0, "no fetch");
    hostile_say(h, HARK_MESSAGE_FETCH, hark_buf_span(&body));
    hostile_require(
        hostile_hear_answer(h, &answer, HOSTILE_WAIT) == 3 &&
            hark_batches_decode(&batches, hark_buf_span(&answer.frames[1]), NULL) == 0 &&
            hark_batches_unpack(&r->bytes, &batches, hark_buf_span(&answer.frames[2]), NULL) == 0,
        "no batches");
    cut(r);
    hark_buf_free(&body);
    hostile_answer_free(&answer);
}

static struct record *record_new(const struct hark_hash *space)
{
    struct record *r = calloc(1, sizeof(*r));
    struct hark_log_ref log = {.space = *space};
    hostile_require(r != NULL, "no memory");
    r->bytes = hark_buf_init(FILE_MAX);
    hark_cursor_empty(&r->end, &log);
    return r;
}

static void record_free(struct record *r)
{
    hark_buf_free(&r->bytes);
    free(r);
}

int hostile_record(int argc, char **argv)
{
    struct hark_node *server = hostile_node(argv[0]), *as = hostile_node(argv[1]);
    struct hark_hash space = hostile_hash(argv[3]);
    struct record *r = record_new(&space);
    struct hostile h =
        hostile_connect(argv[2], hark_box_key(server->identity.curve), as->identity.curve, 100);
    (void)argc;
    hostile_require(hostile_hello(&h, HOSTILE_WAIT), "it is not let in");
    struct hark_cursor end = hostile_cursor(&h, &space);
    while (r->end.size < end.size) {
        fetch_some(&h, r);
    }
    FILE *file = fopen(argv[4], "wb");
    hostile_require(file != NULL &&
                        fwrite(r->bytes.data, 1, r->bytes.size, file) == r->bytes.size &&
                        fclose(file) == 0,
                    "cannot write the file");
    (void)printf("%zu batches\n", r->count);
    record_free(r);
    hostile_close(&h);
    hark_node_free(server);
    hark_node_free(as);
    return 0;
}

/* ---- altering ---- */

#define ITEMS_MAX 16u

/* One batch, to be altered. */
struct whole {
    struct hark_buf commit, entries, checkpoint;
    size_t count;
    struct hark_buf objects[ITEMS_MAX], payloads[ITEMS_MAX];
    uint8_t states[ITEMS_MAX];
};

static void put(struct hark_buf *out, struct hark_span bytes)
{
    *out = hostile_buf();
    hostile_require(hark_buf_append_span(out, bytes, NULL) == 0, "no memory");
}

static struct whole whole_of(struct hark_span bytes)
{
    struct whole w = {.count = 0};
    struct hark_raw_entry *items = NULL;
    struct hark_raw_batch raw = take(&bytes, &items);
    hostile_require(raw.count > 0 && raw.count <= ITEMS_MAX, "a batch of another size is wanted");
    put(&w.commit, raw.commit);
    put(&w.entries, raw.entries);
    put(&w.checkpoint, raw.checkpoint);
    w.count = raw.count;
    for (size_t i = 0; i < w.count; i++) {
        put(&w.objects[i], raw.items[i].object);
        put(&w.payloads[i], raw.items[i].payload);
        w.states[i] = raw.items[i].payload_state;
    }
    free(items);
    return w;
}

static void encode_whole(struct hark_buf *out, const struct whole *w)
{
    struct hark_raw_entry items[ITEMS_MAX] = {0};
    struct hark_raw_batch raw = {.commit = hark_buf_span(&w->commit),
                                 .entries = hark_buf_span(&w->entries),
                                 .checkpoint = hark_buf_span(&w->checkpoint),
                                 .count = w->count,
                                 .items = items};
    for (size_t i = 0; i < w->count; i++) {
        items[i].object = hark_buf_span(&w->objects[i]);
        items[i].payload = hark_buf_span(&w->payloads[i]);
        items[i].payload_state = w->states[i];
    }
    hostile_require(hark_wire_batch_encode(out, &raw, NULL) == 0, "cannot encode it");
}

static void whole_free(struct whole *w)
{
    hark_buf_free(&w->commit);
    hark_buf_free(&w->entries);
    hark_buf_free(&w->checkpoint);
    for (size_t i = 0; i < w->count; i++) {
        hark_buf_free(&w->objects[i]);
        hark_buf_free(&w->payloads[i]);
    }
}

/* Where the `nth` byte after the first `mark` lies. */
static uint8_t *after(struct hark_buf *text, const char *mark, size_t nth)
{
    uint8_t *at = memmem(text->data, text->size, mark, strlen(mark));
    hostile_require(at != NULL, mark);
    return at + strlen(mark) + nth;
}

/* Another digit, or another character of base64. */
static void change(uint8_t *at)
{
    *at = *at == '1' ? '2' : '1';
}

static struct hark_line *lines_of(const struct hark_buf *file, size_t *count)
{
    struct hark_line *lines = NULL;
    hostile_require(hark_lines_decode(&lines, count, hark_buf_span(file), NULL) == 0, "lines");
    return lines;
}

static struct hark_git_id tree_of(const struct whole *w)
{
    struct hark_buf tree = hostile_buf();
    struct hark_git_id checkpoint = craft_git_id("blob", hark_buf_span(&w->checkpoint));
    struct hark_git_id entries = craft_git_id("blob", hark_buf_span(&w->entries));
    hostile_require(hark_buf_append(&tree, "100644 checkpoint", 18, NULL) == 0 &&
                        hark_buf_append(&tree, checkpoint.bytes, HARK_GIT_ID_SIZE, NULL) == 0 &&
                        hark_buf_append(&tree, "100644 entries", 15, NULL) == 0 &&
                        hark_buf_append(&tree, entries.bytes, HARK_GIT_ID_SIZE, NULL) == 0,
                    "no memory");
    struct hark_git_id id = craft_git_id("tree", hark_buf_span(&tree));
    hark_buf_free(&tree);
    return id;
}

/* The root after the record's batches before this one, and this one's lines. */
static struct hark_hash root_with(const struct record *r, const struct whole *w)
{
    struct hark_merkle tree = {0};
    for (size_t b = 0; b < r->count; b++) {
        struct whole one = b + 1 < r->count ? whole_of(r->batches[b]) : (struct whole){0};
        size_t count = 0;
        struct hark_line *lines = lines_of(b + 1 < r->count ? &one.entries : &w->entries, &count);
        for (size_t i = 0; i < count; i++) {
            struct hark_hash leaf = hark_line_leaf(&lines[i]);
            hark_merkle_append(&tree, &leaf);
        }
        free(lines);
        whole_free(&one);
    }
    return hark_merkle_root(&tree);
}

/* Makes lines, checkpoint and commit fit the rest again, signed by the home. */
static void sign_anew(const struct hark_node *home, const struct record *r, struct whole *w,
                      const char *what)
{
    struct hark_batch batch;
    struct hark_git_id *ids = NULL;
    struct hark_checkpoint checkpoint = {.size = r->end.size};
    size_t count = 0;
    struct hark_line *lines = lines_of(&w->entries, &count);
    hostile_require(
        hark_batch_parse(&batch, NULL, &ids, hark_buf_span(&w->commit), NULL, NULL) == 0, "commit");
    for (size_t i = 0; i < count; i++) {
        lines[i].id = hark_sha256(hark_buf_span(&w->objects[i]));
        ids[i] = craft_git_id("commit", hark_buf_span(&w->objects[i]));
        if (strcmp(what, "home-arrival") == 0) {
            lines[i].arrival_ms -= 1;
        }
    }
    hark_buf_clear(&w->entries);
    hark_buf_clear(&w->checkpoint);
    hark_buf_clear(&w->commit);
    hostile_require(hark_lines_encode(&w->entries, lines, count, NULL) == 0, "lines");
    if (strcmp(what, "home-origin") == 0) {
        batch.origin[strlen(batch.origin) - 1] = '2';
    }
    memcpy(checkpoint.origin, batch.origin, sizeof(batch.origin));
    checkpoint.root = root_with(r, w);
    if (strcmp(what, "home-root") == 0) {
        checkpoint.root.bytes[7] ^= 1;
    }
    batch.entries = hark_sha256(hark_buf_span(&w->entries));
    hostile_require(
        hark_checkpoint_sign(&w->checkpoint, &checkpoint, home->identity.log, NULL, NULL) == 0,
        "checkpoint");
    struct hark_git_id tree = tree_of(w);
    hostile_require(hark_batch_build(&w->commit, &batch, &tree, ids, home->identity.log, NULL) == 0,
                    "commit");
    free(ids);
    free(lines);
}

/* An entries line: position, arrival, acceptance, entry id, intake, its position. */
static uint8_t *field(struct hark_buf *line, unsigned number)
{
    uint8_t *at = line->data;
    for (; number > 0; number--) {
        at = (uint8_t *)memchr(at, ' ', line->size - (size_t)(at - line->data)) + 1;
    }
    return at;
}

static void alter(const struct hark_node *home, const struct record *r, struct whole *w,
                  const char *what)
{
    if (strcmp(what, "commit") == 0) {
        change(after(&w->commit, "\nTime: ", 22)); /* milliseconds */
    } else if (strcmp(what, "form") == 0) {
        hostile_require(hark_buf_append_byte(&w->commit, '\n', NULL) == 0, "no memory");
    } else if (strcmp(what, "signature") == 0) {
        change(after(&w->commit, "SSH SIGNATURE-----\n ", 220)); /* of the 64 bytes */
    } else if (strcmp(what, "entry") == 0) {
        change(after(&w->objects[0], "\nTime: ", 22));
    } else if (strcmp(what, "arrival") == 0) {
        change(field(&w->entries, 2) - 2);
    } else if (strcmp(what, "acceptance") == 0) {
        change(field(&w->entries, 3) - 2);
    } else if (strcmp(what, "origin") == 0) {
        *field(&w->entries, 4) = 'x';
    } else if (strcmp(what, "root") == 0) {
        change(after(&w->checkpoint, "\n", 5 + 1));
    } else if (strcmp(what, "payload") == 0) {
        hostile_require(w->states[0] == 1, "no payload");
        change(after(&w->payloads[0], "\"salt\":\"", 3));
    } else if (strcmp(what, "home-entry") == 0) {
        change(after(&w->objects[0], "\nTime: ", 22));
        sign_anew(home, r, w, what);
    } else if (strncmp(what, "home-", 5) == 0) {
        sign_anew(home, r, w, what);
    } else {
        hostile_require(strcmp(what, "none") == 0, what);
    }
}

/* ---- serving ---- */

struct home {
    struct hark_node *node;
    struct record *record;
    struct hark_hash space;
    const char *what_file;
    FILE *heard; /* NULL: nobody wants to know */
    void *socket;
};

static void read_what(const struct home *home, char *what, size_t size)
{
    FILE *file = fopen(home->what_file, "r");
    what[0] = '\0';
    hostile_require(file != NULL && fgets(what, (int)size, file) != NULL && fclose(file) == 0,
                    "what is to be altered?");
    what[strcspn(what, "\n")] = '\0';
}

static void answer(const struct home *home, struct hark_span to, uint8_t type, uint64_t id,
                   struct hark_span body, struct hark_span load)
{
    uint8_t header[HARK_HEADER_SIZE];
    hark_message_header(header, type, id);
    bool more = load.size > 0;
    (void)zmq_send(home->socket, to.data, to.size, ZMQ_SNDMORE);
    (void)zmq_send(home->socket, header, sizeof(header), ZMQ_SNDMORE);
    (void)zmq_send(home->socket, body.data, body.size, more ? ZMQ_SNDMORE : 0);
    if (more) {
        (void)zmq_send(home->socket, load.data, load.size, 0);
    }
}

static void on_ask(const struct home *home, struct hark_span to, uint64_t id, struct hark_span body)
{
    struct hark_cursor *asked = NULL;
    struct hark_buf out = hostile_buf();
    size_t count = 0;
    char what[64];
    read_what(home, what, sizeof(what));
    hostile_require(hark_ask_decode(&asked, &count, body, NULL) == 0, "an ask");
    struct hark_told *told = calloc(count, sizeof(*told));
    hostile_require(told != NULL, "no memory");
    for (size_t i = 0; i < count; i++) {
        struct hark_log_ref log;
        hark_cursor_log(&asked[i], &log);
        told[i].cursor = asked[i];
        if (log.node[0] == '\0' && hark_hash_equal(&log.space, &home->space) &&
            asked[i].batches < home->record->end.batches) {
            told[i].cursor = home->record->end;
            told[i].status = HARK_TELL_MORE;
        }
        if (log.node[0] == '\0' && strcmp(what, "later-home") == 0) {
            told[i].cursor = home->record->end;
            told[i].cursor.origin[strlen(told[i].cursor.origin) - 1]++;
            told[i].status = HARK_TELL_UNFIT;
        }
    }
    hostile_require(hark_tell_encode(&out, told, count, NULL) == 0, "a tell");
    answer(home, to, HARK_MESSAGE_TELL, id, hark_buf_span(&out), hark_span(NULL, 0));
    hark_buf_free(&out);
    free(asked);
    free(told);
}

static void on_fetch(const struct home *home, struct hark_span to, uint64_t id,
                     struct hark_span body)
{
    struct hark_buf plain = hostile_buf(), load = hostile_buf(), out = hostile_buf();
    struct hark_fetch fetch;
    char what[64];
    read_what(home, what, sizeof(what));
    hostile_require(hark_fetch_decode(&fetch, body, NULL) == 0, "a fetch");
    struct hark_batches batches = {.cursor = fetch.cursor};
    for (size_t i = fetch.cursor.batches; i < home->record->count; i++) {
        struct whole w = whole_of(home->record->batches[i]);
        if (i + 1 == home->record->count) {
            alter(home->node, home->record, &w, what);
        }
        encode_whole(&plain, &w);
        whole_free(&w);
        batches.count++;
    }
    batches.size = (uint32_t)plain.size;
    hostile_require(hark_batches_encode(&out, &batches, NULL) == 0 &&
                        hark_batches_pack(&load, hark_buf_span(&plain), NULL) == 0,
                    "no batches");
    answer(home, to, HARK_MESSAGE_BATCHES, id, hark_buf_span(&out), hark_buf_span(&load));
    hark_buf_free(&plain);
    hark_buf_free(&load);
    hark_buf_free(&out);
}

static void on_hello(const struct home *home, struct hark_span to, uint64_t id)
{
    struct hark_hello hello = {.lowest = 1, .highest = 1, .name = "hostile", .software = "test"};
    struct hark_buf out = hostile_buf();
    hostile_require(hark_hello_encode(&out, &hello, NULL) == 0, "a hello");
    answer(home, to, HARK_MESSAGE_HELLO, id, hark_buf_span(&out), hark_span(NULL, 0));
    hark_buf_free(&out);
}

/* All that is said to us, but for the routing id. */
static void keep_heard(const struct home *home, const struct hostile_answer *got)
{
    for (size_t i = 1; home->heard != NULL && i < got->count; i++) {
        (void)fwrite(got->frames[i].data, 1, got->frames[i].size, home->heard);
    }
    if (home->heard != NULL) {
        (void)fflush(home->heard);
    }
}

static void serve_one(const struct home *home)
{
    struct hostile_answer got;
    struct hostile as = {.socket = home->socket};
    size_t count = hostile_hear(&as, &got, 1000);
    keep_heard(home, &got);
    if (count >= 3 && got.frames[1].size == HARK_HEADER_SIZE) {
        struct hark_span to = hark_buf_span(&got.frames[0]), body = hark_buf_span(&got.frames[2]);
        uint64_t id = hark_get_u64(got.frames[1].data + 8);
        switch (got.frames[1].data[5]) {
        case HARK_MESSAGE_HELLO:
            on_hello(home, to, id);
            break;
        case HARK_MESSAGE_ASK:
            on_ask(home, to, id, body);
            break;
        case HARK_MESSAGE_FETCH:
            on_fetch(home, to, id, body);
            break;
        default:
            break;
        }
    }
    hostile_answer_free(&got);
}

static struct record *read_record(const char *path, const struct hark_hash *space)
{
    struct record *r = record_new(space);
    uint8_t bytes[4096];
    size_t size = 0;
    FILE *file = fopen(path, "rb");
    hostile_require(file != NULL, path);
    while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0) {
        hostile_require(hark_buf_append(&r->bytes, bytes, size, NULL) == 0, "no memory");
    }
    (void)fclose(file);
    cut(r);
    return r;
}

/* Until it is ended by a signal. */
int hostile_serve(int argc, char **argv)
{
    struct home home = {
        .node = hostile_node(argv[0]), .space = hostile_hash(argv[2]), .what_file = argv[4]};
    int one = 1, zero = 0;
    void *context = zmq_ctx_new();
    if (argc > 5) {
        home.heard = fopen(argv[5], "wb");
        hostile_require(home.heard != NULL, argv[5]);
    }
    home.record = read_record(argv[3], &home.space);
    home.socket = zmq_socket(context, ZMQ_ROUTER);
    hostile_require(zmq_setsockopt(home.socket, ZMQ_CURVE_SERVER, &one, sizeof(one)) == 0 &&
                        zmq_setsockopt(home.socket, ZMQ_LINGER, &zero, sizeof(zero)) == 0 &&
                        zmq_setsockopt(home.socket, ZMQ_CURVE_SECRETKEY,
                                       hark_box_secret(home.node->identity.curve),
                                       HARK_KEY_SIZE) == 0 &&
                        zmq_bind(home.socket, argv[1]) == 0,
                    "cannot listen");
    (void)printf("ready\n");
    (void)fflush(stdout);
    for (;;) {
        serve_one(&home);
    }
}
