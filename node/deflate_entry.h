/*
 * A zlib stream of one entry, by Huffman codes that were made once for all entries.
 *
 * Finding the codes that suit a text best takes most of the time of deflating a small
 * one, and entries are alike: hexadecimal digits, base64, the same few words. What comes
 * out is a stream like any other, two in a hundred larger than with codes of its own.
 */
#ifndef HARK_NODE_DEFLATE_ENTRY_H
#define HARK_NODE_DEFLATE_ENTRY_H

#include "crypto/bytes.h"

#define HARK_DEFLATE_ENTRY_MAX 2048u /* bytes that it takes */

struct hark_entry_code {
    uint16_t bits; /* as they are written, the first one lowest */
    uint8_t length;
};

/* Made once by hark_entry_codes_make, then only read: any number of threads may. */
struct hark_entry_codes {
    struct hark_entry_code literal[286], distance[22];
};

void hark_entry_codes_make(struct hark_entry_codes *codes);

/* The stream's size; 0 when it does not fit `room`, when the text is too long for it, or
 * when it has a character that no entry has. */
size_t hark_deflate_entry(const struct hark_entry_codes *codes, struct hark_span text, uint8_t *out,
                          size_t room);

#endif
