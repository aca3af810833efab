/* SHA-256 (FIPS 180-4): for checksums of data files and hashes of weights. */
#ifndef CLADE_BASE_SHA256_H
#define CLADE_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct clade_sha256 {
    uint32_t state[8];
    uint64_t bytes;    /* number of bytes added so far */
    uint8_t block[64]; /* the last bytes % 64 of them */
} clade_sha256;

void clade_sha256_start(clade_sha256 *hash);
void clade_sha256_add(clade_sha256 *hash, const void *bytes, size_t size);
/* Finishes the hash and writes it as 64 lower-case hexadecimal digits and a zero. */
void clade_sha256_end(clade_sha256 *hash, char hex[65]);

#endif
