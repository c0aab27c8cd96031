/*
 * proofdump DIR: writes what others are to check, and what they are to refuse.
 *
 *   good.json              a checkpoint and many proofs, for go/thirdparty.go
 *   bad-<what>-<how>.json  the same with one thing altered; <what> is where it
 *                          must be noticed
 *   log.key log.text log.sig              for OpenSSL: 32-byte key, signed bytes,
 *   witness.key witness.text witness.sig  64-byte signature
 *
 * Prints the counts that the checker of good.json must come to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "crypto/merkle.h"
#include "crypto/note.h"

#define LEAVES    137u
#define LEVELS    8u  /* 2^7 = 128 is the largest full subtree */
#define ALL_BELOW 34u /* all proofs of trees smaller than this */
#define ORIGIN    "node.example/4a5f/1"
#define WITNESS   "witness.example"
#define TIME_S    1795255530u

/* Full subtrees by level and index. */
struct tree {
    struct hark_hash nodes[LEVELS][LEAVES];
};

static void die(const char *what, const struct hark_err *err)
{
    (void)fprintf(stderr, "proofdump: %s: %s\n", what, err != NULL ? err->message : "failed");
    exit(1);
}

static void must(int rc, const struct hark_err *err)
{
    if (rc != 0)
        die(hark_err_name(rc), err);
}

static void tree_fill(struct tree *tree)
{
    for (unsigned i = 0; i < LEAVES; i++) {
        uint8_t leaf[HARK_HASH_SIZE + 16] = {0};

        hark_put_u64(leaf + HARK_HASH_SIZE, TIME_S * UINT64_C(1000) + i);
        hark_put_u64(leaf + HARK_HASH_SIZE + 8, TIME_S * UINT64_C(1000) + i + 1);
        tree->nodes[0][i] = hark_merkle_leaf(hark_span(leaf, sizeof(leaf)));
    }
    for (unsigned level = 1; level < LEVELS; level++) {
        for (unsigned i = 0; i < LEAVES >> level; i++)
            tree->nodes[level][i] = hark_merkle_node(&tree->nodes[level - 1][2 * i],
                                                     &tree->nodes[level - 1][2 * i + 1]);
    }
}

static int tree_read(void *arg, unsigned level, uint64_t index, struct hark_hash *out,
                     struct hark_err *err)
{
    const struct tree *tree = arg;

    if (level >= LEVELS || index >= LEAVES >> level)
        return hark_err_set(err, HARK_E_INTERNAL, "no full subtree there");
    *out = tree->nodes[level][index];
    return 0;
}

static struct hark_hash root_at(struct tree *tree, uint64_t size)
{
    struct hark_hash root;
    struct hark_err err;

    must(hark_merkle_root_at(&root, size, tree_read, tree, &err), &err);
    return root;
}

/* --- JSON ------------------------------------------------------------------ */

static json_t *json_bytes(struct hark_span bytes)
{
    struct hark_buf buf = hark_buf_init(1024);
    struct hark_err err;
    json_t *json = NULL;

    must(hark_base64_encode(&buf, bytes, &err), &err);
    json = json_stringn((const char *)buf.data, buf.size);
    hark_buf_free(&buf);
    return json;
}

static json_t *json_hash(const struct hark_hash *hash)
{
    return json_bytes(hark_span(hash->bytes, HARK_HASH_SIZE));
}

static json_t *json_proof(const struct hark_proof *proof)
{
    json_t *array = json_array();

    for (size_t i = 0; i < proof->count; i++)
        json_array_append_new(array, json_hash(&proof->hashes[i]));
    return array;
}

static json_t *json_text(const struct hark_buf *buf)
{
    return json_stringn((const char *)buf->data, buf->size);
}

static void add_inclusion(json_t *doc, struct tree *tree, uint64_t index, uint64_t size)
{
    struct hark_hash root = root_at(tree, size);
    struct hark_proof proof;
    struct hark_err err;
    json_t *claim = json_object();

    must(hark_merkle_prove_inclusion(&proof, index, size, tree_read, tree, &err), &err);
    json_object_set_new(claim, "index", json_integer((json_int_t)index));
    json_object_set_new(claim, "size", json_integer((json_int_t)size));
    json_object_set_new(claim, "root", json_hash(&root));
    json_object_set_new(claim, "proof", json_proof(&proof));
    json_array_append_new(json_object_get(doc, "inclusion"), claim);
}

