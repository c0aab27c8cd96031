/*
 * The query's side of the full-text search (index_words.c has the other). What
 * is handed to MATCH is built here from quoted strings only: nothing that
 * somebody typed is ever read as FTS5's own syntax.
 */
#include <string.h>

#include "node/index_internal.h"

#define QUERY_MAX 2048u /* bytes */
#define TERMS_MAX 64u

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next word, or what stands between two quotation marks. */
static bool take_term(struct hark_span *query, struct hark_span *term)
{
    size_t size = 0;
    bool quoted;

    while (query->size > 0 && is_space(query->data[0])) {
        query->data++;
        query->size--;
    }
    if (query->size == 0)
        return false;
    quoted = query->data[0] == '"';
    if (quoted) {
        query->data++;
        query->size--;
    }
    while (size < query->size && query->data[size] != '"' &&
           (quoted || !is_space(query->data[size])))
        size++;
    *term = hark_span(query->data, size);
    if (quoted && size < query->size)
        size++; /* the closing mark */
    query->data += size;
    query->size -= size;
    return true;
}

/* One term as an FTS5 string: a phrase of whatever the tokenizer makes of it. A
 * last CJK character that stands alone is only the beginning of a bigram. */
static int append_term(struct hark_buf *out, struct hark_span term, struct hark_err *err)
{
    struct hark_buf words = hark_buf_init(8 * QUERY_MAX);
    bool single = false;
    int rc = hark_index_normalise(&words, term, false, &single, err);

    if (rc != 0 || words.size == 0)
        goto out;
    rc = hark_buf_append_str(out, " \"", err);
    for (size_t i = 0; rc == 0 && i < words.size; i++) {
        if (words.data[i] == '"') /* a full-width one that was folded */
            continue;
        rc = hark_buf_append_byte(out, words.data[i], err);
    }
    if (rc == 0)
        rc = hark_buf_append_str(out, single ? "\"*" : "\"", err);
out:
    hark_buf_free(&words);
    return rc;
}

static int build_match(struct hark_buf *out, const char *text, struct hark_err *err)
{
    struct hark_span query = hark_span_str(text);
    struct hark_span term;
    size_t terms = 0;
    int rc = 0;

    if (query.size > QUERY_MAX || !hark_utf8_valid(query))
        return hark_err_set(err, HARK_E_USAGE, "a query is UTF-8 text of at most %u bytes",
                            QUERY_MAX);
    while (rc == 0 && take_term(&query, &term)) {
        if (++terms > TERMS_MAX)
            return hark_err_set(err, HARK_E_USAGE, "a query has at most %u words", TERMS_MAX);
        rc = append_term(out, term, err);
    }
    return rc;
}

int hark_index_search(struct hark_index *index, const char *query, uint64_t limit, hark_row_fn *fn,
                      void *arg, struct hark_err *err)
{
    /* Words of what is void or erased are not there; looked at again all the same,
     * since showing them would be worse than not finding them. What is hidden can
     * be found, after the rest: hiding is not erasing, and it is told. */
    static const char sql[] =
        "SELECT " HARK_ROW_COLUMNS
        " FROM words w CROSS JOIN entry e ON e.position = w.rowid" HARK_ROW_JOINS
        "WHERE words MATCH ?1 AND e.verdict = 0 AND e.says = 1"
        " ORDER BY e.hidden_by IS NOT NULL, w.rank, e.position DESC LIMIT ?2";
    struct hark_buf match = hark_buf_init(16 * QUERY_MAX);
    sqlite3_stmt *statement = NULL;
    int result;
    int rc = build_match(&match, query, err);

    if (rc != 0 || match.size == 0)
        goto out;
    result = sqlite3_prepare_v2(index->db, sql, -1, &statement, NULL);
    if (result != SQLITE_OK) {
        rc = hark_index_fail(index, result, err);
        goto out;
    }
    rc = hark_index_bind(index, statement,
                         V_ARGS(V_TEXT(match.data, match.size),
                                limit == 0 || limit > INT64_MAX ? V_INT(-1) : V_INT(limit)),
                         err);
    if (rc == 0)
        rc = hark_index_walk(index, statement, fn, arg, err);
out:
    (void)sqlite3_finalize(statement);
    hark_buf_free(&match);
    return rc;
}
