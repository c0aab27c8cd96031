/*
 * PROTOCOL.md 3. The rules are asked in the order of their table, whatever place
 * in the object breaks them, so that everybody names the same one: first the
 * object is split into texts by its layout alone (E3), then the texts are read
 * type by type (E5 to E9), then compared with each other (E10, E11), and the
 * signature comes last.
 */
#include "entry.h"

#include <string.h>

#define NAMESPACE   "git"
#define MAIL_END    "@hark.invalid>"
#define PARENT_HEAD "parent "
#define PARENT_SIZE                                                                                \
    (sizeof(PARENT_HEAD) - 1 + 2 * HARK_GIT_ID_SIZE + 1) /* of a line, with its LF */
#define SEEN_FIELDS 4u

/* ---- splitting: layout only, nothing is read yet ---- */

bool hark_take_headed(struct hark_span *in, const char *head, struct hark_span *rest)
{
    struct hark_span after = *in;
    if (!hark_take_literal(&after, head) || !hark_take_line(&after, rest)) {
        return false;
    }
    *in = after;
    return true;
}

/* A line may be absent: then `rest` keeps its NULL. */
static void take_optional(struct hark_span *in, const char *head, struct hark_span *rest)
{
    (void)hark_take_headed(in, head, rest);
}

static bool is_present(struct hark_span text)
{
    return text.data != NULL;
}

static bool has_space(struct hark_span text)
{
    return text.size > 0 && memchr(text.data, ' ', text.size) != NULL;
}

/* A field may be empty: its own type says better what is wrong with it. */
bool hark_split_fields(struct hark_span text, struct hark_span *fields, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++) {
        const uint8_t *space = text.size == 0 ? NULL : memchr(text.data, ' ', text.size);
        if (space == NULL) {
            return false;
        }
        size_t length = (size_t)(space - text.data);
        fields[i] = hark_span(text.data, length);
        text = hark_span(space + 1, text.size - length - 1);
    }
    fields[count - 1] = text;
    return !has_space(text);
}

/* `<key> <<key>@hark.invalid> <seconds> +0000` */
struct person {
    struct hark_span key, mail_key, seconds;
};

/* A commit object as texts, all borrowed from it. */
struct outside {
    struct hark_span tree;
    size_t parent_count;
    struct hark_span parents; /* whole lines */
    struct person author, committer;
    struct hark_span gpgsig; /* whole lines, the keyword included */
    struct hark_span message;
};

static bool split_person(struct hark_span *in, const char *head, struct person *out)
{
    struct hark_span end = hark_span_str(MAIL_END);
    struct hark_span line;
    struct hark_span fields[4];
    if (!hark_take_headed(in, head, &line) || !hark_split_fields(line, fields, 4) ||
        !hark_span_equal(fields[3], hark_span_str("+0000"))) {
        return false;
    }
    struct hark_span mail = fields[1];
    if (!hark_take_literal(&mail, "<") || mail.size < end.size) {
        return false;
    }
    mail.size -= end.size;
    if (!hark_span_equal(hark_span(mail.data + mail.size, end.size), end)) {
        return false;
    }
    *out = (struct person){.key = fields[0], .mail_key = mail, .seconds = fields[2]};
    return true;
}

/* What lies between two places of the same bytes. */
static struct hark_span from_to(struct hark_span from, struct hark_span to)
{
    return hark_span(from.data, from.size - to.size);
}

static bool split_parents(struct hark_span *in, size_t max_parents, struct outside *out)
{
    struct hark_span start = *in;
    struct hark_span id;
    while (hark_take_headed(in, PARENT_HEAD, &id)) {
        out->parent_count++;
        if (out->parent_count > max_parents || has_space(id)) {
            return false;
        }
    }
    out->parents = from_to(start, *in);
    return true;
}

/* The signature with its continuation lines; what it says is for E12. */
static bool split_gpgsig(struct hark_span *in, struct hark_span *gpgsig)
{
    struct hark_span start = *in;
    struct hark_span line;
    if (!hark_take_headed(in, "gpgsig ", &line)) {
        return false;
    }
    while (hark_take_headed(in, " ", &line)) {
    }
    *gpgsig = from_to(start, *in);
    return true;
}

/* E3 for the outside. */
static int split_commit(struct outside *out, struct hark_span bytes, size_t max_parents,
                        struct hark_err *err)
{
    const char *wrong = NULL;
    *out = (struct outside){.parent_count = 0};
    if (!hark_take_headed(&bytes, "tree ", &out->tree)) {
        wrong = "tree";
    } else if (!split_parents(&bytes, max_parents, out)) {
        wrong = "parent";
    } else if (!split_person(&bytes, "author ", &out->author)) {
        wrong = "author";
    } else if (!split_person(&bytes, "committer ", &out->committer)) {
        wrong = "committer";
    } else if (!split_gpgsig(&bytes, &out->gpgsig)) {
        wrong = "gpgsig";
    } else if (!hark_take_literal(&bytes, "\n")) {
        wrong = "empty";
    }
    if (wrong != NULL) {
        return hark_err_set(err, HARK_E_ENTRY_LAYOUT, "the commit's %s line is not as it must be",
                            wrong);
    }
    out->message = bytes;
    return 0;
}