static void add_consistency(json_t *doc, struct tree *tree, uint64_t old_size, uint64_t size)
{
    struct hark_hash old_root = root_at(tree, old_size);
    struct hark_hash root = root_at(tree, size);
    struct hark_proof proof;
    struct hark_err err;
    json_t *claim = json_object();

    must(hark_merkle_prove_consistency(&proof, old_size, size, tree_read, tree, &err), &err);
    json_object_set_new(claim, "old_size", json_integer((json_int_t)old_size));
    json_object_set_new(claim, "size", json_integer((json_int_t)size));
    json_object_set_new(claim, "old_root", json_hash(&old_root));
    json_object_set_new(claim, "root", json_hash(&root));
    json_object_set_new(claim, "proof", json_proof(&proof));
    json_array_append_new(json_object_get(doc, "consistency"), claim);
}

static json_t *make_document(struct tree *tree)
{
    json_t *doc = json_object();
    json_t *leaves = json_array();

    for (unsigned i = 0; i < LEAVES; i++)
        json_array_append_new(leaves, json_hash(&tree->nodes[0][i]));
    json_object_set_new(doc, "leaf_hashes", leaves);
    json_object_set_new(doc, "inclusion", json_array());
    json_object_set_new(doc, "consistency", json_array());
    /* the whole tree first: what is altered below is taken from here */
    for (unsigned i = 0; i < LEAVES; i++)
        add_inclusion(doc, tree, i, LEAVES);
    for (unsigned old = 1; old <= LEAVES; old++)
        add_consistency(doc, tree, old, LEAVES);
    for (unsigned size = 1; size < ALL_BELOW; size++) {
        for (unsigned i = 0; i < size; i++) {
            add_inclusion(doc, tree, i, size);
            add_consistency(doc, tree, i + 1, size);
        }
    }
    return doc;
}

/* --- Signing --------------------------------------------------------------- */

static struct hark_signer *signer_number(uint8_t number)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_signer *signer = NULL;
    struct hark_seed *seed = NULL;
    struct hark_err err;

    memset(bytes, number, sizeof(bytes));
    must(hark_seed_from_bytes(&seed, bytes, &err), &err);
    must(hark_signer_new(&signer, seed, &err), &err);
    hark_seed_free(seed);
    return signer;
}

static void set_vkey(json_t *doc, const struct hark_signer *signer)
{
    struct hark_buf buf = hark_buf_init(1024);
    struct hark_note_key key;
    struct hark_err err;

    must(hark_note_key_init(&key, ORIGIN, HARK_NOTE_ED25519, hark_signer_key(signer), &err), &err);
    must(hark_note_key_encode(&buf, &key, &err), &err);
    json_object_set_new(doc, "vkey", json_text(&buf));
    hark_buf_free(&buf);
}

/* The note as it is on its way: signed by the log, cosigned by a witness. */
static struct hark_buf make_note(const struct hark_checkpoint *cp, const struct hark_signer *log,
                                 const struct hark_signer *witness)
{
    struct hark_buf note = hark_buf_init(HARK_NOTE_MAX);
    struct hark_buf body = hark_buf_init(HARK_NOTE_MAX);
    struct hark_err err;

    must(hark_checkpoint_sign(&note, cp, log, NULL, &err), &err);
    must(hark_checkpoint_encode(&body, cp, &err), &err);
    must(hark_note_sign(&note, hark_buf_span(&body), WITNESS, HARK_NOTE_COSIGNATURE_V1, witness,
                        TIME_S, &err),
         &err);
    hark_buf_free(&body);
    return note;
}

static void set_note(json_t *doc, const struct hark_checkpoint *cp, const struct hark_signer *log)
{
    struct hark_signer *witness = signer_number(2);
    struct hark_buf note = make_note(cp, log, witness);

    json_object_set_new(doc, "note", json_text(&note));
    hark_buf_free(&note);
    hark_signer_free(witness);
}

/* --- Altering -------------------------------------------------------------- */

/* A claim about the whole tree, with a proof of several hashes. */
static json_t *claim_of(json_t *doc, const char *list)
{
    return json_array_get(json_object_get(doc, list), 77);
}

/* Turns a bit of one hash, kept as a string. */
static json_t *flipped(const json_t *hash)
{
    struct hark_buf buf = hark_buf_init(1024);
    struct hark_err err;
    json_t *json = NULL;

    must(hark_base64_decode(&buf, hark_span_str(json_string_value(hash)), &err), &err);
    buf.data[11] ^= 4;
    json = json_bytes(hark_buf_span(&buf));
    hark_buf_free(&buf);
    return json;
}

