/*
 * Notes, checkpoints and verifier keys from anybody: each parser gets the same
 * bytes. What is accepted must lie within the input and be written back as it
 * was read.
 */
#include <stdint.h>
#include <string.h>

#include "crypto/note.h"
#include "tests/fuzz/require.h"

/* The keys of corpus/note: a log's and a witness's. */
static const char *const vkeys[] = {
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "witness.example+3176bd45+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU",
};

static bool within(struct hark_span part, struct hark_span whole)
{
    return part.data >= whole.data && part.size <= whole.size &&
           (size_t)(part.data - whole.data) <= whole.size - part.size;
}

static bool holds(const struct hark_buf *buf, struct hark_span wanted)
{
    return hark_span_equal(hark_buf_span(buf), wanted);
}

static void try_checkpoint(struct hark_span text)
{
    struct hark_buf buf = hark_buf_init(4096);
    struct hark_checkpoint cp;
    struct hark_span extensions;

    if (hark_checkpoint_decode(&cp, text, &extensions, NULL) != 0)
        return;
    require(within(extensions, text));
    require(hark_checkpoint_encode(&buf, &cp, NULL) == 0);
    require(holds(&buf, hark_span(text.data, text.size - extensions.size)));
    hark_buf_free(&buf);
}

static void try_note(struct hark_span input)
{
    struct hark_note note;

    if (hark_note_parse(&note, input, NULL) != 0)
        return;
    require(within(note.text, input) && note.count > 0);
    for (size_t i = 0; i < note.count; i++)
        require(within(note.lines[i].name, input) && within(note.lines[i].base64, input));
    for (size_t i = 0; i < sizeof(vkeys) / sizeof(vkeys[0]); i++) {
        struct hark_note_key key;
        uint64_t time_s = 0;

        require(hark_note_key_decode(&key, hark_span_str(vkeys[i]), NULL) == 0);
        (void)!hark_note_verify(&note, &key, &time_s, NULL);
    }
    try_checkpoint(note.text);
}

static void try_key(struct hark_span input)
{
    struct hark_buf buf = hark_buf_init(4096);
    struct hark_note_key key;

    if (hark_note_key_decode(&key, input, NULL) != 0)
        return;
    require(hark_note_key_encode(&buf, &key, NULL) == 0);
    require(holds(&buf, input));
    hark_buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hark_span input = hark_span(data, size);

    require(hark_crypto_init(NULL) == 0);
    try_note(input);
    try_checkpoint(input);
    try_key(input);
    return 0;
}
