/*
 * SHA-256's compression with the processor's own instructions (Intel SHA extensions),
 * where there are any; FIPS 180-4.
 */
#ifndef HARK_CRYPTO_SHA256_X86_H
#define HARK_CRYPTO_SHA256_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Has this processor what it takes? Asked once, on any thread. */
bool hark_sha256_x86_here(void);
/* Takes `blocks` of 64 bytes into the state. Only where hark_sha256_x86_here. */
void hark_sha256_x86_blocks(uint32_t state[8], const uint8_t *data, size_t blocks);

#endif