/* ---- reading texts by their type ---- */

static int read_number(uint64_t *out, struct hark_span text, const char *what, struct hark_err *err)
{
    if (hark_decimal_decode(out, text, HARK_NUMBER_MAX, NULL) != 0) {
        return hark_err_set(err, HARK_E_ENTRY_NUMBER,
                            "%s is not a decimal number in its one form, at most 2^53-1", what);
    }
    return 0;
}

static int read_hex(uint8_t *out, size_t size, struct hark_span text, const char *what,
                    struct hark_err *err)
{
    if (hark_hex_decode(out, size, text, NULL) != 0) {
        return hark_err_set(err, HARK_E_ENTRY_HEX, "%s is not %zu lower-case hex digits", what,
                            2 * size);
    }
    return 0;
}

/* E5 for the outside. The committer's seconds are only looked at: they are
 * compared as text, each number having one form. */
static int read_commit_numbers(struct hark_commit *out, const struct outside *texts,
                               struct hark_err *err)
{
    uint64_t committer_s = 0;
    int rc = read_number(&out->time_s, texts->author.seconds, "the author's time", err);
    if (rc == 0) {
        rc = read_number(&committer_s, texts->committer.seconds, "the committer's time", err);
    }
    return rc;
}

static int check_parents_hex(const struct outside *texts, struct hark_err *err)
{
    struct hark_span lines = texts->parents;
    struct hark_span text;
    struct hark_git_id id;
    int rc = 0;
    while (rc == 0 && hark_take_headed(&lines, PARENT_HEAD, &text)) {
        rc = read_hex(id.bytes, sizeof(id.bytes), text, "a parent", err);
    }
    return rc;
}

/* E6 for the outside. */
static int read_commit_hex(struct hark_commit *out, const struct outside *texts,
                           struct hark_err *err)
{
    struct hark_git_id tree;
    struct hark_key other;
    int rc = read_hex(tree.bytes, sizeof(tree.bytes), texts->tree, "the tree", err);
    if (rc == 0) {
        hark_hex_encode(out->tree, tree.bytes, sizeof(tree.bytes));
        rc = check_parents_hex(texts, err);
    }
    if (rc == 0) {
        out->parent_count = texts->parent_count;
        out->parents = texts->parents;
        rc =
            read_hex(out->author.bytes, HARK_KEY_SIZE, texts->author.key, "the author's name", err);
    }
    if (rc == 0) {
        rc = read_hex(other.bytes, HARK_KEY_SIZE, texts->author.mail_key, "the author's address",
                      err);
    }
    if (rc == 0) {
        rc =
            read_hex(other.bytes, HARK_KEY_SIZE, texts->committer.key, "the committer's name", err);
    }
    if (rc == 0) {
        rc = read_hex(other.bytes, HARK_KEY_SIZE, texts->committer.mail_key,
                      "the committer's address", err);
    }
    return rc;
}

/* E10 for the outside: one key and one time. */
static int match_persons(const struct outside *texts, struct hark_err *err)
{
    struct hark_span key = texts->author.key;
    if (!hark_span_equal(key, texts->author.mail_key) ||
        !hark_span_equal(key, texts->committer.key) ||
        !hark_span_equal(key, texts->committer.mail_key)) {
        return hark_err_set(err, HARK_E_ENTRY_MISMATCH, "author and committer name several keys");
    }
    if (!hark_span_equal(texts->author.seconds, texts->committer.seconds)) {
        return hark_err_set(err, HARK_E_ENTRY_MISMATCH, "author and committer differ in time");
    }
    return 0;
}

/* E12 and E13: takes git's indentation off the armour, and reads it. */
static int read_signature(struct hark_commit *out, const struct outside *texts,
                          struct hark_err *err)
{
    struct hark_buf armor = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
    struct hark_span lines = texts->gpgsig;
    struct hark_span line;
    size_t room = lines.size < HARK_SSHSIG_ARMOR_MAX ? lines.size : HARK_SSHSIG_ARMOR_MAX;
    int rc = hark_buf_reserve(&armor, room, err);
    bool more = hark_take_headed(&lines, "gpgsig ", &line);
    while (rc == 0 && more) {
        rc = hark_buf_append_span(&armor, line, err);
        if (rc == 0) {
            rc = hark_buf_append_byte(&armor, '\n', err);
        }
        more = hark_take_headed(&lines, " ", &line);
    }
    if (rc == 0) {
        rc = hark_sshsig_parse(&out->signature, hark_buf_span(&armor), NAMESPACE, err);
    }
    hark_buf_free(&armor);
    if (rc == HARK_E_LIMIT) {
        return hark_err_set(err, HARK_E_ENTRY_SIGNATURE_FORM, "the signature is too long");
    }
    if (rc == HARK_E_SIGNATURE_FORM) {
        return hark_err_set(err, HARK_E_ENTRY_SIGNATURE_FORM, "%s",
                            err == NULL ? "" : err->message);
    }
    if (rc == 0 && !hark_key_equal(&out->signature.key, &out->author)) {
        return hark_err_set(err, HARK_E_ENTRY_SIGNATURE_KEY,
                            "another key than the author's signed");
    }
    return rc;
}

