/* A 64-bit hash of bytes, the same on every machine; not cryptographic. */
#ifndef CLADE_BASE_HASH_H
#define CLADE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a. Source: Fowler, Noll, Vo; draft-eastlake-fnv. */
uint64_t clade_hash(const void *bytes, size_t size);
/* Continues a hash with more bytes; begin with clade_hash of the first ones. */
uint64_t clade_hash_more(uint64_t hash, const void *bytes, size_t size);

#endif
