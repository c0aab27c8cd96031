/*
 * Evidence without end: each file holds, and is another one. Half of it convicts the peer
 * itself, half of it keys that nobody knows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/evidence.h"
#include "tests/support/hostile.h"

/* An entry of that key, its first; another one for each number. */
static void put_entry(struct hark_buf *out, const struct hark_hash *space,
                      const struct hark_signer *by, uint64_t number)
{
    struct hark_entry entry = {.has_space = true,
                               .space = *space,
                               .author = *hark_signer_key(by),
                               .seq = 1,
                               .time_ms = 1000 + number,
                               .kind = "post"};
    hostile_require(hark_entry_build(out, &entry, by, NULL) == 0, "no entry");
}

static struct hark_buf make_file(const struct hark_hash *space, const struct hark_signer *by,
                                 uint64_t number)
{
    struct hark_buf a = hostile_buf(), b = hostile_buf(), file = hostile_buf();
    struct hark_evidence_parts *parts = calloc(1, sizeof(*parts));
    struct hark_err err = {0};
    hostile_require(parts != NULL, "no memory");
    put_entry(&a, space, by, 0);
    put_entry(&b, space, by, number);
    parts->kind = HARK_EVIDENCE_TWIN;
    parts->key = *hark_signer_key(by);
    parts->parts[0] = hark_buf_span(&a);
    parts->parts[1] = hark_buf_span(&b);
    hostile_require(hark_evidence_encode(&file, parts, &err) == 0, err.message);
    free(parts);
    hark_buf_free(&a);
    hark_buf_free(&b);
    return file;
}

/* Every other one by a key of its own. */
static struct hark_buf make_body(const struct hark_hash *space, const struct hark_signer *own,
                                 uint64_t *number)
{
    struct hark_buf files[HARK_EVIDENCE_FILES_MAX], body = hostile_buf();
    struct hark_span spans[HARK_EVIDENCE_FILES_MAX];
    for (size_t i = 0; i < HARK_EVIDENCE_FILES_MAX; i++) {
        struct hark_seed *seed = NULL;
        struct hark_signer *stranger = NULL;
        hostile_require(hark_seed_new(&seed, NULL) == 0 &&
                            hark_signer_new(&stranger, seed, NULL) == 0,
                        "no key");
        ++*number;
        files[i] = make_file(space, *number % 2 == 0 ? own : stranger, *number);
        spans[i] = hark_buf_span(&files[i]);
        hark_signer_free(stranger);
        hark_seed_free(seed);
    }
    hostile_require(
        hark_evidence_files_encode(&body, space, spans, HARK_EVIDENCE_FILES_MAX, NULL) == 0,
        "no body");
    for (size_t i = 0; i < HARK_EVIDENCE_FILES_MAX; i++) {
        hark_buf_free(&files[i]);
    }
    return body;
}

/* Each message waits for the answer to the one before it. */
int hostile_evidence(int argc, char **argv)
{
    struct hark_node *server = hostile_node(argv[0]), *as = hostile_node(argv[1]);
    struct hark_hash space = hostile_hash(argv[3]);
    struct hostile h =
        hostile_connect(argv[2], hark_box_key(server->identity.curve), as->identity.curve, 100);
    uint64_t count = 0, shown = 0, noted = 0;
    (void)argc;
    hostile_require(hark_decimal_decode(&count, hark_span_str(argv[4]), 100000, NULL) == 0,
                    "how many?");
    hostile_require(hostile_hello(&h, HOSTILE_WAIT), "it is not let in");
    (void)printf("ready\n");
    (void)fflush(stdout);
    while (shown < count) {
        struct hark_buf body = make_body(&space, as->identity.author, &shown);
        struct hostile_answer answer;
        hostile_say(&h, HARK_MESSAGE_EVIDENCE, hark_buf_span(&body));
        hostile_require(hostile_hear_answer(&h, &answer, 20 * HOSTILE_WAIT) == 2, "no answer");
        noted += answer.frames[0].data[5] == HARK_MESSAGE_NOTED ? HARK_EVIDENCE_FILES_MAX : 0;
        hostile_answer_free(&answer);
        hark_buf_free(&body);
    }
    (void)printf("showed %" PRIu64 " files, %" PRIu64 " noted\n", shown, noted);
    hostile_close(&h);
    hark_node_free(server);
    hark_node_free(as);
    return 0;
}