/* ---- the commit object ---- */

int hark_commit_parse(struct hark_commit *out, struct hark_span bytes, size_t max_parents,
                      struct hark_err *err)
{
    struct outside texts;
    struct hark_commit commit = {.parent_count = 0};
    int rc = split_commit(&texts, bytes, max_parents, err);
    if (rc == 0) {
        rc = read_commit_numbers(&commit, &texts, err);
    }
    if (rc == 0) {
        rc = read_commit_hex(&commit, &texts, err);
    }
    if (rc == 0) {
        rc = match_persons(&texts, err);
    }
    if (rc == 0) {
        rc = read_signature(&commit, &texts, err);
    }
    if (rc == 0) {
        commit.message = texts.message;
        *out = commit;
    }
    return rc;
}

struct hark_git_id hark_commit_parent(const struct hark_commit *commit, size_t n)
{
    struct hark_git_id id = {{0}};
    struct hark_span text = hark_span(
        commit->parents.data + n * PARENT_SIZE + sizeof(PARENT_HEAD) - 1, 2 * sizeof(id.bytes));
    /* Parsed, therefore hex: this cannot fail. */
    if (hark_hex_decode(id.bytes, sizeof(id.bytes), text, NULL) != 0) {
        memset(&id, 0, sizeof(id));
    }
    return id;
}

/* Texts in a row, up to a NULL. Entries are rebuilt by the million: none of their lines
 * has a format that would be read each time. */
static int put_texts(struct hark_buf *out, const char *const *texts, struct hark_err *err)
{
    int rc = 0;
    for (; rc == 0 && *texts != NULL; texts++) {
        rc = hark_buf_append_str(out, *texts, err);
    }
    return rc;
}
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define DIGITS_SIZE 21u /* of a u64, with a NUL */

