/*
 * What a receipt costs to make and to check, and what a cosignature costs, beside the bare
 * work that neither can do without.
 *
 *   bench_prove DIR COUNT PLACE
 *
 * Receipts are of COUNT entries spread over the log of the one space of the node in DIR,
 * which is only read. PLACE is an empty directory, for cosignatures.
 *
 * Prints, in microseconds, medians: make, check (form, path, the log's signature), hashes
 * (those of the path, bare), verify (one signature, bare); cosign (signed, and durable),
 * append (4 KiB at a file's end, and fdatasync), and take (one of the log's last batches by a
 * copy of it: verified, durable, indexed); and `entries`, how many those have each.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "node/files.h"
#include "node/node.h"
#include "node/notes.h"
#include "schemas/receipt.h"
#include "tests/bench/bench.h"

#define BLOCK 4096u
#define TAKEN 100u /* batches */

static struct hark_err err;

static void print_us(const char *name, double *samples, size_t count)
{
    (void)printf("%s %.2f\n", name, 1e6 * bench_percentile(samples, count, 0.5));
}

/* --- receipts -------------------------------------------------------------------------- */

struct signature {
    struct hark_note *note;
    struct hark_note_key key;
};

static double make(struct hark_space *space, uint64_t position, struct hark_buf *file,
                   struct hark_proof *path)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_git_id commit;
    struct hark_line line;
    double began = bench_now();

    bench_need(hark_space_line(space, "", position, &line, &commit, &err), "line", &err);
    bench_need(hark_space_prove(space, "", position, path, &note, &err), "proof", &err);
    bench_need(hark_receipt_encode(file, &line, &commit, path, hark_buf_span(&note), &err),
               "receipt", &err);
    began = bench_now() - began;
    hark_buf_free(&note);
    return began;
}

static double check(const struct hark_buf *file, struct signature *s)
{
    struct hark_receipt receipt;
    double began = bench_now();

    bench_need(hark_receipt_decode(&receipt, hark_buf_span(file), &err), "receipt", &err);
    bench_need(hark_note_parse(s->note, receipt.note, &err), "note", &err);
    bench_need(hark_note_verify(s->note, &s->key, NULL, &err), "signature", &err);
    return bench_now() - began;
}

/* As many hashes of two as the path has, and the leaf's. */
static double bare_hashes(const struct hark_proof *path)
{
    uint8_t two[1 + 2 * HARK_HASH_SIZE] = {1};
    double began = bench_now();

    for (size_t i = 0; i <= path->count; i++) {
        struct hark_hash hash = hark_sha256(hark_span(two, sizeof(two)));

        memcpy(two + 1, hash.bytes, HARK_HASH_SIZE);
    }
    return bench_now() - began;
}

static double bare_verify(const struct hark_signer *signer)
{
    static const uint8_t words[64];
    uint8_t signature[HARK_SIGNATURE_SIZE];
    double began;

    bench_need(hark_signer_sign(signer, hark_span(words, sizeof(words)), signature, &err), "sign",
               &err);
    began = bench_now();
    bench_require(hark_verify(hark_signer_key(signer), hark_span(words, sizeof(words)), signature),
                  "a signature that does not hold");
    return bench_now() - began;
}

static void receipts(const struct hark_node *node, struct hark_space *space, size_t count)
{
    double *made = calloc(count, sizeof(double)), *checked = calloc(count, sizeof(double));
    double *hashed = calloc(count, sizeof(double)), *verified = calloc(count, sizeof(double));
    struct signature s = {.note = calloc(1, sizeof(*s.note))};
    const struct hark_log_head *head = hark_space_head(space);

    bench_require(made && checked && hashed && verified && s.note, "no memory");
    bench_need(hark_note_key_init(&s.key, head->origin, HARK_NOTE_ED25519, &head->log_key, &err),
               "key", &err);
    for (size_t i = 0; i < count; i++) {
        struct hark_buf file = hark_buf_init(HARK_TLOG_PROOF_MAX);
        struct hark_proof path;

        made[i] = make(space, i * 7919 % head->tree.size, &file, &path);
        checked[i] = check(&file, &s);
        hashed[i] = bare_hashes(&path);
        verified[i] = bare_verify(node->identity.log);
        hark_buf_free(&file);
    }
    print_us("make", made, count);
    print_us("check", checked, count);
    print_us("hashes", hashed, count);
    print_us("verify", verified, count);
    free(made);
    free(checked);
    free(hashed);
    free(verified);
    free(s.note);
}

/* --- cosignatures ------------------------------------------------------------------------ */

