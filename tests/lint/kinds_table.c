/*
 * PROTOCOL.md's tables of kinds, made from the built-in set.
 *
 *     kinds_table                 prints them
 *     kinds_table --check FILE    exit code 1 when FILE has others between its markers
 *     kinds_table --write FILE    puts them there
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/kind.h"

#define FILE_LIMIT ((size_t)4 << 20)
#define PATH_LIMIT 256
#define BEGIN      "<!-- kinds:begin"
#define END        "<!-- kinds:end -->"

static void require(bool fine, const char *what)
{
    if (fine)
        return;
    (void)fprintf(stderr, "kinds_table: %s\n", what);
    exit(2);
}

static void put(struct hark_buf *out, const char *text)
{
    require(hark_buf_append_str(out, text, NULL) == 0, "out of memory");
}

/* ---- The kinds -------------------------------------------------------------- */

static void put_re(struct hark_buf *out, const struct hark_kind *kind)
{
    static const char *const own[] = {"", ", one's own", ", one's own unless staff"};
    if (kind->re_max == 0) {
        put(out, "–");
        return;
    }
    int rc = kind->re_min == kind->re_max
                 ? hark_buf_printf(out, NULL, "%zu of", kind->re_max)
                 : hark_buf_printf(out, NULL, "%zu–%zu of", kind->re_min, kind->re_max);
    require(rc == 0, "out of memory");
    if (kind->re_any)
        put(out, " any");
    for (size_t i = 0; i < kind->re_kind_count; i++) {
        put(out, i > 0 ? ", `" : " `");
        put(out, kind->re_kinds[i]);
        put(out, "`");
    }
    put(out, own[kind->own]);
}

static void put_kind(struct hark_buf *out, const struct hark_kind *kind)
{
    static const char *const who[] = {"steward", "node", "member", "staff", "recovery key"};
    static const char *const modes[] = {"", "; in encrypted spaces inside `sealed`",
                                        "; encrypted spaces only"};
    static const char *const forms[] = {"none", "JSON", "binary"};
    int rc = hark_buf_printf(out, NULL, "| `%s` | %s%s | ", kind->name, who[kind->who],
                             modes[kind->modes]);
    require(rc == 0, "out of memory");
    put_re(out, kind);
    rc = hark_buf_printf(out, NULL, " | %s%s%s | %s |\n", forms[kind->payload],
                         kind->payload_optional ? ", optional" : "",
                         kind->erasable ? "" : ", never erased", kind->about);
    require(rc == 0, "out of memory");
}

/* ---- Their fields ------------------------------------------------------------ */

static void put_limits(struct hark_buf *out, const struct hark_field *field, const char *unit)
{
    int rc = field->min == field->max || (field->type == HARK_FIELD_HEX && field->min == 0)
                 ? hark_buf_printf(out, NULL, ", %" PRId64 "%s", field->max, unit)
                 : hark_buf_printf(out, NULL, ", %" PRId64 " to %" PRId64 "%s", field->min,
                                   field->max, unit);
    require(rc == 0, "out of memory");
}

static void put_choices(struct hark_buf *out, char *const *choices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(out, i > 0 ? ", `" : " `");
        put(out, choices[i]);
        put(out, "`");
    }
}

static void put_type(struct hark_buf *out, const struct hark_field *field)
{
    static const char *const names[] = {"text",    "line", "slug",   "one of", "integer",
                                        "boolean", "hex",  "base64", "entry",  "time",
                                        "date",    "list", "object"};
    put(out, names[field->type]);
    switch (field->type) {
    case HARK_FIELD_TEXT:
    case HARK_FIELD_LINE:
    case HARK_FIELD_SLUG:
    case HARK_FIELD_HEX:
    case HARK_FIELD_BASE64:
        put_limits(out, field, " bytes");
        break;
    case HARK_FIELD_INTEGER:
        put_limits(out, field, "");
        break;
    case HARK_FIELD_LIST:
        put_limits(out, field, " items");
        break;
    case HARK_FIELD_CHOICE:
        put_choices(out, field->choices, field->choice_count);
        break;
    default:
        break;
    }
}

static void put_need(struct hark_buf *out, const struct hark_field *field)
{
    if (field->required)
        put(out, "yes");
    if (field->if_count == 0)
        return;
    int rc = hark_buf_printf(out, NULL, "when `%s` is", field->if_field);
    require(rc == 0, "out of memory");
    put_choices(out, field->if_values, field->if_count);
}

static void put_fields(struct hark_buf *out, const char *kind, const char *above,
                       const struct hark_field *fields, size_t count);