/* Its decimal form, at the end of `room`. */
static const char *digits_of(char room[DIGITS_SIZE], uint64_t number)
{
    size_t at = DIGITS_SIZE - 1;
    room[at] = '\0';
    do {
        room[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return room + at;
}

static int put_head(struct hark_buf *out, const struct hark_commit *commit, struct hark_err *err)
{
    char key[2 * HARK_KEY_SIZE + 1];
    char room[DIGITS_SIZE];
    const char *seconds = digits_of(room, commit->time_s);
    hark_key_hex(key, &commit->author);
    int rc = put_texts(out, TEXTS("tree ", commit->tree, "\n"), err);
    if (rc == 0) {
        rc = hark_buf_append_span(out, commit->parents, err);
    }
    if (rc == 0) {
        rc = put_texts(out, TEXTS("author ", key, " <", key, MAIL_END, " ", seconds, " +0000\n"),
                       err);
    }
    if (rc == 0) {
        rc = put_texts(out, TEXTS("committer ", key, " <", key, MAIL_END, " ", seconds, " +0000\n"),
                       err);
    }
    return rc;
}

static int put_message(struct hark_buf *out, const struct hark_commit *commit, struct hark_err *err)
{
    int rc = hark_buf_append_byte(out, '\n', err);
    return rc != 0 ? rc : hark_buf_append_span(out, commit->message, err);
}

static int put_gpgsig(struct hark_buf *out, const struct hark_commit *commit, struct hark_err *err)
{
    struct hark_buf armor = hark_buf_init(HARK_SSHSIG_ARMOR_MAX);
    struct hark_span line;
    const char *head = "gpgsig ";
    int rc = hark_sshsig_armor(&armor, &commit->signature, NAMESPACE, err);
    struct hark_span rest = hark_buf_span(&armor);
    while (rc == 0 && hark_take_line(&rest, &line)) {
        rc = hark_buf_append_str(out, head, err);
        if (rc == 0) {
            rc = hark_buf_append(out, line.data, line.size + 1, err); /* with its LF */
        }
        head = " ";
    }
    hark_buf_free(&armor);
    return rc;
}

int hark_commit_signed_bytes(struct hark_buf *out, const struct hark_commit *commit,
                             struct hark_err *err)
{
    int rc = put_head(out, commit, err);
    return rc != 0 ? rc : put_message(out, commit, err);
}

int hark_commit_build(struct hark_buf *out, const struct hark_commit *commit, struct hark_err *err)
{
    int rc = put_head(out, commit, err);
    if (rc == 0) {
        rc = put_gpgsig(out, commit, err);
    }
    return rc != 0 ? rc : put_message(out, commit, err);
}

/* ---- building an entry ---- */

static int put_hex(struct hark_buf *out, const char *head, const uint8_t *bytes, size_t size,
                   struct hark_err *err)
{
    int rc = hark_buf_append_str(out, head, err);
    if (rc == 0) {
        rc = hark_buf_append_hex(out, bytes, size, err);
    }
    return rc != 0 ? rc : hark_buf_append_byte(out, '\n', err);
}

static int put_seen(struct hark_buf *out, const struct hark_seen *seen, struct hark_err *err)
{
    char root[2 * HARK_HASH_SIZE + 1];
    hark_hash_hex(root, &seen->root);
    int rc = hark_buf_printf(out, err, "Seen: %llu %s %08lx ", (unsigned long long)seen->size, root,
                             (unsigned long)seen->key_id);
    if (rc == 0) {
        rc = hark_base64_encode(out, hark_span(seen->signature, HARK_SIGNATURE_SIZE), err);
    }
    return rc != 0 ? rc : hark_buf_append_byte(out, '\n', err);
}

/* What the entry is about: from `Seen` to before `Payload`. */
static int put_about(struct hark_buf *out, const struct hark_entry *entry, struct hark_err *err)
{
    int rc = entry->has_seen ? put_seen(out, &entry->seen, err) : 0;
    for (size_t i = 0; rc == 0 && i < entry->re_count; i++) {
        rc = put_hex(out, "Re: ", entry->re[i].bytes, HARK_HASH_SIZE, err);
    }
    return rc;
}

static int put_payload(struct hark_buf *out, const struct hark_entry *entry, struct hark_err *err)
{
    int rc = 0;
    if (entry->has_payload) {
        char hash[2 * HARK_HASH_SIZE + 1];
        char room[DIGITS_SIZE];
        hark_hash_hex(hash, &entry->payload_hash);
        rc = put_texts(
            out, TEXTS("Payload: ", digits_of(room, entry->payload_size), " ", hash, "\n"), err);
    }
    return rc;
}

int hark_entry_headers(struct hark_buf *out, const struct hark_entry *entry, struct hark_err *err)
{
    char time[HARK_TIME_SIZE + 1];
    char room[DIGITS_SIZE];
    hark_time_encode(time, entry->time_ms);
    int rc = hark_buf_append_str(out, "Hark: 1\n", err);
    if (rc == 0 && entry->has_space) {
        rc = put_hex(out, "Space: ", entry->space.bytes, HARK_HASH_SIZE, err);
    }
    if (rc == 0) {
        rc = put_hex(out, "Author: ", entry->author.bytes, HARK_KEY_SIZE, err);
    }
    if (rc == 0) {
        rc = put_texts(out, TEXTS("Seq: ", digits_of(room, entry->seq), "\n"), err);
    }
    if (rc == 0 && entry->seq > 1) {
        rc = put_hex(out, "Previous: ", entry->previous.bytes, HARK_HASH_SIZE, err);
    }
    if (rc == 0) {
        rc = put_texts(out, TEXTS("Time: ", time, "\nKind: ", entry->kind, "\n"), err);
    }
    return rc != 0 ? rc : put_about(out, entry, err);
}

static int put_entry_message(struct hark_buf *out, const struct hark_entry *entry,
                             struct hark_err *err)
{
    char room[DIGITS_SIZE];
    int rc = put_texts(out, TEXTS(entry->kind, " ", digits_of(room, entry->seq), "\n\n"), err);
    if (rc == 0) {
        rc = hark_entry_headers(out, entry, err);
    }
    return rc != 0 ? rc : put_payload(out, entry, err);
}

/* What of the commit is outside the message, but for the signature. */
static struct hark_commit commit_of(const struct hark_entry *entry, char parent[PARENT_SIZE])
{
    struct hark_commit commit = {
        .tree = HARK_GIT_EMPTY_TREE, .author = entry->author, .time_s = entry->time_ms / 1000};
    if (entry->seq > 1) {
        memcpy(parent, PARENT_HEAD, sizeof(PARENT_HEAD) - 1);
        hark_hex_encode(parent + sizeof(PARENT_HEAD) - 1, entry->parent.bytes, HARK_GIT_ID_SIZE);
        parent[PARENT_SIZE - 1] = '\n'; /* for the NUL */
        commit.parents = hark_span(parent, PARENT_SIZE);
        commit.parent_count = 1;
    }
    return commit;
}

/* Signs, and appends the whole. */
static int put_entry(struct hark_buf *out, struct hark_entry *entry,
                     const struct hark_signer *signer, struct hark_err *err)
{
    char parent[PARENT_SIZE];
    struct hark_buf text = hark_buf_init(HARK_ENTRY_MAX); /* what is signed */
    struct hark_buf message = hark_buf_init(HARK_ENTRY_MAX);
    struct hark_commit commit = commit_of(entry, parent);
    int rc = put_entry_message(&message, entry, err);
    commit.message = hark_buf_span(&message);
    if (rc == 0) {
        rc = hark_commit_signed_bytes(&text, &commit, err);
    }
    if (rc == 0) {
        rc = hark_sshsig_make(&entry->signature, signer, NAMESPACE, hark_buf_span(&text), err);
    }
    if (rc == 0) {
        commit.signature = entry->signature;
        rc = hark_commit_build(out, &commit, err);
    }
    hark_buf_free(&text);
    hark_buf_free(&message);
    return rc;
}

/* The same from the fields alone, but for the lines of the signature. */
static int put_again(struct hark_buf *out, const struct hark_entry *entry, struct hark_span gpgsig,
                     struct hark_err *err)
{
    char parent[PARENT_SIZE];
    struct hark_commit commit = commit_of(entry, parent);
    int rc = put_head(out, &commit, err);
    if (rc == 0) {
        rc = hark_buf_append_span(out, gpgsig, err);
    }
    if (rc == 0) {
        rc = hark_buf_append_byte(out, '\n', err);
    }
    return rc != 0 ? rc : put_entry_message(out, entry, err);
}

bool hark_kind_name_valid(struct hark_span name)
{
    if (name.size < 1 || name.size > HARK_KIND_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_other = (c >= '0' && c <= '9') || c == '-';
        if (!is_letter && (i == 0 || !is_other)) {
            return false;
        }
    }
    return true;
}

/* E11 where it is about space and seq; the rest follows from the fields. */
static int check_space(const struct hark_entry *entry, struct hark_err *err)
{
    bool founds = strcmp(entry->kind, "space") == 0;
    if (founds && (entry->has_space || entry->seq != 1)) {
        return hark_err_set(err, HARK_E_ENTRY_FIRST,
                            "an entry of kind space names a space, or is not its feed's first");
    }
    if (!founds && !entry->has_space) {
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "the entry names no space");
    }
    return 0;
}

/* Nothing is signed that a reader would refuse. */
static int check_fields(const struct hark_entry *entry, struct hark_err *err)
{
    if (entry->re_count > HARK_ENTRY_RE_MAX) {
        return hark_err_set(err, HARK_E_ENTRY_LAYOUT, "more than %u Re lines", HARK_ENTRY_RE_MAX);
    }
    if (entry->seq < 1 || entry->seq > HARK_NUMBER_MAX ||
        (entry->has_seen && entry->seen.size > HARK_NUMBER_MAX) ||
        (entry->has_payload && entry->payload_size > HARK_NUMBER_MAX)) {
        return hark_err_set(err, HARK_E_ENTRY_NUMBER, "a number is over 2^53-1, or Seq is 0");
    }
    if (entry->time_ms > HARK_TIME_MAX_MS) {
        return hark_err_set(err, HARK_E_ENTRY_TIME_FORM, "a time after the year 9999");
    }
    if (!hark_kind_name_valid(hark_span(entry->kind, strnlen(entry->kind, sizeof(entry->kind))))) {
        return hark_err_set(err, HARK_E_ENTRY_KIND_FORM, "not the name of a kind");
    }
    return check_space(entry, err);
}

int hark_entry_build(struct hark_buf *out, struct hark_entry *entry,
                     const struct hark_signer *signer, struct hark_err *err)
{
    struct hark_buf bytes = hark_buf_init(HARK_ENTRY_MAX);
    if (!hark_key_equal(hark_signer_key(signer), &entry->author)) {
        return hark_err_set(err, HARK_E_INTERNAL, "an entry signed by another key than its author");
    }
    int rc = check_fields(entry, err);
    if (rc != 0) {
        return rc;
    }
    rc = put_entry(&bytes, entry, signer, err);
    if (rc == 0) {
        entry->id = hark_sha256(hark_buf_span(&bytes));
        rc = hark_buf_append_span(out, hark_buf_span(&bytes), err);
    }
    hark_buf_free(&bytes);
    return rc;
}

/* ---- parsing an entry ---- */

/* The message as texts; what is absent has no data. */
struct inside {
    struct hark_span subject[2]; /* kind, seq */
    struct hark_span version, space, author, seq, previous, time, kind;
    struct hark_span seen; /* the whole value */
    struct hark_span seen_fields[SEEN_FIELDS];
    bool seen_split; /* it has as many fields as it must (E9) */
    size_t re_count;
    struct hark_span re[HARK_ENTRY_RE_MAX];
    struct hark_span payload[2]; /* size, hash */
};

/* E1, E2. */
static int check_bytes(struct hark_span bytes, struct hark_err *err)
{
    if (bytes.size == 0 || bytes.size > HARK_ENTRY_MAX) {
        return hark_err_set(err, HARK_E_ENTRY_SIZE, "%zu bytes, where 1 to %u may be", bytes.size,
                            HARK_ENTRY_MAX);
    }
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] != '\n' && (bytes.data[i] < 0x20 || bytes.data[i] > 0x7e)) {
            return hark_err_set(err, HARK_E_ENTRY_BYTES, "byte 0x%02x at %zu", bytes.data[i], i);
        }
    }
    return 0;
}

