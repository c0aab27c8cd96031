/*
 * Git's object ids come from libgit2, which the program itself uses for them in
 * node/ only: the vectors are for all floors.
 */
#include "craft.h"

#include <git2.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hark_signer *signers[256];

void craft_require(bool fine, const char *what)
{
    if (!fine) {
        (void)fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

const struct hark_signer *craft_signer(uint8_t number)
{
    uint8_t bytes[HARK_SEED_SIZE];
    struct hark_seed *seed = NULL;
    if (signers[number] == NULL) {
        memset(bytes, number, sizeof(bytes));
        craft_require(hark_crypto_init(NULL) == 0 &&
                          hark_seed_from_bytes(&seed, bytes, NULL) == 0 &&
                          hark_signer_new(&signers[number], seed, NULL) == 0,
                      "no key");
        hark_seed_free(seed);
    }
    return signers[number];
}

struct hark_hash craft_hash(const char *text)
{
    return hark_sha256(hark_span_str(text));
}

struct hark_git_id craft_git_id(const char *type, struct hark_span content)
{
    struct hark_git_id id;
    git_oid oid;
    craft_require(git_libgit2_init() > 0 && git_odb_hash(&oid, content.data, content.size,
                                                         git_object_string2type(type)) == 0,
                  "git does not hash");
    memcpy(id.bytes, oid.id, sizeof(id.bytes));
    return id;
}

struct hark_buf craft_buf(void)
{
    return hark_buf_init(CRAFT_MAX);
}

void craft_set(struct hark_buf *buf, struct hark_span content)
{
    hark_buf_clear(buf);
    craft_require(hark_buf_append_span(buf, content, NULL) == 0, "too long");
}

/* Replaces `size` bytes at `at`. */
static void splice(struct hark_buf *text, size_t at, size_t size, struct hark_span with)
{
    struct hark_buf after = craft_buf();
    craft_require(
        hark_buf_append(&after, text->data, at, NULL) == 0 &&
            hark_buf_append_span(&after, with, NULL) == 0 &&
            hark_buf_append(&after, text->data + at + size, text->size - at - size, NULL) == 0,
        "too long");
    hark_buf_free(text);
    *text = after;
}

void craft_edit(struct hark_buf *text, const struct craft_edit *edits)
{
    for (; edits != NULL && edits->old != NULL; edits++) {
        size_t from = 0;
        bool found = false;
        const uint8_t *at = memmem(text->data, text->size, edits->old, strlen(edits->old));
        while (at != NULL && (edits->all || !found)) {
            found = true;
            from = (size_t)(at - text->data);
            size_t size = strlen(edits->old) + edits->over;
            craft_require(size <= text->size - from, edits->old);
            splice(text, from, size, hark_span_str(edits->new));
            from += strlen(edits->new);
            at = memmem(text->data + from, text->size - from, edits->old, strlen(edits->old));
        }
        craft_require(found, edits->old);
    }
}

void craft_unsign(struct hark_buf *commit)
{
    static const char head[] = "\ngpgsig ";
    const uint8_t *at = memmem(commit->data, commit->size, head, strlen(head));
    craft_require(at != NULL, "no gpgsig");
    size_t from = (size_t)(at - commit->data) + 1;
    const uint8_t *end = memmem(at, commit->size - from, "\n\n", 2);
    craft_require(end != NULL, "no end of gpgsig");
    splice(commit, from, (size_t)(end - at), hark_span(NULL, 0));
}

void craft_put_gpgsig(struct hark_buf *commit, struct hark_span armor)
{
    struct hark_buf lines = craft_buf();
    struct hark_span line;
    const char *head = "gpgsig ";
    const uint8_t *end = memmem(commit->data, commit->size, "\n\n", 2);
    craft_require(end != NULL, "no empty line");
    while (hark_take_line(&armor, &line)) {
        craft_require(hark_buf_append_str(&lines, head, NULL) == 0 &&
                          hark_buf_append(&lines, line.data, line.size + 1, NULL) == 0,
                      "too long");
        head = " ";
    }
    splice(commit, (size_t)(end - commit->data) + 1, 0, hark_buf_span(&lines));
    hark_buf_free(&lines);
}

void craft_sign(struct hark_buf *commit, const struct hark_signer *signer)
{
    struct hark_buf armor = craft_buf();
    craft_require(hark_sshsig_sign(&armor, signer, "git", hark_buf_span(commit), NULL) == 0,
                  "no signature");
    craft_put_gpgsig(commit, hark_buf_span(&armor));
    hark_buf_free(&armor);
}

json_t *craft_base64(struct hark_span bytes)
{
    struct hark_buf text = hark_buf_init(2 * CRAFT_MAX);
    craft_require(hark_base64_encode(&text, bytes, NULL) == 0, "too long");
    json_t *json = json_stringn(text.size == 0 ? "" : (const char *)text.data, text.size);
    hark_buf_free(&text);
    return json;
}

json_t *craft_hex(const uint8_t *bytes, size_t size)
{
    struct hark_buf text = craft_buf();
    craft_require(hark_buf_append_hex(&text, bytes, size, NULL) == 0, "too long");
    json_t *json = json_stringn((const char *)text.data, text.size);
    hark_buf_free(&text);
    return json;
}

json_t *craft_string(const char *text)
{
    return json_string(text);
}

json_t *craft_number(uint64_t number)
{
    return number > HARK_NUMBER_MAX ? json_null() : json_integer((json_int_t)number);
}

void craft_put(json_t *object, const char *name, json_t *value)
{
    craft_require(value != NULL && json_object_set_new(object, name, value) == 0, "no JSON");
}

void craft_write(const json_t *root)
{
    craft_require(json_dumpf(root, stdout, JSON_INDENT(1)) == 0 && fputc('\n', stdout) == '\n' &&
                      fflush(stdout) == 0,
                  "cannot write");
}

void craft_corpus(const char *folder, const char *name, struct hark_span content)
{
    char path[PATH_MAX];
    if (folder == NULL) {
        return;
    }
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    craft_require(n > 0 && (size_t)n < sizeof(path), "too long a path");
    FILE *file = fopen(path, "wb");
    craft_require(file != NULL, path);
    craft_require(fwrite(content.data, 1, content.size, file) == content.size, path);
    craft_require(fclose(file) == 0, path);
}
