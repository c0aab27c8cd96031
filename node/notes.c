#include "node/notes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/files.h"

#define SECOND        ".2"
#define FILE_NAME_MAX (HARK_NODE_NAME_MAX + 1 + 2 * HARK_KEY_SIZE + sizeof(SECOND) - 1)

struct hark_notes {
    char folder[HARK_PATH_MAX];
    bool made;
    uint64_t version;
    size_t count, room;
    size_t of_intakes; /* of count */
    struct hark_cosigned *list;
};

void hark_notes_free(struct hark_notes *notes)
{
    if (notes == NULL)
        return;
    for (size_t i = 0; i < notes->count; i++)
        hark_buf_free(&notes->list[i].note);
    free(notes->list);
    free(notes);
}

/* --- a note ---------------------------------------------------------------------------- */

static const struct hark_note_line *line_of(const struct hark_note *note,
                                            const struct hark_note_key *key)
{
    for (size_t i = 0; i < note->count; i++) {
        if (note->lines[i].id == key->id && note->lines[i].name.size == strlen(key->name) &&
            memcmp(note->lines[i].name.data, key->name, note->lines[i].name.size) == 0)
            return &note->lines[i];
    }
    return NULL;
}

static int put_line(struct hark_buf *out, const struct hark_note *note,
                    const struct hark_note_key *key, struct hark_err *err)
{
    const struct hark_note_line *line = line_of(note, key);

    if (line == NULL)
        return hark_err_set(err, HARK_E_NOTE_UNSIGNED, "the note has no signature of %s",
                            key->name);
    return hark_note_line_encode(out, line, err);
}

/* The same with these two lines only. */
static int shorten(struct hark_buf *out, struct hark_span bytes, const struct hark_note_key *log,
                   const struct hark_note_key *cosigner, struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    int rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                          : hark_note_parse(note, bytes, err);

    if (rc == 0)
        rc = hark_buf_append_span(out, note->text, err);
    if (rc == 0)
        rc = hark_buf_append_str(out, "\n", err);
    if (rc == 0)
        rc = put_line(out, note, log, err);
    if (rc == 0)
        rc = put_line(out, note, cosigner, err);
    free(note);
    return rc;
}

/* Fills in what out->note says, which is to have two lines, the second the cosigner's. The
 * name under which that cosigns is taken from it, and has no other source. */
static int read_note(struct hark_cosigned *out, struct hark_err *err)
{
    struct hark_note *note = calloc(1, sizeof(*note));
    struct hark_note_key key;
    int rc = note == NULL ? hark_err_set(err, HARK_E_NO_MEMORY, "no memory for a note")
                          : hark_note_parse(note, hark_buf_span(&out->note), err);

    if (rc == 0 && (note->count != 2 || note->lines[1].name.size > HARK_NODE_NAME_MAX))
        rc = hark_err_set(err, HARK_E_NOTE_FORM, "a note of two signatures is wanted");
    if (rc == 0) {
        memcpy(out->cosigner.name, note->lines[1].name.data, note->lines[1].name.size);
        out->cosigner.name[note->lines[1].name.size] = '\0';
        rc = hark_checkpoint_decode(&out->checkpoint, note->text, NULL, err);
    }
    if (rc == 0)
        rc = hark_note_key_init(&key, out->cosigner.name, HARK_NOTE_COSIGNATURE_V1,
                                &out->cosigner.key, err);
    if (rc == 0)
        rc = hark_note_verify(note, &key, &out->time_s, err);
    free(note);
    return rc;
}

/* --- the list --------------------------------------------------------------------------- */

