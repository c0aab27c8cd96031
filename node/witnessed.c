/* See witnessed.h. */
#include "node/witnessed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node/files.h"
#include "schemas/config.h"
#include "schemas/quorum.h"

/* What is kept of an origin; never cosigned: zeroed. */
struct kept {
    struct hark_tlog_latest latest;
    uint64_t time_s;
};

static int path_of(const struct hark_witnessed *witnessed, const char *origin, char *out,
                   struct hark_err *err)
{
    struct hark_hash hash = hark_sha256(hark_span_str(origin));
    char folder[HARK_PATH_MAX], hex[2 * HARK_HASH_SIZE + 1];
    int rc = hark_path_join(folder, witnessed->dir, "witnessed", err);

    hark_hash_hex(hex, &hash);
    return rc == 0 ? hark_path_join(out, folder, hex, err) : rc;
}

/* --- reading ---------------------------------------------------------------------------- */

/* The node may have been called otherwise when it signed: the name is the line's. */
static int verify_own(const struct hark_witnessed *witnessed, const struct hark_note *note,
                      uint64_t *time_s, struct hark_err *err)
{
    const struct hark_note_line *own = &note->lines[note->count - 1];
    char name[HARK_NOTE_NAME_MAX + 1];
    struct hark_note_key key;
    int rc;

    if (own->name.size > HARK_NOTE_NAME_MAX)
        return hark_err_set(err, HARK_E_NOTE_FORM, "its last line is not a node's");
    memcpy(name, own->name.data, own->name.size);
    name[own->name.size] = '\0';
    rc = hark_note_key_init(&key, name, HARK_NOTE_COSIGNATURE_V1,
                            hark_signer_key(witnessed->cosigner), err);
    return rc == 0 ? hark_note_verify(note, &key, time_s, err) : rc;
}

static int read_kept(const struct hark_witnessed *witnessed, struct hark_span bytes,
                     const char *origin, struct kept *out, struct hark_err *err)
{
    struct hark_note *note = malloc(sizeof(*note));
    struct hark_checkpoint cp;
    int rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                          : hark_note_parse(note, bytes, err);

    if (rc == 0)
        rc = verify_own(witnessed, note, &out->time_s, err);
    if (rc == 0)
        rc = hark_checkpoint_decode(&cp, note->text, NULL, err);
    if (rc == 0 && strcmp(cp.origin, origin) != 0)
        rc = hark_err_set(err, HARK_E_CHECKPOINT_FORM, "it is of %s", cp.origin);
    if (rc == 0)
        out->latest = (struct hark_tlog_latest){.size = cp.size, .root = cp.root};
    free(note);
    return rc;
}

static int load(const struct hark_witnessed *witnessed, const char *path, const char *origin,
                struct kept *out, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(HARK_NOTE_MAX);
    int rc = hark_file_read(path, &bytes, err);

    memset(out, 0, sizeof(*out));
    if (rc == 0)
        rc = read_kept(witnessed, hark_buf_span(&bytes), origin, out, err);
    else if (rc == HARK_E_NOT_FOUND)
        rc = 0;
    hark_buf_free(&bytes);
    if (rc != 0 && hark_err_exit(rc) == 3) {
        rc = hark_err_set(err, HARK_E_DAMAGED, "%s does not say what was cosigned of %s", path,
                          origin);
        hark_err_hint(err, "put the file back from a copy that is no older than the last answer");
    }
    return rc;
}

/* --- signing ---------------------------------------------------------------------------- */

static bool is_of_log(const struct hark_witnessed *witnessed, const char *origin,
                      const struct hark_note_line *line)
{
    for (size_t i = 0; i < witnessed->key_count; i++) {
        const struct hark_note_key *key = &witnessed->keys[i];

        if (strcmp(key->name, origin) == 0 && line->id == key->id &&
            hark_span_equal(line->name, hark_span_str(key->name)))
            return true;
    }
    return false;
}

/* The checkpoint with the log's lines, which were verified, and ours. Others' could be
 * anything, our own name among them. */
static int put_together(const struct hark_witnessed *witnessed, const struct hark_tlog_asked *asked,
                        struct hark_span own, struct hark_buf *out, struct hark_err *err)
{
    int rc = hark_buf_append_span(out, asked->note.text, err);

    if (rc == 0)
        rc = hark_buf_append_byte(out, '\n', err);
    for (size_t i = 0; rc == 0 && i < asked->note.count; i++) {
        if (is_of_log(witnessed, asked->checkpoint.origin, &asked->note.lines[i])) {
            rc = hark_note_line_encode(out, &asked->note.lines[i], err);
            break; /* one says it all, and many might not leave room for ours */
        }
    }
    return rc == 0 ? hark_buf_append_span(out, own, err) : rc;
}

