/*
 * Kinds are data: who may write an entry of this kind, what it may be about,
 * what its payload holds. Loaded from YAML; the built-in set is compiled into
 * the program from schemas/kinds/. PROTOCOL.md 5.
 */
#ifndef HARK_SCHEMAS_KIND_H
#define HARK_SCHEMAS_KIND_H

#include "crypto/bytes.h"
#include "crypto/sha256.h"
#include "schemas/entry.h"

#define HARK_KIND_DEFINITION_MAX (16u * 1024u)
#define HARK_KIND_FIELDS_MAX     64u /* of one object */
#define HARK_KIND_CHOICES_MAX    64u
#define HARK_KINDS_OWN_MAX       256u /* a space's own kinds */
#define HARK_KINDS_MAX           (64u + HARK_KINDS_OWN_MAX)

enum hark_who {
    HARK_WHO_STEWARD,
    HARK_WHO_NODE,
    HARK_WHO_MEMBER, /* any active member */
    HARK_WHO_STAFF,
    HARK_WHO_RECOVERY,
};

enum hark_own {
    HARK_OWN_NO,
    HARK_OWN_YES,          /* Re must be the author's own */
    HARK_OWN_UNLESS_STAFF, /* the same, staff excepted */
};

enum hark_payload_form { HARK_PAYLOAD_NONE, HARK_PAYLOAD_JSON, HARK_PAYLOAD_BINARY };

enum hark_modes { HARK_MODES_ALL, HARK_MODES_OPEN, HARK_MODES_ENCRYPTED };

enum hark_field_type {
    HARK_FIELD_TEXT, /* min, max bytes */
    HARK_FIELD_LINE, /* text without LF and TAB */
    HARK_FIELD_SLUG, /* min, max of a-z 0-9 _ -, starting with a letter */
    HARK_FIELD_CHOICE,
    HARK_FIELD_INTEGER, /* min, max value */
    HARK_FIELD_BOOLEAN,
    HARK_FIELD_HEX,    /* exactly max bytes when min is 0; else min to max */
    HARK_FIELD_BASE64, /* min to max bytes decoded */
    HARK_FIELD_ENTRY,  /* entry id, 64 hex */
    HARK_FIELD_TIME,   /* PROTOCOL.md 2.1 */
    HARK_FIELD_DATE,   /* YYYY-MM-DD */
    HARK_FIELD_LIST,   /* of `item`, min to max of them */
    HARK_FIELD_OBJECT, /* of `fields` */
};

struct hark_field {
    char name[HARK_KIND_NAME_MAX + 1]; /* a-z 0-9 _ */
    enum hark_field_type type;
    bool required;
    int64_t min, max;
    size_t choice_count;
    char **choices;
    /* required when the sibling choice field `if_field` has one of these values */
    char if_field[HARK_KIND_NAME_MAX + 1];
    size_t if_count;
    char **if_values;
    size_t field_count; /* OBJECT */
    struct hark_field *fields;
    struct hark_field *item; /* LIST */
};

struct hark_kind {
    char name[HARK_KIND_NAME_MAX + 1];
    char *about; /* one sentence, for people */
    enum hark_who who;
    enum hark_modes modes;
    size_t re_min, re_max;
    bool re_any; /* of any kind */
    size_t re_kind_count;
    char (*re_kinds)[HARK_KIND_NAME_MAX + 1];
    enum hark_own own;
    bool erasable; /* false: never erased, decides what stands */
    enum hark_payload_form payload;
    bool payload_optional; /* P1 does not apply */
    size_t field_count;    /* without "salt", which every JSON payload has first */
    struct hark_field *fields;
    struct hark_hash definition; /* SHA-256 of the YAML */
    bool own_kind;               /* came by a `kind` entry */
};

/* A set of kinds, numbered: built-in ones by byte order of their names from 0,
 * then a space's own in order of coming. */
struct hark_kinds;

/* The built-in set, freshly allocated, without a space's own kinds. */
HARK_CHECK int hark_kinds_builtin(struct hark_kinds **out, struct hark_err *err);
/* PROTOCOL.md 5: hash of the built-in set. */
struct hark_hash hark_kinds_hash(const struct hark_kinds *kinds);
void hark_kinds_free(struct hark_kinds *kinds);
/* Parses a definition; *out is freed with hark_kind_free. `file` names it in
 * messages: "<file>:<line>: <what was wrong>, expected <what>". Error: kind-form.
 * Bounded: at most HARK_KIND_DEFINITION_MAX bytes, no aliases, nesting <= 8. */
HARK_CHECK int hark_kind_parse(struct hark_kind **out, struct hark_span yaml, const char *file,
                               struct hark_err *err);
void hark_kind_free(struct hark_kind *kind);
/* Adds a space's own kind: name begins with "x-", who is member or staff,
 * erasable, re.kinds known, name not taken. Takes ownership (sets *kind NULL)
 * on success only. Errors: kind-form, limit. */
HARK_CHECK int hark_kinds_add_own(struct hark_kinds *kinds, struct hark_kind **kind,
                                  struct hark_err *err);
size_t hark_kinds_count(const struct hark_kinds *kinds);
size_t hark_kinds_builtin_count(const struct hark_kinds *kinds);
const struct hark_kind *hark_kinds_get(const struct hark_kinds *kinds,
                                       size_t number); /* borrowed */
/* -1 if there is none. */
int hark_kinds_find(const struct hark_kinds *kinds, const char *name);
/* May `kind` be about an entry of kind `target`? `x-*` among its re_kinds stands
 * for every kind of a space's own. */
bool hark_kind_about(const struct hark_kind *kind, const char *target);

#endif