static int layout(struct hark_err *err, const char *what)
{
    return hark_err_set(err, HARK_E_ENTRY_LAYOUT, "%s", what);
}

/* E3 up to `Hark:`, and E4: of another version nothing more is known. */
static int split_version(struct inside *out, struct hark_span *in, struct hark_err *err)
{
    struct hark_span subject;
    uint64_t version = 0;
    if (!hark_take_line(in, &subject) || !hark_split_fields(subject, out->subject, 2) ||
        !hark_take_literal(in, "\n")) {
        return layout(err, "the subject is not a kind, a number and an empty line");
    }
    if (!hark_take_headed(in, "Hark: ", &out->version) || has_space(out->version)) {
        return layout(err, "the first header is not Hark");
    }
    if (hark_decimal_decode(&version, out->version, HARK_NUMBER_MAX, NULL) == 0 && version != 1) {
        return hark_err_set(err, HARK_E_ENTRY_VERSION, "version %llu, where 1 is known",
                            (unsigned long long)version);
    }
    return 0;
}

/* E3 for the headers after `Hark:`. */
static int split_headers(struct inside *out, struct hark_span in, struct hark_err *err)
{
    struct hark_span payload = {.data = NULL};
    take_optional(&in, "Space: ", &out->space);
    if (!hark_take_headed(&in, "Author: ", &out->author) ||
        !hark_take_headed(&in, "Seq: ", &out->seq)) {
        return layout(err, "Author and Seq are not where they must be");
    }
    take_optional(&in, "Previous: ", &out->previous);
    if (!hark_take_headed(&in, "Time: ", &out->time) ||
        !hark_take_headed(&in, "Kind: ", &out->kind)) {
        return layout(err, "Time and Kind are not where they must be");
    }
    take_optional(&in, "Seen: ", &out->seen);
    struct hark_span re;
    while (hark_take_headed(&in, "Re: ", &re)) {
        if (out->re_count == HARK_ENTRY_RE_MAX || has_space(re)) {
            return layout(err, "too many Re lines, or more than one id in one");
        }
        out->re[out->re_count++] = re;
    }
    take_optional(&in, "Payload: ", &payload);
    if (is_present(payload) && !hark_split_fields(payload, out->payload, 2)) {
        return layout(err, "Payload is not two fields");
    }
    if (in.size != 0) {
        return layout(err, "a line that is unknown, repeated, out of order or not ended");
    }
    if (has_space(out->space) || has_space(out->author) || has_space(out->seq) ||
        has_space(out->previous) || has_space(out->time) || has_space(out->kind)) {
        return layout(err, "a header has more than one field");
    }
    out->seen_split = is_present(out->seen) && hark_split_fields(out->seen, out->seen_fields, 4);
    return 0;
}

