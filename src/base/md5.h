/* MD5 (RFC 1321): for checksums that others have published; not cryptographically secure. */
#ifndef CLADE_BASE_MD5_H
#define CLADE_BASE_MD5_H

#include <stddef.h>
#include <stdint.h>

typedef struct clade_md5 {
    uint32_t state[4];
    uint64_t bytes;    /* number of bytes added so far */
    uint8_t block[64]; /* the last bytes % 64 of them */
} clade_md5;

void clade_md5_start(clade_md5 *hash);
void clade_md5_add(clade_md5 *hash, const void *bytes, size_t size);
/* Finishes the hash and writes it as 32 lower-case hexadecimal digits and a zero. */
void clade_md5_end(clade_md5 *hash, char hex[33]);

#endif