static double cosign(struct hark_notes *notes, const struct hark_signer *signer, uint64_t size)
{
    struct hark_checkpoint cp = {.origin = "bench.example/space/1", .size = size};
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_note_key log, own;
    size_t text;
    double began;

    bench_need(hark_checkpoint_sign(&note, &cp, signer, NULL, &err), "checkpoint", &err);
    bench_need(
        hark_note_key_init(&log, cp.origin, HARK_NOTE_ED25519, hark_signer_key(signer), &err),
        "key", &err);
    bench_need(hark_note_key_init(&own, "bench.example", HARK_NOTE_COSIGNATURE_V1,
                                  hark_signer_key(signer), &err),
               "key", &err);
    for (text = 0; memcmp(note.data + text, "\n\n", 2) != 0;)
        text++;
    began = bench_now();
    bench_need(hark_note_sign(&note, hark_span(note.data, text + 1), own.name, own.algorithm,
                              signer, 1, &err),
               "cosignature", &err);
    bench_need(hark_notes_put(notes, "", &log, &own, hark_buf_span(&note), NULL, &err), "note",
               &err);
    began = bench_now() - began;
    hark_buf_free(&note);
    return began;
}

static double append(int fd)
{
    static const char block[BLOCK];
    double began = bench_now();

    bench_require(write(fd, block, BLOCK) == (ssize_t)BLOCK && fdatasync(fd) == 0, "a write");
    return bench_now() - began;
}

static void cosignatures(const struct hark_node *node, const char *place, size_t count)
{
    double *signed_in = calloc(count, sizeof(double)), *appended = calloc(count, sizeof(double));
    struct hark_notes *notes = NULL;
    char folder[HARK_PATH_MAX], path[HARK_PATH_MAX];
    int fd;

    bench_require(signed_in != NULL && appended != NULL, "no memory");
    (void)snprintf(folder, sizeof(folder), "%s/cosigned/bench", place);
    (void)snprintf(path, sizeof(path), "%s/file", place);
    fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    bench_require(fd >= 0, "a file to measure with");
    bench_need(hark_notes_open(&notes, folder, &err), "notes", &err);
    for (size_t i = 0; i < count; i++) {
        signed_in[i] = cosign(notes, node->identity.log, i + 1);
        appended[i] = append(fd);
    }
    print_us("cosign", signed_in, count);
    print_us("append", appended, count);
    hark_notes_free(notes);
    (void)close(fd);
    free(signed_in);
    free(appended);
}

/* --- batches ------------------------------------------------------------------------------- */

static struct hark_space *new_copy(const struct hark_node *node, const struct hark_hash *id,
                                   const char *place)
{
    struct hark_space *copy = NULL;
    char dir[HARK_PATH_MAX], path[HARK_PATH_MAX];

    bench_need(hark_path_join(dir, place, "copy", &err), "path", &err);
    bench_need(hark_dir_make(dir, &err), dir, &err);
    bench_need(hark_path_join(path, dir, "spaces", &err), "path", &err);
    bench_need(hark_dir_make(path, &err), path, &err);
    bench_need(hark_path_join(path, dir, "index", &err), "path", &err);
    bench_need(hark_dir_make(path, &err), path, &err);
    bench_need(hark_space_create(&copy, dir, id, node->pool, &err), "copy", &err);
    return copy;
}

static void batches(const struct hark_node *node, struct hark_space *space, const char *place)
{
    struct hark_space *copy = new_copy(node, hark_space_id(space), place);
    double *took = calloc(TAKEN, sizeof(double));
    uint64_t count = 0, entries = 0;
    struct hark_log_head head;
    size_t timed = 0;

    bench_need(hark_space_log(space, "", &head, &count, &err), "log", &err);
    bench_require(took != NULL && count > 0, "no batches");
    for (uint64_t i = 0; i < count; i++) {
        struct hark_space_batch batch;
        double began;

        bench_need(hark_space_read_batch(space, "", i, &batch, &err), "batch", &err);
        began = bench_now();
        bench_need(hark_space_take(copy, "", &batch.raw, hark_now_ms(), &err), "batch", &err);
        if (count - i <= TAKEN) {
            took[timed++] = bench_now() - began;
            entries += batch.raw.count;
        }
        hark_space_batch_free(&batch);
    }
    print_us("take", took, timed);
    (void)printf("entries %.1f\n", (double)entries / (double)timed);
    hark_space_free(copy);
    free(took);
}

int main(int argc, char **argv)
{
    struct hark_node *node = NULL;
    struct hark_space *space = NULL;
    struct hark_hash *ids = NULL;
    size_t spaces = 0;

    if (argc != 4) {
        (void)fputs("bench_prove DIR COUNT PLACE\n", stderr);
        return 2;
    }
    bench_need(hark_crypto_init(&err), "crypto", &err);
    bench_need(hark_git_init(&err), "git", &err);
    bench_need(hark_node_open(&node, argv[1], false, &err), argv[1], &err);
    bench_need(hark_node_spaces(node, &ids, &spaces, &err), argv[1], &err);
    bench_require(spaces == 1, "not one space");
    bench_need(hark_node_space(node, &ids[0], &space, &err), "space", &err);
    receipts(node, space, bench_number(argv[2]));
    cosignatures(node, argv[3], 300);
    batches(node, space, argv[3]);
    free(ids);
    hark_node_free(node);
    hark_git_shutdown();
    return 0;
}