/* E5 for the message. */
static int read_numbers(struct hark_entry *out, const struct inside *texts, struct hark_err *err)
{
    uint64_t number = 0;
    int rc = read_number(&number, texts->version, "Hark", err);
    if (rc == 0) {
        rc = read_number(&number, texts->subject[1], "the subject's number", err);
    }
    if (rc == 0) {
        rc = read_number(&out->seq, texts->seq, "Seq", err);
    }
    if (rc == 0 && out->seq == 0) {
        rc = hark_err_set(err, HARK_E_ENTRY_NUMBER, "Seq is 0, where it counts from 1");
    }
    if (rc == 0 && texts->seen_split) {
        rc = read_number(&out->seen.size, texts->seen_fields[0], "the size in Seen", err);
    }
    if (rc == 0 && is_present(texts->payload[0])) {
        rc = read_number(&out->payload_size, texts->payload[0], "the payload's size", err);
    }
    return rc;
}

static int read_seen_hex(struct hark_seen *out, const struct inside *texts, struct hark_err *err)
{
    uint8_t key_id[4];
    int rc =
        read_hex(out->root.bytes, HARK_HASH_SIZE, texts->seen_fields[1], "the root in Seen", err);
    if (rc == 0) {
        rc = read_hex(key_id, sizeof(key_id), texts->seen_fields[2], "the key id in Seen", err);
    }
    if (rc == 0) {
        out->key_id = hark_get_u32(key_id);
    }
    return rc;
}