static void flip_member(json_t *object, const char *name)
{
    json_object_set_new(object, name, flipped(json_object_get(object, name)));
}

static void flip_item(json_t *array, size_t index)
{
    json_array_set_new(array, index, flipped(json_array_get(array, index)));
}

static void add_to(json_t *object, const char *name, int difference)
{
    json_int_t value = json_integer_value(json_object_get(object, name));

    json_object_set_new(object, name, json_integer(value + difference));
}

/* Puts another character for the one at `at` characters after `mark`. */
static void change_note(json_t *doc, const char *mark, size_t at, char from, char to)
{
    char *text = strdup(json_string_value(json_object_get(doc, "note")));
    char *place = text == NULL ? NULL : strstr(text, mark);

    if (place == NULL)
        die("the note is not as expected", NULL);
    place[at] = place[at] == to ? from : to;
    json_object_set_new(doc, "note", json_string(text));
    free(text);
}

static void alter_note_text(json_t *doc, struct tree *tree)
{
    (void)tree;
    change_note(doc, "\n137\n", 3, '7', '6');
}

static void alter_note_signature(json_t *doc, struct tree *tree)
{
    (void)tree;
    change_note(doc, "— " ORIGIN " ", strlen("— " ORIGIN " ") + 40, 'A', 'B');
}

static void alter_note_signer(json_t *doc, struct tree *tree)
{
    struct hark_checkpoint cp = {.origin = ORIGIN, .size = LEAVES, .root = root_at(tree, LEAVES)};
    struct hark_signer *other = signer_number(3);

    set_note(doc, &cp, other);
    hark_signer_free(other);
}

/* Well signed, but not this tree's. */
static void alter_note_root(json_t *doc, struct tree *tree)
{
    struct hark_checkpoint cp = {
        .origin = ORIGIN, .size = LEAVES, .root = root_at(tree, LEAVES - 1)};
    struct hark_signer *log = signer_number(1);

    set_note(doc, &cp, log);
    hark_signer_free(log);
}

static void alter_note_leaf(json_t *doc, struct tree *tree)
{
    (void)tree;
    flip_item(json_object_get(doc, "leaf_hashes"), 77);
}

static void alter_inclusion_hash(json_t *doc, struct tree *tree)
{
    (void)tree;
    flip_item(json_object_get(claim_of(doc, "inclusion"), "proof"), 2);
}

static void alter_inclusion_index(json_t *doc, struct tree *tree)
{
    (void)tree;
    add_to(claim_of(doc, "inclusion"), "index", 1);
}

static void alter_inclusion_size(json_t *doc, struct tree *tree)
{
    (void)tree;
    add_to(claim_of(doc, "inclusion"), "size", -9); /* 128: the proof is then one shorter */
}

static void alter_inclusion_short(json_t *doc, struct tree *tree)
{
    (void)tree;
    json_array_remove(json_object_get(claim_of(doc, "inclusion"), "proof"), 0);
}

static void alter_inclusion_long(json_t *doc, struct tree *tree)
{
    json_array_append_new(json_object_get(claim_of(doc, "inclusion"), "proof"),
                          json_hash(&tree->nodes[0][0]));
}

static void alter_inclusion_root(json_t *doc, struct tree *tree)
{
    (void)tree;
    flip_member(claim_of(doc, "inclusion"), "root");
}

static void alter_consistency_hash(json_t *doc, struct tree *tree)
{
    (void)tree;
    flip_item(json_object_get(claim_of(doc, "consistency"), "proof"), 2);
}

static void alter_consistency_size(json_t *doc, struct tree *tree)
{
    (void)tree;
    add_to(claim_of(doc, "consistency"), "old_size", 1);
}

static void alter_consistency_short(json_t *doc, struct tree *tree)
{
    (void)tree;
    json_array_remove(json_object_get(claim_of(doc, "consistency"), "proof"), 0);
}

static void alter_consistency_long(json_t *doc, struct tree *tree)
{
    json_array_append_new(json_object_get(claim_of(doc, "consistency"), "proof"),
                          json_hash(&tree->nodes[0][0]));
}

static void alter_consistency_old_root(json_t *doc, struct tree *tree)
{
    (void)tree;
    flip_member(claim_of(doc, "consistency"), "old_root");
}

static void alter_consistency_root(json_t *doc, struct tree *tree)
{
    (void)tree;
    flip_member(claim_of(doc, "consistency"), "root");
}