static int make_room(struct hark_notes *notes, const char *log, struct hark_err *err)
{
    size_t room = notes->room == 0 ? 8 : 2 * notes->room;
    struct hark_cosigned *grown;

    if (log[0] != '\0' ? notes->of_intakes >= HARK_NOTES_INTAKES_MAX
                       : notes->count - notes->of_intakes >= HARK_NOTES_MAX)
        return hark_err_set(err, HARK_E_LIMIT, "more than %u cosigned notes of a space",
                            log[0] != '\0' ? HARK_NOTES_INTAKES_MAX : HARK_NOTES_MAX);
    if (notes->count < notes->room)
        return 0;
    grown = realloc(notes->list, room * sizeof(*grown));
    if (grown == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for notes");
    notes->list = grown;
    notes->room = room;
    return 0;
}

/* There is room. Takes the note over. */
static void add(struct hark_notes *notes, const struct hark_cosigned *cosigned)
{
    notes->of_intakes += cosigned->log[0] != '\0' ? 1 : 0;
    notes->list[notes->count++] = *cosigned;
}

size_t hark_notes_count(const struct hark_notes *notes)
{
    return notes->count;
}

const struct hark_cosigned *hark_notes_at(const struct hark_notes *notes, size_t at)
{
    return &notes->list[at];
}

uint64_t hark_notes_version(const struct hark_notes *notes)
{
    return notes->version;
}

bool hark_cosigned_is_later(const struct hark_cosigned *a, const struct hark_cosigned *b)
{
    return a->checkpoint.size != b->checkpoint.size ? a->checkpoint.size > b->checkpoint.size
                                                    : a->time_s > b->time_s;
}

bool hark_cosigned_by_home(const struct hark_cosigned *cosigned)
{
    const char *origin = cosigned->checkpoint.origin, *name = cosigned->cosigner.name;
    size_t size = strlen(name);

    return strncmp(origin, name, size) == 0 && origin[size] == '/';
}

static bool is_of(const struct hark_cosigned *cosigned, const char *log, const struct hark_key *key)
{
    return strcmp(cosigned->log, log) == 0 && hark_key_equal(&cosigned->cosigner.key, key);
}

const struct hark_cosigned *hark_notes_find(const struct hark_notes *notes, const char *log,
                                            const struct hark_key *cosigner)
{
    const struct hark_cosigned *found = NULL;

    for (size_t i = 0; i < notes->count; i++) {
        const struct hark_cosigned *at = &notes->list[i];

        if (is_of(at, log, cosigner) && (found == NULL || hark_cosigned_is_later(at, found)))
            found = at;
    }
    return found;
}

/* Where the note in that place is; the list's end: there is none. */
static size_t find_place(const struct hark_notes *notes, const struct hark_cosigned *as)
{
    size_t at = 0;

    while (at < notes->count && !(is_of(&notes->list[at], as->log, &as->cosigner.key) &&
                                  notes->list[at].place == as->place))
        at++;
    return at;
}

/* --- files ------------------------------------------------------------------------------ */

static void file_name(char out[FILE_NAME_MAX + 1], const struct hark_cosigned *of)
{
    char hex[2 * HARK_KEY_SIZE + 1];

    hark_hex_encode(hex, of->cosigner.key.bytes, HARK_KEY_SIZE);
    (void)snprintf(out, FILE_NAME_MAX + 1, "%s.%s%s", of->log[0] == '\0' ? "main" : of->log, hex,
                   of->place == 0 ? "" : SECOND);
}

/* False: it is no name of ours, as what an interrupted writing leaves. */
static bool read_name(const char *name, struct hark_cosigned *out)
{
    const size_t end = sizeof(SECOND) - 1, key = 2 * HARK_KEY_SIZE;
    size_t size = strlen(name);

    out->place = size > end && strcmp(name + size - end, SECOND) == 0 ? 1 : 0;
    size -= out->place == 0 ? 0 : end;
    if (size < key + 2 || size - key - 1 > HARK_NODE_NAME_MAX || name[size - key - 1] != '.' ||
        hark_hex_decode(out->cosigner.key.bytes, HARK_KEY_SIZE, hark_span(name + size - key, key),
                        NULL) != 0)
        return false;
    memcpy(out->log, name, size - key - 1);
    out->log[size - key - 1] = '\0';
    if (strcmp(out->log, "main") == 0)
        out->log[0] = '\0';
    return true;
}

static int read_file(struct hark_notes *notes, const char *name, struct hark_err *err)
{
    struct hark_cosigned read = {.note = hark_buf_init(HARK_NOTE_MAX)};
    char path[HARK_PATH_MAX];
    int rc;

    if (!read_name(name, &read))
        return 0;
    rc = hark_path_join(path, notes->folder, name, err);
    if (rc == 0)
        rc = hark_file_read(path, &read.note, err);
    if (rc == 0)
        rc = read_note(&read, err);
    if (rc < 0 && hark_err_exit(rc) == 3) {
        rc = hark_err_set(err, HARK_E_DAMAGED, "%s is not a cosigned checkpoint by that key", path);
        hark_err_hint(err, "put the file back from a backup; another node's may be removed: it "
                           "is shown again");
    }
    if (rc == 0)
        rc = make_room(notes, read.log, err);
    if (rc == 0)
        add(notes, &read);
    else
        hark_buf_free(&read.note);
    /* Intakes come and go with their nodes: what is too much of them is left out. */
    return rc == HARK_E_LIMIT && read.log[0] != '\0' ? 0 : rc;
}

int hark_notes_open(struct hark_notes **out, const char *folder, struct hark_err *err)
{
    struct hark_notes *notes = calloc(1, sizeof(*notes));
    struct dirent *entry;
    DIR *dir;
    int rc = 0, n;

    *out = NULL;
    if (notes == NULL)
        return hark_err_set(err, HARK_E_NO_MEMORY, "no memory for notes");
    n = snprintf(notes->folder, sizeof(notes->folder), "%s", folder);
    if (n < 0 || (size_t)n >= sizeof(notes->folder))
        rc = hark_err_set(err, HARK_E_USAGE, "the path %s is too long", folder);
    dir = rc == 0 && folder[0] != '\0' ? opendir(folder) : NULL;
    if (rc == 0 && folder[0] != '\0' && dir == NULL && errno != ENOENT)
        rc = hark_err_errno(err, errno, "%s", folder);
    while (rc == 0 && dir != NULL && (entry = readdir(dir)) != NULL)
        rc = read_file(notes, entry->d_name, err);
    if (dir != NULL)
        (void)closedir(dir);
    if (rc < 0) {
        hark_notes_free(notes);
        return rc;
    }
    notes->version = notes->count;
    *out = notes;
    return 0;
}

static int write_file(struct hark_notes *notes, const struct hark_cosigned *cosigned,
                      struct hark_err *err)
{
    char name[FILE_NAME_MAX + 1], path[HARK_PATH_MAX];
    int rc = notes->made ? 0 : hark_dir_make_below(notes->folder, err);

    notes->made = rc == 0;
    file_name(name, cosigned);
    if (rc == 0)
        rc = hark_path_join(path, notes->folder, name, err);
    return rc == 0 ? hark_file_write(path, hark_buf_span(&cosigned->note), 0600, err) : rc;
}

int hark_notes_put(struct hark_notes *notes, const char *log, const struct hark_note_key *log_key,
                   const struct hark_note_key *cosigner, struct hark_span note,
                   const struct hark_cosigned *keep, struct hark_err *err)
{
    struct hark_cosigned put = {.cosigner = {.key = cosigner->key},
                                .place = keep != NULL && keep->place == 0 ? 1 : 0,
                                .note = hark_buf_init(HARK_NOTE_MAX)};
    size_t at;
    int rc;

    (void)snprintf(put.log, sizeof(put.log), "%s", log);
    at = find_place(notes, &put);
    rc = at < notes->count ? 0 : make_room(notes, put.log, err);
    if (rc == 0)
        rc = shorten(&put.note, note, log_key, cosigner, err);
    if (rc == 0)
        rc = read_note(&put, err);
    if (rc == 0)
        rc = write_file(notes, &put, err);
    if (rc < 0) {
        hark_buf_free(&put.note);
        return rc;
    }
    if (at < notes->count) {
        hark_buf_free(&notes->list[at].note);
        notes->list[at] = put;
    } else {
        add(notes, &put);
    }
    notes->version++;
    return 0;
}