static int cosign(const struct hark_witnessed *witnessed, const struct hark_tlog_asked *asked,
                  const char *path, uint64_t time_s, struct hark_buf *out, struct hark_err *err)
{
    struct hark_buf line = hark_buf_init(HARK_NOTE_MAX), note = hark_buf_init(HARK_NOTE_MAX);
    char folder[HARK_PATH_MAX];
    int rc = hark_note_sign(&line, asked->note.text, witnessed->name, HARK_NOTE_COSIGNATURE_V1,
                            witnessed->cosigner, time_s, err);

    if (rc == 0)
        rc = put_together(witnessed, asked, hark_buf_span(&line), &note, err);
    if (rc == 0)
        rc = hark_path_join(folder, witnessed->dir, "witnessed", err);
    if (rc == 0)
        rc = hark_dir_make(folder, err);
    if (rc == 0)
        rc = hark_parent_sync(folder, err);
    if (rc == 0)
        rc = hark_file_write(path, hark_buf_span(&note), 0600, err);
    if (rc == 0)
        rc = hark_buf_append_span(out, hark_buf_span(&line), err);
    hark_buf_free(&line);
    hark_buf_free(&note);
    return rc;
}

/* --- the answer ------------------------------------------------------------------------- */

/* Of a space that is here: <node>/<space id>/<what>, and the space's folder. */
static bool is_here(const struct hark_witnessed *witnessed, const char *origin)
{
    const char *id = strchr(origin, '/');
    char folder[HARK_PATH_MAX], path[HARK_PATH_MAX], name[2 * HARK_HASH_SIZE + sizeof(".git")];
    struct hark_hash space;
    struct stat st;

    if (id == NULL || strlen(id) < 2 * HARK_HASH_SIZE + 2 || id[2 * HARK_HASH_SIZE + 1] != '/' ||
        hark_hash_from_hex(&space, hark_span(id + 1, (size_t)2 * HARK_HASH_SIZE), NULL) != 0)
        return false;
    (void)snprintf(name, sizeof(name), "%.64s.git", id + 1);
    return hark_path_join(folder, witnessed->dir, "spaces", NULL) == 0 &&
           hark_path_join(path, folder, name, NULL) == 0 && stat(path, &st) == 0;
}

/* The time to sign; false: the clock is too far back. As rule Q4. */
static bool pick_time(const struct kept *kept, uint64_t now_s, uint64_t *time_s)
{
    *time_s = kept->time_s > now_s ? kept->time_s : now_s;
    return *time_s - now_s <= HARK_COSIGNER_BACK_S;
}

static unsigned answer(const struct hark_witnessed *witnessed, const struct hark_tlog_asked *asked,
                       uint64_t now_s, struct hark_buf *out, struct hark_err *err)
{
    const char *origin = asked->checkpoint.origin;
    struct kept kept = {.time_s = 0};
    char path[HARK_PATH_MAX];
    uint64_t time_s = 0;
    unsigned status;

    if (is_here(witnessed, origin)) {
        (void)hark_err_set(err, HARK_E_NOT_FOUND, "a space of this node is not witnessed so");
        return 404;
    }
    if (path_of(witnessed, origin, path, err) < 0 || load(witnessed, path, origin, &kept, err) < 0)
        return 500;
    status =
        hark_tlog_witness_judge(asked, witnessed->keys, witnessed->key_count, &kept.latest, err);
    if (status == 409)
        return hark_buf_printf(out, NULL, "%" PRIu64 "\n", kept.latest.size) == 0 ? 409 : 500;
    if (status != 200)
        return status;
    if (!pick_time(&kept, now_s, &time_s)) {
        (void)hark_err_set(err, HARK_E_TIME, "the clock is behind what was signed last");
        return 503;
    }
    return cosign(witnessed, asked, path, time_s, out, err) == 0 ? 200 : 500;
}

unsigned hark_witnessed_add(const struct hark_witnessed *witnessed, struct hark_span body,
                            uint64_t now_s, struct hark_buf *out, struct hark_err *err)
{
    struct hark_tlog_asked *asked = malloc(sizeof(*asked));
    unsigned status = 500;
    int rc;

    if (asked == NULL) {
        (void)hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a request");
        return status;
    }
    rc = hark_tlog_asked_read(asked, body, err);
    if (rc == 0)
        status = answer(witnessed, asked, now_s, out, err);
    else if (hark_err_exit(rc) == 3)
        status = 400;
    free(asked);
    return status;
}