static void put_field(struct hark_buf *out, const char *kind, const char *path,
                      const struct hark_field *field)
{
    char inside[PATH_LIMIT];
    int rc = hark_buf_printf(out, NULL, "| `%s` | `%s` | ", kind, path);
    require(rc == 0, "out of memory");
    put_type(out, field);
    put(out, " | ");
    put_need(out, field);
    put(out, " |\n");
    require(snprintf(inside, sizeof inside, "%s%s", path, field->item != NULL ? "[]" : ".") <
                PATH_LIMIT,
            "too deep");
    if (field->item != NULL)
        put_field(out, kind, inside, field->item);
    else
        put_fields(out, kind, inside, field->fields, field->field_count);
}

static void put_fields(struct hark_buf *out, const char *kind, const char *above,
                       const struct hark_field *fields, size_t count)
{
    char path[PATH_LIMIT];
    for (size_t i = 0; i < count; i++) {
        /* What an item holds is said behind a dot, too. */
        size_t size = strlen(above);
        const char *dot = size > 0 && above[size - 1] == ']' ? "." : "";
        require(snprintf(path, sizeof path, "%s%s%s", above, dot, fields[i].name) < PATH_LIMIT,
                "too deep");
        put_field(out, kind, path, &fields[i]);
    }
}

static void put_tables(struct hark_buf *out, const struct hark_kinds *kinds)
{
    put(out, "| kind | who | `Re` | payload | what it is |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < hark_kinds_count(kinds); i++)
        put_kind(out, hark_kinds_get(kinds, i));
    put(out, "\n| kind | field | type | required |\n|---|---|---|---|\n");
    for (size_t i = 0; i < hark_kinds_count(kinds); i++) {
        const struct hark_kind *kind = hark_kinds_get(kinds, i);
        put_fields(out, kind->name, "", kind->fields, kind->field_count);
    }
}

/* ---- The file ---------------------------------------------------------------- */

static struct hark_buf read_file(const char *path)
{
    struct hark_buf out = hark_buf_init(FILE_LIMIT);
    char chunk[4096];
    size_t got = 0;
    FILE *file = fopen(path, "rb");
    require(file != NULL, "cannot read the file");
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        require(hark_buf_append(&out, chunk, got, NULL) == 0, "the file is too large");
    require(ferror(file) == 0 && fclose(file) == 0, "cannot read the file");
    require(hark_buf_terminate(&out, NULL) == 0, "out of memory");
    return out;
}

/* What lies between the line of the first marker and the second one. */
static void find_between(const struct hark_buf *text, size_t *start, size_t *end)
{
    const char *all = (const char *)text->data;
    const char *begin = strstr(all, BEGIN);
    const char *line_end = begin != NULL ? strchr(begin, '\n') : NULL;
    const char *stop = line_end != NULL ? strstr(line_end, END) : NULL;
    require(stop != NULL, "the file has no markers");
    *start = (size_t)(line_end + 1 - all);
    *end = (size_t)(stop - all);
}

static int check_file(const char *path, struct hark_span tables)
{
    struct hark_buf text = read_file(path);
    size_t start = 0;
    size_t end = 0;
    find_between(&text, &start, &end);
    bool same = hark_span_equal(hark_span(text.data + start, end - start), tables);
    hark_buf_free(&text);
    if (same)
        return 0;
    (void)fprintf(stderr, "the tables in %s are not those of schemas/kinds: kinds_table --write\n",
                  path);
    return 1;
}

static void write_file(const char *path, struct hark_span tables)
{
    struct hark_buf text = read_file(path);
    size_t start = 0;
    size_t end = 0;
    find_between(&text, &start, &end);
    FILE *file = fopen(path, "wb");
    require(file != NULL, "cannot write the file");
    bool fine = fwrite(text.data, 1, start, file) == start &&
                fwrite(tables.data, 1, tables.size, file) == tables.size &&
                fwrite(text.data + end, 1, text.size - end, file) == text.size - end;
    require(fclose(file) == 0 && fine, "cannot write the file");
    hark_buf_free(&text);
}

int main(int argc, char **argv)
{
    struct hark_buf out = hark_buf_init(FILE_LIMIT);
    struct hark_kinds *kinds = NULL;
    int rc = 0;
    require(hark_crypto_init(NULL) == 0 && hark_kinds_builtin(&kinds, NULL) == 0, "no kinds");
    put_tables(&out, kinds);
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        rc = check_file(argv[2], hark_buf_span(&out));
    else if (argc == 3 && strcmp(argv[1], "--write") == 0)
        write_file(argv[2], hark_buf_span(&out));
    else if (argc == 1)
        require(fwrite(out.data, 1, out.size, stdout) == out.size, "cannot print");
    else
        require(false, "usage: kinds_table [--check FILE | --write FILE]");
    hark_kinds_free(kinds);
    hark_buf_free(&out);
    return rc;
}
