/*
 * Definitions of kinds from anybody, and what a kind of anybody's making does to
 * the set and to payloads.
 */
#include <stdint.h>
#include <string.h>

#include "schemas/payload.h"
#include "tests/fuzz/require.h"

static const char payload[] =
    "{\"salt\":\"000102030405060708090a0b0c0d0e0f\",\"body\":\"x\",\"size\":\"m\","
    "\"parts\":[{\"n\":1},{\"n\":-5}],\"id\":[[1],{\"a\":true}]}";

/* What other code counts on in every field of a parsed kind. */
static void check_fields(const struct hark_field *fields, size_t count, unsigned depth)
{
    require(count <= HARK_KIND_FIELDS_MAX && depth <= 8);
    for (size_t i = 0; i < count; i++) {
        const struct hark_field *f = &fields[i];
        require(f->min <= f->max && f->choice_count <= HARK_KIND_CHOICES_MAX);
        require((f->type == HARK_FIELD_CHOICE) == (f->choice_count > 0));
        require((f->type == HARK_FIELD_LIST) == (f->item != NULL));
        require((f->type == HARK_FIELD_OBJECT) == (f->field_count > 0));
        require(!(f->required && f->if_count > 0));
        check_fields(f->fields, f->field_count, depth + 1);
        if (f->item != NULL)
            check_fields(f->item, 1, depth + 1);
    }
}

static void try_payload(const struct hark_kind *kind)
{
    uint8_t padded[128];
    _Static_assert(sizeof payload > 64 && sizeof payload <= sizeof padded + 1, "padding");
    memset(padded, ' ', sizeof padded);
    memcpy(padded, payload, sizeof payload - 1);
    (void)!hark_payload_check(kind, hark_span(padded, sizeof padded), NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hark_kinds *kinds;
    struct hark_kind *kind = NULL;
    struct hark_err err = {0};
    if (kinds == NULL)
        require(hark_crypto_init(NULL) == 0 && hark_kinds_builtin(&kinds, NULL) == 0);
    int rc = hark_kind_parse(&kind, hark_span(data, size), "fuzz", &err);
    require(rc == err.code && (rc == 0) == (kind != NULL));
    if (rc != 0) {
        require(rc == HARK_E_KIND_FORM && strncmp(err.message, "fuzz:", 5) == 0);
        return 0;
    }
    require(hark_kind_name_valid(hark_span_str(kind->name)));
    require(kind->re_min <= kind->re_max && kind->re_max <= HARK_ENTRY_RE_MAX);
    require((kind->re_max > 0) == (kind->re_any || kind->re_kind_count > 0));
    check_fields(kind->fields, kind->field_count, 0);
    try_payload(kind);
    /* The set is shared by all inputs: only what is refused may leave no trace. */
    size_t count = hark_kinds_count(kinds);
    if (hark_kinds_add_own(kinds, &kind, NULL) == 0) {
        require(kind == NULL && hark_kinds_count(kinds) == count + 1);
        hark_kinds_free(kinds);
        kinds = NULL;
    } else {
        require(kind != NULL && hark_kinds_count(kinds) == count);
        hark_kind_free(kind);
    }
    return 0;
}
