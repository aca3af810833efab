/* FNV-1a, 64 bits. */
#include "base/hash.h"

uint64_t clade_hash_more(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

uint64_t clade_hash(const void *bytes, size_t size)
{
    return clade_hash_more(0xcbf29ce484222325u, bytes, size);
}