static const struct {
    const char *name;
    void (*alter)(json_t *doc, struct tree *tree);
} alterations[] = {
    {"note-text", alter_note_text},
    {"note-signature", alter_note_signature},
    {"note-signer", alter_note_signer},
    {"note-root", alter_note_root},
    {"note-leaf", alter_note_leaf},
    {"inclusion-hash", alter_inclusion_hash},
    {"inclusion-index", alter_inclusion_index},
    {"inclusion-size", alter_inclusion_size},
    {"inclusion-short", alter_inclusion_short},
    {"inclusion-long", alter_inclusion_long},
    {"inclusion-root", alter_inclusion_root},
    {"consistency-hash", alter_consistency_hash},
    {"consistency-size", alter_consistency_size},
    {"consistency-short", alter_consistency_short},
    {"consistency-long", alter_consistency_long},
    {"consistency-old-root", alter_consistency_old_root},
    {"consistency-root", alter_consistency_root},
};

/* --- Writing --------------------------------------------------------------- */

static void write_file(const char *folder, const char *name, struct hark_span content)
{
    char path[1024];
    FILE *file = NULL;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        die("the folder's name is too long", NULL);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(content.data, 1, content.size, file) != content.size ||
        fclose(file) != 0)
        die(path, NULL);
}

static void write_json(const char *folder, const char *name, const json_t *doc)
{
    char *text = json_dumps(doc, JSON_INDENT(1));

    if (text == NULL)
        die(name, NULL);
    write_file(folder, name, hark_span_str(text));
    free(text);
}

static void write_altered(const char *folder, const json_t *doc, struct tree *tree)
{
    for (size_t i = 0; i < sizeof(alterations) / sizeof(alterations[0]); i++) {
        json_t *altered = json_deep_copy(doc);
        char name[128];

        alterations[i].alter(altered, tree);
        if (json_equal(altered, doc))
            die("an alteration altered nothing", NULL);
        (void)snprintf(name, sizeof(name), "bad-%s.json", alterations[i].name);
        write_json(folder, name, altered);
        json_decref(altered);
    }
}

/* Both signatures of the note, each with its key and the bytes it is over. */
static void write_signatures(const char *folder, const struct hark_checkpoint *cp,
                             const struct hark_signer *log)
{
    struct hark_signer *witness = signer_number(2);
    struct hark_buf text = make_note(cp, log, witness);
    struct hark_buf message = hark_buf_init(4096);
    struct hark_note note;
    struct hark_err err;

    must(hark_note_parse(&note, hark_buf_span(&text), &err), &err);
    write_file(folder, "log.key", hark_span(hark_signer_key(log)->bytes, HARK_KEY_SIZE));
    write_file(folder, "log.text", note.text);
    write_file(folder, "log.sig", hark_span(note.lines[0].signature, HARK_SIGNATURE_SIZE));
    must(hark_buf_printf(&message, &err, "cosignature/v1\ntime %u\n", TIME_S), &err);
    must(hark_buf_append_span(&message, note.text, &err), &err);
    write_file(folder, "witness.key", hark_span(hark_signer_key(witness)->bytes, HARK_KEY_SIZE));
    write_file(folder, "witness.text", hark_buf_span(&message));
    write_file(folder, "witness.sig", hark_span(note.lines[1].signature + 8, HARK_SIGNATURE_SIZE));
    hark_buf_free(&message);
    hark_buf_free(&text);
    hark_signer_free(witness);
}

int main(int argc, char **argv)
{
    static struct tree tree;
    struct hark_checkpoint cp = {.origin = ORIGIN, .size = LEAVES};
    struct hark_signer *log = NULL;
    struct hark_err err;
    json_t *doc = NULL;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: proofdump DIR\n");
        return 2;
    }
    must(hark_crypto_init(&err), &err);
    log = signer_number(1);
    tree_fill(&tree);
    cp.root = root_at(&tree, LEAVES);
    doc = make_document(&tree);
    set_vkey(doc, log);
    set_note(doc, &cp, log);
    write_json(argv[1], "good.json", doc);
    write_altered(argv[1], doc, &tree);
    write_signatures(argv[1], &cp, log);
    printf("note 1\ninclusion %zu\nconsistency %zu\n",
           json_array_size(json_object_get(doc, "inclusion")),
           json_array_size(json_object_get(doc, "consistency")));
    json_decref(doc);
    hark_signer_free(log);
    return 0;
}