/* E6 for the message. */
static int read_hexes(struct hark_entry *out, const struct inside *texts, struct hark_err *err)
{
    int rc = read_hex(out->author.bytes, HARK_KEY_SIZE, texts->author, "Author", err);
    if (rc == 0 && is_present(texts->space)) {
        out->has_space = true;
        rc = read_hex(out->space.bytes, HARK_HASH_SIZE, texts->space, "Space", err);
    }
    if (rc == 0 && is_present(texts->previous)) {
        rc = read_hex(out->previous.bytes, HARK_HASH_SIZE, texts->previous, "Previous", err);
    }
    if (rc == 0 && texts->seen_split) {
        rc = read_seen_hex(&out->seen, texts, err);
    }
    for (size_t i = 0; rc == 0 && i < texts->re_count; i++) {
        rc = read_hex(out->re[i].bytes, HARK_HASH_SIZE, texts->re[i], "a Re", err);
    }
    out->re_count = texts->re_count;
    if (rc == 0 && is_present(texts->payload[1])) {
        out->has_payload = true;
        rc = read_hex(out->payload_hash.bytes, HARK_HASH_SIZE, texts->payload[1],
                      "the payload's hash", err);
    }
    return rc;
}

/* E9. */
static int read_seen(struct hark_entry *out, const struct inside *texts, struct hark_err *err)
{
    struct hark_buf signature = hark_buf_init(HARK_SIGNATURE_SIZE);
    if (!is_present(texts->seen)) {
        return 0;
    }
    if (!texts->seen_split) {
        return hark_err_set(err, HARK_E_ENTRY_SEEN_FORM, "Seen is not %u fields", SEEN_FIELDS);
    }
    int rc = hark_base64_decode(&signature, texts->seen_fields[3], err);
    if (rc == HARK_E_BASE64 || rc == HARK_E_LIMIT ||
        (rc == 0 && signature.size != HARK_SIGNATURE_SIZE)) {
        rc = hark_err_set(err, HARK_E_ENTRY_SEEN_FORM,
                          "the signature in Seen is not the base64 of 64 bytes");
    }
    if (rc == 0) {
        out->has_seen = true;
        memcpy(out->seen.signature, signature.data, HARK_SIGNATURE_SIZE);
    }
    hark_buf_free(&signature);
    return rc;
}

/* E7 to E9. */
static int read_others(struct hark_entry *out, const struct inside *texts, struct hark_err *err)
{
    if (hark_time_decode(&out->time_ms, texts->time, NULL) != 0) {
        return hark_err_set(err, HARK_E_ENTRY_TIME_FORM,
                            "Time is not a time like 2026-11-21T10:15:30.123Z");
    }
    if (!hark_kind_name_valid(texts->kind) || !hark_kind_name_valid(texts->subject[0])) {
        return hark_err_set(err, HARK_E_ENTRY_KIND_FORM, "not the name of a kind");
    }
    memcpy(out->kind, texts->kind.data, texts->kind.size);
    return read_seen(out, texts, err);
}

/* E10 for the headers. */
static int match_headers(const struct hark_entry *entry, const struct hark_commit *commit,
                         const struct inside *texts, struct hark_err *err)
{
    if (!hark_key_equal(&commit->author, &entry->author)) {
        return hark_err_set(err, HARK_E_ENTRY_MISMATCH, "the commit's author is not Author");
    }
    if (commit->time_s != entry->time_ms / 1000) {
        return hark_err_set(err, HARK_E_ENTRY_MISMATCH, "the commit's time is not Time");
    }
    if (!hark_span_equal(texts->subject[0], texts->kind) ||
        !hark_span_equal(texts->subject[1], texts->seq)) {
        return hark_err_set(err, HARK_E_ENTRY_MISMATCH, "the subject is not Kind and Seq");
    }
    return 0;
}

/* E11. */
static int check_first(const struct hark_entry *entry, size_t parent_count,
                       const struct inside *texts, struct hark_err *err)
{
    bool has_parent = parent_count > 0;
    bool has_previous = is_present(texts->previous);
    if (entry->seq == 1 && (has_parent || has_previous)) {
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "a feed's first entry names one before it");
    }
    if (entry->seq > 1 && (!has_parent || !has_previous)) {
        return hark_err_set(err, HARK_E_ENTRY_FIRST, "the entry does not name the one before it");
    }
    return check_space(entry, err);
}

