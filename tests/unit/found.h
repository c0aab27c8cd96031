/*
 * The evidence that a space keeps, for the tests of what finds it. Include after cmocka.h.
 */
#ifndef HARK_TESTS_FOUND_H
#define HARK_TESTS_FOUND_H

#include "node/convict.h"
#include "schemas/evidence.h"
#include "tests/unit/space_stage.h"

#define FOUND_MAX 4

struct found {
    size_t count, notes; /* files that convict, and others */
    struct hark_evidence list[FOUND_MAX];
};

static inline int found_read(void *arg, struct hark_space *space, const char *path,
                             struct hark_err *why)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);
    struct found *found = arg;

    (void)space;
    OK(hark_file_read(path, &file, why));
    if (strcmp(strrchr(path, '.'), ".note") == 0) {
        found->notes++;
    } else {
        assert_true(found->count < FOUND_MAX);
        OK(hark_evidence_read(&found->list[found->count++], hark_buf_span(&file), &err));
    }
    hark_buf_free(&file);
    return 0;
}

static inline struct found found_in(struct hark_space *space)
{
    struct found found = {.count = 0};

    OK(hark_convict_each(space, found_read, &found, &err));
    return found;
}

static inline int found_take(void *to, struct hark_space *space, const char *path,
                             struct hark_err *why)
{
    struct hark_buf file = hark_buf_init(HARK_EVIDENCE_MAX);

    (void)space;
    OK(hark_file_read(path, &file, why));
    OK(hark_convict_take(to, hark_buf_span(&file), &err));
    hark_buf_free(&file);
    return 0;
}

/* All of it is taken there. */
static inline void found_hand_over(struct hark_space *from, struct hark_space *to)
{
    OK(hark_convict_each(from, found_take, to, &err));
}

#endif