/* E5 to E9 in their order, inside and outside. */
static int read_texts(struct hark_entry *entry, struct hark_commit *commit,
                      const struct outside *outside, const struct inside *inside,
                      struct hark_err *err)
{
    int rc = read_commit_numbers(commit, outside, err);
    if (rc == 0) {
        rc = read_numbers(entry, inside, err);
    }
    if (rc == 0) {
        rc = read_commit_hex(commit, outside, err);
    }
    if (rc == 0) {
        rc = read_hexes(entry, inside, err);
    }
    return rc != 0 ? rc : read_others(entry, inside, err);
}

/* E14. The rules before leave no second form that we know of; this is for the
 * one that we do not. The signature's lines have just been compared with the one
 * form of what they say (E12). */
static int check_canonical(const struct hark_entry *entry, struct hark_span gpgsig,
                           struct hark_span bytes, struct hark_err *err)
{
    struct hark_buf again = hark_buf_init(HARK_ENTRY_MAX);
    int rc = hark_buf_reserve(&again, bytes.size, err);
    if (rc == 0) {
        rc = put_again(&again, entry, gpgsig, err);
    }
    if (rc == HARK_E_LIMIT || (rc == 0 && !hark_span_equal(hark_buf_span(&again), bytes))) {
        rc = hark_err_set(err, HARK_E_ENTRY_CANONICAL, "not the one form of what the entry says");
    }
    hark_buf_free(&again);
    return rc;
}

/* E1 to E4. */
static int split_entry(struct outside *outside, struct inside *inside, struct hark_span bytes,
                       struct hark_err *err)
{
    int rc = check_bytes(bytes, err);
    if (rc == 0) {
        rc = split_commit(outside, bytes, 1, err);
    }
    if (rc == 0 && !hark_span_equal(outside->tree, hark_span_str(HARK_GIT_EMPTY_TREE))) {
        rc = layout(err, "the tree is not the empty tree");
    }
    if (rc == 0) {
        struct hark_span message = outside->message;
        rc = split_version(inside, &message, err);
        if (rc == 0) {
            rc = split_headers(inside, message, err);
        }
    }
    return rc;
}

int hark_entry_parse(struct hark_entry *out, struct hark_span bytes, struct hark_err *err)
{
    struct outside outside = {.parent_count = 0};
    struct inside inside = {.re_count = 0};
    struct hark_commit commit = {.parent_count = 0};
    struct hark_entry entry = {.seq = 0};
    int rc = split_entry(&outside, &inside, bytes, err);
    if (rc == 0) {
        rc = read_texts(&entry, &commit, &outside, &inside, err);
    }
    if (rc == 0) {
        rc = match_persons(&outside, err);
    }
    if (rc == 0) {
        rc = match_headers(&entry, &commit, &inside, err);
    }
    if (rc == 0) {
        rc = check_first(&entry, commit.parent_count, &inside, err);
    }
    if (rc == 0) {
        rc = read_signature(&commit, &outside, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (commit.parent_count > 0) {
        entry.parent = hark_commit_parent(&commit, 0);
    }
    entry.signature = commit.signature;
    rc = check_canonical(&entry, outside.gpgsig, bytes, err);
    if (rc == 0) {
        entry.id = hark_sha256(bytes);
        *out = entry;
    }
    return rc;
}

bool hark_entry_names_payload(struct hark_span stored, struct hark_hash *hash)
{
    static const char head[] = "Payload: ";
    const uint8_t *before =
        stored.size > 1 ? memrchr(stored.data, '\n', stored.size - 1) : NULL; /* its last line */
    if (before == NULL) {
        return false;
    }
    struct hark_span line = hark_span(before + 1, (size_t)(stored.data + stored.size - before) - 2);
    struct hark_span fields[2];
    return hark_take_literal(&line, head) && hark_split_fields(line, fields, 2) &&
           hark_hex_decode(hash->bytes, HARK_HASH_SIZE, fields[1], NULL) == 0;
}

/* ---- verifying ---- */

int hark_entry_verify(const struct hark_entry *entry, struct hark_span bytes, struct hark_err *err)
{
    uint8_t room[HARK_ENTRY_MAX];
    struct outside texts = {.parent_count = 0};
    int rc = bytes.size > sizeof(room)
                 ? hark_err_set(err, HARK_E_ENTRY_SIZE, "more than %u bytes", HARK_ENTRY_MAX)
                 : split_commit(&texts, bytes, 1, err);
    if (rc != 0) {
        return rc;
    }
    /* The object with its signature cut out, without asking for memory: a busy
     * machine must not make a good signature look bad. */
    size_t after = texts.message.size + 1; /* with the empty line */
    size_t before = bytes.size - texts.gpgsig.size - after;
    memcpy(room, bytes.data, before);
    memcpy(room + before, bytes.data + bytes.size - after, after);
    if (!hark_sshsig_verify(&entry->signature, NAMESPACE, hark_span(room, before + after))) {
        return hark_err_set(err, HARK_E_ENTRY_SIGNATURE, "the author's signature does not hold");
    }
    return 0;
}
